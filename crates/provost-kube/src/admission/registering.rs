//! Keeping the webhook configurations in step with the policies: written by the replica that leads, once our certificate is
//! served and answered, and written again whenever somebody changed them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::{StreamExt as _, stream};
use k8s_openapi::api::admissionregistration::v1::{
    MutatingWebhookConfiguration, ValidatingWebhookConfiguration,
};
use kube::Resource;
use kube::api::{Api, DeleteParams, ObjectMeta, PostParams};
use provost_chains::reconcile::ClusterFault;
use provost_registry::{Pem, RemoteOptions, TlsOptions, service_client};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::watch;

use super::discovery::Kinds;
use super::one::one;
use super::webhooks::{Configurations, MUTATING, POLICIES, Reached, Registration, VALIDATING};
use crate::cluster::{Cluster, words};
use crate::lease::Held;
use crate::runs::answered;

/// How often all is looked at, where nothing happens.
const ROUND: Duration = Duration::from_secs(30);
/// How soon after something did not work it is tried again.
const AGAIN: Duration = Duration::from_secs(1);
/// For how long it is known which kinds are served, where all that policies name are.
const KINDS_LIFE: Duration = Duration::from_secs(300);
/// The same where one is missing: a policy may be stored before the kind it is about.
const KINDS_AGAIN: Duration = Duration::from_secs(5);
/// How long our own server may take to answer us.
const PROBE: Duration = Duration::from_secs(5);

/// Keeps the configurations.
pub(super) struct Registrar {
    pub(super) cluster: Cluster,
    pub(super) leads: watch::Receiver<Held>,
    pub(super) wanted: watch::Receiver<Option<Arc<Registration>>>,
    pub(super) authorities: watch::Receiver<Vec<String>>,
    pub(super) served: watch::Receiver<bool>,
    /// What authorities the configurations carry, and since when.
    pub(super) bundle: watch::Sender<Option<(Vec<String>, Instant)>>,
    /// With what the configurations are in step.
    pub(super) registered: watch::Sender<Option<Arc<Registration>>>,
    pub(super) say: crate::Say,
}

/// What the registrar remembers.
#[derive(Default)]
struct Memory {
    kinds: Option<(Instant, Kinds)>,
    is_unknown: bool,
    /// The authorities by which our server was last asked, and answered.
    answered: Vec<String>,
    said: String,
}

