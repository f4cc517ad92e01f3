//! A registry on loopback that is honest unless told otherwise.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use provost_oci::Digest;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::{Value, json};

/// What a lie answers, with its bytes made.
#[derive(Clone)]
pub(crate) struct Answer {
    pub(crate) request: String,
    pub(crate) from: usize,
    pub(crate) status: Option<u16>,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Option<Vec<u8>>,
    pub(crate) endless: bool,
    pub(crate) silent: bool,
    pub(crate) length: Option<u64>,
}

/// What lies in the registry, and what it was asked.
#[derive(Default)]
pub(crate) struct World {
    /// Manifests by `repository:tag` and `repository@digest`: their type and bytes.
    pub(crate) manifests: BTreeMap<String, (String, Vec<u8>)>,
    pub(crate) blobs: BTreeMap<String, Vec<u8>>,
    pub(crate) has_referrers: bool,
    pub(crate) lies: Vec<Answer>,
    /// Method and path of each request, and its `Authorization`.
    pub(crate) asked: Vec<(String, Option<String>)>,
    counts: Vec<usize>,
}

impl World {
    pub(crate) fn put_manifest(
        &mut self,
        repository: &str,
        tags: &[String],
        kind: &str,
        bytes: Vec<u8>,
    ) -> String {
        let digest = Digest::sha256_of(&bytes).to_string();
        for tag in tags {
            self.manifests.insert(format!("{repository}:{tag}"), (kind.to_owned(), bytes.clone()));
        }
        self.manifests.insert(format!("{repository}@{digest}"), (kind.to_owned(), bytes));
        digest
    }

    pub(crate) fn put_blob(&mut self, bytes: Vec<u8>) -> String {
        let digest = Digest::sha256_of(&bytes).to_string();
        self.blobs.insert(digest.clone(), bytes);
        digest
    }

    /// The list of what refers to a digest in a repository.
    pub(crate) fn referrers(&self, repository: &str, digest: &str) -> Value {
        let mut found = Vec::new();
        for (name, (kind, bytes)) in &self.manifests {
            let Some(own) = name.strip_prefix(&format!("{repository}@")) else { continue };
            let Ok(manifest) = serde_json::from_slice::<Value>(bytes) else { continue };
            if manifest.pointer("/subject/digest").and_then(Value::as_str) == Some(digest) {
                found.push(json!({
                    "mediaType": kind, "size": bytes.len(), "digest": own,
                    "artifactType": manifest.get("artifactType"), "annotations": manifest.get("annotations"),
                }));
            }
        }
        json!({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": found})
    }

    /// The lie about this request, if it is time for it.
    fn lie(&mut self, request: &str) -> Option<Answer> {
        self.counts.resize(self.lies.len(), 0);
        for (lie, count) in self.lies.iter().zip(&mut self.counts) {
            if fits(&lie.request, request) {
                *count += 1;
                if *count >= lie.from {
                    return Some(lie.clone());
                }
            }
        }
        None
    }

    /// Status, type and bytes of the honest answer.
    fn honest(
        &mut self,
        method: &str,
        path: &str,
        kind: Option<&str>,
        body: Vec<u8>,
    ) -> (u16, String, Vec<u8>) {
        let json = "application/json".to_owned();
        let missing = |code: &str| (404, "application/json".to_owned(), errors(code));
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let Some(rest) = path.strip_prefix("/v2/") else { return missing("NOT_FOUND") };
        if rest.is_empty() {
            return (200, json, b"{}".to_vec());
        }
        let Some((repository, what, name)) = parted(rest) else { return missing("NAME_UNKNOWN") };
        match (method, what) {
            ("GET" | "HEAD", "manifests") => {
                let key = [repository, if name.contains(':') { "@" } else { ":" }, name].concat();
                match self.manifests.get(&key) {
                    Some((kind, bytes)) => (200, kind.clone(), bytes.clone()),
                    None => missing("MANIFEST_UNKNOWN"),
                }
            }
            ("GET" | "HEAD", "blobs") => match self.blobs.get(name) {
                Some(bytes) => (200, "application/octet-stream".to_owned(), bytes.clone()),
                None => missing("BLOB_UNKNOWN"),
            },
            ("GET", "referrers") if self.has_referrers => {
                let list = self.referrers(repository, name).to_string().into_bytes();
                (200, "application/vnd.oci.image.index.v1+json".to_owned(), list)
            }
            ("POST", "blobs") if name == "uploads/" => (202, json, Vec::new()),
            ("PUT", "blobs") => {
                assert!(query.contains("digest="), "{query}");
                self.put_blob(body);
                (201, json, Vec::new())
            }
            ("PUT", "manifests") => {
                let tags = if name.contains(':') { Vec::new() } else { vec![name.to_owned()] };
                self.put_manifest(repository, &tags, kind.unwrap_or_default(), body);
                (201, json, Vec::new())
            }
            _ => missing("UNSUPPORTED"),
        }
    }
}

/// Repository, kind and name of a path below `/v2/`.
fn parted(rest: &str) -> Option<(&str, &str, &str)> {
    ["manifests", "blobs", "referrers"].iter().find_map(|&what| {
        let (repository, name) = rest.split_once(&format!("/{what}/"))?;
        Some((repository, what, name))
    })
}

fn errors(code: &str) -> Vec<u8> {
    json!({"errors": [{"code": code, "message": "not there"}]}).to_string().into_bytes()
}

/// Whether a pattern with `*` in it fits a method and a path.
pub(crate) fn fits(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = text.strip_prefix(parts.next().unwrap_or_default()) else { return false };
    let mut last = None;
    for part in parts {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
        last = Some(part);
    }
    rest.is_empty() || last == Some("")
}

/// The server; it ends when dropped.
pub(crate) struct Hostile {
    pub(crate) address: SocketAddr,
    pub(crate) world: Arc<Mutex<World>>,
    ended: Arc<AtomicBool>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Hostile {
    /// A host that speaks http, and TLS where it is given a certificate and its key.
    pub(crate) fn start(tls: Option<Arc<ServerConfig>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let world = Arc::new(Mutex::new(World::default()));
        let ended = Arc::new(AtomicBool::new(false));
        let (served, over) = (Arc::clone(&world), Arc::clone(&ended));
        let thread = thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if over.load(Ordering::Relaxed) {
                    return;
                }
                let (world, tls) = (Arc::clone(&served), tls.clone());
                // Whoever hangs up ends his own connection, nothing else.
                thread::spawn(move || greet(stream, tls, &world).unwrap_or_default());
            }
        });
        Self { address, world, ended, thread: Some(thread) }
    }
}

