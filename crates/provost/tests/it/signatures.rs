//! `sign`, `verify`, `triangulate`, `tree` and `download` against the embedded registry.

use std::io::{Read, Write};
use std::net::TcpStream;

use crate::context::{Context, Registry, Told};

/// A context with a key pair, and an image in a registry, by tag and by digest.
fn built() -> (Context, Registry, String, String) {
    let context = Context::new();
    let registry = context.registry();
    assert_eq!(context.run(&["generate-key-pair"]).exit, 0);
    context.write("app/Dockerfile", "FROM scratch\nCOPY hello /hello\n");
    context.write("app/hello", "hello\n");
    let tag = format!("{}/demo/app:v1", registry.address);
    let built = context.run(&["image", "build", "--tag", &tag, "app"]);
    assert_eq!(built.exit, 0, "{built:?}");
    (context, registry, tag, built.stdout.trim().to_owned())
}

fn sign(context: &Context, more: &[&str], image: &str) -> Told {
    context.run(&[&["sign", "--key", "cosign.key"], more, &[image]].concat())
}

fn verify(context: &Context, more: &[&str], image: &str) -> Told {
    context.run(&[&["verify", "--key", "cosign.pub"], more, &[image]].concat())
}

#[test]
fn what_is_signed_verifies_in_cosigns_words() {
    let (context, registry, tag, image) = built();
    let (repository, digest) = image.split_once('@').unwrap();
    let shown = |told: Told| told.shown(&[(&image, "IMAGE"), (repository, "REPOSITORY"), (digest, "DIGEST")]);
    insta::assert_snapshot!(shown(verify(&context, &[], &image)), @r"
    exit 10
    --- stdout
    --- stderr
    Error: no signatures found
    error during command execution: no signatures found
    ");
    insta::assert_snapshot!(shown(sign(&context, &["-a", "env=prod", "-a", "team=a"], &image)), @r"
    exit 0
    --- stdout
    --- stderr
    Signing artifact...
    Pushing signature to: REPOSITORY
    ");
    insta::assert_snapshot!(shown(verify(&context, &["-a", "env=prod"], &tag)), @r#"
    exit 0
    --- stdout

    [{"critical":{"identity":{"docker-reference":"REPOSITORY"},"image":{"docker-manifest-digest":"DIGEST"},"type":"cosign container image signature"},"optional":{"env":"prod","team":"a"}}]
    --- stderr

    Verification for REPOSITORY:v1 --
    The following checks were performed on each of these signatures:
      - The specified annotations were verified.
      - The cosign claims were validated
      - The signatures were verified against the specified public key
    "#);
    insta::assert_snapshot!(shown(verify(&context, &["-a", "env=dev"], &image)), @r"
    exit 12
    --- stdout
    --- stderr
    Error: no matching signatures: missing or incorrect annotation
    error during command execution: no matching signatures: missing or incorrect annotation
    ");
    let text = verify(&context, &["-o", "text"], &image);
    assert_eq!((text.exit, text.stdout.starts_with("{\"critical\":")), (0, true), "{text:?}");
    let nosuch = format!("{}/demo/app:nosuch", registry.address);
    let told = verify(&context, &[], &nosuch);
    assert_eq!(told.exit, 11, "{told:?}");
    assert!(told.stderr.starts_with("Error: image tag not found: GET http://"), "{told:?}");
    let nowhere = verify(&context, &[], &format!("127.0.0.1:1/demo/app@{digest}"));
    assert_eq!((nowhere.exit, nowhere.stdout.as_str()), (1, ""), "{nowhere:?}");
    assert!(nowhere.stderr.contains("dial tcp 127.0.0.1:1: connect: connection refused"), "{nowhere:?}");
}

#[test]
fn another_key_and_another_image_do_not_count() {
    let (context, _registry, tag, image) = built();
    assert_eq!(context.run(&["generate-key-pair", "--output-key-prefix", "other"]).exit, 0);
    assert_eq!(context.run(&["sign", "--key", "other.key", &image]).exit, 0);
    let told = verify(&context, &[], &image);
    assert_eq!((told.exit, told.stdout.as_str()), (12, ""));
    assert!(
        told.stderr.starts_with(
            "Error: no matching signatures: invalid signature when validating ASN.1 encoded signature\n"
        ),
        "{told:?}"
    );
    // Both keys sign side by side, and signing again adds nothing.
    assert_eq!(sign(&context, &[], &image).exit, 0);
    assert_eq!(sign(&context, &[], &image).exit, 0);
    assert_eq!(verify(&context, &[], &image).exit, 0);
    assert_eq!(context.run(&["download", "signature", &image]).stdout.lines().count(), 2);
    // An attestation is no signature.
    context.write("app/hello", "changed\n");
    let rebuilt = context.run(&["image", "build", "--tag", &tag, "app"]);
    let changed = rebuilt.stdout.trim();
    context.write("p.json", "{}");
    let attested = context.run(&[
        "attest",
        "--key",
        "cosign.key",
        "--type",
        "slsaprovenance",
        "--predicate",
        "p.json",
        changed,
    ]);
    assert_eq!(attested.exit, 0, "{attested:?}");
    assert_eq!(verify(&context, &[], changed).exit, 10);
    assert_eq!(verify(&context, &[], &tag).exit, 10);
}

#[test]
fn what_cannot_be_checked_or_signed_yet_is_named() {
    let (context, _registry, _, image) = built();
    assert_eq!(sign(&context, &[], &image).exit, 0);
    let first = |told: Told| {
        assert_eq!((told.exit, told.stdout.as_str()), (1, ""), "{told:?}");
        told.stderr.lines().find(|line| !line.starts_with("Flag --")).unwrap_or_default().to_owned()
    };
    let keyless = context.run(&["verify", &image]);
    assert!(first(keyless).contains("--certificate-identity or --certificate-identity-regexp is required"));
    // Whom a certificate names says nothing without somebody who is believed about it.
    let identity = ["verify", "--certificate-identity", "a@b", "--certificate-oidc-issuer", "c", &image];
    let nobody = first(context.run(&identity));
    assert!(
        nobody.starts_with(
            "Error: setting up clients and keys: getting ctlog public keys: no trusted root is at hand"
        ),
        "{nobody}"
    );
    // A key needs no authorities: cosign opens none of their files beside one.
    let roots = verify(&context, &["--ca-roots", "nosuch.pem"], &image);
    assert_eq!(roots.exit, 0, "{roots:?}");
    let keyless = [&identity[..5], &["--ca-roots", "nosuch.pem", "--insecure-ignore-sct", &image]].concat();
    assert_eq!(
        first(context.run(&keyless)),
        "Error: setting up clients and keys: loading certs for keyless verification: open nosuch.pem: no such file or directory"
    );
    let log = sign(&context, &["--tlog-upload", "-y", "--rekor-url", "http://127.0.0.1:1"], &image);
    assert_eq!((log.exit, log.stdout.as_str()), (1, ""), "{log:?}");
    let words = "signing digest: signing bundle: error signing bundle: Post \"http://127.0.0.1:1/api/v1/log/entries\": giving up after 2 attempt(s): Post \"http://127.0.0.1:1/api/v1/log/entries\": dial tcp 127.0.0.1:1: connect: connection refused";
    assert!(log.stderr.contains(words), "{log:?}");
    assert!(
        first(sign(&context, &["--use-signing-config"], &image))
            .contains("--tlog-upload=false is not supported with --signing-config or --use-signing-config")
    );
    let token = context
        .command()
        .env("SIGSTORE_CT_LOG_PUBLIC_KEY_FILE", "ctfe.pub")
        .args(["sign", "--identity-token", "nosuch.jwt", &image])
        .output()
        .unwrap();
    assert_eq!((token.status.code(), token.stdout.len()), (Some(1), 0));
    assert!(
        String::from_utf8_lossy(&token.stderr)
            .contains("reading ID token: getting id token: open nosuch.jwt: no such file or directory"),
        "{token:?}"
    );
    assert!(first(sign(&context, &["-a", "env"], &image)).contains("unable to parse annotation: env"));
    assert_eq!(first(context.run(&["sign"])), "Error: requires at least 1 arg(s), only received 0");
    let bad = first(sign(&context, &[], "not a ref!!"));
    assert_eq!(
        bad,
        "Error: signing [not a ref!!]: parsing reference: could not parse reference: not a ref!!"
    );
}

#[test]
fn a_list_is_signed_with_its_members() {
    let (context, registry, _, image) = built();
    let (repository, member) = image.split_once('@').unwrap();
    let kind = "application/vnd.oci.image.index.v1+json";
    let index = format!(
        r#"{{"schemaVersion":2,"mediaType":"{kind}","manifests":[{{"mediaType":"application/vnd.oci.image.manifest.v1+json","size":1,"digest":"{member}"}}]}}"#
    );
    let mut stream = TcpStream::connect(&registry.address).unwrap();
    let head = format!(
        "PUT /v2/demo/app/manifests/list HTTP/1.1\r\nHost: {}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        registry.address,
        index.len()
    );
    stream.write_all([head.as_bytes(), index.as_bytes()].concat().as_slice()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert_eq!(answer.get(9..12), Some("201"), "{answer}");
    let list = format!("{repository}:list");
    let alone = sign(&context, &[], &list);
    assert_eq!(alone.exit, 0, "{alone:?}");
    let warned =
        format!("WARNING: Image reference {list} uses a tag, not a digest, to identify the image to sign.\n");
    assert!(alone.stderr.starts_with(&warned), "{alone:?}");
    assert_eq!((verify(&context, &[], &list).exit, verify(&context, &[], &image).exit), (0, 10));
    let both = sign(&context, &["-r"], &list);
    assert_eq!(both.stderr.matches("Pushing signature to: ").count(), 2, "{both:?}");
    assert_eq!((verify(&context, &[], &list).exit, verify(&context, &[], &image).exit), (0, 0));
}

#[test]
fn what_lies_beside_an_image_is_shown() {
    let (context, _registry, tag, image) = built();
    let (repository, digest) = image.split_once('@').unwrap();
    let shown = |told: Told| {
        told.shown(&[
            (&image, "IMAGE"),
            (repository, "REPOSITORY"),
            (digest, "DIGEST"),
            (&digest.replace(':', "-"), "SCHEME"),
        ])
    };
    insta::assert_snapshot!(shown(context.run(&["tree", &image])), @r"
    exit 0
    --- stdout
    📦 Supply Chain Security Related artifacts for an image: IMAGE
    No Supply Chain Security Related Artifacts found for image IMAGE,
     start creating one with simply running$ cosign sign <img>--- stderr
    ");
    insta::assert_snapshot!(shown(context.run(&["download", "signature", &image])), @r"
    exit 1
    --- stdout
    --- stderr
    Error: IMAGE: no signatures associated
    error during command execution: IMAGE: no signatures associated
    ");
    assert_eq!(sign(&context, &[], &image).exit, 0);
    context.write("p.json", "{}");
    for kind in ["slsaprovenance", "custom"] {
        let attest = ["attest", "--key", "cosign.key", "--type", kind, "--predicate", "p.json", &image];
        assert_eq!(context.run(&attest).exit, 0);
    }
    let tree = shown(context.run(&["tree", &tag]));
    let lines: Vec<_> = tree.lines().map(|line| line.split(" sha256:").next().unwrap_or_default()).collect();
    insta::assert_snapshot!(lines.join("\n"), @r"
    exit 0
    --- stdout
    📦 Supply Chain Security Related artifacts for an image: REPOSITORY:v1
    └── 🔐 Signatures for an image tag: REPOSITORY:SCHEME.sig
       └── 🍒
    └── 💾 Attestations for an image tag: REPOSITORY:SCHEME.att
       ├── 🍒
       └── 🍒
    --- stderr
    ");
    insta::assert_snapshot!(shown(context.run(&["triangulate", "--type", "attestation", &tag])), @r#"
    exit 0
    --- stdout
    REPOSITORY:SCHEME.att
    --- stderr
    Command "triangulate" is deprecated, triangulate will be removed in v4.0.0 (see https://github.com/sigstore/cosign/issues/4696). Instead, please use `oras discover` or `cosign tree` to show referring artifacts
    "#);
    assert_eq!(context.run(&["triangulate", "--type", "digest", &tag]).stdout, format!("{image}\n"));
    let nosuch = context.run(&["triangulate", "--type", "nosuch", &tag]);
    assert_eq!((nosuch.exit, nosuch.stdout.as_str()), (1, ""), "{nosuch:?}");
    let attestations = |more: &[&str]| {
        let told = context.run(&[&["download", "attestation"], more, &[image.as_str()]].concat());
        (told.exit, told.stdout.lines().count(), told.stderr.lines().next().unwrap_or_default().to_owned())
    };
    assert_eq!(attestations(&[]), (0, 2, String::new()));
    assert_eq!(attestations(&["--predicate-type", "slsaprovenance"]), (0, 1, String::new()));
    let none = "Error: no attestations with predicate type 'https://slsa.dev/provenance/v1' found";
    assert_eq!(attestations(&["--predicate-type", "slsaprovenance1"]), (1, 0, none.to_owned()));
    let line = context.run(&["download", "signature", &image]).stdout;
    assert!(line.starts_with("{\"Base64Signature\":\"ME"), "{line}");
    assert!(
        line.ends_with("\"Cert\":null,\"Chain\":null,\"Bundle\":null,\"RFC3161Timestamp\":null}\n"),
        "{line}"
    );
}

#[test]
fn what_was_made_elsewhere_is_attached_and_verifies() {
    let (context, registry, tag, image) = built();
    // A signature made without the image's registry: the payload signed as a file.
    let (repository, digest) = image.split_once('@').unwrap();
    context.write(
        "payload",
        &format!(
            r#"{{"critical":{{"identity":{{"docker-reference":"{repository}"}},"image":{{"docker-manifest-digest":"{digest}"}},"type":"cosign container image signature"}},"optional":null}}"#
        ),
    );
    let signed = context.run(&["sign-blob", "--key", "cosign.key", "--output-signature", "s", "payload"]);
    assert_eq!(signed.exit, 0, "{signed:?}");
    for more in [&["--payload", "payload"][..], &[]] {
        let attach = [&["attach", "signature", "--signature", "s"], more, &[tag.as_str()]].concat();
        let told = context.run(&attach);
        assert_eq!(told.shown(&[]), "exit 0\n--- stdout\n--- stderr\n");
    }
    let verified = verify(&context, &["-o", "text"], &image);
    assert_eq!((verified.exit, verified.stdout.lines().count()), (0, 2), "{verified:?}");
    // Two attestations taken from one image to another repository's copy of it.
    context.write("p.json", "{}");
    for _ in 0..2 {
        let attest =
            ["attest", "--key", "cosign.key", "--type", "slsaprovenance", "--predicate", "p.json", &image];
        assert_eq!(context.run(&attest).exit, 0);
    }
    context.write("envelopes", &context.run(&["download", "attestation", &image]).stdout);
    let copy = format!("{}/demo/copy@{digest}", registry.address);
    let attached = context.run(&["attach", "attestation", "--attestation", "envelopes", &copy]);
    assert_eq!(attached.shown(&[]), "exit 0\n--- stdout\n--- stderr\n");
    let told = context.run(&["verify-attestation", "--key", "cosign.pub", "--type", "slsaprovenance", &copy]);
    assert_eq!((told.exit, told.stdout.lines().count()), (0, 2), "{told:?}");
}

#[test]
fn what_nobody_could_verify_is_not_attached() {
    let (context, _registry, _, image) = built();
    let kind = "application/vnd.in-toto+json";
    let unsigned = format!(r#"{{"payloadType":"{kind}","payload":"e30=","signatures":[]}}"#);
    let other = r#"{"payloadType":"text/plain","payload":"e30=","signatures":[{"sig":"YQ=="}]}"#;
    let bundle = r#"{"mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json"}"#;
    let cases = [
        (unsigned.as_str(), "could not attach attestation without having signatures"),
        (other, "invalid payloadType text/plain on envelope. Expected application/vnd.in-toto+json"),
        (bundle, "bundle does not have DSSE envelope"),
        ("", "the file holds no attestation"),
    ];
    for (text, words) in cases {
        context.write("file", text);
        let told = context.run(&["attach", "attestation", "--attestation", "file", &image]);
        let expected = format!("Error: file: {words}");
        assert_eq!((told.exit, told.stderr.lines().next()), (1, Some(expected.as_str())), "{told:?}");
    }
    let told = context.run(&["attach", "signature", "--signature", "no base64", &image]);
    assert_eq!((told.exit, told.stdout.as_str()), (1, ""), "{told:?}");
    assert!(context.run(&["tree", &image]).stdout.contains("No Supply Chain Security Related Artifacts"));
}
