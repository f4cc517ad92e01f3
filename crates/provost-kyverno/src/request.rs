//! What is judged: an object and the request that brings it.

mod given;
pub mod read;

use serde_json::{Map, Value, json};

use crate::cluster::User;

pub use given::Given;
pub(crate) use given::put;

/// What a request does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// An object is made.
    Create,
    /// An object is changed.
    Update,
    /// An object is removed.
    Delete,
    /// A subresource is connected to.
    Connect,
}

impl Operation {
    /// The API server's word.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Create => "CREATE",
            Self::Update => "UPDATE",
            Self::Delete => "DELETE",
            Self::Connect => "CONNECT",
        }
    }

    /// The operation of the API server's word.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        [Self::Create, Self::Update, Self::Delete, Self::Connect].into_iter().find(|o| o.name() == name)
    }
}

/// What an object is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Kind {
    /// The API group; empty for the core.
    pub group: String,
    /// The version.
    pub version: String,
    /// The kind.
    pub kind: String,
}

impl Kind {
    /// The kind an object states.
    #[must_use]
    pub fn of(object: &Value) -> Self {
        let text = |name: &str| object.get(name).and_then(Value::as_str).unwrap_or_default();
        let (group, version) = text("apiVersion").split_once('/').unwrap_or(("", text("apiVersion")));
        Self { group: group.to_owned(), version: version.to_owned(), kind: text("kind").to_owned() }
    }
}

/// A request for admission, or an object of a file in the form of one.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// The API server's identifier; empty for files.
    pub uid: String,
    /// What it does.
    pub operation: Operation,
    /// What the object is.
    pub kind: Kind,
    /// The subresource, empty for the object itself.
    pub subresource: String,
    /// The object's name; empty where the API server will make one.
    pub name: String,
    /// The object's namespace; empty for cluster-wide ones.
    pub namespace: String,
    /// The new object; null on DELETE.
    pub object: Value,
    /// The object as it was; null on CREATE.
    pub old_object: Value,
    /// Who asks; absent for files without a user.
    pub user: Option<User>,
    /// What policies see under `request` besides the objects. An `object` or `oldObject` that stands here and is not null is
    /// shown in place of the real one, which tests may ask for; null says that the real one is shown.
    pub fields: Map<String, Value>,
    /// What a test gives in place of the cluster; empty for real requests.
    pub given: Given,
}

/// Why a line is no request.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum RequestError {
    /// It has no `request`, or that is no object.
    #[error("request: expected an object with the AdmissionReview's request, found none")]
    Missing,
    /// Its operation is none.
    #[error("request.operation: expected CREATE, UPDATE, DELETE or CONNECT, found {0:?}")]
    Operation(String),
    /// A field on which the verdict hangs has another type.
    #[error("request.{field}: expected {expected}, found {found}")]
    Field {
        /// The field.
        field: &'static str,
        /// What it must be.
        expected: &'static str,
        /// What it is.
        found: Value,
    },
}

impl Request {
    /// The request of an `AdmissionReview`.
    ///
    /// # Errors
    /// When there is none in it, or its operation is unknown.
    pub fn of_review(review: &Value) -> Result<Self, RequestError> {
        Self::of_fields(review.get("request").and_then(Value::as_object).cloned())
    }

    /// [`Request::of_review`] of a review that nobody needs any more, of which nothing is copied.
    ///
    /// # Errors
    /// As [`Request::of_review`].
    pub fn taken_from(review: &mut Value) -> Result<Self, RequestError> {
        Self::of_fields(review.get_mut("request").and_then(Value::as_object_mut).map(std::mem::take))
    }

