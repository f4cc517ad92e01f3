//! Printing values as error texts show them: compact, on one line.

use crate::context::Context;
use crate::data::{Data, DataId, Node};
use crate::expr::{Decl, Element, Expr, ExprId, Piece};
use crate::fault::Src;
use crate::kind::Kinds;
use crate::label::LabelKind;
use crate::value::Value;
use crate::vertex::{ArcType, VertexId};

/// A string in double quotes as Go's CUE printer writes it: non-ASCII kept.
pub(crate) fn quote(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\u{7}' => out.push_str("\\a"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{b}' => out.push_str("\\v"),
            c if c.is_control() => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// A JSON value; its nesting is limited where it is read.
pub(crate) fn data(data: &Data, id: DataId) -> String {
    let mut out = String::new();
    write_data(&mut out, data, id);
    out
}

/// Writes a JSON value.
pub(crate) fn write_data(out: &mut String, data: &Data, id: DataId) {
    match data.node(id) {
        Node::Null => out.push_str("null"),
        Node::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
        Node::Number(range) => out.push_str(data.text(range)),
        Node::String(range) => out.push_str(&quote(data.text(range))),
        Node::List(range) => {
            out.push('[');
            for (index, element) in data.elements(range).iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                write_data(out, data, *element);
            }
            out.push(']');
        }
        Node::Struct(range) => {
            out.push('{');
            for (index, (name, value)) in data.members(range).iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                out.push_str(&crate::label::quoted(data.text(name)));
                out.push(':');
                write_data(out, data, *value);
            }
            out.push('}');
        }
    }
}

/// A value held for an error.
pub(crate) fn src(context: &Context<'_>, src: &Src) -> String {
    let mut out = String::new();
    match src {
        Src::Expr(id) => write_expr(&mut out, context, *id),
        Src::Value(value) => write_value(&mut out, context, value),
        Src::Data(id) => {
            if let Some(tree) = context.data {
                write_data(&mut out, tree, *id);
            }
        }
    }
    out
}

/// A literal, before anything is evaluated.
pub(crate) fn constant(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(value) => value.to_string(),
        Value::Number(number) => number.to_string(),
        Value::Text(text) => quote(text),
        Value::Bytes(text) => bytes(text),
        Value::Type(kinds) => kinds.to_string(),
        _ => "_".to_owned(),
    }
}

/// A value.
pub(crate) fn value(context: &Context<'_>, value: &Value) -> String {
    let mut out = String::new();
    write_value(&mut out, context, value);
    out
}

fn separated<T>(out: &mut String, items: &[T], separator: &str, mut write: impl FnMut(&mut String, &T)) {
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            out.push_str(separator);
        }
        write(out, item);
    }
}

fn bytes(text: &[u8]) -> String {
    let mut out = String::from("'");
    for part in text.utf8_chunks() {
        for c in part.valid().chars() {
            match c {
                '\'' => out.push_str("\\'"),
                '\n' | '\r' | '\t' | '\\' => out.push_str(quote(&c.to_string()).trim_matches('"')),
                c if c.is_ascii_control() => out.push_str(&format!("\\x{:02x}", u32::from(c))),
                c => out.push(c),
            }
        }
        for byte in part.invalid() {
            out.push_str(&format!("\\x{byte:02x}"));
        }
    }
    out.push('\'');
    out
}

fn write_value(out: &mut String, context: &Context<'_>, value: &Value) {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
        Value::Number(number) => out.push_str(&number.to_string()),
        Value::Text(text) => out.push_str(&quote(text)),
        Value::Bytes(text) => out.push_str(&bytes(text)),
        Value::Type(kinds) => out.push_str(&kinds.to_string()),
        Value::Bound(op, value) => {
            out.push_str(op.text());
            write_value(out, context, value);
        }
        Value::Validator(validator) => {
            out.push_str(validator.builtin.name);
            if validator.called && !validator.builtin.open && validator.builtin.parameters.len() > 1 {
                out.push('(');
                separated(out, &validator.arguments, ", ", |out, value| write_value(out, context, value));
                out.push(')');
            }
        }
        Value::All(values) => separated(out, values, " & ", |out, value| write_value(out, context, value)),
        Value::Any(values, defaults) => {
            let marked: Vec<_> = values.iter().enumerate().collect();
            separated(out, &marked, " | ", |out, (index, value)| {
                out.push_str(if index < defaults { "*" } else { "" });
                write_value(out, context, value);
            });
        }
        Value::List(values) => {
            out.push('[');
            separated(out, values, ",", |out, value| write_value(out, context, value));
            out.push(']');
        }
        Value::Struct(fields) => {
            out.push('{');
            separated(out, fields, ",", |out, (label, value)| {
                out.push_str(&context.labels.shown(*label));
                out.push(':');
                write_value(out, context, value);
            });
            out.push('}');
        }
        Value::Builtin(builtin) => out.push_str(builtin.name),
        Value::Vertex(vertex) => write_vertex(out, context, *vertex),
    }
}

