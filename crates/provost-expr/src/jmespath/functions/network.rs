//! Functions on images and URLs.

use std::net::IpAddr;

use serde_json::Value;

use super::types::{B, S};
use super::{Call, Signature, text_value};
use crate::go_text;
use crate::image::ImageInfo;
use crate::jmespath::error::{FunctionFault, JmesError};

type Result<T> = std::result::Result<T, JmesError>;

pub(super) const FUNCTIONS: &[Signature] = &[
    Signature::new(
        "image_normalize",
        &[S],
        S,
        image_normalize,
        "the image string with its default registry and tag",
    ),
    Signature::new(
        "is_external_url",
        &[S],
        B,
        is_external_url,
        "whether no address of the URL's host is private or loopback",
    ),
];

fn image_normalize(call: &mut Call<'_, '_>) -> Result<Value> {
    let images = call.interpreter().environment.images;
    match ImageInfo::parse(call.text(0), &images) {
        Ok(info) => text_value(info.to_string()),
        Err(error) => Err(call.fault(FunctionFault::Image(Box::new(error)))),
    }
}

/// The host of a URL, without user, port and brackets; empty where there is none.
fn host(url: &str) -> Option<&str> {
    if url.chars().any(|c| c.is_control()) {
        return None;
    }
    let url = url.split('#').next().unwrap_or_default();
    let Some((_, rest)) = url.split_once("//") else { return Some("") };
    let authority = rest.split(['/', '?']).next().unwrap_or_default();
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    if let Some(inner) = host.strip_prefix('[') {
        return inner.split_once(']').map(|(address, _)| address);
    }
    Some(host.split_once(':').map_or(host, |(host, _)| host))
}

fn is_internal(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.is_loopback() || v4.is_private(),
        IpAddr::V6(v6) => {
            v6.to_ipv4_mapped().is_some_and(|v4| v4.is_loopback() || v4.is_private())
                || v6.is_loopback()
                || v6.is_unique_local()
        }
    }
}

fn is_external_url(call: &mut Call<'_, '_>) -> Result<Value> {
    let text = call.text(0);
    let host = host(text).ok_or_else(|| JmesError::Url(go_text::quote(&go_text::shorten(text))))?;
    if let Ok(address) = host.parse::<IpAddr>() {
        return Ok(Value::Bool(!is_internal(address)));
    }
    let unknown = || JmesError::NoSuchHost(go_text::shorten(host));
    if host.is_empty() {
        return Err(unknown());
    }
    let resolver = call.interpreter().environment.resolver;
    let resolver = resolver.ok_or_else(|| call.fault(FunctionFault::Unavailable("name resolution")))?;
    let addresses = resolver.addresses(host).filter(|found| !found.is_empty()).ok_or_else(unknown)?;
    Ok(Value::Bool(!addresses.into_iter().any(is_internal)))
}
