//! Builtins: functions and constraints, by package. What is not here is refused by name.

#[cfg(test)]
mod tests;

mod base64;
mod bits;
mod call;
mod core;
mod csv;
mod declared;
mod hash;
mod hex;
mod html;
mod json;
mod lists;
mod matching;
mod math;
mod net;
mod path;
mod regexp;
mod strconv;
mod strings;
mod structs;
mod tabwriter;
mod template;
mod time;
mod toml;
mod types;
mod unmarshal;
mod uuid;
mod yaml;

use std::fmt;
use std::rc::Rc;

pub(crate) use types::predeclared;

use call::Call;

use crate::context::Context;
use crate::error::{Code, Reason};
use crate::expr::ExprId;
use crate::fault::{Bottom, Eval, Fault, Src, Stop};
use crate::kind::Kinds;
use crate::resolve::Need;
use crate::value::{Validator, Value};
use crate::vertex::EnvId;

/// How a builtin is run: on its evaluated arguments.
type Run = fn(&mut Call<'_, '_>) -> Eval;

/// One builtin.
pub(crate) struct Builtin {
    /// Its name with its package's import path.
    pub(crate) name: &'static str,
    /// The kinds of its parameters; the first is what it constrains when used as a constraint.
    pub(crate) parameters: &'static [Kinds],
    /// Whether it answers true or false, and so can be a constraint.
    pub(crate) constraint: bool,
    /// Whether it takes values that are not known yet.
    pub(crate) open: bool,
    /// How many leading parameters are evaluated and known even where it is open.
    known: usize,
    /// The last argument where it is left out.
    default: Option<&'static str>,
    run: Run,
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
        Self { name, parameters, constraint: false, open: false, known: 0, default: None, run }
    }

    /// A function of known values that answers true or false.
    const fn test(name: &'static str, parameters: &'static [Kinds], run: Run) -> Self {
        Self { constraint: true, ..Self::function(name, parameters, run) }
    }

    /// A constraint whose arguments need not be known.
    const fn open(name: &'static str, parameters: &'static [Kinds], run: Run) -> Self {
        Self { open: true, ..Self::test(name, parameters, run) }
    }

    /// A test of a known value against a schema, callable as a function too.
    const fn schema(name: &'static str, parameters: &'static [Kinds], run: Run) -> Self {
        Self { known: 1, ..Self::open(name, parameters, run) }
    }

    /// The same with a value for a last argument that is left out; it can then be no constraint.
    const fn or(self, default: &'static str) -> Self {
        Self { default: Some(default), constraint: false, ..self }
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
    builtin.open && builtin.known == 0
}

/// One package.
#[derive(Debug)]
pub(crate) struct Package {
    /// Its import path.
    pub(crate) path: &'static str,
    builtins: &'static [Builtin],
    /// Names with what they stand for, spelled as in CUE.
    constants: &'static [(&'static str, &'static str)],
    /// Members that are CUE values themselves.
    declared: &'static str,
}

impl Package {
    /// A package of functions only.
    const fn of(path: &'static str, builtins: &'static [Builtin]) -> Self {
        Self { path, builtins, constants: &[], declared: "" }
    }

    /// The same with constants.
    const fn with(self, constants: &'static [(&'static str, &'static str)]) -> Self {
        Self { constants, ..self }
    }

    /// The same with members written in CUE.
    const fn declaring(self, declared: &'static str) -> Self {
        Self { declared, ..self }
    }

    /// A member by name.
    pub(crate) fn member(&'static self, name: &str) -> Option<Value> {
        let constant = self.constants.iter().find(|(known, _)| *known == name);
        if let Some((_, text)) = constant {
            return match text.strip_prefix('"') {
                Some(text) => Some(Value::text(text.trim_end_matches('"'))),
                None => {
                    crate::literal::number(text, text.contains('.')).ok().map(|n| Value::Number(n.into()))
                }
            };
        }
        let short = |builtin: &Builtin| builtin.name.rsplit('.').next().is_some_and(|short| short == name);
        self.builtins.iter().find(|builtin| short(builtin)).map(Value::Builtin)
    }

    /// The CUE source of the struct whose field this member is, where it is one.
    pub(crate) fn source(&self, name: &str) -> Option<&'static str> {
        let begins = |line: &str| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(':'));
        self.declared.lines().any(begins).then_some(self.declared)
    }

    /// Whether CUE has this member though we do not.
    pub(crate) fn knows(&self, name: &str) -> bool {
        matches!((self.path, name), ("encoding/openapi", "MarshalSchema") | ("text/template", "Execute"))
    }
}

