//! Which rules are made, under which names, with which variables.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::rules;

fn names(annotation: Option<&str>, rule: Value) -> Vec<String> {
    let annotations: BTreeMap<_, _> = annotation
        .map(|v| ("pod-policies.kyverno.io/autogen-controllers".to_owned(), v.to_owned()))
        .into_iter()
        .collect();
    let made = rules(&annotations, &[rule]);
    made.iter().filter_map(|r| r["name"].as_str().map(str::to_owned)).collect()
}

fn pod_rule() -> Value {
    json!({"name": "a", "match": {"any": [{"resources": {"kinds": ["Pod"]}}]}, "verifyImages": [{}]})
}

#[test]
fn controllers_get_two_rules() {
    assert_eq!(names(None, pod_rule()), ["a", "autogen-a", "autogen-cronjob-a"]);
    assert_eq!(names(Some("none"), pod_rule()), ["a"]);
    assert_eq!(names(Some("Deployment"), pod_rule()), ["a", "autogen-a"]);
    assert_eq!(names(Some("CronJob"), pod_rule()), ["a", "autogen-cronjob-a"]);
}

#[test]
fn names_selectors_and_other_kinds_switch_it_off() {
    let mut rule = pod_rule();
    rule["match"]["any"][0]["resources"]["names"] = json!(["x*"]);
    assert_eq!(names(None, rule), ["a"]);
    let mut rule = pod_rule();
    rule["match"]["any"][0]["resources"]["kinds"] = json!(["Pod", "Deployment"]);
    assert_eq!(names(None, rule), ["a"]);
    let mut rule = pod_rule();
    rule["exclude"] = json!({"any": [{"resources": {"kinds": ["Job"]}}]});
    assert_eq!(names(None, rule), ["a"]);
}

#[test]
fn variables_move_into_the_template() {
    let mut rule = pod_rule();
    rule["preconditions"] =
        json!({"all": [{"key": "{{ request.object.metadata.name }}", "operator": "Equals"}]});
    let made = rules(&BTreeMap::new(), &[rule]);
    let key = |n: usize| made[n].pointer("/preconditions/all/0/key").and_then(Value::as_str);
    assert_eq!(key(1), Some("{{ request.object.spec.template.metadata.name }}"));
    assert_eq!(key(2), Some("{{ request.object.spec.jobTemplate.spec.template.metadata.name }}"));
    assert_eq!(made[1].pointer("/match/any/0/resources/kinds/1"), Some(&json!("Deployment")));
}

#[test]
fn long_names_are_cut() {
    let mut rule = pod_rule();
    rule["name"] = json!("x".repeat(63));
    let made = rules(&BTreeMap::new(), &[rule]);
    assert!(made.iter().all(|r| r["name"].as_str().is_some_and(|n| n.len() == 63)));
}
