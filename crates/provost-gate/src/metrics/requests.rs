//! HTTP requests, counted under Kyverno's names, whatever answers them.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::{Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::histogram::Histogram;
use provost_serve::{Answer, Peer};

use super::Metrics;
use super::labels::Used;

/// Our own paths, so that nobody's text becomes a label.
const PATHS: [&str; 14] = [
    "/mutate",
    "/mutate/fail",
    "/mutate/ignore",
    "/mutate/fail/finegrained",
    "/mutate/ignore/finegrained",
    "/validate",
    "/validate/fail",
    "/validate/ignore",
    "/validate/fail/finegrained",
    "/validate/ignore/finegrained",
    "/policyvalidate",
    "/exceptionvalidate",
    "/health/liveness",
    "/health/readiness",
];
/// What everything else counts as.
const OTHER: &str = "other";

/// Answers as another does, and counts it.
pub struct Counted<A> {
    inner: A,
    metrics: Arc<Metrics>,
    series: Used<Series>,
}

/// One combination of labels.
#[derive(Clone)]
struct Series {
    requests: Counter,
    seconds: Histogram,
}

impl<A> Counted<A> {
    /// These answers, counted there.
    #[must_use]
    pub fn new(inner: A, metrics: Arc<Metrics>) -> Self {
        Self { inner, metrics, series: Used::default() }
    }

    pub(super) fn count(&self, method: &'static str, path: &'static str, status: StatusCode, took: Duration) {
        let series = self.series.of((method, path, status), || self.metrics.http(method, path, status));
        series.requests.inc();
        series.seconds.observe(took.as_secs_f64());
    }
}

impl Metrics {
    /// The series of HTTP requests of these labels. `method` and `path` are of our own lists, not the caller's text.
    fn http(&self, method: &'static str, path: &'static str, status: StatusCode) -> Series {
        let labels = vec![
            ("http_method", method.to_owned()),
            ("http_url", path.to_owned()),
            ("http_status", status.as_str().to_owned()),
        ];
        Series {
            requests: self.http_requests.get_or_create(&labels).clone(),
            seconds: self.http_seconds.get_or_create(&labels).clone(),
        }
    }
}

/// The path of ours that a request is counted under.
fn path(asked: &str) -> &'static str {
    let whole = PATHS.into_iter().find(|path| *path == asked);
    // Policies have names, and those are others' text.
    let below = || PATHS.into_iter().filter(|path| path.ends_with("/finegrained"));
    whole
        .or_else(|| below().find(|path| asked.strip_prefix(path).is_some_and(|rest| rest.starts_with('/'))))
        .unwrap_or(OTHER)
}

fn method(asked: &Method) -> &'static str {
    match *asked {
        Method::POST => "POST",
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        _ => OTHER,
    }
}

impl<A: Answer> Answer for Counted<A> {
    type Body = A::Body;

    fn answer(
        &self,
        request: Request<Incoming>,
        peer: Peer,
    ) -> impl Future<Output = Response<Self::Body>> + Send {
        let (method, path) = (method(request.method()), path(request.uri().path()));
        async move {
            let began = Instant::now();
            let response = self.inner.answer(request, peer).await;
            self.count(method, path, response.status(), began.elapsed());
            response
        }
    }

    fn remark(&self, words: &str) {
        self.inner.remark(words);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_words_become_labels() {
        for (asked, counted) in [
            ("/mutate/fail", "/mutate/fail"),
            ("/mutate/fail/finegrained/secret-policy", "/mutate/fail/finegrained"),
            ("/validate/ignore/finegrained/ns/p", "/validate/ignore/finegrained"),
            ("/mutate/fail/finegrainedness", OTHER),
            ("/mutate/fail/", OTHER),
            ("/ui", OTHER),
        ] {
            assert_eq!(path(asked), counted, "{asked}");
        }
        assert_eq!((method(&Method::POST), method(&Method::from_bytes(b"BREW").unwrap())), ("POST", OTHER));
    }
}
