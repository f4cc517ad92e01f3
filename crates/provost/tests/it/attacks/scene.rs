//! A case brought to life: keys, an image with what lies beside it, and the commands run against that.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::process::{Command, Output, Stdio};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE};
use jiff::{SignedDuration, Timestamp};
use provost_keys::{Hash, PrivateKey};
use provost_oci::Digest;
use serde_json::{Value, json};

use super::by_gate;
use super::case::{
    Alter, Attestation, Beside, Case, Encoding, Lie, Over, Part, Referrers, Run, Seal, Signature, Text,
};
use super::hostile::{Answer, Hostile, World, fits};
use super::keyless::Sigstore;
use super::transport;
use crate::context::Context;

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const BUNDLE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";
const IN_TOTO: &str = "application/vnd.in-toto+json";
const PROVENANCE: &str = "https://slsa.dev/provenance/v0.2";
const SEALED: &str = "dev.cosignproject.cosign/signature";
/// The order of P-256.
const ORDER: [u8; 32] = [
    0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc, 0xe6, 0xfa,
    0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
];
/// The keys that users trust here by their `.pub`; `mallory` is trusted by nobody.
const KEYS: [&str; 6] = ["alice", "p384", "p521", "ed25519", "rsa2048", "mallory"];

/// A key of corpus/keys, decrypted once, or mallory's, made anew.
fn key(name: &str) -> Arc<PrivateKey> {
    static KNOWN: OnceLock<Mutex<BTreeMap<String, Arc<PrivateKey>>>> = OnceLock::new();
    let mut known = KNOWN.get_or_init(Mutex::default).lock().unwrap();
    let made = known.entry(name.to_owned()).or_insert_with(|| {
        Arc::new(if name == "mallory" {
            PrivateKey::generate().unwrap()
        } else {
            let path = format!("{}/../../corpus/keys/{name}.key", env!("CARGO_MANIFEST_DIR"));
            PrivateKey::from_encrypted_pem(&std::fs::read(path).unwrap(), b"pw").unwrap()
        })
    });
    Arc::clone(made)
}

/// What stands for what in the texts of a case.
#[derive(Default)]
pub(super) struct Names(BTreeMap<String, String>);

impl Names {
    fn set(&mut self, name: &str, value: impl Into<String>) {
        self.0.insert(name.to_owned(), value.into());
    }

    fn object(&mut self, name: &str, digest: &str, size: usize) {
        self.set(&format!("digest.{name}"), digest);
        self.set(&format!("hex.{name}"), digest.trim_start_matches("sha256:"));
        self.set(&format!("size.{name}"), size.to_string());
    }

    pub(super) fn fill(&self, text: &str) -> String {
        let mut pieces = text.split("${");
        let mut filled = pieces.next().unwrap_or_default().to_owned();
        for piece in pieces {
            let (name, rest) = piece.split_once('}').unwrap_or_else(|| panic!("${{{piece} has no end"));
            filled.push_str(self.0.get(name).unwrap_or_else(|| panic!("nothing is called ${{{name}}}")));
            filled.push_str(rest);
        }
        filled
    }

    pub(super) fn bytes(&self, text: &Text) -> Vec<u8> {
        match text {
            Text::Plain(text) => self.fill(text).into_bytes(),
            Text::Json { json } => self.fill(&json.to_string()).into_bytes(),
            Text::Parts(parts) => parts.iter().flat_map(|part| self.part(part)).collect(),
        }
    }

    fn part(&self, part: &Part) -> Vec<u8> {
        match part {
            Part::Plain(text) => self.fill(text).into_bytes(),
            Part::Repeat { text, times } => self.fill(text).repeat(*times).into_bytes(),
            Part::Hex { hex } => {
                let digits: Vec<u8> =
                    hex.bytes().map(|byte| (byte as char).to_digit(16).unwrap() as u8).collect();
                digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
            }
            Part::Base64 { base64 } => STANDARD.encode(self.fill(base64)).into_bytes(),
        }
    }
}

