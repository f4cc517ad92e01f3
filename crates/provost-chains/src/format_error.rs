//! Why a run cannot be attested.

use crate::remarshal::FieldError;

/// Why no statement can be made about a run; Chains ends such runs with `signed: failed`, or never signs them.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FormatError {
    /// The run has no `Succeeded` condition that is true or false, or no end.
    #[error(
        "{run} has not ended: expected a Succeeded condition that is True or False, and a completion time"
    )]
    NotDone {
        /// The run.
        run: String,
    },
    /// A step's image is not known by digest: it never started, or the runtime reported no reference.
    #[error(
        "{run}: imageID of {place}: expected an image with one @ and a digest with one colon, found {found:?}"
    )]
    ImageId {
        /// The TaskRun.
        run: String,
        /// Which step or sidecar.
        place: String,
        /// What stands there.
        found: String,
    },
    /// A child TaskRun was not given.
    #[error("{run}: its status lists the TaskRun {child}, which cannot be read")]
    ChildMissing {
        /// The PipelineRun.
        run: String,
        /// The child's name.
        child: String,
    },
    /// A TaskRun of the child's name does not belong to this run.
    #[error("{run}: the TaskRun {child} is not its child: no owner reference has this run's uid")]
    ChildForeign {
        /// The PipelineRun.
        run: String,
        /// The child's name.
        child: String,
    },
    /// A child that ended without ever having begun.
    #[error("{run} has ended without a start time")]
    NotStarted {
        /// The TaskRun.
        run: String,
    },
    /// A field that Go could not have read, so Chains would never have seen the run.
    #[error("{run}: {field}")]
    Field {
        /// The run.
        run: String,
        /// The field.
        field: FieldError,
    },
}
