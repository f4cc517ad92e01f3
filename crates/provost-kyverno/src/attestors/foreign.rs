//! Names that variables bring into an identity: a wildcard or a regular expression is the policy author's alone.

use provost_expr::origins::Origins;
use serde_json::Value;

/// Fields in which wildcards count.
const WILDCARDS: [&str; 2] = ["subject", "issuer"];
/// Fields that are regular expressions.
const PATTERNS: [&str; 2] = ["subjectRegExp", "issuerRegExp"];
/// A field whose values may all have wildcards.
const EXTENSIONS: &str = "additionalExtensions";

/// Which characters mean something else than themselves.
#[derive(Clone, Copy)]
enum Live {
    Wildcards,
    Expression,
}

impl Live {
    fn has(self, c: char) -> bool {
        match self {
            Self::Wildcards => matches!(c, '*' | '?'),
            // A dot finds any character, but stands in every host name; those who can forge one of these names, too.
            Self::Expression => {
                matches!(c, '*' | '?' | '+' | '|' | '(' | ')' | '[' | ']' | '{' | '}' | '^' | '$' | '\\')
            }
        }
    }
}

/// Refuses identities into which a value from outside the policy has brought more than a name (security.md 5).
///
/// # Errors
/// The field and what it holds, in words.
pub(crate) fn check(document: &Value, by: &Origins) -> Result<(), String> {
    match document {
        Value::Array(items) => {
            items.iter().enumerate().try_for_each(|(index, item)| check(item, by.element(index)))
        }
        Value::Object(fields) => fields.iter().try_for_each(|(name, value)| {
            let by = by.field(name);
            match (name.as_str(), value) {
                (name, Value::String(text)) if WILDCARDS.contains(&name) => {
                    one(name, text, by, Live::Wildcards)
                }
                (name, Value::String(text)) if PATTERNS.contains(&name) => {
                    one(name, text, by, Live::Expression)
                }
                (EXTENSIONS, Value::Object(values)) => values.iter().try_for_each(|(name, value)| {
                    one(name, value.as_str().unwrap_or_default(), by.field(name), Live::Wildcards)
                }),
                _ => check(value, by),
            }
        }),
        _ => Ok(()),
    }
}

fn one(field: &str, text: &str, by: &Origins, live: Live) -> Result<(), String> {
    let foreign = |at: usize| match by {
        Origins::Foreign => true,
        Origins::Text(bytes) => bytes.get(at).copied().unwrap_or(true),
        _ => false,
    };
    match text.char_indices().any(|(at, c)| foreign(at) && live.has(c)) {
        true => Err(format!(
            "{field}: a value from outside the policy makes it {text:?}, expected a name without wildcards"
        )),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use provost_expr::origins::Origins;
    use serde_json::json;

    use super::check;

    #[test]
    fn only_the_author_writes_wildcards() {
        let fields = |name: &str, by: Origins| Origins::Fields(BTreeMap::from([(name.to_owned(), by)]));
        let subject = |text: &str, by: Origins| check(&json!({"subject": text}), &fields("subject", by));
        assert!(subject("*", Origins::Ours).is_ok());
        assert!(subject("*", Origins::Foreign).is_err());
        assert!(subject("name", Origins::Foreign).is_ok());
        assert!(subject("a/*", Origins::Text(vec![true, false, false])).is_ok());
        assert!(subject("*/a", Origins::Text(vec![true, false, false])).is_err());
        let pattern = |text: &str| {
            check(
                &json!([{"issuerRegExp": text}]),
                &Origins::List(vec![fields("issuerRegExp", Origins::Foreign)]),
            )
        };
        assert!(pattern("issuer.example.test").is_ok() && pattern("a|b").is_err());
        let inside = fields("x", Origins::Foreign);
        let extensions = json!({"additionalExtensions": {"x": "*"}});
        assert!(check(&extensions, &fields("additionalExtensions", inside)).is_err());
    }
}
