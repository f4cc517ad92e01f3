//! X.509 certificates: whom they name, what Fulcio says in them, when they hold.

use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use provost_keys::{KeyError, PublicKey};
use x509_cert::der::asn1::{ObjectIdentifier, Utf8StringRef};
use x509_cert::der::{Decode, Encode};
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::ext::pkix::{BasicConstraints, SubjectAltName};

/// The longest file of certificates read: 1 MiB, some 700 certificates of 1.5 KiB.
pub const CERTIFICATE_FILE_LIMIT: usize = 1024 * 1024;
/// Fulcio's arc of extensions.
const FULCIO: &str = "1.3.6.1.4.1.57264.1.";
/// Fulcio's user names stand in an otherName of this type.
const USER_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.57264.1.7");
/// Where to ask about revocation: lists (2.5.29.31), and the issuer's services (1.3.6.1.5.5.7.1.1).
const REVOCATION: [ObjectIdentifier; 2] =
    [ObjectIdentifier::new_unwrap("2.5.29.31"), ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.1.1")];
/// Certificate timestamps inside a certificate (RFC 6962).
pub(crate) const SCT_LIST: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.11129.2.4.2");

/// One certificate, read once and shared.
#[derive(Clone)]
pub struct Certificate(Arc<Inner>);

struct Inner {
    der: Vec<u8>,
    parsed: x509_cert::Certificate,
    key: Vec<u8>,
    not_before: Timestamp,
    not_after: Timestamp,
}

/// Why bytes are no certificate.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    /// Text that has no PEM block where one must be.
    #[error("the file is no PEM: expected a line -----BEGIN CERTIFICATE-----")]
    Pem,
    /// A PEM block that holds a public key where a certificate must be.
    #[error("the PEM block holds a public key, expected a certificate")]
    PublicKey,
    /// A PEM block that holds something else.
    #[error("the certificate is malformed: {0}")]
    Malformed(String),
    /// A file without any certificate.
    #[error("the file holds no certificate")]
    None,
    /// A file longer than [`CERTIFICATE_FILE_LIMIT`].
    #[error("the file has {found} bytes, at most {CERTIFICATE_FILE_LIMIT} are read")]
    TooLong {
        /// How long it is.
        found: usize,
    },
}

/// What Fulcio wrote about the run that signed, in its older extensions (1 to 6); empty where it did not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Claims {
    /// Who vouched for the identity (extension 1).
    pub issuer: String,
    /// What started the GitHub workflow (2).
    pub trigger: String,
    /// The commit (3).
    pub sha: String,
    /// The workflow's name (4).
    pub name: String,
    /// The repository (5).
    pub repository: String,
    /// The ref (6).
    pub git_ref: String,
}

impl Certificate {
    /// Reads a certificate in DER.
    ///
    /// # Errors
    /// When it is none, an extension stands in it twice, or its times lie outside what calendars hold.
    pub fn from_der(der: &[u8]) -> Result<Self, CertificateError> {
        let malformed = |why: String| CertificateError::Malformed(why);
        let parsed = x509_cert::Certificate::from_der(der).map_err(|error| malformed(error.to_string()))?;
        let tbs = parsed.tbs_certificate();
        let mut numbers: Vec<_> = tbs.extensions().into_iter().flatten().map(|one| one.extn_id).collect();
        numbers.sort_unstable();
        // Which of two names or issuers counted would depend on who reads it; Go refuses such certificates, too.
        if let Some([number, _]) = numbers.array_windows().find(|[one, next]| one == next) {
            return Err(malformed(format!("the extension {number} stands in it twice")));
        }
        let key = tbs.subject_public_key_info().to_der().map_err(|error| malformed(error.to_string()))?;
        let time = |time: x509_cert::time::Time| {
            let seconds = i64::try_from(time.to_unix_duration().as_secs()).ok();
            seconds.and_then(|seconds| Timestamp::from_second(seconds).ok())
        };
        let validity = tbs.validity();
        let (Some(not_before), Some(not_after)) = (time(validity.not_before), time(validity.not_after))
        else {
            return Err(malformed("a time of its validity".to_owned()));
        };
        Ok(Self(Arc::new(Inner { der: der.to_vec(), key, not_before, not_after, parsed })))
    }

