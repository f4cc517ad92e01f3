//! `copy`, `save`, `load`, `clean` and SBOMs against the embedded registry, and the command line in cosign's spellings.

use std::process::Command;

use crate::context::{Context, Registry, Told};

/// A context with an image that has a signature, an attestation and an SBOM beside it.
fn signed() -> (Context, Registry, String) {
    let context = Context::new();
    let registry = context.registry();
    assert_eq!(context.run(&["generate-key-pair"]).exit, 0);
    context.write("app/Dockerfile", "FROM scratch\nCOPY hello /hello\n");
    context.write("app/hello", "hello\n");
    context.write("p.json", "{}");
    let tag = format!("{}/demo/app:v1", registry.address);
    let image = context.run(&["image", "build", "--tag", &tag, "app"]).stdout.trim().to_owned();
    let offline = ["--use-signing-config=false", "--tlog-upload=false", "--new-bundle-format=false"];
    let made = |words: &[&str]| {
        let told = context.run(&[words, &offline, &[&image]].concat());
        assert_eq!(told.exit, 0, "{told:?}");
    };
    made(&["sign", "--key", "cosign.key"]);
    made(&["attest", "--key", "cosign.key", "--type", "slsaprovenance", "--predicate", "p.json"]);
    let told = context.run(&["attach", "sbom", "--sbom", "p.json", &image]);
    assert_eq!(told.exit, 0, "{told:?}");
    (context, registry, image)
}

fn verifies(context: &Context, image: &str) -> bool {
    let signed = context.run(&["verify", "--key", "cosign.pub", image]);
    let attestation = ["verify-attestation", "--key", "cosign.pub", "--type", "slsaprovenance", image];
    let attested = context.run(&attestation);
    signed.exit == 0 && attested.exit == 0
}

#[test]
fn what_is_copied_verifies_where_it_goes() {
    let (context, registry, image) = signed();
    let there = format!("{}/copied/app:v1", registry.address);
    let told = context.run(&["copy", &image, &there]);
    assert_eq!(told.exit, 0, "{told:?}");
    assert!(told.stderr.starts_with("Command \"copy\" is deprecated, there are several options"), "{told:?}");
    assert_eq!(told.stderr.matches("Copying ").count(), 5, "{told:?}");
    assert!(verifies(&context, &there));
    // What is there stays without a word; what differs is in the way until it is forced.
    let again = context.run(&["copy", &image, &there]);
    assert_eq!((again.exit, again.stderr.contains("Copying")), (0, false), "{again:?}");
    context.write("app/hello", "changed\n");
    let changed = format!("{}/demo/app:v2", registry.address);
    assert_eq!(context.run(&["image", "build", "--tag", &changed, "app"]).exit, 0);
    let refused = context.run(&["copy", &changed, &there]);
    assert_eq!(refused.exit, 1);
    let words = format!("Error: image \"{there}\" already exists. Use `-f` to overwrite\n");
    assert!(refused.stderr.contains(&words), "{refused:?}");
    assert_eq!(context.run(&["copy", "-f", &changed, &there]).exit, 0);
    assert!(!verifies(&context, &there));
    let wrong = context.run(&["copy", "--only=sig,foo", &image, &there]);
    assert!(
        wrong.stderr.contains(
            "invalid value for --only: foo, only the following values are supported: [sig sbom att]"
        )
    );
    let alone = context.run(&["copy", "--platform", "linux/amd64", &image, &there]);
    assert!(alone.stderr.contains("Error: specified reference is not a multiarch image\n"), "{alone:?}");
}

#[test]
fn what_is_saved_is_loaded_elsewhere() {
    let (context, registry, image) = signed();
    assert_eq!(context.run(&["save", "--dir", "saved", &image]).exit, 0);
    let index = std::fs::read_to_string(context.folder().join("saved/index.json")).unwrap();
    for kind in ["image", "sigs", "atts"] {
        let annotation = format!("\"kind\": \"dev.cosignproject.cosign/{kind}\"");
        assert_eq!(index.matches(&annotation).count(), 1, "{index}");
    }
    let there = format!("{}/loaded/app:v1", registry.address);
    let loaded = context.run(&["load", "--dir", "saved", &there]);
    assert_eq!((loaded.exit, loaded.stdout.as_str(), loaded.stderr.as_str()), (0, "", ""));
    assert!(verifies(&context, &there));
    // A file that was changed on the way is not pushed.
    let hex = image.rsplit(':').next().unwrap();
    let blob = context.folder().join("saved/blobs/sha256").join(hex);
    let text = std::fs::read_to_string(&blob).unwrap();
    std::fs::write(&blob, text.replace("schemaVersion\":2", "schemaVersion\":3")).unwrap();
    let broken = context.run(&["load", "--dir", "saved", &there]);
    assert_eq!(broken.exit, 1);
    assert!(broken.stderr.contains(&format!("expected sha256:{hex}")), "{broken:?}");
    let nowhere = context.run(&["load", "--dir", "nosuch", &there]);
    let words = "Error: signed image index: stat nosuch/index.json: no such file or directory\n";
    assert!(nowhere.stderr.starts_with(words), "{nowhere:?}");
    let without = context.run(&["save", &image]);
    assert!(without.stderr.starts_with("Error: required flag(s) \"dir\" not set\n"), "{without:?}");
}

