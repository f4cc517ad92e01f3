//! Fulcio, Rekor (v1 and v2) and a timestamp authority on one loopback port, answering with a test's own [`Authority`].
//!
//! Nothing here checks anything: what is asked for is given.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use crate::authority::key::sha256;
use crate::authority::log::{hex, leaf_hash};
use crate::authority::{AltName, Authority, pem};

/// The longest request read: an attestation of a few hundred bytes, in base64 twice.
const REQUEST_LIMIT: u64 = 4 << 20;

/// The services, until dropped.
pub struct Services {
    address: SocketAddr,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    authority: Authority,
    /// The time they all give, in seconds since 1970.
    time: i64,
    asked: Mutex<Vec<String>>,
    /// Entries of Rekor v1 by their identity.
    entries: Mutex<BTreeMap<String, Value>>,
    stopped: Mutex<bool>,
    /// The first answer under each path, where they repeat themselves.
    first: Mutex<Option<BTreeMap<String, Answer>>>,
}

#[derive(Clone)]
struct Answer {
    status: &'static str,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
}

impl Services {
    /// Starts them on a free port.
    ///
    /// # Errors
    /// When no port can be had.
    pub fn start(time: i64) -> std::io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            authority: Authority::new(time),
            time,
            asked: Mutex::default(),
            entries: Mutex::default(),
            stopped: Mutex::new(false),
            first: Mutex::default(),
        });
        let inside = Arc::clone(&shared);
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if *inside.stopped.lock().unwrap_or_else(PoisonError::into_inner) {
                    return;
                }
                let _ = serve(stream, &inside);
            }
        });
        Ok(Self { address, shared, thread: Some(thread) })
    }

    /// The URL of Fulcio and Rekor.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The URL of the timestamp authority.
    #[must_use]
    pub fn timestamp_url(&self) -> String {
        format!("http://{}/api/v1/timestamp", self.address)
    }

    /// From now on each says once more what it said first, whatever it is asked.
    pub fn repeat_first_answers(&self) {
        *self.shared.first.lock().unwrap_or_else(PoisonError::into_inner) = Some(BTreeMap::new());
    }

    /// What they answer with.
    #[must_use]
    pub fn authority(&self) -> &Authority {
        &self.shared.authority
    }

    /// What they were asked, as method and path, in order.
    #[must_use]
    pub fn asked(&self) -> Vec<String> {
        self.shared.asked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// A signing configuration that names them; `rekor` is the log's version.
    #[must_use]
    pub fn signing_config(&self, rekor: u32, timestamps: bool) -> Value {
        let service = |url: String, version: u32| {
            json!({
                "url": url,
                "majorApiVersion": version,
                "validFor": {"start": "2020-01-01T00:00:00Z"},
                "operator": "test",
            })
        };
        let mut config = json!({
            "mediaType": "application/vnd.dev.sigstore.signingconfig.v0.2+json",
            "caUrls": [service(self.url(), 1)],
            "oidcUrls": [service(self.url(), 1)],
            "rekorTlogUrls": [service(self.url(), rekor)],
            "rekorTlogConfig": {"selector": "ANY"},
            "tsaConfig": {"selector": "ANY"},
        });
        if timestamps && let Some(fields) = config.as_object_mut() {
            fields.insert("tsaUrls".to_owned(), json!([service(self.timestamp_url(), 1)]));
        }
        config
    }
}

