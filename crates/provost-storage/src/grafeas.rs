//! Grafeas at Google's Container Analysis: a note for each kind of run, and an occurrence for each artifact.
//!
//! Chains speaks gRPC to `containeranalysis.googleapis.com`; the same calls are made here by that service's JSON interface.
//! `CLOUDSDK_API_ENDPOINT_OVERRIDES_CONTAINERANALYSIS`, gcloud's own variable, names another server.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use provost_kms::Surroundings;
use reqwest::Method;
use serde_json::{Value, json};

use crate::backend::{Backend, StorageKind, setting};
use crate::error::StorageError;
use crate::google::Google;
use crate::record::{Payload, Record, StoredCopy};

const NAME: &str = StorageKind::Grafeas.name();
const PROJECT: &str = "storage.grafeas.projectid";
const ENDPOINT: &str = "CLOUDSDK_API_ENDPOINT_OVERRIDES_CONTAINERANALYSIS";
/// What may stand in a path or query as it is.
const KEPT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');
/// How many pages of occurrences of one artifact are read, of up to a thousand each.
const PAGES: usize = 10;

/// A project.
#[derive(Debug)]
pub(crate) struct Grafeas {
    google: Google,
    base: String,
    project: String,
    note: Option<String>,
    hint: String,
}

fn escaped(text: &str) -> String {
    utf8_percent_encode(text, KEPT).to_string()
}

impl Grafeas {
    pub(crate) fn new(
        settings: &BTreeMap<String, String>,
        around: &Arc<dyn Surroundings>,
    ) -> Result<Self, StorageError> {
        let project = setting(settings, PROJECT).ok_or_else(|| StorageError::missing(NAME, PROJECT))?;
        let base = around.variable(ENDPOINT);
        let base = base.unwrap_or_else(|| "https://containeranalysis.googleapis.com".to_owned());
        Ok(Self {
            google: Google::new(NAME, around)?,
            base: base.trim_end_matches('/').to_owned(),
            project: project.to_owned(),
            note: setting(settings, "storage.grafeas.noteid").map(str::to_owned),
            hint: setting(settings, "storage.grafeas.notehint").unwrap_or_default().to_owned(),
        })
    }

    /// The note's name within the project.
    fn note(&self, record: &Record) -> String {
        let run = &record.run;
        let stem = self.note.clone().unwrap_or_else(|| format!("tekton-{}", run.namespace));
        match record.kind {
            Payload::SimpleSigning => format!("{stem}-simplesigning"),
            Payload::Statement => format!("{stem}-{}-intoto", run.kind.small()),
        }
    }

    fn address(&self, rest: &str) -> String {
        format!("{}/v1/projects/{}/{rest}", self.base, escaped(&self.project))
    }

    /// Makes the note, unless there is one.
    async fn make_note(&self, record: &Record) -> Result<(), StorageError> {
        let note = match record.kind {
            Payload::SimpleSigning => json!({
                "shortDescription": "OCI Artifact Attestation Note",
                "attestation": {"hint": {"humanReadableName": self.hint}},
            }),
            Payload::Statement => json!({
                "shortDescription": "Build Provenance Note for TaskRun",
                "build": {"builderVersion": format!("tekton.dev/v1/{}", record.run.kind.name())},
            }),
        };
        let address = self.address(&format!("notes?noteId={}", escaped(&self.note(record))));
        let answer = self.google.ask(self.google.client.request(Method::POST, address).json(&note)).await?;
        if answer.status == 409 {
            return Ok(());
        }
        answer.ok().map(|_| ())
    }

