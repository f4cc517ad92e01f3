//! `initialize` from a TUF repository of the test's own, and what signs and verifies by it.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};

use testkit::services::{Services, token};
use testkit::tuf::TufMaker;

use crate::context::{Context, Told};

/// Serves the files of a folder; ends with the test's process.
fn serve(folder: PathBuf) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/tuf", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut lines = BufReader::new(stream.try_clone().unwrap()).lines().map_while(Result::ok);
            let asked = lines.next().unwrap_or_default();
            while lines.next().is_some_and(|line| !line.is_empty()) {}
            let name =
                asked.split(' ').nth(1).and_then(|path| path.strip_prefix("/tuf/")).unwrap_or_default();
            let (status, body) = match std::fs::read(folder.join(name)) {
                Ok(bytes) => ("200 OK", bytes),
                Err(_) => ("404 Not Found", Vec::new()),
            };
            let head =
                format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
            let _ = stream.write_all(&[head.as_bytes(), &body].concat());
        }
    });
    url
}

fn run(context: &Context, arguments: &[&str]) -> Told {
    let mut command = context.command();
    for name in ["COSIGN_TLOG_UPLOAD", "COSIGN_PRIVATE_INFRASTRUCTURE", "COSIGN_USE_SIGNING_CONFIG"] {
        command.env_remove(name);
    }
    Told::of(&command.env_remove("COSIGN_NEW_BUNDLE_FORMAT").args(arguments).output().unwrap())
}

fn repository(context: &Context, services: &Services) -> TufMaker {
    let mut maker = TufMaker::new().unwrap();
    let target = |name: &str, value: serde_json::Value| (name.to_owned(), value.to_string().into_bytes());
    maker.targets.push(target("trusted_root.json", services.authority().trusted_root()));
    maker.targets.push(target("signing_config.v0.2.json", services.signing_config(1, false)));
    maker.write(&context.folder().join("tuf")).unwrap();
    std::fs::write(context.folder().join("root.json"), maker.root()).unwrap();
    maker
}

#[test]
fn what_was_initialized_signs_and_verifies() {
    let context = Context::new();
    let services = Services::start(jiff::Timestamp::now().as_second()).unwrap();
    repository(&context, &services);
    context.write("token.jwt", &token("a@example.test"));
    context.write("blob", "bytes\n");
    let url = serve(context.folder().join("tuf"));
    let told = run(&context, &["initialize", "--mirror", &url, "--root", "root.json"]);
    assert_eq!((told.exit, told.stdout.as_str(), told.stderr.as_str()), (0, "", ""));
    let remote = std::fs::read_to_string(context.folder().join(".sigstore/root/remote.json")).unwrap();
    assert_eq!(remote, format!("{{\"mirror\":\"{url}\"}}"));
    let signed = run(&context, &["sign-blob", "--identity-token", "token.jwt", "--bundle", "b.json", "blob"]);
    assert_eq!(signed.exit, 0, "{signed:?}");
    let verify = [
        "verify-blob",
        "--bundle",
        "b.json",
        "--certificate-identity",
        "a@example.test",
        "--certificate-oidc-issuer",
        "https://issuer.test",
        "blob",
    ];
    // Verifying asks no repository.
    std::fs::rename(context.folder().join("tuf"), context.folder().join("gone")).unwrap();
    let verified = run(&context, &verify);
    assert_eq!(verified.exit, 0, "{verified:?}");
    // Another repository's word is another's.
    let others = Context::new();
    repository(&others, &Services::start(jiff::Timestamp::now().as_second()).unwrap());
    let mirror = format!("file://{}", others.folder().join("tuf").display());
    let root = others.folder().join("root.json");
    let told = run(&context, &["initialize", "--mirror", &mirror, "--root", root.to_str().unwrap()]);
    assert_eq!(told.exit, 0, "{told:?}");
    assert_eq!(run(&context, &verify).exit, 1);
}

