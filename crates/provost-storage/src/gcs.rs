//! Google Cloud Storage: four objects a record, under Chains' names.
//!
//! `KIND-NAMESPACE-NAME/KEY.signature`, `.payload`, `.cert` and `.chain`, in that order, through the JSON interface.
//! `STORAGE_EMULATOR_HOST`, the variable of Google's own clients, names another server, which is asked without a token.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use provost_kms::Surroundings;
use reqwest::{Method, RequestBuilder};

use crate::backend::{Backend, StorageKind, setting};
use crate::error::StorageError;
use crate::exchange::{Answer, exchange};
use crate::google::Google;
use crate::record::{Record, StoredCopy};

const NAME: &str = StorageKind::Gcs.name();
const BUCKET: &str = "storage.gcs.bucket";
const EMULATOR: &str = "STORAGE_EMULATOR_HOST";
/// What may stand in a path or query as it is.
const KEPT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// A bucket.
#[derive(Debug)]
pub(crate) struct Gcs {
    google: Google,
    base: String,
    is_emulator: bool,
    bucket: String,
}

fn escaped(text: &str) -> String {
    utf8_percent_encode(text, KEPT).to_string()
}

/// What the names of a record's objects begin with.
fn prefix(record: &Record) -> String {
    let run = &record.run;
    format!("{}-{}-{}/{}", run.kind.small(), run.namespace, run.name, record.key)
}

impl Gcs {
    pub(crate) fn new(
        settings: &BTreeMap<String, String>,
        around: &Arc<dyn Surroundings>,
    ) -> Result<Self, StorageError> {
        let bucket = setting(settings, BUCKET).ok_or_else(|| StorageError::missing(NAME, BUCKET))?;
        let emulator = around.variable(EMULATOR).map(|host| match host.contains("://") {
            true => host.trim_end_matches('/').to_owned(),
            false => format!("http://{host}"),
        });
        Ok(Self {
            google: Google::new(NAME, around)?,
            is_emulator: emulator.is_some(),
            base: emulator.unwrap_or_else(|| "https://storage.googleapis.com".to_owned()),
            bucket: escaped(bucket),
        })
    }

    async fn ask(&self, request: RequestBuilder) -> Result<Answer, StorageError> {
        match self.is_emulator {
            true => exchange(NAME, &self.google.client, request).await,
            false => self.google.ask(request).await,
        }
    }

    async fn read(&self, name: &str) -> Result<Option<Vec<u8>>, StorageError> {
        let address = format!("{}/storage/v1/b/{}/o/{}?alt=media", self.base, self.bucket, escaped(name));
        self.ask(self.google.client.request(Method::GET, address)).await?.found()
    }

    async fn write(&self, name: &str, bytes: &[u8]) -> Result<(), StorageError> {
        let address = format!(
            "{}/upload/storage/v1/b/{}/o?uploadType=media&name={}",
            self.base,
            self.bucket,
            escaped(name)
        );
        let request = self.google.client.request(Method::POST, address);
        let request = request.header("content-type", "application/octet-stream").body(bytes.to_vec());
        self.ask(request).await?.ok().map(|_| ())
    }
}

#[async_trait]
impl Backend for Gcs {
    fn kind(&self) -> StorageKind {
        StorageKind::Gcs
    }

    async fn copies(&self, record: &Record) -> Result<Vec<StoredCopy>, StorageError> {
        let prefix = prefix(record);
        // The payload is written after the signature, so where it is both are; the certificate goes last, and is empty with a key.
        let Some(payload) = self.read(&format!("{prefix}.payload")).await? else { return Ok(Vec::new()) };
        let Some(signature) = self.read(&format!("{prefix}.signature")).await? else { return Ok(Vec::new()) };
        if self.read(&format!("{prefix}.chain")).await?.is_none() {
            return Ok(Vec::new());
        }
        Ok(vec![StoredCopy { place: prefix, payload, signature }])
    }

    async fn put(&self, record: &Record) -> Result<String, StorageError> {
        let prefix = prefix(record);
        for (name, bytes) in [
            ("signature", record.signature.as_slice()),
            ("payload", &record.payload),
            ("cert", record.certificate.as_bytes()),
            ("chain", record.chain.as_bytes()),
        ] {
            self.write(&format!("{prefix}.{name}"), bytes).await?;
        }
        Ok(prefix)
    }
}
