//! `provost controller`: signs what Tekton builds in a cluster, as Tekton Chains does, and stores it beside the images.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use provost_chains::Services;
use provost_chains::reconcile::Rules;
use provost_kube::controller::{self, Options, Summary};
use provost_kube::lease::MOST_SHARES;
use provost_kube::metrics::Metrics;
use provost_kube::paced::ApiPace;
use provost_kube::places::Reach;
use provost_kube::probes::{Health, Probes};
use provost_kube::settings::KeySource;
use provost_kube::{Cluster, Say};
use provost_registry::{AddressRule, Remote, RemoteOptions, Store, service_client};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use super::apply::anchors::KmsWord;
use super::signing;
use crate::cli;
use crate::face::Face;
use crate::failure::Failure;
use crate::key_reference;
use crate::registry_flags::RegistryFlags;

mod services;

/// The namespace where SYSTEM_NAMESPACE names none: Chains' own.
const NAMESPACE: &str = "tekton-chains";

/// Sign what Tekton builds in a cluster.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// A kubeconfig file; without it KUBECONFIG, ~/.kube/config, or the cluster this runs in.
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// Look at runs of these namespaces only, separated by commas; without it at all.
    #[arg(long = "namespace", value_name = "NAMES", value_delimiter = ',')]
    namespaces: Vec<String>,
    /// The folder that the Secret signing-secrets is mounted as; where it is not there, the Secret is watched.
    #[arg(long, value_name = "FOLDER", default_value = "/etc/signing-secrets")]
    signing_secrets_dir: PathBuf,
    /// Sign what has ended, then end; refused where a controller is at work. Ends with 1 if a run could not be signed.
    #[arg(long)]
    once: bool,
    /// How many requests go to the API server at once, and a quarter as many things to one registry; four times as many runs are
    /// in hand. Chains' --threads-per-controller is another name for it.
    #[arg(long, alias = "threads-per-controller", value_name = "NUMBER", default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..=256))]
    workers: u16,
    /// At most so many requests about runs a second go to the API server, as in Chains; 0 leaves the pace to the server.
    #[arg(long, value_name = "NUMBER", default_value_t = 0.0)]
    kube_api_qps: f64,
    /// So many of them may come at once after a pause, as in Chains; without --kube-api-qps it means nothing.
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    kube_api_burst: u32,
    /// Into how many shares the work is divided among replicas; all replicas must be told the same.
    #[arg(long, value_name = "NUMBER", default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=MOST_SHARES as i64))]
    shares: u16,
    /// This replica's name, which no other replica may have; a replica that comes back under its name goes on at once.
    /// Without it the pod's name, or outside a cluster one that is made up.
    #[arg(long, env = "POD_NAME", value_name = "NAME")]
    identity: Option<String>,
    /// How long a run that is being deleted is tried before it is let go unsigned.
    #[arg(long, value_name = "DURATION", default_value = "10m", value_parser = duration)]
    deletion_grace: Duration,
    /// Believe Chains' own marks on runs that were made before this time (RFC 3339), instead of looking into the storage.
    #[arg(long, value_name = "TIME")]
    adopt_before: Option<Timestamp>,
    /// Where /metrics is served; empty for nowhere.
    #[arg(long, value_name = "HOST:PORT", default_value = "0.0.0.0:9090")]
    metrics_address: String,
    /// Where /health and /readiness are served; empty for nowhere.
    #[arg(long, value_name = "HOST:PORT", default_value = "0.0.0.0:8080")]
    health_address: String,
    /// Let chains-config name a key in services of this kind: awskms, azurekms, gcpkms or hashivault.
    #[arg(long, value_name = "KIND", value_delimiter = ',')]
    allow_kms: Vec<KmsWord>,
    /// A registry host that may be asked although its name leads to this machine or its link; repeatable.
    #[arg(long = "allow-registry-host", value_name = "HOST")]
    allowed_hosts: Vec<String>,
    #[command(flatten)]
    registry: RegistryFlags,
}

fn duration(text: &str) -> Result<Duration, String> {
    cli::duration(text).ok_or_else(|| "expected a duration as Go writes it, such as 10m or 90s".to_owned())
}

