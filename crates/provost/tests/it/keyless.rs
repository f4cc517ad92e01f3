//! Signing with an identity token: a certificate, a log and a clock of the tests' own, in both formats.

use testkit::services::{Services, token};

use crate::context::{Context, Registry, Told};

const WHO: [&str; 4] =
    ["--certificate-identity", "a@example.test", "--certificate-oidc-issuer", "https://issuer.test"];

/// A context with an image in a registry, and services whose trusted root lies in `root.json`.
fn built() -> (Context, Registry, Services, String) {
    let context = Context::new();
    let registry = context.registry();
    let services = Services::start(jiff::Timestamp::now().as_second()).unwrap();
    context.write("root.json", &services.authority().trusted_root().to_string());
    context.write("token.jwt", &token("a@example.test"));
    context.write("app/Dockerfile", "FROM scratch\nCOPY hello /hello\n");
    context.write("app/hello", "hello\n");
    let tag = format!("{}/demo/app:v1", registry.address);
    let built = context.run(&["image", "build", "--tag", &tag, "app"]);
    assert_eq!(built.exit, 0, "{built:?}");
    (context, registry, services, built.stdout.trim().to_owned())
}

fn run(context: &Context, arguments: &[&str]) -> Told {
    let mut command = context.command();
    // The tests' log is to be asked, and found.
    for name in ["COSIGN_TLOG_UPLOAD", "COSIGN_PRIVATE_INFRASTRUCTURE", "COSIGN_USE_SIGNING_CONFIG"] {
        command.env_remove(name);
    }
    command.env_remove("COSIGN_NEW_BUNDLE_FORMAT").args(arguments);
    Told::of(&command.output().unwrap())
}

