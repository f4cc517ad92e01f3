//! One run of a cluster, brought as far as it can be brought now: held, waited for, signed, let go.
//!
//! A run that has ended is signed and marked in one patch. What only a run says about itself is never believed: it counts as
//! signed with a receipt of our key, children are those that name their PipelineRun's uid, and `retries` means nothing here.
//! A failure stands on the run and in the outcome; whoever calls tries again. The time is given, nothing here waits.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use provost_registry::Store;
use provost_tekton::object::{Metadata, Time};
use provost_tekton::{PipelineRun, TaskRun};

use crate::elsewhere::backends;
use crate::receipt::{RECEIPT, Receipt};
use crate::run::Run;
use crate::sign_run::{Means, SignedRun, registries, sign_list, to_sign};
use crate::signing::SIGNED;

mod children;
mod cluster;
mod facts;
mod marks;
mod settings;
mod trouble;

pub use cluster::{Access, Cluster, ClusterFault, Key, Kind, Permit};
pub use marks::{CONDITION, OURS, is_finalizer, is_held, unmarked_pipeline_run, unmarked_task_run};
pub use settings::{DELETION_GRACE, ENDING_GRACE, Rules, Settings};
pub use trouble::{MESSAGE_LIMIT, Reason, Trouble};

use facts::Facts;
use marks::Patch;

/// Who runs those runs that say nothing else.
const TEKTON: &str = "tekton.dev/pipeline";

/// What became of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing is to be done: gone, signed before, or none of ours.
    Settled,
    /// It is running; it will tell when it ends.
    Running,
    /// It was signed.
    Signed(Done),
    /// It changed meanwhile: the same again in a moment.
    Again,
    /// This registry is busy with other runs: the same again when one of them has ended.
    Busy(String),
    /// It waits for something else that will tell: its children.
    Waiting(Trouble),
    /// It is not signed, and is tried again; the sentence is on the run.
    Failed(Trouble),
    /// It is not signed and never will be: it was being deleted, and is let go.
    GivenUp(Trouble),
}

/// A run that was signed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Done {
    /// How many statements and image signatures it has.
    pub payloads: usize,
    /// How many copies were stored in registries that did not lie there before.
    pub stored: usize,
    /// How many payloads a transparency log took.
    pub uploaded: usize,
    /// What the run says it made and its namespace may not claim, by name.
    pub denied: Vec<String>,
    /// When it had ended; not where the run does not say.
    pub ended: Option<Timestamp>,
    /// The uid of the PipelineRun it belongs to.
    pub owner: Option<(String, String)>,
    /// The registries that took something of it.
    pub hosts: BTreeSet<String>,
}

/// Brings runs forward.
pub struct Reconciler<'a> {
    /// The cluster.
    pub cluster: &'a dyn Cluster,
    /// Configuration and keys; none where there is no usable configuration.
    pub settings: Option<&'a Settings>,
    /// How runs are treated.
    pub rules: &'a Rules,
    /// The time.
    pub now: Timestamp,
}