/// Works until SIGTERM or SIGINT, or until the backlog is signed with `--once`.
///
/// # Errors
/// When the cluster cannot be reached, an address cannot be listened on, or a part of the controller ends by itself.
pub(crate) async fn run(args: Args, face: &Face) -> Result<(), Failure> {
    let in_cluster = args.kubeconfig.is_none()
        && face.environment.text("KUBECONFIG").is_none_or(|text| text.is_empty())
        && face.environment.text("KUBERNETES_SERVICE_HOST").is_some();
    let cluster = Cluster::for_watching(args.kubeconfig.as_deref()).await?;
    let mut listeners = Vec::new();
    if !args.once {
        let addresses: BTreeSet<&str> = [args.metrics_address.as_str(), &args.health_address].into();
        for address in addresses.into_iter().filter(|address| !address.is_empty()) {
            let parsed: SocketAddr = address.parse().map_err(|_| {
                Failure::new(format!("{address}: expected an address and a port, such as 0.0.0.0:9090"))
            })?;
            let listener = Probes::bind(parsed).await;
            listeners
                .push(listener.map_err(|error| Failure::new(format!("listening on {address}: {error}")))?);
        }
    }
    let (stop_told, stop) = watch::channel(false);
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let options = options(&args, in_cluster, listeners, face)?;
    let work = controller::run(cluster, options, stop);
    let mut work = std::pin::pin!(work);
    let ended = tokio::select! {
        ended = &mut work => ended,
        () = async { tokio::select! { _ = interrupt.recv() => {}, _ = terminate.recv() => {} } } => {
            face.say("stopping: what is in hand is finished, nothing new is begun");
            stop_told.send_replace(true);
            work.await
        }
    };
    report(&ended?, args.once, face)
}

fn report(summary: &Summary, once: bool, face: &Face) -> Result<(), Failure> {
    if !once {
        return Ok(());
    }
    face.out(format!("{} signed, {} not signed", summary.signed, summary.failed.len()));
    for (run, (reason, message)) in &summary.failed {
        face.say(format!("{run}: {reason}: {message}"));
    }
    match summary.failed.is_empty() {
        true => Ok(()),
        false => Err(Failure::quiet(1)),
    }
}

fn options(
    args: &Args,
    in_cluster: bool,
    listeners: Vec<tokio::net::TcpListener>,
    face: &Face,
) -> Result<Options, Failure> {
    let namespace = face.environment.text("SYSTEM_NAMESPACE").filter(|text| !text.is_empty());
    let named = args.identity.clone().filter(|name| !name.is_empty());
    let identity = named.unwrap_or_else(|| {
        let host = nix::unistd::gethostname().ok().and_then(|name| name.into_string().ok());
        let host = host.unwrap_or_else(|| "provost".to_owned());
        // A pod's host name is the pod's own; elsewhere two controllers may run on one machine.
        if in_cluster { host } else { format!("{host}-{}", std::process::id()) }
    });
    let mut base = args.registry.options(face)?;
    base.addresses =
        AddressRule { refuse_own_machine: in_cluster, allowed_hosts: args.allowed_hosts.clone() };
    let key = match args.signing_secrets_dir.is_dir() {
        true => KeySource::Folder(args.signing_secrets_dir.clone()),
        false => KeySource::Secret,
    };
    let around = key_reference::surroundings::of(face);
    let say: Say = Arc::new(|words: &str| {
        let now = Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        Face::of_process().say(format!("{now} {words}"));
    });
    Ok(Options {
        namespace: namespace.unwrap_or_else(|| NAMESPACE.to_owned()),
        rules: Rules {
            namespaces: args.namespaces.iter().filter(|name| !name.is_empty()).cloned().collect(),
            deletion_grace: args.deletion_grace,
            adopt_before: args.adopt_before,
            holds: !args.once,
        },
        key,
        open_kms: services::kms(face, args.allow_kms.iter().map(|word| word.kind()).collect()),
        services: Services { client: service_client(&signing::options(face))?, token: services::token() },
        workers: usize::from(args.workers),
        api_pace: (args.kube_api_qps > 0.0)
            .then_some(ApiPace { qps: args.kube_api_qps, burst: args.kube_api_burst }),
        shares: usize::from(args.shares),
        identity,
        once: args.once,
        make_backend: Box::new(move |kind, settings| provost_storage::open(kind, settings, &around)),
        make_store: Box::new(move |reach| store(&base, reach)),
        say,
        metrics: Arc::new(Metrics::new()),
        health: Arc::new(Health::default()),
        listeners,
    })
}

/// A client with these credentials before those of the command line; over http and with any certificate where that was asked for.
fn store(base: &RemoteOptions, reach: Reach) -> Result<Arc<dyn Store>, String> {
    let mut options = base.clone();
    let insecure = reach.insecure;
    options.keychain = reach.with_controllers(base.keychain.clone());
    if insecure {
        options.allow_http = true;
        options.tls.accept_any_certificate = true;
    }
    let remote = Remote::new(options).map_err(|error| error.to_string())?;
    Ok(Arc::new(remote))
}
