//! One request to a service, in the words of keys.

use reqwest::{Client, Request};
use serde_json::Value;

use crate::bounded::{self, Broken};
pub(crate) use crate::bounded::{Answer, plain};
use crate::error::KmsError;
use crate::kind::KmsKind;

/// The longest answer read: the longest in use, 200 versions of an RSA-4096 key in Vault, has 200 · 1 KiB.
pub const ANSWER_LIMIT: usize = 1024 * 1024;

/// Sends a request and reads the answer whole.
pub(crate) async fn exchange(
    service: KmsKind,
    client: &Client,
    request: Request,
) -> Result<Answer, KmsError> {
    bounded::exchange(client, request, ANSWER_LIMIT).await.map_err(|broken| match broken {
        Broken::Away { request, cause } => KmsError::Unreachable { service, request, cause },
        Broken::TooLong { request, limit } => KmsError::TooLong { service, request, limit },
    })
}

impl Answer {
    /// The JSON of a 2xx answer; anything else with what `said` finds in it: a code, and words.
    pub(crate) fn json(
        &self,
        service: KmsKind,
        said: impl Fn(&Value) -> (String, String),
    ) -> Result<Value, KmsError> {
        let parsed: Result<Value, _> = serde_json::from_slice(&self.body);
        if !(200..300).contains(&self.status) {
            let (code, message) = parsed.map(|value| said(&value)).unwrap_or_default();
            return Err(KmsError::Refused {
                service,
                request: self.request.clone(),
                status: self.status,
                code: plain(&code),
                message: plain(&message),
            });
        }
        // Some answers have no body at all.
        if self.body.is_empty() {
            return Ok(Value::Null);
        }
        parsed.map_err(|_| self.wrong(service, "the JSON"))
    }

    /// The answer lacks something.
    pub(crate) fn wrong(&self, service: KmsKind, field: &str) -> KmsError {
        KmsError::Answer { service, request: self.request.clone(), field: field.to_owned() }
    }
}

/// A field of an answer; null where there is none, as in an answer of another shape.
pub(crate) fn at<'a>(value: &'a Value, name: &str) -> &'a Value {
    value.get(name).unwrap_or(&Value::Null)
}
