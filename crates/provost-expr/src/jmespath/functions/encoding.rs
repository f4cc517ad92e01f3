//! Functions that decode and encode: base64, hashes, JSON, YAML, certificates, paths.

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::types::{ANY, O, S};
use super::{Call, Signature, text_value};
use crate::jmespath::error::JmesError;
use crate::{certificate, go_text, md5, yaml};

type Result<T> = std::result::Result<T, JmesError>;

pub(super) const FUNCTIONS: &[Signature] = &[
    Signature::new("base64_decode", &[S], S, base64_decode, "the text that a base64 text stands for"),
    Signature::new("base64_encode", &[S], S, base64_encode, "the text in base64"),
    Signature::new("sha256", &[S], S, sha256, "the SHA-256 of the text, in hexadecimal"),
    Signature::new("sha1", &[S], S, sha1, "the SHA-1 of the text, in hexadecimal"),
    Signature::new("md5", &[S], S, md5_hex, "the MD5 of the text, in hexadecimal"),
    Signature::new("parse_json", &[S], ANY, parse_json, "the value that a JSON text stands for"),
    Signature::new("parse_yaml", &[S], ANY, parse_yaml, "the value that a YAML text stands for"),
    Signature::new("path_canonicalize", &[S], S, path_canonicalize, "the path without empty, . and .. parts"),
    Signature::new(
        "x509_decode",
        &[S],
        O,
        x509_decode,
        "the fields of a certificate or of a request for one, under the names of Go's crypto/x509",
    ),
];

/// Go's decoder passes over line breaks, and names the first byte that does not fit.
fn base64_decode(call: &mut Call<'_, '_>) -> Result<Value> {
    let text = call.text(0);
    let compact: String = text.chars().filter(|c| !matches!(c, '\r' | '\n')).collect();
    let bytes = STANDARD.decode(&compact).map_err(|error| {
        JmesError::Base64(match error {
            base64::DecodeError::InvalidByte(offset, _)
            | base64::DecodeError::InvalidLastSymbol(offset, _) => offset,
            base64::DecodeError::InvalidLength(_) | base64::DecodeError::InvalidPadding => {
                if compact.ends_with('=') { compact.len() } else { compact.len() / 4 * 4 }
            }
        })
    })?;
    text_value(String::from_utf8_lossy(&bytes).into_owned())
}

fn base64_encode(call: &mut Call<'_, '_>) -> Result<Value> {
    text_value(STANDARD.encode(call.text(0)))
}

fn digest_of(algorithm: &'static digest::Algorithm, text: &str) -> Value {
    Value::String(hex::encode(digest::digest(algorithm, text.as_bytes())))
}

fn sha256(call: &mut Call<'_, '_>) -> Result<Value> {
    Ok(digest_of(&digest::SHA256, call.text(0)))
}

fn sha1(call: &mut Call<'_, '_>) -> Result<Value> {
    Ok(digest_of(&digest::SHA1_FOR_LEGACY_USE_ONLY, call.text(0)))
}

fn md5_hex(call: &mut Call<'_, '_>) -> Result<Value> {
    Ok(Value::String(md5::hex(call.text(0))))
}

fn parse_json(call: &mut Call<'_, '_>) -> Result<Value> {
    let text = call.text(0);
    call.interpreter().charge(text.len() / 8)?;
    serde_json::from_str(text).map_err(|error| JmesError::Json(go_text::json_fault(text, &error)))
}

fn parse_yaml(call: &mut Call<'_, '_>) -> Result<Value> {
    let text = call.text(0);
    call.interpreter().charge(text.len() / 4)?;
    yaml::parse(text).map_err(JmesError::Yaml)
}

fn path_canonicalize(call: &mut Call<'_, '_>) -> Result<Value> {
    let text = call.text(0);
    if text.is_empty() {
        return Ok(Value::String(String::new()));
    }
    let rooted = text.starts_with('/');
    let mut parts: Vec<&str> = Vec::new();
    for part in text.split('/').filter(|part| !part.is_empty() && *part != ".") {
        if part != ".." {
            parts.push(part);
        } else if parts.last().is_some_and(|last| *last != "..") {
            parts.pop();
        } else if !rooted {
            parts.push(part);
        }
    }
    let joined = parts.join("/");
    text_value(match (rooted, joined.is_empty()) {
        (true, _) => format!("/{joined}"),
        (false, true) => ".".to_owned(),
        (false, false) => joined,
    })
}

/// The fields of the first PEM block, a certificate or a request for one with an RSA key.
fn x509_decode(call: &mut Call<'_, '_>) -> Result<Value> {
    let text = call.text(0);
    let Some((_, rest)) = text.split_once("-----BEGIN ") else { return Err(JmesError::NotPem) };
    let Some((label, rest)) = rest.split_once("-----") else { return Err(JmesError::NotPem) };
    let Some((body, _)) = rest.split_once(&format!("-----END {label}-----")) else {
        return Err(JmesError::NotPem);
    };
    let compact: String = body.chars().filter(|c| !c.is_whitespace()).collect();
    let der = STANDARD.decode(compact).map_err(|_| JmesError::NotPem)?;
    call.interpreter().charge(der.len())?;
    match label {
        "CERTIFICATE" => Ok(certificate::certificate(&der)?),
        "CERTIFICATE REQUEST" => Ok(certificate::request(&der)?),
        _ => Err(JmesError::NotACertificate),
    }
}
