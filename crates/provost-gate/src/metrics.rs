//! What the gate counts: Kyverno's metrics under their names, and what Kyverno does not count beside them.
//!
//! Labels come from objects and policies that others write, so each kind of label has a bounded number of values;
//! what comes after counts as `other`.

mod decided;
mod labels;
mod requests;
mod timed;

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use jiff::Timestamp;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;

use crate::backlog::Load;
use crate::memory::Counts;
use labels::{Bounded, Labels, Used};

pub use decided::Cause;
pub use requests::Counted;
pub use timed::Timed;

/// From half a millisecond, a cached verdict, to the longest webhook there is, in seconds.
const BUCKETS: [f64; 14] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 30.0];

/// The queues whose drops are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Queue {
    /// Lines of the decision log.
    Log,
    /// Events.
    Events,
    /// Results for reports.
    Reports,
    /// Verdicts to be signed.
    Summaries,
}

impl Queue {
    fn name(self) -> &'static str {
        match self {
            Self::Log => "log",
            Self::Events => "events",
            Self::Reports => "reports",
            Self::Summaries => "summaries",
        }
    }
}

type Times = Family<Labels, Histogram, fn() -> Histogram>;

/// All that is counted.
pub struct Metrics {
    registry: Registry,
    requests: Family<Labels, Counter>,
    review_seconds: Times,
    results: Family<Labels, Counter>,
    policy_seconds: Times,
    rule_info: Family<Labels, Gauge>,
    policy_changes: Family<Labels, Counter>,
    http_requests: Family<Labels, Counter>,
    http_seconds: Times,
    events_dropped: Counter,
    dropped: Family<Labels, Counter>,
    denied: Family<Labels, Counter>,
    decisions: Family<Labels, Counter>,
    verification_seconds: Histogram,
    registry_seconds: Times,
    registry_errors: Family<Labels, Counter>,
    cache: Family<Labels, Counter>,
    certificate_not_before: Gauge<f64, AtomicU64>,
    certificate_not_after: Gauge<f64, AtomicU64>,
    epoch: Gauge,
    scanned: Family<Labels, Counter>,
    scan_seconds: Gauge<f64, AtomicU64>,
    bounded: Bounded,
    used_requests: Used<(Counter, Histogram, Counter)>,
    used_results: Used<Counter>,
    used_policies: Used<Histogram>,
    loads: std::sync::Mutex<Vec<(Queue, Arc<Load>, u64)>>,
    memory: std::sync::OnceLock<Arc<Counts>>,
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

fn seconds() -> Histogram {
    Histogram::new(BUCKETS)
}

fn times() -> Times {
    Family::new_with_constructor(seconds as fn() -> Histogram)
}

impl Metrics {
    /// Everything at zero.
    #[must_use]
    pub fn new() -> Self {
        let mut all = Self {
            registry: Registry::default(),
            requests: Family::default(),
            review_seconds: times(),
            results: Family::default(),
            policy_seconds: times(),
            rule_info: Family::default(),
            policy_changes: Family::default(),
            http_requests: Family::default(),
            http_seconds: times(),
            events_dropped: Counter::default(),
            dropped: Family::default(),
            denied: Family::default(),
            decisions: Family::default(),
            verification_seconds: seconds(),
            registry_seconds: times(),
            registry_errors: Family::default(),
            cache: Family::default(),
            certificate_not_before: Gauge::default(),
            certificate_not_after: Gauge::default(),
            epoch: Gauge::default(),
            scanned: Family::default(),
            scan_seconds: Gauge::default(),
            bounded: Bounded::default(),
            used_requests: Used::default(),
            used_results: Used::default(),
            used_policies: Used::default(),
            loads: std::sync::Mutex::default(),
            memory: std::sync::OnceLock::new(),
        };
        let mut registry = Registry::default();
        registry.register("kyverno_admission_requests", "Requests for admission", all.requests.clone());
        let help = "How long requests for admission took";
        registry.register("kyverno_admission_review_duration_seconds", help, all.review_seconds.clone());
        registry.register("kyverno_policy_results", "Results of rules", all.results.clone());
        let help = "How long judging took, for each policy that had something to say";
        registry.register("kyverno_policy_execution_duration_seconds", help, all.policy_seconds.clone());
        registry.register("kyverno_policy_rule_info", "Rules there are", all.rule_info.clone());
        registry.register("kyverno_policy_changes", "Changes of policies", all.policy_changes.clone());
        registry.register("kyverno_http_requests", "HTTP requests", all.http_requests.clone());
        let help = "How long HTTP requests took";
        registry.register("kyverno_http_requests_duration_seconds", help, all.http_seconds.clone());
        registry.register(
            "kyverno_events_dropped",
            "Events that were not written",
            all.events_dropped.clone(),
        );
        let help = "What was dropped because too much waited to be written, by queue";
        registry.register("provost_dropped", help, all.dropped.clone());
        let help = "Results that deny, by the code of why";
        registry.register("provost_denials", help, all.denied.clone());
        registry.register("provost_decisions", "Answers, by ground", all.decisions.clone());
        let help = "How long judging took where policies had something to verify";
        registry.register("provost_verification_seconds", help, all.verification_seconds.clone());
        let help = "How long registries took to answer, by host";
        registry.register("provost_registry_seconds", help, all.registry_seconds.clone());
        let help = "Requests that registries did not answer as asked, by host and code";
        registry.register("provost_registry_errors", help, all.registry_errors.clone());
        registry.register("provost_cache_lookups", "Look-ups, by cache and outcome", all.cache.clone());
        let help = "When the certificate in use began to hold, in seconds since 1970";
        registry.register("provost_certificate_not_before_seconds", help, all.certificate_not_before.clone());
        let help = "When the certificate in use ends, in seconds since 1970";
        registry.register("provost_certificate_not_after_seconds", help, all.certificate_not_after.clone());
        registry.register("provost_epoch", "Rises with every change of what is judged by", all.epoch.clone());
        let help = "Objects of the background scan, by whether they had to be judged";
        registry.register("provost_scanned", help, all.scanned.clone());
        let help = "How long the last whole background scan took";
        registry.register("provost_scan_duration_seconds", help, all.scan_seconds.clone());
        let version = vec![("version", env!("CARGO_PKG_VERSION").to_owned())];
        registry.register("kyverno", "What runs here", Info::new(version));
        all.registry = registry;
        all
    }

