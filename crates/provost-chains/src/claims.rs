//! Which repositories a namespace may claim to have built (security.md 30).
//!
//! `provost.claims` maps namespaces, or patterns of them, to prefixes of repositories. What a run names outside them is
//! neither a subject nor signed. Without a map every namespace may claim everything, as with Chains.

use std::collections::BTreeMap;

use provost_expr::wildcard;

/// The prefix that covers everything.
const EVERYTHING: &str = "*";
/// The most prefixes in all: two for each of ten thousand namespaces stay below a ConfigMap's 1 MiB.
pub const PREFIXES: usize = 20_000;

/// Prefixes of repositories by namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Claims {
    namespaces: BTreeMap<String, Vec<String>>,
}

/// Why a map cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClaimsError {
    /// It is no map of lists.
    #[error("expected a map from namespaces to lists of repository prefixes: {0}")]
    Form(String),
    /// A prefix under which nothing could lie, or under which a path could lead elsewhere.
    #[error(
        "{namespace}: {prefix:?} is no prefix of repositories: expected text such as registry.example/team, or \"*\""
    )]
    Prefix {
        /// The namespace.
        namespace: String,
        /// The prefix.
        prefix: String,
    },
    /// There are too many.
    #[error("{found} prefixes, at most {PREFIXES} are read")]
    TooMany {
        /// How many there are.
        found: usize,
    },
}

impl Claims {
    /// Reads the map, in YAML or JSON.
    ///
    /// # Errors
    /// See [`ClaimsError`].
    pub fn read(text: &str) -> Result<Self, ClaimsError> {
        let options = serde_saphyr::options! { with_snippet: false };
        let written: BTreeMap<String, Vec<String>> = serde_saphyr::from_str_with_options(text, options)
            .map_err(|error| ClaimsError::Form(error.to_string()))?;
        let found = written.values().map(Vec::len).sum();
        if found > PREFIXES {
            return Err(ClaimsError::TooMany { found });
        }
        let mut namespaces = BTreeMap::new();
        for (namespace, prefixes) in written {
            let mut read = Vec::with_capacity(prefixes.len());
            for prefix in prefixes {
                let place = match prefix.as_str() {
                    EVERYTHING => Some(prefix.clone()),
                    named => Place::prefix(named.strip_suffix('/').unwrap_or(named)).map(|place| place.0),
                };
                let namespace = namespace.clone();
                read.push(place.ok_or(ClaimsError::Prefix { namespace, prefix })?);
            }
            namespaces.insert(namespace, read);
        }
        Ok(Self { namespaces })
    }

    /// What this namespace may claim: what stands under its name and under all patterns that match it.
    #[must_use]
    pub fn of(&self, namespace: &str) -> Granted {
        let matching = self.namespaces.iter().filter(|(pattern, _)| wildcard::matches(pattern, namespace));
        let mut prefixes: Vec<String> = matching.flat_map(|(_, prefixes)| prefixes).cloned().collect();
        prefixes.sort();
        prefixes.dedup();
        Granted { prefixes }
    }
}

/// The repositories that one namespace may claim.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Granted {
    prefixes: Vec<String>,
}

impl Granted {
    /// The same and one more repository: where the operator lets all signatures go.
    #[must_use]
    pub fn and(mut self, repository: &str) -> Self {
        self.prefixes.extend(Place::of(repository).map(|place| place.0));
        self
    }

    /// Whether an artifact of this name lies within: an image with or without tag and digest, or another URI.
    #[must_use]
    pub fn covers(&self, name: &str) -> bool {
        if self.prefixes.iter().any(|prefix| prefix == EVERYTHING) {
            return true;
        }
        let Some(Place(place)) = Place::of(name) else { return false };
        self.prefixes.iter().any(|prefix| {
            place.strip_prefix(prefix.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        })
    }
}

/// A name by which places are compared: without tag and digest, the host in lower case, Docker's host by one name.
struct Place(String);

impl Place {
    /// The place of an artifact: on Docker's registry a single word is an image of its library.
    fn of(name: &str) -> Option<Self> {
        let Self(place) = Self::prefix(name)?;
        Some(Self(match place.strip_prefix("index.docker.io/") {
            Some(path) if !path.contains('/') => format!("index.docker.io/library/{path}"),
            _ => place,
        }))
    }

