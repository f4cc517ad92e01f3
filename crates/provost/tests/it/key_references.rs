//! Keys by reference: Secrets of a cluster, URLs, plugins, imported keys.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};

use crate::context::{Context, Told};

/// Answers requests by a function on a thread that ends with the process; the address is returned.
fn serve(handler: impl Fn(&str, &str) -> (u16, Vec<u8>) + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            answer(stream, &handler);
        }
    });
    address
}

/// Method and path of a request to status and body of its answer.
type Handler = dyn Fn(&str, &str) -> (u16, Vec<u8>);

fn answer(stream: TcpStream, handler: &Handler) {
    let mut reader = BufReader::new(stream);
    let (mut line, mut length) = (String::new(), 0);
    reader.read_line(&mut line).unwrap();
    loop {
        let mut header = String::new();
        if reader.read_line(&mut header).unwrap_or_default() == 0 || header.trim().is_empty() {
            break;
        }
        if let Some(value) = header.to_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    let (status, text) =
        handler(line.trim_end().trim_end_matches(" HTTP/1.1"), &String::from_utf8_lossy(&body));
    let more = match status {
        300..400 => format!("Location: {}\r\n", String::from_utf8_lossy(&text)),
        _ => "Content-Type: application/json\r\n".to_owned(),
    };
    let head =
        format!("HTTP/1.1 {status} X\r\n{more}Content-Length: {}\r\nConnection: close\r\n\r\n", text.len());
    let _ = reader.get_mut().write_all(&[head.as_bytes(), &text].concat());
}

/// An API server that keeps Secrets, and refuses to change one that is immutable.
pub(crate) fn api_server() -> String {
    let kept: Arc<Mutex<BTreeMap<String, serde_json::Value>>> = Arc::default();
    serve(move |line, body| {
        let mut kept = kept.lock().unwrap();
        let status = |code: u16, reason: &str, message: &str| {
            let text = format!(
                r#"{{"kind":"Status","apiVersion":"v1","status":"Failure","message":"{message}","reason":"{reason}","code":{code}}}"#
            );
            (code, text.into_bytes())
        };
        let (verb, path) = line.split_once(' ').unwrap();
        let path = path.split('?').next().unwrap();
        match (verb, path) {
            ("GET", "/version") => {
                (200, br#"{"major":"1","minor":"36","gitVersion":"v1.36.3","gitCommit":"","gitTreeState":"","buildDate":"","goVersion":"","compiler":"","platform":""}"#.to_vec())
            }
            ("GET", path) => match kept.get(path) {
                Some(secret) => (200, secret.to_string().into_bytes()),
                None => status(404, "NotFound", "secrets \\\"signing-secrets\\\" not found"),
            },
            ("POST", path) => {
                let secret: serde_json::Value = serde_json::from_str(body).unwrap();
                let name = secret["metadata"]["name"].as_str().unwrap();
                kept.insert(format!("{path}/{name}"), secret.clone());
                (201, secret.to_string().into_bytes())
            }
            ("PUT", path) if kept.get(path).is_some_and(|secret| secret["immutable"] == true) => {
                status(422, "Invalid", "data: Forbidden: field is immutable when `immutable` is set")
            }
            _ => status(405, "MethodNotAllowed", "no"),
        }
    })
}

pub(crate) fn kubeconfig(context: &Context, address: &str) {
    context.write(
        "kubeconfig",
        &format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: c\ncontexts:\n- name: c\n  context: {{cluster: c, user: u}}\nclusters:\n- name: c\n  cluster: {{server: 'http://{address}'}}\nusers:\n- name: u\n  user: {{token: t}}\n"
        ),
    );
}

fn run(context: &Context, variables: &[(&str, &str)], arguments: &[&str]) -> Told {
    let mut command: Command = context.command();
    command.args(arguments).envs(variables.iter().copied());
    Told::of(&command.output().unwrap())
}

fn mode(context: &Context, name: &str) -> u32 {
    std::fs::metadata(context.folder().join(name)).unwrap().permissions().mode() & 0o777
}

fn corpus(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../corpus/keys").join(name);
    path.to_str().unwrap().to_owned()
}

#[test]
fn a_pair_lives_in_a_secret() {
    let context = Context::new();
    kubeconfig(&context, &api_server());
    let variables = [("KUBECONFIG", "kubeconfig")];
    let reference = "k8s://tekton-chains/signing-secrets";
    let missing = run(&context, &variables, &["public-key", "--key", reference]);
    assert_eq!(
        (missing.exit, missing.stderr.lines().next().unwrap()),
        (1, "Error: checking if secret exists: secrets \"signing-secrets\" not found")
    );
    let made = run(&context, &variables, &["generate-key-pair", reference]);
    assert_eq!(
        (made.exit, made.stderr.as_str()),
        (
            0,
            "Successfully created secret signing-secrets in namespace tekton-chains\nPublic key written to cosign.pub\n"
        )
    );
    assert_eq!(mode(&context, "cosign.pub"), 0o600);
    // The Secret holds the password, too.
    let shown =
        run(&context, &[variables[0], ("COSIGN_PASSWORD", "other")], &["public-key", "--key", reference]);
    assert_eq!(shown.stdout, std::fs::read_to_string(context.folder().join("cosign.pub")).unwrap());

    context.write("blob", "some bytes");
    let signed = run(
        &context,
        &variables,
        &[
            "sign-blob",
            "--key",
            reference,
            "--use-signing-config=false",
            "--new-bundle-format=false",
            "--output-signature",
            "sig",
            "blob",
        ],
    );
    assert_eq!(signed.exit, 0, "{}", signed.stderr);
    let verified =
        run(&context, &variables, &["verify-blob", "--key", reference, "--signature", "sig", "blob"]);
    assert_eq!(
        (verified.exit, verified.stderr.lines().last()),
        (0, Some("Verified OK")),
        "{}",
        verified.stderr
    );

    let again = run(&context, &variables, &["generate-key-pair", reference]);
    assert_eq!(again.exit, 1);
    assert!(
        again.stderr.contains("delete secret signing-secrets in namespace tekton-chains first"),
        "{}",
        again.stderr
    );
    let bad = run(&context, &variables, &["generate-key-pair", "k8s://one"]);
    assert!(
        bad.stderr.starts_with(
            "Error: kubernetes specification should be in the format k8s://<namespace>/<secret>\n"
        ),
        "{}",
        bad.stderr
    );
}

#[test]
fn without_a_cluster_that_is_said() {
    let context = Context::new();
    let told = run(&context, &[], &["public-key", "--key", "k8s://a/b"]);
    assert_eq!(told.exit, 1);
    assert!(
        told.stderr.contains("KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT must be defined"),
        "{}",
        told.stderr
    );
}

#[test]
fn providers_that_are_not_served_are_refused_by_name() {
    let context = Context::new();
    for (argument, words) in [
        ("name", "could not parse scheme, use <scheme>://<ref> format"),
        ("foo://a", "undefined provider: foo"),
        ("github://o/r", "secrets of GitHub are not written"),
        ("gitlab://p", "variables of GitLab are not written"),
    ] {
        let told = run(&context, &[], &["generate-key-pair", argument]);
        assert_eq!(told.exit, 1);
        assert!(told.stderr.contains(words), "{argument}: {}", told.stderr);
    }
    let told = run(&context, &[], &["generate-key-pair", "--kms", "nobody://k"]);
    assert!(told.stderr.contains("no kms provider found for key reference: nobody://k"), "{}", told.stderr);
    let told = run(&context, &[], &["public-key", "--key", "nobody://k"]);
    assert!(
        told.stderr.starts_with("Error: loading URL: unrecognized scheme: nobody://\n"),
        "{}",
        told.stderr
    );
    assert_eq!(std::fs::read_dir(context.folder()).unwrap().count(), 0);
}

#[test]
fn keys_are_fetched_from_urls_within_limits() {
    let context = Context::new();
    let public = std::fs::read(corpus("alice.pub")).unwrap();
    let address = serve(move |line, _| match line {
        "GET /alice.pub" => (200, public.clone()),
        "GET /moved" => (302, b"/alice.pub".to_vec()),
        "GET /file" => (302, b"file:///etc/passwd".to_vec()),
        "GET /loop" => (302, b"/loop".to_vec()),
        "GET /long" => (200, vec![b' '; 200 * 1024]),
        _ => (404, Vec::new()),
    });
    context.write("blob", "some bytes");
    let verify = |path: &str| {
        let url = format!("http://{address}{path}");
        let told = run(&context, &[], &["verify-blob", "--key", &url, "--signature", "AAAA", "blob"]);
        assert_eq!(told.exit, 1);
        told.stderr
    };
    for found in ["/alice.pub", "/moved"] {
        let stderr = verify(found);
        assert!(stderr.contains("invalid signature when validating ASN.1 encoded signature"), "{stderr}");
    }
    for (path, words) in [
        ("/none", "server returned HTTP 404"),
        ("/file", "leads on to file://, which is not followed"),
        ("/loop", "leads on more than 5 times"),
        ("/long", "longer than the 131072 bytes expected"),
    ] {
        let stderr = verify(path);
        assert!(stderr.contains(words), "{stderr}");
    }
}

#[test]
fn a_key_over_http_from_elsewhere_is_refused() {
    let context = Context::new();
    context.write("blob", "some bytes");
    let address = serve(|_, _| (302, b"http://192.0.2.1/alice.pub".to_vec()));
    for url in ["http://192.0.2.1/alice.pub", &format!("http://{address}/")] {
        let told = run(&context, &[], &["verify-blob", "--key", url, "--signature", "AAAA", "blob"]);
        assert_eq!(told.exit, 1);
        assert!(told.stderr.contains("over http: use https"), "{told:?}");
    }
}

/// A service that takes the connection and says nothing.
#[test]
fn whoever_keeps_keys_cannot_keep_us_waiting() {
    let context = Context::new();
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap().to_string();
    kubeconfig(&context, &address);
    let vault = format!("http://{address}");
    let url = format!("http://{address}/cosign.key");
    let variables = [("KUBECONFIG", "kubeconfig"), ("VAULT_ADDR", &vault), ("VAULT_TOKEN", "t")];
    for arguments in [
        ["public-key", "--key", "hashivault://k"].as_slice(),
        &["public-key", "--key", "k8s://ns/name"],
        &["public-key", "--key", &url],
        &["generate-key-pair", "--kms", "hashivault://k"],
        &["generate-key-pair", "k8s://ns/name"],
    ] {
        let told = run(&context, &variables, &[&["--timeout", "300ms"], arguments].concat());
        assert_eq!(told.exit, 1);
        assert!(told.stderr.contains("context deadline exceeded"), "{arguments:?} {told:?}");
    }
    drop(silent);
}

#[test]
fn a_plugin_makes_and_shows_a_key() {
    let context = Context::new();
    let program = context.folder().join("bin/sigstore-kms-my-hsm");
    let pem = std::fs::read(corpus("alice.pub")).unwrap();
    let pem = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, pem);
    context.write(
        "bin/sigstore-kms-my-hsm",
        &format!(
            "#!/bin/sh\ncase \"$2\" in\n*defaultAlgorithm*) echo '{{\"defaultAlgorithm\":{{\"defaultAlgorithm\":\"a\"}}}}';;\n*createKey*) echo '{{\"createKey\":{{\"publicKeyPEM\":\"{pem}\"}}}}';;\n*) echo '{{\"publicKey\":{{\"publicKeyPEM\":\"{pem}\"}}}}';;\nesac\n"
        ),
    );
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:/usr/bin:/bin", program.parent().unwrap().display());
    let variables = [("PATH", path.as_str())];
    let made = run(
        &context,
        &variables,
        &["generate-key-pair", "--kms", "my-hsm://k", "--output-key-prefix", "hsm"],
    );
    assert_eq!((made.exit, made.stderr.as_str()), (0, "Public key written to hsm.pub\n"));
    assert_eq!((mode(&context, "hsm.pub"), context.folder().join("hsm.key").exists()), (0o600, false));
    let shown = run(&context, &variables, &["public-key", "--key", "my-hsm://k"]);
    assert_eq!(shown.stdout, std::fs::read_to_string(corpus("alice.pub")).unwrap(), "{}", shown.stderr);
}

