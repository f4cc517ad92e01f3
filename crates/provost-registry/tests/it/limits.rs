//! Limits that a registry can only reach by what it states, and silence.

use provost_registry::limits::{ERROR_SHOWN, REFERRERS_PAGE_LIMIT, TAGS_PAGE_LIMIT, TOKEN_ANSWER_LIMIT};
use provost_registry::store::NetworkFailure;
use provost_registry::{Store, StoreError};
use tokio::net::TcpListener;

use crate::scripted::{Reply, Scripted, digest, remote, tag};

async fn stating(length: u64) -> Scripted {
    Scripted::start(move |_| Reply::status(200).header("content-length", length.to_string())).await
}

fn is_size(error: &StoreError, limit: u64) -> bool {
    matches!(error, StoreError::Size { expected, found, .. } if *expected == limit && *found == limit + 1)
}

#[tokio::test]
async fn pages_that_are_too_long_are_not_read() {
    let registry = stating(TAGS_PAGE_LIMIT + 1).await;
    let error = remote().tags(&registry.repository()).await.unwrap_err();
    assert!(is_size(&error, TAGS_PAGE_LIMIT), "{error:?}");
    let registry = stating(REFERRERS_PAGE_LIMIT + 1).await;
    let error = remote().referrers(&registry.repository(), &digest(b"x")).await.unwrap_err();
    assert!(is_size(&error, REFERRERS_PAGE_LIMIT), "{error:?}");
}

#[tokio::test]
async fn a_token_answer_that_is_too_long_is_not_read() {
    let registry = Scripted::start(|seen| {
        if seen.target.starts_with("/token") {
            return Reply::status(200).header("content-length", (TOKEN_ANSWER_LIMIT + 1).to_string());
        }
        let realm = format!(r#"Bearer realm="http://{}/token""#, seen.header("host").unwrap());
        Reply::status(401).header("www-authenticate", realm)
    })
    .await;
    let error = remote().manifest(&registry.repository(), &tag("v1")).await.unwrap_err();
    assert!(is_size(&error, TOKEN_ANSWER_LIMIT), "{error:?}");
}

#[tokio::test]
async fn an_error_answer_is_cut_not_refused() {
    let registry = Scripted::start(|_| Reply::status(403).body("x".repeat(1_000_000)).chunked()).await;
    let error = remote().manifest(&registry.repository(), &tag("v1")).await.unwrap_err();
    let StoreError::Status { status: 403, body, .. } = error else { panic!("{error:?}") };
    assert_eq!(body.len(), ERROR_SHOWN);
}

#[tokio::test(start_paused = true)]
async fn a_registry_that_never_answers_is_a_timeout() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let repository = provost_oci::Repository::new(&address, "team/app").unwrap();
    // Connections are taken by the system and nobody ever reads them; the paused clock runs ahead.
    let error = remote().manifest(&repository, &tag("v1")).await.unwrap_err();
    assert!(matches!(error, StoreError::Network { kind: NetworkFailure::Timeout, .. }), "{error:?}");
    drop(listener);
}
