//! Passwords: checked by bcrypt once, remembered as no password, bounded.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::{FILE_LIMIT, Htpasswd, PASSWORD_LIMIT};
use crate::hub::HubError;

/// The lowest cost bcrypt allows.
const COST: u32 = 4;

fn read(text: &str) -> Result<Htpasswd, HubError> {
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), text).expect("a text");
    Htpasswd::read(file.path())
}

fn basic(password: &str) -> String {
    format!("basic {}", STANDARD.encode(format!("alice:{password}")))
}

#[tokio::test]
async fn bcrypt_is_paid_once_for_a_good_password_only() {
    let hash = bcrypt::hash("secret", COST).expect("a hash");
    let mut users = read(&format!("alice:{hash}\n")).expect("users");
    assert!(!users.admits(Some(&basic("wrong"))).await);
    assert!(users.known.lock().expect("a map").is_empty());
    assert!(users.admits(Some(&basic("secret"))).await);
    // With the hash gone only memory can admit.
    users.users.insert("alice".to_owned(), "gone".to_owned());
    assert!(users.admits(Some(&basic("secret"))).await);
    assert!(!users.admits(Some(&basic("wrong"))).await);
    assert!(!users.admits(None).await);
}

#[tokio::test]
async fn passwords_and_files_have_a_length() {
    // bcrypt sees 72 bytes of it, so the length alone decides.
    let longest = "x".repeat(PASSWORD_LIMIT);
    let hash = bcrypt::hash(&longest, COST).expect("a hash");
    let users = read(&format!("alice:{hash}\n")).expect("users");
    assert!(users.admits(Some(&basic(&longest))).await);
    assert!(!users.admits(Some(&basic(&format!("{longest}x")))).await);

    let line = format!("alice:{hash}\n");
    let room = usize::try_from(FILE_LIMIT).expect("a length") - line.len();
    assert!(read(&format!("{line}{}", "#".repeat(room))).is_ok());
    let long = read(&format!("{line}{}", "#".repeat(room + 1)));
    assert!(matches!(long, Err(HubError::Htpasswd { line: 0, .. })));
}
