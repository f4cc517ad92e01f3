//! What the running gate leaves behind: a log without secrets, metrics, verdicts that another can accept.

use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Child, Stdio};

use serde_json::{Value, json};

use crate::context::{Context, Registry};

const CANARY: &str = "CANARY-4b1d55aa";

/// `provost admission` without a cluster, which ends with the test.
struct Gate {
    child: Child,
    webhooks: String,
    plain: String,
    _lines: BufReader<std::process::ChildStderr>,
}

impl Gate {
    fn start(context: &Context, more: &[&str]) -> Self {
        let fixed = [
            "admission",
            "--policies",
            "policies",
            "--listen",
            "127.0.0.1:0",
            "--plain-address",
            "127.0.0.1:0",
        ];
        let mut command = context.command();
        let mut child = command.args(fixed).args(more).stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap());
        let (mut webhooks, mut plain) = (String::new(), String::new());
        while webhooks.is_empty() || plain.is_empty() {
            let mut line = String::new();
            assert!(lines.read_line(&mut line).unwrap() > 0, "the gate has ended: {:?}", child.wait());
            if let Some(url) = line.trim().strip_prefix("answering on ") {
                webhooks = url.to_owned();
            }
            if let Some(url) = line.trim().strip_prefix("health and metrics on ") {
                plain = url.to_owned();
            }
        }
        Self { child, webhooks, plain, _lines: lines }
    }

    /// The answer of a webhook about an object.
    async fn asked(&self, path: &str, object: &Value) -> Value {
        self.asked_by(None, path, object).await
    }

    async fn asked_by(&self, identity: Option<&str>, path: &str, object: &Value) -> Value {
        let review = json!({
            "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
            "request": {
                "uid": "u-1", "operation": "CREATE", "namespace": "prod", "name": object["metadata"]["name"],
                "kind": {"group": "", "version": "v1", "kind": "Pod"}, "object": object, "oldObject": null,
                "userInfo": {"username": "alice", "groups": ["dev"], "extra": {"token": [CANARY]}},
            },
        });
        let posted = client(identity)
            .post(format!("{}{path}", self.webhooks))
            .header("Content-Type", "application/json")
            .body(review.to_string());
        let answer = posted.send().await.unwrap().bytes().await.unwrap();
        serde_json::from_slice::<Value>(&answer).unwrap()["response"].clone()
    }

    async fn metrics(&self) -> String {
        client(None).get(format!("{}/metrics", self.plain)).send().await.unwrap().text().await.unwrap()
    }

    /// Ends it as a kubelet does, and waits.
    fn stop(&mut self) {
        let id = nix::unistd::Pid::from_raw(i32::try_from(self.child.id()).unwrap());
        nix::sys::signal::kill(id, nix::sys::signal::Signal::SIGTERM).unwrap();
        assert!(self.child.wait().unwrap().success());
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A client that shows this certificate and key, where there are any.
fn client(identity: Option<&str>) -> reqwest::Client {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let client = reqwest::Client::builder().tls_danger_accept_invalid_certs(true);
    let client = match identity {
        Some(pem) => client.identity(reqwest::Identity::from_pem(pem.as_bytes()).unwrap()),
        None => client,
    };
    client.build().unwrap()
}

/// An authority of callers, and a caller's certificate and key by it.
fn callers() -> (String, String) {
    use rcgen::{BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};
    let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    let key = KeyPair::generate().unwrap();
    let authority = params.self_signed(&key).unwrap().pem();
    let issuer = Issuer::new(params, key);
    let mut params = CertificateParams::new(vec!["apiserver".to_owned()]).unwrap();
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    let key = KeyPair::generate().unwrap();
    let caller = params.signed_by(&key, &issuer).unwrap().pem();
    (authority, format!("{caller}{}", key.serialize_pem()))
}

fn pod(name: &str, image: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": name, "namespace": "prod", "annotations": {"note": CANARY}},
        "spec": {
            "imagePullSecrets": [],
            "containers": [{
                "name": "c", "image": image, "command": ["run", CANARY], "args": [format!("--password={CANARY}")],
                "env": [{"name": "PASSWORD", "value": CANARY}],
            }],
            "volumes": [{"name": "v", "secret": {"secretName": CANARY}}],
        },
    })
}

/// A policy whose message quotes the environment.
fn policy(action: &str) -> String {
    json!({
        "apiVersion": "kyverno.io/v1", "kind": "ClusterPolicy", "metadata": {"name": "digests"},
        "spec": {"background": false, "rules": [{
            "name": "r",
            "match": {"any": [{"resources": {"kinds": ["Pod"]}}]},
            "context": [{"name": "quoted", "variable": {"value": "{{ request.object.spec.containers[0].env[0].value }}"}}],
            "preconditions": {"all": [{"key": "{{ quoted }}", "operator": "NotEquals", "value": "", "message": "{{ quoted }}"}]},
            "verifyImages": [{"imageReferences": ["*"], "failureAction": action, "mutateDigest": false, "required": false}],
        }]},
    })
    .to_string()
}