/// Runs every command of a case; what does not hold, one a line.
pub(crate) fn play(case: &Case) -> Vec<String> {
    let context = Context::new();
    let tls = case.certificate.map(|certificate| {
        let (authority, tls) = transport::certified(certificate);
        context.write("ca.pem", &authority);
        tls
    });
    let (registry, other) = (Hostile::start(tls), Hostile::start(None));
    let mut names = Names::default();
    names.set("registry", registry.address.to_string());
    names.set("port", registry.address.port().to_string());
    names.set("other", other.address.to_string());
    for (name, hours) in [("now", 0), ("earlier", -2), ("later", 2)] {
        let time = Timestamp::now() + SignedDuration::from_hours(hours);
        names.set(name, time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string());
    }
    // Every key of the corpus, refused ones among them.
    for entry in std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../../corpus/keys")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "pub" || extension == "key") {
            std::fs::copy(&path, context.folder().join(path.file_name().unwrap())).unwrap();
        }
    }
    for name in KEYS {
        let public = key(name).public_key();
        context.write(&format!("{name}.pub"), &public.to_pem());
        names.set(&format!("keyid.{name}"), public.ssh_fingerprint());
        // As a JSON text holds it.
        names.set(&format!("pem.{name}"), public.to_pem().replace('\n', "\\n"));
    }
    let sigstore = Sigstore::new();
    context.write("root.json", &sigstore.authority.trusted_root().to_string());
    furnish(case, &registry, &mut names, &sigstore, &context);
    registry.world.lock().unwrap().lies = case.lies.iter().map(|lie| made(lie, &names)).collect();
    let nothing = Lie::nothing();
    let answers = case.other.iter().chain([&nothing]).map(|lie| made(lie, &names)).collect();
    other.world.lock().unwrap().lies = answers;
    for (name, text) in &case.files {
        let path = context.folder().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, names.bytes(text)).unwrap();
    }
    let mut wrong = Vec::new();
    for run in &case.runs {
        if !by_gate::is_only_asked(run) {
            wrong.extend(perform(run, case, &context, &names, &registry, &other));
        }
        if by_gate::is_asked(run) {
            wrong.extend(by_gate::perform(run, &context, &names));
        }
    }
    wrong
}