impl Registrar {
    /// Keeps them until dropped.
    pub(super) async fn keep(mut self) {
        let client = || self.cluster.client.clone();
        let mutating: Api<MutatingWebhookConfiguration> = Api::all(client());
        let validating: Api<ValidatingWebhookConfiguration> = Api::all(client());
        let mut changes = stream::select_all([
            one(mutating, MUTATING).map(|found| found.is_ok()).boxed(),
            one(validating.clone(), VALIDATING).map(|found| found.is_ok()).boxed(),
            one(validating, POLICIES).map(|found| found.is_ok()).boxed(),
        ]);
        let mut memory = Memory::default();
        loop {
            let wait = match self.round(&mut memory).await {
                Ok(()) => {
                    memory.said.clear();
                    if memory.is_unknown { KINDS_AGAIN } else { ROUND }
                }
                Err(words) => {
                    if memory.said != words {
                        (self.say)(&words);
                        memory.said = words;
                    }
                    AGAIN
                }
            };
            tokio::select! {
                _ = changes.next() => {}
                _ = self.wanted.changed() => {}
                _ = self.authorities.changed() => {}
                _ = self.served.changed() => {}
                _ = self.leads.changed() => {}
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    async fn round(&self, memory: &mut Memory) -> Result<(), String> {
        let wanted = self.wanted.borrow().clone();
        let authorities = self.authorities.borrow().clone();
        let leads = !self.leads.borrow().valid.is_empty();
        let Some(wanted) = wanted.filter(|_| leads && *self.served.borrow() && !authorities.is_empty())
        else {
            return Ok(());
        };
        if memory.answered != authorities {
            probe(&wanted.reached, &authorities.concat()).await?;
            memory.answered.clone_from(&authorities);
        }
        let life = if memory.is_unknown { KINDS_AGAIN } else { KINDS_LIFE };
        if memory.kinds.as_ref().is_none_or(|(read, _)| read.elapsed() >= life) {
            memory.kinds = Some((Instant::now(), Kinds::read(&self.cluster).await?));
        }
        let Some((read, kinds)) = &memory.kinds else { return Ok(()) };
        let registration = wanted.clone();
        let wanted = wanted.configurations(kinds, &authorities.concat())?;
        // What was known a moment ago may lack a kind that has just come.
        if !wanted.unknown.is_empty() && read.elapsed() > AGAIN && !memory.is_unknown {
            memory.is_unknown = true;
            memory.kinds = None;
            return Err(format!(
                "nobody serves the kinds {}, which policies name",
                wanted.unknown.join(", ")
            ));
        }
        memory.is_unknown = !wanted.unknown.is_empty();
        self.write(&wanted).await?;
        self.bundle.send_if_modified(|known| {
            let is_new = known.as_ref().is_none_or(|(all, _)| *all != authorities);
            if is_new {
                *known = Some((authorities, Instant::now()));
            }
            is_new
        });
        self.registered.send_if_modified(|known| {
            let is_new = !known.as_ref().is_some_and(|known| Arc::ptr_eq(known, &registration));
            *known = Some(registration);
            is_new
        });
        Ok(())
    }

    async fn write(&self, wanted: &Configurations) -> Result<(), String> {
        let client = || self.cluster.client.clone();
        // Validating comes first: it denies, and what it lets in the other one would only have annotated.
        in_step(Api::all(client()), &wanted.policies, |one: &ValidatingWebhookConfiguration| {
            one.webhooks.clone()
        })
        .await?;
        in_step(Api::all(client()), &wanted.validating, |one: &ValidatingWebhookConfiguration| {
            one.webhooks.clone()
        })
        .await?;
        in_step(Api::all(client()), &wanted.mutating, |one: &MutatingWebhookConfiguration| {
            one.webhooks.clone()
        })
        .await
    }
}

/// Writes an object where what is stored is another.
async fn in_step<T, W>(api: Api<T>, wanted: &T, webhooks: impl Fn(&T) -> W) -> Result<(), String>
where
    T: Resource + Clone + std::fmt::Debug + DeserializeOwned + Serialize,
    W: PartialEq,
{
    let name = wanted.meta().name.clone().unwrap_or_default();
    let doing = format!("writing the webhook configuration {name}");
    let written = match answered(&doing, api.get(&name)).await {
        Ok(stored) => {
            let same = webhooks(&stored) == webhooks(wanted) && holds(stored.meta(), wanted.meta());
            if same {
                return Ok(());
            }
            let mut new = wanted.clone();
            new.meta_mut().resource_version.clone_from(&stored.meta().resource_version);
            answered(&doing, api.replace(&name, &PostParams::default(), &new)).await
        }
        Err(ClusterFault::Gone) => answered(&doing, api.create(&PostParams::default(), wanted)).await,
        Err(fault) => Err(fault),
    };
    match written {
        Ok(_) => Ok(()),
        Err(ClusterFault::Conflict) => Err(format!("{doing}: somebody else has just written it")),
        Err(fault) => Err(fault.to_string()),
    }
}

/// Whether metadata has the labels and annotations that are wanted, and no label of Kyverno's.
fn holds(stored: &ObjectMeta, wanted: &ObjectMeta) -> bool {
    let all = |stored: &Option<std::collections::BTreeMap<String, String>>,
               wanted: &Option<std::collections::BTreeMap<String, String>>| {
        let mut wanted = wanted.iter().flatten();
        wanted.all(|(key, value)| stored.as_ref().and_then(|all| all.get(key)) == Some(value))
    };
    let strange = stored.labels.iter().flatten().any(|(key, _)| key.contains("kyverno.io/"));
    all(&stored.labels, &wanted.labels) && all(&stored.annotations, &wanted.annotations) && !strange
}

/// Asks our own server as the API server will.
async fn probe(reached: &Reached, bundle: &str) -> Result<(), String> {
    let url = reached.url("/health/liveness");
    let options = RemoteOptions {
        tls: TlsOptions { authorities: Some(Pem::Text(bundle.as_bytes().to_vec())), ..TlsOptions::default() },
        ..RemoteOptions::default()
    };
    let client = service_client(&options).map_err(|error| error.to_string())?;
    let failed = |cause: String| format!("webhooks wait until {url} answers: {cause}");
    match tokio::time::timeout(PROBE, client.get(&url).send()).await {
        // Whatever it says, it has shown the certificate that the configurations will trust.
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) => Err(failed(words(&error.without_url()))),
        Err(_) => Err(failed(format!("no answer in {} s", PROBE.as_secs()))),
    }
}

/// Removes our webhook configurations: `--uninstall`. Those that are not there are no error.
///
/// # Errors
/// What the API server says against it.
pub async fn uninstall(cluster: &Cluster) -> Result<(), String> {
    let how = DeleteParams::default();
    let validating: Api<ValidatingWebhookConfiguration> = Api::all(cluster.client.clone());
    let mutating: Api<MutatingWebhookConfiguration> = Api::all(cluster.client.clone());
    let gone = |name: &str, result: Result<(), ClusterFault>| match result {
        Ok(()) | Err(ClusterFault::Gone) => Ok(()),
        Err(fault) => Err(format!("removing {name}: {fault}")),
    };
    for name in [POLICIES, VALIDATING] {
        gone(name, answered("removing", validating.delete(name, &how)).await.map(|_| ()))?;
    }
    gone(MUTATING, answered("removing", mutating.delete(MUTATING, &how)).await.map(|_| ()))
}
