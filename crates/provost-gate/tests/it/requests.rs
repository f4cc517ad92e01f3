//! What is asked, odd or not, and what is answered.

use std::sync::Arc;

use provost_gate::sight::Sight;
use serde_json::{Value, json};

use crate::running::{Running, policy, review, sight};

const IMAGE: &str = "registry.example/app:1";

#[tokio::test]
async fn what_is_no_question_gets_no_yes() {
    let gate = Running::start(sight(1, &[policy(&json!({}))]), None).await;
    let good = review("CREATE", IMAGE).to_string();
    let plain = "application/json";
    for (method, path, kind, body, status) in [
        ("GET", "/mutate", plain, "", 405),
        ("PUT", "/validate/fail", plain, good.as_str(), 405),
        ("POST", "/health/liveness", plain, "{}", 405),
        ("POST", "/", plain, good.as_str(), 404),
        ("POST", "/mutate/fail/finegrained/a/b/c", plain, good.as_str(), 404),
        ("POST", "/mutate", "text/plain", good.as_str(), 415),
        ("POST", "/mutate", "application/yaml", good.as_str(), 415),
        ("POST", "/mutate", "application/json; charset=utf-8", good.as_str(), 200),
        ("POST", "/mutate", plain, "", 400),
        ("POST", "/mutate", plain, "[]", 400),
        ("POST", "/mutate", plain, "\u{feff}{}", 400),
        (
            "POST",
            "/mutate",
            plain,
            r#"{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","request":{}}"#,
            400,
        ),
    ] {
        let asked = gate.client().request(method.parse().unwrap(), gate.url(path));
        let asked = asked.header("Content-Type", kind).body(body.to_owned());
        let answer = asked.send().await.unwrap();
        assert_eq!(answer.status().as_u16(), status, "{method} {path} {kind} {body}");
        let text = answer.text().await.unwrap();
        assert!(!text.contains("\"allowed\":true"), "{method} {path}: {text}");
    }
    let encoded = gate.client().post(gate.url("/mutate")).header("Content-Type", plain);
    let encoded = encoded.header("Content-Encoding", "gzip").body("x").send().await.unwrap();
    assert_eq!(encoded.status().as_u16(), 415);
}

