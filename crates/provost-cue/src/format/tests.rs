//! Formatting as CUE v0.16.1 does it.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::get_unwrap,
    reason = "a test that cannot go on should say where"
)]

use super::format;
use crate::limits::Limits;

fn formatted(source: &str) -> String {
    format("in.cue", source, &Limits::default()).unwrap()
}

#[test]
fn spacing_alignment_and_commas_are_made_uniform() {
    let source = "package   x\nimport \"strings\"\na:1\nlong:   \"b\" // c\n\n\n\nd: {e:1,f:[1,2 ,\n3]}\nx: a+1*2|  \"b\"&c\n";
    let expected = concat!(
        "package x\n\nimport \"strings\"\n\na:    1\nlong: \"b\" // c\n\n",
        "d: {e: 1, f: [1, 2,\n\t3]}\nx: a+1*2 | \"b\" & c\n"
    );
    assert_eq!(formatted(source), expected);
}

#[test]
fn what_is_formatted_stays_as_it_is() {
    let source = concat!(
        "// A comment.\na: {\n\t// Another.\n\tb: 1\n\n\tc: [\n\t\t1,\n\t\t2, // two\n\t]\n}\n",
        "let X = 5\nfor k, v in a if k != \"b\" {\n\t\"\\(k)\": v + X\n}\n"
    );
    assert_eq!(formatted(source), source);
}
