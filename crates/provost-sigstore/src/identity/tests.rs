//! Whom a certificate names, asked exactly and by pattern, and as both formats ask it.

use testkit::authority::{AltName, Authority, SigningKey};

use super::*;

const NOW: i64 = 1_780_000_000;
const ISSUER: &str = "https://issuer.example.test";

fn certificate(name: &str) -> Certificate {
    let authority = Authority::new(NOW);
    let spec = authority.spec(AltName::Email(name.to_owned()), ISSUER, NOW).with_claim(4, "build");
    Certificate::from_der(&authority.issue(&spec, &SigningKey::generate().spki())).unwrap()
}

fn identity(subject: (Option<&str>, Option<&str>), issuer: (Option<&str>, Option<&str>)) -> Identity {
    Identity {
        subject: NameRule::new(subject.0, subject.1),
        issuer: NameRule::new(issuer.0, issuer.1),
        workflow: Claims::default(),
    }
}

#[test]
fn names_match_exactly_or_by_pattern() {
    let certificate = certificate("dev@example.test");
    let cases = [
        ((Some("dev@example.test"), None), (Some(ISSUER), None), true),
        ((None, Some("example")), (None, Some("issuer")), true),
        ((None, Some("^dev@example[.]test$")), (Some(ISSUER), None), true),
        // Look-alikes: another case, a longer host, a slash more.
        ((Some("Dev@example.test"), None), (Some(ISSUER), None), false),
        ((Some("dev@example.test.evil"), None), (Some(ISSUER), None), false),
        ((Some("dev@example.test"), None), (Some("https://issuer.example.test/"), None), false),
        ((None, Some("^example")), (Some(ISSUER), None), false),
        ((Some("dev@example.test"), None), (None, Some("^issuer")), false),
    ];
    for (subject, issuer, expected) in cases {
        let identity = identity(subject, issuer);
        assert_eq!(identity.matches(&certificate).is_ok(), expected, "{subject:?} {issuer:?}");
        assert_eq!(identity.matches_bundle(&certificate).is_ok(), expected, "{subject:?} {issuer:?}");
    }
}

#[test]
fn an_exact_issuer_and_a_pattern_differ_between_the_formats() {
    let certificate = certificate("dev@example.test");
    let both = identity((Some("dev@example.test"), None), (Some(ISSUER), Some("nowhere")));
    assert!(both.matches(&certificate).is_err() && both.matches_bundle(&certificate).is_err());
    let both = identity((Some("dev@example.test"), None), (Some("https://other"), Some("issuer")));
    assert!(both.matches(&certificate).is_ok() && both.matches_bundle(&certificate).is_err());
}

#[test]
fn a_pattern_that_is_none_matches_nothing() {
    let certificate = certificate("dev@example.test");
    for (subject, issuer, of_issuer) in [(Some("("), Some("x"), false), (Some("x"), Some("["), true)] {
        let identity = identity((None, subject), (None, issuer));
        let found = identity.matches(&certificate);
        assert!(
            matches!(found, Err(IdentityFault::Pattern { issuer, .. }) if issuer == of_issuer),
            "{found:?}"
        );
        assert!(identity.matches_bundle(&certificate).is_err());
    }
}

#[test]
fn workflow_claims_are_compared_exactly() {
    let certificate = certificate("dev@example.test");
    let with =
        |workflow| Identity { workflow, ..identity((Some("dev@example.test"), None), (Some(ISSUER), None)) };
    let named = |name: &str| with(Claims { name: name.to_owned(), ..Claims::default() });
    assert!(named("build").matches(&certificate).is_ok());
    for wrong in ["Build", "buil"] {
        assert!(matches!(named(wrong).matches(&certificate), Err(IdentityFault::Workflow { .. })));
        assert!(named(wrong).matches_bundle(&certificate).is_err());
    }
    let absent = with(Claims { git_ref: "refs/heads/main".to_owned(), ..Claims::default() });
    assert!(absent.matches(&certificate).is_err());
}
