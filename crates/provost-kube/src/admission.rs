//! The gate's cluster: what it judges by is watched, its webhooks are kept registered and its certificate renewed.
//!
//! One loop owns what is known ([`sights`]); what it hears comes from the watches ([`kept`]). What judging asks for itself is
//! answered by [`live`]. Of several replicas one leads, by a Lease: it alone writes certificates ([`authority`]),
//! webhook configurations ([`registering`]) and the status of policies ([`status`]).

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::FutureExt as _;
use jiff::Timestamp;
use provost_gate::sight::{Sight, Sights};
use provost_registry::RemoteOptions;
use tokio::sync::{mpsc, watch};

use crate::cluster::Cluster;
use crate::lease::{ADMISSION, Held, Keeper};
use crate::probes::Health;
use crate::supervise::Tasks;

mod authority;
mod bindings;
mod brief;
mod calls;
mod certificate;
pub(crate) mod discovery;
mod doorkeeper;
mod kept;
mod key_secrets;
mod live;
mod one;
mod registering;
mod running;
mod settings;
mod sights;
mod status;
mod webhooks;

pub use authority::{CertificateSource, Serve, ServerPair};
pub use doorkeeper::{ApiDoorkeeper, GROUP, RESOURCE};
pub use registering::uninstall;
pub use running::{PODS_LIMIT, Running};
pub use settings::Configured;
pub use sights::ExceptionRule;
pub use webhooks::Reached;

use authority::Authority;
use kept::{CHANGES, Told, What};
use live::Live;
use registering::Registrar;
use sights::Known;
use status::Statuses;
use webhooks::Registration;

/// How long after a change more are waited for, so that a list of changes makes one new sight.
const GATHER: Duration = Duration::from_millis(30);
/// How often the loop beats when nothing happens.
const BEAT: Duration = Duration::from_secs(1);
/// After how long an exception's end is looked for again, whatever the clock did meanwhile.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// Where the gate looks out on its cluster; it is handed to [`run`], which fills it.
pub struct Outlook {
    live: Arc<Live>,
    told: watch::Sender<Arc<Sight>>,
}

impl Outlook {
    /// An outlook on which nothing is to be seen yet, what the gate sees, and whom it may ask. Services that policies call
    /// are reached with these options' proxies and address rule.
    #[must_use]
    pub fn new(cluster: &Cluster, calls: RemoteOptions) -> (Self, Sights, Arc<dyn provost_kyverno::Cluster>) {
        let missing = What::ALL.iter().map(|what| what.plural()).chain(["keys"]).map(str::to_owned).collect();
        let (told, sights) = watch::channel(Arc::new(Sight { missing, ..Sight::default() }));
        let live = Arc::new(Live::new(cluster, calls));
        (Self { live: live.clone(), told }, sights, live)
    }
}

/// How the gate works with its cluster.
pub struct Options {
    /// Where it looks out.
    pub outlook: Outlook,
    /// Its own namespace: of its ConfigMap, Secrets and Leases. It is never under webhooks that fail (security.md 14).
    pub namespace: String,
    /// The name of the ConfigMap with Kyverno's keys.
    pub config_map: String,
    /// Which exceptions count.
    pub exceptions: ExceptionRule,
    /// This replica's name, which no other has.
    pub identity: String,
    /// How the API server reaches us.
    pub reached: Reached,
    /// How long the API server waits where policies do not say, in seconds.
    pub webhook_timeout: u8,
    /// `--forceFailurePolicyIgnore`.
    pub force_ignore: bool,
    /// Whether webhook configurations are kept in step; `--autoUpdateWebhooks`.
    pub update_webhooks: bool,
    /// Where certificates come from.
    pub certificates: CertificateSource,
    /// Takes a certificate into use.
    pub serve: Serve,
    /// The namespace in which a Kyverno would have its Leases; empty where there is none.
    pub kyverno_namespace: String,
    /// Hears remarks for whoever looks after the gate.
    pub say: crate::Say,
    /// How we are: beaten with what is missing for work.
    pub health: Arc<Health>,
}

/// Why it ended before it was told to.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AdmissionError {
    /// One of its tasks did.
    #[error("{0}")]
    Task(String),
}