impl Drop for Services {
    fn drop(&mut self) {
        *self.shared.stopped.lock().unwrap_or_else(PoisonError::into_inner) = true;
        // A last connection wakes the thread, which then sees that it is over.
        let _ = TcpStream::connect(self.address);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// An identity token about this e-mail address; its signature is nobody's.
#[must_use]
pub fn token(email: &str) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let claims = json!({"iss": "https://issuer.test", "sub": "s", "email": email, "email_verified": true});
    format!("{}.{}.{}", part(&json!({"alg": "RS256"})), part(&claims), URL_SAFE_NO_PAD.encode("signature"))
}

fn serve(stream: TcpStream, shared: &Shared) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?.take(REQUEST_LIMIT));
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let mut words = line.split_whitespace();
    let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let (mut length, mut bearer) = (0, String::new());
    loop {
        let mut header = String::new();
        if reader.read_line(&mut header)? == 0 || header.trim().is_empty() {
            break;
        }
        let (name, value) = header.split_once(':').unwrap_or_default();
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.trim().parse().unwrap_or_default(),
            "authorization" => value.trim().trim_start_matches("Bearer ").clone_into(&mut bearer),
            _ => {}
        }
    }
    let mut body = Vec::new();
    reader.take(length).read_to_end(&mut body)?;
    shared.asked.lock().unwrap_or_else(PoisonError::into_inner).push(format!("{method} {path}"));
    let document = serde_json::from_slice(&body).unwrap_or_default();
    let answer = match (method, path) {
        ("POST", "/api/v2/signingCert") => fulcio(&document, &bearer, shared),
        ("POST", "/api/v1/log/entries") => rekor_v1(&document, shared),
        ("POST", "/api/v1/log/entries/retrieve") => retrieved(&document, shared),
        ("POST", "/api/v2/log/entries") => rekor_v2(&document, shared),
        ("POST", "/api/v1/timestamp") => {
            shared.authority.timestamps.answer(&body, shared.time).map(|body| plain("201 Created", body))
        }
        ("GET", path) => {
            let name = path.rsplit('/').next().unwrap_or_default();
            let entries = shared.entries.lock().unwrap_or_else(PoisonError::into_inner);
            entries.get(name).map(|entry| plain("200 OK", entry.to_string().into_bytes()))
        }
        _ => None,
    };
    let answer = answer
        .unwrap_or_else(|| plain("400 Bad Request", br#"{"code":400,"message":"not understood"}"#.to_vec()));
    let answer = match &mut *shared.first.lock().unwrap_or_else(PoisonError::into_inner) {
        Some(first) => first.entry(path.to_owned()).or_insert(answer).clone(),
        None => answer,
    };
    let mut stream = stream;
    write!(
        stream,
        "HTTP/1.1 {}\r\nConnection: close\r\nContent-Length: {}\r\n",
        answer.status,
        answer.body.len()
    )?;
    for (name, value) in &answer.headers {
        write!(stream, "{name}: {value}\r\n")?;
    }
    stream.write_all(b"\r\n")?;
    stream.write_all(&answer.body)
}

fn plain(status: &'static str, body: Vec<u8>) -> Answer {
    Answer { status, headers: Vec::new(), body }
}

fn text<'a>(document: &'a Value, path: &str) -> Option<&'a str> {
    document.pointer(path).and_then(Value::as_str)
}

/// A certificate of the token's address and the request's key.
fn fulcio(request: &Value, bearer: &str, shared: &Shared) -> Option<Answer> {
    let claims = URL_SAFE_NO_PAD.decode(bearer.split('.').nth(1)?).ok()?;
    let claims: Value = serde_json::from_slice(&claims).ok()?;
    let email = text(&claims, "/email")?.to_owned();
    let key: String = text(request, "/publicKeyRequest/publicKey/content")?
        .lines()
        .filter(|line| !line.starts_with("-----"))
        .collect();
    let authority = &shared.authority;
    let spec = authority.spec(AltName::Email(email), "https://issuer.test", shared.time);
    let leaf = authority.issue(&spec, &STANDARD.decode(key).ok()?);
    let certificates = [
        pem("CERTIFICATE", &leaf),
        pem("CERTIFICATE", &authority.intermediate.certificate),
        pem("CERTIFICATE", &authority.root.certificate),
    ];
    let answer = json!({"signedCertificateEmbeddedSct": {"chain": {"certificates": certificates}}});
    Some(plain("200 OK", answer.to_string().into_bytes()))
}