#[test]
fn a_signing_configuration_signs_and_the_trusted_root_verifies() {
    let (context, _registry, services, image) = built();
    context.write("p.json", r#"{"builder":{"id":"b"}}"#);
    context.write("blob", "bytes\n");
    for (version, timestamps) in [(1, false), (1, true), (2, true)] {
        context.write("sc.json", &services.signing_config(version, timestamps).to_string());
        let with =
            ["--signing-config", "sc.json", "--trusted-root", "root.json", "--identity-token", "token.jwt"];
        let predicate = ["--type", "slsaprovenance", "--predicate", "p.json"];
        for arguments in [
            [&["sign"], with.as_slice(), &[&image]].concat(),
            [&["attest"], with.as_slice(), &predicate, &[&image]].concat(),
            [&["sign-blob", "--bundle", "b.json"], with.as_slice(), &["blob"]].concat(),
        ] {
            let told = run(&context, &arguments);
            assert_eq!(told.exit, 0, "{version} {timestamps} {told:?}");
        }
        let stamps: &[&str] = if timestamps { &["--use-signed-timestamps"] } else { &[] };
        let with = [&["--trusted-root", "root.json"], WHO.as_slice(), stamps].concat();
        for arguments in [
            [&["verify"], with.as_slice(), &[&image]].concat(),
            [&["verify-attestation", "--type", "slsaprovenance"], with.as_slice(), &[&image]].concat(),
            [&["verify-blob", "--bundle", "b.json"], with.as_slice(), &["blob"]].concat(),
        ] {
            let told = run(&context, &arguments);
            assert_eq!(told.exit, 0, "{version} {timestamps} {arguments:?} {told:?}");
        }
    }
}

#[test]
fn the_tag_scheme_carries_certificate_log_entry_and_timestamp() {
    let (context, _registry, services, image) = built();
    let (url, stamps) = (services.url(), services.timestamp_url());
    let signed = run(
        &context,
        &[
            "sign",
            "--new-bundle-format=false",
            "--use-signing-config=false",
            "--yes",
            "--trusted-root",
            "root.json",
            "--identity-token",
            "token.jwt",
            "--fulcio-url",
            &url,
            "--rekor-url",
            &url,
            "--timestamp-server-url",
            &stamps,
            &image,
        ],
    );
    assert_eq!(signed.exit, 0, "{signed:?}");
    let asked = ["POST /api/v2/signingCert", "POST /api/v1/timestamp", "POST /api/v1/log/entries"];
    assert_eq!(services.asked(), asked);
    let with = [&["verify", "--trusted-root", "root.json"], WHO.as_slice(), &[&image]].concat();
    let told = run(&context, &with);
    assert_eq!(told.exit, 0, "{told:?}");
    assert!(told.stdout.contains(r#""Issuer":"https://issuer.test""#), "{told:?}");
}

#[test]
fn what_the_trusted_root_does_not_know_is_not_kept() {
    let (context, _registry, services, image) = built();
    let other = Services::start(jiff::Timestamp::now().as_second()).unwrap();
    context.write("root.json", &other.authority().trusted_root().to_string());
    context.write("sc.json", &services.signing_config(1, false).to_string());
    let with =
        ["--signing-config", "sc.json", "--trusted-root", "root.json", "--identity-token", "token.jwt"];
    let told = run(&context, &[&["sign"], with.as_slice(), &[&image]].concat());
    assert_eq!(told.exit, 1, "{told:?}");
    assert!(told.stderr.contains("error signing bundle: failed to verify log inclusion"), "{told:?}");
    assert!(!told.stderr.contains("Pushing signature to"), "{told:?}");
}

#[test]
fn certificates_come_from_variables_and_urls_too() {
    let (context, _registry, services, image) = built();
    let url = services.url();
    context.write("blob", "bytes\n");
    let with = ["--new-bundle-format=false", "--use-signing-config=false", "--yes", "--tlog-upload=false"];
    let keyless = ["--identity-token", "token.jwt", "--fulcio-url", &url];
    let outputs = ["--output-signature", "s", "--output-certificate", "c"];
    let told = run(&context, &[&["sign-blob"], with.as_slice(), &keyless, &outputs, &["blob"]].concat());
    assert_eq!(told.exit, 0, "{told:?}");
    let signed = run(&context, &[&["sign"], with.as_slice(), &keyless, &[&image]].concat());
    assert_eq!(signed.exit, 0, "{signed:?}");
    let read = |name: &str| std::fs::read_to_string(context.folder().join(name)).unwrap();
    let authority = services.authority();
    context.write("ctfe.pub", &authority.ct_log.public_pem());
    let root = testkit::authority::pem("CERTIFICATE", &authority.root.certificate);
    let between = testkit::authority::pem("CERTIFICATE", &authority.intermediate.certificate);
    let verify = |roots: [&str; 2], arguments: &[&str]| {
        let mut command = context.command();
        command.env("LEAF", read("c")).env("SIGSTORE_CT_LOG_PUBLIC_KEY_FILE", "ctfe.pub");
        command.env("ROOTS", &root).env("BETWEEN", &between);
        command.args([arguments, &["--ca-roots", roots[0], "--ca-intermediates", roots[1]]].concat());
        Told::of(&command.args(WHO).output().unwrap())
    };
    let given = ["env://ROOTS", "env://BETWEEN"];
    let blob = ["verify-blob", "--certificate", "env://LEAF", "--signature", "s", "blob"];
    let told = verify(given, &blob);
    assert_eq!(told.exit, 0, "{told:?}");
    let told = verify(given, &["verify", &image]);
    assert_eq!(told.exit, 0, "{told:?}");
    let told = verify(["env://NOWHERE", "env://BETWEEN"], &["verify", &image]);
    assert!(told.stderr.contains("loading URL: env var $NOWHERE not found"), "{told:?}");
    let told = verify(["http://192.0.2.1/roots.pem", "env://BETWEEN"], &["verify", &image]);
    assert!(told.stderr.contains("over http: use https"), "{told:?}");
}

/// cosign stamps the signature here and asks for a timestamp of the envelope, so what it makes it does not verify.
#[test]
fn a_stamped_attestation_of_the_tag_scheme_verifies_by_its_timestamp() {
    let (context, _registry, services, image) = built();
    let (url, stamps) = (services.url(), services.timestamp_url());
    context.write("p.json", r#"{"builder":{"id":"b"}}"#);
    let old =
        ["--new-bundle-format=false", "--use-signing-config=false", "--yes", "--trusted-root", "root.json"];
    let services = ["--fulcio-url", &url, "--rekor-url", &url, "--timestamp-server-url", &stamps];
    let predicate = ["--type", "slsaprovenance", "--predicate", "p.json", "--identity-token", "token.jwt"];
    let told = run(&context, &[&["attest"], &old[..], &services, &predicate, &[&image]].concat());
    assert_eq!(told.exit, 0, "{told:?}");
    let verify = ["verify-attestation", "--type", "slsaprovenance", "--trusted-root", "root.json"];
    for more in [["--use-signed-timestamps", "--insecure-ignore-tlog"].as_slice(), &[]] {
        let told = run(&context, &[&verify, &WHO[..], more, &[&image]].concat());
        assert_eq!(told.exit, 0, "{more:?} {told:?}");
    }
}
