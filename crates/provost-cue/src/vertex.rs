//! Vertices, conjuncts and environments: the nodes of an evaluation, addressed by index.

use std::collections::HashMap;
use std::rc::Rc;

use crate::data::DataId;
use crate::expr::ExprId;
use crate::fault::{Bottom, Src};
use crate::kind::Kinds;
use crate::label::Label;
use crate::value::Value;

/// The index of a vertex in its evaluation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct VertexId(pub(crate) u32);

/// The index of an environment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct EnvId(pub(crate) u32);

/// The index of a closedness scope; 0 is the open world.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct ScopeId(pub(crate) u32);

/// The vertex above all roots; never evaluated.
pub(crate) const NOWHERE: VertexId = VertexId(0);
/// The environment of values without references.
pub(crate) const NO_ENV: EnvId = EnvId(0);
/// No scope, or none of one's own.
pub(crate) const OPEN: ScopeId = ScopeId(0);

/// Whether a field is there, must come, or may come. Ordered: unification takes the smaller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum ArcType {
    /// `x: …`
    Member,
    /// `x!: …`
    Required,
    /// `x?: …`
    Optional,
}

/// Where references go: the struct of this level, and the level above.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Env {
    pub(crate) up: EnvId,
    pub(crate) vertex: VertexId,
    /// Holds the let clauses of this very struct: each time a body is inserted it has its own.
    pub(crate) lets: VertexId,
}

/// What a conjunct carries for closedness and for finding values that contain themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Close {
    /// The definition or embedding it came through.
    pub(crate) scope: ScopeId,
    /// The struct it is embedded in, if it is.
    pub(crate) embed: ScopeId,
    /// The conjunction it is a side of, where that is embedded.
    pub(crate) both: ScopeId,
    /// Which references were followed to get here; 0 is none.
    pub(crate) chain: u32,
    /// Whether it came through a reference that was followed before on this path.
    pub(crate) cyclic: bool,
    /// Whether it came through `x...`: definitions do not close.
    pub(crate) open: bool,
}

impl Close {
    /// Of a conjunct that stands in the policy itself.
    pub(crate) const ROOT: Self =
        Self { scope: OPEN, embed: OPEN, both: OPEN, chain: 0, cyclic: false, open: false };

    /// For a field inside.
    pub(crate) fn field(self) -> Self {
        Self { embed: OPEN, both: OPEN, ..self }
    }
}

/// What a conjunct says.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Elem {
    Expr(ExprId),
    Value(Value),
    Data(DataId),
}

/// One thing said about a vertex.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Conjunct {
    pub(crate) env: EnvId,
    pub(crate) elem: Elem,
    pub(crate) close: Close,
}

/// How far a vertex is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Status {
    /// Its conjuncts only lie there.
    Fresh,
    /// Its conjuncts are inserted; more may come.
    Open,
    /// It is being completed, further up on the stack.
    Finalizing,
    /// Nothing may come any more.
    Final,
}

/// Work on a vertex that waits for something.
#[derive(Debug, Clone)]
pub(crate) struct Task {
    pub(crate) serial: u32,
    pub(crate) work: Work,
    pub(crate) env: EnvId,
    pub(crate) close: Close,
}

/// What the work is.
#[derive(Debug, Clone)]
pub(crate) enum Work {
    /// Copy the conjuncts of what a reference leads to.
    Resolve(ExprId),
    /// Evaluate and insert.
    Evaluate(ExprId),
    Comprehension(ExprId),
    Dynamic {
        key: ExprId,
        arc: ArcType,
        value: ExprId,
    },
    Pattern {
        pattern: ExprId,
        alias: Option<Label>,
        value: ExprId,
    },
    List(ExprId),
    DataList(DataId),
}

/// A disjunction that waits for everything else of its vertex.
#[derive(Debug, Clone)]
pub(crate) struct Choice {
    pub(crate) arms: Vec<(Elem, Mode)>,
    pub(crate) env: EnvId,
    pub(crate) close: Close,
}

/// Whether an arm is a default, is none though another is, or nobody said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Mode {
    Maybe,
    Not,
    Default,
}

/// A constraint for all fields, or elements, that it matches.
#[derive(Debug, Clone)]
pub(crate) struct Pattern {
    pub(crate) matches: Matches,
    pub(crate) env: EnvId,
    pub(crate) alias: Option<Label>,
    pub(crate) value: ExprId,
    pub(crate) close: Close,
}

/// Which labels a pattern matches.
#[derive(Debug, Clone)]
pub(crate) enum Matches {
    /// Fields whose name satisfies a value.
    Names(Value),
    /// Elements from an index on.
    From(usize),
}

/// A demand that every field be known to a definition or closed struct.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Demand {
    pub(crate) scope: ScopeId,
    /// Whether it holds for fields of fields, as of definitions.
    pub(crate) recursive: bool,
    /// Holds only for what comes from this scope and not from `outer` beside it; everything, where it is open.
    pub(crate) within: ScopeId,
    /// The struct in which the conjunction `within` is embedded.
    pub(crate) outer: ScopeId,
}

