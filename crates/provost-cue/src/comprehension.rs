//! Comprehensions: the environments in which their body holds, all of them or none yet.

use crate::context::Context;
use crate::error::{Code, Reason};
use crate::expr::{Clause, Expr, ExprId};
use crate::fault::{Eval, Src};
use crate::kind::Kinds;
use crate::label::{Label, LabelKind};
use crate::resolve::Need;
use crate::value::Value;
use crate::vertex::{ArcType, Close, Elem, EnvId, NO_ENV, VertexId};

impl Context<'_> {
    /// The body of a comprehension and one environment for each time it holds.
    pub(crate) fn yields(&mut self, id: ExprId, env: EnvId, force: bool) -> Eval<(ExprId, Vec<EnvId>)> {
        let Expr::Comprehension(clauses, body) = self.program.expr(id) else { return Ok((id, Vec::new())) };
        let mut envs = vec![env];
        for clause in clauses {
            let mut next = Vec::with_capacity(envs.len());
            for env in envs {
                self.spend(1)?;
                match clause {
                    Clause::If(condition) => {
                        let value = self.scalar(*condition, env, force, "if")?;
                        match value {
                            Value::Bool(true) => next.push(env),
                            Value::Bool(false) => {}
                            other => {
                                let found = other.kinds().to_string();
                                let expected = "bool".to_owned();
                                let value = Src::Value(other);
                                let reason = Reason::WrongKind { value, found, expected, context: "" };
                                return self.stop(Code::Eval, reason);
                            }
                        }
                    }
                    Clause::For { key, value, source } => {
                        for (label, element) in self.members(*source, env, force)? {
                            let holder = self.add_detached(Vec::new())?;
                            if let Some(key) = key {
                                let name = match label.kind() {
                                    LabelKind::Index => Value::int(label.id()),
                                    _ => Value::Text(self.labels.name(label)),
                                };
                                let conjunct = Self::conjunct(NO_ENV, Elem::Value(name), Close::ROOT);
                                self.insert_arc(holder, *key, ArcType::Member, conjunct)?;
                            }
                            self.vertex_mut(holder).arcs.push(*value, element);
                            next.push(self.add_env(env, holder)?);
                        }
                    }
                    Clause::Let { label, value } => {
                        let holder = self.add_detached(Vec::new())?;
                        let conjunct = Self::conjunct(env, Elem::Expr(*value), Close::ROOT);
                        self.insert_arc(holder, *label, ArcType::Member, conjunct)?;
                        next.push(self.add_env(env, holder)?);
                    }
                }
            }
            envs = next;
        }
        Ok((*body, envs))
    }

    /// The elements of a list or the regular fields of a struct; from then on no more may come.
    fn members(&mut self, source: ExprId, env: EnvId, force: bool) -> Eval<Vec<(Label, VertexId)>> {
        let value = self.eval_need(source, env, Need::Fields, force)?;
        let kinds = self.kinds_of(&value);
        let Value::Vertex(v) = value else {
            let found = value.kinds().to_string();
            let expected = "list or struct".to_owned();
            let reason = Reason::WrongKind { value: Src::Value(value), found, expected, context: "" };
            let code = if value_is_open(kinds) { Code::Incomplete } else { Code::Eval };
            return self.stop(code, reason);
        };
        let v = self.default_arm(v)?;
        if !value_is_open(kinds) {
            let (found, expected) = (kinds.to_string(), "list or struct".to_owned());
            let value = Src::Value(Value::Vertex(v));
            return self.stop(Code::Eval, Reason::WrongKind { value, found, expected, context: "" });
        }
        if !self.is_concrete(&Value::Vertex(v)) {
            let value = Src::Value(Value::Vertex(v));
            return self.stop(Code::Incomplete, Reason::NonConcrete { value, operator: "for".into() });
        }
        self.members_of(v)
    }

    /// The elements or regular fields of a vertex, which may not get more from now on.
    pub(crate) fn members_of(&mut self, v: VertexId) -> Eval<Vec<(Label, VertexId)>> {
        self.open_data(v)?;
        let v = self.actual(v);
        let mut members: Vec<(Label, VertexId)> = self.vertex(v).arcs.iter().collect();
        members.retain(|(label, arc)| label.is_regular() && self.vertex(*arc).arc == ArcType::Member);
        self.spend(members.len())?;
        if self.only_data(v).is_none() {
            self.node(v).frozen = true;
        }
        Ok(members)
    }
}

/// Whether a value of these kinds could still become a list or struct.
fn value_is_open(kinds: Kinds) -> bool {
    kinds.meets(Kinds::LIST | Kinds::STRUCT)
}
