//! Honest challenges of real registries, and hostile ones.

use http::header::WWW_AUTHENTICATE;
use http::{HeaderMap, HeaderValue};

use super::{Challenge, ChallengeError};
use crate::limits::{CHALLENGE_LIMIT, CHALLENGE_PARAMETERS};

fn of(lines: &[&str]) -> Result<Challenge, ChallengeError> {
    let mut headers = HeaderMap::new();
    for line in lines {
        headers.append(WWW_AUTHENTICATE, HeaderValue::from_str(line).unwrap());
    }
    Challenge::of(&headers)
}

fn bearer(realm: &str, service: Option<&str>, scope: Option<&str>) -> Challenge {
    Challenge::Bearer {
        realm: realm.into(),
        service: service.map(str::to_owned),
        scope: scope.map(str::to_owned),
    }
}

#[test]
fn bearer_is_read_with_commas_inside_quotes() {
    let got = of(&[
        r#"Bearer realm="https://auth.test/token",service="reg.test",scope="repository:a/b:pull,push""#,
    ]);
    assert_eq!(
        got,
        Ok(bearer("https://auth.test/token", Some("reg.test"), Some("repository:a/b:pull,push")))
    );
}

#[test]
fn names_and_schemes_have_no_case_and_blanks_are_free() {
    let got = of(&["bEARER  Realm = https://auth.test , SERVICE=\"a\\\"b\""]);
    // An unquoted realm ends where tokens end: a URL needs quotes.
    assert_eq!(got, Err(ChallengeError::Syntax));
    let got = of(&[r#"bEARER  Realm = "https://auth.test" , SERVICE="a\"b""#]);
    assert_eq!(got, Ok(bearer("https://auth.test", Some("a\"b"), None)));
}

#[test]
fn bearer_wins_over_basic_wherever_they_stand() {
    let want = Ok(bearer("https://a.test", None, None));
    assert_eq!(of(&[r#"Basic realm="x", Bearer realm="https://a.test""#]), want);
    assert_eq!(of(&[r#"Basic realm="x""#, r#"Bearer realm="https://a.test""#]), want);
    assert_eq!(of(&["Negotiate", r#"Negotiate YII+/a==, Bearer realm="https://a.test""#]), want);
    assert_eq!(of(&["Basic"]), Ok(Challenge::Basic));
}

#[test]
fn what_cannot_be_met_is_named() {
    assert_eq!(of(&[]), Err(ChallengeError::Missing));
    assert_eq!(of(&["Negotiate"]), Err(ChallengeError::Unsupported));
    assert_eq!(of(&["Bearer"]), Err(ChallengeError::NoRealm));
    assert_eq!(of(&[r#"Bearer realm="""#]), Err(ChallengeError::NoRealm));
    // By RFC 9110 `realm=` alone is the scheme's own token, no parameter.
    assert_eq!(of(&["Bearer realm=,"]), Err(ChallengeError::NoRealm));
}

#[test]
fn malformed_headers_are_refused() {
    for bad in [
        r#"realm="https://a.test""#,
        r#"Bearer realm="https://a.test"#,
        r#"Bearer realm="https://a.test"service="b""#,
        r#"Bearer realm="https://a.test",realm="https://b.test""#,
        r#"Bearer realm="a\"#,
        "=",
        "\"",
        "Bearer/x",
    ] {
        assert_eq!(of(&[bad]), Err(ChallengeError::Syntax), "{bad}");
    }
}

#[test]
fn the_limits_hold() {
    let long = format!("Bearer realm=\"{}\"", "a".repeat(CHALLENGE_LIMIT));
    assert_eq!(of(&[&long]), Err(ChallengeError::TooLong));
    let half = format!("Bearer realm=\"{}\"", "a".repeat(CHALLENGE_LIMIT / 2));
    assert_eq!(of(&[&half, &half]), Err(ChallengeError::TooLong));
    let many: Vec<_> = (0..CHALLENGE_PARAMETERS).map(|n| format!("p{n}=1")).collect();
    assert_eq!(of(&[&format!("Bearer {}", many.join(","))]), Err(ChallengeError::TooLong));
    assert_eq!(of(&[&"a,".repeat(CHALLENGE_PARAMETERS + 1)]), Err(ChallengeError::TooLong));
}
