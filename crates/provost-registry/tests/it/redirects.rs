//! Redirects: followed by hand, without the login, and not everywhere.

use provost_registry::keychain::{Credential, GivenCredential};
use provost_registry::limits::REDIRECTS;
use provost_registry::{AddressRule, Keychain, Pem, Remote, RemoteOptions, Store, StoreError, TlsOptions};

use crate::scheme::certified;
use crate::scripted::{Reply, Scripted, digest, options, remote};

/// Options that let redirects lead to 127.0.0.1, since tests have no other place.
fn lenient() -> RemoteOptions {
    let addresses = AddressRule { refuse_own_machine: false, allowed_hosts: vec!["127.0.0.1".to_owned()] };
    let password = Credential::Password { username: "user".into(), password: "pass".into() };
    RemoteOptions { addresses, keychain: Keychain::default().with(GivenCredential(password)), ..options() }
}

#[tokio::test]
async fn the_login_stays_behind_when_a_redirect_leaves_the_registry() {
    let storage = Scripted::start(|_| Reply::ok("blob")).await;
    let place = format!("http://{}/bucket?signature=s", storage.address);
    let registry = Scripted::start(move |seen| match seen.header("authorization") {
        None => Reply::status(401).header("www-authenticate", "Basic realm=\"x\""),
        Some(_) if seen.target == "/v2/again" => Reply::status(302).header("location", place.clone()),
        Some(_) => Reply::status(307).header("location", "/v2/again"),
    })
    .await;
    let remote = Remote::new(lenient()).unwrap();
    assert_eq!(remote.blob(&registry.repository(), &digest(b"blob"), 9).await.unwrap().as_ref(), b"blob");
    assert_eq!(storage.lines(), ["GET /bucket?signature=s"]);
    assert!(storage.seen()[0].header("authorization").is_none());
    // Within the registry the login goes along.
    assert_eq!(registry.lines().last().map(String::as_str), Some("GET /v2/again"));
}

#[tokio::test]
async fn a_redirect_back_does_not_bring_the_login_back() {
    let storage = Scripted::start(|seen| {
        let back = seen.header("x-none").unwrap_or("").to_owned();
        Reply::status(307)
            .header("location", format!("http://{}/v2/victim{back}", seen.target.trim_start_matches('/')))
    })
    .await;
    let place = storage.address.clone();
    let registry = Scripted::start(move |seen| match (seen.target.as_str(), seen.header("authorization")) {
        ("/v2/victim", _) => Reply::ok("blob"),
        (_, None) => Reply::status(401).header("www-authenticate", "Basic realm=\"x\""),
        _ => {
            Reply::status(307).header("location", format!("http://{place}/{}", seen.header("host").unwrap()))
        }
    })
    .await;
    let remote = Remote::new(lenient()).unwrap();
    remote.blob(&registry.repository(), &digest(b"blob"), 9).await.unwrap();
    let victim = registry.seen().into_iter().find(|seen| seen.target == "/v2/victim").unwrap();
    assert!(victim.header("authorization").is_none());
}

#[tokio::test]
async fn a_redirect_to_an_inner_address_is_refused() {
    let victim = Scripted::start(|_| Reply::ok("blob")).await;
    let port = victim.address.rsplit_once(':').unwrap().1.to_owned();
    for place in [
        format!("http://127.0.0.1:{port}/"),
        format!("http://localhost:{port}/"),
        format!("http://0x7f000001:{port}/"),
        format!("http://[::1]:{port}/"),
        "http://169.254.169.254/latest/meta-data".to_owned(),
        "gopher://h/".to_owned(),
    ] {
        let location = place.clone();
        let registry =
            Scripted::start(move |_| Reply::status(307).header("location", location.clone())).await;
        let error = remote().blob(&registry.repository(), &digest(b"blob"), 9).await.unwrap_err();
        assert!(matches!(error, StoreError::Refused { .. }), "{place}: {error:?}");
    }
    assert_eq!(victim.seen().len(), 0);
}

#[tokio::test]
async fn a_circle_ends_after_ten() {
    let registry = Scripted::start(|seen| Reply::status(307).header("location", seen.target.clone())).await;
    let error = remote().blob(&registry.repository(), &digest(b"blob"), 9).await.unwrap_err();
    assert!(matches!(error, StoreError::Refused { .. }), "{error:?}");
    assert_eq!(registry.seen().len(), REDIRECTS + 1);
}

#[tokio::test]
async fn tls_is_not_left() {
    let plain = Scripted::start(|_| Reply::ok("blob")).await;
    let place = format!("http://{}/", plain.address);
    let (config, pem) = certified("127.0.0.1");
    let registry =
        Scripted::start_tls(config, move |_| Reply::status(307).header("location", place.clone())).await;
    let tls = TlsOptions { authorities: Some(Pem::Text(pem)), ..TlsOptions::default() };
    let remote = Remote::new(RemoteOptions { tls, ..lenient() }).unwrap();
    let error = remote.blob(&registry.repository(), &digest(b"blob"), 9).await.unwrap_err();
    assert!(matches!(error, StoreError::Refused { .. }), "{error:?}");
    assert_eq!(plain.seen().len(), 0);
}

#[tokio::test]
async fn a_write_is_not_redirected() {
    let registry = Scripted::start(|seen| match seen.method.as_str() {
        "HEAD" => Reply::status(404),
        _ => Reply::status(307).header("location", "/v2/elsewhere"),
    })
    .await;
    let got = remote().put_blob(&registry.repository(), "a/b", bytes::Bytes::from_static(b"secret")).await;
    assert!(matches!(got, Err(StoreError::Status { status: 307, .. })), "{got:?}");
    assert!(registry.seen().iter().all(|seen| seen.body.is_empty()));
}
