//! Words of the language in any order: parser, resolver and compiler.
#![no_main]

use libfuzzer_sys::fuzz_target;
use provost_cue::{Instance, PolicyFile};
use provost_fuzz::{limits, spelled};

fuzz_target!(|bytes: &[u8]| {
    let source = spelled(bytes);
    let file = PolicyFile { name: "fuzz.cue", source: &source };
    if let Err(errors) = Instance::compile(&[file], &limits()) {
        assert!(!errors.to_string().is_empty());
    }
});