    /// The place of a prefix, as it is. `None` for names that clients may read in more than one way, such as those that
    /// lead upwards.
    fn prefix(name: &str) -> Option<Self> {
        let name = name.split_once('@').map_or(name, |(name, _)| name);
        let (scheme, rest) = match name.split_once("://") {
            Some((scheme, rest)) => (format!("{}://", scheme.to_ascii_lowercase()), rest),
            None => (String::new(), name),
        };
        if rest.is_empty() || rest.contains(['\\', '%', '?', '#', '@']) || rest.contains(char::is_whitespace)
        {
            return None;
        }
        if rest.split('/').any(|segment| matches!(segment, "" | "." | "..")) {
            return None;
        }
        // A colon after the last slash starts a tag; one in the first part belongs to the host's port.
        let rest = match rest.rsplit_once(':') {
            Some((base, tag)) if scheme.is_empty() && base.contains('/') && !tag.contains('/') => base,
            _ => rest,
        };
        let (host, path) = rest.split_once('/').map_or((rest, ""), |(host, path)| (host, path));
        let host = host.to_ascii_lowercase();
        let is_host =
            host.contains(['.', ':']) || host == "localhost" || !scheme.is_empty() || path.is_empty();
        let docker = matches!(host.as_str(), "docker.io" | "registry-1.docker.io" | "index.docker.io");
        let place = match (is_host, docker) {
            (false, _) => format!("index.docker.io/{rest}"),
            (true, true) => join("index.docker.io", path),
            (true, false) => join(&host, path),
        };
        Some(Self(format!("{scheme}{place}")))
    }
}

fn join(host: &str, path: &str) -> String {
    if path.is_empty() { host.to_owned() } else { format!("{host}/{path}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn granted(prefixes: &[&str]) -> Granted {
        let text = serde_json::json!({ "team": prefixes }).to_string();
        Claims::read(&text).unwrap().of("team")
    }

    #[test]
    fn a_prefix_ends_where_a_segment_ends() {
        let granted = granted(&["registry.example/team/", "https://files.example/team"]);
        for (name, within) in [
            ("registry.example/team/app", true),
            ("registry.example/team", true),
            ("REGISTRY.example/team/app:v1", true),
            ("registry.example/team/app:v1@sha256:abc", true),
            ("registry.example/team-b/app", false),
            ("registry.example:5000/team/app", false),
            ("registry.example/other", false),
            ("registry.example/team/../other", false),
            ("registry.example/team/%2e%2e/other", false),
            ("registry.example/team//app", false),
            ("evil.example/registry.example/team/app", false),
            ("https://files.example/team/a.tar", true),
            ("https://files.example/team/../b/a.tar", false),
            ("https://files.example/team/a?x=../../b", false),
            ("https://files.example@evil.example/team/a", false),
            ("http://files.example/team/a.tar", false),
            ("team", false),
            ("", false),
        ] {
            assert_eq!(granted.covers(name), within, "{name}");
        }
    }

    #[test]
    fn dockers_registry_has_one_name() {
        for prefix in ["docker.io/team", "index.docker.io/team", "team/app"] {
            assert!(granted(&[prefix]).covers("index.docker.io/team/app"), "{prefix}");
        }
        assert!(granted(&["docker.io/library"]).covers("docker.io/busybox:1"));
        assert!(!granted(&["docker.io/busybox"]).covers("index.docker.io/library/busybox"));
    }

    #[test]
    fn namespaces_are_named_or_matched_and_others_claim_nothing() {
        let claims = Claims::read("{team-*: [a.example], team-a: [b.example], all: ['*']}").unwrap();
        assert!(claims.of("team-a").covers("a.example/x") && claims.of("team-a").covers("b.example/x"));
        assert!(claims.of("team-b").covers("a.example/x") && !claims.of("team-b").covers("b.example/x"));
        assert!(!claims.of("other").covers("a.example/x"));
        assert!(claims.of("all").covers("anything at all"));
        assert!(claims.of("other").and("c.example/signatures").covers("c.example/signatures"));
    }

    #[test]
    fn what_is_no_map_of_prefixes_is_refused() {
        assert!(matches!(Claims::read("- a"), Err(ClaimsError::Form(_))));
        assert!(matches!(Claims::read("{a: b}"), Err(ClaimsError::Form(_))));
        for prefix in ["", "a.example/../b", "a.example//b", "a b"] {
            let text = serde_json::json!({ "team": [prefix] }).to_string();
            assert!(matches!(Claims::read(&text), Err(ClaimsError::Prefix { .. })), "{prefix:?}");
        }
        let many = serde_json::json!({ "team": vec!["a.example"; PREFIXES + 1] }).to_string();
        assert_eq!(Claims::read(&many), Err(ClaimsError::TooMany { found: PREFIXES + 1 }));
    }
}
