//! What Go's standard library says where our cores hold data: JSON syntax, connections, HTTP answers, certificates.

use provost_registry::StoreError;
use provost_registry::store::NetworkFailure;
use provost_sigstore::certificate::CertificateError;
use provost_sigstore::chain::ChainFault;
use provost_statement::json::Place;
use provost_statement::{JsonError, JsonFault};

/// `encoding/json`'s words for a fault, and ours for those it does not have.
#[must_use]
pub fn json(error: &JsonError) -> String {
    match &error.fault {
        JsonFault::Unexpected { byte, place } => format!("invalid character {} {place}", quoted(*byte)),
        JsonFault::End => "unexpected end of JSON input".to_owned(),
        other => other.to_string(),
    }
}

/// A byte as Go's scanner quotes it: as the character of that number.
fn quoted(byte: u8) -> String {
    match byte {
        b'\'' => r"'\''".to_owned(),
        b'"' => "'\"'".to_owned(),
        b'\\' => r"'\\'".to_owned(),
        b'\n' => r"'\n'".to_owned(),
        b'\r' => r"'\r'".to_owned(),
        b'\t' => r"'\t'".to_owned(),
        0..0x20 | 0x7f => format!(r"'\x{byte:02x}'"),
        0x80..=0x9f | 0xa0 | 0xad => format!(r"'\u{byte:04x}'"),
        other => format!("'{}'", char::from(other)),
    }
}

/// Whether the fault is a syntax error, which Go reports before it looks at types.
#[must_use]
pub fn is_syntax(error: &JsonError) -> bool {
    matches!(
        error.fault,
        JsonFault::Unexpected { place: Place::BeginValue | Place::AfterTop, .. } | JsonFault::End
    ) || matches!(error.fault, JsonFault::Unexpected { .. })
}

/// go-containerregistry's words for a registry's failure: `METHOD URL: CODE: message`, or the dialler's.
#[must_use]
pub fn store(error: &StoreError) -> String {
    match error {
        StoreError::NotFound { request, status, errors, body }
        | StoreError::Status { request, status, errors, body } => {
            let each: Vec<_> = errors
                .iter()
                .map(|entry| {
                    let detail = entry.detail.as_ref().filter(|detail| !detail.is_null());
                    let detail = detail.map(|detail| format!("; {}", go_value(detail))).unwrap_or_default();
                    match (entry.code.as_str(), entry.message.as_str()) {
                        ("", message) => format!("{message}{detail}"),
                        (code, message) => format!("{code}: {message}{detail}"),
                    }
                })
                .collect();
            match each.as_slice() {
                [] if request.starts_with("HEAD ") => format!(
                    "{request}: unexpected status code {} (HEAD responses have no body, use GET for details)",
                    status_text(*status)
                ),
                [] => {
                    let body = if body.is_empty() { String::new() } else { format!(": {body}") };
                    format!("{request}: unexpected status code {}{body}", status_text(*status))
                }
                [one] => format!("{request}: {one}"),
                many => format!("{request}: multiple errors returned: {}", many.join("; ")),
            }
        }
        StoreError::Network { kind, address, cause, .. } => {
            let why = match kind {
                NetworkFailure::Refused => format!("dial tcp {address}: connect: connection refused"),
                NetworkFailure::NoSuchHost => {
                    let host = address.rsplit_once(':').map_or(address.as_str(), |(host, _)| host);
                    format!("dial tcp: lookup {host}: no such host")
                }
                NetworkFailure::Timeout => "context deadline exceeded".to_owned(),
                NetworkFailure::Reset => "EOF".to_owned(),
                _ => cause.clone(),
            };
            let each: Vec<_> =
                error.requests().map(|(method, url)| failed_request(method, url, *kind, &why)).collect();
            each.join("; ")
        }
        other => other.to_string(),
    }
}

/// A request as Go's http client names it, `Get "http://…": dial tcp …`.
///
/// go-containerregistry asks `/v2/` before anything else, so a registry that cannot be reached fails there.
fn failed_request(method: &str, url: &str, kind: NetworkFailure, why: &str) -> String {
    let unreached =
        matches!(kind, NetworkFailure::Refused | NetworkFailure::NoSuchHost | NetworkFailure::Tls);
    if let (true, Some((base, _))) = (unreached, url.split_once("/v2/")) {
        return format!("Get \"{base}/v2/\": {why}");
    }
    let mut letters = method.chars();
    let title: String = letters.next().into_iter().chain(letters.flat_map(char::to_lowercase)).collect();
    format!("{title} \"{url}\": {why}")
}

/// `404 Not Found`, as Go's `http.StatusText` has it.
fn status_text(status: u16) -> String {
    let words = match status {
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        413 => "Request Entity Too Large",
        429 => "Too Many Requests",
        500 => "Internal Server Error",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        _ => "",
    };
    format!("{status} {words}").trim_end().to_owned()
}

/// A decoded JSON value as Go's `%v` prints it: `map[k:v]`, `[a b]`.
#[must_use]
pub fn go_value(value: &serde_json::Value) -> String {
    use serde_json::Value;
    match value {
        Value::Null => "<nil>".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(list) => format!("[{}]", list.iter().map(go_value).collect::<Vec<_>>().join(" ")),
        Value::Object(map) => {
            let each: Vec<_> = map.iter().map(|(k, v)| format!("{k}:{}", go_value(v))).collect();
            format!("map[{}]", each.join(" "))
        }
        other => other.to_string(),
    }
}

/// `crypto/x509`'s words for a certificate path that does not hold.
#[must_use]
pub fn x509(fault: &ChainFault) -> String {
    match fault {
        ChainFault::UnknownAuthority => "x509: certificate signed by unknown authority".to_owned(),
        ChainFault::Expired { at, not_after } => {
            format!(
                "x509: certificate has expired or is not yet valid: current time {at} is after {not_after}"
            )
        }
        ChainFault::NotYetValid { at, not_before } => {
            format!(
                "x509: certificate has expired or is not yet valid: current time {at} is before {not_before}"
            )
        }
        ChainFault::Usage => "x509: certificate specifies an incompatible key usage".to_owned(),
        ChainFault::NotAuthorized => {
            "x509: certificate is not authorized to sign other certificates".to_owned()
        }
        ChainFault::NameConstraint => {
            "x509: a root or intermediate certificate is not authorized to sign for this name".to_owned()
        }
        ChainFault::CriticalExtension => "x509: unhandled critical extension".to_owned(),
        other => other.to_string(),
    }
}

/// The words Go has for a file that holds no certificate.
#[must_use]
pub fn certificate(error: &CertificateError) -> String {
    match error {
        CertificateError::Pem => "error during PEM decoding".to_owned(),
        // Go reads the key as a certificate and stumbles over its first number.
        CertificateError::PublicKey => "x509: malformed serial number".to_owned(),
        CertificateError::Malformed(_) => "x509: malformed certificate".to_owned(),
        CertificateError::None => "no certs found in pem file".to_owned(),
        other => other.to_string(),
    }
}