    /// From here on the drops of this backlog are counted.
    pub fn watch(&self, queue: Queue, load: Arc<Load>) {
        self.locked().push((queue, load, 0));
    }

    /// From here on the look-ups of this memory are counted.
    pub fn remembers(&self, counts: Arc<Counts>) {
        // A process has one gate.
        let _ = self.memory.set(counts);
    }

    fn locked(&self) -> std::sync::MutexGuard<'_, Vec<(Queue, Arc<Load>, u64)>> {
        self.loads.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// A registry answered, or did not: `error` is a code of [`codes::store`].
    pub fn registry(&self, host: &str, took: Duration, error: Option<&'static str>) {
        let host = self.bounded.of("registry", host);
        let labels = vec![("registry", host.clone())];
        self.registry_seconds.get_or_create(&labels).observe(took.as_secs_f64());
        if let Some(code) = error {
            let labels = vec![("registry", host), ("code", code.to_owned())];
            self.registry_errors.get_or_create(&labels).inc();
        }
    }

    /// A cache was asked: `manifest`, `blob`, `verdict` …, and `hit`, `miss`, `joined`, `stale` …
    pub fn cache(&self, cache: &'static str, outcome: &'static str) {
        let labels = vec![("cache", cache.to_owned()), ("outcome", outcome.to_owned())];
        self.cache.get_or_create(&labels).inc();
    }

    /// A certificate came into use.
    pub fn certificate(&self, not_before: Timestamp, not_after: Timestamp) {
        self.certificate_not_before.set(not_before.as_duration().as_secs_f64());
        self.certificate_not_after.set(not_after.as_duration().as_secs_f64());
    }

    /// The background scan came to an object; `judged` tells whether it had changed.
    pub fn scanned(&self, judged: bool) {
        let outcome = if judged { "judged" } else { "unchanged" };
        self.scanned.get_or_create(&vec![("outcome", outcome.to_owned())]).inc();
    }

    /// A whole background scan took this long.
    pub fn scan_took(&self, took: Duration) {
        self.scan_seconds.set(took.as_secs_f64());
    }

    /// The text that Prometheus reads (OpenMetrics 1.0).
    #[must_use]
    pub fn text(&self) -> String {
        for (queue, load, counted) in self.locked().iter_mut() {
            let dropped = load.dropped();
            let more = dropped.saturating_sub(*counted);
            *counted = dropped;
            self.dropped.get_or_create(&vec![("queue", queue.name().to_owned())]).inc_by(more);
            if *queue == Queue::Events {
                self.events_dropped.inc_by(more);
            }
        }
        if let Some(counts) = self.memory.get() {
            let all = [
                ("remembered", counts.remembered()),
                ("joined", counts.joined()),
                ("asked", counts.asked()),
                ("stale", counts.stale()),
            ];
            for (outcome, count) in all {
                let labels = vec![("cache", "registry".to_owned()), ("outcome", outcome.to_owned())];
                let counter = self.cache.get_or_create(&labels);
                let more = count.saturating_sub(counter.get());
                counter.inc_by(more);
            }
        }
        let mut text = String::new();
        // A String takes everything.
        let _ = encode(&mut text, &self.registry);
        text
    }
}

#[cfg(test)]
mod tests;
