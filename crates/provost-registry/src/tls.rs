//! TLS towards registries: roots read only when a certificate has to be judged, so that plain loopback pays nothing.

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};

use crate::StoreError;

/// PEM text, given or in a file.
#[derive(Clone, PartialEq, Eq)]
pub enum Pem {
    /// A file that is read when it is needed.
    File(PathBuf),
    /// The text itself.
    Text(Vec<u8>),
}

impl fmt::Debug for Pem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "File({})", path.display()),
            // It may be a private key.
            Self::Text(text) => write!(f, "Text({} bytes)", text.len()),
        }
    }
}

impl Pem {
    fn name(&self) -> String {
        match self {
            Self::File(path) => path.display().to_string(),
            Self::Text(_) => "the PEM text".to_owned(),
        }
    }

    fn read(&self) -> Result<Vec<u8>, StoreError> {
        match self {
            Self::File(path) => {
                std::fs::read(path).map_err(|e| StoreError::Disk { path: self.name(), cause: e.to_string() })
            }
            Self::Text(text) => Ok(text.clone()),
        }
    }

    fn certificates(&self) -> Result<Vec<CertificateDer<'static>>, StoreError> {
        let bad = |reason: String| StoreError::Malformed { request: self.name(), reason };
        let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&self.read()?).collect();
        let found = found.map_err(|e| bad(format!("no PEM certificates: {e}")))?;
        if found.is_empty() { Err(bad("holds no PEM certificate".to_owned())) } else { Ok(found) }
    }
}

/// How registries prove themselves to us, and we to them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsOptions {
    /// Certificates are not judged at all: `--allow-insecure-registry`.
    pub accept_any_certificate: bool,
    /// Authorities to trust in place of the machine's: `--registry-cacert`.
    pub authorities: Option<Pem>,
    /// Our own certificate chain and its key: `--registry-client-cert`, `--registry-client-key`.
    pub client: Option<(Pem, Pem)>,
    /// The name that the certificate must carry in place of the host's: `--registry-server-name`.
    pub server_name: Option<String>,
}

/// The provider the binary installed, else aws-lc-rs, the only one compiled in.
fn provider() -> Arc<CryptoProvider> {
    CryptoProvider::get_default()
        .cloned()
        .unwrap_or_else(|| Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
}

/// The client configuration of these options. Files of a client certificate are read here, roots only later.
pub(crate) fn client_config(options: &TlsOptions) -> Result<ClientConfig, StoreError> {
    let bad = |what: &str, reason: String| StoreError::Malformed { request: what.to_owned(), reason };
    let provider = provider();
    let server_name = match &options.server_name {
        Some(name) => Some(
            ServerName::try_from(name.clone())
                .map_err(|_| bad("--registry-server-name", format!("{name:?} is no host name")))?,
        ),
        None => None,
    };
    let judge = Judge {
        provider: Arc::clone(&provider),
        accept_any: options.accept_any_certificate,
        authorities: options.authorities.clone(),
        server_name,
        roots: OnceLock::new(),
    };
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|e| bad("TLS", e.to_string()))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(judge));
    let mut config = match &options.client {
        None => builder.with_no_client_auth(),
        Some((chain, key)) => {
            let der = PrivateKeyDer::from_pem_slice(&key.read()?)
                .map_err(|e| bad(&key.name(), format!("no PEM private key: {e}")))?;
            builder
                .with_client_auth_cert(chain.certificates()?, der)
                .map_err(|e| bad(&chain.name(), format!("certificate and key do not serve: {e}")))?
        }
    };
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

/// Judges certificates, loading its roots at the first one.
struct Judge {
    provider: Arc<CryptoProvider>,
    accept_any: bool,
    authorities: Option<Pem>,
    server_name: Option<ServerName<'static>>,
    roots: OnceLock<Result<Arc<WebPkiServerVerifier>, String>>,
}

impl fmt::Debug for Judge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Judge").field("accept_any", &self.accept_any).finish_non_exhaustive()
    }
}

impl Judge {
    fn load(&self) -> Result<Arc<WebPkiServerVerifier>, String> {
        let mut store = RootCertStore::empty();
        match &self.authorities {
            Some(pem) => {
                for certificate in pem.certificates().map_err(|e| e.to_string())? {
                    store.add(certificate).map_err(|e| format!("{}: {e}", pem.name()))?;
                }
            }
            None => {
                store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
                // An image made from scratch has no certificates of its own.
                if store.is_empty() {
                    store.add_parsable_certificates(webpki_root_certs::TLS_SERVER_ROOT_CERTS.iter().cloned());
                }
            }
        }
        WebPkiServerVerifier::builder_with_provider(Arc::new(store), Arc::clone(&self.provider))
            .build()
            .map_err(|e| e.to_string())
    }
}

impl ServerCertVerifier for Judge {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        if self.accept_any {
            return Ok(ServerCertVerified::assertion());
        }
        let roots = self.roots.get_or_init(|| self.load());
        let roots = roots.as_ref().map_err(|reason| rustls::Error::General(reason.clone()))?;
        let name = self.server_name.as_ref().unwrap_or(server_name);
        roots.verify_server_cert(end_entity, intermediates, name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
