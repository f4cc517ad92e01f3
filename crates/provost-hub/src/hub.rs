//! Binding, accepting, and stopping.

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::rt::{Read, Write};
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use provost_registry::StoreError;
use provost_registry::layout::Layout;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use crate::config::HubConfig;
use crate::htpasswd::Htpasswd;
use crate::service::Service;
use crate::sessions::{Disk, Sessions};
use crate::tls;

/// The headers of one request: 64 KiB, over ten times what registry clients send with a token.
const HEADERS_LIMIT: u32 = 64 * 1024;
/// How long a client may take for its headers, and leave a connection idle: one minute.
const HEADERS_TIME: Duration = Duration::from_secs(60);
/// How long a TLS handshake may take: ten seconds.
const HANDSHAKE_TIME: Duration = Duration::from_secs(10);
/// How long answers under way may take once the hub is told to stop: ten seconds.
const DRAIN_TIME: Duration = Duration::from_secs(10);
/// How long accepting pauses when the system refuses, as when file descriptors run out: 50 ms.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// An embedded registry that listens.
pub struct Hub {
    listener: TcpListener,
    address: SocketAddr,
    tls: Option<TlsAcceptor>,
    service: Arc<Service>,
}

/// Why a hub did not start, or did not go on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HubError {
    /// It would let strangers write (security.md 26).
    #[error(
        "refused to listen on {address}: beyond loopback a registry needs --read-only, or --tls-cert and --tls-key \
         with --htpasswd"
    )]
    Exposed {
        /// Where it was to listen.
        address: SocketAddr,
    },
    /// One of certificate and key is given without the other.
    #[error("--tls-cert and --tls-key go together: {missing} is missing")]
    HalfTls {
        /// The flag that is missing.
        missing: &'static str,
    },
    /// Certificate or key cannot be used.
    #[error("{}: {reason}", file.display())]
    Tls {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The users' file cannot be used.
    #[error("{}: line {line}: {reason}", file.display())]
    Htpasswd {
        /// The file.
        file: PathBuf,
        /// The line, from 1; 0 for the whole file.
        line: usize,
        /// What is wrong with it.
        reason: String,
    },
    /// The address cannot be listened on.
    #[error("listen on {address}: {cause}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The system's words.
        cause: String,
    },
    /// The folder cannot be opened.
    #[error(transparent)]
    Layout(#[from] StoreError),
}

