//! One call of a builtin: its arguments as the builtin takes them, and its ways to answer.

use std::borrow::Cow;
use std::sync::Arc;

use num_bigint::BigInt;
use num_traits::{Signed, ToPrimitive};

use super::core::elements;
use crate::context::Context;
use crate::error::{Code, Reason};
use crate::fault::Eval;
use crate::kind::Kinds;
use crate::number::{Decimal, Number};
use crate::value::Value;

/// One call. Kinds of arguments were checked before, so a missing one reads as empty.
pub(super) struct Call<'c, 'a> {
    pub(super) context: &'c mut Context<'a>,
    pub(super) arguments: &'c [Value],
    /// The builtin's name with its import path.
    pub(super) name: &'static str,
    /// Whether a value is held against it, rather than a result asked for.
    pub(super) constrains: bool,
}

impl Call<'_, '_> {
    /// The argument at a position.
    pub(super) fn value(&self, position: usize) -> Value {
        self.arguments.get(position).cloned().unwrap_or(Value::Null)
    }

    /// A string argument.
    pub(super) fn text(&self, position: usize) -> Arc<str> {
        match self.arguments.get(position) {
            Some(Value::Text(text)) => Arc::clone(text),
            _ => Arc::from(""),
        }
    }

    /// An argument that is a string or bytes.
    pub(super) fn bytes(&self, position: usize) -> Cow<'_, [u8]> {
        match self.arguments.get(position) {
            Some(Value::Text(text)) => Cow::Borrowed(text.as_bytes()),
            Some(Value::Bytes(bytes)) => Cow::Borrowed(bytes),
            _ => Cow::Borrowed(&[]),
        }
    }

    /// An argument that is a string or bytes, as text: what is no UTF-8 becomes the replacement character.
    pub(super) fn lossy(&self, position: usize) -> String {
        String::from_utf8_lossy(&self.bytes(position)).into_owned()
    }

    /// A truth value.
    pub(super) fn truth(&self, position: usize) -> bool {
        matches!(self.arguments.get(position), Some(Value::Bool(true)))
    }

    /// A whole number of any size.
    pub(super) fn big(&self, position: usize) -> BigInt {
        self.decimal(position).to_integer().unwrap_or_default()
    }

    /// A number.
    pub(super) fn decimal(&self, position: usize) -> Decimal {
        match self.arguments.get(position) {
            Some(Value::Number(number)) => number.decimal.clone(),
            _ => Decimal::from(BigInt::default()),
        }
    }

    /// A number as a float of 64 bits.
    pub(super) fn float(&self, position: usize) -> Eval<f64> {
        let decimal = self.decimal(position);
        let value = decimal.to_f64();
        if value.is_finite() {
            return Ok(value);
        }
        let shown = crate::print::value(self.context, &self.value(position));
        let kinds = self.context.kinds_of(&self.value(position));
        self.remark(format!(
            "cannot use {shown} (type {kinds}) as float64 in argument {position} to {}: value was rounded up",
            self.name
        ))
    }

    /// A whole number of 64 bits.
    pub(super) fn int(&self, position: usize) -> Eval<i64> {
        self.sized(position, 64, "int64")
    }

    /// A whole number of so many bits; Go's check counts the magnitude's bits, so the sign's own bit is not missed.
    pub(super) fn sized(&self, position: usize, bits: u64, kind: &str) -> Eval<i64> {
        let value = self.big(position);
        if value.bits() > bits {
            let words =
                format!("int {value} overflows {kind} in argument {position} in call to {}", self.name);
            return self.remark(words);
        }
        Ok(value.to_i64().unwrap_or(if value.is_negative() { i64::MIN } else { i64::MAX }))
    }

    /// A whole number of so many bits that is not negative.
    pub(super) fn unsigned(&self, position: usize, bits: u64, kind: &str) -> Eval<u64> {
        let value = self.big(position);
        if value.is_negative() {
            let words =
                format!("cannot use {value} (type int) as {kind} in argument {position} to {}", self.name);
            return self.remark(words);
        }
        match value.to_u64().filter(|_| value.bits() <= bits) {
            Some(value) => Ok(value),
            None => {
                let words =
                    format!("int {value} overflows {kind} in argument {position} in call to {}", self.name);
                self.remark(words)
            }
        }
    }

    /// A size or count, saturated; negative ones are none.
    pub(super) fn size(&self, position: usize) -> Eval<Option<usize>> {
        Ok(usize::try_from(self.int(position)?).ok())
    }

    /// The elements of a list argument, scalars as such.
    pub(super) fn items(&mut self, position: usize) -> Eval<Vec<Value>> {
        elements(self.context, self.arguments, position)
    }

    /// The elements of a list argument that must be strings.
    pub(super) fn strings(&mut self, position: usize) -> Eval<Vec<Arc<str>>> {
        let mut strings = Vec::new();
        for (index, item) in self.items(position)?.into_iter().enumerate() {
            match self.settled(&item)? {
                Value::Text(text) => strings.push(text),
                other => return self.wrong_element(&other, index, position, Kinds::STRING, "string"),
            }
        }
        Ok(strings)
    }

    /// The elements of a list argument that must be numbers.
    pub(super) fn numbers(&mut self, position: usize) -> Eval<Vec<Number>> {
        let mut numbers = Vec::new();
        for (index, item) in self.items(position)?.into_iter().enumerate() {
            match self.settled(&item)? {
                Value::Number(number) => numbers.push(Number::clone(&number)),
                other => return self.wrong_element(&other, index, position, Kinds::NUMBER, "number"),
            }
        }
        Ok(numbers)
    }

    /// A value, or the default it has.
    pub(super) fn settled(&mut self, value: &Value) -> Eval {
        match value {
            Value::Vertex(vertex) => {
                self.context.finalize(*vertex)?;
                let arm = self.context.default_arm(*vertex)?;
                Ok(self.context.value_now(arm))
            }
            value => Ok(value.clone()),
        }
    }

    fn wrong_element<T>(
        &self,
        item: &Value,
        index: usize,
        position: usize,
        wanted: Kinds,
        name: &str,
    ) -> Eval<T> {
        let shown = crate::print::value(self.context, item);
        let kinds = self.context.kinds_of(item);
        if kinds.meets(wanted) {
            let words =
                format!("non-concrete value {shown} for element {index} of {name} list argument {position}");
            return self.context.stop(Code::Incomplete, Reason::Remark { words });
        }
        self.remark(format!(
            "invalid list element {index} in argument {position} to call: cannot use value {shown} ({kinds}) as {name}"
        ))
    }

    /// The elements of a value that must be a list.
    pub(super) fn list_of(&mut self, value: &Value) -> Eval<Vec<Value>> {
        let value = self.settled(value)?;
        match &value {
            Value::Vertex(vertex) if self.context.kinds_of(&value) == Kinds::LIST => {
                self.context.open_data(*vertex)?;
                elements(self.context, std::slice::from_ref(&value), 0)
            }
            other => {
                let shown = crate::print::value(self.context, other);
                let kinds = self.context.kinds_of(other);
                let problem = format!("cannot use value {shown} (type {kinds}) as list");
                if self.context.is_concrete(other) || !kinds.meets(Kinds::LIST) {
                    return self.complain(problem);
                }
                let problem = format!("non-concrete value {shown}");
                self.context.stop(Code::Incomplete, Reason::Builtin { name: self.name.to_owned(), problem })
            }
        }
    }

    /// A complaint with the builtin's name before it.
    pub(super) fn complain<T>(&self, problem: impl Into<String>) -> Eval<T> {
        super::complain(self.context, self.name, problem)
    }

    /// A complaint without the builtin's name.
    pub(super) fn remark<T>(&self, words: impl Into<String>) -> Eval<T> {
        super::remark(self.context, words)
    }

    /// The answer no, with a reason that is told where a value is held against the builtin. `open` says that more
    /// could still come, which cosign lets pass and the strict reading does not.
    pub(super) fn refuse(&self, words: impl Into<String>, open: bool) -> Eval {
        if !self.constrains {
            return Ok(Value::Bool(false));
        }
        let code = if open && !self.context.strict { Code::Incomplete } else { Code::Eval };
        self.context.stop(code, Reason::Remark { words: words.into() })
    }

    /// A string as the answer, charged for.
    pub(super) fn answer(&mut self, text: &str) -> Eval {
        self.context.text_budget(text.len())?;
        Ok(Value::text(text))
    }

    /// Bytes as the answer, charged for.
    pub(super) fn octets(&mut self, bytes: Vec<u8>) -> Eval {
        self.context.text_budget(bytes.len())?;
        Ok(Value::Bytes(bytes.into()))
    }

    /// A list of strings as the answer.
    pub(super) fn texts<T: AsRef<str>>(&mut self, texts: impl IntoIterator<Item = T>) -> Eval {
        let values: Vec<_> = texts.into_iter().map(|text| Value::text(text.as_ref())).collect();
        self.list(values)
    }

    /// A list as the answer.
    pub(super) fn list(&mut self, values: Vec<Value>) -> Eval {
        self.context.spend(values.len())?;
        self.context.new_list(values)
    }

    /// A struct as the answer.
    pub(super) fn record(&mut self, fields: Vec<(&str, Value)>) -> Eval {
        let fields: Vec<_> =
            fields.into_iter().map(|(name, value)| (self.context.labels.text(name), value)).collect();
        self.whole(Value::Struct(fields.into()))
    }

    /// A plain value as the answer: lists and structs as vertices.
    pub(super) fn whole(&mut self, value: Value) -> Eval {
        match value {
            Value::Struct(_) | Value::List(_) => {
                let vertex = self.context.vertex_for(&value)?;
                self.context.expand(vertex)?;
                Ok(Value::Vertex(vertex))
            }
            scalar => Ok(scalar),
        }
    }
}

/// A computed decimal as a value: an integer where it is a whole number, whatever it was computed from.
pub(super) fn number(decimal: Decimal) -> Value {
    let (decimal, whole) = decimal.settled();
    Value::Number(Number { float: !whole, decimal }.into())
}
