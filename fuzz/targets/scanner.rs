//! Any text as a policy: scanner and literals, then whatever follows from what they make of it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use provost_cue::{Instance, PolicyFile};
use provost_fuzz::limits;

fuzz_target!(|bytes: &[u8]| {
    let source = String::from_utf8_lossy(bytes);
    let file = PolicyFile { name: "fuzz.cue", source: &source };
    if let Err(errors) = Instance::compile(&[file], &limits()) {
        assert!(!errors.to_string().is_empty());
    }
});
