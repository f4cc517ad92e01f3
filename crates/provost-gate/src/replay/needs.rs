//! What a policy needs to know of a request that a log does not say.
//!
//! Nothing here evaluates: an expression that names a part of the request in which something is hidden needs it, whatever
//! it does with it. So a need may be named that would not have mattered, and none is overlooked.

use provost_expr::environment::Environment;
use provost_expr::image::ImageDefaults;
use provost_kyverno::extract::{self, Spellings};
use provost_kyverno::policy::spec::{Extractor, Filter, MatchBlock};
use provost_kyverno::rule::Rule;
use provost_kyverno::select::{self, Facts};
use provost_kyverno::{Exception, Policy, Request, Settings};
use serde_json::Value;

use crate::log::{HIDDEN, full_name, hides};

/// The parts of metadata that lines never have.
const NEVER_LOGGED: [&str; 2] = ["managedFields", "kubectl.kubernetes.io/last-applied-configuration"];

/// What is asked about, and what is known besides.
pub(super) struct Asked<'a> {
    pub(super) request: &'a Request,
    pub(super) facts: &'a Facts,
    pub(super) exceptions: &'a [Exception],
    pub(super) settings: &'a Settings,
    pub(super) knows_cluster: bool,
}

/// The first thing that a policy needs and the line does not say, in words.
pub(super) fn of(asked: &Asked<'_>, policy: &Policy) -> Option<String> {
    let kind = &asked.request.kind.kind;
    let rules = policy.rules.iter().filter(|rule| rule.kinds.may_be(kind));
    rules.filter(|rule| may_select(asked, policy, rule)).find_map(|rule| of_rule(asked, policy, rule))
}

fn of_rule(asked: &Asked<'_>, policy: &Policy, rule: &Rule) -> Option<String> {
    let request = asked.request;
    if let Some(extractors) = rule.extractors.get(&request.kind.kind) {
        let objects = [&request.object, &request.old_object];
        if let Some(one) =
            extractors.iter().find(|one| objects.iter().any(|object| is_hidden_at(object, one)))
        {
            return Some(format!("the rule {} needs {}, which the log hides", rule.name, one.path));
        }
    }
    if !is_about_an_image(asked, rule) {
        return None;
    }
    let filters = || rule.matching.filters().chain(rule.exclude.iter().flat_map(MatchBlock::filters));
    if filters().any(by_annotations) && has_annotations(request) {
        return Some(format!("the rule {} needs annotations, which the log hides", rule.name));
    }
    if rule.by_roles && !asked.knows_cluster {
        return Some(format!("the rule {} needs the roles of the user; --objects gives them", rule.name));
    }
    let overrides = &policy.spec.validation_failure_action_overrides;
    if overrides.iter().any(|one| one.namespace_selector.is_some()) && !asked.knows_cluster {
        return Some(format!(
            "the rule {} needs the labels of the namespace; --objects gives them",
            rule.name
        ));
    }
    let told = |part: &str| format!("the rule {} needs {part}, which the log hides", rule.name);
    let mut documents: Vec<&Value> = rule.preconditions.iter().chain(rule.template.iter()).collect();
    documents.extend(rule.later_conditions());
    if let Some(part) = documents.into_iter().find_map(|document| in_document(document, request)) {
        return Some(told(&part));
    }
    for entry in &rule.context {
        let variable = entry.variable.clone().map(Value::Object);
        let place = entry.config_map.as_ref().map(|place| {
            Value::Array(vec![Value::String(place.name.clone()), Value::String(place.namespace.clone())])
        });
        let asked = [&entry.api_call, &entry.image_registry, &entry.global_reference];
        let documents = variable.iter().chain(place.iter()).chain(asked.into_iter().flatten());
        if let Some(part) = documents.into_iter().find_map(|document| in_document(document, request)) {
            return Some(told(&part));
        }
    }
    asked.exceptions.iter().find_map(|exception| of_exception(exception, policy, rule, request))
}

