//! Who is answered (security.md 26): hosts, users, TLS, pages in browsers, and where a hub may listen.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use provost_hub::{Hub, HubConfig, HubError};
use provost_oci::Digest;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::client::{Running, exchange, refused, request};

/// The lowest cost bcrypt allows: tests pay it often.
const COST: u32 = 4;

fn users(folder: &Path) -> PathBuf {
    let file = folder.join("users");
    let hash = bcrypt::hash("secret", COST).expect("a hash");
    std::fs::write(&file, format!("# users\nalice:{hash}\n\n")).expect("a file");
    file
}

fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))
}

/// A certificate for localhost, as PEM files in this folder, and itself.
pub(crate) fn certificate(folder: &Path) -> (PathBuf, PathBuf, rustls_pki_types::CertificateDer<'static>) {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).expect("a certificate");
    let (cert, key) = (folder.join("cert.pem"), folder.join("key.pem"));
    std::fs::write(&cert, made.cert.pem()).expect("a file");
    std::fs::write(&key, made.signing_key.serialize_pem()).expect("a file");
    (cert, key, made.cert.der().clone())
}

#[tokio::test]
async fn a_host_that_is_not_ours_is_refused() {
    let hub = Running::configured(|config| config.hosts = vec!["registry.example".to_owned()]).await;
    for host in ["localhost", "127.0.0.1:5000", "[::1]:5000", "registry.example", "Registry.Example:443"] {
        assert_eq!(hub.send("GET", "/v2/", &[("Host", host)], b"").await.status, 200, "{host}");
    }
    for host in ["evil.example", "localhost.evil.example", "10.0.0.1:5000", "registry.example.evil"] {
        let answer = hub.send("GET", "/v2/", &[("Host", host)], b"").await;
        assert_eq!(answer.refusal(), refused(403, "DENIED"), "{host}");
        assert!(String::from_utf8_lossy(&answer.body).contains(host));
    }
    // The host of an absolute target counts, not the header beside it.
    let smuggled = b"GET http://evil.example/v2/ HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    assert_eq!(hub.raw(smuggled).await.status, 403);
    for odd in ["", "Host: a\r\nHost: localhost\r\n", "Host: a b\r\n"] {
        let text = format!("GET /v2/ HTTP/1.1\r\n{odd}Connection: close\r\n\r\n");
        assert_eq!(hub.raw(text.as_bytes()).await.status, 400, "{odd:?}");
    }
}

#[tokio::test]
async fn a_page_in_a_browser_cannot_push() {
    let hub = Running::start().await;
    let path = format!("/v2/team/app/blobs/uploads/?digest={}", Digest::sha256_of(b"x"));
    let answer = hub.send("POST", &path, &[("Origin", "https://evil.example")], b"x").await;
    assert_eq!(answer.refusal(), refused(403, "DENIED"));
}

#[tokio::test]
async fn users_are_asked_for_their_password() {
    let folder = tempfile::tempdir().expect("a folder");
    let hub = Running::configured(|config| config.htpasswd = Some(users(folder.path()))).await;
    let none = hub.ask("GET", "/v2/").await;
    assert_eq!(none.refusal(), refused(401, "UNAUTHORIZED"));
    assert!(none.header("www-authenticate").is_some_and(|value| value.starts_with("Basic realm=")));
    let ask = async |value: &str| hub.send("GET", "/v2/", &[("Authorization", value)], b"").await.status;
    // Twice each: the second good one is answered from memory, and a bad one must not be.
    for _ in 0..2 {
        assert_eq!(ask(&basic("alice", "secret")).await, 200);
        assert_eq!(ask(&basic("alice", "wrong")).await, 401);
        assert_eq!(ask(&basic("bob", "secret")).await, 401);
        assert_eq!(ask(&basic("alices", "ecret")).await, 401);
    }
    for odd in ["Basic", "Basic !!!", "Bearer abc", "Basic YWxpY2U="] {
        assert_eq!(ask(odd).await, 401, "{odd}");
    }
}

#[tokio::test]
async fn a_read_only_hub_reads_only() {
    let hub = Running::start().await;
    hub.image("team/app", "v1", b"layer").await;
    let folder = hub.stop().await;
    let before = listing(folder.path());
    let hub = Running::over(folder, |config| config.read_only = true).await;
    assert_eq!(hub.ask("GET", "/v2/team/app/manifests/v1").await.status, 200);
    for (method, path) in [
        ("POST", "/v2/team/app/blobs/uploads/"),
        ("PUT", "/v2/team/app/manifests/v1"),
        ("DELETE", "/v2/team/app/manifests/v1"),
        ("PATCH", "/v2/team/app/blobs/uploads/x"),
    ] {
        assert_eq!(hub.ask(method, path).await.refusal(), refused(405, "UNSUPPORTED"), "{method}");
    }
    assert_eq!(listing(hub.folder.path()), before);
}