    fn occurrence(&self, record: &Record, artifact: &str) -> Value {
        let (payload, signature) = (STANDARD.encode(&record.payload), STANDARD.encode(&record.signature));
        let key = &record.key_reference;
        let kind = match record.kind {
            Payload::SimpleSigning => "application/vnd.dev.cosign.simplesigning.v1+json",
            Payload::Statement => "application/vnd.in-toto+json",
        };
        let mut occurrence = json!({
            "resourceUri": artifact,
            "noteName": format!("projects/{}/notes/{}", self.project, self.note(record)),
            "envelope": {
                "payload": payload, "payloadType": kind, "signatures": [{"sig": signature, "keyid": key}],
            },
        });
        let (name, details) = match record.kind {
            Payload::SimpleSigning => (
                "attestation",
                json!({
                    "serializedPayload": payload,
                    "signatures": [{"signature": signature, "publicKeyId": key}],
                }),
            ),
            Payload::Statement => ("build", json!({"intotoStatement": statement(&record.payload)})),
        };
        if let Some(fields) = occurrence.as_object_mut() {
            fields.insert(name.to_owned(), details);
        }
        occurrence
    }

    /// The occurrences of the record's note at one artifact.
    async fn occurrences(&self, record: &Record, artifact: &str) -> Result<Vec<StoredCopy>, StorageError> {
        // Grafeas' filters quote as Go does; a name that would need more than that is no image's.
        let filter = escaped(&format!("resourceUrl={}", Value::from(artifact)));
        let base = self.address(&format!(
            "notes/{}/occurrences?pageSize=1000&filter={filter}",
            escaped(&self.note(record))
        ));
        let (mut copies, mut address) = (Vec::new(), base.clone());
        for _ in 0..PAGES {
            let answer = self.google.ask(self.google.client.request(Method::GET, &address)).await?;
            // There is no such note yet.
            if answer.status == 404 {
                break;
            }
            let page = answer.json()?;
            for one in page.get("occurrences").and_then(Value::as_array).into_iter().flatten() {
                let bytes = |path: &str| {
                    STANDARD.decode(one.pointer(path).and_then(Value::as_str).unwrap_or_default()).ok()
                };
                let told = |name: &str| one.get(name).and_then(Value::as_str).unwrap_or_default();
                if told("resourceUri") != artifact {
                    continue;
                }
                if let Some((payload, signature)) =
                    bytes("/envelope/payload").zip(bytes("/envelope/signatures/0/sig"))
                {
                    copies.push(StoredCopy { place: artifact.to_owned(), payload, signature });
                }
            }
            let next = page.get("nextPageToken").and_then(Value::as_str).unwrap_or_default();
            if next.is_empty() {
                break;
            }
            address = format!("{base}&pageToken={}", escaped(next));
        }
        Ok(copies)
    }
}

/// A statement as Grafeas has fields for it: those of SLSA v0.2. What it has no field for stands in the envelope alone.
fn statement(payload: &[u8]) -> Value {
    let mut read: Value = serde_json::from_slice(payload).unwrap_or(Value::Null);
    let mut part = |name: &str| read.get_mut(name).map(Value::take).unwrap_or(Value::Null);
    let mut told = json!({
        "_type": part("_type"), "subject": part("subject"), "predicateType": part("predicateType"),
    });
    let predicate = part("predicate");
    if told.get("predicateType").and_then(Value::as_str) == Some("https://slsa.dev/provenance/v0.2")
        && let Some(fields) = told.as_object_mut()
    {
        fields.insert("slsaProvenanceZeroTwo".to_owned(), predicate);
    }
    told
}

#[async_trait]
impl Backend for Grafeas {
    fn kind(&self) -> StorageKind {
        StorageKind::Grafeas
    }

    fn divided(&self) -> bool {
        true
    }

    async fn copies(&self, record: &Record) -> Result<Vec<StoredCopy>, StorageError> {
        let mut copies = Vec::new();
        for artifact in &record.artifacts {
            copies.extend(self.occurrences(record, artifact).await?);
        }
        Ok(copies)
    }

    async fn put(&self, record: &Record) -> Result<String, StorageError> {
        self.make_note(record).await?;
        for artifact in &record.artifacts {
            let occurrence = self.occurrence(record, artifact);
            let address = self.address("occurrences");
            let request = self.google.client.request(Method::POST, address).json(&occurrence);
            self.google.ask(request).await?.ok()?;
        }
        Ok(format!("projects/{}/notes/{}", self.project, self.note(record)))
    }
}
