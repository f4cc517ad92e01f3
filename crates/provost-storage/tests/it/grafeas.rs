//! Grafeas, by Container Analysis' JSON interface.

use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use provost_storage::{Backend, StorageKind};
use serde_json::{Value, json};

use crate::http::{Asked, Server};
use crate::scene::{attestation, is_unavailable, opened, signature};

/// Notes and occurrences of project `p`; the token's server is the same.
#[derive(Default)]
struct Kept {
    notes: Vec<(String, Value)>,
    occurrences: Vec<Value>,
}

async fn project(kept: Arc<Mutex<Kept>>) -> Server {
    let answering = move |asked: &Asked| {
        let mut kept = kept.lock().unwrap();
        let body: Value = serde_json::from_slice(&asked.body).unwrap_or(Value::Null);
        let (method, target) = asked.line.split_once(' ').unwrap();
        if target.starts_with("/computeMetadata/") {
            return (200, br#"{"access_token": "t"}"#.to_vec());
        }
        if let Some(id) = target.strip_prefix("/v1/projects/p/notes?noteId=") {
            if kept.notes.iter().any(|(known, _)| known == id) {
                return (409, br#"{"error": {"message": "exists"}}"#.to_vec());
            }
            kept.notes.push((id.to_owned(), body));
            return (200, b"{}".to_vec());
        }
        if (method, target) == ("POST", "/v1/projects/p/occurrences") {
            kept.occurrences.push(body);
            return (200, b"{}".to_vec());
        }
        let Some((note, query)) =
            target.strip_prefix("/v1/projects/p/notes/").and_then(|rest| rest.split_once("/occurrences?"))
        else {
            return (400, b"what?".to_vec());
        };
        if !kept.notes.iter().any(|(known, _)| known == note) {
            return (404, b"{}".to_vec());
        }
        assert!(query.contains("filter=resourceUrl%3D%22reg.local%2Fapp%40sha256%3A"), "{query}");
        // One occurrence a page.
        let page = query.split_once("pageToken=").map_or(0, |(_, token)| token.parse::<usize>().unwrap());
        let name = format!("projects/p/notes/{note}");
        let all: Vec<&Value> =
            kept.occurrences.iter().filter(|one| one["noteName"] == name.as_str()).collect();
        let next = if page + 1 < all.len() { (page + 1).to_string() } else { String::new() };
        let shown: Vec<&&Value> = all.iter().skip(page).take(1).collect();
        (200, json!({"occurrences": shown, "nextPageToken": next}).to_string().into_bytes())
    };
    Server::start(Box::new(answering)).await
}

fn at(server: &Server, settings: &[(&str, &str)]) -> Arc<dyn Backend> {
    let host = server.address.trim_start_matches("http://");
    let variables = [
        ("CLOUDSDK_API_ENDPOINT_OVERRIDES_CONTAINERANALYSIS", server.address.as_str()),
        ("GCE_METADATA_HOST", host),
    ];
    opened(StorageKind::Grafeas, settings, &variables).unwrap()
}

#[tokio::test]
async fn notes_and_occurrences_are_those_of_chains() {
    let kept: Arc<Mutex<Kept>> = Arc::default();
    let server = project(kept.clone()).await;
    let backend = at(&server, &[("storage.grafeas.projectid", "p"), ("storage.grafeas.notehint", "hint")]);
    assert_eq!(backend.copies(&attestation()).await.unwrap(), []);
    for record in [attestation(), signature(), signature()] {
        backend.put(&record).await.unwrap();
    }
    let kept = kept.lock().unwrap();
    let notes: Vec<&str> = kept.notes.iter().map(|(id, _)| id.as_str()).collect();
    assert_eq!(notes, ["tekton-team-taskrun-intoto", "tekton-team-simplesigning"]);
    assert_eq!(kept.notes[0].1["build"]["builderVersion"], "tekton.dev/v1/TaskRun");
    assert_eq!(kept.notes[1].1["attestation"]["hint"]["humanReadableName"], "hint");
    let build = &kept.occurrences[0];
    assert_eq!(build["resourceUri"], attestation().artifacts[0].as_str());
    assert_eq!(build["envelope"]["payloadType"], "application/vnd.in-toto+json");
    assert_eq!(build["envelope"]["signatures"][0]["sig"], STANDARD.encode(attestation().signature));
    let statement = &build["build"]["intotoStatement"];
    assert_eq!(statement["slsaProvenanceZeroTwo"]["builder"]["id"], "b");
    let image = &kept.occurrences[1];
    assert_eq!(image["attestation"]["serializedPayload"], STANDARD.encode(signature().payload));
    assert_eq!(image["noteName"], "projects/p/notes/tekton-team-simplesigning");
}

#[tokio::test]
async fn what_lies_there_is_found_on_every_page() {
    let kept: Arc<Mutex<Kept>> = Arc::default();
    let server = project(kept.clone()).await;
    let settings = [("storage.grafeas.projectid", "p"), ("storage.grafeas.noteid", "n")];
    let backend = at(&server, &settings);
    let mut second = attestation();
    second.signature = b"another".to_vec();
    for record in [&attestation(), &second] {
        backend.put(record).await.unwrap();
    }
    let copies = backend.copies(&attestation()).await.unwrap();
    let signatures: Vec<&[u8]> = copies.iter().map(|one| one.signature.as_slice()).collect();
    assert_eq!(signatures, [attestation().signature.as_slice(), b"another"]);
    assert!(backend.divided());
}

#[tokio::test]
async fn a_service_that_is_away_is_unavailable() {
    let server = Server::start(Box::new(|asked| match asked.line.contains("/computeMetadata/") {
        true => (200, br#"{"access_token": "t"}"#.to_vec()),
        false => (503, br#"{"error": {"message": "later"}}"#.to_vec()),
    }))
    .await;
    let backend = at(&server, &[("storage.grafeas.projectid", "p")]);
    for error in
        [backend.copies(&attestation()).await.unwrap_err(), backend.put(&attestation()).await.unwrap_err()]
    {
        assert!(is_unavailable(&error) && error.to_string().contains("later"), "{error}");
    }
}

#[tokio::test]
async fn requests_bear_one_token_of_the_machine_until_it_is_refused() {
    let server = Server::start(Box::new(|asked| match asked.line.contains("/computeMetadata/") {
        true => (200, br#"{"access_token": "t0ken"}"#.to_vec()),
        false if asked.line.contains("occurrences?") => (401, b"{}".to_vec()),
        false => (200, b"{}".to_vec()),
    }))
    .await;
    let backend = at(&server, &[("storage.grafeas.projectid", "p")]);
    let tokens = || server.lines().iter().filter(|line| line.contains("/default/token")).count();
    for _ in 0..2 {
        backend.put(&attestation()).await.unwrap();
    }
    assert_eq!(tokens(), 1);
    let bears = |one: &Asked| {
        one.line.contains("/default/token") || one.headers.contains("authorization: bearer t0ken")
    };
    assert!(server.asked.lock().unwrap().iter().all(bears));
    backend.copies(&attestation()).await.unwrap_err();
    backend.put(&attestation()).await.unwrap();
    assert_eq!(tokens(), 2);
}
