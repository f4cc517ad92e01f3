//! Which objects a rule is about: `match` and `exclude`.

use std::collections::BTreeMap;

use provost_expr::wildcard;
use serde_json::Value;

use crate::cluster::{Cluster, ClusterError, Roles};
use crate::exception::Exception;
use crate::policy::spec::{Filter, LabelExpression, LabelSelector, MatchBlock, Resources, Subject};
use crate::policy::{Policy, PolicyKind};
use crate::request::{Kind, Request};
use crate::rule::Rule;

/// The cluster-wide kinds that policies about images meet.
const CLUSTER_WIDE: [&str; 8] = [
    "Namespace",
    "Node",
    "ClusterRole",
    "ClusterRoleBinding",
    "ClusterPolicy",
    "CustomResourceDefinition",
    "PersistentVolume",
    "StorageClass",
];

/// Whether objects of this kind have no namespace.
#[must_use]
pub fn is_cluster_wide(kind: &Kind) -> bool {
    CLUSTER_WIDE.contains(&kind.kind.as_str())
}

/// What selection needs to know about a request and had to ask for.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// The labels of the object's namespace.
    namespace_labels: Option<Result<BTreeMap<String, String>, ClusterError>>,
    /// The user's roles.
    roles: Option<Result<Roles, ClusterError>>,
}

impl Facts {
    /// Asks the cluster for what these policies will want to know.
    pub async fn gather(
        cluster: &dyn Cluster,
        policies: &[&Policy],
        exceptions: &[Exception],
        request: &Request,
    ) -> Self {
        let rules = || policies.iter().flat_map(|policy| &policy.rules);
        let filters = || exceptions.iter().flat_map(|e| e.spec.matching.filters());
        let by_labels = rules().any(|rule| rule.by_labels)
            || filters().any(|f| f.resources.namespace_selector.is_some())
            || policies.iter().any(|p| {
                p.spec.validation_failure_action_overrides.iter().any(|o| o.namespace_selector.is_some())
            });
        let by_roles = rules().any(|rule| rule.by_roles)
            || filters().any(|f| !f.roles.is_empty() || !f.cluster_roles.is_empty());
        let mut facts = Self::default();
        if by_labels && !request.namespace.is_empty() {
            facts.namespace_labels = Some(cluster.namespace_labels(&request.namespace).await);
        }
        if let (true, Some(user)) = (by_roles, &request.user) {
            facts.roles = Some(cluster.roles(user).await);
        }
        facts
    }

    /// The labels of the object's namespace; none where it has no namespace.
    ///
    /// # Errors
    /// When they could not be read.
    pub fn namespace_labels(&self) -> Result<BTreeMap<String, String>, ClusterError> {
        self.namespace_labels.clone().unwrap_or_else(|| Ok(BTreeMap::new()))
    }

    /// The user's roles.
    ///
    /// # Errors
    /// When they could not be read.
    pub fn roles(&self) -> Result<Roles, ClusterError> {
        self.roles.clone().unwrap_or_else(|| Ok(Roles::default()))
    }
}

/// Whether a rule of a policy is about the object of a request.
///
/// # Errors
/// When the cluster did not answer a question on which it hangs. Kyverno lets such a rule vanish in its first
/// phase; here the caller denies or warns (invariant 1).
pub fn selects(policy: &Policy, rule: &Rule, request: &Request, facts: &Facts) -> Result<bool, ClusterError> {
    if policy.kind == PolicyKind::Namespaced && policy.namespace != request.namespace {
        return Ok(false);
    }
    if !matches(&rule.matching, request, facts)? {
        return Ok(false);
    }
    match &rule.exclude {
        Some(block) => Ok(!excludes(block, request, facts)?),
        None => Ok(true),
    }
}

pub(crate) fn matches(block: &MatchBlock, request: &Request, facts: &Facts) -> Result<bool, ClusterError> {
    let one = |filter: &Filter| filter_holds(filter, request, facts, true);
    combine(block, one)
}

pub(crate) fn excludes(block: &MatchBlock, request: &Request, facts: &Facts) -> Result<bool, ClusterError> {
    let one = |filter: &Filter| match is_empty(filter) {
        true => Ok(false),
        false => filter_holds(filter, request, facts, false),
    };
    combine(block, one)
}

fn is_empty(filter: &Filter) -> bool {
    *filter == Filter::default()
}

