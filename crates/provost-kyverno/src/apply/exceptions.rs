//! Exceptions that would let pass what failed, as `kyverno apply --generate-exceptions` writes them.

use serde_json::{Value, json};

use super::report::Entry;

/// The exception for one result; `None` where it is no failure, or the policy is a namespace's own.
pub(super) fn of(entry: &Entry, ends_after: Option<&str>) -> Option<Value> {
    let text = |name: &str| entry.result.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    if !entry.namespace.is_empty() || text("result") != "fail" {
        return None;
    }
    let of_object = |name: &str| {
        let object = entry.result.get("resources").and_then(|list| list.get(0));
        object.and_then(|object| object.get(name)?.as_str()).unwrap_or_default().to_owned()
    };
    let (policy, rule) = (text("policy"), text("rule"));
    let (kind, namespace, name) = (of_object("kind"), of_object("namespace"), of_object("name"));
    let (mut kinds, mut names, mut rules) = (vec![kind.clone()], vec![name.clone()], vec![rule.clone()]);
    if let Some(written) = rule.strip_prefix("autogen-") {
        if kind == "CronJob" {
            let written = written.strip_prefix("cronjob-").unwrap_or(written);
            kinds.push("Job".to_owned());
            rules.push(format!("autogen-{written}"));
            rules.push(written.to_owned());
        } else {
            rules.push(written.to_owned());
        }
        kinds.push("Pod".to_owned());
        names.push(format!("{name}-*"));
    }
    let mut metadata = json!({"name": format!("{policy}-{rule}-{namespace}-{name}")});
    if let (Some(time), Some(fields)) = (ends_after, metadata.as_object_mut()) {
        fields.insert("labels".to_owned(), json!({"cleanup.kyverno.io/ttl": time}));
    }
    Some(json!({
        "apiVersion": "kyverno.io/v2beta1",
        "kind": "PolicyException",
        "metadata": metadata,
        "spec": {
            "exceptions": [{"policyName": policy, "ruleNames": rules}],
            "match": {"all": [{"resources": {"kinds": kinds, "names": names, "namespaces": [namespace]}}]},
        },
    }))
}
