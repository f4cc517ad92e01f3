//! Whether two vertices hold the same data.

use crate::context::Context;
use crate::fault::Done;
use crate::label::{Label, LabelKind};
use crate::value::{Value, same};
use crate::vertex::{Conjunct, Status, VertexId};

impl Context<'_> {
    /// Whether two complete vertices have the same value, field by field.
    pub(crate) fn alike(&mut self, a: VertexId, b: VertexId) -> Done<bool> {
        self.enter()?;
        let alike = self.alike_inside(a, b);
        self.leave();
        alike
    }

    fn alike_inside(&mut self, a: VertexId, b: VertexId) -> Done<bool> {
        let (a, b) = (self.default_arm(a)?, self.default_arm(b)?);
        if a == b {
            return Ok(true);
        }
        match (self.value_now(a), self.value_now(b)) {
            (Value::Vertex(_), Value::Vertex(_)) => {}
            (left, right) => return Ok(same(&left, &right)),
        }
        self.open_data(a)?;
        self.open_data(b)?;
        if self.kinds_of(&Value::Vertex(a)) != self.kinds_of(&Value::Vertex(b)) {
            return Ok(false);
        }
        if let (Some(left), Some(right)) = (self.known(a), self.known(b)) {
            let plain = left.lower == right.lower
                && left.upper == right.upper
                && left.checks == right.checks
                && left.list == right.list
                && left.is_struct == right.is_struct
                && left.tasks.len() == right.tasks.len()
                && left.arms.len() == right.arms.len();
            if !plain {
                return Ok(false);
            }
            let waiting = left.tasks.iter().zip(&right.tasks);
            if waiting.into_iter().any(|(left, right)| left.env != right.env) {
                return Ok(false);
            }
            for (left, right) in left.arms.clone().into_iter().zip(right.arms.clone()) {
                if !self.alike(left, right)? {
                    return Ok(false);
                }
            }
        }
        if self.vertex(a).status == Status::Fresh && self.vertex(b).status == Status::Fresh {
            // Nobody looked at them: they are alike where the same is said of them.
            let (left, right) = (&self.vertex(a).conjuncts, &self.vertex(b).conjuncts);
            let same = |(left, right): (&Conjunct, &Conjunct)| left.elem == right.elem;
            return Ok(left.len() == right.len() && left.iter().zip(right).all(same));
        }
        let fields = |context: &Self, v: VertexId| -> Vec<(Label, VertexId)> {
            let counts = |label: Label| label.kind() != LabelKind::Let;
            context.vertex(v).arcs.iter().filter(|(label, _)| counts(*label)).collect()
        };
        let (left, right) = (fields(self, a), fields(self, b));
        if left.len() != right.len() {
            return Ok(false);
        }
        for (label, left) in left {
            let Some(right) = self.vertex(b).arcs.get(label) else { return Ok(false) };
            if self.vertex(left).arc != self.vertex(right).arc || !self.alike(left, right)? {
                return Ok(false);
            }
        }
        Ok(true)
    }
}
