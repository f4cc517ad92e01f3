//! Image strings as Kyverno normalises them: default registry, default tag, and the forms patterns match.

use std::fmt;

use serde_json::{Map, Value};
use thiserror::Error;

/// The registry a name without one belongs to, unless configured otherwise.
pub const DEFAULT_REGISTRY: &str = "docker.io";
/// The tag of a name with neither tag nor digest.
pub const DEFAULT_TAG: &str = "latest";
/// The longest repository path, as the distribution library has it.
pub const MAX_PATH: usize = 255;

/// How incomplete image strings are completed (Kyverno's ConfigMap).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ImageDefaults<'a> {
    /// `defaultRegistry`.
    pub registry: &'a str,
    /// `enableDefaultRegistryMutation`: whether a defaulted registry becomes part of the name.
    pub mutation: bool,
}

impl Default for ImageDefaults<'_> {
    fn default() -> Self {
        Self { registry: DEFAULT_REGISTRY, mutation: true }
    }
}

/// The parts of an image string. `Display` is the normalised reference that patterns match:
/// `registry/path@digest` where there is a digest (the tag is dropped), else `registry/path:tag`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ImageInfo {
    /// Host with its port; empty where it was only defaulted and mutation is off.
    pub registry: String,
    /// The last part of the path.
    pub name: String,
    /// The path below the registry.
    pub path: String,
    /// The tag as given, `latest` where neither tag nor digest was; empty beside a digest without tag.
    pub tag: String,
    /// The digest, empty where none was given.
    pub digest: String,
    /// The normalised reference.
    pub reference: String,
    /// `registry/path:tag`, with an empty tag where there is none.
    pub reference_with_tag: String,
}

/// Why an image string cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error(
    "bad image: {image}, defaultRegistry: {default_registry}, enableDefaultRegistryMutation: {mutation}: {reason}"
)]
pub struct ImageError {
    /// The string, completed with the default registry.
    pub image: String,
    /// The registry that completes names.
    pub default_registry: String,
    /// Whether completed names keep it.
    pub mutation: bool,
    /// What is wrong.
    pub reason: ImageFault,
}

/// What is wrong with an image string.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ImageFault {
    /// Not of the form `[registry/]path[:tag][@digest]`.
    #[error("invalid reference format")]
    Format,
    /// The only thing wrong are capital letters in the path.
    #[error("repository name must be lowercase")]
    Uppercase,
    /// The path is longer than [`MAX_PATH`].
    #[error("repository name must not be more than {MAX_PATH} characters")]
    TooLong,
    /// The digest names an algorithm that is not known.
    #[error("unsupported digest algorithm")]
    DigestAlgorithm,
    /// The digest has another length than its algorithm makes.
    #[error("invalid checksum digest length")]
    DigestLength,
    /// The digest has other characters than lower-case hexadecimal.
    #[error("invalid checksum digest format")]
    DigestFormat,
}

struct Parts<'a> {
    domain: &'a str,
    path: &'a str,
    tag: &'a str,
    digest: &'a str,
}

fn is_path_component(text: &str) -> bool {
    // Separators stand between runs of letters and digits: one of . _ , two _ , or any number of -.
    let good = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let bytes = text.as_bytes();
    let (Some(first), Some(last)) = (bytes.first(), bytes.last()) else { return false };
    if !good(*first) || !good(*last) {
        return false;
    }
    bytes
        .split(|b| good(*b))
        .filter(|separator| !separator.is_empty())
        .all(|separator| matches!(separator, b"." | b"_" | b"__") || separator.iter().all(|b| *b == b'-'))
}

fn is_domain(text: &str) -> bool {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let Some((host, port)) = rest.split_once(']') else { return false };
            if host.is_empty() || !host.bytes().all(|b| b.is_ascii_hexdigit() || b == b':') {
                return false;
            }
            let port = if port.is_empty() { None } else { Some(port.strip_prefix(':').unwrap_or("x")) };
            ("", port)
        }
        None => text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port))),
    };
    let port_good = port.is_none_or(|port| !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()));
    let label = |label: &str| {
        !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    port_good && (text.starts_with('[') || host.split('.').all(label))
}

fn is_tag(text: &str) -> bool {
    let word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    text.len() <= 128
        && text.bytes().next().is_some_and(word)
        && text.bytes().all(|b| word(b) || matches!(b, b'.' | b'-'))
}

fn is_digest(text: &str) -> bool {
    let Some((algorithm, hex)) = text.split_once(':') else { return false };
    let component = |part: &str| {
        part.bytes().next().is_some_and(|b| b.is_ascii_alphabetic())
            && part.bytes().all(|b| b.is_ascii_alphanumeric())
    };
    hex.len() >= 32
        && hex.bytes().all(|b| b.is_ascii_hexdigit())
        && algorithm.split(['-', '_', '+', '.']).all(component)
}

