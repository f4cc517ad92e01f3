//! An image vouched for in both formats, carried between two registries and through a folder; and how much is carried.

use std::fs::File;
use std::io::Write;
use std::process::Stdio;

use provost_oci::Digest;
use serde_json::{Value, json};

use crate::context::{Context, Registry, Told};

/// The same statements in the tag scheme and as bundles, beside one image.
fn signed() -> (Context, Registry, String) {
    let context = Context::new();
    let registry = context.registry();
    assert_eq!(context.run(&["generate-key-pair"]).exit, 0);
    context.write("app/Dockerfile", "FROM scratch\nCOPY hello /hello\n");
    context.write("app/hello", "hello\n");
    context.write("p.json", "{}");
    let tag = format!("{}/demo/app:v1", registry.address);
    let image = context.run(&["image", "build", "--tag", &tag, "app"]).stdout.trim().to_owned();
    for format in ["--new-bundle-format=false", "--new-bundle-format=true"] {
        let sign = ["sign", format, "--key", "cosign.key", &image];
        let attest =
            ["attest", format, "--key", "cosign.key", "--type", "slsaprovenance", "--predicate", "p.json"];
        for arguments in [sign.as_slice(), &[attest.as_slice(), &[&image]].concat()] {
            let told = context.run(arguments);
            assert_eq!(told.exit, 0, "{told:?}");
        }
    }
    (context, registry, image)
}

fn lines(context: &Context, verb: &str, image: &str) -> Vec<String> {
    let told = context.run(&["download", verb, image]);
    assert_eq!(told.exit, 0, "{told:?}");
    let mut lines: Vec<_> = told.stdout.lines().map(str::to_owned).collect();
    lines.sort();
    lines
}

/// What lies beside both images is the same, and verifies.
fn same(context: &Context, here: &str, there: &str) {
    let attestations = lines(context, "attestation", here);
    // The signature's bundle is an attestation too.
    assert_eq!(attestations.len(), 3, "{attestations:?}");
    assert_eq!(lines(context, "attestation", there), attestations);
    assert_eq!(lines(context, "signature", there), lines(context, "signature", here));
    for arguments in [
        ["verify", "--key", "cosign.pub", there].as_slice(),
        &["verify-attestation", "--key", "cosign.pub", "--type", "slsaprovenance", there],
    ] {
        let told = context.run(arguments);
        assert_eq!(told.exit, 0, "{told:?}");
    }
}

#[test]
fn both_formats_are_copied_to_another_registry() {
    let (context, _here, image) = signed();
    let elsewhere = Context::new();
    let registry = elsewhere.registry();
    let there = format!("{}/copied/app:v1", registry.address);
    let told = context.run(&["copy", &image, &there]);
    assert_eq!(told.exit, 0, "{told:?}");
    same(&context, &image, &there);
}

#[test]
fn both_formats_go_through_a_folder() {
    let (context, here, image) = signed();
    assert_eq!(context.run(&["save", "--dir", "saved", &image]).exit, 0);
    let before = (lines(&context, "attestation", &image), lines(&context, "signature", &image));
    drop(here);
    let elsewhere = Context::new();
    let registry = elsewhere.registry();
    let there = format!("{}/loaded/app:v1", registry.address);
    let told = context.run(&["load", "--dir", "saved", &there]);
    assert_eq!(told.exit, 0, "{told:?}");
    assert_eq!((lines(&context, "attestation", &there), lines(&context, "signature", &there)), before);
    same(&context, &there, &there);
}

#[test]
fn only_small_files_are_taken_for_manifests_about_the_image() {
    let (context, _registry, image) = signed();
    assert_eq!(context.run(&["save", "--dir", "made", &image]).exit, 0);
    let subject = image.rsplit('@').next().unwrap();
    let missing = Digest::sha256_of(b"nowhere").to_string();
    let one = |bytes: usize| {
        json!({
            "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": { "mediaType": "application/vnd.oci.empty.v1+json", "size": 7, "digest": missing },
            "layers": [],
            "subject": { "mediaType": "application/vnd.oci.image.manifest.v1+json", "size": 1, "digest": subject },
            "annotations": { "long": "x".repeat(bytes) },
        })
    };
    store(&context, &one(4 * 1024 * 1024));
    assert_eq!(context.run(&["load", "--dir", "made", &image]).exit, 0);
    store(&context, &one(1));
    let told = context.run(&["load", "--dir", "made", &image]);
    assert_eq!(told.exit, 1);
    assert!(told.stderr.contains(missing.rsplit(':').next().unwrap()), "{told:?}");
}

/// What is asked for when a verb runs: tag manifests, lists of referrers, manifests by digest, blobs.
fn asked(context: &Context, arguments: &[&str]) -> [usize; 4] {
    let told = context.run(arguments);
    assert_eq!(told.exit, 0, "{told:?}");
    let mut counts = [0; 4];
    for line in told.stderr.lines().filter(|line| line.starts_with("--> ")) {
        let kinds = ["/manifests/sha256-", "/referrers/sha256:", "/manifests/sha256:", "/blobs/sha256:"];
        let kind = kinds.iter().position(|kind| line.contains(kind));
        // A request of any other kind would be a round of its own.
        counts[kind.unwrap_or_else(|| panic!("{line}"))] += 1;
    }
    counts
}

