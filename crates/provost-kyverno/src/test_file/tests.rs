//! Reading tests, their values, and what counts as expected.

use std::sync::Arc;

use provost_registry::Store;
use serde_json::{Value, json};

use super::print::{Format, formatted, table};
use super::values::PATH_LIMIT;
use super::{Case, Report, Row, Selector, TestFile, UserInfo, Values};
use crate::judge::{Settings, World};
use crate::stores::{Access, Stores};

/// No registry can be reached: what a rule finds then is a failure, unless it never came to ask.
struct NoStores;

impl Stores for NoStores {
    fn store(&self, registry: &str, _access: &Access) -> Result<Arc<dyn Store>, String> {
        Err(format!("{registry} is out of reach"))
    }
}

fn test(fields: &Value) -> Value {
    let mut whole =
        json!({"apiVersion": "cli.kyverno.io/v1alpha1", "kind": "Test", "metadata": {"name": "t"}});
    whole.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    whole
}

fn refused(fields: &Value) -> String {
    TestFile::read("t.yaml", &test(fields)).map_or_else(|e| e.to_string(), |_| "read".to_owned())
}

#[test]
fn tests_are_read_strictly() {
    let result = |more: Value| {
        let mut result = json!({"policy": "p", "rule": "r", "kind": "Pod", "result": "pass"});
        result.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!({ "results": [result] })
    };
    assert_eq!(refused(&result(json!({"isImageValidatingPolicy": false, "generatedResource": ""}))), "read");
    for (fields, words) in [
        (json!({"polices": []}), "t.yaml: unknown field `polices`"),
        (json!({"jsonPayloads": ["a"]}), "t.yaml: jsonPayloads is not supported"),
        (
            result(json!({"isValidatingPolicy": true})),
            "t.yaml: results[0].isValidatingPolicy is not supported",
        ),
        (result(json!({"result": "passed"})), "expected pass, fail, warn, error or skip, found \"passed\""),
        (result(json!({"operation": "create"})), "expected CREATE, UPDATE or DELETE, found \"create\""),
        (result(json!({"status": "pass"})), "unknown field `status`"),
        (json!({"values": {"subresources": [{}]}}), "t.yaml: subresources is not supported"),
        (
            json!({"values": {"globalValues": {"request.operation": "PUT"}}}),
            "request.operation: expected CREATE",
        ),
    ] {
        assert!(refused(&fields).contains(words), "{fields}: {}", refused(&fields));
    }
    let old = TestFile::read("t.yaml", &json!({"name": "t", "policies": []})).unwrap();
    assert_eq!(
        old.check_schema("t.yaml").unwrap_err().to_string(),
        "test file t.yaml uses a deprecated schema — please migrate to the latest format"
    );
    let values = json!({"globalValues": {}});
    assert!(Values::read("v.yaml", &values).unwrap_err().to_string().starts_with("values file v.yaml uses"));
}

#[test]
fn paths_of_values_have_a_limit() {
    let of = |names: usize| json!({"values": {"policies": [{"name": "p", "rules": [{"name": "r", "values": {vec!["a"; names].join("."): 1}}]}]}});
    assert_eq!(refused(&of(PATH_LIMIT)), "read");
    assert!(refused(&of(PATH_LIMIT + 1)).contains("has 65 names, and at most 64 are read"));
}

fn policy(rule: &Value) -> Value {
    let mut whole = json!({
        "name": "r",
        "match": {"any": [{"resources": {"kinds": ["Pod"]}}]},
        "verifyImages": [{
            "imageReferences": ["reg.example/*"],
            "failureAction": "Enforce",
            "mutateDigest": false,
            "verifyDigest": false,
            "required": false,
            "attestors": [{"entries": [{"keys": {"publicKeys": "k", "rekor": {"ignoreTlog": true}, "ctlog": {"ignoreSCT": true}}}]}],
        }],
    });
    whole.as_object_mut().unwrap().extend(rule.as_object().unwrap().clone());
    json!({
        "apiVersion": "kyverno.io/v1",
        "kind": "ClusterPolicy",
        "metadata": {"name": "p"},
        "spec": {"background": false, "rules": [whole]},
    })
}

