//! Exports as CUE v0.16.1 writes them.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::get_unwrap,
    reason = "a test that cannot go on should say where"
)]

use super::{Plain, base64};
use crate::instance::Instance;
use crate::limits::Limits;
use crate::policy::PolicyFile;

fn plain(source: &str) -> Result<Plain, String> {
    let files = [PolicyFile { name: "in.cue", source }];
    let instance = Instance::compile(&files, &Limits::default()).map_err(|errors| errors.to_string())?;
    instance
        .evaluate(None, |evaluation| Plain::read(evaluation.root()).map_err(|errors| errors.to_string()))
        .map_err(|errors| errors.to_string())?
}

#[test]
fn json_keeps_order_spelling_and_escapes() {
    let value =
        plain("b: [1, 1.50, 1e3]\na: {x: \"<\\n\\u2028\", y: '\\x01\\x02'}\n#D: 1\n_h: 2\no?: 3\n").unwrap();
    let expected = concat!(
        "{\n    \"b\": [\n        1,\n        1.50,\n        1E+3\n    ],\n",
        "    \"a\": {\n        \"x\": \"<\\n\\u2028\",\n        \"y\": \"AQI=\"\n    }\n}\n"
    );
    assert_eq!(value.to_json(false), expected);
    assert!(value.to_json(true).contains("\\u003c"));
}

#[test]
fn what_is_not_concrete_is_no_export() {
    assert_eq!(plain("a: string\n"), Err("a: incomplete value string".into()));
    assert_eq!(plain("a: *1 | int\n").unwrap().to_json(false), "{\n    \"a\": 1\n}\n");
}

#[test]
fn yaml_quotes_what_would_be_read_otherwise() {
    let source = concat!(
        "a: \"yes\"\nb: \"1.5\"\nc: \"x: y\"\nd: \"\"\ne: \"one\\ntwo\\n\"\nf: [{g: 1, h: []}, [2, 3]]\n",
        "i: \"2020-01-02\"\nj: \"- x\"\nk: \"a\\tb\"\nl: {}\nm: \"plain text\"\nn: null\n\"y\": \"#c\"\n"
    );
    let expected = concat!(
        "a: \"yes\"\nb: \"1.5\"\nc: 'x: y'\nd: \"\"\ne: |\n  one\n  two\n\"f\":\n  - g: 1\n    h: []\n  - - 2\n    - 3\n",
        "i: \"2020-01-02\"\nj: '- x'\nk: \"a\\tb\"\nl: {}\nm: plain text\n\"n\": null\n\"y\": '#c'\n"
    );
    assert_eq!(plain(source).unwrap().to_yaml(), expected);
}

#[test]
fn base64_has_padding() {
    for (bytes, text) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg==")] {
        assert_eq!(base64(bytes.as_bytes()), text);
    }
}
