//! Health and metrics without TLS, on an address of their own.

use std::sync::Arc;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use provost_serve::{Answer, Peer};

use super::reply::{made, text};
use super::{Readiness, Say};

/// Makes the text of `/metrics`.
pub type Metrics = Arc<dyn Fn() -> String + Send + Sync>;

/// Answers the kubelet and whoever collects metrics.
pub struct Plain {
    readiness: Readiness,
    metrics: Option<Metrics>,
    say: Say,
}

impl Plain {
    /// With this text under `/metrics`, where there is any.
    #[must_use]
    pub fn new(readiness: Readiness, metrics: Option<Metrics>, say: Say) -> Self {
        Self { readiness, metrics, say }
    }
}

impl Answer for Plain {
    type Body = Full<Bytes>;

    async fn answer(&self, request: Request<Incoming>, _peer: Peer) -> Response<Full<Bytes>> {
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            return super::method_not_allowed("GET, HEAD");
        }
        match (request.uri().path(), &self.metrics) {
            ("/health/liveness" | "/health" | "/livez" | "/healthz", _) => liveness(&self.readiness),
            ("/health/readiness" | "/readiness" | "/readyz", _) => readiness(&self.readiness),
            ("/metrics", Some(metrics)) => {
                let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
                made(StatusCode::OK, kind, Bytes::from(metrics()))
            }
            _ => text(StatusCode::NOT_FOUND, "there are /health/liveness, /health/readiness and /metrics"),
        }
    }

    fn remark(&self, words: &str) {
        (self.say)(words);
    }
}

/// Whether a restart would help.
pub(super) fn liveness(readiness: &Readiness) -> Response<Full<Bytes>> {
    match readiness.stuck() {
        None => text(StatusCode::OK, "ok"),
        Some(why) => text(StatusCode::SERVICE_UNAVAILABLE, why),
    }
}

/// Whether it may be asked, and if not, what is missing.
pub(super) fn readiness(readiness: &Readiness) -> Response<Full<Bytes>> {
    match readiness.missing().as_slice() {
        [] => text(StatusCode::OK, "ok"),
        missing => text(StatusCode::SERVICE_UNAVAILABLE, missing.join("\n")),
    }
}
