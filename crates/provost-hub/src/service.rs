//! One request in, one answer out.

use std::sync::Arc;

use http::header;
use http::{Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use provost_oci::ErrorCode;
use provost_registry::layout::Layout;
use provost_serve::Peer;
use serde_json::json;

use crate::answer::{Body, Refusal, json as document, seal};
use crate::config::{Limits, Remarks};
use crate::htpasswd::Htpasswd;
use crate::route::Route;
use crate::sessions::{Disk, Sessions};

/// What answers requests.
pub(crate) struct Service {
    pub(crate) layout: Layout,
    pub(crate) sessions: Sessions,
    pub(crate) disk: Arc<Disk>,
    pub(crate) users: Option<Htpasswd>,
    pub(crate) hosts: Vec<String>,
    pub(crate) read_only: bool,
    pub(crate) limits: Limits,
    pub(crate) remarks: Remarks,
}

impl provost_serve::Answer for Service {
    type Body = Body;

    async fn answer(&self, request: Request<Incoming>, _peer: Peer) -> Response<Body> {
        let line = format!("{} {}", request.method(), request.uri().path());
        seal(match self.dispatch(request).await {
            Ok(response) => response,
            Err(refusal) => {
                if let Some(remark) = &refusal.remark {
                    (self.remarks)(&format!("{line}: {remark}"));
                }
                refusal.into_response()
            }
        })
    }

    fn remark(&self, words: &str) {
        (self.remarks)(words);
    }
}

impl Service {
    async fn dispatch(&self, request: Request<Incoming>) -> Result<Response<Body>, Refusal> {
        let (parts, body) = request.into_parts();
        self.admit(&parts).await?;
        let (uri, headers, method) = (&parts.uri, &parts.headers, &parts.method);
        let route = Route::read(uri)?;
        match (&route, method) {
            (Route::Base, &Method::GET | &Method::HEAD) => Ok(document(StatusCode::OK, &json!({}))),
            (Route::Catalog, &Method::GET | &Method::HEAD) => self.catalog(uri).await,
            (Route::Tags(name), &Method::GET | &Method::HEAD) => self.tags(name, uri).await,
            (Route::Referrers(name, digest), &Method::GET | &Method::HEAD) => {
                self.referrers(name, digest, uri).await
            }
            (Route::Manifest(name, which), &Method::GET | &Method::HEAD) => {
                self.manifest(name, which, headers).await
            }
            (Route::Manifest(name, which), &Method::PUT) => {
                self.put_manifest(name, which, headers, body).await
            }
            (Route::Manifest(name, which), &Method::DELETE) => self.delete_manifest(name, which).await,
            (Route::Blob(name, digest), &Method::GET | &Method::HEAD) => {
                self.blob(method, name, digest, headers).await
            }
            (Route::Blob(name, digest), &Method::DELETE) => self.delete_blob(name, digest).await,
            (Route::Uploads(name), &Method::POST) => self.begin_upload(name, uri, headers, body).await,
            (Route::Upload(name, id), &Method::GET | &Method::HEAD) => self.upload_status(name, id),
            (Route::Upload(name, id), &Method::PATCH) => self.continue_upload(name, id, headers, body).await,
            (Route::Upload(name, id), &Method::PUT) => self.finish_upload(name, id, uri, headers, body).await,
            (Route::Upload(name, id), &Method::DELETE) => self.cancel_upload(name, id),
            _ => {
                let reason = format!("{method} is not known here");
                Err(Refusal::new(StatusCode::METHOD_NOT_ALLOWED, ErrorCode::Unsupported, reason)
                    .with(header::ALLOW, route.methods()))
            }
        }
    }
}
