//! A client that does nothing but upload: how much a registry takes of one who signs nothing, asks nothing and reads nothing.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

/// The longest answer that is read: a manifest or an envelope of a benchmark has a few KiB.
const ANSWER: usize = 1 << 20;

/// What lies under one tag.
pub(super) struct Upload {
    repository: String,
    tag: String,
    manifest: Vec<u8>,
    /// Digest and bytes of the configuration and of each layer.
    blobs: Vec<(String, Vec<u8>)>,
}

/// What a registry holds under these tags, each as `(repository, tag)`.
pub(super) fn collect(registry: SocketAddr, tags: &[(String, String)]) -> Result<Vec<Upload>> {
    let mut connection = Connection::new(registry)?;
    let mut read = |repository: &str, path: &str| -> Result<Vec<u8>> {
        let answer = connection.ask("GET", &format!("/v2/{repository}/{path}"), KIND, &[])?;
        if answer.status != 200 {
            bail!("{repository}/{path}: the registry answers {}, expected 200", answer.status);
        }
        Ok(answer.body)
    };
    let mut all = Vec::new();
    for (repository, tag) in tags {
        let manifest = read(repository, &format!("manifests/{tag}"))?;
        let view: Value = serde_json::from_slice(&manifest)?;
        let layers = view.get("layers").and_then(Value::as_array).context("a manifest without layers")?;
        let pointers = view.get("config").into_iter().chain(layers);
        let mut blobs = Vec::new();
        for digest in pointers.filter_map(|one| one.get("digest")?.as_str()) {
            blobs.push((digest.to_owned(), read(repository, &format!("blobs/{digest}"))?));
        }
        all.push(Upload { repository: repository.clone(), tag: tag.clone(), manifest, blobs });
    }
    Ok(all)
}

/// Uploads all of it with so many connections at once; says how long that took.
pub(super) fn upload(registry: SocketAddr, uploads: &[Upload], at_once: usize) -> Result<Duration> {
    let left = Mutex::new(uploads.iter());
    let began = Instant::now();
    thread::scope(|scope| -> Result<()> {
        let one = || -> Result<()> {
            let mut connection = Connection::new(registry)?;
            loop {
                let next = left.lock().map_err(|_| anyhow::anyhow!("an uploader broke down"))?.next();
                let Some(upload) = next else { return Ok(()) };
                connection.upload(upload)?;
            }
        };
        let all: Vec<_> = (0..at_once).map(|_| scope.spawn(one)).collect();
        all.into_iter()
            .try_for_each(|one| one.join().map_err(|_| anyhow::anyhow!("an uploader broke down"))?)
    })?;
    Ok(began.elapsed())
}

const KIND: &str = "application/vnd.oci.image.manifest.v1+json";
const OCTETS: &str = "application/octet-stream";

/// One connection that stays open.
struct Connection {
    stream: BufReader<TcpStream>,
    host: SocketAddr,
}

struct Answer {
    status: u16,
    location: String,
    body: Vec<u8>,
}

impl Connection {
    fn new(host: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(host)?;
        stream.set_nodelay(true)?;
        Ok(Self { stream: BufReader::new(stream), host })
    }

    /// Each blob takes a request that opens an upload and one that carries it; a manifest takes one.
    fn upload(&mut self, upload: &Upload) -> Result<()> {
        let Upload { repository, tag, manifest, blobs } = upload;
        for (digest, bytes) in blobs {
            let place = self.ask("POST", &format!("/v2/{repository}/blobs/uploads/"), OCTETS, &[])?;
            let path = place.location.split_once("/v2/").map(|(_, rest)| format!("/v2/{rest}"));
            let path = path.with_context(|| format!("an upload without a place: {}", place.status))?;
            let sign = if path.contains('?') { '&' } else { '?' };
            self.stored(&format!("{path}{sign}digest={digest}"), OCTETS, bytes)?;
        }
        self.stored(&format!("/v2/{repository}/manifests/{tag}"), KIND, manifest)
    }

    fn stored(&mut self, path: &str, kind: &str, body: &[u8]) -> Result<()> {
        match self.ask("PUT", path, kind, body)? {
            Answer { status: 201, .. } => Ok(()),
            Answer { status, body, .. } => {
                bail!("PUT {path}: {status}, expected 201: {}", String::from_utf8_lossy(&body))
            }
        }
    }

    fn ask(&mut self, method: &str, path: &str, kind: &str, body: &[u8]) -> Result<Answer> {
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nAccept: {kind}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\r\n",
            self.host,
            body.len()
        );
        self.stream.get_mut().write_all(&[head.as_bytes(), body].concat())?;
        let status = self.line()?;
        let status = status.split(' ').nth(1).and_then(|code| code.parse().ok()).context("a status")?;
        let (mut location, mut length) = (String::new(), 0);
        loop {
            let line = self.line()?;
            let Some((name, value)) = line.split_once(':') else { break };
            match name.to_ascii_lowercase().as_str() {
                "location" => value.trim().clone_into(&mut location),
                "content-length" => length = value.trim().parse()?,
                _ => {}
            }
        }
        if length > ANSWER {
            bail!("{method} {path}: {length} bytes, expected at most {ANSWER}");
        }
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body)?;
        Ok(Answer { status, location, body })
    }

    fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        self.stream.read_line(&mut line)?;
        Ok(line.trim_end().to_owned())
    }
}