fn split(text: &str) -> Option<Parts<'_>> {
    let (name, digest) = text.split_once('@').map_or((text, ""), |(name, digest)| (name, digest));
    if text.contains('@') && !is_digest(digest) {
        return None;
    }
    let (name, tag) = match name.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => (name, tag),
        _ => (name, ""),
    };
    if name.len() < text.len()
        && text.get(name.len()..).is_some_and(|rest| rest.starts_with(':'))
        && !is_tag(tag)
    {
        return None;
    }
    let (domain, path) = match name.split_once('/') {
        Some((first, rest)) if is_domain(first) => (first, rest),
        _ => ("", name),
    };
    path.split('/').all(is_path_component).then_some(Parts { domain, path, tag, digest })
}

fn check_digest(digest: &str) -> Result<(), ImageFault> {
    let (algorithm, hex) = digest.split_once(':').ok_or(ImageFault::Format)?;
    let length = match algorithm {
        "sha256" => 64,
        "sha384" => 96,
        "sha512" => 128,
        _ => return Err(ImageFault::DigestAlgorithm),
    };
    if hex.len() != length {
        return Err(ImageFault::DigestLength);
    }
    if hex.bytes().any(|b| b.is_ascii_uppercase()) {
        return Err(ImageFault::DigestFormat);
    }
    Ok(())
}

/// Puts the default registry before a name that has none.
fn complete(image: &str, registry: &str) -> String {
    let has_registry = image.split_once('/').is_some_and(|(first, _)| {
        first.contains(['.', ':']) || first == "localhost" || first.to_lowercase() != first
    });
    if has_registry { image.to_owned() } else { format!("{registry}/{image}") }
}

impl ImageInfo {
    /// Reads and completes an image string.
    ///
    /// # Errors
    /// With Kyverno's text, when the string is no image reference.
    pub fn parse(image: &str, defaults: &ImageDefaults<'_>) -> Result<Self, ImageError> {
        let full = complete(image, defaults.registry);
        let fail = |reason| ImageError {
            image: full.clone(),
            default_registry: defaults.registry.to_owned(),
            mutation: defaults.mutation,
            reason,
        };
        let Some(parts) = split(&full) else {
            let lower = full.to_lowercase();
            return Err(fail(if split(&lower).is_some() {
                ImageFault::Uppercase
            } else {
                ImageFault::Format
            }));
        };
        if parts.path.len() > MAX_PATH {
            return Err(fail(ImageFault::TooLong));
        }
        if !parts.digest.is_empty() {
            check_digest(parts.digest).map_err(fail)?;
        }
        let tag = if parts.tag.is_empty() && parts.digest.is_empty() { DEFAULT_TAG } else { parts.tag };
        let defaulted = full != image;
        let registry = if defaulted && !defaults.mutation { "" } else { parts.domain };
        let mut info = Self {
            registry: registry.to_owned(),
            name: parts.path.rsplit('/').next().unwrap_or_default().to_owned(),
            path: parts.path.to_owned(),
            tag: tag.to_owned(),
            digest: parts.digest.to_owned(),
            reference: String::new(),
            reference_with_tag: String::new(),
        };
        info.reference = info.to_string();
        info.reference_with_tag = format!("{}:{tag}", info.repository());
        // A first part with `_` is no domain; without a registry Kyverno takes it for one all the same.
        if registry.is_empty()
            && let Some((first, rest)) = parts.path.split_once('/')
            && first.contains('_')
        {
            info.registry = first.to_owned();
            info.path = rest.to_owned();
        }
        Ok(info)
    }

    /// `registry/path`, or the path alone where there is no registry.
    #[must_use]
    pub fn repository(&self) -> String {
        if self.registry.is_empty() { self.path.clone() } else { format!("{}/{}", self.registry, self.path) }
    }

    /// The object expressions see under `images.<kind>.<container>`; empty parts are left out as in Kyverno.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let mut map = Map::new();
        for (key, text) in [("registry", &self.registry), ("tag", &self.tag), ("digest", &self.digest)] {
            if !text.is_empty() {
                map.insert(key.to_owned(), Value::String(text.clone()));
            }
        }
        for (key, text) in [
            ("name", &self.name),
            ("path", &self.path),
            ("reference", &self.reference),
            ("referenceWithTag", &self.reference_with_tag),
        ] {
            map.insert(key.to_owned(), Value::String(text.clone()));
        }
        Value::Object(map)
    }
}

impl fmt::Display for ImageInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (sign, which) = if self.digest.is_empty() { (':', &self.tag) } else { ('@', &self.digest) };
        write!(f, "{}{sign}{which}", self.repository())
    }
}

#[cfg(test)]
mod tests;
