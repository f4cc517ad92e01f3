//! When a request is sent again, and how long to wait before it is.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use http::header::{DATE, RETRY_AFTER};
use http::{HeaderMap, StatusCode};

use crate::limits::RETRY_AFTER_LIMIT;

/// Time as the client sees it, so that tests need not wait.
#[async_trait]
pub trait Clock: Send + Sync {
    /// A moment that only moves forward.
    fn now(&self) -> Instant;
    /// Returns after this long.
    async fn sleep(&self, time: Duration);
}

/// The machine's own time.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

#[async_trait]
impl Clock for SystemClock {
    fn now(&self) -> Instant {
        Instant::now()
    }

    async fn sleep(&self, time: Duration) {
        tokio::time::sleep(time).await;
    }
}

/// How often, and after which waits.
#[derive(Clone)]
pub struct RetryPolicy {
    /// The wait after each failed try but the last; there is one try more than waits.
    pub waits: Vec<Duration>,
    /// Where the time comes from.
    pub clock: Arc<dyn Clock>,
}

impl Default for RetryPolicy {
    /// go-containerregistry's: three tries, waits of 1 s and 3 s.
    fn default() -> Self {
        Self { waits: vec![Duration::from_secs(1), Duration::from_secs(3)], clock: Arc::new(SystemClock) }
    }
}

impl fmt::Debug for RetryPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RetryPolicy").field("waits", &self.waits).finish_non_exhaustive()
    }
}

/// Whether a status passes by itself: the list go-containerregistry retries on, and 429.
pub(crate) fn is_transient(status: StatusCode) -> bool {
    matches!(status.as_u16(), 408 | 429 | 499 | 500 | 502 | 503 | 504 | 522)
}

/// The wait that an answer asks for, at most [`RETRY_AFTER_LIMIT`]. A date is read against the answer's own
/// `Date`, so neither clock matters.
pub(crate) fn asked_wait(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let wait = if text.bytes().all(|b| b.is_ascii_digit()) && !text.is_empty() {
        // More digits than u64 holds mean a wait beyond the limit.
        Duration::from_secs(text.parse().unwrap_or(u64::MAX))
    } else {
        let then = jiff::fmt::rfc2822::parse(text).ok()?.timestamp();
        let now = jiff::fmt::rfc2822::parse(headers.get(DATE)?.to_str().ok()?).ok()?.timestamp();
        Duration::from_secs(u64::try_from(then.as_second().saturating_sub(now.as_second())).unwrap_or(0))
    };
    Some(wait.min(RETRY_AFTER_LIMIT))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wait(pairs: &[(&'static str, &str)]) -> Option<Duration> {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.insert(*name, value.parse().unwrap());
        }
        asked_wait(&headers)
    }

    #[test]
    fn retry_after_is_seconds_or_a_date_and_capped() {
        assert_eq!(wait(&[("retry-after", "7")]), Some(Duration::from_secs(7)));
        assert_eq!(wait(&[("retry-after", "0")]), Some(Duration::ZERO));
        assert_eq!(wait(&[("retry-after", "99999999999999999999999")]), Some(RETRY_AFTER_LIMIT));
        let date = ("date", "Sun, 22 Nov 2026 10:00:00 GMT");
        assert_eq!(
            wait(&[date, ("retry-after", "Sun, 22 Nov 2026 10:00:05 GMT")]),
            Some(Duration::from_secs(5))
        );
        assert_eq!(wait(&[date, ("retry-after", "Sun, 22 Nov 2026 09:00:00 GMT")]), Some(Duration::ZERO));
        assert_eq!(wait(&[date, ("retry-after", "Mon, 23 Nov 2026 10:00:00 GMT")]), Some(RETRY_AFTER_LIMIT));
        assert_eq!(wait(&[("retry-after", "Sun, 22 Nov 2026 10:00:05 GMT")]), None);
        assert_eq!(wait(&[("retry-after", "soon")]), None);
        assert_eq!(wait(&[("retry-after", "-1")]), None);
        assert_eq!(wait(&[]), None);
    }

    #[test]
    fn only_passing_statuses_are_retried() {
        for status in [408, 429, 499, 500, 502, 503, 504, 522] {
            assert!(is_transient(StatusCode::from_u16(status).unwrap()), "{status}");
        }
        for status in [200, 400, 401, 403, 404, 405, 501, 505] {
            assert!(!is_transient(StatusCode::from_u16(status).unwrap()), "{status}");
        }
    }
}
