//! The hub's certificate and key.

use std::path::Path;

use provost_serve::{CertificateError, Certificates, Tls, read_file};

use crate::hub::HubError;

/// Reads certificate and key, both PEM.
pub(crate) fn of(cert: &Path, key: &Path) -> Result<Tls, HubError> {
    let fail = |file: &Path, reason: String| HubError::Tls { file: file.to_owned(), reason };
    let chain = read_file(cert).map_err(|reason| fail(cert, reason))?;
    let private = read_file(key).map_err(|reason| fail(key, reason))?;
    let certificates = Certificates::of(&chain, &private).map_err(|error| match error {
        CertificateError::Certificate(reason) => fail(cert, reason),
        CertificateError::Key(reason) => fail(key, reason),
    })?;
    Ok(Tls { certificates, client_authorities: None })
}
