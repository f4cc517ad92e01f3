//! Certificate timestamps (RFC 6962): a CT log's word that it has seen a certificate, inside it or beside it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use provost_keys::{HashChoice, PublicKey};
use serde_json::Value;
use x509_cert::der::asn1::OctetString;
use x509_cert::der::{Decode, Encode};

use crate::certificate::{Certificate, SCT_LIST};
use crate::window::Window;

/// The most timestamps of one certificate that are looked at: Fulcio puts in one, browsers ask for three.
pub const MAX_TIMESTAMPS: usize = 16;

/// A CT log that is trusted.
#[derive(Clone, Debug)]
pub struct CtLog {
    /// SHA-256 of its key.
    pub id: Vec<u8>,
    /// Its key.
    pub key: PublicKey,
    /// From when to when the key is the log's.
    pub valid: Window,
}

/// Why a certificate is not known to have been logged.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SctFault {
    /// There is none, neither inside nor beside.
    #[error("the certificate has no timestamp of a CT log, and none is given beside it")]
    Missing,
    /// It cannot be read.
    #[error("the certificate's timestamps are malformed")]
    Malformed,
    /// No CT log is trusted.
    #[error("no CT log is trusted")]
    NoLogs,
    /// It is of a log that is not trusted, or of a time at which its key did not hold.
    #[error("the timestamp is of a CT log that is not trusted")]
    UnknownLog,
    /// The log did not sign it.
    #[error("the CT log has not signed this certificate")]
    Signature,
    /// The issuer of the certificate is not known, and its key is part of what was signed.
    #[error("the certificate's issuer is not in its chain")]
    NoIssuer,
}

struct Sct<'a> {
    log: &'a [u8],
    milliseconds: u64,
    extensions: &'a [u8],
    signature: &'a [u8],
}

/// Whether a certificate carries timestamps.
///
/// # Errors
/// When the extension that holds them cannot be read.
pub fn has_embedded(certificate: &Certificate) -> Result<bool, SctFault> {
    Ok(!embedded_list(certificate)?.is_empty())
}

/// Checks that at least one timestamp inside the certificate is of a trusted log.
///
/// # Errors
/// See [`SctFault`].
pub fn verify_embedded(chain: &[Certificate], logs: &[CtLog]) -> Result<(), SctFault> {
    let (leaf, rest) = chain.split_first().ok_or(SctFault::Missing)?;
    let list = embedded_list(leaf)?;
    if list.is_empty() {
        return Err(SctFault::Missing);
    }
    let issuer = rest.first().ok_or(SctFault::NoIssuer)?;
    let issuer = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, issuer.public_key_der());
    let signed = without_timestamps(leaf)?;
    let length = u32::try_from(signed.len()).map_err(|_| SctFault::Malformed)?.to_be_bytes();
    let length = length.get(1..).unwrap_or_default();
    let entry = [issuer.as_ref(), length, &signed].concat();
    let mut fault = SctFault::Missing;
    for bytes in list {
        let checked = read(&bytes).and_then(|sct| verify(&sct, 1, &entry, logs));
        match checked {
            Ok(()) => return Ok(()),
            Err(error) => fault = error,
        }
    }
    Err(fault)
}

/// Checks a timestamp that came beside the certificate, as Fulcio hands it out (JSON).
///
/// # Errors
/// See [`SctFault`].
pub fn verify_detached(leaf: &Certificate, sct: &[u8], logs: &[CtLog]) -> Result<(), SctFault> {
    let document: Value = serde_json::from_slice(sct).map_err(|_| SctFault::Malformed)?;
    let bytes = |name: &str| {
        let text = document.get(name).and_then(Value::as_str).unwrap_or_default();
        STANDARD.decode(text).map_err(|_| SctFault::Malformed)
    };
    let (log, extensions, signature) = (bytes("id")?, bytes("extensions")?, bytes("signature")?);
    let milliseconds = document.get("timestamp").and_then(Value::as_u64).ok_or(SctFault::Malformed)?;
    let (signature, []) = signature_of(&signature).ok_or(SctFault::Malformed)? else {
        return Err(SctFault::Malformed);
    };
    let length = u32::try_from(leaf.der().len()).map_err(|_| SctFault::Malformed)?.to_be_bytes();
    let entry = [length.get(1..).unwrap_or_default(), leaf.der()].concat();
    verify(&Sct { log: &log, milliseconds, extensions: &extensions, signature }, 0, &entry, logs)
}

fn verify(sct: &Sct<'_>, entry_type: u16, entry: &[u8], logs: &[CtLog]) -> Result<(), SctFault> {
    if logs.is_empty() {
        return Err(SctFault::NoLogs);
    }
    let at = i64::try_from(sct.milliseconds).ok().and_then(|ms| Timestamp::from_millisecond(ms).ok());
    let at = at.ok_or(SctFault::Malformed)?;
    let log = logs.iter().find(|log| log.id == sct.log && log.valid.contains(at));
    let log = log.ok_or(SctFault::UnknownLog)?;
    let length = u16::try_from(sct.extensions.len()).map_err(|_| SctFault::Malformed)?.to_be_bytes();
    let signed = [
        // version 1, certificate timestamp
        [0, 0].as_slice(),
        &sct.milliseconds.to_be_bytes(),
        &entry_type.to_be_bytes(),
        entry,
        &length,
        sct.extensions,
    ]
    .concat();
    log.key.verify(&signed, sct.signature, HashChoice::Usual).map_err(|_| SctFault::Signature)
}

