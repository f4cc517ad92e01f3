//! The Go structs cosign decodes statements into, as tables, and what decoding and encoding does to a value.
//!
//! Decoding drops unknown fields, gives missing ones their zero value, and ends at the first value of a wrong
//! type; encoding leaves out empty `omitempty` fields. Names are case-sensitive here, where Go's are not: that
//! laxness lets `Builder.ID` stand in for `builder.id` (design.md, where we are stricter).

use provost_statement::go_json;
use provost_statement::statement::kind_of;
use serde_json::Value;

/// A Go struct: its name, and its fields in the order they are written.
pub(crate) struct Shape {
    name: &'static str,
    fields: &'static [Field],
}

struct Field {
    name: &'static str,
    kind: Kind,
    omit_empty: bool,
}

enum Kind {
    Text,
    Bool,
    /// `*time.Time`: RFC 3339, null when missing.
    Time,
    /// `time.Time`: RFC 3339, year 1 when missing.
    Instant,
    /// `interface{}`: anything, numbers through doubles.
    Any,
    /// A map of anything, with Go's name of its type.
    Map(&'static str),
    /// `[]string`.
    Texts,
    /// `map[string]string` under a named type.
    TextMap(&'static str),
    Struct(&'static Shape),
    /// A struct behind a pointer, null when missing.
    Pointer(&'static Shape),
    /// A slice of structs, with Go's name of its type.
    List(&'static str, &'static Shape),
}

/// A value of another type than its Go field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TypeMismatch {
    /// The JSON kind found, in Go's words.
    pub found: &'static str,
    /// The struct that holds the field.
    pub holder: &'static str,
    /// The field's path from the top, dotted.
    pub path: String,
    /// The Go type of the field.
    pub expected: &'static str,
}

const fn field(name: &'static str, kind: Kind) -> Field {
    Field { name, kind, omit_empty: false }
}

const fn omit(name: &'static str, kind: Kind) -> Field {
    Field { name, kind, omit_empty: true }
}

static SUBJECT: Shape = Shape {
    name: "Subject",
    fields: &[field("name", Kind::Text), field("digest", Kind::TextMap("common.DigestSet"))],
};
static BUILDER: Shape = Shape { name: "ProvenanceBuilder", fields: &[field("id", Kind::Text)] };
static CONFIG_SOURCE: Shape = Shape {
    name: "ConfigSource",
    fields: &[
        omit("uri", Kind::Text),
        omit("digest", Kind::TextMap("common.DigestSet")),
        omit("entryPoint", Kind::Text),
    ],
};
static INVOCATION: Shape = Shape {
    name: "ProvenanceInvocation",
    fields: &[
        omit("configSource", Kind::Struct(&CONFIG_SOURCE)),
        omit("parameters", Kind::Any),
        omit("environment", Kind::Any),
    ],
};
static COMPLETENESS: Shape = Shape {
    name: "ProvenanceComplete",
    fields: &[
        field("parameters", Kind::Bool),
        field("environment", Kind::Bool),
        field("materials", Kind::Bool),
    ],
};
static METADATA: Shape = Shape {
    name: "ProvenanceMetadata",
    fields: &[
        omit("buildInvocationID", Kind::Text),
        omit("buildStartedOn", Kind::Time),
        omit("buildFinishedOn", Kind::Time),
        field("completeness", Kind::Struct(&COMPLETENESS)),
        field("reproducible", Kind::Bool),
    ],
};
static MATERIAL: Shape = Shape {
    name: "ProvenanceMaterial",
    fields: &[omit("uri", Kind::Text), omit("digest", Kind::TextMap("common.DigestSet"))],
};
static PREDICATE_V02: Shape = Shape {
    name: "ProvenancePredicate",
    fields: &[
        field("builder", Kind::Struct(&BUILDER)),
        field("buildType", Kind::Text),
        omit("invocation", Kind::Struct(&INVOCATION)),
        omit("buildConfig", Kind::Any),
        omit("metadata", Kind::Pointer(&METADATA)),
        omit("materials", Kind::List("[]common.ProvenanceMaterial", &MATERIAL)),
    ],
};
static LINK_PREDICATE: Shape = Shape {
    name: "Link",
    fields: &[
        field("_type", Kind::Text),
        field("name", Kind::Text),
        field("materials", Kind::Map("map[string]in_toto.HashObj")),
        field("products", Kind::Map("map[string]in_toto.HashObj")),
        field("byproducts", Kind::Map("map[string]interface {}")),
        field("command", Kind::Texts),
        field("environment", Kind::Map("map[string]interface {}")),
    ],
};
static VULN_INVOCATION: Shape = Shape {
    name: "Invocation",
    fields: &[
        field("parameters", Kind::Any),
        field("uri", Kind::Text),
        field("event_id", Kind::Text),
        field("builder.id", Kind::Text),
    ],
};
static VULN_DATABASE: Shape =
    Shape { name: "DB", fields: &[field("uri", Kind::Text), field("version", Kind::Text)] };
static VULN_SCANNER: Shape = Shape {
    name: "Scanner",
    fields: &[
        field("uri", Kind::Text),
        field("version", Kind::Text),
        field("db", Kind::Struct(&VULN_DATABASE)),
        field("result", Kind::Any),
    ],
};
static VULN_METADATA: Shape = Shape {
    name: "Metadata",
    fields: &[field("scanStartedOn", Kind::Instant), field("scanFinishedOn", Kind::Instant)],
};
static VULN_PREDICATE: Shape = Shape {
    name: "CosignVulnPredicate",
    fields: &[
        field("invocation", Kind::Struct(&VULN_INVOCATION)),
        field("scanner", Kind::Struct(&VULN_SCANNER)),
        field("metadata", Kind::Struct(&VULN_METADATA)),
    ],
};
/// in-toto-golang's `LinkStatement`.
pub(crate) static LINK: Shape = Shape {
    name: "LinkStatement",
    fields: &[
        field("_type", Kind::Text),
        field("predicateType", Kind::Text),
        field("subject", Kind::List("[]in_toto.Subject", &SUBJECT)),
        field("predicate", Kind::Struct(&LINK_PREDICATE)),
    ],
};
/// cosign's `CosignVulnStatement`, whose `_type` is lost between two tags.
pub(crate) static VULN: Shape = Shape {
    name: "CosignVulnStatement",
    fields: &[
        field("predicateType", Kind::Text),
        field("subject", Kind::List("[]in_toto.Subject", &SUBJECT)),
        field("predicate", Kind::Struct(&VULN_PREDICATE)),
    ],
};
/// The header every statement has.
pub(crate) static HEADER: Shape = Shape {
    name: "StatementHeader",
    fields: &[
        field("_type", Kind::Text),
        field("predicateType", Kind::Text),
        field("subject", Kind::List("[]in_toto.Subject", &SUBJECT)),
    ],
};
/// in-toto-golang's `ProvenanceStatementSLSA02`.
pub(crate) static SLSA_V02: Shape = Shape {
    name: "ProvenanceStatementSLSA02",
    fields: &[
        field("_type", Kind::Text),
        field("predicateType", Kind::Text),
        field("subject", Kind::List("[]in_toto.Subject", &SUBJECT)),
        field("predicate", Kind::Struct(&PREDICATE_V02)),
    ],
};

/// Decodes a value into a shape and encodes it again.
///
/// # Errors
/// The first value of a wrong type, in the order of the signed document's sorted keys.
pub(crate) fn encode(shape: &'static Shape, value: &Value) -> Result<Vec<u8>, TypeMismatch> {
    let mut out = Vec::new();
    structure(shape, value, "", &mut out)?;
    Ok(out)
}

fn structure(
    shape: &'static Shape,
    value: &Value,
    path: &str,
    out: &mut Vec<u8>,
) -> Result<(), TypeMismatch> {
    out.push(b'{');
    let mut first = true;
    for field in shape.fields {
        let at = if path.is_empty() { field.name.to_owned() } else { format!("{path}.{}", field.name) };
        let found = value.get(field.name).filter(|v| !v.is_null());
        let text = one(shape, field, found, &at)?;
        let Some(text) = text else { continue };
        if !first {
            out.push(b',');
        }
        first = false;
        out.extend_from_slice(&go_json::escaped(&field.name));
        out.push(b':');
        out.extend_from_slice(&text);
    }
    out.push(b'}');
    Ok(())
}

/// The encoding of one field, `None` where it is left out.
fn one(
    holder: &'static Shape,
    field: &Field,
    found: Option<&Value>,
    at: &str,
) -> Result<Option<Vec<u8>>, TypeMismatch> {
    let mismatch = |value: &Value, expected| TypeMismatch {
        found: kind_of(value),
        holder: holder.name,
        path: at.to_owned(),
        expected,
    };
    let kept = |empty: bool, text: Vec<u8>| Ok((!(empty && field.omit_empty)).then_some(text));
    match (&field.kind, found) {
        (Kind::Text, None) => kept(true, b"\"\"".to_vec()),
        (Kind::Text, Some(Value::String(text))) => kept(text.is_empty(), go_json::escaped(text)),
        (Kind::Text, Some(other)) => Err(mismatch(other, "string")),
        (Kind::Bool, None) => kept(true, b"false".to_vec()),
        (Kind::Bool, Some(Value::Bool(truth))) => kept(!truth, go_json::escaped(truth)),
        (Kind::Bool, Some(other)) => Err(mismatch(other, "bool")),
        (Kind::Time, None) | (Kind::Any, None) | (Kind::Pointer(_), None) => kept(true, b"null".to_vec()),
        (Kind::Time, Some(Value::String(text))) if is_rfc3339(text) => kept(false, go_json::escaped(text)),
        (Kind::Time, Some(other)) => Err(mismatch(other, "time.Time")),
        (Kind::Instant, None) => kept(true, b"\"0001-01-01T00:00:00Z\"".to_vec()),
        (Kind::Instant, Some(Value::String(text))) if is_rfc3339(text) => kept(false, go_json::escaped(text)),
        (Kind::Instant, Some(other)) => Err(mismatch(other, "time.Time")),
        (Kind::Map(_) | Kind::Texts, None) => kept(true, b"null".to_vec()),
        (Kind::Map(_), Some(value @ Value::Object(map))) => {
            kept(map.is_empty(), go_json::escaped(&go_json::through_doubles(value)))
        }
        (Kind::Map(name), Some(other)) => Err(mismatch(other, name)),
        (Kind::Texts, Some(Value::Array(list))) => match list.iter().find(|v| !v.is_string()) {
            Some(other) => Err(mismatch(other, "string")),
            None => kept(list.is_empty(), go_json::escaped(list)),
        },
        (Kind::Texts, Some(other)) => Err(mismatch(other, "[]string")),
        (Kind::Any, Some(value)) => kept(false, go_json::escaped(&go_json::through_doubles(value))),
        (Kind::TextMap(_), None) => kept(true, b"null".to_vec()),
        (Kind::TextMap(_), Some(Value::Object(map))) => match map.values().find(|v| !v.is_string()) {
            Some(other) => Err(mismatch(other, "string")),
            None => kept(map.is_empty(), go_json::escaped(map)),
        },
        (Kind::TextMap(name), Some(other)) => Err(mismatch(other, name)),
        (Kind::Struct(shape), None) => nested(shape, &Value::Null, at),
        (Kind::Struct(shape) | Kind::Pointer(shape), Some(value @ Value::Object(_))) => {
            nested(shape, value, at)
        }
        (Kind::Struct(shape) | Kind::Pointer(shape), Some(other)) => Err(mismatch(other, go_name(shape))),
        (Kind::List(..), None) => kept(true, b"null".to_vec()),
        (Kind::List(name, shape), Some(Value::Array(list))) => {
            let mut out = vec![b'['];
            for (index, value) in list.iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                match value {
                    Value::Object(_) | Value::Null => structure(shape, value, at, &mut out)?,
                    other => return Err(mismatch(other, name.trim_start_matches("[]"))),
                }
            }
            out.push(b']');
            kept(list.is_empty(), out)
        }
        (Kind::List(name, _), Some(other)) => Err(mismatch(other, name)),
    }
}

fn nested(shape: &'static Shape, value: &Value, at: &str) -> Result<Option<Vec<u8>>, TypeMismatch> {
    let mut out = Vec::new();
    structure(shape, value, at, &mut out)?;
    Ok(Some(out))
}

/// Go's name of a struct type, with its package.
fn go_name(shape: &Shape) -> &'static str {
    match shape.name {
        "ProvenancePredicate" => "v02.ProvenancePredicate",
        "ProvenanceInvocation" => "v02.ProvenanceInvocation",
        "ProvenanceMetadata" => "v02.ProvenanceMetadata",
        "ProvenanceComplete" => "v02.ProvenanceComplete",
        "ConfigSource" => "v02.ConfigSource",
        "ProvenanceBuilder" => "common.ProvenanceBuilder",
        "Link" => "in_toto.Link",
        "CosignVulnPredicate" => "attestation.CosignVulnPredicate",
        "Invocation" => "attestation.Invocation",
        "Scanner" => "attestation.Scanner",
        "DB" => "attestation.DB",
        "Metadata" => "attestation.Metadata",
        other => other,
    }
}

/// Whether Go's time decoder takes this text: `2006-01-02T15:04:05[.fraction](Z|±hh:mm)`.
fn is_rfc3339(text: &str) -> bool {
    let bytes = text.as_bytes();
    let shape = bytes.get(..19).is_some_and(|head| {
        head.iter()
            .zip(b"0000-00-00T00:00:00")
            .all(|(b, p)| if *p == b'0' { b.is_ascii_digit() } else { b == p })
    });
    let mut rest = text.get(19..).unwrap_or_default();
    if let Some(fraction) = rest.strip_prefix('.') {
        let digits = fraction.bytes().take_while(u8::is_ascii_digit).count();
        if digits == 0 {
            return false;
        }
        rest = fraction.get(digits..).unwrap_or_default();
    }
    let zone = rest == "Z"
        || (rest.len() == 6
            && rest.starts_with(['+', '-'])
            && rest
                .bytes()
                .skip(1)
                .zip(*b"00:00")
                .all(|(b, p)| if p == b'0' { b.is_ascii_digit() } else { b == p }));
    shape && zone
}
