//! The controller: watches runs, brings each forward when it is its turn, and stops when told to.
//!
//! One loop owns the queue; what it waits for is told to it by the watches, by the settings, by the Leases, by the runs in
//! hand and by the clock. What becomes of a run is decided in `provost_chains::reconcile`.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use provost_chains::Services;
use provost_chains::reconcile::{ClusterFault, Key, Kind, Reason, Rules, Settings};
use tokio::sync::{mpsc, watch};

use crate::cluster::Cluster;
use crate::elsewhere::{Elsewhere, MakeBackend};
use crate::events::events;
use crate::hosts::Hosts;
use crate::lease::{CONTROLLER, Held, Keeper, live_holder};
use crate::metrics::Metrics;
use crate::paced::{ApiPace, Gate};
use crate::places::{MakeStore, Places};
use crate::probes::{Health, Probes};
use crate::runs::TektonRuns;
use crate::settings::{Follower, KeySource, OpenKms};
use crate::supervise::Tasks;
use crate::watching::{self, SIGHTINGS};

mod attempt;
mod by_host;
mod work;

pub use work::Summary;

use work::Work;

/// How long runs in hand may go on after the controller was told to stop: kubelets wait 30 s before they kill.
pub const STOP_TIME: Duration = Duration::from_secs(20);

/// How many runs are in hand for each worker. One takes 20 to 50 KiB, so those of 64 workers take 13 MB; a run that fills an
/// object of etcd (1.5 MiB) is rare.
pub const IN_HAND: usize = 4;

/// How many workers share a turn at one registry. A registry that writes to a disk is as fast with sixteen tags under way as with
/// thirty-two, each then takes half the time, and so does the wait of six such times before it is read back.
pub const TURNS: usize = 4;

/// How the controller is to work.
pub struct Options {
    /// The namespace of `chains-config`, `signing-secrets` and the Leases.
    pub namespace: String,
    /// How runs are treated.
    pub rules: Rules,
    /// Where the key comes from.
    pub key: KeySource,
    /// Opens keys in services.
    pub open_kms: OpenKms,
    /// How Fulcio and Rekor are reached.
    pub services: Services,
    /// How many requests go to the API server at once, and a quarter as many things to one registry ([`TURNS`]); [`IN_HAND`]
    /// times as many runs are in hand, since most of them wait to read a tag back.
    pub workers: usize,
    /// How many requests a second the API server gets, where that is bounded.
    pub api_pace: Option<ApiPace>,
    /// Into how many shares the work is divided among replicas.
    pub shares: usize,
    /// This replica's name; one that comes back under its name goes on where it was at once.
    pub identity: String,
    /// Sign what has ended, then end: no Leases, no waiting for what still runs.
    pub once: bool,
    /// Makes clients of registries.
    pub make_store: MakeStore,
    /// Opens the other storages.
    pub make_backend: MakeBackend,
    /// Hears remarks for whoever looks after the controller.
    pub say: crate::Say,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// How it is.
    pub health: Arc<Health>,
    /// Where it is asked about both.
    pub listeners: Vec<tokio::net::TcpListener>,
}

/// Why the controller ended before it was told to.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ControllerError {
    /// One of its tasks did.
    #[error("{0}")]
    Task(String),
    /// A controller is at work where a backlog was to be signed once.
    #[error(
        "the controller {holder} is at work in this cluster and signs the backlog itself; stop it before using --once"
    )]
    Other {
        /// The replica.
        holder: String,
    },
    /// The cluster could not be asked.
    #[error(transparent)]
    Cluster(#[from] ClusterFault),
}

/// How many runs of each share are in hand.
#[derive(Debug, Default)]
pub(crate) struct InHand {
    shares: Mutex<BTreeMap<usize, usize>>,
}

impl InHand {
    fn add(&self, share: usize, change: impl Fn(usize) -> usize) {
        let mut shares = self.shares.lock().unwrap_or_else(PoisonError::into_inner);
        let count = shares.entry(share).or_default();
        *count = change(*count);
    }

    fn is_busy(&self, share: usize) -> bool {
        let shares = self.shares.lock().unwrap_or_else(PoisonError::into_inner);
        shares.get(&share).is_some_and(|count| *count > 0)
    }
}

