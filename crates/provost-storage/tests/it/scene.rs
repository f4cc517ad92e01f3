//! What all storages are told in tests, and what surrounds them.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use provost_kms::Surroundings;
use provost_storage::{Backend, Payload, Record, RunKind, RunName, StorageError, StorageKind, open};

/// Variables from a table, and a clock that stands still.
pub(crate) struct Around(pub(crate) BTreeMap<String, String>);

impl Surroundings for Around {
    fn variable(&self, name: &str) -> Option<String> {
        self.0.get(name).cloned()
    }
    fn names(&self) -> Vec<String> {
        self.0.keys().cloned().collect()
    }
    fn now(&self) -> jiff::Timestamp {
        "2026-01-01T00:00:00Z".parse().unwrap()
    }
    fn client(&self, _: Option<&Path>) -> Result<reqwest::Client, String> {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        reqwest::Client::builder().no_proxy().build().map_err(|error| error.to_string())
    }
}

fn table(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
}

pub(crate) fn opened(
    kind: StorageKind,
    settings: &[(&str, &str)],
    variables: &[(&str, &str)],
) -> Result<Arc<dyn Backend>, StorageError> {
    let around: Arc<dyn Surroundings> = Arc::new(Around(table(variables)));
    open(kind, &table(settings), &around)
}

/// An attestation of a run that made two images.
pub(crate) fn attestation() -> Record {
    let payload = br#"{"_type":"https://in-toto.io/Statement/v0.1","subject":[],"predicateType":"https://slsa.dev/provenance/v0.2","predicate":{"builder":{"id":"b"}}}"#;
    let encoded = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, payload);
    let envelope = format!(
        r#"{{"payloadType":"application/vnd.in-toto+json","payload":"{encoded}","signatures":[{{"keyid":"k","sig":"AA=="}}]}}"#
    );
    Record {
        run: RunName {
            kind: RunKind::TaskRun,
            namespace: "team".to_owned(),
            name: "build".to_owned(),
            uid: "u1".to_owned(),
        },
        key: "taskrun-u1".to_owned(),
        kind: Payload::Statement,
        payload: payload.to_vec(),
        signature: envelope.into_bytes(),
        artifacts: vec![format!("reg.local/app@sha256:{}", "a".repeat(64))],
        key_reference: String::new(),
        certificate: String::new(),
        chain: String::new(),
    }
}

/// A signature of one image.
pub(crate) fn signature() -> Record {
    Record {
        key: "a".repeat(12),
        kind: Payload::SimpleSigning,
        payload: br#"{"critical":{}}"#.to_vec(),
        signature: vec![0x30, 0xff, 0x00],
        ..attestation()
    }
}

/// Whether the storage could not be asked, as opposed to a refusal.
pub(crate) fn is_unavailable(error: &StorageError) -> bool {
    matches!(error, StorageError::Unavailable { .. })
}