fn of_exception(exception: &Exception, policy: &Policy, rule: &Rule, request: &Request) -> Option<String> {
    let name = full_name(&policy.namespace, &policy.name);
    let names_it = exception.spec.exceptions.iter().any(|rules| {
        rules.policy_name == name
            && rules.rule_names.iter().any(|pattern| provost_expr::wildcard::matches(pattern, &rule.name))
    });
    if !names_it {
        return None;
    }
    let told =
        |part: &str| Some(format!("the exception {} needs {part}, which the log hides", exception.key()));
    if exception.spec.matching.filters().any(by_annotations) && has_annotations(request) {
        return told("annotations");
    }
    let conditions = exception.spec.conditions.as_ref()?;
    in_document(conditions, request).and_then(|part| told(&part))
}

/// Whether a rule may be about the object, annotations aside: a filter by annotations may match or not.
fn may_select(asked: &Asked<'_>, policy: &Policy, rule: &Rule) -> bool {
    let mut loose = rule.clone();
    let MatchBlock { any, all, flat } = &mut loose.matching;
    for filter in any.iter_mut().chain(all.iter_mut()).chain(std::iter::once(flat)) {
        filter.resources.annotations.clear();
    }
    // An exclusion by annotations may exclude nothing.
    let by_annotations = |block: &MatchBlock| block.filters().any(by_annotations);
    if loose.exclude.as_ref().is_some_and(by_annotations) {
        loose.exclude = None;
    }
    select::selects(policy, &loose, asked.request, asked.facts).unwrap_or(true)
}

fn is_about_an_image(asked: &Asked<'_>, rule: &Rule) -> bool {
    let Settings { default_registry, registry_mutation, .. } = asked.settings;
    let images = ImageDefaults { registry: default_registry, mutation: *registry_mutation };
    let environment = Environment { images, ..Environment::default() };
    let request = asked.request;
    match extract::images(&request.object, &request.kind.kind, &rule.extractors, &environment) {
        Ok(images) => images.iter().any(|image| {
            let spellings = Spellings::of(&image.info);
            rule.entries.iter().any(|entry| spellings.is_about(entry))
        }),
        Err(_) => true,
    }
}

fn by_annotations(filter: &Filter) -> bool {
    !filter.resources.annotations.is_empty()
}

fn has_annotations(request: &Request) -> bool {
    [&request.object, &request.old_object].iter().any(|object| {
        object.pointer("/metadata/annotations").and_then(Value::as_object).is_some_and(|a| !a.is_empty())
    })
}

/// Whether an extractor comes upon a hash.
fn is_hidden_at(object: &Value, extractor: &Extractor) -> bool {
    let is_hidden = |value: &Value| value.as_str().is_some_and(|text| text.starts_with(HIDDEN));
    let mut at = vec![object];
    let value = (!extractor.value.is_empty()).then_some(extractor.value.as_str());
    for part in extractor.path.split('/').filter(|part| !part.is_empty()).chain(value) {
        at = at.into_iter().flat_map(|value| below(value, part)).collect();
        if at.iter().any(|value| is_hidden(value)) {
            return true;
        }
    }
    false
}

fn below<'a>(value: &'a Value, part: &str) -> Vec<&'a Value> {
    match value {
        Value::Array(items) if part == "*" => items.iter().collect(),
        Value::Object(fields) if part == "*" => fields.values().collect(),
        Value::Array(items) => part.parse().ok().and_then(|at: usize| items.get(at)).into_iter().collect(),
        Value::Object(fields) => fields.get(part).into_iter().collect(),
        _ => Vec::new(),
    }
}

/// The first part of the request that the variables of a document name and in which something is hidden.
fn in_document(document: &Value, request: &Request) -> Option<String> {
    match document {
        Value::String(text) => in_variables(text, request),
        Value::Array(items) => items.iter().find_map(|item| in_document(item, request)),
        Value::Object(fields) => fields.iter().find_map(|(name, value)| {
            let own = match (name.as_str(), value) {
                // An expression without braces.
                ("jmesPath", Value::String(text)) => in_expression(text, request),
                _ => in_document(value, request),
            };
            own.or_else(|| in_variables(name, request))
        }),
        _ => None,
    }
}

