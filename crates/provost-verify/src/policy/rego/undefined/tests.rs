//! What is said of policies that do not hold: the first reference that the input lacks.

use super::super::{RegoOutcome, RegoPolicy};

/// What is undefined, with its line.
fn first(source: &str, input: &str) -> Option<(String, usize)> {
    let policy = RegoPolicy::prepare(&[("a.rego".into(), source.into())]).unwrap();
    assert_ne!(policy.judge(input.as_bytes()), RegoOutcome::Allowed, "{source}");
    let found = policy.first_undefined(input.as_bytes())?;
    assert_eq!(found.file, "a.rego");
    Some((found.reference, found.line))
}

const INPUT: &str =
    r#"{"predicate": {"builder": {"id": "b"}, "odd name": 1, "off": false, "materials": [{"uri": "u"}]}}"#;

#[test]
fn the_first_reference_without_a_value_is_named_where_it_ends() {
    for (body, expected) in [
        ("input.predicate.buildType == \"x\"", Some(("input.predicate.buildType", 3))),
        ("input.predicate.a.b.c", Some(("input.predicate.a", 3))),
        ("input.predicate.builder.id == \"x\"", None),
        (
            "input.predicate.builder.id == \"b\"\n  input[\"predicate\"][\"none\"]",
            Some(("input[\"predicate\"][\"none\"]", 4)),
        ),
        ("input.predicate[\"odd name\"] == 2", None),
        // A value of false is a value.
        ("input.predicate.off", None),
        ("input.predicate.materials[_].digest", Some(("input.predicate.materials[_].digest", 3))),
        ("some i; input.predicate.materials[i].uri == \"x\"", None),
        ("input.predicate.materials[1].uri == \"x\"", Some(("input.predicate.materials[1]", 3))),
        // What is said to be absent may be.
        ("not input.predicate.none\n  input.predicate.builder.id == \"x\"", None),
        ("p := input.predicate\n  p.none == 1", Some(("input.predicate.none", 4))),
        ("p := input.predicate.builder.id == \"x\"\n  p", None),
        ("\"input.none\" == input.predicate.builder.id # input.none", None),
        ("data.other.input.none", None),
    ] {
        let source = format!("package signature\nallow {{\n  {body}\n}}\n");
        let found = first(&source, INPUT);
        assert_eq!(found.as_ref().map(|(text, line)| (text.as_str(), *line)), expected, "{body}");
    }
}

#[test]
fn imported_names_lead_to_the_input() {
    let source = "package signature\nimport input.predicate as p\nimport input.predicate.builder\nallow { builder.id == \"b\"; p.none }\n";
    assert_eq!(first(source, INPUT), Some(("input.predicate.none".to_owned(), 4)));
}

#[test]
fn a_policy_of_another_package_lacks_nothing_of_the_input() {
    assert_eq!(first("package other\nallow { input.predicate.builder.id == \"b\" }", INPUT), None);
}

#[test]
fn no_more_references_are_asked_for_than_the_limit() {
    let good = "input.predicate.builder.id == \"b\"\n".repeat(super::MAX_REFERENCES);
    let source = |good: &str| format!("package signature\nallow {{\n{good}input.none\n}}");
    assert_eq!(first(&source(&good), INPUT), None);
    let (_, fewer) = good.split_once('\n').unwrap();
    assert_eq!(first(&source(fewer), INPUT).unwrap().0, "input.none");
}
