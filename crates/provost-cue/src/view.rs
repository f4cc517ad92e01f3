//! Evaluated values as printers and exporters read them: handles that stay small and finish what they are asked about.

use std::rc::Rc;
use std::sync::Arc;

use crate::error::CueErrors;
use crate::fault::{Bottom, Done};
use crate::instance::{Demands, Evaluation};
use crate::kind::Kinds;
use crate::label::LabelKind;
use crate::policy::finished;
use crate::print;
use crate::value::Value as Inner;
use crate::vertex::{ArcType, VertexId};

/// What kind of name a field has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Name {
    /// `x` or `"x y"`: what data can have.
    Regular,
    /// `#x`
    Definition,
    /// `_x` or `_#x`
    Hidden,
}

/// Whether a field is there, must come, or may come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    /// `x:`
    Present,
    /// `x!:`
    Required,
    /// `x?:`
    Optional,
}

/// A field of a struct.
#[derive(Clone)]
pub struct Field<'e, 'a> {
    /// Its name without quotes.
    pub name: Arc<str>,
    /// The name as paths and printed values show it, in quotes where it needs them.
    pub shown: String,
    /// What kind of name that is.
    pub kind: Name,
    /// Whether it is there.
    pub presence: Presence,
    /// Its value.
    pub value: Value<'e, 'a>,
}

/// What a value is.
#[derive(Clone)]
pub enum Shape<'e, 'a> {
    /// `null`
    Null,
    /// A truth value.
    Bool(bool),
    /// A number in CUE's spelling, and whether it is a float.
    Number(String, bool),
    /// A string.
    Text(Arc<str>),
    /// Bytes.
    Bytes(Arc<[u8]>),
    /// A struct; its fields are [`Value::fields`].
    Struct,
    /// A list; its elements are [`Value::elements`]. `true` where it is open.
    List(bool),
    /// Several values of which none is chosen; the first ones, so many, are defaults.
    Choice(Vec<Value<'e, 'a>>, usize),
    /// Types, bounds and validators without a value, as CUE prints them.
    Constraint(String),
    /// No value; the errors say why.
    Bottom(CueErrors),
}

/// An evaluated value: a handle that is read while its evaluation is at hand.
#[derive(Clone, Copy)]
pub struct Value<'e, 'a> {
    pub(crate) evaluation: &'e Evaluation<'a>,
    pub(crate) vertex: VertexId,
}

impl<'e, 'a> Value<'e, 'a> {
    fn at(self, vertex: VertexId) -> Self {
        Self { vertex, ..self }
    }

    /// What it is. A decided disjunction is the value that was decided on; [`Shape::Choice`] is one that was not.
    pub fn shape(self) -> Shape<'e, 'a> {
        let mut context = self.evaluation.context.borrow_mut();
        if let Err(abort) = context.finalize(self.vertex) {
            return bottom(&context, Err(abort));
        }
        let v = context.actual(self.vertex);
        if let Err(abort) = context.open_data(v) {
            return bottom(&context, Err(abort));
        }
        let error = context.known(v).and_then(|node| node.errors.clone());
        if error.is_some() {
            return bottom(&context, Ok(error));
        }
        match context.value_now(v) {
            Inner::Null => Shape::Null,
            Inner::Bool(value) => Shape::Bool(value),
            Inner::Number(number) => Shape::Number(number.to_string(), number.float),
            Inner::Text(text) => Shape::Text(text),
            Inner::Bytes(bytes) => Shape::Bytes(bytes),
            _ => {
                let Some(node) = context.known(v) else { return Shape::Constraint("_".into()) };
                if !node.arms.is_empty() {
                    let arms = node.arms.iter().map(|arm| self.at(*arm)).collect();
                    return Shape::Choice(arms, node.defaults);
                }
                if let Some((_, closed)) = node.list {
                    return Shape::List(!closed);
                }
                if node.is_struct || (node.kinds == Kinds::STRUCT && context.vertex(v).arcs.len() > 0) {
                    return Shape::Struct;
                }
                Shape::Constraint(print::value(&context, &Inner::Vertex(v)))
            }
        }
    }

