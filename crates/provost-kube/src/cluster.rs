//! The API server a kubeconfig names, or the one around the pod.

use std::error::Error;
use std::path::Path;
use std::time::Duration;

use kube::config::{Config, KubeConfigOptions, Kubeconfig, KubeconfigError};
use kube::{Client, Error as KubeError};

/// How long an answer may take: kubectl's own requests for one object end in well under a second.
pub(crate) const ANSWER_TIME: Duration = Duration::from_secs(30);

/// How long a connection of the controller may be silent: API servers send a bookmark a minute into each watch. One that is
/// silent for longer is dead, and what it would have told must not be missed.
const WATCH_SILENCE: Duration = Duration::from_secs(120);

/// How long a connection of the gate may be silent: its watches end after 30 s by themselves.
pub(crate) const SILENCE: Duration = Duration::from_secs(45);

/// Why a cluster could not be asked, or said no. The texts before the causes are cosign 3.1's.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClusterError {
    /// A reference that names no Secret.
    #[error("kubernetes specification should be in the format k8s://<namespace>/<secret>")]
    Reference,
    /// The kubeconfig cannot be used.
    #[error("new for config: error creating REST client config: {cause}")]
    Kubeconfig {
        /// Why not.
        cause: String,
    },
    /// There is no kubeconfig, and no cluster around.
    #[error(
        "new for config: error creating REST client config in-cluster: {cause}: set KUBECONFIG to a file that names a cluster"
    )]
    NoCluster {
        /// Why not.
        cause: String,
    },
    /// What was being done failed.
    #[error("{doing}: {cause}")]
    Request {
        /// What was being done, in cosign's words.
        doing: String,
        /// The API server's own message, or why it could not be asked.
        cause: String,
        /// The status it answered with; `None` where there was no answer.
        status: Option<u16>,
    },
    /// The Secret lacks what it was read for.
    #[error("secret {name} in namespace {namespace} holds no {field}")]
    Lacks {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
        /// The key of its data.
        field: &'static str,
    },
}

/// A connection to one API server.
#[derive(Clone)]
pub struct Cluster {
    pub(crate) client: Client,
}

impl Cluster {
    /// The cluster of `KUBECONFIG` or `~/.kube/config`; without either, the one whose service account this process has.
    ///
    /// # Errors
    /// [`ClusterError::Kubeconfig`] or [`ClusterError::NoCluster`].
    pub async fn connect() -> Result<Self, ClusterError> {
        Self::of(Self::configuration().await?)
    }

    async fn configuration() -> Result<Config, ClusterError> {
        let told = |error: KubeconfigError| ClusterError::Kubeconfig { cause: words(&error) };
        Ok(match Kubeconfig::read() {
            Ok(file) if !file.clusters.is_empty() || file.current_context.is_some() => {
                Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await.map_err(told)?
            }
            // An empty or missing file is no wish for another cluster, as in client-go.
            Ok(_) | Err(KubeconfigError::FindPath) => in_cluster()?,
            Err(KubeconfigError::ReadConfig(cause, _)) if cause.kind() == std::io::ErrorKind::NotFound => {
                in_cluster()?
            }
            Err(error) => return Err(told(error)),
        })
    }

    /// The cluster of a kubeconfig file, or as [`Cluster::connect`] finds it, for one who watches: watches are silent for
    /// a minute, so single requests have a shorter time from whoever makes them.
    ///
    /// # Errors
    /// As [`Cluster::connect`].
    pub async fn for_watching(kubeconfig: Option<&Path>) -> Result<Self, ClusterError> {
        Self::with_silence(kubeconfig, WATCH_SILENCE).await
    }

    /// The same for the gate, whose watches are begun again every half minute: a connection that is silent for longer is dead,
    /// and what it would have told must not be missed.
    ///
    /// # Errors
    /// As [`Cluster::connect`].
    pub async fn for_admission(kubeconfig: Option<&Path>) -> Result<Self, ClusterError> {
        Self::with_silence(kubeconfig, SILENCE).await
    }

    async fn with_silence(kubeconfig: Option<&Path>, silence: Duration) -> Result<Self, ClusterError> {
        let told = |error: KubeconfigError| ClusterError::Kubeconfig { cause: words(&error) };
        let mut config = match kubeconfig {
            Some(path) => {
                let file = Kubeconfig::read_from(path).map_err(told)?;
                Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await.map_err(told)?
            }
            None => Self::configuration().await?,
        };
        config.read_timeout = Some(silence);
        config.connect_timeout = Some(ANSWER_TIME);
        let client = Client::try_from(config);
        client
            .map(|client| Self { client })
            .map_err(|error| ClusterError::Kubeconfig { cause: words(&error) })
    }

    /// The cluster of this configuration.
    ///
    /// # Errors
    /// [`ClusterError::Kubeconfig`] where its certificates or credentials cannot be used.
    pub fn of(mut config: Config) -> Result<Self, ClusterError> {
        config.read_timeout = Some(ANSWER_TIME);
        config.connect_timeout = Some(ANSWER_TIME);
        let client = Client::try_from(config);
        client
            .map(|client| Self { client })
            .map_err(|error| ClusterError::Kubeconfig { cause: words(&error) })
    }

    /// Whether the server is of Kubernetes 1.21 or later, whose Secrets can be immutable.
    ///
    /// # Errors
    /// [`ClusterError::Request`].
    pub(crate) async fn has_immutable_secrets(&self) -> Result<bool, ClusterError> {
        let info =
            self.client.apiserver_version().await.map_err(|error| failed("check immutable", &error))?;
        let mut parts =
            info.git_version.trim_start_matches('v').split('.').map(|part| part.parse::<u32>().ok());
        match (parts.next().flatten(), parts.next().flatten()) {
            (Some(major), Some(minor)) => Ok(major >= 1 && minor >= 21),
            _ => Err(ClusterError::Request {
                doing: "check immutable".to_owned(),
                cause: format!("could not parse {:?} as version", info.git_version),
                status: None,
            }),
        }
    }
}

fn in_cluster() -> Result<Config, ClusterError> {
    Config::incluster().map_err(|error| {
        let cause = match std::path::Path::new("/var/run/secrets/kubernetes.io/serviceaccount").exists() {
            true => words(&error),
            false => "unable to load in-cluster configuration, KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT must be defined".to_owned(),
        };
        ClusterError::NoCluster { cause }
    })
}

/// What an attempt came to: the server's own message where it gave one.
pub(crate) fn failed(doing: &str, error: &KubeError) -> ClusterError {
    let doing = doing.to_owned();
    match error {
        KubeError::Api(status) => {
            ClusterError::Request { doing, cause: status.message.clone(), status: Some(status.code) }
        }
        other => ClusterError::Request { doing, cause: words(other), status: None },
    }
}

/// An error's words and those of its causes that it does not already hold.
pub(crate) fn words(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let more = inner.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = inner.source();
    }
    text
}
