//! What is there: tags, repositories, referrers.

use http::header;
use http::{Response, StatusCode, Uri};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use provost_oci::{Digest, ErrorCode, ImageIndex, media_type};
use provost_registry::layout::Name;
use serde_json::json;

use crate::answer::{Body, OCI_FILTERS_APPLIED, Refusal, bytes, json as document, set};
use crate::route::query;
use crate::service::Service;

/// The repositories listed where the client names no number: docker-registry's 100.
const CATALOG_PAGE: usize = 100;

impl Service {
    /// `GET /v2/<name>/tags/list`: all of them, unless the client asks for pages.
    pub(crate) async fn tags(&self, name: &Name, uri: &Uri) -> Result<Response<Body>, Refusal> {
        let tags = self.layout.tags_in(name).await?;
        let page = Page::cut(tags, uri, usize::MAX)?;
        let mut response = document(StatusCode::OK, &json!({"name": name.as_str(), "tags": page.entries}));
        page.link(&mut response, &format!("/v2/{name}/tags/list"));
        Ok(response)
    }

    /// `GET /v2/_catalog`.
    pub(crate) async fn catalog(&self, uri: &Uri) -> Result<Response<Body>, Refusal> {
        let names = self.layout.repositories().await?;
        let names = names.into_iter().map(|name| name.as_str().to_owned()).collect();
        let page = Page::cut(names, uri, CATALOG_PAGE)?;
        let mut response = document(StatusCode::OK, &json!({"repositories": page.entries}));
        page.link(&mut response, "/v2/_catalog");
        Ok(response)
    }

    /// `GET /v2/<name>/referrers/<digest>`: an index, empty where there are none.
    pub(crate) async fn referrers(
        &self,
        name: &Name,
        subject: &Digest,
        uri: &Uri,
    ) -> Result<Response<Body>, Refusal> {
        let mut manifests = self.layout.referrers_in(name, subject).await?;
        let filter = query(uri, "artifactType").filter(|kind| !kind.is_empty());
        if let Some(kind) = &filter {
            manifests.retain(|referrer| referrer.artifact_type.as_ref() == Some(kind));
        }
        let index = ImageIndex {
            schema_version: 2,
            media_type: media_type::OCI_INDEX.to_owned(),
            manifests,
            annotations: Default::default(),
            subject: None,
            artifact_type: None,
        };
        let text = serde_json::to_vec(&index).unwrap_or_default();
        let mut response = bytes(StatusCode::OK, media_type::OCI_INDEX, text.into());
        if filter.is_some() {
            set(&mut response, OCI_FILTERS_APPLIED, "artifactType");
        }
        Ok(response)
    }
}

/// A part of a sorted list, and how to ask for the next.
struct Page {
    entries: Vec<String>,
    /// The number asked for, where more entries follow.
    more: Option<usize>,
}

impl Page {
    /// The entries after `last`, at most `n` of them.
    fn cut(mut entries: Vec<String>, uri: &Uri, usual: usize) -> Result<Self, Refusal> {
        let size = match query(uri, "n") {
            None => usual,
            Some(text) => text.parse::<usize>().map_err(|_| {
                let reason = format!("n is {text:?}, expected a number");
                Refusal::new(StatusCode::BAD_REQUEST, ErrorCode::Unsupported, reason)
            })?,
        };
        if let Some(last) = query(uri, "last") {
            entries.retain(|entry| *entry > last);
        }
        let more = (entries.len() > size && size > 0).then_some(size);
        entries.truncate(size);
        Ok(Self { entries, more })
    }

    fn link(&self, response: &mut Response<Body>, path: &str) {
        if let (Some(size), Some(last)) = (self.more, self.entries.last()) {
            let last = utf8_percent_encode(last, NON_ALPHANUMERIC);
            set(response, header::LINK, format!("<{path}?n={size}&last={last}>; rel=\"next\""));
        }
    }
}
