//! Where statements go besides a registry: Archivista, Google Cloud Storage, Grafeas, MongoDB, Kafka.
//!
//! A [`Backend`] keeps [`Record`]s under the names Tekton Chains gives them, and hands out every [`StoredCopy`] it keeps; whose
//! they are is for the caller to verify, nothing here knows a key. [`open`] makes one from `storage.…` settings.

mod archivista;
mod backend;
#[cfg(feature = "docdb")]
mod docdb;
mod error;
mod exchange;
#[cfg(feature = "gcs")]
mod gcs;
#[cfg(any(feature = "gcs", feature = "grafeas"))]
mod google;
#[cfg(feature = "grafeas")]
mod grafeas;
#[cfg(feature = "pubsub")]
mod pubsub;
mod record;

pub use archivista::gitoid;
pub use backend::{Backend, Backends, Kept, StorageKind, open};
pub use error::StorageError;
pub use exchange::{ANSWER_TIME, COPY_LIMIT};
pub use record::{Payload, Record, RunKind, RunName, StoredCopy};
