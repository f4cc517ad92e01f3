//! The spellings of an image, and the patterns of entries that match them (security.md 8).

use std::borrow::Cow;

use provost_expr::image::ImageInfo;
use provost_expr::wildcard;

use crate::policy::entry::Entry;

/// Every way one image may be written, made once for all the patterns it is held against.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spellings {
    /// As Kyverno sees it, then all others.
    all: Vec<String>,
    /// With the host in its one form.
    canonical: Vec<String>,
    /// By a tag, where the image carries a digest.
    by_tag: Option<String>,
}

impl Spellings {
    /// The spellings of an image.
    #[must_use]
    pub fn of(image: &ImageInfo) -> Self {
        let tag = if image.tag.is_empty() { "latest" } else { &image.tag };
        Self {
            all: all_spellings(image),
            canonical: canonical_spellings(image),
            by_tag: (!image.digest.is_empty()).then(|| format!("{}:{tag}", image.repository())),
        }
    }

    /// Whether an entry is about the image, under any spelling of it.
    #[must_use]
    pub fn is_about(&self, entry: &Entry) -> bool {
        entry.image_references.iter().any(|pattern| {
            let plain = |spelling: &String| wildcard::matches(pattern, spelling);
            if self.all.iter().any(plain) {
                return true;
            }
            // The host of a pattern may be written in capitals as well.
            match lower_host(pattern) {
                Cow::Borrowed(_) => false,
                Cow::Owned(pattern) => self.all.iter().any(|s| wildcard::matches(&pattern, s)),
            }
        })
    }

    /// Whether an entry lets the image pass: under the spelling Kyverno sees, and under the canonical one too.
    #[must_use]
    pub fn is_skipped(&self, entry: &Entry) -> bool {
        let holds = |spelling: &String| {
            entry.skip_image_references.iter().any(|pattern| wildcard::matches(pattern, spelling))
        };
        self.all.first().is_some_and(holds) && self.canonical.iter().any(holds)
    }

    /// The first pattern that misses the image only because it carries a digest: `repo:*` does not match
    /// `repo@sha256:…`.
    #[must_use]
    pub fn missed_for_its_digest<'a>(&self, entry: &'a Entry) -> Option<&'a str> {
        let by_tag = self.by_tag.as_ref()?;
        let patterns = entry.image_references.iter().map(String::as_str);
        let mut patterns = patterns.filter(|pattern| wildcard::matches(pattern, by_tag));
        patterns.next().filter(|_| !self.is_about(entry))
    }
}

/// [`Spellings::is_about`] for one question.
#[must_use]
pub fn is_about(entry: &Entry, image: &ImageInfo) -> bool {
    Spellings::of(image).is_about(entry)
}

/// [`Spellings::is_skipped`] for one question.
#[must_use]
pub fn is_skipped(entry: &Entry, image: &ImageInfo) -> bool {
    Spellings::of(image).is_skipped(entry)
}

/// [`Spellings::missed_for_its_digest`] for one question.
#[must_use]
pub fn missed_for_its_digest<'a>(entry: &'a Entry, image: &ImageInfo) -> Option<&'a str> {
    Spellings::of(image).missed_for_its_digest(entry)
}

/// A pattern with its host in lower case.
fn lower_host(pattern: &str) -> Cow<'_, str> {
    match pattern.split_once('/') {
        Some((host, rest)) if host.chars().any(char::is_uppercase) => {
            Cow::Owned(format!("{}/{rest}", host.to_lowercase()))
        }
        _ => Cow::Borrowed(pattern),
    }
}

/// Every name of Docker Hub.
const DOCKER_HUB: [&str; 3] = ["docker.io", "index.docker.io", "registry-1.docker.io"];

/// The host in lower case and without the default port of https.
fn canonical_host(host: &str) -> String {
    let host = host.to_lowercase();
    let host = host.strip_suffix(":443").unwrap_or(&host);
    if DOCKER_HUB.contains(&host) {
        DOCKER_HUB.first().copied().unwrap_or(host).to_owned()
    } else {
        host.to_owned()
    }
}

/// The paths that name one image: on Docker Hub with and without `library/`.
fn paths(host: &str, path: &str) -> Vec<String> {
    if !DOCKER_HUB.contains(&host) {
        return vec![path.to_owned()];
    }
    match path.strip_prefix("library/") {
        Some(bare) if !bare.contains('/') => vec![path.to_owned(), bare.to_owned()],
        None if !path.contains('/') => vec![path.to_owned(), format!("library/{path}")],
        _ => vec![path.to_owned()],
    }
}

fn which(image: &ImageInfo) -> String {
    if image.digest.is_empty() { format!(":{}", image.tag) } else { format!("@{}", image.digest) }
}

fn canonical_spellings(image: &ImageInfo) -> Vec<String> {
    if image.registry.is_empty() {
        return vec![image.to_string()];
    }
    let host = canonical_host(&image.registry);
    paths(&host, &image.path).into_iter().map(|path| format!("{host}/{path}{}", which(image))).collect()
}

fn all_spellings(image: &ImageInfo) -> Vec<String> {
    let mut spellings = vec![image.to_string()];
    if image.registry.is_empty() {
        return spellings;
    }
    let host = canonical_host(&image.registry);
    let mut hosts = if DOCKER_HUB.contains(&host.as_str()) {
        DOCKER_HUB.iter().map(|h| (*h).to_owned()).collect()
    } else {
        vec![host.clone()]
    };
    let with_port: Vec<String> =
        hosts.iter().filter(|h| !h.contains(':')).map(|h| format!("{h}:443")).collect();
    hosts.extend(with_port);
    for path in paths(&host, &image.path) {
        for spelling in hosts.iter().map(|host| format!("{host}/{path}{}", which(image))) {
            if !spellings.contains(&spelling) {
                spellings.push(spelling);
            }
        }
    }
    spellings
}
