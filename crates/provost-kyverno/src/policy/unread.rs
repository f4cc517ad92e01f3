//! Policies that are stored and cannot be judged by: what they may be about is not let in unseen (invariant 6).

use serde_json::Value;

use super::PolicyKind;
use super::spec::{Filter, MatchBlock};
use crate::request::Request;
use crate::select::{self, Facts};

/// A stored policy about images that cannot be judged by.
#[derive(Clone, Debug, PartialEq)]
pub struct Unread {
    /// Whose it is.
    pub kind: PolicyKind,
    /// Its name.
    pub name: String,
    /// Its namespace; empty for a cluster policy.
    pub namespace: String,
    /// Why it cannot be judged by.
    pub why: String,
    /// Whether any part of it says Enforce: then what it may be about is denied, else warned about (security.md 10).
    pub enforces: bool,
    /// The kinds it names; empty where it may be about all.
    pub kinds: Vec<String>,
    rules: Vec<(Option<MatchBlock>, Option<MatchBlock>)>,
}

impl Unread {
    /// What may be said of such a policy; `None` where no rule of it verifies images.
    #[must_use]
    pub fn of(kind: PolicyKind, document: &Value, why: String) -> Option<Self> {
        let text = |path: &str| document.pointer(path).and_then(Value::as_str).unwrap_or_default().to_owned();
        let rules = document.pointer("/spec/rules").and_then(Value::as_array);
        let about_images = |rule: &&Value| rule.get("verifyImages").is_some_and(|entries| !entries.is_null());
        let rules: Vec<&Value> = rules.into_iter().flatten().filter(about_images).collect();
        if rules.is_empty() {
            return None;
        }
        let block = |rule: &Value, name: &str| serde_json::from_value(rule.get(name)?.clone()).ok();
        let blocks: Vec<_> = rules
            .iter()
            .map(|rule| {
                let matching: Option<MatchBlock> = block(rule, "match");
                (matching.map(widened), block(rule, "exclude").filter(is_plain))
            })
            .collect();
        let mut kinds = Vec::new();
        for (matching, _) in &blocks {
            let filters = matching.iter().flat_map(MatchBlock::filters);
            let named: Vec<String> = filters.flat_map(|f| f.resources.kinds.iter().cloned()).collect();
            if named.is_empty() {
                kinds = vec!["*/*".to_owned()];
                break;
            }
            kinds.extend(named);
        }
        Some(Self {
            kind,
            name: text("/metadata/name"),
            namespace: if kind == PolicyKind::Namespaced {
                text("/metadata/namespace")
            } else {
                String::new()
            },
            why,
            enforces: says_enforce(document.get("spec").unwrap_or(&Value::Null)),
            kinds,
            rules: blocks,
        })
    }

    /// Whether it may be about the object of this request. What would have to be asked for, labels of namespaces and
    /// roles, counts as given.
    #[must_use]
    pub fn may_be_about(&self, request: &Request) -> bool {
        if self.kind == PolicyKind::Namespaced && self.namespace != request.namespace {
            return false;
        }
        let facts = Facts::default();
        self.rules.iter().any(|(matching, exclude)| {
            let is = |block: &MatchBlock| select::matches(block, request, &facts).unwrap_or(true);
            let is_not = |block: &MatchBlock| select::excludes(block, request, &facts).unwrap_or(false);
            matching.as_ref().is_none_or(is) && !exclude.as_ref().is_some_and(is_not)
        })
    }
}

/// The block without what would have to be asked for.
fn widened(mut block: MatchBlock) -> MatchBlock {
    let filters = block.any.iter_mut().chain(&mut block.all).chain(std::iter::once(&mut block.flat));
    for filter in filters {
        filter.resources.namespace_selector = None;
        filter.roles.clear();
        filter.cluster_roles.clear();
        filter.subjects.clear();
    }
    block
}

/// Whether nothing has to be asked for to know what the block excludes.
fn is_plain(block: &MatchBlock) -> bool {
    let plain = |filter: &Filter| {
        let asks =
            !filter.roles.is_empty() || !filter.cluster_roles.is_empty() || !filter.subjects.is_empty();
        !asks && filter.resources.namespace_selector.is_none()
    };
    block.filters().all(plain)
}

/// Whether an action anywhere in it is Enforce.
fn says_enforce(value: &Value) -> bool {
    let is_action = |name: &str| matches!(name, "failureAction" | "validationFailureAction" | "action");
    match value {
        Value::Array(items) => items.iter().any(says_enforce),
        Value::Object(fields) => fields.iter().any(|(name, value)| match value {
            Value::String(text) => is_action(name) && text.eq_ignore_ascii_case("enforce"),
            other => says_enforce(other),
        }),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn request(kind: &str, namespace: &str) -> Request {
        Request::of_object(
            &json!({"apiVersion": "v1", "kind": kind, "metadata": {"name": "x", "namespace": namespace}}),
        )
    }

    #[test]
    fn what_it_may_be_about_is_taken_widely() {
        let policy = json!({"metadata": {"name": "p"}, "spec": {"rules": [{"name": "r",
            "match": {"any": [{"resources": {"kinds": ["Pod"], "namespaceSelector": {"matchLabels": {"a": "b"}}}}]},
            "exclude": {"any": [{"resources": {"namespaces": ["free"]}}]},
            "verifyImages": [{"failureAction": "Enforce", "nosuch": 1}]}]}});
        let unread = Unread::of(PolicyKind::Cluster, &policy, "why".to_owned());
        let Some(unread) = unread else { unreachable!("it has a rule about images") };
        assert!(unread.enforces && unread.kinds == ["Pod"]);
        assert!(unread.may_be_about(&request("Pod", "any")));
        assert!(!unread.may_be_about(&request("Pod", "free")));
        assert!(!unread.may_be_about(&request("Secret", "any")));
    }

    #[test]
    fn a_match_that_cannot_be_read_is_about_everything_and_other_rules_are_not_ours() {
        let policy = |rule| json!({"metadata": {"name": "p", "namespace": "n"}, "spec": {"rules": [rule]}});
        let odd = policy(json!({"match": {"any": 3}, "verifyImages": [{}]}));
        let unread = Unread::of(PolicyKind::Namespaced, &odd, String::new());
        let Some(unread) = unread else { unreachable!("it has a rule about images") };
        assert!(!unread.enforces && unread.kinds == ["*/*"]);
        assert!(
            unread.may_be_about(&request("Secret", "n")) && !unread.may_be_about(&request("Secret", "m"))
        );
        let other = policy(json!({"match": {"any": 3}, "validate": {}}));
        assert_eq!(Unread::of(PolicyKind::Cluster, &other, String::new()), None);
    }
}
