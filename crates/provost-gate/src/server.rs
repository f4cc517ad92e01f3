//! The service: what an API server asks, over HTTPS.

mod body;
mod plain;
mod reply;
mod route;
mod self_made;
mod stored;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::header::{ALLOW, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap};
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use provost_kyverno::request::read;
use provost_kyverno::review::unanswered;
use provost_serve::{Answer, Certificates, Limits, Peer};

use crate::gate::{Asked, Gate, WAITING};
use body::Budget;
use reply::{envelope, refusal, text};
use route::Route;

pub use plain::{Metrics, Plain};
pub use self_made::{SelfMadeError, self_made};
pub use stored::ExceptionScope;

/// How long a client may take for the body of its request: an API server sends it at once, and waits 10 s for all of the
/// answer unless a policy says otherwise.
pub const BODY_TIME: Duration = Duration::from_secs(10);
/// The bytes of all bodies that are being read: twice the longest one.
pub const BODIES_LIMIT: usize = 2 * read::REVIEW_LIMIT;

/// What connections may take: an API server has a few of them, from one or two addresses, and uses them again.
#[must_use]
pub fn limits() -> Limits {
    Limits {
        connections: 1024,
        connections_of_one: 256,
        headers: 16 * 1024,
        headers_time: Duration::from_secs(30),
        handshake_time: Duration::from_secs(5),
        idle_time: Duration::from_secs(300),
        closing_time: Duration::from_secs(30),
        closing_idle_time: Duration::from_secs(1),
        drain_time: Duration::from_secs(20),
        streams: 250,
    }
}

/// Whether it may be asked: all is loaded, a certificate is shown, and it is not about to stop.
#[derive(Clone)]
pub struct Readiness {
    gate: Arc<Gate>,
    certificates: Certificates,
    stopping: Arc<AtomicBool>,
    stuck: Option<Stuck>,
}

/// Why the work beside answering does not move, where it does not.
pub type Stuck = Arc<dyn Fn() -> Option<String> + Send + Sync>;

impl Readiness {
    /// Of this gate behind this certificate.
    #[must_use]
    pub fn new(gate: Arc<Gate>, certificates: Certificates) -> Self {
        Self { gate, certificates, stopping: Arc::default(), stuck: None }
    }

    /// With work beside answering that may be stuck, which a restart may help.
    #[must_use]
    pub fn with_stuck(self, stuck: Stuck) -> Self {
        Self { stuck: Some(stuck), ..self }
    }

    /// Why a restart may help.
    #[must_use]
    pub fn stuck(&self) -> Option<String> {
        self.stuck.as_ref().and_then(|stuck| stuck())
    }

    /// It is about to stop: from here on it is not ready, and goes on answering.
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    /// What is missing, in words. No registry is ever among it (security.md 14).
    #[must_use]
    pub fn missing(&self) -> Vec<String> {
        let mut missing = self.gate.sights().borrow().missing.clone();
        if self.certificates.served().is_none() {
            missing.push("a certificate".to_owned());
        }
        if self.stopping.load(Ordering::Relaxed) {
            missing.push("stopping".to_owned());
        }
        missing
    }
}

/// Hears remarks, one line each.
pub type Say = Arc<dyn Fn(&str) + Send + Sync>;

/// Answers what an API server asks.
pub struct Webhooks {
    gate: Arc<Gate>,
    readiness: Readiness,
    exceptions: ExceptionScope,
    budget: Budget,
    say: Say,
}

impl Webhooks {
    /// Over this gate.
    #[must_use]
    pub fn new(gate: Arc<Gate>, readiness: Readiness, exceptions: ExceptionScope, say: Say) -> Self {
        Self { gate, readiness, exceptions, budget: Budget::new(BODIES_LIMIT), say }
    }

