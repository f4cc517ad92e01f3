//! The report of one object of a cluster: the results of `apply --policy-report`, owned by what they are about.

use serde_json::{Map, Value, json};

use super::Options;
use super::report::{Dialect, Entry};
use crate::outcome::PolicyOutcome;
use crate::policy::Policy;
use crate::request::Request;

/// The most results of one report: at 2 KiB each a third of what etcd takes.
pub const RESULTS: usize = 250;
/// The most bytes of one message.
const MESSAGE: usize = 1536;
/// What made a result, in `properties`.
const PROCESS: &str = "process";

/// Who made a result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Process {
    /// A request for admission.
    Admission,
    /// The background scan.
    Scan,
}

impl Process {
    /// Kyverno's words for it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Admission => "admission review",
            Self::Scan => "background scan",
        }
    }
}

/// The object a report is about; it is deleted with it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Owner {
    /// `apiVersion`.
    pub api_version: String,
    /// The kind.
    pub kind: String,
    /// The namespace; empty for cluster-wide objects.
    pub namespace: String,
    /// The name.
    pub name: String,
    /// The API server's identifier.
    pub uid: String,
}

impl Owner {
    /// The owner an object makes; `None` where the API server has not named it yet.
    #[must_use]
    pub fn of(object: &Value, namespace: &str) -> Option<Self> {
        let text = |path: &str| object.pointer(path).and_then(Value::as_str).unwrap_or_default().to_owned();
        let owner = Self {
            api_version: text("/apiVersion"),
            kind: text("/kind"),
            namespace: namespace.to_owned(),
            name: text("/metadata/name"),
            uid: text("/metadata/uid"),
        };
        let is_whole =
            [&owner.api_version, &owner.kind, &owner.name, &owner.uid].iter().all(|s| !s.is_empty());
        is_whole.then_some(owner)
    }
}

/// The results of verifying an object's images, as a report holds them. What `clean` makes of a message stands in it:
/// messages may quote what no report may hold.
#[must_use]
pub fn results(
    judged: &[(&Policy, &PolicyOutcome)],
    request: &Request,
    seconds: i64,
    process: Process,
    clean: impl Fn(&str) -> String,
) -> Vec<Value> {
    let mut results = Vec::new();
    for (policy, outcome) in judged {
        for one in &outcome.verified {
            let mut result = Entry::of(policy, outcome, one, request, Options::default()).result;
            // The report's scope says which object it is.
            result.remove("resources");
            result.insert("timestamp".to_owned(), json!({"nanos": 0, "seconds": seconds}));
            if let Some(properties) = result.get_mut("properties").and_then(Value::as_object_mut) {
                properties.insert(PROCESS.to_owned(), json!(process.name()));
            }
            if let Some(Value::String(message)) = result.get_mut("message") {
                let whole = clean(message);
                *message = whole.get(..whole.floor_char_boundary(MESSAGE)).unwrap_or_default().to_owned();
            }
            results.push(Value::Object(result));
        }
    }
    results
}

/// Of the results a report has, those of policies that stay: that are still there, and have not been judged by anew.
#[must_use]
pub fn kept(before: &Value, stays: impl Fn(&str) -> bool) -> Vec<Value> {
    let results = before.get("results").and_then(Value::as_array);
    let is_kept = |result: &&Value| result.get("policy").and_then(Value::as_str).is_some_and(&stays);
    results.into_iter().flatten().filter(is_kept).cloned().collect()
}

/// The report of an object with these results, of which the first [`RESULTS`] are in it.
#[must_use]
pub fn resource_report(dialect: Dialect, owner: &Owner, mut results: Vec<Value>) -> Value {
    results.truncate(RESULTS);
    let count = |status: &str| results.iter().filter(|r| r.get("result") == Some(&json!(status))).count();
    let summary: Map<String, Value> = ["pass", "fail", "warn", "error", "skip"]
        .into_iter()
        .map(|status| (status.to_owned(), json!(count(status))))
        .collect();
    let Owner { api_version, kind, namespace, name, uid } = owner;
    let mut metadata = json!({
        // Kyverno's own report of the object has the bare identifier.
        "name": report_name(owner),
        "labels": {"app.kubernetes.io/managed-by": "provost"},
        "ownerReferences": [{"apiVersion": api_version, "kind": kind, "name": name, "uid": uid}],
    });
    let mut scope = json!({"apiVersion": api_version, "kind": kind, "name": name, "uid": uid});
    if !namespace.is_empty() {
        for part in [&mut metadata, &mut scope] {
            if let Some(fields) = part.as_object_mut() {
                fields.insert("namespace".to_owned(), json!(namespace));
            }
        }
    }
    json!({
        "apiVersion": dialect.version(),
        "kind": dialect.kind(!namespace.is_empty()),
        "metadata": metadata,
        "scope": scope,
        "results": results,
        "summary": summary,
    })
}

