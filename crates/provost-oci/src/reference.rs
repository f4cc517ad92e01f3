//! Image references as go-containerregistry reads them (weak validation), for cosign and Chains.
//!
//! `[registry[:port]/]repository[:tag][@digest]`. Without a registry the image is Docker Hub's, spelled
//! `index.docker.io`, and a one-word repository there gets `library/` before it. Where tag and digest stand
//! together the digest decides and the tag is kept only for display.

use std::fmt;
use std::str::FromStr;

use crate::Digest;

/// The registry a name without one belongs to.
pub const DEFAULT_REGISTRY: &str = "index.docker.io";
/// The tag a name without one has.
pub const DEFAULT_TAG: &str = "latest";

/// A place in a registry that holds images: `registry/path`, without tag or digest.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Repository {
    registry: String,
    path: String,
}

/// How one image of a repository is picked.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Selector {
    /// By a name that may move.
    Tag(String),
    /// By content.
    Digest(Digest),
}

/// A whole image reference: where, and which.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Reference {
    repository: Repository,
    tag: Option<String>,
    digest: Option<Digest>,
}

/// Why a text is no image reference.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("could not parse reference: {text}")]
pub struct ReferenceError {
    /// The text as it came.
    pub text: String,
    /// What is wrong with it, in our words.
    pub reason: &'static str,
}

impl Repository {
    /// A repository of a registry (`host[:port]`) and a path (`team/app`).
    ///
    /// # Errors
    /// When the registry is no host, or the path is empty, too long (over 255) or holds other characters than
    /// `a-z0-9_-./`.
    pub fn new(registry: &str, path: &str) -> Result<Self, ReferenceError> {
        let fail = |reason| ReferenceError { text: format!("{registry}/{path}"), reason };
        if !is_registry(registry) {
            return Err(fail("the registry is no host name with an optional port"));
        }
        if path.len() < 2 || path.len() > 255 {
            return Err(fail("a repository name has 2 to 255 characters"));
        }
        let good = |b: u8| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-' | b'.' | b'/');
        if !path.bytes().all(good) {
            return Err(fail("a repository name holds only a-z, 0-9 and _ - . /"));
        }
        // go-containerregistry lets these through; a URL would not survive them.
        if path.split('/').any(|part| part.is_empty() || part == "." || part == "..") {
            return Err(fail("a repository name has no empty, . or .. part"));
        }
        Ok(Self { registry: registry.to_owned(), path: path.to_owned() })
    }

    /// The host, with its port where one was given.
    #[must_use]
    pub fn registry(&self) -> &str {
        &self.registry
    }

    /// The path below the host.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// A tag in this repository.
    #[must_use]
    pub fn tag(&self, tag: &str) -> Reference {
        Reference { repository: self.clone(), tag: Some(tag.to_owned()), digest: None }
    }

    /// A digest in this repository.
    #[must_use]
    pub fn digest(&self, digest: Digest) -> Reference {
        Reference { repository: self.clone(), tag: None, digest: Some(digest) }
    }
}

impl fmt::Display for Repository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.registry, self.path)
    }
}

impl FromStr for Repository {
    type Err = ReferenceError;

    /// Reads `[registry/]path` by the same rules as a whole reference.
    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        let fail = |reason| ReferenceError { text: text.to_owned(), reason };
        let (registry, path) = match text.split_once('/') {
            Some((first, rest)) if first.contains(['.', ':']) || first == "localhost" => (first, rest),
            _ => (DEFAULT_REGISTRY, text),
        };
        // Counted as it was written, as go-containerregistry counts: `a` is too short though `library/a` is not.
        if path.len() < 2 {
            return Err(fail("a repository name has 2 to 255 characters"));
        }
        let registry = if registry == "docker.io" { DEFAULT_REGISTRY } else { registry };
        let path = if registry == DEFAULT_REGISTRY && !path.contains('/') {
            format!("library/{path}")
        } else {
            path.to_owned()
        };
        Self::new(registry, &path).map_err(|e| fail(e.reason))
    }
}

impl Reference {
    /// Where the image lies.
    #[must_use]
    pub fn repository(&self) -> &Repository {
        &self.repository
    }

    /// The tag as it was given, also beside a digest.
    #[must_use]
    pub fn given_tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    /// The digest, where one was given.
    #[must_use]
    pub fn given_digest(&self) -> Option<&Digest> {
        self.digest.as_ref()
    }

    /// What to ask the registry for: the digest where there is one, else the tag, else `latest`.
    #[must_use]
    pub fn selector(&self) -> Selector {
        match (&self.digest, &self.tag) {
            (Some(digest), _) => Selector::Digest(digest.clone()),
            (None, Some(tag)) => Selector::Tag(tag.clone()),
            (None, None) => Selector::Tag(DEFAULT_TAG.to_owned()),
        }
    }
}

impl FromStr for Reference {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        let fail = |reason| ReferenceError { text: text.to_owned(), reason };
        let (name, digest) = match text.split_once('@') {
            Some((name, digest)) => {
                let digest = digest.parse().map_err(|_| fail("what follows @ is no digest"))?;
                (name, Some(digest))
            }
            None => (text, None),
        };
        // A colon after the last slash starts a tag; one before it belongs to the registry's port.
        let (name, tag) = match name.rsplit_once(':') {
            Some((base, tag)) if !tag.contains('/') => (base, Some(tag)),
            _ => (name, None),
        };
        if let Some(tag) = tag {
            let good = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.');
            if tag.is_empty() || tag.len() > 128 || !tag.bytes().all(good) {
                return Err(fail("a tag has 1 to 128 of the characters A-Z a-z 0-9 _ - ."));
            }
        }
        let repository = name.parse::<Repository>().map_err(|e| fail(e.reason))?;
        Ok(Self { repository, tag: tag.map(str::to_owned), digest })
    }
}

impl fmt::Display for Reference {
    /// The normalised name: `registry/path@digest` where there is a digest, else `registry/path:tag`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.selector() {
            Selector::Digest(digest) => write!(f, "{}@{digest}", self.repository),
            Selector::Tag(tag) => write!(f, "{}:{tag}", self.repository),
        }
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tag(tag) => f.write_str(tag),
            Self::Digest(digest) => write!(f, "{digest}"),
        }
    }
}

fn is_registry(text: &str) -> bool {
    let (host, port) = if let Some(rest) = text.strip_prefix('[') {
        match rest.split_once(']') {
            Some((host, "")) => (host, None),
            Some((host, port)) => match port.strip_prefix(':') {
                Some(port) => (host, Some(port)),
                None => return false,
            },
            None => return false,
        }
    } else {
        match text.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        }
    };
    let good = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b':');
    !host.is_empty()
        && host.bytes().all(good)
        && (!host.contains(':') || text.starts_with('['))
        && port.is_none_or(|port| port.parse::<u16>().is_ok())
}

#[cfg(test)]
mod tests;
