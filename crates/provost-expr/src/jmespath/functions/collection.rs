//! Functions on lists and objects.

use std::cmp::Ordering;

use serde_json::{Map, Value};

use super::types::{
    A, ANY, LIST_OR_TEXT, N, NUMBERS_OR_TEXTS, O, OBJECT_OR_LIST, REF, S, SIZED, TEXT_OR_NUMBER, TEXTS,
    TEXTS_OR_NUMBERS,
};
use super::{Call, Signature, number_value, text};
use crate::go_text;
use crate::jmespath::ast::Node;
use crate::jmespath::error::{FunctionFault, JmesError};
use crate::jmespath::item::{Item, or_null};

type Result<T> = std::result::Result<T, JmesError>;

pub(super) const FUNCTIONS: &[Signature] = &[
    Signature::new("length", &[SIZED], N, length, "how many characters, elements or keys").builtin(),
    Signature::new("map", &[REF, A], A, map, "the expression applied to each element").builtin(),
    Signature::new("max", &[NUMBERS_OR_TEXTS], ANY, max, "the largest of numbers or texts").builtin(),
    Signature::new("min", &[NUMBERS_OR_TEXTS], ANY, min, "the smallest of numbers or texts").builtin(),
    Signature::new("max_by", &[A, REF], ANY, max_by, "the element with the largest key").builtin(),
    Signature::new("min_by", &[A, REF], ANY, min_by, "the element with the smallest key").builtin(),
    Signature::new("merge", &[O], O, merge, "all keys of all objects, later ones winning")
        .builtin()
        .variadic(),
    Signature::new("type", &[ANY], S, type_of, "the name of the value's type").builtin(),
    Signature::new("keys", &[O], TEXTS, keys, "the keys of an object, sorted").builtin(),
    Signature::new("values", &[O], A, values, "the values of an object, in the order of its sorted keys")
        .builtin(),
    Signature::new("sort", &[TEXTS_OR_NUMBERS], A, sort, "the numbers or texts in order").builtin(),
    Signature::new("sort_by", &[A, REF], A, sort_by, "the elements in the order of their keys").builtin(),
    Signature::new("reverse", &[LIST_OR_TEXT], ANY, reverse, "the elements or characters from the end")
        .builtin(),
    Signature::new("to_array", &[ANY], A, to_array, "a list as it is, anything else as its only element")
        .builtin(),
    Signature::new("not_null", &[ANY], ANY, not_null, "the first argument that is not null")
        .builtin()
        .variadic(),
    Signature::new(
        "lookup",
        &[OBJECT_OR_LIST, TEXT_OR_NUMBER],
        ANY,
        lookup,
        "the value at a key or index, or null",
    ),
    Signature::new(
        "items",
        &[OBJECT_OR_LIST, S, S],
        A,
        items,
        "an object for each key or index, which stands under the first name beside its value under the second",
    ),
    Signature::new(
        "object_from_lists",
        &[A, A],
        O,
        object_from_lists,
        "an object of the keys in the first list and the values in the second",
    ),
];

fn length(call: &mut Call<'_, '_>) -> Result<Value> {
    let length = match call.value(0) {
        Value::Array(items) => items.len(),
        Value::Object(map) => map.len(),
        other => return text::character_count(other.as_str().unwrap_or_default()),
    };
    #[expect(clippy::cast_precision_loss, reason = "a list has far fewer than 2^53 elements")]
    number_value(length as f64)
}

/// Takes an expression argument out.
fn reference<'a>(call: &mut Call<'_, 'a>, index: usize) -> Result<&'a Node> {
    match call.take(index) {
        Item::Reference(node) => Ok(node),
        _ => Err(JmesError::ReferenceAsValue),
    }
}

fn map(call: &mut Call<'_, '_>) -> Result<Value> {
    let node = reference(call, 0)?;
    let mut mapped = Vec::new();
    for item in call.elements(1)? {
        let found = or_null(call.interpreter().node(node, item))?;
        mapped.push(call.owned(found)?);
    }
    Ok(Value::Array(mapped))
}

