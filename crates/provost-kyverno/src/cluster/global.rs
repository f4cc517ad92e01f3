//! The value of a global context entry, from the objects of files.

use provost_expr::environment::Environment;
use provost_expr::jmespath::Expression;
use serde_json::{Map, Value};

use super::{Call, ClusterError, Method, Target};

/// Where a `GlobalContextEntry` has its value from: a call for a list, of which the items count, or for a document.
pub(super) fn source(entry: &Value) -> Result<(Call, bool), ClusterError> {
    let text = |path: &str| entry.pointer(path).and_then(Value::as_str).unwrap_or_default();
    let of_path = |path: String| Call { method: Method::Get, target: Target::Path(path), data: Map::new() };
    if entry.pointer("/spec/kubernetesResource").is_some() {
        let part = |name: &str| text(&format!("/spec/kubernetesResource/{name}"));
        let (version, resource, namespace) = (part("version"), part("resource"), part("namespace"));
        let group = match part("group") {
            "" => format!("/api/{version}"),
            group => format!("/apis/{group}/{version}"),
        };
        return Ok(match namespace {
            "" => (of_path(format!("{group}/{resource}")), true),
            namespace => (of_path(format!("{group}/namespaces/{namespace}/{resource}")), true),
        });
    }
    match text("/spec/apiCall/urlPath") {
        "" => Err(ClusterError::NoCluster),
        path => Ok((of_path(path.to_owned()), false)),
    }
}

/// What one of an entry's projections, or the whole where none is named, makes of its value.
pub(super) fn projected(entry: &Value, projection: &str, value: Value) -> Result<Value, ClusterError> {
    if projection.is_empty() {
        return Ok(value);
    }
    let projections = entry.pointer("/spec/projections").and_then(Value::as_array);
    let named = |one: &&Value| one.get("name").and_then(Value::as_str) == Some(projection);
    let found = projections.into_iter().flatten().find(named).and_then(|one| one.get("jmesPath")?.as_str());
    let Some(expression) = found else {
        return Err(ClusterError::NotFound { resource: "projections", name: projection.to_owned() });
    };
    let failed = |error: String| ClusterError::Unreachable(format!("projection {projection}: {error}"));
    let parsed = Expression::parse(expression).map_err(|error| failed(error.to_string()))?;
    parsed.search(&value, &Environment::default()).map_err(|error| failed(error.to_string()))
}
