//! What decisions leave behind: the decision log, metrics, events, reports, the background scan and signed verdicts.

use std::io::Read as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use provost_gate::Gate;
use provost_gate::log::{self, MaskingKey, Place};
use provost_gate::metrics::{Metrics, Queue, Timed};
use provost_gate::record::Hears;
use provost_gate::server::Say;
use provost_gate::sight::Sights;
use provost_gate::summary::{self, Summarizer};
use provost_kube::Cluster;
use provost_kube::admission_events::{self, Component, Events, Reason};
use provost_kube::reports::{self, Reports};
use provost_kube::scan;
use provost_kyverno::Stores;
use provost_kyverno::apply::Dialect;
use provost_registry::{Remote, RemoteOptions};
use provost_sigstore::certificate::Certificate;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

use super::duration;
use crate::command::apply::surroundings::Registries;
use crate::face::Face;
use crate::failure::Failure;
use crate::key_reference;

/// How long what waits to be written may take once all is answered.
const LAST: Duration = Duration::from_secs(3);
/// How often it is looked whether it is written.
const ROUND: Duration = Duration::from_millis(10);
/// The longest key of a log that is read: keys have 32 bytes, and texts of them some more.
const KEY_LIMIT: u64 = 4096;
/// How many objects a second are scanned at most: registries are others', and admission comes first.
const SCANNED_A_SECOND: u32 = 20;

/// What a gate leaves behind wherever it works.
#[derive(clap::Args, Debug)]
pub(super) struct AuditFlags {
    /// Write each decision as a line of JSON into this file, which is its owner's alone; `-` for standard output. Values of
    /// environments, commands, arguments and annotations stand in it as keyed hashes.
    #[arg(long, value_name = "FILE")]
    decision_log: Option<PathBuf>,
    /// How many bytes a part of the log has, before the next one is begun.
    #[arg(long, value_name = "BYTES", default_value_t = 100 * 1024 * 1024, value_parser = clap::value_parser!(u64).range(1..))]
    decision_log_bytes: u64,
    /// How many older parts are kept, as FILE.1, FILE.2 …
    #[arg(long, value_name = "COUNT", default_value_t = 5, value_parser = clap::value_parser!(u16).range(..1000))]
    decision_log_parts: u16,
    /// A file with the key of the hashes, 32 bytes or more; without it each process makes one, and logs cannot be compared.
    #[arg(long, value_name = "FILE", requires = "decision_log")]
    decision_log_key: Option<PathBuf>,
    /// Sign what plainly passes with this key, and store that beside the image: a SLSA verification summary. The key should
    /// sign nothing else. Only requests with a client certificate are vouched for.
    #[arg(long, value_name = "KEY", requires_all = ["verdict_verifier", "client_ca"])]
    verdict_key: Option<String>,
    /// Who we are in verdicts: a URI.
    #[arg(long, value_name = "URI", requires = "verdict_key")]
    verdict_verifier: Option<String>,
    /// After how long a verdict about an image is made anew.
    #[arg(long, value_name = "DURATION", default_value = "12h", value_parser = duration)]
    verdict_renewal: Duration,
}

/// What a gate leaves behind in a cluster, under Kyverno's names.
#[derive(clap::Args, Debug)]
pub(super) struct ReportFlags {
    /// Write reports; a list of Kyverno's kinds of rules turns them on where imageVerify is in it, `false` or nothing turns
    /// them off.
    #[arg(
        long = "enableReporting",
        value_name = "KINDS",
        default_value = "validate,mutate,mutateExisting,imageVerify,generate"
    )]
    enable_reporting: String,
    /// Write what admissions found into reports.
    #[arg(long = "admissionReports", num_args = 0..=1, require_equals = true, default_value = "true", default_missing_value = "true", action = clap::ArgAction::Set)]
    admission_reports: bool,
    /// Judge what runs already.
    #[arg(long = "backgroundScan", num_args = 0..=1, require_equals = true, default_value = "true", default_missing_value = "true", action = clap::ArgAction::Set)]
    background_scan: bool,
    /// After how long every object is judged again.
    #[arg(long = "backgroundScanInterval", value_name = "DURATION", default_value = "1h", value_parser = duration)]
    background_scan_interval: Duration,
    /// How many objects are judged at once.
    #[arg(long = "backgroundScanWorkers", value_name = "COUNT", default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=100))]
    background_scan_workers: u16,
    /// Write reports of openreports.io, not of wgpolicyk8s.io.
    #[arg(long = "openreportsEnabled", num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true", action = clap::ArgAction::Set)]
    openreports_enabled: bool,
    /// Events that are not written: PolicyViolation, PolicyApplied, PolicyError, PolicySkipped.
    #[arg(long = "omitEvents", value_name = "REASONS", default_value = "PolicyApplied,PolicySkipped")]
    omit_events: String,
}

