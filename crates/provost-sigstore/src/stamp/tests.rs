//! Timestamps by whom they should be by, and by others.

use testkit::authority::certificate::{CODE_SIGNING, SERVER_AUTH};
use testkit::authority::{CertificateSpec, TimestampAuthority};

use super::*;

const NOW: i64 = 1_780_000_000;

fn trusted(authority: &TimestampAuthority, valid: Window) -> StampAuthority {
    let read = |der: &[u8]| Certificate::from_der(der).unwrap();
    let chain = [read(&authority.signer.certificate), read(&authority.root.certificate)];
    StampAuthority::new(&chain, valid).unwrap()
}

#[test]
fn a_timestamp_is_of_a_trusted_authority_and_these_bytes() {
    let authority = TimestampAuthority::new(NOW - 1000, NOW + 1000);
    let token = authority.stamp(b"signature", NOW);
    let ours = [trusted(&authority, Window::default())];
    assert_eq!(verify(&token, b"signature", &ours), Ok(Timestamp::from_second(NOW).unwrap()));
    assert!(matches!(verify(&token, b"another", &ours), Err(StampFault::None { .. })));
    assert_eq!(verify(&token, b"signature", &[]), Err(StampFault::NoAuthorities));
    // A stranger of the same names.
    let stranger = TimestampAuthority::new(NOW - 1000, NOW + 1000);
    let foreign = stranger.stamp(b"signature", NOW);
    assert!(matches!(verify(&foreign, b"signature", &ours), Err(StampFault::None { .. })));
    assert!(verify(b"garbage", b"signature", &ours).is_err());
}

#[test]
fn an_authority_speaks_only_within_its_times() {
    let authority = TimestampAuthority::new(NOW - 1000, NOW + 1000);
    let ended = Window { start: None, end: Timestamp::from_second(NOW - 1).ok() };
    let token = authority.stamp(b"signature", NOW);
    assert!(verify(&token, b"signature", &[trusted(&authority, ended)]).is_err());
    // The authority's own certificate had ended.
    let late = authority.stamp(b"signature", NOW + 2000);
    assert!(verify(&late, b"signature", &[trusted(&authority, Window::default())]).is_err());
}

/// A certificate for something else signs no timestamps, though the root is the same and trusted.
#[test]
fn a_signer_of_timestamps_is_certified_for_that() {
    let mut authority = TimestampAuthority::new(NOW - 1000, NOW + 1000);
    for purposes in [Vec::new(), vec![CODE_SIGNING.to_vec()], vec![SERVER_AUTH.to_vec()]] {
        let spec = CertificateSpec {
            subject: "test tsa".to_owned(),
            purposes: purposes.clone(),
            serial: 7,
            ..CertificateSpec::leaf(Vec::new(), NOW - 1000, NOW + 1000)
        };
        authority.signer = authority.root.certify(&spec);
        let token = authority.stamp(b"signature", NOW);
        let found = verify(&token, b"signature", &[trusted(&authority, Window::default())]);
        assert!(matches!(found, Err(StampFault::None { .. })), "{purposes:?} {found:?}");
    }
}

#[test]
fn a_chain_has_a_signer_and_a_root() {
    let authority = TimestampAuthority::new(NOW - 1000, NOW + 1000);
    let signer = Certificate::from_der(&authority.signer.certificate).unwrap();
    assert!(StampAuthority::new(&[signer], Window::default()).is_none());
    assert!(StampAuthority::new(&[], Window::default()).is_none());
}
