//! What Kyverno refuses among the actions that a policy overrides for some namespaces.

use std::collections::BTreeSet;

use provost_expr::wildcard;

use super::{Outcome, Why, denied};
use crate::policy::PolicyKind;
use crate::policy::spec::{Action, ActionOverride};

/// What is wrong with the overrides of a policy's action.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Overridden {
    /// A namespaced policy has one namespace, and so nothing to override.
    InNamespaced,
    /// One names no action.
    NoAction,
    /// Namespaces for which two actions are named.
    Conflict {
        /// Where the second one stands.
        path: String,
        /// The namespaces.
        namespaces: Vec<String>,
    },
}

/// Checks the overrides.
pub(in crate::policy) fn check(kind: PolicyKind, overrides: &[ActionOverride]) -> Outcome {
    const PATH: &str = "spec.validationFailureActionOverrides";
    let refused = |path: String, fault| denied(path, None, Why::Overrides(fault));
    if kind == PolicyKind::Namespaced && !overrides.is_empty() {
        return refused(PATH.to_owned(), Overridden::InNamespaced);
    }
    let mut seen: [BTreeSet<&str>; 2] = Default::default();
    for (at, one) in overrides.iter().enumerate() {
        let path = format!("{PATH}[{at}].namespaces");
        let (own, other) = match one.action {
            None => return refused(String::new(), Overridden::NoAction),
            Some(Action::Audit) => (0, 1),
            Some(Action::Enforce) => (1, 0),
        };
        let wild = |text: &&str| text.contains(['*', '?']);
        let meets = |name: &&str, others: &BTreeSet<&str>| {
            others.iter().any(|o| o == name || (wild(o) && wildcard::matches(o, name)))
                || (wild(name) && others.iter().any(|o| !wild(o) && wildcard::matches(name, o)))
        };
        let names: Vec<&str> = one.namespaces.iter().map(String::as_str).collect();
        let others = seen.get(other).cloned().unwrap_or_default();
        let twice: Vec<String> =
            names.iter().filter(|name| meets(name, &others)).map(|name| (*name).to_owned()).collect();
        if !twice.is_empty() {
            return refused(String::new(), Overridden::Conflict { path, namespaces: twice });
        }
        if let Some(seen) = seen.get_mut(own) {
            seen.extend(names);
        }
    }
    Ok(())
}
