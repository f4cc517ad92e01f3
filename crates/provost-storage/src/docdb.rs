//! MongoDB: a document a record, as Chains' document store writes it.
//!
//! `storage.docdb.url` is `mongo://DATABASE/COLLECTION?id_field=Name`; the server stands in a file, in `MONGO_SERVER_URL` of a
//! folder, in `storage.docdb.mongo-server-url` or in the variable of that name, the first of these that is set. Files are
//! read for each record, so that a changed password is used at once.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use mongodb::bson::spec::BinarySubtype;
use mongodb::bson::{Binary, Bson, Document, doc};
use mongodb::error::{Error, ErrorKind};
use mongodb::options::ClientOptions;
use mongodb::{Client, Collection};
use provost_kms::Surroundings;
use serde_json::Value;
use tokio::io::AsyncReadExt as _;
use tokio::sync::Mutex;
use url::Url;
use zeroize::Zeroizing;

use crate::backend::{Backend, StorageKind, setting};
use crate::error::StorageError;
use crate::exchange::{ANSWER_TIME, plain};
use crate::record::{Record, StoredCopy};

const NAME: &str = StorageKind::DocDb.name();
const URL: &str = "storage.docdb.url";
const SERVER: &str = "storage.docdb.mongo-server-url";
const FOLDER: &str = "storage.docdb.mongo-server-url-dir";
const FILE: &str = "storage.docdb.mongo-server-url-path";
const VARIABLE: &str = "MONGO_SERVER_URL";
/// The longest file with a server's address that is read; one has a few hundred bytes.
const FILE_LIMIT: u64 = 16 * 1024;
/// How long a server of the set is looked for, so that an attempt's five minutes hold several.
const SELECTION: Duration = Duration::from_secs(10);
/// MongoDB's limit of a document is 16 MiB; ours holds the payload as it is, in its signature twice in base64 (16/9), and
/// once more as an object, so 3 MiB of payload always fit.
const PAYLOAD_LIMIT: usize = 3 * 1024 * 1024;

/// Where the server's address stands.
enum Server {
    File(PathBuf),
    Text(Zeroizing<String>),
}

/// A collection of a database.
pub(crate) struct DocDb {
    database: String,
    collection: String,
    server: Server,
    open: Mutex<Option<(Zeroizing<String>, Client)>>,
}

impl fmt::Debug for DocDb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DocDb({}/{})", self.database, self.collection)
    }
}

impl DocDb {
    pub(crate) fn new(
        settings: &BTreeMap<String, String>,
        around: &Arc<dyn Surroundings>,
    ) -> Result<Self, StorageError> {
        let text = setting(settings, URL).ok_or_else(|| StorageError::missing(NAME, URL))?;
        let wrong = |reason: &str| StorageError::Setting {
            storage: NAME,
            setting: URL,
            reason: format!("{text:?} {reason}"),
        };
        let url = Url::parse(text).map_err(|_| wrong("is no address like mongo://DATABASE/COLLECTION"))?;
        if url.scheme() != "mongo" {
            return Err(wrong("is of another kind than mongo://, the only one that is supported"));
        }
        let database = url.host_str().filter(|host| !host.is_empty());
        let database = database.ok_or_else(|| wrong("names no database before its path"))?;
        let collection = url.path().trim_start_matches('/');
        if collection.is_empty() {
            return Err(wrong("names no collection as its path"));
        }
        let mut id_field = "_id".to_owned();
        for (name, value) in url.query_pairs() {
            match name.as_ref() {
                "id_field" => id_field = value.into_owned(),
                _ => return Err(wrong("has a parameter besides id_field")),
            }
        }
        // Documents of Chains have no field of that name, so each would get a random identifier and be stored again and again.
        if id_field != "Name" {
            return Err(wrong("must end in ?id_field=Name, by which a document is found again"));
        }
        let server = if let Some(path) = setting(settings, FILE) {
            Server::File(PathBuf::from(path))
        } else if let Some(folder) = setting(settings, FOLDER) {
            Server::File(PathBuf::from(folder).join(VARIABLE))
        } else if let Some(text) = setting(settings, SERVER) {
            Server::Text(Zeroizing::new(text.to_owned()))
        } else {
            let text = around.variable(VARIABLE);
            let text = text.ok_or_else(|| StorageError::missing(NAME, SERVER))?;
            Server::Text(Zeroizing::new(text))
        };
        Ok(Self {
            database: database.to_owned(),
            collection: collection.to_owned(),
            server,
            open: Mutex::new(None),
        })
    }

