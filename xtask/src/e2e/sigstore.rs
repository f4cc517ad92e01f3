//! Keyless signing with a real Fulcio and a real timestamp authority; Rekor needs a database of its own and is played in the tests.

use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::Setting;
use crate::oidc::Provider;
use crate::place::Place;
use crate::servers::{AGAIN, Server, free};
use crate::{fetched, shell};

const FULCIO: (&str, &str, &str) = ("fulcio", "github.com/sigstore/fulcio", "v1.8.8");
const TIMESTAMPS: (&str, &str, &str) =
    ("timestamp-server", "github.com/sigstore/timestamp-authority/v2/cmd/timestamp-server", "v2.1.3");
/// How many images are signed.
const IMAGES: usize = 20;
/// How long a server that listens may take to answer.
const READY: Duration = Duration::from_secs(30);
const EMAIL: &str = "builder@example.com";

/// Signs images by identity tokens, and verifies by the identity, by another, and by another trusted root.
pub(super) fn run(setting: &Setting) -> Result<()> {
    shell::install(&[("openssl", "openssl"), ("curl", "curl")])?;
    let place = Place::new(&setting.binary)?;
    let registry = Server::provost_registry(&setting.binary, place.folder())?;
    let provider = Provider::start(place.folder())?;
    let fulcio = fulcio(&place, &provider.issuer)?;
    let timestamps = timestamps(&place)?;
    let (fulcio, timestamps) =
        (format!("http://{}", fulcio.address), format!("http://{}", timestamps.address));
    let bundle: serde_json::Value = serde_json::from_str(&fetch(&format!("{fulcio}/api/v2/trustBundle"))?)?;
    let chain =
        bundle.pointer("/chains/0/certificates").and_then(|list| list.as_array()).context("no chain")?;
    let chain: Vec<&str> = chain.iter().filter_map(|certificate| certificate.as_str()).collect();
    place.write("fulcio.pem", &chain.concat())?;
    place.write("tsa.pem", &fetch(&format!("{timestamps}/api/v1/timestamp/certchain"))?)?;
    place.must(&[
        "trusted-root",
        "create",
        "--fulcio",
        &format!("url={fulcio},certificate-chain=fulcio.pem"),
        "--tsa",
        &format!("url={timestamps},certificate-chain=tsa.pem"),
        "--out",
        "root.json",
    ])?;
    for number in 0..setting.count(IMAGES) {
        let image =
            place.image(&format!("{}/keyless/app:v{number}", registry.address), &format!("{number}\n"))?;
        place.must(&[
            "sign",
            "--yes",
            "--use-signing-config=false",
            "--tlog-upload=false",
            "--new-bundle-format=true",
            "--trusted-root",
            "root.json",
            "--fulcio-url",
            &fulcio,
            "--timestamp-server-url",
            &format!("{timestamps}/api/v1/timestamp"),
            "--identity-token",
            &provider.token(EMAIL)?,
            "--insecure-skip-verify",
            &image,
        ])?;
        place.must(&verify(EMAIL, &provider.issuer, "root.json", &image))?;
        place.refuses(&verify("eve@example.com", &provider.issuer, "root.json", &image), "")?;
        place.refuses(&verify(EMAIL, "https://issuer.example", "root.json", &image), "")?;
        if let Some(cosign) = &setting.cosign {
            place.must_by(cosign, &verify(EMAIL, &provider.issuer, "root.json", &image))?;
        }
    }
    Ok(())
}

fn verify<'a>(email: &'a str, issuer: &'a str, root: &'a str, image: &'a str) -> Vec<&'a str> {
    vec![
        "verify",
        "--trusted-root",
        root,
        "--use-signed-timestamps",
        "--insecure-ignore-tlog",
        "--insecure-ignore-sct",
        "--certificate-identity",
        email,
        "--certificate-oidc-issuer",
        issuer,
        image,
    ]
}

/// Fulcio with a certificate authority that dies with it, no CT log, and one issuer.
fn fulcio(place: &Place, issuer: &str) -> Result<Server> {
    let (name, package, version) = FULCIO;
    let program = fetched::go_program(name, package, version)?;
    place.write(
        "fulcio.yaml",
        &format!(
            "oidc-issuers:\n  {issuer}:\n    issuer-url: {issuer}\n    client-id: sigstore\n    type: email\n    contact: nobody@example.com\n    description: e2e\n"
        ),
    )?;
    let (address, rpc, metrics) = (free()?, free()?, free()?);
    let socket = place.folder().join("fulcio.sock");
    let mut command = Command::new(program);
    command.args(["serve", "--ca", "ephemeralca", "--ct-log-url", "", "--host", "127.0.0.1"]);
    command.args(["--port", &address.port().to_string(), "--metrics-port", &metrics.port().to_string()]);
    command.args(["--grpc-host", "127.0.0.1", "--grpc-port", &rpc.port().to_string()]);
    command.arg("--legacy-unix-domain-socket").arg(socket);
    command.arg("--config-path").arg(place.folder().join("fulcio.yaml"));
    Server::start(command, name, place.folder(), address)
}

/// A timestamp authority whose key dies with it.
fn timestamps(place: &Place) -> Result<Server> {
    let (name, package, version) = TIMESTAMPS;
    let program = fetched::go_program(name, package, version)?;
    let address = free()?;
    let mut command = Command::new(program);
    command.args(["serve", "--host", "127.0.0.1", "--port", &address.port().to_string()]);
    command.args(["--timestamp-signer", "memory", "--disable-ntp-monitoring"]);
    Server::start(command, name, place.folder(), address)
}

/// What a server that has just begun to listen answers.
fn fetch(url: &str) -> Result<String> {
    let began = Instant::now();
    loop {
        let answer = shell::output("curl", &["--silent", "--fail", url])?;
        if !answer.is_empty() {
            return Ok(answer);
        }
        if began.elapsed() > READY {
            bail!("{url} answers nothing");
        }
        thread::sleep(AGAIN);
    }
}
