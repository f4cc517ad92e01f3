//! The demo's registry: the embedded one on a free port, with a user, or one that is running already.

use std::path::Path;

use provost_hub::{Hub, HubConfig, HubError};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::Args;
use super::guide;
use crate::failure::Failure;

/// The user and password of the embedded registry: the demo's own, on loopback, gone with it.
pub(crate) const USER: (&str, &str) = ("builder", "demo");
/// The cost of the demo's password hash: bcrypt's least, since the password is printed anyway.
const COST: u32 = 4;

/// The embedded registry at work, and what stops it.
struct Serving {
    stop: oneshot::Sender<()>,
    task: JoinHandle<Result<(), HubError>>,
}

/// A registry for the length of the demo.
pub(crate) struct Registry {
    /// `host:port`.
    pub(crate) address: String,
    serving: Option<Serving>,
}

impl Registry {
    /// Serves `FOLDER/registry` on a free loopback port, or takes the registry that was given.
    pub(crate) async fn start(args: &Args, folder: &Path) -> Result<Self, Failure> {
        if let Some(address) = &args.registry {
            return Ok(Self { address: address.clone(), serving: None });
        }
        let htpasswd = folder.join("htpasswd");
        let hash = bcrypt::hash(USER.1, COST)?;
        guide::write(&htpasswd, &format!("{}:{hash}\n", USER.0))?;
        let mut config = HubConfig::new(folder.join("registry"));
        config.htpasswd = Some(htpasswd);
        let hub = Hub::bind(config).await?;
        let address = hub.address().to_string();
        let (stop, stopped) = oneshot::channel::<()>();
        let task = tokio::spawn(hub.serve(async move {
            // A dropped sender means the demo is over, too.
            let _ = stopped.await;
        }));
        Ok(Self { address, serving: Some(Serving { stop, task }) })
    }

    /// Whether this is the embedded registry.
    pub(crate) fn embedded(&self) -> bool {
        self.serving.is_some()
    }

    /// Stops the embedded registry; once is enough.
    pub(crate) async fn stop(&mut self) {
        if let Some(Serving { stop, task }) = self.serving.take() {
            let _ = stop.send(());
            let _ = task.await;
        }
    }
}