    /// All certificates of a PEM file, in their order; there may be none.
    ///
    /// # Errors
    /// When something in it is no certificate, as Go's `cryptoutils` has it: what follows the last block must be blank.
    pub fn all_from_pem(text: &[u8]) -> Result<Vec<Self>, CertificateError> {
        if text.len() > CERTIFICATE_FILE_LIMIT {
            return Err(CertificateError::TooLong { found: text.len() });
        }
        let text = String::from_utf8_lossy(text);
        let mut rest = text.trim();
        let mut found = Vec::new();
        while !rest.is_empty() {
            let (der, after) = block(rest).ok_or(CertificateError::Pem)?;
            found.push(Self::from_der(&der).map_err(|error| match PublicKey::from_der(&der) {
                Ok(_) => CertificateError::PublicKey,
                Err(_) => error,
            })?);
            rest = after.trim_start();
        }
        Ok(found)
    }

    /// The first certificate of a file that is PEM, or PEM in base64 as cosign's annotations and flags allow.
    ///
    /// # Errors
    /// When there is none.
    pub fn from_pem(text: &[u8]) -> Result<Self, CertificateError> {
        let decoded = STANDARD.decode(text.trim_ascii()).ok();
        let all = Self::all_from_pem(decoded.as_deref().unwrap_or(text))?;
        all.into_iter().next().ok_or(CertificateError::None)
    }

    /// The certificate's bytes.
    #[must_use]
    pub fn der(&self) -> &[u8] {
        &self.0.der
    }

    /// The certificate in PEM, as Go writes it.
    #[must_use]
    pub fn to_pem(&self) -> String {
        let text = STANDARD.encode(self.der());
        let mut out = String::from("-----BEGIN CERTIFICATE-----\n");
        for (position, character) in text.chars().enumerate() {
            if position > 0 && position % 64 == 0 {
                out.push('\n');
            }
            out.push(character);
        }
        out.push_str("\n-----END CERTIFICATE-----\n");
        out
    }

    /// Its public key, SubjectPublicKeyInfo in DER.
    #[must_use]
    pub fn public_key_der(&self) -> &[u8] {
        &self.0.key
    }

    /// Its public key, ready to verify with.
    ///
    /// # Errors
    /// When the key is of a kind that is not verified with.
    pub fn public_key(&self) -> Result<PublicKey, KeyError> {
        PublicKey::from_der(&self.0.key)
    }

    /// When it begins to hold.
    #[must_use]
    pub fn not_before(&self) -> Timestamp {
        self.0.not_before
    }

    /// The last moment it holds.
    #[must_use]
    pub fn not_after(&self) -> Timestamp {
        self.0.not_after
    }

    /// Whether it may sign certificates.
    #[must_use]
    pub fn is_authority(&self) -> bool {
        let constraints = self.0.parsed.tbs_certificate().get_extension::<BasicConstraints>();
        matches!(constraints, Ok(Some((_, constraints))) if constraints.ca)
    }

    /// Whether it says where to ask whether it was revoked: a list, or a service of its issuer's.
    #[must_use]
    pub fn may_be_revoked(&self) -> bool {
        let extensions = self.0.parsed.tbs_certificate().extensions();
        extensions.into_iter().flatten().any(|one| REVOCATION.contains(&one.extn_id))
    }

    /// Whether it names itself as its issuer.
    #[must_use]
    pub fn is_self_issued(&self) -> bool {
        let tbs = self.0.parsed.tbs_certificate();
        tbs.issuer() == tbs.subject()
    }

    pub(crate) fn parsed(&self) -> &x509_cert::Certificate {
        &self.0.parsed
    }

