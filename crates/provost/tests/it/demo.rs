//! The ten steps, as a newcomer starts them.

use crate::context::Context;

#[test]
fn the_ten_steps_hold() {
    let context = Context::new();
    let told = context.run(&["demo", "--json", "--dir", "demo"]);
    assert_eq!(told.exit, 0, "{}", told.stderr);
    let facts: serde_json::Value = serde_json::from_str(&told.stdout).unwrap();
    assert_eq!(facts["steps"].as_array().unwrap().len(), 10);
    assert_eq!(facts["builder"], "provost");
    assert!(facts["image"].as_str().unwrap().contains("/test/chains/demo-1:latest@sha256:"), "{facts}");
    // What --dir keeps is what the commands need.
    for file in
        ["cosign.key", "cosign.pub", "runs.yaml", "builder.cue", "builder.rego", "policy.yaml", "registry"]
    {
        assert!(context.folder().join("demo").join(file).exists(), "{file}");
    }
}

#[test]
fn a_folder_that_holds_something_is_left_alone() {
    let context = Context::new();
    context.write("demo/mine", "mine");
    let told = context.run(&["demo", "--dir", "demo"]);
    assert_eq!(told.exit, 1);
    assert!(told.stderr.contains("is not empty: expected a new or empty folder"), "{told:?}");
    assert_eq!(std::fs::read_to_string(context.folder().join("demo/mine")).unwrap(), "mine");
}
