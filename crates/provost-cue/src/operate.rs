//! Expressions: operators, bounds, interpolation, slices and calls.

mod arithmetic;
pub(crate) use arithmetic::whole;

use std::cmp::Ordering;
use std::sync::Arc;

use crate::builtin;
use crate::context::Context;
use crate::error::{Code, Reason};
use crate::expr::{Expr, ExprId, Piece};
use crate::fault::{Bottom, Eval, Stop};
use crate::insert::order;
use crate::kind::Kinds;
use crate::resolve::{Need, Target};
use crate::value::{BoundOp, Value};
use crate::vertex::{Close, Conjunct, Elem, EnvId, NOWHERE, Status, VertexId};

impl Context<'_> {
    /// The value of an expression; structs and lists by handle.
    pub(crate) fn eval(&mut self, id: ExprId, env: EnvId, force: bool) -> Eval {
        self.eval_need(id, env, Need::Scalar, force)
    }

    /// The value of an expression, known as far as needed.
    pub(crate) fn eval_need(&mut self, id: ExprId, env: EnvId, need: Need, force: bool) -> Eval {
        self.enter()?;
        let value = self.eval_inside(id, env, need, force);
        self.leave();
        value
    }

    fn eval_inside(&mut self, id: ExprId, env: EnvId, need: Need, force: bool) -> Eval {
        let program = self.program;
        match program.expr(id) {
            Expr::Value(value) => Ok(value.clone()),
            Expr::Bottom => {
                let span = Some(program.span(id));
                Err(Stop::Bottom(Bottom::new(NOWHERE, Code::LegacyUser, Reason::ExplicitBottom, span)))
            }
            Expr::Missing(_, label) => {
                let label = self.labels.shown(*label);
                self.stop(Code::Incomplete, Reason::UndefinedField { label })
            }
            Expr::Open(inner) => self.eval_need(*inner, env, need, force),
            Expr::Reference { .. }
            | Expr::Enclosing { .. }
            | Expr::Select(..)
            | Expr::Index(..)
            | Expr::Here
            | Expr::Around
            | Expr::Package(_)
            | Expr::Up(..)
            | Expr::Keyed { .. }
            | Expr::Optional(_) => match self.target(id, env, force)? {
                Target::Vertex(vertex) => self.value_of(vertex, need, force),
                Target::Value(value) => Ok(value),
            },
            Expr::Struct(_) | Expr::List { .. } | Expr::Disjunction(_) | Expr::Binary("&", ..) => {
                let vertex = self.inline(id, env)?;
                self.value_of(vertex, need, force)
            }
            Expr::Comprehension(..) => {
                Ok(self.unsupported("comprehension as a value", Some(program.span(id)))?)
            }
            Expr::Unary(op, value) => self.unary(op, *value, env, force),
            Expr::Binary(op @ ("==" | "!="), left, right)
                if matches!(program.expr(*left), Expr::Bottom)
                    || matches!(program.expr(*right), Expr::Bottom) =>
            {
                let tested = if matches!(program.expr(*left), Expr::Bottom) { *right } else { *left };
                let is_bottom = self.is_bottom(tested, env, force)?;
                Ok(Value::Bool(is_bottom == (*op == "==")))
            }
            Expr::Binary(op, left, right) => {
                let left = self.operand(*left, env, force, op);
                let right = match &left {
                    Err(Stop::Blocked | Stop::Abort(_)) => return left,
                    _ => self.operand(*right, env, force, op),
                };
                let (left, right) = match (left, right) {
                    (Ok(left), Ok(right)) => (left, right),
                    (_, Err(stop @ (Stop::Blocked | Stop::Abort(_)))) => return Err(stop),
                    (Err(Stop::Bottom(a)), Err(Stop::Bottom(b))) => {
                        return Err(Bottom::combine(Some(a), Some(b)).map_or(Stop::Blocked, Stop::Bottom));
                    }
                    (Err(stop), _) | (_, Err(stop)) => return Err(stop),
                };
                self.binary(op, left, right)
            }
            Expr::Bound(op, value) => self.bound(*op, *value, env, force),
            Expr::Interpolation(pieces, bytes) => self.interpolate(pieces, *bytes, env, force),
            Expr::Call(function, arguments) => {
                if let Expr::Missing(package, label) = program.expr(*function) {
                    let package = package.rsplit('/').next().unwrap_or(package);
                    let label = self.labels.shown(*label);
                    let words = format!("cannot call non-function {package}.{label} (type _|_)");
                    return self.stop(Code::Eval, Reason::Remark { words });
                }
                let called = self.eval(*function, env, force)?;
                if let Value::Builtin(builtin) = called {
                    return builtin::call(self, builtin, arguments, env, id, force);
                }
                let shown = crate::print::src(self, &crate::fault::Src::Expr(*function));
                let kinds = self.kinds_of(&called);
                let (code, what) = match !self.is_concrete(&called) && kinds.meets(Kinds::FUNC) {
                    true => (Code::Incomplete, "non-concrete value"),
                    false => (Code::Eval, "non-function"),
                };
                let words = format!("cannot call {what} {shown} (type {kinds})");
                self.stop(code, Reason::Remark { words })
            }
            Expr::Slice(base, low, high) => self.slice(*base, *low, *high, env, force),
        }
    }

    /// A vertex for a struct, list, disjunction or conjunction inside an expression.
    pub(crate) fn inline(&mut self, id: ExprId, env: EnvId) -> Eval<VertexId> {
        if let Expr::Binary("&", ..) = self.program.expr(id) {
            // A conjunction evaluated inside itself is a recursion, which CUE does not have.
            let mut at = self.here;
            while at != NOWHERE {
                if self.inlines.get(&at) == Some(&id) {
                    return self.stop(Code::StructuralCycle, Reason::StructuralCycle);
                }
                at = self.vertex(at).parent;
            }
            let elem = Elem::Expr(id);
            let vertex = self.add_detached(vec![Conjunct { env, elem, close: Close::ROOT }])?;
            self.inlines.insert(vertex, id);
            return Ok(vertex);
        }
        Ok(self.add_detached(vec![Conjunct { env, elem: Elem::Expr(id), close: Close::ROOT }])?)
    }

    /// A vertex for a value.
    pub(crate) fn vertex_for(&mut self, value: &Value) -> Eval<VertexId> {
        match value {
            Value::Vertex(vertex) => Ok(*vertex),
            value => {
                let elem = Elem::Value(value.clone());
                Ok(self.add_detached(vec![Conjunct {
                    env: crate::vertex::NO_ENV,
                    elem,
                    close: Close::ROOT,
                }])?)
            }
        }
    }

    /// A known value; where it is not known yet, an error that later values could mend.
    pub(crate) fn scalar(&mut self, id: ExprId, env: EnvId, force: bool, operator: &str) -> Eval {
        let value = self.eval(id, env, force)?;
        let value = match value {
            Value::Vertex(vertex) => {
                let arm = self.default_arm(vertex)?;
                self.value_now(arm)
            }
            value => value,
        };
        if self.is_concrete(&value) {
            return Ok(value);
        }
        let wanted = match operator {
            "if" | "!" | "&&" | "||" => Kinds::BOOL,
            "-" | "+" => Kinds::NUMBER | Kinds::STRING | Kinds::BYTES | Kinds::LIST,
            _ => Kinds::TOP,
        };
        let kinds = self.kinds_of(&value);
        if !kinds.meets(wanted) {
            // No later value can be of a kind that fits.
            let (found, expected) = (kinds.to_string(), wanted.to_string());
            let value = value.into();
            return self.stop(Code::Eval, Reason::WrongKind { value, found, expected, context: "" });
        }
        self.stop(
            Code::Incomplete,
            Reason::NonConcrete { value: value.into(), operator: operator.to_owned() },
        )
    }

    fn operand(&mut self, id: ExprId, env: EnvId, force: bool, operator: &str) -> Eval {
        let value = self.scalar(id, env, force, operator)?;
        match &value {
            Value::Vertex(vertex) => self.value_of(*vertex, Need::Whole, force),
            _ => Ok(value),
        }
    }

    /// Whether an expression has no value.
    fn is_bottom(&mut self, id: ExprId, env: EnvId, force: bool) -> Eval<bool> {
        match self.eval_need(id, env, Need::Fields, force) {
            Ok(Value::Vertex(vertex)) if force => {
                self.finalize(vertex)?;
                Ok(self.fatal_below(vertex)?.is_some())
            }
            Ok(Value::Vertex(vertex)) if self.vertex(self.actual(vertex)).status < Status::Finalizing => {
                Err(Stop::Blocked)
            }
            Ok(Value::Vertex(vertex)) => Ok(self.fatal_below(vertex)?.is_some()),
            Ok(_) => Ok(false),
            Err(Stop::Bottom(bottom)) if force && bottom.code == Code::Cycle => Err(Stop::Bottom(bottom)),
            Err(Stop::Bottom(bottom)) if force || !bottom.code.is_incomplete() => Ok(true),
            Err(Stop::Bottom(_)) => Err(Stop::Blocked),
            Err(stop) => Err(stop),
        }
    }

    fn unary(&mut self, op: &'static str, id: ExprId, env: EnvId, force: bool) -> Eval {
        let value = self.operand(id, env, force, op)?;
        match (op, &value) {
            ("!", Value::Bool(value)) => Ok(Value::Bool(!value)),
            ("+", Value::Number(_)) => Ok(value),
            ("-", Value::Number(number)) => {
                let negated = crate::number::Number { float: number.float, decimal: number.decimal.negate() };
                Ok(Value::Number(Arc::new(negated)))
            }
            _ => {
                let kinds = self.kinds_of(&value).to_string();
                self.stop(Code::Eval, Reason::Operand { operator: op, value: (value.into(), kinds) })
            }
        }
    }

    fn bound(&mut self, op: BoundOp, id: ExprId, env: EnvId, force: bool) -> Eval {
        let value = self.scalar(id, env, force, op.text())?;
        let kinds = self.kinds_of(&value);
        let fits = match op {
            BoundOp::NotEqual | BoundOp::Equal => true,
            BoundOp::Match | BoundOp::NotMatch => kinds == Kinds::STRING,
            _ => kinds.within(Kinds::NUMBER | Kinds::STRING | Kinds::BYTES),
        };
        if !fits {
            let expected = match op {
                BoundOp::Match | BoundOp::NotMatch => Kinds::STRING,
                _ => Kinds::NUMBER | Kinds::STRING | Kinds::BYTES,
            };
            let (found, expected) = (kinds.to_string(), expected.to_string());
            return self.stop(
                Code::Eval,
                Reason::WrongKind { value: value.into(), found, expected, context: "bound" },
            );
        }
        if let (BoundOp::Match | BoundOp::NotMatch, Value::Text(pattern)) = (op, &value) {
            self.regex(pattern)?;
        }
        Ok(Value::Bound(op, Arc::new(value)))
    }

    fn interpolate(&mut self, pieces: &[Piece], bytes: bool, env: EnvId, force: bool) -> Eval {
        let mut out: Vec<u8> = Vec::new();
        for piece in pieces {
            match piece {
                Piece::Text(text) => out.extend_from_slice(text),
                Piece::Expr(id) => {
                    let value = self.scalar(*id, env, force, "interpolation")?;
                    match &value {
                        Value::Text(text) => out.extend_from_slice(text.as_bytes()),
                        Value::Bytes(text) if bytes => out.extend_from_slice(text),
                        Value::Bytes(text) => out.extend_from_slice(String::from_utf8_lossy(text).as_bytes()),
                        Value::Number(number) => out.extend_from_slice(number.decimal.to_string().as_bytes()),
                        Value::Bool(value) => out.extend_from_slice(value.to_string().as_bytes()),
                        _ => {
                            let found = self.kinds_of(&value).to_string();
                            let expected = "(bool|string|bytes|number)".to_owned();
                            let value = value.into();
                            let context = "interpolation";
                            return self
                                .stop(Code::Eval, Reason::WrongKind { value, found, expected, context });
                        }
                    }
                }
            }
            self.text_budget(out.len())?;
        }
        if bytes {
            return Ok(Value::Bytes(out.into()));
        }
        match String::from_utf8(out) {
            Ok(text) => Ok(Value::text(&text)),
            Err(_) => Ok(self.unsupported("interpolated string that is not UTF-8", None)?),
        }
    }

    /// Charges for a computed string of so many bytes.
    pub(crate) fn text_budget(&mut self, bytes: usize) -> Eval<()> {
        if bytes > self.limits.text_bytes {
            self.over("bytes of a computed string", self.limits.text_bytes as u64)?;
        }
        Ok(self.spend(bytes / 64 + 1)?)
    }

    fn slice(
        &mut self,
        base: ExprId,
        low: Option<ExprId>,
        high: Option<ExprId>,
        env: EnvId,
        force: bool,
    ) -> Eval {
        let span = Some(self.program.span(base));
        let value = self.eval_need(base, env, Need::Fields, force)?;
        if !self.is_concrete(&value) {
            let operator = "slice".to_owned();
            return self.stop(Code::Incomplete, Reason::NonConcrete { value: value.into(), operator });
        }
        let Value::Vertex(vertex) = value else {
            return Ok(self.unsupported("slice of something that is no list", span)?);
        };
        if self.kinds_of(&value) != Kinds::LIST {
            return Ok(self.unsupported("slice of something that is no list", span)?);
        }
        let members = self.members_of(vertex)?;
        let at = |context: &mut Self, id: Option<ExprId>, open: usize| -> Eval<usize> {
            let Some(id) = id else { return Ok(open) };
            match context.scalar(id, env, force, "slice")? {
                Value::Number(number) => {
                    let index = number.decimal.to_integer().and_then(|n| usize::try_from(n).ok());
                    match index.filter(|index| *index <= members.len()) {
                        Some(index) => Ok(index),
                        None => {
                            let reason =
                                Reason::IndexOutOfRange { index: number.to_string(), length: members.len() };
                            context.stop(Code::Eval, reason)
                        }
                    }
                }
                _ => Ok(context.unsupported("slice index that is no integer", span)?),
            }
        };
        let low = at(self, low, 0)?;
        let high = at(self, high, members.len())?;
        let part = members.get(low..high.max(low)).unwrap_or_default();
        let values = part.iter().map(|(_, arc)| Value::Vertex(*arc)).collect();
        self.new_list(values)
    }

    /// Whether a known value satisfies a type, bound, validator or scalar.
    pub(crate) fn satisfies(&mut self, value: &Value, constraint: &Value) -> Eval<bool> {
        self.spend(1)?;
        Ok(match constraint {
            Value::Type(kinds) => self.kinds_of(value).within(*kinds),
            Value::All(all) => {
                for part in all.iter() {
                    if !self.satisfies(value, part)? {
                        return Ok(false);
                    }
                }
                true
            }
            Value::Any(any, _) => {
                for part in any.iter() {
                    if self.satisfies(value, part)? {
                        return Ok(true);
                    }
                }
                false
            }
            Value::Validator(validator) => {
                let validator = Arc::clone(validator);
                match builtin::validate(self, &validator, value) {
                    Ok(()) => true,
                    Err(Stop::Bottom(_)) => false,
                    Err(stop) => return Err(stop),
                }
            }
            Value::Builtin(builtin) if builtin.bare_validator() => {
                let validator = crate::value::Validator { builtin, arguments: Vec::new(), called: false };
                return self.satisfies(value, &Value::Validator(validator.into()));
            }
            Value::Bound(op, bound) => match (op, value, &**bound) {
                (BoundOp::Match | BoundOp::NotMatch, Value::Text(text), Value::Text(pattern)) => {
                    self.spend(text.len() / 64)?;
                    self.regex(pattern)?.matches(text) == (*op == BoundOp::Match)
                }
                (BoundOp::Equal | BoundOp::NotEqual, Value::Vertex(left), Value::Vertex(right)) => {
                    self.finalize(*right)?;
                    self.alike(*left, *right)? == (*op == BoundOp::Equal)
                }
                (BoundOp::Equal, value, bound) => match order(value, bound) {
                    Some(order) => order == Ordering::Equal,
                    None => value == bound,
                },
                (BoundOp::NotEqual, value, bound) => match order(value, bound) {
                    Some(order) => order != Ordering::Equal,
                    None => value != bound,
                },
                (op, value, bound) => match (op, order(value, bound)) {
                    (BoundOp::Less, Some(order)) => order == Ordering::Less,
                    (BoundOp::LessEqual, Some(order)) => order != Ordering::Greater,
                    (BoundOp::Greater, Some(order)) => order == Ordering::Greater,
                    (BoundOp::GreaterEqual, Some(order)) => order != Ordering::Less,
                    _ => false,
                },
            },
            Value::Vertex(_) | Value::Builtin(_) => {
                return Ok(self.unsupported("constraint that is a struct or list here", None)?);
            }
            scalar => crate::value::same(value, scalar),
        })
    }

    /// What a vertex made of plain values allows, as one value; `None` where it has fields.
    pub(crate) fn vertex_values(&mut self, v: VertexId) -> Eval<Option<Value>> {
        self.finalize(v)?;
        let v = self.actual(v);
        if let Value::Vertex(_) = self.value_now(v) {
        } else {
            return Ok(Some(self.value_now(v)));
        }
        let Some(node) = self.known(v).cloned() else { return Ok(None) };
        if let Some(bottom) = node.errors {
            return Err(Stop::Bottom(bottom));
        }
        if !node.arms.is_empty() {
            let mut values = Vec::with_capacity(node.arms.len());
            for arm in &node.arms {
                self.enter()?;
                let value = self.vertex_values(*arm);
                self.leave();
                match value? {
                    Some(value) => values.push(value),
                    None => return Ok(None),
                }
            }
            return Ok(Some(Value::Any(values.into(), node.defaults)));
        }
        if node.is_struct || node.list.is_some() {
            return Ok(None);
        }
        let mut parts = vec![Value::Type(node.kinds)];
        parts.extend(node.lower);
        parts.extend(node.upper);
        parts.extend(node.checks);
        Ok(Some(Value::All(parts.into())))
    }

    /// A closed list of values.
    pub(crate) fn new_list(&mut self, values: Vec<Value>) -> Eval {
        let vertex = self.vertex_for(&Value::List(values.into()))?;
        self.expand(vertex)?;
        Ok(Value::Vertex(vertex))
    }
}
