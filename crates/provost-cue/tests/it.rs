//! Policies against documents: the probes recorded from CUE v0.16.1, our own cases, and every limit.
#![expect(clippy::expect_used, reason = "a test says what is wrong by failing")]

use std::collections::BTreeMap;

use provost_cue::{Absent, CueErrors, Data, Limits, Policy, PolicyFile, Reason};

fn check(files: &[PolicyFile<'_>], data: &[u8], absent: Absent, limits: &Limits) -> Result<(), CueErrors> {
    Policy::prepare(files, limits)?.check(&Data::from_json(data, limits)?, absent)
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

fn probes() -> Probes {
    serde_json::from_str(include_str!("../../../corpus/cue/probes.json")).expect("the probes are JSON")
}

/// Verdict and text of all 73 probes are CUE's own, which includes that none passes wrongly.
#[test]
fn probes_of_cue_0_16() {
    let probes = probes();
    assert_eq!(probes.cases.len(), 73);
    let mut wrong = Vec::new();
    for probe in &probes.cases {
        let file = PolicyFile { name: "policy.cue", source: &probe.policy };
        let judged = check(&[file], probes.data.as_bytes(), Absent::Allow, &Limits::default());
        let text = judged.err().map(|errors| errors.to_string());
        if text.is_none() != probe.pass || text != probe.message {
            wrong.push(format!(
                "{}: {}\n  want {:?}\n  have {text:?}",
                probe.name, probe.policy, probe.message
            ));
        }
    }
    assert!(wrong.is_empty(), "{} of {} differ:\n{}", wrong.len(), probes.cases.len(), wrong.join("\n"));
}

/// The strict reading only ever refuses more.
#[test]
fn the_strict_reading_passes_nothing_that_cosign_refuses() {
    let probes = probes();
    for probe in probes.cases.iter().filter(|probe| !probe.pass) {
        let file = PolicyFile { name: "policy.cue", source: &probe.policy };
        let judged = check(&[file], probes.data.as_bytes(), Absent::Refuse, &Limits::default());
        let text = judged.err().map(|errors| errors.to_string());
        assert_eq!(text, probe.message, "{}", probe.name);
    }
}

/// One source, or one for each file name.
#[derive(serde::Deserialize)]
#[serde(untagged)]
enum Source {
    One(String),
    Many(BTreeMap<String, String>),
}

#[derive(serde::Deserialize)]
struct Case {
    note: String,
    policy: Source,
    data: Option<String>,
    absent: Option<String>,
    want: Option<String>,
}

#[test]
fn own_cases() {
    let cases: Vec<Case> =
        serde_json::from_str(include_str!("../../../corpus/cue/cases.json")).expect("the cases are JSON");
    let usual = probes().data;
    let mut wrong = Vec::new();
    for case in &cases {
        let files: Vec<_> = match &case.policy {
            Source::One(source) => vec![PolicyFile { name: "p.cue", source }],
            // Handed over in reverse: the order of names must decide, not ours.
            Source::Many(files) => {
                files.iter().rev().map(|(name, source)| PolicyFile { name, source }).collect()
            }
        };
        let absent = match case.absent.as_deref() {
            Some("refuse") => Absent::Refuse,
            _ => Absent::Allow,
        };
        let data = case.data.as_ref().unwrap_or(&usual).as_bytes();
        let text = check(&files, data, absent, &Limits::default()).err().map(|errors| errors.to_string());
        if text != case.want {
            wrong.push(format!("{}:\n  want {:?}\n  have {text:?}", case.note, case.want));
        }
    }
    assert!(wrong.is_empty(), "{} of {} differ:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}

/// The limit that a policy or document runs into: its name, or the text of another end.
fn end(policy: &str, data: &str, limits: &Limits) -> String {
    let file = PolicyFile { name: "p.cue", source: policy };
    match check(&[file], data.as_bytes(), Absent::Refuse, limits) {
        Ok(()) => "pass".into(),
        Err(errors) => match errors.iter().next().map(|error| &error.reason) {
            Some(Reason::Limit { what, .. }) => (*what).into(),
            _ => errors.to_string(),
        },
    }
}

#[test]
fn every_limit_is_reached_and_ends_in_an_error() {
    let usual = Limits::default();
    let nested = |open: &str, close: &str, depth: usize| open.repeat(depth) + "1" + &close.repeat(depth);
    let cases = [
        ("x: _", r#"{"x":1}"#.to_owned(), Limits { data_bytes: 6, ..usual }, "bytes of JSON"),
        ("x: _", nested("[", "]", usual.data_depth + 1), usual, "levels of JSON nesting"),
        ("x: 1 & 1", "{}".into(), Limits { policy_bytes: 7, ..usual }, "bytes of policy"),
        ("x: [for a in [1,2,3] {a}]", "{}".into(), Limits { steps: 20, ..usual }, "steps of evaluation"),
        ("x: [1,2,3,4,5,6,7,8,9]", "{}".into(), Limits { vertices: 8, ..usual }, "vertices"),
        (r#"x: "aaaa" * 3"#, "{}".into(), Limits { text_bytes: 11, ..usual }, "bytes of a computed string"),
        ("x: 1e60000 * 1e60000", "{}".into(), usual, "digits of an exponent"),
        ("x: _\ny: x & 1", r#"{"x":1e999999999}"#.into(), usual, "digits of an exponent"),
        (
            r#"x: =~"\\pL{1000}\\pL{1000}\\pL{1000}""#,
            "{}".into(),
            usual,
            "bytes of a compiled regular expression",
        ),
    ];
    for (policy, data, limits, want) in cases {
        assert_eq!(end(policy, &data, &limits), want, "{policy}");
    }
    for (open, close) in [("{a: ", "}"), ("[", "]"), ("(", ")"), ("-", ""), ("a: ", ""), ("\"\\(", ")\"")] {
        let policy = format!("x: {}", nested(open, close, usual.policy_depth + 1));
        assert_eq!(end(&policy, "{}", &usual), "levels of policy nesting", "{open}");
        // Deeper than what is tried first, and within the limit.
        let policy = format!("x: {}", nested(open, close, usual.policy_depth / 4));
        let prepared = Policy::prepare(&[PolicyFile { name: "p.cue", source: &policy }], &usual);
        assert_eq!(prepared.err().map(|errors| errors.to_string()), None, "{open}");
    }
    let chain: String = (0..usual.eval_depth).map(|n| format!("a{n}: a{} + 1\n", n + 1)).collect();
    assert_eq!(end(&format!("{chain}a{}: 1", usual.eval_depth), "{}", &usual), "levels of evaluation");
    let arms = |name: &str| {
        let arms: Vec<String> = (0..33).map(|n| format!("{{{name}{n}: 1}}")).collect();
        format!("({})", arms.join(" | "))
    };
    let combined = format!("x: {} & {}", arms("a"), arms("b"));
    assert_eq!(end(&combined, "{}", &usual), "arms of disjunctions of one field");
    let sum = format!("x: {}", vec!["1"; 1_002].join(" + "));
    assert_eq!(end(&sum, "{}", &usual), "operators in one expression");
    let path = format!("x: {}y", "y.".repeat(1_001));
    assert_eq!(end(&path, "{}", &usual), "selectors in one expression");
    let groups = format!("x: =~\"{}a{}\"", "(".repeat(252), ")".repeat(252));
    assert!(end(&groups, "{}", &usual).contains("expression nests too deeply"));
}

#[test]
fn what_lies_within_the_limits_is_judged() {
    let usual = Limits::default();
    let deep = "[".repeat(500) + "5" + &"]".repeat(500);
    let document = format!(r#"{{"predicate":{deep}}}"#);
    assert_eq!(end("predicate: _", &document, &usual), "pass");
    // Deeper than what is tried on the caller's own stack.
    let chain: String = (0..100).map(|n| format!("a{n}: a{} + 1\n", n + 1)).collect();
    let chain = format!("{chain}a100: predicate\npredicate: int\n");
    assert_eq!(end(&format!("{chain}a0: 105"), r#"{"predicate":5}"#, &usual), "pass");
    assert!(end(&format!("{chain}a0: 106"), r#"{"predicate":5}"#, &usual).contains("conflicting values"));
    let recursive = "#T: int | [...#T]\npredicate: #T";
    assert_eq!(end(recursive, r#"{"predicate":[[[[5]]]]}"#, &usual), "pass");
    assert!(end(recursive, r#"{"predicate":[[[["5"]]]]}"#, &usual).contains("errors in empty disjunction"));
}

/// One prepared policy judges from several threads at once.
#[test]
fn a_policy_is_shared() {
    let file = PolicyFile { name: "p.cue", source: "predicate: n: >3" };
    let policy = Policy::prepare(&[file], &Limits::default()).expect("the policy holds together");
    std::thread::scope(|scope| {
        for n in 2..6 {
            let policy = &policy;
            scope.spawn(move || {
                let text = format!(r#"{{"predicate":{{"n":{n}}}}}"#);
                let data = Data::from_json(text.as_bytes(), &Limits::default()).expect("it is JSON");
                assert_eq!(policy.check(&data, Absent::Refuse).is_ok(), n > 3);
            });
        }
    });
}

/// Errors are data before they are text.
#[test]
fn errors_name_what_was_expected_found_and_where() {
    let file = PolicyFile { name: "p.cue", source: "// no builder\npredicate: builder: id: 1/0" };
    let errors = Policy::prepare(&[file], &Limits::default()).expect_err("it divides by zero");
    let error = errors.iter().next().expect("there is one");
    assert_eq!((error.path.as_str(), &error.reason), ("predicate.builder.id", &Reason::DivisionByZero));

    let file = PolicyFile { name: "p.cue", source: "predicate: n: <5" };
    let errors = check(&[file], br#"{"predicate":{"n":5}}"#, Absent::Refuse, &Limits::default());
    let errors = errors.expect_err("5 is not below 5");
    let error = errors.iter().next().expect("there is one");
    assert_eq!((error.found(), error.expected()), (Some("5"), Some("<5")));

    let file = PolicyFile { name: "p.cue", source: "x: 1\ny: [nope]" };
    let errors = Policy::prepare(&[file], &Limits::default()).expect_err("the name is not declared");
    let position = errors.iter().next().and_then(|error| error.positions.first()).map(ToString::to_string);
    assert_eq!(position.as_deref(), Some("p.cue:2:5"));
}
