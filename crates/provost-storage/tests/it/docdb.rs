//! MongoDB, by its wire protocol: hello, find and update over OP_MSG.

use std::sync::{Arc, Mutex};

use mongodb::bson::{Bson, Document, doc};
use provost_storage::{Backend, StorageError, StorageKind};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::scene::{attestation, is_unavailable, opened, signature};

const OP_REPLY: i32 = 1;
const OP_QUERY: i32 = 2004;
const OP_MSG: i32 = 2013;

/// A server with one collection, which keeps each document once for each `_id`.
#[derive(Clone, Default)]
struct Mongo {
    documents: Arc<Mutex<Vec<Document>>>,
    updates: Arc<Mutex<usize>>,
}

impl Mongo {
    async fn start(&self) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mongo = self.clone();
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                tokio::spawn(mongo.clone().serve(stream));
            }
        });
        format!("mongodb://{address}/?directConnection=true")
    }

    async fn serve(self, mut stream: TcpStream) {
        loop {
            let mut head = [0; 16];
            if stream.read_exact(&mut head).await.is_err() {
                return;
            }
            let word = |at: usize| i32::from_le_bytes(head[at..at + 4].try_into().unwrap());
            let mut body = vec![0; usize::try_from(word(0)).unwrap() - 16];
            stream.read_exact(&mut body).await.unwrap();
            let (id, kind) = (word(4), word(12));
            let answer = match kind {
                OP_QUERY => Self::hello(),
                OP_MSG => self.answer(&body),
                other => panic!("operation {other}"),
            };
            let mut bytes = Vec::new();
            let (kind, lead) = match kind {
                // flags, cursor, start, one document
                OP_QUERY => (OP_REPLY, [[0; 16].as_slice(), 1_i32.to_le_bytes().as_slice()].concat()),
                // flags, section of kind 0
                _ => (OP_MSG, vec![0; 5]),
            };
            answer.to_writer(&mut bytes).unwrap();
            let length = i32::try_from(16 + lead.len() + bytes.len()).unwrap();
            let mut head = Vec::new();
            for word in [length, 1, id, kind] {
                head.extend_from_slice(&word.to_le_bytes());
            }
            stream.write_all(&[head, lead, bytes].concat()).await.unwrap();
        }
    }

    fn hello() -> Document {
        doc! {
            "ismaster": true, "isWritablePrimary": true, "helloOk": true, "maxBsonObjectSize": 16_777_216_i32,
            "maxMessageSizeBytes": 48_000_000_i32, "maxWriteBatchSize": 100_000_i32, "minWireVersion": 0_i32,
            "maxWireVersion": 21_i32, "readOnly": false, "ok": 1.0,
        }
    }

    fn answer(&self, body: &[u8]) -> Document {
        // flags, then sections: a document, or a named list of documents.
        let mut rest = &body[4..];
        let mut command = Document::new();
        while let Some((kind, after)) = rest.split_first() {
            let length = usize::try_from(i32::from_le_bytes(after[..4].try_into().unwrap())).unwrap();
            let (section, next) = after.split_at(length);
            match kind {
                0 => command.extend(Document::from_reader(section).unwrap()),
                _ => {
                    let end = section[4..].iter().position(|byte| *byte == 0).unwrap() + 4;
                    let name = String::from_utf8(section[4..end].to_vec()).unwrap();
                    let (mut list, mut left) = (Vec::new(), &section[end + 1..]);
                    while !left.is_empty() {
                        let size =
                            usize::try_from(i32::from_le_bytes(left[..4].try_into().unwrap())).unwrap();
                        list.push(Bson::Document(Document::from_reader(&left[..size]).unwrap()));
                        left = &left[size..];
                    }
                    command.insert(name, list);
                }
            }
            rest = next;
        }
        if command.contains_key("find") {
            let id = command.get_document("filter").unwrap().get_str("_id").unwrap();
            let documents = self.documents.lock().unwrap();
            let found: Vec<Bson> = documents
                .iter()
                .filter(|one| one.get_str("_id").is_ok_and(|known| known == id))
                .map(|one| Bson::Document(one.clone()))
                .collect();
            let name = format!("{}.{}", command.get_str("$db").unwrap(), command.get_str("find").unwrap());
            return doc! {"cursor": {"firstBatch": found, "id": 0_i64, "ns": name}, "ok": 1.0};
        }
        if command.contains_key("update") {
            *self.updates.lock().unwrap() += 1;
            let update = command.get_array("updates").unwrap()[0].as_document().unwrap().clone();
            assert!(update.get_bool("upsert").unwrap());
            let document = update.get_document("u").unwrap().clone();
            let id = update.get_document("q").unwrap().get_str("_id").unwrap();
            let mut documents = self.documents.lock().unwrap();
            documents.retain(|one| one.get_str("_id").is_ok_and(|known| known != id));
            documents.push(document);
            return doc! {"n": 1_i32, "nModified": 1_i32, "ok": 1.0};
        }
        Self::hello()
    }
}

