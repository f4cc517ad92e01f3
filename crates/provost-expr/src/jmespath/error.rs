//! Why an expression gave no value, in the words Kyverno's users know.

use thiserror::Error;

/// A grammar error, worded as go-jmespath does.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("SyntaxError: {message}")]
pub struct SyntaxError {
    /// What was expected or found.
    pub message: String,
    /// Byte offset into the expression.
    pub offset: usize,
}

impl SyntaxError {
    /// The expression with a caret under the offending place.
    #[must_use]
    pub fn highlight(&self, expression: &str) -> String {
        format!("{expression}\n{}^", " ".repeat(self.offset))
    }
}

/// The types a function's argument may be required to have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TypeName {
    /// A number.
    Number,
    /// A text.
    Text,
    /// A list of anything.
    Array,
    /// An object.
    Object,
    /// A list of numbers only.
    ArrayNumber,
    /// A list of texts only.
    ArrayText,
    /// An `&expression`.
    Reference,
    /// Anything.
    Any,
    /// True or false; only ever returned.
    Bool,
}

impl TypeName {
    /// The name in signatures and error texts.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Number => "number",
            Self::Text => "string",
            Self::Array => "array",
            Self::Object => "object",
            Self::ArrayNumber => "array[number]",
            Self::ArrayText => "array[string]",
            Self::Reference => "expref",
            Self::Any => "any",
            Self::Bool => "bool",
        }
    }
}

/// What went wrong inside a function.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum FunctionFault {
    /// Operands of kinds that do not go together.
    #[error("Types mismatch")]
    TypesMismatch,
    /// A division by zero.
    #[error("Zero divisor passed")]
    ZeroDivisor,
    /// `modulo` of something with a fraction.
    #[error("Non-integer argument(s) passed for modulo")]
    NotIntegerModulo,
    /// `round` to a number of places that is no integer.
    #[error("Non-integer argument(s) passed for round off")]
    NotIntegerRound,
    /// `round` to a negative number of places; the peer prints its format verbs unfilled, we say what was wrong.
    #[error("argument #2 is out of bounds: expected 0 or more decimal places, found {0}")]
    PlacesOutOfBounds(i64),
    /// Neither number, quantity nor duration.
    #[error("invalid operand")]
    InvalidOperand,
    /// A result that no quantity can hold.
    #[error("result is out of the range of quantities")]
    OutOfRange,
    /// `sum` of nothing.
    #[error("at least one element in the array is required")]
    EmptySum,
    /// An argument of another type than the function can use.
    #[error("argument #{index} is not of type {wanted}")]
    ArgumentType {
        /// Which argument, from 1.
        index: usize,
        /// The type it should have.
        wanted: &'static str,
    },
    /// `lookup` with an index that is no integer.
    #[error("argument #2: expected an integer number but got: {0}")]
    NotAnIndex(String),
    /// A text that is neither true nor false.
    #[error("lowercase argument must be 'true' or 'false' (provided: '{0}')")]
    NotBoolean(String),
    /// A regular expression that does not compile, or that we refuse.
    #[error("error parsing regexp: {0}")]
    Regex(String),
    /// An image string that cannot be read.
    #[error("{0}")]
    Image(Box<crate::image::ImageError>),
    /// The environment does not offer what the function needs.
    #[error("{0} is not available here")]
    Unavailable(&'static str),
}

