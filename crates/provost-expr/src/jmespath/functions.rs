//! The functions of expressions: their signatures, the check of arguments, and the call.

mod arithmetic;
mod collection;
mod encoding;
mod network;
mod random;
mod text;
mod time;

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde_json::Value;

use super::MAX_TEXT;
use super::error::{FunctionFault, JmesError, TypeName};
use super::evaluate::Interpreter;
use super::item::Item;
use crate::go_text;

type Handler = for<'i, 'a> fn(&mut Call<'i, 'a>) -> Result<Value, JmesError>;

/// What a function is called with, and what it gives.
#[derive(Clone, Copy)]
pub struct Signature {
    /// The name in expressions.
    pub name: &'static str,
    /// The types each argument may have.
    pub arguments: &'static [&'static [TypeName]],
    /// Whether more arguments may follow the last one.
    pub variadic: bool,
    /// The types of the result.
    pub returns: &'static [TypeName],
    /// One line on what it does.
    pub note: &'static str,
    /// Whether JMESPath itself has it, or Kyverno adds it.
    pub builtin: bool,
    handler: Handler,
}

impl std::fmt::Debug for Signature {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}

/// `name(string, string|number) bool`, as `kyverno jp function` prints it.
impl std::fmt::Display for Signature {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let types =
            |types: &[TypeName], sign: &str| types.iter().map(|t| t.name()).collect::<Vec<_>>().join(sign);
        let arguments: Vec<String> = self.arguments.iter().map(|argument| types(argument, "|")).collect();
        write!(f, "{}({}) {}", self.name, arguments.join(", "), types(self.returns, ","))
    }
}

impl Signature {
    const fn new(
        name: &'static str,
        arguments: &'static [&'static [TypeName]],
        returns: &'static [TypeName],
        handler: Handler,
        note: &'static str,
    ) -> Self {
        Self { name, arguments, variadic: false, returns, note, builtin: false, handler }
    }

    const fn builtin(self) -> Self {
        Self { builtin: true, ..self }
    }

    const fn variadic(self) -> Self {
        Self { variadic: true, ..self }
    }
}

/// Short names for the types, so that the tables stay readable.
mod types {
    use super::TypeName;

    pub(super) const N: &[TypeName] = &[TypeName::Number];
    pub(super) const S: &[TypeName] = &[TypeName::Text];
    pub(super) const A: &[TypeName] = &[TypeName::Array];
    pub(super) const O: &[TypeName] = &[TypeName::Object];
    pub(super) const B: &[TypeName] = &[TypeName::Bool];
    pub(super) const ANY: &[TypeName] = &[TypeName::Any];
    pub(super) const REF: &[TypeName] = &[TypeName::Reference];
    pub(super) const NUMBERS: &[TypeName] = &[TypeName::ArrayNumber];
    pub(super) const TEXTS: &[TypeName] = &[TypeName::ArrayText];
    pub(super) const NUMBERS_OR_TEXTS: &[TypeName] = &[TypeName::ArrayNumber, TypeName::ArrayText];
    pub(super) const TEXTS_OR_NUMBERS: &[TypeName] = &[TypeName::ArrayText, TypeName::ArrayNumber];
    pub(super) const TEXT_OR_NUMBER: &[TypeName] = &[TypeName::Text, TypeName::Number];
    pub(super) const LIST_OR_TEXT: &[TypeName] = &[TypeName::Array, TypeName::Text];
    pub(super) const OBJECT_OR_LIST: &[TypeName] = &[TypeName::Object, TypeName::Array];
    pub(super) const SIZED: &[TypeName] = &[TypeName::Text, TypeName::Array, TypeName::Object];
}

static TABLE: LazyLock<BTreeMap<&'static str, Signature>> = LazyLock::new(|| {
    [
        text::FUNCTIONS,
        arithmetic::FUNCTIONS,
        collection::FUNCTIONS,
        encoding::FUNCTIONS,
        network::FUNCTIONS,
        random::FUNCTIONS,
        time::FUNCTIONS,
    ]
    .concat()
    .into_iter()
    .map(|signature| (signature.name, signature))
    .collect()
});

/// All functions, by name.
pub fn signatures() -> impl Iterator<Item = &'static Signature> {
    TABLE.values()
}

/// One call: its arguments, already checked against the signature.
pub(super) struct Call<'i, 'a> {
    interpreter: &'i Interpreter<'a>,
    name: &'static str,
    arguments: Vec<Item<'a>>,
}

