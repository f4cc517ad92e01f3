//! Every flag of cosign 3.1.2, those it hides included, is known to the same verb here: read, or refused by name.

use std::collections::BTreeMap;

use crate::context::Context;

#[test]
fn no_flag_of_cosigns_is_unknown() {
    let flags: BTreeMap<String, Vec<String>> =
        serde_json::from_str(include_str!("../../../../corpus/cosign-flags.json")).unwrap();
    assert!(flags.len() > 30, "one entry a verb");
    let context = Context::new();
    for (verb, flags) in &flags {
        // Flags are read in order, so the first unknown one is named; nothing runs, for the last is one.
        let mut arguments: Vec<String> = verb.split(' ').map(str::to_owned).collect();
        arguments.extend(flags.iter().map(|flag| format!("--{flag}=1")));
        arguments.push("--no-such-flag".to_owned());
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let told = context.run(&arguments);
        assert_eq!(told.exit, 1, "{verb} {told:?}");
        assert!(told.stderr.contains("Error: unknown flag: --no-such-flag\n"), "{verb} {told:?}");
    }
}
