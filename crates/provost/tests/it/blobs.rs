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
    told.stderr.lines().next().unwrap_or_default()
}

#[test]
fn a_signature_stands_alone() {
    let context = signed();
    let told = context.run(&["sign-blob", "--key", "cosign.key", "blob"]);
    assert_eq!((told.exit, told.stderr.as_str()), (0, "Using payload from: blob\n"), "{told:?}");
    let signature = told.stdout.trim();
    let ok = verify(&context, &["--key", "cosign.pub", "--signature", signature, "blob"]);
    assert_eq!(ok.shown(&[]), "exit 0\n--- stdout\n--- stderr\nVerified OK\n");
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
    let told = context.run(&["sign-blob", "--key", "cosign.key", "--bundle", "b.json", "blob"]);
    assert_eq!(told.stderr, "Using payload from: blob\nWrote bundle to file b.json\n", "{told:?}");
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
    let cases: [(&[&str], &str); 6] = [
        (&["blob"], "provide a key with --key or --sk, a certificate"),
        (&["--key", "cosign.pub", "blob"], "missing flag '--signature'"),
        (&["--key", "cosign.pub", "--bundle", "none.json", "blob"], "none.json: the file is no bundle"),
        (&["--key", "cosign.pub", "--bundle", "none.json", "--signature", "s", "blob"], "exclude each other"),
        (&["--key", "cosign.pub", "--signature", "s", "sha256:00"], "by its digest is not supported"),
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
    assert_eq!(first(&sign(&[])), "Error: accepts 1 arg(s), received 0");
    assert_eq!(
        first(&sign(&["--new-bundle-format", "blob"])),
        "Error: must specify --bundle with --new-bundle-format"
    );
    assert!(first(&sign(&["--new-bundle-format=false", "--bundle", "b", "blob"])).contains("older form"));
    assert!(first(&sign(&["--tlog-upload", "blob"])).contains("transparency logs are not supported"));
}