/// Calls a function by name.
///
/// # Errors
/// For unknown functions, arguments that do not fit, and what the function itself finds.
pub(super) fn call<'a>(
    interpreter: &Interpreter<'a>,
    name: &str,
    arguments: Vec<Item<'a>>,
) -> Result<Value, JmesError> {
    let signature = TABLE.get(name).ok_or_else(|| JmesError::UnknownFunction(name.to_owned()))?;
    check(signature, &arguments)?;
    // A text is read at least once by most functions; 16 bytes count as one step.
    let read: usize = arguments
        .iter()
        .filter_map(|argument| argument.value().and_then(Value::as_str))
        .map(|text| text.len() / 16)
        .sum();
    interpreter.charge(1 + read)?;
    let mut call = Call { interpreter, name: signature.name, arguments };
    (signature.handler)(&mut call)
}

fn check(signature: &Signature, arguments: &[Item<'_>]) -> Result<(), JmesError> {
    let wanted = signature.arguments.len();
    if signature.variadic {
        if arguments.len() < wanted {
            return Err(JmesError::Arity);
        }
    } else if arguments.len() != wanted {
        return Err(JmesError::ArgumentCount);
    }
    // Kyverno does not check the arguments of variadic functions and panics inside; we check them all.
    let last = signature.arguments.last().copied().unwrap_or_default();
    let types = signature.arguments.iter().copied().chain(std::iter::repeat(last));
    for (argument, types) in arguments.iter().zip(types) {
        if !types.iter().any(|wanted| is_of(argument, *wanted)) {
            let expected: Vec<String> = types.iter().map(|t| format!("\"{}\"", t.name())).collect();
            return Err(JmesError::InvalidType { given: argument.shown(), expected: expected.join(", ") });
        }
    }
    Ok(())
}

fn is_of(argument: &Item<'_>, wanted: TypeName) -> bool {
    let Some(value) = argument.value() else {
        return matches!(wanted, TypeName::Reference | TypeName::Any);
    };
    match wanted {
        TypeName::Number => value.is_number(),
        TypeName::Text => value.is_string(),
        TypeName::Array => value.is_array(),
        TypeName::Object => value.is_object(),
        TypeName::ArrayNumber => value.as_array().is_some_and(|items| items.iter().all(Value::is_number)),
        TypeName::ArrayText => value.as_array().is_some_and(|items| items.iter().all(Value::is_string)),
        TypeName::Reference => false,
        TypeName::Any => true,
        TypeName::Bool => value.is_boolean(),
    }
}

impl<'i, 'a> Call<'i, 'a> {
    fn interpreter(&self) -> &'i Interpreter<'a> {
        self.interpreter
    }

    fn value(&self, index: usize) -> &Value {
        self.arguments.get(index).and_then(Item::value).unwrap_or(&Value::Null)
    }

    fn text(&self, index: usize) -> &str {
        self.value(index).as_str().unwrap_or_default()
    }

    fn number(&self, index: usize) -> f64 {
        self.value(index).as_f64().unwrap_or_default()
    }

    /// Takes an argument out.
    fn take(&mut self, index: usize) -> Item<'a> {
        self.arguments
            .get_mut(index)
            .map_or(Item::Own(Value::Null), |item| std::mem::replace(item, Item::Own(Value::Null)))
    }

    /// Takes a list argument's elements out.
    fn elements(&mut self, index: usize) -> Result<Vec<Item<'a>>, JmesError> {
        let item = self.take(index);
        Ok(self.interpreter.elements(item)?.unwrap_or_default())
    }

    fn owned(&self, item: Item<'a>) -> Result<Value, JmesError> {
        self.interpreter.own(item)
    }

    fn fault(&self, fault: FunctionFault) -> JmesError {
        JmesError::Function { name: self.name, fault }
    }

    fn wrong_type(&self, index: usize, wanted: &'static str) -> JmesError {
        self.fault(FunctionFault::ArgumentType { index, wanted })
    }

    /// A number or text as Kyverno turns it into text.
    fn printed(&self, index: usize) -> String {
        match self.value(index) {
            Value::Number(n) => go_text::plain32(n.as_f64().unwrap_or_default()),
            other => other.as_str().unwrap_or_default().to_owned(),
        }
    }
}

/// A text result, within the limit.
fn text_value(text: String) -> Result<Value, JmesError> {
    if text.len() > MAX_TEXT { Err(JmesError::TextTooLong) } else { Ok(Value::String(text)) }
}

/// A number result.
fn number_value(value: f64) -> Result<Value, JmesError> {
    go_text::number(value).map(Value::Number).ok_or_else(|| JmesError::NotANumber(go_text::plain(value)))
}
