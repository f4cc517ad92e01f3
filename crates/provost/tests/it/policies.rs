//! `apply` and `review` with the guide's policy against the embedded registry: verdicts, words, exit codes.

use std::io::Write as _;
use std::process::Stdio;

use serde_json::{Value, json};

use crate::context::{Context, Registry};

const BUILDER: &str = "https://alauda.io/builders/tekton/v1";

/// A key pair, an image with one provenance, and two policies: one that wants its builder, one that wants another.
fn attested() -> (Context, Registry, String) {
    let context = Context::new();
    let registry = context.registry();
    assert_eq!(context.run(&["generate-key-pair"]).exit, 0);
    context.write("app/Dockerfile", "FROM scratch\nCOPY hello /hello\n");
    context.write("app/hello", "hello\n");
    let tag = format!("{}/demo/app:v1", registry.address);
    let built = context.run(&["image", "build", "--tag", &tag, "app"]);
    assert_eq!(built.exit, 0, "{built:?}");
    let image = built.stdout.trim().to_owned();
    context.write("p.json", &json!({"builder": {"id": BUILDER}}).to_string());
    let attest =
        ["attest", "--key", "cosign.key", "--type", "slsaprovenance", "--predicate", "p.json", &image];
    let attested = context.run(&attest);
    assert_eq!(attested.exit, 0, "{attested:?}");
    let key = std::fs::read_to_string(context.folder().join("cosign.pub")).unwrap();
    context.write("good.yaml", &policy(&key, BUILDER));
    context.write("bad.yaml", &policy(&key, "https://alauda.io/builders/tekton/v2"));
    (context, registry, image)
}

fn policy(key: &str, builder: &str) -> String {
    let condition = json!({
        "key": "{{ builder.id }}",
        "operator": "Equals",
        "value": builder,
        "message": format!("The builder.id must be equal to {builder}, not {{{{ builder.id }}}}"),
    });
    let keys = json!({"publicKeys": key, "ctlog": {"ignoreSCT": true}, "rekor": {"ignoreTlog": true}});
    json!({
        "apiVersion": "kyverno.io/v1",
        "kind": "ClusterPolicy",
        "metadata": {"name": "verify-tekton-built-images"},
        "spec": {"webhookConfiguration": {"failurePolicy": "Fail", "timeoutSeconds": 30}, "background": false, "rules": [{
            "name": "check-image",
            "match": {"any": [{"resources": {"kinds": ["Pod"], "namespaces": ["policy"]}}]},
            "verifyImages": [{
                "imageReferences": ["*"],
                "skipImageReferences": ["ghcr.io/trusted/*"],
                "failureAction": "Enforce",
                "verifyDigest": false,
                "required": false,
                "useCache": false,
                "imageRegistryCredentials": {"allowInsecureRegistry": true, "secrets": ["registry-credentials"]},
                "attestations": [{
                    "type": "https://slsa.dev/provenance/v0.2",
                    "attestors": [{"entries": [{"keys": keys}]}],
                    "conditions": [{"all": [condition]}],
                }],
            }],
        }]},
    })
    .to_string()
}

fn pod(image: &str) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "x", "namespace": "policy"},
        "spec": {"containers": [{"name": "c", "image": image}]},
    })
}

