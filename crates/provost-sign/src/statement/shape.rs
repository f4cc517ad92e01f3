//! Messages with known fields: a predicate passes through one of these and comes out without what it does not know.
//!
//! cosign puts provenance through in-toto's protobuf messages, so unknown fields are dropped, empty ones are left out
//! and times are normalised (cosign.md §4.2).

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use jiff::Timestamp;
use serde_json::{Map, Value};

/// What a field may hold.
pub(super) enum Shape {
    Text,
    Truth,
    Time,
    /// Base64.
    Bytes,
    /// Any JSON object.
    Object,
    /// An object of texts.
    Texts,
    Message(&'static [Field]),
    List(&'static Self),
}

/// A field: its name in JSON, its name in the schema, which protobuf's JSON takes too, and what it holds.
pub(super) type Field = (&'static str, &'static str, Shape);

use Shape::{Bytes, List, Message, Object, Text, Texts, Time, Truth};

/// SLSA provenance v0.2.
pub(super) const SLSA_V02: &[Field] = &[
    ("builder", "builder", Message(&[("id", "id", Text)])),
    ("buildType", "build_type", Text),
    (
        "invocation",
        "invocation",
        Message(&[
            (
                "configSource",
                "config_source",
                Message(&[
                    ("uri", "uri", Text),
                    ("digest", "digest", Texts),
                    ("entryPoint", "entry_point", Text),
                ]),
            ),
            ("parameters", "parameters", Object),
            ("environment", "environment", Object),
        ]),
    ),
    ("buildConfig", "build_config", Object),
    (
        "metadata",
        "metadata",
        Message(&[
            ("buildInvocationId", "build_invocation_id", Text),
            ("buildStartedOn", "build_started_on", Time),
            ("buildFinishedOn", "build_finished_on", Time),
            (
                "completeness",
                "completeness",
                Message(&[
                    ("parameters", "parameters", Truth),
                    ("environment", "environment", Truth),
                    ("materials", "materials", Truth),
                ]),
            ),
            ("reproducible", "reproducible", Truth),
        ]),
    ),
    ("materials", "materials", List(&Message(&[("uri", "uri", Text), ("digest", "digest", Texts)]))),
];

const RESOURCE: Shape = Message(&[
    ("name", "name", Text),
    ("uri", "uri", Text),
    ("digest", "digest", Texts),
    ("content", "content", Bytes),
    ("downloadLocation", "download_location", Text),
    ("mediaType", "media_type", Text),
    ("annotations", "annotations", Object),
]);

/// SLSA provenance v1.
pub(super) const SLSA_V1: &[Field] = &[
    (
        "buildDefinition",
        "build_definition",
        Message(&[
            ("buildType", "build_type", Text),
            ("externalParameters", "external_parameters", Object),
            ("internalParameters", "internal_parameters", Object),
            ("resolvedDependencies", "resolved_dependencies", List(&RESOURCE)),
        ]),
    ),
    (
        "runDetails",
        "run_details",
        Message(&[
            (
                "builder",
                "builder",
                Message(&[
                    ("id", "id", Text),
                    ("version", "version", Texts),
                    ("builderDependencies", "builder_dependencies", List(&RESOURCE)),
                ]),
            ),
            (
                "metadata",
                "metadata",
                Message(&[
                    ("invocationId", "invocation_id", Text),
                    ("startedOn", "started_on", Time),
                    ("finishedOn", "finished_on", Time),
                ]),
            ),
            ("byproducts", "byproducts", List(&RESOURCE)),
        ]),
    ),
];

/// The fields of a message that it knows and that are not empty.
///
/// # Errors
/// The path of the first field of another form than its own.
pub(super) fn message(fields: &[Field], given: &Map<String, Value>, at: &str) -> Result<Value, String> {
    let mut kept = Map::new();
    for (name, schema_name, shape) in fields {
        let path = if at.is_empty() { (*name).to_owned() } else { format!("{at}.{name}") };
        let value = match (given.get(*name), given.get(*schema_name)) {
            (Some(_), Some(_)) if name != schema_name => return Err(format!("{path} (given twice)")),
            (value, other) => value.or(other),
        };
        if let Some(value) = value.filter(|value| !value.is_null())
            && let Some(value) = shaped(shape, value, &path)?
        {
            kept.insert((*name).to_owned(), value);
        }
    }
    Ok(Value::Object(kept))
}

/// A value of its shape; none where it is the one that messages leave out.
fn shaped(shape: &Shape, value: &Value, path: &str) -> Result<Option<Value>, String> {
    let bad = || path.to_owned();
    let kept = |value: Value, empty: bool| Ok((!empty).then_some(value));
    match shape {
        Text => {
            let text = value.as_str().ok_or_else(bad)?;
            kept(value.clone(), text.is_empty())
        }
        Truth => {
            let truth = value.as_bool().ok_or_else(bad)?;
            kept(value.clone(), !truth)
        }
        Time => Ok(Some(Value::String(time(value.as_str().ok_or_else(bad)?).ok_or_else(bad)?))),
        Bytes => {
            let text = value.as_str().ok_or_else(bad)?;
            let bytes = STANDARD.decode(text).or_else(|_| URL_SAFE.decode(text)).map_err(|_| bad())?;
            kept(Value::String(STANDARD.encode(&bytes)), bytes.is_empty())
        }
        Object => {
            value.as_object().ok_or_else(bad)?;
            Ok(Some(value.clone()))
        }
        Texts => {
            let map = value.as_object().ok_or_else(bad)?;
            if !map.values().all(Value::is_string) {
                return Err(bad());
            }
            kept(value.clone(), map.is_empty())
        }
        Message(fields) => message(fields, value.as_object().ok_or_else(bad)?, path).map(Some),
        List(each) => {
            let list = value.as_array().ok_or_else(bad)?;
            let read = |one| Ok(shaped(each, one, path)?.unwrap_or_else(|| Value::Object(Map::new())));
            let list: Vec<Value> = list.iter().map(read).collect::<Result<_, String>>()?;
            let empty = list.is_empty();
            kept(Value::Array(list), empty)
        }
    }
}

/// A time as protobuf writes it: UTC, with 0, 3, 6 or 9 digits of a second.
fn time(text: &str) -> Option<String> {
    let time: Timestamp = text.parse().ok()?;
    let digits = match time.subsec_nanosecond() {
        0 => 0,
        n if n % 1_000_000 == 0 => 3,
        n if n % 1000 == 0 => 6,
        _ => 9,
    };
    Some(format!("{time:.digits$}"))
}
