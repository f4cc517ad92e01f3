//! Tasks: work on a vertex that waits, is tried again, and is forced when nothing else can move.

use crate::context::Context;
use crate::data::Node as DataNode;
use crate::error::{Code, Reason};
use crate::expr::{Element, Expr, ExprId};
use crate::fault::{Bottom, Done, Eval, Src, Stop};
use crate::kind::Kinds;
use crate::label::Label;
use crate::resolve::Target;
use crate::value::Value;
use crate::vertex::{
    ArcType, Close, Conjunct, Elem, EnvId, Matches, NO_ENV, NOWHERE, Pattern, Status, Task, VertexId, Work,
};

impl Context<'_> {
    /// Tries the tasks of a vertex until none moves.
    pub(crate) fn run_tasks(&mut self, v: VertexId) -> Done {
        if self.known(v).is_none_or(|node| node.running || node.tasks.is_empty()) {
            return Ok(());
        }
        self.enter()?;
        self.node(v).running = true;
        let mut moved = true;
        while moved {
            moved = false;
            let serials: Vec<u32> = self.node(v).tasks.iter().map(|task| task.serial).collect();
            for serial in serials {
                let task = self.node(v).tasks.iter().find(|task| task.serial == serial).cloned();
                let Some(task) = task else { continue };
                // The line is searched for each of them.
                self.spend(self.known(v).map_or(0, |node| node.tasks.len() / 64))?;
                if self.run_task(v, &task, false)? {
                    self.node(v).tasks.retain(|task| task.serial != serial);
                    moved = true;
                }
            }
        }
        self.node(v).running = false;
        self.leave();
        Ok(())
    }

    /// Forces the first waiting task; what it still lacks is an error now. False where there is none.
    pub(crate) fn force_task(&mut self, v: VertexId) -> Done<bool> {
        let Some(task) = self.known(v).and_then(|node| node.tasks.first().cloned()) else { return Ok(false) };
        let was_running = std::mem::replace(&mut self.node(v).running, true);
        self.run_task(v, &task, true)?;
        let node = self.node(v);
        node.running = was_running;
        node.tasks.retain(|known| known.serial != task.serial);
        Ok(true)
    }

    /// Runs a task; true when it is done. An error that later values could mend counts only when forced.
    fn run_task(&mut self, v: VertexId, task: &Task, force: bool) -> Done<bool> {
        self.enter()?;
        let here = std::mem::replace(&mut self.here, v);
        let result = self.work(v, task, force);
        self.here = here;
        self.leave();
        match result {
            Ok(()) => Ok(true),
            Err(Stop::Abort(abort)) => Err(abort),
            Err(Stop::Blocked) if force => {
                let label = self.labels.shown(self.vertex(v).label);
                self.add_error(v, Bottom::new(v, Code::Cycle, Reason::Cycle { label }, None));
                Ok(true)
            }
            Err(Stop::Blocked) => Ok(false),
            Err(Stop::Bottom(bottom)) if force || !bottom.code.is_incomplete() => {
                self.add_error(v, bottom);
                Ok(true)
            }
            Err(Stop::Bottom(_)) => Ok(false),
        }
    }

    fn work(&mut self, v: VertexId, task: &Task, force: bool) -> Eval<()> {
        let Task { env, close, .. } = *task;
        match &task.work {
            Work::Resolve(expr) => match self.target(*expr, env, force)? {
                Target::Vertex(target) => Ok(self.copy_conjuncts(v, target, expr.0, close)?),
                Target::Value(value) => Ok(self.insert_value(v, &value, close)?),
            },
            Work::Evaluate(expr) => {
                let value = self.eval(*expr, env, force)?;
                Ok(self.insert_value(v, &value, close)?)
            }
            Work::Comprehension(expr) => {
                for (env, body) in self.yields(*expr, env, force)? {
                    if let Expr::Struct(decls) = self.program.expr(body) {
                        self.insert_struct(v, body, decls, env, close, true)?;
                    }
                }
                Ok(())
            }
            Work::Dynamic { key, arc, value } => self.dynamic(v, (*key, *arc, *value), env, close, force),
            Work::Pattern { pattern, alias, value } => {
                let matches = self.eval(*pattern, env, force)?;
                let matches = self.pattern_value(matches)?;
                let pattern =
                    Pattern { matches: Matches::Names(matches), env, alias: *alias, value: *value, close };
                Ok(self.add_pattern(v, pattern)?)
            }
            Work::List(expr) => self.list(v, *expr, env, close, force),
            Work::DataList(id) => {
                let Some(data) = self.data else { return Ok(()) };
                if let DataNode::List(range) = data.node(*id) {
                    let elements = data.elements(range);
                    self.spend(elements.len())?;
                    for (index, element) in elements.iter().enumerate() {
                        let conjunct = Self::conjunct(NO_ENV, Elem::Data(*element), close.field());
                        self.insert_arc(v, Label::index(index), ArcType::Member, conjunct)?;
                    }
                    self.set_length(v, elements.len(), true);
                }
                Ok(())
            }
        }
    }

    /// A pattern's value as something a name can be held against.
    fn pattern_value(&mut self, value: Value) -> Eval {
        match value {
            Value::Vertex(vertex) => match self.vertex_values(vertex)? {
                Some(values) => Ok(values),
                None => Ok(self.unsupported("pattern that is not made of strings", None)?),
            },
            value => Ok(value),
        }
    }

    pub(crate) fn dynamic(
        &mut self,
        v: VertexId,
        (key, arc, value): (ExprId, ArcType, ExprId),
        env: EnvId,
        close: Close,
        force: bool,
    ) -> Eval<()> {
        let span = self.program.span(key);
        let name = self.scalar(key, env, force, "dynamic field")?;
        let Value::Text(name) = &name else {
            let found = name.kinds().to_string();
            let expected = Kinds::STRING.to_string();
            let reason =
                Reason::WrongKind { value: Src::Value(name), found, expected, context: "dynamic field" };
            return Err(Stop::Bottom(Bottom::new(v, Code::Eval, reason, Some(span))));
        };
        let label = self.labels.text(name);
        Ok(self.insert_arc(v, label, arc, Self::conjunct(env, Elem::Expr(value), close))?)
    }

    fn list(&mut self, v: VertexId, id: ExprId, env: EnvId, close: Close, force: bool) -> Eval<()> {
        let Expr::List { elements, open } = self.program.expr(id) else { return Ok(()) };
        let mut items: Vec<(EnvId, ExprId)> = Vec::with_capacity(elements.len());
        for element in elements {
            match element {
                Element::Expr(expr) => items.push((env, *expr)),
                Element::Comprehension(expr) => {
                    items.extend(self.yields(*expr, env, force)?);
                }
            }
        }
        let length = items.len();
        for (index, (env, expr)) in items.into_iter().enumerate() {
            let conjunct = Self::conjunct(env, Elem::Expr(expr), close.field());
            self.insert_arc(v, Label::index(index), ArcType::Member, conjunct)?;
        }
        if let Some(Some(rest)) = open {
            let matches = Matches::From(length);
            let pattern = Pattern { matches, env, alias: None, value: *rest, close: close.field() };
            self.add_pattern(v, pattern)?;
        }
        if open.is_some() {
            self.node(v).ellipses.push(close.scope);
        }
        self.set_length(v, length, open.is_none());
        Ok(())
    }

    /// Unifies the lengths of lists.
    pub(crate) fn set_length(&mut self, v: VertexId, length: usize, closed: bool) {
        let node = self.node(v);
        let (known, known_closed) = *node.list.get_or_insert((length, closed));
        node.list = Some((known.max(length), known_closed || closed));
        let clash = (known_closed && length > known) || (closed && known > length);
        if clash {
            let reason = Reason::ListLength { short: known.min(length), long: known.max(length) };
            self.add_error(v, Bottom::new(v, Code::Eval, reason, None));
        }
    }

    /// Copies the conjuncts of what a reference leads to, with the bookkeeping of closedness and cycles.
    pub(crate) fn copy_conjuncts(
        &mut self,
        v: VertexId,
        target: VertexId,
        reference: u32,
        close: Close,
    ) -> Done {
        let target = self.end_of_chain(target)?;
        if target == v || self.actual(target) == self.actual(v) {
            return Ok(());
        }
        let mut inner = close;
        let mut link = self.link(close.chain);
        let (mut followed, mut passed) = (false, false);
        while let Some(step) = link {
            followed |= step.target == target && step.reference == reference && reference != u32::MAX;
            passed |= step.target == target;
            link = self.link(step.up);
        }
        inner.cyclic |= followed || self.is_ancestor(target, v);
        self.links.push(crate::context::Link { up: close.chain, target, reference });
        inner.chain = (self.links.len() - 1) as u32;

        let copied = self.node(v).copied.clone();
        self.spend(copied.len() + 1)?;
        if copied.iter().any(|(known, scope)| *known == target && self.in_scope(close.scope, *scope)) {
            if passed && self.vertex(target).label.kind() == crate::label::LabelKind::Let {
                let words = "cyclic references in let clause or alias".to_owned();
                self.add_error(v, Bottom::new(v, Code::Eval, Reason::Remark { words }, None));
            }
            return Ok(());
        }
        let defined = self.vertex(target).label.is_definition() && !self.vertex(target).detached;
        if !close.open && (defined || (reference != u32::MAX && self.is_definition_path(ExprId(reference)))) {
            inner.scope = self.add_scope(close.scope)?;
            let scope = if close.embed == crate::vertex::OPEN { inner.scope } else { close.embed };
            let open = crate::vertex::OPEN;
            self.demand(v, crate::vertex::Demand { scope, recursive: true, within: open, outer: open });
            if close.both != open {
                // Both sides of an embedded conjunction must know what either side brings.
                let (scope, within, outer) = (inner.scope, close.both, close.embed);
                self.demand(v, crate::vertex::Demand { scope, recursive: true, within, outer });
            }
        }
        self.node(v).copied.push((target, inner.scope));

        self.complete_ancestors(target)?;
        let status = self.vertex(target).status;
        if status != Status::Final && !self.vertex(target).detached {
            self.node(target).receivers.push((v, inner));
        }
        let mut next = 0;
        while let Some(conjunct) = self.vertex(target).conjuncts.get(next).cloned() {
            next += 1;
            let conjunct = Conjunct { close: inner, ..conjunct };
            if inner.cyclic && !self.plain(&conjunct) {
                self.node(v).waiting_cycles.push(conjunct);
            } else {
                self.insert(v, &conjunct)?;
            }
        }
        Ok(())
    }

    /// Where a chain of finished fields that are nothing but references ends.
    fn end_of_chain(&mut self, mut target: VertexId) -> Done<VertexId> {
        loop {
            self.spend(1)?;
            let vertex = self.vertex(target);
            let plain = vertex.status == Status::Final && !vertex.detached && !vertex.label.is_definition();
            let next = match (vertex.conjuncts.as_slice(), vertex.node.as_deref()) {
                ([Conjunct { elem: Elem::Expr(expr), close, .. }], Some(node))
                    if plain && *close == Close::ROOT && node.errors.is_none() =>
                {
                    match (self.program.expr(*expr), node.copied.as_slice()) {
                        (Expr::Reference { label, .. }, [(next, _)]) if !label.is_definition() => *next,
                        _ => return Ok(target),
                    }
                }
                _ => return Ok(target),
            };
            target = next;
        }
    }

    /// Whether a reference names a definition anywhere on its way.
    fn is_definition_path(&self, mut id: ExprId) -> bool {
        loop {
            match self.program.expr(id) {
                Expr::Reference { label, .. } => return label.is_definition(),
                Expr::Select(_, label) if label.is_definition() => return true,
                Expr::Select(base, _) | Expr::Index(base, _) => id = *base,
                _ => return false,
            }
        }
    }

    /// Whether inserting a conjunct cannot lead further down.
    fn plain(&self, conjunct: &Conjunct) -> bool {
        match &conjunct.elem {
            Elem::Expr(expr) => matches!(self.program.expr(*expr), Expr::Value(_) | Expr::Bound(..)),
            Elem::Value(value) => !matches!(value, Value::Vertex(_)),
            Elem::Data(_) => true,
        }
    }

    fn is_ancestor(&self, target: VertexId, v: VertexId) -> bool {
        let target = self.actual(target);
        let mut at = self.vertex(v).parent;
        while at != NOWHERE {
            if self.actual(at) == target {
                return true;
            }
            at = self.vertex(at).parent;
        }
        false
    }

    /// Lets everything above a vertex insert what it has for it.
    pub(crate) fn complete_ancestors(&mut self, v: VertexId) -> Done {
        let mut above = Vec::new();
        let mut at = v;
        while !self.vertex(at).detached && self.vertex(at).parent != NOWHERE {
            at = self.vertex(at).parent;
            above.push(at);
        }
        for ancestor in above.into_iter().rev() {
            if self.vertex(ancestor).status <= Status::Open && self.only_data(ancestor).is_none() {
                self.expand(ancestor)?;
                self.run_tasks(ancestor)?;
            }
        }
        Ok(())
    }

    /// Forces what the vertices above one still wait for, unless they are being completed themselves.
    pub(crate) fn force_ancestors(&mut self, v: VertexId) -> Done {
        let mut above = Vec::new();
        let mut at = v;
        while !self.vertex(at).detached && self.vertex(at).parent != NOWHERE {
            at = self.vertex(at).parent;
            above.push(at);
        }
        for ancestor in above.into_iter().rev() {
            let idle = |context: &Self| {
                context.vertex(ancestor).status == Status::Open
                    && context.known(ancestor).is_some_and(|node| !node.running)
            };
            while idle(self) && self.force_task(ancestor)? {
                self.run_tasks(ancestor)?;
            }
        }
        Ok(())
    }

    /// Whether nothing above a vertex can still add to it.
    pub(crate) fn ancestors_done(&self, v: VertexId) -> bool {
        let mut at = v;
        while !self.vertex(at).detached && self.vertex(at).parent != NOWHERE {
            at = self.vertex(at).parent;
            let waits = |node: &crate::vertex::Node| !node.tasks.is_empty();
            if self.vertex(at).status != Status::Final && self.known(at).is_some_and(waits) {
                return false;
            }
        }
        true
    }
}