#[test]
fn by_digest_only_what_is_needed_is_asked_for() {
    let (context, _registry, image) = signed();
    // Three rounds by what needs what: the tag's manifest, then its layers; the referrers, then their manifests, then their blobs.
    // A layer of a signature's own payload and the envelopes are the only blobs: no config is fetched.
    let verify = ["verify", "-d", "--key", "cosign.pub", &image];
    assert_eq!(asked(&context, &verify), [1, 1, 2, 3]);
    let attested = ["verify-attestation", "-d", "--key", "cosign.pub", "--type", "slsaprovenance", &image];
    assert_eq!(asked(&context, &attested), [1, 1, 2, 3]);
}

fn store(context: &Context, value: &Value) -> Value {
    let text = value.to_string();
    let digest = Digest::sha256_of(text.as_bytes());
    context.write(&format!("made/blobs/sha256/{}", digest.hex()), &text);
    json!({ "mediaType": value["mediaType"], "size": text.len(), "digest": digest.to_string() })
}

/// Loads a folder whose image is this list.
fn load(context: &Context, there: &str, list: &Value) -> Told {
    let mut entry = store(context, list);
    entry["annotations"] = json!({ "kind": "dev.cosignproject.cosign/image" });
    context.write("made/oci-layout", r#"{"imageLayoutVersion":"1.0.0"}"#);
    context.write("made/index.json", &json!({ "schemaVersion": 2, "manifests": [entry] }).to_string());
    context.run(&["load", "--dir", "made", there])
}

#[test]
fn lists_of_too_many_or_too_deep_are_not_loaded() {
    const LIST: &str = "application/vnd.oci.image.index.v1+json";
    let context = Context::new();
    let registry = context.registry();
    let there = format!("{}/made/app:v1", registry.address);
    let list = |members: Vec<Value>| json!({ "schemaVersion": 2, "mediaType": LIST, "manifests": members });
    let mut nested = list(Vec::new());
    for depth in 1..=4 {
        let told = load(&context, &there, &nested);
        assert_eq!(told.exit, 0, "{depth} {told:?}");
        nested = list(vec![store(&context, &nested)]);
    }
    let deep = load(&context, &there, &nested);
    let words = "lists nested deeper than 4";
    assert_eq!((deep.exit, deep.stderr.contains(words)), (1, true), "{deep:?}");
    // What is named often is carried once; what is too much is refused before anything is pushed.
    let often = load(&context, &there, &list(vec![store(&context, &list(Vec::new())); 1001]));
    assert_eq!(often.exit, 0, "{often:?}");
    let one = |number: usize| json!({ "schemaVersion": 2, "mediaType": LIST, "manifests": [], "annotations": { "n": number.to_string() } });
    let many = load(&context, &there, &list((0..1000).map(|number| store(&context, &one(number))).collect()));
    let words = "over 1000 manifests";
    assert_eq!((many.exit, many.stderr.contains(words)), (1, true), "{many:?}");
}

/// A file of so many bytes.
fn sized(context: &Context, name: &str, bytes: u64) {
    File::create(context.folder().join(name)).unwrap().set_len(bytes).unwrap();
}

#[test]
fn files_that_are_too_long_are_named_with_the_limit() {
    let context = Context::new();
    sized(&context, "pod.yaml", 16 * 1024 * 1024 + 1);
    sized(&context, "Dockerfile", 1024 * 1024 + 1);
    sized(&context, "htpasswd", 1024 * 1024 + 1);
    for (arguments, limit) in [
        (["manifest", "verify", "--key=k", "pod.yaml"], "longer than 16777216 bytes"),
        (["dockerfile", "verify", "--key=k", "Dockerfile"], "longer than 1048576 bytes"),
        (["registry", "--dir=r", "--listen=127.0.0.1:0", "--htpasswd=htpasswd"], "over 1048576 bytes"),
    ] {
        let told = context.run(&arguments);
        assert_eq!((told.exit, told.stderr.contains(limit)), (1, true), "{told:?}");
    }
}

#[test]
fn a_password_that_is_too_long_is_refused() {
    let context = Context::new();
    for (length, exit) in [(64 * 1024, 0), (64 * 1024 + 1, 1)] {
        let mut command = context.command();
        command.args(["login", "-u", "a", "--password-stdin", "reg.example"]);
        let mut child = command.stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        // The other end may close before it has read all.
        let _ = child.stdin.take().unwrap().write_all(&vec![b'x'; length]);
        let told = Told::of(&child.wait_with_output().unwrap());
        assert_eq!(told.exit, exit, "{}", told.stderr);
        assert_eq!(told.stderr.contains("longer than 65536 bytes"), exit == 1, "{}", told.stderr);
    }
}
