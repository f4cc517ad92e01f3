//! The strict rule: regular fields that the policy names under the statement's own fields must be in the document.

use std::rc::Rc;

use crate::context::Context;
use crate::error::{Code, Reason};
use crate::fault::{Bottom, Done};
use crate::vertex::{ArcType, NOWHERE, VertexId};

/// The statement's own fields to which the rule applies.
const FIELDS: [&str; 3] = ["predicate", "predicateType", "subject"];

impl Context<'_> {
    /// The first field that is named under the statement's own fields and that the document lacks.
    pub(crate) fn absent(&mut self) -> Done<Option<Rc<Bottom>>> {
        let root = self.actual(self.root);
        let arms = self.known(root).map(|node| node.arms.clone()).unwrap_or_default();
        let tops = if arms.is_empty() { vec![root] } else { arms };
        let mut first = None;
        for top in tops {
            match self.absent_at_top(top)? {
                None => return Ok(None),
                Some(bottom) => first = first.or(Some(bottom)),
            }
        }
        Ok(first)
    }

    fn absent_at_top(&mut self, top: VertexId) -> Done<Option<Rc<Bottom>>> {
        let arcs: Vec<_> = self.vertex(self.actual(top)).arcs.iter().collect();
        for (label, arc) in arcs {
            if label.is_text()
                && FIELDS.contains(&&*self.labels.name(label))
                && let Some(bottom) = self.absent_arc(arc)?
            {
                return Ok(Some(bottom));
            }
        }
        Ok(None)
    }

    /// Whether an arm of a disjunction names a field that the document lacks.
    pub(crate) fn absent_in_arm(&mut self, arm: VertexId) -> Done<Option<Rc<Bottom>>> {
        if !self.vertex(arm).has_data {
            return Ok(None);
        }
        match self.under_statement(arm) {
            Some(true) => self.absent_below(arm),
            Some(false) => Ok(None),
            None => self.absent_at_top(arm),
        }
    }

    /// Whether a vertex lies under the statement's own fields; `None` for the statement itself.
    fn under_statement(&self, v: VertexId) -> Option<bool> {
        let mut top = None;
        let mut at = v;
        loop {
            let vertex = self.vertex(at);
            if vertex.parent == NOWHERE || vertex.detached {
                let name = self.labels.name(top?);
                return Some(FIELDS.contains(&&*name));
            }
            top = Some(vertex.label);
            at = vertex.parent;
        }
    }

    /// A field: absent itself, or something below it.
    fn absent_arc(&mut self, arc: VertexId) -> Done<Option<Rc<Bottom>>> {
        let vertex = self.vertex(arc);
        if vertex.arc != ArcType::Member {
            return Ok(None);
        }
        let actual = self.actual(arc);
        if self.vertex(arc).has_data || self.vertex(actual).has_data {
            return self.absent_below(actual);
        }
        let decided = self.known(actual).is_some_and(|node| node.defaults > 0 || node.by_default);
        if decided {
            return Ok(None);
        }
        // The deepest field that is named tells most.
        let below = self.absent_below(actual)?;
        Ok(Some(below.unwrap_or_else(|| Bottom::new(arc, Code::Eval, Reason::Required, None))))
    }

    /// The first absent field among the fields and elements of a vertex.
    fn absent_below(&mut self, v: VertexId) -> Done<Option<Rc<Bottom>>> {
        let v = self.actual(v);
        if self.only_data(v).is_some() {
            return Ok(None);
        }
        self.enter()?;
        let mut found = None;
        let node = self.known(v);
        let arms = node.map(|node| node.arms.clone()).unwrap_or_default();
        if arms.is_empty() {
            let arcs: Vec<_> = self.vertex(v).arcs.iter().collect();
            self.spend(arcs.len())?;
            for (label, arc) in arcs {
                if label.is_regular() {
                    found = self.absent_arc(arc)?;
                }
                if found.is_some() {
                    break;
                }
            }
        } else {
            for arm in arms {
                match self.absent_below(arm)? {
                    None => {
                        found = None;
                        break;
                    }
                    Some(bottom) => found = found.or(Some(bottom)),
                }
            }
        }
        self.leave();
        Ok(found)
    }

    /// The first field that a schema names and that the value held against it lacks.
    pub(crate) fn absent_against(
        &mut self,
        matched: VertexId,
        subject: VertexId,
    ) -> Done<Option<Rc<Bottom>>> {
        if self.under_statement(self.here) != Some(true) {
            return Ok(None);
        }
        self.missing_from(matched, subject)
    }

    fn missing_from(&mut self, matched: VertexId, subject: VertexId) -> Done<Option<Rc<Bottom>>> {
        self.enter()?;
        let (matched, subject) = (self.actual(matched), self.actual(subject));
        self.open_data(subject)?;
        let arms = self.known(matched).map(|node| node.arms.clone()).unwrap_or_default();
        let mut found = None;
        for arm in &arms {
            found = self.missing_from(*arm, subject)?;
            if found.is_none() {
                break;
            }
        }
        if arms.is_empty() && self.only_data(matched).is_none() {
            let arcs: Vec<_> = self.vertex(matched).arcs.iter().collect();
            self.spend(arcs.len())?;
            for (label, arc) in arcs {
                if !label.is_regular() || self.vertex(arc).arc != ArcType::Member {
                    continue;
                }
                let actual = self.actual(arc);
                found = match self.vertex(subject).arcs.get(label) {
                    Some(there) => self.missing_from(arc, there)?,
                    None if self.known(actual).is_some_and(|node| node.defaults > 0 || node.by_default) => {
                        None
                    }
                    None => Some(Bottom::new(arc, Code::Eval, Reason::Required, None)),
                };
                if found.is_some() {
                    break;
                }
            }
        }
        self.leave();
        Ok(found)
    }
}
