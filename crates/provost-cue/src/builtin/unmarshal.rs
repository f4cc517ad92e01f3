//! Values read from other formats, and held against schemas.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

use super::call::Call;
use super::matching;
use crate::data::{Data, DataId, Node};
use crate::error::Reason;
use crate::fault::{Bottom, Eval, Stop};
use crate::number::{Decimal, Number};
use crate::value::Value;
use crate::vertex::{Close, Conjunct, Elem, NO_ENV};

/// A value of another format, with its fields in order.
#[derive(Debug, Clone)]
pub(super) enum Plain {
    Null,
    Bool(bool),
    Int(i128),
    Float(f64),
    Text(String),
    Bytes(Vec<u8>),
    List(Vec<Self>),
    Map(Vec<(String, Self)>),
}

/// The value of a JSON text that was found to be one.
pub(super) fn json(c: &mut Call<'_, '_>, text: &str) -> Eval {
    c.context.text_budget(text.len())?;
    match Data::from_json(text.as_bytes(), &c.context.limits) {
        Ok(data) => read(c, &data, data.root()),
        Err(errors) => c.complain(errors.to_string()),
    }
}

/// A JSON value as a value of the evaluation; its nesting is limited where it is read.
fn read(c: &mut Call<'_, '_>, data: &Data, id: DataId) -> Eval {
    c.context.enter()?;
    let value = match data.node(id) {
        Node::Null => Value::Null,
        Node::Bool(value) => Value::Bool(*value),
        Node::String(range) => Value::text(data.text(range)),
        Node::Number(range) => {
            let text = data.text(range);
            match Decimal::parse(text) {
                Some(decimal) => {
                    Value::Number(Number { float: text.contains(['.', 'e', 'E']), decimal }.into())
                }
                None => c.context.over("digits of an exponent", crate::number::EXPONENT.unsigned_abs())?,
            }
        }
        Node::List(range) => {
            let values = data.elements(range).iter().map(|element| read(c, data, *element));
            Value::List(values.collect::<Eval<Vec<_>>>()?.into())
        }
        Node::Struct(range) => {
            let fields = data.members(range).iter().map(|(name, value)| {
                let label = c.context.labels.text(data.text(name));
                Ok((label, read(c, data, *value)?))
            });
            Value::Struct(fields.collect::<Eval<Vec<_>>>()?.into())
        }
    };
    c.context.leave();
    Ok(value)
}

/// A value of another format as one of the evaluation.
pub(super) fn plain(c: &mut Call<'_, '_>, value: Plain) -> Eval {
    c.context.enter()?;
    let value = match value {
        Plain::Null => Value::Null,
        Plain::Bool(value) => Value::Bool(value),
        Plain::Int(value) => Value::int(value),
        Plain::Float(value) => match Decimal::from_f64(value) {
            Some(decimal) => Value::Number(Number { float: true, decimal }.into()),
            None => return c.complain(format!("{value} is no number that can be compared")),
        },
        Plain::Text(text) => Value::text(&text),
        Plain::Bytes(bytes) => Value::Bytes(bytes.into()),
        Plain::List(items) => {
            Value::List(items.into_iter().map(|item| plain(c, item)).collect::<Eval<Vec<_>>>()?.into())
        }
        Plain::Map(fields) => {
            let fields = fields.into_iter().map(|(name, value)| {
                let label = c.context.labels.text(&name);
                Ok((label, plain(c, value)?))
            });
            Value::Struct(fields.collect::<Eval<Vec<_>>>()?.into())
        }
    };
    c.context.leave();
    Ok(value)
}

/// Holds a value against the schema in the second argument. `concrete` asks for every field to be one value.
pub(super) fn validate(c: &mut Call<'_, '_>, value: &Value, concrete: bool) -> Eval {
    let whole = c.whole(value.clone())?;
    let subject = Conjunct { env: NO_ENV, elem: Elem::Value(whole), close: Close::ROOT };
    let schema = c.value(1);
    let Some(bottom) = matching::against(c.context, &subject, &schema, concrete)? else {
        return Ok(Value::Bool(true));
    };
    let mut told = (*bottom).clone();
    for fault in &mut told.faults {
        let reason = fault.reason.clone().map(&mut |src| crate::print::src(c.context, &src));
        fault.reason = Reason::Builtin { name: c.name.to_owned(), problem: reason.to_string() };
        fault.at = c.context.here;
    }
    Err(Stop::Bottom(std::rc::Rc::new(Bottom { closedness: false, ..told })))
}

impl<'de> Deserialize<'de> for Plain {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Plain;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Plain, E> {
        Ok(Plain::Null)
    }

    fn visit_none<E>(self) -> Result<Plain, E> {
        Ok(Plain::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Plain, D::Error> {
        Plain::deserialize(deserializer)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Plain, E> {
        Ok(Plain::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Plain, E> {
        Ok(Plain::Int(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Plain, E> {
        Ok(Plain::Int(value.into()))
    }

    fn visit_i128<E>(self, value: i128) -> Result<Plain, E> {
        Ok(Plain::Int(value))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Plain, E> {
        Ok(Plain::Float(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Plain, E> {
        Ok(Plain::Text(value.to_owned()))
    }

    fn visit_bytes<E>(self, value: &[u8]) -> Result<Plain, E> {
        Ok(Plain::Bytes(value.to_vec()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Plain, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element()? {
            items.push(item);
        }
        Ok(Plain::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Plain, A::Error> {
        let mut fields = Vec::new();
        while let Some((name, value)) = map.next_entry::<Plain, Plain>()? {
            let name = match name {
                Plain::Text(name) => name,
                Plain::Int(name) => name.to_string(),
                Plain::Bool(name) => name.to_string(),
                Plain::Float(name) => name.to_string(),
                Plain::Null => "null".to_owned(),
                _ => return Err(serde::de::Error::custom("invalid map key: a list or map")),
            };
            fields.push((name, value));
        }
        Ok(Plain::Map(fields))
    }
}
