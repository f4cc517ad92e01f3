//! Signing configurations: read and written, and services chosen.

use super::*;

fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn one(url: &str, version: u32, start: &str, operator: &str) -> SigningService {
    SigningService {
        url: url.to_owned(),
        version,
        start: Some(time(start)),
        end: None,
        operator: operator.to_owned(),
    }
}

const WRITTEN: &str = r#"{"mediaType":"application/vnd.dev.sigstore.signingconfig.v0.2+json","rekorTlogUrls":[{"url":"http://r","majorApiVersion":1,"validFor":{"start":"2024-01-01T00:00:00Z"},"operator":"o"}],"rekorTlogConfig":{"selector":"EXACT","count":1},"tsaConfig":{}}"#;

#[test]
fn what_is_written_is_read_again() {
    let config = SigningConfig {
        logs: vec![one("http://r", 1, "2024-01-01T00:00:00Z", "o")],
        log_choice: Choice::Exact(1),
        ..SigningConfig::default()
    };
    assert_eq!(String::from_utf8(config.to_json()).unwrap(), WRITTEN);
    assert_eq!(SigningConfig::parse(WRITTEN.as_bytes()), Ok(config));
}

#[test]
fn what_is_unknown_is_named() {
    let broken = WRITTEN.replace("operator", "operater");
    assert_eq!(
        SigningConfig::parse(broken.as_bytes()),
        Err(SigningConfigError::Unknown("operater".to_owned()))
    );
    let older = WRITTEN.replace("v0.2", "v0.1");
    assert!(matches!(SigningConfig::parse(older.as_bytes()), Err(SigningConfigError::MediaType(_))));
    let many = format!(
        r#"{{"mediaType":"{SIGNING_CONFIG_V02}","tsaUrls":[{}]}}"#,
        vec!["{}"; MAX_SERVICES + 1].join(",")
    );
    assert_eq!(SigningConfig::parse(many.as_bytes()), Err(SigningConfigError::TooMany("tsaUrls".to_owned())));
}

#[test]
fn the_newest_of_each_operator_in_the_highest_version_is_chosen() {
    let services = [
        one("old", 1, "2020-01-01T00:00:00Z", "a"),
        one("new", 1, "2021-01-01T00:00:00Z", "a"),
        one("other", 1, "2019-01-01T00:00:00Z", "b"),
        one("future", 1, "2090-01-01T00:00:00Z", "c"),
        one("unknown", 3, "2020-01-01T00:00:00Z", "d"),
    ];
    let now = time("2024-01-01T00:00:00Z");
    let mut last = |count: usize| count - 1;
    let urls = |chosen: Vec<&SigningService>| chosen.iter().map(|s| s.url.clone()).collect::<Vec<_>>();
    assert_eq!(urls(choose(&services, Choice::All, &[1, 2], now, &mut last).unwrap()), ["new", "other"]);
    assert_eq!(urls(choose(&services, Choice::Any, &[1, 2], now, &mut last).unwrap()), ["other"]);
    assert_eq!(
        choose(&services, Choice::Exact(3), &[1], now, &mut last),
        Err(ChoiceError::TooMany { count: 3, available: 2 })
    );
    assert_eq!(choose(&services, Choice::Exact(0), &[1], now, &mut last), Err(ChoiceError::Zero));
    assert_eq!(choose(&services, Choice::Undefined, &[1], now, &mut last), Err(ChoiceError::Selector));
    assert_eq!(choose_one(&services, &[1], now).unwrap().url, "new");
    assert_eq!(
        choose_one(&services, &[2], now).unwrap_err().to_string(),
        "no matching service found for API versions [2] and current time 2024-01-01T00:00:00Z"
    );
}
