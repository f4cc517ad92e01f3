//! Why a run is not signed: a stable word, a sentence, and whether trying again could help.

use std::collections::BTreeSet;

use provost_registry::StoreError;
use provost_sign::AttachError;

use super::cluster::ClusterFault;
use crate::placing::PlaceError;
use crate::sign_run::SignRunError;
use crate::vouching::VouchError;
use provost_storage::StorageError;

/// The reason in one word, for annotations, events and metrics; the words are documented and do not change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// There is no usable `chains-config`.
    ConfigurationMissing,
    /// There is no usable key.
    KeyMissing,
    /// The configuration asks for something this version does not do.
    Unsupported,
    /// The run cannot be attested: a field that provenance needs is missing or wrong.
    RunUnattestable,
    /// A child TaskRun of a PipelineRun cannot be read, or is another run's.
    ChildUnreadable,
    /// A child TaskRun has not ended or is not signed yet.
    WaitingForChildren,
    /// The run was deleted before it had ended.
    NeverEnded,
    /// The key did not sign.
    SigningFailed,
    /// A subject cannot have an attestation in a registry.
    SubjectUnplaceable,
    /// The registry could not be asked.
    StorageUnavailable,
    /// The registry refused.
    StorageRefused,
    /// A transparency log took no entry.
    LogUnavailable,
    /// The API server could not be asked, or refused.
    ClusterUnavailable,
    /// The attempt took too long.
    Timeout,
}

impl Reason {
    /// The word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::ConfigurationMissing => "ConfigurationMissing",
            Self::KeyMissing => "KeyMissing",
            Self::Unsupported => "Unsupported",
            Self::RunUnattestable => "RunUnattestable",
            Self::ChildUnreadable => "ChildUnreadable",
            Self::WaitingForChildren => "WaitingForChildren",
            Self::NeverEnded => "NeverEnded",
            Self::SigningFailed => "SigningFailed",
            Self::LogUnavailable => "LogUnavailable",
            Self::SubjectUnplaceable => "SubjectUnplaceable",
            Self::StorageUnavailable => "StorageUnavailable",
            Self::StorageRefused => "StorageRefused",
            Self::ClusterUnavailable => "ClusterUnavailable",
            Self::Timeout => "Timeout",
        }
    }

    /// The word of Chains' metric `…_signing_failures_total{error_type}`.
    #[must_use]
    pub fn error_type(self) -> &'static str {
        match self {
            Self::RunUnattestable | Self::ChildUnreadable | Self::WaitingForChildren | Self::NeverEnded => {
                "payload_creation"
            }
            Self::ConfigurationMissing | Self::KeyMissing | Self::Unsupported | Self::SigningFailed => {
                "signing"
            }
            Self::LogUnavailable => "tlog",
            Self::SubjectUnplaceable
            | Self::StorageUnavailable
            | Self::StorageRefused
            | Self::ClusterUnavailable
            | Self::Timeout => "storage",
        }
    }

    /// Whether nothing but a change of the run itself could help, which a run that has ended does not see.
    #[must_use]
    pub fn is_permanent(self) -> bool {
        matches!(
            self,
            Self::RunUnattestable | Self::ChildUnreadable | Self::SubjectUnplaceable | Self::NeverEnded
        )
    }
}

/// Why a run is not signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// In one word.
    pub reason: Reason,
    /// In a sentence, at most [`MESSAGE_LIMIT`] bytes.
    pub message: String,
    /// The registries that took part: when one of them is well again, another attempt may help.
    pub hosts: BTreeSet<String>,
}

/// The longest sentence that is kept on a run: an event's note holds 1 KiB, and a word is added there.
pub const MESSAGE_LIMIT: usize = 900;

impl Trouble {
    /// A reason with its sentence, which is cut where it is too long; control characters become blanks.
    #[must_use]
    pub fn new(reason: Reason, message: &str) -> Self {
        let mut text = String::new();
        for one in message.chars().map(|c| if c.is_control() { ' ' } else { c }) {
            if text.len() + one.len_utf8() > MESSAGE_LIMIT {
                break;
            }
            text.push(one);
        }
        Self { reason, message: text, hosts: BTreeSet::new() }
    }

    /// The same, with the registries that took part.
    #[must_use]
    pub fn at(self, hosts: BTreeSet<String>) -> Self {
        Self { hosts, ..self }
    }
}

impl From<&SignRunError> for Trouble {
    fn from(error: &SignRunError) -> Self {
        use crate::format_error::FormatError;
        let reason = match error {
            SignRunError::Format(FormatError::ChildMissing { .. } | FormatError::ChildForeign { .. }) => {
                Reason::ChildUnreadable
            }
            SignRunError::Format(_) => Reason::RunUnattestable,
            SignRunError::Key(_) => Reason::SigningFailed,
            SignRunError::Closed(_) => Reason::KeyMissing,
            SignRunError::Vouch(VouchError::Log { .. }) => Reason::LogUnavailable,
            SignRunError::Vouch(_) => Reason::SigningFailed,
            SignRunError::Unsupported { .. } => Reason::Unsupported,
            SignRunError::Place(error) => match error {
                PlaceError::NoImage { .. } | PlaceError::TooManyMembers { .. } => Reason::SubjectUnplaceable,
                PlaceError::Repository(_) => Reason::Unsupported,
                PlaceError::Key(_) => Reason::SigningFailed,
                PlaceError::Unreadable { .. } => Reason::StorageRefused,
                PlaceError::Store(error) | PlaceError::Attach(AttachError::Store(error)) => of_store(error),
                PlaceError::Attach(AttachError::Contended { .. }) => Reason::StorageUnavailable,
                PlaceError::Attach(AttachError::Foreign { .. } | AttachError::Full { .. }) => {
                    Reason::StorageRefused
                }
            },
            SignRunError::Storage(error) => return error.into(),
        };
        Self::new(reason, &error.to_string())
    }
}

impl From<&StorageError> for Trouble {
    fn from(error: &StorageError) -> Self {
        let reason = match error {
            StorageError::Unavailable { .. } => Reason::StorageUnavailable,
            StorageError::Refused { .. } => Reason::StorageRefused,
            // Only the configuration can help, and it may be changed while the run waits.
            _ => Reason::Unsupported,
        };
        Self::new(reason, &error.to_string())
    }
}

impl From<&ClusterFault> for Trouble {
    fn from(fault: &ClusterFault) -> Self {
        Self::new(Reason::ClusterUnavailable, &fault.to_string())
    }
}

fn of_store(error: &StoreError) -> Reason {
    match error {
        StoreError::Network { .. } => Reason::StorageUnavailable,
        StoreError::Status { status, .. } if *status >= 500 || *status == 429 => Reason::StorageUnavailable,
        _ => Reason::StorageRefused,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sentence_is_cut_between_characters_and_loses_its_controls() {
        let trouble = Trouble::new(Reason::Timeout, &format!("a\nb{}", "ä".repeat(MESSAGE_LIMIT)));
        assert!(trouble.message.starts_with("a bä"));
        assert_eq!(trouble.message.len(), MESSAGE_LIMIT - 1);
    }
}
