//! Patterns under test.

use super::{IGNORE_PATTERN_LIMIT, Ignore, Part};

#[test]
fn parts_match_whole_names() {
    for (pattern, matching, other) in [
        ("*.txt", "a.txt", "a.txt.gz"),
        ("a?c", "abc", "ac"),
        ("[a-c]x", "bx", "dx"),
        ("[^a]x", "bx", "ax"),
        ("a\\*", "a*", "ab"),
        ("a.b*", "a.bc", "axbc"),
        ("[]]", "never", "]"),
    ] {
        let Ok(Some(part)) = Part::read(pattern) else {
            assert_eq!(pattern, "[]]", "only the empty class is refused");
            continue;
        };
        assert!(part.matches(matching) && !part.matches(other), "{pattern}");
    }
    assert!(Part::read("plain.name").unwrap().is_none());
    for broken in ["[", "[a", "a\\", "[]"] {
        assert!(Part::read(broken).is_err(), "{broken}");
    }
}

#[test]
fn the_last_rule_decides() {
    let ignore = Ignore::read(
        "# a comment\n*.log\n/build/\n**/cache\nsecret\n!secret/open.txt\ndocs/**\n!docs/**/keep.md\n  ./spaced  \n",
    )
    .unwrap();
    for (path, ignored) in [
        ("a.log", true),
        ("deep/a.log", false),
        ("build", true),
        ("build/x/y", true),
        ("src/build", false),
        ("cache", true),
        ("a/b/cache/c", true),
        ("secret/key", true),
        ("secret/open.txt", false),
        ("docs/a/b.md", true),
        ("docs/a/keep.md", false),
        ("docs/keep.md", false),
        ("spaced", true),
        ("other", false),
    ] {
        assert_eq!(ignore.ignores(path), ignored, "{path}");
    }
    assert!(ignore.has_exceptions());
    assert!(!Ignore::default().ignores("anything"));
}

#[test]
fn the_number_of_rules_is_limited() {
    assert!(Ignore::read(&"a\n".repeat(IGNORE_PATTERN_LIMIT)).is_ok());
    assert!(Ignore::read(&"a\n".repeat(IGNORE_PATTERN_LIMIT + 1)).is_err());
}
