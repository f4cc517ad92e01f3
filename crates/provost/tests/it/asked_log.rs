//! Log entries that are stored nowhere: which logs are asked for them, and what their answers are worth.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use testkit::services::Services;

use crate::context::{Context, Registry, Told};

const RETRIEVE: &str = "POST /api/v1/log/entries/retrieve";

/// An image whose signature and attestation are in a log, and lie beside it without the log's answer.
struct Scene {
    context: Context,
    _registry: Registry,
    services: Services,
    image: String,
}

impl Scene {
    fn new() -> Self {
        let context = Context::new();
        let registry = context.registry();
        let services = Services::start(jiff::Timestamp::now().as_second()).unwrap();
        context.write("root.json", &services.authority().trusted_root().to_string());
        context.write("app/Dockerfile", "FROM scratch\nCOPY hello /hello\n");
        context.write("app/hello", "hello\n");
        context.write("p.json", r#"{"builder":{"id":"b"}}"#);
        for prefix in ["cosign", "other"] {
            assert_eq!(context.run(&["generate-key-pair", "--output-key-prefix", prefix]).exit, 0);
        }
        let tag = format!("{}/demo/app:v1", registry.address);
        let image = context.run(&["image", "build", "--tag", &tag, "app"]).stdout.trim().to_owned();
        let attest =
            ["attest", "--key", "cosign.key", "--type", "slsaprovenance", "--predicate", "p.json", &image];
        for arguments in [
            ["sign", "--key", "cosign.key", &image].as_slice(),
            &attest,
            &["sign-blob", "--key", "cosign.key", "--output-signature", "p.sig", "p.json"],
        ] {
            assert_eq!(context.run(arguments).exit, 0);
        }
        let scene = Self { context, _registry: registry, services, image };
        scene.enter();
        scene
    }

    /// Enters all that was signed into the log, as `sign` and `attest` would have.
    fn enter(&self) {
        let read = |name: &str| std::fs::read_to_string(self.context.folder().join(name)).unwrap();
        let line = self.context.run(&["download", "signature", &self.image]).stdout;
        let signature: Value = serde_json::from_str(line.trim()).unwrap();
        let payload = STANDARD.decode(signature["Payload"].as_str().unwrap()).unwrap();
        self.enter_message(&payload, signature["Base64Signature"].as_str().unwrap());
        self.enter_message(read("p.json").as_bytes(), read("p.sig").trim());
        assert_eq!(self.context.run(&["save", "--dir", "saved", &self.image]).exit, 0);
        for blob in std::fs::read_dir(self.context.folder().join("saved/blobs/sha256")).unwrap() {
            let text = std::fs::read_to_string(blob.unwrap().path()).unwrap_or_default();
            if text.starts_with(r#"{"payload":"#) {
                self.context.write("envelope.json", &text);
            }
        }
        let proposed = json!({"envelope": read("envelope.json"), "verifiers": [self.key()]});
        post(
            &self.services.url(),
            &json!({"apiVersion": "0.0.1", "kind": "dsse", "spec": {"proposedContent": proposed}}),
        );
    }

    fn key(&self) -> String {
        STANDARD.encode(std::fs::read(self.context.folder().join("cosign.pub")).unwrap())
    }

    fn enter_message(&self, message: &[u8], signature: &str) {
        let hash = json!({"algorithm": "sha256", "value": provost_oci::Digest::sha256_of(message).hex()});
        let signature = json!({"content": signature, "publicKey": {"content": self.key()}});
        let spec = json!({"data": {"hash": hash}, "signature": signature});
        post(&self.services.url(), &json!({"apiVersion": "0.0.1", "kind": "hashedrekord", "spec": spec}));
    }

    /// With a log required.
    fn run(&self, arguments: &[&str]) -> Told {
        let mut command = self.context.command();
        command.env_remove("COSIGN_TLOG_UPLOAD").env_remove("COSIGN_PRIVATE_INFRASTRUCTURE");
        Told::of(&command.args(arguments).output().unwrap())
    }

    /// Verifies the image's signature and its attestation.
    fn verify(&self, more: &[&str]) -> [Told; 2] {
        let root = ["--trusted-root", "root.json"];
        [
            self.run(&[&["verify"], root.as_slice(), more, &[&self.image]].concat()),
            self.run(
                &[&["verify-attestation", "--type", "slsaprovenance"], root.as_slice(), more, &[&self.image]]
                    .concat(),
            ),
        ]
    }

    fn asked(&self) -> usize {
        self.services.asked().iter().filter(|line| *line == RETRIEVE).count()
    }
}

/// Whether all ended so, and said this.
fn said(told: &[Told], exits: [i32; 2], words: &str) {
    for (told, exit) in told.iter().zip(exits) {
        assert_eq!((told.exit, told.stderr.contains(words)), (exit, true), "{words}: {told:?}");
    }
}

#[test]
fn an_entry_that_is_stored_nowhere_is_found_in_the_log() {
    let scene = Scene::new();
    let url = scene.services.url();
    let told = scene.verify(&["--key", "cosign.pub", "--rekor-url", &url]);
    said(&told, [0, 0], "  - The claims were present in the transparency log\n");
    assert_eq!(scene.asked(), 2);
    let offline = scene.verify(&["--key", "cosign.pub", "--rekor-url", &url, "--offline"]);
    said(&offline, [12, 1], "offline verification failed");
    assert_eq!(scene.asked(), 2, "offline asks nobody");
}

#[test]
fn a_log_is_asked_about_what_a_trusted_key_signed_and_nothing_else() {
    let scene = Scene::new();
    let url = scene.services.url();
    let told = scene.verify(&["--key", "other.pub", "--rekor-url", &url]);
    said(&told[..1], [12, 0], "invalid signature when validating ASN.1 encoded signature");
    said(&told[1..], [1, 0], "accepted signatures do not match threshold, Found: 0, Expected 1");
    assert_eq!(scene.asked(), 0);
}

#[test]
fn a_log_without_the_entry_is_no_and_one_that_does_not_answer_is_neither() {
    let scene = Scene::new();
    let other = Services::start(jiff::Timestamp::now().as_second()).unwrap();
    let told = scene.verify(&["--key", "cosign.pub", "--rekor-url", &other.url()]);
    said(&told, [12, 1], "signature not found in transparency log");
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let url = format!("http://{closed}");
    let told = scene.verify(&["--key", "cosign.pub", "--rekor-url", &url]);
    let words = format!(
        "searching log query: Post \"{url}/api/v1/log/entries/retrieve\": dial tcp {closed}: connect: connection refused"
    );
    said(&told, [1, 1], &words);
}

#[test]
fn what_another_log_says_widens_no_trust() {
    let scene = Scene::new();
    // Another log has both, and answers truly; but nobody trusts it.
    let mut scene = scene;
    let trusted =
        std::mem::replace(&mut scene.services, Services::start(jiff::Timestamp::now().as_second()).unwrap());
    scene.enter();
    let told = scene.verify(&["--key", "cosign.pub", "--rekor-url", &scene.services.url()]);
    said(&told, [12, 1], "error verifying bundle: ");
    assert_eq!(scene.asked(), 2);
    // The entry of another signature, truly of the trusted log, shown for ours under its own name.
    let entry = trusted.authority().log.append(
        br#"{"apiVersion":"0.0.1","kind":"hashedrekord","spec":{"data":{"hash":{"algorithm":"sha256","value":"00"}},"signature":{"content":"AA==","publicKey":{"content":"AA=="}}}}"#,
        jiff::Timestamp::now().as_second(),
    );
    let liar = answering(&json!([entry.for_api()]).to_string());
    let told = scene.verify(&["--key", "cosign.pub", "--rekor-url", &liar]);
    said(&told[..1], [12, 0], "no matching signatures: error verifying bundle");
    said(&told[1..], [1, 0], "no matching attestations: error verifying bundle");
    let many: Vec<Value> = vec![entry.for_api(); 33];
    let told = scene.verify(&["--key", "cosign.pub", "--rekor-url", &answering(&json!(many).to_string())]);
    said(&told, [1, 1], "the answer holds 33 entries, expected at most 32");
    let told = scene.verify(&["--key", "cosign.pub", "--rekor-url", &answering("<html>")]);
    said(&told, [1, 1], "searching log query: Rekor: ");
}

/// Enters a proposal into a log.
fn post(url: &str, entry: &Value) {
    let address = url.strip_prefix("http://").unwrap();
    let (mut stream, body) = (TcpStream::connect(address).unwrap(), entry.to_string());
    let head = format!(
        "POST /api/v1/log/entries HTTP/1.1\r\nHost: {address}\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(&[head.as_bytes(), body.as_bytes()].concat()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 201") || answer.starts_with("HTTP/1.1 409"), "{answer}");
}