const PINNED: &str =
    "reg.example/app@sha256:00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

// A client's connections end while the gate is waited for.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_log_and_the_metrics_say_what_was_decided_and_no_secret() {
    let context = Context::new();
    context.write("policies/digests.yaml", &policy("Enforce"));
    let mut gate = Gate::start(&context, &["--decision-log", "decisions.log"]);
    for (path, image, allowed) in [
        ("/mutate", PINNED, true),
        ("/validate", PINNED, true),
        ("/mutate", "reg.example/app:v1", true),
        ("/validate", "reg.example/app:v1", false),
    ] {
        let answer = gate.asked(path, &pod("x", image)).await;
        assert_eq!(answer["allowed"], allowed, "{path} {image}: {answer}");
    }
    let metrics = gate.metrics().await;
    for part in [
        r#"provost_denials_total{code="digest-missing"} 1"#,
        r#"rule_name="r",rule_type="imageVerify",rule_result="fail",policy_validation_mode="enforce"} "#,
        "provost_certificate_not_after_seconds",
        r#"kyverno_policy_rule_info{"#,
    ] {
        assert!(metrics.contains(part), "{part} is not in\n{metrics}");
    }
    gate.stop();
    let path = context.folder().join("decisions.log");
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let log = std::fs::read_to_string(&path).unwrap();
    for text in [&log, &metrics] {
        assert!(!text.contains(CANARY), "{text}");
    }
    let lines: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let allowed: Vec<_> =
        lines.iter().map(|line| (line["webhook"].clone(), line["allowed"].clone())).collect();
    assert_eq!(
        allowed,
        [
            (json!("mutate"), json!(true)),
            (json!("validate"), json!(true)),
            (json!("mutate"), json!(true)),
            (json!("validate"), json!(false)),
        ]
    );
    assert_eq!(lines[3]["results"][0]["codes"], json!(["digest-missing"]));
    assert_eq!(lines[3]["user"], json!({"username": "alice", "groups": ["dev"]}));
    // The policy hangs on what the log hides; without that it is told again from the log alone.
    let told = context.run(&["replay", "decisions.log", "--policies", "policies"]);
    assert_eq!(told.exit, 4, "{told:?}");
    assert!(told.stdout.contains("needs request.object.spec.containers[0].env[0].value"), "{}", told.stdout);
    let plain =
        policy("Enforce").replace("request.object.spec.containers[0].env[0].value", "request.operation");
    context.write("policies/digests.yaml", &plain);
    let told = context.run(&["replay", "decisions.log", "--policies", "policies"]);
    assert!(told.stdout.contains("1 would be denied"), "{}", told.stdout);
}

/// A key pair, an image with a provenance, and a policy that wants it.
fn attested() -> (Context, Registry, String) {
    let context = Context::new();
    let registry = context.registry();
    assert_eq!(context.run(&["generate-key-pair"]).exit, 0);
    assert_eq!(context.run(&["generate-key-pair", "--output-key-prefix", "verdicts"]).exit, 0);
    context.write("app/Dockerfile", "FROM scratch\nCOPY hello /hello\n");
    context.write("app/hello", "hello\n");
    let tag = format!("{}/demo/app:v1", registry.address);
    let built = context.run(&["image", "build", "--tag", &tag, "app"]);
    assert_eq!(built.exit, 0, "{built:?}");
    let image = built.stdout.trim().to_owned();
    context.write("p.json", &json!({"builder": {"id": "b"}}).to_string());
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
    assert_eq!(attested.exit, 0, "{attested:?}");
    let key = std::fs::read_to_string(context.folder().join("cosign.pub")).unwrap();
    let keys = json!({"publicKeys": key, "ctlog": {"ignoreSCT": true}, "rekor": {"ignoreTlog": true}});
    let policy = json!({
        "apiVersion": "kyverno.io/v1", "kind": "ClusterPolicy", "metadata": {"name": "built"},
        "spec": {"background": false, "rules": [{
            "name": "r",
            "match": {"any": [{"resources": {"kinds": ["Pod"]}}]},
            "verifyImages": [{
                "imageReferences": ["*"], "failureAction": "Enforce", "imageRegistryCredentials": {"allowInsecureRegistry": true},
                "attestations": [{"type": "https://slsa.dev/provenance/v0.2", "attestors": [{"entries": [{"keys": keys}]}]}],
            }],
        }]},
    });
    context.write("policies/built.yaml", &policy.to_string());
    (context, registry, image)
}

