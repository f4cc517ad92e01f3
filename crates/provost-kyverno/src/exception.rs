//! PolicyExceptions: objects that some rules do not concern.

use std::time::Duration;

use jiff::Timestamp;
use provost_expr::wildcard;
use serde::Deserialize;
use serde_json::Value;

use crate::cluster::ClusterError;
use crate::policy::load::{self, part};
use crate::policy::spec::MatchBlock;
use crate::policy::validate::{self, Cause, Refusal};
use crate::policy::{Policy, PolicyKind, schema};
use crate::request::Request;
use crate::select::{self, Facts};

/// The annotation with the time from which an exception does not count any more (security.md 22).
pub const EXPIRES: &str = "provost.dev/expires-at";

/// Until when an exception counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    /// For ever: it does not say.
    Always,
    /// Until this time.
    Time(Timestamp),
    /// Never: somebody wanted it to end, and said in a way that cannot be read.
    Unreadable,
}

/// A `PolicyException` (kyverno.io/v2, v2beta1).
#[derive(Clone, Debug, PartialEq)]
pub struct Exception {
    /// Its name.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
    /// What it says.
    pub spec: ExceptionSpec,
    /// Until when it counts: [`EXPIRES`].
    pub until: Until,
}

/// `spec` of an exception.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct ExceptionSpec {
    /// Which rules.
    pub exceptions: Vec<Rules>,
    /// Which objects.
    #[serde(rename = "match", default)]
    pub matching: MatchBlock,
    /// What must hold besides.
    #[serde(default)]
    pub conditions: Option<Value>,
    /// Whether it counts in background scans too.
    #[serde(default)]
    pub background: Option<bool>,
}

/// The rules of one policy.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Rules {
    /// `name` of a cluster policy, `namespace/name` of a namespaced one.
    pub policy_name: String,
    /// Wildcards of rule names; generated rules must be named too.
    pub rule_names: Vec<String>,
}

impl Exception {
    /// Reads an exception; `served` says whether its version exists.
    ///
    /// # Errors
    /// When it has another form, or Kyverno would not store it; an exception that cannot be read excepts nothing.
    pub fn read(file: &str, document: &Value, served: bool) -> Result<Self, Box<Refusal>> {
        let text = |path: &str| document.pointer(path).and_then(Value::as_str).unwrap_or_default().to_owned();
        let name = text("/metadata/name");
        let refusal = |cause: Cause| {
            Box::new(Refusal {
                file: file.to_owned(),
                kind: "PolicyException",
                name: name.clone(),
                rule_count: 0,
                cause,
            })
        };
        if !served {
            return Err(refusal(load::unserved(document)));
        }
        let raw = document.get("spec").unwrap_or(&Value::Null);
        if let Some(fault) = schema::fault_of_exception(raw) {
            return Err(refusal(Cause::Schema(fault)));
        }
        let spec: ExceptionSpec = part(raw, "spec").map_err(refusal)?;
        let matching = raw.get("match").unwrap_or(&Value::Null);
        validate::selection::of_exception(&spec.matching, spec.background.unwrap_or(true), matching)
            .and_then(|()| validate::exception_names(&spec.exceptions))
            .map_err(refusal)?;
        let ends = document.pointer("/metadata/annotations").and_then(|all| all.get(EXPIRES));
        let until = match ends.map(|text| text.as_str().and_then(|text| text.parse().ok())) {
            None => Until::Always,
            Some(Some(time)) => Until::Time(time),
            Some(None) => Until::Unreadable,
        };
        Ok(Self { spec, namespace: text("/metadata/namespace"), name, until })
    }

    /// Whether it counts at this time.
    #[must_use]
    pub fn counts_at(&self, now: Timestamp) -> bool {
        match self.until {
            Until::Always => true,
            Until::Time(end) => now < end,
            Until::Unreadable => false,
        }
    }

    /// How long it counts still, where it counts and ends.
    #[must_use]
    pub fn ends_in(&self, now: Timestamp) -> Option<Duration> {
        match self.until {
            Until::Time(end) if now < end => Some(end.duration_since(now).unsigned_abs()),
            _ => None,
        }
    }

    /// What is said of one that never counts, because its end cannot be read.
    #[must_use]
    pub fn remark(&self) -> Option<String> {
        (self.until == Until::Unreadable).then(|| {
            format!(
                "PolicyException {} does not count: {EXPIRES}: expected a time such as 2026-01-31T12:00:00Z",
                self.key()
            )
        })
    }

    /// `namespace/name`.
    #[must_use]
    pub fn key(&self) -> String {
        format!("{}/{}", self.namespace, self.name)
    }

    /// Whether it names this rule of this policy and matches the object, its conditions aside.
    ///
    /// # Errors
    /// When the cluster did not answer a question on which it hangs.
    pub fn covers(
        &self,
        policy: &Policy,
        rule: &str,
        request: &Request,
        facts: &Facts,
    ) -> Result<bool, ClusterError> {
        let policy_name = match policy.kind {
            PolicyKind::Cluster => policy.name.clone(),
            PolicyKind::Namespaced => policy.key(),
        };
        let named = self.spec.exceptions.iter().any(|rules| {
            rules.policy_name == policy_name && rules.rule_names.iter().any(|n| wildcard::matches(n, rule))
        });
        if !named {
            return Ok(false);
        }
        // An exception that matches nothing in particular would except everything.
        let empty = self.spec.matching == MatchBlock::default();
        Ok(!empty && select::matches(&self.spec.matching, request, facts)?)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn exception(annotations: &Value) -> Exception {
        let document = json!({"kind": "PolicyException", "metadata": {"name": "e", "namespace": "n", "annotations": annotations},
            "spec": {"exceptions": [{"policyName": "p", "ruleNames": ["*"]}],
                "match": {"any": [{"resources": {"kinds": ["Pod"]}}]}}});
        Exception::read("e.yaml", &document, true).unwrap()
    }

    #[test]
    fn an_exception_counts_until_its_time_and_never_where_that_cannot_be_read() {
        let now: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let all = [
            exception(&Value::Null),
            exception(&json!({EXPIRES: "2026-01-01T00:00:00Z"})),
            exception(&json!({EXPIRES: "2026-01-01T00:01:00Z"})),
            exception(&json!({EXPIRES: "2026-01-01T01:00:30+01:00"})),
            exception(&json!({EXPIRES: "soon"})),
            exception(&json!({EXPIRES: 7})),
        ];
        let counts = all.each_ref().map(|one| one.counts_at(now));
        assert_eq!(counts, [true, false, true, true, false, false]);
        let said = all.each_ref().map(|one| one.remark().is_some());
        assert_eq!(said, [false, false, false, false, true, true]);
        let left = all.each_ref().map(|one| one.ends_in(now).map(|left| left.as_secs()));
        assert_eq!(left, [None, None, Some(60), Some(30), None, None]);
    }
}
