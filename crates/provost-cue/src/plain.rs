//! The short way: a constraint that a piece of the document meets without adding anything to it.
//!
//! Most of a document meets its policy, and where it does the outcome is the document itself. Seeing that needs no
//! vertices: the constraint's expression is held against the JSON tree. The answer is only used where it is certain
//! ([`Fit::Yes`]); anything that could fill, choose, refer or fail is left to the full evaluation, which alone makes
//! errors.

use crate::context::Context;
use crate::data::{Data, DataId, Node as DataNode};
use crate::error::Reason;
use crate::expr::{Decl, Element, Expr, ExprId};
use crate::fault::{Done, Eval, Stop};
use crate::kind::Kinds;
use crate::label::LabelKind;
use crate::value::{Value, same};
use crate::vertex::{ArcType, Conjunct, Elem, EnvId, NO_ENV, OPEN, Status, VertexId};

/// How many references may lead to each other before they lead to a value: definitions that stand for definitions
/// are rare, and a circle of them must end.
const HOPS: u8 = 16;

/// How a constraint and a piece of the document go together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fit {
    /// Unified they are the piece as it is.
    Yes,
    /// They are an error.
    No,
    /// It takes the evaluator to say.
    Unknown,
}

impl Fit {
    fn of(fits: bool) -> Self {
        if fits { Self::Yes } else { Self::No }
    }

    /// Both must fit.
    fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::No, _) | (_, Self::No) => Self::No,
            (Self::Yes, Self::Yes) => Self::Yes,
            _ => Self::Unknown,
        }
    }
}

/// From where an expression is read.
#[derive(Debug, Clone, Copy)]
struct Place {
    /// The environment of the expression the reading began with.
    env: EnvId,
    /// How many structs were entered since, which have no vertex.
    inner: u32,
    /// Whether fields that the constraint does not name are refused.
    closed: bool,
    /// References followed since the document was last gone into.
    hops: u8,
}

impl Place {
    /// Inside a field or element.
    fn below(self) -> Self {
        Self { hops: 0, ..self }
    }
}

impl<'a> Context<'a> {
    /// Completes a vertex the short way, where its constraints are met by the document as it is. It then counts as
    /// a piece of the document until something more is said about it.
    pub(crate) fn finalize_plain(&mut self, v: VertexId) -> Done<bool> {
        if !self.plain || self.vertex(v).status != Status::Fresh || self.vertex(v).node.is_some() {
            return Ok(false);
        }
        let Some((id, constraints)) = self.constraints(v) else { return Ok(false) };
        let demands = self.demands(v)?;
        let closed = !demands.is_empty();
        if closed {
            // With one constraint, in every demand's scope, its fields are the ones that are allowed.
            let [only] = constraints.as_slice() else { return Ok(false) };
            let inside = |demand: &crate::vertex::Demand| {
                demand.within == OPEN && self.in_scope(only.close.scope, demand.scope)
            };
            if !demands.iter().all(inside) {
                return Ok(false);
            }
        }
        for constraint in &constraints {
            let Elem::Expr(expr) = constraint.elem else { return Ok(false) };
            let place = Place { env: constraint.env, inner: 0, closed, hops: 0 };
            if self.fits(expr, place, id)? != Fit::Yes {
                return Ok(false);
            }
        }
        let vertex = self.vertex_mut(v);
        vertex.status = Status::Final;
        vertex.plain = true;
        vertex.plainly_closed = closed;
        Ok(true)
    }

    /// Gives a vertex that was completed the short way back to the evaluator.
    pub(crate) fn reopen_plain(&mut self, v: VertexId) {
        let vertex = self.vertex_mut(v);
        vertex.plain = false;
        vertex.status = Status::Fresh;
        vertex.arcs = Default::default();
    }

    /// The one piece of the document a vertex holds, and what else is said about it.
    fn constraints(&self, v: VertexId) -> Option<(DataId, Vec<Conjunct>)> {
        let mut data = None;
        let mut constraints = Vec::new();
        for conjunct in &self.vertex(v).conjuncts {
            let close = conjunct.close;
            if close.cyclic || close.embed != OPEN || close.both != OPEN {
                return None;
            }
            match conjunct.elem {
                Elem::Data(id) if data.is_none() && close.chain == 0 => data = Some(id),
                Elem::Expr(_) => constraints.push(conjunct.clone()),
                _ => return None,
            }
        }
        Some((data?, constraints)).filter(|(_, constraints)| !constraints.is_empty())
    }

    fn fits(&mut self, expr: ExprId, place: Place, id: DataId) -> Done<Fit> {
        self.enter()?;
        let fit = self.fits_inside(expr, place, id)?;
        self.leave();
        Ok(fit)
    }

