//! Users and their passwords: an htpasswd file of bcrypt hashes.

use std::collections::HashMap;
use std::io::Read;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use provost_oci::{Algorithm, Digest, Hasher};
use tokio::sync::Semaphore;
use uuid::Uuid;

use crate::hub::HubError;

/// The largest file read: 1 MiB, about 13,000 users at 80 bytes.
const FILE_LIMIT: u64 = 1024 * 1024;
/// The longest password looked at: 1 KiB; bcrypt itself sees the first 72 bytes.
const PASSWORD_LIMIT: usize = 1024;
/// The bcrypt checks under way at once: 2, so that wrong passwords cannot take every core.
const CHECKS: usize = 2;

/// The users of a hub.
pub(crate) struct Htpasswd {
    users: HashMap<String, String>,
    /// What each user's good password hashed to under this process's own salt, so that bcrypt is paid once.
    known: Mutex<HashMap<String, Digest>>,
    salt: [Uuid; 2],
    checks: Semaphore,
    /// Checked for users that are not there, so that the answer takes as long.
    nobody: String,
}

impl Htpasswd {
    /// Reads the file; every entry must be bcrypt's.
    pub(crate) fn read(path: &Path) -> Result<Self, HubError> {
        let fail = |line: usize, reason: String| HubError::Htpasswd { file: path.to_owned(), line, reason };
        // Read to the limit and not measured before: pipes and devices have no length.
        let file = std::fs::File::open(path).map_err(|e| fail(0, e.to_string()))?;
        let mut text = String::new();
        let read = file.take(FILE_LIMIT + 1).read_to_string(&mut text);
        if text.len() as u64 > FILE_LIMIT {
            return Err(fail(0, format!("the file has over {FILE_LIMIT} bytes, the most expected")));
        }
        read.map_err(|e| fail(0, e.to_string()))?;
        let mut users = HashMap::new();
        for (number, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let (user, hash) =
                line.split_once(':').ok_or_else(|| fail(number + 1, "expected user:hash".to_owned()))?;
            // The hash is not shown: it would land in logs.
            hash.parse::<bcrypt::HashParts>().map_err(|_| {
                fail(number + 1, "expected a bcrypt hash ($2y$…): htpasswd -B makes one".to_owned())
            })?;
            users.insert(user.to_owned(), hash.to_owned());
        }
        let nobody = users.values().next().cloned().ok_or_else(|| fail(0, "holds no user".to_owned()))?;
        let salt = [Uuid::new_v4(), Uuid::new_v4()];
        Ok(Self { users, known: Mutex::default(), salt, checks: Semaphore::new(CHECKS), nobody })
    }

    /// Whether an `Authorization` header names a user by the right password.
    pub(crate) async fn admits(&self, header: Option<&str>) -> bool {
        let Some((user, password)) = header.and_then(credentials) else { return false };
        let stored = self.users.get(&user);
        let fingerprint = self.fingerprint(&user, &password);
        if self.known.lock().unwrap_or_else(PoisonError::into_inner).get(&user) == Some(&fingerprint) {
            return true;
        }
        let hash = stored.unwrap_or(&self.nobody).clone();
        let Ok(_turn) = self.checks.acquire().await else { return false };
        let check = move || bcrypt::verify(password, &hash).unwrap_or(false);
        let right = tokio::task::spawn_blocking(check).await.unwrap_or(false);
        let good = right && stored.is_some();
        if good {
            self.known.lock().unwrap_or_else(PoisonError::into_inner).insert(user, fingerprint);
        }
        good
    }

    fn fingerprint(&self, user: &str, password: &str) -> Digest {
        let mut hasher = Hasher::new(Algorithm::Sha256);
        for salt in &self.salt {
            hasher.update(salt.as_bytes());
        }
        // The user's length keeps "ab"+"c" apart from "a"+"bc".
        hasher.update(&(user.len() as u64).to_le_bytes());
        hasher.update(user.as_bytes());
        hasher.update(password.as_bytes());
        hasher.finish()
    }
}

/// User and password of `Basic …`.
fn credentials(header: &str) -> Option<(String, String)> {
    let (scheme, token) = header.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let text = String::from_utf8(STANDARD.decode(token.trim()).ok()?).ok()?;
    let (user, password) = text.split_once(':')?;
    (password.len() <= PASSWORD_LIMIT).then(|| (user.to_owned(), password.to_owned()))
}

#[cfg(test)]
mod tests;