#[tokio::test]
async fn what_an_api_server_would_take_for_a_failure_is_denied_where_it_can_be() {
    let gate = Running::start(sight(1, &[policy(&json!({"failurePolicy": "Ignore"}))]), None).await;
    let head = r#"{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","request":{"uid":"u-1""#;
    for body in [
        format!(r#"{head},"kind":{{"kind":"Pod"}},"operation":"CREATE","object":{{"a":1,"a":2}}}}}}"#),
        format!(r#"{head},"kind":{{"kind":"Pod"}},"operation":"CREATE","object":null}}}}"#),
        format!(r#"{head},"kind":{{"kind":"Pod"}},"operation":"create","object":{{}}}}}}"#),
        head.to_owned(),
        format!("{head},\"object\":\"{}\"}}}}", "x".repeat(33 * 1024 * 1024)),
        head.replace("/v1", "/v1beta1") + "}}",
    ] {
        let (status, text) = gate.post("/mutate/ignore", body.clone()).await;
        let answer: Value = serde_json::from_str(&text).unwrap_or_default();
        let shown = body.chars().take(200).collect::<String>();
        assert_eq!((status, &answer["response"]["allowed"]), (200, &json!(false)), "{shown}: {text}");
        assert_eq!(answer["response"]["uid"], "u-1", "{shown}");
    }
}

#[tokio::test]
async fn until_all_is_loaded_fail_denies_and_ignore_lets_through_and_nobody_is_ready() {
    let loading = Sight { missing: vec!["clusterpolicies".to_owned()], ..Sight::default() };
    let gate = Running::start(Arc::new(loading), None).await;
    let asked = review("CREATE", IMAGE);
    let ready = || async {
        let answer = gate.client().get(gate.url("/health/readiness")).send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    };
    assert_eq!(ready().await, (503, "clusterpolicies\n".to_owned()));
    let denied = gate.response("/mutate/fail", &asked).await;
    assert_eq!(denied["allowed"], false);
    let said = denied["status"]["message"].as_str().unwrap();
    assert_eq!(said, "provost: not loaded yet: clusterpolicies");
    let let_through = gate.response("/validate/ignore", &asked).await;
    assert_eq!((&let_through["allowed"], &let_through["warnings"][0]), (&json!(true), &json!(said)));
    // The registry is away all the while, and that keeps nobody from being ready.
    gate.sights.send_replace(sight(2, &[policy(&json!({}))]));
    assert_eq!(ready().await, (200, "ok\n".to_owned()));
    assert_eq!(gate.response("/mutate/fail", &asked).await["allowed"], false);
    gate.readiness.stop();
    assert_eq!(ready().await, (503, "stopping\n".to_owned()));
    assert_eq!(gate.response("/mutate/fail", &asked).await["allowed"], false, "it still answers");
}

#[tokio::test]
async fn policies_with_match_conditions_are_verified_at_their_own_path() {
    let webhook = json!({"webhookConfiguration": {"matchConditions": [{"name": "a", "expression": "true"}]}});
    let gate = Running::start(sight(1, &[policy(&webhook)]), None).await;
    let asked = review("CREATE", IMAGE);
    for (path, allowed) in [
        ("/mutate", false),
        ("/mutate/fail", true),
        ("/mutate/fail/finegrained/p", false),
        ("/validate/fail/finegrained/p", false),
        ("/mutate/fail/finegrained/unknown", false),
    ] {
        assert_eq!(gate.response(path, &asked).await["allowed"], allowed, "{path}");
    }
}

#[tokio::test]
async fn what_runs_is_let_end_and_what_changes_is_not() {
    let gate = Running::start(sight(1, &[policy(&json!({}))]), None).await;
    let with = |change: fn(&mut Value)| {
        let mut asked = review("UPDATE", IMAGE);
        change(&mut asked["request"]);
        asked
    };
    for (asked, allowed, basis) in [
        (review("CREATE", IMAGE), false, "judged"),
        (review("UPDATE", "registry.example/other:1"), false, "judged"),
        (review("UPDATE", IMAGE), true, "unchanged"),
        (
            with(|r| r["oldObject"]["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z")),
            true,
            "ended",
        ),
        (with(|r| r["oldObject"]["status"] = json!({"phase": "Succeeded"})), true, "ended"),
        (
            with(|r| {
                r["oldObject"]["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
                r["object"]["spec"]["containers"][0]["image"] = json!("registry.example/other:1");
            }),
            false,
            "judged",
        ),
        (
            with(|r| {
                r["subResource"] = json!("ephemeralcontainers");
                r["object"]["spec"]["ephemeralContainers"] =
                    json!([{"name": "d", "image": "registry.example/other:1"}]);
            }),
            false,
            "judged",
        ),
        (with(|r| r["operation"] = json!("DELETE")), true, "filtered"),
        (
            with(|r| {
                r["operation"] = json!("CONNECT");
                r["subResource"] = json!("exec");
                r["kind"]["kind"] = json!("PodExecOptions");
                r["object"] = json!({"kind": "PodExecOptions", "command": ["sh"]});
            }),
            true,
            "judged",
        ),
        (
            with(|r| {
                r["subResource"] = json!("scale");
                r["kind"] = json!({"group": "autoscaling", "version": "v1", "kind": "Scale"});
                r["object"] = json!({"kind": "Scale", "spec": {"replicas": 3}});
                r["oldObject"] = json!({"kind": "Scale", "spec": {"replicas": 1}});
            }),
            true,
            "judged",
        ),
    ] {
        for path in ["/mutate/fail", "/validate/fail"] {
            let answer = gate.response(path, &asked).await;
            let (last, ..) = *gate.heard.0.lock().unwrap().last().unwrap();
            assert_eq!((&answer["allowed"], last), (&json!(allowed), basis), "{path} {asked}: {answer}");
        }
    }
}

#[tokio::test]
async fn a_dry_run_is_judged_like_any_other_and_known_as_one() {
    let gate = Running::start(sight(1, &[policy(&json!({}))]), None).await;
    let mut dry = review("CREATE", IMAGE);
    let wet = gate.response("/mutate/fail", &dry).await;
    dry["request"]["dryRun"] = json!(true);
    assert_eq!(gate.response("/mutate/fail", &dry).await, wet);
    let heard: Vec<bool> = gate.heard.0.lock().unwrap().iter().map(|(.., dry_run)| *dry_run).collect();
    assert_eq!(heard, [false, true]);
}

#[tokio::test]
async fn policies_are_refused_where_they_are_stored() {
    let gate = Running::start(sight(1, &[]), None).await;
    let stored = |object: &Value| {
        json!({
            "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
            "request": {
                "uid": "u-1", "operation": "CREATE", "name": "p", "object": object, "oldObject": null,
                "kind": {"group": "kyverno.io", "version": "v1", "kind": "ClusterPolicy"},
            },
        })
    };
    let good = policy(&json!({}));
    assert_eq!(gate.response("/policyvalidate", &stored(&good)).await["allowed"], true);
    let mut bad = good.clone();
    bad["spec"]["rules"][0]["verifyImages"][0]["failureAction"] = json!("Audit");
    let refused = gate.response("/policyvalidate", &stored(&bad)).await;
    let said = refused["status"]["message"].as_str().unwrap_or_default();
    assert!(said.contains("mutateDigest must be set to false for ‘Audit’ failure action"), "{refused}");
    assert_eq!(gate.response("/policymutate", &stored(&bad)).await, json!({"uid": "u-1", "allowed": true}));
}
