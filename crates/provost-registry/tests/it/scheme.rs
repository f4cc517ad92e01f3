//! https and http side by side: who wins, and what is never told to whom.

use provost_oci::Repository;
use provost_registry::keychain::{Credential, GivenCredential};
use provost_registry::store::NetworkFailure;
use provost_registry::{AddressRule, Keychain, Pem, Remote, RemoteOptions, Store, StoreError, TlsOptions};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig};

use crate::scripted::{Reply, Scripted, Seen, options, remote, tag};

/// A TLS server's configuration, and the PEM certificate that vouches for it.
pub(crate) fn certified(name: &str) -> (ServerConfig, Vec<u8>) {
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed([name.to_owned()]).unwrap();
    let key = PrivateKeyDer::Pkcs8(signing_key.serialize_der().into());
    let config = ServerConfig::builder_with_provider(std::sync::Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key)
        .unwrap();
    (config, cert.pem().into_bytes())
}

fn trusting(pem: Vec<u8>) -> RemoteOptions {
    let tls = TlsOptions { authorities: Some(Pem::Text(pem)), ..TlsOptions::default() };
    RemoteOptions { tls, ..options() }
}

#[tokio::test]
async fn a_plain_registry_on_loopback_is_greeted_once_and_asked_once() {
    let registry = Scripted::start(|_| Reply::ok("{}")).await;
    let remote = remote();
    for _ in 0..3 {
        remote.manifest(&registry.repository(), &tag("v1")).await.unwrap();
    }
    // No ping, no second asking: the wanted request itself found out.
    assert_eq!(registry.lines(), ["GET /v2/team/app/manifests/v1"; 3]);
    assert_eq!(registry.greetings(), 1);
}

#[tokio::test]
async fn requests_that_start_together_do_not_wait_for_each_other() {
    let registry = Scripted::start(|_| Reply::ok("{}")).await;
    let (remote, repository, which) = (remote(), registry.repository(), tag("v1"));
    let ask = || remote.manifest(&repository, &which);
    let (a, b, c) = tokio::join!(ask(), ask(), ask());
    assert!(a.is_ok() && b.is_ok() && c.is_ok());
    // Each found out for itself, beside the request it wanted; what they found is kept for the next.
    assert_eq!((registry.greetings(), registry.lines().len()), (3, 3));
    assert!(ask().await.is_ok());
    assert_eq!((registry.greetings(), registry.lines().len()), (3, 4));
}

#[tokio::test]
async fn tls_wins_over_an_http_answer_and_is_kept() {
    let (config, pem) = certified("127.0.0.1");
    let registry = Scripted::start_tls(config, |_| Reply::ok("{}")).await;
    let remote = Remote::new(trusting(pem)).unwrap();
    for _ in 0..2 {
        remote.manifest(&registry.repository(), &tag("v1")).await.unwrap();
    }
    let over_tls: Vec<_> = registry.seen().into_iter().filter(|seen| seen.tls).collect();
    assert_eq!(over_tls.len(), 2);
    // One greeting to find out, one connection to use.
    assert_eq!(registry.greetings(), 2);
}

#[tokio::test]
async fn a_failed_handshake_never_falls_back_and_tells_no_secret() {
    let (config, _) = certified("127.0.0.1");
    let registry = Scripted::start_tls(config, |_| Reply::ok("{}")).await;
    let (_, other) = certified("127.0.0.1");
    let password = Credential::Password { username: "u".into(), password: "p".into() };
    let keychain = Keychain::default().with(GivenCredential(password));
    let remote = Remote::new(RemoteOptions { keychain, allow_http: true, ..trusting(other) }).unwrap();
    for _ in 0..2 {
        let error = remote.manifest(&registry.repository(), &tag("v1")).await.unwrap_err();
        let StoreError::Network { request, kind, .. } = &error else { panic!("{error:?}") };
        assert_eq!(*kind, NetworkFailure::Tls);
        assert!(request.starts_with("GET https://127.0.0.1"), "{request}");
    }
    let secrets = |seen: &Seen| seen.header("authorization").is_some();
    assert!(!registry.seen().iter().any(|seen| secrets(seen) || seen.tls));
}

#[tokio::test]
async fn a_certificate_of_another_name_passes_only_under_that_name_or_unjudged() {
    let (config, pem) = certified("reg.example.test");
    let registry = Scripted::start_tls(config, |_| Reply::ok("{}")).await;
    let tls = |server_name: Option<&str>, any: bool| TlsOptions {
        authorities: Some(Pem::Text(pem.clone())),
        server_name: server_name.map(str::to_owned),
        accept_any_certificate: any,
        ..TlsOptions::default()
    };
    for (tls, passes) in
        [(tls(None, false), false), (tls(Some("reg.example.test"), false), true), (tls(None, true), true)]
    {
        let remote = Remote::new(RemoteOptions { tls: tls.clone(), ..options() }).unwrap();
        let got = remote.manifest(&registry.repository(), &tag("v1")).await;
        assert_eq!(got.is_ok(), passes, "{tls:?} {got:?}");
    }
}

#[tokio::test]
async fn a_missing_authority_file_is_no_matter_for_plain_http() {
    let registry = Scripted::start(|_| Reply::ok("{}")).await;
    let folder = tempfile::tempdir().unwrap();
    let authorities = Some(Pem::File(folder.path().join("none.pem")));
    let tls = TlsOptions { authorities, ..TlsOptions::default() };
    let remote = Remote::new(RemoteOptions { tls: tls.clone(), ..options() }).unwrap();
    assert!(remote.manifest(&registry.repository(), &tag("v1")).await.is_ok());
    let (config, _) = certified("127.0.0.1");
    let secure = Scripted::start_tls(config, |_| Reply::ok("{}")).await;
    let error = remote.manifest(&secure.repository(), &tag("v1")).await.unwrap_err();
    assert!(error.to_string().contains("none.pem"), "{error}");
}

