//! Asking a timestamp authority (RFC 3161) when a signature was there.

use provost_oci::Digest;
use reqwest::Client;
use x509_cert::der::asn1::{AnyRef, OctetStringRef, UintRef};
use x509_cert::der::oid::ObjectIdentifier;
use x509_cert::der::{Decode, Reader, SliceReader};

use crate::service_client::{Ask, Service, ServiceError};

/// SHA-256's name, 2.16.840.1.101.3.4.2.1.
const SHA256: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.1");

/// A timestamp over the SHA-256 of a signature; returns the whole response's DER.
///
/// The response must be granted and be about this signature; whose it is, verifying asks.
///
/// # Errors
/// When the authority gives none.
pub async fn timestamp(client: &Client, url: &str, signature: &[u8]) -> Result<Vec<u8>, ServiceError> {
    let digest = hex::decode(Digest::sha256_of(signature).hex()).unwrap_or_default();
    let ask =
        Ask::post(Service::TimestampAuthority, url, "", "application/timestamp-query", request(&digest));
    let answer = ask.send(client).await?;
    if answer.status != 200 && answer.status != 201 {
        return Err(ask.refused(&answer));
    }
    check(&answer.body, &digest).map_err(|reason| ask.unreadable(reason))?;
    Ok(answer.body)
}

/// `TimeStampReq` as cosign sends it: version 1, the imprint, no nonce, no certificates wanted.
fn request(digest: &[u8]) -> Vec<u8> {
    // Every length here is below 128, so each takes one byte; a SHA-256 has 32.
    let sequence = |parts: &[&[u8]]| tagged(0x30, &parts.concat());
    let algorithm = sequence(&[&tagged(0x06, SHA256.as_bytes()), &[0x05, 0x00]]);
    let imprint = sequence(&[&algorithm, &tagged(0x04, digest)]);
    sequence(&[&[0x02, 0x01, 0x01], &imprint])
}

fn tagged(tag: u8, body: &[u8]) -> Vec<u8> {
    let length = u8::try_from(body.len()).unwrap_or_default();
    [&[tag, length], body].concat()
}

/// Whether a response is granted and covers this digest.
fn check(response: &[u8], digest: &[u8]) -> Result<(), String> {
    let malformed = |_| "the timestamp response is no DER of RFC 3161".to_owned();
    let mut reader = SliceReader::new(response).map_err(malformed)?;
    let body = AnyRef::decode(&mut reader).map_err(malformed)?;
    let mut parts = SliceReader::new(body.value()).map_err(malformed)?;
    let status = AnyRef::decode(&mut parts).map_err(malformed)?;
    let mut status = SliceReader::new(status.value()).map_err(malformed)?;
    let status = UintRef::decode(&mut status).map_err(malformed)?;
    // 0 is granted, 1 granted with modifications.
    if !matches!(status.as_bytes(), [] | [0 | 1]) {
        return Err(format!("the timestamp was not granted (status {:?})", status.as_bytes()));
    }
    if parts.is_finished() {
        return Err("the timestamp response holds no token".to_owned());
    }
    let token = AnyRef::decode(&mut parts).map_err(malformed)?;
    if holds_imprint(token.value(), digest) {
        Ok(())
    } else {
        Err("the timestamp is about something else".to_owned())
    }
}

/// Whether the algorithm and digest stand in the token as an imprint does.
fn holds_imprint(token: &[u8], digest: &[u8]) -> bool {
    // The token nests signed data five deep; the imprint's own bytes are unmistakable without walking there.
    let octets = OctetStringRef::new(digest).map(|octets| octets.as_bytes().len()).unwrap_or_default();
    octets == digest.len() && token.windows(digest.len() + 2).any(|window| window == tagged(0x04, digest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_request_is_rfc_3161s() {
        let der = request(&[7; 32]);
        assert_eq!(der.len(), 2 + 3 + 2 + 15 + 34);
        assert_eq!(der[..5], [0x30, 54, 2, 1, 1]);
        assert_eq!(der[der.len() - 34..][..3], [4, 32, 7]);
    }

    #[test]
    fn what_is_not_granted_or_about_another_digest_is_refused() {
        let token = tagged(0x30, &tagged(0x04, &[7; 32]));
        let granted = tagged(0x30, &[tagged(0x30, &[2, 1, 0]), token.clone()].concat());
        assert_eq!(check(&granted, &[7; 32]), Ok(()));
        assert!(check(&granted, &[8; 32]).unwrap_err().contains("something else"));
        let rejected = tagged(0x30, &[tagged(0x30, &[2, 1, 2]), token].concat());
        assert!(check(&rejected, &[7; 32]).unwrap_err().contains("not granted"));
        let empty = tagged(0x30, &tagged(0x30, &[2, 1, 0]));
        assert!(check(&empty, &[7; 32]).unwrap_err().contains("no token"));
        assert!(check(b"<html>", &[7; 32]).unwrap_err().contains("no DER"));
    }
}
