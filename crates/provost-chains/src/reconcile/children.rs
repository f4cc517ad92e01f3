//! The TaskRuns of a PipelineRun: found by name and owner uid, waited for, and let go with it.

use async_trait::async_trait;
use bytes::Bytes;
use provost_oci::{Descriptor, Digest, Repository, Selector};
use provost_registry::{Manifest, Store, StoreError};
use provost_tekton::object::status::is_done;
use provost_tekton::{PipelineRun, TaskRun};

use super::facts::{Facts, owner};
use super::{CONDITION, ClusterFault, Kind, Reason, Reconciler, Trouble, is_held};

/// How many children one PipelineRun may have: Tekton's matrix limit is 256 runs a task, and etcd's 1.5 MiB an object hold
/// the references of about 10,000; a TaskRun is read for each, 10 KiB on average, so 2,000 are 20 MB.
pub(super) const CHILDREN_LIMIT: usize = 2000;
/// How often a child that somebody else keeps changing is read again to be let go.
const RELEASE_TRIES: usize = 5;

impl Reconciler<'_> {
    /// The TaskRuns that a PipelineRun lists and owns, once each has ended and been signed or at least been tried.
    pub(super) async fn children(
        &self,
        run: &PipelineRun,
    ) -> Result<Result<Vec<TaskRun>, Trouble>, ClusterFault> {
        let label = format!("PipelineRun/{}", run.metadata.name);
        let references = &run.status.child_references;
        if references.len() > CHILDREN_LIMIT {
            let found = references.len();
            let message = format!("{label} lists {found} children, at most {CHILDREN_LIMIT} are read");
            return Ok(Err(Trouble::new(Reason::ChildUnreadable, &message)));
        }
        let mut children = Vec::new();
        for reference in references.iter().filter(|one| matches!(one.kind.as_str(), "TaskRun" | "")) {
            let name = reference.name.as_str();
            let Some(child) = self.cluster.task_run(&run.metadata.namespace, name).await? else {
                let message = format!("{label}: its status lists the TaskRun {name}, which cannot be read");
                return Ok(Err(Trouble::new(Reason::ChildUnreadable, &message)));
            };
            if owner(&child.metadata).is_none_or(|(_, uid)| uid != run.metadata.uid) {
                let message = format!(
                    "{label}: the TaskRun {name} is not its child: no owner reference has this run's uid"
                );
                return Ok(Err(Trouble::new(Reason::ChildUnreadable, &message)));
            }
            if let Some(why) = self.not_ready(&child) {
                let message = format!("{label}: its TaskRun {name} {why}");
                return Ok(Err(Trouble::new(Reason::WaitingForChildren, &message)));
            }
            children.push(child);
        }
        Ok(Ok(children))
    }

    /// Why a PipelineRun must wait for a child. One that was tried and failed is waited for no longer: the mark of that is
    /// not trusted for more than this order.
    fn not_ready(&self, child: &TaskRun) -> Option<&'static str> {
        if !is_done(&child.status.conditions) {
            return Some("has not ended");
        }
        let tried = self.is_signed(&child.metadata)
            || child.metadata.annotations.contains_key(CONDITION)
            || !self.is_ours(&child.metadata, &child.spec.managed_by);
        (!tried && self.receipts_are_possible()).then_some("is not signed yet")
    }

    /// Without a key there are no receipts, and nothing that could be waited for.
    fn receipts_are_possible(&self) -> bool {
        self.settings.is_some_and(|settings| settings.key.is_ok())
    }

    /// Takes our finalizer off the children of a PipelineRun that is signed. One that is not signed itself keeps it.
    pub(super) async fn release(&self, children: &[TaskRun]) -> Result<(), ClusterFault> {
        for child in children {
            self.release_one(child.clone()).await?;
        }
        Ok(())
    }

    /// The same for all children that a PipelineRun lists and owns, as they are now.
    pub(super) async fn release_listed(&self, run: &PipelineRun) -> Result<(), ClusterFault> {
        let references = run.status.child_references.iter().take(CHILDREN_LIMIT);
        for reference in references.filter(|one| matches!(one.kind.as_str(), "TaskRun" | "")) {
            let child = self.cluster.task_run(&run.metadata.namespace, &reference.name).await?;
            let own =
                |child: &TaskRun| owner(&child.metadata).is_some_and(|(_, uid)| uid == run.metadata.uid);
            if let Some(child) = child.filter(own) {
                self.release_one(child).await?;
            }
        }
        Ok(())
    }

    async fn release_one(&self, mut child: TaskRun) -> Result<(), ClusterFault> {
        for _ in 0..RELEASE_TRIES {
            let releasable = self.is_signed(&child.metadata) || !self.receipts_are_possible();
            if !is_held(&child.metadata, Kind::TaskRun) || !releasable {
                return Ok(());
            }
            match self.let_go(&Facts::of_task_run(&child)).await {
                Ok(()) | Err(ClusterFault::Gone) => return Ok(()),
                Err(ClusterFault::Conflict) => {}
                Err(fault) => return Err(fault),
            }
            let Some(again) = self.cluster.task_run(&child.metadata.namespace, &child.metadata.name).await?
            else {
                return Ok(());
            };
            child = again;
        }
        Err(ClusterFault::Conflict)
    }

    /// Whether nobody needs a run any more: it is no child, or its PipelineRun is signed, gone, or none of ours.
    pub(super) async fn owner_is_settled(&self, facts: &Facts<'_>) -> Result<bool, ClusterFault> {
        let Some((name, uid)) = facts.owner() else { return Ok(true) };
        let Some(run) = self.cluster.pipeline_run(&facts.metadata.namespace, name).await? else {
            return Ok(true);
        };
        if run.metadata.uid != uid || !self.is_ours(&run.metadata, &run.spec.managed_by) {
            return Ok(true);
        }
        let let_go = run.metadata.deletion_timestamp.is_some() && !is_held(&run.metadata, Kind::PipelineRun);
        Ok(self.is_signed(&run.metadata) || let_go)
    }
}

/// Stands where no registry is needed.
pub(super) struct NoStore;

fn refused() -> StoreError {
    StoreError::Refused {
        request: "registry".to_owned(),
        reason: "the configuration stores nothing in registries".to_owned(),
    }
}

#[async_trait]
impl Store for NoStore {
    async fn manifest(&self, _: &Repository, _: &Selector) -> Result<Manifest, StoreError> {
        Err(refused())
    }
    async fn resolve(&self, _: &Repository, _: &Selector) -> Result<Descriptor, StoreError> {
        Err(refused())
    }
    async fn blob(&self, _: &Repository, _: &Digest, _: u64) -> Result<Bytes, StoreError> {
        Err(refused())
    }
    async fn has_blob(&self, _: &Repository, _: &Digest) -> Result<bool, StoreError> {
        Err(refused())
    }
    async fn put_blob(&self, _: &Repository, _: &str, _: Bytes) -> Result<Descriptor, StoreError> {
        Err(refused())
    }
    async fn put_manifest(&self, _: &Repository, _: &Selector, _: &Manifest) -> Result<Digest, StoreError> {
        Err(refused())
    }
    async fn referrers(&self, _: &Repository, _: &Digest) -> Result<Vec<Descriptor>, StoreError> {
        Err(refused())
    }
    async fn tags(&self, _: &Repository) -> Result<Vec<String>, StoreError> {
        Err(refused())
    }
}
