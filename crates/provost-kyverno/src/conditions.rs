//! Conditions of rules, attestations and checks across attestations, each over the right variables.

use provost_expr::conditions::{Conditions, Outcome, evaluate, evaluate_resolved};
use provost_expr::context::{Lookup, Origin, Roots, WithPredicate};
use provost_expr::go_text::to_json;
use provost_expr::variables::{substitute, substitute_with_origins};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::attestations::Named;
use crate::context::{ImageContext, RuleContext};

/// The most combinations of predicates that a check across attestations is evaluated for: three names with six
/// statements each make 216.
pub(crate) const COMBINATION_LIMIT: usize = 256;

/// What conditions come to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Judged {
    /// They hold.
    Holds,
    /// They do not; the messages of those that do not.
    Fails(Vec<String>),
}

impl From<Outcome> for Judged {
    fn from(outcome: Outcome) -> Self {
        if outcome.holds { Self::Holds } else { Self::Fails(outcome.messages) }
    }
}

/// The preconditions of a rule, or the conditions of an exception.
pub(crate) fn of_rule(context: &RuleContext<'_>, conditions: &Value) -> Result<Judged, String> {
    let parsed = Conditions::parse(conditions).map_err(|error| error.to_string())?;
    let environment = context.world().environment();
    evaluate(&parsed, context, &environment).map(Judged::from).map_err(|error| error.to_string())
}

/// The conditions of an attestation as they are written, and what is found of them before anything is substituted.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(from = "Vec<Value>")]
pub struct Written {
    /// A list, empty where there are none.
    document: Option<Value>,
    /// Why they are no conditions.
    fault: Option<String>,
    /// With nothing left of each but its message, where anything may be substituted in one.
    messages: Option<Value>,
}

impl From<Vec<Value>> for Written {
    fn from(conditions: Vec<Value>) -> Self {
        let document = Value::Array(conditions);
        let fault = Conditions::parse(&document).err().map(|error| error.to_string());
        let messages = Some(messages_only(&document)).filter(may_change);
        Self { document: Some(document), fault, messages }
    }
}

impl Written {
    /// Each condition or block of conditions.
    pub fn iter(&self) -> impl Iterator<Item = &Value> {
        self.document.as_ref().and_then(Value::as_array).into_iter().flatten()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.iter().next().is_none()
    }
}

/// The conditions of an attestation over one predicate.
pub(crate) fn of_attestation(
    context: &ImageContext<'_>,
    predicate: &Map<String, Value>,
    written: &Written,
) -> Result<Judged, String> {
    let Some(document) = &written.document else { return Ok(Judged::Holds) };
    let lookup = WithPredicate::new(context, predicate);
    let environment = context.rule.world().environment();
    if let Some(fault) = &written.fault {
        return Err(fault.clone());
    }
    let unresolved =
        |error: String| format!("failed to substitute variables in attestation conditions: {error}");
    // Kyverno walks the fields of a condition in no fixed order; messages first is what it was mostly seen to do.
    if let Some(messages) = &written.messages {
        substitute(messages, &lookup, &environment).map_err(|e| unresolved(e.to_string()))?;
    }
    let (resolved, by) =
        substitute_with_origins(document, &lookup, &environment).map_err(|e| unresolved(e.to_string()))?;
    if let Some(error) = message_fault(&resolved) {
        return Err(unresolved(error));
    }
    let parsed = Conditions::parse_written(&resolved, &by).map_err(|error| error.to_string())?;
    evaluate_resolved(&parsed).map(Judged::from).map_err(|error| error.to_string())
}

/// The document with nothing left of each condition but its message.
fn messages_only(document: &Value) -> Value {
    match document {
        Value::Array(items) => items.iter().map(messages_only).collect(),
        Value::Object(fields) => fields
            .iter()
            .filter(|(name, _)| matches!(name.as_str(), "any" | "all" | "message"))
            .map(|(name, value)| {
                let value = if name == "message" { value.clone() } else { messages_only(value) };
                (name.clone(), value)
            })
            .collect(),
        _ => Value::Null,
    }
}

/// Whether there is anything in a document that substitution might replace: a variable or a reference.
fn may_change(document: &Value) -> bool {
    let in_text = |text: &str| text.contains("{{") || text.contains("$(");
    match document {
        Value::String(text) => in_text(text),
        Value::Array(items) => items.iter().any(may_change),
        Value::Object(fields) => fields.iter().any(|(name, value)| in_text(name) || may_change(value)),
        _ => false,
    }
}