fn pod(name: &str, image: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": {"containers": [{"name": "c", "image": image}]}})
}

fn case(rule: &Value, fields: &Value, resources: &[Value]) -> Case {
    let file = TestFile::read("t.yaml", &test(fields)).unwrap();
    let documents = crate::load("p.yaml", &[policy(rule)]);
    assert_eq!(documents.refused, []);
    let values = file.values.clone().unwrap_or_default();
    Case { file, values, documents, resources: resources.to_vec(), ..Case::default() }
}

async fn run(case: &Case) -> Report {
    let (staged, settings) = (case.staged(), Settings::default());
    let world = World {
        cluster: &staged,
        stores: &NoStores,
        settings: &settings,
        clock: None,
        random: None,
        resolver: None,
        anchors: None,
    };
    case.run(&world, &case.selected(&Selector::default())).await
}

fn reasons(report: &Report) -> Vec<&str> {
    report.rows.iter().map(|row| row.reason.as_str()).collect()
}

fn expecting(result: &str, resources: &[&str]) -> Value {
    json!({"policy": "p", "rule": "r", "kind": "Pod", "result": result, "resources": resources})
}

#[tokio::test]
async fn a_result_that_no_rule_produced_fails() {
    let pods = [pod("judged", "reg.example/a:1"), pod("other", "elsewhere.example/a:1")];
    for (result, wanted) in [
        (expecting("fail", &["judged"]), vec!["Ok"]),
        (expecting("pass", &["judged"]), vec!["Want pass, got fail"]),
        (expecting("fail", &["other"]), vec!["Not found"]),
        (expecting("pass", &["other"]), vec!["Not found"]),
        (expecting("skip", &["other"]), vec!["Excluded"]),
        (expecting("fail", &["judged", "nosuch"]), vec!["Not found", "Ok"]),
        (expecting("fail", &["default/judged"]), vec!["Ok"]),
        (expecting("fail", &["elsewhere/judged"]), vec!["Not found"]),
        (expecting("fail", &[]), vec!["Ok", "Not found"]),
        (
            json!({"policy": "p", "rule": "nosuch", "result": "skip", "resources": ["other"]}),
            vec!["Not found"],
        ),
        (
            json!({"policy": "nosuch", "rule": "r", "result": "skip", "resources": ["other"]}),
            vec!["Not found"],
        ),
        (json!({"policy": "n/p", "rule": "r", "result": "fail", "resources": ["judged"]}), vec!["Not found"]),
        (
            json!({"policy": "p", "result": "fail", "resourceSpecs": [{"version": "v1", "namespace": "default", "name": "judged"}]}),
            vec!["Ok"],
        ),
        (
            json!({"policy": "p", "rule": "r", "result": "skip", "operation": "DELETE", "resources": ["judged"]}),
            vec!["Excluded"],
        ),
    ] {
        let report = run(&case(&json!({}), &json!({"results": [result]}), &pods)).await;
        assert_eq!(reasons(&report), wanted, "{result}: {report:?}");
        let failed = wanted.iter().filter(|reason| !matches!(**reason, "Ok" | "Excluded")).count();
        assert_eq!(report.failed, failed, "{result}");
    }
}

#[tokio::test]
async fn objects_of_other_kinds_need_no_result_where_none_is_named() {
    let service = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s"}});
    let of =
        |resources: Vec<Value>| case(&json!({}), &json!({"results": [expecting("fail", &[])]}), &resources);
    let report = run(&of(vec![service.clone(), pod("judged", "reg.example/a:1")])).await;
    assert_eq!((reasons(&report), report.failed), (vec!["Excluded", "Ok"], 0));
    let report = run(&of(vec![service])).await;
    assert_eq!((reasons(&report), report.failed), (vec!["Not found"], 1));
}