#[tokio::test]
async fn a_closed_port_names_both_tries_and_the_address() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    drop(listener);
    let repository = Repository::new(&address, "team/app").unwrap();
    let error = remote().manifest(&repository, &tag("v1")).await.unwrap_err();
    let StoreError::Network { request, kind, address: dialled, .. } = error else { panic!("{error:?}") };
    assert_eq!(kind, NetworkFailure::Refused);
    assert_eq!(dialled, address);
    let path = "/v2/team/app/manifests/v1";
    assert_eq!(request, format!("GET https://{address}{path}; GET http://{address}{path}"));
}

#[tokio::test]
async fn a_closed_port_behind_a_name_shows_the_address_that_was_dialled() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let repository = Repository::new(&format!("localhost:{port}"), "team/app").unwrap();
    let error = remote().manifest(&repository, &tag("v1")).await.unwrap_err();
    let StoreError::Network { kind: NetworkFailure::Refused, address, .. } = &error else {
        panic!("{error:?}")
    };
    assert!(["127.0.0.1", "[::1]"].iter().any(|ip| *address == format!("{ip}:{port}")), "{address}");
    let schemes: Vec<_> =
        error.requests().map(|(_, url)| url.split(':').next().unwrap().to_owned()).collect();
    assert_eq!(schemes, ["https", "http"]);
}

#[tokio::test]
async fn a_registry_that_wants_a_client_certificate_gets_ours() {
    let (mut config, pem) = certified("127.0.0.1");
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["client.test".to_owned()]).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(cert.der().clone()).unwrap();
    let provider = std::sync::Arc::new(aws_lc_rs::default_provider());
    let verifier =
        WebPkiClientVerifier::builder_with_provider(roots.into(), provider.clone()).build().unwrap();
    let own = config.cert_resolver.clone();
    config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(verifier)
        .with_cert_resolver(own);
    let registry = Scripted::start_tls(config, |_| Reply::ok("{}")).await;
    let client = (Pem::Text(cert.pem().into_bytes()), Pem::Text(signing_key.serialize_pem().into_bytes()));
    for (client, passes) in [(Some(client), true), (None, false)] {
        let tls = TlsOptions { client, authorities: Some(Pem::Text(pem.clone())), ..TlsOptions::default() };
        let remote = Remote::new(RemoteOptions { tls, ..options() }).unwrap();
        let got = remote.manifest(&registry.repository(), &tag("v1")).await;
        assert_eq!(got.is_ok(), passes, "{got:?}");
    }
}

#[test]
fn files_that_cannot_serve_say_so_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let none = Pem::File(folder.path().join("none.pem"));
    let text = |text: &str| Pem::Text(text.as_bytes().to_vec());
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["client.test".to_owned()]).unwrap();
    let (chain, key) = (text(&cert.pem()), text(&signing_key.serialize_pem()));
    for (client, disk) in [
        ((none.clone(), key.clone()), true),
        ((chain.clone(), none), true),
        ((chain.clone(), text("no key")), false),
        ((text("no certificate"), key), false),
    ] {
        let tls = TlsOptions { client: Some(client.clone()), ..TlsOptions::default() };
        let error = Remote::new(RemoteOptions { tls, ..options() }).err().unwrap();
        assert_eq!(matches!(error, StoreError::Disk { .. }), disk, "{client:?}: {error:?}");
    }
    let tls = TlsOptions { server_name: Some("not a name".into()), ..TlsOptions::default() };
    assert!(Remote::new(RemoteOptions { tls, ..options() }).is_err());
}

#[tokio::test]
async fn a_write_that_comes_first_finds_the_scheme_too() {
    let registry = Scripted::start(|seen| match seen.method.as_str() {
        "POST" => Reply::status(201),
        _ => Reply::status(500),
    })
    .await;
    let from = Repository::new(&registry.address, "team/base").unwrap();
    let blob = crate::scripted::digest(b"blob");
    assert_eq!(remote().mount_blob(&registry.repository(), &blob, &from).await, Ok(true));
    assert_eq!(registry.greetings(), 1);
}

#[tokio::test]
async fn in_a_cluster_this_machine_is_not_asked_unless_allowed() {
    let registry = Scripted::start(|_| Reply::ok("{}")).await;
    let rule = |allowed: &[&str]| AddressRule {
        refuse_own_machine: true,
        allowed_hosts: allowed.iter().map(|host| (*host).to_owned()).collect(),
    };
    let port = registry.address.rsplit_once(':').unwrap().1;
    let refusing = Remote::new(RemoteOptions { addresses: rule(&[]), ..options() }).unwrap();
    for host in ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "0x7f.1"] {
        let repository = Repository::new(&format!("{host}:{port}"), "team/app").unwrap();
        let error = refusing.manifest(&repository, &tag("v1")).await.unwrap_err();
        assert!(matches!(error, StoreError::Refused { .. }), "{host}: {error:?}");
    }
    assert_eq!((registry.seen().len(), registry.greetings()), (0, 0));
    let allowing = Remote::new(RemoteOptions { addresses: rule(&["127.0.0.1"]), ..options() }).unwrap();
    assert!(allowing.manifest(&registry.repository(), &tag("v1")).await.is_ok());
}
