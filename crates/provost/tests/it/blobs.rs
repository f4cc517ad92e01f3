//! `sign-blob` and `verify-blob`: files signed by a key, alone and in bundles.

use crate::context::{Context, Told};

fn signed() -> Context {
    let context = Context::new();
    assert_eq!(context.run(&["generate-key-pair"]).exit, 0);
    assert_eq!(context.run(&["generate-key-pair", "--output-key-prefix", "other"]).exit, 0);
    context.write("blob", "some bytes\n");
    context.write("changed", "other bytes\n");
    context
}

fn verify(context: &Context, more: &[&str]) -> Told {
    context.run(&[&["verify-blob"], more].concat())
}

fn first(told: &Told) -> &str {
    assert_eq!((told.exit, told.stdout.as_str()), (1, ""), "{told:?}");
    told.stderr.lines().find(|line| !line.starts_with("Flag --")).unwrap_or_default()
}

#[test]
fn a_signature_stands_alone() {
    let context = signed();
    let told = context.run(&["sign-blob", "--key", "cosign.key", "blob"]);
    assert_eq!(
        (told.exit, told.stderr.as_str()),
        (0, "Using payload from: blob\nSigning artifact...\n"),
        "{told:?}"
    );
    let signature = told.stdout.trim();
    let ok = verify(&context, &["--key", "cosign.pub", "--signature", signature, "blob"]);
    assert_eq!((ok.exit, ok.stdout.as_str()), (0, ""), "{ok:?}");
    assert!(ok.stderr.ends_with("Verified OK\n"), "{ok:?}");
    context.write("blob.sig", &told.stdout);
    assert_eq!(verify(&context, &["--key", "cosign.pub", "--signature", "blob.sig", "blob"]).exit, 0);
    let invalid = "Error: invalid signature when validating ASN.1 encoded signature";
    for (key, blob) in [("cosign.pub", "changed"), ("other.pub", "blob")] {
        assert_eq!(first(&verify(&context, &["--key", key, "--signature", "blob.sig", blob])), invalid);
    }
    let written = context.run(&["sign-blob", "--key", "cosign.key", "--output-signature", "s", "blob"]);
    assert_eq!((written.exit, written.stdout.as_str()), (0, ""), "{written:?}");
    assert_eq!(verify(&context, &["--key", "cosign.pub", "--signature", "s", "blob"]).exit, 0);
}

#[test]
fn a_bundle_carries_the_signature() {
    let context = signed();
    let told = context.run(&[
        "sign-blob",
        "--key",
        "cosign.key",
        "--new-bundle-format",
        "--bundle",
        "b.json",
        "blob",
    ]);
    let said = "Using payload from: blob\nSigning artifact...\nWrote bundle to file b.json\n";
    assert!(told.stderr.ends_with(said), "{told:?}");
    assert_eq!(verify(&context, &["--key", "cosign.pub", "--bundle", "b.json", "blob"]).exit, 0);
    let invalid = "Error: failed to verify signature: could not verify message: invalid signature when validating ASN.1 encoded signature";
    for (key, blob) in [("cosign.pub", "changed"), ("other.pub", "blob")] {
        assert_eq!(first(&verify(&context, &["--key", key, "--bundle", "b.json", blob])), invalid);
    }
}

#[test]
fn what_is_missing_or_not_built_is_named() {
    let context = signed();
    context.write("none.json", "{}");
    let cases: [(&[&str], &str); 7] = [
        (&["blob"], "provide a key with --key or --sk, a certificate"),
        (&["--key", "cosign.pub", "blob"], "missing flag '--signature'"),
        (&["--key", "cosign.pub", "--bundle", "none.json", "blob"], "none.json: the file is no bundle"),
        (&["--key", "cosign.pub", "--bundle", "none.json", "--signature", "s", "blob"], "exclude each other"),
        (
            &["--key", "cosign.pub", "--signature", "s", "sha256:00"],
            "open sha256:00: no such file or directory",
        ),
        (&["--sk", "--signature", "s", "blob"], "keys on hardware tokens (--sk, --slot) are not supported"),
        (
            &["--bundle", "none.json", "blob"],
            "--certificate-identity or --certificate-identity-regexp is required",
        ),
    ];
    for (arguments, words) in cases {
        let told = verify(&context, arguments);
        assert!(first(&told).contains(words), "{arguments:?}: {told:?}");
    }
    let sign = |more: &[&str]| context.run(&[&["sign-blob", "--key", "cosign.key"], more].concat());
    assert_eq!(first(&sign(&[])), "Error: requires at least 1 arg(s), only received 0");
    assert_eq!(
        first(&sign(&["--new-bundle-format", "blob"])),
        "Error: must specify --bundle with --new-bundle-format"
    );
    let old = sign(&["--bundle", "old.json", "blob"]);
    assert_eq!(old.exit, 0, "{old:?}");
    assert_eq!(verify(&context, &["--key", "cosign.pub", "--bundle", "old.json", "blob"]).exit, 0);
    let algorithm = sign(&["--signing-algorithm", "nosuch", "blob"]);
    assert!(
        first(&algorithm).contains("invalid signing algorithm: nosuch. Supported algorithms are: ecdsa-")
    );
}
