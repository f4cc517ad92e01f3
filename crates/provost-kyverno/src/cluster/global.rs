//! Where the value of a global context entry comes from, and what its projections make of it.

use provost_expr::environment::Environment;
use provost_expr::jmespath::Expression;
use serde_json::{Map, Value};

use super::{Call, ClusterError, Method, Target};

/// Where a `GlobalContextEntry` has its value from: a call for a list, of which the items count, or for a document.
///
/// # Errors
/// When it says neither.
pub fn source(entry: &Value) -> Result<(Call, bool), ClusterError> {
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
    let Some(call) = entry.pointer("/spec/apiCall") else { return Err(ClusterError::NoCluster) };
    let post = text("/spec/apiCall/method") == "POST";
    let of_list = |path: &str| call.pointer(path).and_then(Value::as_array).into_iter().flatten();
    let part = |one: &Value, name: &str| one.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let data = of_list("/data").map(|one| (part(one, "key"), one.get("value").cloned().unwrap_or_default()));
    let target = match text("/spec/apiCall/urlPath") {
        "" => Target::Service {
            url: text("/spec/apiCall/service/url").to_owned(),
            headers: of_list("/service/headers").map(|one| (part(one, "key"), part(one, "value"))).collect(),
            ca_bundle: text("/spec/apiCall/service/caBundle").to_owned(),
        },
        path => Target::Path(path.to_owned()),
    };
    let method = if post { Method::Post } else { Method::Get };
    Ok((Call { method, target, data: if post { data.collect() } else { Map::new() } }, false))
}

/// What one of an entry's projections, or the whole where none is named, makes of its value.
///
/// # Errors
/// When there is no such projection, or its expression fails.
pub fn projected(entry: &Value, projection: &str, value: Value) -> Result<Value, ClusterError> {
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
