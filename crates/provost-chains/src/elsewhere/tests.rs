//! A storage that forgets, lies or fails, and what becomes of a run that is to be kept there.

use std::sync::Mutex;

use jiff::Timestamp;
use provost_keys::PrivateKey;
use provost_tekton::TaskRun;
use serde_json::json;
use testkit::MemoryStore;

use super::*;
use crate::sign_run::{Means, SignRunError, SignedRun, sign_run};

/// Keeps what it is told under the record's key, several where it is told several.
#[derive(Debug)]
pub(crate) struct Memory {
    kind: StorageKind,
    kept: Mutex<Vec<Record>>,
    pub(crate) fails: Mutex<bool>,
}

impl Memory {
    pub(crate) fn new(kind: StorageKind) -> Arc<Self> {
        Arc::new(Self { kind, kept: Mutex::default(), fails: Mutex::default() })
    }

    pub(crate) fn count(&self) -> usize {
        self.kept.lock().unwrap().len()
    }
}

#[async_trait::async_trait]
impl Backend for Memory {
    fn kind(&self) -> StorageKind {
        self.kind
    }

    fn divided(&self) -> bool {
        self.kind == StorageKind::Grafeas
    }

    async fn copies(&self, record: &Record) -> Result<Vec<StoredCopy>, StorageError> {
        let kept = self.kept.lock().unwrap();
        let same =
            |one: &&Record| one.key == record.key && (!self.divided() || one.artifacts == record.artifacts);
        let copy = |one: &Record| StoredCopy {
            place: one.key.clone(),
            payload: one.payload.clone(),
            signature: one.signature.clone(),
        };
        Ok(kept.iter().filter(same).map(copy).collect())
    }

    async fn put(&self, record: &Record) -> Result<String, StorageError> {
        if *self.fails.lock().unwrap() {
            return Err(StorageError::Unavailable {
                storage: self.kind.name(),
                request: "PUT".to_owned(),
                cause: "connection refused".to_owned(),
            });
        }
        self.kept.lock().unwrap().push(record.clone());
        Ok(format!("place-of-{}", record.key))
    }
}

fn run() -> TaskRun {
    let images = format!("reg.local/app@sha256:{},reg.local/lib@sha256:{}", "a".repeat(64), "b".repeat(64));
    serde_json::from_value(json!({
        "metadata": {"name": "build", "namespace": "team", "uid": "u1"},
        "status": {"conditions": [{"type": "Succeeded", "status": "True"}],
            "results": [{"name": "IMAGES", "value": images}]},
    }))
    .unwrap()
}

fn config(runs: &[Storage], images: &[Storage]) -> ChainsConfig {
    let mut config = ChainsConfig::default();
    config.task_runs.storage = runs.iter().copied().collect();
    config.images.storage = images.iter().copied().collect();
    config
}

async fn sign(
    config: &ChainsConfig,
    key: &PrivateKey,
    backends: &[&Arc<Memory>],
) -> Result<SignedRun, SignRunError> {
    let (run, store) = (run(), MemoryStore::new());
    let one = |one: &&Arc<Memory>| -> (StorageKind, Arc<dyn Backend>) { (one.kind, (*one).clone()) };
    let backends: Backends = backends.iter().map(one).collect();
    let means = Means { key, store: &store, backends: &backends, now: Timestamp::UNIX_EPOCH, others: None };
    sign_run(config, &Run::Task(&run), &means).await
}

fn new(done: &SignedRun) -> Vec<bool> {
    done.kept.iter().map(|one| one.new).collect()
}

#[tokio::test]
async fn what_lies_there_under_the_key_is_not_kept_again() {
    let (key, memory) = (PrivateKey::generate().unwrap(), Memory::new(StorageKind::DocDb));
    let config = config(&[Storage::DocDb], &[Storage::DocDb]);
    let done = sign(&config, &key, &[&memory]).await.unwrap();
    assert_eq!(new(&done), [true, true, true], "an attestation and two image signatures");
    assert_eq!(new(&sign(&config, &key, &[&memory]).await.unwrap()), [false, false, false]);
    // A new key signs anew.
    let other = PrivateKey::generate().unwrap();
    assert_eq!(new(&sign(&config, &other, &[&memory]).await.unwrap()), [true, true, true]);
    assert_eq!(memory.count(), 6);
}