/// Puts the image, the further objects and what lies beside them into the registry.
fn furnish(case: &Case, registry: &Hostile, names: &mut Names, sigstore: &Sigstore, context: &Context) {
    let mut world = registry.world.lock().unwrap_or_else(PoisonError::into_inner);
    world.has_referrers = case.referrers == Referrers::Api;
    let config =
        json!({"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": []}});
    let config = config.to_string().into_bytes();
    let layer = b"a layer".to_vec();
    let image = json!({
        "schemaVersion": 2, "mediaType": MANIFEST,
        "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "size": config.len(), "digest": Digest::sha256_of(&config).to_string()},
        "layers": [{"mediaType": "application/vnd.oci.image.layer.v1.tar+gzip", "size": layer.len(), "digest": Digest::sha256_of(&layer).to_string()}],
    });
    let image = image.to_string().into_bytes();
    world.put_blob(config);
    world.put_blob(layer);
    let size = image.len();
    let digest = world.put_manifest("demo/app", &["v1".to_owned()], MANIFEST, image);
    names.object("image", &digest, size);
    names.set("image", format!("{}/demo/app@{digest}", registry.address));
    names.set("tag", format!("{}/demo/app:v1", registry.address));
    names.set("scheme", digest.replace(':', "-"));
    for object in &case.objects {
        let bytes = names.bytes(&object.content);
        let size = bytes.len();
        let digest = match &object.kind {
            Some(kind) => {
                let tags: Vec<String> = object.tags.iter().map(|tag| names.fill(tag)).collect();
                world.put_manifest(&object.repository, &tags, kind, bytes)
            }
            None => world.put_blob(bytes),
        };
        names.object(&object.name, &digest, size);
    }
    // The layers of each tag of the tag scheme, with their bytes.
    let mut layers: BTreeMap<String, Vec<(Value, Vec<u8>)>> = BTreeMap::new();
    for (place, beside) in case.beside.iter().enumerate() {
        match beside {
            Beside::Attestation(attestation) => {
                let of = names.0[&format!("digest.{}", attestation.of.as_deref().unwrap_or("image"))].clone();
                for _ in 0..attestation.times.unwrap_or(1) {
                    let envelope = envelope(attestation, names, &of);
                    if attestation.bundle || attestation.bundle_text.is_some() {
                        let bundle = match &attestation.bundle_text {
                            Some(text) => names.bytes(text),
                            None => bundle(&envelope, &sealing_key(attestation)),
                        };
                        let annotations = attestation.annotations.clone().unwrap_or_else(|| {
                            BTreeMap::from([
                                ("dev.sigstore.bundle.content".to_owned(), "dsse-envelope".to_owned()),
                                (
                                    "dev.sigstore.bundle.predicateType".to_owned(),
                                    predicate_type(attestation).to_owned(),
                                ),
                            ])
                        });
                        let (digest, size) = refer(&mut world, bundle, &json!(annotations), &of);
                        names.object(&format!("beside{}", place + 1), &digest, size);
                    } else {
                        let annotations = attestation.annotations.clone().unwrap_or_else(|| {
                            BTreeMap::from([
                                (SEALED.to_owned(), String::new()),
                                ("predicateType".to_owned(), predicate_type(attestation).to_owned()),
                            ])
                        });
                        let layer = attached(&envelope, &json!(annotations));
                        layers
                            .entry(format!("{}.att", of.replace(':', "-")))
                            .or_default()
                            .push((layer, envelope));
                    }
                }
            }
            Beside::Keyless(keyless) => {
                let of = names.0["digest.image"].clone();
                let payload = statement(PROVENANCE, keyless.predicate.as_ref(), names, &of);
                if let Some(name) = &keyless.named {
                    let (envelope, certificate, chain) = sigstore.named(keyless, IN_TOTO, &payload);
                    context.write(&format!("{name}.crt"), &certificate);
                    context.write(&format!("{name}-chain.crt"), &chain);
                    let annotations = json!({SEALED: ""});
                    layers
                        .entry(format!("{}.att", of.replace(':', "-")))
                        .or_default()
                        .push((attached(&envelope, &annotations), envelope));
                    continue;
                }
                let bundle = sigstore.bundle(keyless, IN_TOTO, &payload);
                refer(&mut world, bundle, &json!({}), &of);
            }
            Beside::Signature(signature) => {
                let of = names.0[&format!("digest.{}", signature.of.as_deref().unwrap_or("image"))].clone();
                for _ in 0..signature.times.unwrap_or(1) {
                    let (layer, payload) = signed(signature, names, &of);
                    layers.entry(format!("{}.sig", of.replace(':', "-"))).or_default().push((layer, payload));
                }
            }
        }
    }
    for (tag, layers) in layers {
        let digests: Vec<&Value> = layers.iter().map(|(layer, _)| &layer["digest"]).collect();
        let config = json!({"architecture": "", "os": "", "rootfs": {"type": "layers", "diff_ids": digests}, "config": {}});
        let config = config.to_string().into_bytes();
        let size = config.len();
        let config = world.put_blob(config);
        let listed: Vec<&Value> = layers.iter().map(|(layer, _)| layer).collect();
        let manifest = json!({
            "schemaVersion": 2, "mediaType": MANIFEST,
            "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "size": size, "digest": config},
            "layers": listed,
        });
        world.put_manifest("demo/app", &[tag], MANIFEST, manifest.to_string().into_bytes());
        for (_, bytes) in layers {
            world.put_blob(bytes);
        }
    }
    if case.referrers == Referrers::Fallback {
        let list = world.referrers("demo/app", &digest).to_string().into_bytes();
        world.put_manifest("demo/app", &[digest.replace(':', "-")], INDEX, list);
    }
}

/// An envelope as a layer of the `.att` tag.
fn attached(envelope: &[u8], annotations: &Value) -> Value {
    let digest = Digest::sha256_of(envelope).to_string();
    let kind = "application/vnd.dsse.envelope.v1+json";
    json!({"mediaType": kind, "size": envelope.len(), "digest": digest, "annotations": annotations})
}