/// Works until `stop` says `true`. Webhook configurations stay as they are then; [`uninstall`] removes them.
///
/// # Errors
/// See [`AdmissionError`].
pub async fn run(
    cluster: Cluster,
    options: Options,
    mut stop: watch::Receiver<bool>,
) -> Result<(), AdmissionError> {
    let Options {
        outlook: Outlook { live, told: sight_told },
        namespace,
        config_map,
        exceptions,
        identity,
        reached,
        webhook_timeout,
        force_ignore,
        update_webhooks,
        certificates,
        serve,
        kyverno_namespace,
        say,
        health,
    } = options;
    let mut tasks = Tasks::default();
    let (told, mut changes) = mpsc::channel(CHANGES);
    for what in What::ALL {
        let one = (what == What::Settings).then(|| (namespace.clone(), config_map.clone()));
        tasks.start("watch", kept::follow(cluster.clone(), what, one, told.clone()));
    }
    tasks.start("key material", live::look_after_material(live.clone(), told.clone()));
    drop(told);
    let (leading, leads) = watch::channel(Held::default());
    let (lease_stop_told, lease_stop) = watch::channel(false);
    let mut leases = Tasks::default();
    let keeper = Keeper::new(&cluster, &namespace, ADMISSION, identity, 1, Arc::new(|_| false), leading);
    let heard = say.clone();
    leases.start("lease", keeper.keep(lease_stop, move |words| heard(&words)));
    let (authorities_told, authorities) = watch::channel(Vec::new());
    let (bundle_told, bundle_registered) = watch::channel(None);
    let authority = Authority {
        cluster: cluster.clone(),
        namespace: namespace.clone(),
        source: certificates,
        reached: reached.clone(),
        serve,
        leads: leads.clone(),
        authorities: authorities_told,
        registered: bundle_registered,
        say: say.clone(),
    };
    let (served_told, served) = watch::channel(false);
    tasks.start("certificates", authority.keep(served_told));
    let (wanted_told, wanted) = watch::channel(None::<Arc<Registration>>);
    let (registered_told, registered) = watch::channel(None);
    let to_register = update_webhooks.then(|| wanted.clone());
    let registrar = Registrar {
        cluster: cluster.clone(),
        leads: leads.clone(),
        wanted,
        authorities,
        served: served.clone(),
        bundle: bundle_told,
        registered: registered_told,
        say: say.clone(),
    };
    if update_webhooks {
        tasks.start("webhooks", registrar.keep());
    }
    let (policies_told, policies) = watch::channel(Vec::new());
    let statuses = Statuses {
        cluster,
        kyverno_namespace,
        leads,
        policies,
        wanted: to_register,
        registered,
        say: say.clone(),
    };
    tasks.start("status", statuses.keep());

    let mut known = Known::new(&namespace, exceptions, force_ignore, live.clone());
    // Keys are read once all policies are known, before anybody is told that we are ready.
    let mut reading = None;
    let publish = |known: &mut Known| {
        let sight = Arc::new(known.sight(Timestamp::now()));
        if known.missing().is_empty() {
            let registration = Registration::of(known, &namespace, &reached, webhook_timeout);
            wanted_told.send_replace(Some(Arc::new(registration)));
            policies_told.send_replace(status::standings(known));
        }
        sight_told.send_replace(sight);
    };
    let ended = loop {
        let mut missing = known.missing();
        if !*served.borrow() {
            missing.push("a certificate to serve with".to_owned());
        }
        health.beat(Instant::now(), missing);
        if known.lacks_keys_alone() && reading.is_none() {
            reading = Some(key_secrets::read(&live, known.key_secrets()).boxed());
        }
        let end = known.next_end(Timestamp::now());
        let end = end.map(|wait| wait.min(LONGEST_WAIT));
        tokio::select! {
            first = changes.recv() => {
                let Some(first) = first else { break Err(AdmissionError::Task("all watches have ended".to_owned())) };
                let changed = gather(&mut known, first, &mut changes).await;
                known.settle(&changed);
                for remark in known.remarks.drain(..) {
                    say(&remark);
                }
                if known.is_new() {
                    publish(&mut known);
                } else if known.missing().is_empty() {
                    policies_told.send_replace(status::standings(&known));
                }
            }
            () = async { if let Some(reading) = &mut reading { reading.await } }, if known.lacks_keys_alone() => {
                known.keys_are_read();
                publish(&mut known);
            }
            () = tokio::time::sleep(end.unwrap_or_default()), if end.is_some() => publish(&mut known),
            () = tokio::time::sleep(BEAT) => {}
            which = tasks.ended() => break Err(AdmissionError::Task(which)),
            which = leases.ended() => break Err(AdmissionError::Task(which)),
            () = async { drop(stop.wait_for(|stopped| *stopped).await) } => break Ok(()),
        }
    };
    lease_stop_told.send_replace(true);
    leases.wind_up().await;
    tasks.abort().await;
    ended
}

/// Takes one change and those that come a moment later; the kinds that changed.
async fn gather(known: &mut Known, first: Told, changes: &mut mpsc::Receiver<Told>) -> BTreeSet<What> {
    let mut changed = BTreeSet::new();
    let until = tokio::time::Instant::now() + GATHER;
    let mut next = Some(first);
    while let Some(told) = next {
        if let Told::Changed(what, ..) | Told::Gone(what, _) | Told::All(what, _) = &told {
            changed.insert(*what);
        }
        known.take(told);
        next = tokio::time::timeout_at(until, changes.recv()).await.ok().flatten();
    }
    changed
}

#[cfg(test)]
pub(crate) mod tests;
