//! Kafka, by its wire protocol: a broker that is the leader of a topic with three partitions.

use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use provost_storage::{Backend, StorageError, StorageKind};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::scene::{attestation, opened};

const PRODUCE: i16 = 0;
const METADATA: i16 = 3;
const API_VERSIONS: i16 = 18;

/// What was sent: the partition, and the batch as it stood on the wire.
type Sent = Arc<Mutex<Vec<(i32, Vec<u8>)>>>;

fn text(word: &str) -> Vec<u8> {
    [i16::try_from(word.len()).unwrap().to_be_bytes().as_slice(), word.as_bytes()].concat()
}

/// A broker that answers every message with this error; 0 is none.
async fn broker(sent: Sent, error: i16) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            tokio::spawn(serve(stream, address.port(), sent.clone(), error));
        }
    });
    address.to_string()
}

async fn serve(mut stream: TcpStream, port: u16, sent: Sent, error: i16) {
    loop {
        let Ok(length) = stream.read_i32().await else { return };
        let mut bytes = vec![0; usize::try_from(length).unwrap()];
        stream.read_exact(&mut bytes).await.unwrap();
        let short = |at: usize| i16::from_be_bytes(bytes[at..at + 2].try_into().unwrap());
        let mut answer = bytes[4..8].to_vec();
        match short(0) {
            // Versions above 0 are answered in version 0 with "unsupported", as brokers do.
            API_VERSIONS => {
                let refused: i16 = if short(2) > 0 { 35 } else { 0 };
                answer.extend(refused.to_be_bytes());
                answer.extend(3_i32.to_be_bytes());
                for (api, low, high) in [(PRODUCE, 3_i16, 3_i16), (METADATA, 1, 1), (API_VERSIONS, 0, 0)] {
                    for word in [api, low, high] {
                        answer.extend(word.to_be_bytes());
                    }
                }
            }
            METADATA => answer.extend(metadata(port)),
            PRODUCE => {
                let (partition, batch) = produced(&bytes);
                sent.lock().unwrap().push((partition, batch));
                answer.extend(1_i32.to_be_bytes());
                answer.extend(text("chains"));
                answer.extend(1_i32.to_be_bytes());
                answer.extend(partition.to_be_bytes());
                answer.extend(error.to_be_bytes());
                answer.extend(7_i64.to_be_bytes());
                answer.extend((-1_i64).to_be_bytes());
                answer.extend(0_i32.to_be_bytes());
            }
            other => panic!("request {other}"),
        }
        stream.write_i32(i32::try_from(answer.len()).unwrap()).await.unwrap();
        stream.write_all(&answer).await.unwrap();
    }
}

/// One broker, one topic `chains` with three partitions.
fn metadata(port: u16) -> Vec<u8> {
    let mut out = 1_i32.to_be_bytes().to_vec();
    out.extend(1_i32.to_be_bytes());
    out.extend(text("127.0.0.1"));
    out.extend(i32::from(port).to_be_bytes());
    out.extend((-1_i16).to_be_bytes());
    out.extend(1_i32.to_be_bytes());
    out.extend(1_i32.to_be_bytes());
    out.extend(0_i16.to_be_bytes());
    out.extend(text("chains"));
    out.push(0);
    out.extend(3_i32.to_be_bytes());
    for partition in 0..3_i32 {
        out.extend(0_i16.to_be_bytes());
        out.extend(partition.to_be_bytes());
        out.extend(1_i32.to_be_bytes());
        for _ in 0..2 {
            out.extend(1_i32.to_be_bytes());
            out.extend(1_i32.to_be_bytes());
        }
    }
    out
}

/// Partition and batch of a produce request of version 3 with one topic and one partition.
fn produced(bytes: &[u8]) -> (i32, Vec<u8>) {
    let long = |at: usize| i32::from_be_bytes(bytes[at..at + 4].try_into().unwrap());
    let client = usize::try_from(i16::from_be_bytes(bytes[8..10].try_into().unwrap())).unwrap();
    // client, no transaction, acks, timeout, one topic, its name, one partition
    let at = 10 + client + 2 + 2 + 4 + 4 + 2 + "chains".len() + 4;
    let length = usize::try_from(long(at + 4)).unwrap();
    (long(at), bytes[at + 8..at + 8 + length].to_vec())
}

fn holds(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

fn at(server: &str, topic: &str) -> Arc<dyn Backend> {
    let settings = [
        ("storage.pubsub.provider", "kafka"),
        ("storage.pubsub.topic", topic),
        ("storage.pubsub.kafka.bootstrap.servers", server),
    ];
    opened(StorageKind::Kafka, &settings, &[]).unwrap()
}

#[tokio::test]
async fn a_message_is_that_of_chains_with_a_key() {
    let sent = Sent::default();
    let backend = at(&broker(sent.clone(), 0).await, "chains");
    let record = attestation();
    let first = backend.put(&record).await.unwrap();
    assert_eq!(backend.put(&record).await.unwrap(), first, "a repetition goes to the same partition");
    let sent = sent.lock().unwrap();
    assert_eq!(first, format!("chains/{}/7", sent[0].0));
    assert_eq!((sent.len(), sent[0].0), (2, sent[1].0));
    let payload = hex::encode(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &record.payload));
    for part in [
        format!("u1/sha256:{payload}").as_bytes(),
        record.signature.as_slice(),
        STANDARD.encode(&record.payload).as_bytes(),
        b"payload",
        b"signature",
    ] {
        assert!(holds(&sent[0].1, part), "{}", String::from_utf8_lossy(part));
    }
    assert_eq!(backend.copies(&record).await.unwrap(), [], "a topic cannot be asked");
}

#[tokio::test]
async fn a_topic_that_is_not_there_or_takes_no_message_is_a_refusal() {
    let sent = Sent::default();
    let error = at(&broker(sent.clone(), 0).await, "other").put(&attestation()).await.unwrap_err();
    assert!(matches!(error, StorageError::Refused { .. }), "{error}");
    assert!(error.to_string().contains("there is no topic \"other\""), "{error}");
    assert!(sent.lock().unwrap().is_empty());
    // 29: not authorized.
    let error = at(&broker(sent, 29).await, "chains").put(&attestation()).await.unwrap_err();
    assert!(matches!(error, StorageError::Refused { .. }), "{error}");
}

#[test]
fn a_provider_that_keeps_nothing_is_refused() {
    let settings = [("storage.pubsub.provider", "inmemory"), ("storage.pubsub.topic", "t")];
    let error = opened(StorageKind::Kafka, &settings, &[]).unwrap_err();
    assert!(error.to_string().contains("\"inmemory\" keeps nothing"), "{error}");
}