fn predicate_type(attestation: &Attestation) -> &str {
    attestation.predicate_type.as_deref().unwrap_or(PROVENANCE)
}

fn sealing_key(attestation: &Attestation) -> String {
    attestation.key.clone().unwrap_or_else(|| "alice".to_owned())
}

/// Stores a bundle that refers to `of`; the digest and size of its manifest.
fn refer(world: &mut World, bundle: Vec<u8>, annotations: &Value, of: &str) -> (String, usize) {
    let empty = world.put_blob(b"{}".to_vec());
    let size = bundle.len();
    let blob = world.put_blob(bundle);
    let manifest = json!({
        "schemaVersion": 2, "mediaType": MANIFEST, "artifactType": BUNDLE,
        "config": {"mediaType": "application/vnd.oci.empty.v1+json", "size": 2, "digest": empty},
        "layers": [{"mediaType": BUNDLE, "size": size, "digest": blob}],
        "annotations": annotations,
        "subject": {"mediaType": MANIFEST, "size": 0, "digest": of},
    });
    let manifest = manifest.to_string().into_bytes();
    let size = manifest.len();
    (world.put_manifest("demo/app", &[], MANIFEST, manifest), size)
}

/// A statement about `digest` as cosign writes it.
fn statement(predicate_type: &str, predicate: Option<&Value>, names: &Names, digest: &str) -> Vec<u8> {
    let statement = json!({
        "_type": "https://in-toto.io/Statement/v0.1",
        "predicateType": predicate_type,
        "subject": [{"name": "demo/app", "digest": {"sha256": digest.trim_start_matches("sha256:")}}],
        "predicate": predicate.cloned().unwrap_or_else(|| json!({"builder": {"id": "https://example.com/b"}})),
    });
    names.fill(&statement.to_string()).into_bytes()
}

/// The envelope of an attestation about `digest`.
fn envelope(attestation: &Attestation, names: &Names, digest: &str) -> Vec<u8> {
    if let Some(text) = &attestation.envelope {
        return names.bytes(text);
    }
    let payload = attestation.payload.as_ref().map_or_else(
        || statement(predicate_type(attestation), attestation.predicate.as_ref(), names, digest),
        |text| names.bytes(text),
    );
    let payload_type = attestation.payload_type.as_deref().unwrap_or(IN_TOTO);
    let seals = attestation.signatures.clone().unwrap_or_else(|| {
        let (key, keyid, hash) =
            (attestation.key.clone(), attestation.keyid.clone(), attestation.hash.clone());
        vec![Seal { key, keyid, hash, over: attestation.over, alter: attestation.alter, sig: None }]
    });
    let signatures: Vec<Value> = seals
        .iter()
        .map(|seal| {
            let sig = seal.sig.as_ref().map_or_else(
                || STANDARD.encode(seal_of(seal, payload_type, &payload)),
                |sig| names.fill(sig),
            );
            match &seal.keyid {
                Some(keyid) => json!({"keyid": names.fill(keyid), "sig": sig}),
                None => json!({"sig": sig}),
            }
        })
        .collect();
    let payload = encoded(attestation.encoding, &payload);
    json!({"payloadType": payload_type, "payload": payload, "signatures": signatures})
        .to_string()
        .into_bytes()
}

fn seal_of(seal: &Seal, payload_type: &str, payload: &[u8]) -> Vec<u8> {
    let message = match seal.over {
        Over::Pae => {
            let head = format!("DSSEv1 {} {payload_type} {} ", payload_type.len(), payload.len());
            [head.as_bytes(), payload].concat()
        }
        Over::Payload => payload.to_vec(),
        Over::Base64 => STANDARD.encode(payload).into_bytes(),
    };
    altered(seal.alter, sign(seal.key.as_deref().unwrap_or("alice"), seal.hash.as_deref(), &message))
}

/// Signs as cosign does with a key of that name, or with a hash of that name.
fn sign(name: &str, hash: Option<&str>, message: &[u8]) -> Vec<u8> {
    let key = key(name);
    match hash.map(|hash| Hash::from_name(hash).unwrap()) {
        Some(hash) => key.sign_exactly(message, hash).unwrap(),
        None => key.sign(message).unwrap(),
    }
}

