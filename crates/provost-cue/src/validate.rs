//! Validating a finished value as CUE's commands do: all errors, in the order of fields.

use std::rc::Rc;

use crate::context::Context;
use crate::error::{Code, Reason};
use crate::fault::{Bottom, Done, Src};
use crate::instance::Demands;
use crate::label::LabelKind;
use crate::value::Value;
use crate::vertex::{ArcType, VertexId};

impl Context<'_> {
    /// All errors of a finished value under some demands.
    pub(crate) fn validate(&mut self, v: VertexId, demands: Demands) -> Done<Option<Rc<Bottom>>> {
        // What is not allowed is known only when closedness was asked of every field.
        self.settle(v)?;
        let mut found = Vec::new();
        self.validate_into(v, demands, &mut found)?;
        let mut found = found.into_iter();
        let Some(first) = found.next() else { return Ok(None) };
        let mut all = (*first).clone();
        for bottom in found {
            all.code = all.code.min(bottom.code);
            all.faults.extend(bottom.faults.iter().cloned());
        }
        Ok(Some(Rc::new(all)))
    }

    fn validate_into(&mut self, v: VertexId, demands: Demands, found: &mut Vec<Rc<Bottom>>) -> Done {
        self.enter()?;
        self.finalize(v)?;
        let v = self.actual(v);
        self.open_data(v)?;
        let mut at = v;
        let own = self.known(v).and_then(|node| node.errors.clone());
        match own {
            Some(bottom) => match bottom.code {
                Code::Cycle if !demands.concrete && !demands.complete => {}
                Code::Incomplete if !demands.concrete => {}
                _ => found.push(bottom),
            },
            None if demands.concrete => {
                at = self.default_arm(v)?;
                let value = self.value_now(at);
                if !self.is_concrete(&value) {
                    let reason = Reason::Incomplete { value: Src::Value(Value::Vertex(at)) };
                    found.push(Bottom::new(v, Code::Incomplete, reason, None));
                }
            }
            None => {}
        }
        let arcs: Vec<_> = self.vertex(at).arcs.iter().collect();
        for (label, arc) in arcs {
            if label.kind() == LabelKind::Let {
                continue;
            }
            match self.vertex(arc).arc {
                ArcType::Optional => {}
                ArcType::Required => {
                    if demands.complete {
                        found.push(Bottom::new(arc, Code::Incomplete, Reason::Required, None));
                    }
                }
                ArcType::Member => {
                    let inner = if label.is_regular() { demands } else { Demands::default() };
                    self.validate_into(arc, inner, found)?;
                }
            }
        }
        self.leave();
        Ok(())
    }
}
