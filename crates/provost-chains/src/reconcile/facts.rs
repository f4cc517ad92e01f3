//! What both kinds of run have, as their reconciling needs it.

use jiff::Timestamp;
use provost_tekton::object::Metadata;
use provost_tekton::object::status::is_done;
use provost_tekton::{PipelineRun, TaskRun};

use super::cluster::{Key, Kind};

/// What both kinds of run have.
pub(super) struct Facts<'a> {
    pub(super) key: Key,
    pub(super) metadata: &'a Metadata,
    pub(super) is_done: bool,
    pub(super) managed_by: &'a str,
    pub(super) service_account: &'a str,
    pub(super) ended: Option<Timestamp>,
}

impl<'a> Facts<'a> {
    pub(super) fn of_task_run(run: &'a TaskRun) -> Self {
        Self {
            key: Key::new(Kind::TaskRun, &run.metadata.namespace, &run.metadata.name),
            metadata: &run.metadata,
            is_done: is_done(&run.status.conditions),
            managed_by: &run.spec.managed_by,
            service_account: &run.spec.service_account_name,
            ended: run.status.completion_time.map(|time| time.0),
        }
    }

    pub(super) fn of_pipeline_run(run: &'a PipelineRun) -> Self {
        Self {
            key: Key::new(Kind::PipelineRun, &run.metadata.namespace, &run.metadata.name),
            metadata: &run.metadata,
            is_done: is_done(&run.status.conditions),
            managed_by: &run.spec.managed_by,
            service_account: &run.spec.task_run_template.service_account_name,
            ended: run.status.completion_time.map(|time| time.0),
        }
    }

    pub(super) fn kind(&self) -> Kind {
        self.key.kind
    }

    pub(super) fn deleted(&self) -> Option<Timestamp> {
        self.metadata.deletion_timestamp.map(|time| time.0)
    }

    /// Name and uid of the PipelineRun that a TaskRun belongs to.
    pub(super) fn owner(&self) -> Option<(&'a str, &'a str)> {
        owner(self.metadata).filter(|_| self.kind() == Kind::TaskRun)
    }
}

/// Name and uid of the PipelineRun that an object belongs to by owner reference.
pub(super) fn owner(metadata: &Metadata) -> Option<(&str, &str)> {
    let owners = &metadata.owner_references;
    let found =
        owners.iter().find(|one| one.kind == "PipelineRun" && one.api_version.starts_with("tekton.dev/"));
    found.map(|one| (one.name.as_str(), one.uid.as_str()))
}
