//! The log that is asked while verifying, where nothing stored shows an entry: `--rekor-url`, unless `--offline`.

use provost_registry::{RemoteOptions, service_client};
use provost_sigstore::rekor_search;
use provost_sigstore::service_client::{Service, ServiceError};
use provost_verify::asking::{Answer, AskedLog};
use serde_json::Value;

use super::VerifierFlags;
use crate::command::signing;
use crate::face::Face;

/// A server of Rekor v1. No connection is made before it is asked.
pub(crate) struct RekorServer {
    url: String,
    options: RemoteOptions,
}

impl VerifierFlags {
    /// The log that may be asked; `None` where none is required, or none may be asked.
    pub(crate) fn log(&self, face: &Face) -> Option<RekorServer> {
        if self.ignores_log() || self.offline || self.rekor_url.is_empty() {
            return None;
        }
        Some(RekorServer { url: self.rekor_url.clone(), options: signing::options(face) })
    }
}

impl AskedLog for RekorServer {
    fn entries<'a>(&'a self, proposed: &'a [Value]) -> Answer<'a> {
        Box::pin(async move {
            let client = service_client(&self.options).map_err(|error| ServiceError::Answer {
                service: Service::Rekor,
                reason: error.to_string(),
            })?;
            rekor_search::search(&client, &self.url, proposed).await
        })
    }
}
