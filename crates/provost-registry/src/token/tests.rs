//! Tokens are shared by purpose, fetched once, and renewed.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use provost_oci::Digest;

use super::{Token, TokenAnswer, TokenFor, Tokens};
use crate::limits::{REMEMBERED, TOKEN_LENGTH_LIMIT, TOKEN_LIFE_LIMIT};

fn purpose(scope: &str, user: &str) -> TokenFor {
    TokenFor {
        realm: "https://a.test/token".into(),
        service: None,
        scopes: vec![scope.into()],
        user: Digest::sha256_of(user.as_bytes()),
    }
}

fn read(json: &str) -> Result<Token, &'static str> {
    serde_json::from_str::<TokenAnswer>(json).map_err(|_| "json")?.into_token(Instant::now())
}

#[tokio::test]
async fn one_purpose_is_fetched_once_even_when_asked_together() {
    let (tokens, fetched, now) = (Tokens::default(), AtomicUsize::new(0), Instant::now());
    let get = |scope: &'static str, user: &'static str| {
        let (tokens, fetched) = (&tokens, &fetched);
        async move {
            let fetch = || async {
                let number = fetched.fetch_add(1, Ordering::SeqCst);
                tokio::task::yield_now().await;
                Ok::<_, ()>(Token { text: format!("t{number}"), until: None })
            };
            tokens.get(purpose(scope, user), None, now, fetch).await.unwrap()
        }
    };
    let (a, b, c) = tokio::join!(get("pull", "u"), get("pull", "u"), get("pull", "u"));
    assert_eq!((a.as_str(), b.as_str(), c.as_str()), ("t0", "t0", "t0"));
    assert_eq!(get("push", "u").await, "t1");
    assert_eq!(get("pull", "other").await, "t2");
}

#[tokio::test]
async fn a_refused_or_old_token_is_fetched_anew() {
    let (tokens, now) = (Tokens::default(), Instant::now());
    let until = Some(now + Duration::from_secs(10));
    let fetch = |text: &'static str| move || async move { Ok::<_, ()>(Token { text: text.into(), until }) };
    assert_eq!(tokens.get(purpose("p", "u"), None, now, fetch("a")).await.unwrap(), "a");
    assert_eq!(tokens.get(purpose("p", "u"), None, now, fetch("b")).await.unwrap(), "a");
    assert_eq!(tokens.get(purpose("p", "u"), Some("a"), now, fetch("c")).await.unwrap(), "c");
    let later = now + Duration::from_secs(11);
    assert_eq!(tokens.get(purpose("p", "u"), None, later, fetch("d")).await.unwrap(), "d");
}

#[test]
fn hostile_answers_are_refused() {
    assert!(read("{}").is_err());
    assert!(read(r#"{"token":""}"#).is_err());
    assert!(read(r#"{"token":"a\r\nX-Evil: 1"}"#).is_err());
    assert!(read(r#"{"token":7}"#).is_err());
    assert!(read(&format!(r#"{{"token":"{}"}}"#, "a".repeat(TOKEN_LENGTH_LIMIT + 1))).is_err());
    assert!(read(&format!(r#"{{"token":"{}"}}"#, "a".repeat(TOKEN_LENGTH_LIMIT))).is_ok());
    assert_eq!(read(r#"{"token":"","access_token":"b"}"#).unwrap().text, "b");
}

#[test]
fn a_life_is_bounded_and_nonsense_ignored() {
    let life = |json: &str| read(json).unwrap().until.map(|until| until - Instant::now());
    assert!(life(r#"{"token":"a","expires_in":1e300}"#).unwrap() <= TOKEN_LIFE_LIMIT);
    assert_eq!(life(r#"{"token":"a","expires_in":-5}"#), None);
    assert_eq!(life(r#"{"token":"a"}"#), None);
}

#[tokio::test]
async fn not_more_than_the_limit_is_remembered() {
    let (tokens, now) = (Tokens::default(), Instant::now());
    for number in 0..=REMEMBERED {
        let fetch = || async { Ok::<_, ()>(Token { text: "t".into(), until: None }) };
        tokens.get(purpose(&number.to_string(), "u"), None, now, fetch).await.unwrap();
    }
    assert!(tokens.slots.lock().unwrap().len() <= REMEMBERED);
}
