//! What a test gives in place of the API server's answers and of global context entries.

use provost_expr::environment::Environment;
use provost_expr::jmespath::Expression;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::TestFileError;
use crate::cluster::{Call, ClusterError, Target};

/// One answer of `apiCallResponses`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ApiResponse {
    url: String,
    url_path: String,
    method: String,
    response: Response,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct Response {
    status_code: Option<u16>,
    body: Value,
}

/// One value of `globalContextEntries`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct GlobalValue {
    name: String,
    data: Option<Value>,
    resources: Option<Vec<Value>>,
    /// Files with the objects, relative to the test's folder; whoever loads the test reads them.
    pub resource_files: Option<Vec<String>>,
    field_path: String,
    projections: Vec<Projection>,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Projection {
    name: String,
    path: String,
}

impl ApiResponse {
    fn place(&self) -> &str {
        if self.url.is_empty() { self.url_path.trim() } else { self.url.trim() }
    }

    fn method(&self) -> String {
        self.method.trim().to_uppercase()
    }

    fn fault(&self) -> Option<String> {
        let (url, path) = (self.url.trim(), self.url_path.trim());
        let shown = self.place();
        if url.is_empty() == path.is_empty() {
            let what = if url.is_empty() {
                "either url or urlPath is required"
            } else {
                "url and urlPath are mutually exclusive"
            };
            return Some(what.to_owned());
        }
        if !url.is_empty() && !url.starts_with("http://") && !url.starts_with("https://") {
            return Some(format!("url {url:?} must be an absolute https/http URL"));
        }
        if !path.is_empty() && !path.starts_with('/') {
            return Some(format!("urlPath {path:?} must be an absolute path starting with '/'"));
        }
        if !matches!(self.method().as_str(), "" | "GET" | "POST") {
            return Some("method must be GET or POST".to_owned());
        }
        if !self.response.body.is_object() {
            return Some(format!("{shown:?}: response.body must be a JSON object"));
        }
        match self.response.status_code {
            Some(code) if !(100..=599).contains(&code) => {
                Some(format!("{shown:?}: statusCode {code} must be between 100 and 599"))
            }
            _ => None,
        }
    }
}

impl GlobalValue {
    fn fault(&self) -> Option<String> {
        let sources = [self.data.is_some(), self.resources.is_some(), self.resource_files.is_some()];
        match sources.iter().filter(|given| **given).count() {
            0 => return Some("one of data, resources, or resourceFiles is required".to_owned()),
            1 => {}
            _ => return Some("data, resources, and resourceFiles are mutually exclusive".to_owned()),
        }
        if self.data.as_ref().is_some_and(|data| !data.is_object()) {
            return Some("data must be a JSON object".to_owned());
        }
        if self.projections.iter().any(|one| one.name.trim().is_empty() || one.path.trim().is_empty()) {
            return Some("a projection needs its name and its path".to_owned());
        }
        let outside = |file: &&String| {
            let file = file.trim();
            file.is_empty() || file.starts_with('/') || file.split('/').any(|part| part == "..")
        };
        let files = self.resource_files.iter().flatten();
        files.into_iter().find(outside).map(|file| format!("{file:?} is no file of the test's folder"))
    }

    /// Puts in the objects of its files.
    pub fn fill(&mut self, objects: Vec<Value>) {
        self.resources = Some(objects);
        self.resource_files = None;
    }

    fn value(&self, projection: &str) -> Result<Value, String> {
        let environment = Environment::default();
        let search = |expression: &str, value: &Value| {
            let parsed = Expression::parse(expression).map_err(|error| error.to_string())?;
            parsed.search(value, &environment).map_err(|error| error.to_string())
        };
        let mut root = match &self.resources {
            Some(objects) => Value::Array(objects.clone()),
            None => self.data.clone().unwrap_or_default(),
        };
        if !self.field_path.is_empty() {
            root = search(&self.field_path, &root).map_err(|error| format!("fieldPath: {error}"))?;
        }
        if !self.projections.is_empty() {
            let mut made = Map::new();
            for Projection { name, path } in &self.projections {
                let value = search(path, &root)
                    .map_err(|error| format!("projection {name:?} path {path:?}: {error}"))?;
                made.insert(name.clone(), value);
            }
            root = Value::Object(made);
        }
        match (projection, root.get(projection)) {
            ("", _) => Ok(root),
            (_, Some(value)) => Ok(value.clone()),
            (_, None) => Err(format!("projection {projection:?} not found")),
        }
    }
}

/// Checks both lists of a test.
pub(super) fn check(
    file: &str,
    responses: &[ApiResponse],
    entries: &[GlobalValue],
) -> Result<(), TestFileError> {
    let failed = |reason: String| Err(TestFileError::Form { path: file.to_owned(), reason });
    for (at, one) in responses.iter().enumerate() {
        if let Some(fault) = one.fault() {
            return failed(format!("apiCallResponses[{at}]: {fault}"));
        }
        let same = |other: &ApiResponse| other.place() == one.place() && other.method() == one.method();
        if responses.iter().take(at).any(same) {
            return failed(format!("apiCallResponses: duplicate entry for {:?}", one.place()));
        }
    }
    for (at, one) in entries.iter().enumerate() {
        if one.name.trim().is_empty() {
            return failed("globalContextEntries: name is required".to_owned());
        }
        if entries.iter().take(at).any(|other| other.name == one.name) {
            return failed(format!("globalContextEntries: duplicate name {:?}", one.name));
        }
        if let Some(fault) = one.fault() {
            return failed(format!("globalContextEntries entry {:?}: {fault}", one.name));
        }
    }
    Ok(())
}

/// The answers a test gives.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Mocks {
    /// Answers to calls.
    pub responses: Vec<ApiResponse>,
    /// Values of global context entries.
    pub entries: Vec<GlobalValue>,
}

impl Mocks {
    /// The answer to a call; `None` where the test gives none.
    pub(super) fn call(&self, call: &Call) -> Option<Result<Value, ClusterError>> {
        let place = match &call.target {
            Target::Path(path) => path,
            Target::Service { url, .. } => url,
        };
        let of =
            |method: &str| self.responses.iter().find(|one| one.place() == place && one.method() == method);
        let Response { status_code, body } = &of(call.method.name()).or_else(|| of(""))?.response;
        Some(match status_code.unwrap_or(200) {
            200..=299 => Ok(body.clone()),
            code => Err(ClusterError::Unreachable(format!("HTTP {code}, as the test says"))),
        })
    }

    /// The value of a global context entry; `None` where the test gives none.
    pub(super) fn global(&self, name: &str, projection: &str) -> Option<Result<Value, ClusterError>> {
        let entry = self.entries.iter().find(|entry| entry.name == name)?;
        Some(entry.value(projection).map_err(ClusterError::Unreachable))
    }
}
