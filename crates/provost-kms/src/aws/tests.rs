//! References to keys, in all the forms AWS names them.

use super::*;

const ID: &str = "1234abcd-12ab-34cd-56ef-1234567890ab";

#[test]
fn every_form_of_reference_is_read() {
    let arn = "arn:aws:kms:us-east-2:111122223333:";
    for (text, endpoint, alias, region) in [
        (format!("awskms:///{ID}"), None, None, None),
        (format!("awskms:///mrk-{}", ID.replace('-', "")), None, None, None),
        (format!("awskms://localhost:4566/{ID}"), Some("localhost:4566"), None, None),
        (format!("awskms:///{arn}key/{ID}"), None, None, Some("us-east-2")),
        (format!("awskms://h/{arn}key/{ID}"), Some("h"), None, Some("us-east-2")),
        ("awskms:///alias/ExampleAlias".to_owned(), None, Some("alias/ExampleAlias"), None),
        ("awskms://h:1/alias/a/b".to_owned(), Some("h:1"), Some("alias/a/b"), None),
        (format!("awskms:///{arn}alias/X"), None, Some("alias/X"), Some("us-east-2")),
    ] {
        let read = Reference::parse(&text).unwrap_or_else(|| panic!("{text}"));
        assert_eq!(
            (read.endpoint.as_deref(), read.alias.as_deref(), read.region.as_deref()),
            (endpoint, alias, region),
            "{text}"
        );
        assert!(text.ends_with(&read.key), "{text}");
    }
    for bad in
        ["awskms://", "awskms:///", "awskms:///x", "awskms://h", "awskms:///arn:aws:s3:::b", "awskms:///1234"]
    {
        assert_eq!(Reference::parse(bad), None, "{bad}");
    }
}
