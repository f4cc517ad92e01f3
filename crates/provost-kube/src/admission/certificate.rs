//! An authority of our own and the server certificate it issues, in the durations that Kyverno's have.

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use provost_sigstore::certificate::Certificate;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose,
};

/// How long an authority is good for.
const AUTHORITY_LIFE: SignedDuration = SignedDuration::from_hours(365 * 24);
/// How long a server's certificate is good for.
const SERVER_LIFE: SignedDuration = SignedDuration::from_hours(150 * 24);
/// How long before its end either is renewed.
pub(super) const RENEWED_BEFORE: SignedDuration = SignedDuration::from_hours(15 * 24);
/// Clocks of API servers may be behind ours.
const BACKDATED: SignedDuration = SignedDuration::from_hours(24);
/// The name of the authority, which its certificates of all years have.
const AUTHORITY_NAME: &str = "provost-admission-ca";

/// A certificate, with those that lead to its authority, and its key, as PEM.
#[derive(Clone, PartialEq, Eq)]
pub struct ServerPair {
    /// The chain, the server's own certificate first.
    pub chain: String,
    /// The private key (PKCS#8).
    pub key: String,
}

impl std::fmt::Debug for ServerPair {
    /// Without the key.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ServerPair").field("chain", &self.chain).finish_non_exhaustive()
    }
}

fn params(life: SignedDuration, now: Timestamp) -> Result<CertificateParams, rcgen::Error> {
    let mut params = CertificateParams::new(Vec::<String>::new())?;
    let date = |time: Timestamp| {
        let date = time.to_zoned(TimeZone::UTC).date();
        let part = |number: i8| u8::try_from(number).unwrap_or(1);
        rcgen::date_time_ymd(i32::from(date.year()), part(date.month()), part(date.day()))
    };
    params.not_before = date(now.saturating_sub(BACKDATED).unwrap_or(now));
    params.not_after = date(now.saturating_add(life).unwrap_or(now));
    params.use_authority_key_identifier_extension = true;
    Ok(params)
}

fn authority_params(now: Timestamp) -> Result<CertificateParams, rcgen::Error> {
    let mut params = params(AUTHORITY_LIFE, now)?;
    params.distinguished_name = named(AUTHORITY_NAME);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
    Ok(params)
}

fn named(name: &str) -> DistinguishedName {
    let mut distinguished = DistinguishedName::new();
    distinguished.push(DnType::CommonName, name);
    distinguished
}

/// A new authority.
///
/// # Errors
/// The library's words.
pub(super) fn authority(now: Timestamp) -> Result<ServerPair, String> {
    let make = || -> Result<ServerPair, rcgen::Error> {
        let key = KeyPair::generate()?;
        let made = authority_params(now)?.self_signed(&key)?;
        Ok(ServerPair { chain: made.pem(), key: key.serialize_pem() })
    };
    make().map_err(|error| format!("making an authority: {error}"))
}

/// A new server certificate for these names and addresses, by an authority of [`authority`].
///
/// # Errors
/// The library's words, where the authority's key or a name cannot be used.
pub(super) fn server(authority: &ServerPair, names: &[String], now: Timestamp) -> Result<ServerPair, String> {
    let make = || -> Result<ServerPair, rcgen::Error> {
        let issuer = Issuer::new(authority_params(now)?, KeyPair::from_pem(&authority.key)?);
        let mut params = CertificateParams::new(names)?;
        let base = self::params(SERVER_LIFE, now)?;
        (params.not_before, params.not_after) = (base.not_before, base.not_after);
        params.use_authority_key_identifier_extension = true;
        params.distinguished_name = named(names.first().map_or("provost-admission", String::as_str));
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let key = KeyPair::generate()?;
        let made = params.signed_by(&key, &issuer)?;
        Ok(ServerPair { chain: made.pem(), key: key.serialize_pem() })
    };
    make().map_err(|error| format!("making a server certificate for {}: {error}", names.join(", ")))
}

/// When the first certificate of a PEM text ends.
pub(super) fn end(pem: &str) -> Option<Timestamp> {
    Certificate::all_from_pem(pem.as_bytes()).ok()?.first().map(Certificate::not_after)
}

/// Whether it is time to renew the first certificate of a PEM text; one that cannot be read is renewed.
pub(super) fn is_due(pem: &str, now: Timestamp) -> bool {
    end(pem).is_none_or(|end| end.duration_since(now) < RENEWED_BEFORE)
}

/// The certificates of a PEM text that have not ended, one text each, none twice.
pub(super) fn current(pem: &str, now: Timestamp) -> Vec<String> {
    let mut kept = Vec::new();
    for one in Certificate::all_from_pem(pem.as_bytes()).unwrap_or_default() {
        let text = one.to_pem();
        if one.not_after() > now && !kept.contains(&text) {
            kept.push(text);
        }
    }
    kept
}

/// Whether a certificate is for all of these names.
pub(super) fn is_for(pem: &str, names: &[String]) -> bool {
    let found =
        Certificate::all_from_pem(pem.as_bytes()).ok().and_then(|all| all.first().map(Certificate::names));
    found.is_some_and(|found| names.iter().all(|name| found.iter().any(|one| one.ends_with(name.as_str()))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_certificate_is_for_its_names_and_ends_before_its_authority() {
        let now = Timestamp::now();
        let authority = authority(now).unwrap();
        let names = ["gate.ns.svc".to_owned(), "127.0.0.1".to_owned()];
        let server = server(&authority, &names, now).unwrap();
        assert!(
            is_for(&server.chain, &names),
            "{:?}",
            Certificate::all_from_pem(server.chain.as_bytes()).unwrap()[0].names()
        );
        assert!(!is_for(&server.chain, &["other.ns.svc".to_owned()]));
        assert!(end(&server.chain).unwrap() < end(&authority.chain).unwrap());
        assert!(!is_due(&server.chain, now) && !is_due(&authority.chain, now));
        let late = now
            .saturating_add(SERVER_LIFE)
            .unwrap()
            .saturating_sub(SignedDuration::from_hours(14 * 24))
            .unwrap();
        assert!(is_due(&server.chain, late) && !is_due(&authority.chain, late));
        assert!(is_due("garbage", now));
        assert!(!format!("{server:?}").contains("PRIVATE"));
    }

    #[test]
    fn ended_authorities_leave_the_bundle_and_none_stands_twice() {
        let now = Timestamp::now();
        let (one, other) = (authority(now).unwrap(), authority(now).unwrap());
        let both = format!("{}{}{}", one.chain, other.chain, one.chain);
        assert_eq!(current(&both, now).len(), 2);
        let past = now.saturating_add(AUTHORITY_LIFE).unwrap().saturating_add(BACKDATED).unwrap();
        assert!(current(&both, past).is_empty());
        assert!(current("", now).is_empty());
    }
}
