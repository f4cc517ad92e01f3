//! Credentials over http: only to the host and port their entry names.

use provost_registry::{DockerPaths, Keychain, Remote, RemoteOptions, Store, StoreError};

use crate::scripted::{Reply, Scripted, options, tag};

async fn basic() -> Scripted {
    Scripted::start(|seen| match seen.header("authorization") {
        Some("Basic dXNlcjpwYXNz") => Reply::ok("{}"),
        _ => Reply::status(401).header("www-authenticate", "Basic realm=\"x\""),
    })
    .await
}

fn auths(key: &str) -> String {
    format!(r#"{{"auths":{{"{key}":{{"auth":"dXNlcjpwYXNz"}}}}}}"#)
}

fn with_secret(text: &str) -> Remote {
    let keychain = Keychain::anonymous().and_secret("namespace/secret", text.as_bytes());
    Remote::new(RemoteOptions { keychain, ..options() }).unwrap()
}

#[tokio::test]
async fn an_entry_for_host_and_port_goes_there() {
    let registry = basic().await;
    for key in [
        registry.address.clone(),
        format!("http://{}/v2/", registry.address),
        format!("{}/team", registry.address),
    ] {
        let got = with_secret(&auths(&key)).manifest(&registry.repository(), &tag("v1")).await;
        assert!(got.is_ok(), "{key}: {got:?}");
    }
}

#[tokio::test]
async fn an_entry_that_says_https_does_not_go_over_http() {
    let registry = basic().await;
    let remote = with_secret(&auths(&format!("https://{}", registry.address)));
    let error = remote.manifest(&registry.repository(), &tag("v1")).await.unwrap_err();
    assert!(matches!(error, StoreError::Refused { .. }), "{error:?}");
    assert!(registry.seen().iter().all(|seen| seen.header("authorization").is_none()));
}

#[tokio::test]
async fn an_entry_that_is_a_pattern_does_not_go_over_http() {
    let registry = basic().await;
    let remote = with_secret(&auths(&registry.address.replace("127.0.0.1", "127.0.*.1")));
    let error = remote.manifest(&registry.repository(), &tag("v1")).await.unwrap_err();
    assert!(matches!(error, StoreError::Refused { .. }), "{error:?}");
    assert!(registry.seen().iter().all(|seen| seen.header("authorization").is_none()));
}

#[tokio::test]
async fn an_entry_for_another_port_or_path_is_not_used() {
    let registry = basic().await;
    for key in [
        "127.0.0.1",
        "127.0.0.1:1",
        &format!("{}/other", registry.address),
        &format!("{}/team/ap", registry.address),
    ] {
        let error = with_secret(&auths(key)).manifest(&registry.repository(), &tag("v1")).await.unwrap_err();
        assert!(matches!(error, StoreError::Status { status: 401, .. }), "{key}: {error:?}");
    }
    assert!(registry.seen().iter().all(|seen| seen.header("authorization").is_none()));
}

#[tokio::test]
async fn dockers_file_is_read_only_when_a_login_is_wanted() {
    let home = tempfile::tempdir().unwrap();
    std::fs::create_dir(home.path().join(".docker")).unwrap();
    let file = home.path().join(".docker/config.json");
    std::fs::write(&file, "broken").unwrap();
    let keychain =
        || Keychain::docker(DockerPaths { home: Some(home.path().into()), ..DockerPaths::default() });
    let open = Scripted::start(|_| Reply::ok("{}")).await;
    let remote = Remote::new(RemoteOptions { keychain: keychain(), ..options() }).unwrap();
    assert!(remote.manifest(&open.repository(), &tag("v1")).await.is_ok());

    let registry = basic().await;
    let error = remote.manifest(&registry.repository(), &tag("v1")).await.unwrap_err();
    assert!(matches!(error, StoreError::Credentials { .. }), "{error:?}");
    assert!(error.to_string().contains("config.json"), "{error}");

    std::fs::write(&file, auths(&registry.address)).unwrap();
    let remote = Remote::new(RemoteOptions { keychain: keychain(), ..options() }).unwrap();
    assert!(remote.manifest(&registry.repository(), &tag("v1")).await.is_ok());
}

#[tokio::test]
async fn a_secret_that_is_none_is_an_error_only_where_a_login_is_needed() {
    let guarded = basic().await;
    let error = with_secret("{no").manifest(&guarded.repository(), &tag("v1")).await.unwrap_err();
    assert!(matches!(error, StoreError::Credentials { .. }), "{error:?}");
    assert!(error.to_string().contains("namespace/secret"), "{error}");
    let open = Scripted::start(|_| Reply::ok("{}")).await;
    assert!(with_secret("{no").manifest(&open.repository(), &tag("v1")).await.is_ok());
}