/// Works until `stop` says `true`, or until the backlog is done where it is to be done once.
///
/// # Errors
/// See [`ControllerError`].
pub async fn run(
    cluster: Cluster,
    options: Options,
    stop: watch::Receiver<bool>,
) -> Result<Summary, ControllerError> {
    if options.once
        && let Some(holder) = live_holder(&cluster, &options.namespace).await?
    {
        return Err(ControllerError::Other { holder });
    }
    let Options {
        namespace,
        rules,
        key,
        open_kms,
        services,
        workers,
        api_pace,
        shares,
        identity,
        once,
        make_store,
        make_backend,
        say,
        metrics,
        health,
        listeners,
    } = options;
    let (events, writer) = events(&cluster, &identity, say.clone());
    let mut tasks = Tasks::default();
    tasks.start("events", writer.write());
    for listener in listeners {
        let probes = Probes { health: health.clone(), metrics: metrics.clone() };
        tasks.start("probes", probes.serve(listener));
    }
    let (settings_told, settings) = watch::channel::<Option<Arc<Settings>>>(None);
    let follower = Follower {
        cluster: cluster.clone(),
        namespace: namespace.clone(),
        source: key,
        open_kms,
        services,
        events: events.clone(),
        metrics: metrics.clone(),
        say: say.clone(),
    };
    tasks.start("settings", follower.follow(settings_told));
    let (told, sightings) = mpsc::channel(SIGHTINGS);
    let mut watches = 0;
    for kind in Kind::ALL {
        let everywhere = rules.namespaces.is_empty().then_some(None);
        for namespace in rules.namespaces.iter().cloned().map(Some).chain(everywhere) {
            watches += 1;
            tasks.start("watch", watching::watch(cluster.clone(), kind, namespace, told.clone()));
        }
    }
    drop(told);
    let in_hand = Arc::new(InHand::default());
    let (held_told, held) = watch::channel(Held::default());
    let (leases_told, leases_stop) = watch::channel(false);
    let mut leases = Tasks::default();
    if once {
        let all = (0..shares).collect();
        held_told.send_replace(Held { working: all, valid: (0..shares).collect() });
    } else {
        let busy = in_hand.clone();
        let is_busy = Arc::new(move |share| busy.is_busy(share));
        let keeper =
            Keeper::new(&cluster, &namespace, CONTROLLER, identity, shares, is_busy, held_told.clone());
        let heard = say.clone();
        leases.start("leases", keeper.keep(leases_stop, move |words| heard(&words)));
    }
    let places = Arc::new(Places::new(cluster.clone(), make_store));
    let hands = workers.saturating_mul(IN_HAND);
    // Half of the hands for one registry: one that hangs leaves the others the other half.
    let hosts = Arc::new(Hosts::new(hands.div_ceil(2), workers.div_ceil(TURNS)));
    let gate = Gate::new(workers, api_pace);
    let mut work = Work::new(work::Parts {
        runs: Arc::new(TektonRuns::new(cluster, places, hosts, Elsewhere::new(make_backend), gate)),
        rules,
        hands,
        shares,
        once,
        watches,
        say,
        events,
        metrics,
        health,
        in_hand,
        settings,
        held,
        sightings,
    });
    let ended = tokio::select! {
        () = work.go(stop) => Ok(()),
        which = tasks.ended() => Err(ControllerError::Task(which)),
        which = leases.ended() => Err(ControllerError::Task(which)),
    };
    work.wind_up(STOP_TIME).await;
    // Shares go back once nothing of theirs is in hand any more.
    leases_told.send_replace(true);
    leases.wind_up().await;
    drop(held_told);
    tasks.abort().await;
    ended.map(|()| work.summary())
}

/// How long ago something was, by the clock of this machine; nothing where it lies ahead.
fn since(time: Timestamp, now: Timestamp) -> Option<Duration> {
    Duration::try_from(now.duration_since(time)).ok()
}

/// What became of one attempt, with what is needed to say so.
struct Finished {
    key: Key,
    share: usize,
    attempt: attempt::Attempt,
}

/// The word for a run that is not signed, in events.
const UNSIGNED: &str = "SigningFailed";

/// The event's word for results that a namespace may not claim.
const CLAIM_DENIED: &str = "ClaimDenied";

/// The metric's and the event's word for a run that was let go unsigned.
const UNSIGNED_DELETED: &str = "UnsignedDeleted";

fn is_quiet(reason: Reason) -> bool {
    // Its end is still being waited for; nothing has failed yet.
    reason == Reason::NeverEnded
}

/// A number between 0 and 1 that is not the same twice: it spreads attempts, nothing hangs on it.
fn lot(now: Instant) -> f64 {
    use std::hash::{BuildHasher as _, RandomState};
    let drawn = RandomState::new().hash_one(now);
    f64::from(u32::try_from(drawn >> 32).unwrap_or_default()) / f64::from(u32::MAX)
}

#[cfg(test)]
mod tests;
