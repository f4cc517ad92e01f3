//! Repository names and tags as the distribution specification spells them, and where they lie on disk.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use provost_oci::{Digest, Repository};

use crate::StoreError;

/// The longest repository name: 255 bytes, docker-registry's `RepositoryNameTotalLengthMax`.
pub const NAME_LIMIT: usize = 255;
/// The longest tag: 128 bytes, the specification's pattern.
pub const TAG_LIMIT: usize = 128;

/// A repository name inside one layout: `team/app`, checked against the specification's grammar.
///
/// Its parts begin with a letter or digit, so no part is `..`, and none collides with the folders of a
/// repository, which all begin with `_`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Name(Box<str>);

/// Why a text is no repository name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is no repository name: expected at most {NAME_LIMIT} bytes, parts of a-z and 0-9 with single . _ - \
     or __ between, joined by /"
)]
pub struct NameError(pub String);

impl Name {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The folder of this repository below the layout's root.
    pub(super) fn folder(&self, root: &Path) -> PathBuf {
        root.join("repositories").join(&*self.0)
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Name {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let good = !text.is_empty() && text.len() <= NAME_LIMIT && text.split('/').all(is_part);
        if good { Ok(Self(text.into())) } else { Err(NameError(text.chars().take(NAME_LIMIT).collect())) }
    }
}

impl TryFrom<&Repository> for Name {
    type Error = StoreError;

    fn try_from(repository: &Repository) -> Result<Self, StoreError> {
        repository.path().parse().map_err(|error: NameError| StoreError::Malformed {
            request: repository.to_string(),
            reason: error.to_string(),
        })
    }
}

/// `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*`
fn is_part(part: &str) -> bool {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let mut separator = String::new();
    let mut last_plain = false;
    for byte in part.bytes() {
        if plain(byte) {
            if !matches!(separator.as_str(), "" | "." | "_" | "__") && separator.bytes().any(|b| b != b'-') {
                return false;
            }
            separator.clear();
            last_plain = true;
        } else if matches!(byte, b'.' | b'_' | b'-') && (last_plain || !separator.is_empty()) {
            separator.push(char::from(byte));
            last_plain = false;
        } else {
            return false;
        }
    }
    last_plain
}

/// Whether this is a tag: `[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}`.
#[must_use]
pub fn is_tag(text: &str) -> bool {
    let word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    text.len() <= TAG_LIMIT
        && text.bytes().next().is_some_and(word)
        && text.bytes().all(|b| word(b) || matches!(b, b'.' | b'-'))
}

/// `<folder>/<alg>/<hex>`.
pub(super) fn digest_path(folder: &Path, digest: &Digest) -> PathBuf {
    folder.join(digest.algorithm().name()).join(digest.hex())
}
