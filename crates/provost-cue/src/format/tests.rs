//! Formatting as CUE v0.16.1 does it.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::get_unwrap,
    reason = "a test that cannot go on should say where"
)]

use super::{definition, format};
use crate::limits::Limits;
use crate::policy::PolicyFile;

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

#[derive(serde::Deserialize)]
struct Defined {
    name: String,
    sources: Vec<String>,
    /// What `cue def` printed; nothing where it refused.
    definition: Option<String>,
}

/// Files whose definition form is written otherwise than CUE's, with the same meaning; one that agrees is taken off.
const APART: [&str; 2] = [
    // CUE evaluates what has no reference in it.
    "operators",
    // CUE evaluates interpolated names.
    "dynamic-names",
];

#[test]
fn definitions_are_printed_as_cue_prints_them() {
    let cases: Vec<Defined> =
        serde_json::from_str(include_str!("../../../../corpus/cue/definition.json")).unwrap();
    let mut wrong = Vec::new();
    let mut told = String::new();
    for case in &cases {
        let Some(expected) = &case.definition else { continue };
        let files: Vec<_> = case.sources.iter().map(|source| PolicyFile { name: "in.cue", source }).collect();
        let found = definition(&files, &Limits::default());
        if found.as_ref().ok() != Some(expected) {
            wrong.push(case.name.as_str());
            told.push_str(&format!(
                "--- {}\n{expected}\n--- found\n{}\n",
                case.name,
                found.unwrap_or_else(|e| e.to_string())
            ));
        }
        // What is printed is CUE, and its definition form is itself.
        let again = definition(&files, &Limits::default()).and_then(|text| {
            definition(&[PolicyFile { name: "again.cue", source: &text }], &Limits::default())
        });
        assert_eq!(again.ok(), definition(&files, &Limits::default()).ok(), "{}", case.name);
    }
    assert_eq!(wrong, APART, "{told}");
}