fn combine(
    block: &MatchBlock,
    one: impl Fn(&Filter) -> Result<bool, ClusterError>,
) -> Result<bool, ClusterError> {
    if !block.any.is_empty() {
        for filter in &block.any {
            if one(filter)? {
                return Ok(true);
            }
        }
        return Ok(false);
    }
    if !block.all.is_empty() {
        for filter in &block.all {
            if !one(filter)? {
                return Ok(false);
            }
        }
        return Ok(true);
    }
    one(&block.flat)
}

/// `drop_user`: a request without a user matches every user attribute, as in Kyverno's scans.
fn filter_holds(
    filter: &Filter,
    request: &Request,
    facts: &Facts,
    drop_user: bool,
) -> Result<bool, ClusterError> {
    if !resources_hold(&filter.resources, request, facts)? {
        return Ok(false);
    }
    let about_user =
        !filter.roles.is_empty() || !filter.cluster_roles.is_empty() || !filter.subjects.is_empty();
    let Some(user) = request.user.as_ref().filter(|_| about_user) else {
        return Ok(!about_user || drop_user);
    };
    if !filter.roles.is_empty() || !filter.cluster_roles.is_empty() {
        let found = facts.roles()?;
        let any = |wanted: &[String], found: &[String]| {
            wanted.is_empty() || wanted.iter().any(|w| found.contains(w))
        };
        if !any(&filter.roles, &found.roles) || !any(&filter.cluster_roles, &found.cluster_roles) {
            return Ok(false);
        }
    }
    let is = |subject: &Subject| match subject.kind.as_str() {
        "User" => wildcard::matches(&subject.name, &user.name),
        "Group" => user.groups.iter().any(|group| wildcard::matches(&subject.name, group)),
        "ServiceAccount" => user.service_account().is_some_and(|(namespace, name)| {
            wildcard::matches(&subject.name, name) && wildcard::matches(&subject.namespace, namespace)
        }),
        _ => false,
    };
    Ok(filter.subjects.is_empty() || filter.subjects.iter().any(is))
}

fn resources_hold(resources: &Resources, request: &Request, facts: &Facts) -> Result<bool, ClusterError> {
    let object = request.subject();
    let operation = request.operation.name();
    if !resources.operations.is_empty() && !resources.operations.iter().any(|o| o == operation) {
        return Ok(false);
    }
    if !resources.kinds.is_empty() && !resources.kinds.iter().any(|kind| kind_matches(kind, request)) {
        return Ok(false);
    }
    // Nothing of the object is copied here: every rule of every policy comes this way.
    let metadata = object.get("metadata");
    let part = |name: &str| metadata.and_then(|metadata| metadata.get(name));
    let generated = || part("generateName").and_then(Value::as_str).unwrap_or_default();
    let name = || Some(request.object_name()).filter(|n| !n.is_empty()).unwrap_or_else(generated);
    if !resources.name.is_empty() && !wildcard::matches(&resources.name, name()) {
        return Ok(false);
    }
    if !resources.names.is_empty() && !resources.names.iter().any(|n| wildcard::matches(n, name())) {
        return Ok(false);
    }
    let is_namespace = request.kind.kind == "Namespace";
    if !resources.namespaces.is_empty() {
        let namespace = if is_namespace { name() } else { &request.namespace };
        if !resources.namespaces.iter().any(|n| wildcard::matches(n, namespace)) {
            return Ok(false);
        }
    }
    let annotations = part("annotations").and_then(Value::as_object);
    let has = |(key, value): (&String, &String)| {
        annotations.into_iter().flatten().any(|(k, v)| {
            wildcard::matches(key, k) && v.as_str().is_some_and(|v| wildcard::matches(value, v))
        })
    };
    if !resources.annotations.iter().all(has) {
        return Ok(false);
    }
    if let Some(selector) = &resources.selector {
        let labels = part("labels").and_then(Value::as_object).into_iter().flatten();
        let labels: Vec<(&str, &str)> = labels.filter_map(|(k, v)| Some((k.as_str(), v.as_str()?))).collect();
        if !selector_holds(selector, &labels) {
            return Ok(false);
        }
    }
    if let Some(selector) = &resources.namespace_selector {
        return Ok(!is_namespace && selector_holds_of(selector, &facts.namespace_labels()?));
    }
    Ok(true)
}

/// [`selector_holds`] over labels that were asked for.
pub(crate) fn selector_holds_of(selector: &LabelSelector, labels: &BTreeMap<String, String>) -> bool {
    let labels: Vec<(&str, &str)> = labels.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
    selector_holds(selector, &labels)
}

