//! Builtins: functions and constraints, by package. What is not here is refused by name.

mod core;
mod encoding;
mod lists;
mod matching;
mod net;
mod strings;
mod structs;
mod time;
mod types;

use std::fmt;
use std::rc::Rc;

pub(crate) use types::predeclared;

use crate::context::Context;
use crate::error::{Code, Reason};
use crate::expr::ExprId;
use crate::fault::{Bottom, Eval, Fault, Src, Stop};
use crate::kind::Kinds;
use crate::resolve::Need;
use crate::value::{Validator, Value};
use crate::vertex::EnvId;

/// How a builtin is run: on its evaluated arguments.
type Run = fn(&mut Context<'_>, &[Value]) -> Eval;

/// One builtin.
pub(crate) struct Builtin {
    /// Its name with its package.
    pub(crate) name: &'static str,
    /// The kinds of its parameters; the first is what it constrains when used as a constraint.
    pub(crate) parameters: &'static [Kinds],
    /// Whether it answers true or false, and so can be a constraint.
    pub(crate) constraint: bool,
    /// Whether it takes values that are not known yet.
    pub(crate) open: bool,
    pub(crate) run: Run,
}

impl PartialEq for Builtin {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl fmt::Debug for Builtin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl Builtin {
    /// A function of known values.
    const fn function(name: &'static str, parameters: &'static [Kinds], run: Run) -> Self {
        Self { name, parameters, constraint: false, open: false, run }
    }

    /// A function of known values that answers true or false.
    const fn test(name: &'static str, parameters: &'static [Kinds], run: Run) -> Self {
        Self { name, parameters, constraint: true, open: false, run }
    }

    /// A constraint whose arguments need not be known.
    const fn open(name: &'static str, parameters: &'static [Kinds], run: Run) -> Self {
        Self { name, parameters, constraint: true, open: true, run }
    }

    /// What it constrains.
    pub(crate) fn subject(&self) -> Kinds {
        self.parameters.first().copied().unwrap_or(Kinds::TOP)
    }

    /// Whether its bare name is a constraint.
    pub(crate) fn bare_validator(&self) -> bool {
        self.constraint && self.parameters.len() == 1
    }
}

/// Whether a constraint takes over the check of which fields are allowed.
pub(crate) fn opens(builtin: &Builtin) -> bool {
    builtin.open
}

/// One package.
#[derive(Debug)]
pub(crate) struct Package {
    /// Its import path.
    pub(crate) path: &'static str,
    builtins: &'static [Builtin],
    constants: &'static [(&'static str, &'static str)],
}

impl Package {
    /// A member by name.
    pub(crate) fn member(&'static self, name: &str) -> Option<Value> {
        let constant = self.constants.iter().find(|(known, _)| *known == name);
        if let Some((_, text)) = constant {
            return Some(Value::text(text));
        }
        let short = |builtin: &Builtin| builtin.name.rsplit('.').next().is_some_and(|short| short == name);
        self.builtins.iter().find(|builtin| short(builtin)).map(Value::Builtin)
    }

    /// Whether CUE may have this member though we do not: exported names begin with a capital.
    pub(crate) fn knows(&self, name: &str) -> bool {
        name.starts_with(char::is_uppercase)
    }
}

/// The packages with members here, then those that CUE has and we refuse member by member.
static PACKAGES: &[Package] = &[
    Package { path: "strings", builtins: strings::BUILTINS, constants: &[] },
    Package { path: "list", builtins: lists::BUILTINS, constants: &[] },
    Package { path: "struct", builtins: structs::STRUCT, constants: &[] },
    Package { path: "regexp", builtins: structs::REGEXP, constants: &[] },
    Package { path: "math", builtins: structs::MATH, constants: &[] },
    Package { path: "strconv", builtins: structs::STRCONV, constants: &[] },
    Package { path: "time", builtins: time::BUILTINS, constants: time::LAYOUTS },
    Package { path: "net", builtins: net::BUILTINS, constants: &[] },
    Package { path: "encoding/json", builtins: encoding::JSON, constants: &[] },
    Package { path: "encoding/yaml", builtins: &[], constants: &[] },
    Package { path: "encoding/base64", builtins: encoding::BASE64, constants: &[] },
    Package { path: "encoding/hex", builtins: &[], constants: &[] },
    Package { path: "encoding/csv", builtins: &[], constants: &[] },
    Package { path: "encoding/toml", builtins: &[], constants: &[] },
    Package { path: "encoding/openapi", builtins: &[], constants: &[] },
    Package { path: "path", builtins: &[], constants: &[] },
    Package { path: "math/bits", builtins: &[], constants: &[] },
    Package { path: "crypto/sha256", builtins: &[], constants: &[] },
    Package { path: "crypto/sha512", builtins: &[], constants: &[] },
    Package { path: "crypto/sha1", builtins: &[], constants: &[] },
    Package { path: "crypto/md5", builtins: &[], constants: &[] },
    Package { path: "crypto/hmac", builtins: &[], constants: &[] },
    Package { path: "crypto/ed25519", builtins: &[], constants: &[] },
    Package { path: "uuid", builtins: &[], constants: &[] },
    Package { path: "html", builtins: &[], constants: &[] },
    Package { path: "text/template", builtins: &[], constants: &[] },
    Package { path: "text/tabwriter", builtins: &[], constants: &[] },
    Package { path: "tool", builtins: &[], constants: &[] },
    Package { path: "tool/cli", builtins: &[], constants: &[] },
    Package { path: "tool/exec", builtins: &[], constants: &[] },
    Package { path: "tool/file", builtins: &[], constants: &[] },
    Package { path: "tool/http", builtins: &[], constants: &[] },
    Package { path: "tool/os", builtins: &[], constants: &[] },
];

/// A package by import path.
pub(crate) fn package(path: &str) -> Option<&'static Package> {
    PACKAGES.iter().find(|package| package.path == path)
}

/// Calls a builtin, or makes a constraint of it where one argument is missing.
pub(crate) fn call(
    context: &mut Context<'_>,
    builtin: &'static Builtin,
    arguments: &[ExprId],
    env: EnvId,
    id: ExprId,
    force: bool,
) -> Eval {
    if builtin.name == "close" {
        return context.inline(id, env).map(Value::Vertex);
    }
    let wanted = builtin.parameters.len();
    let constrains = builtin.constraint && arguments.len() + 1 == wanted;
    if arguments.len() != wanted && !constrains {
        let few = if arguments.len() < wanted { "not enough" } else { "too many" };
        let have = arguments.len();
        let words = format!("{few} arguments in call to {} (have {have}, want {wanted})", builtin.name);
        return context.stop(Code::Eval, Reason::Remark { words });
    }
    let skip = usize::from(constrains);
    let mut values = Vec::with_capacity(arguments.len());
    for (argument, (position, kinds)) in
        arguments.iter().zip(builtin.parameters.iter().enumerate().skip(skip))
    {
        if builtin.open {
            let value = match context.program.expr(*argument) {
                crate::expr::Expr::Value(value) => value.clone(),
                _ => Value::Vertex(context.inline(*argument, env)?),
            };
            values.push(value);
            continue;
        }
        let value = context.eval_need(*argument, env, Need::Whole, force)?;
        values.push(known_argument(context, builtin, value, *kinds, position + 1 - skip)?);
    }
    if constrains {
        return Ok(Value::Validator(Validator { builtin, arguments: values, called: true }.into()));
    }
    if builtin.open {
        let words = format!("{} is a validator and should not be used as a function", builtin.name);
        return context.stop(Code::Eval, Reason::Remark { words });
    }
    (builtin.run)(context, &values)
}

fn known_argument(
    context: &mut Context<'_>,
    builtin: &'static Builtin,
    value: Value,
    kinds: Kinds,
    position: usize,
) -> Eval {
    if !context.is_concrete(&value) {
        let operator = format!("argument {position} of {}", builtin.name);
        return context.stop(Code::Incomplete, Reason::NonConcrete { value: value.into(), operator });
    }
    let found = context.kinds_of(&value);
    if found.within(kinds) {
        return Ok(value);
    }
    let words = format!(
        "cannot use {} (type {found}) as {kinds} in argument {position} to {}",
        crate::print::value(context, &value),
        builtin.name
    );
    context.stop(Code::Eval, Reason::Remark { words })
}

/// Holds a value against a constraint.
pub(crate) fn validate(context: &mut Context<'_>, validator: &Validator, value: &Value) -> Eval<()> {
    context.enter()?;
    let mut arguments = Vec::with_capacity(validator.arguments.len() + 1);
    arguments.push(value.clone());
    arguments.extend(validator.arguments.iter().cloned());
    let result = (validator.builtin.run)(context, &arguments);
    context.leave();
    let broken = match result {
        Ok(Value::Bool(true)) => return Ok(()),
        Ok(_) => None,
        Err(Stop::Bottom(bottom)) => Some(bottom),
        Err(stop) => return Err(stop),
    };
    let code = broken.as_ref().map_or(Code::Eval, |bottom| bottom.code);
    let mut faults = broken.map(|bottom| bottom.faults.clone()).unwrap_or_default();
    let why = if faults.is_empty() { None } else { Some(Box::new(faults.remove(0).reason)) };
    let shown = Src::Value(Value::Validator(validator.clone().into()));
    let reason = Reason::Validator { value: Src::Value(value.clone()), validator: shown, why };
    faults.insert(0, Fault { at: context.here, code, reason, span: None });
    Err(Stop::Bottom(Rc::new(Bottom { code, faults, closedness: false })))
}

/// A builtin's complaint, with its name before it.
fn complain<T>(context: &Context<'_>, name: &str, problem: impl Into<String>) -> Eval<T> {
    context.stop(Code::Eval, Reason::Builtin { name: name.to_owned(), problem: problem.into() })
}

/// A plain sentence as the reason.
fn remark<T>(context: &Context<'_>, words: impl Into<String>) -> Eval<T> {
    context.stop(Code::Eval, Reason::Remark { words: words.into() })
}

/// The argument at a position as a string; kinds were checked before.
fn text(arguments: &[Value], position: usize) -> std::sync::Arc<str> {
    match arguments.get(position) {
        Some(Value::Text(text)) => std::sync::Arc::clone(text),
        _ => std::sync::Arc::from(""),
    }
}

/// The argument at a position as a count; negative and huge ones saturate.
fn count(arguments: &[Value], position: usize) -> i64 {
    use num_traits::ToPrimitive;
    match arguments.get(position) {
        Some(Value::Number(number)) => match number.decimal.to_integer() {
            Some(value) => {
                value.to_i64().unwrap_or(if number.decimal.is_negative() { i64::MIN } else { i64::MAX })
            }
            None => 0,
        },
        _ => 0,
    }
}
