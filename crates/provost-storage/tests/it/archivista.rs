//! Archivista, by its HTTP interface: upload, query, download.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use provost_storage::{Backend, COPY_LIMIT, StorageError, StorageKind, gitoid};
use serde_json::{Value, json};

use crate::http::Server;
use crate::scene::{attestation, is_unavailable, opened, signature};

/// Envelopes by their identifiers, found by the digest of their payload, as the real one does.
async fn archivista(has_graphql: bool) -> Server {
    let kept: Arc<Mutex<BTreeMap<String, Vec<u8>>>> = Arc::default();
    let answering = move |asked: &crate::http::Asked| {
        let mut kept = kept.lock().unwrap();
        match asked.line.split_once(' ').unwrap() {
            ("POST", "/base/upload") => {
                let id = gitoid(&asked.body);
                kept.insert(id.clone(), asked.body.clone());
                (200, json!({"gitoid": id}).to_string().into_bytes())
            }
            ("POST", "/base/query") if has_graphql => {
                let query: Value = serde_json::from_slice(&asked.body).unwrap();
                let wanted = query.pointer("/variables/digest").unwrap().as_str().unwrap();
                let holds = |bytes: &Vec<u8>| {
                    let envelope: Value = serde_json::from_slice(bytes).unwrap();
                    let payload = STANDARD.decode(envelope["payload"].as_str().unwrap()).unwrap();
                    hex::encode(digest(&SHA256, &payload)) == wanted
                };
                let found = kept.iter().filter(|(_, bytes)| holds(bytes));
                let edges: Vec<Value> = found.map(|(id, _)| json!({"node": {"gitoidSha256": id}})).collect();
                (200, json!({"data": {"dsses": {"edges": edges}}}).to_string().into_bytes())
            }
            ("GET", path) => match path.strip_prefix("/base/download/").and_then(|id| kept.get(id)) {
                Some(bytes) => (200, bytes.clone()),
                None => (404, Vec::new()),
            },
            _ => (404, b"404 page not found".to_vec()),
        }
    };
    Server::start(Box::new(answering)).await
}

fn at(address: &str) -> Arc<dyn Backend> {
    let url = format!("{address}/base/");
    opened(StorageKind::Archivista, &[("storage.archivista.url", &url)], &[]).unwrap()
}

#[test]
fn identifiers_are_those_of_git() {
    // `printf hello | git hash-object --stdin` in a repository with --object-format=sha256.
    assert_eq!(gitoid(b""), "473a0f4c3be8a93681a267e3b1e9a7dcda1185436fe141f7749120a303721813");
}

#[tokio::test]
async fn an_envelope_goes_there_as_it_is_and_is_found_again() {
    let server = archivista(true).await;
    let (backend, record) = (at(&server.address), attestation());
    assert_eq!(backend.copies(&record).await.unwrap(), []);
    let place = backend.put(&record).await.unwrap();
    assert_eq!(place, gitoid(&record.signature));
    let copies = backend.copies(&record).await.unwrap();
    assert_eq!(copies.len(), 1);
    assert_eq!((&copies[0].payload, &copies[0].signature), (&record.payload, &record.signature));
    assert_eq!(copies[0].place, place);
    let uploads = server.asked.lock().unwrap().iter().filter(|one| one.line.ends_with("/upload")).count();
    assert_eq!(uploads, 1);
    let asked = server.asked.lock().unwrap();
    assert!(asked.iter().all(|one| {
        one.line.starts_with("GET") || one.headers.contains("content-type: application/json")
    }));
    assert_eq!(backend.place(), "127.0.0.1");
}

#[tokio::test]
async fn a_server_without_graphql_keeps_and_cannot_be_asked() {
    let server = archivista(false).await;
    let (backend, record) = (at(&server.address), attestation());
    assert_eq!(backend.copies(&record).await.unwrap(), []);
    backend.put(&record).await.unwrap();
    assert_eq!(backend.copies(&record).await.unwrap(), []);
}

#[tokio::test]
async fn an_image_signature_is_no_envelope() {
    let server = archivista(true).await;
    let error = at(&server.address).put(&signature()).await.unwrap_err();
    assert!(matches!(error, StorageError::Unplaceable { .. }), "{error}");
    assert_eq!(server.lines(), Vec::<String>::new());
}

