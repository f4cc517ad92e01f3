//! References: from a name, selector or index to the vertex it means, and from a vertex to its value.

use crate::context::Context;
use crate::data::Node as DataNode;
use crate::error::{Code, Reason};
use crate::expr::{Decl, Expr, ExprId};
use crate::fault::{Bottom, Done, Eval, Src, Stop};
use crate::kind::Kinds;
use crate::label::Label;
use crate::value::Value;
use crate::vertex::{ArcType, EnvId, NOWHERE, Status, VertexId, Work};

/// What a reference leads to.
pub(crate) enum Target {
    Vertex(VertexId),
    Value(Value),
}

/// How much of a vertex must be known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Need {
    /// A scalar, or that it is none.
    Scalar,
    /// Which fields or elements it has.
    Fields,
    /// Everything below.
    Whole,
}

impl Context<'_> {
    /// Follows a reference. Where it may still change, it blocks unless forced.
    pub(crate) fn target(&mut self, id: ExprId, env: EnvId, force: bool) -> Eval<Target> {
        self.enter()?;
        let target = self.target_inside(id, env, force);
        let target = match target {
            Ok(Target::Vertex(vertex)) => self.decided(vertex, force).map(Target::Vertex),
            target => target,
        };
        self.leave();
        target
    }

    /// The same place once every disjunction above it is decided: an arm may say more about it.
    fn decided(&mut self, v: VertexId, force: bool) -> Eval<VertexId> {
        let mut labels = Vec::new();
        let mut undecided = None;
        let mut at = v;
        while !self.vertex(at).detached && self.vertex(at).parent != NOWHERE {
            labels.push(self.vertex(at).label);
            at = self.vertex(at).parent;
            let waits = |node: &crate::vertex::Node| !node.choices.is_empty();
            if self.vertex(at).status < Status::Finalizing && self.known(at).is_some_and(waits) {
                undecided = Some((at, labels.len()));
            }
        }
        let Some((above, depth)) = undecided else { return Ok(v) };
        if !force {
            return Err(Stop::Blocked);
        }
        self.finalize(above)?;
        let mut place = self.default_arm(above)?;
        for label in labels.iter().take(depth).rev() {
            match self.vertex(place).arcs.get(*label) {
                Some(arc) => place = self.actual(arc),
                None => return Ok(v),
            }
        }
        Ok(place)
    }

    fn target_inside(&mut self, id: ExprId, env: EnvId, force: bool) -> Eval<Target> {
        match self.program.expr(id) {
            Expr::Reference { up, label } => {
                let level = self.env(self.env_up(env, *up));
                let base = level.vertex;
                let mut found = self.vertex(level.lets).arcs.get(*label);
                for place in [self.actual(base), base] {
                    found = found.or_else(|| self.vertex(place).arcs.get(*label));
                }
                match found {
                    Some(arc) => {
                        self.present(arc, force)?;
                        Ok(Target::Vertex(arc))
                    }
                    None if force => {
                        let label = self.labels.shown(*label);
                        self.stop(Code::Incomplete, Reason::UndefinedField { label })
                    }
                    None => Err(Stop::Blocked),
                }
            }
            Expr::Package(index) => Ok(Target::Vertex(self.package(*index)?)),
            Expr::Here => Ok(Target::Vertex(self.here)),
            Expr::Around => Ok(Target::Vertex(self.vertex(self.here).parent)),
            Expr::Up(up, expr) => self.target(*expr, self.env_up(env, *up), force),
            Expr::Optional(expr) | Expr::Open(expr) => self.target(*expr, env, force),
            Expr::Keyed { up, key } => {
                let env = self.env_up(env, *up);
                let base = self.env(env).vertex;
                match self.scalar(*key, env, force, "dynamic field")? {
                    Value::Text(name) => {
                        let label = self.labels.text(&name);
                        match self.vertex(self.actual(base)).arcs.get(label) {
                            Some(arc) => {
                                self.present(arc, force)?;
                                Ok(Target::Vertex(arc))
                            }
                            None if force => self.missing(base, label).map(Target::Vertex),
                            None => Err(Stop::Blocked),
                        }
                    }
                    key => {
                        let (found, expected) = (key.kinds().to_string(), Kinds::STRING.to_string());
                        let (value, context) = (Src::Value(key), "dynamic field");
                        self.stop(Code::Eval, Reason::WrongKind { value, found, expected, context })
                    }
                }
            }
            Expr::Enclosing { up } => Ok(Target::Vertex(self.env(self.env_up(env, *up)).vertex)),
            Expr::Select(base, label) => {
                let base = self.base(*base, env, force)?;
                Ok(Target::Vertex(self.select(base, *label, force)?))
            }
            Expr::Index(base, index) => {
                let index = self.scalar(*index, env, force, "index")?;
                let base = self.base(*base, env, force)?;
                let label = match &index {
                    Value::Text(name) => self.labels.text(name),
                    Value::Number(number) if !number.float => {
                        let position = number.decimal.to_integer().and_then(|n| usize::try_from(n).ok());
                        match position.filter(|position| *position < (u32::MAX >> 3) as usize) {
                            Some(position) => Label::index(position),
                            None => {
                                let reason = Reason::IndexOutOfRange { index: number.to_string(), length: 0 };
                                return self.stop(Code::Eval, reason);
                            }
                        }
                    }
                    _ => {
                        let found = index.kinds().to_string();
                        let expected = "int".to_owned();
                        let reason =
                            Reason::WrongKind { value: Src::Value(index), found, expected, context: "index" };
                        return self.stop(Code::Eval, reason);
                    }
                };
                Ok(Target::Vertex(self.select(base, label, force)?))
            }
            _ => Ok(match self.eval(id, env, force)? {
                Value::Vertex(vertex) => Target::Vertex(vertex),
                value => Target::Value(value),
            }),
        }
    }

    fn base(&mut self, id: ExprId, env: EnvId, force: bool) -> Eval<VertexId> {
        match self.target(id, env, force)? {
            Target::Vertex(vertex) => Ok(vertex),
            Target::Value(value) => {
                let found = value.kinds().to_string();
                let expected = "struct".to_owned();
                let reason =
                    Reason::WrongKind { value: Src::Value(value), found, expected, context: "selector" };
                self.stop(Code::Eval, reason)
            }
        }
    }

    /// Whether a field is there, not only allowed or demanded.
    fn present(&mut self, arc: VertexId, force: bool) -> Eval<()> {
        let vertex = self.vertex(arc);
        if vertex.arc == ArcType::Member {
            return Ok(());
        }
        if !force {
            return Err(Stop::Blocked);
        }
        let (parent, label, required) = (vertex.parent, vertex.label, vertex.arc == ArcType::Required);
        self.node(parent).missed.push(label);
        let label = self.labels.shown(label);
        let reason = match required {
            true => Reason::RequiredReference { label },
            false => Reason::OptionalReference { label },
        };
        self.stop(Code::Incomplete, reason)
    }

    /// A field or element of a vertex.
    fn select(&mut self, base: VertexId, label: Label, force: bool) -> Eval<VertexId> {
        let mut base = self.actual(base);
        for attempt in 0..2 {
            self.open_data(base)?;
            if self.vertex(base).status == Status::Fresh || self.vertex(base).status == Status::Open {
                self.complete_ancestors(base)?;
                self.expand(base)?;
                self.run_tasks(base)?;
            }
            base = self.default_arm(self.actual(base))?;
            self.open_data(base)?;
            if let Some(arc) = self.vertex(base).arcs.get(label) {
                let undecided = self.known(base).is_some_and(|node| !node.choices.is_empty());
                if !undecided || self.vertex(base).status == Status::Finalizing {
                    if self.vertex(base).status == Status::Final
                        && let Some(bottom) = self.known(base).and_then(|node| node.errors.clone())
                    {
                        return Err(Stop::Bottom(bottom));
                    }
                    self.present(arc, force)?;
                    return Ok(arc);
                }
            }
            if attempt == 0 {
                if !force {
                    return Err(Stop::Blocked);
                }
                if self.vertex(base).status < Status::Finalizing {
                    self.force_ancestors(base)?;
                    self.shape(base)?;
                }
                base = self.default_arm(self.actual(base))?;
            }
        }
        let waits = self.known(base).is_some_and(|node| !node.tasks.is_empty() || !node.choices.is_empty());
        if self.vertex(base).status == Status::Finalizing && waits && self.may_bring(base, label) {
            let label = self.labels.shown(label);
            return self.stop(Code::Cycle, Reason::Cycle { label });
        }
        self.missing(base, label)
    }

    /// Whether something that a vertex still waits for could give it a field: conditional bodies show which they have.
    fn may_bring(&self, base: VertexId, label: Label) -> bool {
        let Some(node) = self.known(base) else { return true };
        !node.choices.is_empty()
            || node.tasks.iter().any(|task| match &task.work {
                Work::Comprehension(id) => self.body_may_bring(*id, label),
                _ => true,
            })
    }

    fn body_may_bring(&self, id: ExprId, label: Label) -> bool {
        let Expr::Comprehension(_, body, fallback) = self.program.expr(id) else { return true };
        [Some(*body), *fallback].into_iter().flatten().any(|body| match self.program.expr(body) {
            Expr::Struct(decls) => decls.iter().any(|decl| match decl {
                Decl::Field { label: known, .. } => *known == label,
                Decl::Comprehension(inner) => self.body_may_bring(*inner, label),
                Decl::Let { .. } | Decl::Pattern { .. } | Decl::Ellipsis => false,
                Decl::Dynamic { .. } | Decl::Embed(_) | Decl::Unify(_) => true,
            }),
            _ => true,
        })
    }

    fn missing(&mut self, base: VertexId, label: Label) -> Eval<VertexId> {
        if let Some(bottom) = self.known(base).and_then(|node| node.errors.clone()) {
            return Err(Stop::Bottom(bottom));
        }
        if self.known(base).is_some_and(|node| !node.arms.is_empty()) {
            return self.stop(Code::Incomplete, Reason::Ambiguous { value: Value::Vertex(base).into() });
        }
        let value = self.value_now(base);
        if !label.is_text() && label.is_regular() {
            let length = self.known(base).and_then(|node| node.list);
            let count = self.vertex(base).arcs.iter().filter(|(label, _)| label.is_regular()).count();
            let fatal = length.is_some_and(|(_, closed)| closed) || self.is_closed_to(base, Kinds::LIST);
            let code = if fatal { Code::Eval } else { Code::Incomplete };
            self.node(base).missed.push(label);
            let reason = Reason::IndexOutOfRange { index: label.id().to_string(), length: count };
            return self.stop(code, reason);
        }
        if value.is_scalar() {
            let found = value.kinds().to_string();
            let expected = "struct".to_owned();
            let reason = Reason::WrongKind { value: Src::Value(value), found, expected, context: "selector" };
            return self.stop(Code::Eval, reason);
        }
        let open = !self.is_closed_to(base, Kinds::STRUCT) && self.accepts(base, label)?;
        let code = if open { Code::Incomplete } else { Code::Eval };
        self.node(base).missed.push(label);
        let label = self.labels.shown(label);
        self.stop(code, Reason::UndefinedField { label })
    }

    /// Whether a vertex can no longer become a value of these kinds.
    fn is_closed_to(&self, v: VertexId, kinds: Kinds) -> bool {
        !self.kinds_of(&Value::Vertex(v)).meets(kinds)
    }

    /// Makes the fields of a vertex that only the document speaks of.
    pub(crate) fn open_data(&mut self, v: VertexId) -> Done {
        let Some(id) = self.only_data(v) else { return Ok(()) };
        let Some(data) = self.data else { return Ok(()) };
        if self.vertex(v).plain {
            if let DataNode::List(_) | DataNode::Struct(_) = data.node(id) {
                self.reopen_plain(v);
                self.expand(v)?;
                self.finalize(v)?;
            }
            return Ok(());
        }
        if let (DataNode::List(_) | DataNode::Struct(_), Status::Final | Status::Fresh) =
            (data.node(id), self.vertex(v).status)
            && self.vertex(v).arcs.len() == 0
        {
            self.vertex_mut(v).status = Status::Fresh;
            self.expand(v)?;
            self.run_tasks(v)?;
        }
        Ok(())
    }

    /// The default of a vertex that is a decided disjunction; itself otherwise.
    pub(crate) fn default_arm(&mut self, mut v: VertexId) -> Done<VertexId> {
        loop {
            self.spend(1)?;
            v = self.actual(v);
            match self.known(v) {
                Some(node) if node.defaults == 1 => match node.arms.first() {
                    Some(arm) => v = *arm,
                    None => return Ok(v),
                },
                _ => return Ok(v),
            }
        }
    }

    /// The value of a vertex as far as it is needed. Where it may still change, it blocks unless forced.
    pub(crate) fn value_of(&mut self, v: VertexId, need: Need, force: bool) -> Eval {
        self.enter()?;
        let value = self.value_inside(v, need, force);
        self.leave();
        value
    }

    fn value_inside(&mut self, v: VertexId, need: Need, force: bool) -> Eval {
        let v = self.actual(v);
        if let Some(id) = self.only_data(v) {
            if let Some(scalar) = self.data_scalar(id)? {
                return Ok(scalar);
            }
            if self.ancestors_done(v) || force {
                if need != Need::Scalar {
                    self.open_data(v)?;
                }
                return Ok(Value::Vertex(v));
            }
        }
        if self.vertex(v).status <= Status::Open {
            self.complete_ancestors(v)?;
            self.expand(v)?;
            self.run_tasks(v)?;
        }
        let v = self.actual(v);
        if let Some(bottom) = self.known(v).and_then(|node| node.errors.clone())
            && (!bottom.code.is_incomplete() || self.vertex(v).status == Status::Final)
        {
            return Err(Stop::Bottom(bottom));
        }
        if let Some(scalar) = self.known(v).and_then(|node| node.scalar.clone()) {
            return Ok(scalar);
        }
        if self.vertex(v).status == Status::Final {
            return self.final_value(v, need);
        }
        let waits = |node: &crate::vertex::Node| {
            !node.tasks.is_empty() || !node.choices.is_empty() || !node.waiting_cycles.is_empty()
        };
        let ready = !self.known(v).is_some_and(waits);
        let shaped = self.known(v).is_some_and(|node| node.is_struct || node.list.is_some());
        if !force {
            let settled = ready && shaped && need != Need::Whole && self.ancestors_done(v);
            return if settled { Ok(Value::Vertex(v)) } else { Err(Stop::Blocked) };
        }
        if self.vertex(v).status == Status::Finalizing {
            let sized = self.known(v).and_then(|node| node.list).is_some_and(|(_, closed)| closed);
            let itself = need == Need::Fields && shaped && self.vertex(self.actual(self.here)).parent != v;
            if (ready || sized || itself) && need != Need::Whole {
                return Ok(Value::Vertex(v));
            }
            let label = self.labels.shown(self.vertex(v).label);
            return self.stop(Code::Cycle, Reason::Cycle { label });
        }
        self.force_ancestors(v)?;
        match need {
            Need::Whole => self.finalize(v)?,
            Need::Scalar | Need::Fields => self.shape(v)?,
        }
        let v = self.actual(v);
        self.final_value(v, need)
    }

    /// The value of a complete vertex; its default where it has one.
    fn final_value(&mut self, v: VertexId, need: Need) -> Eval {
        let v = self.default_arm(v)?;
        if let Some(bottom) = self.known(v).and_then(|node| node.errors.clone()) {
            return Err(Stop::Bottom(bottom));
        }
        if need == Need::Whole
            && let Some(bottom) = self.fatal_below(v)?
        {
            return Err(Stop::Bottom(bottom));
        }
        Ok(self.value_now(v))
    }

    /// The first fatal error of a complete vertex or its fields.
    pub(crate) fn fatal_below(&mut self, v: VertexId) -> Done<Option<std::rc::Rc<Bottom>>> {
        self.enter()?;
        let v = self.actual(v);
        let mut found =
            self.known(v).and_then(|node| node.errors.clone()).filter(|b| !b.code.is_incomplete());
        if found.is_none() && self.only_data(v).is_none() {
            let arcs: Vec<_> = self.vertex(v).arcs.iter().collect();
            for (label, arc) in arcs {
                if label.is_regular() && self.vertex(arc).arc == ArcType::Member {
                    found = self.fatal_below(arc)?;
                    if found.is_some() {
                        break;
                    }
                }
            }
        }
        self.leave();
        Ok(found)
    }

    /// What a vertex is right now, without any work.
    pub(crate) fn value_now(&self, v: VertexId) -> Value {
        let v = self.actual(v);
        if let Some(id) = self.only_data(v) {
            return match self.data_scalar(id) {
                Ok(Some(scalar)) => scalar,
                _ => Value::Vertex(v),
            };
        }
        let Some(node) = self.known(v) else { return Value::Vertex(v) };
        match &node.scalar {
            Some(scalar) => scalar.clone(),
            None => Value::Vertex(v),
        }
    }

    /// The kinds a value can have, vertices included.
    pub(crate) fn kinds_of(&self, value: &Value) -> Kinds {
        let Value::Vertex(v) = value else { return value.kinds() };
        let v = self.actual(*v);
        if let (Some(id), Some(data)) = (self.only_data(v), self.data) {
            return match data.node(id) {
                DataNode::List(_) => Kinds::LIST,
                DataNode::Struct(_) => Kinds::STRUCT,
                _ => self.value_now(v).kinds(),
            };
        }
        match self.known(v) {
            Some(node) if !node.arms.is_empty() => {
                node.arms.iter().fold(Kinds::NONE, |kinds, arm| kinds | self.kinds_of(&Value::Vertex(*arm)))
            }
            Some(node) => node.kinds,
            None => Kinds::TOP,
        }
    }

    /// Whether a value is known: a scalar, a struct or a list.
    pub(crate) fn is_concrete(&self, value: &Value) -> bool {
        let Value::Vertex(v) = value else { return value.is_scalar() };
        let v = self.actual(*v);
        if v == NOWHERE {
            return false;
        }
        if self.only_data(v).is_some() {
            return true;
        }
        match self.known(v) {
            Some(node) if !node.arms.is_empty() => {
                node.defaults == 1
                    && node.arms.first().is_some_and(|arm| self.is_concrete(&Value::Vertex(*arm)))
            }
            Some(node) => {
                node.scalar.is_some()
                    || node.is_struct
                    || node.list.is_some()
                    || (node.kinds == Kinds::STRUCT && self.vertex(v).arcs.len() > 0)
            }
            None => false,
        }
    }
}