/// What is known about a vertex while its conjuncts are inserted.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub(crate) kinds: Kinds,
    /// What last changed the kinds, for error texts.
    pub(crate) kinds_by: Option<Src>,
    pub(crate) scalar: Option<Value>,
    pub(crate) lower: Option<Value>,
    pub(crate) upper: Option<Value>,
    pub(crate) checks: Vec<Value>,
    pub(crate) tasks: Vec<Task>,
    pub(crate) running: bool,
    pub(crate) choices: Vec<Choice>,
    pub(crate) had_choices: bool,
    pub(crate) patterns: Vec<Pattern>,
    pub(crate) demands: Vec<Demand>,
    /// Scopes that said `...`.
    pub(crate) ellipses: Vec<ScopeId>,
    /// Scopes that said `_` or a validator that takes anything.
    pub(crate) tops: Vec<ScopeId>,
    /// Length and whether it is closed.
    pub(crate) list: Option<(usize, bool)>,
    pub(crate) is_struct: bool,
    /// Whether a struct was written here, though it may only embed.
    pub(crate) literal: bool,
    pub(crate) errors: Option<Rc<Bottom>>,
    /// Targets whose conjuncts were copied here, and in which scope.
    pub(crate) copied: Vec<(VertexId, ScopeId)>,
    /// Vertices that copied from here and must hear of later conjuncts.
    pub(crate) receivers: Vec<(VertexId, Close)>,
    pub(crate) waiting_cycles: Vec<Conjunct>,
    pub(crate) has_own: bool,
    /// Arms that hold, defaults first, and how many are defaults.
    pub(crate) arms: Vec<VertexId>,
    pub(crate) defaults: usize,
    /// Its set of fields was used: no more may come.
    pub(crate) frozen: bool,
    /// Fields that were found missing: they may not come.
    pub(crate) missed: Vec<Label>,
    /// A missing field was filled by a default.
    pub(crate) by_default: bool,
}

impl Default for Node {
    fn default() -> Self {
        Self {
            kinds: Kinds::TOP,
            kinds_by: None,
            scalar: None,
            lower: None,
            upper: None,
            checks: Vec::new(),
            tasks: Vec::new(),
            running: false,
            choices: Vec::new(),
            had_choices: false,
            patterns: Vec::new(),
            demands: Vec::new(),
            ellipses: Vec::new(),
            tops: Vec::new(),
            list: None,
            is_struct: false,
            literal: false,
            errors: None,
            copied: Vec::new(),
            receivers: Vec::new(),
            waiting_cycles: Vec::new(),
            has_own: false,
            arms: Vec::new(),
            defaults: 0,
            frozen: false,
            missed: Vec::new(),
            by_default: false,
        }
    }
}

/// A vertex.
#[derive(Debug)]
pub(crate) struct Vertex {
    pub(crate) parent: VertexId,
    pub(crate) label: Label,
    pub(crate) arc: ArcType,
    pub(crate) status: Status,
    /// Whether the document has it.
    pub(crate) has_data: bool,
    /// Whether it stands in for another under the same path: an arm, or a value inside an expression.
    pub(crate) detached: bool,
    /// Whether it was completed the short way ([`crate::plain`]): its value is its piece of the document.
    pub(crate) plain: bool,
    /// Whether that took into account that it is closed.
    pub(crate) plainly_closed: bool,
    /// The arm that stands in its place.
    pub(crate) forward: Option<VertexId>,
    pub(crate) conjuncts: Vec<Conjunct>,
    pub(crate) arcs: Arcs,
    pub(crate) node: Option<Box<Node>>,
    /// The error it ends in, its fields' included; set when settled.
    pub(crate) settled: Option<Option<Rc<Bottom>>>,
}

/// The fields of a vertex in the order they came.
#[derive(Debug, Clone, Default)]
pub(crate) struct Arcs {
    list: Vec<(Label, VertexId)>,
    index: Option<HashMap<Label, VertexId>>,
}

/// Up to this many fields are searched one by one.
const FEW: usize = 16;

impl Arcs {
    pub(crate) fn get(&self, label: Label) -> Option<VertexId> {
        match &self.index {
            Some(index) => index.get(&label).copied(),
            None => self.list.iter().find(|(known, _)| *known == label).map(|(_, id)| *id),
        }
    }

    pub(crate) fn push(&mut self, label: Label, id: VertexId) {
        self.list.push((label, id));
        match &mut self.index {
            Some(index) => {
                index.insert(label, id);
            }
            None if self.list.len() > FEW => self.index = Some(self.list.iter().copied().collect()),
            None => {}
        }
    }

    pub(crate) fn at(&self, position: usize) -> Option<(Label, VertexId)> {
        self.list.get(position).copied()
    }

    pub(crate) fn len(&self) -> usize {
        self.list.len()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (Label, VertexId)> + '_ {
        self.list.iter().copied()
    }
}