/// The name of an object's report.
#[must_use]
pub fn report_name(owner: &Owner) -> String {
    format!("provost-{}", owner.uid)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::{Finding, RuleOutcome, Status};
    use crate::policy::{Action, FailurePolicy};

    fn report(dialect: Dialect, namespace: &str) -> Value {
        let document = json!({
            "apiVersion": "kyverno.io/v1", "kind": "ClusterPolicy", "metadata": {"name": "p"},
            "spec": {"background": true, "rules": [{
                "name": "r", "match": {"any": [{"resources": {"kinds": ["Pod"]}}]},
                "verifyImages": [{"imageReferences": ["*"], "failureAction": "Enforce"}],
            }]},
        });
        let policy = crate::load("p.yaml", &[document]).policies.remove(0);
        let one = |status, finding| RuleOutcome {
            rule: "r".to_owned(),
            image: Some("i".to_owned()),
            status,
            finding,
            action: Action::Enforce,
            tells: false,
        };
        let judged = PolicyOutcome {
            name: "p".to_owned(),
            namespace: String::new(),
            failure_policy: FailurePolicy::Fail,
            scored: true,
            verified: vec![
                one(Status::Pass, Finding::Attestations),
                one(Status::Fail, Finding::DigestMissing),
            ],
            checked: vec![one(Status::Fail, Finding::Unverified)],
        };
        let object = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x", "namespace": namespace, "uid": "u-1"}});
        let request = Request::of_object(&object);
        let owner = Owner::of(&object, namespace).unwrap();
        let results = results(&[(&policy, &judged)], &request, 7, Process::Scan, |message| {
            message.replace("digest", "[hidden]")
        });
        resource_report(dialect, &owner, results)
    }

    #[test]
    fn a_report_is_owned_by_what_it_is_about() {
        let report = report(Dialect::PolicyReports, "n");
        assert_eq!(
            (&report["apiVersion"], &report["kind"]),
            (&json!("wgpolicyk8s.io/v1alpha2"), &json!("PolicyReport"))
        );
        assert_eq!(report["metadata"]["name"], "provost-u-1");
        assert_eq!(
            report["metadata"]["ownerReferences"],
            json!([{"apiVersion": "v1", "kind": "Pod", "name": "x", "uid": "u-1"}])
        );
        assert_eq!(
            report["scope"],
            json!({"apiVersion": "v1", "kind": "Pod", "name": "x", "namespace": "n", "uid": "u-1"})
        );
        assert_eq!(report["summary"], json!({"pass": 1, "fail": 1, "warn": 0, "error": 0, "skip": 0}));
        assert_eq!(report["results"][1]["message"], "missing [hidden] for i");
        assert_eq!(report["results"][1]["properties"], json!({"process": "background scan"}));
        assert!(report["results"][0].get("resources").is_none());
    }

    #[test]
    fn each_group_and_scope_has_its_kind() {
        for (dialect, namespace, kind) in [
            (Dialect::PolicyReports, "", "ClusterPolicyReport"),
            (Dialect::OpenReports, "n", "Report"),
            (Dialect::OpenReports, "", "ClusterReport"),
        ] {
            assert_eq!(report(dialect, namespace)["kind"], kind);
        }
    }

    #[test]
    fn results_of_policies_that_were_not_judged_by_stay() {
        let of = |policy: &str| json!({"policy": policy, "result": "pass"});
        let before = json!({"results": [of("admission-only"), of("both"), of("gone"), {"result": "pass"}]});
        assert_eq!(kept(&before, |policy| policy == "admission-only"), [of("admission-only")]);
    }

    #[test]
    fn an_object_without_an_identifier_owns_nothing() {
        let object = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"generateName": "x-"}});
        assert_eq!(Owner::of(&object, "n"), None);
    }

    #[test]
    fn a_report_has_so_many_results_and_no_more() {
        let owner = Owner { uid: "u".to_owned(), ..Owner::default() };
        let report =
            resource_report(Dialect::OpenReports, &owner, vec![json!({"result": "pass"}); RESULTS + 1]);
        assert_eq!(report["summary"]["pass"], RESULTS);
    }
}