    async fn address(&self) -> Result<Zeroizing<String>, StorageError> {
        let path = match &self.server {
            Server::Text(text) => return Ok(text.clone()),
            Server::File(path) => path,
        };
        let wrong = |reason: String| StorageError::Setting { storage: NAME, setting: FILE, reason };
        let file = tokio::fs::File::open(path).await;
        let file = file.map_err(|error| wrong(format!("{}: {error}", path.display())))?;
        let mut text = Zeroizing::new(String::new());
        let read = file.take(FILE_LIMIT + 1).read_to_string(&mut text).await;
        let read = read.map_err(|error| wrong(format!("{}: {error}", path.display())))?;
        if u64::try_from(read).unwrap_or(u64::MAX) > FILE_LIMIT {
            return Err(wrong(format!("{}: longer than {FILE_LIMIT} bytes", path.display())));
        }
        Ok(Zeroizing::new(text.trim().to_owned()))
    }

    /// The collection, at the server that is named now.
    async fn collection(&self) -> Result<Collection<Document>, StorageError> {
        let address = self.address().await?;
        let mut open = self.open.lock().await;
        let client = match open.as_ref() {
            Some((known, client)) if *known == address => client.clone(),
            _ => {
                // The driver's words would repeat the address, and with it the password.
                let wrong = |_| StorageError::Setting {
                    storage: NAME,
                    setting: SERVER,
                    reason: "is no address like mongodb://HOST, or cannot be resolved".to_owned(),
                };
                let mut options = ClientOptions::parse(address.as_str()).await.map_err(wrong)?;
                options.server_selection_timeout.get_or_insert(SELECTION);
                options.connect_timeout.get_or_insert(SELECTION);
                options.app_name.get_or_insert_with(|| "provost".to_owned());
                let client = Client::with_options(options).map_err(wrong)?;
                *open = Some((address, client.clone()));
                client
            }
        };
        Ok(client.database(&self.database).collection(&self.collection))
    }

    async fn in_time<T>(
        &self,
        request: &str,
        asking: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, StorageError> {
        let request = format!("{request} {}/{}", self.database, self.collection);
        match tokio::time::timeout(ANSWER_TIME, asking).await {
            Ok(Ok(done)) => Ok(done),
            Ok(Err(error)) => Err(failed(request, &error)),
            Err(_) => Err(StorageError::Unavailable {
                storage: NAME,
                request,
                cause: format!("no answer within {} s", ANSWER_TIME.as_secs()),
            }),
        }
    }
}

fn failed(request: String, error: &Error) -> StorageError {
    let words = plain(&error.to_string());
    match *error.kind {
        ErrorKind::Io(_) | ErrorKind::ServerSelection { .. } | ErrorKind::ConnectionPoolCleared { .. } => {
            StorageError::Unavailable { storage: NAME, request, cause: words }
        }
        _ => StorageError::Refused { storage: NAME, request, reason: words },
    }
}

/// JSON as a document store written in Go keeps it: every number is a float.
fn value(json: &Value) -> Bson {
    match json {
        Value::Null => Bson::Null,
        Value::Bool(truth) => Bson::Boolean(*truth),
        Value::Number(number) => Bson::Double(number.as_f64().unwrap_or_default()),
        Value::String(text) => Bson::String(text.clone()),
        Value::Array(list) => Bson::Array(list.iter().map(value).collect()),
        Value::Object(fields) => {
            Bson::Document(fields.iter().map(|(name, one)| (name.clone(), value(one))).collect())
        }
    }
}

#[async_trait]
impl Backend for DocDb {
    fn kind(&self) -> StorageKind {
        StorageKind::DocDb
    }

    async fn copies(&self, record: &Record) -> Result<Vec<StoredCopy>, StorageError> {
        let collection = self.collection().await?;
        let asking = collection.find_one(doc! {"_id": &record.key});
        let found = self.in_time("reading from", asking.into_future()).await?;
        let Some(found) = found else { return Ok(Vec::new()) };
        let payload = match found.get("Signed") {
            Some(Bson::Binary(binary)) => binary.bytes.clone(),
            _ => return Ok(Vec::new()),
        };
        let signature = found.get_str("Signature").ok().and_then(|text| STANDARD.decode(text).ok());
        Ok(signature
            .map(|signature| StoredCopy { place: record.key.clone(), payload, signature })
            .into_iter()
            .collect())
    }

    async fn put(&self, record: &Record) -> Result<String, StorageError> {
        if record.payload.len() > PAYLOAD_LIMIT {
            return Err(StorageError::Unplaceable {
                storage: NAME,
                reason: format!(
                    "keeps payloads of at most {PAYLOAD_LIMIT} bytes, this one has {}",
                    record.payload.len()
                ),
            });
        }
        let object: Value = serde_json::from_slice(&record.payload).unwrap_or(Value::Null);
        let document = doc! {
            "_id": &record.key,
            "Signed": Binary { subtype: BinarySubtype::Generic, bytes: record.payload.clone() },
            "Signature": STANDARD.encode(&record.signature),
            "Cert": &record.certificate,
            "Chain": &record.chain,
            "Object": value(&object),
        };
        let collection = self.collection().await?;
        let asking = collection.replace_one(doc! {"_id": &record.key}, document).upsert(true);
        self.in_time("writing to", asking.into_future()).await?;
        Ok(record.key.clone())
    }
}
