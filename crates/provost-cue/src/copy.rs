//! Copying a vertex for one arm of a disjunction: what lies inside refers to the copy, what lies outside stays.

use std::collections::HashMap;

use crate::context::Context;
use crate::fault::Done;
use crate::vertex::{ArcType, Env, EnvId, NO_ENV, NOWHERE, Status, VertexId};

/// A copy of a vertex and what was copied to what.
pub(crate) struct Copied {
    pub(crate) root: VertexId,
    pub(crate) map: HashMap<VertexId, VertexId>,
    pub(crate) envs: HashMap<EnvId, EnvId>,
}

impl Context<'_> {
    /// Copies a vertex with all below it; references inside stay inside.
    pub(crate) fn copy(&mut self, v: VertexId) -> Done<Copied> {
        let mut map = HashMap::new();
        let root = self.copy_vertex(v, self.vertex(v).parent, &mut map)?;
        let mut envs = HashMap::new();
        let mut copies: Vec<VertexId> = map.values().copied().collect();
        copies.sort_unstable();
        for copy in copies {
            let mut conjuncts = std::mem::take(&mut self.vertex_mut(copy).conjuncts);
            for conjunct in &mut conjuncts {
                conjunct.env = self.move_env(conjunct.env, &mut envs, &map)?;
            }
            self.vertex_mut(copy).conjuncts = conjuncts;
            let Some(mut node) = self.vertex_mut(copy).node.take() else { continue };
            let environments = (node.tasks.iter_mut().map(|task| &mut task.env))
                .chain(node.choices.iter_mut().map(|choice| &mut choice.env))
                .chain(node.patterns.iter_mut().map(|pattern| &mut pattern.env))
                .chain(node.waiting_cycles.iter_mut().map(|conjunct| &mut conjunct.env));
            for env in environments {
                *env = self.move_env(*env, &mut envs, &map)?;
            }
            for (target, _) in &mut node.copied {
                *target = map.get(target).copied().unwrap_or(*target);
            }
            for (receiver, _) in &mut node.receivers {
                *receiver = map.get(receiver).copied().unwrap_or(*receiver);
            }
            for arm in &mut node.arms {
                *arm = map.get(arm).copied().unwrap_or(*arm);
            }
            self.vertex_mut(copy).node = Some(node);
        }
        Ok(Copied { root, map, envs })
    }

    fn copy_vertex(
        &mut self,
        v: VertexId,
        parent: VertexId,
        map: &mut HashMap<VertexId, VertexId>,
    ) -> Done<VertexId> {
        self.enter()?;
        let vertex = self.vertex(v);
        let (label, arc, detached) = (vertex.label, vertex.arc, vertex.detached);
        let copy = self.add_vertex(parent, label, arc)?;
        map.insert(v, copy);
        let vertex = self.vertex(v);
        let (status, has_data) = (vertex.status, vertex.has_data);
        let (plain, plainly_closed) = (vertex.plain, vertex.plainly_closed);
        let (conjuncts, node, forward) = (vertex.conjuncts.clone(), vertex.node.clone(), vertex.forward);
        let arcs: Vec<_> = vertex.arcs.iter().collect();
        self.spend(conjuncts.len() + arcs.len())?;
        let is_root = map.len() == 1;
        let target = self.vertex_mut(copy);
        target.detached = detached;
        target.has_data = has_data;
        (target.plain, target.plainly_closed) = (plain, plainly_closed);
        target.conjuncts = conjuncts;
        target.node = node;
        target.status = if is_root { Status::Open } else { status };
        if is_root {
            let node = self.node(copy);
            node.running = false;
            node.choices.clear();
        }
        for (label, arc) in arcs {
            let arc = self.copy_vertex(arc, copy, map)?;
            self.vertex_mut(copy).arcs.push(label, arc);
        }
        if let (Some(forward), false) = (forward, is_root) {
            let forward = self.copy_vertex(forward, parent, map)?;
            self.vertex_mut(copy).forward = Some(forward);
        }
        self.leave();
        Ok(copy)
    }

    /// The environment in which copied vertices stand for their originals.
    pub(crate) fn move_env(
        &mut self,
        env: EnvId,
        known: &mut HashMap<EnvId, EnvId>,
        map: &HashMap<VertexId, VertexId>,
    ) -> Done<EnvId> {
        if env == NO_ENV {
            return Ok(env);
        }
        if let Some(moved) = known.get(&env) {
            return Ok(*moved);
        }
        self.enter()?;
        let Env { up, vertex, lets } = self.env(env);
        let moved_up = self.move_env(up, known, map)?;
        let holder = match map.get(&vertex) {
            Some(copy) => *copy,
            None => self.move_holder(vertex, map)?,
        };
        let mut moved = env;
        if moved_up != up || holder != vertex {
            moved = self.add_env(moved_up, holder)?;
            if lets != NOWHERE {
                self.move_lets(lets, (env, moved), holder)?;
            }
        }
        known.insert(env, moved);
        self.leave();
        Ok(moved)
    }

    /// The variables of a comprehension whose elements were copied.
    fn move_holder(&mut self, holder: VertexId, map: &HashMap<VertexId, VertexId>) -> Done<VertexId> {
        let vertex = self.vertex(holder);
        if !vertex.detached || !vertex.arcs.iter().any(|(_, arc)| map.contains_key(&arc)) {
            return Ok(holder);
        }
        let arcs: Vec<_> = vertex.arcs.iter().collect();
        let copy = self.add_detached(Vec::new())?;
        for (label, arc) in arcs {
            self.vertex_mut(copy).arcs.push(label, map.get(&arc).copied().unwrap_or(arc));
        }
        Ok(copy)
    }

    /// The let clauses of a struct that was copied, seen from the copy.
    fn move_lets(&mut self, lets: VertexId, (from, to): (EnvId, EnvId), parent: VertexId) -> Done {
        let copy = self.add_lets(to, parent)?;
        let arcs: Vec<_> = self.vertex(lets).arcs.iter().collect();
        for (label, arc) in arcs {
            for mut conjunct in self.vertex(arc).conjuncts.clone() {
                // A let clause stands in the environment it belongs to.
                if conjunct.env == from {
                    conjunct.env = to;
                }
                self.insert_arc(copy, label, ArcType::Member, conjunct)?;
            }
        }
        Ok(())
    }
}