fn reviewed(context: &Context, policy: &str, lines: &str) -> (i32, String, String) {
    let mut command = context.command();
    command.args(["review", "--policies", policy]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // A policy that is refused ends the command before it reads.
    let _ = child.stdin.take().unwrap().write_all(lines.as_bytes());
    let done = child.wait_with_output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (done.status.code().unwrap_or(-1), text(done.stdout), text(done.stderr))
}

fn line(operation: &str, object: &Value) -> String {
    let kind = json!({"group": "", "version": "v1", "kind": "Pod"});
    let request = json!({"uid": "u-1", "kind": kind, "namespace": "policy", "name": "x", "operation": operation, "object": object});
    format!("{}\n", json!({"request": request}))
}

#[test]
fn apply_says_what_kyverno_apply_says() {
    let (context, _registry, image) = attested();
    context.write("pod.yaml", &pod(&image).to_string());
    let applied = |policy: &str| {
        let told = context.run(&["apply", policy, "--resource", "pod.yaml", "--remove-color"]);
        let (name, digest) = image.split_once('@').unwrap();
        let shown = format!("{}@{digest}", name.strip_suffix(":v1").unwrap_or(name));
        told.shown(&[(&shown, "IMAGE")])
    };
    insta::assert_snapshot!(applied("good.yaml"), @r"
    exit 0
    --- stdout

    Applying 3 policy rule(s) to 1 resource(s)...

    pass: 1, fail: 0, warn: 0, error: 0, skip: 0 
    --- stderr
    secret kyverno/registry-credentials with registry credentials is not there
    ");
    insta::assert_snapshot!(applied("bad.yaml"), @r"
    exit 1
    --- stdout

    Applying 3 policy rule(s) to 1 resource(s)...
    policy verify-tekton-built-images -> resource policy/Pod/x failed:
    1 - check-image image attestations verification failed, verifiedCount: 0, requiredCount: 1, error: .attestations[0].attestors[0].entries[0].keys: attestation checks failed for IMAGE and predicate https://slsa.dev/provenance/v0.2: The builder.id must be equal to https://alauda.io/builders/tekton/v2, not https://alauda.io/builders/tekton/v1

    pass: 0, fail: 1, warn: 0, error: 0, skip: 0 
    --- stderr
    secret kyverno/registry-credentials with registry credentials is not there
    ");
}

#[test]
fn review_answers_for_both_webhooks() {
    let (context, _registry, image) = attested();
    let lines = format!("{}\n{}", line("CREATE", &pod(&image)), line("DELETE", &Value::Null));
    let (exit, stdout, _) = reviewed(&context, "good.yaml", &lines);
    let answers: Vec<Value> = stdout.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    assert_eq!((exit, answers.len()), (0, 2), "{stdout}");
    for answer in &answers {
        assert_eq!(answer["uid"], "u-1");
        assert_eq!(
            (&answer["mutate"]["allowed"], &answer["validate"]["allowed"]),
            (&json!(true), &json!(true))
        );
    }
    assert_eq!(answers[0]["mutate"]["patchType"], "JSONPatch");
    let (exit, stdout, _) = reviewed(&context, "bad.yaml", &line("CREATE", &pod(&image)));
    let answer: Value = serde_json::from_str(stdout.trim()).unwrap();
    assert_eq!((exit, &answer["mutate"]["allowed"], &answer["validate"]), (0, &json!(false), &Value::Null));
    let message = answer["mutate"]["status"]["message"].as_str().unwrap();
    let head = "\n\nresource Pod/policy/x was blocked due to the following policies \n\nverify-tekton-built-images:\n  check-image: 'image attestations";
    assert!(message.starts_with(head), "{message}");
}

#[test]
fn mistakes_are_told_in_one_line() {
    let context = Context::new();
    context.write("pod.yaml", &pod("reg.example/app:v1").to_string());
    context.write("broken.yaml", "kind: [\n");
    context.write("twice.yaml", "kind: Pod\nkind: Pod\n");
    let refused = policy("PEM", "b").replace("\"imageReferences\"", "\"imageReference\"");
    context.write("refused.yaml", &refused);
    let late = policy("PEM", "b").replace("\"timeoutSeconds\":30", "\"timeoutSeconds\":31");
    context.write("late.yaml", &late);
    for (arguments, exit, words) in [
        (vec!["apply", "--resource", "pod.yaml"], 1, "Error: require policy"),
        (vec!["apply", "late.yaml"], 1, "Error: resource file(s) or cluster required"),
        (vec!["apply", "nosuch.yaml", "--resource", "pod.yaml"], 1, "nosuch.yaml: No such file or directory"),
        (vec!["apply", "broken.yaml", "--resource", "pod.yaml"], 1, "broken.yaml: "),
        (vec!["apply", "twice.yaml", "--resource", "pod.yaml"], 1, "twice.yaml: duplicate mapping key: kind"),
        (
            vec!["review", "--policies", "refused.yaml"],
            2,
            "verifyImages[0].imageReference: unknown field; the nearest known one is \"imageReferences\"",
        ),
        (vec!["review", "--policies", "late.yaml"], 2, "the timeout value must be between 1 and 30 seconds"),
    ] {
        let told = context.run(&arguments);
        assert!(told.exit == exit && told.stderr.contains(words), "{arguments:?}: {told:?}");
    }
    let told = context.run(&["apply", "late.yaml", "refused.yaml", "--resource", "pod.yaml"]);
    assert_eq!(told.exit, 1);
    assert!(
        told.stdout.contains("Policies Skipped:\n1. verify-tekton-built-images: spec.webhookConfiguration"),
        "{told:?}"
    );
    assert!(told.stdout.ends_with("\npass: 0, fail: 0, warn: 0, error: 2, skip: 0 \n"), "{told:?}");
}

#[test]
fn a_registry_that_is_away_denies() {
    let (context, registry, image) = attested();
    drop(registry);
    let (exit, stdout, _) = reviewed(&context, "good.yaml", &line("CREATE", &pod(&image)));
    let answer: Value = serde_json::from_str(stdout.trim()).unwrap();
    assert_eq!((exit, &answer["mutate"]["allowed"]), (0, &json!(false)));
    let message = answer["mutate"]["status"]["message"].as_str().unwrap();
    assert!(message.contains("connection refused"), "{message}");
}

#[test]
fn a_broken_pull_secret_opens_no_gate() {
    let (context, registry, _) = attested();
    context.write("app/hello", "unsigned\n");
    let tag = format!("{}/demo/unsigned:v1", registry.address);
    assert_eq!(context.run(&["image", "build", "--tag", &tag, "app"]).exit, 0);
    let key = std::fs::read_to_string(context.folder().join("cosign.pub")).unwrap();
    let laxest = policy(&key, BUILDER).replace(r#""failurePolicy":"Fail""#, r#""failurePolicy":"Ignore""#);
    assert!(laxest.contains("Ignore"));
    context.write("ignore.yaml", &laxest);
    let secret = json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "broken", "namespace": "policy"},
        "data": {".dockerconfigjson": "e25v"},
    });
    context.write("objects.json", &secret.to_string());
    let mut pod = pod(&tag);
    pod["spec"]["imagePullSecrets"] = json!([{"name": "broken"}]);
    context.write("pod.yaml", &pod.to_string());
    let told = context.run(&[
        "apply",
        "ignore.yaml",
        "--resource",
        "pod.yaml",
        "--objects",
        "objects.json",
        "--remove-color",
    ]);
    assert!(told.stdout.contains("pass: 0, fail: 1"), "{told:?}");
}

#[test]
fn a_kind_that_is_not_judged_is_not_passed_over() {
    let context = Context::new();
    context.write("pod.yaml", &pod("reg.example/a:v1").to_string());
    let other = json!({"apiVersion": "policies.kyverno.io/v1", "kind": "ImageValidatingPolicy", "metadata": {"name": "i"}, "spec": {}});
    context.write("other.yaml", &other.to_string());
    let told = context.run(&["apply", "other.yaml", "-r", "pod.yaml"]);
    assert!(told.exit == 1 && told.stderr.contains("policies of this kind are not judged yet"), "{told:?}");
    assert_eq!(reviewed(&context, "other.yaml", "").0, 2);
}

#[test]
fn lines_that_are_no_requests_are_answered_and_end_nothing() {
    let (context, _registry, image) = attested();
    let good = line("CREATE", &pod(&image));
    let twice = good.replace(r#""uid":"u-1""#, r#""uid":"u-2","uid":"u-1""#);
    let other = good.replace("CREATE", "PATCH");
    let lines = format!("not json\n{twice}{other}\n{good}");
    let (exit, stdout, stderr) = reviewed(&context, "good.yaml", &lines);
    let answers: Vec<Value> = stdout.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    assert_eq!((exit, answers.len()), (1, 4), "{stdout} {stderr}");
    for (answer, words) in
        answers.iter().zip(["line 1: ", "duplicate key \"uid\"", "line 3: request.operation"])
    {
        let message = answer["mutate"]["status"]["message"].as_str().unwrap();
        assert!(answer["mutate"]["allowed"] == false && message.contains(words), "{answer}");
        assert!(message.starts_with("provost: ") && stderr.contains(message), "{stderr}");
    }
    assert_eq!((&answers[2]["uid"], &answers[3]["mutate"]["allowed"]), (&json!("u-1"), &json!(true)));
}

/// The policy that wants another builder, changed.
fn changed(context: &Context, change: impl Fn(&mut Value)) -> Value {
    let text = std::fs::read_to_string(context.folder().join("bad.yaml")).unwrap();
    let mut policy: Value = serde_json::from_str(&text).unwrap();
    change(&mut policy);
    policy
}

#[test]
fn apply_takes_values_users_and_exceptions() {
    let (context, _registry, image) = attested();
    context.write("pod.yaml", &pod(&image).to_string());
    let condition = json!({"key": "{{ request.operation }}", "operator": "Equals", "value": "UPDATE"});
    let operation =
        changed(&context, |p| p["spec"]["rules"][0]["preconditions"] = json!({"all": [condition]}));
    context.write("operation.yaml", &operation.to_string());
    let subjects = json!([{"kind": "User", "name": "eve"}]);
    let user = changed(&context, |p| p["spec"]["rules"][0]["match"]["any"][0]["subjects"] = subjects.clone());
    context.write("user.yaml", &user.to_string());
    let exception = json!({
        "apiVersion": "kyverno.io/v2",
        "kind": "PolicyException",
        "metadata": {"name": "e", "namespace": "policy"},
        "spec": {
            "match": {"any": [{"resources": {"kinds": ["Pod"]}}]},
            "exceptions": [{"policyName": "verify-tekton-built-images", "ruleNames": ["*"]}],
        },
    });
    context.write("exception.yaml", &exception.to_string());
    let both = format!("{}\n---\n{exception}\n", changed(&context, |_| {}));
    context.write("both.yaml", &both);
    context.write("objects.yaml", &format!("{}\n---\n{exception}\n", pod(&image)));
    let who = |name: &str| {
        let info = json!({"username": name});
        json!({"apiVersion": "cli.kyverno.io/v1alpha1", "kind": "UserInfo", "userInfo": info}).to_string()
    };
    context.write("eve.yaml", &who("eve"));
    context.write("dora.yaml", &who("dora"));
    let values = json!({"apiVersion": "cli.kyverno.io/v1alpha1", "kind": "Values", "globalValues": {"request.operation": "UPDATE"}});
    context.write("values.yaml", &values.to_string());
    for (arguments, exit, words) in [
        ("operation.yaml -r pod.yaml", 0, "pass: 0, fail: 0, warn: 0, error: 0, skip: 1"),
        ("operation.yaml -r pod.yaml --set request.operation=UPDATE", 1, "pass: 0, fail: 1"),
        ("operation.yaml -r pod.yaml -f values.yaml", 1, "pass: 0, fail: 1"),
        ("operation.yaml -r pod.yaml -f values.yaml -s a=b", 1, "either using set flag or values_file flag"),
        (
            "operation.yaml -r pod.yaml -s request.object.kind=x",
            1,
            "--set: request.object.kind is part of the object",
        ),
        ("operation.yaml -r pod.yaml -s a", 1, "--set: expected NAME=VALUE, found \"a\""),
        ("user.yaml -r pod.yaml -u eve.yaml", 1, "pass: 0, fail: 1"),
        ("user.yaml -r pod.yaml -u dora.yaml", 0, "pass: 0, fail: 0, warn: 0, error: 0, skip: 0"),
        ("bad.yaml -r pod.yaml -e exception.yaml", 0, "resource(s) with 1 exception(s)..."),
        ("bad.yaml -r pod.yaml -e exception.yaml", 0, "pass: 0, fail: 0, warn: 0, error: 0, skip: 1"),
        ("both.yaml -r pod.yaml", 1, "count only with --exceptions-within-policies"),
        ("both.yaml -r pod.yaml --exceptions-within-policies", 0, "skip: 1"),
        ("bad.yaml -r objects.yaml", 1, "pass: 0, fail: 1"),
        ("bad.yaml -r objects.yaml --exceptions-within-resources", 0, "skip: 1"),
        ("- -r -", 1, "a stdin pipe can be used for either policies or resources, not both"),
        ("pod.yaml -r pod.yaml", 0, "kind \"Pod\" is no policy and is left aside"),
    ] {
        let told = context.run(&["apply"].into_iter().chain(arguments.split(' ')).collect::<Vec<_>>());
        let said = told.stdout.contains(words) || told.stderr.contains(words);
        assert!(told.exit == exit && said, "{arguments}: wanted {exit} {words:?}, {told:?}");
    }
}

#[test]
fn apply_leaves_objects_reports_and_exceptions() {
    let (context, registry, _) = attested();
    let tag = format!("{}/demo/app:v1", registry.address);
    context.write("pod.yaml", &pod(&tag).to_string());
    let pinned = format!("image: {tag}@sha256:");
    let told = context.run(&["apply", "good.yaml", "-r", "pod.yaml", "-o", "left.yaml"]);
    let left = std::fs::read_to_string(context.folder().join("left.yaml")).unwrap();
    assert!(told.exit == 0 && left.contains(&pinned), "{told:?} {left}");
    context.run(&["apply", "good.yaml", "-r", "pod.yaml", "-o", "left"]);
    assert_eq!(std::fs::read_to_string(context.folder().join("left/x-mutated.yaml")).unwrap(), left);
    let told = context.run(&["apply", "good.yaml", "-r", "pod.yaml", "-i"]);
    assert!(told.exit == 0 && told.stdout.starts_with("\napiVersion: v1\n") && told.stdout.contains(&pinned));
    let told = context.run(&["apply", "bad.yaml", "-r", "pod.yaml", "-p", "--report-group", "wgpolicyk8s"]);
    let head = "apiVersion: wgpolicyk8s.io/v1alpha2\nkind: ClusterPolicyReport\nmetadata:\n  name: merged\n";
    assert!(told.exit == 1 && told.stdout.starts_with(head), "{told:?}");
    // What is generated lets pass what failed.
    let told = context.run(&["apply", "bad.yaml", "-r", "pod.yaml", "--generate-exceptions"]);
    assert!(told.exit == 1 && told.stdout.contains("cleanup.kyverno.io/ttl: 720h0m0s"), "{told:?}");
    context.write("generated.yaml", &told.stdout);
    let told = context.run(&["apply", "bad.yaml", "-r", "pod.yaml", "-e", "generated.yaml"]);
    assert!(told.exit == 0 && told.stdout.contains("skip: 1"), "{told:?}");
}
