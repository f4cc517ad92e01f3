//! A service on loopback, the key it keeps, and the surroundings of a test.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use p256::ecdsa::SigningKey;
use p256::ecdsa::signature::hazmat::PrehashSigner;
use provost_keys::{KeyKind, PublicKey};
use provost_kms::{KmsKind, Opener, Surroundings};
use serde_json::Value;

/// What was asked.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) line: String,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Vec<u8>,
}

impl Asked {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

/// Answers each request by a function, on a thread that ends with the process.
pub(crate) struct Server {
    pub(crate) address: String,
    asked: Arc<Mutex<Vec<Asked>>>,
}

type Handler = dyn Fn(&Asked) -> (u16, String) + Send + Sync;

impl Server {
    pub(crate) fn new(handler: impl Fn(&Asked) -> (u16, String) + Send + Sync + 'static) -> Self {
        Self::over(handler, |stream, serve| serve(&mut BufReader::new(stream)))
    }

    /// The same over TLS; the PEM of its certificate is returned beside it.
    pub(crate) fn tls(handler: impl Fn(&Asked) -> (u16, String) + Send + Sync + 'static) -> (Self, String) {
        let made = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
        let key = rustls::pki_types::PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into());
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .unwrap();
        let config = Arc::new(config);
        let server = Self::over(handler, move |stream, serve| {
            let connection = rustls::ServerConnection::new(Arc::clone(&config)).unwrap();
            let mut reader = BufReader::new(rustls::StreamOwned::new(connection, stream));
            serve(&mut reader);
            reader.get_mut().conn.send_close_notify();
            let _ = reader.get_mut().flush();
        });
        (server, made.cert.pem())
    }

    fn over(
        handler: impl Fn(&Asked) -> (u16, String) + Send + Sync + 'static,
        open: impl Fn(TcpStream, &dyn Fn(&mut dyn Talk)) + Send + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (kept, handler) = (Arc::clone(&asked), Arc::new(handler));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(stream) = stream else { break };
                let serve = |talk: &mut dyn Talk| one(talk, handler.as_ref(), &kept);
                open(stream, &serve);
            }
        });
        Self { address, asked }
    }

    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }
}

/// Both directions of a connection.
trait Talk: BufRead {
    fn answer(&mut self, bytes: &[u8]);
}

impl<S: Read + Write> Talk for BufReader<S> {
    fn answer(&mut self, bytes: &[u8]) {
        // A client that has read enough closes its end.
        let _ = self.get_mut().write_all(bytes).and_then(|()| self.get_mut().flush());
    }
}

fn one(talk: &mut dyn Talk, handler: &Handler, kept: &Mutex<Vec<Asked>>) {
    let mut line = String::new();
    if talk.read_line(&mut line).unwrap_or_default() == 0 {
        return;
    }
    let mut headers = BTreeMap::new();
    loop {
        let mut header = String::new();
        talk.read_line(&mut header).unwrap();
        let Some((name, value)) = header.trim_end().split_once(':') else { break };
        headers.insert(name.to_lowercase(), value.trim().to_owned());
    }
    let length = headers.get("content-length").and_then(|text| text.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    talk.read_exact(&mut body).unwrap();
    let asked = Asked { line: line.trim_end().trim_end_matches(" HTTP/1.1").to_owned(), headers, body };
    let (status, text) = handler(&asked);
    kept.lock().unwrap().push(asked);
    let head = format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", text.len());
    talk.answer(head.as_bytes());
    talk.answer(text.as_bytes());
}

/// A P-256 key as a service keeps it: it signs hashes.
#[derive(Clone)]
pub(crate) struct Kept(SigningKey);

impl Kept {
    pub(crate) fn new(number: u8) -> Self {
        Self(SigningKey::from_slice(&[number; 32]).unwrap())
    }

    pub(crate) fn public(&self) -> PublicKey {
        let point = self.0.verifying_key().to_sec1_point(false);
        PublicKey::from_point(KeyKind::EcdsaP256, point.x().unwrap(), point.y().unwrap()).unwrap()
    }

    /// x and y.
    #[cfg(feature = "azure")]
    pub(crate) fn point(&self) -> (Vec<u8>, Vec<u8>) {
        let point = self.0.verifying_key().to_sec1_point(false);
        (point.x().unwrap().to_vec(), point.y().unwrap().to_vec())
    }

    pub(crate) fn der(&self, digest: &[u8]) -> Vec<u8> {
        let signature: p256::ecdsa::DerSignature = self.0.sign_prehash(digest).unwrap();
        signature.as_bytes().to_vec()
    }

    #[cfg(feature = "azure")]
    pub(crate) fn halves(&self, digest: &[u8]) -> Vec<u8> {
        let signature: p256::ecdsa::Signature = self.0.sign_prehash(digest).unwrap();
        signature.to_bytes().to_vec()
    }

    /// Signs the base64 of a hash, into base64.
    pub(crate) fn base64(&self, digest: &Value) -> String {
        STANDARD.encode(self.der(&STANDARD.decode(digest.as_str().unwrap()).unwrap()))
    }
}

/// Variables, and a client for loopback.
struct Around {
    variables: BTreeMap<String, String>,
    authority: Option<String>,
}

/// An opener of these kinds among these variables.
pub(crate) fn opener(variables: &[(&str, &str)], kinds: &[KmsKind]) -> Opener {
    trusting(variables, kinds, None)
}

/// The same, trusting this authority.
pub(crate) fn trusting(variables: &[(&str, &str)], kinds: &[KmsKind], authority: Option<String>) -> Opener {
    let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    let variables = variables.iter().map(own).collect();
    Opener::new(Arc::new(Around { variables, authority }), kinds.iter().copied())
}

impl Surroundings for Around {
    fn variable(&self, name: &str) -> Option<String> {
        self.variables.get(name).filter(|value| !value.is_empty()).cloned()
    }

    fn names(&self) -> Vec<String> {
        self.variables.keys().cloned().collect()
    }

    fn now(&self) -> jiff::Timestamp {
        "2026-01-02T03:04:05Z".parse().unwrap()
    }

    fn client(&self, authorities: Option<&Path>) -> Result<reqwest::Client, String> {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let pem = match authorities {
            Some(path) => {
                Some(std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?)
            }
            None => self.authority.clone(),
        };
        let roots: Vec<_> =
            pem.iter().map(|pem| reqwest::Certificate::from_pem(pem.as_bytes()).unwrap()).collect();
        let builder = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none());
        builder.tls_certs_only(roots).build().map_err(|error| error.to_string())
    }
}
