//! What was signed: in-toto statements, SLSA provenance, DSSE envelopes, simple signing, strict JSON.
//!
//! The bytes a signature covers are never written again: every view here stands beside the bytes it was read
//! from. Nothing here knows a key, a registry or a policy.

pub mod envelope;
pub mod go_json;
pub mod json;
pub mod predicate_type;
pub mod provenance;
pub mod simple_signing;
pub mod statement;
pub mod tag_scheme;

pub use envelope::{Envelope, EnvelopeError, EnvelopeSignature, IN_TOTO_PAYLOAD};
pub use json::{JsonError, JsonFault, Limits};
pub use provenance::Provenance;
pub use simple_signing::{SimpleSigning, SimpleSigningError};
pub use statement::{Statement, StatementError, Subject};
