//! Why something was not kept.

/// Why a storage did not keep something, or could not say what it keeps.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StorageError {
    /// This build has no such storage.
    #[error(
        "storage {storage} is not in this build: build Provost with its feature storage-{feature}, or take the storage out of chains-config"
    )]
    CompiledOut {
        /// The word of chains-config.
        storage: &'static str,
        /// The feature that brings it.
        feature: &'static str,
    },
    /// A setting is missing, or cannot be used.
    #[error("storage {storage}: {setting}: {reason}")]
    Setting {
        /// The word of chains-config.
        storage: &'static str,
        /// The key of chains-config, or the variable.
        setting: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// Such a thing cannot be kept there, whatever is tried.
    #[error("storage {storage} {reason}")]
    Unplaceable {
        /// The word of chains-config.
        storage: &'static str,
        /// Why not.
        reason: String,
    },
    /// The storage could not be asked, or is too busy.
    #[error("storage {storage}: {request}: {cause}")]
    Unavailable {
        /// The word of chains-config.
        storage: &'static str,
        /// What was asked.
        request: String,
        /// What came instead of an answer.
        cause: String,
    },
    /// The storage refused, or answered what cannot be read.
    #[error("storage {storage}: {request}: {reason}")]
    Refused {
        /// The word of chains-config.
        storage: &'static str,
        /// What was asked.
        request: String,
        /// What it said.
        reason: String,
    },
}

impl StorageError {
    /// A setting that is missing.
    pub(crate) fn missing(storage: &'static str, setting: &'static str) -> Self {
        Self::Setting { storage, setting, reason: "is not set in chains-config".to_owned() }
    }
}
