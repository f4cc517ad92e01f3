//! Which variables a policy uses, and which of them it may not.

use serde_json::Value;

/// Names that every rule knows, as Kyverno's own regular expression lists them.
const ALLOWED_ROOTS: [&str; 8] = [
    "request",
    "serviceAccountName",
    "serviceAccountNamespace",
    "element",
    "elementIndex",
    "@",
    "images",
    "image",
];

/// The parts of a request that a background scan does not have.
const FORBIDDEN_IN_BACKGROUND: [&str; 5] = [
    "request.userInfo",
    "request.roles",
    "request.clusterRoles",
    "serviceAccountName",
    "serviceAccountNamespace",
];

/// The expressions between `{{` and `}}` in all strings of a document, keys included, trimmed.
#[must_use]
pub fn expressions(document: &Value) -> Vec<String> {
    let mut found = Vec::new();
    collect(document, &mut found);
    found
}

fn collect(document: &Value, found: &mut Vec<String>) {
    match document {
        Value::String(text) => in_text(text, found),
        Value::Array(items) => items.iter().for_each(|item| collect(item, found)),
        Value::Object(fields) => {
            for (name, value) in fields {
                in_text(name, found);
                collect(value, found);
            }
        }
        _ => {}
    }
}

/// Kyverno's `(^|[^\\])(\{\{(?:\{[^{}]*\}|[^{}])*\}\})`, the inner variable of nested ones first.
fn in_text(text: &str, found: &mut Vec<String>) {
    let mut from = 0;
    while let Some(at) = text.get(from..).and_then(|rest| rest.find("{{")).map(|n| n + from) {
        let escaped = text.get(..at).is_some_and(|before| before.ends_with('\\'));
        match text.get(at + 2..).and_then(body) {
            Some(body) if !escaped => {
                // `{{- x }}` is the shallow form of `{{ x }}`.
                found.push(body.strip_prefix('-').unwrap_or(body).trim().to_owned());
                from = at + 2 + body.len() + 2;
            }
            _ => from = at + 1,
        }
    }
}

/// What stands before the closing braces, where there are some.
fn body(rest: &str) -> Option<&str> {
    let mut inside = false;
    for (at, c) in rest.char_indices() {
        match (c, inside) {
            ('{', false) => inside = true,
            ('}', true) => inside = false,
            ('{', true) => return None,
            ('}', false) => {
                return rest.get(at..)?.starts_with("}}").then(|| rest.get(..at)).flatten();
            }
            _ => {}
        }
    }
    None
}

/// Whether a document has variables or references that must be substituted.
#[must_use]
pub fn has_any(document: &Value) -> bool {
    match document {
        Value::String(text) => text.contains("{{") || text.contains("$("),
        Value::Array(items) => items.iter().any(has_any),
        Value::Object(fields) => fields.iter().any(|(name, value)| name.contains("{{") || has_any(value)),
        _ => false,
    }
}

/// Whether an expression mentions a name as a whole word.
#[must_use]
pub fn mentions(expression: &str, name: &str) -> bool {
    let word = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
    expression.match_indices(name).any(|(at, _)| {
        let before = expression.get(..at).and_then(|s| s.chars().next_back());
        let after = expression.get(at + name.len()..).and_then(|s| s.chars().next());
        !word(before) && !word(after)
    })
}

/// The first expression that names nothing a rule knows: no root of every rule, no function, none of `names`.
#[must_use]
pub fn first_unknown(expressions: &[String], names: &[String]) -> Option<String> {
    let known = |e: &String| {
        ALLOWED_ROOTS.iter().any(|root| e.contains(root))
            || calls_function(e)
            || names.iter().any(|name| mentions(e, name))
    };
    expressions.iter().find(|e| !known(e)).cloned()
}

/// Kyverno's `([a-z_0-9]+\()[^{}]`: a name, an opening parenthesis, and something behind it.
fn calls_function(expression: &str) -> bool {
    expression.match_indices('(').any(|(at, _)| {
        let before = expression.get(..at).and_then(|s| s.chars().next_back());
        let after = expression.get(at + 1..).and_then(|s| s.chars().next());
        before.is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
            && after.is_some_and(|c| c != '{' && c != '}')
    })
}

/// The first expression that needs the user of a request.
#[must_use]
pub fn first_of_user(expressions: &[String]) -> Option<String> {
    let of_user = |e: &&String| FORBIDDEN_IN_BACKGROUND.iter().any(|part| mentions(e, part));
    expressions.iter().find(of_user).cloned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{expressions, first_unknown, mentions};

    #[test]
    fn expressions_are_found_innermost_first() {
        let document = json!({
            "a": "x {{ a.b }} y {{- c }}",
            "b": ["\\{{ no }}", "{{ {a: b}.a }}", "{{ f('{{ inner }}') }}"],
            "{{ key }}": 1,
        });
        let found = expressions(&document);
        for wanted in ["a.b", "c", "{a: b}.a", "inner", "key"] {
            assert!(found.iter().any(|e| e == wanted), "{wanted} in {found:?}");
        }
        assert!(!found.iter().any(|e| e.contains("no")), "{found:?}");
    }

    #[test]
    fn unknown_names_are_told_apart() {
        let of = |e: &str| first_unknown(&[e.to_owned()], &["cfg".to_owned()]);
        assert_eq!(of("cfg.data.key"), None);
        assert_eq!(of("request.object"), None);
        assert_eq!(of("length(x)"), None);
        assert_eq!(of("nosuch.data.key"), Some("nosuch.data.key".to_owned()));
        assert!(!mentions("cfgs.a", "cfg"));
    }
}
