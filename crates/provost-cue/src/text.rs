//! The sentences of errors, as CUE v0.16.1 words them.

use std::fmt;

use crate::error::Reason;

/// What is wrong with the source, as CUE's scanner and parser say it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Syntax {
    /// One token where another was needed.
    Expected {
        /// What was needed.
        expected: String,
        /// What was found.
        found: String,
    },
    /// A comma is missing in this construct.
    MissingComma {
        /// `struct literal`, `list literal` or `argument list`.
        construct: &'static str,
    },
    /// Anything else, in CUE's words.
    Other {
        /// The words.
        words: String,
    },
}

impl fmt::Display for Syntax {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Expected { expected, found } => write!(f, "expected {expected}, found {found}"),
            Self::MissingComma { construct } => write!(f, "missing ',' in {construct}"),
            Self::Other { words } => f.write_str(words),
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Conflict { left, right, kinds: None } => write!(f, "conflicting values {left} and {right}"),
            Self::Conflict { left, right, kinds: Some((a, b)) } => {
                write!(f, "conflicting values {left} and {right} (mismatched types {a} and {b})")
            }
            Self::OutOfBound { value, bound } => write!(f, "invalid value {value} (out of bound {bound})"),
            Self::BoundsClash { what, left, right } => {
                write!(f, "incompatible {what} bounds {left} and {right}")
            }
            Self::Validator { value, validator, why: None } => {
                write!(f, "invalid value {value} (does not satisfy {validator})")
            }
            Self::Validator { value, validator, why: Some(why) } => {
                write!(f, "invalid value {value} (does not satisfy {validator}): {why}")
            }
            Self::NotAllowed => f.write_str("field not allowed"),
            Self::Required => f.write_str("field is required but not present"),
            Self::EmptyDisjunction { count: 0 } => f.write_str("empty disjunction"),
            Self::EmptyDisjunction { count } => write!(f, "{count} errors in empty disjunction:"),
            Self::ListLength { short, long } => write!(f, "incompatible list lengths ({short} and {long})"),
            Self::UndefinedField { label } => write!(f, "undefined field: {label}"),
            Self::IndexOutOfRange { index, length } => {
                write!(f, "index out of range [{index}] with length {length}")
            }
            Self::OptionalReference { label } => write!(f, "cannot reference optional field: {label}"),
            Self::RequiredReference { label } => write!(f, "required field missing: {label}"),
            Self::LateField { label } => {
                write!(f, "adding field {label} not allowed as field set was already referenced")
            }
            Self::NonConcrete { value, operator } => {
                write!(f, "non-concrete value {value} in operand to {operator}")
            }
            Self::Operands { left, right, operator } => write!(
                f,
                "invalid operands {} and {} to '{operator}' (type {} and {})",
                left.0, right.0, left.1, right.1
            ),
            Self::Operand { operator, value } => {
                write!(f, "invalid operation {operator}{} ({operator} {})", value.0, value.1)
            }
            Self::WrongKind { value, found, expected, context: "" } => {
                write!(f, "cannot use {value} (type {found}) as type {expected}")
            }
            Self::WrongKind { value, found, expected, context } => {
                write!(f, "cannot use {value} (type {found}) as type {expected} in {context}")
            }
            Self::DivisionByZero => f.write_str("failed arithmetic: division by zero"),
            Self::Regexp { problem, part } => {
                write!(f, "invalid regexp: error parsing regexp: {problem}: `{part}`")
            }
            Self::ReferenceNotFound { name } => write!(f, "reference \"{name}\" not found"),
            Self::UnusedImport { import } => write!(f, "imported and not used: {import}"),
            Self::UnusedAlias { name } => write!(f, "unreferenced alias or let clause {name}"),
            Self::NoSuchPackage { path } => write!(f, "builtin package \"{path}\" undefined"),
            Self::ImportsUnavailable { position } => write!(
                f,
                "import failed: {position}: imports are unavailable because there is no cue.mod/module.cue file"
            ),
            Self::MixedPackages { first, second } => {
                write!(f, "found packages \"{}\" ({}) and \"{}\" ({})", first.0, first.1, second.0, second.1)
            }
            Self::Syntax { problem } => problem.fmt(f),
            Self::InvalidJson { .. } => f.write_str("json: invalid JSON"),
            Self::UnmatchedSurrogate => f.write_str("invalid string: unmatched surrogate pair"),
            Self::ExplicitBottom => f.write_str("explicit error (_|_ literal) in source"),
            Self::User { message } => f.write_str(message),
            Self::StructuralCycle => f.write_str("structural cycle"),
            Self::Cycle { label } => write!(f, "cycle with field: {label}"),
            Self::Builtin { name, problem } => write!(f, "error in call to {name}: {problem}"),
            Self::Remark { words } => f.write_str(words),
            Self::Ambiguous { value } => write!(f, "unresolved disjunction {value}"),
            Self::Incomplete { value } => write!(f, "incomplete value {value}"),
            Self::Unsupported { construct } => write!(f, "unsupported by provost: {construct}"),
            Self::Limit { what, limit } => write!(f, "limit reached: {what} (at most {limit})"),
        }
    }
}