    fn of_fields(fields: Option<Map<String, Value>>) -> Result<Self, RequestError> {
        let mut fields = fields.ok_or(RequestError::Missing)?;
        let text = |name: &str| fields.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let operation =
            Operation::named(&text("operation")).ok_or_else(|| RequestError::Operation(text("operation")))?;
        let odd = |field, expected, found: Option<&Value>| {
            Err(RequestError::Field { field, expected, found: found.cloned().unwrap_or_default() })
        };
        match fields.get("kind").and_then(|kind| kind.get("kind")) {
            Some(Value::String(kind)) if !kind.is_empty() => {}
            other => return odd("kind.kind", "the kind's name", other),
        }
        if let other @ Some(Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)) =
            fields.get("namespace")
        {
            return odd("namespace", "a name", other);
        }
        if matches!(operation, Operation::Create | Operation::Update)
            && !fields.get("object").is_some_and(Value::is_object)
        {
            return odd("object", "an object", fields.get("object"));
        }
        let part = |name: &str, field: &str| {
            let part = fields.get(name).and_then(|part| part.get(field));
            part.and_then(Value::as_str).unwrap_or_default().to_owned()
        };
        let user = fields.get("userInfo").map(|info| User {
            name: info.get("username").and_then(Value::as_str).unwrap_or_default().to_owned(),
            groups: info
                .get("groups")
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
                .filter_map(|group| group.as_str().map(str::to_owned))
                .collect(),
        });
        let read = Self {
            uid: text("uid"),
            operation,
            kind: Kind {
                group: part("kind", "group"),
                version: part("kind", "version"),
                kind: part("kind", "kind"),
            },
            subresource: text("subResource"),
            name: text("name"),
            namespace: text("namespace"),
            object: Value::Null,
            old_object: Value::Null,
            user,
            fields: Map::new(),
            given: Given::default(),
        };
        let mut whole = |name: &str| fields.get_mut(name).map(std::mem::take).unwrap_or_default();
        let (object, old_object) = (whole("object"), whole("oldObject"));
        Ok(Self { object, old_object, fields, ..read })
    }

    /// The creation of an object of a file, by nobody in particular.
    #[must_use]
    pub fn of_object(object: &Value) -> Self {
        let text = |path: &str| object.pointer(path).and_then(Value::as_str).unwrap_or_default().to_owned();
        let kind = Kind::of(object);
        let namespace = match text("/metadata/namespace") {
            named if !named.is_empty() => named,
            _ if crate::select::is_cluster_wide(&kind) => String::new(),
            _ => "default".to_owned(),
        };
        let fields = json!({
            "kind": {"group": kind.group, "version": kind.version, "kind": kind.kind},
            "operation": Operation::Create.name(),
            "name": text("/metadata/name"),
            "namespace": namespace,
            "object": null,
        });
        Self {
            uid: String::new(),
            operation: Operation::Create,
            name: text("/metadata/name"),
            namespace,
            kind,
            subresource: String::new(),
            object: object.clone(),
            old_object: Value::Null,
            user: None,
            fields: fields.as_object().cloned().unwrap_or_default(),
            given: Given::default(),
        }
    }

    /// The object the request is about: the new one, or on DELETE the old one.
    #[must_use]
    pub fn subject(&self) -> &Value {
        if self.operation == Operation::Delete { &self.old_object } else { &self.object }
    }

    /// The name to show: the object's, for which the API server has made one where the request has none.
    #[must_use]
    pub fn object_name(&self) -> &str {
        let given = self.subject().get("metadata").and_then(|metadata| metadata.get("name")?.as_str());
        given.filter(|name| !name.is_empty()).unwrap_or(&self.name)
    }

    /// The same request doing something else with its object: on UPDATE the object was the same before, on DELETE
    /// it is only what was.
    #[must_use]
    pub fn with_operation(mut self, operation: Operation) -> Self {
        let object = if self.object.is_null() { self.old_object.clone() } else { self.object.clone() };
        let (new, old) = match operation {
            Operation::Create | Operation::Connect => (object, Value::Null),
            Operation::Update => (object.clone(), object),
            Operation::Delete => (Value::Null, object),
        };
        self.fields.insert("operation".to_owned(), json!(operation.name()));
        self.fields.insert("object".to_owned(), Value::Null);
        self.fields.insert("oldObject".to_owned(), Value::Null);
        Self { operation, object: new, old_object: old, ..self }
    }

    /// The same request with another object, as the validating phase sees it.
    #[must_use]
    pub fn with_object(&self, object: Value) -> Self {
        let mut fields = self.fields.clone();
        fields.insert("object".to_owned(), Value::Null);
        Self {
            uid: self.uid.clone(),
            operation: self.operation,
            kind: self.kind.clone(),
            subresource: self.subresource.clone(),
            name: self.name.clone(),
            namespace: self.namespace.clone(),
            object,
            old_object: self.old_object.clone(),
            user: self.user.clone(),
            fields,
            given: self.given.clone(),
        }
    }

    /// The request as policies see it under `request`.
    #[must_use]
    pub fn view(&self) -> Map<String, Value> {
        let mut view = self.fields.clone();
        for (name, real) in [("object", &self.object), ("oldObject", &self.old_object)] {
            if let Some(shown) = view.get_mut(name).filter(|shown| shown.is_null()) {
                shown.clone_from(real);
            }
        }
        view
    }

    /// What policies see under `request`, to be changed in what they see alone.
    pub(crate) fn shown(&mut self) -> &mut Map<String, Value> {
        self.fields = self.view();
        &mut self.fields
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::Request;

    #[test]
    fn what_the_verdict_hangs_on_must_be_there() {
        let good = json!({"request": {"kind": {"kind": "Pod"}, "operation": "CREATE", "object": {}}});
        assert!(Request::of_review(&good).is_ok());
        for (field, value, words) in [
            ("kind", json!({}), "request.kind.kind: expected the kind's name, found null"),
            ("namespace", json!(["a"]), "request.namespace: expected a name"),
            ("object", Value::Null, "request.object: expected an object, found null"),
            ("operation", json!("create"), "found \"create\""),
        ] {
            let mut review = good.clone();
            review["request"][field] = value;
            let error = Request::of_review(&review).err().map(|e| e.to_string()).unwrap_or_default();
            assert!(error.contains(words), "{field}: {error}");
        }
        assert!(Request::of_review(&json!({})).is_err());
    }
}