/// A server that answers two requests with this.
fn answering(body: &str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let body = body.to_owned();
    std::thread::spawn(move || {
        for stream in listener.incoming().take(2) {
            let mut stream = stream.unwrap();
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            let mut length = 0;
            for line in reader.by_ref().lines().map(Result::unwrap).take_while(|line| !line.is_empty()) {
                if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                    length = value.trim().parse().unwrap();
                }
            }
            let mut asked = vec![0; length];
            reader.read_exact(&mut asked).unwrap();
            let head = format!(
                "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
                body.len()
            );
            stream.write_all(&[head.as_bytes(), body.as_bytes()].concat()).unwrap();
        }
    });
    url
}

#[test]
fn a_files_signature_is_looked_up_too() {
    let scene = Scene::new();
    let url = scene.services.url();
    scene.context.write("rekor.pub", &scene.services.authority().log.key.public_pem());
    let run = |more: &[&str]| {
        let mut command = scene.context.command();
        command.env_remove("COSIGN_PRIVATE_INFRASTRUCTURE").env("SIGSTORE_REKOR_PUBLIC_KEY", "rekor.pub");
        let with = ["verify-blob", "--key", "cosign.pub", "--signature", "p.sig", "--rekor-url", &url];
        Told::of(&command.args([with.as_slice(), more, &["p.json"]].concat()).output().unwrap())
    };
    let told = run(&[]);
    assert_eq!((told.exit, scene.asked()), (0, 1), "{told:?}");
    let offline = run(&["--offline"]);
    assert_eq!((offline.exit, scene.asked()), (1, 1), "{offline:?}");
    let mut command = scene.context.command();
    command.env_remove("COSIGN_PRIVATE_INFRASTRUCTURE").env("SIGSTORE_REKOR_PUBLIC_KEY", "rekor.pub");
    command.args(["verify-blob-attestation", "--key", "cosign.pub", "--signature", "envelope.json"]);
    command.args(["--type", "slsaprovenance", "--check-claims=false", "--rekor-url", &url]);
    let told = Told::of(&command.output().unwrap());
    assert_eq!((told.exit, scene.asked()), (0, 2), "{told:?}");
}

#[test]
fn a_bundle_is_made_with_the_entry_that_the_log_has() {
    let scene = Scene::new();
    let create = ["bundle", "create", "--artifact", "p.json", "--signature", "p.sig", "--key", "cosign.pub"];
    let with = ["--rekor-url", &scene.services.url(), "--out", "b.json"];
    let told = scene.run(&[create.as_slice(), &with].concat());
    assert_eq!((told.exit, scene.asked()), (0, 1), "{told:?}");
    let verify = ["verify-blob", "--key", "cosign.pub", "--bundle", "b.json", "--trusted-root", "root.json"];
    let told = scene.run(&[verify.as_slice(), &["p.json"]].concat());
    assert_eq!(told.exit, 0, "{told:?}");
    scene.context.write("p.sig", "AAAA");
    let told = scene.run(&[create.as_slice(), &with].concat());
    assert!(told.stderr.contains("signature not found in transparency log"), "{told:?}");
}