#[tokio::test]
async fn a_server_that_keeps_other_bytes_is_found_out() {
    let server = Server::start(Box::new(|_| (200, br#"{"gitoid": "00"}"#.to_vec()))).await;
    let error = at(&server.address).put(&attestation()).await.unwrap_err();
    assert!(matches!(error, StorageError::Refused { .. }), "{error}");
    assert!(error.to_string().contains("it answered gitoid \"00\""), "{error}");
}

#[tokio::test]
async fn a_server_that_is_away_or_busy_is_not_one_that_refuses() {
    for (status, away) in [(500, true), (503, true), (429, true), (400, false), (401, false)] {
        let server = Server::start(Box::new(move |_| (status, b"no\x1b[31m".to_vec()))).await;
        let backend = at(&server.address);
        for error in [
            backend.copies(&attestation()).await.unwrap_err(),
            backend.put(&attestation()).await.unwrap_err(),
        ] {
            assert_eq!(is_unavailable(&error), away, "{error}");
            assert!(error.to_string().contains(&format!("status {status}: no")), "{error}");
            assert!(!error.to_string().contains('\x1b'));
        }
    }
    let nobody = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let error = at(&format!("http://{nobody}")).put(&attestation()).await.unwrap_err();
    assert!(is_unavailable(&error), "{error}");
}

#[tokio::test]
async fn an_answer_that_does_not_end_is_given_up() {
    let server = Server::start(Box::new(|_| (200, vec![b' '; COPY_LIMIT + 1]))).await;
    let error = at(&server.address).copies(&attestation()).await.unwrap_err();
    assert!(error.to_string().contains("longer than 33554432 bytes"), "{error}");
}

#[tokio::test]
async fn garbage_in_place_of_a_list_is_an_error_and_no_empty_list() {
    for body in ["", "[]", r#"{"errors": [{"message": "no"}]}"#, r#"{"data": {"dsses": null}}"#] {
        let server = Server::start(Box::new(move |_| (200, body.as_bytes().to_vec()))).await;
        assert!(at(&server.address).copies(&attestation()).await.is_err(), "{body}");
    }
}

/// What a real server answered, and was asked.
#[derive(serde::Deserialize)]
struct Recorded {
    exchanges: Vec<Exchange>,
}

#[derive(Clone, serde::Deserialize)]
struct Exchange {
    request: String,
    body: String,
    status: u16,
    answer: String,
}

#[tokio::test]
async fn a_real_server_answers_as_it_is_understood() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../corpus/archivista/recorded.json");
    let recorded: Recorded = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let left = Mutex::new(recorded.exchanges);
    let answering = move |asked: &crate::http::Asked| {
        let text = String::from_utf8(asked.body.clone()).unwrap();
        let json = |text: &str| serde_json::from_str::<Value>(text).ok();
        let same = |one: &Exchange| {
            one.request == asked.line.replace("/base", "")
                && (one.body == text || (one.request.ends_with("/query") && json(&one.body) == json(&text)))
        };
        let mut left = left.lock().unwrap();
        let at = left.iter().position(same).unwrap_or_else(|| panic!("{} {text}", asked.line));
        // Only downloads are the same each time.
        let one = if asked.line.starts_with("GET") { left[at].clone() } else { left.remove(at) };
        (one.status, one.answer.into_bytes())
    };
    let server = Server::start(Box::new(answering)).await;
    let (backend, record) = (at(&server.address), attestation());
    assert_eq!(backend.copies(&record).await.unwrap(), []);
    let mut other = record.clone();
    other.signature = String::from_utf8(other.signature).unwrap().replace("AA==", "AQ==").into_bytes();
    for one in [&record, &other, &record] {
        assert_eq!(backend.put(one).await.unwrap(), gitoid(&one.signature));
    }
    let copies = backend.copies(&record).await.unwrap();
    let signatures: Vec<&Vec<u8>> = copies.iter().map(|copy| &copy.signature).collect();
    assert_eq!(signatures, [&record.signature, &other.signature]);
    assert!(copies.iter().all(|copy| copy.payload == record.payload));
}