impl<V> Reason<V> {
    /// The same reason with every value held in another way.
    pub(crate) fn map<W>(self, hold: &mut dyn FnMut(V) -> W) -> Reason<W> {
        match self {
            Self::Conflict { left, right, kinds } => {
                Reason::Conflict { left: hold(left), right: hold(right), kinds }
            }
            Self::OutOfBound { value, bound } => {
                Reason::OutOfBound { value: hold(value), bound: hold(bound) }
            }
            Self::BoundsClash { what, left, right } => {
                Reason::BoundsClash { what, left: hold(left), right: hold(right) }
            }
            Self::Validator { value, validator, why } => Reason::Validator {
                value: hold(value),
                validator: hold(validator),
                why: why.map(|why| Box::new(why.map(hold))),
            },
            Self::NonConcrete { value, operator } => Reason::NonConcrete { value: hold(value), operator },
            Self::Operands { left, right, operator } => {
                Reason::Operands { left: (hold(left.0), left.1), right: (hold(right.0), right.1), operator }
            }
            Self::Operand { operator, value } => {
                Reason::Operand { operator, value: (hold(value.0), value.1) }
            }
            Self::WrongKind { value, found, expected, context } => {
                Reason::WrongKind { value: hold(value), found, expected, context }
            }
            Self::Ambiguous { value } => Reason::Ambiguous { value: hold(value) },
            Self::Incomplete { value } => Reason::Incomplete { value: hold(value) },
            Self::NotAllowed => Reason::NotAllowed,
            Self::Required => Reason::Required,
            Self::EmptyDisjunction { count } => Reason::EmptyDisjunction { count },
            Self::ListLength { short, long } => Reason::ListLength { short, long },
            Self::UndefinedField { label } => Reason::UndefinedField { label },
            Self::IndexOutOfRange { index, length } => Reason::IndexOutOfRange { index, length },
            Self::OptionalReference { label } => Reason::OptionalReference { label },
            Self::RequiredReference { label } => Reason::RequiredReference { label },
            Self::LateField { label } => Reason::LateField { label },
            Self::DivisionByZero => Reason::DivisionByZero,
            Self::Regexp { problem, part } => Reason::Regexp { problem, part },
            Self::ReferenceNotFound { name } => Reason::ReferenceNotFound { name },
            Self::UnusedImport { import } => Reason::UnusedImport { import },
            Self::UnusedAlias { name } => Reason::UnusedAlias { name },
            Self::NoSuchPackage { path } => Reason::NoSuchPackage { path },
            Self::ImportsUnavailable { position } => Reason::ImportsUnavailable { position },
            Self::MixedPackages { first, second } => Reason::MixedPackages { first, second },
            Self::Syntax { problem } => Reason::Syntax { problem },
            Self::InvalidJson { offset } => Reason::InvalidJson { offset },
            Self::UnmatchedSurrogate => Reason::UnmatchedSurrogate,
            Self::ExplicitBottom => Reason::ExplicitBottom,
            Self::User { message } => Reason::User { message },
            Self::StructuralCycle => Reason::StructuralCycle,
            Self::Cycle { label } => Reason::Cycle { label },
            Self::Builtin { name, problem } => Reason::Builtin { name, problem },
            Self::Remark { words } => Reason::Remark { words },
            Self::Unsupported { construct } => Reason::Unsupported { construct },
            Self::Limit { what, limit } => Reason::Limit { what, limit },
        }
    }
}
