//! An evaluated value as CUE source, laid out as `cue eval` and `cue export --out cue` lay it out.

use super::{order, source};
use crate::context::Context;
use crate::error::CueErrors;
use crate::format::layout::Layout;
use crate::vertex::{Elem, VertexId};
use crate::view::{Field, Name, Presence, Shape, Value};

/// What is shown of a value, and how.
#[derive(Debug, Clone, Copy, Default)]
pub struct CueStyle {
    /// Optional fields.
    pub optional: bool,
    /// Hidden fields.
    pub hidden: bool,
    /// Definitions.
    pub definitions: bool,
    /// Structs of one field are written `a: b: c`.
    pub simplify: bool,
    /// Four spaces a level, as `cue eval` has it; tabs otherwise.
    pub spaces: bool,
    /// What is wrong is written as `_|_` with its reason.
    pub errors: bool,
    /// Disjunctions stay as they are; otherwise their defaults are taken.
    pub constraints: bool,
}

impl CueStyle {
    fn chosen<'e, 'a>(self, value: Value<'e, 'a>) -> Value<'e, 'a> {
        if self.constraints { value } else { value.default() }
    }
}

/// Writes a value as a file: a struct's fields, anything else as it is.
pub(super) fn write(value: Value<'_, '_>, style: CueStyle) -> Result<String, CueErrors> {
    let mut printer = Printer { layout: Layout::new(if style.spaces { "    " } else { "\t" }), style };
    let value = style.chosen(value);
    match value.shape() {
        Shape::Struct => printer.fields(value)?,
        _ => {
            printer.value(value)?;
            printer.layout.newline(true);
        }
    }
    Ok(printer.layout.finish())
}

struct Printer {
    layout: Layout,
    style: CueStyle,
}

impl Printer {
    fn visible<'e, 'a>(&self, value: Value<'e, 'a>) -> Vec<Field<'e, 'a>> {
        let style = self.style;
        let mut fields = order::fields(value);
        fields.retain(|field| {
            let kind = match field.kind {
                Name::Regular => true,
                Name::Definition => style.definitions,
                Name::Hidden => style.hidden,
            };
            kind && (style.optional || field.presence != Presence::Optional)
        });
        fields
    }

    /// The fields of a struct, each on a line of its own.
    fn fields(&mut self, value: Value<'_, '_>) -> Result<(), CueErrors> {
        let fields = self.visible(value);
        for field in fields {
            self.field(&field)?;
        }
        Ok(())
    }

    fn field(&mut self, field: &Field<'_, '_>) -> Result<(), CueErrors> {
        let mark = match field.presence {
            Presence::Present => "",
            Presence::Required => "!",
            Presence::Optional => "?",
        };
        let value = self.style.chosen(field.value);
        let broad = self.is_broad(value);
        if broad && self.layout.at_start() {
            self.layout.flush();
        }
        self.layout.text(&format!("{}{mark}:", field.shown));
        match broad {
            true => self.layout.text(" "),
            false => self.layout.tab(),
        }
        let inner = self.visible(value);
        if let (true, Shape::Struct, [only]) = (self.style.simplify, value.shape(), inner.as_slice())
            && field.kind == Name::Regular
        {
            return self.field(only);
        }
        self.value(value)?;
        self.layout.newline(broad);
        Ok(())
    }

    /// Whether a value ends the table of fields around it.
    fn is_broad(&self, value: Value<'_, '_>) -> bool {
        match value.shape() {
            Shape::Struct | Shape::List(_) => true,
            Shape::Text(text) => text.contains('\n'),
            Shape::Bytes(bytes) => bytes.contains(&b'\n'),
            Shape::Choice(arms, _) => arms.into_iter().any(|arm| self.is_broad(arm)),
            Shape::Bottom(errors) => {
                errors.iter().all(|error| error.code.is_incomplete()) && is_struct(value)
            }
            _ => false,
        }
    }

    fn value(&mut self, value: Value<'_, '_>) -> Result<(), CueErrors> {
        let value = self.style.chosen(value);
        match value.shape() {
            Shape::Null => self.layout.text("null"),
            Shape::Bool(value) => self.layout.text(if value { "true" } else { "false" }),
            Shape::Number(text, _) => self.layout.text(&text),
            Shape::Text(text) => source::text(&mut self.layout, &text),
            Shape::Bytes(bytes) => source::bytes(&mut self.layout, &bytes),
            Shape::Struct => {
                if self.visible(value).is_empty() {
                    self.layout.text("{}");
                    return Ok(());
                }
                self.layout.text("{");
                self.layout.newline(true);
                self.layout.indent();
                self.fields(value)?;
                self.layout.outdent();
                self.layout.text("}");
            }
            Shape::List(_) => {
                self.layout.text("[");
                for (index, element) in value.elements().into_iter().enumerate() {
                    if index > 0 {
                        self.layout.text(", ");
                    }
                    self.value(element)?;
                }
                self.layout.text("]");
            }
            Shape::Choice(arms, defaults) => {
                for (index, arm) in arms.into_iter().enumerate() {
                    if index > 0 {
                        self.layout.text(" | ");
                    }
                    if index < defaults {
                        self.layout.text("*");
                    }
                    self.value(arm)?;
                }
            }
            Shape::Constraint(text) => self.layout.text(&text),
            Shape::Bottom(errors) => {
                let incomplete = errors.iter().all(|error| error.code.is_incomplete());
                let written = incomplete && write_conjuncts(&mut self.layout, value);
                if !written && (self.style.errors || incomplete) {
                    self.layout.text(&format!("_|_ // {errors}"));
                } else if !written {
                    return Err(errors);
                }
            }
        }
        Ok(())
    }
}

/// What was written in place of a value that is not known yet.
fn write_conjuncts(layout: &mut Layout, value: Value<'_, '_>) -> bool {
    let context = value.evaluation.context.borrow();
    let expressions = expressions(&context, value.vertex);
    for (index, id) in expressions.iter().enumerate() {
        if index > 0 {
            layout.text(" & ");
        }
        source::expression(layout, &context, *id);
    }
    !expressions.is_empty()
}

fn expressions(context: &Context<'_>, vertex: VertexId) -> Vec<crate::expr::ExprId> {
    let vertex = context.vertex(context.actual(vertex));
    let elems = vertex.conjuncts.iter().filter_map(|conjunct| match conjunct.elem {
        Elem::Expr(id) => Some(id),
        _ => None,
    });
    elems.collect()
}

fn is_struct(value: Value<'_, '_>) -> bool {
    let context = value.evaluation.context.borrow();
    let ids = expressions(&context, value.vertex);
    ids.iter().any(|id| matches!(context.program.expr(*id), crate::expr::Expr::Struct(_)))
}
