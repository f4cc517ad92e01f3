//! `resign`: what the old key signed verifies under the new one afterwards, in both formats; what it did not sign never does.

use crate::context::{Context, Registry, Told};

/// A context with an image in a registry, and the key pairs `cosign`, `next` and `evil`.
fn built() -> (Context, Registry, String) {
    let context = Context::new();
    let registry = context.registry();
    for prefix in ["cosign", "next", "evil"] {
        assert_eq!(context.run(&["generate-key-pair", "--output-key-prefix", prefix]).exit, 0);
    }
    context.write("app/Dockerfile", "FROM scratch\nCOPY hello /hello\n");
    context.write("app/hello", "hello\n");
    context.write("p.json", r#"{"builder":{"id":"https://example.com/b"},"buildType":"t"}"#);
    let tag = format!("{}/demo/app:v1", registry.address);
    let built = context.run(&["image", "build", "--tag", &tag, "app"]);
    assert_eq!(built.exit, 0, "{built:?}");
    (context, registry, built.stdout.trim().to_owned())
}

fn vouch(context: &Context, key: &str, bundles: bool, image: &str) {
    let format = format!("--new-bundle-format={bundles}");
    let attest =
        ["attest", "--key", key, "--type", "slsaprovenance", "--predicate", "p.json", &format, image];
    for arguments in [["sign", "--key", key, &format, image].as_slice(), &attest] {
        let told = context.run(arguments);
        assert_eq!(told.exit, 0, "{told:?}");
    }
}

fn verify(context: &Context, key: &str, bundles: bool, image: &str) -> [Told; 2] {
    let format = format!("--new-bundle-format={bundles}");
    let with = ["--key", key, "--insecure-ignore-tlog", &format, image];
    let attestation = [&["verify-attestation", "--type", "slsaprovenance"], with.as_slice()].concat();
    [context.run(&[&["verify"], with.as_slice()].concat()), context.run(&attestation)]
}

fn resign(context: &Context, more: &[&str]) -> Told {
    context.run(&[&["resign", "--old-key", "cosign.pub", "--key", "next.key"], more].concat())
}

#[test]
fn both_formats_verify_under_the_new_key_and_only_what_the_old_one_signed() {
    for bundles in [false, true] {
        let (context, _registry, image) = built();
        vouch(&context, "cosign.key", bundles, &image);
        context.write("list", &format!("# images\n\n{image}\n{image}\n"));
        let dry = resign(&context, &["--images-file", "list", "--dry-run"]);
        assert_eq!(dry.exit, 0, "{dry:?}");
        assert_eq!(dry.stdout.lines().filter(|line| line.contains(": would be signed anew")).count(), 2);
        assert!(verify(&context, "next.pub", bundles, &image).iter().all(|told| told.exit != 0));

        let told = resign(&context, &["--images-file", "list"]);
        assert_eq!(told.exit, 0, "{told:?}");
        assert_eq!(told.stderr, "2 signed anew, 0 were already, 0 refused\n");
        let [signature, attestation] = verify(&context, "next.pub", bundles, &image);
        assert_eq!((signature.exit, attestation.exit), (0, 0), "{signature:?} {attestation:?}");
        let payload = |told: &Told| {
            let line: serde_json::Value = serde_json::from_str(told.stdout.lines().next().unwrap()).unwrap();
            line["payload"].as_str().unwrap().to_owned()
        };
        let [_, before] = verify(&context, "cosign.pub", bundles, &image);
        assert_eq!(payload(&before), payload(&attestation), "byte for byte");
        let again = resign(&context, &[&image]);
        assert_eq!(again.stderr, "0 signed anew, 2 were already, 0 refused\n");
    }
}

#[test]
fn what_others_signed_is_listed_and_refused() {
    for bundles in [false, true] {
        let (context, _registry, image) = built();
        vouch(&context, "evil.key", bundles, &image);
        let told = resign(&context, &[&image]);
        assert_eq!(told.exit, 1, "{told:?}");
        let refused =
            told.stdout.lines().filter(|line| line.ends_with("refused: it is not signed by the old key"));
        assert_eq!(refused.count(), 2, "{told:?}");
        assert!(
            told.stderr.contains("nothing beside it is signed by the old key or the new one"),
            "{told:?}"
        );
        assert!(verify(&context, "next.pub", bundles, &image).iter().all(|told| told.exit != 0));
    }
}

/// An attestation of one image, moved to another's tag by somebody who may write to the registry.
#[test]
fn what_was_copied_from_another_image_is_refused() {
    let (context, registry, image) = built();
    vouch(&context, "cosign.key", false, &image);
    context.write("app/hello", "other\n");
    let built =
        context.run(&["image", "build", "--tag", &format!("{}/demo/app:v2", registry.address), "app"]);
    let other = built.stdout.trim().to_owned();
    let tag = |image: &str, suffix: &str| {
        let (repository, digest) = image.split_once("@sha256:").unwrap();
        format!("{repository}:sha256-{digest}.{suffix}")
    };
    for suffix in ["att", "sig"] {
        let copied = context.run(&["copy", &tag(&image, suffix), &tag(&other, suffix)]);
        assert_eq!(copied.exit, 0, "{copied:?}");
    }
    let told = resign(&context, &[&other]);
    assert_eq!(told.exit, 1, "{told:?}");
    assert_eq!(
        told.stdout.matches("refused: the old key signed it, but about another image").count(),
        2,
        "{told:?}"
    );
    assert!(verify(&context, "next.pub", false, &other).iter().all(|told| told.exit != 0));
}

#[test]
fn what_cannot_be_done_is_said_and_the_others_are_done() {
    let (context, registry, image) = built();
    vouch(&context, "cosign.key", false, &image);
    let gone = format!("{}/demo/app:gone", registry.address);
    let told = resign(&context, &[&gone, "no image", &image]);
    assert_eq!(told.exit, 1, "{told:?}");
    assert!(told.stderr.contains(&format!("{gone}: could not be dealt with: ")), "{told:?}");
    assert!(told.stderr.contains("2 signed anew, 0 were already, 0 refused"), "{told:?}");
    assert!(told.stderr.contains("2 images could not be dealt with"), "{told:?}");
    let same = context.run(&["resign", "--old-key", "cosign.pub", "--key", "cosign.key", &image]);
    assert!(same.stderr.contains("expected the one that follows it"), "{same:?}");
    let none = resign(&context, &[]);
    assert!(none.stderr.contains("expected IMAGE or --images-file FILE"), "{none:?}");
}