/// The packages of CUE's standard library.
static PACKAGES: &[Package] = &[
    Package::of("strings", strings::BUILTINS),
    Package::of("list", lists::BUILTINS).declaring(declared::LIST),
    Package::of("struct", structs::BUILTINS),
    Package::of("regexp", regexp::BUILTINS),
    Package::of("math", math::BUILTINS).with(math::CONSTANTS),
    Package::of("math/bits", bits::BUILTINS),
    Package::of("strconv", strconv::BUILTINS).with(&[("IntSize", "64")]),
    Package::of("time", time::BUILTINS).with(time::CONSTANTS),
    Package::of("net", net::BUILTINS).with(&[("IPv4len", "4"), ("IPv6len", "16")]),
    Package::of("path", path::BUILTINS).with(path::CONSTANTS),
    Package::of("encoding/json", json::BUILTINS),
    Package::of("encoding/yaml", yaml::BUILTINS),
    Package::of("encoding/base64", base64::BUILTINS),
    Package::of("encoding/hex", hex::BUILTINS),
    Package::of("encoding/csv", csv::BUILTINS),
    Package::of("encoding/toml", toml::BUILTINS),
    Package::of("encoding/openapi", &[]).declaring(declared::OPENAPI),
    Package::of("crypto/sha256", hash::SHA256).with(hash::SHA256_SIZES),
    Package::of("crypto/sha512", hash::SHA512).with(hash::SHA512_SIZES),
    Package::of("crypto/sha1", hash::SHA1).with(&[("Size", "20"), ("BlockSize", "64")]),
    Package::of("crypto/md5", hash::MD5).with(&[("Size", "16"), ("BlockSize", "64")]),
    Package::of("crypto/hmac", hash::HMAC).with(hash::HMAC_NAMES),
    Package::of("crypto/ed25519", hash::ED25519).with(&[("PublicKeySize", "32")]),
    Package::of("uuid", uuid::BUILTINS).declaring(declared::UUID),
    Package::of("html", html::BUILTINS),
    Package::of("text/template", template::BUILTINS),
    Package::of("text/tabwriter", tabwriter::BUILTINS),
    Package::of("tool", &[]),
    Package::of("tool/cli", &[]).declaring(declared::TOOL_CLI),
    Package::of("tool/exec", &[]).declaring(declared::TOOL_EXEC),
    Package::of("tool/file", &[]).declaring(declared::TOOL_FILE),
    Package::of("tool/http", &[]).declaring(declared::TOOL_HTTP),
    Package::of("tool/os", &[]).declaring(declared::TOOL_OS),
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
    let filled = builtin.default.is_some() && arguments.len() + 1 == wanted;
    if arguments.len() != wanted && !constrains && !filled {
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
        if builtin.open && position >= builtin.known {
            let value = match context.program.expr(*argument) {
                crate::expr::Expr::Value(value) => value.clone(),
                _ => Value::Vertex(context.inline(*argument, env)?),
            };
            values.push(value);
            continue;
        }
        // A list may count its own elements while they are still without value.
        let need = if builtin.name == "len" { Need::Fields } else { Need::Whole };
        let value = context.eval_need(*argument, env, need, force)?;
        values.push(known_argument(context, builtin, value, *kinds, position)?);
    }
    if filled && let Some(default) = builtin.default {
        values.push(Value::text(default));
    }
    if constrains {
        return Ok(Value::Validator(Validator { builtin, arguments: values, called: true }.into()));
    }
    if builtin.open && builtin.known == 0 {
        let words = format!("{} is a validator and should not be used as a function", builtin.name);
        return context.stop(Code::Eval, Reason::Remark { words });
    }
    let mut call = Call { context, arguments: &values, name: builtin.name, constrains: false };
    (builtin.run)(&mut call)
}

fn known_argument(
    context: &mut Context<'_>,
    builtin: &'static Builtin,
    value: Value,
    kinds: Kinds,
    position: usize,
) -> Eval {
    let found = context.kinds_of(&value);
    if !found.meets(kinds) || (context.is_concrete(&value) && !found.within(kinds)) {
        let words = format!(
            "cannot use {} (type {found}) as {kinds} in argument {} to {}",
            crate::print::value(context, &value),
            position + 1,
            builtin.name
        );
        return context.stop(Code::Eval, Reason::Remark { words });
    }
    if !context.is_concrete(&value) {
        if let Value::Vertex(vertex) = &value
            && context.known(context.actual(*vertex)).is_some_and(|node| !node.arms.is_empty())
        {
            let shown = crate::print::value(context, &value);
            let words = format!("unresolved disjunction {shown} (type {found})");
            return context.stop(Code::Incomplete, Reason::Remark { words });
        }
        if kinds == Kinds::TOP {
            let words = format!("non-concrete argument {position}");
            return context.stop(Code::Incomplete, Reason::Remark { words });
        }
        let problem = format!("non-concrete value {}", crate::print::value(context, &value));
        let reason = Reason::Builtin { name: builtin.name.to_owned(), problem };
        return context.stop(Code::Incomplete, reason);
    }
    Ok(value)
}

/// Holds a value against a constraint.
pub(crate) fn validate(context: &mut Context<'_>, validator: &Validator, value: &Value) -> Eval<()> {
    context.enter()?;
    let mut arguments = Vec::with_capacity(validator.arguments.len() + 1);
    arguments.push(value.clone());
    arguments.extend(validator.arguments.iter().cloned());
    let name = validator.builtin.name;
    let result =
        (validator.builtin.run)(&mut Call { context, arguments: &arguments, name, constrains: true });
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