#[tokio::test]
async fn generated_rules_answer_to_the_name_of_the_written_one() {
    let pod = pod("x", "reg.example/a:1");
    let template = json!({"metadata": {}, "spec": pod["spec"]});
    let job = json!({"spec": {"template": template}});
    let deployment = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"}, "spec": {"template": template}});
    let cron = json!({"apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": "c"}, "spec": {"jobTemplate": job}});
    let results = json!({"results": [expecting("fail", &["d", "c"])]});
    let report = run(&case(&json!({}), &results, &[deployment, cron])).await;
    let rules: Vec<_> = report.rows.iter().map(|row| (row.rule.as_str(), row.passed)).collect();
    assert_eq!(rules, [("autogen-r", true), ("autogen-cronjob-r", true)]);
}

#[tokio::test]
async fn values_stand_in_for_request_and_cluster() {
    let rule = json!({
        "context": [{"name": "cfg", "configMap": {"name": "cm", "namespace": "n"}}],
        "preconditions": {"all": [
            {"key": "{{ cfg.data.check }}", "operator": "Equals", "value": "yes"},
            {"key": "{{ request.operation }}", "operator": "Equals", "value": "UPDATE"},
        ]},
    });
    let of = |values: &Value, result: &str| {
        case(
            &rule,
            &json!({"values": values, "results": [expecting(result, &["x"])]}),
            &[pod("x", "reg.example/a:1")],
        )
    };
    let in_rule =
        |check: &str| json!([{"name": "p", "rules": [{"name": "r", "values": {"cfg.data.check": check}}]}]);
    let update = json!({"request.operation": "UPDATE"});
    for (values, result) in [
        (json!({"globalValues": update, "policies": in_rule("yes")}), "fail"),
        (json!({"globalValues": update, "policies": in_rule("no")}), "skip"),
        (json!({"policies": in_rule("yes")}), "skip"),
        (json!({"globalValues": update}), "error"),
        (json!({"globalValues": {"request.operation": "UPDATE", "cfg.data.check": "yes"}}), "fail"),
        (
            json!({"policies": [{"name": "p", "resources": [{"name": "x", "values": {"request.operation": "UPDATE"}}], "rules": in_rule("yes")[0]["rules"]}]}),
            "fail",
        ),
    ] {
        let report = run(&of(&values, result)).await;
        assert_eq!(reasons(&report), ["Ok"], "{values} {result}: {report:?}");
    }
    let mut of_cluster = of(&json!({"globalValues": update}), "fail");
    of_cluster.cluster = vec![
        json!({"kind": "ConfigMap", "metadata": {"name": "cm", "namespace": "n"}, "data": {"check": "yes"}}),
    ];
    assert_eq!(reasons(&run(&of_cluster).await), ["Ok"]);
}

#[tokio::test]
async fn users_and_namespaces_are_those_of_the_test() {
    let rule = json!({"match": {"any": [{
        "clusterRoles": ["builder"],
        "resources": {"kinds": ["Pod"], "namespaceSelector": {"matchLabels": {"verify": "true"}}},
    }]}});
    let user = |roles: &[&str]| {
        let info = json!({
            "apiVersion": "cli.kyverno.io/v1alpha1",
            "kind": "UserInfo",
            "clusterRoles": roles,
            "userInfo": {"username": "u"},
        });
        Some(UserInfo::read("u.yaml", &info).unwrap())
    };
    let labelled = |verify: &str| json!({"values": {"namespaceSelector": [{"name": "default", "labels": {"verify": verify}}]}});
    for (roles, verify, wanted) in [
        (&["builder"], "true", "Ok"),
        (&["guest"], "true", "Not found"),
        (&["builder"], "false", "Not found"),
    ] {
        let mut fields = labelled(verify);
        fields["results"] = json!([expecting("fail", &["x"])]);
        let mut case = case(&rule, &fields, &[pod("x", "reg.example/a:1")]);
        case.user = user(roles);
        assert_eq!(reasons(&run(&case).await), [wanted], "{roles:?} {verify}");
    }
}