impl Drop for Hostile {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        let _ = TcpStream::connect(self.address);
        let _ = self.thread.take().map(thread::JoinHandle::join);
    }
}

/// Answers in the tongue it is spoken to in: a TLS record begins with 22.
fn greet(stream: TcpStream, tls: Option<Arc<ServerConfig>>, world: &Mutex<World>) -> std::io::Result<()> {
    let mut first = [0];
    match tls {
        Some(tls) if stream.peek(&mut first)? == 1 && first == [22] => {
            let connection = ServerConnection::new(tls).map_err(std::io::Error::other)?;
            serve(StreamOwned::new(connection, stream), world)
        }
        _ => serve(stream, world),
    }
}

fn serve(stream: impl Read + Write, world: &Mutex<World>) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    loop {
        let mut head = Vec::new();
        loop {
            let mut line = Vec::new();
            if reader.by_ref().take(64 * 1024).read_until(b'\n', &mut line)? == 0 {
                return Ok(());
            }
            let line = String::from_utf8_lossy(&line).trim_end().to_owned();
            if line.is_empty() && !head.is_empty() {
                break;
            }
            head.push(line);
        }
        let mut words = head[0].split(' ');
        let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        if words.next() != Some("HTTP/1.1") {
            // A TLS greeting, most likely.
            return Ok(());
        }
        let header = |name: &str| {
            let lines = head.iter().filter_map(|line| line.split_once(':'));
            lines
                .filter(|(known, _)| known.eq_ignore_ascii_case(name))
                .map(|(_, value)| value.trim().to_owned())
                .next()
        };
        let length = header("content-length").and_then(|text| text.parse().ok()).unwrap_or(0);
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        let request = format!("{method} {path}");
        let (lie, honest) = {
            let mut world = world.lock().unwrap_or_else(PoisonError::into_inner);
            world.asked.push((request.clone(), header("authorization")));
            let lie = world.lie(&request);
            (lie, world.honest(method, path, header("content-type").as_deref(), body))
        };
        answer(reader.get_mut(), method, path, lie, honest)?;
    }
}

fn answer(
    writer: &mut (impl Read + Write),
    method: &str,
    path: &str,
    lie: Option<Answer>,
    (status, kind, bytes): (u16, String, Vec<u8>),
) -> std::io::Result<()> {
    let mut headers = BTreeMap::from([("Content-Type".to_owned(), kind)]);
    if path.contains("/manifests/") && status == 200 {
        headers.insert("Docker-Content-Digest".to_owned(), Digest::sha256_of(&bytes).to_string());
    }
    if status == 202 {
        headers.insert("Location".to_owned(), format!("{path}1"));
    }
    let honest = Answer {
        request: String::new(),
        from: 1,
        status: Some(status),
        headers,
        body: Some(bytes),
        endless: false,
        silent: false,
        length: None,
    };
    let Some(mut lie) = lie else { return send(writer, method, &honest) };
    lie.body = lie.body.or(if lie.status.is_none() { honest.body } else { None });
    for (name, value) in honest.headers.iter().filter(|_| lie.status.is_none()) {
        lie.headers.entry(name.clone()).or_insert_with(|| value.clone());
    }
    lie.status = lie.status.or(honest.status);
    send(writer, method, &lie)
}

fn send(writer: &mut (impl Read + Write), method: &str, answer: &Answer) -> std::io::Result<()> {
    let body = answer.body.clone().unwrap_or_default();
    let length = if answer.endless { u64::MAX >> 1 } else { body.len() as u64 };
    let length = answer.length.unwrap_or(length);
    let mut head = format!("HTTP/1.1 {} -\r\nContent-Length: {length}\r\n", answer.status.unwrap_or(200));
    for (name, value) in answer.headers.iter().filter(|(_, value)| !value.is_empty()) {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    writer.write_all(format!("{head}\r\n").as_bytes())?;
    if method == "HEAD" {
        return Ok(());
    }
    writer.write_all(&body)?;
    writer.flush()?;
    if answer.endless {
        loop {
            writer.write_all(&body)?;
        }
    }
    if answer.silent {
        let _ = writer.read(&mut [0])?;
    }
    if answer.silent || answer.length.is_some_and(|length| length != body.len() as u64) {
        return Err(std::io::ErrorKind::ConnectionAborted.into());
    }
    Ok(())
}
