//! Image references out of results: `repository[:tag]@sha256:…`, read as weakly as Chains' library reads them.
//!
//! `provost_oci::Reference` is stricter on purpose (a repository named `https:` reaches no registry); here the
//! name must come out as Chains writes it, because it becomes a subject that policies compare.

use provost_oci::reference::DEFAULT_REGISTRY;
use provost_oci::{Algorithm, Digest, Repository};

/// An image a result names: the normalised repository, and the manifest's SHA-256.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ImageRef {
    /// `registry/path`, without scheme and tag.
    pub name: String,
    /// The manifest's digest, always SHA-256.
    pub digest: Digest,
}

/// Why a text is no image reference with a digest.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no image reference with a digest: {reason}")]
pub struct ImageRefError {
    /// The text as it came.
    pub text: String,
    /// What is wrong with it.
    pub reason: &'static str,
}

/// The longest repository path go-containerregistry accepts, in bytes.
const LONGEST_PATH: usize = 255;
/// The shortest, counted before `library/` is added.
const SHORTEST_PATH: usize = 2;
/// The longest tag.
const LONGEST_TAG: usize = 128;

impl ImageRef {
    /// Reads `repository[:tag]@sha256:hex`; the tag is checked and dropped.
    ///
    /// # Errors
    /// When there is not exactly one `@`, the digest is no SHA-256, or the repository is none.
    pub fn parse(text: &str) -> Result<Self, ImageRefError> {
        let fail = |reason| ImageRefError { text: text.to_owned(), reason };
        let (base, digest) = text.split_once('@').ok_or_else(|| fail("there is no @"))?;
        let digest: Digest = digest.parse().map_err(|_| fail("what follows @ is no digest"))?;
        if digest.algorithm() != Algorithm::Sha256 {
            return Err(fail("the digest is not SHA-256"));
        }
        // A colon after the last slash starts a tag; one before it belongs to the registry's port.
        let base = match base.rsplit_once(':') {
            Some((base, tag)) if !tag.contains('/') => {
                if !is_tag(tag) {
                    return Err(fail(
                        "the tag is empty, too long or has other characters than A-Z a-z 0-9 _ - .",
                    ));
                }
                base
            }
            _ => base,
        };
        let (registry, path) = match base.split_once('/') {
            Some((first, rest)) if first.contains(['.', ':']) || first == "localhost" => (first, rest),
            _ => (DEFAULT_REGISTRY, base),
        };
        if !(SHORTEST_PATH..=LONGEST_PATH).contains(&path.len()) {
            return Err(fail("a repository path has 2 to 255 characters"));
        }
        if !path.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-' | b'.' | b'/')) {
            return Err(fail("a repository path holds only a-z, 0-9 and _ - . /"));
        }
        if !is_registry(registry) {
            return Err(fail("the registry is no host name with an optional port"));
        }
        let registry = if registry == "docker.io" { DEFAULT_REGISTRY } else { registry };
        let library = if registry == DEFAULT_REGISTRY && !path.contains('/') { "library/" } else { "" };
        Ok(Self { name: format!("{registry}/{library}{path}"), digest })
    }

    /// The repository a registry client can reach, `None` where the name is none (`https:/…`).
    #[must_use]
    pub fn repository(&self) -> Option<Repository> {
        self.name.parse().ok()
    }
}

fn is_tag(tag: &str) -> bool {
    (1..=LONGEST_TAG).contains(&tag.len())
        && tag.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'))
}

/// Whether Go's URL parser gives this text back as a host: a name, an address or `[v6]`, and perhaps a port,
/// which may be empty.
fn is_registry(text: &str) -> bool {
    let (host, port) = if let Some(rest) = text.strip_prefix('[') {
        match rest.split_once(']') {
            Some((host, port)) => (host, port),
            None => return false,
        }
    } else {
        text.split_at(text.find(':').unwrap_or(text.len()))
    };
    let port_ok = port.is_empty()
        || port.strip_prefix(':').is_some_and(|digits| digits.bytes().all(|b| b.is_ascii_digit()));
    let good = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~' | b':');
    port_ok && !text.is_empty() && host.bytes().all(good)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(base: &str) -> Option<String> {
        let text = format!("{base}@sha256:{}", "a".repeat(64));
        ImageRef::parse(&text).ok().map(|image| image.name)
    }

    #[test]
    fn names_are_normalised_as_chains_normalises_them() {
        for (base, want) in [
            ("reg.local:5000/demo/app:v1", Some("reg.local:5000/demo/app")),
            ("localhost/demo", Some("localhost/demo")),
            ("team/app", Some("index.docker.io/team/app")),
            ("busybox", Some("index.docker.io/library/busybox")),
            ("docker.io/busybox:1", Some("index.docker.io/library/busybox")),
            ("https://reg.local/demo", Some("https://reg.local/demo")),
            ("[::1]:5000/demo", Some("[::1]:5000/demo")),
            ("reg.local/a", None),
            ("a", None),
            ("reg.local/Demo", None),
            ("reg.local/demo:", None),
            ("reg.local/demo:b~d", None),
            ("reg.local:x/demo", None),
            ("", None),
        ] {
            assert_eq!(name(base).as_deref(), want, "{base}");
        }
    }

    #[test]
    fn only_one_digest_and_only_sha256() {
        let sha = format!("sha256:{}", "a".repeat(64));
        for text in ["reg.local/demo".to_owned(), format!("reg.local/demo@{sha}@{sha}")] {
            assert!(ImageRef::parse(&text).is_err(), "{text}");
        }
        let long = ImageRef::parse(&format!("reg.local/demo@sha512:{}", "a".repeat(128)));
        assert_eq!(long.unwrap_err().reason, "the digest is not SHA-256");
    }

    #[test]
    fn a_path_may_have_255_characters() {
        assert!(name(&format!("reg.local/{}", "a".repeat(255))).is_some());
        assert!(name(&format!("reg.local/{}", "a".repeat(256))).is_none());
        assert!(name(&format!("reg.local/demo:{}", "a".repeat(128))).is_some());
        assert!(name(&format!("reg.local/demo:{}", "a".repeat(129))).is_none());
    }

    #[test]
    fn a_name_no_client_can_reach_is_no_repository() {
        let text = format!("https://reg.local/demo@sha256:{}", "a".repeat(64));
        assert_eq!(ImageRef::parse(&text).unwrap().repository(), None);
    }
}
