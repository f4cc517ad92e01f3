//! Structs: fields become arcs at once, everything else becomes tasks.

use std::ops::Range;
use std::rc::Rc;

use crate::context::Context;
use crate::data::DataId;
use crate::error::{Code, Reason};
use crate::expr::{Decl, ExprId};
use crate::fault::{Abort, Bottom, Done, Src, Stop};
use crate::kind::Kinds;
use crate::label::Label;
use crate::value::Value;
use crate::vertex::{
    ArcType, Close, Conjunct, Elem, EnvId, Matches, NO_ENV, NOWHERE, OPEN, Pattern, Status, VertexId, Work,
};

impl Context<'_> {
    /// Inserts a struct; the body of a comprehension stays in the struct around it.
    pub(crate) fn insert_struct(
        &mut self,
        v: VertexId,
        id: ExprId,
        decls: &[Decl],
        up: EnvId,
        close: Close,
        body: bool,
    ) -> Done {
        self.spend(decls.len() + 1)?;
        self.own(v, close);
        self.node(v).literal |= !body;
        let env = self.add_env(up, v)?;
        let embeds =
            decls.iter().any(|decl| matches!(decl, Decl::Embed(_) | Decl::Unify(_) | Decl::Comprehension(_)));
        let mut close = close;
        if embeds && !body && close.embed == OPEN {
            let scope = self.add_scope(close.scope)?;
            close = Close { scope, embed: scope, ..close };
        }
        let regular = decls
            .iter()
            .any(|decl| matches!(decl, Decl::Field { label, arc: ArcType::Member, .. } if label.is_text()));
        let dynamic = decls.iter().any(|decl| matches!(decl, Decl::Dynamic { arc: ArcType::Member, .. }));
        if regular || dynamic || !embeds {
            self.update_kinds(v, Kinds::STRUCT, Src::Expr(id));
            self.node(v).is_struct = true;
        }
        let inner = close.field();
        let mut lets = NOWHERE;
        for decl in decls {
            match decl {
                Decl::Field { label, arc, value } => {
                    let conjunct = Self::conjunct(env, Elem::Expr(*value), inner);
                    self.conditional = body;
                    self.insert_arc(v, *label, *arc, conjunct)?;
                    self.conditional = false;
                }
                Decl::Let { label, value } => {
                    let conjunct = Self::conjunct(env, Elem::Expr(*value), inner);
                    if lets == NOWHERE {
                        lets = self.add_lets(env, v)?;
                    }
                    self.insert_arc(lets, *label, ArcType::Member, conjunct)?;
                }
                Decl::Dynamic { key, arc, value } => {
                    if body {
                        // Loops make many of these: most names are known at once and need not wait in line.
                        match self.dynamic(v, (*key, *arc, *value), env, inner, false) {
                            Ok(()) => continue,
                            Err(Stop::Abort(abort)) => return Err(abort),
                            Err(Stop::Blocked | Stop::Bottom(_)) => {}
                        }
                    }
                    let work = Work::Dynamic { key: *key, arc: *arc, value: *value };
                    self.add_task(v, work, env, inner);
                }
                Decl::Pattern { pattern, alias, value } => {
                    let work = Work::Pattern { pattern: *pattern, alias: *alias, value: *value };
                    self.add_task(v, work, env, inner);
                }
                Decl::Embed(value) => self.insert(v, &Self::conjunct(env, Elem::Expr(*value), close))?,
                Decl::Unify(value) => {
                    let close = Close { embed: OPEN, both: OPEN, ..close };
                    self.insert(v, &Self::conjunct(env, Elem::Expr(*value), close))?;
                }
                Decl::Comprehension(value) => self.add_task(v, Work::Comprehension(*value), env, close),
                Decl::Ellipsis => self.node(v).ellipses.push(close.scope),
            }
        }
        Ok(())
    }

    /// The members of a JSON object as fields.
    pub(super) fn data_members(
        &mut self,
        v: VertexId,
        members: &[(Range<u32>, DataId)],
        close: Close,
    ) -> Done {
        self.spend(members.len())?;
        let Some(data) = self.data else { return Ok(()) };
        for (name, value) in members {
            let label = self.labels.text(data.text(name));
            let conjunct = Self::conjunct(NO_ENV, Elem::Data(*value), close.field());
            self.insert_arc(v, label, ArcType::Member, conjunct)?;
        }
        Ok(())
    }

    /// Adds a conjunct to a field, which comes into being if it is not there.
    pub(crate) fn insert_arc(&mut self, v: VertexId, label: Label, arc: ArcType, conjunct: Conjunct) -> Done {
        if let Some(known) = self.vertex(v).arcs.get(label) {
            if arc < self.vertex(known).arc {
                self.vertex_mut(known).arc = arc;
                if self.arrival(v, label, arc)?.is_some() {
                    let shown = self.labels.shown(label);
                    let words = format!(
                        "circular dependency in evaluation of conditionals: {shown} changed after evaluation"
                    );
                    let bottom = Bottom::new(v, Code::Eval, Reason::Remark { words }, None);
                    self.add_error(v, bottom);
                }
            }
            return self.add_conjunct(known, conjunct);
        }
        let late = self.arrival(v, label, arc)?;
        let new = self.add_vertex(v, label, arc)?;
        self.vertex_mut(v).arcs.push(label, new);
        if let Some(late) = late {
            self.add_error(new, late);
        }
        self.add_conjunct(new, conjunct)?;
        let patterns = self.known(v).map(|node| node.patterns.clone()).unwrap_or_default();
        for pattern in patterns {
            self.apply_pattern(&pattern, label, new)?;
        }
        Ok(())
    }

    /// A field that comes after it was found missing, or after all fields were read, must not pass unseen: it is an
    /// error of the struct or the field where that is sure to be looked at, else the end of the evaluation.
    fn arrival(&mut self, v: VertexId, label: Label, arc: ArcType) -> Done<Option<Rc<Bottom>>> {
        let Some(node) = self.known(v).filter(|_| arc == ArcType::Member) else { return Ok(None) };
        let frozen = node.frozen && label.is_regular();
        let missed = node.missed.contains(&label);
        if !frozen && !missed {
            return Ok(None);
        }
        let shown = self.labels.shown(label);
        let seen =
            self.trials > 0 || self.vertex(v).status == Status::Final || self.vertex(v).settled.is_some();
        if seen {
            let reason = Reason::LateField { label: shown };
            return Err(Box::new(Abort { reason, at: v, span: None }));
        }
        if frozen && !self.conditional {
            let bottom = Bottom::new(v, Code::Eval, Reason::LateField { label: shown }, None);
            self.add_error(v, bottom);
            return Ok(None);
        }
        let words = format!("cyclic reference to field {shown}");
        Ok(Some(Bottom::new(v, Code::Cycle, Reason::Remark { words }, None)))
    }

    /// Adds a pattern and applies it to the fields that are there.
    pub(crate) fn add_pattern(&mut self, v: VertexId, pattern: Pattern) -> Done {
        let arcs: Vec<(Label, VertexId)> = self.vertex(v).arcs.iter().collect();
        self.spend(arcs.len())?;
        for (label, arc) in arcs {
            self.apply_pattern(&pattern, label, arc)?;
        }
        self.node(v).patterns.push(pattern);
        Ok(())
    }

    fn apply_pattern(&mut self, pattern: &Pattern, label: Label, arc: VertexId) -> Done {
        match &pattern.matches {
            Matches::From(start) => {
                if label.is_text() || !label.is_regular() || label.id() < *start {
                    return Ok(());
                }
            }
            Matches::Names(value) => {
                if !label.is_text() || !self.name_matches(value, label)? {
                    return Ok(());
                }
            }
        }
        let mut env = pattern.env;
        if let Some(alias) = pattern.alias {
            let name = Value::Text(self.labels.name(label));
            let holder = self.add_detached(Vec::new())?;
            let conjunct = Self::conjunct(NO_ENV, Elem::Value(name), Close::ROOT);
            self.insert_arc(holder, alias, ArcType::Member, conjunct)?;
            env = self.add_env(env, holder)?;
        }
        self.add_conjunct(arc, Self::conjunct(env, Elem::Expr(pattern.value), pattern.close))
    }

    /// Whether a field's name satisfies a pattern's value.
    pub(crate) fn name_matches(&mut self, value: &Value, label: Label) -> Done<bool> {
        if let Value::Type(kinds) = value {
            return Ok(kinds.meets(Kinds::STRING));
        }
        let name = Value::Text(self.labels.name(label));
        match self.satisfies(&name, value) {
            Ok(holds) => Ok(holds),
            Err(Stop::Abort(abort)) => Err(abort),
            Err(Stop::Blocked) => self.unsupported("pattern that waits for a value", None),
            Err(Stop::Bottom(bottom)) => {
                let here = self.here;
                self.add_error(here, Rc::clone(&bottom));
                Ok(false)
            }
        }
    }
}
