//! One HTTP request and its answer, bounded in size and time: what services that keep keys and storages that keep statements
//! have in common.

use std::time::Duration;

use reqwest::{Client, Request};

/// How long an answer may take: hardware behind a service signs in well under a second, and the largest statement comes at
/// 1 MiB/s.
pub const ANSWER_TIME: Duration = Duration::from_secs(30);
/// How much of a stranger's own words is repeated.
pub const WORDS: usize = 512;

/// What came back.
#[derive(Debug)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The body, whole.
    pub body: Vec<u8>,
    /// Method and address for messages, without query and password, which may be secret.
    pub request: String,
}

/// Why nothing came back.
#[derive(Debug, thiserror::Error)]
pub enum Broken {
    /// There was no connection, or it ended, or it took too long.
    #[error("{request}: {cause}")]
    Away {
        /// As [`Answer::request`].
        request: String,
        /// The connection's words, bounded and without control characters.
        cause: String,
    },
    /// There was more than is read.
    #[error("{request}: the answer is longer than {limit} bytes")]
    TooLong {
        /// As [`Answer::request`].
        request: String,
        /// How many bytes are.
        limit: usize,
    },
}

/// Sends a request and reads the answer whole, at most so many bytes of it.
///
/// # Errors
/// See [`Broken`]; any status is an answer.
pub async fn exchange(client: &Client, request: Request, limit: usize) -> Result<Answer, Broken> {
    let mut address = request.url().clone();
    address.set_query(None);
    // An address without a host takes no password, and has none.
    let _ = address.set_password(None);
    let name = format!("{} {address}", request.method());
    let away = |cause: String| Broken::Away { request: name.clone(), cause };
    let talk = async {
        let mut response = client.execute(request).await.map_err(|error| away(words(error)))?;
        let status = response.status().as_u16();
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| away(words(error)))? {
            if body.len() + chunk.len() > limit {
                return Err(Broken::TooLong { request: name.clone(), limit });
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Answer { status, body, request: name.clone() })
    };
    match tokio::time::timeout(ANSWER_TIME, talk).await {
        Ok(done) => done,
        Err(_) => Err(away(format!("no answer within {} s", ANSWER_TIME.as_secs()))),
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

/// A stranger's words: bounded by [`WORDS`], without control characters.
#[must_use]
pub fn plain(text: &str) -> String {
    let mut kept = String::new();
    for one in text.chars().map(|one| if one.is_control() { ' ' } else { one }) {
        if kept.len() + one.len_utf8() > WORDS {
            break;
        }
        kept.push(one);
    }
    kept.trim().to_owned()
}
