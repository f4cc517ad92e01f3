//! Policies and exceptions that are about to be stored: refused and warned about in Kyverno's words.

use provost_kyverno::message::refusal;
use provost_kyverno::review::unanswered;
use provost_kyverno::{Operation, Request, load};
use serde_json::{Value, json};

/// Which exceptions count.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ExceptionScope {
    /// None.
    #[default]
    Off,
    /// Those of this namespace.
    Namespace(String),
    /// All.
    Everywhere,
}

impl ExceptionScope {
    /// What `--enablePolicyException` and `--exceptionNamespace` say: `*` is every namespace.
    #[must_use]
    pub fn of(enabled: bool, namespace: &str) -> Self {
        match (enabled, namespace) {
            (false, _) => Self::Off,
            (true, "*") => Self::Everywhere,
            (true, namespace) => Self::Namespace(namespace.to_owned()),
        }
    }

    /// Whether exceptions of this namespace count.
    #[must_use]
    pub fn takes(&self, namespace: &str) -> bool {
        match self {
            Self::Off => false,
            Self::Namespace(own) => own == namespace,
            Self::Everywhere => true,
        }
    }

    /// What whoever stores an exception there should know.
    fn warning(&self, namespace: &str) -> Option<&'static str> {
        match self {
            Self::Off => Some("PolicyException resources would not be processed until it is enabled."),
            scope if !scope.takes(namespace) => {
                Some("PolicyException resource namespace must match the defined namespace.")
            }
            _ => None,
        }
    }
}

/// Whether a policy may be stored.
pub(super) fn policy(request: &Request) -> Value {
    if is_going(request) {
        return as_it_is(request);
    }
    let read = load("", std::slice::from_ref(&request.object));
    if let Some(refused) = read.refused.first() {
        return unanswered(&request.uid, refusal::cause(&refused.cause)).mutate;
    }
    let warnings = read.policies.iter().flat_map(|policy| &policy.warnings).map(refusal::warning);
    allowed(request, warnings.collect())
}

/// Whether an exception may be stored.
pub(super) fn exception(request: &Request, scope: &ExceptionScope) -> Value {
    if is_going(request) {
        return as_it_is(request);
    }
    let read = load("", std::slice::from_ref(&request.object));
    match read.refused.first() {
        Some(refused) => unanswered(&request.uid, refusal::cause(&refused.cause)).mutate,
        None => allowed(request, scope.warning(&request.namespace).map(str::to_owned).into_iter().collect()),
    }
}

/// Allowed, and nothing changed.
pub(super) fn as_it_is(request: &Request) -> Value {
    allowed(request, Vec::new())
}

/// What goes is not held up by what is wrong with it.
fn is_going(request: &Request) -> bool {
    let deleted = request.object.pointer("/metadata/deletionTimestamp").is_some_and(|time| !time.is_null());
    deleted || !matches!(request.operation, Operation::Create | Operation::Update)
}

fn allowed(request: &Request, warnings: Vec<String>) -> Value {
    match warnings.is_empty() {
        true => json!({"uid": request.uid, "allowed": true}),
        false => json!({"uid": request.uid, "allowed": true, "warnings": warnings}),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stored(operation: &str, object: &Value) -> Request {
        let review = json!({"request": {
            "uid": "u", "operation": operation, "object": object, "oldObject": object, "namespace": "a",
            "kind": {"group": "kyverno.io", "version": "v1", "kind": object["kind"]},
        }});
        Request::of_review(&review).unwrap()
    }

    fn of(entry: &Value) -> Value {
        json!({
            "apiVersion": "kyverno.io/v1", "kind": "ClusterPolicy", "metadata": {"name": "p"},
            "spec": {"background": false, "rules": [{
                "name": "r", "match": {"any": [{"resources": {"kinds": ["Pod"]}}]}, "verifyImages": [entry],
            }]},
        })
    }

    #[test]
    fn policies_are_refused_in_kyvernos_words() {
        for (entry, words) in [
            (json!({"imageReferences": []}), "An image reference is required"),
            (
                json!({"imageReferences": ["*"]}),
                "mutateDigest must be set to false for ‘Audit’ failure action",
            ),
            (json!({"imageReferences": ["*"], "nosuch": 1}), "nosuch"),
        ] {
            let answer = policy(&stored("CREATE", &of(&entry)));
            assert_eq!(answer["allowed"], false, "{entry}");
            let said = answer["status"]["message"].as_str().unwrap();
            assert!(said.contains(words), "{entry}: {said}");
            assert_eq!(policy(&stored("DELETE", &of(&entry)))["allowed"], true);
            let mut going = of(&entry);
            going["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
            assert_eq!(policy(&stored("UPDATE", &going))["allowed"], true);
        }
        let good =
            policy(&stored("CREATE", &of(&json!({"imageReferences": ["*"], "failureAction": "Enforce"}))));
        assert_eq!(good["allowed"], true);
        let warning = good["warnings"][0].as_str().unwrap();
        assert!(warning.starts_with("ClusterPolicy (kyverno.io) is deprecated"), "{warning}");
    }

    #[test]
    fn exceptions_that_do_not_count_are_warned_about() {
        let object = json!({
            "apiVersion": "kyverno.io/v2", "kind": "PolicyException", "metadata": {"name": "e", "namespace": "a"},
            "spec": {
                "exceptions": [{"policyName": "p", "ruleNames": ["*"]}],
                "match": {"any": [{"resources": {"kinds": ["Pod"], "names": ["x"]}}]},
            },
        });
        let asked = stored("CREATE", &object);
        let warned =
            |scope: &ExceptionScope| exception(&asked, scope)["warnings"][0].as_str().map(str::to_owned);
        assert!(warned(&ExceptionScope::of(false, "a")).unwrap().contains("until it is enabled"));
        assert!(warned(&ExceptionScope::of(true, "")).unwrap().contains("must match"));
        assert_eq!(warned(&ExceptionScope::of(true, "a")), None);
        assert_eq!(warned(&ExceptionScope::of(true, "*")), None);
        let mut nameless = object.clone();
        nameless["spec"]["exceptions"][0]["policyName"] = json!("");
        assert_eq!(exception(&stored("CREATE", &nameless), &ExceptionScope::Everywhere)["allowed"], false);
    }
}
