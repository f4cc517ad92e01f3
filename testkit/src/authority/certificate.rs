//! Certificates of a test authority, good and bad.

use super::der;
use super::key::{SigningKey, sha256};

const ECDSA_WITH_SHA256: [u64; 7] = [1, 2, 840, 10045, 4, 3, 2];
const COMMON_NAME: [u64; 4] = [2, 5, 4, 3];
const BASIC_CONSTRAINTS: [u64; 4] = [2, 5, 29, 19];
const KEY_USAGE: [u64; 4] = [2, 5, 29, 15];
const EXTENDED_KEY_USAGE: [u64; 4] = [2, 5, 29, 37];
const SUBJECT_ALT_NAME: [u64; 4] = [2, 5, 29, 17];
const SCT_LIST: [u64; 10] = [1, 3, 6, 1, 4, 1, 11129, 2, 4, 2];
/// The purpose of certificates that sign code.
pub const CODE_SIGNING: [u64; 9] = [1, 3, 6, 1, 5, 5, 7, 3, 3];
/// The purpose of certificates that sign timestamps.
pub const TIME_STAMPING: [u64; 9] = [1, 3, 6, 1, 5, 5, 7, 3, 8];
/// The purpose of certificates of servers.
pub const SERVER_AUTH: [u64; 9] = [1, 3, 6, 1, 5, 5, 7, 3, 1];

/// A name a certificate is for.
#[derive(Clone, Debug)]
pub enum AltName {
    /// An e-mail address.
    Email(String),
    /// A URI, as workflows have.
    Uri(String),
    /// A host.
    Dns(String),
    /// Fulcio's user name, an otherName of type 1.3.6.1.4.1.57264.1.7.
    Other(String),
}

/// What stands in a certificate.
#[derive(Clone, Debug)]
pub struct CertificateSpec {
    /// Its common name; empty for none.
    pub subject: String,
    /// The names it is for.
    pub names: Vec<AltName>,
    /// Valid from, in seconds since 1970.
    pub not_before: i64,
    /// Valid until, in seconds since 1970.
    pub not_after: i64,
    /// Whether it may sign certificates.
    pub authority: bool,
    /// What it may be used for; nothing said where empty.
    pub purposes: Vec<Vec<u64>>,
    /// Further extensions: number, value, whether critical.
    pub extensions: Vec<(Vec<u64>, Vec<u8>, bool)>,
    /// Its serial number.
    pub serial: u64,
}

impl CertificateSpec {
    /// A certificate authority of this name.
    #[must_use]
    pub fn authority(subject: &str, not_before: i64, not_after: i64) -> Self {
        Self {
            subject: subject.to_owned(),
            names: Vec::new(),
            not_before,
            not_after,
            authority: true,
            purposes: Vec::new(),
            extensions: Vec::new(),
            serial: 1,
        }
    }

    /// A certificate that signs code for these names.
    #[must_use]
    pub fn leaf(names: Vec<AltName>, not_before: i64, not_after: i64) -> Self {
        Self {
            subject: String::new(),
            names,
            authority: false,
            purposes: vec![CODE_SIGNING.to_vec()],
            serial: 2,
            ..Self::authority("", not_before, not_after)
        }
    }

    /// The same with Fulcio's extension `.number` in its old form, bare text (1 to 6).
    #[must_use]
    pub fn with_claim(mut self, number: u64, text: &str) -> Self {
        self.extensions.push((fulcio(number), text.as_bytes().to_vec(), false));
        self
    }

    /// The same with Fulcio's extension `.number` in its newer form, a UTF8String (8 and up).
    #[must_use]
    pub fn with_typed_claim(mut self, number: u64, text: &str) -> Self {
        self.extensions.push((fulcio(number), der::utf8(text), false));
        self
    }
}

fn fulcio(number: u64) -> Vec<u64> {
    vec![1, 3, 6, 1, 4, 1, 57264, 1, number]
}

/// A key with the certificate that names it.
pub struct Certified {
    /// The key.
    pub key: SigningKey,
    /// The certificate in DER.
    pub certificate: Vec<u8>,
    subject: String,
}

impl Certified {
    /// A root: its certificate signs itself.
    #[must_use]
    pub fn root(spec: &CertificateSpec) -> Self {
        let key = SigningKey::generate();
        let certificate = certificate(spec, &key.spki(), &spec.subject, &key, None);
        Self { key, certificate, subject: spec.subject.clone() }
    }

    /// A key certified by this one.
    #[must_use]
    pub fn certify(&self, spec: &CertificateSpec) -> Self {
        let key = SigningKey::generate();
        let certificate = self.issue(spec, &key.spki());
        Self { key, certificate, subject: spec.subject.clone() }
    }

    /// A certificate for a public key (SubjectPublicKeyInfo).
    #[must_use]
    pub fn issue(&self, spec: &CertificateSpec, spki: &[u8]) -> Vec<u8> {
        certificate(spec, spki, &self.subject, &self.key, None)
    }

    /// A certificate with a timestamp of this CT log in it, made at `time` (seconds since 1970).
    #[must_use]
    pub fn issue_logged(&self, spec: &CertificateSpec, spki: &[u8], log: &SigningKey, time: i64) -> Vec<u8> {
        let before = to_be_signed(spec, spki, &self.subject, None);
        let entry = [sha256(&self.key.spki()).as_slice(), &length24(before.len()), &before].concat();
        let list = sct_list(&[&sct(log, time, 1, &entry)]);
        certificate(spec, spki, &self.subject, &self.key, Some(&list))
    }

