//! Requests to Google's services, with the token of the application default credentials.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use provost_kms::Surroundings;
use reqwest::{Client, RequestBuilder};
use tokio::sync::Mutex;
use zeroize::Zeroizing;

use crate::error::StorageError;
use crate::exchange::{Answer, exchange, plain};

/// What a token is asked for, as Chains' clients do.
const SCOPE: &str = "https://www.googleapis.com/auth/cloud-platform";
/// How long a token is used: the machine's metadata may hand out one that ends in five minutes, and no sooner.
const LIFE: Duration = Duration::from_secs(240);

/// One service.
pub(crate) struct Google {
    storage: &'static str,
    pub(crate) client: Client,
    around: Arc<dyn Surroundings>,
    token: Mutex<Option<(Instant, Zeroizing<String>)>>,
}

impl fmt::Debug for Google {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Google({})", self.storage)
    }
}

impl Google {
    pub(crate) fn new(storage: &'static str, around: &Arc<dyn Surroundings>) -> Result<Self, StorageError> {
        let client = around.client(None).map_err(|reason| StorageError::Setting {
            storage,
            setting: "the client",
            reason,
        })?;
        Ok(Self { storage, client, around: around.clone(), token: Mutex::new(None) })
    }

    /// Sends a request with a token; a token that is refused is not used again.
    pub(crate) async fn ask(&self, request: RequestBuilder) -> Result<Answer, StorageError> {
        let token = self.token().await?;
        let answer = exchange(self.storage, &self.client, request.bearer_auth(token.as_str())).await?;
        if answer.status == 401 {
            *self.token.lock().await = None;
        }
        Ok(answer)
    }

    async fn token(&self) -> Result<Zeroizing<String>, StorageError> {
        let mut kept = self.token.lock().await;
        if let Some((since, token)) = kept.as_ref()
            && since.elapsed() < LIFE
        {
            return Ok(token.clone());
        }
        let found = provost_kms::google_token(self.around.as_ref(), &self.client, SCOPE).await;
        let token = found.map_err(|error| StorageError::Unavailable {
            storage: self.storage,
            request: "Google's application default credentials".to_owned(),
            cause: plain(&error.to_string()),
        })?;
        *kept = Some((Instant::now(), token.clone()));
        Ok(token)
    }
}
