//! Who may look: a doorkeeper that knows visitors by their tokens, and which namespaces each may see.

use std::collections::BTreeMap;
use std::fmt;

use async_trait::async_trait;
use provost_oci::Digest;

/// The fewest bytes of a token that an operator gives without a cluster: 32 hexadecimal digits are 128 bits.
pub const MIN_TOKEN: usize = 32;

/// Somebody whose token is good.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Visitor {
    /// The name the API server knows them by.
    pub name: String,
    /// Their uid there.
    pub uid: String,
    /// Their groups there.
    pub groups: Vec<String>,
    /// What else the API server says of them, which it wants back with every question.
    pub extra: BTreeMap<String, Vec<String>>,
}

/// Why nobody is let in. Neither is ever taken for the other.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The token is nobody's.
    #[error("this token is nobody's: expected one that the API server accepts")]
    Unknown,
    /// It could not be found out.
    #[error("whether you may look could not be found out: {0}")]
    Unasked(String),
}

/// Says who a visitor is and what they may see (security.md 20).
#[async_trait]
pub trait Doorkeeper: Send + Sync {
    /// Whose token this is.
    ///
    /// # Errors
    /// [`Refusal`].
    async fn who(&self, token: &str) -> Result<Visitor, Refusal>;

    /// Whether they may see the decisions of a namespace; of the whole cluster where it is empty.
    ///
    /// # Errors
    /// [`Refusal::Unasked`].
    async fn may_see(&self, visitor: &Visitor, namespace: &str) -> Result<bool, Refusal>;

    /// Whether there is any namespace whose decisions they may see, also one where nothing was decided yet.
    ///
    /// # Errors
    /// [`Refusal::Unasked`].
    async fn may_see_any(&self, visitor: &Visitor) -> Result<bool, Refusal>;
}

/// Without a cluster: whoever holds one token sees everything.
pub struct TokenHolder {
    digest: Digest,
}

impl fmt::Debug for TokenHolder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenHolder")
    }
}

impl TokenHolder {
    /// The holder of this token; `None` where it is shorter than [`MIN_TOKEN`].
    #[must_use]
    pub fn new(token: &str) -> Option<Self> {
        (token.len() >= MIN_TOKEN).then(|| Self { digest: Digest::sha256_of(token.as_bytes()) })
    }

    /// A token that nobody can guess: 244 random bits.
    #[must_use]
    pub fn token() -> String {
        format!("{}{}", uuid::Uuid::new_v4().simple(), uuid::Uuid::new_v4().simple())
    }
}

#[async_trait]
impl Doorkeeper for TokenHolder {
    async fn who(&self, token: &str) -> Result<Visitor, Refusal> {
        // Digests are compared, so how long that takes says nothing about the token.
        match Digest::sha256_of(token.as_bytes()) == self.digest {
            true => Ok(Visitor { name: "holder of the console's token".to_owned(), ..Visitor::default() }),
            false => Err(Refusal::Unknown),
        }
    }

    async fn may_see(&self, _: &Visitor, _: &str) -> Result<bool, Refusal> {
        Ok(true)
    }

    async fn may_see_any(&self, _: &Visitor) -> Result<bool, Refusal> {
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_token_opens_and_a_short_one_is_none() {
        let token = TokenHolder::token();
        let door = TokenHolder::new(&token).unwrap();
        assert!(door.who(&token).await.is_ok());
        assert_eq!(door.who(&format!("{token}x")).await, Err(Refusal::Unknown));
        assert_eq!(door.who("").await, Err(Refusal::Unknown));
        assert!(TokenHolder::new(&"x".repeat(MIN_TOKEN - 1)).is_none());
    }
}
