//! Which store holds the images of a registry, and with which credentials it is asked.

mod memo;
mod remembered;

use std::collections::BTreeMap;
use std::sync::Arc;

use provost_registry::Store;

pub use memo::Memo;
pub use remembered::Remembered;

/// How an entry wants its registry asked.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Access {
    /// Whether plain http is allowed.
    pub allow_http: bool,
    /// Docker configurations from Secrets, asked in this order before the process's own.
    pub secrets: Vec<DockerSecret>,
    /// Whether what lies beside an image is to be asked for anew: `useCache: false`.
    pub fresh: bool,
}

/// The docker configuration of a Secret.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct DockerSecret {
    /// Where it comes from, for errors: `namespace/name`.
    pub name: String,
    /// The configuration, of which only `auths` counts (security.md 25).
    pub json: Vec<u8>,
}

impl std::fmt::Debug for DockerSecret {
    /// Without the configuration: outcomes and requests end up in logs.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DockerSecret").field("name", &self.name).finish_non_exhaustive()
    }
}

impl DockerSecret {
    /// The docker configuration among a Secret's data, in the new form or the old; `None` where it has neither.
    #[must_use]
    pub fn of(name: &str, data: &BTreeMap<String, Vec<u8>>) -> Option<Self> {
        let json = match (data.get(".dockerconfigjson"), data.get(".dockercfg")) {
            (Some(json), _) => json.clone(),
            // The old form is what stands under `auths` in the new one.
            (None, Some(auths)) => [br#"{"auths":"#.as_slice(), auths, b"}"].concat(),
            (None, None) => return None,
        };
        Some(Self { name: name.to_owned(), json })
    }
}

/// Makes stores.
pub trait Stores: Send + Sync {
    /// The store that holds a registry's images, asked in this way.
    ///
    /// # Errors
    /// Why there is none, in words.
    fn store(&self, registry: &str, access: &Access) -> Result<Arc<dyn Store>, String>;
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::DockerSecret;

    #[test]
    fn both_forms_are_read_and_neither_is_shown() {
        let of = |key: &str, text: &str| {
            DockerSecret::of("n/s", &BTreeMap::from([(key.to_owned(), text.as_bytes().to_vec())]))
        };
        let new = of(".dockerconfigjson", r#"{"auths":{"r":{"auth":"c2VjcmV0"}}}"#);
        let old = of(".dockercfg", r#"{"r":{"auth":"c2VjcmV0"}}"#);
        assert_eq!(new, old);
        assert!(new.is_some_and(|secret| !format!("{secret:?}").contains("c2Vj")));
        assert_eq!(of("password", "x"), None);
    }
}