/// The order of two numbers or two texts.
fn order(left: &Value, right: &Value) -> Option<Ordering> {
    match (left, right) {
        (Value::Number(a), Value::Number(b)) => a.as_f64()?.partial_cmp(&b.as_f64()?),
        (Value::String(a), Value::String(b)) => Some(a.cmp(b)),
        _ => None,
    }
}

fn extreme(call: &Call<'_, '_>, wanted: Ordering) -> Value {
    let mut best = &Value::Null;
    for item in call.value(0).as_array().into_iter().flatten() {
        if best.is_null() || order(item, best) == Some(wanted) {
            best = item;
        }
    }
    best.clone()
}

fn max(call: &mut Call<'_, '_>) -> Result<Value> {
    Ok(extreme(call, Ordering::Greater))
}

fn min(call: &mut Call<'_, '_>) -> Result<Value> {
    Ok(extreme(call, Ordering::Less))
}

/// Each element with its key; all keys are numbers, or all are texts.
fn keyed(call: &mut Call<'_, '_>, mixed: fn(&Value) -> JmesError) -> Result<Vec<(Value, Value)>> {
    let node = reference(call, 1)?;
    let elements = call.elements(0)?;
    let only = elements.len() == 1;
    let mut pairs: Vec<(Value, Value)> = Vec::new();
    for item in elements {
        let value = call.owned(item)?;
        if only {
            return Ok(vec![(Value::Null, value)]);
        }
        let found = or_null(call.interpreter().node(node, Item::Own(value.clone())))?;
        let key = call.owned(found)?;
        match pairs.first() {
            None if !key.is_number() && !key.is_string() => return Err(JmesError::NotComparable),
            Some((first, _)) if order(first, &key).is_none() => return Err(mixed(first)),
            _ => {}
        }
        pairs.push((key, value));
    }
    call.interpreter().charge(pairs.len().saturating_mul(8))?;
    Ok(pairs)
}

fn mixed_extreme(first: &Value) -> JmesError {
    JmesError::MixedTypes(if first.is_number() { "number" } else { "string" })
}

fn extreme_by(call: &mut Call<'_, '_>, wanted: Ordering) -> Result<Value> {
    let mut best: Option<(Value, Value)> = None;
    for (key, value) in keyed(call, mixed_extreme)? {
        if best.as_ref().is_none_or(|(best, _)| order(&key, best) == Some(wanted)) {
            best = Some((key, value));
        }
    }
    Ok(best.map_or(Value::Null, |(_, value)| value))
}

fn max_by(call: &mut Call<'_, '_>) -> Result<Value> {
    extreme_by(call, Ordering::Greater)
}

fn min_by(call: &mut Call<'_, '_>) -> Result<Value> {
    extreme_by(call, Ordering::Less)
}

fn sort(call: &mut Call<'_, '_>) -> Result<Value> {
    let item = call.take(0);
    let mut value = call.owned(item)?;
    if let Value::Array(items) = &mut value {
        items.sort_by(|a, b| order(a, b).unwrap_or(Ordering::Equal));
    }
    Ok(value)
}

fn sort_by(call: &mut Call<'_, '_>) -> Result<Value> {
    let mut pairs = keyed(call, |_| JmesError::SortBy)?;
    pairs.sort_by(|(a, _), (b, _)| order(a, b).unwrap_or(Ordering::Equal));
    Ok(Value::Array(pairs.into_iter().map(|(_, value)| value).collect()))
}

fn merge(call: &mut Call<'_, '_>) -> Result<Value> {
    let mut merged = Map::new();
    for index in 0..call.arguments.len() {
        let item = call.take(index);
        if let Value::Object(map) = call.owned(item)? {
            merged.extend(map);
        }
    }
    Ok(Value::Object(merged))
}

fn type_of(call: &mut Call<'_, '_>) -> Result<Value> {
    if call.arguments.first().and_then(Item::value).is_none() {
        return Err(JmesError::UnknownType);
    }
    Ok(Value::from(match call.value(0) {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }))
}

