//! One HTTP request to a storage and its answer, bounded in size and time.

pub(crate) use provost_kms::bounded::plain;
use provost_kms::bounded::{self, Broken};
use reqwest::{Client, RequestBuilder};
use serde_json::Value;

use crate::error::StorageError;

pub use provost_kms::bounded::ANSWER_TIME;

/// The longest copy that is read back: a run is at most 1.5 MiB in etcd, a statement about it and its children some ten
/// times that, and base64 adds a third; what is longer is not ours.
pub const COPY_LIMIT: usize = 32 * 1024 * 1024;

/// What came back.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
    /// Method and address without the query, for messages.
    pub(crate) request: String,
    storage: &'static str,
}

/// Sends a request and reads the answer whole.
pub(crate) async fn exchange(
    storage: &'static str,
    client: &Client,
    request: RequestBuilder,
) -> Result<Answer, StorageError> {
    let request = request.build().map_err(|error| StorageError::Refused {
        storage,
        request: "a request".to_owned(),
        reason: plain(&error.without_url().to_string()),
    })?;
    match bounded::exchange(client, request, COPY_LIMIT).await {
        Ok(bounded::Answer { status, body, request }) => Ok(Answer { status, body, request, storage }),
        Err(Broken::Away { request, cause }) => Err(StorageError::Unavailable { storage, request, cause }),
        Err(Broken::TooLong { request, limit }) => {
            let reason = format!("the answer is longer than {limit} bytes");
            Err(StorageError::Refused { storage, request, reason })
        }
    }
}

impl Answer {
    /// The body of a 2xx answer, `None` of a 404.
    pub(crate) fn found(self) -> Result<Option<Vec<u8>>, StorageError> {
        match self.status {
            404 => Ok(None),
            _ => self.ok().map(|answer| Some(answer.body)),
        }
    }

    /// The answer if it is 2xx; 429 and 5xx are "could not be asked", anything else is a refusal.
    pub(crate) fn ok(self) -> Result<Self, StorageError> {
        if (200..300).contains(&self.status) {
            return Ok(self);
        }
        let said = self.said();
        let text = match said.is_empty() {
            true => format!("status {}", self.status),
            false => format!("status {}: {said}", self.status),
        };
        Err(match self.status {
            408 | 429 | 500.. => {
                StorageError::Unavailable { storage: self.storage, request: self.request, cause: text }
            }
            _ => StorageError::Refused { storage: self.storage, request: self.request, reason: text },
        })
    }

    /// The JSON of a 2xx answer.
    pub(crate) fn json(self) -> Result<Value, StorageError> {
        let answer = self.ok()?;
        serde_json::from_slice(&answer.body).map_err(|error| answer.wrong(&format!("no JSON: {error}")))
    }

    /// The answer is none that can be used.
    pub(crate) fn wrong(&self, reason: &str) -> StorageError {
        StorageError::Refused {
            storage: self.storage,
            request: self.request.clone(),
            reason: reason.to_owned(),
        }
    }

    /// The words of an error: of Google's JSON its message, else the text.
    fn said(&self) -> String {
        let parsed: Option<Value> = serde_json::from_slice(&self.body).ok();
        let message = parsed.as_ref().and_then(|value| value.pointer("/error/message")?.as_str());
        match message {
            Some(message) => plain(message),
            None => plain(&String::from_utf8_lossy(self.body.get(..bounded::WORDS).unwrap_or(&self.body))),
        }
    }
}
