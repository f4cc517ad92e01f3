//! https and http side by side: who wins, and what is never told to whom.

use provost_oci::Repository;
use provost_registry::keychain::{Credential, GivenCredential};
use provost_registry::store::NetworkFailure;
use provost_registry::{AddressRule, Keychain, Pem, Remote, RemoteOptions, Store, StoreError, TlsOptions};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use tokio_rustls::rustls::pki_types::PrivateKeyDer;
use tokio_rustls::rustls::{ServerConfig, crypto::aws_lc_rs};

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
async fn requests_that_start_together_find_out_once() {
    let registry = Scripted::start(|_| Reply::ok("{}")).await;
    let (remote, repository, which) = (remote(), registry.repository(), tag("v1"));
    let ask = || remote.manifest(&repository, &which);
    let (a, b, c) = tokio::join!(ask(), ask(), ask());
    assert!(a.is_ok() && b.is_ok() && c.is_ok());
    assert_eq!(registry.greetings(), 1);
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