fn write_vertex(out: &mut String, context: &Context<'_>, vertex: VertexId) {
    let vertex = context.actual(vertex);
    if let (Some(id), Some(tree)) = (context.only_data(vertex), context.data) {
        return write_data(out, tree, id);
    }
    let Some(node) = context.known(vertex) else { return out.push('_') };
    if let Some(scalar) = &node.scalar {
        return write_value(out, context, scalar);
    }
    if !node.arms.is_empty() {
        let arms: Vec<_> = node.arms.iter().enumerate().collect();
        return separated(out, &arms, " | ", |out, (index, arm)| {
            out.push_str(if *index < node.defaults { "*" } else { "" });
            write_vertex(out, context, **arm);
        });
    }
    let arcs: Vec<_> = context
        .vertex(vertex)
        .arcs
        .iter()
        .filter(|(label, arc)| label.kind() != LabelKind::Let && context.vertex(*arc).arc == ArcType::Member)
        .collect();
    if node.list.is_some() || node.kinds == Kinds::LIST {
        out.push('[');
        separated(out, &arcs, ",", |out, (_, arc)| write_vertex(out, context, *arc));
        return out.push(']');
    }
    if node.is_struct || node.kinds == Kinds::STRUCT || !arcs.is_empty() {
        out.push('{');
        separated(out, &arcs, ",", |out, (label, arc)| {
            out.push_str(&context.labels.shown(*label));
            out.push(':');
            write_vertex(out, context, *arc);
        });
        return out.push('}');
    }
    let mut parts: Vec<Value> = [&node.lower, &node.upper].into_iter().flatten().cloned().collect();
    parts.extend(node.checks.iter().cloned());
    let implied = parts.iter().fold(Kinds::TOP, |kinds, part| kinds & part.kinds());
    if parts.is_empty() || implied != node.kinds {
        parts.insert(0, Value::Type(node.kinds));
    }
    separated(out, &parts, " & ", |out, value| write_value(out, context, value));
}

fn write_expr(out: &mut String, context: &Context<'_>, id: ExprId) {
    let write = |out: &mut String, id: &ExprId| write_expr(out, context, *id);
    match context.program.expr(id) {
        Expr::Value(value) => write_value(out, context, value),
        Expr::Bottom => out.push_str("_|_"),
        Expr::Struct(decls) => {
            out.push('{');
            separated(out, decls, ",", |out, decl| write_decl(out, context, decl));
            out.push('}');
        }
        Expr::List { elements, open } => {
            out.push('[');
            separated(out, elements, ",", |out, element| {
                let (Element::Expr(id) | Element::Comprehension(id)) = element;
                write(out, id);
            });
            if let Some(rest) = open {
                out.push_str(if elements.is_empty() { "..." } else { ",..." });
                if let Some(rest) = rest {
                    write(out, rest);
                }
            }
            out.push(']');
        }
        Expr::Reference { label, .. } => out.push_str(&context.labels.shown(*label)),
        Expr::Enclosing { .. } | Expr::Here | Expr::Package(_) | Expr::Around | Expr::Keyed { .. } => {
            out.push('_')
        }
        Expr::Missing(package, label) => {
            out.push_str(package.rsplit('/').next().unwrap_or(package));
            out.push('.');
            out.push_str(&context.labels.shown(*label));
        }
        Expr::Up(_, inner) => write(out, inner),
        Expr::Optional(inner) => {
            write(out, inner);
            out.push('?');
        }
        Expr::Open(inner) => {
            write(out, inner);
            out.push_str("...");
        }
        Expr::Select(base, label) => {
            write(out, base);
            out.push('.');
            out.push_str(&context.labels.shown(*label));
        }
        Expr::Index(base, index) => {
            write(out, base);
            out.push('[');
            write(out, index);
            out.push(']');
        }
        Expr::Slice(base, low, high) => {
            write(out, base);
            out.push('[');
            low.iter().for_each(|low| write(out, low));
            out.push(':');
            high.iter().for_each(|high| write(out, high));
            out.push(']');
        }
        Expr::Unary(op, value) => {
            out.push_str(op);
            write(out, value);
        }
        Expr::Binary(op, left, right) => {
            out.push('(');
            write(out, left);
            out.push_str(&format!(" {op} "));
            write(out, right);
            out.push(')');
        }
        Expr::Bound(op, value) => {
            out.push_str(op.text());
            write(out, value);
        }
        Expr::Interpolation(pieces, _) => {
            out.push('"');
            for piece in pieces {
                match piece {
                    Piece::Text(text) => out.push_str(&String::from_utf8_lossy(text)),
                    Piece::Expr(id) => {
                        out.push_str("\\(");
                        write(out, id);
                        out.push(')');
                    }
                }
            }
            out.push('"');
        }
        Expr::Call(function, arguments) => {
            write(out, function);
            out.push('(');
            separated(out, arguments, ", ", |out, id| write(out, id));
            out.push(')');
        }
        Expr::Disjunction(arms) => {
            out.push('(');
            separated(out, arms, "|", |out, (id, default)| {
                out.push_str(if *default { "*" } else { "" });
                write(out, id);
            });
            out.push(')');
        }
        Expr::Comprehension(_, body, _) => write(out, body),
    }
}

fn write_decl(out: &mut String, context: &Context<'_>, decl: &Decl) {
    let mark = |arc: &ArcType| match arc {
        ArcType::Member => "",
        ArcType::Required => "!",
        ArcType::Optional => "?",
    };
    match decl {
        Decl::Field { label, arc, value } => {
            out.push_str(&format!("{}{}:", context.labels.shown(*label), mark(arc)));
            write_expr(out, context, *value);
        }
        Decl::Dynamic { key, arc, value } => {
            out.push('(');
            write_expr(out, context, *key);
            out.push_str(&format!("){}:", mark(arc)));
            write_expr(out, context, *value);
        }
        Decl::Pattern { pattern, value, .. } => {
            out.push('[');
            write_expr(out, context, *pattern);
            out.push_str("]:");
            write_expr(out, context, *value);
        }
        Decl::Let { label, value } => {
            out.push_str(&format!("let {}=", context.labels.shown(*label)));
            write_expr(out, context, *value);
        }
        Decl::Embed(id) | Decl::Unify(id) | Decl::Comprehension(id) => write_expr(out, context, *id),
        Decl::Ellipsis => out.push_str("..."),
    }
}
