//! A hub under test, and a client that sends exactly the bytes it is told to.

use std::net::SocketAddr;

use provost_hub::{Hub, HubConfig};
use provost_oci::Digest;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

pub(crate) const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub(crate) const INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// A hub that serves until it is dropped or stopped.
pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    pub(crate) folder: TempDir,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
}

impl Running {
    pub(crate) async fn start() -> Self {
        Self::configured(|_| {}).await
    }

    pub(crate) async fn configured(change: impl FnOnce(&mut HubConfig)) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        Self::over(folder, change).await
    }

    pub(crate) async fn over(folder: TempDir, change: impl FnOnce(&mut HubConfig)) -> Self {
        let mut config = HubConfig::new(folder.path());
        change(&mut config);
        let hub = Hub::bind(config).await.expect("the hub binds");
        let address = hub.address();
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(async move {
            let stopped = async {
                let _ = stopped.await;
            };
            hub.serve(stopped).await.expect("the hub serves");
        });
        Self { address, folder, stop: Some(stop), task }
    }

    /// Stops it and gives the folder back.
    pub(crate) async fn stop(mut self) -> TempDir {
        drop(self.stop.take());
        (&mut self.task).await.expect("the hub ends");
        self.folder
    }

    pub(crate) async fn ask(&self, method: &str, path: &str) -> Answer {
        self.send(method, path, &[], b"").await
    }

    /// Sends a request with Host and Content-Length, on a connection of its own.
    pub(crate) async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Answer {
        let stream = TcpStream::connect(self.address).await.expect("a connection");
        exchange(stream, &request(&self.address.to_string(), method, path, headers, body)).await
    }

    /// Sends bytes as they are and reads what comes back.
    pub(crate) async fn raw(&self, bytes: &[u8]) -> Answer {
        let stream = TcpStream::connect(self.address).await.expect("a connection");
        exchange(stream, bytes).await
    }

    /// Pushes a blob in one request.
    pub(crate) async fn blob(&self, name: &str, content: &[u8]) -> Digest {
        let digest = Digest::sha256_of(content);
        let path = format!("/v2/{name}/blobs/uploads/?digest={digest}");
        let answer = self.send("POST", &path, &[], content).await;
        assert_eq!(answer.status, 201, "{answer:?}");
        digest
    }

    /// Pushes a manifest.
    pub(crate) async fn manifest(&self, name: &str, reference: &str, kind: &str, manifest: &Value) -> Answer {
        let path = format!("/v2/{name}/manifests/{reference}");
        self.send("PUT", &path, &[("Content-Type", kind)], manifest.to_string().as_bytes()).await
    }

    /// Pushes an image of one layer under a tag; returns the manifest's digest.
    pub(crate) async fn image(&self, name: &str, tag: &str, layer: &[u8]) -> Digest {
        self.blob(name, b"{}").await;
        self.blob(name, layer).await;
        let manifest = image_of(layer);
        let answer = self.manifest(name, tag, MANIFEST, &manifest).await;
        assert_eq!(answer.status, 201, "{answer:?}");
        Digest::sha256_of(manifest.to_string().as_bytes())
    }
}

/// The manifest of an image of one layer.
pub(crate) fn image_of(layer: &[u8]) -> Value {
    json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": pointer("application/vnd.oci.image.config.v1+json", b"{}"),
        "layers": [pointer("application/vnd.oci.image.layer.v1.tar", layer)],
    })
}

pub(crate) fn pointer(kind: &str, content: &[u8]) -> Value {
    json!({"mediaType": kind, "size": content.len(), "digest": Digest::sha256_of(content)})
}

/// The bytes of a request.
pub(crate) fn request(
    host: &str,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Vec<u8> {
    let mut text = format!("{method} {path} HTTP/1.1\r\nConnection: close\r\n");
    if !headers.iter().any(|(name, _)| *name == "Host") {
        text.push_str(&format!("Host: {host}\r\n"));
    }
    if !headers.iter().any(|(name, _)| *name == "Content-Length") && (!body.is_empty() || method != "GET") {
        text.push_str(&format!("Content-Length: {}\r\n", body.len()));
    }
    for (name, value) in headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    text.push_str("\r\n");
    let mut bytes = text.into_bytes();
    bytes.extend_from_slice(body);
    bytes
}

/// Sends a request and reads its answer to the end of the connection.
pub(crate) async fn exchange(mut stream: impl AsyncRead + AsyncWrite + Unpin, request: &[u8]) -> Answer {
    // A hub that refuses early closes before it has read everything: what it said still counts.
    let _ = stream.write_all(request).await;
    let mut bytes = Vec::new();
    let _ = stream.read_to_end(&mut bytes).await;
    Answer::read(&bytes)
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    fn read(bytes: &[u8]) -> Self {
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n").expect("an answer with a head");
        let head = String::from_utf8(bytes[..end].to_vec()).expect("a head in ASCII");
        let mut lines = head.split("\r\n");
        let status = lines.next().and_then(|line| line.split(' ').nth(1)).expect("a status line");
        let split = |line: &str| {
            let (name, value) = line.split_once(": ").expect("a header");
            (name.to_ascii_lowercase(), value.to_owned())
        };
        Self {
            status: status.parse().expect("a status"),
            headers: lines.map(split).collect(),
            body: bytes[end + 4..].to_vec(),
        }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(each, _)| each == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("a body in JSON")
    }

    /// Status and error code together, as most tests of refusals want them.
    pub(crate) fn refusal(&self) -> (u16, String) {
        let code = self.json()["errors"][0]["code"].as_str().expect("an error document").to_owned();
        (self.status, code)
    }
}

/// What [`Answer::refusal`] gives for this status and code.
pub(crate) fn refused(status: u16, code: &str) -> (u16, String) {
    (status, code.to_owned())
}