    fn fits_inside(&mut self, expr: ExprId, place: Place, id: DataId) -> Done<Fit> {
        let Some(data) = self.data else { return Ok(Fit::Unknown) };
        match self.program.expr(expr) {
            Expr::Value(value) => self.fits_value(value, id),
            Expr::Struct(decls) => self.fits_struct(data, decls, place, id),
            Expr::List { elements, open } => self.fits_list(data, elements, *open, place, id),
            Expr::Binary("&", left, right) => {
                let whole = matches!(data.node(id), DataNode::List(_) | DataNode::Struct(_));
                if place.closed && whole {
                    return Ok(Fit::Unknown);
                }
                let left = self.fits(*left, place, id)?;
                Ok(left.and(self.fits(*right, place, id)?))
            }
            Expr::Disjunction(arms) => {
                let mut met = 0;
                for (arm, _) in arms {
                    match self.fits(*arm, place, id)? {
                        Fit::Yes => met += 1,
                        Fit::No => {}
                        Fit::Unknown => return Ok(Fit::Unknown),
                    }
                }
                let scalar = !matches!(data.node(id), DataNode::List(_) | DataNode::Struct(_));
                // Several arms that a struct meets may still differ in what they allow.
                Ok(if met > 1 && !scalar { Fit::Unknown } else { Fit::of(met > 0) })
            }
            Expr::Reference { up, label } => {
                if *up < place.inner || place.hops >= HOPS || label.kind() == LabelKind::Let {
                    return Ok(Fit::Unknown);
                }
                if place.closed && !label.is_definition() {
                    return Ok(Fit::Unknown);
                }
                let base = self.env(self.env_up(place.env, up - place.inner)).vertex;
                let Some(target) = self.vertex(base).arcs.get(*label) else { return Ok(Fit::Unknown) };
                let vertex = self.vertex(target);
                let [Conjunct { env, elem: Elem::Expr(expr), close }] = vertex.conjuncts.as_slice() else {
                    return Ok(Fit::Unknown);
                };
                if close.cyclic || vertex.arc != ArcType::Member || vertex.forward.is_some() {
                    return Ok(Fit::Unknown);
                }
                let closed = place.closed || label.is_definition();
                let there = Place { env: *env, inner: 0, closed, hops: place.hops + 1 };
                let expr = *expr;
                if !self.ancestors_done(target) {
                    return Ok(Fit::Unknown);
                }
                self.fits(expr, there, id)
            }
            _ => match self.constant(expr)? {
                Some(value) => self.fits_value(&value, id),
                None => Ok(Fit::Unknown),
            },
        }
    }

    fn fits_struct(&mut self, data: &'a Data, decls: &'a [Decl], place: Place, id: DataId) -> Done<Fit> {
        let known = |decl: &Decl| match decl {
            Decl::Field { label, .. } => label.is_text(),
            Decl::Pattern { alias, .. } => alias.is_none(),
            Decl::Ellipsis => true,
            _ => false,
        };
        if !decls.iter().all(known) {
            return Ok(Fit::Unknown);
        }
        let DataNode::Struct(members) = data.node(id) else { return Ok(Fit::No) };
        let members = data.members(members);
        self.spend(members.len())?;
        let inside = Place { inner: place.inner + 1, ..place.below() };
        let open = decls.iter().any(|decl| matches!(decl, Decl::Ellipsis));
        let mut named = vec![!place.closed || open; members.len()];
        for decl in decls {
            match decl {
                Decl::Field { label, arc, value } => {
                    let name = self.labels.name(*label);
                    self.spend(members.len() / 16)?;
                    let at = members.iter().position(|(range, _)| data.text(range) == &*name);
                    let Some((at, (_, member))) = at.and_then(|at| Some((at, members.get(at)?))) else {
                        if *arc == ArcType::Optional {
                            continue;
                        }
                        return Ok(Fit::Unknown);
                    };
                    if let Some(named) = named.get_mut(at) {
                        *named = true;
                    }
                    match self.fits(*value, inside, *member)? {
                        Fit::Yes => {}
                        fit => return Ok(fit),
                    }
                }
                Decl::Pattern { pattern, value, .. } => {
                    let Some(names) = self.constant(*pattern)? else { return Ok(Fit::Unknown) };
                    for ((range, member), named) in members.iter().zip(&mut named) {
                        match self.certain(|context| context.fits_name(&names, data.text(range)))? {
                            Fit::Yes => {}
                            Fit::No => continue,
                            Fit::Unknown => return Ok(Fit::Unknown),
                        }
                        *named = true;
                        match self.fits(*value, inside, *member)? {
                            Fit::Yes => {}
                            fit => return Ok(fit),
                        }
                    }
                }
                _ => {}
            }
        }
        Ok(Fit::of(named.into_iter().all(|named| named)))
    }

    fn fits_list(
        &mut self,
        data: &'a Data,
        elements: &'a [Element],
        open: Option<Option<ExprId>>,
        place: Place,
        id: DataId,
    ) -> Done<Fit> {
        if elements.iter().any(|element| matches!(element, Element::Comprehension(_))) {
            return Ok(Fit::Unknown);
        }
        let DataNode::List(items) = data.node(id) else { return Ok(Fit::No) };
        let items = data.elements(items);
        if items.len() < elements.len() || (items.len() > elements.len() && open.is_none()) {
            return Ok(Fit::No);
        }
        self.spend(items.len())?;
        let (first, rest) = items.split_at(elements.len());
        for (element, item) in elements.iter().zip(first) {
            let Element::Expr(element) = element else { return Ok(Fit::Unknown) };
            match self.fits(*element, place.below(), *item)? {
                Fit::Yes => {}
                fit => return Ok(fit),
            }
        }
        let Some(Some(each)) = open else { return Ok(Fit::Yes) };
        for item in rest {
            match self.fits(each, place.below(), *item)? {
                Fit::Yes => {}
                fit => return Ok(fit),
            }
        }
        Ok(Fit::Yes)
    }

