//! Comprehensions: the environments in which their body holds, all of them or none yet.

use crate::context::Context;
use crate::error::{Code, Reason};
use crate::expr::{Clause, Expr, ExprId};
use crate::fault::{Eval, Src, Stop};
use crate::kind::Kinds;
use crate::label::{Label, LabelKind};
use crate::resolve::Need;
use crate::value::Value;
use crate::vertex::{ArcType, Close, Elem, EnvId, NO_ENV, VertexId};

impl Context<'_> {
    /// The bodies of a comprehension: one with its environment for each time it holds, or the one for when it never does.
    pub(crate) fn yields(&mut self, id: ExprId, env: EnvId, force: bool) -> Eval<Vec<(EnvId, ExprId)>> {
        let Expr::Comprehension(clauses, body, fallback) = self.program.expr(id) else {
            return Ok(Vec::new());
        };
        let outside = env;
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
                    Clause::Let { label, value } => next.push(self.named_env(env, *label, *value)?),
                    Clause::Try { label, value, references } => {
                        if self.leads_nowhere(references, env, force)? {
                            continue;
                        }
                        match (label, value) {
                            (Some(label), Some(value)) => next.push(self.named_env(env, *label, *value)?),
                            _ => next.push(env),
                        }
                    }
                }
            }
            envs = next;
        }
        Ok(match fallback {
            Some(fallback) if envs.is_empty() => vec![(outside, *fallback)],
            _ => envs.into_iter().map(|env| (env, *body)).collect(),
        })
    }

    /// A level with one name of its own.
    fn named_env(&mut self, env: EnvId, label: Label, value: ExprId) -> Eval<EnvId> {
        let holder = self.add_detached(Vec::new())?;
        let conjunct = Self::conjunct(env, Elem::Expr(value), Close::ROOT);
        self.insert_arc(holder, label, ArcType::Member, conjunct)?;
        Ok(self.add_env(env, holder)?)
    }

    /// Whether one of the references that a try clause guards leads nowhere.
    fn leads_nowhere(&mut self, references: &[ExprId], env: EnvId, force: bool) -> Eval<bool> {
        for reference in references {
            match self.eval_need(*reference, env, Need::Scalar, force) {
                Ok(_) => {}
                Err(Stop::Bottom(bottom)) if bottom.code.is_incomplete() => return Ok(true),
                Err(stop) => return Err(stop),
            }
        }
        Ok(false)
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
        self.open_data(v)?;
        let arcs: Vec<_> = self.vertex(self.actual(v)).arcs.iter().collect();
        let required = |(label, arc): &&(Label, VertexId)| {
            label.is_regular() && self.vertex(*arc).arc == ArcType::Required
        };
        if let Some((label, _)) = arcs.iter().find(required) {
            let label = self.labels.shown(*label);
            let words = format!("missing required field in for comprehension: {label}");
            return self.stop(Code::Incomplete, Reason::Remark { words });
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
