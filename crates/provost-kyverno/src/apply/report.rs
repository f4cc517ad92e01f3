//! Results as openreports.io/v1alpha1 reports, the way `kyverno apply --policy-report` prints them.

use serde_json::{Map, Value, json};

use super::counted;
use crate::message;
use crate::outcome::{Finding, PolicyOutcome, RuleOutcome};
use crate::policy::Policy;
use crate::request::Request;

use super::Options;

/// Which of the two groups of reports is written; their fields are the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Dialect {
    /// openreports.io/v1alpha1, as `kyverno apply` prints it.
    #[default]
    OpenReports,
    /// wgpolicyk8s.io/v1alpha2, as clusters mostly have it.
    PolicyReports,
}

impl Dialect {
    pub(super) fn version(self) -> &'static str {
        match self {
            Self::OpenReports => "openreports.io/v1alpha1",
            Self::PolicyReports => "wgpolicyk8s.io/v1alpha2",
        }
    }

    /// The kind of reports about objects that have a namespace, or have none.
    pub(super) fn kind(self, namespaced: bool) -> &'static str {
        match (self, namespaced) {
            (Self::OpenReports, true) => "Report",
            (Self::PolicyReports, true) => "PolicyReport",
            (_, false) => self.of_cluster(),
        }
    }

    /// The group and its version.
    #[must_use]
    pub fn group(self) -> (&'static str, &'static str) {
        match self {
            Self::OpenReports => ("openreports.io", "v1alpha1"),
            Self::PolicyReports => ("wgpolicyk8s.io", "v1alpha2"),
        }
    }

    fn of_cluster(self) -> &'static str {
        match self {
            Self::OpenReports => "ClusterReport",
            Self::PolicyReports => "ClusterPolicyReport",
        }
    }
}

/// A result in a report's form, and the policy's namespace and name.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Entry {
    pub(super) namespace: String,
    policy: String,
    pub(super) result: Map<String, Value>,
}

impl Entry {
    /// The result of one rule over one object.
    pub(super) fn of(
        policy: &Policy,
        judged: &PolicyOutcome,
        outcome: &RuleOutcome,
        request: &Request,
        options: Options,
    ) -> Self {
        let annotation = |name: &str| {
            policy.annotations.get(&format!("policies.kyverno.io/{name}")).cloned().unwrap_or_default()
        };
        let key = match policy.namespace.as_str() {
            "" => policy.name.clone(),
            namespace => format!("{namespace}/{}", policy.name),
        };
        let severity = annotation("severity");
        let known = ["critical", "high", "medium", "low", "info"].contains(&severity.as_str());
        let process =
            if policy.spec.background.unwrap_or(true) { "background scan" } else { "admission review" };
        let rule = policy.rules.iter().find(|rule| rule.name == outcome.rule);
        let own = rule.map(|rule| &rule.report_properties);
        let status = counted(judged, outcome, options).name();
        // A message for every result wins over one for a single kind of them.
        let given = |name: String| own.and_then(|own| own.get(&name)).filter(|text| !text.is_empty());
        let message = given("message".to_owned())
            .or_else(|| given(format!("{}Message", outcome.status.name())))
            .cloned()
            .unwrap_or_else(|| message::of(outcome));
        let mut properties: Map<String, Value> =
            own.into_iter().flatten().map(|(name, text)| (name.clone(), json!(text))).collect();
        properties.insert("process".to_owned(), json!(process));
        if let Finding::Excepted(exceptions) = &outcome.finding {
            let names: Vec<&str> = exceptions.iter().filter_map(|key| key.rsplit('/').next()).collect();
            properties.insert("exceptions".to_owned(), json!(names.join(",")));
        }
        let version = request.subject().get("apiVersion").and_then(Value::as_str).unwrap_or_default();
        let resource = filled([
            ("apiVersion", json!(version)),
            ("kind", json!(request.kind.kind)),
            ("name", json!(message::printable(request.object_name()))),
            ("namespace", json!(request.namespace)),
        ]);
        let result = filled([
            ("category", json!(annotation("category"))),
            ("message", json!(message)),
            ("policy", json!(key)),
            ("properties", Value::Object(properties)),
            ("resources", json!([resource])),
            ("result", json!(status)),
            ("rule", json!(outcome.rule)),
            ("scored", json!(judged.scored)),
            ("severity", json!(if known { severity.as_str() } else { "" })),
            ("source", json!("kyverno")),
        ]);
        Self { namespace: policy.namespace.clone(), policy: policy.name.clone(), result }
    }
}