fn altered(alter: Alter, signature: Vec<u8>) -> Vec<u8> {
    match alter {
        Alter::None => signature,
        Alter::Zero => vec![0x30, 6, 2, 1, 0, 2, 1, 0],
        Alter::Trailing => [signature, vec![0]].concat(),
        Alter::Twin => {
            let r_end = 4 + signature[3] as usize;
            let s =
                signature[r_end + 2..].iter().skip_while(|byte| **byte == 0).copied().collect::<Vec<u8>>();
            let mut s = [vec![0; 32 - s.len()], s].concat();
            let mut borrow = 0;
            for (digit, order) in s.iter_mut().zip(ORDER).rev() {
                let difference = i16::from(order) - i16::from(*digit) - borrow;
                borrow = i16::from(difference < 0);
                *digit = difference.rem_euclid(256) as u8;
            }
            let s: Vec<u8> = s.into_iter().skip_while(|byte| *byte == 0).collect();
            let s = if s[0] & 0x80 == 0 { s } else { [vec![0], s].concat() };
            let body = [&signature[2..r_end], &[2, s.len() as u8], &s].concat();
            [&[0x30, body.len() as u8], body.as_slice()].concat()
        }
    }
}

fn encoded(encoding: Encoding, bytes: &[u8]) -> String {
    match encoding {
        Encoding::Standard => STANDARD.encode(bytes),
        Encoding::Url => URL_SAFE.encode(bytes),
        Encoding::Unpadded => STANDARD_NO_PAD.encode(bytes),
        Encoding::Wrapped => {
            let text = STANDARD.encode(bytes);
            let lines: Vec<&str> =
                text.as_bytes().chunks(76).map(|line| std::str::from_utf8(line).unwrap()).collect();
            lines.join("\n")
        }
        Encoding::Tail => {
            let text = STANDARD.encode(bytes);
            let end = text.find('=').unwrap_or_else(|| panic!("the payload's length is a multiple of 3"));
            let last = text.as_bytes()[end - 1] + 1;
            format!("{}{}{}", &text[..end - 1], last as char, &text[end..])
        }
    }
}

/// A Sigstore bundle around an envelope.
fn bundle(envelope: &[u8], by: &str) -> Vec<u8> {
    let envelope: Value = serde_json::from_slice(envelope).unwrap();
    let hint = key(by).public_key().hint();
    json!({
        "mediaType": BUNDLE,
        "verificationMaterial": {"publicKey": {"hint": hint}, "tlogEntries": []},
        "dsseEnvelope": envelope,
    })
    .to_string()
    .into_bytes()
}

/// A layer of the `.sig` tag, and its bytes.
fn signed(signature: &Signature, names: &Names, digest: &str) -> (Value, Vec<u8>) {
    let payload = signature.payload.as_ref().map_or_else(
        || {
            json!({
                "critical": {
                    "identity": {"docker-reference": "demo/app"},
                    "image": {"docker-manifest-digest": digest},
                    "type": "cosign container image signature",
                },
                "optional": null,
            })
            .to_string()
            .into_bytes()
        },
        |text| names.bytes(text),
    );
    let sig = signature.sig.clone().unwrap_or_else(|| {
        let signature_bytes = sign(signature.key.as_deref().unwrap_or("alice"), None, &payload);
        STANDARD.encode(altered(signature.alter, signature_bytes))
    });
    let kind = "application/vnd.dev.cosign.simplesigning.v1+json";
    let digest = Digest::sha256_of(&payload).to_string();
    (
        json!({"mediaType": kind, "size": payload.len(), "digest": digest, "annotations": {SEALED: sig}}),
        payload,
    )
}

fn made(lie: &Lie, names: &Names) -> Answer {
    Answer {
        request: names.fill(&lie.request),
        from: lie.from,
        status: lie.status,
        headers: lie.headers.iter().map(|(name, value)| (name.clone(), names.fill(value))).collect(),
        body: lie.body.as_ref().map(|text| names.bytes(text)),
        endless: lie.endless,
        silent: lie.silent,
        length: lie.length,
    }
}

