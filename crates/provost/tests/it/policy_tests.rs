//! `test`: a ClusterPolicy over images in every state, the results expected of it, and the divergences from Kyverno.

use serde_json::{Value, json};

use crate::context::{Context, Registry, Told};

const BUILDER: &str = "https://tekton.dev/chains/v2";

/// What lies beside an image: provenances, as key, type and predicate.
type Beside<'a> = &'a [(&'a str, &'a str, Value)];

struct Scene {
    context: Context,
    registry: Registry,
}

impl Scene {
    fn new() -> Self {
        let context = Context::new();
        let registry = context.registry();
        for prefix in ["cosign", "other"] {
            assert_eq!(context.run(&["generate-key-pair", "--output-key-prefix", prefix]).exit, 0);
        }
        context.write("app/Dockerfile", "FROM scratch\nCOPY hello /hello\n");
        context.write("app/hello", "hello\n");
        Self { context, registry }
    }

    /// Builds an image, and attests it in these ways.
    fn image(&self, name: &str, beside: Beside<'_>) {
        let tag = format!("{}/{name}:v1", self.registry.address);
        let built = self.context.run(&["image", "build", "--tag", &tag, "app"]);
        assert_eq!(built.exit, 0, "{built:?}");
        let image = built.stdout.trim();
        for (key, kind, predicate) in beside {
            self.context.write("predicate.json", &predicate.to_string());
            let attest = ["attest", "--key", key, "--type", kind, "--predicate", "predicate.json", image];
            let attested = self.context.run(&attest);
            assert_eq!(attested.exit, 0, "{attested:?}");
        }
    }

    fn policy(&self, file: &str) {
        let key = std::fs::read_to_string(self.context.folder().join("cosign.pub")).unwrap();
        let keys = json!({"publicKeys": key, "rekor": {"ignoreTlog": true}, "ctlog": {"ignoreSCT": true}});
        let condition = json!({"key": "{{ runDetails.builder.id }}", "operator": "Equals", "value": BUILDER, "message": "builder not trusted"});
        let policy = json!({
            "apiVersion": "kyverno.io/v1",
            "kind": "ClusterPolicy",
            "metadata": {"name": "trusted-builder"},
            "spec": {"background": false, "webhookConfiguration": {"failurePolicy": "Fail", "timeoutSeconds": 30}, "rules": [{
                "name": "check",
                "match": {"any": [{"resources": {"kinds": ["Pod"]}}]},
                "verifyImages": [{
                    "failureAction": "Enforce",
                    "imageReferences": [format!("{}/app*", self.registry.address)],
                    "attestations": [{
                        "type": "https://slsa.dev/provenance/v1",
                        "name": "prov",
                        "attestors": [{"entries": [{"keys": keys}]}],
                        "conditions": [{"all": [condition]}],
                    }],
                }],
            }]},
        });
        self.context.write(file, &policy.to_string());
    }

    fn pods(&self, file: &str, pods: &[(&str, &str)]) {
        let mut text = String::new();
        for (name, image) in pods {
            let image = format!("{}/{image}:v1", self.registry.address);
            let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": {"containers": [{"name": "c", "image": image}]}});
            text.push_str(&format!("---\n{pod}\n"));
        }
        self.context.write(file, &text);
    }

    fn test(&self, folder: &str, results: &[(&str, &[&str])]) {
        let results: Vec<Value> = results
            .iter()
            .map(|(result, pods)| {
                json!({"policy": "trusted-builder", "rule": "check", "kind": "Pod", "result": result, "resources": pods})
            })
            .collect();
        let test = json!({
            "apiVersion": "cli.kyverno.io/v1alpha1",
            "kind": "Test",
            "metadata": {"name": folder},
            "policies": ["../policy.yaml"],
            "resources": ["../pods.yaml"],
            "results": results,
        });
        self.context.write(&format!("{folder}/kyverno-test.yaml"), &test.to_string());
    }

    /// The messages of a test's results, by object.
    fn messages(told: &Told) -> Vec<(String, String)> {
        let (_, rest) = told.stdout.split_once("Checking results ...\n").unwrap();
        let (list, _) = rest.split_once("\n\nTest Summary").unwrap();
        let list: Vec<Value> = serde_json::from_str(list).unwrap();
        let text = |row: &Value, name: &str| row[name].as_str().unwrap().to_owned();
        let name = |row: &Value| text(row, "RESOURCE").rsplit('/').next().unwrap_or_default().to_owned();
        list.iter().map(|row| (name(row), text(row, "Message"))).collect()
    }
}