#[test]
fn what_is_cleaned_is_gone() {
    let (context, _registry, image) = signed();
    let asked = context.run(&["clean", &image]);
    assert_eq!(asked.exit, 1);
    insta::assert_snapshot!(asked.stderr, @r"
    WARNING: this will remove all signatures, SBOMs and attestations from the image
    Are you sure you would like to continue? [y/N] Error: user declined the prompt
    error during command execution: user declined the prompt
    ");
    assert!(verifies(&context, &image));
    let one = context.run(&["clean", "-f", "--type", "attestation", &image]);
    assert_eq!((one.exit, one.stderr.matches("Removed ").count()), (0, 1), "{one:?}");
    assert_eq!(context.run(&["verify", "--key", "cosign.pub", &image]).exit, 0);
    let sbom = context.run(&["download", "sbom", &image]);
    assert_eq!((sbom.exit, sbom.stdout.as_str()), (0, "{}"), "{sbom:?}");
    assert!(sbom.stderr.ends_with("Found SBOM of media type: text/spdx+json\n"), "{sbom:?}");
    let rest = context.run(&["clean", "-f", &image]);
    assert_eq!((rest.exit, rest.stderr.matches("Removed ").count()), (0, 2), "{rest:?}");
    assert_eq!(context.run(&["verify", "--key", "cosign.pub", &image]).exit, 10);
    let none = context.run(&["download", "sbom", &image]);
    assert!(none.stderr.contains("Error: no sbom attached to reference\n"), "{none:?}");
    let wrong = context.run(&["clean", "--type", "foo", &image]);
    let words = r#"Error: invalid argument "foo" for "--type" flag: must be one of "signature", "attestation", "referrer", "sbom", or "all""#;
    assert!(wrong.stderr.starts_with(words), "{wrong:?}");
}

#[test]
fn nothing_is_asked_of_the_registry_twice() {
    let (context, _registry, image) = signed();
    let told =
        context.run(&["verify-attestation", "-d", "--key", "cosign.pub", "--type", "slsaprovenance", &image]);
    assert_eq!(told.exit, 0, "{told:?}");
    let mut asked: Vec<_> = told.stderr.lines().filter(|line| line.starts_with("--> ")).collect();
    // By digest: the attestations' manifest and the referrers side by side, then the one envelope.
    assert!((2..=4).contains(&asked.len()), "{asked:?}");
    let all = asked.len();
    asked.sort();
    asked.dedup();
    assert_eq!(asked.len(), all, "{asked:?}");
}

#[test]
fn images_are_found_in_manifests_and_dockerfiles() {
    let (context, _registry, image) = signed();
    context.write("pod.yaml", &format!("spec:\n  containers:\n  - image: {image}\n"));
    context.write("Dockerfile", &format!("FROM {image} AS base\nFROM base\nFROM scratch\n"));
    context.write("empty.yaml", "kind: ConfigMap\n");
    let verify = |words: &[&str]| {
        context.run(&[words, &["--key", "cosign.pub", "--insecure-ignore-tlog=true"]].concat())
    };
    for words in [["manifest", "verify", "pod.yaml"], ["dockerfile", "verify", "Dockerfile"]] {
        let told = verify(&words);
        assert_eq!(told.exit, 0, "{told:?}");
        assert!(told.stderr.contains(&format!("Extracted image(s): {image}\n")), "{told:?}");
    }
    assert!(
        verify(&["manifest", "verify", "empty.yaml"]).stderr.contains("Error: no images found in manifest\n")
    );
    let kind = verify(&["manifest", "verify", "pod.json"]).stderr;
    assert!(kind.contains("only [.yaml .yml] manifests are supported at this time"), "{kind}");
}

/// The binary under cosign's name.
fn as_cosign(context: &Context, words: &[&str]) -> Told {
    let link = context.folder().join("cosign");
    let _ = std::os::unix::fs::symlink(crate::context::PROVOST, &link);
    let mut command = Command::new(link);
    command.env_clear().env("HOME", context.folder()).current_dir(context.folder()).args(words);
    Told::of(&command.output().unwrap())
}

#[test]
fn a_link_named_cosign_speaks_as_cosign() {
    let context = Context::new();
    insta::assert_snapshot!(as_cosign(&context, &["verfy"]).stderr, @r#"
    Error: unknown command "verfy" for "cosign"

    Did you mean this?
    	verify

    Run 'cosign --help' for usage.
    error during command execution: unknown command "verfy" for "cosign"

    Did you mean this?
    	verify
    "#);
    // Commands of ours are none of cosign's.
    let ours = as_cosign(&context, &["demo"]);
    assert_eq!(ours.exit, 1);
    assert!(ours.stderr.starts_with("Error: unknown command \"demo\" for \"cosign\"\n"), "{ours:?}");
    insta::assert_snapshot!(as_cosign(&context, &["verify", "-key", "k", "--o", "text"]).stderr, @r"
    WARNING: the -key flag is deprecated and will be removed in a future release. Please use the --key flag instead.
    WARNING: the flag --o is deprecated and will be removed in a future release. Please use the flag -o.
    Error: requires at least 1 arg(s), only received 0
    error during command execution: requires at least 1 arg(s), only received 0
    ");
    let help = as_cosign(&context, &["attach"]);
    assert_eq!(
        (help.exit, help.stderr.starts_with("Command \"attach\" is deprecated, ")),
        (0, true),
        "{help:?}"
    );
    let bash = as_cosign(&context, &["completion", "bash"]);
    assert_eq!((bash.exit, bash.stdout.contains("_cosign()")), (0, true));
    let version = as_cosign(&context, &["--output-file", "v.json", "version", "--json"]);
    assert_eq!((version.exit, version.stdout.as_str()), (0, ""));
    let written = std::fs::read_to_string(context.folder().join("v.json")).unwrap();
    assert!(written.starts_with("{\n  \"gitVersion\": \"v"), "{written}");
}

#[test]
fn a_login_is_written_as_docker_writes_it() {
    let context = Context::new();
    let told = as_cosign(&context, &["login", "-u", "joe", "-p", "secret", "reg.example:5000"]);
    assert_eq!(told.exit, 0, "{told:?}");
    assert!(told.stderr.ends_with("/.docker/config.json\n"), "{told:?}");
    assert_eq!(as_cosign(&context, &["login", "-u", "a", "-p", "b", "docker.io"]).exit, 0);
    let file = context.folder().join(".docker/config.json");
    insta::assert_snapshot!(std::fs::read_to_string(&file).unwrap(), @r#"
    {
    	"auths": {
    		"https://index.docker.io/v1/": {
    			"auth": "YTpi"
    		},
    		"reg.example:5000": {
    			"auth": "am9lOnNlY3JldA=="
    		}
    	}
    }
    "#);
    assert_eq!(std::os::unix::fs::MetadataExt::mode(&std::fs::metadata(&file).unwrap()) & 0o777, 0o600);
    // A configuration that leaves passwords to a helper is not written around it.
    context.write(".docker/config.json", r#"{"credsStore":"pass"}"#);
    let kept = as_cosign(&context, &["login", "-u", "a", "-p", "b", "docker.io"]);
    assert_eq!(kept.exit, 1);
    assert!(kept.stderr.contains("docker-credential-pass"), "{kept:?}");
    let nobody = as_cosign(&context, &["login", "docker.io"]);
    assert!(nobody.stderr.starts_with("Error: username and password required\n"), "{nobody:?}");
}

#[test]
fn variables_are_listed_and_secrets_are_not_shown() {
    let context = Context::new();
    let told = context.run(&["env"]);
    assert!(told.stdout.contains("# COSIGN_PASSWORD overrides password inputs with this value\n# Expects: string with a password (asks on stdin by default)\nCOSIGN_PASSWORD=******\n"), "{told:?}");
    assert!(told.stdout.contains("\nCOSIGN_TLOG_UPLOAD=******\n"), "{told:?}");
    let bare = context.run(&["env", "--show-descriptions=false", "--show-sensitive-values"]);
    assert!(bare.stdout.contains("\nCOSIGN_PASSWORD=pw\n") && !bare.stdout.contains('#'), "{bare:?}");
}