/// The timestamps of the extension, each still to be read.
fn embedded_list(certificate: &Certificate) -> Result<Vec<Vec<u8>>, SctFault> {
    let extensions = certificate.parsed().tbs_certificate().extensions().into_iter().flatten();
    let Some(extension) = extensions.into_iter().find(|extension| extension.extn_id == SCT_LIST) else {
        return Ok(Vec::new());
    };
    let inner = OctetString::from_der(extension.extn_value.as_bytes()).map_err(|_| SctFault::Malformed)?;
    let (mut list, rest) = sized(inner.as_bytes()).ok_or(SctFault::Malformed)?;
    if !rest.is_empty() {
        return Err(SctFault::Malformed);
    }
    let mut found = Vec::new();
    while !list.is_empty() {
        if found.len() == MAX_TIMESTAMPS {
            return Err(SctFault::Malformed);
        }
        let (one, rest) = sized(list).ok_or(SctFault::Malformed)?;
        found.push(one.to_vec());
        list = rest;
    }
    Ok(found)
}

fn read(bytes: &[u8]) -> Result<Sct<'_>, SctFault> {
    let parts = || {
        let (version, rest) = bytes.split_at_checked(1)?;
        let (log, rest) = rest.split_at_checked(32)?;
        let (time, rest) = rest.split_at_checked(8)?;
        let (extensions, rest) = sized(rest)?;
        let (signature, rest) = signature_of(rest)?;
        let milliseconds = u64::from_be_bytes(time.try_into().ok()?);
        (version == [0] && rest.is_empty()).then_some(Sct { log, milliseconds, extensions, signature })
    };
    parts().ok_or(SctFault::Malformed)
}

/// A signature after its two bytes of algorithm; which algorithm follows from the log's key.
fn signature_of(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (_, rest) = bytes.split_at_checked(2)?;
    sized(rest)
}

/// Bytes after their length in two bytes, and the rest.
fn sized(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_at_checked(2)?;
    rest.split_at_checked(usize::from(u16::from_be_bytes(length.try_into().ok()?)))
}

/// What the log saw: the certificate's signed part before the timestamps were put in.
fn without_timestamps(certificate: &Certificate) -> Result<Vec<u8>, SctFault> {
    let tbs = certificate.parsed().tbs_certificate().to_der().map_err(|_| SctFault::Malformed)?;
    let (head, content) = header(&tbs).ok_or(SctFault::Malformed)?;
    let mut parts: Vec<Vec<u8>> = Vec::new();
    let mut rest = content;
    while !rest.is_empty() {
        let (whole, after) = element(rest).ok_or(SctFault::Malformed)?;
        // extensions are [3] EXPLICIT
        parts.push(if whole.first() == Some(&0xa3) { kept(whole)? } else { whole.to_vec() });
        rest = after;
    }
    Ok(tlv(head, &parts.concat()))
}

/// The extensions without that of the timestamps.
fn kept(extensions: &[u8]) -> Result<Vec<u8>, SctFault> {
    let number = SCT_LIST.to_der().map_err(|_| SctFault::Malformed)?;
    let (outer, list) = header(extensions).ok_or(SctFault::Malformed)?;
    let (inner, mut rest) = header(list).ok_or(SctFault::Malformed)?;
    let mut out = Vec::new();
    while !rest.is_empty() {
        let (whole, after) = element(rest).ok_or(SctFault::Malformed)?;
        let (_, content) = header(whole).ok_or(SctFault::Malformed)?;
        if !content.starts_with(&number) {
            out.extend_from_slice(whole);
        }
        rest = after;
    }
    Ok(tlv(outer, &tlv(inner, &out)))
}

/// The tag and the content of a whole element.
fn header(bytes: &[u8]) -> Option<(u8, &[u8])> {
    let (whole, rest) = element(bytes)?;
    let tag = *whole.first()?;
    let short = *whole.get(1)?;
    let head = if short < 0x80 { 2 } else { 2 + usize::from(short & 0x7f) };
    rest.is_empty().then_some((tag, whole.get(head..)?))
}

/// The first element, whole, and what follows it.
fn element(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let short = *bytes.get(1)?;
    let (head, length) = if short < 0x80 {
        (2, usize::from(short))
    } else {
        let count = usize::from(short & 0x7f);
        // four bytes of length hold 4 GiB, more than any certificate file
        if count == 0 || count > 4 {
            return None;
        }
        let digits = bytes.get(2..2 + count)?;
        (2 + count, digits.iter().fold(0_usize, |sum, byte| sum << 8 | usize::from(*byte)))
    };
    bytes.split_at_checked(head.checked_add(length)?)
}

fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut out = vec![tag];
    match u8::try_from(content.len()) {
        Ok(short @ 0..0x80) => out.push(short),
        _ => {
            let bytes: Vec<u8> =
                content.len().to_be_bytes().into_iter().skip_while(|byte| *byte == 0).collect();
            // at most eight bytes of length
            out.push(0x80 | (bytes.len() & 0x7f) as u8);
            out.extend(bytes);
        }
    }
    out.extend_from_slice(content);
    out
}

#[cfg(test)]
mod tests;
