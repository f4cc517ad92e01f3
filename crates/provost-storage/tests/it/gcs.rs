//! Google Cloud Storage, by its JSON interface.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use provost_storage::{Backend, StorageKind};

use crate::http::{Asked, Server};
use crate::scene::{attestation, is_unavailable, opened, signature};

/// A bucket `b` whose objects are kept by their escaped names.
async fn bucket(kept: Arc<Mutex<BTreeMap<String, Vec<u8>>>>) -> Server {
    let answering = move |asked: &Asked| {
        let mut kept = kept.lock().unwrap();
        let (method, target) = asked.line.split_once(' ').unwrap();
        let upload = target.strip_prefix("/upload/storage/v1/b/b/o?uploadType=media&name=");
        let read = target.strip_prefix("/storage/v1/b/b/o/").and_then(|rest| rest.strip_suffix("?alt=media"));
        match (method, upload, read) {
            ("POST", Some(name), _) => {
                kept.insert(name.to_owned(), asked.body.clone());
                (200, b"{}".to_vec())
            }
            ("GET", _, Some(name)) => match kept.get(name) {
                Some(bytes) => (200, bytes.clone()),
                None => (404, b"No such object".to_vec()),
            },
            _ => (400, b"what?".to_vec()),
        }
    };
    Server::start(Box::new(answering)).await
}

fn at(server: &Server) -> Arc<dyn Backend> {
    let variables = [("STORAGE_EMULATOR_HOST", server.address.as_str())];
    opened(StorageKind::Gcs, &[("storage.gcs.bucket", "b")], &variables).unwrap()
}

#[tokio::test]
async fn four_objects_bear_the_names_of_chains() {
    let kept: Arc<Mutex<BTreeMap<String, Vec<u8>>>> = Arc::default();
    let server = bucket(kept.clone()).await;
    let (backend, record) = (at(&server), attestation());
    assert_eq!(backend.copies(&record).await.unwrap(), []);
    assert_eq!(backend.put(&record).await.unwrap(), "taskrun-team-build/taskrun-u1");
    let names: Vec<String> = kept.lock().unwrap().keys().cloned().collect();
    let stem = "taskrun-team-build%2Ftaskrun-u1";
    assert_eq!(
        names,
        [
            format!("{stem}.cert"),
            format!("{stem}.chain"),
            format!("{stem}.payload"),
            format!("{stem}.signature")
        ]
    );
    assert_eq!(kept.lock().unwrap()[&format!("{stem}.signature")], record.signature);
    let copies = backend.copies(&record).await.unwrap();
    assert_eq!((&copies[0].payload, &copies[0].signature), (&record.payload, &record.signature));
    backend.put(&signature()).await.unwrap();
    let raw = kept.lock().unwrap()["taskrun-team-build%2Faaaaaaaaaaaa.signature"].clone();
    assert_eq!(raw, signature().signature, "the raw signature, not base64");
}

#[tokio::test]
async fn what_was_broken_off_is_not_there() {
    let kept: Arc<Mutex<BTreeMap<String, Vec<u8>>>> = Arc::default();
    let server = bucket(kept.clone()).await;
    let (backend, record) = (at(&server), attestation());
    backend.put(&record).await.unwrap();
    kept.lock().unwrap().remove("taskrun-team-build%2Ftaskrun-u1.chain");
    assert_eq!(backend.copies(&record).await.unwrap(), []);
}

#[tokio::test]
async fn a_bucket_that_is_away_is_unavailable() {
    let server = Server::start(Box::new(|_| (503, br#"{"error": {"message": "try later"}}"#.to_vec()))).await;
    let error = at(&server).put(&attestation()).await.unwrap_err();
    assert!(is_unavailable(&error) && error.to_string().contains("status 503: try later"), "{error}");
}
