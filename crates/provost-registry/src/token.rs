//! Tokens: fetched from a registry's token service, kept by what they are for.

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use provost_oci::Digest;
use serde::Deserialize;

use crate::limits::{REMEMBERED, TOKEN_LENGTH_LIMIT, TOKEN_LIFE_LIMIT};

/// What a token is for: two requests share one only if all of this is the same.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct TokenFor {
    pub(crate) realm: String,
    pub(crate) service: Option<String>,
    pub(crate) scopes: Vec<String>,
    /// A digest of the credential, so that one user's token never serves another.
    pub(crate) user: Digest,
}

/// A token and the moment it should be replaced.
#[derive(Clone, Debug)]
pub(crate) struct Token {
    pub(crate) text: String,
    pub(crate) until: Option<Instant>,
}

/// What a token service answers.
#[derive(Deserialize)]
pub(crate) struct TokenAnswer {
    #[serde(default)]
    token: Option<String>,
    #[serde(default)]
    access_token: Option<String>,
    #[serde(default)]
    expires_in: Option<serde_json::Number>,
}

impl TokenAnswer {
    /// The token, or why it cannot be used.
    pub(crate) fn into_token(self, now: Instant) -> Result<Token, &'static str> {
        let filled = |text: &String| !text.is_empty();
        let text = self.token.filter(filled).or(self.access_token.filter(filled));
        let text = text.ok_or("the answer of the token service has neither token nor access_token")?;
        if text.len() > TOKEN_LENGTH_LIMIT {
            return Err("the token is longer than 32 KiB");
        }
        if !text.bytes().all(|b| b.is_ascii_graphic()) {
            return Err("the token holds characters that no header may have");
        }
        let life = self.expires_in.and_then(|n| n.as_f64()).filter(|seconds| *seconds >= 1.0);
        let life = life.map(|seconds| Duration::from_secs_f64(seconds.min(TOKEN_LIFE_LIMIT.as_secs_f64())));
        // Renewed after nine tenths of its life, so that none runs out on the way.
        let until = life.and_then(|life| now.checked_add(life.mul_f64(0.9)));
        Ok(Token { text, until })
    }
}

type Slot = Arc<tokio::sync::Mutex<Option<Token>>>;

/// The tokens at hand. Requests that need the same one at the same time fetch it once.
#[derive(Default)]
pub(crate) struct Tokens {
    slots: Mutex<HashMap<TokenFor, Slot>>,
}

impl Tokens {
    /// The token for this purpose, fetched unless a fresh one other than `refused` is at hand.
    pub(crate) async fn get<F, E>(
        &self,
        purpose: TokenFor,
        refused: Option<&str>,
        now: Instant,
        fetch: impl FnOnce() -> F,
    ) -> Result<String, E>
    where
        F: Future<Output = Result<Token, E>>,
    {
        let slot = self.slot(purpose);
        let mut held = slot.lock().await;
        if let Some(token) = held.as_ref() {
            let fresh = token.until.is_none_or(|until| now < until);
            if fresh && Some(token.text.as_str()) != refused {
                return Ok(token.text.clone());
            }
        }
        let token = fetch().await?;
        let text = token.text.clone();
        *held = Some(token);
        Ok(text)
    }

    fn slot(&self, purpose: TokenFor) -> Slot {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        if slots.len() >= REMEMBERED && !slots.contains_key(&purpose) {
            slots.clear();
        }
        Arc::clone(slots.entry(purpose).or_default())
    }
}

#[cfg(test)]
mod tests;