/// Fields as Go writes them with `omitempty`.
fn filled<const N: usize>(fields: [(&str, Value); N]) -> Map<String, Value> {
    let says = |value: &Value| !matches!(value, Value::Bool(false)) && value.as_str() != Some("");
    fields
        .into_iter()
        .filter(|(_, value)| says(value))
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

/// One report named `merged` for all cluster policies, and one for each namespaced policy. `seconds` is the time, since
/// 1970.
pub(super) fn reports(entries: &[Entry], seconds: i64, dialect: Dialect) -> Vec<Value> {
    let mut owners: Vec<(&str, &str)> = Vec::new();
    for entry in entries.iter().filter(|entry| !entry.namespace.is_empty()) {
        let owner = (entry.namespace.as_str(), entry.policy.as_str());
        if !owners.contains(&owner) {
            owners.push(owner);
        }
    }
    let clustered: Vec<&Entry> = entries.iter().filter(|entry| entry.namespace.is_empty()).collect();
    let mut reports = Vec::new();
    if !clustered.is_empty() {
        let of_all = json!({"name": "merged"});
        reports.push(report(dialect, dialect.of_cluster(), &of_all, &clustered, seconds));
    }
    for (namespace, policy) in owners {
        let own: Vec<&Entry> =
            entries.iter().filter(|e| e.namespace == namespace && e.policy == policy).collect();
        // Kyverno states this kind in both groups, though openreports.io calls it Report.
        let metadata = json!({"name": policy, "namespace": namespace});
        reports.push(report(dialect, "PolicyReport", &metadata, &own, seconds));
    }
    reports
}

fn report(dialect: Dialect, kind: &str, metadata: &Value, entries: &[&Entry], seconds: i64) -> Value {
    let results: Vec<Value> = entries
        .iter()
        .map(|entry| {
            let mut result = entry.result.clone();
            result.insert("timestamp".to_owned(), json!({"nanos": 0, "seconds": seconds}));
            Value::Object(result)
        })
        .collect();
    let count = |status: &str| results.iter().filter(|r| r.get("result") == Some(&json!(status))).count();
    let summary: Map<String, Value> = ["pass", "fail", "warn", "error", "skip"]
        .into_iter()
        .map(|status| (status.to_owned(), json!(count(status))))
        .collect();
    let version = dialect.version();
    json!({"apiVersion": version, "kind": kind, "metadata": metadata, "results": results, "summary": summary})
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{Dialect, Entry};
    use crate::apply::Options;
    use crate::outcome::{Finding, PolicyOutcome, RuleOutcome, Status};
    use crate::policy::FailurePolicy;
    use crate::policy::spec::Action;
    use crate::request::Request;

    fn entry(namespace: &str, annotations: &Value, status: Status) -> Entry {
        let document = json!({
            "apiVersion": "kyverno.io/v1",
            "kind": if namespace.is_empty() { "ClusterPolicy" } else { "Policy" },
            "metadata": {"name": "p", "namespace": namespace, "annotations": annotations},
            "spec": {"background": false, "rules": [{
                "name": "r",
                "match": {"any": [{"resources": {"kinds": ["Pod"]}}]},
                "reportProperties": {"failMessage": "not ours", "team": "a"},
                "verifyImages": [{"imageReferences": ["*"], "failureAction": "Enforce", "attestors": [{"entries": [{"keys": {"publicKeys": "k"}}]}]}],
            }]},
        });
        let found = crate::load("p.yaml", &[document]);
        assert_eq!(found.refused, []);
        let policy = &found.policies[0];
        let outcome = RuleOutcome {
            rule: "r".into(),
            image: None,
            status,
            finding: Finding::Excepted(vec!["n/a".into(), "n/b".into()]),
            action: Action::Enforce,
            tells: false,
        };
        let judged = PolicyOutcome {
            name: "p".into(),
            namespace: namespace.to_owned(),
            failure_policy: FailurePolicy::Fail,
            scored: annotations.get("policies.kyverno.io/scored").is_none(),
            verified: Vec::new(),
            checked: Vec::new(),
        };
        let request =
            Request::of_object(&json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x"}}));
        Entry::of(policy, &judged, &outcome, &request, Options::default())
    }

    #[test]
    fn reports_hold_what_kyverno_puts_into_them() {
        let unscored = json!({
            "policies.kyverno.io/scored": "false",
            "policies.kyverno.io/severity": "high",
            "policies.kyverno.io/category": "Supply chain",
        });
        let entries = [
            entry("", &json!({"policies.kyverno.io/severity": "odd"}), Status::Pass),
            entry("n", &json!({}), Status::Skip),
            entry("", &unscored, Status::Fail),
        ];
        let of_groups = super::reports(&entries, 7, Dialect::PolicyReports);
        let kinds: Vec<_> = of_groups.iter().map(|r| (&r["apiVersion"], &r["kind"])).collect();
        let version = json!("wgpolicyk8s.io/v1alpha2");
        assert_eq!(kinds, [(&version, &json!("ClusterPolicyReport")), (&version, &json!("PolicyReport"))]);
        let reports = super::reports(&entries, 7, Dialect::OpenReports);
        let (clustered, own) = (&reports[0], &reports[1]);
        assert_eq!(reports.len(), 2);
        assert_eq!(clustered["metadata"], json!({"name": "merged"}));
        assert_eq!(clustered["summary"], json!({"pass": 1, "fail": 0, "warn": 1, "error": 0, "skip": 0}));
        assert_eq!(
            clustered["results"][0],
            json!({
                "message": "rule is skipped due to policy exceptionsn/a, n/b",
                "policy": "p",
                "properties": {"exceptions": "a,b", "failMessage": "not ours", "process": "admission review", "team": "a"},
                "resources": [{"apiVersion": "v1", "kind": "Pod", "name": "x", "namespace": "default"}],
                "result": "pass",
                "rule": "r",
                "scored": true,
                "source": "kyverno",
                "timestamp": {"nanos": 0, "seconds": 7},
            })
        );
        let second = &clustered["results"][1];
        assert_eq!(second["message"], "not ours");
        assert_eq!(
            (&second["result"], second.get("scored"), &second["severity"], &second["category"]),
            (&json!("warn"), None, &json!("high"), &json!("Supply chain"))
        );
        assert_eq!(own["metadata"], json!({"name": "p", "namespace": "n"}));
        assert_eq!((&own["kind"], &own["results"][0]["policy"]), (&json!("PolicyReport"), &json!("n/p")));
    }
}
