//! Completing a vertex: its tasks, its disjunctions, its bounds, its fields, its validators, in this order.

use crate::context::Context;
use crate::error::{Code, Reason};
use crate::fault::{Bottom, Done, Src, Stop};
use crate::kind::Kinds;
use crate::value::Value;
use crate::vertex::{ArcType, Status, VertexId};

impl Context<'_> {
    /// Completes a vertex; its errors stay with it.
    pub(crate) fn finalize(&mut self, v: VertexId) -> Done {
        let v = self.actual(v);
        if self.vertex(v).status >= Status::Finalizing {
            return Ok(());
        }
        if self.only_data(v).is_some() {
            self.vertex_mut(v).status = Status::Final;
            return Ok(());
        }
        self.enter()?;
        self.complete_ancestors(v)?;
        if self.finalize_plain(v)? {
            self.leave();
            return Ok(());
        }
        self.expand(v)?;
        if self.vertex(v).status == Status::Open {
            self.vertex_mut(v).status = Status::Finalizing;
            let here = std::mem::replace(&mut self.here, v);
            self.complete(v)?;
            self.here = here;
            self.vertex_mut(v).status = Status::Final;
        }
        self.leave();
        Ok(())
    }

    /// Settles which fields or elements a vertex has, and leaves those themselves open.
    pub(crate) fn shape(&mut self, v: VertexId) -> Done {
        let v = self.actual(v);
        if self.vertex(v).status >= Status::Finalizing {
            return Ok(());
        }
        if self.only_data(v).is_some() {
            return self.finalize(v);
        }
        self.enter()?;
        self.complete_ancestors(v)?;
        self.expand(v)?;
        if self.vertex(v).status == Status::Open {
            self.vertex_mut(v).status = Status::Finalizing;
            let here = std::mem::replace(&mut self.here, v);
            let ended = self.arrange(v)?;
            let shaped = self.known(v).is_some_and(|node| node.is_struct || node.list.is_some());
            if shaped && !ended {
                self.vertex_mut(v).status = Status::Open;
            } else {
                if !ended {
                    self.conclude(v)?;
                }
                self.vertex_mut(v).status = Status::Final;
            }
            self.here = here;
        }
        self.leave();
        Ok(())
    }

    fn complete(&mut self, v: VertexId) -> Done {
        if self.arrange(v)? { Ok(()) } else { self.conclude(v) }
    }

    /// Does all the work of a vertex but what concerns its fields; true where nothing is left to be done.
    fn arrange(&mut self, v: VertexId) -> Done<bool> {
        loop {
            self.spend(1)?;
            self.run_tasks(v)?;
            let waiting = std::mem::take(&mut self.node(v).waiting_cycles);
            if !waiting.is_empty() {
                if self.node(v).has_own {
                    // What the vertex has of its own drives the recursion: it ends where that ends.
                    for conjunct in waiting {
                        self.insert(v, &conjunct)?;
                    }
                    continue;
                }
                if self.known(v).is_some_and(|node| !node.tasks.is_empty()) {
                    self.node(v).waiting_cycles = waiting;
                    self.force_task(v)?;
                    continue;
                }
                self.add_error(v, Bottom::new(v, Code::StructuralCycle, Reason::StructuralCycle, None));
                return Ok(true);
            }
            if self.known(v).is_some_and(|node| !node.choices.is_empty()) {
                if self.has_fatal(v) {
                    self.node(v).choices.clear();
                    continue;
                }
                self.decide(v)?;
                if self.vertex(v).forward.is_some() || self.known(v).is_some_and(|node| !node.arms.is_empty())
                {
                    return Ok(true);
                }
                continue;
            }
            if !self.force_task(v)? {
                break;
            }
        }
        let node = self.node(v);
        let bare = node.scalar.is_none() && node.list.is_none() && node.checks.is_empty();
        if node.literal && bare && node.tops.is_empty() && node.kinds.meets(Kinds::STRUCT) {
            // A struct whose embeddings came to nothing is a struct all the same.
            node.kinds = Kinds::STRUCT;
            node.is_struct = true;
        }
        Ok(false)
    }

    fn conclude(&mut self, v: VertexId) -> Done {
        self.check_bounds(v);
        self.check_value(v)?;
        let mut next = 0;
        while let Some((_, arc)) = self.vertex(v).arcs.at(next) {
            next += 1;
            if self.vertex(arc).arc != ArcType::Optional {
                self.finalize(arc)?;
            }
        }
        self.check_whole(v)
    }

    /// Whether a vertex already has an error that no later value mends.
    pub(crate) fn has_fatal(&self, v: VertexId) -> bool {
        self.known(v).and_then(|node| node.errors.as_ref()).is_some_and(|bottom| !bottom.code.is_incomplete())
    }

    /// Holds a scalar against bounds and checks.
    pub(crate) fn check_value(&mut self, v: VertexId) -> Done {
        let Some(node) = self.known(v) else { return Ok(()) };
        let Some(scalar) = node.scalar.clone() else { return Ok(()) };
        let bounds: Vec<Value> = [&node.lower, &node.upper].into_iter().flatten().cloned().collect();
        let checks = node.checks.clone();
        for check in bounds.iter().chain(&checks) {
            self.check(v, &scalar, check)?;
        }
        Ok(())
    }

    /// Holds a struct or list against its validators.
    fn check_whole(&mut self, v: VertexId) -> Done {
        let Some(node) = self.known(v) else { return Ok(()) };
        if node.scalar.is_some() || node.checks.is_empty() {
            return Ok(());
        }
        let value = Value::Vertex(v);
        if !self.is_concrete(&value) {
            return Ok(());
        }
        for check in node.checks.clone() {
            self.check(v, &value, &check)?;
        }
        Ok(())
    }

    fn check(&mut self, v: VertexId, value: &Value, check: &Value) -> Done {
        let kinds = self.kinds_of(value);
        if !kinds.meets(check.kinds()) {
            return Ok(());
        }
        let result = match check {
            Value::Validator(validator) => {
                let validator = std::sync::Arc::clone(validator);
                crate::builtin::validate(self, &validator, value)
            }
            bound => match self.satisfies(value, bound) {
                Ok(true) => Ok(()),
                Ok(false) => {
                    let reason = Reason::OutOfBound {
                        value: Src::Value(value.clone()),
                        bound: Src::Value(bound.clone()),
                    };
                    Err(Stop::Bottom(Bottom::new(v, Code::Eval, reason, None)))
                }
                Err(stop) => Err(stop),
            },
        };
        match result {
            Ok(()) => Ok(()),
            Err(Stop::Abort(abort)) => Err(abort),
            Err(Stop::Bottom(bottom)) => {
                self.add_error(v, bottom);
                Ok(())
            }
            Err(Stop::Blocked) => {
                let label = self.labels.shown(self.vertex(v).label);
                self.add_error(v, Bottom::new(v, Code::Cycle, Reason::Cycle { label }, None));
                Ok(())
            }
        }
    }
}
