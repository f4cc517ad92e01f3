//! Binding, accepting, and stopping.

use std::collections::HashMap;
use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use hyper::body::{Body, Incoming};
use rustls::RootCertStore;
use rustls::server::WebPkiClientVerifier;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use crate::certificates::{CertificateError, Certificates};
use crate::connection::{self, Way};
use crate::limits::Limits;

/// How long accepting pauses when the system refuses, as when file descriptors run out: 50 ms.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Where from.
    pub address: SocketAddr,
    /// Whether it showed a certificate that the operator's authority issued.
    pub authenticated: bool,
}

/// Answers requests.
pub trait Answer: Send + Sync + 'static {
    /// The body of an answer.
    type Body: Body<Data = Bytes, Error: Into<Box<dyn std::error::Error + Send + Sync>>> + Send + 'static;

    /// Answers a request.
    fn answer(
        &self,
        request: Request<Incoming>,
        peer: Peer,
    ) -> impl Future<Output = Response<Self::Body>> + Send;

    /// Hears what went wrong in the server itself, in words for its operator.
    fn remark(&self, words: &str);
}

/// How a server proves who it is.
#[derive(Clone, Debug)]
pub struct Tls {
    /// What it shows.
    pub certificates: Certificates,
    /// PEM certificates of authorities; a client that shows a certificate must have one of theirs, and need not show any.
    pub client_authorities: Option<Vec<u8>>,
}

impl Tls {
    /// TLS 1.2 and 1.3, HTTP/2 before HTTP/1.1.
    fn acceptor(&self) -> Result<TlsAcceptor, CertificateError> {
        let unusable = |words: String| CertificateError::Certificate(words);
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = rustls::ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| unusable(error.to_string()))?;
        let builder = match &self.client_authorities {
            None => builder.with_no_client_auth(),
            Some(authorities) => {
                let mut roots = RootCertStore::empty();
                for authority in CertificateDer::pem_slice_iter(authorities) {
                    let authority = authority.map_err(|error| unusable(error.to_string()))?;
                    roots.add(authority).map_err(|error| unusable(error.to_string()))?;
                }
                let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
                    .allow_unauthenticated();
                builder.with_client_cert_verifier(verifier.build().map_err(|e| unusable(e.to_string()))?)
            }
        };
        let mut config = builder.with_cert_resolver(Arc::new(self.certificates.clone()));
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(TlsAcceptor::from(Arc::new(config)))
    }
}

/// A server that listens.
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    tls: Option<TlsAcceptor>,
    limits: Limits,
    title_case_headers: bool,
}

impl Server {
    /// Listens; nobody is answered before [`Server::serve`].
    ///
    /// # Errors
    /// The system's words, or why the client authorities cannot be used.
    pub async fn bind(address: SocketAddr, tls: Option<&Tls>, limits: Limits) -> Result<Self, BindError> {
        let tls = tls.map(Tls::acceptor).transpose()?;
        let fail = |cause: std::io::Error| BindError::Listen { address, cause: cause.to_string() };
        let listener = TcpListener::bind(address).await.map_err(fail)?;
        let address = listener.local_addr().map_err(fail)?;
        Ok(Self { listener, address, tls, limits, title_case_headers: false })
    }

    /// Writes the names of HTTP/1.1 headers with capitals, for scripts that know them so.
    #[must_use]
    pub fn with_title_case_headers(mut self) -> Self {
        self.title_case_headers = true;
        self
    }

    /// Where it listens, with the port it was given.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The address as a URL.
    #[must_use]
    pub fn url(&self) -> String {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://{}", self.address)
    }

    /// Answers requests until `stop`; then no new ones, and those under way are given [`Limits::drain_time`].
    pub async fn serve<A: Answer>(self, answer: Arc<A>, stop: impl Future<Output = ()> + Send) {
        let (stopping, stopped) = watch::channel(false);
        let room = Arc::new(Semaphore::new(self.limits.connections));
        let crowd = Crowd::default();
        let mut connections = JoinSet::new();
        let mut stop = pin!(stop);
        loop {
            let accepted = async {
                let place = Arc::clone(&room).acquire_owned().await;
                (place, self.listener.accept().await)
            };
            let (place, accepted) = tokio::select! {
                biased;
                () = &mut stop => break,
                accepted = accepted => accepted,
            };
            // Those that have ended are let go of as new ones come.
            while connections.try_join_next().is_some() {}
            let (stream, address) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    answer.remark(&format!("accept: {error}"));
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            };
            let Some(counted) = crowd.enter(address.ip(), self.limits.connections_of_one) else { continue };
            let way = Way {
                tls: self.tls.clone(),
                limits: self.limits.clone(),
                title_case_headers: self.title_case_headers,
                stopped: stopped.clone(),
            };
            let answer = Arc::clone(&answer);
            connections.spawn(async move {
                connection::talk(stream, address, way, answer).await;
                drop((place, counted));
            });
        }
        drop(self.listener);
        let _ = stopping.send(true);
        let drain = async { while connections.join_next().await.is_some() {} };
        if tokio::time::timeout(self.limits.drain_time, drain).await.is_err() {
            connections.shutdown().await;
        }
    }
}

/// Why a server does not listen.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BindError {
    /// The address cannot be listened on.
    #[error("listen on {address}: {cause}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The system's words.
        cause: String,
    },
    /// The client authorities cannot be used.
    #[error("client authorities: {0}")]
    Tls(#[from] CertificateError),
}

/// How many connections each address has.
#[derive(Clone, Default)]
struct Crowd(Arc<Mutex<HashMap<IpAddr, usize>>>);

impl Crowd {
    /// Counts one more, or says that the address has enough.
    fn enter(&self, address: IpAddr, most: usize) -> Option<Counted> {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(address).or_default();
        if *count >= most {
            return None;
        }
        *count += 1;
        Some(Counted { crowd: self.clone(), address })
    }
}

/// A connection that counts until it is dropped.
struct Counted {
    crowd: Crowd,
    address: IpAddr,
}

impl Drop for Counted {
    fn drop(&mut self) {
        let mut counts = self.crowd.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.address);
            }
        }
    }
}

#[cfg(test)]
mod tests;
