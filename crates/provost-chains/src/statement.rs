//! An in-toto statement as Chains writes it: `_type`, `subject`, `predicateType`, `predicate`, in that order.

use std::collections::BTreeMap;

use provost_oci::Digest;
use provost_statement::go_json;
use serde::Serialize;
use serde_json::Value;

use crate::artifact::Artifact;

/// A statement to be signed.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Statement {
    #[serde(rename = "_type")]
    kind: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    subject: Vec<Subject>,
    #[serde(rename = "predicateType")]
    predicate_type: &'static str,
    predicate: Value,
}

/// What a statement is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Subject {
    /// An image's repository, or any other artifact's URI.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Hex by algorithm.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub digest: BTreeMap<String, String>,
}

impl Statement {
    /// Puts a statement together; numbers of the predicate become doubles, as in protobuf's `Struct`.
    pub(crate) fn new(
        kind: &'static str,
        predicate_type: &'static str,
        subjects: Vec<Artifact>,
        predicate: &Value,
    ) -> Self {
        let subject = |thing: Artifact| Subject { name: thing.name, digest: thing.digests };
        let subject = subjects.into_iter().map(subject).collect();
        Self { kind, subject, predicate_type, predicate: go_json::through_doubles(predicate) }
    }

    /// Leaves out the subjects that `keep` does not keep, and gives their names.
    pub(crate) fn keep_subjects(&mut self, keep: impl Fn(&str) -> bool) -> Vec<String> {
        let gone = self.subject.extract_if(.., |subject| !keep(&subject.name));
        gone.map(|subject| subject.name).collect()
    }

    /// The images among the subjects, each with its SHA-256.
    pub(crate) fn images(&self) -> Vec<(String, Digest)> {
        let image = |subject: &Subject| {
            let digest = format!("sha256:{}", subject.digest.get("sha256")?).parse().ok()?;
            Some((subject.name.clone(), digest))
        };
        self.subject.iter().filter_map(image).collect()
    }

    /// Adds an image to what the statement is about, unless it is about it already.
    pub(crate) fn add_subject(&mut self, name: &str, sha256: &str) {
        let digest = BTreeMap::from([("sha256".to_owned(), sha256.to_owned())]);
        let subject = Subject { name: name.to_owned(), digest };
        if !self.subject.contains(&subject) {
            self.subject.push(subject);
        }
    }

    /// The predicate, to be changed before anything is signed.
    pub(crate) fn predicate_mut(&mut self) -> &mut Value {
        &mut self.predicate
    }

    /// What the statement is about.
    #[must_use]
    pub fn subjects(&self) -> &[Subject] {
        &self.subject
    }

    /// The URI of the predicate's type.
    #[must_use]
    pub fn predicate_type(&self) -> &'static str {
        self.predicate_type
    }

    /// The predicate.
    #[must_use]
    pub fn predicate(&self) -> &Value {
        &self.predicate
    }

    /// The bytes that are signed: one line, without a line end.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        go_json::plain(self)
    }

    /// [`Statement::to_bytes`] as text.
    #[must_use]
    pub fn to_line(&self) -> String {
        String::from_utf8_lossy(&self.to_bytes()).into_owned()
    }
}
