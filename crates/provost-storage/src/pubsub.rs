//! Kafka: a message a record, as Chains' publisher writes it.
//!
//! The value is the signature; the headers are `payload` in base64 and `signature`. Ours also has a key, the run's uid and the
//! payload's digest, by which a compacted topic and whoever reads it know a repetition: nobody can ask a topic what it holds.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use provost_kms::Surroundings;
use rskafka::chrono::DateTime;
use rskafka::client::error::Error;
use rskafka::client::partition::{Compression, UnknownTopicHandling};
use rskafka::client::{Client, ClientBuilder};
use tokio::sync::Mutex;

use crate::backend::{Backend, StorageKind, setting};
use crate::error::StorageError;
use crate::exchange::{ANSWER_TIME, plain};
use crate::record::{Record, StoredCopy};

const NAME: &str = StorageKind::Kafka.name();
const PROVIDER: &str = "storage.pubsub.provider";
const TOPIC: &str = "storage.pubsub.topic";
const SERVERS: &str = "storage.pubsub.kafka.bootstrap.servers";

/// A topic.
pub(crate) struct Kafka {
    servers: Vec<String>,
    topic: String,
    around: Arc<dyn Surroundings>,
    /// The connection, and the partitions of the topic.
    open: Mutex<Option<Arc<(Client, Vec<i32>)>>>,
}

impl fmt::Debug for Kafka {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Kafka({})", self.topic)
    }
}

impl Kafka {
    pub(crate) fn new(
        settings: &BTreeMap<String, String>,
        around: &Arc<dyn Surroundings>,
    ) -> Result<Self, StorageError> {
        match setting(settings, PROVIDER) {
            Some("kafka") => {}
            None => return Err(StorageError::missing(NAME, PROVIDER)),
            Some(other) => {
                return Err(StorageError::Setting {
                    storage: NAME,
                    setting: PROVIDER,
                    reason: format!("{other:?} keeps nothing, expected \"kafka\""),
                });
            }
        }
        let topic = setting(settings, TOPIC).ok_or_else(|| StorageError::missing(NAME, TOPIC))?;
        let servers = setting(settings, SERVERS).ok_or_else(|| StorageError::missing(NAME, SERVERS))?;
        let servers = servers.split(',').map(|one| one.trim().to_owned()).filter(|one| !one.is_empty());
        Ok(Self {
            servers: servers.collect(),
            topic: topic.to_owned(),
            around: around.clone(),
            open: Mutex::new(None),
        })
    }

    async fn open(&self) -> Result<Arc<(Client, Vec<i32>)>, Error> {
        let mut open = self.open.lock().await;
        if let Some(known) = open.as_ref() {
            return Ok(known.clone());
        }
        let client = ClientBuilder::new(self.servers.clone()).client_id("provost").build().await?;
        let topics = client.list_topics().await?;
        let topic = topics.into_iter().find(|one| one.name == self.topic);
        let partitions: Vec<i32> = topic.map(|one| one.partitions.into_iter().collect()).unwrap_or_default();
        if partitions.is_empty() {
            return Err(Error::InvalidResponse(format!("there is no topic {:?}", self.topic)));
        }
        Ok(open.insert(Arc::new((client, partitions))).clone())
    }

    async fn send(&self, record: &Record) -> Result<String, Error> {
        let opened = self.open().await?;
        let (client, partitions) = opened.as_ref();
        let payload = hex::encode(digest(&SHA256, &record.payload));
        let key = format!("{}/sha256:{payload}", record.run.uid);
        // One key always goes to one partition, or compaction would not see the repetition.
        let chosen =
            payload.get(..8).and_then(|head| usize::from_str_radix(head, 16).ok()).unwrap_or_default();
        let partition = partitions.get(chosen % partitions.len().max(1)).copied().unwrap_or_default();
        let message = rskafka::record::Record {
            key: Some(key.into_bytes()),
            value: Some(record.signature.clone()),
            headers: BTreeMap::from([
                ("payload".to_owned(), STANDARD.encode(&record.payload).into_bytes()),
                ("signature".to_owned(), record.signature.clone()),
            ]),
            timestamp: DateTime::from_timestamp_millis(self.around.now().as_millisecond())
                .unwrap_or_default(),
        };
        let topic = client.partition_client(&self.topic, partition, UnknownTopicHandling::Error).await?;
        let sent = topic.produce(vec![message], Compression::NoCompression).await?;
        let offset = sent.first().copied().unwrap_or_default();
        Ok(format!("{}/{partition}/{offset}", self.topic))
    }
}

#[async_trait]
impl Backend for Kafka {
    fn kind(&self) -> StorageKind {
        StorageKind::Kafka
    }

    async fn copies(&self, _: &Record) -> Result<Vec<StoredCopy>, StorageError> {
        Ok(Vec::new())
    }

    async fn put(&self, record: &Record) -> Result<String, StorageError> {
        let request = format!("writing to topic {}", self.topic);
        // The client itself tries for ever where a broker is away.
        match tokio::time::timeout(ANSWER_TIME, self.send(record)).await {
            Ok(Ok(place)) => Ok(place),
            Ok(Err(error)) => {
                *self.open.lock().await = None;
                let words = plain(&error.to_string());
                Err(match error {
                    Error::ServerError { .. } | Error::InvalidResponse(_) => {
                        StorageError::Refused { storage: NAME, request, reason: words }
                    }
                    _ => StorageError::Unavailable { storage: NAME, request, cause: words },
                })
            }
            Err(_) => {
                let cause = format!("no answer within {} s", ANSWER_TIME.as_secs());
                Err(StorageError::Unavailable { storage: NAME, request, cause })
            }
        }
    }
}
