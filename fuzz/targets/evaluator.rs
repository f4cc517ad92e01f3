//! A policy and a document, parted by a zero byte: evaluator, builtins and both readings of absent fields.
#![no_main]

use libfuzzer_sys::fuzz_target;
use provost_cue::{Absent, Data, Policy, PolicyFile};
use provost_fuzz::limits;

fuzz_target!(|bytes: &[u8]| {
    let limits = limits();
    let mut parts = bytes.splitn(2, |byte| *byte == 0);
    let source = String::from_utf8_lossy(parts.next().unwrap_or_default()).into_owned();
    let document = parts.next().unwrap_or(b"{}");
    let file = PolicyFile { name: "fuzz.cue", source: &source };
    let Ok(policy) = Policy::prepare(&[file], &limits) else { return };
    let Ok(data) = Data::from_json(document, &limits) else { return };
    let refused = policy.check(&data, Absent::Refuse).is_err();
    let strict = !refused;
    // The strict reading passes nothing that the other refuses; a limit may end either.
    if strict && let Err(errors) = policy.check(&data, Absent::Allow) {
        let limit = errors.to_string().contains("limit reached");
        assert!(limit, "passes strictly and is refused otherwise: {errors}");
    }
});
