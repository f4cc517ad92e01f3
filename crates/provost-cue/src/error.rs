//! Errors as data: code, reason, path and places. The sentences are made in one place, `Reason`'s `Display` in text.rs.

use std::fmt;

use crate::source::Position;

/// How an error behaves, in the order of severity. Only the code drives control flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Code {
    /// A contradiction that no further value can mend.
    Eval,
    /// Raised by the policy's own `error(…)`.
    User,
    /// Written as `_|_`.
    LegacyUser,
    /// A value that contains itself.
    StructuralCycle,
    /// More values could still mend it; cosign lets it pass.
    Incomplete,
    /// A value that waits for itself.
    Cycle,
}

impl Code {
    /// Whether more values could still mend it.
    pub(crate) fn is_incomplete(self) -> bool {
        self >= Self::Incomplete
    }
}

/// What is wrong. `V` is how a value is held: inside the evaluator by reference, outside as its printed text.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason<V = String> {
    /// Two values that differ.
    Conflict {
        /// The value printed first.
        left: V,
        /// The value printed second.
        right: V,
        /// Their kinds, where these already differ.
        kinds: Option<(String, String)>,
    },
    /// A value outside a bound or not matching a pattern.
    OutOfBound {
        /// The value found.
        value: V,
        /// The bound expected.
        bound: V,
    },
    /// Two bounds that no number satisfies.
    BoundsClash {
        /// What is bounded: `number`, `integer`, `string`.
        what: &'static str,
        /// The lower, or earlier, bound.
        left: V,
        /// The upper, or later, bound.
        right: V,
    },
    /// A builtin that is used as a constraint does not hold.
    Validator {
        /// The value found.
        value: V,
        /// The constraint.
        validator: V,
        /// Why, in the builtin's words.
        why: Option<Box<Self>>,
    },
    /// A field that a closed struct does not have.
    NotAllowed,
    /// A required field that is not there.
    Required,
    /// Every arm of a disjunction failed; their errors follow.
    EmptyDisjunction {
        /// How many errors follow.
        count: usize,
    },
    /// Two lists of different lengths.
    ListLength {
        /// The shorter length.
        short: usize,
        /// The longer length.
        long: usize,
    },
    /// A selector whose field is not there.
    UndefinedField {
        /// The field.
        label: String,
    },
    /// An index beyond a list.
    IndexOutOfRange {
        /// The index.
        index: String,
        /// The list's length.
        length: usize,
    },
    /// A reference to an optional field that is not there.
    OptionalReference {
        /// The field.
        label: String,
    },
    /// A reference to a required field that is not there.
    RequiredReference {
        /// The field.
        label: String,
    },
    /// A field of a value that was already used as if the field could not come.
    LateField {
        /// The field.
        label: String,
    },
    /// An operand that is not known yet.
    NonConcrete {
        /// The operand.
        value: V,
        /// The operator.
        operator: String,
    },
    /// Operands of the wrong kind.
    Operands {
        /// Left operand and its kind.
        left: (V, String),
        /// Right operand and its kind.
        right: (V, String),
        /// The operator.
        operator: &'static str,
    },
    /// An operand of a unary operator of the wrong kind.
    Operand {
        /// The operator.
        operator: &'static str,
        /// The operand and its kind.
        value: (V, String),
    },
    /// A value of the wrong kind where one kind is needed.
    WrongKind {
        /// The value found.
        value: V,
        /// Its kind.
        found: String,
        /// The kind expected.
        expected: String,
        /// What it is used as.
        context: &'static str,
    },
    /// A number divided by zero.
    DivisionByZero,
    /// A regular expression that RE2 does not take; the words follow `error parsing regexp: `.
    Regexp {
        /// What is wrong with it.
        problem: &'static str,
        /// The part at fault.
        part: String,
    },
    /// A name that is declared nowhere.
    ReferenceNotFound {
        /// The name.
        name: String,
    },
    /// An import that is not used.
    UnusedImport {
        /// The path in quotes, with ` as NAME` where it has one.
        import: String,
    },
    /// A let clause or alias that is not used.
    UnusedAlias {
        /// The name.
        name: String,
    },
    /// A package that CUE does not have.
    NoSuchPackage {
        /// The import path.
        path: String,
    },
    /// An import from a module; there are none here.
    ImportsUnavailable {
        /// Where the import stands.
        position: Position,
    },
    /// Files of different packages.
    MixedPackages {
        /// One package and its file.
        first: (String, String),
        /// The other package and its file.
        second: (String, String),
    },
    /// The source is not CUE.
    Syntax {
        /// What is wrong.
        problem: crate::text::Syntax,
    },
    /// The document is not JSON.
    InvalidJson {
        /// The byte at which it stops being JSON.
        offset: usize,
    },
    /// A JSON string with half of a surrogate pair.
    UnmatchedSurrogate,
    /// `_|_` in the policy.
    ExplicitBottom,
    /// The policy's own words.
    User {
        /// The words.
        message: String,
    },
    /// A value that contains itself.
    StructuralCycle,
    /// A value that waits for itself.
    Cycle {
        /// The field it waits for.
        label: String,
    },
    /// A builtin's own complaint.
    Builtin {
        /// The builtin.
        name: String,
        /// The complaint.
        problem: String,
    },
    /// A plain sentence of a validator.
    Remark {
        /// The sentence.
        words: String,
    },
    /// A disjunction that is not decided where one value is needed.
    Ambiguous {
        /// The disjunction.
        value: V,
    },
    /// A value that is not known where it must be.
    Incomplete {
        /// What is known of it.
        value: V,
    },
    /// Something of CUE that this evaluator does not know.
    Unsupported {
        /// The construct.
        construct: String,
    },
    /// A limit was reached.
    Limit {
        /// Which.
        what: &'static str,
        /// Its value.
        limit: u64,
    },
}

