//! Which webhook is asked, and which of the policies it is asked about.

use provost_kyverno::Policy;
use provost_kyverno::policy::{FailurePolicy, PolicyKind};

/// Which webhook is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hook {
    /// The mutating one: verifies, pins, annotates.
    Mutate(Share),
    /// The validating one: verifies the final object, from memory where it can.
    Validate(Share),
}

impl Hook {
    /// The policies it is about.
    #[must_use]
    pub fn share(&self) -> &Share {
        match self {
            Self::Mutate(share) | Self::Validate(share) => share,
        }
    }
}

/// The share of the policies that one entry of a webhook configuration is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Share {
    /// All, whatever their failure policy and match conditions: `/mutate`.
    All,
    /// Those with this failure policy and without match conditions: `/mutate/fail` and `/mutate/ignore`.
    Of(FailurePolicy),
    /// One policy with match conditions, which the API server has judged: `/mutate/fail/finegrained/POLICY`.
    One {
        /// The failure policy of its entry.
        failure_policy: FailurePolicy,
        /// The namespace of a `Policy`; empty for a `ClusterPolicy`.
        namespace: String,
        /// Its name.
        name: String,
    },
}

impl Share {
    /// What the API server does where it gets no answer from this entry.
    #[must_use]
    pub fn failure_policy(&self) -> FailurePolicy {
        match self {
            Self::All => FailurePolicy::Fail,
            Self::Of(failure_policy) | Self::One { failure_policy, .. } => *failure_policy,
        }
    }

    /// The one policy it is about, as `namespace/name` or `name`.
    #[must_use]
    pub fn policy(&self) -> Option<String> {
        match self {
            Self::One { namespace, name, .. } if namespace.is_empty() => Some(name.clone()),
            Self::One { namespace, name, .. } => Some(format!("{namespace}/{name}")),
            _ => None,
        }
    }

    /// Whether a policy is in it.
    #[must_use]
    pub fn takes(&self, policy: &Policy) -> bool {
        match self {
            Self::All => true,
            Self::Of(failure_policy) => {
                policy.spec.failure_policy() == *failure_policy && !has_conditions(policy)
            }
            Self::One { namespace, name, .. } => policy.namespace == *namespace && policy.name == *name,
        }
    }

    /// The entry that a policy belongs to: its own where it has match conditions.
    #[must_use]
    pub fn of(policy: &Policy) -> Self {
        let failure_policy = policy.spec.failure_policy();
        match has_conditions(policy) {
            false => Self::Of(failure_policy),
            true => {
                let (namespace, name) = (policy.namespace.clone(), policy.name.clone());
                Self::One { failure_policy, namespace, name }
            }
        }
    }

    /// The path of this share below `/mutate` or `/validate`, as Kyverno has it.
    #[must_use]
    pub fn path(&self) -> String {
        let word = match self.failure_policy() {
            FailurePolicy::Fail => "fail",
            FailurePolicy::Ignore => "ignore",
        };
        match self {
            Self::All => String::new(),
            Self::Of(_) => format!("/{word}"),
            Self::One { namespace, name, .. } if namespace.is_empty() => {
                format!("/{word}/finegrained/{name}")
            }
            Self::One { namespace, name, .. } => format!("/{word}/finegrained/{namespace}/{name}"),
        }
    }

    /// The share that a path below `/mutate` or `/validate` names.
    #[must_use]
    pub fn at(path: &str) -> Option<Self> {
        let mut parts = path.split('/');
        let (Some(""), word) = (parts.next(), parts.next()) else { return None };
        let failure_policy = match word {
            None => return Some(Self::All),
            Some("fail") => FailurePolicy::Fail,
            Some("ignore") => FailurePolicy::Ignore,
            Some(_) => return None,
        };
        let rest = [parts.next(), parts.next(), parts.next(), parts.next()];
        let one = |namespace: &str, name: &str| Self::One {
            failure_policy,
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        };
        match rest {
            [None, ..] => Some(Self::Of(failure_policy)),
            [Some("finegrained"), Some(name), None, None] if !name.is_empty() => Some(one("", name)),
            [Some("finegrained"), Some(namespace), Some(name), None]
                if !namespace.is_empty() && !name.is_empty() =>
            {
                Some(one(namespace, name))
            }
            _ => None,
        }
    }
}

/// Whether the API server judges conditions before it asks about a policy.
fn has_conditions(policy: &Policy) -> bool {
    policy.spec.webhook_configuration.as_ref().is_some_and(|webhook| !webhook.match_conditions.is_empty())
}

/// The name of a policy's own entry, as Kyverno names it: `NAME-finegrained-NAMESPACE-POLICY` between `prefix` and nothing.
#[must_use]
pub fn own_name(prefix: &str, policy: &Policy) -> String {
    match policy.kind {
        PolicyKind::Cluster => format!("{prefix}-finegrained-{}", policy.name),
        PolicyKind::Namespaced => format!("{prefix}-finegrained-{}-{}", policy.namespace, policy.name),
    }
}

#[cfg(test)]
mod tests {
    use provost_kyverno::load;
    use provost_kyverno::policy::FailurePolicy;
    use serde_json::json;

    use super::Share;

    #[test]
    fn a_policy_is_asked_about_at_one_entry_and_at_the_one_for_all() {
        let policy = |name: &str, webhook: serde_json::Value| {
            let document = json!({
                "apiVersion": "kyverno.io/v1", "kind": "ClusterPolicy", "metadata": {"name": name},
                "spec": {"webhookConfiguration": webhook, "background": false, "rules": [{
                    "name": "r", "match": {"any": [{"resources": {"kinds": ["Pod"]}}]},
                    "verifyImages": [{"imageReferences": ["*"], "failureAction": "Enforce"}],
                }]},
            });
            load("x", &[document]).policies.remove(0)
        };
        let conditions = json!([{"name": "a", "expression": "true"}]);
        for (policy, path) in [
            (policy("plain", json!({})), "/fail"),
            (policy("lax", json!({"failurePolicy": "Ignore"})), "/ignore"),
            (policy("fine", json!({"matchConditions": conditions})), "/fail/finegrained/fine"),
        ] {
            let share = Share::of(&policy);
            assert_eq!(share.path(), path);
            assert_eq!(Share::at(path), Some(share.clone()));
            assert!(share.takes(&policy) && Share::All.takes(&policy));
            for other in [Share::Of(FailurePolicy::Fail), Share::Of(FailurePolicy::Ignore)] {
                assert_eq!(other.takes(&policy), other == share, "{path}");
            }
        }
    }

    #[test]
    fn other_paths_name_nothing() {
        for path in
            ["/", "/other", "/fail/", "/fail/finegrained", "/fail/finegrained/", "/fail/finegrained/a/b/c"]
        {
            assert_eq!(Share::at(path), None, "{path}");
        }
        assert_eq!(Share::at(""), Some(Share::All));
        assert_eq!(
            Share::at("/ignore/finegrained/a/b").map(|share| share.path()).as_deref(),
            Some("/ignore/finegrained/a/b")
        );
    }
}
