//! One verifyImages rule, and what substitution leaves of its entries.

use std::collections::BTreeMap;

use provost_expr::wildcard;
use serde_json::Value;

use crate::policy::entry::Entry;
use crate::policy::load::part;
use crate::policy::spec::{Action, ContextEntry, Extractor, Filter, MatchBlock};
use crate::policy::validate::{Cause, strip_conditions};
use crate::policy::{Policy, variables};
use crate::select::kind_name;

/// A rule, read.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// Its name; those made for pod controllers begin with `autogen-`.
    pub name: String,
    /// Which objects it is about.
    pub matching: MatchBlock,
    /// Which of them it is not.
    pub exclude: Option<MatchBlock>,
    /// What must hold for it to run.
    pub preconditions: Option<Value>,
    /// The variables it makes.
    pub context: Vec<ContextEntry>,
    /// Where the images of a kind stand, in place of the places everybody knows.
    pub extractors: BTreeMap<String, Vec<Extractor>>,
    /// What must hold of images, before substitution.
    pub entries: Vec<Entry>,
    /// The entries as they were written, conditions taken out, where they hold variables.
    pub template: Option<Value>,
    /// The kinds it may be about, to pass over the others quickly.
    pub kinds: Kinds,
    /// Whether what it is about may hang on the object's annotations, which judging changes.
    pub by_annotations: bool,
    /// Whether it hangs on the labels of the object's namespace, which must then be asked for.
    pub by_labels: bool,
    /// Whether it hangs on the user's roles, or any of its variables may be about them; they must then be asked for.
    pub by_roles: bool,
    /// What its results carry in reports; some names there stand for other messages.
    pub report_properties: BTreeMap<String, String>,
}

/// The names of the kinds a rule may be about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Kinds {
    /// The names, or `None` where a pattern or its absence leaves more than names can say.
    names: Option<Vec<String>>,
}

impl Kinds {
    /// The kinds that a `match` names.
    fn of(block: &MatchBlock) -> Self {
        let filters = if block.any.is_empty() && block.all.is_empty() {
            std::slice::from_ref(&block.flat)
        } else if block.any.is_empty() {
            &block.all
        } else {
            &block.any
        };
        let mut names = Vec::new();
        for filter in filters {
            let named = filter.resources.kinds.iter().map(|kind| kind_name(kind));
            if filter.resources.kinds.is_empty() || named.clone().any(wildcard::has_wildcard) {
                return Self { names: None };
            }
            names.extend(named.map(str::to_owned));
        }
        names.sort();
        names.dedup();
        Self { names: Some(names) }
    }

    /// Whether the rule may be about objects of this kind.
    #[must_use]
    pub fn may_be(&self, kind: &str) -> bool {
        self.names.as_ref().is_none_or(|names| names.iter().any(|name| name == kind))
    }
}

impl Rule {
    /// Reads a rule that has fitted the schema.
    ///
    /// # Errors
    /// When a part of it has another form.
    pub fn read(rule: &Value) -> Result<Self, Cause> {
        let name = rule.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
        let entries = rule.get("verifyImages").cloned().unwrap_or_default();
        let mut bare = serde_json::json!({ "verifyImages": entries });
        strip_conditions(&mut bare);
        let optional = |field: &str| rule.get(field).filter(|value| !value.is_null());
        let read = Self {
            matching: optional("match").map(|v| part(v, "match")).transpose()?.unwrap_or_default(),
            exclude: optional("exclude").map(|v| part(v, "exclude")).transpose()?,
            preconditions: optional("preconditions").cloned(),
            context: optional("context").map(|v| part(v, "context")).transpose()?.unwrap_or_default(),
            extractors: optional("imageExtractors")
                .map(|v| part(v, "imageExtractors"))
                .transpose()?
                .unwrap_or_default(),
            entries: modern(part(&entries, "verifyImages")?),
            template: variables::has_any(&bare).then_some(bare),
            kinds: Kinds::default(),
            by_annotations: false,
            by_labels: false,
            by_roles: false,
            report_properties: optional("reportProperties")
                .map(|v| part(v, "reportProperties"))
                .transpose()?
                .unwrap_or_default(),
            name,
        };
        let by_roles = read.may_name_roles()
            || read.filters().any(|f| !f.roles.is_empty() || !f.cluster_roles.is_empty());
        let by_labels = read.filters().any(|f| f.resources.namespace_selector.is_some());
        let by_annotations =
            !read.extractors.is_empty() || read.filters().any(|f| !f.resources.annotations.is_empty());
        Ok(Self { kinds: Kinds::of(&read.matching), by_annotations, by_labels, by_roles, ..read })
    }