    /// The value itself, or its default where it is an undecided disjunction with one default.
    pub fn default(self) -> Self {
        let mut context = self.evaluation.context.borrow_mut();
        let arm = context.finalize(self.vertex).and_then(|()| context.default_arm(self.vertex));
        self.at(arm.unwrap_or(self.vertex))
    }

    /// The fields of a struct in the order they came, without let clauses and without those only a pattern names.
    pub fn fields(self) -> Vec<Field<'e, 'a>> {
        let mut context = self.evaluation.context.borrow_mut();
        if context.finalize(self.vertex).is_err() {
            return Vec::new();
        }
        let v = context.actual(self.vertex);
        if context.open_data(v).is_err() {
            return Vec::new();
        }
        let arcs: Vec<_> = context.vertex(v).arcs.iter().collect();
        let field = |(label, arc): (crate::label::Label, VertexId)| {
            let kind = match label.kind() {
                LabelKind::Text => Name::Regular,
                LabelKind::Definition => Name::Definition,
                LabelKind::Hidden | LabelKind::HiddenDefinition => Name::Hidden,
                LabelKind::Index | LabelKind::Let => return None,
            };
            let presence = match context.vertex(arc).arc {
                ArcType::Member => Presence::Present,
                ArcType::Required => Presence::Required,
                ArcType::Optional => Presence::Optional,
            };
            let (name, shown) = (context.labels.name(label), context.labels.shown(label));
            let name = if name.contains('\0') { Arc::from(shown.as_str()) } else { name };
            Some(Field { name, shown, kind, presence, value: self.at(arc) })
        };
        arcs.into_iter().filter_map(field).collect()
    }

    /// The elements of a list.
    pub fn elements(self) -> Vec<Self> {
        let mut context = self.evaluation.context.borrow_mut();
        if context.finalize(self.vertex).is_err() {
            return Vec::new();
        }
        let v = context.actual(self.vertex);
        if context.open_data(v).is_err() {
            return Vec::new();
        }
        let arcs = context.vertex(v).arcs.iter();
        arcs.filter(|(label, _)| label.kind() == LabelKind::Index).map(|(_, arc)| self.at(arc)).collect()
    }

    /// The path from the instance's root, as errors show it.
    pub fn path(self) -> String {
        self.evaluation.context.borrow().path(self.vertex)
    }

    #[doc(hidden)]
    pub fn own_error(self) -> Option<String> {
        let mut context = self.evaluation.context.borrow_mut();
        let end = context.finalize(self.vertex).and_then(|()| context.settle(self.vertex));
        let v = context.actual(self.vertex);
        let own = context.known(v).and_then(|node| node.errors.clone());
        match (own, end) {
            (Some(bottom), _) => {
                let text = finished(&context, Ok(Some(Rc::clone(&bottom)))).err()?.to_string();
                Some(format!("{:?} {text}", bottom.code))
            }
            (None, Ok(None)) => None,
            (None, Ok(Some(bottom))) if bottom.code.is_incomplete() => None,
            (None, Ok(Some(_))) => Some("child".into()),
            (None, Err(abort)) => Some(format!("ABORT {}", finished(&context, Err(abort)).err()?)),
        }
    }

    /// The error this very value ends in, its fields' errors included; incomplete ones too.
    ///
    /// # Errors
    /// That error.
    pub fn err(self) -> Result<(), CueErrors> {
        let mut context = self.evaluation.context.borrow_mut();
        let end = context.finalize(self.vertex).and_then(|()| context.settle(self.vertex));
        finished(&context, end)
    }

    /// All that is wrong with this value and its fields under these demands.
    ///
    /// # Errors
    /// What is wrong, in the order of fields.
    pub fn validate(self, demands: Demands) -> Result<(), CueErrors> {
        let mut context = self.evaluation.context.borrow_mut();
        let end = context.finalize(self.vertex).and_then(|()| context.validate(self.vertex, demands));
        finished(&context, end)
    }
}

fn bottom<'e, 'a>(context: &crate::context::Context<'_>, end: Done<Option<Rc<Bottom>>>) -> Shape<'e, 'a> {
    match finished(context, end) {
        Err(errors) => Shape::Bottom(errors),
        Ok(()) => Shape::Constraint("_|_".into()),
    }
}
