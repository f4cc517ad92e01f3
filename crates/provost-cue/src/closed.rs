//! Closedness: every field of a definition or closed struct needs evidence that it is known there.
//! Settling a vertex adds these errors and lets the first fatal error of its fields climb.

use std::rc::Rc;

use crate::context::Context;
use crate::error::{Code, Reason};
use crate::fault::{Bottom, Done};
use crate::label::{Label, LabelKind};
use crate::vertex::{ArcType, Demand, NOWHERE, ScopeId, VertexId};

impl Context<'_> {
    /// The demands on the fields of a vertex: its own, and those of the vertices above that reach down.
    pub(crate) fn demands(&mut self, v: VertexId) -> Done<Vec<Demand>> {
        self.enter()?;
        let mut demands = self.known(v).map(|node| node.demands.clone()).unwrap_or_default();
        let vertex = self.vertex(v);
        if !vertex.detached && vertex.parent != NOWHERE {
            let parent = self.actual(vertex.parent);
            for demand in self.demands(parent)? {
                if demand.recursive && self.reaches(demand.scope, v) && !demands.contains(&demand) {
                    demands.push(demand);
                }
            }
        }
        self.leave();
        Ok(demands)
    }

    /// Whether a demand on a vertex's parent holds for its own fields, too: something in the demand's scope speaks
    /// of it, and does not say that anything may stand there.
    fn reaches(&self, scope: ScopeId, v: VertexId) -> bool {
        let top = |node: &crate::vertex::Node| node.tops.iter().any(|top| self.in_scope(*top, scope));
        self.evidence(scope, v) && !self.known(v).is_some_and(top)
    }

    /// Whether a conjunct of a vertex comes from a scope.
    fn evidence(&self, scope: ScopeId, v: VertexId) -> bool {
        self.has_evidence(v, &|found| self.in_scope(found, scope))
    }

    /// Whether a conjunct of a vertex comes from a scope for which something holds.
    fn has_evidence(&self, v: VertexId, holds: &dyn Fn(ScopeId) -> bool) -> bool {
        let conjuncts = self.vertex(v).conjuncts.iter().any(|conjunct| holds(conjunct.close.scope));
        conjuncts || self.known(v).is_some_and(|node| node.copied.iter().any(|(_, copied)| holds(*copied)))
    }

    /// Whether a scope said `...` on this level.
    fn is_open(&self, scope: ScopeId, v: VertexId) -> bool {
        self.known(v).is_some_and(|node| {
            node.ellipses.iter().chain(&node.tops).any(|ellipsis| self.in_scope(*ellipsis, scope))
        })
    }

    /// Whether a vertex that has not this field could still get it.
    pub(crate) fn accepts(&mut self, v: VertexId, label: Label) -> Done<bool> {
        let mut demands = self.demands(v)?;
        if self.in_definition(v) {
            // The definition itself: everything said about it is inside.
            demands.push(Demand {
                scope: crate::vertex::OPEN,
                recursive: true,
                within: crate::vertex::OPEN,
                outer: crate::vertex::OPEN,
            });
        }
        let matched = self.known(v).map(|node| node.patterns.clone()).unwrap_or_default();
        'demands: for demand in demands {
            if self.is_open(demand.scope, v) {
                continue;
            }
            for pattern in &matched {
                if let crate::vertex::Matches::Names(value) = &pattern.matches
                    && self.in_scope(pattern.close.scope, demand.scope)
                    && self.name_matches(value, label)?
                {
                    continue 'demands;
                }
            }
            return Ok(false);
        }
        Ok(true)
    }

    /// Whether a vertex is a definition or lies in one.
    fn in_definition(&self, v: VertexId) -> bool {
        let mut at = v;
        loop {
            let vertex = self.vertex(at);
            if vertex.detached || vertex.parent == NOWHERE {
                return false;
            }
            if vertex.label.is_definition() {
                return true;
            }
            at = vertex.parent;
        }
    }

    /// The demands of a vertex whose parent's are known.
    fn demands_below(&mut self, above: &[Demand], v: VertexId) -> Done<Vec<Demand>> {
        let mut demands = self.known(v).map(|node| node.demands.clone()).unwrap_or_default();
        self.spend(above.len())?;
        for demand in above {
            if demand.recursive && self.reaches(demand.scope, v) && !demands.contains(demand) {
                demands.push(*demand);
            }
        }
        Ok(demands)
    }

    /// Whether a field meets a demand on its vertex.
    fn meets(&self, demand: &Demand, v: VertexId, arc: VertexId) -> bool {
        let inner = self.actual(arc);
        let evidence = |holds: &dyn Fn(ScopeId) -> bool| {
            self.has_evidence(arc, holds) || self.has_evidence(inner, holds)
        };
        if self.is_open(demand.scope, v) || evidence(&|scope| self.in_scope(scope, demand.scope)) {
            return true;
        }
        if demand.within == crate::vertex::OPEN {
            return false;
        }
        let within = |scope| self.in_scope(scope, demand.within);
        !evidence(&within) || evidence(&|scope| self.in_scope(scope, demand.outer) && !within(scope))
    }

    /// Whether two unfinished vertices, alike in what they hold, are also known alike to what is demanded of them.
    pub(crate) fn closed_alike(&mut self, a: VertexId, b: VertexId) -> Done<bool> {
        let (left, right) = (self.demands(a)?, self.demands(b)?);
        if left != right {
            return Ok(false);
        }
        if left.is_empty() {
            return Ok(true);
        }
        let arcs: Vec<_> = self.vertex(a).arcs.iter().collect();
        self.spend(arcs.len() * left.len())?;
        for (label, one) in arcs {
            let Some(other) = self.vertex(b).arcs.get(label) else { return Ok(false) };
            if left.iter().any(|demand| self.meets(demand, a, one) != self.meets(demand, b, other)) {
                return Ok(false);
            }
            if self.vertex(one).arcs.len() > 0 && !self.closed_alike(one, other)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The errors of fields that no demand knows.
    fn closed_errors(
        &mut self,
        v: VertexId,
        demands: &[Demand],
        refused: &mut Vec<VertexId>,
    ) -> Done<Option<Rc<Bottom>>> {
        let waits = |node: &crate::vertex::Node| node.errors.as_ref().is_some_and(|b| b.code.is_incomplete());
        if demands.is_empty() || self.known(v).is_some_and(waits) {
            // What is still missing could bring the evidence.
            return Ok(None);
        }
        let mut found: Option<Rc<Bottom>> = None;
        let arcs: Vec<_> = self.vertex(v).arcs.iter().collect();
        self.spend(arcs.len())?;
        for (label, arc) in arcs {
            let checked = label.kind() == LabelKind::Text;
            if !checked || self.vertex(arc).arc == ArcType::Optional {
                continue;
            }
            let inner = self.actual(arc);
            let broken =
                self.known(inner).and_then(|node| node.errors.as_ref()).is_some_and(|b| !b.closedness);
            if broken {
                continue;
            }
            self.spend(demands.len())?;
            if demands.iter().all(|demand| self.meets(demand, v, arc)) {
                continue;
            }
            let fault = Bottom::new(arc, Code::Eval, Reason::NotAllowed, None);
            let fault = Rc::new(Bottom { closedness: true, ..(*fault).clone() });
            self.add_error(inner, Rc::clone(&fault));
            refused.push(inner);
            found = Bottom::combine(found, Some(fault));
        }
        Ok(found)
    }

    /// The error a complete vertex ends in, with what its fields and its closedness add.
    pub(crate) fn settle(&mut self, v: VertexId) -> Done<Option<Rc<Bottom>>> {
        let v = self.actual(v);
        let demands = if self.vertex(v).settled.is_none() { self.demands(v)? } else { Vec::new() };
        self.settle_with(v, &demands)
    }

    fn settle_with(&mut self, v: VertexId, demands: &[Demand]) -> Done<Option<Rc<Bottom>>> {
        if let Some(settled) = &self.vertex(v).settled {
            return Ok(settled.clone());
        }
        self.enter()?;
        let own = self.known(v).and_then(|node| node.errors.clone());
        let mut ends = own.clone();
        let decided = self.known(v).is_some_and(|node| !node.arms.is_empty());
        if self.only_data(v).is_none() && !decided {
            let mut refused = Vec::new();
            if let Some(closed) = self.closed_errors(v, demands, &mut refused)? {
                climb(&mut ends, closed);
            }
            let arcs: Vec<_> = self.vertex(v).arcs.iter().collect();
            for (label, arc) in arcs {
                if label.kind() == LabelKind::Let || self.vertex(arc).arc > ArcType::Required {
                    continue;
                }
                let arc = self.actual(arc);
                if refused.contains(&arc) || (self.only_data(arc).is_some() && !self.vertex(arc).plain) {
                    continue;
                }
                let below = self.demands_below(demands, arc)?;
                if self.vertex(arc).plain {
                    if below.is_empty() || self.vertex(arc).plainly_closed {
                        continue;
                    }
                    self.open_data(arc)?;
                }
                if let Some(bottom) = self.settle_with(arc, &below)?
                    && !bottom.code.is_incomplete()
                {
                    climb(&mut ends, bottom);
                }
            }
        }
        self.leave();
        self.vertex_mut(v).settled = Some(ends.clone());
        Ok(ends)
    }
}

/// Lets an error from below take its place: the first real one stays, errors of closedness give way.
fn climb(ends: &mut Option<Rc<Bottom>>, bottom: Rc<Bottom>) {
    match ends {
        Some(known) if !known.closedness && !known.code.is_incomplete() => {}
        _ => *ends = Some(bottom),
    }
}