    /// The timestamp a CT log gives for a finished certificate, as Fulcio hands it out beside it (JSON).
    #[must_use]
    pub fn detached_sct(certificate: &[u8], log: &SigningKey, time: i64) -> String {
        use base64::Engine as _;
        use base64::engine::general_purpose::STANDARD;
        let entry = [length24(certificate.len()).as_slice(), certificate].concat();
        let signature = sct_signature(log, time, 0, &entry);
        format!(
            r#"{{"sct_version":0,"id":"{}","timestamp":{},"extensions":"","signature":"{}"}}"#,
            STANDARD.encode(log.id()),
            time * 1000,
            STANDARD.encode(signature)
        )
    }
}

fn certificate(
    spec: &CertificateSpec,
    spki: &[u8],
    issuer: &str,
    key: &SigningKey,
    scts: Option<&[u8]>,
) -> Vec<u8> {
    let signed = to_be_signed(spec, spki, issuer, scts);
    let signature = key.sign(&signed);
    der::sequence(&[&signed, &der::sequence(&[&der::oid(&ECDSA_WITH_SHA256)]), &der::bits(&signature)])
}

fn to_be_signed(spec: &CertificateSpec, spki: &[u8], issuer: &str, scts: Option<&[u8]>) -> Vec<u8> {
    let mut extensions = Vec::new();
    if spec.authority {
        extensions.push(extension(&BASIC_CONSTRAINTS, true, &der::sequence(&[&der::yes()])));
        // keyCertSign and cRLSign
        extensions.push(extension(&KEY_USAGE, true, &der::tlv(0x03, &[1, 0x06])));
    } else {
        // digitalSignature
        extensions.push(extension(&KEY_USAGE, true, &der::tlv(0x03, &[7, 0x80])));
    }
    if !spec.purposes.is_empty() {
        let purposes: Vec<u8> = spec.purposes.iter().flat_map(|purpose| der::oid(purpose)).collect();
        extensions.push(extension(&EXTENDED_KEY_USAGE, false, &der::tlv(0x30, &purposes)));
    }
    if !spec.names.is_empty() {
        let names: Vec<u8> = spec.names.iter().flat_map(alt_name).collect();
        // Where the subject is empty the names are critical (RFC 5280, 4.2.1.6).
        extensions.push(extension(&SUBJECT_ALT_NAME, spec.subject.is_empty(), &der::tlv(0x30, &names)));
    }
    for (number, value, critical) in &spec.extensions {
        extensions.push(extension(number, *critical, value));
    }
    if let Some(list) = scts {
        extensions.push(extension(&SCT_LIST, false, &der::octets(list)));
    }
    let validity = der::sequence(&[&der::utc_time(spec.not_before), &der::utc_time(spec.not_after)]);
    let algorithm = der::sequence(&[&der::oid(&ECDSA_WITH_SHA256)]);
    der::sequence(&[
        &der::explicit(0, &der::integer(2)),
        &der::integer(spec.serial),
        &algorithm,
        &name(issuer),
        &validity,
        &name(&spec.subject),
        spki,
        &der::explicit(3, &der::tlv(0x30, &extensions.concat())),
    ])
}

/// A distinguished name of one common name, or of nothing.
pub(super) fn name(common: &str) -> Vec<u8> {
    if common.is_empty() {
        return der::sequence(&[]);
    }
    let attribute = der::sequence(&[&der::oid(&COMMON_NAME), &der::utf8(common)]);
    der::sequence(&[&der::set(&[&attribute])])
}

fn extension(number: &[u64], critical: bool, value: &[u8]) -> Vec<u8> {
    let mark = if critical { der::yes() } else { Vec::new() };
    der::sequence(&[&der::oid(number), &mark, &der::octets(value)])
}

fn alt_name(name: &AltName) -> Vec<u8> {
    match name {
        AltName::Email(text) => der::tlv(0x81, text.as_bytes()),
        AltName::Dns(text) => der::tlv(0x82, text.as_bytes()),
        AltName::Uri(text) => der::tlv(0x86, text.as_bytes()),
        AltName::Other(text) => {
            let value = [der::oid(&fulcio(7)), der::explicit(0, &der::utf8(text))].concat();
            der::tlv(0xa0, &value)
        }
    }
}

fn length24(length: usize) -> Vec<u8> {
    length.to_be_bytes().into_iter().skip(size_of::<usize>() - 3).collect()
}

/// The signature of a certificate timestamp (RFC 6962, 3.2), with its two algorithm bytes and its length.
fn sct_signature(log: &SigningKey, time: i64, entry_type: u16, entry: &[u8]) -> Vec<u8> {
    let milliseconds = (time * 1000).to_be_bytes();
    let signed = [&[0, 0], milliseconds.as_slice(), &entry_type.to_be_bytes(), entry, &[0, 0]].concat();
    let signature = log.sign(&signed);
    let length = u16::try_from(signature.len()).unwrap_or(u16::MAX).to_be_bytes();
    [&[4, 3], length.as_slice(), &signature].concat()
}

fn sct(log: &SigningKey, time: i64, entry_type: u16, entry: &[u8]) -> Vec<u8> {
    let milliseconds = (time * 1000).to_be_bytes();
    let signature = sct_signature(log, time, entry_type, entry);
    [&[0], log.id().as_slice(), &milliseconds, &[0, 0], &signature].concat()
}

fn sct_list(scts: &[&[u8]]) -> Vec<u8> {
    let prefixed = |bytes: &[u8]| {
        let length = u16::try_from(bytes.len()).unwrap_or(u16::MAX).to_be_bytes();
        [length.as_slice(), bytes].concat()
    };
    prefixed(&scts.iter().flat_map(|sct| prefixed(sct)).collect::<Vec<u8>>())
}