/// The entry a proposal becomes, canonical JSON, as Rekor v1 hashes it.
fn entered(request: &Value) -> Option<Vec<u8>> {
    let entry = match text(request, "/kind")? {
        "hashedrekord" => request.clone(),
        "dsse" => {
            let envelope = text(request, "/spec/proposedContent/envelope")?;
            let verifier = text(request, "/spec/proposedContent/verifiers/0")?;
            let document: Value = serde_json::from_str(envelope).ok()?;
            let payload = STANDARD.decode(text(&document, "/payload")?).ok()?;
            let hash = |bytes: &[u8]| json!({"algorithm": "sha256", "value": hex(&sha256(bytes))});
            json!({"apiVersion": "0.0.1", "kind": "dsse", "spec": {
                "envelopeHash": hash(envelope.as_bytes()),
                "payloadHash": hash(&payload),
                "signatures": [{"signature": text(&document, "/signatures/0/sig")?, "verifier": verifier}],
            }})
        }
        _ => return None,
    };
    // serde_json's objects are sorted, which is what canonical means for these.
    Some(entry.to_string().into_bytes())
}

/// The entries there are of those proposed.
fn retrieved(request: &Value, shared: &Shared) -> Option<Answer> {
    let proposed = request.get("entries")?.as_array()?;
    let entries = shared.entries.lock().unwrap_or_else(PoisonError::into_inner);
    let there = |one: &Value| entries.get(&hex(&leaf_hash(&entered(one)?))).cloned();
    let found: Vec<Value> = proposed.iter().filter_map(there).collect();
    Some(plain("200 OK", Value::Array(found).to_string().into_bytes()))
}

/// Takes an entry in, in the form Rekor v1 hashes.
fn rekor_v1(request: &Value, shared: &Shared) -> Option<Answer> {
    let body = entered(request)?;
    let name = hex(&leaf_hash(&body));
    let mut entries = shared.entries.lock().unwrap_or_else(PoisonError::into_inner);
    if entries.contains_key(&name) {
        let place = format!("/api/v1/log/entries/{name}");
        return Some(Answer {
            status: "409 Conflict",
            headers: vec![("Location", place)],
            body: br#"{"code":409,"message":"an equivalent entry already exists"}"#.to_vec(),
        });
    }
    let answer = shared.authority.log.append(&body, shared.time).for_api();
    entries.insert(name.clone(), answer.clone());
    // Rekor names the entry without the quotes that HTTP has around such names.
    let headers = vec![("ETag", name), ("Content-Type", "application/json".to_owned())];
    Some(Answer { status: "201 Created", headers, body: answer.to_string().into_bytes() })
}

/// Takes an entry in, in the form Rekor v2 hashes.
fn rekor_v2(request: &Value, shared: &Shared) -> Option<Answer> {
    let asked = request.get("hashedRekordRequestV002")?;
    let verifier = asked.pointer("/signature/verifier")?;
    let algorithm = match text(verifier, "/keyDetails")? {
        "PKIX_ECDSA_P384_SHA_384" => "SHA2_384",
        "PKIX_ECDSA_P521_SHA_512" | "PKIX_ED25519_PH" => "SHA2_512",
        _ => "SHA2_256",
    };
    let entry = json!({"apiVersion": "0.0.2", "kind": "hashedrekord", "spec": {"hashedRekordV002": {
        "data": {"algorithm": algorithm, "digest": text(asked, "/digest")?},
        "signature": {"content": text(asked, "/signature/content")?, "verifier": verifier},
    }}});
    let logged = shared.authority.log.append(entry.to_string().as_bytes(), shared.time);
    let answer = logged.for_bundle_v2("hashedrekord", "0.0.2");
    Some(plain("201 Created", answer.to_string().into_bytes()))
}
