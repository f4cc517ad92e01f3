//! What the controller counts: Chains' counters under their names, and how long, how many and why beside them.

use std::sync::atomic::AtomicU64;
use std::time::Duration;

use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use provost_chains::reconcile::{Done, Kind, Reason};

type Labels = Vec<(&'static str, String)>;

/// From the end of a run to its mark, in seconds: half a second to an hour, doubling.
const BUCKETS: [f64; 14] =
    [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0, 2048.0, 4096.0];

/// Chains' counters of one kind of run.
struct OfKind {
    signed: Counter,
    stored: Counter,
    uploaded: Counter,
    marked: Counter,
    failures: Family<Labels, Counter>,
}

/// All that is counted.
pub struct Metrics {
    registry: Registry,
    task_runs: OfKind,
    pipeline_runs: OfKind,
    finish_to_signed: Histogram,
    backlog: Gauge,
    ready: Gauge,
    failures: Family<Labels, Counter>,
    unsigned_deleted: Counter,
    claims_denied: Counter,
    shares: Gauge,
    configuration: Gauge,
    key_seconds: Gauge<f64, AtomicU64>,
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl OfKind {
    fn new(registry: &mut Registry, kind: &str) -> Self {
        let one = Self {
            signed: Counter::default(),
            stored: Counter::default(),
            uploaded: Counter::default(),
            marked: Counter::default(),
            failures: Family::default(),
        };
        let mut add = |name: &str, help: &str, counter: &Counter| {
            registry.register(format!("watcher_{kind}_{name}"), help, counter.clone());
        };
        add("sign_created", "Signed payloads of such runs", &one.signed);
        add("payload_stored", "Payloads of such runs that were stored in a backend", &one.stored);
        add("payload_uploaded", "Payloads of such runs that a transparency log took", &one.uploaded);
        add("marked_signed", "Such runs that were marked as signed", &one.marked);
        let help = "Attempts to sign such runs that failed, by Chains' type of error";
        registry.register(format!("watcher_{kind}_signing_failures"), help, one.failures.clone());
        one
    }
}

impl Metrics {
    /// Everything at zero.
    #[must_use]
    pub fn new() -> Self {
        let mut registry = Registry::default();
        let all = Self {
            task_runs: OfKind::new(&mut registry, "taskrun"),
            pipeline_runs: OfKind::new(&mut registry, "pipelinerun"),
            finish_to_signed: Histogram::new(BUCKETS),
            backlog: Gauge::default(),
            ready: Gauge::default(),
            failures: Family::default(),
            unsigned_deleted: Counter::default(),
            claims_denied: Counter::default(),
            shares: Gauge::default(),
            configuration: Gauge::default(),
            key_seconds: Gauge::default(),
            registry: Registry::default(),
        };
        registry.register(
            "provost_finish_to_signed_seconds",
            "From the end of a run to its mark",
            all.finish_to_signed.clone(),
        );
        registry.register("provost_backlog", "Runs that are not signed yet", all.backlog.clone());
        registry.register(
            "provost_backlog_ready",
            "Runs that wait for nothing but their turn",
            all.ready.clone(),
        );
        registry.register(
            "provost_signing_failures",
            "Attempts that failed, by kind and reason",
            all.failures.clone(),
        );
        registry.register(
            "provost_unsigned_deleted",
            "Runs that were deleted and could not be signed in time",
            all.unsigned_deleted.clone(),
        );
        registry.register(
            "provost_claims_denied",
            "Results outside what their namespace may claim, neither attested nor signed",
            all.claims_denied.clone(),
        );
        registry.register(
            "provost_shares",
            "Shares of the work that this replica has a Lease for",
            all.shares.clone(),
        );
        registry.register(
            "provost_configuration_valid",
            "1 while chains-config as it stands is in force, 0 while an older one is",
            all.configuration.clone(),
        );
        registry.register(
            "provost_key_opened_timestamp_seconds",
            "When the key that signs now was opened, in seconds since 1970",
            all.key_seconds.clone(),
        );
        Self { registry, ..all }
    }

    fn of(&self, kind: Kind) -> &OfKind {
        match kind {
            Kind::TaskRun => &self.task_runs,
            Kind::PipelineRun => &self.pipeline_runs,
        }
    }

    /// A run was signed; `waited` is from its end to its mark.
    pub(crate) fn signed(&self, kind: Kind, done: &Done, waited: Option<Duration>) {
        let counters = self.of(kind);
        let payloads = u64::try_from(done.payloads).unwrap_or(u64::MAX);
        counters.signed.inc_by(payloads);
        counters.stored.inc_by(payloads);
        counters.uploaded.inc_by(u64::try_from(done.uploaded).unwrap_or(u64::MAX));
        counters.marked.inc();
        if let Some(waited) = waited {
            self.finish_to_signed.observe(waited.as_secs_f64());
        }
    }

    /// An attempt failed.
    pub(crate) fn failed(&self, kind: Kind, reason: Reason) {
        let labels = vec![("error_type", reason.error_type().to_owned())];
        self.of(kind).failures.get_or_create(&labels).inc();
        let labels = vec![("kind", kind.name().to_owned()), ("reason", reason.word().to_owned())];
        self.failures.get_or_create(&labels).inc();
    }

    /// A run was let go unsigned.
    pub(crate) fn unsigned_deleted(&self) {
        self.unsigned_deleted.inc();
    }

    /// A run named so many results that its namespace may not claim.
    pub(crate) fn claims_denied(&self, count: usize) {
        self.claims_denied.inc_by(u64::try_from(count).unwrap_or(u64::MAX));
    }

    /// How many runs are not signed, and how many of them could be worked on.
    pub(crate) fn backlog(&self, all: usize, ready: usize) {
        self.backlog.set(i64::try_from(all).unwrap_or(i64::MAX));
        self.ready.set(i64::try_from(ready).unwrap_or(i64::MAX));
    }

    /// How many shares of the work are ours.
    pub(crate) fn shares(&self, held: usize) {
        self.shares.set(i64::try_from(held).unwrap_or(i64::MAX));
    }

    /// Whether the configuration as it stands is in force.
    pub(crate) fn configuration(&self, valid: bool) {
        self.configuration.set(i64::from(valid));
    }

    /// When the key was opened.
    pub(crate) fn key_opened(&self, seconds: f64) {
        self.key_seconds.set(seconds);
    }

    /// The text that Prometheus reads (OpenMetrics 1.0).
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        // A String takes everything.
        let _ = encode(&mut text, &self.registry);
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chains_counters_have_their_names() {
        let metrics = Metrics::new();
        let done = Done { payloads: 2, ..Done::default() };
        metrics.signed(Kind::TaskRun, &done, Some(Duration::from_secs(3)));
        metrics.failed(Kind::PipelineRun, Reason::StorageUnavailable);
        metrics.backlog(7, 3);
        let text = metrics.text();
        for line in [
            "watcher_taskrun_sign_created_total 2",
            "watcher_taskrun_payload_stored_total 2",
            "watcher_taskrun_payload_uploaded_total 0",
            "watcher_taskrun_marked_signed_total 1",
            "watcher_pipelinerun_marked_signed_total 0",
            r#"watcher_pipelinerun_signing_failures_total{error_type="storage"} 1"#,
            r#"provost_signing_failures_total{kind="PipelineRun",reason="StorageUnavailable"} 1"#,
            r#"provost_finish_to_signed_seconds_bucket{le="4.0"} 1"#,
            "provost_backlog 7",
            "provost_backlog_ready 3",
            "provost_unsigned_deleted_total 0",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
        }
    }
}