#[tokio::test]
async fn answers_of_a_test_stand_in_for_a_cluster() {
    let rule = json!({
        "context": [
            {"name": "called", "apiCall": {"urlPath": "/api/v1/namespaces/{{ request.namespace }}/things", "jmesPath": "items[0]"}},
            {"name": "posted", "apiCall": {"method": "POST", "data": [{"key": "a", "value": 1}], "service": {"url": "https://s.example/x"}}},
            {"name": "all", "globalReference": {"name": "g.names"}},
            {"name": "listed", "globalReference": {"name": "objects", "jmesPath": "length(@)"}},
        ],
        "preconditions": {"all": [
            {"key": "{{ called }} {{ posted.ok }} {{ all[0] }} {{ listed }}", "operator": "Equals", "value": "x yes n 1"},
        ]},
    });
    let answers = |code: u16, ok: &str| {
        json!([
            {"urlPath": "/api/v1/namespaces/default/things", "response": {"body": {"items": ["x"]}}},
            {"url": "https://s.example/x", "method": "POST", "response": {"statusCode": code, "body": {"ok": ok}}},
        ])
    };
    let entries = json!([
        {"name": "g", "data": {"a": [{"n": "n"}]}, "fieldPath": "a", "projections": [{"name": "names", "path": "[].n"}]},
        {"name": "objects", "resources": [{"kind": "Thing"}]},
    ]);
    for (code, ok, wanted) in [(200, "yes", "fail"), (200, "no", "skip"), (503, "yes", "error")] {
        let fields = json!({
            "apiCallResponses": answers(code, ok),
            "globalContextEntries": entries,
            "results": [expecting(wanted, &["x"])],
        });
        let mut case = case(&rule, &fields, &[pod("x", "reg.example/a:1")]);
        let (responses, entries) =
            (case.file.api_call_responses.clone(), case.file.global_context_entries.clone());
        case.mocks = super::Mocks { responses, entries };
        let report = run(&case).await;
        assert_eq!(reasons(&report), ["Ok"], "{code} {ok}: {report:?}");
        case.mocks = super::Mocks::default();
        let report = run(&case).await;
        assert!(report.rows[0].message.contains("no cluster is given"), "{report:?}");
    }
    for (fields, words) in [
        (json!({"apiCallResponses": [{"response": {"body": {}}}]}), "either url or urlPath is required"),
        (json!({"apiCallResponses": [{"url": "x", "urlPath": "/y"}]}), "mutually exclusive"),
        (json!({"apiCallResponses": [{"urlPath": "y"}]}), "must be an absolute path"),
        (json!({"apiCallResponses": [{"url": "ftp://a"}]}), "must be an absolute https/http URL"),
        (json!({"apiCallResponses": [{"urlPath": "/y", "response": {"body": 1}}]}), "must be a JSON object"),
        (
            json!({"apiCallResponses": [{"urlPath": "/y", "method": "PUT", "response": {"body": {}}}]}),
            "GET or POST",
        ),
        (
            json!({"globalContextEntries": [{"name": "a"}]}),
            "one of data, resources, or resourceFiles is required",
        ),
        (
            json!({"globalContextEntries": [{"name": "a", "resourceFiles": ["../x"]}]}),
            "is no file of the test's folder",
        ),
        (
            json!({"globalContextEntries": [{"name": "a", "data": {}}, {"name": "a", "data": {}}]}),
            "duplicate name",
        ),
    ] {
        assert!(refused(&fields).contains(words), "{fields}: {}", refused(&fields));
    }
}

#[tokio::test]
async fn patched_objects_are_compared() {
    let mut result = expecting("skip", &["x"]);
    result["patchedResources"] = json!("patched.yaml");
    let never = json!({"preconditions": {"all": [{"key": "a", "operator": "Equals", "value": "b"}]}});
    let mut case = case(&never, &json!({"results": [result]}), &[pod("x", "reg.example/a:1")]);
    let mut same = pod("x", "reg.example/a:1");
    same["metadata"]["namespace"] = json!("default");
    same["spec"]["volumes"] = json!([]);
    for (patched, reason, message) in [
        (vec![same], "Ok", "preconditions not met"),
        (
            vec![pod("x", "reg.example/a:2")],
            "Resource diff",
            "patched.yaml: /spec/containers/0/image: expected \"reg.example/a:2\", found \"reg.example/a:1\"",
        ),
        (
            vec![pod("y", "reg.example/a:1")],
            "Resource error",
            "v1/Pod/default/x: not found in manifest patched.yaml",
        ),
    ] {
        case.patched = [("patched.yaml".to_owned(), patched)].into();
        let report = run(&case).await;
        assert!(report.rows[0].reason == reason && report.rows[0].message.starts_with(message), "{report:?}");
    }
}

