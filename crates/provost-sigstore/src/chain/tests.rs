//! Paths that hold, and every way one does not.

use std::slice::from_ref;

use testkit::authority::certificate::SERVER_AUTH;
use testkit::authority::{AltName, Authority, CertificateSpec, Certified, SigningKey};

use super::*;

const NOW: i64 = 1_780_000_000;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(seconds).unwrap()
}

fn read(der: &[u8]) -> Certificate {
    Certificate::from_der(der).unwrap()
}

fn leaf() -> CertificateSpec {
    CertificateSpec::leaf(vec![AltName::Email("dev@example.test".to_owned())], NOW, NOW + 600)
}

/// The fault of a path as of `NOW` from this certificate to the authority's root.
fn fault(authority: &Authority, certificate: &[u8]) -> Option<ChainFault> {
    let root = [read(&authority.root.certificate)];
    let between = [read(&authority.intermediate.certificate)];
    path(&read(certificate), &root, &between, at(NOW)).err()
}

#[test]
fn a_path_ends_with_its_root() {
    let authority = Authority::new(NOW);
    let der = authority.intermediate.issue(&leaf(), &SigningKey::generate().spki());
    let (root, between) = (read(&authority.root.certificate), read(&authority.intermediate.certificate));
    let chain = path(&read(&der), from_ref(&root), from_ref(&between), at(NOW)).unwrap();
    assert_eq!(chain, [read(&der), between.clone(), root.clone()]);
    // The issuing certificate may be trusted itself, and so may the leaf.
    assert_eq!(path(&read(&der), from_ref(&between), &[], at(NOW)).unwrap(), [read(&der), between.clone()]);
    assert_eq!(path(&read(&der), &[read(&der)], &[], at(NOW)).unwrap(), [read(&der)]);
    assert_eq!(path(&read(&der), &[root], &[], at(NOW)), Err(ChainFault::UnknownAuthority));
}

#[test]
fn a_stranger_with_the_same_names_is_unknown() {
    let (ours, theirs) = (Authority::new(NOW), Authority::new(NOW));
    let der = theirs.intermediate.issue(&leaf(), &SigningKey::generate().spki());
    assert_eq!(fault(&ours, &der), Some(ChainFault::UnknownAuthority));
}

#[test]
fn purposes_are_named_and_hold_along_the_path() {
    let authority = Authority::new(NOW);
    let spki = SigningKey::generate().spki();
    let none = CertificateSpec { purposes: Vec::new(), ..leaf() };
    let server = CertificateSpec { purposes: vec![SERVER_AUTH.to_vec()], ..leaf() };
    for spec in [none, server] {
        assert_eq!(fault(&authority, &authority.intermediate.issue(&spec, &spki)), Some(ChainFault::Usage));
    }
    let for_servers = CertificateSpec {
        purposes: vec![SERVER_AUTH.to_vec()],
        ..CertificateSpec::authority("for servers", NOW - 10, NOW + 1000)
    };
    let between = authority.root.certify(&for_servers);
    let der = between.issue(&leaf(), &spki);
    let root = [read(&authority.root.certificate)];
    let found = path(&read(&der), &root, &[read(&between.certificate)], at(NOW));
    assert_eq!(found, Err(ChainFault::Usage));
}

#[test]
fn only_authorities_sign() {
    let authority = Authority::new(NOW);
    let between = authority.intermediate.certify(&CertificateSpec { subject: "a leaf".to_owned(), ..leaf() });
    let der = between.issue(&leaf(), &SigningKey::generate().spki());
    let root = [read(&authority.root.certificate)];
    let offered = [read(&between.certificate), read(&authority.intermediate.certificate)];
    assert_eq!(path(&read(&der), &root, &offered, at(NOW)), Err(ChainFault::NotAuthorized));
    assert_eq!(fault(&authority, &authority.intermediate.certificate), Some(ChainFault::NotAuthorized));
}

#[test]
fn each_certificate_must_hold_at_the_time() {
    let authority = Authority::new(NOW);
    let spki = SigningKey::generate().spki();
    let der = authority.intermediate.issue(&leaf(), &spki);
    let root = [read(&authority.root.certificate)];
    let between = [read(&authority.intermediate.certificate)];
    let path_at = |seconds| path(&read(&der), &root, &between, at(seconds)).err();
    assert_eq!(path_at(NOW + 600), None);
    assert!(matches!(path_at(NOW + 601), Some(ChainFault::Expired { .. })));
    assert!(matches!(path_at(NOW - 1), Some(ChainFault::NotYetValid { .. })));
    // A root that has ended, which webpki alone would not mind.
    let old = Certified::root(&CertificateSpec::authority("old", NOW - 100, NOW - 10));
    let der = old.issue(&leaf(), &spki);
    let found = path(&read(&der), &[read(&old.certificate)], &[], at(NOW));
    assert!(matches!(found, Err(ChainFault::Expired { .. })), "{found:?}");
    let expired = authority.root.certify(&CertificateSpec::authority("expired", NOW - 100, NOW - 10));
    let der = expired.issue(&leaf(), &spki);
    let found = path(&read(&der), &root, &[read(&expired.certificate)], at(NOW));
    assert!(matches!(found, Err(ChainFault::Expired { .. })), "{found:?}");
}

#[test]
fn unknown_critical_extensions_are_refused() {
    let authority = Authority::new(NOW);
    let mut spec = leaf();
    spec.extensions.push((vec![1, 3, 6, 1, 4, 1, 99999, 1], vec![5, 0], true));
    let der = authority.intermediate.issue(&spec, &SigningKey::generate().spki());
    assert_eq!(fault(&authority, &der), Some(ChainFault::CriticalExtension));
}

#[test]
fn many_certificates_are_not_looked_at() {
    let authority = Authority::new(NOW);
    let der = authority.intermediate.issue(&leaf(), &SigningKey::generate().spki());
    let offered = vec![read(&authority.intermediate.certificate); MAX_CHAIN];
    let found = path(&read(&der), &[read(&authority.root.certificate)], &offered, at(NOW));
    assert_eq!(found, Err(ChainFault::TooMany { found: MAX_CHAIN + 1 }));
    // A loop of authorities that sign each other ends, too.
    let looped = authority.root.certify(&CertificateSpec::authority("test root", NOW - 10, NOW + 1000));
    let stranger = Certified::root(&CertificateSpec::authority("elsewhere", NOW - 10, NOW + 1000));
    let der = looped.issue(&leaf(), &SigningKey::generate().spki());
    let offered = [read(&looped.certificate), read(&authority.root.certificate)];
    let found = path(&read(&der), &[read(&stranger.certificate)], &offered, at(NOW));
    assert!(found.is_err(), "{found:?}");
}