    /// All filters of `match` and `exclude`.
    fn filters(&self) -> impl Iterator<Item = &Filter> {
        std::iter::once(&self.matching).chain(self.exclude.as_ref()).flat_map(MatchBlock::filters)
    }

    fn may_name_roles(&self) -> bool {
        let in_text = |text: &str| {
            variables::mentions(text, "roles")
                || variables::mentions(text, "clusterRoles")
                || text == "request"
        };
        let in_value = |value: &Value| variables::expressions(value).iter().any(|e| in_text(e));
        let in_context = self.context.iter().any(|entry| {
            let variable = entry.variable.clone().map(Value::Object).unwrap_or_default();
            let path = variable.get("jmesPath").and_then(Value::as_str);
            let asked = [&entry.api_call, &entry.image_registry, &entry.global_reference];
            in_value(&variable) || path.is_some_and(in_text) || asked.into_iter().flatten().any(in_value)
        });
        let conditions = self.later_conditions();
        in_context || self.preconditions.iter().chain(self.template.iter()).chain(conditions).any(in_value)
    }

    /// The entries after substitution, the conditions of the original put back.
    ///
    /// # Errors
    /// When a value that came from a variable has the wrong form for its place.
    pub fn entries_from(&self, substituted: &Value) -> Result<Vec<Entry>, Cause> {
        let list = substituted.get("verifyImages").cloned().unwrap_or_default();
        let mut entries: Vec<Entry> = modern(part(&list, "verifyImages")?);
        for (entry, original) in entries.iter_mut().zip(&self.entries) {
            for (attestation, original) in entry.attestations.iter_mut().zip(&original.attestations) {
                attestation.conditions.clone_from(&original.conditions);
            }
            if let (Some(validate), Some(original)) = (&mut entry.validate, &original.validate) {
                validate.deny.clone_from(&original.deny);
            }
        }
        Ok(entries)
    }

    /// The conditions that are expanded only when attestations are judged.
    pub fn later_conditions(&self) -> impl Iterator<Item = &Value> {
        let denies = self.entries.iter().filter_map(|e| e.validate.as_ref()?.deny.as_ref());
        let attestations = self.entries.iter().flat_map(|e| &e.attestations);
        attestations.flat_map(|a| a.conditions.iter()).chain(denies.map(|deny| &deny.conditions))
    }

    /// Whether any entry asks for digests or verified images.
    #[must_use]
    pub fn checks(&self) -> bool {
        self.entries.iter().any(|e| e.verify_digest || e.required)
    }

    /// What a failure of this rule means for objects of a namespace whose override, if any, is given.
    #[must_use]
    pub fn action(&self, policy: &Policy, overridden: Option<Action>) -> Action {
        let named = || self.entries.iter().filter_map(|e| e.failure_action);
        if named().any(|action| action == Action::Enforce) {
            return Action::Enforce;
        }
        named().next().or(overridden).unwrap_or_else(|| policy.spec.action())
    }
}

/// Turns the deprecated fields of entries into the ones that replaced them.
fn modern(entries: Vec<Entry>) -> Vec<Entry> {
    entries.into_iter().map(modern_entry).collect()
}

fn modern_entry(mut entry: Entry) -> Entry {
    use crate::policy::entry::{Attestor, AttestorSet, Keyless, Keys};
    if !entry.image.is_empty() {
        entry.image_references.push(std::mem::take(&mut entry.image));
    }
    let key = std::mem::take(&mut entry.key);
    let keyless = !(entry.issuer.is_empty() && entry.subject.is_empty() && entry.roots.is_empty());
    let attestor = if !key.is_empty() {
        Attestor { keys: Some(Keys { public_keys: key, ..Keys::default() }), ..Attestor::default() }
    } else if keyless {
        let identity = Keyless {
            issuer: std::mem::take(&mut entry.issuer),
            subject: std::mem::take(&mut entry.subject),
            roots: std::mem::take(&mut entry.roots),
            additional_extensions: std::mem::take(&mut entry.additional_extensions),
            ..Keyless::default()
        };
        Attestor { keyless: Some(identity), ..Attestor::default() }
    } else {
        return entry;
    };
    entry.attestors.push(AttestorSet { count: None, entries: vec![attestor] });
    entry
}
