//! Judging: find, check, claim, judge, report.
//!
//! One attestation goes through five questions in this order: where does it lie ([`find`]), did a trusted key
//! sign it ([`check`]), is it about this image ([`check`] again, from the signed bytes), does the policy hold
//! for it ([`policy`]), and what is said about it ([`report`]). Signature first, parse second: what no trusted
//! key signed is never interpreted.
//!
//! Verdicts are data. The sentences cosign and Kyverno print are made from them in [`dialect`].

pub mod asking;
pub mod beside;
pub mod blob;
pub mod bundle;
pub mod check;
pub mod dialect;
pub mod find;
pub mod notation;
pub mod policy;
pub mod reason;
pub mod report;
mod sealed;
pub mod signature;
pub mod times;
pub mod trust;

pub use asking::AskedLog;
pub use beside::Beside;
pub use check::{CheckedAttestation, TrustedKey, Wanted, check_attestation};
pub use find::{Candidate, FindRequest, Formats, Source, each_attestation, each_listed, listing};
pub use reason::{Reason, Unchecked, Verdict};
pub use report::{
    AttestationReport, Ignored, Refused, Verified, verify_attestations, verify_attestations_asking,
};
pub use signature::{
    SignatureCandidate, VerifiedBundle, VerifiedSignature, check_signature, check_signature_bundle,
    check_signed_payload, find_signatures,
};
pub use trust::{Attestor, Facts, LogRule, SctRule, Trust};