impl Reconciler<'_> {
    /// Brings one run forward.
    pub async fn reconcile(&self, key: &Key) -> Outcome {
        match self.attempt(key).await {
            Ok(outcome) => outcome,
            Err(ClusterFault::Gone) => Outcome::Settled,
            Err(ClusterFault::Conflict) => Outcome::Again,
            Err(fault) => Outcome::Failed((&fault).into()),
        }
    }

    async fn attempt(&self, key: &Key) -> Result<Outcome, ClusterFault> {
        match key.kind {
            Kind::TaskRun => match self.cluster.task_run(&key.namespace, &key.name).await? {
                Some(run) => self.task_run(run).await,
                None => Ok(Outcome::Settled),
            },
            Kind::PipelineRun => match self.cluster.pipeline_run(&key.namespace, &key.name).await? {
                Some(run) => self.pipeline_run(run).await,
                None => Ok(Outcome::Settled),
            },
        }
    }

    async fn task_run(&self, run: TaskRun) -> Result<Outcome, ClusterFault> {
        let facts = Facts::of_task_run(&run);
        if let Some(outcome) = self.before_signing(&facts).await? {
            return Ok(outcome);
        }
        let clean = unmarked_task_run(run.clone());
        match self.sign(&facts, &Run::Task(&clean)).await {
            Ok(Ok(signed)) => {
                // Children end before their PipelineRun does. One that failed, or is being deleted, may come after it.
                let late = facts.metadata.annotations.contains_key(CONDITION) || facts.deleted().is_some();
                let held = facts.owner().is_some()
                    && self.rules.holds
                    && !(late && self.owner_is_settled(&facts).await?);
                self.mark_signed(&facts, signed, held).await
            }
            Ok(Err(busy)) => Ok(Outcome::Busy(busy)),
            Err(trouble) => self.mark_failed(&facts, trouble).await,
        }
    }

    async fn pipeline_run(&self, run: PipelineRun) -> Result<Outcome, ClusterFault> {
        let facts = Facts::of_pipeline_run(&run);
        // An attempt before this one may have ended between the mark and the children; and of a run that is deleted before
        // it has ended nobody will ask for them.
        if self.is_signed(facts.metadata) || (facts.deleted().is_some() && !facts.is_done) {
            self.release_listed(&run).await?;
        }
        if let Some(outcome) = self.before_signing(&facts).await? {
            return Ok(outcome);
        }
        let children = match self.children(&run).await? {
            Ok(children) => children,
            Err(trouble) if trouble.reason == Reason::WaitingForChildren => {
                return match self.has_outlived_its_grace(&facts) {
                    true => self.give_up_all(&run, &facts, trouble).await,
                    false => {
                        self.hold(&facts).await?;
                        Ok(Outcome::Waiting(trouble))
                    }
                };
            }
            Err(trouble) => return self.fail_all(&run, &facts, trouble).await,
        };
        let clean = unmarked_pipeline_run(run.clone());
        let runs: Vec<TaskRun> = children.iter().cloned().map(unmarked_task_run).collect();
        let outcome = match self.sign(&facts, &Run::Pipeline(&clean, &runs)).await {
            Ok(Ok(signed)) => self.mark_signed(&facts, signed, false).await?,
            Ok(Err(busy)) => return Ok(Outcome::Busy(busy)),
            Err(trouble) => return self.fail_all(&run, &facts, trouble).await,
        };
        self.release(&children).await?;
        Ok(outcome)
    }

    /// As [`Self::mark_failed`], and where the run is let go, so are its children before it: nobody asks for it afterwards.
    async fn fail_all(
        &self,
        run: &PipelineRun,
        facts: &Facts<'_>,
        trouble: Trouble,
    ) -> Result<Outcome, ClusterFault> {
        match self.is_to_be_given_up(facts, &trouble) {
            true => self.give_up_all(run, facts, trouble).await,
            false => self.mark_failed(facts, trouble).await,
        }
    }

    async fn give_up_all(
        &self,
        run: &PipelineRun,
        facts: &Facts<'_>,
        trouble: Trouble,
    ) -> Result<Outcome, ClusterFault> {
        self.release_listed(run).await?;
        self.give_up(facts, trouble).await
    }

    /// What is to be done with a run that is not to be signed now; `None` where it has ended and is not signed.
    async fn before_signing(&self, facts: &Facts<'_>) -> Result<Option<Outcome>, ClusterFault> {
        if !self.is_ours(facts.metadata, facts.managed_by) {
            return Ok(Some(Outcome::Settled));
        }
        if self.is_signed(facts.metadata) {
            if is_held(facts.metadata, facts.kind()) && self.owner_is_settled(facts).await? {
                self.let_go(facts).await?;
            }
            return Ok(Some(Outcome::Settled));
        }
        if facts.is_done {
            return Ok(None);
        }
        let Some(deleted) = facts.deleted() else {
            self.hold(facts).await?;
            return Ok(Some(Outcome::Running));
        };
        let trouble = Trouble::new(Reason::NeverEnded, "the run was deleted before it had ended");
        let waited = self.now.duration_since(deleted);
        let grace = ENDING_GRACE.min(self.rules.deletion_grace);
        Ok(Some(match is_held(facts.metadata, facts.kind()) {
            false => Outcome::Settled,
            true if waited < signed_duration(grace) => Outcome::Failed(trouble),
            true => self.give_up(facts, trouble).await?,
        }))
    }

    /// Whether a run is among those that are looked at: by its namespace, and by who runs it.
    fn is_ours(&self, metadata: &Metadata, managed_by: &str) -> bool {
        let namespaces = &self.rules.namespaces;
        let listed = || self.settings.is_some_and(|all| all.config.managed_by.contains(managed_by));
        (namespaces.is_empty() || namespaces.contains(&metadata.namespace))
            && (managed_by.is_empty() || managed_by == TEKTON || listed())
    }

    /// Whether a run counts as signed: by a receipt, or by Chains' mark where such marks are adopted.
    fn is_signed(&self, metadata: &Metadata) -> bool {
        let keys = self.settings.map(|all| all.receipt_keys.as_slice()).unwrap_or_default();
        let text = metadata.annotations.get(RECEIPT);
        if text.is_some_and(|text| Receipt::open(text, &metadata.uid, keys).is_some()) {
            return true;
        }
        let made = metadata.creation_timestamp.map(|time| time.0);
        let old = made.zip(self.rules.adopt_before).is_some_and(|(made, before)| made < before);
        old && matches!(metadata.annotations.get(SIGNED).map(String::as_str), Some("true" | "failed"))
    }

    /// Signs a run that has ended, or says which of its registries is busy with others.
    async fn sign(&self, facts: &Facts<'_>, run: &Run<'_>) -> Result<Result<SignedRun, String>, Trouble> {
        let settings = self.settings.ok_or_else(|| {
            Trouble::new(Reason::ConfigurationMissing, "there is no usable ConfigMap chains-config")
        })?;
        if !settings.signs(facts.kind()) {
            return self.nothing_to_sign(facts, settings).await.map(Ok);
        }
        let key = settings.key.as_ref().map_err(|why| Trouble::new(Reason::KeyMissing, why))?;
        let list = to_sign(&settings.config, run).map_err(|error| Trouble::from(&error))?;
        let mut hosts = registries(&settings.config, &list.list).map_err(|error| Trouble::from(&error))?;
        let uses_registries = settings.uses_registries(facts.kind()) && !hosts.is_empty();
        let storage = &settings.config.storage;
        let backends = backends(&list.list, |kind| self.cluster.backend(kind, storage));
        let backends = backends.map_err(|error| Trouble::from(&error))?;
        hosts.extend(backends.values().map(|backend| backend.place()));
        let mut permits = Vec::new();
        for host in &hosts {
            match self.cluster.admit(host) {
                Some(permit) => permits.push(permit),
                None => return Ok(Err(host.clone())),
            }
        }
        let access = Access {
            namespace: facts.metadata.namespace.clone(),
            service_account: match facts.service_account {
                "" => "default".to_owned(),
                named => named.to_owned(),
            },
            insecure: settings.config.storage.insecure,
            granted: settings.config.granted(&facts.metadata.namespace),
        };
        let store = match uses_registries {
            true => Some(self.cluster.store(&access).await.map_err(|fault| Trouble::from(&fault))?),
            false => None,
        };
        let store: &dyn Store = match &store {
            Some(store) => store.as_ref(),
            None => &children::NoStore,
        };
        let means = Means {
            key: key.as_ref(),
            store,
            backends: &backends,
            now: self.now,
            others: Some(&settings.others),
        };
        let signed = sign_list(&settings.config, run, &list, &means).await;
        let mut signed = signed.map_err(|error| Trouble::from(&error).at(hosts))?;
        let receipt = self.receipt(facts, settings, signed.payloads.clone()).await?;
        signed.annotations.extend(receipt);
        Ok(Ok(signed))
    }

    /// A run of which nothing is signed is marked all the same, as in Chains; the receipt needs a key, the mark does not.
    async fn nothing_to_sign(&self, facts: &Facts<'_>, settings: &Settings) -> Result<SignedRun, Trouble> {
        let mut annotations = self.receipt(facts, settings, Vec::new()).await?;
        annotations.insert(SIGNED.to_owned(), "true".to_owned());
        Ok(SignedRun { annotations, ..SignedRun::default() })
    }

    async fn receipt(
        &self,
        facts: &Facts<'_>,
        settings: &Settings,
        payloads: Vec<String>,
    ) -> Result<BTreeMap<String, String>, Trouble> {
        let Ok(key) = &settings.key else { return Ok(BTreeMap::new()) };
        let configuration = settings.config_digest.clone();
        let receipt = Receipt { uid: facts.metadata.uid.clone(), payloads, configuration };
        let text = receipt.sign(key.as_ref()).await;
        let text = text.map_err(|error| Trouble::new(Reason::SigningFailed, &error.to_string()))?;
        Ok(BTreeMap::from([(RECEIPT.to_owned(), text)]))
    }

    /// Marks, receipt and finalizer in one patch.
    async fn mark_signed(
        &self,
        facts: &Facts<'_>,
        signed: SignedRun,
        held: bool,
    ) -> Result<Outcome, ClusterFault> {
        let mut patch = Patch::default();
        for (name, text) in signed.annotations {
            patch.set(facts.metadata, &name, text);
        }
        patch.clear(facts.metadata, CONDITION);
        patch.hold(facts.metadata, facts.kind(), held);
        self.write(facts, patch).await?;
        Ok(Outcome::Signed(Done {
            payloads: signed.payloads.len(),
            stored: signed.placed.iter().filter(|one| one.new).count()
                + signed.kept.iter().filter(|one| one.new).count(),
            uploaded: signed.uploaded,
            denied: signed.denied,
            ended: facts.ended,
            owner: facts.owner().map(|(name, uid)| (name.to_owned(), uid.to_owned())),
            hosts: signed.placed.iter().map(|one| one.repository.registry().to_owned()).collect(),
        }))
    }

    /// Says on the run why it is not signed, and holds it until it is; or lets it go, where it was deleted long ago.
    async fn mark_failed(&self, facts: &Facts<'_>, trouble: Trouble) -> Result<Outcome, ClusterFault> {
        if self.is_to_be_given_up(facts, &trouble) {
            return self.give_up(facts, trouble).await;
        }
        let mut patch = Patch::default();
        let condition = marks::condition(facts.metadata, &trouble, Time(self.now));
        patch.set(facts.metadata, CONDITION, condition);
        patch.hold(facts.metadata, facts.kind(), self.rules.holds || is_held(facts.metadata, facts.kind()));
        self.write(facts, patch).await?;
        Ok(Outcome::Failed(trouble))
    }

    fn is_to_be_given_up(&self, facts: &Facts<'_>, trouble: &Trouble) -> bool {
        let hopeless = facts.deleted().is_some() && trouble.reason.is_permanent();
        hopeless || self.has_outlived_its_grace(facts)
    }

    fn has_outlived_its_grace(&self, facts: &Facts<'_>) -> bool {
        let grace = signed_duration(self.rules.deletion_grace);
        facts.deleted().is_some_and(|deleted| self.now.duration_since(deleted) >= grace)
    }

    /// Lets a run go that is being deleted and is not signed, and its children with it.
    async fn give_up(&self, facts: &Facts<'_>, trouble: Trouble) -> Result<Outcome, ClusterFault> {
        if !is_held(facts.metadata, facts.kind()) {
            return Ok(Outcome::Settled);
        }
        self.let_go(facts).await?;
        Ok(Outcome::GivenUp(trouble))
    }

    async fn hold(&self, facts: &Facts<'_>) -> Result<(), ClusterFault> {
        let mut patch = Patch::default();
        if self.rules.holds {
            patch.hold(facts.metadata, facts.kind(), true);
        }
        self.write(facts, patch).await
    }

    async fn let_go(&self, facts: &Facts<'_>) -> Result<(), ClusterFault> {
        let mut patch = Patch::default();
        patch.hold(facts.metadata, facts.kind(), false);
        self.write(facts, patch).await
    }

    async fn write(&self, facts: &Facts<'_>, patch: Patch) -> Result<(), ClusterFault> {
        match patch.finish(facts.metadata) {
            Some(patch) => self.cluster.patch(&facts.key, &patch).await,
            None => Ok(()),
        }
    }
}

fn signed_duration(duration: std::time::Duration) -> jiff::SignedDuration {
    jiff::SignedDuration::try_from(duration).unwrap_or(jiff::SignedDuration::MAX)
}

#[cfg(test)]
mod tests;
