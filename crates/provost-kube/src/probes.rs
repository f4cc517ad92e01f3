//! `/metrics`, `/health` and `/readiness`: what monitoring and the kubelet ask, answered truthfully.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use crate::metrics::Metrics;

/// How long the controller's loop may be silent before it counts as stuck: it beats each second, and no step of it waits.
pub const STUCK: Duration = Duration::from_secs(60);
/// How many connections are served at once: a kubelet and two scrapers have one each.
const CONNECTIONS: usize = 64;
/// How long a client may take to send its request.
const REQUEST_TIME: Duration = Duration::from_secs(10);
/// The wait after a connection that could not be accepted, for want of file descriptors.
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);

/// How the controller is.
#[derive(Debug)]
pub struct Health {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    beat: Instant,
    /// What is still missing for work, in words; nothing when all is there.
    missing: Vec<String>,
}

impl Default for Health {
    fn default() -> Self {
        Self::new(Instant::now())
    }
}

impl Health {
    /// Alive since now, and not ready.
    #[must_use]
    pub fn new(now: Instant) -> Self {
        Self { state: Mutex::new(State { beat: now, missing: vec!["not started yet".to_owned()] }) }
    }

    /// The loop went round, and these things are missing.
    pub fn beat(&self, now: Instant, missing: Vec<String>) {
        *self.state.lock().unwrap_or_else(PoisonError::into_inner) = State { beat: now, missing };
    }

    /// Why it is stuck.
    #[must_use]
    pub fn stuck(&self, now: Instant) -> Option<String> {
        let silent = now.saturating_duration_since(self.locked().beat);
        (silent >= STUCK).then(|| format!("the controller's loop has not moved for {} s", silent.as_secs()))
    }

    /// What is missing for work.
    #[must_use]
    pub fn missing(&self) -> Vec<String> {
        self.locked().missing.clone()
    }

    fn locked(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is served on an address.
#[derive(Clone)]
pub struct Probes {
    /// How the controller is.
    pub health: Arc<Health>,
    /// What it counts.
    pub metrics: Arc<Metrics>,
}

impl Probes {
    /// Listens, so that an address that cannot be had is known before any work begins.
    ///
    /// # Errors
    /// The system's words.
    pub async fn bind(address: SocketAddr) -> std::io::Result<TcpListener> {
        TcpListener::bind(address).await
    }

    /// Serves until dropped.
    pub async fn serve(self, listener: TcpListener) {
        let slots = Arc::new(Semaphore::new(CONNECTIONS));
        loop {
            let Ok(slot) = slots.clone().acquire_owned().await else { return };
            let Ok((stream, _)) = listener.accept().await else {
                tokio::time::sleep(ACCEPT_AGAIN).await;
                continue;
            };
            let probes = self.clone();
            tokio::spawn(async move {
                let service = service_fn(|request: Request<Incoming>| {
                    let answer = probes.answer(request.method(), request.uri().path());
                    async move { Ok::<_, Infallible>(answer) }
                });
                let mut server = http1::Builder::new();
                server.timer(TokioTimer::new()).header_read_timeout(REQUEST_TIME);
                // A client that goes away in the middle is its own business.
                let _ = server.serve_connection(TokioIo::new(stream), service).await;
                drop(slot);
            });
        }
    }

    fn answer(&self, method: &Method, path: &str) -> Response<Full<Bytes>> {
        let text = "text/plain; charset=utf-8";
        let (status, kind, body) = match (method, path) {
            (&Method::GET | &Method::HEAD, "/metrics") => {
                let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
                (StatusCode::OK, kind, self.metrics.text())
            }
            (&Method::GET | &Method::HEAD, "/health" | "/healthz" | "/livez") => {
                match self.health.stuck(Instant::now()) {
                    None => (StatusCode::OK, text, "ok\n".to_owned()),
                    Some(why) => (StatusCode::SERVICE_UNAVAILABLE, text, format!("{why}\n")),
                }
            }
            (&Method::GET | &Method::HEAD, "/readiness" | "/readyz") => {
                let mut missing = self.health.missing();
                missing.extend(self.health.stuck(Instant::now()));
                match missing.as_slice() {
                    [] => (StatusCode::OK, text, "ok\n".to_owned()),
                    all => (StatusCode::SERVICE_UNAVAILABLE, text, format!("{}\n", all.join("\n"))),
                }
            }
            (&Method::GET | &Method::HEAD, _) => {
                let known = "there are /metrics, /health and /readiness\n";
                (StatusCode::NOT_FOUND, text, known.to_owned())
            }
            _ => (StatusCode::METHOD_NOT_ALLOWED, text, "only GET\n".to_owned()),
        };
        let mut response = Response::new(Full::new(Bytes::from(body)));
        *response.status_mut() = status;
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
        response
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpStream;

    use super::*;

    async fn asked(address: SocketAddr, path: &str) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    #[tokio::test]
    async fn readiness_says_what_is_missing_and_health_whether_it_moves() {
        let probes = Probes { health: Arc::new(Health::default()), metrics: Arc::new(Metrics::default()) };
        let listener = Probes::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let address = listener.local_addr().unwrap();
        let health = probes.health.clone();
        let serving = tokio::spawn(probes.serve(listener));
        let answer = asked(address, "/readiness").await;
        assert!(answer.starts_with("HTTP/1.1 503") && answer.contains("not started yet"), "{answer}");
        health.beat(Instant::now(), Vec::new());
        assert!(asked(address, "/readiness").await.starts_with("HTTP/1.1 200"));
        assert!(asked(address, "/health").await.starts_with("HTTP/1.1 200"));
        let metrics = asked(address, "/metrics").await;
        assert!(metrics.contains("application/openmetrics-text") && metrics.contains("provost_backlog 0"));
        assert!(asked(address, "/other").await.starts_with("HTTP/1.1 404"));
        serving.abort();
    }

    #[test]
    fn a_loop_that_does_not_move_is_stuck() {
        let start = Instant::now();
        let health = Health::new(start);
        assert_eq!(health.stuck(start + STUCK / 2), None);
        assert!(health.stuck(start + STUCK).unwrap().contains("60 s"));
        health.beat(start + STUCK, Vec::new());
        assert_eq!(health.stuck(start + STUCK), None);
    }
}
