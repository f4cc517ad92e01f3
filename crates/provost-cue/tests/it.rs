//! Policies against documents: the probes recorded from CUE v0.16.1, and our own cases.
#![expect(clippy::expect_used, clippy::panic, reason = "a test says what is wrong by failing")]

use provost_cue::{Absent, Data, Limits, Policy, PolicyFile};

/// What a policy and a document come to: the text of the refusal, or none.
fn judge(policy: &[(&str, &str)], data: &str, absent: Absent, limits: &Limits) -> Option<String> {
    let files: Vec<_> = policy.iter().map(|(name, source)| PolicyFile { name, source }).collect();
    let result = Policy::prepare(&files, limits).and_then(|policy| {
        let data = Data::from_json(data.as_bytes(), limits)?;
        policy.check(&data, absent)
    });
    result.err().map(|errors| errors.to_string())
}

#[derive(serde::Deserialize)]
struct Probes {
    data: String,
    cases: Vec<Probe>,
}

#[derive(serde::Deserialize)]
struct Probe {
    name: String,
    policy: String,
    pass: bool,
    message: Option<String>,
}

/// Probes whose text is not CUE's own; the list may only shrink.
const OTHER_TEXT: [&str; 0] = [];

#[test]
fn probes_of_cue_0_16() {
    let text = include_str!("../../../corpus/cue/probes.json");
    let probes: Probes = serde_json::from_str(text).expect("the probes are JSON");
    let mut wrong = Vec::new();
    for probe in &probes.cases {
        let ours = judge(&[("policy.cue", &probe.policy)], &probes.data, Absent::Allow, &Limits::default());
        let same_text = ours == probe.message || OTHER_TEXT.contains(&&*probe.name);
        if ours.is_none() != probe.pass || !same_text {
            wrong.push(format!(
                "{}: {}\n  want {:?}\n  have {ours:?}",
                probe.name, probe.policy, probe.message
            ));
        }
    }
    assert!(wrong.is_empty(), "{} of {} differ:\n{}", wrong.len(), probes.cases.len(), wrong.join("\n"));
}
