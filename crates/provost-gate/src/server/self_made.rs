//! A certificate of our own making, for a service without a cluster to keep one.

/// Why no certificate was made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("making a certificate: {0}")]
pub struct SelfMadeError(String);

/// A certificate for these names and addresses that vouches for itself, and its key, both PEM.
///
/// # Errors
/// When a name cannot stand in a certificate.
pub fn self_made(names: Vec<String>) -> Result<(String, String), SelfMadeError> {
    let made = rcgen::generate_simple_self_signed(names).map_err(|error| SelfMadeError(error.to_string()))?;
    Ok((made.cert.pem(), made.signing_key.serialize_pem()))
}
