//! Challenges: what is answered, how often, with what, and what is never sent.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use provost_registry::keychain::{Credential, GivenCredential};
use provost_registry::{Keychain, Pem, Remote, RemoteOptions, Store, StoreError, TlsOptions};

use crate::scheme::certified;
use crate::scripted::{Reply, Scripted, Seen, options, remote, tag};

/// A registry that wants a token from its own `/token`; the script of the token service is given.
async fn guarded(token: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Scripted {
    Scripted::start(move |seen| {
        if seen.target.starts_with("/token") {
            return token(seen);
        }
        match seen.header("authorization") {
            Some("Bearer good") => Reply::ok("{}"),
            _ => challenge(seen, "/token"),
        }
    })
    .await
}

fn challenge(seen: &Seen, path: &str) -> Reply {
    let host = seen.header("host").unwrap();
    let value =
        format!(r#"Bearer realm="http://{host}{path}",service="reg",scope="repository:team/app:pull""#);
    Reply::status(401).header("www-authenticate", value)
}

fn given(credential: Credential) -> Remote {
    let keychain = Keychain::default().with(GivenCredential(credential));
    Remote::new(RemoteOptions { keychain, ..options() }).unwrap()
}

fn password() -> Credential {
    Credential::Password { username: "user".into(), password: "pass".into() }
}

#[tokio::test]
async fn an_anonymous_token_is_fetched_once_and_used_from_then_on() {
    let registry = guarded(|_| Reply::ok(r#"{"token":"good"}"#)).await;
    let remote = remote();
    for _ in 0..2 {
        remote.manifest(&registry.repository(), &tag("v1")).await.unwrap();
    }
    assert_eq!(
        registry.lines(),
        [
            "GET /v2/team/app/manifests/v1",
            "GET /token?scope=repository%3Ateam%2Fapp%3Apull&service=reg",
            "GET /v2/team/app/manifests/v1",
            "GET /v2/team/app/manifests/v1",
        ]
    );
    assert!(registry.seen()[1].header("authorization").is_none());
}

#[tokio::test]
async fn requests_side_by_side_share_one_token() {
    let registry = guarded(|_| Reply::ok(r#"{"access_token":"good"}"#)).await;
    let (remote, repository, which) = (remote(), registry.repository(), tag("v1"));
    let all = (0..8).map(|_| remote.manifest(&repository, &which));
    let all = futures_util::future::join_all(all).await;
    assert!(all.iter().all(Result::is_ok));
    assert_eq!(registry.lines().iter().filter(|line| line.contains("/token")).count(), 1);
}

#[tokio::test]
async fn a_password_goes_to_the_token_service_and_never_to_the_registry() {
    let registry = guarded(|seen| match seen.header("authorization") {
        Some("Basic dXNlcjpwYXNz") => Reply::ok(r#"{"token":"good"}"#),
        _ => Reply::status(401),
    })
    .await;
    given(password()).manifest(&registry.repository(), &tag("v1")).await.unwrap();
    let seen = registry.seen();
    let basic = |seen: &&Seen| seen.header("authorization").is_some_and(|value| value.starts_with("Basic"));
    assert!(seen.iter().filter(basic).all(|seen| seen.target.starts_with("/token")));
}

#[tokio::test]
async fn a_token_that_has_run_out_is_replaced_once() {
    let number = AtomicUsize::new(0);
    let registry = guarded(move |_| match number.fetch_add(1, Ordering::SeqCst) {
        0 => Reply::ok(r#"{"token":"old"}"#),
        _ => Reply::ok(r#"{"token":"good"}"#),
    })
    .await;
    remote().manifest(&registry.repository(), &tag("v1")).await.unwrap();
    assert_eq!(registry.lines().iter().filter(|line| line.contains("/token")).count(), 2);
}

#[tokio::test]
async fn a_registry_that_never_lets_in_ends_in_its_401() {
    let registry = guarded(|_| Reply::ok(r#"{"token":"bad"}"#)).await;
    let error = remote().manifest(&registry.repository(), &tag("v1")).await.unwrap_err();
    assert!(matches!(error, StoreError::Status { status: 401, .. }), "{error:?}");
    assert!(registry.seen().len() <= 6, "{:?}", registry.lines());
}

#[tokio::test]
async fn writing_asks_for_push() {
    let registry = guarded(|_| Reply::ok(r#"{"token":"good"}"#)).await;
    let blob = crate::scripted::digest(b"blob");
    let from = provost_oci::Repository::new(&registry.address, "team/base").unwrap();
    remote().mount_blob(&registry.repository(), &blob, &from).await.unwrap();
    let token = registry.lines().into_iter().find(|line| line.contains("/token")).unwrap();
    let scopes = "scope=repository%3Ateam%2Fapp%3Apush%2Cpull&scope=repository%3Ateam%2Fbase%3Apull";
    assert!(token.contains(scopes), "{token}");
}

#[tokio::test]
async fn an_identity_token_is_exchanged_in_a_post() {
    let registry = guarded(|seen| {
        let form = String::from_utf8(seen.body.clone()).unwrap();
        let good = seen.method == "POST"
            && form.contains("grant_type=refresh_token&refresh_token=id%2Btoken&")
            && form.contains("scope=repository%3Ateam%2Fapp%3Apull&service=reg");
        if good { Reply::ok(r#"{"access_token":"good"}"#) } else { Reply::status(400).body(form) }
    })
    .await;
    given(Credential::IdentityToken("id+token".into()))
        .manifest(&registry.repository(), &tag("v1"))
        .await
        .unwrap();
}

#[tokio::test]
async fn a_registry_token_goes_as_it_is() {
    let registry = guarded(|_| Reply::status(500)).await;
    given(Credential::Bearer("good".into())).manifest(&registry.repository(), &tag("v1")).await.unwrap();
    assert_eq!(registry.seen().len(), 2);
}

#[tokio::test]
async fn basic_is_answered_with_the_password_from_the_second_request_on() {
    let registry = Scripted::start(|seen| match seen.header("authorization") {
        Some("Basic dXNlcjpwYXNz") => Reply::ok("{}"),
        _ => Reply::status(401).header("www-authenticate", "Basic realm=\"x\""),
    })
    .await;
    let remote = given(password());
    for _ in 0..2 {
        remote.manifest(&registry.repository(), &tag("v1")).await.unwrap();
    }
    assert_eq!(registry.seen().len(), 3);
}

#[tokio::test]
async fn a_wrong_password_is_sent_once() {
    let registry =
        Scripted::start(|_| Reply::status(401).header("www-authenticate", "Basic realm=\"x\"")).await;
    let error = given(password()).manifest(&registry.repository(), &tag("v1")).await.unwrap_err();
    assert!(matches!(error, StoreError::Status { status: 401, .. }), "{error:?}");
    assert_eq!(registry.seen().len(), 2);
}

/// A registry that wants a token from this realm.
async fn sending_to(realm: String) -> Scripted {
    Scripted::start(move |_| {
        Reply::status(401).header("www-authenticate", format!(r#"Bearer realm="{realm}""#))
    })
    .await
}

#[tokio::test]
async fn a_token_service_elsewhere_on_this_machine_is_refused() {
    let victim = Scripted::start(|_| Reply::ok(r#"{"token":"good"}"#)).await;
    let port = victim.address.rsplit_once(':').unwrap().1.to_owned();
    for host in ["127.0.0.1", "localhost", "2130706433", "[::ffff:127.0.0.1]"] {
        for scheme in ["http", "https"] {
            let registry = sending_to(format!("{scheme}://{host}:{port}/token")).await;
            for remote in [remote(), given(password())] {
                let error = remote.manifest(&registry.repository(), &tag("v1")).await.unwrap_err();
                assert!(matches!(error, StoreError::Refused { .. }), "{scheme} {host}: {error:?}");
            }
        }
    }
    assert_eq!((victim.seen().len(), victim.greetings()), (0, 0));
}

#[tokio::test]
async fn a_registry_with_tls_may_not_name_a_token_service_without() {
    let (config, pem) = certified("127.0.0.1");
    let registry = Scripted::start_tls(config, |seen| {
        let realm = format!("http://{}/token", seen.header("host").unwrap());
        Reply::status(401).header("www-authenticate", format!(r#"Bearer realm="{realm}""#))
    })
    .await;
    let tls = TlsOptions { authorities: Some(Pem::Text(pem)), ..TlsOptions::default() };
    let remote = Remote::new(RemoteOptions { tls, ..options() }).unwrap();
    let error = remote.manifest(&registry.repository(), &tag("v1")).await.unwrap_err();
    assert!(matches!(error, StoreError::Refused { .. }), "{error:?}");
    assert!(registry.lines().iter().all(|line| !line.contains("/token")));
}

#[tokio::test]
async fn hostile_realms_are_refused() {
    for realm in
        ["file:///etc/passwd", "http://u:p@127.0.0.1/", "//", "javascript:1", "http://auth.example.test/"]
    {
        let registry = sending_to(realm.to_owned()).await;
        let error = given(password()).manifest(&registry.repository(), &tag("v1")).await.unwrap_err();
        assert!(matches!(error, StoreError::Refused { .. }), "{realm}: {error:?}");
    }
}

#[tokio::test]
async fn hostile_challenges_end_in_the_401() {
    for value in ["", "Bearer", "Bearer realm=\"x", "Negotiate", &"Bearer a=b,".repeat(100)] {
        let value = value.to_owned();
        let registry = Scripted::start(move |_| {
            Reply::status(401).header("www-authenticate", value.clone()).body("\u{1b}[2Jno")
        })
        .await;
        let error = remote().manifest(&registry.repository(), &tag("v1")).await.unwrap_err();
        let StoreError::Status { status: 401, body, .. } = error else { panic!("{error:?}") };
        assert_eq!(body, "[2Jno");
        assert_eq!(registry.seen().len(), 1);
    }
}

#[tokio::test]
async fn hostile_tokens_are_credentials_errors() {
    let nested = "[".repeat(100_000);
    for answer in ["", "{}", "null", r#"{"token":7}"#, r#"{"token":"a\nb"}"#, &nested] {
        let answer = Arc::new(answer.to_owned());
        let registry = guarded(move |_| Reply::ok(answer.as_str())).await;
        let error = remote().manifest(&registry.repository(), &tag("v1")).await.unwrap_err();
        assert!(matches!(error, StoreError::Credentials { .. }), "{error:?}");
    }
}

#[tokio::test]
async fn a_token_service_that_fails_is_never_not_found() {
    for status in [401, 403, 404] {
        let registry = guarded(move |_| Reply::status(status)).await;
        let error = remote().manifest(&registry.repository(), &tag("v1")).await.unwrap_err();
        let StoreError::Status { request, status: found, .. } = error else { panic!("{error:?}") };
        assert_eq!(found, status);
        assert!(request.contains("/token?scope="), "{request}");
    }
}

#[tokio::test]
async fn a_token_service_that_is_busy_is_asked_again() {
    let number = AtomicUsize::new(0);
    let registry = guarded(move |_| match number.fetch_add(1, Ordering::SeqCst) {
        0 => Reply::status(503),
        _ => Reply::ok(r#"{"token":"good"}"#),
    })
    .await;
    remote().manifest(&registry.repository(), &tag("v1")).await.unwrap();
}
