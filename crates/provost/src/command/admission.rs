//! `provost admission`: decides for an API server which images may run, over TLS.

mod audit;
mod certificate_folder;
mod cluster;
mod console;
mod flags;
mod folder;
mod kyverno;
mod serving;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use provost_console::Record;
use provost_gate::memory::Limits;
use provost_gate::server::Say;
use provost_gate::{Gate, Parts};
use provost_kyverno::Anchors;
use provost_kyverno::witness::Witness;
use provost_registry::RemoteOptions;

use super::apply::anchors::AnchorFlags;
use crate::cli;
use crate::face::Face;
use crate::failure::Failure;
use crate::registry_flags::RegistryFlags;
use audit::AuditFlags;
use console::ConsoleFlags;
use kyverno::KyvernoFlags;

/// The namespace where nobody names one.
const NAMESPACE: &str = "provost-system";
/// Where a pod finds the namespace it runs in.
const OWN_NAMESPACE: &str = "/var/run/secrets/kubernetes.io/serviceaccount/namespace";

/// Decide at admission which images may run, as Kyverno's verifyImages does.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// Work without a cluster: judge by the policies and exceptions of this file or folder, which is read again when it
    /// changes; repeatable.
    #[arg(long, value_name = "FILE")]
    policies: Vec<PathBuf>,
    /// Without a cluster: a file with the objects that exist, namespaces, ConfigMaps, Secrets, role bindings; repeatable.
    #[arg(long, value_name = "FILE", requires = "policies")]
    objects: Vec<PathBuf>,
    /// Where requests are answered; without it every interface, at --webhookServerPort.
    #[arg(long, value_name = "HOST:PORT")]
    listen: Option<String>,
    /// A folder with tls.crt and tls.key, looked at every other second; in a cluster also ca.crt, which API servers are to
    /// trust. Without a cluster, a pair that is not there is made. Without it, in a cluster, Secrets hold them.
    #[arg(long, value_name = "FOLDER")]
    certificate_dir: Option<PathBuf>,
    /// A PEM file with the authorities of API servers' client certificates; others are refused, none is needed.
    #[arg(long, value_name = "FILE")]
    client_ca: Option<PathBuf>,
    /// Where health and metrics are served without TLS; empty for nowhere. Without it every interface, at --metricsPort,
    /// or without a cluster nowhere.
    #[arg(long, value_name = "HOST:PORT")]
    plain_address: Option<String>,
    /// How long requests are still answered once it is told to stop and says that it is not ready: longer than a Service
    /// needs to learn of it. Without it 5 s in a cluster, else none.
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    shutdown_delay: Option<Duration>,
    /// For how long past the minute for which they are reused what registries said of attestations counts while a registry
    /// gives no answer: no connection, 429, 5xx. An attestation that is taken away meanwhile goes on counting, and who can
    /// keep a registry from answering can make it so. Each use is told in the answer, the decision log and the metrics; at most 24h.
    #[arg(long, value_name = "DURATION", default_value = "0s", value_parser = stale)]
    stale_if_error: Duration,
    /// In a cluster: after a start, look at the images of what runs, behind everything else, so that they are known when
    /// they are asked about.
    #[arg(long, num_args = 0..=1, require_equals = true, default_value = "true", default_missing_value = "true", action = clap::ArgAction::Set)]
    warm_up: bool,
    /// The Service by which the API server reaches us.
    #[arg(long, env = "PROVOST_SERVICE", value_name = "NAME", default_value = "provost-admission")]
    service: String,
    /// This replica's name, which no other replica may have; without it the pod's, or one that is made up.
    #[arg(long, env = "POD_NAME", value_name = "NAME")]
    identity: Option<String>,
    /// The namespace in which a Kyverno would run beside us; empty where none does, and then nobody looks for one.
    #[arg(long, value_name = "NAMESPACE", default_value = "kyverno")]
    kyverno_namespace: String,
    /// Remove our webhook configurations from the cluster, and end.
    #[arg(long, conflicts_with = "policies")]
    uninstall: bool,
    /// A registry host that may be asked although its name leads to this machine or its link; repeatable.
    #[arg(long = "allow-registry-host", value_name = "HOST")]
    allowed_hosts: Vec<String>,
    #[command(flatten)]
    audit: AuditFlags,
    #[command(flatten)]
    console: ConsoleFlags,
    #[command(flatten)]
    kyverno: KyvernoFlags,
    #[command(flatten)]
    anchors: AnchorFlags,
    #[command(flatten)]
    registry: RegistryFlags,
}

fn duration(text: &str) -> Result<Duration, String> {
    cli::duration(text).ok_or_else(|| "expected a duration as Go writes it, such as 5s or 500ms".to_owned())
}

/// The namespace we are in.
fn namespace(face: &Face) -> String {
    let named = |text: String| Some(text.trim().to_owned()).filter(|text| !text.is_empty());
    let given = face.environment.text("PROVOST_NAMESPACE").and_then(named);
    let own = || std::fs::read_to_string(OWN_NAMESPACE).ok().and_then(named);
    given.or_else(own).unwrap_or_else(|| NAMESPACE.to_owned())
}

/// The longest time that an operator may let stale answers count: a night and a morning in which somebody mends a registry.
const LONGEST_STALE: Duration = Duration::from_secs(24 * 60 * 60);

fn stale(text: &str) -> Result<Duration, String> {
    match duration(text)? {
        long if long > LONGEST_STALE => Err("expected at most 24h".to_owned()),
        fitting => Ok(fitting),
    }
}

/// What both ways of working need.
#[derive(Clone)]
struct Common {
    options: RemoteOptions,
    anchors: Arc<Anchors>,
    /// What the console remembers, where one is served.
    record: Option<Arc<Record>>,
    limits: Limits,
    say: Say,
}

impl Common {
    /// The gate of these parts, which remembers as the flags say.
    fn gate(&self, parts: Parts) -> Arc<Gate> {
        let say = Arc::clone(&self.say);
        Arc::new(Gate::remembering(parts, self.limits, move |words| say(words)))
    }
}

/// Answers until SIGTERM or SIGINT; then what is in hand is finished.
///
/// # Errors
/// When a flag is refused, a policy of the folder may not be stored (exit code 2), or an address cannot be had.
pub(crate) async fn run(args: Args, face: &Face) -> Result<(), Failure> {
    args.kyverno.check()?;
    let mut options = args.registry.options(face)?;
    if args.kyverno.insecure_registries {
        options.allow_http = true;
        options.tls.accept_any_certificate = true;
    }
    let record = args.console.record();
    let mut anchors = args.anchors.anchors(face)?;
    anchors.witness = record.clone().map(|record| record as Arc<dyn Witness>);
    let anchors = Arc::new(anchors);
    let say: Say = Arc::new(|words: &str| {
        let now = Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        Face::of_process().say(format!("{now} {words}"));
    });
    let limits =
        Limits { life: args.kyverno.life(), stale_if_error: args.stale_if_error, ..Limits::default() };
    let common = Common { options, anchors, record, limits, say };
    match args.policies.is_empty() {
        true => cluster::run(args, common, face).await,
        false => folder::run(args, common, face).await,
    }
}
