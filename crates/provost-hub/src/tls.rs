//! The hub's certificate and key.

use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

use crate::hub::HubError;

/// The largest PEM file read: 1 MiB, a chain of three hundred certificates of 2 KiB each with their texts.
const FILE_LIMIT: u64 = 1024 * 1024;

/// A file's bytes, within the limit.
fn read(file: &Path) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let opened = std::fs::File::open(file).map_err(|error| error.to_string())?;
    opened.take(FILE_LIMIT + 1).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    match bytes.len() as u64 > FILE_LIMIT {
        true => Err(format!("the file is longer than {FILE_LIMIT} bytes")),
        false => Ok(bytes),
    }
}

/// Reads certificate and key, both PEM.
pub(crate) fn acceptor(cert: &Path, key: &Path) -> Result<TlsAcceptor, HubError> {
    let fail = |file: &Path, reason: String| HubError::Tls { file: file.to_owned(), reason };
    let bytes = read(cert).map_err(|reason| fail(cert, reason))?;
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes).collect();
    let chain = chain.map_err(|e| fail(cert, e.to_string()))?;
    if chain.is_empty() {
        return Err(fail(cert, "holds no certificate".to_owned()));
    }
    let bytes = read(key).map_err(|reason| fail(key, reason))?;
    let private = PrivateKeyDer::from_pem_slice(&bytes).map_err(|e| fail(key, e.to_string()))?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|e| fail(cert, e.to_string()))?
        .with_no_client_auth()
        .with_single_cert(chain, private)
        .map_err(|e| fail(key, e.to_string()))?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_an_end_is_not_read_to_it() {
        assert_eq!(read(Path::new("/dev/zero")).unwrap_err(), "the file is longer than 1048576 bytes");
        assert!(read(Path::new("/nosuch")).is_err());
    }
}
