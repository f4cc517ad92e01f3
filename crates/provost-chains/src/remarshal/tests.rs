//! Remarshalling, one rule a test.

use serde_json::json;

use super::*;

#[test]
fn every_type_the_schema_names_is_defined_in_it() {
    fn names(kind: &Kind, out: &mut Vec<&'static str>) {
        match kind {
            Kind::Struct(name) => out.push(name),
            Kind::List(inner) | Kind::Map(inner) | Kind::Pointer(inner) => names(inner, out),
            _ => {}
        }
    }
    let mut used = vec!["TaskRun", "PipelineRunSpec", "TaskRef", "FeatureFlags"];
    for line in include_str!("schema.txt").lines() {
        let (name, _) = line.split_once(' ').unwrap_or((line, ""));
        assert_eq!(fields_of(name).len(), line.split(' ').count() - 1, "{name}");
        fields_of(name).iter().for_each(|field| names(&field.kind, &mut used));
    }
    for name in used {
        assert!(!fields_of(name).is_empty() || name == "PodReplacementPolicy", "{name}");
    }
}

#[test]
fn empty_fields_appear_and_vanish_as_in_go() {
    let spec = json!({
        "params": [],
        "unknown": 1,
        "timeout": "60m",
        "podTemplate": {"hostNetwork": false, "enableServiceLinks": false},
        "computeResources": {"requests": {"cpu": "1000m", "memory": 1024}},
        "taskSpec": {"steps": [{"image": "a", "env": [{"name": "E"}]}]},
    });
    let want = json!({
        "serviceAccountName": "",
        "timeout": "1h0m0s",
        "podTemplate": {"enableServiceLinks": false},
        "computeResources": {"requests": {"cpu": "1", "memory": "1024"}},
        "taskSpec": {"steps": [{"name": "", "image": "a", "computeResources": {}, "env": [{"name": "E"}]}]},
    });
    assert_eq!(remarshal(GoType::TaskRunSpec, &spec, "spec").unwrap(), want);
}

#[test]
fn a_pipeline_run_gets_its_own_fields() {
    let spec = json!({"pipelineSpec": {
        "tasks": [{"name": "t", "taskSpec": {"steps": [{"name": "s"}]}}],
        "results": [{"name": "r", "value": "$(tasks.t.results.r)"}],
    }, "workspaces": [{"name": "w", "volumeClaimTemplate": {"spec": {"resources": {"requests": {"storage": "1024Mi"}}}}}]});
    let want = json!({"pipelineSpec": {
        "tasks": [{"name": "t", "taskSpec": {"metadata": {}, "spec": null, "steps": [{"name": "s", "computeResources": {}}]}}],
        "results": [{"name": "r", "description": "", "value": "$(tasks.t.results.r)"}],
    }, "taskRunTemplate": {}, "workspaces": [{"name": "w", "volumeClaimTemplate":
        {"metadata": {}, "spec": {"resources": {"requests": {"storage": "1Gi"}}}, "status": {}}}]});
    assert_eq!(remarshal(GoType::PipelineRunSpec, &spec, "spec").unwrap(), want);
}

#[test]
fn feature_flags_lose_false_and_unknown_ones() {
    let flags =
        json!({"enableAPIFields": "beta", "maxResultSize": 0, "sendCloudEventsForRuns": false, "x": true});
    assert_eq!(
        remarshal(GoType::FeatureFlags, &flags, "featureFlags").unwrap(),
        json!({"enableAPIFields": "beta"})
    );
}

#[test]
fn what_go_could_not_read_is_an_error_with_its_place() {
    let error = |value| remarshal(GoType::TaskRunSpec, &value, "spec").unwrap_err().to_string();
    assert_eq!(error(json!({"retries": "1"})), "spec.retries: expected an integer, found \"1\"");
    assert_eq!(
        error(json!({"params": [{"name": "a"}]})),
        "spec.params[0].value: expected a value, found nothing"
    );
    assert_eq!(
        error(json!({"timeout": "soon"})),
        "spec.timeout: expected a duration such as 1h30m, found \"soon\""
    );
    assert_eq!(
        error(json!({"computeResources": {"limits": {"cpu": "much"}}})),
        "spec.computeResources.limits.cpu: expected a quantity such as 500m or 1Gi, found \"much\""
    );
}

#[test]
fn a_terminated_step_shows_its_unset_times() {
    let run = json!({"metadata": {"name": "t"}, "spec": {}, "status": {"steps": [{"name": "s", "terminated": {"exitCode": 0}}]}});
    let want = json!({"metadata": {"name": "t"}, "spec": {"serviceAccountName": ""}, "status": {"podName": "",
        "steps": [{"name": "s", "terminated": {"exitCode": 0, "startedAt": null, "finishedAt": null}}]}});
    assert_eq!(remarshal(GoType::TaskRun, &run, "run").unwrap(), want);
}

#[test]
fn error_texts_stay_short() {
    let error = remarshal(GoType::TaskRunSpec, &json!({"retries": "é".repeat(500)}), "spec").unwrap_err();
    assert_eq!(error.found.chars().count(), 61);
}