/// Why no value can be given.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum JmesError {
    /// The text is no expression.
    #[error(transparent)]
    Syntax(#[from] SyntaxError),
    /// A JSON literal or quoted identifier inside the expression is no JSON.
    #[error("{0}")]
    Literal(String),
    /// The expression is longer than [`super::MAX_EXPRESSION`].
    #[error("expression is longer than {limit} bytes", limit = super::MAX_EXPRESSION)]
    TooLong,
    /// The expression is nested deeper than [`super::MAX_DEPTH`].
    #[error("expression is nested deeper than {limit} levels", limit = super::MAX_DEPTH)]
    TooDeep,
    /// The evaluation did more than [`super::MAX_WORK`] steps.
    #[error("expression needs more than {limit} steps", limit = super::MAX_WORK)]
    TooMuchWork,
    /// A function would make a text longer than [`super::MAX_TEXT`].
    #[error("expression makes a text longer than {limit} bytes", limit = super::MAX_TEXT)]
    TextTooLong,
    /// A key that the object does not have.
    #[error("Unknown key \"{0}\" in path")]
    UnknownKey(String),
    /// A root value exists and could not be loaded.
    #[error("{0}")]
    Context(#[from] crate::context::LookupError),
    /// No such function.
    #[error("unknown function: {0}")]
    UnknownFunction(String),
    /// Too few or too many arguments.
    #[error("incorrect number of args")]
    ArgumentCount,
    /// Too few arguments for a function that takes any number.
    #[error("Invalid arity.")]
    Arity,
    /// An argument of a type the signature does not allow.
    #[error("Invalid type for: {given}, expected: []jmespath.JpType{{{expected}}}")]
    InvalidType {
        /// The argument, as Go prints it.
        given: String,
        /// The allowed types, quoted.
        expected: String,
    },
    /// A slice with step 0.
    #[error("Invalid slice, step cannot be 0")]
    SliceStep,
    /// `type` or `to_number` of an expression.
    #[error("unknown type")]
    UnknownType,
    /// `max_by`, `min_by` or `sort_by` over something other than numbers or texts.
    #[error("invalid type, must be number of string")]
    NotComparable,
    /// `max_by` or `min_by` over mixed values.
    #[error("invalid type, must be {0}")]
    MixedTypes(&'static str),
    /// `sort_by` over mixed values.
    #[error("error in sort_by comparison")]
    SortBy,
    /// An `&expression` where a value is needed.
    #[error("an expression reference is no value")]
    ReferenceAsValue,
    /// A number that JSON cannot hold.
    #[error("json: unsupported value: {0}")]
    NotANumber(String),
    /// A text that is no JSON.
    #[error("{0}")]
    Json(crate::go_text::JsonFault),
    /// A text that is no YAML.
    #[error("yaml: {0}")]
    Yaml(String),
    /// A text that is no base64.
    #[error("illegal base64 data at input byte {0}")]
    Base64(usize),
    /// A text that is no time of this layout.
    #[error(transparent)]
    Time(#[from] crate::go_time::TimeError),
    /// A text that is no duration.
    #[error(transparent)]
    Duration(#[from] crate::duration::DurationError),
    /// A text that is no integer.
    #[error("strconv.ParseInt: parsing {text}: {reason}")]
    Integer {
        /// The text, quoted.
        text: String,
        /// `invalid syntax` or `value out of range`.
        reason: &'static str,
    },
    /// A text that is no version range.
    #[error(transparent)]
    Range(#[from] crate::semver_range::RangeError),
    /// `regex_match` with an expression that does not compile, or that we refuse.
    #[error("error parsing regexp: {0}")]
    Regex(String),
    /// A host name that could not be resolved.
    #[error("lookup {0}: no such host")]
    NoSuchHost(String),
    /// A text that is no URL.
    #[error("parse {0}: invalid URL")]
    Url(String),
    /// `random` of nothing.
    #[error("no pattern provided")]
    NoPattern,
    /// `x509_decode` of something that is no PEM.
    #[error("failed to decode PEM block")]
    NotPem,
    /// `x509_decode` of another PEM block.
    #[error("PEM block neither contains a CERTIFICATE or CERTIFICATE REQUEST")]
    NotACertificate,
    /// `x509_decode` of a block that holds no certificate, or none with an RSA key.
    #[error(transparent)]
    Certificate(#[from] crate::certificate::CertificateFault),
    /// A fault inside a function, which names itself.
    #[error("JMESPath function '{name}': {fault}")]
    Function {
        /// The function.
        name: &'static str,
        /// What was wrong.
        fault: FunctionFault,
    },
}

impl JmesError {
    /// Whether this is the outcome that `||`, comparisons, arguments, projections and pipes read as null.
    #[must_use]
    pub fn is_unknown_key(&self) -> bool {
        matches!(self, Self::UnknownKey(_))
    }
}
