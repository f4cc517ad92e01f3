//! Signatures, payloads, certificates and digests that are given instead of looked up; tags with a prefix; workers.

use serde_json::Value;

use crate::context::{Context, Registry, Told};

/// An image in a registry, signed in the tag scheme.
fn signed() -> (Context, Registry, String) {
    let context = Context::new();
    let registry = context.registry();
    assert_eq!(context.run(&["generate-key-pair"]).exit, 0);
    context.write("app/Dockerfile", "FROM scratch\nCOPY hello /hello\n");
    context.write("app/hello", "hello\n");
    let tag = format!("{}/demo/app:v1", registry.address);
    let image = context.run(&["image", "build", "--tag", &tag, "app"]).stdout.trim().to_owned();
    (context, registry, image)
}

fn verify(context: &Context, more: &[&str]) -> Told {
    context.run(&[&["verify", "--key", "cosign.pub"], more].concat())
}

#[test]
fn a_signature_that_is_given_counts_alone() {
    let (context, _registry, image) = signed();
    let sign = ["sign", "--key", "cosign.key", "--upload=false", "--output-signature", "s"];
    let told = context.run(&[sign.as_slice(), &["--output-payload", "p", &image]].concat());
    assert_eq!(told.exit, 0, "{told:?}");
    assert_eq!(verify(&context, &[&image]).exit, 10, "nothing is stored");
    let text = std::fs::read_to_string(context.folder().join("s")).unwrap();
    for signature in ["s", text.trim()] {
        let told = verify(&context, &["--signature", signature, "--payload", "p", &image]);
        assert_eq!(told.exit, 0, "{told:?}");
        let said: Value = serde_json::from_str(told.stdout.trim()).unwrap();
        assert_eq!(said[0]["critical"]["type"], "cosign container image signature");
    }
    // Without a payload that of `sign` is meant.
    let told = verify(&context, &["--signature", "s", &image]);
    assert_eq!(told.exit, 0, "{told:?}");
    assert!(told.stderr.contains("using obsolete implied signature payload data"), "{told:?}");
    let mut command = context.command();
    command.env("SIG", text.trim()).args([
        "verify",
        "--key",
        "cosign.pub",
        "--signature",
        "env://SIG",
        &image,
    ]);
    assert!(command.output().unwrap().status.success());
    context.write("q", r#"{"critical":{}}"#);
    for more in [["--signature", "s", "--payload", "q"], ["--signature", "AAAA", "--payload", "p"]] {
        let told = verify(&context, &[more.as_slice(), &[&image]].concat());
        assert_eq!(told.exit, 12, "{told:?}");
        assert!(told.stderr.contains("no matching signatures: invalid signature"), "{told:?}");
    }
    let alone = verify(&context, &["--payload", "p", &image]);
    assert!(alone.stderr.contains("--payload says what --signature is over"), "{alone:?}");
    let other = context.run(&["image", "build", "--tag", &image.replace("app@", "other@"), "app"]);
    assert_eq!(other.exit, 1, "a digest is no tag: {other:?}");
    context.write("app/hello", "another\n");
    let there = image.split('@').next().unwrap().to_owned() + ":v2";
    let another = context.run(&["image", "build", "--tag", &there, "app"]).stdout.trim().to_owned();
    let told = verify(&context, &["--signature", "s", "--payload", "p", &another]);
    assert_eq!(told.exit, 12, "{told:?}");
    assert!(told.stderr.contains("invalid or missing digest in claim"), "{told:?}");
}

#[test]
fn attachments_are_read_under_the_prefix_they_were_written_under() {
    let (context, _registry, image) = signed();
    context.write("p.json", "{}");
    let prefix = "--attachment-tag-prefix=mine-";
    assert_eq!(context.run(&["sign", "--key", "cosign.key", prefix, &image]).exit, 0);
    let attest =
        ["attest", "--key", "cosign.key", prefix, "--type", "slsaprovenance", "--predicate", "p.json"];
    assert_eq!(context.run(&[attest.as_slice(), &[&image]].concat()).exit, 0);
    assert_eq!(verify(&context, &[&image]).exit, 10);
    for workers in ["1", "10", "500"] {
        assert_eq!(verify(&context, &[prefix, "--max-workers", workers, &image]).exit, 0);
        let attested =
            ["verify-attestation", "--key", "cosign.pub", "--type", "slsaprovenance", prefix, &image];
        let told = context.run(&[attested.as_slice(), &["--max-workers", workers]].concat());
        assert_eq!(told.exit, 0, "{told:?}");
    }
    for verb in ["signature", "attestation"] {
        let told = context.run(&["download", verb, prefix, &image]);
        assert_eq!((told.exit, told.stdout.lines().count()), (0, 1), "{told:?}");
    }
    let told = verify(&context, &["--max-workers", "0", &image]);
    assert!(told.stderr.contains("please set the --max-worker flag"), "{told:?}");
}

#[test]
fn keys_on_tokens_are_refused_in_one_sentence() {
    let (context, _registry, image) = signed();
    let words = "Error: keys on hardware tokens (--sk, --slot) are not supported: write the token's public key to a file and name it with --key\n";
    for verb in ["verify", "verify-attestation", "verify-blob", "verify-blob-attestation"] {
        let rest: &[&str] = match verb {
            "verify-blob" => &["--bundle", "b", "app/hello"],
            "verify-blob-attestation" => &["--bundle", "b", "app/hello"],
            _ => &[&image],
        };
        for flags in [["--sk"].as_slice(), &["--key", "cosign.pub", "--slot", "signature"]] {
            let told = context.run(&[&[verb], flags, rest].concat());
            assert_eq!(told.exit, 1, "{verb} {told:?}");
            assert!(told.stderr.contains(words), "{verb} {told:?}");
        }
    }
}

#[test]
fn a_bundle_verifies_a_file_that_is_not_here_by_its_digest() {
    let context = Context::new();
    context.write("blob", "some bytes\n");
    let digest = provost_oci::Digest::sha256_of(b"some bytes\n").to_string();
    let wrong = provost_oci::Digest::sha256_of(b"other bytes\n").to_string();
    assert_eq!(context.run(&["generate-key-pair"]).exit, 0);
    let sign = ["sign-blob", "--key", "cosign.key", "--new-bundle-format", "--bundle", "b.json", "blob"];
    assert_eq!(context.run(&sign).exit, 0);
    let by = |blob: &str| context.run(&["verify-blob", "--key", "cosign.pub", "--bundle", "b.json", blob]);
    let told = by(&digest);
    assert_eq!(told.exit, 0, "{told:?}");
    assert!(told.stderr.ends_with("Verified OK\n"), "{told:?}");
    assert!(by(&wrong).stderr.contains("could not verify message: invalid signature"));
    let none = by("sha256:00");
    assert!(none.stderr.contains("open sha256:00: no such file or directory"), "{none:?}");
}