// A client's connections end while the gate is waited for.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plain_pass_of_a_known_caller_is_vouched_for_and_accepted_elsewhere() {
    let (context, _registry, image) = attested();
    let refused = context.run(&["admission", "--policies", "policies", "--verdict-key", "verdicts.key"]);
    assert_ne!(refused.exit, 0, "{refused:?}");
    let (authority, caller) = callers();
    context.write("callers.pem", &authority);
    let flags = ["--verdict-key", "verdicts.key", "--verdict-verifier", "https://example.test/gate"];
    let flags = [&flags[..], &["--client-ca", "callers.pem", "--decision-log", "decisions.log"]].concat();
    let verify = |key: &str, verifier: &str, more: &[&str]| {
        let fixed = ["verify-summary", "--key", key, "--verifier", verifier, &image];
        context.run(&[&fixed[..], more].concat())
    };
    let by_policy = ["--policies", "policies"];
    for (identity, accepted) in [(None, false), (Some(caller.as_str()), true)] {
        let mut gate = Gate::start(&context, &flags);
        let answer = gate.asked_by(identity, "/validate", &pod("x", &image)).await;
        assert_eq!(answer["allowed"], true, "{answer}");
        gate.stop();
        let told = verify("verdicts.pub", "https://example.test/gate", &by_policy);
        assert_eq!(told.exit == 0, accepted, "{told:?}");
        let words = "no verification summary is signed by the key";
        assert_eq!(told.stderr.contains(words), !accepted, "{told:?}");
    }
    // The digest in the log is the one that is vouched for.
    let log = std::fs::read_to_string(context.folder().join("decisions.log")).unwrap();
    let line: Value = serde_json::from_str(log.lines().last().unwrap()).unwrap();
    let digest = line["policies"][0]["digest"].as_str().unwrap();
    assert_eq!(verify("verdicts.pub", "https://example.test/gate", &["--policy-digest", digest]).exit, 0);
    let other = "sha256:00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
    for (key, verifier, more, words) in [
        ("cosign.pub", "https://example.test/gate", &by_policy[..], "no verification summary"),
        ("verdicts.pub", "https://example.test/other", &by_policy[..], "verifier.id is"),
        ("verdicts.pub", "https://example.test/gate", &["--policy-digest", other][..], "policy.digest is"),
        (
            "verdicts.pub",
            "https://example.test/gate",
            &["--policy-digest", digest, "--resource-uri", "oci://x/y"][..],
            "resourceUri is",
        ),
        (
            "verdicts.pub",
            "https://example.test/gate",
            &["--policy-digest", digest, "--max-age", "1ns"][..],
            "timeVerified is",
        ),
    ] {
        let told = verify(key, verifier, more);
        assert_eq!(told.exit, 1, "{told:?}");
        assert!(told.stderr.contains(words), "{words}: {}", told.stderr);
    }
}

// Signals and connections are looked after while the gate is asked.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_registry_that_is_away_is_believed_as_it_was_only_where_the_operator_says_so() {
    let (context, registry, image) = attested();
    // Everything that is remembered has outlived its time when the next request comes.
    let brief = ["--imageVerifyCacheTTLDuration", "1ns"];
    let may = [&brief[..], &["--stale-if-error", "1h", "--decision-log", "decisions.log"]].concat();
    let (mut strict, mut lax) = (Gate::start(&context, &brief), Gate::start(&context, &may));
    for gate in [&strict, &lax] {
        let answer = gate.asked("/validate", &pod("x", &image)).await;
        assert_eq!((&answer["allowed"], &answer["warnings"]), (&json!(true), &Value::Null), "{answer}");
    }
    drop(registry);
    assert_eq!(strict.asked("/validate", &pod("x", &image)).await["allowed"], false);
    strict.stop();
    let answer = lax.asked("/validate", &pod("x", &image)).await;
    assert_eq!(answer["allowed"], true, "{answer}");
    let warned = answer["warnings"][0].as_str().unwrap();
    assert!(warned.starts_with("provost: stale: an answer of 127.0.0.1:"), "{warned}");
    // What must not be remembered, here which image a tag names, is not had from memory even so.
    let tag = image.split('@').next().unwrap();
    assert_eq!(lax.asked("/validate", &pod("x", tag)).await["allowed"], false);
    let metrics = lax.metrics().await;
    for line in [
        "provost_decisions_total{basis=\"judged\",request_allowed=\"true\"} 1",
        "provost_decisions_total{basis=\"stale\",request_allowed=\"true\"} 1",
    ] {
        assert!(metrics.contains(line), "{line}: {metrics}");
    }
    let stale = metrics.lines().find(|line| line.contains("outcome=\"stale\"")).unwrap();
    assert!(!stale.ends_with(" 0"), "{stale}");
    lax.stop();
    let log = std::fs::read_to_string(context.folder().join("decisions.log")).unwrap();
    let line: Value = serde_json::from_str(log.lines().nth(1).unwrap()).unwrap();
    assert_eq!((&line["basis"], &line["allowed"]), (&json!("stale"), &json!(true)));
    assert!(line["notes"][0].as_str().unwrap().starts_with("stale: an answer of 127.0.0.1:"), "{line}");
    let refused = context.run(&["admission", "--policies", "policies", "--stale-if-error", "25h"]);
    assert!(refused.exit != 0 && refused.stderr.contains("at most 24h"), "{refused:?}");
}
