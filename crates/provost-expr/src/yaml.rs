//! YAML as Kubernetes programs read it: turned into JSON, with Go's reading of plain scalars and of keys.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use crate::go_text;

/// The largest text that is read: 8 MiB, over five times what an API server stores.
pub const MAX_YAML: usize = 8 * 1024 * 1024;

/// Reads one YAML document (which JSON is, too). `yes`, `on`, `y` and their opposites are booleans, also as keys,
/// where they become `"true"` and `"false"`; duplicate keys are refused; nothing at all is null.
///
/// # Errors
/// One line with the reader's reason and place.
pub fn parse(text: &str) -> Result<Value, String> {
    if text.len() > MAX_YAML {
        return Err(format!("text is longer than {MAX_YAML} bytes"));
    }
    let options = serde_saphyr::options! { legacy_octal_numbers: true };
    match serde_saphyr::from_str_with_options::<Any>(text, options) {
        Ok(Any(value)) => Ok(value),
        Err(error) => Err(error.to_string().lines().next().unwrap_or_default().to_owned()),
    }
}

struct Any(Value);

impl<'de> Deserialize<'de> for Any {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyVisitor).map(Any)
    }
}

struct AnyVisitor;

impl<'de> Visitor<'de> for AnyVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any YAML value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Value, E> {
        let number = go_text::number(value).ok_or_else(|| E::custom("a number that JSON cannot hold"))?;
        Ok(Value::Number(number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(Self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(Any(item)) = access.next_element()? {
            items.push(item);
        }
        Ok(Value::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some(Any(key)) = access.next_key()? {
            let key = match key {
                Value::String(text) => text,
                Value::Bool(b) => b.to_string(),
                Value::Number(n) => go_text::plain(n.as_f64().unwrap_or(0.0)),
                Value::Null => "null".to_owned(),
                Value::Array(_) | Value::Object(_) => {
                    return Err(serde::de::Error::custom("a key that is no scalar"));
                }
            };
            let Any(value) = access.next_value()?;
            if map.insert(key.clone(), value).is_some() {
                return Err(serde::de::Error::custom(format!(
                    "key {} already set in map",
                    go_text::quote(&key)
                )));
            }
        }
        Ok(Value::Object(map))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::parse;

    #[test]
    fn plain_scalars_as_go_reads_them() {
        for (text, want) in [
            ("a: 1\nb: [x, y]\n", json!({"a": 1, "b": ["x", true]})),
            ("on: yes", json!({"true": true})),
            ("'on': 'yes'", json!({"on": "yes"})),
            ("1: a", json!({"1": "a"})),
            ("a: 017", json!({"a": 15})),
            ("a: 1_000", json!({"a": 1000})),
            ("a: ~", json!({"a": null})),
            ("", json!(null)),
            ("{\"k\": [1, 2.5]}", json!({"k": [1, 2.5]})),
        ] {
            assert_eq!(parse(text), Ok(want), "{text}");
        }
    }

    #[test]
    fn refusals() {
        for bad in ["a: 1\na: 2", "a: [", "a: .inf", "? [a]\n: b", "a: &x [*x]"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
        assert!(parse(&" ".repeat(super::MAX_YAML + 1)).is_err());
    }
}
