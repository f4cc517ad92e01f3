//! One request to a service and its answer, bounded in size and time.

use std::time::Duration;

use reqwest::{Client, Request};
use serde_json::Value;

use crate::error::KmsError;
use crate::kind::KmsKind;

/// The longest answer read: the longest in use, 200 versions of an RSA-4096 key in Vault, has 200 · 1 KiB.
pub const ANSWER_LIMIT: usize = 1024 * 1024;
/// How long an answer may take: hardware behind a service signs in well under a second.
pub const ANSWER_TIME: Duration = Duration::from_secs(30);
/// How much of a service's own words is repeated.
const WORDS: usize = 512;

/// What came back.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
    /// Method and address, for messages; no query, which may hold credentials.
    pub(crate) request: String,
}

/// Sends a request and reads the answer whole.
pub(crate) async fn exchange(
    service: KmsKind,
    client: &Client,
    request: Request,
) -> Result<Answer, KmsError> {
    let mut address = request.url().clone();
    address.set_query(None);
    let name = format!("{} {address}", request.method());
    let unreachable = |cause: String| KmsError::Unreachable { service, request: name.clone(), cause };
    let talk = async {
        let mut response = client.execute(request).await.map_err(|error| unreachable(words(error)))?;
        let status = response.status().as_u16();
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| unreachable(words(error)))? {
            if body.len() + chunk.len() > ANSWER_LIMIT {
                return Err(KmsError::TooLong { service, request: name.clone(), limit: ANSWER_LIMIT });
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Answer { status, body, request: name.clone() })
    };
    match tokio::time::timeout(ANSWER_TIME, talk).await {
        Ok(done) => done,
        Err(_) => Err(unreachable(format!("no answer within {} s", ANSWER_TIME.as_secs()))),
    }
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