#[test]
fn what_cannot_be_initialized_is_said_and_changes_nothing() {
    let context = Context::new();
    let services = Services::start(jiff::Timestamp::now().as_second()).unwrap();
    let mut maker = repository(&context, &services);
    let url = serve(context.folder().join("tuf"));
    let good = ["initialize", "--mirror", &url, "--root", "root.json"];
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let nobody = format!("http://{closed}");
    let refused = |arguments: &[&str], words: &str| {
        let told = run(&context, arguments);
        assert_eq!(told.exit, 1, "{told:?}");
        assert!(told.stderr.contains(words), "{arguments:?} {told:?}");
    };
    refused(&["initialize", "--mirror", &nobody], &format!("Error: the TUF repository {nobody}: "));
    refused(&["initialize", "--root", "nope.json"], "Error: open nope.json: no such file or directory");
    refused(&["initialize", "--mirror", "nowhere"], "the mirror \"nowhere\" is no repository");
    refused(
        &[good.as_slice(), &["--root-checksum", "abc"]].concat(),
        "Error: incorrect checksum for file root.json: expected abc but got ",
    );
    refused(
        &[good.as_slice(), &["--root-checksum", "md5:abc"]].concat(),
        "Error: unsupported checksum algorithm: md5",
    );
    refused(&[good.as_slice(), &["--root-checksum", "sha256:a:b"]].concat(), "must have at most 1 colon");
    // The root that is compiled in does not vouch for this repository.
    refused(&["initialize", "--mirror", &url], "Error: the TUF repository http://127.0.0.1:");
    let kept = context.folder().join(".sigstore/root/remote.json");
    assert!(!kept.exists());
    assert_eq!(run(&context, &good).exit, 0);
    maker.version = 0;
    maker.expires = "2001-01-01T00:00:00Z".to_owned();
    maker.write(&context.folder().join("tuf")).unwrap();
    refused(&good, "Error: the TUF repository ");
    assert!(Path::new(&kept).exists());
}

#[test]
fn a_trusted_root_begins_with_what_was_fetched() {
    let context = Context::new();
    let none = run(&context, &["trusted-root", "create", "--with-default-services"]);
    assert_eq!(none.exit, 1, "{none:?}");
    assert!(none.stderr.contains("none has been fetched: run `initialize` first"), "{none:?}");
    let services = Services::start(jiff::Timestamp::now().as_second()).unwrap();
    repository(&context, &services);
    let mirror = format!("file://{}", context.folder().join("tuf").display());
    assert_eq!(run(&context, &["initialize", "--mirror", &mirror, "--root", "root.json"]).exit, 0);
    let other = Services::start(jiff::Timestamp::now().as_second()).unwrap();
    context.write("other.pub", &other.authority().log.key.public_pem());
    context.write("own.pub", &services.authority().log.key.public_pem());
    let made = |more: &[&str]| -> serde_json::Value {
        let told = run(&context, &[&["trusted-root", "create", "--with-default-services"], more].concat());
        assert_eq!(told.exit, 0, "{told:?}");
        serde_json::from_str(&told.stdout).unwrap()
    };
    let fetched = services.authority().trusted_root();
    assert_eq!(made(&[]), fetched);
    let rekor = |file: &str| {
        format!("--rekor=url=https://log.test,public-key={file},start-time=2024-01-01T00:00:00Z")
    };
    let more = made(&["--no-default-tsa", &rekor("other.pub")]);
    assert_eq!(more["timestampAuthorities"], serde_json::Value::Null);
    assert_eq!(more["tlogs"].as_array().unwrap().len(), 2);
    assert_eq!(more["ctlogs"], fetched["ctlogs"]);
    // The same log, described anew.
    let again = made(&[&rekor("own.pub")]);
    assert_eq!(again["tlogs"].as_array().unwrap().len(), 1);
    assert_eq!(again["tlogs"][0]["baseUrl"], "https://log.test");
}
