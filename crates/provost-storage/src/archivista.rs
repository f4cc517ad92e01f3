//! Archivista: envelopes uploaded whole, found again by the digest of their payload.
//!
//! `POST /upload` answers the git object identifier of the bytes it was given; as Chains does, only attestations go there.
//! What lies there already is asked by GraphQL; a server whose GraphQL is switched off answers 404 and cannot be asked, and
//! then an attempt that was broken off between upload and mark uploads once more.

use std::collections::BTreeMap;

use async_trait::async_trait;
use aws_lc_rs::digest::{Context, SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use provost_kms::Surroundings;
use reqwest::{Client, Method};
use serde_json::{Value, json};
use url::Url;

use crate::backend::{Backend, StorageKind, setting};
use crate::error::StorageError;
use crate::exchange::exchange;
use crate::record::{Payload, Record, StoredCopy};

const NAME: &str = StorageKind::Archivista.name();
const URL: &str = "storage.archivista.url";
/// How many envelopes with one payload are looked at: each key that signed it has one.
const COPIES: usize = 100;
/// What its database says of an envelope that it has.
const TWICE: &str = "constraint failed";
/// Which envelopes hold a payload of this SHA-256.
const QUERY: &str = "query($digest: String!, $first: Int!) { dsses(first: $first, where: {hasPayloadDigestsWith: [{algorithm: \"sha256\", value: $digest}]}) { edges { node { gitoidSha256 } } } }";

/// An Archivista server.
#[derive(Debug)]
pub(crate) struct Archivista {
    client: Client,
    base: Url,
}

/// The git object identifier that Archivista gives to bytes: SHA-256 over git's header of a blob and them.
#[must_use]
pub fn gitoid(bytes: &[u8]) -> String {
    let mut context = Context::new(&SHA256);
    context.update(format!("blob {}\0", bytes.len()).as_bytes());
    context.update(bytes);
    hex::encode(context.finish())
}

impl Archivista {
    pub(crate) fn new(
        settings: &BTreeMap<String, String>,
        around: &dyn Surroundings,
    ) -> Result<Self, StorageError> {
        let text = setting(settings, URL).ok_or_else(|| StorageError::missing(NAME, URL))?;
        let wrong = |reason: String| StorageError::Setting { storage: NAME, setting: URL, reason };
        let base = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
        let base = base.ok_or_else(|| wrong(format!("{text:?} is no address like https://HOST")))?;
        Ok(Self { client: around.client(None).map_err(wrong)?, base })
    }

    fn at(&self, parts: &[&str]) -> Url {
        let mut url = self.base.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(parts);
        }
        url
    }

    async fn download(&self, id: &str) -> Result<Option<StoredCopy>, StorageError> {
        let request = self.client.request(Method::GET, self.at(&["download", id]));
        // Listed and gone: the metadata outlive what they are about.
        let Some(bytes) = exchange(NAME, &self.client, request).await?.found()? else { return Ok(None) };
        let envelope: Value = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
        let payload = envelope.get("payload").and_then(Value::as_str);
        let payload = payload.and_then(|text| STANDARD.decode(text).ok());
        Ok(payload.map(|payload| StoredCopy { place: id.to_owned(), payload, signature: bytes }))
    }
}

#[async_trait]
impl Backend for Archivista {
    fn kind(&self) -> StorageKind {
        StorageKind::Archivista
    }

    fn place(&self) -> String {
        self.base.host_str().unwrap_or_default().to_owned()
    }

    async fn copies(&self, record: &Record) -> Result<Vec<StoredCopy>, StorageError> {
        let payload = hex::encode(digest(&SHA256, &record.payload));
        let body = json!({"query": QUERY, "variables": {"digest": payload, "first": COPIES}});
        let request = self.client.request(Method::POST, self.at(&["query"])).json(&body);
        let answer = exchange(NAME, &self.client, request).await?;
        if answer.status == 404 {
            return Ok(Vec::new());
        }
        let unreadable = answer.wrong("the answer to the query lists no envelopes");
        let answer = answer.json()?;
        let edges = answer.pointer("/data/dsses/edges").and_then(Value::as_array).ok_or(unreadable)?;
        let mut copies = Vec::new();
        for edge in edges.iter().take(COPIES) {
            let id = edge.pointer("/node/gitoidSha256").and_then(Value::as_str).unwrap_or_default();
            copies.extend(self.download(id).await?);
        }
        Ok(copies)
    }

    async fn put(&self, record: &Record) -> Result<String, StorageError> {
        if record.kind == Payload::SimpleSigning {
            return Err(StorageError::Unplaceable {
                storage: NAME,
                reason: "keeps DSSE envelopes, and the signature of an image is none: take it out of artifacts.oci.storage"
                    .to_owned(),
            });
        }
        let request = self
            .client
            .request(Method::POST, self.at(&["upload"]))
            .header("content-type", "application/json")
            .body(record.signature.clone());
        let answer = exchange(NAME, &self.client, request).await?;
        let wanted = gitoid(&record.signature);
        // The very same bytes again, as a key with one signature for one payload makes them, break a constraint of its database.
        let is_again = answer.status >= 500 && String::from_utf8_lossy(&answer.body).contains(TWICE);
        if is_again && self.download(&wanted).await?.is_some_and(|copy| copy.signature == record.signature) {
            return Ok(wanted);
        }
        let answer = answer.ok()?;
        let told: Value = serde_json::from_slice(&answer.body).unwrap_or(Value::Null);
        let told = told.get("gitoid").and_then(Value::as_str).unwrap_or_default();
        // A whole identifier is `gitoid:blob:sha256:HEX`; servers answer its last part.
        match told.rsplit(':').next() == Some(wanted.as_str()) {
            true => Ok(wanted),
            false => Err(answer.wrong(&format!("it answered gitoid {told:?}, expected {wanted:?}"))),
        }
    }
}