/// One error with its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CueError {
    /// The field, as `a."b c".0`; empty at the root.
    pub path: String,
    /// How it behaves.
    pub code: Code,
    /// What is wrong.
    pub reason: Reason,
    /// Where in the policy, most telling first.
    pub positions: Vec<Position>,
}

impl CueError {
    /// The value, constraint or kind that was expected, where the error has one.
    pub fn expected(&self) -> Option<&str> {
        match &self.reason {
            Reason::Conflict { right, .. } => Some(right),
            Reason::OutOfBound { bound, .. } => Some(bound),
            Reason::Validator { validator, .. } => Some(validator),
            Reason::WrongKind { expected, .. } => Some(expected),
            _ => None,
        }
    }

    /// The value that was found, where the error has one.
    pub fn found(&self) -> Option<&str> {
        match &self.reason {
            Reason::Conflict { left, .. } => Some(left),
            Reason::OutOfBound { value, .. } | Reason::Validator { value, .. } => Some(value),
            Reason::WrongKind { value, .. } => Some(value),
            _ => None,
        }
    }
}

impl fmt::Display for CueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        self.reason.fmt(f)
    }
}

/// One or more errors, the first being the one cosign shows.
///
/// `Display` is Go's `err.Error()`: the first error, and how many more there are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CueErrors {
    first: Box<CueError>,
    more: Vec<CueError>,
}

impl CueErrors {
    /// A list of one.
    pub(crate) fn one(path: String, code: Code, reason: Reason, positions: Vec<Position>) -> Self {
        Self { first: Box::new(CueError { path, code, reason, positions }), more: Vec::new() }
    }

    /// A list of all of these; `None` where there are none.
    pub(crate) fn all(errors: Vec<CueError>) -> Option<Self> {
        let mut errors = errors.into_iter();
        Some(Self { first: Box::new(errors.next()?), more: errors.collect() })
    }

    /// All errors, the one shown first.
    pub fn iter(&self) -> impl Iterator<Item = &CueError> {
        std::iter::once(&*self.first).chain(&self.more)
    }
}

impl fmt::Display for CueErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.first.fmt(f)?;
        match self.more.len() {
            0 => Ok(()),
            more => write!(f, " (and {more} more errors)"),
        }
    }
}

impl std::error::Error for CueErrors {}