#[test]
fn keys_of_every_container_are_imported() {
    let context = Context::new();
    for name in ["import-pkcs1-2048", "import-sec1-p384", "import-pkcs8-p256", "import-pkcs8-ed25519"] {
        let made =
            run(&context, &[], &["import-key-pair", "--key", &corpus(&format!("{name}.pem")), "-o", name]);
        let expected = format!("Private key written to {name}.key\nPublic key written to {name}.pub\n");
        assert_eq!((made.exit, made.stderr), (0, expected));
        assert_eq!(
            (mode(&context, &format!("{name}.key")), mode(&context, &format!("{name}.pub"))),
            (0o600, 0o644)
        );
        let shown = run(&context, &[], &["public-key", "--key", &format!("{name}.key")]);
        assert_eq!(
            shown.stdout,
            std::fs::read_to_string(context.folder().join(format!("{name}.pub"))).unwrap()
        );
    }
    let again = ["import-key-pair", "-k", &corpus("import-pkcs8-p256.pem"), "-o", "import-pkcs8-p256"];
    let asked = run(&context, &[], &again);
    assert_eq!(asked.exit, 1);
    assert!(
        asked.stderr.contains("Overwrite?\nAre you sure you would like to continue? [y/N] "),
        "{}",
        asked.stderr
    );
    let yes = run(&context, &[], &[&again[..], &["-y"]].concat());
    assert_eq!(
        (yes.exit, yes.stderr.lines().next()),
        (0, Some("WARNING: File import-pkcs8-p256.key already exists. Overwrite?"))
    );
}

#[test]
fn what_is_not_imported_is_said_in_cosigns_words() {
    let context = Context::new();
    context.write(
        "encrypted.pem",
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n",
    );
    context.write("garbage.pem", "garbage");
    context.write("pkcs8.pem", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n");
    context.write("sec1.pem", "-----BEGIN EC PRIVATE KEY-----\nAAAA\n-----END EC PRIVATE KEY-----\n");
    let exponent = corpus("import-pkcs1-exponent-3.pem");
    for (file, words) in [
        ("encrypted.pem", "unsupported private key"),
        ("garbage.pem", "invalid pem block"),
        ("pkcs8.pem", "error parsing pkcs #8 private key"),
        ("sec1.pem", "error parsing ecdsa private key"),
        ("none.pem", "open none.pem: no such file or directory"),
        (exponent.as_str(), "error validating rsa key: "),
    ] {
        let told = run(&context, &[], &["import-key-pair", "--key", file]);
        assert_eq!(told.exit, 1);
        assert!(told.stderr.starts_with(&format!("Error: {words}")), "{file}: {}", told.stderr);
    }
}
