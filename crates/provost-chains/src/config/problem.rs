//! What can be wrong with a `chains-config`: errors, and remarks about what does nothing.

use crate::claims::ClaimsError;

/// Something in the configuration that does nothing, or will never work.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Warning {
    /// No program reads this key.
    #[error("{file}: data.{key} is no key of chains-config and does nothing")]
    UnknownKey {
        /// The file.
        file: String,
        /// The key.
        key: String,
    },
    /// A boolean that is none: Chains keeps its default without a word.
    #[error("{file}: data.{key} is {found:?}, expected true or false: the default stays")]
    NotBoolean {
        /// The file.
        file: String,
        /// The key.
        key: &'static str,
        /// What stands there.
        found: String,
    },
    /// `transparency.enabled` is neither `true` nor `manual`, so nothing is uploaded.
    #[error("{file}: data.transparency.enabled is {found:?}, and only \"true\" and \"manual\" switch it on")]
    UploadOff {
        /// The file.
        file: String,
        /// What stands there.
        found: String,
    },
    /// Chains accepts this storage and then has no such backend.
    #[error(
        "{file}: data.{key} names kafka, which needs a build with storage-pubsub; Chains has no such backend, and signs no such run"
    )]
    Kafka {
        /// The file.
        file: String,
        /// The key.
        key: &'static str,
    },
}

/// Why a `chains-config` cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// The file is no YAML.
    #[error("{file}: not YAML: {reason}")]
    Yaml {
        /// The file.
        file: String,
        /// What the reader said.
        reason: String,
    },
    /// A field is missing or of the wrong type.
    #[error("{file}: {field}: expected {expected}, found {found}")]
    Field {
        /// The file.
        file: String,
        /// The field.
        field: String,
        /// What belongs there.
        expected: &'static str,
        /// What stands there.
        found: String,
    },
    /// A value is none of those allowed; the second half is Chains' own text.
    #[error("{file}: data.{key}: failed to parse data: invalid value {found:?} wanted one of [{}]", wanted.join(" "))]
    Value {
        /// The file.
        file: String,
        /// The key.
        key: &'static str,
        /// What stands there.
        found: String,
        /// What may stand there, sorted.
        wanted: Vec<&'static str>,
    },
    /// The map of claims cannot be used.
    #[error("{file}: data.provost.claims: {why}")]
    Claims {
        /// The file.
        file: String,
        /// Why not.
        why: ClaimsError,
    },
    /// A setting of ours that this version does not carry out; passing over it would do less than was asked.
    #[error("{file}: data.{key}: this setting is not supported yet")]
    Unsupported {
        /// The file.
        file: String,
        /// The key.
        key: String,
    },
}
