//! Resource descriptors of SLSA v1: resolved dependencies and byproducts.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

use crate::artifact::Artifact;

/// A resource descriptor; what is empty is not written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Descriptor {
    /// What it is to the run: `task`, `inputs/result`, ….
    pub name: String,
    /// Where it is.
    pub uri: String,
    /// Hex by algorithm.
    pub digests: BTreeMap<String, String>,
    /// The thing itself.
    pub content: Vec<u8>,
    /// The content's media type.
    pub media_type: &'static str,
}

impl Descriptor {
    /// A material under a name.
    #[must_use]
    pub fn of_material(material: Artifact, name: &str) -> Self {
        Self { name: name.to_owned(), uri: material.name, digests: material.digests, ..Self::default() }
    }

    /// The descriptor as protobuf's JSON writes it.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let mut out = Map::new();
        let mut put = |key: &str, value: Value, empty: bool| {
            if !empty {
                out.insert(key.to_owned(), value);
            }
        };
        put("name", Value::from(self.name.as_str()), self.name.is_empty());
        put("uri", Value::from(self.uri.as_str()), self.uri.is_empty());
        let digests = self.digests.iter().map(|(k, hex)| (k.clone(), Value::from(hex.as_str())));
        put("digest", Value::Object(digests.collect()), self.digests.is_empty());
        put("content", Value::from(STANDARD.encode(&self.content)), self.content.is_empty());
        put("mediaType", Value::from(self.media_type), self.media_type.is_empty());
        Value::Object(out)
    }
}
