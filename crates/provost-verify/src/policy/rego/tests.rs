//! The guide's policy, and the answers that are no `true`.

use super::*;

const GUIDE: &str = r#"package signature

default allow = false

allowed_builder_id = "https://alauda.io/builders/tekton/v1"

allow {
  input.predicate.builder.id == allowed_builder_id
}

deny[msg] {
  input.predicate.builder.id != allowed_builder_id
  msg := sprintf("unexpected builder.id: %v", [input.predicate.builder.id])
}
"#;

fn judge(source: &str, input: &str) -> RegoOutcome {
    RegoPolicy::prepare(&[("a.rego".into(), source.into())]).unwrap().judge(input.as_bytes())
}

#[test]
fn the_guides_policy_passes_and_fails() {
    assert_eq!(
        judge(GUIDE, r#"{"predicate":{"builder":{"id":"https://alauda.io/builders/tekton/v1"}}}"#),
        RegoOutcome::Allowed
    );
    assert_eq!(
        judge(GUIDE, r#"{"predicate":{"builder":{"id":"other"}}}"#),
        RegoOutcome::Value("false".into())
    );
    assert_eq!(judge(GUIDE, "{}"), RegoOutcome::Value("false".into()));
}

#[test]
fn anything_but_true_is_no_pass() {
    let cases = [
        ("package signature\nallow = x { x := [1, \"a\", null, true] }", "[1 a <nil> true]"),
        ("package signature\nallow = x { x := {\"b\": 1.5, \"a\": [1]} }", "map[a:[1] b:1.5]"),
        ("package signature\nallow = \"yes\"", "yes"),
    ];
    for (source, shown) in cases {
        assert_eq!(judge(source, "{}"), RegoOutcome::Value(shown.into()), "{source}");
    }
    assert_eq!(judge("package other\nallow = true", "{}"), RegoOutcome::Undefined);
    assert_eq!(judge("package signature\nallow { input.x }", "{}"), RegoOutcome::Undefined);
}

#[test]
fn the_network_is_no_builtin() {
    let outcome = judge(
        "package signature\nallow { not http.send({\"method\":\"get\",\"url\":\"http://127.0.0.1:1\"}).x }",
        "{}",
    );
    assert!(matches!(outcome, RegoOutcome::Failed(_)), "{outcome:?}");
}

#[test]
fn broken_policies_name_their_file() {
    let error = RegoPolicy::prepare(&[("b.rego".into(), "package signature\nallow {".into())]).err().unwrap();
    assert!(matches!(&error, RegoError::Syntax { file, .. } if file == "b.rego"), "{error}");
    let source = "package signature\nallow if { true }".into();
    let error = RegoPolicy::prepare(&[("c.rego".into(), source)]).err().unwrap();
    assert_eq!(error.to_string(), "c.rego:2: rego_parse_error: var cannot be used for rule name");
}

#[test]
fn builtins_regorus_lacks_are_there() {
    assert_eq!(
        judge("package signature\nallow { re_match(\"v1$\", \"builders/v1\") }", "{}"),
        RegoOutcome::Allowed
    );
    let hash = "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb";
    let source = format!("package signature\nallow {{ crypto.sha256(\"a\") == \"{hash}\" }}");
    assert_eq!(judge(&source, "{}"), RegoOutcome::Allowed);
    let broken = judge("package signature\nallow { not re_match(\"(\", \"a\") }", "{}");
    assert!(matches!(broken, RegoOutcome::Failed(_)), "{broken:?}");
}
