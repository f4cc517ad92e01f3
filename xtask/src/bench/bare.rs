//! A client that does nothing but upload: how much a registry takes of one who signs nothing, asks nothing and reads nothing; and
//! the same where each run is also read and marked at an API server, which shares the machine. Also one that does nothing but
//! download: how long a registry's answers alone keep whoever verifies.

use std::fmt::Display;
use std::io::{BufRead as _, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use aws_lc_rs::digest::{SHA256, digest};
use rustls::{ClientConnection, StreamOwned};
use serde_json::Value;

use crate::http::Target;

/// The longest answer that is read: a manifest, an envelope or a run of a benchmark has a few KiB.
const ANSWER: usize = 1 << 20;

/// What lies under one tag.
pub(super) struct Upload {
    repository: String,
    tag: String,
    manifest: Vec<u8>,
    /// Digest and bytes of the configuration and of each layer.
    blobs: Vec<(String, Vec<u8>)>,
}

/// What belongs to one run.
pub(super) struct Run {
    pub(super) uploads: Vec<Upload>,
    /// Where the API server has it.
    pub(super) path: String,
}

/// An API server at which runs are read and marked.
pub(super) struct Marking {
    pub(super) server: Target,
    pub(super) token: String,
    /// The merge patch.
    pub(super) patch: String,
}

/// What a registry holds under these tags of a repository.
pub(super) fn collect(registry: SocketAddr, repository: &str, tags: &[String]) -> Result<Vec<Upload>> {
    let mut connection = Connection::plain(registry)?;
    let mut read = |path: &str| -> Result<Vec<u8>> {
        let answer = connection.ask("GET", &format!("/v2/{repository}/{path}"), KIND, &[])?;
        if answer.status != 200 {
            bail!("{repository}/{path}: the registry answers {}, expected 200", answer.status);
        }
        Ok(answer.body)
    };
    let mut all = Vec::new();
    for tag in tags {
        let manifest = read(&format!("manifests/{tag}"))?;
        let view: Value = serde_json::from_slice(&manifest)?;
        let layers = view.get("layers").and_then(Value::as_array).context("a manifest without layers")?;
        let pointers = view.get("config").into_iter().chain(layers);
        let mut blobs = Vec::new();
        for digest in pointers.filter_map(|one| one.get("digest")?.as_str()) {
            blobs.push((digest.to_owned(), read(&format!("blobs/{digest}"))?));
        }
        all.push(Upload { repository: repository.to_owned(), tag: tag.clone(), manifest, blobs });
    }
    Ok(all)
}

/// Uploads all of it with so many connections at once, and marks each run where that is asked for; says how long that took.
pub(super) fn upload(
    registry: SocketAddr,
    runs: &[Run],
    at_once: usize,
    marking: Option<&Marking>,
) -> Result<Duration> {
    let left = Mutex::new(runs.iter());
    let began = Instant::now();
    thread::scope(|scope| -> Result<()> {
        let one = || -> Result<()> {
            let mut connection = Connection::plain(registry)?;
            let mut marker = marking.map(Connection::marking).transpose()?;
            loop {
                let next = left.lock().map_err(|_| anyhow::anyhow!("an uploader broke down"))?.next();
                let Some(run) = next else { return Ok(()) };
                if let Some(marker) = &mut marker {
                    marker.expect("GET", &run.path, JSON, &[], 200)?;
                }
                for upload in &run.uploads {
                    connection.upload(upload)?;
                }
                if let (Some(marker), Some(marking)) = (&mut marker, marking) {
                    marker.expect("PATCH", &run.path, PATCH, marking.patch.as_bytes(), 200)?;
                }
            }
        };
        let all: Vec<_> = (0..at_once).map(|_| scope.spawn(one)).collect();
        all.into_iter()
            .try_for_each(|one| one.join().map_err(|_| anyhow::anyhow!("an uploader broke down"))?)
    })?;
    Ok(began.elapsed())
}

/// Downloads what verifying an image by its tag `v1` takes: its manifest, the list of its attestations, and each of these, over
/// so many connections. Says how long that took, connecting included; nothing is looked at but where to go on.
pub(super) fn download(registry: SocketAddr, repository: &str, at_once: usize) -> Result<Duration> {
    let path = |kind: &str, name: &str| format!("/v2/{repository}/{kind}/{name}");
    let read = |connection: &mut Connection<TcpStream>, path: &str| -> Result<Vec<u8>> {
        let answer = connection.ask("GET", path, KIND, &[])?;
        if answer.status != 200 {
            bail!("{path}: the registry answers {}, expected 200", answer.status);
        }
        Ok(answer.body)
    };
    let began = Instant::now();
    let mut connection = Connection::plain(registry)?;
    let image = read(&mut connection, &path("manifests", "v1"))?;
    let digest = digest(&SHA256, &image);
    let hex: String = digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    let list = read(&mut connection, &path("manifests", &format!("sha256-{hex}.att")))?;
    let list: Value = serde_json::from_slice(&list)?;
    let layers = list.get("layers").and_then(Value::as_array).context("a manifest without layers")?;
    let left = Mutex::new(layers.iter().filter_map(|one| one.get("digest")?.as_str()));
    let one = |mut connection: Connection<TcpStream>| -> Result<()> {
        loop {
            let next = left.lock().map_err(|_| anyhow::anyhow!("a download broke down"))?.next();
            let Some(digest) = next else { return Ok(()) };
            read(&mut connection, &path("blobs", digest))?;
        }
    };
    thread::scope(|scope| -> Result<()> {
        let others: Vec<_> =
            (1..at_once).map(|_| scope.spawn(|| one(Connection::plain(registry)?))).collect();
        one(connection)?;
        let ended =
            others.into_iter().map(|one| one.join().map_err(|_| anyhow::anyhow!("a download broke down"))?);
        ended.collect()
    })?;
    Ok(began.elapsed())
}

/// What is accepted as an answer, and what is sent.
type Kinds = [&'static str; 2];

const KIND: Kinds = ["application/vnd.oci.image.manifest.v1+json"; 2];
const OCTETS: Kinds = ["application/octet-stream"; 2];
const JSON: Kinds = ["application/json"; 2];
/// As the controller asks: only the run's metadata comes back.
const PATCH: Kinds =
    ["application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1", "application/merge-patch+json"];

/// One connection that stays open.
struct Connection<S: Read + Write> {
    stream: BufReader<S>,
    /// What every request says: the host, and who asks.
    head: String,
}

struct Answer {
    status: u16,
    location: String,
    body: Vec<u8>,
}

impl Connection<TcpStream> {
    fn plain(host: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(host)?;
        stream.set_nodelay(true)?;
        Ok(Self { stream: BufReader::new(stream), head: format!("Host: {host}\r\n") })
    }
}

impl Connection<StreamOwned<ClientConnection, TcpStream>> {
    fn marking(marking: &Marking) -> Result<Self> {
        let stream = BufReader::new(marking.server.stream()?);
        Ok(Self { stream, head: format!("Host: bare\r\nAuthorization: Bearer {}\r\n", marking.token) })
    }
}

impl<S: Read + Write> Connection<S> {
    /// Each blob takes a request that opens an upload and one that carries it; a manifest takes one.
    fn upload(&mut self, upload: &Upload) -> Result<()> {
        let Upload { repository, tag, manifest, blobs } = upload;
        for (digest, bytes) in blobs {
            let place = self.ask("POST", &format!("/v2/{repository}/blobs/uploads/"), OCTETS, &[])?;
            let path = place.location.split_once("/v2/").map(|(_, rest)| format!("/v2/{rest}"));
            let path = path.with_context(|| format!("an upload without a place: {}", place.status))?;
            let sign = if path.contains('?') { '&' } else { '?' };
            self.expect("PUT", &format!("{path}{sign}digest={digest}"), OCTETS, bytes, 201)?;
        }
        self.expect("PUT", &format!("/v2/{repository}/manifests/{tag}"), KIND, manifest, 201)
    }

    fn expect(&mut self, method: &str, path: &str, kinds: Kinds, body: &[u8], wanted: u16) -> Result<()> {
        let Answer { status, body, .. } = self.ask(method, path, kinds, body)?;
        if status != wanted {
            let words = String::from_utf8_lossy(&body);
            bail!("{method} {path}: {status}, expected {wanted}: {words}");
        }
        Ok(())
    }

    fn ask(&mut self, method: &str, path: &str, [accept, kind]: Kinds, body: &[u8]) -> Result<Answer> {
        let head = format!(
            "{method} {path} HTTP/1.1\r\n{}Accept: {accept}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\r\n",
            self.head,
            body.len()
        );
        self.stream.get_mut().write_all(&[head.as_bytes(), body].concat())?;
        self.stream.get_mut().flush()?;
        let status = self.line()?;
        let status = status.split(' ').nth(1).and_then(|code| code.parse().ok()).context("a status")?;
        let (mut location, mut length, mut in_pieces) = (String::new(), 0, false);
        loop {
            let line = self.line()?;
            let Some((name, value)) = line.split_once(':') else { break };
            match name.to_ascii_lowercase().as_str() {
                "location" => value.trim().clone_into(&mut location),
                "content-length" => length = value.trim().parse()?,
                "transfer-encoding" => in_pieces = true,
                _ => {}
            }
        }
        let mut body = Vec::new();
        let named = format_args!("{method} {path}");
        if !in_pieces {
            self.piece(&mut body, length, named)?;
        }
        while in_pieces {
            let length = usize::from_str_radix(&self.line()?, 16)?;
            self.piece(&mut body, length, named)?;
            self.line()?;
            in_pieces = length > 0;
        }
        Ok(Answer { status, location, body })
    }

    fn piece(&mut self, body: &mut Vec<u8>, length: usize, named: impl Display) -> Result<()> {
        if body.len().saturating_add(length) > ANSWER {
            bail!("{named}: over {ANSWER} bytes");
        }
        let read = self.stream.by_ref().take(u64::try_from(length)?).read_to_end(body)?;
        if read < length {
            bail!("{named}: the answer broke off");
        }
        Ok(())
    }

    fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        self.stream.read_line(&mut line)?;
        Ok(line.trim_end().to_owned())
    }
}
