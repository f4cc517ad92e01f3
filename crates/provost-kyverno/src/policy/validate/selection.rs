//! What Kyverno refuses in `match` and `exclude`: filters that contradict themselves, and users that nobody can be.

use serde_json::{Value, json};

use super::{Denied, Outcome, Why, denied};
use crate::policy::PolicyKind;
use crate::policy::spec::{Filter, LabelExpression, LabelSelector, MatchBlock, Resources, Subject};
use crate::request::Kind;
use crate::select;

/// What is wrong with a `match` or `exclude`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is the sentence of its name; message::refusal holds the words")]
pub enum Selecting {
    AnyAndAll,
    BlockAndFlat(&'static str),
    MatchEmpty,
    KindsMissing,
    EmptySet,
    WildcardInBackground,
    WildcardAmongOthers,
    WildcardKind,
    NameAndNames,
    SelectorEmpty,
    SelectorOperator(String),
    SelectorValues { needed: bool },
    NamespacesInNamespaced,
    ClusterWideKind(String),
    SubjectKind,
    SubjectWithout(&'static str),
    ServiceAccountNamespace,
    RoleForm,
    UserInBackground(String),
    Variables { rule: String, section: &'static str },
}

/// Which rule is looked at, and in what policy.
#[derive(Clone, Copy)]
pub(in crate::policy) struct About<'a> {
    /// The rule as it was written.
    pub(in crate::policy) rule: &'a Value,
    /// `spec.rules[N]`.
    pub(in crate::policy) path: &'a str,
    /// Whose the policy is.
    pub(in crate::policy) kind: PolicyKind,
    /// Whether it takes part in background scans, in which nobody asks.
    pub(in crate::policy) background: bool,
}

/// Checks the `match` of an exception; one that takes part in background scans may not ask for a user.
pub(crate) fn of_exception(block: &MatchBlock, background: bool, raw: &Value) -> Outcome {
    const PATH: &str = "spec.match";
    if !block.any.is_empty() && !block.all.is_empty() {
        return refused(PATH, Some(raw.clone()), Selecting::AnyAndAll);
    }
    for (below, filter) in filters(block) {
        let path = format!("{PATH}{below}");
        let user = [
            ("roles", filter.roles.is_empty()),
            ("clusterRoles", filter.cluster_roles.is_empty()),
            ("subjects", filter.subjects.is_empty()),
        ];
        if let Some((field, _)) = user.iter().find(|(_, empty)| background && !empty) {
            return denied(format!("{path}.{field}"), None, Why::UserInException);
        }
        self::user(&path, filter)?;
        resources(PolicyKind::Cluster, &path, &filter.resources)?;
    }
    Ok(())
}

fn refused(path: impl Into<String>, value: Option<Value>, fault: Selecting) -> Outcome {
    denied(path, value, Why::Selecting(fault))
}

/// Checks a rule's `match` and `exclude`.
pub(in crate::policy) fn check(
    about: About<'_>,
    block: &MatchBlock,
    exclude: Option<&MatchBlock>,
) -> Outcome {
    let blocks = [("match", Some(block)), ("exclude", exclude)];
    let blocks = || blocks.into_iter().filter_map(|(name, block)| Some((name, block?)));
    if about.background {
        for (name, block) in blocks() {
            nobody(about, name, block)?;
        }
    }
    for (name, block) in blocks() {
        let path = format!("{}.{name}", about.path);
        if !block.any.is_empty() && !block.all.is_empty() {
            return refused(path, about.rule.get(name).cloned(), Selecting::AnyAndAll);
        }
        for (below, filter) in filters(block) {
            let path = format!("{path}{below}");
            user(&path, filter)?;
            resources(about.kind, &path, &filter.resources)?;
        }
    }
    if exclude.is_some_and(|exclude| excludes_all(block, exclude)) {
        return refused(about.path, Some(about.rule.clone()), Selecting::EmptySet);
    }
    for (name, block) in blocks() {
        for (below, filter) in filters(block) {
            wildcard_kind(about, &format!("{}.{name}{below}.kinds", about.path), &filter.resources.kinds)?;
        }
        let together = !block.any.is_empty() || !block.all.is_empty();
        if together && block.flat.resources != Resources::default() {
            return refused(format!("{}.{name}.", about.path), None, Selecting::BlockAndFlat(name));
        }
    }
    whole(about, block)
}

/// Every filter of a block that says anything, and where it stands.
fn filters(block: &MatchBlock) -> impl Iterator<Item = (String, &Filter)> {
    let any = block.any.iter().enumerate().map(|(at, filter)| (format!(".any[{at}]"), filter));
    let all = block.all.iter().enumerate().map(|(at, filter)| (format!(".all[{at}]"), filter));
    let flat = (block.flat != Filter::default()).then_some((String::new(), &block.flat));
    any.chain(all).chain(flat)
}

/// A background scan has no user whose roles could be looked at.
fn nobody(about: About<'_>, name: &str, block: &MatchBlock) -> Outcome {
    for (below, filter) in filters(block) {
        let said = [
            ("roles", !filter.roles.is_empty()),
            ("clusterRoles", !filter.cluster_roles.is_empty()),
            ("subjects", !filter.subjects.is_empty()),
        ];
        if let Some((field, _)) = said.iter().find(|(_, said)| *said) {
            let path = about.path.replacen('.', "/", 1);
            let below = below.replacen('.', "/", 1);
            return refused("", None, Selecting::UserInBackground(format!("{path}/{name}{below}/{field}")));
        }
    }
    Ok(())
}

/// What every rule must say in its `match`.
fn whole(about: About<'_>, block: &MatchBlock) -> Outcome {
    let flat = std::slice::from_ref(&block.flat);
    let filters = match (block.any.as_slice(), block.all.as_slice()) {
        ([], []) => flat,
        ([], all) => all,
        (any, _) => any,
    };
    for filter in filters {
        let resources = &filter.resources;
        if *resources == Resources::default() {
            return refused(format!("{}.match.resources.", about.path), None, Selecting::MatchEmpty);
        }
        if resources.kinds.is_empty() {
            return refused("", None, Selecting::KindsMissing);
        }
    }
    Ok(())
}

fn user(path: &str, filter: &Filter) -> Outcome {
    for (at, subject) in filter.subjects.iter().enumerate() {
        let Subject { kind, name, namespace } = subject;
        let path = format!("{path}.subjects[{at}]");
        let account = kind == "ServiceAccount";
        if kind.is_empty() {
            return refused(format!("{path}.kind"), None, Selecting::SubjectWithout("kind"));
        }
        if !account && kind != "User" && kind != "Group" {
            return refused(format!("{path}.kind"), Some(json!(kind)), Selecting::SubjectKind);
        }
        if name.is_empty() {
            return refused(format!("{path}.name"), None, Selecting::SubjectWithout("name"));
        }
        if account && namespace.is_empty() {
            return refused(format!("{path}.namespace"), None, Selecting::ServiceAccountNamespace);
        }
    }
    for (at, role) in filter.roles.iter().enumerate() {
        if role.split(':').count() != 2 {
            return refused(format!("{path}.roles[{at}]"), Some(json!(role)), Selecting::RoleForm);
        }
    }
    Ok(())
}

fn resources(kind: PolicyKind, path: &str, resources: &Resources) -> Outcome {
    if !resources.name.is_empty() && !resources.names.is_empty() {
        return refused(path, Some(json!({})), Selecting::NameAndNames);
    }
    for (name, selector) in
        [("selector", &resources.selector), ("namespaceSelector", &resources.namespace_selector)]
    {
        if let Some(fault) = selector.as_ref().and_then(|s| selector_fault(s, name == "selector")) {
            return refused(format!("{path}.{name}"), Some(json!({})), fault);
        }
    }
    if kind == PolicyKind::Cluster {
        return Ok(());
    }
    if !resources.namespaces.is_empty() {
        return refused(format!("{path}.namespaces"), None, Selecting::NamespacesInNamespaced);
    }
    for (at, entry) in resources.kinds.iter().enumerate() {
        let kind = Kind { kind: select::kind_name(entry).to_owned(), ..Kind::default() };
        if select::is_cluster_wide(&kind) {
            let fault = Selecting::ClusterWideKind(entry.clone());
            return refused(format!("{path}.kinds[{at}]"), None, fault);
        }
    }
    Ok(())
}

/// What Kubernetes refuses in a selector; Kyverno looks at one with wildcards no further.
fn selector_fault(selector: &LabelSelector, must_say: bool) -> Option<Selecting> {
    let wild = |text: &String| text.contains(['*', '?']);
    if selector.match_labels.iter().any(|(key, value)| wild(key) || wild(value)) {
        return None;
    }
    if must_say && selector.match_labels.is_empty() && selector.match_expressions.is_empty() {
        return Some(Selecting::SelectorEmpty);
    }
    selector.match_expressions.iter().find_map(|LabelExpression { operator, values, .. }| {
        match operator.as_str() {
            "In" | "NotIn" => values.is_empty().then_some(Selecting::SelectorValues { needed: true }),
            "Exists" | "DoesNotExist" => {
                (!values.is_empty()).then_some(Selecting::SelectorValues { needed: false })
            }
            other => Some(Selecting::SelectorOperator(other.to_owned())),
        }
    })
}

fn wildcard_kind(about: About<'_>, path: &str, kinds: &[String]) -> Outcome {
    if !kinds.iter().any(|kind| kind == "*") {
        return Ok(());
    }
    let fault = match (about.background, kinds.len()) {
        (true, _) => Selecting::WildcardInBackground,
        (false, 1) => Selecting::WildcardKind,
        _ => Selecting::WildcardAmongOthers,
    };
    refused(path, None, fault)
}

/// Whether nothing is left after `exclude`: it holds a filter of `match`, or in the flat form all that `match` says.
fn excludes_all(block: &MatchBlock, exclude: &MatchBlock) -> bool {
    if !block.all.is_empty() || !exclude.all.is_empty() || *exclude == MatchBlock::default() {
        return false;
    }
    if !block.any.is_empty() && !exclude.any.is_empty() {
        return block.any.iter().any(|filter| exclude.any.contains(filter));
    }
    exclude == block
}

/// Checks that no variables stand where none are substituted.
pub(in crate::policy) fn variables(rule: &Value) -> Outcome {
    for section in ["exclude", "match"] {
        let here = rule.get(section).is_some_and(|s| !crate::policy::variables::expressions(s).is_empty());
        if here {
            let rule = rule.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
            return refused("", None, Selecting::Variables { rule, section });
        }
    }
    Ok(())
}

impl Denied {
    /// Whether Kyverno says the path before the words, without saying what kind of mistake it is.
    pub(crate) fn is_bare(&self) -> bool {
        match &self.why {
            Why::Context(_) | Why::Condition(_) => true,
            Why::Selecting(fault) => matches!(
                fault,
                Selecting::MatchEmpty
                    | Selecting::BlockAndFlat(_)
                    | Selecting::WildcardInBackground
                    | Selecting::WildcardAmongOthers
                    | Selecting::WildcardKind
            ),
            _ => false,
        }
    }
}
