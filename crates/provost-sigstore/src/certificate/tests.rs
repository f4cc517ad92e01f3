//! Certificates as they are read: names, claims, files.

use testkit::authority::{AltName, Authority, CertificateSpec, SigningKey, pem};

use super::*;

const NOW: i64 = 1_780_000_000;

fn issued(spec: &CertificateSpec) -> Certificate {
    let der = Authority::new(NOW).intermediate.issue(spec, &SigningKey::generate().spki());
    Certificate::from_der(&der).unwrap()
}

#[test]
fn names_stand_in_gos_order() {
    let names = vec![
        AltName::Uri("https://github.test/w".to_owned()),
        AltName::Other("user!domain".to_owned()),
        AltName::Email("dev@example.test".to_owned()),
        AltName::Dns("host.test".to_owned()),
    ];
    let certificate = issued(&CertificateSpec::leaf(names, NOW, NOW + 1));
    let expected = ["host.test", "dev@example.test", "https://github.test/w", "user!domain"];
    assert_eq!(certificate.names(), expected);
    assert_eq!(certificate.identity().as_deref(), Some("https://github.test/w"));
    let other = CertificateSpec::leaf(vec![AltName::Other("user!domain".to_owned())], NOW, NOW + 1);
    assert_eq!(issued(&other).identity().as_deref(), Some("user!domain"));
    assert_eq!(issued(&CertificateSpec::leaf(Vec::new(), NOW, NOW + 1)).identity(), None);
}

#[test]
fn claims_are_read_from_both_forms() {
    let spec = CertificateSpec::leaf(Vec::new(), NOW, NOW + 1)
        .with_claim(1, "https://old.test")
        .with_claim(2, "push")
        .with_claim(6, "refs/heads/main")
        .with_typed_claim(8, "https://new.test");
    let certificate = issued(&spec);
    let claims = certificate.claims();
    assert_eq!((claims.issuer.as_str(), claims.trigger.as_str()), ("https://old.test", "push"));
    assert_eq!((claims.git_ref.as_str(), claims.sha.as_str()), ("refs/heads/main", ""));
    // Of the two issuers the later extension counts in bundles.
    assert_eq!(certificate.bundle_issuer(), "https://new.test");
}

#[test]
fn files_hold_certificates_and_nothing_else() {
    let authority = Authority::new(NOW);
    let chain = Certificate::all_from_pem(authority.chain_pem().as_bytes()).unwrap();
    assert_eq!(chain.len(), 2);
    assert!(chain.iter().all(Certificate::is_authority));
    assert!(chain[1].is_self_issued() && !chain[0].is_self_issued());
    assert_eq!(chain[1].to_pem(), pem("CERTIFICATE", &authority.root.certificate));
    let based = STANDARD.encode(authority.chain_pem());
    assert_eq!(Certificate::from_pem(based.as_bytes()).as_ref(), Ok(&chain[0]));
    assert_eq!(Certificate::all_from_pem(b" \n"), Ok(Vec::new()));
    assert_eq!(Certificate::from_pem(b""), Err(CertificateError::None));
    assert_eq!(Certificate::all_from_pem(b"garbage"), Err(CertificateError::Pem));
    let key = SigningKey::generate().public_pem();
    assert_eq!(Certificate::all_from_pem(key.as_bytes()), Err(CertificateError::PublicKey));
    let cut = pem("CERTIFICATE", &authority.root.certificate[..20]);
    assert!(matches!(Certificate::all_from_pem(cut.as_bytes()), Err(CertificateError::Malformed(_))));
    let long = vec![b' '; CERTIFICATE_FILE_LIMIT + 1];
    let too_long = CertificateError::TooLong { found: CERTIFICATE_FILE_LIMIT + 1 };
    assert_eq!(Certificate::all_from_pem(&long), Err(too_long));
}

#[test]
fn an_extension_stands_in_it_once() {
    let twice = CertificateSpec::leaf(Vec::new(), NOW, NOW + 1)
        .with_claim(1, "https://issuer.test")
        .with_claim(1, "https://evil.test");
    let der = Authority::new(NOW).intermediate.issue(&twice, &SigningKey::generate().spki());
    let error = Certificate::from_der(&der).unwrap_err().to_string();
    assert!(error.contains("1.3.6.1.4.1.57264.1.1 stands in it twice"), "{error}");
}