/// The same for a text with variables: from its first brace to its last, so that nested ones count too.
fn in_variables(text: &str, request: &Request) -> Option<String> {
    let (from, to) = (text.find("{{")?, text.rfind("}}")?);
    in_expression(text.get(from..to)?, request)
}

fn in_expression(text: &str, request: &Request) -> Option<String> {
    const ROOT: &str = "request";
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    if text.contains("\\u") {
        return Some("a name that is written with escapes".to_owned());
    }
    // What is current where no list, pipe or reference comes before it is everything.
    let is_bound = |before: &str| {
        let pipes = before.replace("||", "").contains('|');
        pipes || before.contains('[') || before.replace("&&", "").contains('&')
    };
    if text.match_indices('@').any(|(at, _)| !text.get(..at).is_some_and(is_bound)) {
        return Some("all variables (@)".to_owned());
    }
    for (at, _) in text.match_indices(ROOT) {
        let before = text.get(..at).and_then(|before| before.chars().next_back());
        let rest = text.get(at + ROOT.len()..).unwrap_or_default();
        let is_part = before.is_some_and(|c| is_word(c) || c == '.') || rest.starts_with(is_word);
        if is_part {
            continue;
        }
        let (path, length) = steps(rest);
        if is_hidden_below(&path, request) {
            return Some(format!("{ROOT}{}", rest.get(..length).unwrap_or_default()));
        }
    }
    None
}

/// One step of a path.
enum Step {
    Field(String),
    Index(i64),
    Each,
}

/// The path at the beginning of a text, and how long it is there; it ends where it is more than fields and elements.
fn steps(text: &str) -> (Vec<Step>, usize) {
    let mut path = Vec::new();
    let mut rest = text;
    loop {
        let (step, length) = if let Some(field) = rest.strip_prefix(".\"") {
            let Some(end) = field.find('"') else { break };
            (Step::Field(field.get(..end).unwrap_or_default().to_owned()), end + 3)
        } else if rest.starts_with(".*") {
            (Step::Each, 2)
        } else if let Some(field) = rest.strip_prefix('.') {
            let end = field.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(field.len());
            if end == 0 {
                break;
            }
            (Step::Field(field.get(..end).unwrap_or_default().to_owned()), end + 1)
        } else if let Some(inner) = rest.strip_prefix('[') {
            let Some(end) = inner.find(']') else { break };
            let step = match inner.get(..end).unwrap_or_default() {
                "" | "*" => Step::Each,
                number => match number.parse() {
                    Ok(index) => Step::Index(index),
                    Err(_) => break,
                },
            };
            (step, end + 2)
        } else {
            break;
        };
        path.push(step);
        rest = rest.get(length..).unwrap_or_default();
    }
    (path, text.len() - rest.len())
}

fn is_hidden_below(path: &[Step], request: &Request) -> bool {
    let whole = Value::Object(request.view());
    let mut at = vec![&whole];
    for step in path {
        if let Step::Field(name) = step
            && NEVER_LOGGED.contains(&name.as_str())
        {
            return true;
        }
        at = at
            .into_iter()
            .flat_map(|value| match (step, value) {
                (Step::Field(name), Value::Object(fields)) => fields.get(name).into_iter().collect(),
                // Fields of elements, as projections have them.
                (Step::Field(name), Value::Array(items)) => {
                    items.iter().filter_map(|item| item.get(name)).collect()
                }
                (Step::Each, Value::Array(items)) => items.iter().collect(),
                (Step::Each, Value::Object(fields)) => fields.values().collect(),
                (Step::Index(index), Value::Array(items)) => {
                    let at = usize::try_from(*index)
                        .ok()
                        .or_else(|| items.len().checked_sub(usize::try_from(index.unsigned_abs()).ok()?));
                    at.and_then(|at| items.get(at)).into_iter().collect()
                }
                // A hash in the way hides what is below it.
                (_, Value::String(text)) if text.starts_with(HIDDEN) => vec![value],
                _ => Vec::new(),
            })
            .collect();
    }
    at.into_iter().any(hides)
}