/// Runs a command that is told something on standard input.
fn answered(command: &mut Command, input: Vec<u8>) -> Output {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut told = child.stdin.take().unwrap();
    // A command that refuses its policies ends before it reads.
    let telling = thread::spawn(move || drop(told.write_all(&input)));
    let output = child.wait_with_output().unwrap();
    telling.join().unwrap();
    output
}

/// Runs one command; what it got wrong.
fn perform(
    run: &Run,
    case: &Case,
    context: &Context,
    names: &Names,
    registry: &Hostile,
    other: &Hostile,
) -> Vec<String> {
    for world in [&registry.world, &other.world] {
        world.lock().unwrap_or_else(PoisonError::into_inner).asked.clear();
    }
    let bare = context.command();
    let mut command = match run.memory {
        None => context.command(),
        Some(mebibytes) => {
            // The kernel gives the process no more memory of its own than this.
            let mut shell = Command::new("sh");
            let limited = format!("ulimit -d {}; exec \"$0\" \"$@\"", mebibytes * 1024);
            shell.arg("-c").arg(limited).arg(bare.get_program()).env_clear().current_dir(context.folder());
            shell.envs(bare.get_envs().filter_map(|(name, value)| Some((name, value?)))).stdin(Stdio::null());
            shell
        }
    };
    let environment = run.environment.iter().map(|(name, value)| (name, names.fill(value)));
    command.envs(environment).args(names.fill(&run.command).split(' ').filter(|word| !word.is_empty()));
    let output = match &run.stdin {
        None => command.output().unwrap(),
        Some(text) => answered(&mut command, names.bytes(text)),
    };
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let mut wrong = Vec::new();
    let exit = output.status.code().unwrap_or(-1);
    if exit != run.exit {
        wrong.push(format!("exit {exit}, expected {}", run.exit));
    }
    for words in
        run.says.iter().map(|words| names.fill(words)).filter(|words| !stderr.contains(words.as_str()))
    {
        wrong.push(format!("does not say {words:?}"));
    }
    for words in
        run.prints.iter().map(|words| names.fill(words)).filter(|words| !stdout.contains(words.as_str()))
    {
        wrong.push(format!("does not print {words:?}"));
    }
    for words in run.never.iter().map(|words| names.fill(words)) {
        if stdout.contains(&words) || stderr.contains(&words) {
            wrong.push(format!("{words:?} stands there"));
        }
    }
    if exit != 0 && run.prints.is_empty() && !stdout.is_empty() {
        wrong.push("fails, and prints".to_owned());
    }
    if stderr.contains("panicked") {
        wrong.push("panics".to_owned());
    }
    let lines = stdout.lines().count();
    if run.lines.is_some_and(|expected| expected != lines) {
        wrong.push(format!("prints {lines} lines, expected {:?}", run.lines));
    }
    let asked = registry.world.lock().unwrap_or_else(PoisonError::into_inner).asked.clone();
    for (pattern, most) in &run.asked {
        let pattern = names.fill(pattern);
        let found = asked.iter().filter(|(request, _)| fits(&pattern, request)).count();
        if found > *most {
            wrong.push(format!("asks {pattern} {found} times, at most {most} are allowed"));
        }
    }
    for (request, authorization) in other.world.lock().unwrap_or_else(PoisonError::into_inner).asked.iter() {
        let listed = case.other.iter().any(|lie| fits(&names.fill(&lie.request), request));
        if !listed || authorization.is_some() {
            wrong.push(format!("asks the other host {request} with {authorization:?}"));
        }
    }
    if wrong.is_empty() {
        return wrong;
    }
    let shown = |text: &str| text.chars().take(1500).collect::<String>();
    let requests: Vec<&str> = asked.iter().take(12).map(|(request, _)| request.as_str()).collect();
    let told = format!(
        "  {}\n    {}\n    stdout: {}\n    stderr: {}\n    asked: {requests:?}",
        run.command,
        wrong.join("\n    "),
        shown(&stdout),
        shown(&stderr)
    );
    vec![told]
}
