//! The README's commands, run line by line as a reader would type them.

use crate::context::Context;

const README: &str = include_str!("../../../../README.md");

/// The lines of the `sh` block below this heading.
fn block(heading: &str) -> String {
    let section = README.split(heading).nth(1).unwrap_or_else(|| panic!("README has no {heading}"));
    section.split("```sh\n").nth(1).unwrap().split("```").next().unwrap().to_owned()
}

#[test]
fn the_steps_by_hand_hold() {
    let context = Context::new();
    let stderr = context.typed(&block("## By hand"), &[]);
    assert!(stderr.contains("The signatures were verified against the specified public key"), "{stderr}");
}

#[test]
fn the_first_commands_are_the_two_that_ci_runs() {
    assert_eq!(block("## Two commands"), "cargo run --release -- demo\ncargo test\n");
}
