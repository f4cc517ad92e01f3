//! A timestamp authority (RFC 3161): tokens about signatures, and answers to requests.

use super::certificate::{CertificateSpec, Certified, TIME_STAMPING, name};
use super::der;
use super::key::sha256;

const SHA256: [u64; 9] = [2, 16, 840, 1, 101, 3, 4, 2, 1];
const ECDSA_WITH_SHA256: [u64; 7] = [1, 2, 840, 10045, 4, 3, 2];
const SIGNED_DATA: [u64; 7] = [1, 2, 840, 113_549, 1, 7, 2];
const TST_INFO: [u64; 9] = [1, 2, 840, 113_549, 1, 9, 16, 1, 4];
const CONTENT_TYPE: [u64; 7] = [1, 2, 840, 113_549, 1, 9, 3];
const MESSAGE_DIGEST: [u64; 7] = [1, 2, 840, 113_549, 1, 9, 4];
const SERIAL: u64 = 7;

/// A timestamp authority with its own root.
pub struct TimestampAuthority {
    /// The root its certificate comes from.
    pub root: Certified,
    /// The key that signs timestamps.
    pub signer: Certified,
}

impl TimestampAuthority {
    /// An authority valid between these times.
    #[must_use]
    pub fn new(not_before: i64, not_after: i64) -> Self {
        let root = Certified::root(&CertificateSpec::authority("test tsa root", not_before, not_after));
        let signer = root.certify(&Self::leaf(not_before, not_after));
        Self { root, signer }
    }

    fn leaf(not_before: i64, not_after: i64) -> CertificateSpec {
        // The purpose of a timestamp certificate must be critical (RFC 3161, 2.3).
        let purpose = der::sequence(&[&der::oid(&TIME_STAMPING)]);
        CertificateSpec {
            subject: "test tsa".to_owned(),
            purposes: Vec::new(),
            extensions: vec![(vec![2, 5, 29, 37], purpose, true)],
            serial: SERIAL,
            ..CertificateSpec::leaf(Vec::new(), not_before, not_after)
        }
    }

    /// The answer (TimeStampResp) that says these bytes, a signature, existed at `time`.
    #[must_use]
    pub fn stamp(&self, signature: &[u8], time: i64) -> Vec<u8> {
        self.answer_about(&imprint(&sha256(signature)), None, time)
    }

    /// The answer to a TimeStampReq, or `None` where that is none.
    #[must_use]
    pub fn answer(&self, request: &[u8], time: i64) -> Option<Vec<u8>> {
        let (0x30, content, _) = der::read(request)? else { return None };
        let (0x02, _, rest) = der::read(content)? else { return None };
        let (0x30, imprint, mut rest) = der::read(rest)? else { return None };
        let imprint = der::tlv(0x30, imprint);
        let mut nonce = None;
        while let Some((tag, content, more)) = der::read(rest) {
            if tag == 0x02 {
                nonce = Some(der::tlv(0x02, content));
            }
            rest = more;
        }
        Some(self.answer_about(&imprint, nonce.as_deref(), time))
    }

    fn answer_about(&self, imprint: &[u8], nonce: Option<&[u8]>, time: i64) -> Vec<u8> {
        let info = der::sequence(&[
            &der::integer(1),
            &der::oid(&[1, 3, 6, 1, 4, 1, 57264, 2]),
            imprint,
            &der::integer(1),
            &der::generalized_time(time),
            nonce.unwrap_or_default(),
        ]);
        let token = self.signed(&info);
        let status = der::sequence(&[&der::integer(0)]);
        der::sequence(&[&status, &token])
    }

    /// CMS SignedData around the information, with the signer's certificate in it.
    fn signed(&self, info: &[u8]) -> Vec<u8> {
        let content_type = der::sequence(&[&der::oid(&CONTENT_TYPE), &der::set(&[&der::oid(&TST_INFO)])]);
        let digest = der::octets(&sha256(info));
        let digest = der::sequence(&[&der::oid(&MESSAGE_DIGEST), &der::set(&[&digest])]);
        let attributes = der::set(&[&content_type, &digest]);
        let signature = self.signer.key.sign(&attributes);
        // What was signed is a SET; where it stands it is [0] IMPLICIT.
        let mut placed = attributes;
        if let Some(tag) = placed.first_mut() {
            *tag = 0xa0;
        }
        let hash = der::sequence(&[&der::oid(&SHA256)]);
        let issuer = der::sequence(&[&name("test tsa root"), &der::integer(SERIAL)]);
        let signer = der::sequence(&[
            &der::integer(1),
            &issuer,
            &hash,
            &placed,
            &der::sequence(&[&der::oid(&ECDSA_WITH_SHA256)]),
            &der::octets(&signature),
        ]);
        let encapsulated = der::sequence(&[&der::oid(&TST_INFO), &der::explicit(0, &der::octets(info))]);
        let data = der::sequence(&[
            &der::integer(3),
            &der::set(&[&hash]),
            &encapsulated,
            &der::explicit(0, &self.signer.certificate),
            &der::set(&[&signer]),
        ]);
        der::sequence(&[&der::oid(&SIGNED_DATA), &der::explicit(0, &data)])
    }
}

fn imprint(digest: &[u8; 32]) -> Vec<u8> {
    der::sequence(&[&der::sequence(&[&der::oid(&SHA256)]), &der::octets(digest)])
}