/// Whether labels satisfy a selector, in whose `matchLabels` Kyverno allows wildcards.
fn selector_holds(selector: &LabelSelector, labels: &[(&str, &str)]) -> bool {
    let has = |(key, value): (&String, &String)| {
        labels.iter().any(|(k, v)| wildcard::matches(key, k) && wildcard::matches(value, v))
    };
    let holds = |e: &LabelExpression| {
        let value = labels.iter().find(|(key, _)| *key == e.key).map(|(_, value)| *value);
        match e.operator.as_str() {
            "In" => value.is_some_and(|value| e.values.iter().any(|v| v == value)),
            "NotIn" => value.is_none_or(|value| e.values.iter().all(|v| v != value)),
            "Exists" => value.is_some(),
            "DoesNotExist" => value.is_none(),
            _ => false,
        }
    };
    selector.match_labels.iter().all(has) && selector.match_expressions.iter().all(holds)
}

/// The kind of a kinds entry, without group, version and subresource.
#[must_use]
pub fn kind_name(entry: &str) -> &str {
    parts(entry).kind
}

/// A kinds entry taken apart; what it does not name is `*`, an unnamed subresource is empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parts<'a> {
    /// The API group.
    pub group: &'a str,
    /// The version.
    pub version: &'a str,
    /// The kind.
    pub kind: &'a str,
    /// The subresource; empty for the object itself.
    pub subresource: &'a str,
}

/// Takes a kinds entry apart, as Kyverno does.
#[must_use]
pub fn parts(entry: &str) -> Parts<'_> {
    let lower = |s: &str| s == "*" || s.starts_with(|c: char| c.is_ascii_lowercase());
    let mut split = entry.split('/');
    let whole = [split.next(), split.next(), split.next(), split.next(), split.next()];
    let (group, version, kind, subresource) = match whole {
        [Some(kind), None, ..] => match kind.split_once('.') {
            Some((kind, sub)) => ("*", "*", kind, sub),
            None => ("*", "*", kind, ""),
        },
        [Some(version), Some(kind), None, ..] if is_version(version) && !(version == "*" && lower(kind)) => {
            ("*", version, kind, "")
        }
        [Some(kind), Some(sub), None, ..] => ("*", "*", kind, sub),
        [Some(group), Some(version), Some(kind), None, _] if is_version(version) => {
            (group, version, kind, "")
        }
        [Some(version), Some(kind), Some(sub), None, _] if is_version(version) => ("*", version, kind, sub),
        [Some(group), Some(version), Some(kind), Some(sub), None] => (group, version, kind, sub),
        _ => ("", "", "", ""),
    };
    match (subresource.is_empty(), kind.split_once('.')) {
        (true, Some((kind, subresource))) => Parts { group, version, kind, subresource },
        _ => Parts { group, version, kind, subresource },
    }
}

/// Kyverno's `^(v\d+((alpha|beta)\d+)?|\*)$`.
fn is_version(text: &str) -> bool {
    if text == "*" {
        return true;
    }
    let Some(rest) = text.strip_prefix('v') else { return false };
    let digits = |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_digit());
    let stage = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    let (major, stage) = rest.split_at(stage);
    digits(major)
        && (stage.is_empty() || ["alpha", "beta"].iter().any(|s| stage.strip_prefix(s).is_some_and(digits)))
}

/// Whether a kinds entry is about the object of a request; Pods are met by their ephemeral containers too.
#[must_use]
pub fn kind_matches(entry: &str, request: &Request) -> bool {
    // Nearly all entries are a bare name, and every rule of every policy comes this way.
    if request.subresource.is_empty() && !entry.contains(['*', '?', '/', '.']) {
        return entry == request.kind.kind;
    }
    let wanted = parts(entry);
    let Kind { group, version, kind } = &request.kind;
    // `*/*` is every kind with every subresource, also none.
    let ephemeral =
        wanted.kind == "Pod" && wanted.subresource.is_empty() && request.subresource == "ephemeralcontainers";
    let subresource = ephemeral
        || match wanted.subresource {
            "" => request.subresource.is_empty(),
            pattern => {
                (pattern == "*" && wanted.kind == "*")
                    || (!request.subresource.is_empty() && wildcard::matches(pattern, &request.subresource))
            }
        };
    subresource
        && wildcard::matches(wanted.group, group)
        && wildcard::matches(wanted.version, version)
        && wildcard::matches(wanted.kind, kind)
}

#[cfg(test)]
mod tests;