/// Those who hear decisions, and their work.
pub(super) struct Audit {
    pub(super) metrics: Arc<Metrics>,
    pub(super) hearers: Vec<Arc<dyn Hears>>,
    loads: Vec<Arc<provost_gate::backlog::Load>>,
    tasks: JoinSet<()>,
    scan: Option<JoinHandle<()>>,
    say: Say,
}

impl Audit {
    /// Opens what the flags name.
    ///
    /// # Errors
    /// When the log or a key cannot be opened.
    pub(super) async fn start(
        flags: &AuditFlags,
        options: &RemoteOptions,
        say: &Say,
        face: &Face,
    ) -> Result<Self, Failure> {
        let metrics = Arc::new(Metrics::new());
        let mut audit = Self {
            hearers: vec![metrics.clone()],
            metrics,
            loads: Vec::new(),
            tasks: JoinSet::new(),
            scan: None,
            say: Arc::clone(say),
        };
        if let Some(path) = &flags.decision_log {
            audit.log(flags, path)?;
        }
        if let (Some(key), Some(verifier)) = (&flags.verdict_key, &flags.verdict_verifier) {
            let key = key_reference::signer(key, face).await.map_err(|f| f.context("--verdict-key"))?;
            let (hears, waiting) = summary::hears();
            let load = audit.hear(Queue::Summaries, hears);
            let summarizer = Summarizer {
                store: Arc::new(Remote::new(options.clone())?),
                key: Arc::from(key),
                verifier: verifier.clone(),
                renewal: flags.verdict_renewal,
                say: Arc::clone(say),
            };
            audit.tasks.spawn(summarizer.write(waiting, load));
        }
        Ok(audit)
    }

    fn hear(
        &mut self,
        queue: Queue,
        backlog: provost_gate::backlog::Backlog,
    ) -> Arc<provost_gate::backlog::Load> {
        let load = backlog.load();
        self.metrics.watch(queue, Arc::clone(&load));
        self.loads.push(Arc::clone(&load));
        self.hearers.push(Arc::new(backlog));
        load
    }

    fn log(&mut self, flags: &AuditFlags, path: &std::path::Path) -> Result<(), Failure> {
        let key = match &flags.decision_log_key {
            Some(file) => {
                let failed =
                    |why: String| Failure::new(format!("--decision-log-key {}: {why}", file.display()));
                let mut bytes = Vec::new();
                let opened = std::fs::File::open(file).map_err(|error| failed(error.to_string()))?;
                let read = opened.take(KEY_LIMIT).read_to_end(&mut bytes);
                read.map_err(|error| failed(error.to_string()))?;
                MaskingKey::of(&bytes).map_err(|error| failed(error.to_string()))?
            }
            None => {
                (self.say)(
                    "decision log: this process makes the key of its hashes; --decision-log-key keeps one",
                );
                MaskingKey::drawn()?
            }
        };
        let place = match path.as_os_str() == "-" {
            true => Place::Stream(Box::new(std::io::stdout())),
            false => Place::File {
                path: path.to_owned(),
                most_bytes: flags.decision_log_bytes,
                kept: usize::from(flags.decision_log_parts),
            },
        };
        let opened = log::open(place, key, Arc::clone(&self.say));
        let (backlog, writer) =
            opened.map_err(|error| Failure::new(format!("--decision-log {}: {error}", path.display())))?;
        self.hear(Queue::Log, backlog);
        // Files may be slow; the runtime's threads answer requests.
        std::thread::Builder::new().name("decision-log".to_owned()).spawn(move || writer.write())?;
        Ok(())
    }