    fn fits_value(&mut self, value: &Value, id: DataId) -> Done<Fit> {
        let Some(data) = self.data else { return Ok(Fit::Unknown) };
        let kinds = match data.node(id) {
            DataNode::Null => Kinds::NULL,
            DataNode::Bool(_) => Kinds::BOOL,
            DataNode::Number(range) if data.text(range).contains(['.', 'e', 'E']) => Kinds::FLOAT,
            DataNode::Number(_) => Kinds::INT,
            DataNode::String(_) => Kinds::STRING,
            DataNode::List(_) => Kinds::LIST,
            DataNode::Struct(_) => Kinds::STRUCT,
        };
        match (value, data.node(id)) {
            (Value::Builtin(_) | Value::Vertex(_) | Value::Struct(_) | Value::List(_), _) => Ok(Fit::Unknown),
            (Value::Type(types), _) => Ok(Fit::of(kinds.meets(*types))),
            (Value::All(_) | Value::Any(..), DataNode::List(_) | DataNode::Struct(_)) => Ok(Fit::Unknown),
            (Value::All(values), _) => {
                let mut fit = Fit::Yes;
                for value in values.iter() {
                    fit = fit.and(self.fits_value(value, id)?);
                }
                Ok(fit)
            }
            (Value::Any(values, _), _) => {
                let mut met = false;
                for value in values.iter() {
                    match self.fits_value(value, id)? {
                        Fit::Unknown => return Ok(Fit::Unknown),
                        fit => met |= fit == Fit::Yes,
                    }
                }
                Ok(Fit::of(met))
            }
            _ if !kinds.meets(value.kinds()) => Ok(Fit::No),
            (Value::Text(text), DataNode::String(range)) => Ok(Fit::of(data.text(range) == &**text)),
            (Value::Bound(..) | Value::Validator(_), _) => match self.data_scalar(id)? {
                Some(scalar) => self.certain(|context| context.satisfies(&scalar, value)),
                None => Ok(Fit::Unknown),
            },
            _ => Ok(match self.data_scalar(id)? {
                Some(scalar) => Fit::of(same(&scalar, value)),
                None => Fit::Unknown,
            }),
        }
    }

    /// Whether a member's name is one a pattern speaks of.
    fn fits_name(&mut self, names: &Value, name: &str) -> Eval<bool> {
        match names {
            Value::Type(kinds) => Ok(kinds.meets(Kinds::STRING)),
            Value::Bound(..) => self.satisfies(&Value::text(name), names),
            _ => Err(Stop::Blocked),
        }
    }

    /// An answer, unless it takes more to know.
    fn certain(&mut self, ask: impl FnOnce(&mut Self) -> Eval<bool>) -> Done<Fit> {
        Ok(self.attempt(ask)?.map_or(Fit::Unknown, Fit::of))
    }

    /// The outcome of work, or nothing where it has none; the full evaluation will say why, and where. Only a limit
    /// ends everything here as well.
    fn attempt<T>(&mut self, work: impl FnOnce(&mut Self) -> Eval<T>) -> Done<Option<T>> {
        let (depth, here) = (self.depth, self.here);
        match work(self) {
            Ok(outcome) => Ok(Some(outcome)),
            Err(Stop::Abort(abort)) if matches!(abort.reason, Reason::Limit { .. }) => Err(abort),
            Err(_) => {
                (self.depth, self.here) = (depth, here);
                Ok(None)
            }
        }
    }

    /// The value of an expression that is the same wherever it is read: literals, and what is made of them alone.
    fn constant(&mut self, expr: ExprId) -> Done<Option<Value>> {
        if let Some(known) = self.constants.get(&expr) {
            return Ok(known.clone());
        }
        let value = match self.is_constant(expr)? {
            true => self.attempt(|context| context.eval(expr, NO_ENV, true))?,
            false => None,
        };
        let value = value.filter(|value| !matches!(value, Value::Vertex(_)));
        self.constants.insert(expr, value.clone());
        Ok(value)
    }

    fn is_constant(&mut self, expr: ExprId) -> Done<bool> {
        self.enter()?;
        let parts: Vec<ExprId> = match self.program.expr(expr) {
            Expr::Value(_) => Vec::new(),
            Expr::Unary(_, part) | Expr::Bound(_, part) => vec![*part],
            Expr::Binary(operator, left, right) if *operator != "&" => vec![*left, *right],
            Expr::Call(function, arguments) => arguments.iter().copied().chain([*function]).collect(),
            _ => {
                self.leave();
                return Ok(false);
            }
        };
        let mut constant = true;
        for part in parts {
            constant = constant && self.is_constant(part)?;
        }
        self.leave();
        Ok(constant)
    }
}