impl Hub {
    /// Opens the folder and listens; nobody is answered before [`Hub::serve`].
    ///
    /// # Errors
    /// See [`HubError`].
    pub async fn bind(config: HubConfig) -> Result<Self, HubError> {
        let tls = match (&config.tls_cert, &config.tls_key) {
            (None, None) => None,
            (Some(cert), Some(key)) => Some(tls::acceptor(cert, key)?),
            (Some(_), None) => return Err(HubError::HalfTls { missing: "--tls-key" }),
            (None, Some(_)) => return Err(HubError::HalfTls { missing: "--tls-cert" }),
        };
        let users = config.htpasswd.as_deref().map(Htpasswd::read).transpose()?;
        let guarded = config.read_only || (tls.is_some() && users.is_some());
        if !config.listen.ip().to_canonical().is_loopback() && !guarded {
            return Err(HubError::Exposed { address: config.listen });
        }
        let (dir, read_only) = (config.dir.clone(), config.read_only);
        let open = move || if read_only { Layout::open_read_only(dir) } else { Layout::open(dir) };
        let layout = tokio::task::spawn_blocking(open).await.map_err(|error| StoreError::Disk {
            path: config.dir.display().to_string(),
            cause: error.to_string(),
        })??;
        let taken = match config.limits.disk_bytes {
            Some(_) => layout.usage().await?,
            None => 0,
        };
        let fail =
            |cause: std::io::Error| HubError::Listen { address: config.listen, cause: cause.to_string() };
        let listener = TcpListener::bind(config.listen).await.map_err(fail)?;
        let address = listener.local_addr().map_err(fail)?;
        let service = Service {
            layout,
            sessions: Sessions::new(&config.limits, config.clock),
            disk: Disk::new(config.limits.disk_bytes, taken),
            users,
            hosts: config.hosts,
            read_only,
            limits: config.limits,
            remarks: config.remarks,
        };
        Ok(Self { listener, address, tls, service: Arc::new(service) })
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

    /// Answers requests until `stop`; then no new ones, and those under way are given ten seconds.
    ///
    /// # Errors
    /// None today; what fails while serving is answered or remarked.
    pub async fn serve(self, stop: impl Future<Output = ()> + Send + 'static) -> Result<(), HubError> {
        let (stopping, stopped) = watch::channel(false);
        let room = Arc::new(Semaphore::new(self.service.limits.connections));
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
            match accepted {
                Ok((stream, _)) => {
                    let (service, tls, stopped) =
                        (Arc::clone(&self.service), self.tls.clone(), stopped.clone());
                    connections.spawn(async move {
                        connection(stream, tls, service, stopped).await;
                        drop(place);
                    });
                }
                Err(error) => {
                    (self.service.remarks)(&format!("accept: {error}"));
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
        drop(self.listener);
        let _ = stopping.send(true);
        let drain = async { while connections.join_next().await.is_some() {} };
        if tokio::time::timeout(DRAIN_TIME, drain).await.is_err() {
            connections.shutdown().await;
        }
        Ok(())
    }
}

/// One connection, to its end. What goes wrong on it is its client's concern alone.
async fn connection(
    stream: TcpStream,
    tls: Option<TlsAcceptor>,
    service: Arc<Service>,
    stopped: watch::Receiver<bool>,
) {
    // Answers are small and wanted at once.
    let _ = stream.set_nodelay(true);
    let Some(tls) = tls else { return speak_http1(TokioIo::new(stream), service, stopped).await };
    let Ok(Ok(stream)) = tokio::time::timeout(HANDSHAKE_TIME, tls.accept(stream)).await else { return };
    if stream.get_ref().1.alpn_protocol() == Some(b"h2") {
        speak_http2(TokioIo::new(stream), service, stopped).await;
    } else {
        speak_http1(TokioIo::new(stream), service, stopped).await;
    }
}

async fn speak_http1<T>(io: T, service: Arc<Service>, mut stopped: watch::Receiver<bool>)
where
    T: Read + Write + Unpin + Send + 'static,
{
    let answer = service_fn(move |request: http::Request<Incoming>| {
        let service = Arc::clone(&service);
        async move { Ok::<_, Infallible>(service.answer(request).await) }
    });
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(HEADERS_TIME)
        .max_header_size(HEADERS_LIMIT as usize)
        .max_buf_size(2 * HEADERS_LIMIT as usize)
        // Scripts that cut headers out of answers know the spelling of docker-registry.
        .title_case_headers(true);
    let mut connection = pin!(builder.serve_connection(io, answer));
    tokio::select! {
        _ = connection.as_mut() => return,
        _ = stopped.wait_for(|stop| *stop) => connection.as_mut().graceful_shutdown(),
    }
    let _ = connection.await;
}

async fn speak_http2<T>(io: T, service: Arc<Service>, mut stopped: watch::Receiver<bool>)
where
    T: Read + Write + Unpin + Send + 'static,
{
    let answer = service_fn(move |request: http::Request<Incoming>| {
        let service = Arc::clone(&service);
        async move { Ok::<_, Infallible>(service.answer(request).await) }
    });
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder.timer(TokioTimer::new()).keep_alive_interval(HEADERS_TIME).max_header_list_size(HEADERS_LIMIT);
    let mut connection = pin!(builder.serve_connection(io, answer));
    tokio::select! {
        _ = connection.as_mut() => return,
        _ = stopped.wait_for(|stop| *stop) => connection.as_mut().graceful_shutdown(),
    }
    let _ = connection.await;
}
