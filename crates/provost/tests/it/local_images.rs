//! `--local-image`: images in folders, as `save` and `cosign save` write them, verified without a registry.

use serde_json::{Value, json};

use crate::context::{Context, Told};

/// Folders whose image is signed and attested in the tag scheme, as bundles, in both, and not at all.
fn saved() -> Context {
    let context = Context::new();
    let registry = context.registry();
    assert_eq!(context.run(&["generate-key-pair"]).exit, 0);
    assert_eq!(context.run(&["generate-key-pair", "--output-key-prefix", "other"]).exit, 0);
    context.write("p.json", r#"{"builder":{"id":"b"}}"#);
    context.write("good.cue", r#"predicate: builder: id: "b""#);
    context.write("bad.cue", r#"predicate: builder: id: "c""#);
    for (name, formats) in [
        ("old", ["--new-bundle-format=false"].as_slice()),
        ("new", &["--new-bundle-format=true"]),
        ("both", &["--new-bundle-format=false", "--new-bundle-format=true"]),
        ("bare", &[]),
    ] {
        context.write("app/Dockerfile", "FROM scratch\nCOPY hello /hello\n");
        context.write("app/hello", name);
        let tag = format!("{}/demo/{name}:v1", registry.address);
        let image = context.run(&["image", "build", "--tag", &tag, "app"]).stdout.trim().to_owned();
        for format in formats {
            let sign = ["sign", format, "--key", "cosign.key", &image];
            let attest = [
                "attest",
                format,
                "--key",
                "cosign.key",
                "--type",
                "slsaprovenance",
                "--predicate",
                "p.json",
            ];
            assert_eq!(context.run(&sign).exit, 0);
            assert_eq!(context.run(&[attest.as_slice(), &[&image]].concat()).exit, 0);
        }
        assert_eq!(context.run(&["save", "--dir", name, &image]).exit, 0);
    }
    context
}

fn verify(context: &Context, key: &str, more: &[&str]) -> Told {
    context.run(&[&["verify", "--local-image", "--key", key], more].concat())
}

fn attested(context: &Context, key: &str, more: &[&str]) -> Told {
    let with = ["verify-attestation", "--local-image", "--type", "slsaprovenance", "--key", key];
    context.run(&[with.as_slice(), more].concat())
}

#[test]
fn every_format_verifies_without_a_registry() {
    let context = saved();
    for (folder, count) in [("old", 1), ("new", 1), ("both", 2)] {
        let told = verify(&context, "cosign.pub", &[folder]);
        assert_eq!(told.exit, 0, "{folder} {told:?}");
        assert!(told.stderr.contains(&format!("\nVerification for {folder} --\n")), "{told:?}");
        let signed: Value = serde_json::from_str(told.stdout.trim()).unwrap();
        assert_eq!(signed.as_array().unwrap().len(), count, "{folder} {told:?}");
        let told = attested(&context, "cosign.pub", &["--policy", "good.cue", folder]);
        assert_eq!((told.exit, told.stdout.lines().count()), (0, count), "{folder} {told:?}");
        let told = attested(&context, "cosign.pub", &["--policy", "bad.cue", folder]);
        assert!(told.stderr.contains("conflicting values"), "{folder} {told:?}");
        assert_eq!(told.exit, 1, "{folder} {told:?}");
        for told in [verify(&context, "other.pub", &[folder]), attested(&context, "other.pub", &[folder])] {
            assert_eq!((told.exit, told.stdout.as_str()), (1, ""), "{folder} {told:?}");
            assert!(told.stderr.contains("no matching "), "{folder} {told:?}");
        }
    }
    let several = verify(&context, "cosign.pub", &["old", "bare"]);
    assert_eq!((several.exit, several.stdout.matches("critical").count()), (1, 1), "{several:?}");
}

#[test]
fn a_folder_without_signatures_is_told_in_cosigns_words() {
    let context = saved();
    let words = |told: &Told| told.stderr.lines().next().unwrap_or_default().to_owned();
    let told = verify(&context, "cosign.pub", &["bare"]);
    assert_eq!(words(&told), "Error: no signatures associated with the image saved in bare");
    assert_eq!(words(&attested(&context, "cosign.pub", &["bare"])), "Error: no attestations provided");
    let missing = "Error: checking local image format: loading OCI layout from nowhere: stat nowhere/index.json: no such file or directory";
    for told in [verify(&context, "cosign.pub", &["nowhere"]), attested(&context, "cosign.pub", &["nowhere"])]
    {
        assert_eq!((told.exit, words(&told).as_str()), (1, missing), "{told:?}");
    }
    context.write("empty/index.json", r#"{"schemaVersion":2,"manifests":[]}"#);
    let told = verify(&context, "cosign.pub", &["empty"]);
    assert!(words(&told).contains("empty holds no image"), "{told:?}");
}

#[test]
fn a_folder_is_believed_no_more_than_its_digests() {
    let context = saved();
    // The signatures of one image, listed beside another.
    let index = |folder: &str| -> Value {
        let path = context.folder().join(folder).join("index.json");
        serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
    };
    let mut mixed = index("bare");
    let stolen = index("old")["manifests"][1].clone();
    mixed["manifests"].as_array_mut().unwrap().push(stolen.clone());
    context.write("bare/index.json", &mixed.to_string());
    let blobs = context.folder().join("old/blobs/sha256");
    for blob in std::fs::read_dir(blobs).unwrap().map(Result::unwrap) {
        std::fs::copy(blob.path(), context.folder().join("bare/blobs/sha256").join(blob.file_name()))
            .unwrap();
    }
    let told = verify(&context, "cosign.pub", &["bare"]);
    assert_eq!(told.exit, 1, "{told:?}");
    assert!(told.stderr.contains("invalid or missing digest in claim"), "{told:?}");
    // An image whose bytes are not those its name says.
    let image = index("old")["manifests"][0]["digest"].as_str().unwrap().replace("sha256:", "");
    context.write(&format!("old/blobs/sha256/{image}"), &json!({"schemaVersion": 2}).to_string());
    let told = verify(&context, "cosign.pub", &["old"]);
    assert_eq!(told.exit, 1, "{told:?}");
    assert!(told.stderr.contains(&format!("expected sha256:{image}")), "{told:?}");
}

#[test]
fn flags_about_registries_do_not_go_with_a_folder() {
    let context = saved();
    let told = verify(&context, "cosign.pub", &["--signature", "x", "old"]);
    assert!(told.stderr.contains("--local-image looks at what lies in the folder"), "{told:?}");
    let told = verify(&context, "cosign.pub", &["--attachment-tag-prefix", "x-", "old"]);
    assert_eq!(told.exit, 0, "{told:?}");
    assert!(told.stderr.contains("names tags of a registry; a saved image has none"), "{told:?}");
}