fn keys(call: &mut Call<'_, '_>) -> Result<Value> {
    let keys: Vec<Value> = call
        .value(0)
        .as_object()
        .map(|map| map.keys().map(|key| Value::from(key.as_str())).collect())
        .unwrap_or_default();
    call.interpreter().charge(keys.len())?;
    Ok(Value::Array(keys))
}

fn values(call: &mut Call<'_, '_>) -> Result<Value> {
    let item = call.take(0);
    Ok(match call.owned(item)? {
        Value::Object(map) => Value::Array(map.into_iter().map(|(_, value)| value).collect()),
        _ => Value::Null,
    })
}

fn reverse(call: &mut Call<'_, '_>) -> Result<Value> {
    let item = call.take(0);
    Ok(match call.owned(item)? {
        Value::Array(mut items) => {
            items.reverse();
            Value::Array(items)
        }
        other => Value::String(other.as_str().unwrap_or_default().chars().rev().collect()),
    })
}

fn to_array(call: &mut Call<'_, '_>) -> Result<Value> {
    let item = call.take(0);
    Ok(match call.owned(item)? {
        Value::Array(items) => Value::Array(items),
        other => Value::Array(vec![other]),
    })
}

fn not_null(call: &mut Call<'_, '_>) -> Result<Value> {
    for index in 0..call.arguments.len() {
        let item = call.take(index);
        let value = call.owned(item)?;
        if !value.is_null() {
            return Ok(value);
        }
    }
    Ok(Value::Null)
}

fn lookup(call: &mut Call<'_, '_>) -> Result<Value> {
    let found = match (call.value(0), call.value(1)) {
        (Value::Object(map), Value::String(key)) => map.get(key),
        (Value::Object(_), _) => return Err(call.wrong_type(2, "String")),
        (Value::Array(list), Value::Number(n)) => {
            let index = n.as_f64().unwrap_or_default();
            if index.fract() != 0.0 {
                return Err(call.fault(FunctionFault::NotAnIndex(go_text::sprint_number(index))));
            }
            #[expect(clippy::cast_possible_truncation, reason = "the value is whole, and the cast saturates")]
            let index = usize::try_from(index as i64).ok();
            index.and_then(|index| list.get(index))
        }
        _ => return Err(call.wrong_type(2, "Number")),
    };
    found.map_or(Ok(Value::Null), |value| call.owned(Item::Own(value.clone())))
}

fn items(call: &mut Call<'_, '_>) -> Result<Value> {
    let (name, other) = (call.text(1).to_owned(), call.text(2).to_owned());
    let argument = call.take(0);
    let pair = |key: Value, value: Value| {
        let mut map = Map::new();
        map.insert(name.clone(), key);
        map.insert(other.clone(), value);
        Value::Object(map)
    };
    let pairs: Vec<Value> = match call.owned(argument)? {
        Value::Object(map) => map.into_iter().map(|(key, value)| pair(Value::String(key), value)).collect(),
        Value::Array(list) => {
            list.into_iter().enumerate().map(|(index, value)| pair(Value::from(index), value)).collect()
        }
        _ => Vec::new(),
    };
    call.interpreter().charge(pairs.len().saturating_mul(2 + (name.len() + other.len()) / 64))?;
    Ok(Value::Array(pairs))
}

fn object_from_lists(call: &mut Call<'_, '_>) -> Result<Value> {
    let mut object = Map::new();
    let mut values = call.elements(1)?.into_iter();
    let empty = Vec::new();
    for key in call.value(0).as_array().unwrap_or(&empty) {
        let key = match key {
            Value::String(text) => text.clone(),
            Value::Number(n) => go_text::plain32(n.as_f64().unwrap_or_default()),
            Value::Bool(b) => b.to_string(),
            _ => return Err(call.wrong_type(1, "StringArray")),
        };
        let value = values.next().map_or(Ok(Value::Null), |item| call.owned(item))?;
        object.insert(key, value);
    }
    Ok(Value::Object(object))
}