fn at(server: &str) -> Arc<dyn Backend> {
    let settings = [
        ("storage.docdb.url", "mongo://chains/signed?id_field=Name"),
        ("storage.docdb.mongo-server-url", server),
    ];
    opened(StorageKind::DocDb, &settings, &[]).unwrap()
}

#[tokio::test]
async fn a_document_is_that_of_chains_and_lies_there_once() {
    let mongo = Mongo::default();
    let backend = at(&mongo.start().await);
    let record = attestation();
    assert_eq!(backend.copies(&record).await.unwrap(), []);
    for _ in 0..2 {
        assert_eq!(backend.put(&record).await.unwrap(), "taskrun-u1");
    }
    backend.put(&signature()).await.unwrap();
    let copies = backend.copies(&record).await.unwrap();
    assert_eq!((&copies[0].payload, &copies[0].signature), (&record.payload, &record.signature));
    assert_eq!(backend.copies(&signature()).await.unwrap()[0].signature, signature().signature);
    let documents = mongo.documents.lock().unwrap();
    assert_eq!((documents.len(), *mongo.updates.lock().unwrap()), (2, 3));
    let mut fields: Vec<&str> = documents[0].keys().map(String::as_str).collect();
    fields.sort_unstable();
    assert_eq!(fields, ["Cert", "Chain", "Object", "Signature", "Signed", "_id"]);
    let object = documents[0].get_document("Object").unwrap();
    assert_eq!(object.get_str("predicateType").unwrap(), "https://slsa.dev/provenance/v0.2");
}

#[tokio::test]
async fn a_document_of_another_shape_counts_for_nothing() {
    let mongo = Mongo::default();
    let backend = at(&mongo.start().await);
    for odd in [doc! {}, doc! {"Signed": "text"}, doc! {"Signature": 1_i32}] {
        let mut odd = odd;
        odd.insert("_id", "taskrun-u1");
        *mongo.documents.lock().unwrap() = vec![odd];
        assert_eq!(backend.copies(&attestation()).await.unwrap(), []);
    }
}

#[tokio::test]
async fn the_server_of_a_file_is_read_for_each_record() {
    let (first, second) = (Mongo::default(), Mongo::default());
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("MONGO_SERVER_URL");
    let settings = [
        ("storage.docdb.url", "mongo://chains/signed?id_field=Name"),
        ("storage.docdb.mongo-server-url-dir", folder.path().to_str().unwrap()),
    ];
    let backend = opened(StorageKind::DocDb, &settings, &[]).unwrap();
    let error = backend.put(&attestation()).await.unwrap_err();
    assert!(matches!(error, StorageError::Setting { .. }), "{error}");
    for mongo in [&first, &second] {
        std::fs::write(&file, format!("{}\n", mongo.start().await)).unwrap();
        backend.put(&attestation()).await.unwrap();
    }
    assert_eq!((first.documents.lock().unwrap().len(), second.documents.lock().unwrap().len()), (1, 1));
}

#[tokio::test]
async fn a_server_that_is_away_is_unavailable_and_its_password_is_not_told() {
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let backend =
        at(&format!("mongodb://u:s3cret@{nobody}/?directConnection=true&serverSelectionTimeoutMS=200"));
    let error = backend.copies(&attestation()).await.unwrap_err();
    assert!(is_unavailable(&error), "{error}");
    assert!(!error.to_string().contains("s3cret") && !format!("{backend:?}").contains("s3cret"));
    let error = at("mongodb+nothing://u:s3cret@h").copies(&attestation()).await.unwrap_err();
    assert!(!error.to_string().contains("s3cret"), "{error}");
}

#[test]
fn addresses_that_would_store_again_and_again_are_refused() {
    for (url, why) in [
        ("mongo://chains/signed", "must end in ?id_field=Name"),
        ("mongo://chains/signed?id_field=_id", "must end in ?id_field=Name"),
        ("mongo://chains?id_field=Name", "names no collection"),
        ("mongo:///signed?id_field=Name", "names no database"),
        ("firestore://projects/p", "the only one that is supported"),
        ("mongo://chains/signed?id_field=Name&x=y", "a parameter besides id_field"),
    ] {
        let settings = [("storage.docdb.url", url), ("storage.docdb.mongo-server-url", "mongodb://h")];
        let error = opened(StorageKind::DocDb, &settings, &[]).unwrap_err();
        assert!(error.to_string().contains(why), "{error}");
    }
}

#[tokio::test]
async fn what_no_document_holds_is_not_sent() {
    let mut record = attestation();
    record.payload = vec![b' '; 3 * 1024 * 1024 + 1];
    let error = at("mongodb://127.0.0.1:1").put(&record).await.unwrap_err();
    assert!(matches!(error, StorageError::Unplaceable { .. }), "{error}");
}
