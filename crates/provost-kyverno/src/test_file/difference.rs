//! Where an object differs from the one a test expects.

use serde_json::Value;

use crate::request::Request;

/// An object without what says nothing: nulls, empty objects and lists, and a namespace that is understood.
pub(super) fn tidied(object: &Value, request: &Request) -> Value {
    let mut object = object.clone();
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut)
        && metadata.get("namespace").is_none_or(|n| n.as_str() == Some(&request.namespace))
    {
        metadata.remove("namespace");
    }
    tidy(object).unwrap_or_default()
}

fn tidy(value: Value) -> Option<Value> {
    match value {
        Value::Null => None,
        Value::Array(items) => {
            let items: Vec<Value> = items.into_iter().filter_map(tidy).collect();
            (!items.is_empty()).then_some(Value::Array(items))
        }
        Value::Object(fields) => {
            let fields: serde_json::Map<String, Value> =
                fields.into_iter().filter_map(|(name, value)| Some((name, tidy(value)?))).collect();
            (!fields.is_empty()).then_some(Value::Object(fields))
        }
        other => Some(other),
    }
}

/// The first place where two values differ, left in `pointer`, and what stands there on each side.
pub(super) fn first_difference(
    found: &Value,
    wanted: &Value,
    pointer: &mut String,
) -> Option<(Value, Value)> {
    let length = pointer.len();
    let pairs: Vec<(String, Value, Value)> = match (found, wanted) {
        (Value::Object(a), Value::Object(b)) => {
            let mut names: Vec<&String> = a.keys().chain(b.keys()).collect();
            names.sort();
            names.dedup();
            let of = |fields: &serde_json::Map<String, Value>, name: &str| {
                fields.get(name).cloned().unwrap_or_default()
            };
            names.into_iter().map(|name| (name.clone(), of(a, name), of(b, name))).collect()
        }
        (Value::Array(a), Value::Array(b)) => {
            let of = |items: &[Value], at: usize| items.get(at).cloned().unwrap_or_default();
            (0..a.len().max(b.len())).map(|at| (at.to_string(), of(a, at), of(b, at))).collect()
        }
        (a, b) => return (a != b).then(|| (a.clone(), b.clone())),
    };
    for (name, a, b) in pairs {
        pointer.push('/');
        pointer.push_str(&name);
        if let Some(difference) = first_difference(&a, &b, pointer) {
            return Some(difference);
        }
        pointer.truncate(length);
    }
    None
}