/// Kyverno reads the substituted conditions back into its types, in which a message is a string; the words are
/// those of the JSON reader it uses, with the places it shows around the byte it stumbled over.
fn message_fault(blocks: &Value) -> Option<String> {
    for block in blocks.as_array()? {
        for (list, name) in [("all", "AllConditions"), ("any", "AnyConditions")] {
            let conditions = block.get(list).and_then(Value::as_array);
            for condition in conditions.into_iter().flatten() {
                let Some(message) = condition.get("message") else { continue };
                if matches!(message, Value::String(_) | Value::Null) {
                    continue;
                }
                return Some(reader_words(&to_json(blocks), &to_json(condition), &to_json(message), name));
            }
        }
    }
    None
}

fn reader_words(document: &str, condition: &str, message: &str, list: &str) -> String {
    const FIELD: &str = "\"message\":";
    let in_condition = condition.find(&format!("{FIELD}{message}")).unwrap_or(0) + FIELD.len();
    let at = document.find(condition).unwrap_or(0) + in_condition + 1;
    let bytes = document.as_bytes();
    let around = |reach: usize| {
        let (start, end) = (at.saturating_sub(reach), (at + reach).min(bytes.len()));
        (at - start, String::from_utf8_lossy(bytes.get(start..end).unwrap_or_default()).into_owned())
    };
    let ((offset, near), (_, far)) = (around(10), around(50));
    let found = message.chars().next().unwrap_or(' ');
    format!(
        "[]v1.AnyAllConditions: v1.AnyAllConditions.{list}: []v1.Condition: v1.Condition.Message: ReadString: expects \" or n, but found {found}, error found in #{offset} byte of ...|{near}|..., bigger context ...|{far}|..."
    )
}

/// A check across attestations: `Some` messages where it denies.
///
/// A name stands for every predicate found for it; the check denies as soon as it does so for one combination.
pub(crate) fn of_deny(
    context: &ImageContext<'_>,
    named: &Named,
    conditions: &Value,
) -> Result<Option<Vec<String>>, String> {
    let parsed = Conditions::parse(conditions).map_err(|error| error.to_string())?;
    let combinations =
        named.iter().try_fold(1_usize, |n, (_, predicates)| n.checked_mul(predicates.len().max(1)));
    let combinations = combinations
        .filter(|n| *n <= COMBINATION_LIMIT)
        .ok_or_else(|| format!("more than {COMBINATION_LIMIT} combinations of attestations"))?;
    let environment = context.rule.world().environment();
    for which in 0..combinations {
        let bound = bind(named, which);
        let lookup = WithNames { names: bound, base: context };
        let outcome = evaluate(&parsed, &lookup, &environment).map_err(|error| error.to_string())?;
        if outcome.holds {
            return Ok(Some(outcome.messages));
        }
    }
    Ok(None)
}

/// The predicates of the combination with this number.
fn bind(named: &Named, mut which: usize) -> Roots {
    let mut roots = Roots::new();
    for (name, predicates) in named {
        let count = predicates.len().max(1);
        if let Some(predicate) = predicates.get(which % count) {
            roots.set(name, Value::Object(predicate.clone()), Origin::Foreign);
        }
        which /= count;
    }
    roots
}

/// The names of attestations below a rule's own variables, which win (security.md 5).
struct WithNames<'a> {
    names: Roots,
    base: &'a ImageContext<'a>,
}

impl Lookup for WithNames<'_> {
    fn root(
        &self,
        name: &str,
    ) -> Result<Option<provost_expr::context::Root<'_>>, provost_expr::context::LookupError> {
        match self.base.root(name)? {
            Some(found) => Ok(Some(found)),
            None => self.names.root(name),
        }
    }

    fn names(&self) -> Vec<String> {
        let mut names = self.base.names();
        names.extend(self.names.names());
        names
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::message_fault;

    #[test]
    fn a_message_that_is_no_string_is_told_in_the_readers_words() {
        let blocks = json!([{"all": [{"key": ["x"], "message": ["abcdefghijkl"], "operator": "AnyIn"}]}]);
        let words = message_fault(&blocks).unwrap_or_default();
        assert!(
            words.contains("but found [, error found in #10 byte of ...|message\":[\"abcdefghi|..."),
            "{words}"
        );
        assert_eq!(message_fault(&json!([{"any": [{"message": "fine"}]}])), None);
    }
}