fn provenance(builder: &str) -> Value {
    json!({"buildDefinition": {"buildType": "t", "externalParameters": {}}, "runDetails": {"builder": {"id": builder}}})
}

#[test]
fn the_worked_example_comes_out_as_kyverno_has_it() {
    let scene = Scene::new();
    let good = || ("cosign.key", "slsaprovenance1", provenance(BUILDER));
    let bad = || ("cosign.key", "slsaprovenance1", provenance("https://example.com/b"));
    scene.image("app-good", &[good()]);
    scene.image("app-none", &[]);
    scene.image("app-stranger", &[("other.key", "slsaprovenance1", provenance(BUILDER))]);
    scene.image("app-builder", &[bad()]);
    scene.image(
        "app-old",
        &[("cosign.key", "slsaprovenance", json!({"builder": {"id": BUILDER}, "buildType": "t"}))],
    );
    scene.image("app-both", &[good(), bad()]);
    let nobody = json!({"buildDefinition": {"buildType": "t"}, "runDetails": {}});
    scene.image("app-nobody", &[("cosign.key", "slsaprovenance1", nobody)]);
    scene.policy("policy.yaml");
    let bad = ["none", "stranger", "builder", "old", "both", "nobody"];
    let names = ["good", "none", "stranger", "builder", "old", "both", "nobody"];
    let images: Vec<String> = names.iter().map(|name| format!("app-{name}")).collect();
    let mut pods: Vec<(&str, &str)> = names.iter().copied().zip(images.iter().map(String::as_str)).collect();
    pods.extend([("missing", "app-missing"), ("elsewhere", "elsewhere")]);
    scene.pods("pods.yaml", &pods);

    scene.test("example", &[("pass", &["good"]), ("fail", &bad), ("skip", &["elsewhere"])]);
    let told = scene.context.run(&["test", "example"]);
    insta::assert_snapshot!(told.shown(&[]), @r"
    exit 0
    --- stdout
    Loading test example ( example/kyverno-test.yaml ) ...
      Loading values/variables ...
      Loading policies ...
      Loading resources ...
      Loading exceptions ...
      Applying 1 policy to 9 resources with 0 exceptions ...
      Checking results ...

    │─────────│─────────────────│───────│──────────────────────────│────────│──────────│
    │ ID (15) │ POLICY          │ RULE  │ RESOURCE                 │ RESULT │ REASON   │
    │─────────│─────────────────│───────│──────────────────────────│────────│──────────│
    │ 1       │ trusted-builder │ check │ v1/Pod/default/good      │ Pass   │ Ok       │
    │ 2       │ trusted-builder │ check │ v1/Pod/default/good      │ Pass   │ Ok       │
    │ 3       │ trusted-builder │ check │ v1/Pod/default/none      │ Pass   │ Ok       │
    │ 4       │ trusted-builder │ check │ v1/Pod/default/none      │ Pass   │ Ok       │
    │ 5       │ trusted-builder │ check │ v1/Pod/default/stranger  │ Pass   │ Ok       │
    │ 6       │ trusted-builder │ check │ v1/Pod/default/stranger  │ Pass   │ Ok       │
    │ 7       │ trusted-builder │ check │ v1/Pod/default/builder   │ Pass   │ Ok       │
    │ 8       │ trusted-builder │ check │ v1/Pod/default/builder   │ Pass   │ Ok       │
    │ 9       │ trusted-builder │ check │ v1/Pod/default/old       │ Pass   │ Ok       │
    │ 10      │ trusted-builder │ check │ v1/Pod/default/old       │ Pass   │ Ok       │
    │ 11      │ trusted-builder │ check │ v1/Pod/default/both      │ Pass   │ Ok       │
    │ 12      │ trusted-builder │ check │ v1/Pod/default/both      │ Pass   │ Ok       │
    │ 13      │ trusted-builder │ check │ v1/Pod/default/nobody    │ Pass   │ Ok       │
    │ 14      │ trusted-builder │ check │ v1/Pod/default/nobody    │ Pass   │ Ok       │
    │ 15      │ trusted-builder │ check │ v1/Pod/default/elsewhere │ Pass   │ Excluded │
    │─────────│─────────────────│───────│──────────────────────────│────────│──────────│


    Test Summary: 15 tests passed and 0 tests failed

    --- stderr
    ");

    let told = scene.context.run(&["test", ".", "-o", "json", "--detailed-results"]);
    assert_eq!(told.exit, 0, "{told:?}");
    let digest = |name: &str| format!("unverified image {}/app-{name}@sha256:", scene.registry.address);
    let failed = "image attestations verification failed, verifiedCount: 0, requiredCount: 1, error: ";
    let of_key = ".attestations[0].attestors[0].entries[0].keys: ";
    let wanted: Vec<(&str, String)> = vec![
        ("good", format!("verified image attestations for {}/app-good:v1", scene.registry.address)),
        ("good", "image verified".to_owned()),
        ("none", format!("{failed}no matching attestations: ")),
        ("none", digest("none")),
        ("stranger", format!("{failed}no matching attestations: ")),
        ("stranger", digest("stranger")),
        (
            "builder",
            format!(
                "{failed}{of_key}attestation checks failed for {}/app-builder:v1 and predicate https://slsa.dev/provenance/v1: builder not trusted",
                scene.registry.address
            ),
        ),
        ("builder", digest("builder")),
        (
            "old",
            format!("{failed}{of_key}attestions not found for predicate type https://slsa.dev/provenance/v1"),
        ),
        ("old", digest("old")),
        ("both", format!("{failed}{of_key}attestation checks failed for")),
        ("both", digest("both")),
        (
            "nobody",
            format!(
                "{failed}{of_key}failed to check attestations: failed to substitute variables in attestation conditions: failed to resolve runDetails.builder.id at path /0/all/0/key: JMESPath query failed: Unknown key \"builder\" in path"
            ),
        ),
        ("nobody", digest("nobody")),
        ("elsewhere", "Excluded".to_owned()),
    ];
    let messages = Scene::messages(&told);
    assert_eq!(messages.len(), wanted.len(), "{messages:#?}");
    for ((name, message), (wanted_name, wanted)) in messages.iter().zip(&wanted) {
        let open = ["stranger", "both"].contains(wanted_name) || wanted.ends_with("sha256:");
        let same = if open { message.starts_with(wanted) } else { message == wanted };
        assert!(name == wanted_name && same, "{name}: {message}\nwanted {wanted}");
    }

    // The same judgements as a report of `apply`.
    let told =
        scene.context.run(&["apply", "policy.yaml", "-r", "pods.yaml", "-p", "--output-format", "json"]);
    let report: Value = serde_json::from_str(&told.stdout).unwrap();
    assert_eq!(
        (told.exit, &report["kind"], &report["metadata"]["name"]),
        (1, &json!("ClusterReport"), &json!("merged"))
    );
    assert_eq!(report["summary"], json!({"pass": 2, "fail": 14, "warn": 0, "error": 1, "skip": 0}));
    let told = scene.context.run(&["apply", "policy.yaml", "-r", "pods.yaml", "--policy-report"]);
    let head = "apiVersion: openreports.io/v1alpha1\nkind: ClusterReport\nmetadata:\n  name: merged\nresults:\n- message: verified image";
    assert!(told.exit == 1 && told.stdout.starts_with(head), "{told:?}");

    // An image that cannot be resolved is more than a failure, and what no rule produced is no result.
    scene.test("example", &[("fail", &["missing", "elsewhere", "nosuch"])]);
    let told = scene.context.run(&["test", "example"]);
    let address = scene.registry.address.as_str();
    insta::assert_snapshot!(told.shown(&[(address, "REGISTRY")]), @r"
    exit 1
    --- stdout
    Loading test example ( example/kyverno-test.yaml ) ...
      Loading values/variables ...
      Loading policies ...
      Loading resources ...
      Loading exceptions ...
      Applying 1 policy to 9 resources with 0 exceptions ...
      Checking results ...

    │────│─────────────────│───────│──────────────────────────│────────│──────────────────────│
    │ ID │ POLICY          │ RULE  │ RESOURCE                 │ RESULT │ REASON               │
    │────│─────────────────│───────│──────────────────────────│────────│──────────────────────│
    │ 1  │ trusted-builder │ check │ nosuch                   │ Fail   │ Not found            │
    │ 2  │ trusted-builder │ check │ v1/Pod/default/missing   │ Pass   │ Ok                   │
    │ 3  │ trusted-builder │ check │ v1/Pod/default/missing   │ Fail   │ Want fail, got error │
    │ 4  │ trusted-builder │ check │ v1/Pod/default/missing   │ Pass   │ Ok                   │
    │ 5  │ trusted-builder │ check │ v1/Pod/default/elsewhere │ Fail   │ Not found            │
    │────│─────────────────│───────│──────────────────────────│────────│──────────────────────│


    Test Summary: 2 tests passed and 3 tests failed

    --- stderr
    trusted-builder check nosuch: no object named nosuch is loaded
    trusted-builder check v1/Pod/default/missing: failed to update digest: failed to fetch image reference: REGISTRY/app-missing:v1, error: GET http://REGISTRY/v2/app-missing/manifests/v1: MANIFEST_UNKNOWN: manifest unknown; map[Tag:v1]
    trusted-builder check v1/Pod/default/elsewhere: fail was expected, and the rule is not about this object
    Error: 3 tests failed
    ");
}

#[test]
fn policies_that_cannot_be_loaded_and_mistakes_fail() {
    let context = Context::new();
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x"}, "spec": {"containers": [{"name": "c", "image": "a.example/b"}]}});
    context.write("t/pod.yaml", &pod.to_string());
    let rule = json!({
        "name": "r",
        "match": {"any": [{"resources": {"kinds": ["Pod"]}}]},
        "verifyImages": [{"imageReferences": ["c.example/*"], "failureAction": "Enforce", "attestors": [{"entries": [{"keys": {"publicKeys": "k"}}]}]}],
    });
    let policy = |name: &str, timeout: u32| json!({"apiVersion": "kyverno.io/v1", "kind": "ClusterPolicy", "metadata": {"name": name}, "spec": {"webhookConfiguration": {"timeoutSeconds": timeout}, "rules": [rule.clone()]}});
    context.write("t/good.yaml", &policy("good", 30).to_string());
    context.write("t/late.yaml", &policy("late", 31).to_string());
    let test = |policies: &[&str], policy: &str, result: &str| {
        let results =
            json!([{"policy": policy, "rule": "r", "kind": "Pod", "resources": ["x"], "result": result}]);
        json!({"apiVersion": "cli.kyverno.io/v1alpha1", "kind": "Test", "metadata": {"name": "t"}, "policies": policies, "resources": ["pod.yaml"], "results": results}).to_string()
    };
    let told = |text: &str, arguments: &[&str]| {
        context.write("t/kyverno-test.yaml", text);
        context.run(&[&["test", "t"], arguments].concat())
    };
    let both = test(&["good.yaml", "late.yaml"], "late", "skip");
    let good = test(&["good.yaml"], "good", "skip");
    for (text, arguments, exit, out, says) in [
        (&good, vec![], 0, "\nTest Summary: 1 tests passed and 0 tests failed\n", ""),
        (&both, vec![], 1, "│ Fail   │ Invalid Policy │", "Error: 1 tests failed\n"),
        (
            &test(&["good.yaml", "late.yaml"], "good", "skip"),
            vec![],
            1,
            "  ERROR: t/late.yaml: ",
            "Error: 1 policies could not be loaded\n",
        ),
        (
            &both,
            vec!["--fail-only"],
            1,
            "Test Summary: 1 out of 1 tests failed\n\nAggregated Failed Test Cases : \n",
            "",
        ),
        (&good, vec!["-t", "policy=nosuch"], 0, "\nTest Summary: 0 tests passed and 0 tests failed\n", ""),
        (&good, vec!["-t", "policy"], 1, "", "Error: Invalid test-case-selector argument (policy)."),
        (&good, vec!["-o", "toml"], 1, "", "Error: invalid format, expected (json, yaml, markdown, junit)\n"),
        (&good, vec!["-f", "other.yaml"], 0, "\nNo test yamls available\n", ""),
        (
            &good,
            vec!["-f", "other.yaml", "--require-tests"],
            1,
            "\nNo test yamls available\n",
            "Error: no tests found\n",
        ),
        (
            &good.replace("results", "result"),
            vec![],
            1,
            "  Path: t/kyverno-test.yaml\n    Error: ",
            "Error: found 1 errors after loading tests\n",
        ),
        (
            &good.replace("cli.kyverno.io/v1alpha1", ""),
            vec![],
            1,
            "",
            "Error: test file t/kyverno-test.yaml uses a deprecated schema",
        ),
        (
            &good.replace("good.yaml", "nosuch.yaml"),
            vec![],
            1,
            "  Loading policies ...\n",
            "Error: failed to run test (error: failed to load policies: t/nosuch.yaml: No such file",
        ),
        (
            &good.replace("good.yaml", "pod.yaml"),
            vec![],
            1,
            "│ Fail   │ Not found │",
            "no such policy is loaded",
        ),
    ] {
        let told = told(text, &arguments);
        assert!(
            told.exit == exit && told.stdout.contains(out) && told.stderr.contains(says),
            "{arguments:?}: {told:#?}"
        );
    }
    assert!(
        context.run(&["test"]).stderr.starts_with("Error: requires at least 1 arg(s), only received 0\n")
    );
}
