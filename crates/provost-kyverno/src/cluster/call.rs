//! A question that a policy asks the API server or a service.

use serde_json::{Map, Value};

use super::ClusterError;

/// How it is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Nothing is sent.
    Get,
    /// An object is sent.
    Post,
}

/// Who is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// The API server, at a path as `kubectl get --raw` takes it.
    Path(String),
    /// A service. Our own token is never sent to it, and redirects are not followed (security.md 23).
    Service {
        /// Its address.
        url: String,
        /// Names and values of headers.
        headers: Vec<(String, String)>,
        /// Who signed its certificate, as PEM; empty for the system's own authorities.
        ca_bundle: String,
    },
}

/// A question that a policy asks.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    /// How.
    pub method: Method,
    /// Whom.
    pub target: Target,
    /// What is sent, for [`Method::Post`].
    pub data: Map<String, Value>,
}

impl Method {
    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
        }
    }
}

impl Call {
    /// The call in few words, as errors show it.
    #[must_use]
    pub fn shown(&self) -> String {
        let method = self.method.name();
        match &self.target {
            Target::Path(path) => format!("{method} resource with raw url: {path}"),
            Target::Service { url, .. } => format!("{method} {url}"),
        }
    }

    /// Why the call is not made: a path that would lead elsewhere than it reads, which a value put into it can do.
    #[must_use]
    pub fn fault(&self) -> Option<ClusterError> {
        let Target::Path(path) = &self.target else { return None };
        let (place, _) = path.split_once('?').unwrap_or((path, ""));
        let mut parts = place.strip_suffix('/').unwrap_or(place).split('/');
        let rooted = parts.next() == Some("") && parts.clone().next().is_some();
        let odd = |part: &str| {
            matches!(part, "" | "." | "..") || part.contains(|c: char| c.is_control() || "%\\#".contains(c))
        };
        match rooted && !parts.any(odd) {
            true => None,
            false => Some(ClusterError::Unreachable(format!(
                "the path {path:?} is not followed: expected one from / on without empty, . and .. parts and escapes"
            ))),
        }
    }

    /// The namespace whose objects are asked for; `None` for all others and for services.
    #[must_use]
    pub fn namespace(&self) -> Option<&str> {
        let Target::Path(path) = &self.target else { return None };
        let (place, _) = path.split_once('?').unwrap_or((path, ""));
        let parts: Vec<&str> = place.split('/').collect();
        match parts.as_slice() {
            ["", "api", _, "namespaces", namespace, ..] | ["", "apis", _, _, "namespaces", namespace, ..] => {
                Some(namespace).filter(|name| !name.is_empty()).copied()
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Map;

    use super::{Call, Method, Target};

    fn call(path: &str) -> Call {
        Call { method: Method::Get, target: Target::Path(path.to_owned()), data: Map::new() }
    }

    #[test]
    fn paths_lead_where_they_read() {
        for good in ["/api/v1/namespaces", "/apis/apps/v1/namespaces/a/deployments/?limit=5", "/api/v1/pods/"]
        {
            assert_eq!(call(good).fault(), None, "{good}");
        }
        for bad in [
            "",
            "/",
            "api/v1/pods",
            "/api/v1/namespaces/a/../b/secrets",
            "/api/v1//secrets",
            "/api/v1/namespaces/a%2f..%2fb",
            "/api/v1/pods#x",
            "/api/v1/./pods",
            "/api/v1/a\n",
        ] {
            assert!(call(bad).fault().is_some(), "{bad}");
        }
    }

    #[test]
    fn a_namespace_is_read_from_its_place_alone() {
        assert_eq!(call("/api/v1/namespaces/a/secrets").namespace(), Some("a"));
        assert_eq!(call("/apis/apps/v1/namespaces/a/deployments/x?a=/namespaces/b").namespace(), Some("a"));
        assert_eq!(call("/api/v1/pods/namespaces/a").namespace(), None);
        assert_eq!(call("/api/v1/namespaces").namespace(), None);
    }
}
