//! Where an expression finds its root names: a trait over values that may be loaded only when asked for.

use serde_json::{Map, Value};
use thiserror::Error;

/// Who wrote a value; of several the last counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// The policy's author: text in it is expanded like the policy itself.
    Policy,
    /// The cluster's operators, in objects such as ConfigMaps: nothing in it is expanded, but `*` and `?` are wildcards
    /// as in the policy.
    Cluster,
    /// A request, an image, a predicate: `{{` in it is text and nothing in it is ever expanded, and `*` and `?` stand for
    /// themselves (security.md 5).
    Foreign,
}

/// A value found under a root name.
#[derive(Clone, Copy, Debug)]
pub struct Root<'a> {
    /// The value, borrowed from the context.
    pub value: &'a Value,
    /// Who wrote it.
    pub origin: Origin,
}

/// Why a root that exists could not be loaded.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{reason}")]
pub struct LookupError {
    /// The root's name.
    pub name: String,
    /// The loader's own words; loading is IO, and each loader has its reasons.
    pub reason: String,
}

/// The roots of a document. Loading happens inside [`Lookup::root`], so a root no expression names costs nothing.
pub trait Lookup {
    /// The value under a name; `None` makes the expression fail with `Unknown key`.
    ///
    /// # Errors
    /// When the root exists and cannot be loaded.
    fn root(&self, name: &str) -> Result<Option<Root<'_>>, LookupError>;

    /// All names, for expressions that use the document whole (`@`).
    fn names(&self) -> Vec<String>;

    /// The document, where it is a single value that need not be an object.
    fn document(&self) -> Option<Root<'_>> {
        None
    }
}

/// A plain JSON document; everything in it is foreign.
impl Lookup for Value {
    fn root(&self, name: &str) -> Result<Option<Root<'_>>, LookupError> {
        Ok(self.get(name).map(|value| Root { value, origin: Origin::Foreign }))
    }

    fn names(&self) -> Vec<String> {
        self.as_object().map(|map| map.keys().cloned().collect()).unwrap_or_default()
    }

    fn document(&self) -> Option<Root<'_>> {
        Some(Root { value: self, origin: Origin::Foreign })
    }
}

/// Roots held in memory, each with its origin.
#[derive(Clone, Debug, Default)]
pub struct Roots {
    values: std::collections::BTreeMap<String, (Value, Origin)>,
}

impl Roots {
    /// No roots yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets a root, replacing one of the same name.
    pub fn set(&mut self, name: &str, value: Value, origin: Origin) {
        self.values.insert(name.to_owned(), (value, origin));
    }

    /// Forgets a root.
    pub fn remove(&mut self, name: &str) {
        self.values.remove(name);
    }
}

impl Lookup for Roots {
    fn root(&self, name: &str) -> Result<Option<Root<'_>>, LookupError> {
        Ok(self.values.get(name).map(|(value, origin)| Root { value, origin: *origin }))
    }

    fn names(&self) -> Vec<String> {
        self.values.keys().cloned().collect()
    }
}

/// A context with the keys of one predicate under it: the context's own names win (security.md 5), so a
/// predicate cannot pose as `request` or `images`.
pub struct WithPredicate<'a> {
    base: &'a dyn Lookup,
    predicate: &'a Map<String, Value>,
}

impl<'a> WithPredicate<'a> {
    /// Names that are the request's even where the base does not hold them.
    const RESERVED: [&'static str; 5] =
        ["request", "images", "image", "serviceAccountName", "serviceAccountNamespace"];

    /// Puts the keys of a predicate below a context.
    #[must_use]
    pub fn new(base: &'a dyn Lookup, predicate: &'a Map<String, Value>) -> Self {
        Self { base, predicate }
    }
}

impl Lookup for WithPredicate<'_> {
    fn root(&self, name: &str) -> Result<Option<Root<'_>>, LookupError> {
        if let Some(found) = self.base.root(name)? {
            return Ok(Some(found));
        }
        if Self::RESERVED.contains(&name) {
            return Ok(None);
        }
        Ok(self.predicate.get(name).map(|value| Root { value, origin: Origin::Foreign }))
    }

    fn names(&self) -> Vec<String> {
        let mut names = self.base.names();
        let more = self.predicate.keys().filter(|key| !Self::RESERVED.contains(&key.as_str()));
        names.extend(more.cloned());
        names.sort();
        names.dedup();
        names
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Lookup, Origin, Roots, WithPredicate};

    #[test]
    fn a_predicate_cannot_pose_as_the_request() {
        let mut roots = Roots::new();
        roots.set("mine", json!("policy"), Origin::Policy);
        let predicate = json!({"request": 1, "mine": "theirs", "builder": {"id": "b"}});
        let predicate = predicate.as_object().unwrap();
        let context = WithPredicate::new(&roots, predicate);
        assert!(context.root("request").unwrap().is_none());
        assert_eq!(context.root("mine").unwrap().unwrap().value, &json!("policy"));
        assert_eq!(context.root("builder").unwrap().unwrap().origin, Origin::Foreign);
        assert_eq!(context.names(), ["builder", "mine"]);
    }
}
