//! Inserting conjuncts: what is plain takes effect at once, what must be evaluated becomes a task.

mod bounds;
pub(crate) use bounds::order;
mod structs;

use crate::builtin;
use crate::context::Context;
use crate::data::{DataId, Node as DataNode};
use crate::error::{Code, Reason};
use crate::expr::{Expr, ExprId};
use crate::fault::{Abort, Bottom, Done, Src};
use crate::kind::Kinds;
use crate::value::{BoundOp, Validator, Value, same};
use crate::vertex::{
    Choice, Close, Conjunct, Demand, Elem, EnvId, Mode, NOWHERE, OPEN, Status, Task, VertexId, Work,
};

impl Context<'_> {
    /// Inserts the conjuncts of a vertex, if that was not done.
    pub(crate) fn expand(&mut self, v: VertexId) -> Done {
        if self.vertex(v).status != Status::Fresh {
            return Ok(());
        }
        self.vertex_mut(v).status = Status::Open;
        let mut next = 0;
        while let Some(conjunct) = self.vertex(v).conjuncts.get(next).cloned() {
            next += 1;
            self.insert(v, &conjunct)?;
        }
        Ok(())
    }

    /// Adds a conjunct to a vertex, and to all that copied from it.
    pub(crate) fn add_conjunct(&mut self, v: VertexId, conjunct: Conjunct) -> Done {
        if matches!(conjunct.elem, Elem::Data(_)) && conjunct.close.chain == 0 {
            self.vertex_mut(v).has_data = true;
        }
        match self.vertex(v).status {
            Status::Fresh => self.vertex_mut(v).conjuncts.push(conjunct),
            Status::Open | Status::Finalizing => {
                self.vertex_mut(v).conjuncts.push(conjunct.clone());
                self.insert(v, &conjunct)?;
                self.tell(v, &conjunct)?;
            }
            Status::Final => {
                let known = &self.vertex(v).conjuncts;
                if known.iter().any(|known| known.env == conjunct.env && known.elem == conjunct.elem) {
                    return Ok(());
                }
                if self.vertex(v).plain {
                    self.reopen_plain(v);
                    self.vertex_mut(v).conjuncts.push(conjunct);
                    self.expand(v)?;
                    let parent = self.vertex(v).parent;
                    return if self.vertex(parent).status == Status::Final {
                        self.finalize(v)
                    } else {
                        Ok(())
                    };
                }
                if self.only_data(v).is_some() {
                    // Nobody saw more of it than the document says: it can be opened again.
                    self.vertex_mut(v).status = Status::Fresh;
                    self.vertex_mut(v).arcs = Default::default();
                    self.vertex_mut(v).conjuncts.push(conjunct);
                    return self.expand(v);
                }
                return self.late(v);
            }
        }
        Ok(())
    }

    /// A value that was already used as complete gets another conjunct: that must not pass unseen.
    fn late<T>(&self, v: VertexId) -> Done<T> {
        let label = self.labels.shown(self.vertex(v).label);
        Err(Box::new(Abort { reason: Reason::LateField { label }, at: self.vertex(v).parent, span: None }))
    }

    fn tell(&mut self, v: VertexId, conjunct: &Conjunct) -> Done {
        let receivers = self.known(v).map(|node| node.receivers.clone()).unwrap_or_default();
        for (receiver, close) in receivers {
            let split = self.known(receiver).is_some_and(|node| node.had_choices);
            let status = self.vertex(receiver).status;
            if status == Status::Final || (split && status == Status::Finalizing) {
                return self.late(receiver);
            }
            self.insert(receiver, &Conjunct { close, ..conjunct.clone() })?;
        }
        Ok(())
    }

    pub(crate) fn add_task(&mut self, v: VertexId, work: Work, env: EnvId, close: Close) {
        self.serial += 1;
        let serial = self.serial;
        self.node(v).tasks.push(Task { serial, work, env, close });
    }

    /// Inserts one conjunct.
    pub(crate) fn insert(&mut self, v: VertexId, conjunct: &Conjunct) -> Done {
        self.enter()?;
        let here = std::mem::replace(&mut self.here, v);
        let Conjunct { env, close, .. } = *conjunct;
        let done = match &conjunct.elem {
            Elem::Data(data) => self.insert_data(v, *data, close),
            Elem::Value(value) => self.insert_value(v, value, close),
            Elem::Expr(expr) => self.insert_expr(v, *expr, env, close),
        };
        self.here = here;
        self.leave();
        done
    }

    fn insert_expr(&mut self, v: VertexId, id: ExprId, env: EnvId, close: Close) -> Done {
        let program = self.program;
        match program.expr(id) {
            Expr::Value(Value::Builtin(_)) => {
                self.add_task(v, Work::Evaluate(id), env, close);
                Ok(())
            }
            Expr::Value(value) => self.insert_value(v, value, close),
            Expr::Bottom => {
                let span = Some(program.span(id));
                let bottom = Bottom::new(NOWHERE, Code::LegacyUser, Reason::ExplicitBottom, span);
                self.add_error(v, bottom);
                Ok(())
            }
            Expr::Struct(decls) => self.insert_struct(v, id, decls, env, close, false),
            Expr::List { .. } => {
                self.own(v, close);
                self.update_kinds(v, Kinds::LIST, Src::Expr(id));
                self.add_task(v, Work::List(id), env, close);
                Ok(())
            }
            Expr::Binary("&", left, right) => {
                let mut close = close;
                if close.embed != OPEN && close.both == OPEN {
                    let scope = self.add_scope(close.scope)?;
                    close = Close { scope, both: scope, ..close };
                }
                for side in [left, right] {
                    self.insert(v, &Conjunct { env, elem: Elem::Expr(*side), close })?;
                }
                Ok(())
            }
            Expr::Disjunction(arms) => {
                let marked = arms.iter().any(|(_, default)| *default);
                let arms = arms.iter().map(|(arm, default)| {
                    let mode = match (marked, default) {
                        (false, _) => Mode::Maybe,
                        (true, true) => Mode::Default,
                        (true, false) => Mode::Not,
                    };
                    (Elem::Expr(*arm), mode)
                });
                let choice = Choice { arms: arms.collect(), env, close };
                self.add_choice(v, choice);
                Ok(())
            }
            Expr::Open(inner) => {
                let close = Close { open: true, ..close };
                self.insert(v, &Conjunct { env, elem: Elem::Expr(*inner), close })
            }
            Expr::Reference { .. }
            | Expr::Enclosing { .. }
            | Expr::Select(..)
            | Expr::Index(..)
            | Expr::Here
            | Expr::Around
            | Expr::Package(_)
            | Expr::Up(..)
            | Expr::Keyed { .. }
            | Expr::Optional(_) => {
                self.add_task(v, Work::Resolve(id), env, close);
                Ok(())
            }
            Expr::Call(function, arguments) if self.is_close(*function) => match arguments.as_slice() {
                [argument] => {
                    let inner = self.close_once(v, close)?;
                    self.insert(v, &Conjunct { env, elem: Elem::Expr(*argument), close: inner })
                }
                _ => self.unsupported("close with other than one argument", Some(program.span(id))),
            },
            _ => {
                self.add_task(v, Work::Evaluate(id), env, close);
                Ok(())
            }
        }
    }

    pub(crate) fn add_choice(&mut self, v: VertexId, choice: Choice) {
        let node = self.node(v);
        node.choices.push(choice);
        node.had_choices = true;
    }

    /// Whether an expression is the builtin `close`.
    fn is_close(&self, id: ExprId) -> bool {
        matches!(self.program.expr(id), Expr::Value(Value::Builtin(builtin)) if builtin.name == "close")
    }

    fn close_once(&mut self, v: VertexId, close: Close) -> Done<Close> {
        let scope = self.add_scope(close.scope)?;
        let demanded = if close.embed == OPEN { scope } else { close.embed };
        self.demand(v, Demand { scope: demanded, recursive: false, within: OPEN, outer: OPEN });
        Ok(Close { scope, ..close })
    }

    /// Adds a demand unless it is already made.
    pub(crate) fn demand(&mut self, v: VertexId, demand: Demand) {
        let node = self.node(v);
        let same = |known: &&mut Demand| known.scope == demand.scope && known.within == demand.within;
        match node.demands.iter_mut().find(same) {
            Some(known) => known.recursive |= demand.recursive,
            None => node.demands.push(demand),
        }
    }

    /// Notes that a vertex has something of its own, not only copies of what it stands in.
    pub(crate) fn own(&mut self, v: VertexId, close: Close) {
        if !close.cyclic {
            self.node(v).has_own = true;
        }
    }

    /// Narrows the kinds; false where nothing is left.
    pub(crate) fn update_kinds(&mut self, v: VertexId, kinds: Kinds, by: Src) -> bool {
        let node = self.node(v);
        let before = node.kinds;
        if before == Kinds::NONE || kinds == Kinds::NONE {
            return false;
        }
        let after = before & kinds;
        let earlier = node.kinds_by.clone();
        if before != after || earlier.is_none() {
            node.kinds_by = Some(by.clone());
        }
        node.kinds = after;
        if after != Kinds::NONE {
            return true;
        }
        let reason = Reason::Conflict {
            left: earlier.unwrap_or(Src::Value(Value::Type(before))),
            right: by,
            kinds: Some((before.to_string(), kinds.to_string())),
        };
        let bottom = Bottom::new(v, Code::Eval, reason, None);
        self.add_error(v, bottom);
        false
    }

    /// Inserts a value.
    pub(crate) fn insert_value(&mut self, v: VertexId, value: &Value, close: Close) -> Done {
        match value {
            Value::Vertex(target) => return self.copy_conjuncts(v, *target, u32::MAX, close),
            Value::Any(values, defaults) => {
                let arms = values.iter().enumerate().map(|(index, value)| {
                    let mode = match *defaults {
                        0 => Mode::Maybe,
                        defaults if index < defaults => Mode::Default,
                        _ => Mode::Not,
                    };
                    (Elem::Value(value.clone()), mode)
                });
                let choice = Choice { arms: arms.collect(), env: crate::vertex::NO_ENV, close };
                self.add_choice(v, choice);
                return Ok(());
            }
            Value::Builtin(builtin) => {
                return match builtin.bare_validator() {
                    true => {
                        let validator = Validator { builtin, arguments: Vec::new(), called: false };
                        self.insert_value(v, &Value::Validator(validator.into()), close)
                    }
                    false => self.unsupported(format!("builtin {} as a value", builtin.name), None),
                };
            }
            _ => {}
        }
        self.own(v, close);
        let kinds = value.kinds();
        if !self.update_kinds(v, kinds, Src::Value(value.clone())) {
            return Ok(());
        }
        match value {
            Value::Type(Kinds::TOP) => self.node(v).tops.push(close.scope),
            Value::Type(_) => {}
            Value::All(values) => {
                for part in values.iter() {
                    self.insert_value(v, part, close)?;
                }
            }
            Value::Bound(BoundOp::Equal | BoundOp::NotEqual | BoundOp::Match | BoundOp::NotMatch, _) => {
                if let Value::Bound(BoundOp::Equal | BoundOp::NotEqual, _) = value {
                    self.node(v).tops.push(close.scope);
                }
                let node = self.node(v);
                if !node.checks.contains(value) {
                    node.checks.push(value.clone());
                }
            }
            Value::Bound(..) => self.insert_bound(v, value),
            Value::Struct(fields) => {
                self.spend(fields.len())?;
                self.node(v).is_struct = true;
                for (label, value) in fields.iter() {
                    let elem = Elem::Value(value.clone());
                    let conjunct = Self::conjunct(crate::vertex::NO_ENV, elem, close.field());
                    self.insert_arc(v, *label, crate::vertex::ArcType::Member, conjunct)?;
                }
            }
            Value::List(values) => {
                self.spend(values.len())?;
                for (index, value) in values.iter().enumerate() {
                    let elem = Elem::Value(value.clone());
                    let conjunct = Self::conjunct(crate::vertex::NO_ENV, elem, close.field());
                    let label = crate::label::Label::index(index);
                    self.insert_arc(v, label, crate::vertex::ArcType::Member, conjunct)?;
                }
                self.set_length(v, values.len(), true);
            }
            Value::Validator(validator) => {
                if validator.builtin.subject().meets(Kinds::STRUCT | Kinds::LIST)
                    && builtin::opens(validator.builtin)
                {
                    self.node(v).tops.push(close.scope);
                }
                let node = self.node(v);
                if !node.checks.contains(value) {
                    node.checks.push(value.clone());
                }
            }
            scalar => match self.node(v).scalar.clone() {
                None => self.node(v).scalar = Some(scalar.clone()),
                Some(earlier) if same(&earlier, scalar) => {}
                Some(earlier) => {
                    let reason =
                        Reason::Conflict { left: scalar.clone().into(), right: earlier.into(), kinds: None };
                    self.add_error(v, Bottom::new(v, Code::Eval, reason, None));
                }
            },
        }
        Ok(())
    }

    fn insert_data(&mut self, v: VertexId, id: DataId, close: Close) -> Done {
        if let Some(scalar) = self.data_scalar(id)? {
            return self.insert_value(v, &scalar, close);
        }
        self.own(v, close);
        let Some(data) = self.data else { return Ok(()) };
        match data.node(id) {
            DataNode::List(_) => {
                self.update_kinds(v, Kinds::LIST, Src::Data(id));
                self.add_task(v, Work::DataList(id), crate::vertex::NO_ENV, close);
            }
            DataNode::Struct(members) => {
                self.update_kinds(v, Kinds::STRUCT, Src::Data(id));
                self.node(v).is_struct = true;
                self.data_members(v, data.members(members), close)?;
            }
            _ => {}
        }
        Ok(())
    }
}
