//! A registry on loopback that does what its script says and remembers what it was asked.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use provost_oci::{Digest, Repository, Selector};
use provost_registry::retry::{Clock, RetryPolicy};
use provost_registry::{Remote, RemoteOptions};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;

/// What the registry was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) method: String,
    /// Path and query.
    pub(crate) target: String,
    /// Names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    pub(crate) tls: bool,
}

impl Seen {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn line(&self) -> String {
        format!("{} {}", self.method, self.target)
    }
}

/// What it answers.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    how: How,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum How {
    Whole,
    /// The connection ends before the answer.
    HangUp,
    /// The connection ends in the middle of the body.
    BreakOff,
    /// The body comes in chunks, without a length.
    Chunked,
}

impl Reply {
    pub(crate) fn status(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Vec::new(), how: How::Whole }
    }

    pub(crate) fn ok(body: impl Into<Vec<u8>>) -> Self {
        Self::status(200).body(body)
    }

    pub(crate) fn hang_up() -> Self {
        Self { how: How::HangUp, ..Self::status(200) }
    }

    pub(crate) fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    pub(crate) fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    pub(crate) fn chunked(self) -> Self {
        Self { how: How::Chunked, ..self }
    }

    pub(crate) fn broken_off(self) -> Self {
        Self { how: How::BreakOff, ..self }
    }

    fn bytes(&self, head_only: bool) -> Vec<u8> {
        let mut out = format!("HTTP/1.1 {} Because\r\n", self.status).into_bytes();
        for (name, value) in &self.headers {
            out.extend(format!("{name}: {value}\r\n").bytes());
        }
        let states_length = self.headers.iter().any(|(name, _)| name == "content-length");
        match self.how {
            How::Chunked => out.extend(b"transfer-encoding: chunked\r\n"),
            _ if states_length || self.status == 204 => {}
            _ => out.extend(format!("content-length: {}\r\n", self.body.len()).bytes()),
        }
        out.extend(b"\r\n");
        match self.how {
            _ if head_only => {}
            How::Whole | How::HangUp => out.extend(&self.body),
            How::BreakOff => out.extend(&self.body[..self.body.len() / 2]),
            How::Chunked => {
                for chunk in self.body.chunks(1000) {
                    out.extend(format!("{:x}\r\n", chunk.len()).bytes());
                    out.extend(chunk);
                    out.extend(b"\r\n");
                }
                out.extend(b"0\r\n\r\n");
            }
        }
        out
    }
}

type Script = Arc<dyn Fn(&Seen) -> Reply + Send + Sync>;

/// The registry.
pub(crate) struct Scripted {
    /// `127.0.0.1:PORT`
    pub(crate) address: String,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

struct Shared {
    script: Script,
    tls: Option<TlsAcceptor>,
    seen: Mutex<Vec<Seen>>,
    greetings: Mutex<usize>,
}

impl Drop for Scripted {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Scripted {
    pub(crate) async fn start(script: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Self {
        Self::with(None, Arc::new(script)).await
    }

    /// One that speaks TLS, and answers http with 400 as Go's servers do.
    pub(crate) async fn start_tls(
        config: ServerConfig,
        script: impl Fn(&Seen) -> Reply + Send + Sync + 'static,
    ) -> Self {
        Self::with(Some(TlsAcceptor::from(Arc::new(config))), Arc::new(script)).await
    }

    async fn with(tls: Option<TlsAcceptor>, script: Script) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let shared = Arc::new(Shared { script, tls, seen: Mutex::default(), greetings: Mutex::default() });
        let serving = Arc::clone(&shared);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(Arc::clone(&serving).connection(stream));
            }
        });
        Self { address, shared, task }
    }

    pub(crate) fn repository(&self) -> Repository {
        Repository::new(&self.address, "team/app").unwrap()
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.shared.seen.lock().unwrap().clone()
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        self.seen().iter().map(Seen::line).collect()
    }

    /// How many connections began with a TLS record.
    pub(crate) fn greetings(&self) -> usize {
        *self.shared.greetings.lock().unwrap()
    }
}

impl Shared {
    async fn connection(self: Arc<Self>, stream: TcpStream) {
        let mut first = [0; 1];
        if stream.peek(&mut first).await.unwrap_or(0) == 0 {
            return;
        }
        if first == [0x16] {
            *self.greetings.lock().unwrap() += 1;
        }
        match (&self.tls, first) {
            (Some(tls), [0x16]) => {
                if let Ok(stream) = tls.accept(stream).await {
                    self.talk(stream, true).await;
                }
            }
            (None, [0x16]) => refuse(stream).await,
            _ => self.talk(stream, false).await,
        }
    }

    async fn talk(&self, mut stream: impl AsyncRead + AsyncWrite + Unpin, tls: bool) {
        while let Some(seen) = read_request(&mut stream, tls).await {
            self.seen.lock().unwrap().push(seen.clone());
            let reply = if self.tls.is_some() && !tls {
                Reply::status(400).body("Client sent an HTTP request to an HTTPS server.\n")
            } else {
                (self.script)(&seen)
            };
            if reply.how != How::HangUp {
                let bytes = reply.bytes(seen.method == "HEAD");
                if stream.write_all(&bytes).await.is_err() {
                    return;
                }
            }
            if matches!(reply.how, How::HangUp | How::BreakOff) {
                let _ = stream.shutdown().await;
                return;
            }
        }
    }
}

/// What a server without TLS says to a TLS greeting.
async fn refuse(mut stream: TcpStream) {
    let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\n\r\n").await;
}

async fn read_request(stream: &mut (impl AsyncRead + Unpin), tls: bool) -> Option<Seen> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    let head = String::from_utf8(head).unwrap();
    let mut lines = head.trim_end().split("\r\n");
    let mut words = lines.next().unwrap().split(' ');
    let (method, target) = (words.next().unwrap().to_owned(), words.next().unwrap().to_owned());
    let headers: Vec<(String, String)> = lines
        .map(|line| line.split_once(':').unwrap())
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let length = headers.iter().find(|(name, _)| name == "content-length").map(|(_, n)| n.parse().unwrap());
    let mut body = vec![0; length.unwrap_or(0)];
    stream.read_exact(&mut body).await.ok()?;
    Some(Seen { method, target, headers, body, tls })
}

/// A clock that never waits and remembers for how long it should have.
#[derive(Default)]
pub(crate) struct Impatient {
    pub(crate) slept: Mutex<Vec<Duration>>,
}

#[async_trait]
impl Clock for Impatient {
    fn now(&self) -> Instant {
        Instant::now()
    }

    async fn sleep(&self, time: Duration) {
        self.slept.lock().unwrap().push(time);
    }
}

/// Options that never wait.
pub(crate) fn options() -> RemoteOptions {
    with_clock(Arc::new(Impatient::default()))
}

pub(crate) fn with_clock(clock: Arc<Impatient>) -> RemoteOptions {
    let retry = RetryPolicy { clock, ..RetryPolicy::default() };
    RemoteOptions { retry, ..RemoteOptions::default() }
}

pub(crate) fn remote() -> Remote {
    Remote::new(options()).unwrap()
}

pub(crate) fn tag(name: &str) -> Selector {
    Selector::Tag(name.to_owned())
}

pub(crate) fn digest(bytes: &[u8]) -> Digest {
    Digest::sha256_of(bytes)
}

/// A future in a box, for tests that run one case after the other.
pub(crate) type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + 'a>>;
