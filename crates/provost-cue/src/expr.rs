//! The compiled policy: an arena of expressions whose references are (levels up, label).

use std::sync::Arc;

use crate::label::{Label, Labels};
use crate::source::{Sources, Span};
use crate::value::{BoundOp, Value};
use crate::vertex::ArcType;

/// The index of an expression in its [`Program`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct ExprId(pub(crate) u32);

/// One expression.
#[derive(Debug)]
pub(crate) enum Expr {
    /// A literal, a type or a builtin.
    Value(Value),
    /// `_|_`
    Bottom,
    /// A struct; its declarations see one level more.
    Struct(Vec<Decl>),
    List {
        elements: Vec<Element>,
        /// `...` and the expression after it.
        open: Option<Option<ExprId>>,
    },
    /// A field, let clause, variable or alias some levels up.
    Reference {
        up: u32,
        label: Label,
    },
    /// The struct some levels up itself.
    Enclosing {
        up: u32,
    },
    /// The value that is being evaluated: an alias of it used outside any struct.
    Here,
    /// The list around the element that is being evaluated.
    Around,
    /// A member that a package of the standard library does not have.
    Missing(&'static str, Label),
    /// An imported package.
    Package(usize),
    /// An expression of some levels up.
    Up(u32, ExprId),
    /// The field some levels up whose name is the value of an expression there.
    Keyed {
        up: u32,
        key: ExprId,
    },
    /// A reference that may lead nowhere, guarded by a try clause.
    Optional(ExprId),
    /// Something whose closedness does not count here.
    Open(ExprId),
    Select(ExprId, Label),
    Index(ExprId, ExprId),
    Slice(ExprId, Option<ExprId>, Option<ExprId>),
    Unary(&'static str, ExprId),
    Binary(&'static str, ExprId, ExprId),
    Bound(BoundOp, ExprId),
    Interpolation(Vec<Piece>, bool),
    Call(ExprId, Vec<ExprId>),
    /// The arms, and whether each is marked as a default.
    Disjunction(Vec<(ExprId, bool)>),
    /// The conditions and body of a comprehension, and the body for when it comes to nothing.
    Comprehension(Vec<Clause>, ExprId, Option<ExprId>),
}

/// A declaration.
#[derive(Debug)]
pub(crate) enum Decl {
    Field {
        label: Label,
        arc: ArcType,
        value: ExprId,
    },
    Dynamic {
        key: ExprId,
        arc: ArcType,
        value: ExprId,
    },
    /// With an alias the value sees one level more, which holds the label.
    Pattern {
        pattern: ExprId,
        alias: Option<Label>,
        value: ExprId,
    },
    Let {
        label: Label,
        value: ExprId,
    },
    Embed(ExprId),
    /// An embedding that closes like a conjunct: where opening is explicit.
    Unify(ExprId),
    Comprehension(ExprId),
    Ellipsis,
}

/// An element of a list.
#[derive(Debug)]
pub(crate) enum Element {
    Expr(ExprId),
    Comprehension(ExprId),
}

/// A clause; `for` and `let` add one level for what follows.
#[derive(Debug)]
pub(crate) enum Clause {
    For {
        key: Option<Label>,
        value: Label,
        source: ExprId,
    },
    If(ExprId),
    Let {
        label: Label,
        value: ExprId,
    },
    /// Goes on only where all these references lead somewhere; adds one level with a name.
    Try {
        label: Option<Label>,
        value: Option<ExprId>,
        references: Vec<ExprId>,
    },
}

/// A piece of an interpolated string.
#[derive(Debug)]
pub(crate) enum Piece {
    Text(Vec<u8>),
    Expr(ExprId),
}

/// All files of a policy, compiled. Shared between evaluations.
#[derive(Debug)]
pub(crate) struct Program {
    exprs: Vec<(Expr, Span)>,
    /// The top-level struct of each file, in order of file names.
    pub(crate) roots: Vec<ExprId>,
    /// The same of every package that is compiled here.
    pub(crate) packages: Vec<Vec<ExprId>>,
    /// Expressions asked of the instance, on its top level.
    pub(crate) expressions: Vec<ExprId>,
    /// Documents held against expressions.
    pub(crate) documents: Vec<ExprId>,
    pub(crate) labels: Arc<Labels>,
    pub(crate) sources: Sources,
    /// Whether there is any disjunction: only then can arms be dropped for absent fields.
    pub(crate) disjunctions: bool,
}

/// What an id that is not of this program reads as.
static NOTHING: Expr = Expr::Bottom;

impl Program {
    /// A program without roots.
    pub(crate) fn new(
        exprs: Vec<(Expr, Span)>,
        roots: Vec<ExprId>,
        packages: Vec<Vec<ExprId>>,
        labels: Labels,
        sources: Sources,
    ) -> Self {
        let disjunctions = exprs.iter().any(|(expr, _)| match expr {
            Expr::Disjunction(_) => true,
            Expr::Value(Value::Builtin(builtin)) => {
                // The last two wait for what could still come: where nothing can, they are decided.
                matches!(builtin.name, "or" | "matchN" | "matchIf" | "struct.MinFields" | "list.UniqueItems")
            }
            _ => false,
        });
        let (expressions, documents) = (Vec::new(), Vec::new());
        let labels = Arc::new(labels);
        Self { exprs, roots, packages, expressions, documents, labels, sources, disjunctions }
    }

    /// The expression of an id.
    pub(crate) fn expr(&self, id: ExprId) -> &Expr {
        self.exprs.get(id.0 as usize).map_or(&NOTHING, |(expr, _)| expr)
    }

    /// Where it stands.
    pub(crate) fn span(&self, id: ExprId) -> Span {
        self.exprs.get(id.0 as usize).map_or_else(Span::default, |(_, span)| *span)
    }
}
