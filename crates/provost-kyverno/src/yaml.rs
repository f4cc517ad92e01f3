//! YAML as kubectl reads it: several documents, YAML 1.1 booleans and octals, no duplicate keys, bounded.

pub(crate) mod scalar;
mod write;

use serde_json::Value;

pub use write::written;

/// The deepest nesting read. A policy nests about 20 deep and a Pod about 12; the reader recurses once a level, and a
/// level takes up to 24 KiB of stack in a build without optimisation, so 64 levels fit into the 2 MiB of a thread.
pub const DEPTH_LIMIT: usize = 64;

/// A text is no YAML.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}: {reason}")]
pub struct YamlError {
    /// The file it came from.
    pub file: String,
    /// What is wrong, and on which line.
    pub reason: String,
}

/// The documents of a text, empty ones left out and the items of `List` objects taken out of them.
///
/// # Errors
/// When the text is no YAML, has a duplicate key, or is nested deeper than [`DEPTH_LIMIT`].
pub fn documents(file: &str, text: &str) -> Result<Vec<Value>, YamlError> {
    let mut budget = serde_saphyr::Budget::default();
    budget.max_depth = DEPTH_LIMIT;
    let options = serde_saphyr::options! {
        legacy_octal_numbers: true,
        with_snippet: false,
        budget: Some(budget),
    };
    let read: Result<Vec<Value>, _> = serde_saphyr::from_multiple_with_options(text, options);
    let read = read.map_err(|e| YamlError { file: file.to_owned(), reason: e.to_string() })?;
    let mut found = Vec::with_capacity(read.len());
    for document in read {
        match document {
            Value::Null => {}
            Value::Object(mut list) if is_list(&list) => {
                if let Some(Value::Array(items)) = list.remove("items") {
                    found.extend(items);
                }
            }
            other => found.push(other),
        }
    }
    Ok(found)
}

fn is_list(object: &serde_json::Map<String, Value>) -> bool {
    let kind = object.get("kind").and_then(Value::as_str).unwrap_or_default();
    kind.ends_with("List") && object.get("items").is_some_and(Value::is_array)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{DEPTH_LIMIT, documents};

    #[test]
    fn reads_as_go_does() {
        let read = documents("f", "a: yes\nb: 017\nc: '1'\n---\n---\nkind: List\nitems:\n- {d: on}\n");
        assert_eq!(read, Ok(vec![json!({"a": true, "b": 15, "c": "1"}), json!({"d": true})]));
    }

    #[test]
    fn refuses_duplicates_and_depth() {
        assert!(documents("f", "a: 1\na: 2\n").is_err());
        let deep = |n: usize| format!("{}1{}", "[".repeat(n), "]".repeat(n));
        assert!(documents("f", &deep(DEPTH_LIMIT - 1)).is_ok());
        assert!(documents("f", &deep(DEPTH_LIMIT + 1)).is_err());
    }
}
