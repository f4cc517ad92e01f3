//! What Kyverno refuses among the context entries of a rule.

use provost_expr::jmespath::Expression;
use serde_json::Value;

use super::{Outcome, Why, denied};
use crate::policy::variables;

/// What is wrong with a context entry.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is the sentence of its name; message::refusal holds the words")]
pub enum ContextFault {
    Nameless,
    Predefined { name: String, root: &'static str },
    NotOne,
    ConfigMapWithout(&'static str),
    CallAndService,
    GlobalNameless,
    ReferenceMissing,
    BadReference { image: String, reason: String },
    VariableEmpty,
    DefaultAlone,
    Unparsable { expression: String, reason: String },
}

/// The roots that no entry may hide.
const PREDEFINED: [&str; 6] =
    ["images", "request", "serviceAccountName", "serviceAccountNamespace", "element", "elementIndex"];
/// The ways an entry can be loaded.
const SOURCES: [&str; 5] = ["configMap", "apiCall", "imageRegistry", "variable", "globalReference"];

/// Checks the context entries of a rule.
pub(in crate::policy) fn check(rule: &Value, path: &str) -> Outcome {
    let entries = rule.get("context").and_then(Value::as_array);
    for entry in entries.into_iter().flatten() {
        if let Some(fault) = fault_of(entry) {
            return denied(path, None, Why::Context(fault));
        }
    }
    Ok(())
}

fn text<'a>(value: &'a Value, path: &str) -> &'a str {
    value.pointer(path).and_then(Value::as_str).unwrap_or_default()
}

fn fault_of(entry: &Value) -> Option<ContextFault> {
    let name = text(entry, "/name");
    if name.is_empty() {
        return Some(ContextFault::Nameless);
    }
    let hides = |root: &&&str| name.strip_prefix(**root).is_some_and(|r| r.is_empty() || r.starts_with('.'));
    if let Some(root) = PREDEFINED.iter().find(hides) {
        return Some(ContextFault::Predefined { name: name.to_owned(), root });
    }
    let set = |source: &&&str| entry.get(**source).is_some_and(|found| !found.is_null());
    let [source] = SOURCES.iter().filter(set).collect::<Vec<_>>()[..] else {
        return Some(ContextFault::NotOne);
    };
    let own = match *source {
        "configMap" => {
            let missing = |field: &&str| text(entry, &format!("/configMap/{field}")).is_empty();
            ["name", "namespace"].into_iter().find(missing).map(ContextFault::ConfigMapWithout)
        }
        "apiCall" => {
            let both = !text(entry, "/apiCall/urlPath").is_empty()
                && entry.pointer("/apiCall/service").is_some_and(|service| !service.is_null());
            both.then_some(ContextFault::CallAndService)
        }
        "globalReference" => {
            text(entry, "/globalReference/name").is_empty().then_some(ContextFault::GlobalNameless)
        }
        "imageRegistry" => bad_reference(text(entry, "/imageRegistry/reference")),
        _ => bad_variable(entry),
    };
    own.or_else(|| unparsable(text(entry, &format!("/{source}/jmesPath"))))
}

fn bad_reference(image: &str) -> Option<ContextFault> {
    if image.is_empty() {
        return Some(ContextFault::ReferenceMissing);
    }
    if !variables::expressions(&Value::String(image.to_owned())).is_empty() {
        return None;
    }
    let parsed = provost_expr::image::ImageInfo::parse(image, &provost_expr::image::ImageDefaults::default());
    let reason = parsed.err()?.reason.to_string();
    Some(ContextFault::BadReference { image: image.to_owned(), reason })
}

fn bad_variable(entry: &Value) -> Option<ContextFault> {
    let says = |field: &str| {
        entry.pointer(&format!("/variable/{field}")).is_some_and(|found| !found.is_null() && found != "")
    };
    match (says("value") || says("jmesPath"), says("default") && !says("jmesPath")) {
        (false, _) => Some(ContextFault::VariableEmpty),
        (_, true) => Some(ContextFault::DefaultAlone),
        _ => None,
    }
}

/// An expression with variables cannot be read before they are substituted.
fn unparsable(expression: &str) -> Option<ContextFault> {
    if expression.is_empty() || !variables::expressions(&Value::String(expression.to_owned())).is_empty() {
        return None;
    }
    let reason = Expression::parse(expression).err()?.to_string();
    Some(ContextFault::Unparsable { expression: expression.to_owned(), reason })
}
