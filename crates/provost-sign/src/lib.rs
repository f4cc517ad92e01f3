//! Vouching: from payload to envelope to store.
//!
//! A statement becomes an envelope under a key ([`envelope`]), or a simple signing payload a signature ([`signature`]); both are
//! appended to what lies beside the image already ([`attach`]). Nothing here judges a policy.

pub mod attach;
pub mod envelope;
pub mod signature;
pub mod statement;

pub use attach::{AttachError, AttachedLayer, Dedup, attach};
pub use envelope::{KeyHint, sign_envelope};
pub use signature::signature_layer;
pub use statement::{PredicateError, attestation_statement};
