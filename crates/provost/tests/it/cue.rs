//! `provost cue check`: what it passes, what it refuses and where it says so.

use crate::context::Context;

#[test]
fn check_refuses_with_the_reason_on_standard_error() {
    let context = Context::new();
    context.write("data.json", r#"{"predicate":{"builder":{"id":"https://b/v1"}}}"#);
    context.write("good.cue", "predicate: builder: id: =~\"^https://b/\"\n");
    context.write("bad.cue", "predicate: builder: id: \"https://b/v2\"\n");
    context.write("more.cue", "predicate: runDetails: builder: id: string\n");
    let good = context.run(&["cue", "check", "--data", "data.json", "good.cue"]);
    assert_eq!((good.exit, good.stdout.as_str(), good.stderr.as_str()), (0, "", ""));
    let bad = context.run(&["cue", "check", "--data", "data.json", "good.cue", "bad.cue"]);
    let text = "predicate.builder.id: conflicting values \"https://b/v1\" and \"https://b/v2\"\n";
    assert_eq!((bad.exit, bad.stdout.as_str(), bad.stderr.as_str()), (1, "", text));
    let absent = context.run(&["cue", "check", "--data", "data.json", "more.cue"]);
    let text = "predicate.runDetails.builder.id: field is required but not present\n";
    assert_eq!((absent.exit, absent.stderr.as_str()), (1, text));
    let allowed = context.run(&["cue", "check", "--absent=allow", "--data", "data.json", "more.cue"]);
    assert_eq!((allowed.exit, allowed.stderr.as_str()), (0, ""));
}

#[test]
fn check_names_the_file_that_cannot_be_read() {
    let context = Context::new();
    context.write("data.json", "{}");
    let told = context.run(&["cue", "check", "--data", "data.json", "none.cue"]);
    assert_eq!(told.exit, 1);
    assert!(told.stderr.starts_with("Error: none.cue: "), "{}", told.stderr);
}
