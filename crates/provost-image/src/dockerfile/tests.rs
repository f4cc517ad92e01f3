//! Logical lines under test.

use super::{AtLine, DOCKERFILE_LIMIT, LINE_LIMIT, lines};
use crate::error::Fault;

fn read(source: &str) -> Vec<(usize, String)> {
    lines(source.as_bytes()).unwrap().into_iter().map(|line| (line.number, line.text)).collect()
}

#[test]
fn comments_blanks_and_continuations() {
    let source = "\u{feff}# syntax=docker/dockerfile:1\r\n\
        FROM scratch\r\n\
        \n\
        # a remark\n\
        ENV A=1 \\\n\
        # inside\n\
        \n\
        \x20   B=2 \\  \n\
        \x20   C=3\n\
        \x20 USER 7 # not a comment\n\
        CMD [\"a\", \\\n\"b\"]\n\
        LABEL x=1 \\";
    let expected = [
        (2, "FROM scratch"),
        (5, "ENV A=1     B=2     C=3"),
        (10, "USER 7 # not a comment"),
        (11, "CMD [\"a\", \"b\"]"),
        (13, "LABEL x=1"),
    ];
    assert_eq!(read(source), expected.map(|(number, text)| (number, text.to_owned())));
    assert_eq!(read(""), []);
}

#[test]
fn another_escape_character_is_refused() {
    assert_eq!(read("# escape=\\\nFROM scratch").len(), 1);
    let refused = lines(b"# escape=`\nFROM scratch").unwrap_err();
    assert_eq!(refused.line, 1);
    assert_eq!(refused.fault, Fault::Unsupported { what: "the directive escape=`".to_owned() });
    // After anything else it is a comment.
    assert_eq!(read("FROM scratch\n# escape=`").len(), 1);
    assert_eq!(read("# words\n# escape=`\nFROM scratch").len(), 1);
}

#[test]
fn bytes_that_are_no_text_name_their_line() {
    assert_eq!(lines(b"FROM scratch\n\nUSER \xff"), Err(AtLine { line: 3, fault: Fault::NotUtf8 }));
}

#[test]
fn the_limits_are_exact() {
    assert!(lines(&vec![b'\n'; DOCKERFILE_LIMIT]).is_ok());
    let over = lines(&vec![b'\n'; DOCKERFILE_LIMIT + 1]).unwrap_err();
    assert_eq!(over.fault, Fault::TooLarge { limit: DOCKERFILE_LIMIT, found: DOCKERFILE_LIMIT + 1 });
    assert_eq!(lines("USER 1\n".repeat(LINE_LIMIT).as_bytes()).unwrap().len(), LINE_LIMIT);
    let over = lines("USER 1\n".repeat(LINE_LIMIT + 1).as_bytes()).unwrap_err();
    assert_eq!(over.fault, Fault::TooManyLines { limit: LINE_LIMIT });
}
