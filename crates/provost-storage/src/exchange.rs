//! One HTTP request to a storage and its answer, bounded in size and time.

use std::time::Duration;

use reqwest::{Client, Request, RequestBuilder};
use serde_json::Value;

use crate::error::StorageError;

/// The longest copy that is read back: a run is at most 1.5 MiB in etcd, a statement about it and its children some ten
/// times that, and base64 adds a third; what is longer is not ours.
pub const COPY_LIMIT: usize = 32 * 1024 * 1024;
/// How long an answer may take: the largest statement at 1 MiB/s.
pub const ANSWER_TIME: Duration = Duration::from_secs(30);
/// How much of a storage's own words is repeated.
const WORDS: usize = 512;

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
    let request: Request = request.build().map_err(|error| StorageError::Refused {
        storage,
        request: "a request".to_owned(),
        reason: plain(&error.without_url().to_string()),
    })?;
    let mut address = request.url().clone();
    address.set_query(None);
    let _ = address.set_password(None);
    let name = format!("{} {address}", request.method());
    let away = |cause: String| StorageError::Unavailable { storage, request: name.clone(), cause };
    let talk = async {
        let mut response = client.execute(request).await.map_err(|error| away(words(error)))?;
        let status = response.status().as_u16();
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| away(words(error)))? {
            if body.len() + chunk.len() > COPY_LIMIT {
                let reason = format!("the answer is longer than {COPY_LIMIT} bytes");
                return Err(StorageError::Refused { storage, request: name.clone(), reason });
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Answer { status, body, request: name.clone(), storage })
    };
    match tokio::time::timeout(ANSWER_TIME, talk).await {
        Ok(done) => done,
        Err(_) => Err(away(format!("no answer within {} s", ANSWER_TIME.as_secs()))),
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
            None => plain(&String::from_utf8_lossy(self.body.get(..WORDS).unwrap_or(&self.body))),
        }
    }
}

/// An error's words and its causes', without the address, which stands before them.
fn words(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(inner) = cause {
        let more = inner.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = inner.source();
    }
    plain(&text)
}

/// A stranger's words: bounded, without control characters.
pub(crate) fn plain(text: &str) -> String {
    let mut kept = String::new();
    for one in text.chars().map(|one| if one.is_control() { ' ' } else { one }) {
        if kept.len() + one.len_utf8() > WORDS {
            break;
        }
        kept.push(one);
    }
    kept.trim().to_owned()
}