    async fn asked(&self, route: Route, request: Request<Incoming>, peer: Peer) -> Response<Full<Bytes>> {
        let limit = waiting(request.uri().query().unwrap_or_default());
        if let Err(why) = is_json(request.headers()) {
            return text(StatusCode::UNSUPPORTED_MEDIA_TYPE, why);
        }
        let read = tokio::time::timeout(BODY_TIME, self.budget.read(request.into_body())).await;
        let body = match read {
            Ok(Ok(body)) => body,
            Ok(Err(unread)) => return unread.answer(),
            Err(_) => return text(StatusCode::REQUEST_TIMEOUT, "the body did not come within ten seconds"),
        };
        let asked = match read::served_review(&body.bytes) {
            Ok(asked) => asked,
            Err(unread) => return refusal(&unread.uid, unread.why),
        };
        // What is parsed is counted no more: the judgement's own limits hold from here on.
        drop(body);
        match route {
            Route::Review(hook) => {
                let authenticated = peer.authenticated;
                envelope(self.gate.answer(Asked { hook, request: asked, authenticated, limit }).await)
            }
            Route::Policy => envelope(stored::policy(&asked)),
            Route::Exception => envelope(stored::exception(&asked, &self.exceptions)),
            Route::Unchanged => envelope(stored::as_it_is(&asked)),
            Route::Liveness | Route::Readiness => envelope(unanswered(&asked.uid, String::new()).mutate),
        }
    }
}

/// How long the API server says it waits: `timeout=10s`.
fn waiting(query: &str) -> Duration {
    let said = query.split('&').find_map(|pair| pair.strip_prefix("timeout="));
    let read = said.and_then(|text| text.parse::<provost_expr::duration::Duration>().ok());
    read.and_then(|read| u64::try_from(read.0).ok()).map_or(WAITING, Duration::from_nanos)
}

/// Whether the body says that it is plain JSON.
fn is_json(headers: &HeaderMap) -> Result<(), &'static str> {
    let mut given = headers.get_all(CONTENT_TYPE).iter();
    let (Some(kind), None) = (given.next(), given.next()) else {
        return Err("invalid Content-Type, expected application/json");
    };
    let kind = kind.to_str().unwrap_or_default().split(';').next().unwrap_or_default().trim();
    if !kind.eq_ignore_ascii_case("application/json") {
        return Err("invalid Content-Type, expected application/json");
    }
    match headers.contains_key(CONTENT_ENCODING) {
        true => Err("invalid Content-Encoding, expected none"),
        false => Ok(()),
    }
}

impl Answer for Webhooks {
    type Body = Full<Bytes>;

    async fn answer(&self, request: Request<Incoming>, peer: Peer) -> Response<Full<Bytes>> {
        let Some(route) = Route::at(request.uri().path()) else {
            return text(StatusCode::NOT_FOUND, "there is no such webhook");
        };
        let reads = matches!(*request.method(), Method::GET | Method::HEAD);
        match &route {
            Route::Liveness | Route::Readiness if !reads => method_not_allowed("GET, HEAD"),
            Route::Liveness => plain::liveness(&self.readiness),
            Route::Readiness => plain::readiness(&self.readiness),
            _ if request.method() != Method::POST => method_not_allowed("POST"),
            _ => self.asked(route, request, peer).await,
        }
    }

    fn remark(&self, words: &str) {
        (self.say)(words);
    }
}

fn method_not_allowed(allowed: &'static str) -> Response<Full<Bytes>> {
    let mut response = text(StatusCode::METHOD_NOT_ALLOWED, "this method is not known here");
    response.headers_mut().insert(ALLOW, http::HeaderValue::from_static(allowed));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_long_it_waits_is_what_the_api_server_says() {
        for (query, seconds) in
            [("timeout=7s", 7), ("a=b&timeout=1m", 60), ("", 10), ("timeout=", 10), ("timeout=-3s", 10)]
        {
            assert_eq!(waiting(query), Duration::from_secs(seconds), "{query}");
        }
    }
}
