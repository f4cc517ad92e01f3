//! SLSA provenance v0.2 and v1 under one view: who built, what kind of build, when, from what.
//!
//! A view for people and explanations; policies judge the statement itself.

use serde_json::Value;

use crate::Statement;
use crate::predicate_type::{SLSA_V1, SLSA_V02};

/// What a provenance says, whichever version says it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Provenance {
    /// `builder.id` or `runDetails.builder.id`.
    pub builder_id: Option<String>,
    /// `buildType` or `buildDefinition.buildType`.
    pub build_type: Option<String>,
    /// When the build began, as written.
    pub started: Option<String>,
    /// When it ended, as written.
    pub finished: Option<String>,
    /// `metadata.buildInvocationID` or `runDetails.metadata.invocationId`.
    pub invocation: Option<String>,
    /// `materials` or `buildDefinition.resolvedDependencies`.
    pub materials: Vec<Material>,
}

/// Something a build was made from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Material {
    /// Where it came from.
    pub uri: String,
    /// Its digests as `algorithm:hex`, sorted.
    pub digests: Vec<String>,
}

impl Provenance {
    /// The view of a statement, `None` where its predicate type is no SLSA provenance.
    #[must_use]
    pub fn of(statement: &Statement) -> Option<Self> {
        let predicate = statement.predicate();
        let text = |path: &str| predicate.pointer(path).and_then(Value::as_str).map(str::to_owned);
        let materials = |path: &str| {
            let list = predicate.pointer(path).and_then(Value::as_array);
            list.map(|list| list.iter().map(material).collect()).unwrap_or_default()
        };
        match statement.predicate_type.as_str() {
            SLSA_V02 => Some(Self {
                builder_id: text("/builder/id"),
                build_type: text("/buildType"),
                started: text("/metadata/buildStartedOn"),
                finished: text("/metadata/buildFinishedOn"),
                invocation: text("/metadata/buildInvocationID"),
                materials: materials("/materials"),
            }),
            SLSA_V1 => Some(Self {
                builder_id: text("/runDetails/builder/id"),
                build_type: text("/buildDefinition/buildType"),
                started: text("/runDetails/metadata/startedOn"),
                finished: text("/runDetails/metadata/finishedOn"),
                invocation: text("/runDetails/metadata/invocationId"),
                materials: materials("/buildDefinition/resolvedDependencies"),
            }),
            _ => None,
        }
    }
}

fn material(value: &Value) -> Material {
    let uri = value.get("uri").and_then(Value::as_str).unwrap_or_default().to_owned();
    let digests = value.get("digest").and_then(Value::as_object);
    let digests =
        digests.into_iter().flatten().filter_map(|(k, v)| Some(format!("{k}:{}", v.as_str()?))).collect();
    Material { uri, digests }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view(predicate_type: &str, predicate: &str) -> Option<Provenance> {
        let text = format!(
            r#"{{"_type":"https://in-toto.io/Statement/v1","predicateType":"{predicate_type}","predicate":{predicate}}}"#
        );
        Provenance::of(&Statement::parse(text.as_bytes()).unwrap())
    }

    #[test]
    fn both_versions_say_the_same() {
        let old = view(
            SLSA_V02,
            r#"{"builder":{"id":"b"},"buildType":"t","metadata":{"buildStartedOn":"1","buildFinishedOn":"2","buildInvocationID":"i"},
               "materials":[{"uri":"u","digest":{"sha1":"x"}}]}"#,
        );
        let new = view(
            SLSA_V1,
            r#"{"buildDefinition":{"buildType":"t","resolvedDependencies":[{"uri":"u","digest":{"sha1":"x"}}]},
               "runDetails":{"builder":{"id":"b"},"metadata":{"startedOn":"1","finishedOn":"2","invocationId":"i"}}}"#,
        );
        assert_eq!(old, new);
        assert_eq!(old.unwrap().builder_id.as_deref(), Some("b"));
        assert_eq!(view("https://example.com/other", "{}"), None);
    }
}