#[test]
fn selectors_choose_results_and_objects() {
    let result = json!({"results": [expecting("pass", &["a", "b"]), {"policy": "q", "result": "pass"}]});
    let file = TestFile::read("t.yaml", &test(&result)).unwrap();
    let chosen = |text: &str| {
        let selector = Selector::read(text).unwrap();
        let all = file.results.iter().filter_map(|expected| selector.selected(expected));
        all.map(|e| format!("{}:{}", e.policy, e.resources.join("+"))).collect::<Vec<_>>()
    };
    assert_eq!(chosen("policy=*,rule=*,resource=*"), ["p:a+b", "q:"]);
    assert_eq!(chosen(""), ["p:a+b", "q:"]);
    assert_eq!(chosen("policy=p, resource=a"), ["p:a"]);
    assert_eq!(chosen("resource=a"), ["p:a", "q:a"]);
    assert_eq!(chosen("policy=p,resource=c"), [""; 0]);
    assert!(Selector::read("policy").unwrap_err().to_string().contains("form `<key>=<value>`"));
    assert!(Selector::read("kind=Pod").unwrap_err().to_string().contains("policy, rule or resource"));
}

#[test]
fn results_are_printed_in_every_form() {
    let row = |id, passed, reason: &str| Row {
        id,
        policy: "p".into(),
        rule: "r".into(),
        resource: "v1/Pod/default/x".into(),
        passed,
        reason: reason.into(),
        message: "a<b|\"c\"\n".into(),
    };
    let rows = [row(1, true, "Ok"), row(2, false, "Want pass, got fail")];
    let as_json: Value = serde_json::from_str(&formatted(&rows, Format::Json, true)).unwrap();
    assert_eq!(
        as_json[1],
        json!({"ID": 2, "POLICY": "p", "RULE": "r", "RESOURCE": "v1/Pod/default/x", "RESULT": "Fail", "REASON": "Want pass, got fail", "Message": "a<b|\"c\"\n"})
    );
    let as_yaml = crate::yaml::documents("f", &formatted(&rows, Format::Yaml, true)).unwrap();
    assert_eq!(as_yaml, [as_json]);
    assert_eq!(
        formatted(&rows[..1], Format::Yaml, false),
        "- ID: 1\n  POLICY: p\n  REASON: Ok\n  RESOURCE: v1/Pod/default/x\n  RESULT: Pass\n  RULE: r\n"
    );
    assert_eq!(
        formatted(&rows[..1], Format::Markdown, true),
        "| ID | POLICY | RULE | RESOURCE | RESULT | REASON | MESSAGE | \n|----|----|----|----|----|----|----|\n\
         | 1 | p | r | v1/Pod/default/x | Pass | Ok | a<b\\|\"c\"  |\n"
    );
    let junit = formatted(&rows, Format::Junit, true);
    assert!(junit.contains(
        "<testsuites tests=\"2\" failures=\"1\">\n <testsuite name=\"p\" tests=\"2\" failures=\"1\">"
    ));
    assert!(
        junit.contains("<failure message=\"Want pass, got fail\">") && junit.contains("a&lt;b|&quot;c&quot;")
    );
    assert_eq!(junit.matches("<testcase").count(), junit.matches("</testcase>").count());
    let many: Vec<Row> = (1..=11).map(|id| row(id, true, "Ok")).collect();
    assert!(table(&many, false).contains("│ ID (11) │ POLICY │"), "{}", table(&many, false));
    assert!(table(&many[..10], false).contains("│ ID │ POLICY │"));
}
