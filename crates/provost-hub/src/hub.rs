//! Binding, accepting, and stopping.

use std::future::Future;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use provost_registry::StoreError;
use provost_registry::layout::Layout;
use provost_serve::{BindError, Server};

use crate::config::HubConfig;
use crate::htpasswd::Htpasswd;
use crate::service::Service;
use crate::sessions::{Disk, Sessions};
use crate::tls;

/// An embedded registry that listens.
pub struct Hub {
    server: Server,
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
    #[error(transparent)]
    Listen(#[from] BindError),
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
            (Some(cert), Some(key)) => Some(tls::of(cert, key)?),
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
        let limits = provost_serve::Limits {
            connections: config.limits.connections,
            connections_of_one: config.limits.connections,
            ..provost_serve::Limits::default()
        };
        // Scripts that cut headers out of answers know the spelling of docker-registry.
        let server = Server::bind(config.listen, tls.as_ref(), limits).await?.with_title_case_headers();
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
        Ok(Self { server, service: Arc::new(service) })
    }

    /// Where it listens, with the port it was given.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// The address as a URL.
    #[must_use]
    pub fn url(&self) -> String {
        self.server.url()
    }

    /// Answers requests until `stop`; then no new ones, and those under way are given ten seconds.
    ///
    /// # Errors
    /// None today; what fails while serving is answered or remarked.
    pub async fn serve(self, stop: impl Future<Output = ()> + Send + 'static) -> Result<(), HubError> {
        self.server.serve(self.service, stop).await;
        Ok(())
    }
}
