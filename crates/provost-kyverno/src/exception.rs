//! PolicyExceptions: objects that some rules do not concern.

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

/// A `PolicyException` (kyverno.io/v2, v2beta1).
#[derive(Clone, Debug, PartialEq)]
pub struct Exception {
    /// Its name.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
    /// What it says.
    pub spec: ExceptionSpec,
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
        Ok(Self { spec, namespace: text("/metadata/namespace"), name })
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