#[tokio::test]
async fn what_others_put_there_counts_for_nothing() {
    let (key, memory) = (PrivateKey::generate().unwrap(), Memory::new(StorageKind::Gcs));
    let config = config(&[Storage::Gcs], &[Storage::Gcs]);
    sign(&config, &PrivateKey::generate().unwrap(), &[&memory]).await.unwrap();
    for one in memory.kept.lock().unwrap().iter_mut() {
        one.signature.truncate(8);
    }
    assert_eq!(new(&sign(&config, &key, &[&memory]).await.unwrap()), [true, true, true]);
}

#[tokio::test]
async fn names_are_those_of_chains() {
    let (key, memory) = (PrivateKey::generate().unwrap(), Memory::new(StorageKind::Gcs));
    sign(&config(&[Storage::Gcs], &[Storage::Gcs]), &key, &[&memory]).await.unwrap();
    let kept = memory.kept.lock().unwrap();
    let names: Vec<&str> = kept.iter().map(|one| one.key.as_str()).collect();
    assert_eq!(names, ["taskrun-u1", "aaaaaaaaaaaa", "bbbbbbbbbbbb"]);
    let digest = "a".repeat(64);
    assert_eq!(kept[1].artifacts, [format!("reg.local/app@sha256:{digest}")]);
    assert_eq!(kept[0].artifacts[0], format!("reg.local/app@sha256:{digest}"));
    assert_eq!((kept[0].run.namespace.as_str(), kept[0].run.kind), ("team", RunKind::TaskRun));
}

#[tokio::test]
async fn a_storage_that_keeps_each_artifact_by_itself_is_completed() {
    let (key, memory) = (PrivateKey::generate().unwrap(), Memory::new(StorageKind::Grafeas));
    let config = config(&[Storage::Grafeas], &[]);
    assert_eq!(new(&sign(&config, &key, &[&memory]).await.unwrap()), [true, true]);
    memory.kept.lock().unwrap().pop();
    assert_eq!(new(&sign(&config, &key, &[&memory]).await.unwrap()), [false, true]);
}

#[tokio::test]
async fn a_topic_is_told_when_nothing_else_can_fail() {
    let key = PrivateKey::generate().unwrap();
    let (topic, database) = (Memory::new(StorageKind::Kafka), Memory::new(StorageKind::DocDb));
    *database.fails.lock().unwrap() = true;
    let config = config(&[Storage::Kafka, Storage::DocDb], &[]);
    let error = sign(&config, &key, &[&topic, &database]).await.unwrap_err();
    assert!(matches!(error, SignRunError::Storage(StorageError::Unavailable { .. })), "{error}");
    assert_eq!(topic.count(), 0);
    *database.fails.lock().unwrap() = false;
    sign(&config, &key, &[&topic, &database]).await.unwrap();
    assert_eq!((topic.count(), database.count()), (1, 1));
}

#[tokio::test]
async fn what_archivista_calls_an_attestation_stands_on_the_run() {
    let (key, memory) = (PrivateKey::generate().unwrap(), Memory::new(StorageKind::Archivista));
    let done = sign(&config(&[Storage::Archivista], &[]), &key, &[&memory]).await.unwrap();
    let named = done.annotations.get("chains.tekton.dev/provost-gitoid-taskrun-u1");
    assert_eq!(named.map(String::as_str), Some("place-of-taskrun-u1"));
}

#[tokio::test]
async fn a_storage_that_is_not_there_stops_all_before_anything_is_signed() {
    let (key, memory) = (PrivateKey::generate().unwrap(), Memory::new(StorageKind::Archivista));
    let config = config(&[Storage::Archivista, Storage::Gcs], &[]);
    let error = sign(&config, &key, &[&memory]).await.unwrap_err();
    assert_eq!(error.to_string(), "TaskRun/build: storage gcs is not supported yet, so nothing was signed");
    assert_eq!(memory.count(), 0);
}

#[test]
fn settings_of_storages_keep_their_keys() {
    let data =
        [("storage.gcs.bucket", "b"), ("storage.pubsub.provider", "kafka"), ("storage.pubsub.topic", "t")];
    let data = data.into_iter().map(|(key, text)| (key.to_owned(), text.to_owned())).collect();
    let (config, _) = ChainsConfig::from_data(data, "config").unwrap();
    let all = settings(&config.storage);
    assert_eq!(all.get("storage.pubsub.provider").map(String::as_str), Some("kafka"));
    assert_eq!(all.get("storage.gcs.bucket").map(String::as_str), Some("b"));
}
