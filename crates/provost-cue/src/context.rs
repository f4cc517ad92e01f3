//! One evaluation: its arenas, its budget, and how its parts are reached.

use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use crate::data::{Data, DataId, Node as DataNode};
use crate::error::{Code, Reason};
use crate::expr::{ExprId, Program};
use crate::fault::{Abort, Bottom, Done, Eval, Src, Stop};
use crate::label::{Label, Labels};
use crate::limits::Limits;
use crate::number::{Decimal, Number};
use crate::regex::Regex;
use crate::source::Span;
use crate::value::Value;
use crate::vertex::{
    ArcType, Arcs, Close, Conjunct, Elem, Env, EnvId, NO_ENV, NOWHERE, Node, OPEN, ScopeId, Status, Vertex,
    VertexId,
};

/// The name of the limit on levels that wait for each other.
pub(crate) const LEVELS: &str = "levels of evaluation";

/// A reference that was followed, and the ones before it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Link {
    pub(crate) up: u32,
    pub(crate) target: VertexId,
    pub(crate) reference: u32,
}

/// One evaluation.
pub(crate) struct Context<'a> {
    pub(crate) program: &'a Program,
    pub(crate) data: Option<&'a Data>,
    pub(crate) labels: Labels,
    pub(crate) limits: Limits,
    pub(crate) vertices: Vec<Vertex>,
    envs: Vec<Env>,
    scopes: Vec<ScopeId>,
    pub(crate) links: Vec<Link>,
    steps: u64,
    pub(crate) depth: usize,
    pub(crate) serial: u32,
    /// Whether arms that need an absent field are dropped.
    pub(crate) strict: bool,
    /// The document's root, once it is inserted.
    pub(crate) root: VertexId,
    /// The vertex whose expressions are being evaluated: errors show its path.
    pub(crate) here: VertexId,
    regexes: HashMap<Arc<str>, Rc<Regex>>,
    /// Whether the field being inserted was written in the body of a comprehension: it was foreseen.
    pub(crate) conditional: bool,
    /// How many arms of disjunctions are being tried around what is done now.
    pub(crate) trials: usize,
    /// Conjunctions inside expressions, by the vertex made for them.
    pub(crate) inlines: HashMap<VertexId, crate::expr::ExprId>,
    /// The imported packages that were asked for.
    packages: HashMap<usize, VertexId>,
    /// Whether vertices may be completed the short way ([`crate::plain`]).
    pub(crate) plain: bool,
    /// Expressions that are the same wherever they are read, and their values.
    pub(crate) constants: HashMap<ExprId, Option<Value>>,
}

impl<'a> Context<'a> {
    pub(crate) fn new(program: &'a Program, data: Option<&'a Data>, limits: &Limits, strict: bool) -> Self {
        let mut context = Self {
            program,
            data,
            labels: Labels::above(Arc::clone(&program.labels)),
            limits: *limits,
            vertices: Vec::new(),
            envs: vec![Env { up: NO_ENV, vertex: NOWHERE, lets: NOWHERE }],
            scopes: vec![OPEN],
            links: vec![Link { up: 0, target: NOWHERE, reference: u32::MAX }],
            steps: 0,
            depth: 0,
            serial: 0,
            strict,
            root: NOWHERE,
            here: NOWHERE,
            regexes: HashMap::new(),
            conditional: false,
            trials: 0,
            inlines: HashMap::new(),
            packages: HashMap::new(),
            plain: false,
            constants: HashMap::new(),
        };
        context.vertices.push(Vertex {
            parent: NOWHERE,
            label: Label::index(0),
            arc: ArcType::Member,
            status: Status::Final,
            has_data: false,
            detached: true,
            plain: false,
            plainly_closed: false,
            forward: None,
            conjuncts: Vec::new(),
            arcs: Arcs::default(),
            node: Some(Box::default()),
            settled: None,
        });
        context
    }

    /// A limit as the end of the evaluation.
    pub(crate) fn over<T>(&self, what: &'static str, limit: u64) -> Done<T> {
        Err(Box::new(Abort { reason: Reason::Limit { what, limit }, at: self.here, span: None }))
    }

    /// Something unknown as the end of the evaluation.
    pub(crate) fn unsupported<T>(&self, construct: impl Into<String>, span: Option<Span>) -> Done<T> {
        let reason = Reason::Unsupported { construct: construct.into() };
        Err(Box::new(Abort { reason, at: self.here, span }))
    }