fn listing(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                open.push(path.clone());
            }
            found.push(path);
        }
    }
    found.sort();
    found
}

#[tokio::test]
async fn tls_carries_pushes_and_pulls() {
    let folder = tempfile::tempdir().expect("a folder");
    let (cert, key, root) = certificate(folder.path());
    let hub = Running::configured(|config| (config.tls_cert, config.tls_key) = (Some(cert), Some(key))).await;
    let mut roots = rustls::RootCertStore::empty();
    roots.add(root).expect("a root");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let client = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    let connector = TlsConnector::from(Arc::new(client));
    let ask = async |method: &str, path: &str, body: &[u8]| {
        let stream = TcpStream::connect(hub.address).await.expect("a connection");
        let name = "localhost".try_into().expect("a name");
        let stream = connector.connect(name, stream).await.expect("a handshake");
        exchange(stream, &request("localhost", method, path, &[], body)).await
    };
    let digest = Digest::sha256_of(b"layer");
    let path = format!("/v2/team/app/blobs/uploads/?digest={digest}");
    assert_eq!(ask("POST", &path, b"layer").await.status, 201);
    assert_eq!(ask("GET", &format!("/v2/team/app/blobs/{digest}"), b"").await.body, b"layer");
}

#[tokio::test]
async fn beyond_loopback_a_hub_needs_read_only_or_tls_with_users() {
    let folder = tempfile::tempdir().expect("a folder");
    let (cert, key, _) = certificate(folder.path());
    let file = users(folder.path());
    let wide = |change: &dyn Fn(&mut HubConfig)| {
        let mut config = HubConfig::new(folder.path().join("layout"));
        config.listen = "0.0.0.0:0".parse().expect("an address");
        change(&mut config);
        config
    };
    let tls = |config: &mut HubConfig| {
        (config.tls_cert, config.tls_key) = (Some(cert.clone()), Some(key.clone()));
    };
    let exposed = HubError::Exposed { address: "0.0.0.0:0".parse().expect("an address") };
    let refusal = async |config| Hub::bind(config).await.err();
    assert_eq!(refusal(wide(&|_| {})).await, Some(exposed.clone()));
    assert_eq!(refusal(wide(&tls)).await, Some(exposed.clone()));
    assert_eq!(refusal(wide(&|config| config.htpasswd = Some(file.clone()))).await, Some(exposed));
    // Refused before anything is made.
    assert!(!folder.path().join("layout").exists());

    let both = wide(&|config| {
        tls(config);
        config.htpasswd = Some(file.clone());
    });
    assert_eq!(refusal(both).await, None);
    assert_eq!(refusal(wide(&|config| config.read_only = true)).await, None);
    let half = wide(&|config| config.tls_cert = Some(cert.clone()));
    assert_eq!(refusal(half).await, Some(HubError::HalfTls { missing: "--tls-key" }));
}

#[tokio::test]
async fn unusable_files_are_named_at_the_start() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("users");
    for (text, at) in [("alice:{SHA}abc\n", 1), ("# only\nalice\n", 2), ("", 0)] {
        std::fs::write(&file, text).expect("a file");
        let mut config = HubConfig::new(folder.path().join("layout"));
        config.htpasswd = Some(file.clone());
        match Hub::bind(config).await.err() {
            Some(HubError::Htpasswd { file: named, line, .. }) => {
                assert_eq!((named, line), (file.clone(), at))
            }
            other => panic!("{text:?}: {other:?}"),
        }
    }
    let mut config = HubConfig::new(folder.path().join("layout"));
    (config.tls_cert, config.tls_key) = (Some(file.clone()), Some(file.clone()));
    assert!(
        matches!(Hub::bind(config).await.err(), Some(HubError::Tls { file: named, .. }) if named == file)
    );
    std::fs::write(folder.path().join("oci-layout"), r#"{"imageLayoutVersion":"9"}"#).expect("a file");
    let other = Hub::bind(HubConfig::new(folder.path())).await.err();
    assert!(matches!(other, Some(HubError::Layout(_))), "{other:?}");
}
