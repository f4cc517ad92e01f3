//! Paths and queries of the distribution specification, read into what they ask for.

use http::{StatusCode, Uri};
use percent_encoding::percent_decode_str;
use provost_oci::{Digest, ErrorCode, Selector};
use provost_registry::layout::{Name, is_tag};

use crate::answer::Refusal;

/// What a path names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Route {
    /// `/v2/`
    Base,
    /// `/v2/_catalog`
    Catalog,
    /// `/v2/<name>/tags/list`
    Tags(Name),
    /// `/v2/<name>/referrers/<digest>`
    Referrers(Name, Digest),
    /// `/v2/<name>/manifests/<reference>`
    Manifest(Name, Selector),
    /// `/v2/<name>/blobs/<digest>`
    Blob(Name, Digest),
    /// `/v2/<name>/blobs/uploads/`
    Uploads(Name),
    /// `/v2/<name>/blobs/uploads/<id>`
    Upload(Name, String),
}

impl Route {
    /// Reads a path.
    pub(crate) fn read(uri: &Uri) -> Result<Self, Refusal> {
        let nothing = || Refusal::new(StatusCode::NOT_FOUND, ErrorCode::NameUnknown, "404 page not found");
        let path = percent_decode_str(uri.path()).decode_utf8().map_err(|_| nothing())?;
        let rest = match path.strip_prefix("/v2") {
            Some("" | "/") => return Ok(Self::Base),
            Some(rest) => rest.strip_prefix('/').ok_or_else(nothing)?,
            None => return Err(nothing()),
        };
        if rest == "_catalog" {
            return Ok(Self::Catalog);
        }
        if let Some(rest) = rest.strip_suffix("/tags/list") {
            return Ok(Self::Tags(name(rest)?));
        }
        if let Some(rest) =
            rest.strip_suffix("/blobs/uploads").or_else(|| rest.strip_suffix("/blobs/uploads/"))
        {
            return Ok(Self::Uploads(name(rest)?));
        }
        let (rest, last) = rest.rsplit_once('/').ok_or_else(nothing)?;
        if let Some(rest) = rest.strip_suffix("/blobs/uploads") {
            return Ok(Self::Upload(name(rest)?, last.to_owned()));
        }
        let (rest, kind) = rest.rsplit_once('/').ok_or_else(nothing)?;
        match kind {
            "blobs" => Ok(Self::Blob(name(rest)?, digest(last)?)),
            "referrers" => Ok(Self::Referrers(name(rest)?, digest(last)?)),
            "manifests" if last.contains(':') => {
                Ok(Self::Manifest(name(rest)?, Selector::Digest(digest(last)?)))
            }
            "manifests" if is_tag(last) => Ok(Self::Manifest(name(rest)?, Selector::Tag(last.to_owned()))),
            "manifests" => {
                let reason = format!("{last:?} is neither a tag nor a digest");
                Err(Refusal::new(StatusCode::BAD_REQUEST, ErrorCode::ManifestInvalid, reason))
            }
            _ => Err(nothing()),
        }
    }

    /// What may be done with it, as `Allow` spells it.
    pub(crate) fn methods(&self) -> &'static str {
        match self {
            Self::Base | Self::Catalog | Self::Tags(_) | Self::Referrers(..) => "GET, HEAD",
            Self::Manifest(..) => "GET, HEAD, PUT, DELETE",
            Self::Blob(..) => "GET, HEAD, DELETE",
            Self::Uploads(_) => "POST",
            Self::Upload(..) => "GET, PATCH, PUT, DELETE",
        }
    }
}

/// Reads a repository name.
pub(crate) fn name(text: &str) -> Result<Name, Refusal> {
    let refuse = |error| Refusal::new(StatusCode::BAD_REQUEST, ErrorCode::NameInvalid, format!("{error}"));
    text.parse::<Name>().map_err(refuse)
}

/// Reads a digest.
pub(crate) fn digest(text: &str) -> Result<Digest, Refusal> {
    let refuse = |error| Refusal::new(StatusCode::BAD_REQUEST, ErrorCode::DigestInvalid, format!("{error}"));
    text.parse::<Digest>().map_err(refuse)
}

/// The first value of a key in the query, decoded.
pub(crate) fn query(uri: &Uri, key: &str) -> Option<String> {
    let pairs = uri.query()?.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    let value = pairs.filter(|(name, _)| *name == key).map(|(_, value)| value).next()?;
    let value = value.replace('+', " ");
    Some(percent_decode_str(&value).decode_utf8_lossy().into_owned())
}
