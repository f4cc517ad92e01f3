//! Visitors who signed in: their tokens stay here, and the browser holds a random name for them.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use zeroize::Zeroizing;

/// How long a session lasts: the token of a service account that `kubectl create token` makes lasts as long.
pub(crate) const LASTS: Duration = Duration::from_secs(3600);
/// The most sessions: a platform team, many times over. The oldest goes first.
pub(crate) const SESSIONS: usize = 256;

struct Session {
    token: Zeroizing<String>,
    began: Instant,
}

/// The sessions there are.
#[derive(Default)]
pub(crate) struct Sessions {
    all: Mutex<BTreeMap<String, Session>>,
}

impl Sessions {
    fn locked(&self) -> MutexGuard<'_, BTreeMap<String, Session>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins one; its name, of 244 random bits.
    pub(crate) fn begin(&self, token: &str, now: Instant) -> String {
        let name = crate::door::TokenHolder::token();
        let mut all = self.locked();
        all.retain(|_, one| now.saturating_duration_since(one.began) < LASTS);
        if all.len() >= SESSIONS
            && let Some(oldest) = all.iter().min_by_key(|(_, one)| one.began).map(|(name, _)| name.clone())
        {
            all.remove(&oldest);
        }
        all.insert(name.clone(), Session { token: Zeroizing::new(token.to_owned()), began: now });
        name
    }

    /// The token of a session that lasts still.
    pub(crate) fn token(&self, name: &str, now: Instant) -> Option<Zeroizing<String>> {
        let all = self.locked();
        let one = all.get(name)?;
        (now.saturating_duration_since(one.began) < LASTS).then(|| one.token.clone())
    }

    /// Ends one.
    pub(crate) fn end(&self, name: &str) {
        self.locked().remove(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_ends_by_itself_and_the_oldest_makes_room() {
        let (sessions, now) = (Sessions::default(), Instant::now());
        let first = sessions.begin("first", now);
        assert_eq!(sessions.token(&first, now).map(|token| token.to_string()), Some("first".to_owned()));
        assert!(sessions.token(&first, now + LASTS).is_none());
        for number in 0..SESSIONS {
            sessions.begin(&number.to_string(), now + Duration::from_secs(1));
        }
        assert!(sessions.token(&first, now).is_none(), "{SESSIONS} others came after it");
        let last = sessions.begin("last", now);
        sessions.end(&last);
        assert!(sessions.token(&last, now).is_none());
        assert_eq!(sessions.locked().len(), SESSIONS - 1);
    }
}
