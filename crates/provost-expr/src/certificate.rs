//! `x509_decode`: the fields of a certificate or of a request for one, under the names and in the shapes of Go's
//! `crypto/x509`, as Kyverno hands them to expressions.

mod element;
mod extension;
mod name;
mod number;
mod place;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};
use thiserror::Error;

use element::{Element, identifier, numbers, text_of};
use number::{decimal, limited};

/// The largest certificate read: 64 KiB, 40 times a usual one.
pub const MAX_CERTIFICATE: usize = 64 * 1024;

/// Why a block is no certificate with these fields.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum CertificateFault {
    /// It is longer than [`MAX_CERTIFICATE`].
    #[error("x509: the certificate is longer than {MAX_CERTIFICATE} bytes")]
    TooLong,
    /// Its bytes are no DER, or a part of it is missing.
    #[error("x509: malformed {0}")]
    Malformed(&'static str),
    /// Its key is no RSA key, which is all that the function knows.
    #[error("certificate should use rsa algorithm")]
    NotRsa,
    /// Its serial number is negative.
    #[error("x509: negative serial number")]
    NegativeSerial,
}

type Result<T> = std::result::Result<T, CertificateFault>;

/// The fields of a certificate in DER.
///
/// # Errors
/// As [`CertificateFault`] says.
pub fn certificate(der: &[u8]) -> Result<Value> {
    let (whole, parts) = outer(der)?;
    let mut tbs = parts.tbs.children("tbs certificate")?.into_iter().peekable();
    let version = match tbs.next_if(|part| part.tag == 0xa0) {
        Some(version) => number::small(version.only("version")?.value).unwrap_or(0) + 1,
        None => 1,
    };
    let mut next = |what| tbs.next().ok_or(CertificateFault::Malformed(what));
    let serial = next("serial number")?;
    if serial.value.first().is_some_and(|byte| byte & 0x80 != 0) {
        return Err(CertificateFault::NegativeSerial);
    }
    let serial = decimal(limited(serial.value, "serial number")?);
    // Kyverno's JSON makes a double of it.
    let serial = serial.parse::<f64>().ok().and_then(serde_json::Number::from_f64);
    next("signature algorithm identifier")?;
    let issuer = next("issuer")?;
    let [from, until] = next("validity")?.children("validity")?[..] else {
        return Err(CertificateFault::Malformed("validity"));
    };
    let subject = next("issuer")?;
    let key = next("spki")?;
    let mut fields = shared(whole, &parts, &subject, &key)?;
    let extensions = tbs.find(|part| part.tag == 0xa3).map(|part| part.only("extensions")).transpose()?;
    let extensions = extensions.map(|list| list.children("extensions")).transpose()?.unwrap_or_default();
    extension::read(&extensions, &mut fields)?;
    fields.extend(fields_of([
        ("Version", json!(version)),
        ("SerialNumber", serial.map_or(Value::Null, Value::Number)),
        ("Issuer", name::read(&issuer)?),
        ("RawIssuer", bytes(issuer.raw)),
        ("RawTBSCertificate", bytes(parts.tbs.raw)),
        ("NotBefore", json!(text_of::time(&from)?)),
        ("NotAfter", json!(text_of::time(&until)?)),
    ]));
    Ok(Value::Object(fields))
}

/// The fields of a request for a certificate in DER.
///
/// # Errors
/// As [`CertificateFault`] says.
pub fn request(der: &[u8]) -> Result<Value> {
    let (whole, parts) = outer(der)?;
    let mut tbs = parts.tbs.children("certificate request")?.into_iter();
    let mut next = |what| tbs.next().ok_or(CertificateFault::Malformed(what));
    let version = number::small(next("version")?.value).unwrap_or(0);
    let (subject, key) = (next("subject")?, next("spki")?);
    let mut fields = shared(whole, &parts, &subject, &key)?;
    let attributes = tbs.next().map(|part| part.children("attributes")).transpose()?.unwrap_or_default();
    let mut shown = Vec::new();
    let mut extensions = Vec::new();
    for attribute in attributes {
        let [kind, values] = attribute.children("attribute")?[..] else { continue };
        // Attributes whose values are no lists of pairs are passed over, as in Go.
        if let Some(value) = extension::attribute(&kind, &values) {
            shown.push(value);
        }
        if identifier(kind.value) == extension::REQUESTED {
            for list in values.children("attribute")? {
                extensions.extend(list.children("extensions")?);
            }
        }
    }
    let mut all = Map::new();
    extension::read(&extensions, &mut all)?;
    all.retain(|name, _| {
        let of_names = ["DNSNames", "EmailAddresses", "IPAddresses", "URIs"].contains(&name.as_str());
        of_names || ["Extensions", "ExtraExtensions"].contains(&name.as_str())
    });
    fields.extend(all);
    fields.extend(fields_of([
        ("Version", json!(version)),
        ("Attributes", list(shown)),
        ("RawTBSCertificateRequest", bytes(parts.tbs.raw)),
    ]));
    Ok(Value::Object(fields))
}

/// What is signed, how, and the signature.
struct Signed<'a> {
    tbs: Element<'a>,
    algorithm: Element<'a>,
    signature: Element<'a>,
}

