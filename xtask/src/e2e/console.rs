//! The console in Debian's Chromium: denials, an image's graph and the rest, over a gate that decided for real.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use super::Setting;
use crate::place::Place;
use crate::servers::{Server, free};
use crate::shell;

/// A predicate with what an attacker would put into it, beside what an honest builder does.
const PREDICATE: &str = r#"{
 "builder": {"id": "https://builder.example/tekton/v1"},
 "buildType": "https://tekton.dev/attestations/chains@v2",
 "invocation": {"configSource": {"uri": "git+https://git.example/team/app.git"}},
 "metadata": {"buildInvocationID": "a5f1", "buildStartedOn": "2026-11-23T01:00:00Z", "buildFinishedOn": "2026-11-23T01:02:10Z"},
 "materials": [
  {"uri": "git+https://git.example/team/app.git", "digest": {"sha1": "6f3c2b1d0e9f8a7b6c5d4e3f2a1b0c9d8e7f6a5b"}},
  {"uri": "oci://registry.example/library/golang", "digest": {"sha256": "9b1f0d7c5a3e"}},
  {"uri": "javascript:alert('<script>')", "digest": {"sha256": "\u202eevil"}}
 ]
}"#;

/// Decides about Pods, then looks at every page in light and dark.
pub(super) fn run(setting: &Setting) -> Result<()> {
    shell::install(&[("chromium", "chromium"), ("curl", "curl")])?;
    let place = Place::new(&setting.binary)?;
    let registry = Server::provost_registry(&setting.binary, place.folder())?;
    place.must(&["generate-key-pair"])?;
    place.write("predicate.json", PREDICATE)?;
    let repository = format!("{}/team/app", registry.address);
    let signed = place.image(&format!("{repository}:v1"), "1\n")?;
    let plain = place.image(&format!("{repository}:v2"), "2\n")?;
    let offline = ["--use-signing-config=false", "--tlog-upload=false", "--new-bundle-format=false"];
    let attest =
        ["attest", "--key", "cosign.key", "--type", "slsaprovenance", "--predicate", "predicate.json"];
    place.must(&[&attest, offline.as_slice(), &[&signed]].concat())?;
    place.write(
        "policies/verify.yaml",
        &policy("verify-tekton-built-images", "v1", "team-a", &place.read("cosign.pub")?),
    )?;
    place.write(
        "policies/next.yaml",
        &policy("verify-next-builder", "v2", "team-b", &place.read("cosign.pub")?),
    )?;

    let (listen, console) = (free()?, free()?);
    let mut command = place.command(&setting.binary);
    command.args(["admission", "--policies", "policies", "--listen", &listen.to_string()]);
    command.args(["--console", &console.to_string(), "--console-token-file", "token"]);
    let _gate = Server::start(command, "admission", place.folder(), listen)?;
    let decisions = [
        ("team-a", "web", &signed),
        ("team-a", "worker", &signed),
        ("team-a", "unbuilt", &plain),
        ("team-b", "web", &signed),
    ];
    for (namespace, name, image) in decisions {
        let answer = post(listen, place.folder(), namespace, name, image)?;
        let allowed = answer.pointer("/response/allowed") == Some(&Value::Bool(true));
        if allowed != (namespace == "team-a" && name != "unbuilt") {
            bail!("{namespace}/{name}: {answer}");
        }
    }

    let token = place.read("token")?;
    let through = bring_token(console, token.trim())?;
    let get =
        |path: &str| shell::output("curl", &["-s", "--max-time", "5", &format!("http://{through}{path}")]);
    if !shell::output("curl", &["-s", &format!("http://{console}/ui")])?.contains("Sign in") {
        bail!("the console shows something without a token");
    }
    let digest = place.must(&["triangulate", &signed])?;
    let digest = digest
        .rsplit_once("sha256-")
        .and_then(|(_, rest)| rest.strip_suffix(".sig").or(rest.trim().strip_suffix(".sig")));
    let digest = digest.context("triangulate names the digest")?.trim().to_owned();
    let signers = get("/ui/signers")?;
    let signer =
        signers.split("/ui/signer?id=").nth(1).and_then(|rest| rest.split('"').next()).context("a signer")?;
    let pages = [
        ("overview", "/ui".to_owned(), "decisions were made"),
        ("decisions", "/ui/decisions?show=all".to_owned(), "condition-failed"),
        ("images", "/ui/images".to_owned(), "https://builder.example/tekton/v1"),
        ("image", format!("/ui/image?id=sha256:{digest}"), "<svg"),
        ("signers", "/ui/signers".to_owned(), "sha256:"),
        ("signer", format!("/ui/signer?id={signer}"), "What its revocation would hit"),
        ("policies", "/ui/policies".to_owned(), "verify-next-builder"),
    ];
    let folder = screenshots()?;
    for (name, path, part) in &pages {
        let page = get(path)?;
        if !page.contains(part) || page.contains("<script") {
            bail!("{path} does not show {part:?}, or holds a script:\n{page}");
        }
        for (look, scheme) in [("light", 1), ("dark", 0)] {
            let shot = folder.join(format!("{name}-{look}.png"));
            let seen = browse(&format!("http://{through}{path}"), scheme, &shot, place.folder())?;
            // What Chromium made of the page, after parsing: nothing of theirs became an element, and nothing ran.
            if seen.contains("<script") || seen.contains("href=\"javascript") || !seen.contains("<nav") {
                bail!("{path}: Chromium made of it\n{seen}");
            }
            if fs::metadata(&shot).map_or(0, |shot| shot.len()) < 8_000 {
                bail!("{path}: Chromium drew nothing into {}", shot.display());
            }
        }
    }
    browse(&format!("http://{console}/ui"), 1, &folder.join("sign-in-light.png"), place.folder())?;
    shell::say(&format!("{} pages are drawn in light and dark, in {}", pages.len(), folder.display()));
    Ok(())
}

