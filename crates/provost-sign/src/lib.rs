//! Vouching: from payload to envelope to store.
//!
//! A statement becomes an envelope under a key ([`envelope`]), or a simple signing payload a signature ([`signature`]); both are
//! appended to what lies beside the image already ([`attach`]). Where a certificate, a log or a clock takes part, or a
//! bundle is wanted, [`bundle`] collects it, [`referrer`] stores it, and [`layer`] turns it into the older forms. When a key
//! follows another, [`resign`] vouches anew for what the old one signed. Nothing here judges a policy.

pub mod attach;
pub mod bundle;
pub mod envelope;
pub mod layer;
pub mod referrer;
pub mod resign;
pub mod signature;
pub mod statement;

pub use attach::{AttachError, AttachOptions, AttachedLayer, Attaching, Dedup, Step, attach, attach_as};
pub use bundle::{BundleError, Payload, Vouched, Witnesses, certified, new_bundle};
pub use envelope::{KeyHint, sign_envelope};
pub use referrer::{BundlePlace, attach_bundle};
pub use signature::signature_layer;
pub use statement::{PredicateError, attestation_statement};
