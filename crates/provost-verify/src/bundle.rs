//! Sigstore bundles, with what is wrong with them as reasons.

use provost_sigstore::bundle_reading::{Bundle, BundleError};

use crate::reason::{BundleFault, Reason};

pub use provost_sigstore::bundle_reading::BUNDLE_MEDIA_TYPE;

/// Reads a bundle.
///
/// # Errors
/// When it is none; a signature that a stranger could have made says nothing yet.
pub fn read(bytes: &[u8]) -> Result<Bundle, Reason> {
    Bundle::parse(bytes).map_err(|error| match error {
        BundleError::Envelope(error) => Reason::Envelope(error),
        BundleError::Certificate(error) => Reason::Certificate(error),
        other => Reason::Bundle(BundleFault::Malformed(other)),
    })
}