fn policy(name: &str, builder: &str, namespace: &str, key: &str) -> String {
    let policy = json!({
        "apiVersion": "kyverno.io/v1", "kind": "ClusterPolicy", "metadata": {"name": name},
        "spec": {
            "webhookConfiguration": {"failurePolicy": "Fail", "timeoutSeconds": 30}, "background": false,
            "rules": [{
                "name": "check-image",
                "match": {"any": [{"resources": {"kinds": ["Pod"], "namespaces": [namespace]}}]},
                "verifyImages": [{
                    "imageReferences": ["*"], "failureAction": "Enforce", "verifyDigest": false, "required": false, "useCache": false,
                    "imageRegistryCredentials": {"allowInsecureRegistry": true},
                    "attestations": [{
                        "type": "https://slsa.dev/provenance/v0.2",
                        "attestors": [{"entries": [{"keys": {"publicKeys": key, "ctlog": {"ignoreSCT": true}, "rekor": {"ignoreTlog": true}}}]}],
                        "conditions": [{"all": [{
                            "key": "{{ builder.id }}", "operator": "Equals", "value": format!("https://builder.example/tekton/{builder}"),
                            "message": "The builder must be another, not {{ builder.id }}",
                        }]}],
                    }],
                }],
            }],
        },
    });
    policy.to_string()
}

/// Asks the gate as an API server does.
fn post(gate: SocketAddr, folder: &Path, namespace: &str, name: &str, image: &str) -> Result<Value> {
    let review = json!({
        "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
        "request": {
            "uid": name, "kind": {"group": "", "version": "v1", "kind": "Pod"},
            "resource": {"group": "", "version": "v1", "resource": "pods"},
            "name": name, "namespace": namespace, "operation": "CREATE", "userInfo": {"username": "system:serviceaccount:ci:deployer"},
            "object": {
                "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": namespace},
                "spec": {"containers": [{"name": "main", "image": image}]},
            },
            "oldObject": null, "dryRun": false,
        },
    });
    let file = folder.join("review.json");
    fs::write(&file, review.to_string())?;
    let (url, body) = (format!("https://{gate}/mutate/fail"), format!("@{}", file.display()));
    let answer = shell::output(
        "curl",
        &["-sk", "--max-time", "20", "-H", "Content-Type: application/json", "--data-binary", &body, &url],
    )?;
    serde_json::from_str(&answer).with_context(|| format!("{url}: {answer}"))
}

/// A way to the console that brings the token along, as a proxy that signs visitors in does; it ends with the process.
fn bring_token(console: SocketAddr, token: &str) -> Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    let token = token.to_owned();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let token = token.clone();
            thread::spawn(move || carry(stream, console, &token));
        }
    });
    Ok(address)
}

fn carry(mut from: TcpStream, console: SocketAddr, token: &str) -> Result<()> {
    let mut head = Vec::new();
    let mut buffer = [0; 4096];
    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
        match from.read(&mut buffer)? {
            0 => return Ok(()),
            read => head.extend_from_slice(buffer.get(..read).unwrap_or_default()),
        }
    }
    let text = String::from_utf8_lossy(&head);
    let first = text.lines().next().unwrap_or_default();
    let mut to = TcpStream::connect(console)?;
    let request =
        format!("{first}\r\nHost: {console}\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\r\n");
    to.write_all(request.as_bytes())?;
    std::io::copy(&mut to, &mut from)?;
    Ok(())
}

/// Where the pictures go.
fn screenshots() -> Result<PathBuf> {
    let folder = shell::root().join("target/e2e/console");
    fs::create_dir_all(&folder)?;
    Ok(folder)
}

/// Draws a page, and returns the document as Chromium holds it.
fn browse(url: &str, scheme: u8, shot: &Path, folder: &Path) -> Result<String> {
    let profile = folder.join("chromium");
    let chromium = || {
        let mut command = Command::new("chromium");
        command.args([
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--hide-scrollbars",
            "--no-first-run",
        ]);
        command.args(["--force-device-scale-factor=1", "--window-size=1280,1000"]);
        command.arg(format!("--blink-settings=preferredColorScheme={scheme}"));
        command.arg(format!("--user-data-dir={}", profile.display())).env("HOME", folder);
        command
    };
    let drawn =
        chromium().arg(format!("--screenshot={}", shot.display())).arg(url).output().context("chromium")?;
    if !drawn.status.success() {
        bail!("chromium {url}: {}", String::from_utf8_lossy(&drawn.stderr).trim());
    }
    let seen = chromium().arg("--dump-dom").arg(url).output().context("chromium")?;
    Ok(String::from_utf8_lossy(&seen.stdout).into_owned())
}