fn outer(der: &[u8]) -> Result<(Element<'_>, Signed<'_>)> {
    if der.len() > MAX_CERTIFICATE {
        return Err(CertificateFault::TooLong);
    }
    let whole = Element::whole(der, "certificate")?;
    match whole.children("certificate")?[..] {
        [tbs, algorithm, signature] => Ok((whole, Signed { tbs, algorithm, signature })),
        _ => Err(CertificateFault::Malformed("certificate")),
    }
}

/// What certificates and requests both have.
fn shared(
    whole: Element<'_>,
    parts: &Signed<'_>,
    subject: &Element<'_>,
    key: &Element<'_>,
) -> Result<Map<String, Value>> {
    Ok(fields_of([
        ("Raw", bytes(whole.raw)),
        ("RawSubject", bytes(subject.raw)),
        ("RawSubjectPublicKeyInfo", bytes(key.raw)),
        ("Subject", name::read(subject)?),
        ("Signature", bytes(parts.signature.value.get(1..).unwrap_or_default())),
        ("SignatureAlgorithm", json!(signature_algorithm(&parts.algorithm)?)),
        ("PublicKeyAlgorithm", json!(1)),
        ("PublicKey", public_key(key)?),
    ]))
}

/// Kyverno shows an RSA key's two numbers, the modulus as a text.
fn public_key(key: &Element<'_>) -> Result<Value> {
    const RSA: &str = "1.2.840.113549.1.1.1";
    let [algorithm, bits] = key.children("spki")?[..] else {
        return Err(CertificateFault::Malformed("spki"));
    };
    let kind = algorithm.children("public key algorithm identifier")?.into_iter().next();
    if kind.is_none_or(|kind| identifier(kind.value) != RSA) {
        return Err(CertificateFault::NotRsa);
    }
    let inner = Element::whole(bits.value.get(1..).unwrap_or_default(), "RSA public key")?;
    let [modulus, exponent] = inner.children("RSA public key")?[..] else {
        return Err(CertificateFault::Malformed("RSA public key"));
    };
    let exponent = number::small(exponent.value).ok_or(CertificateFault::Malformed("RSA public key"))?;
    Ok(json!({"N": decimal(limited(modulus.value, "RSA public key")?), "E": exponent}))
}

/// The number Go gives an algorithm; 0 for those it does not know.
fn signature_algorithm(algorithm: &Element<'_>) -> Result<u8> {
    const SHA256: &str = "2.16.840.1.101.3.4.2.1";
    const SHA384: &str = "2.16.840.1.101.3.4.2.2";
    const SHA512: &str = "2.16.840.1.101.3.4.2.3";
    let parts = algorithm.children("signature algorithm identifier")?;
    let kind = parts.first().map(|kind| identifier(kind.value)).unwrap_or_default();
    let hash = || {
        // The parameters of RSASSA-PSS: the hash is their first member.
        let parameters = parts.get(1)?.children("parameters").ok()?;
        let hash = parameters.into_iter().find(|part| part.tag == 0xa0)?.only("hash").ok()?;
        hash.children("hash").ok()?.into_iter().next().map(|kind| identifier(kind.value))
    };
    Ok(match kind.as_str() {
        "1.2.840.113549.1.1.2" => 1,
        "1.2.840.113549.1.1.4" => 2,
        "1.2.840.113549.1.1.5" | "1.3.14.3.2.29" => 3,
        "1.2.840.113549.1.1.11" => 4,
        "1.2.840.113549.1.1.12" => 5,
        "1.2.840.113549.1.1.13" => 6,
        "1.2.840.10040.4.3" => 7,
        "2.16.840.1.101.3.4.3.2" => 8,
        "1.2.840.10045.4.1" => 9,
        "1.2.840.10045.4.3.2" => 10,
        "1.2.840.10045.4.3.3" => 11,
        "1.2.840.10045.4.3.4" => 12,
        "1.2.840.113549.1.1.10" => match hash().as_deref() {
            Some(SHA256) => 13,
            Some(SHA384) => 14,
            Some(SHA512) => 15,
            _ => 0,
        },
        "1.3.101.112" => 16,
        _ => 0,
    })
}

fn fields_of<const N: usize>(fields: [(&str, Value); N]) -> Map<String, Value> {
    fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// Bytes as Go writes them into JSON.
fn bytes(bytes: &[u8]) -> Value {
    Value::String(STANDARD.encode(bytes))
}

/// A list as Go writes it: one without elements is null.
fn list(items: Vec<Value>) -> Value {
    if items.is_empty() { Value::Null } else { Value::Array(items) }
}

/// An object identifier as Go writes it.
fn identifier_value(der: &[u8]) -> Value {
    numbers(der).into_iter().map(Value::from).collect()
}

#[cfg(test)]
mod tests {
    use super::{CertificateFault, MAX_CERTIFICATE, certificate, request};

    #[test]
    fn what_is_no_certificate_is_an_error() {
        for bytes in
            [&[][..], &[0x30], &[0x30, 0], &[0x30, 3, 2, 1, 0], &[0x30, 0x82, 0xff, 0xff], &[0xff; 40]]
        {
            assert!(certificate(bytes).is_err() && request(bytes).is_err(), "{bytes:?}");
        }
        assert_eq!(certificate(&vec![0; MAX_CERTIFICATE + 1]), Err(CertificateFault::TooLong));
    }
}
