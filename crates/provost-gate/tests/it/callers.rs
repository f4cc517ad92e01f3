//! Who is spoken to, in which versions, and what a new certificate changes.

use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::running::{Running, client, policy, review, sight};

const IMAGE: &str = "registry.example/app:1";

/// An authority and a client certificate of it: the authority's PEM, the client's chain and key.
fn authority() -> (String, String, String) {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let own = params.self_signed(&key).unwrap();
    let issuer = Issuer::new(params, key);
    let leaf = KeyPair::generate().unwrap();
    let made =
        CertificateParams::new(vec!["apiserver".to_owned()]).unwrap().signed_by(&leaf, &issuer).unwrap();
    (own.pem(), made.pem(), leaf.serialize_pem())
}

#[tokio::test]
async fn only_certificates_of_the_operators_authority_authenticate_and_others_do_not_get_in() {
    let (root, chain, key) = authority();
    let gate = Running::start(sight(1, &[policy(&json!({}))]), Some(root.into_bytes())).await;
    let shown = [gate.certificates.served().unwrap()];
    let ask = async |own: Option<(&str, &str)>| {
        let asked = client(&shown, own, true).post(gate.url("/mutate/fail"));
        let asked =
            asked.header("Content-Type", "application/json").body(review("CREATE", IMAGE).to_string());
        asked.send().await.map(|answer| answer.status().as_u16())
    };
    assert_eq!(ask(Some((&chain, &key))).await.unwrap(), 200);
    assert_eq!(ask(None).await.unwrap(), 200);
    let (_, foreign, foreign_key) = authority();
    assert!(ask(Some((&foreign, &foreign_key))).await.is_err());
    let heard: Vec<bool> = gate.heard.0.lock().unwrap().iter().map(|(_, known, _)| *known).collect();
    assert_eq!(heard, [true, false]);
}

#[tokio::test]
async fn both_versions_of_http_are_spoken_and_old_ones_of_tls_are_not() {
    let gate = Running::start(sight(1, &[policy(&json!({}))]), None).await;
    let shown = [gate.certificates.served().unwrap()];
    for (http2, version) in [(true, http::Version::HTTP_2), (false, http::Version::HTTP_11)] {
        let answer = client(&shown, None, http2).get(gate.url("/health/liveness")).send().await.unwrap();
        assert_eq!((answer.status().as_u16(), answer.version()), (200, version));
    }
    // A ClientHello of TLS 1.1: version, random, no session, one cipher suite, no compression.
    let mut hello = vec![0x03, 0x02];
    hello.extend([7; 32]);
    hello.extend([0, 0, 2, 0x00, 0x2f, 1, 0]);
    let mut record = vec![0x16, 0x03, 0x01, 0, u8::try_from(hello.len() + 4).unwrap()];
    record.extend([1, 0, 0, u8::try_from(hello.len()).unwrap()]);
    record.extend(&hello);
    let mut stream = TcpStream::connect(gate.address).await.unwrap();
    stream.write_all(&record).await.unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    assert_eq!(answer.first(), Some(&0x15), "an alert: {answer:?}");
    // Without TLS there is nothing to be had.
    let mut stream = TcpStream::connect(gate.address).await.unwrap();
    stream.write_all(b"GET /health/liveness HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    assert!(!answer.starts_with(b"HTTP"), "{answer:?}");
}

#[tokio::test]
async fn no_request_fails_while_certificates_are_renewed() {
    let gate = Arc::new(Running::start(sight(1, &[policy(&json!({}))]), None).await);
    // What will be shown is trusted before it is, as webhook configurations do.
    let pairs: Vec<(String, String)> =
        (0..8).map(|_| provost_gate::server::self_made(vec!["localhost".to_owned()]).unwrap()).collect();
    let mut trusted = vec![gate.certificates.served().unwrap()];
    for (chain, key) in &pairs {
        let next = provost_serve::Certificates::of(chain.as_bytes(), key.as_bytes()).unwrap();
        trusted.push(next.served().unwrap());
    }
    let workers: Vec<_> = (0..8)
        .map(|worker| {
            let (gate, trusted) = (Arc::clone(&gate), trusted.clone());
            tokio::spawn(async move {
                for _ in 0..12 {
                    // A new client shakes hands anew.
                    let asked = client(&trusted, None, worker % 2 == 0).post(gate.url("/mutate/fail"));
                    let asked = asked.header("Content-Type", "application/json");
                    let answer = asked.body(review("CREATE", IMAGE).to_string()).send().await.unwrap();
                    assert_eq!(answer.status().as_u16(), 200);
                }
            })
        })
        .collect();
    for (renewal, (chain, key)) in pairs.iter().enumerate() {
        gate.certificates.set(chain.as_bytes(), key.as_bytes()).unwrap();
        while gate.heard.0.lock().unwrap().len() < 12 * renewal && !workers.iter().all(|w| w.is_finished()) {
            tokio::task::yield_now().await;
        }
    }
    for worker in workers {
        worker.await.unwrap();
    }
    assert_eq!(gate.heard.0.lock().unwrap().len(), 96);
}