    /// Takes units of work from the budget.
    pub(crate) fn spend(&mut self, steps: usize) -> Done {
        self.steps = self.steps.saturating_add(steps as u64);
        if self.steps > self.limits.steps {
            self.over("steps of evaluation", self.limits.steps)
        } else {
            Ok(())
        }
    }

    /// Goes one level deeper; [`Self::leave`] comes back.
    pub(crate) fn enter(&mut self) -> Done {
        if self.depth >= self.limits.eval_depth {
            return self.over(LEVELS, self.limits.eval_depth as u64);
        }
        self.depth += 1;
        self.spend(1)
    }

    pub(crate) fn leave(&mut self) {
        self.depth -= 1;
    }

    pub(crate) fn vertex(&self, id: VertexId) -> &Vertex {
        #[expect(
            clippy::indexing_slicing,
            reason = "ids are made by `add_vertex` alone and vertices are never removed"
        )]
        &self.vertices[id.0 as usize]
    }

    pub(crate) fn vertex_mut(&mut self, id: VertexId) -> &mut Vertex {
        #[expect(
            clippy::indexing_slicing,
            reason = "ids are made by `add_vertex` alone and vertices are never removed"
        )]
        &mut self.vertices[id.0 as usize]
    }

    /// What is known about a vertex; made on first use.
    pub(crate) fn node(&mut self, id: VertexId) -> &mut Node {
        self.vertex_mut(id).node.get_or_insert_default()
    }

    /// What is known about a vertex, if anything is.
    pub(crate) fn known(&self, id: VertexId) -> Option<&Node> {
        self.vertex(id).node.as_deref()
    }

    /// The vertex that stands in place of another: a chosen arm.
    pub(crate) fn actual(&self, mut id: VertexId) -> VertexId {
        while let Some(next) = self.vertex(id).forward {
            id = next;
        }
        id
    }

    pub(crate) fn add_vertex(&mut self, parent: VertexId, label: Label, arc: ArcType) -> Done<VertexId> {
        if self.vertices.len() >= self.limits.vertices {
            return self.over("vertices", self.limits.vertices as u64);
        }
        self.vertices.push(Vertex {
            parent,
            label,
            arc,
            status: Status::Fresh,
            has_data: false,
            detached: false,
            plain: false,
            plainly_closed: false,
            forward: None,
            conjuncts: Vec::new(),
            arcs: Arcs::default(),
            node: None,
            settled: None,
        });
        Ok(VertexId((self.vertices.len() - 1) as u32))
    }

    /// The root of an imported package, made on first use.
    pub(crate) fn package(&mut self, index: usize) -> Done<VertexId> {
        if let Some(known) = self.packages.get(&index) {
            return Ok(*known);
        }
        let root = self.add_vertex(NOWHERE, Label::index(0), ArcType::Member)?;
        let roots = self.program.packages.get(index).map(Vec::as_slice).unwrap_or_default();
        let conjunct = |id: &crate::expr::ExprId| Self::conjunct(NO_ENV, Elem::Expr(*id), Close::ROOT);
        self.vertex_mut(root).conjuncts = roots.iter().map(conjunct).collect();
        self.packages.insert(index, root);
        Ok(root)
    }

    /// A vertex for a value inside an expression; errors show the path of what is being evaluated.
    pub(crate) fn add_detached(&mut self, conjuncts: Vec<Conjunct>) -> Done<VertexId> {
        let id = self.add_vertex(self.here, Label::index(0), ArcType::Member)?;
        let vertex = self.vertex_mut(id);
        vertex.detached = true;
        vertex.has_data = conjuncts.iter().any(|conjunct| matches!(conjunct.elem, Elem::Data(_)));
        vertex.conjuncts = conjuncts;
        Ok(id)
    }

    pub(crate) fn add_env(&mut self, up: EnvId, vertex: VertexId) -> Done<EnvId> {
        self.spend(1)?;
        self.envs.push(Env { up, vertex, lets: NOWHERE });
        Ok(EnvId((self.envs.len() - 1) as u32))
    }

    pub(crate) fn env(&self, id: EnvId) -> Env {
        self.envs.get(id.0 as usize).copied().unwrap_or(Env { up: NO_ENV, vertex: NOWHERE, lets: NOWHERE })
    }

    /// Gives an environment a place for let clauses.
    pub(crate) fn add_lets(&mut self, env: EnvId, parent: VertexId) -> Done<VertexId> {
        let lets = self.add_detached(Vec::new())?;
        self.vertex_mut(lets).parent = parent;
        if let Some(env) = self.envs.get_mut(env.0 as usize) {
            env.lets = lets;
        }
        Ok(lets)
    }

    /// The environment some levels up.
    pub(crate) fn env_up(&self, mut id: EnvId, up: u32) -> EnvId {
        for _ in 0..up {
            id = self.env(id).up;
        }
        id
    }

    pub(crate) fn add_scope(&mut self, parent: ScopeId) -> Done<ScopeId> {
        self.spend(1)?;
        self.scopes.push(parent);
        Ok(ScopeId((self.scopes.len() - 1) as u32))
    }

    /// Whether a scope lies in another or is it.
    pub(crate) fn in_scope(&self, mut scope: ScopeId, outer: ScopeId) -> bool {
        loop {
            if scope == outer {
                return true;
            }
            // Parents are always older than their children.
            match self.scopes.get(scope.0 as usize) {
                Some(parent) if parent.0 < scope.0 => scope = *parent,
                _ => return false,
            }
        }
    }

    pub(crate) fn link(&self, id: u32) -> Option<Link> {
        if id == 0 { None } else { self.links.get(id as usize).copied() }
    }

    /// A bottom at the place being evaluated.
    pub(crate) fn bottom(&self, code: Code, reason: Reason<Src>) -> Rc<Bottom> {
        Bottom::new(self.here, code, reason, None)
    }

    /// A bottom as the end of an expression.
    pub(crate) fn stop<T>(&self, code: Code, reason: Reason<Src>) -> Eval<T> {
        Err(Stop::Bottom(self.bottom(code, reason)))
    }

    /// Records an error of a vertex.
    pub(crate) fn add_error(&mut self, id: VertexId, bottom: Rc<Bottom>) {
        let node = self.node(id);
        node.errors = Bottom::combine(node.errors.take(), Some(bottom));
    }

    /// Whether only the document says anything about a vertex.
    pub(crate) fn only_data(&self, id: VertexId) -> Option<DataId> {
        let vertex = self.vertex(id);
        if vertex.plain {
            return vertex.conjuncts.iter().find_map(|conjunct| match conjunct.elem {
                Elem::Data(data) => Some(data),
                _ => None,
            });
        }
        match vertex.conjuncts.as_slice() {
            [Conjunct { elem: Elem::Data(data), .. }] if vertex.node.is_none() => Some(*data),
            _ => None,
        }
    }

    /// A JSON scalar as a value; lists and objects are none.
    pub(crate) fn data_scalar(&self, id: DataId) -> Done<Option<Value>> {
        let Some(data) = self.data else { return Ok(None) };
        Ok(Some(match data.node(id) {
            DataNode::Null => Value::Null,
            DataNode::Bool(value) => Value::Bool(*value),
            DataNode::String(range) => Value::text(data.text(range)),
            DataNode::Number(range) => {
                let text = data.text(range);
                match Decimal::parse(text) {
                    Some(decimal) => {
                        Value::Number(Arc::new(Number { float: text.contains(['.', 'e', 'E']), decimal }))
                    }
                    None => {
                        return self.over("digits of an exponent", crate::number::EXPONENT.unsigned_abs());
                    }
                }
            }
            DataNode::List(_) | DataNode::Struct(_) => return Ok(None),
        }))
    }

    /// A compiled regular expression, or why it is none.
    pub(crate) fn regex(&mut self, pattern: &Arc<str>) -> Eval<Rc<Regex>> {
        if let Some(regex) = self.regexes.get(pattern) {
            return Ok(Rc::clone(regex));
        }
        self.spend(pattern.len())?;
        match Regex::new(pattern) {
            Ok(regex) => {
                let regex = Rc::new(regex);
                self.regexes.insert(Arc::clone(pattern), Rc::clone(&regex));
                Ok(regex)
            }
            Err(crate::regex::Problem::Syntax { problem, part }) => {
                self.stop(Code::Eval, Reason::Regexp { problem, part })
            }
            Err(crate::regex::Problem::Size { limit }) => {
                Ok(self.over("bytes of a compiled regular expression", limit)?)
            }
        }
    }

    /// The path of a vertex as errors show it.
    pub(crate) fn path(&self, id: VertexId) -> String {
        let mut steps = Vec::new();
        let mut at = id;
        while at != NOWHERE {
            let vertex = self.vertex(at);
            if !vertex.detached && vertex.parent != NOWHERE {
                steps.push(self.labels.shown(vertex.label));
            }
            at = vertex.parent;
        }
        steps.reverse();
        steps.join(".")
    }

    /// A conjunct of the policy itself.
    pub(crate) fn conjunct(env: EnvId, elem: Elem, close: Close) -> Conjunct {
        Conjunct { env, elem, close }
    }
}
