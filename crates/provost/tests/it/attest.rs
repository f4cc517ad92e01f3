//! `attest` and `verify-attestation` against the embedded registry: what passes, what fails, and in which words.

use crate::context::Context;

const GOOD: &str = "predicate: builder: id: \"https://example.com/b\"\n";
const BAD: &str = "predicate: builder: id: \"https://example.com/other\"\n";
const REGO: &str = "package signature\n\nallow { input.predicate.builder.id == \"https://example.com/b\" }\n";

/// A context with a key pair, an image in a registry, and one provenance beside it.
fn attested() -> (Context, crate::context::Registry, String) {
    let context = Context::new();
    let registry = context.registry();
    assert_eq!(context.run(&["generate-key-pair"]).exit, 0);
    context.write("app/Dockerfile", "FROM scratch\nCOPY hello /hello\n");
    context.write("app/hello", "hello\n");
    let built =
        context.run(&["image", "build", "--tag", &format!("{}/demo/app:v1", registry.address), "app"]);
    assert_eq!(built.exit, 0, "{built:?}");
    let image = built.stdout.trim().to_owned();
    context.write("p.json", r#"{"builder":{"id":"https://example.com/b"},"buildType":"t"}"#);
    let attested = context.run(&[
        "attest",
        "--key",
        "cosign.key",
        "--type",
        "slsaprovenance",
        "--predicate",
        "p.json",
        &image,
    ]);
    let said = "exit 0\n--- stdout\n--- stderr\nUsing payload from: p.json\nSigning artifact...\n";
    assert_eq!(attested.shown(&[]), said);
    context.write("good.cue", GOOD);
    context.write("bad.cue", BAD);
    context.write("good.rego", REGO);
    (context, registry, image)
}

#[test]
fn policies_pass_and_fail_in_cosigns_words() {
    let (context, _registry, image) = attested();
    let verify = |policy: &str, kind: &str| {
        let told = context.run(&[
            "verify-attestation",
            "--key",
            "cosign.pub",
            "--type",
            kind,
            "--policy",
            policy,
            &image,
        ]);
        let payload = told.stdout.clone();
        told.shown(&[(&image, "IMAGE"), (payload.trim_end(), "ENVELOPE")])
    };
    insta::assert_snapshot!(verify("good.cue,good.rego", "slsaprovenance"), @r"
    exit 0
    --- stdout
    ENVELOPE
    --- stderr
    will be validating against CUE policies: [good.cue]
    will be validating against Rego policies: [good.rego]

    Verification for IMAGE --
    The following checks were performed on each of these signatures:
      - The cosign claims were validated
      - The signatures were verified against the specified public key
    ");
    insta::assert_snapshot!(verify("bad.cue", "slsaprovenance").replace("ENVELOPE", ""), @r#"
    exit 1
    --- stdout
    --- stderr
    will be validating against CUE policies: [bad.cue]
    There are 1 number of errors occurred during the validation:

    - predicate.builder.id: conflicting values "https://example.com/b" and "https://example.com/other"
    Error: 1 validation errors occurred
    error during command execution: 1 validation errors occurred
    "#);
    insta::assert_snapshot!(verify("good.cue", "slsaprovenance1").replace("ENVELOPE", ""), @r"
    exit 1
    --- stdout
    --- stderr
    Error: none of the attestations matched the predicate type: slsaprovenance1, found: https://slsa.dev/provenance/v0.2
    error during command execution: none of the attestations matched the predicate type: slsaprovenance1, found: https://slsa.dev/provenance/v0.2
    ");
    insta::assert_snapshot!(verify("p.json", "slsaprovenance").replace("ENVELOPE", ""), @r"
    exit 1
    --- stdout
    --- stderr
    Error: invalid policy format, expected .cue or .rego
    error during command execution: invalid policy format, expected .cue or .rego
    ");
}

#[test]
fn a_field_the_attestation_lacks_is_refused_unless_the_user_says_so() {
    let (context, _registry, image) = attested();
    context.write("lacks.cue", "predicate: nosuch: \"x\"\n");
    let verify = |more: &[&str]| {
        let base = [
            "verify-attestation",
            "--key",
            "cosign.pub",
            "--type",
            "slsaprovenance",
            "--policy",
            "lacks.cue",
        ];
        context.run(&[&base, more, &[image.as_str()]].concat())
    };
    let refused = verify(&[]);
    assert_eq!(refused.exit, 1, "{refused:?}");
    assert!(
        refused.stderr.contains("- predicate.nosuch: field is required but not present\n"),
        "{refused:?}"
    );
    let allowed = verify(&["--cue-absent=allow"]);
    assert_eq!(allowed.exit, 0, "{allowed:?}");
    assert!(allowed.stderr.contains("--cue-absent=allow"), "{allowed:?}");
}

#[test]
fn bad_input_is_named_in_one_line() {
    let (context, registry, image) = attested();
    let first = |told: crate::context::Told| {
        assert_eq!(told.exit, 1, "{told:?}");
        assert_eq!(told.stdout, "");
        told.stderr.lines().find(|line| line.starts_with("Error: ")).unwrap_or_default().to_owned()
    };
    let verify = |key: &str, image: &str| {
        first(context.run(&["verify-attestation", "--key", key, "--type", "slsaprovenance", image]))
    };
    assert_eq!(verify("cosign.pub", "not a ref!!"), "Error: could not parse reference: not a ref!!");
    assert_eq!(
        verify("nosuch.pub", &image),
        "Error: loading verifierfrom key opts: loading public key: open nosuch.pub: no such file or directory"
    );
    assert_eq!(
        verify("p.json", &image),
        "Error: loading verifierfrom key opts: loading public key: pem to public key: PEM decoding failed"
    );
    let missing = format!("{}/demo/nosuch:v1", registry.address);
    assert!(
        verify("cosign.pub", &missing)
            .starts_with(&format!("Error: GET http://{}/v2/demo/nosuch/manifests/v1: ", registry.address))
    );
    let unsigned = context.run(&[
        "image",
        "build",
        "--tag",
        &format!("{}/demo/other:v1", registry.address),
        "--build-arg",
        "A=1",
        "app",
    ]);
    assert_eq!(unsigned.exit, 0, "{unsigned:?}");
    let nowhere = format!("127.0.0.1:1/demo/app@{}", image.split('@').nth(1).unwrap());
    assert!(verify("cosign.pub", &nowhere).contains("dial tcp 127.0.0.1:1: connect: connection refused"));
    let mut wrong = context.command();
    wrong.env("COSIGN_PASSWORD", "wrong");
    let output = wrong
        .args(["attest", "--key", "cosign.key", "--type", "slsaprovenance", "--predicate", "p.json", &image])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(
        String::from_utf8_lossy(&output.stderr)
            .contains("reading key: decrypt: encrypted: decryption failed\n")
    );
    assert_eq!(
        first(context.run(&["verify-attestation"])),
        "Error: requires at least 1 arg(s), only received 0"
    );
    assert_eq!(
        first(context.run(&["verify-attestation", "--nosuch", &image])),
        "Error: unknown flag: --nosuch"
    );
}

#[test]
fn what_decided_is_explained() {
    let (context, _registry, image) = attested();
    let explained = |policy: &str| {
        let verify = ["verify-attestation", "--key", "cosign.pub", "--type", "slsaprovenance", "--explain"];
        let told = context.run(&[verify.as_slice(), &["--policy", policy, &image]].concat());
        let lines = told.stderr.lines().filter_map(|line| line.strip_prefix("explain: attestation sha256:"));
        (told.exit, lines.filter_map(|line| line.get(66..)).map(str::to_owned).collect::<Vec<_>>())
    };
    let (exit, good) = explained("good.rego");
    assert_eq!(exit, 0);
    assert!(good[0].starts_with("signed by the key SHA256:"), "{good:?}");
    assert!(
        good[0].ends_with(
            "about this image among 1 subjects; type https://slsa.dev/provenance/v0.2: the type asked for"
        ),
        "{good:?}"
    );
    assert_eq!(good.last().unwrap(), "the Rego policies hold");
    context.write(
        "asks.rego",
        "package signature\nallow {\n  input.predicate.buildType == \"t\"\n  input.predicate.runDetails.builder.id == \"b\"\n}\n",
    );
    let (exit, asks) = explained("asks.rego");
    assert_eq!(exit, 1);
    let undefined = "input.predicate.runDetails is undefined, asked for at asks.rego:4";
    assert_eq!(asks.last().unwrap(), undefined, "{asks:?}");
    context.write("other.rego", &REGO.replace("com/b", "com/other"));
    let (exit, other) = explained("other.rego");
    assert_eq!(exit, 1);
    assert_eq!(other.last().unwrap(), "every reference of the policy to the input has a value");
    let (exit, cue) = explained("bad.cue");
    assert_eq!(exit, 1);
    assert!(
        cue.last()
            .unwrap()
            .starts_with("the CUE policies do not hold: predicate.builder.id: conflicting values"),
        "{cue:?}"
    );
}

#[test]
fn another_key_and_another_image_do_not_count() {
    let (context, registry, image) = attested();
    assert_eq!(context.run(&["generate-key-pair", "--output-key-prefix", "other"]).exit, 0);
    let told = context.run(&["verify-attestation", "--key", "other.pub", "--type", "slsaprovenance", &image]);
    assert_eq!(told.exit, 1);
    assert!(
        told.stderr.contains(
            "no matching attestations: accepted signatures do not match threshold, Found: 0, Expected 1"
        ),
        "{told:?}"
    );
    // The same attestation copied beside another image of the repository says nothing about that one.
    context.write("app/hello", "changed\n");
    let built =
        context.run(&["image", "build", "--tag", &format!("{}/demo/app:v2", registry.address), "app"]);
    let other = built.stdout.trim().to_owned();
    let unsigned =
        context.run(&["verify-attestation", "--key", "cosign.pub", "--type", "slsaprovenance", &other]);
    assert_eq!((unsigned.exit, unsigned.stdout.as_str()), (1, ""));
    assert!(unsigned.stderr.starts_with("Error: no matching attestations: \n"), "{unsigned:?}");
}

#[test]
fn a_registry_that_never_answers_keeps_nobody_waiting() {
    let context = Context::new();
    assert_eq!(context.run(&["generate-key-pair"]).exit, 0);
    // It takes connections, since the system does, and says nothing.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let image = format!("{}/demo/app:v1", silent.local_addr().unwrap());
    let verify = |timeout: &str| {
        let flag = format!("--timeout={timeout}");
        context.run(&["verify-attestation", "--key", "cosign.pub", "--type", "slsaprovenance", &flag, &image])
    };
    let told = verify("200ms");
    assert_eq!((told.exit, told.stdout.as_str()), (1, ""), "{told:?}");
    assert!(told.stderr.contains("Error: context deadline exceeded\n"), "{told:?}");
    let told = verify("soon");
    assert!(told.stderr.contains("invalid argument \"soon\" for \"-t, --timeout\" flag"), "{told:?}");
}
