//! Things with digests: subjects and materials, and how Chains merges two mentions of one thing.

use std::collections::BTreeMap;

/// A thing by its name (of a subject) or URI (of a material), and its digests: hex by algorithm.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Artifact {
    /// Name or URI.
    pub name: String,
    /// Hex by algorithm.
    pub digests: BTreeMap<String, String>,
}

impl Artifact {
    /// A thing with one digest.
    #[must_use]
    pub fn new(name: impl Into<String>, algorithm: &str, hex: &str) -> Self {
        Self { name: name.into(), digests: BTreeMap::from([(algorithm.to_owned(), hex.to_owned())]) }
    }

    fn is_same(&self, other: &Self) -> bool {
        self.name == other.name && self.digests.iter().any(|(k, hex)| other.digests.get(k) == Some(hex))
    }
}

/// Adds items to a list: one with the name and a digest of an earlier one lends it its other digests instead.
pub fn merge(list: &mut Vec<Artifact>, items: impl IntoIterator<Item = Artifact>) {
    for item in items {
        match list.iter_mut().find(|known| known.is_same(&item)) {
            Some(known) => known.digests.extend(item.digests),
            None => list.push(item),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_name_and_one_shared_digest_make_one_thing() {
        let mut list = vec![Artifact::new("a", "sha256", "1")];
        let mut both = Artifact::new("a", "sha256", "1");
        both.digests.insert("sha512".into(), "2".into());
        let no_digest = Artifact { name: "a".into(), digests: BTreeMap::new() };
        let others = [Artifact::new("a", "sha256", "3"), Artifact::new("b", "sha256", "1")];
        merge(&mut list, [both.clone(), no_digest.clone(), no_digest.clone()]);
        merge(&mut list, others.clone());
        let [third, fourth] = others;
        assert_eq!(list, vec![both, no_digest.clone(), no_digest, third, fourth]);
    }
}
