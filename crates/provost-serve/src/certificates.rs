//! The certificate a server shows, which can be another one with the next handshake.

use std::sync::{Arc, PoisonError, RwLock};

use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

/// Why certificate and key cannot be served.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    /// The certificate cannot be read, or there is none.
    #[error("certificate: {0}")]
    Certificate(String),
    /// The key cannot be read, or is another certificate's.
    #[error("key: {0}")]
    Key(String),
}

/// The certificate a server shows. Copies share it: what one is told, all show from the next handshake on.
#[derive(Clone, Default)]
pub struct Certificates(Arc<RwLock<Option<Arc<CertifiedKey>>>>);

impl std::fmt::Debug for Certificates {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Certificates").field("is_served", &self.served().is_some()).finish()
    }
}

impl Certificates {
    /// Without a certificate no handshake succeeds, until [`Certificates::set`].
    #[must_use]
    pub fn none_yet() -> Self {
        Self::default()
    }

    /// This certificate, leaf first, and its key, both PEM.
    ///
    /// # Errors
    /// See [`CertificateError`].
    pub fn of(chain: &[u8], key: &[u8]) -> Result<Self, CertificateError> {
        let made = Self::none_yet();
        made.set(chain, key)?;
        Ok(made)
    }

    /// Shows this certificate from the next handshake on. One that cannot be used changes nothing: while files are
    /// written, certificate and key may be of different pairs.
    ///
    /// # Errors
    /// See [`CertificateError`].
    pub fn set(&self, chain: &[u8], key: &[u8]) -> Result<(), CertificateError> {
        let certificate = |words: String| CertificateError::Certificate(words);
        let chain: Result<Vec<CertificateDer<'static>>, _> = CertificateDer::pem_slice_iter(chain).collect();
        let chain = chain.map_err(|error| certificate(error.to_string()))?;
        if chain.is_empty() {
            return Err(certificate("holds no certificate".to_owned()));
        }
        let fail = |words: String| CertificateError::Key(words);
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|error| fail(error.to_string()))?;
        let provider = rustls::crypto::aws_lc_rs::default_provider();
        let pair = CertifiedKey::from_der(chain, key, &provider).map_err(|error| fail(error.to_string()))?;
        let mut shown = self.0.write().unwrap_or_else(PoisonError::into_inner);
        *shown = Some(Arc::new(pair));
        Ok(())
    }

    /// The leaf that is shown now, DER.
    #[must_use]
    pub fn served(&self) -> Option<CertificateDer<'static>> {
        self.shown().and_then(|pair| pair.cert.first().cloned())
    }

    fn shown(&self) -> Option<Arc<CertifiedKey>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.shown()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(name: &str) -> (String, String) {
        let made = rcgen::generate_simple_self_signed(vec![name.to_owned()]).unwrap();
        (made.cert.pem(), made.signing_key.serialize_pem())
    }

    #[test]
    fn what_cannot_be_used_changes_nothing() {
        let (one, other) = (pair("one"), pair("other"));
        let shown = Certificates::of(one.0.as_bytes(), one.1.as_bytes()).unwrap();
        let before = shown.served().unwrap();
        let mixed = shown.set(other.0.as_bytes(), one.1.as_bytes()).unwrap_err();
        assert!(matches!(mixed, CertificateError::Key(_)), "{mixed}");
        let empty = shown.set(b"", one.1.as_bytes()).unwrap_err();
        assert_eq!(empty.to_string(), "certificate: holds no certificate");
        assert_eq!(shown.served().as_ref(), Some(&before));
        let copy = shown.clone();
        shown.set(other.0.as_bytes(), other.1.as_bytes()).unwrap();
        assert_ne!(copy.served(), Some(before));
    }
}
