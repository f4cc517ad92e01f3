//! Timestamps of CT logs: inside, beside, foreign, moved.

use testkit::authority::{AltName, Authority, CertificateSpec, Certified, SigningKey};

use super::*;

const NOW: i64 = 1_780_000_000;

fn log(key: &SigningKey) -> CtLog {
    let public = PublicKey::from_der(&key.spki()).unwrap();
    CtLog { id: key.id().to_vec(), key: public, valid: Window::default() }
}

fn spec() -> CertificateSpec {
    CertificateSpec::leaf(vec![AltName::Email("dev@example.test".to_owned())], NOW, NOW + 600)
}

fn read(der: &[u8]) -> Certificate {
    Certificate::from_der(der).unwrap()
}

#[test]
fn a_timestamp_inside_is_of_this_certificate_and_issuer() {
    let authority = Authority::new(NOW);
    let logs = [log(&authority.ct_log)];
    let leaf = read(&authority.issue(&spec(), &SigningKey::generate().spki()));
    let issuer = read(&authority.intermediate.certificate);
    assert_eq!(has_embedded(&leaf), Ok(true));
    assert_eq!(verify_embedded(&[leaf.clone(), issuer.clone()], &logs), Ok(()));
    let other = read(&authority.root.certificate);
    assert_eq!(verify_embedded(&[leaf.clone(), other], &logs), Err(SctFault::Signature));
    assert_eq!(verify_embedded(std::slice::from_ref(&leaf), &logs), Err(SctFault::NoIssuer));
    let stranger = [log(&SigningKey::generate())];
    assert_eq!(verify_embedded(&[leaf.clone(), issuer.clone()], &stranger), Err(SctFault::UnknownLog));
    assert_eq!(verify_embedded(&[leaf.clone(), issuer.clone()], &[]), Err(SctFault::NoLogs));
    let ended = Window { start: None, end: Timestamp::from_second(NOW - 1).ok() };
    let retired = [CtLog { valid: ended, ..log(&authority.ct_log) }];
    assert_eq!(verify_embedded(&[leaf, issuer.clone()], &retired), Err(SctFault::UnknownLog));
    let bare = read(&authority.intermediate.issue(&spec(), &SigningKey::generate().spki()));
    assert_eq!(has_embedded(&bare), Ok(false));
    assert_eq!(verify_embedded(&[bare, issuer], &logs), Err(SctFault::Missing));
}

#[test]
fn a_timestamp_beside_is_of_this_certificate() {
    let authority = Authority::new(NOW);
    let logs = [log(&authority.ct_log)];
    let der = authority.intermediate.issue(&spec(), &SigningKey::generate().spki());
    let beside = Certified::detached_sct(&der, &authority.ct_log, NOW);
    assert_eq!(verify_detached(&read(&der), beside.as_bytes(), &logs), Ok(()));
    let other = authority.intermediate.issue(&spec(), &SigningKey::generate().spki());
    assert_eq!(verify_detached(&read(&other), beside.as_bytes(), &logs), Err(SctFault::Signature));
    for broken in ["", "{}", r#"{"id":"AA==","timestamp":1,"extensions":"","signature":"AA=="}"#] {
        assert_eq!(verify_detached(&read(&der), broken.as_bytes(), &logs), Err(SctFault::Malformed));
    }
}

#[test]
fn lists_are_bounded() {
    let entry = [0_u8, 1, 7];
    let list = |count: usize| {
        let content = entry.repeat(count);
        let length = u16::try_from(content.len()).unwrap().to_be_bytes();
        testkit::authority::der::octets(&[length.as_slice(), &content].concat())
    };
    let with = |count| {
        let number = vec![1, 3, 6, 1, 4, 1, 11129, 2, 4, 2];
        let spec = CertificateSpec { extensions: vec![(number, list(count), false)], ..spec() };
        let der = Authority::new(NOW).intermediate.issue(&spec, &SigningKey::generate().spki());
        embedded_list(&read(&der)).map(|found| found.len())
    };
    assert_eq!(with(MAX_TIMESTAMPS), Ok(MAX_TIMESTAMPS));
    assert_eq!(with(MAX_TIMESTAMPS + 1), Err(SctFault::Malformed));
}