    /// Events and reports of a cluster.
    ///
    /// # Errors
    /// When a flag's words are none of Kyverno's.
    pub(super) fn in_cluster(
        &mut self,
        flags: &ReportFlags,
        cluster: &Cluster,
        identity: &str,
    ) -> Result<(), Failure> {
        let omitted = flags.omitted()?;
        let (hears, waiting) = admission_events::hears();
        let load = self.hear(Queue::Events, hears);
        let events = Events::new(cluster, Component::Admission, identity, omitted, Arc::clone(&self.say));
        self.tasks.spawn(events.write(waiting, load));
        if let (Some(reports), true) = (flags.reports(cluster), flags.admission_reports) {
            let (hears, waiting) = reports::hears();
            let load = self.hear(Queue::Reports, hears);
            self.tasks.spawn(reports.follow(waiting, load, Arc::clone(&self.say)));
        }
        Ok(())
    }

    /// Begins the background scan.
    ///
    /// # Errors
    /// When a flag's words are none of Kyverno's.
    pub(super) fn scan(
        &mut self,
        flags: &ReportFlags,
        cluster: &Cluster,
        gate: &Arc<Gate>,
        own: (&str, &str),
        stop: watch::Receiver<bool>,
    ) -> Result<(), Failure> {
        if !flags.background_scan {
            return Ok(());
        }
        let (namespace, identity) = own;
        let omitted = flags.omitted()?;
        let options = scan::Options {
            gate: Arc::clone(gate),
            namespace: namespace.to_owned(),
            identity: identity.to_owned(),
            interval: flags.background_scan_interval,
            workers: usize::from(flags.background_scan_workers),
            per_second: SCANNED_A_SECOND,
            reports: flags.reports(cluster),
            events: Some(Events::new(cluster, Component::Scan, identity, omitted, Arc::clone(&self.say))),
            metrics: Arc::clone(&self.metrics),
            say: Arc::clone(&self.say),
        };
        self.scan = Some(tokio::spawn(scan::run(cluster.clone(), options, stop)));
        Ok(())
    }

    /// The registries, timed.
    pub(super) fn registries(&self, options: RemoteOptions) -> Arc<dyn Stores> {
        Arc::new(Timed::new(Arc::new(Registries::new(options)), Arc::clone(&self.metrics)))
    }

    /// Counts changes of what is judged by.
    pub(super) fn follow(&mut self, mut sights: Sights) {
        let metrics = Arc::clone(&self.metrics);
        self.tasks.spawn(async move {
            loop {
                let sight = sights.borrow_and_update().clone();
                metrics.sight(&sight);
                drop(sight);
                if sights.changed().await.is_err() {
                    return;
                }
            }
        });
    }

    /// Takes note of the certificate in use.
    pub(super) fn certificate(metrics: &Metrics, chain: &[u8]) {
        let found = Certificate::all_from_pem(chain);
        if let Some(first) = found.ok().and_then(|all| all.into_iter().next()) {
            metrics.certificate(first.not_before(), first.not_after());
        }
    }

    /// Waits until what is known is written down, within reason, and ends the rest.
    pub(super) async fn finish(mut self) {
        let until = tokio::time::Instant::now() + LAST;
        while tokio::time::Instant::now() < until && !self.loads.iter().all(|load| load.is_idle()) {
            tokio::time::sleep(ROUND).await;
        }
        // It gives its Lease back first, so that another replica need not wait for it to lapse.
        if let Some(scan) = self.scan.take() {
            let _ = tokio::time::timeout(LAST, scan).await;
        }
        self.tasks.shutdown().await;
    }
}

impl ReportFlags {
    fn omitted(&self) -> Result<std::collections::BTreeSet<Reason>, Failure> {
        Reason::list(&self.omit_events).map_err(|word| {
            Failure::new(format!(
                "--omitEvents: expected PolicyViolation, PolicyApplied, PolicyError or PolicySkipped, found {word:?}"
            ))
        })
    }

    fn reports(&self, cluster: &Cluster) -> Option<Reports> {
        let dialect = if self.openreports_enabled { Dialect::OpenReports } else { Dialect::PolicyReports };
        let is_wanted = self.enable_reporting.split(',').any(|kind| kind.trim() == "imageVerify");
        is_wanted.then(|| Reports::new(cluster, dialect))
    }
}