    /// The names it is for, in Go's order: hosts, e-mail addresses, IP addresses, URIs, Fulcio's user names.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        let [dns, mail, ip, uri, user] = self.names_by_kind();
        [dns, mail, ip, uri, user].concat()
    }

    /// The one name sigstore-go compares: the first URI, else the first e-mail address, else the user name.
    #[must_use]
    pub fn identity(&self) -> Option<String> {
        let [_, mail, _, uri, user] = self.names_by_kind();
        let first = |list: Vec<String>| list.into_iter().next().filter(|name| !name.is_empty());
        first(uri).or_else(|| first(mail)).or_else(|| first(user))
    }

    fn names_by_kind(&self) -> [Vec<String>; 5] {
        let [mut dns, mut mail, mut ip, mut uri, mut user] = <[Vec<String>; 5]>::default();
        let extension = self.0.parsed.tbs_certificate().get_extension::<SubjectAltName>();
        let Ok(Some((_, names))) = extension else { return [dns, mail, ip, uri, user] };
        for name in names.0 {
            match name {
                GeneralName::DnsName(text) => dns.push(text.to_string()),
                GeneralName::Rfc822Name(text) => mail.push(text.to_string()),
                GeneralName::UniformResourceIdentifier(text) => uri.push(text.to_string()),
                GeneralName::IpAddress(bytes) => ip.extend(address(bytes.as_bytes())),
                GeneralName::OtherName(other) if other.type_id == USER_NAME => {
                    user.extend(
                        other.value.decode_as::<Utf8StringRef<'_>>().ok().map(|text| text.to_string()),
                    );
                }
                _ => {}
            }
        }
        [dns, mail, ip, uri, user]
    }

    /// Fulcio's claims as cosign reads them for signatures of the tag scheme: the older extensions alone.
    #[must_use]
    pub fn claims(&self) -> Claims {
        let mut claims = Claims::default();
        self.each_extension(|number, value| {
            let field = match number {
                "1" => &mut claims.issuer,
                "2" => &mut claims.trigger,
                "3" => &mut claims.sha,
                "4" => &mut claims.name,
                "5" => &mut claims.repository,
                "6" => &mut claims.git_ref,
                _ => return,
            };
            *field = String::from_utf8_lossy(value).into_owned();
        });
        claims
    }

    /// The issuer as sigstore-go reads it: of extensions 1 and 8 whichever stands later.
    #[must_use]
    pub fn bundle_issuer(&self) -> String {
        let mut issuer = String::new();
        self.each_extension(|number, value| match number {
            "1" => issuer = String::from_utf8_lossy(value).into_owned(),
            "8" => issuer = Utf8StringRef::from_der(value).map(|text| text.to_string()).unwrap_or_default(),
            _ => {}
        });
        issuer
    }

    fn each_extension(&self, mut see: impl FnMut(&str, &[u8])) {
        for extension in self.0.parsed.tbs_certificate().extensions().into_iter().flatten() {
            let number = extension.extn_id.to_string();
            if let Some(number) = number.strip_prefix(FULCIO) {
                see(number, extension.extn_value.as_bytes());
            }
        }
    }
}

impl PartialEq for Certificate {
    fn eq(&self, other: &Self) -> bool {
        self.der() == other.der()
    }
}

impl Eq for Certificate {}

impl fmt::Debug for Certificate {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Certificate").field("names", &self.names()).finish_non_exhaustive()
    }
}

fn address(bytes: &[u8]) -> Option<String> {
    if let Ok(four) = <[u8; 4]>::try_from(bytes) {
        return Some(std::net::Ipv4Addr::from(four).to_string());
    }
    <[u8; 16]>::try_from(bytes).ok().map(|sixteen| std::net::Ipv6Addr::from(sixteen).to_string())
}

/// The bytes of the first PEM block, whatever its label, and what follows it; text before a block is skipped, as in Go.
fn block(text: &str) -> Option<(Vec<u8>, &str)> {
    let (_, after) = text.split_once("-----BEGIN ")?;
    let (label, after) = after.split_once("-----")?;
    let (body, rest) = after.split_once(&format!("-----END {label}-----"))?;
    let compact: String = body.split_whitespace().collect();
    Some((STANDARD.decode(compact).ok()?, rest))
}

/// The bytes of the first PEM block of a text.
pub(crate) fn first_block(text: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(text).ok()?;
    block(text).map(|(der, _)| der)
}

#[cfg(test)]
mod tests;
