//! Runs the corpus: what Kyverno answered to expressions, and our own tables of functions and operators.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on should say where"
)]

use std::cell::Cell;
use std::path::PathBuf;

use provost_expr::context::{Origin, Roots};
use provost_expr::environment::{Clock, Environment, Random};
use provost_expr::go_time::Instant;
use provost_expr::operators::Operator;
use provost_expr::{Expression, variables};
use serde_json::{Value, json};

struct Noon;

impl Clock for Noon {
    fn now(&self) -> Instant {
        Instant::parse_rfc3339("2026-11-22T12:00:00+01:00").unwrap()
    }
}

/// Counts up, so that every choice of a pattern comes up.
struct Counter(Cell<u32>);

impl Random for Counter {
    fn below(&self, bound: u32) -> u32 {
        self.0.set(self.0.get().wrapping_add(7));
        self.0.get() % bound.max(1)
    }
}

fn corpus(name: &str) -> Value {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../corpus").join(name);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    serde_json::from_str(&text).unwrap()
}

fn cases(document: &Value) -> &Vec<Value> {
    document["cases"].as_array().unwrap()
}

/// Equality of JSON in which 1 and 1.0 are one number.
fn same(left: &Value, right: &Value) -> bool {
    provost_expr::go_text::to_json(left) == provost_expr::go_text::to_json(right)
}

fn report(failures: &[String], all: usize) {
    assert!(all > 0, "no cases");
    assert!(failures.is_empty(), "{} of {all} differ:\n{}", failures.len(), failures.join("\n"));
}

/// Searches one expression; an `Err` holds the printed reason.
fn search(expression: &str, input: &Value) -> Result<Value, String> {
    let counter = Counter(Cell::new(0));
    let environment = Environment { clock: Some(&Noon), random: Some(&counter), ..Environment::default() };
    let parsed = Expression::parse(expression).map_err(|e| e.to_string())?;
    parsed.search(input, &environment).map_err(|e| e.to_string())
}

#[test]
fn expressions_as_kyverno_answered_them() {
    let document = corpus("jmespath/recorded.json");
    let mut failures = Vec::new();
    for case in cases(&document) {
        let expression = case["expr"].as_str().unwrap();
        let found = search(expression, &document["input"]);
        let good = match &found {
            Ok(value) => case["ok"] == true && same(value, &case["value"]),
            Err(_) => case["ok"] == false,
        };
        if !good {
            failures.push(format!("{expression}: wanted {case}, found {found:?}"));
        }
    }
    report(&failures, cases(&document).len());
}

/// The recorded error texts, but for the few that Go's own internals word.
#[test]
fn error_texts_as_kyverno_words_them() {
    let document = corpus("jmespath/recorded.json");
    // The peer's unfilled format verbs, a Go-ordered map, and a lexer that stops earlier.
    let ours = ["round(f,`-1`)", "sort(objs)"];
    let mut failures = Vec::new();
    let mut all = 0;
    for case in cases(&document) {
        let expression = case["expr"].as_str().unwrap();
        let Some(wanted) = case["error"].as_str() else { continue };
        if ours.contains(&expression) {
            continue;
        }
        all += 1;
        let found = search(expression, &document["input"]).unwrap_err();
        if !wanted.ends_with(&format!(": {found}")) {
            failures.push(format!("{expression}: wanted {wanted}, found {found}"));
        }
    }
    report(&failures, all);
}

/// Own cases: `expr`, and `value`, `error` (the text) or `fails` (any text), over the file's `input`.
fn run_expressions(name: &str) {
    let document = corpus(name);
    let mut failures = Vec::new();
    for case in cases(&document) {
        let found = search(case["expr"].as_str().unwrap(), &document["input"]);
        let good = match (&found, case.get("error").and_then(Value::as_str)) {
            (Ok(value), None) => case.get("value").is_some_and(|wanted| same(value, wanted)),
            (Err(text), Some(wanted)) => text == wanted,
            (Err(_), None) => case["fails"] == true,
            (Ok(_), Some(_)) => false,
        };
        if !good {
            failures.push(format!("{case}: found {found:?}"));
        }
    }
    report(&failures, cases(&document).len());
}

/// Patterns, each with those of the file's `texts` that it matches, or `error` for one that is refused.
fn run_patterns(name: &str, function: &str) {
    let document = corpus(name);
    let mut failures = Vec::new();
    for case in cases(&document) {
        for text in document["texts"].as_array().unwrap() {
            let input = json!({"p": case["pattern"], "t": text});
            let found = search(&format!("{function}(p, t)"), &input);
            let good = match (&found, case["matches"].as_array()) {
                (Ok(found), Some(matches)) => *found == matches.contains(text),
                (Err(_), None) => true,
                _ => false,
            };
            if !good {
                failures.push(format!("{} on {text}: found {found:?}", case["pattern"]));
                break;
            }
        }
    }
    report(&failures, cases(&document).len());
}

#[test]
fn regular_expressions() {
    run_patterns("expr/regexes.json", "regex_match");
}

#[test]
fn wildcards() {
    run_patterns("expr/wildcards.json", "pattern_match");
}

/// Certificates and requests, with the fields Go shows of them.
#[test]
fn certificates() {
    let document = corpus("expr/certificates.json");
    let mut failures = Vec::new();
    for case in cases(&document) {
        let found = search("x509_decode(@)", &case["pem"]);
        let names = case["value"].as_object().unwrap().keys();
        let found = found.unwrap_or_else(|error| panic!("{}: {error}", case["name"]));
        for name in names.chain(found.as_object().unwrap().keys()) {
            let (wanted, found) = (case["value"].get(name), found.get(name));
            // The corpus holds the number as Go writes it, which reading it as JSON would round once more.
            let good = match (wanted, found) {
                (Some(Value::String(wanted)), Some(found @ Value::Number(_))) => {
                    provost_expr::go_text::to_json(found) == *wanted
                }
                (Some(wanted), Some(found)) => same(wanted, found),
                _ => false,
            };
            if !good {
                failures.push(format!("{} {name}: wanted {wanted:?}, found {found:?}", case["name"]));
            }
        }
    }
    report(&failures, cases(&document).len());
}

/// What the dialect answers otherwise than JMESPath's own suite, besides naming keys it does not know: nothing is no
/// average and no sum, a backslash in a raw text is no text of its own, and a slice may have too many colons.
const OTHERWISE: [&str; 4] = ["avg(empty_list)", "sum(`[]`)", r"'\\'", "[:::]"];

/// The public compliance suite of JMESPath, of which a copy is looked for where `JMESPATH_TESTS` says. It is no part of
/// this project; docs/adr/0014-jmespath-suite.md has the figures.
#[test]
#[ignore = "needs JMESPATH_TESTS=FOLDER, a copy of the public suite's tests"]
fn the_public_suite() {
    let folder = std::env::var_os("JMESPATH_TESTS").unwrap_or_else(|| panic!("JMESPATH_TESTS is not set"));
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|end| end == "json"));
    let (mut applies, mut otherwise, mut unknown, mut failures) = (0, 0, 0, Vec::new());
    for file in files {
        let name = file.file_stem().unwrap().to_string_lossy().into_owned();
        let sets: Value = serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
        let of_set = |set: &Value| {
            let cases = set["cases"].as_array().unwrap().clone();
            cases.into_iter().map(|case| (set["given"].clone(), case)).collect::<Vec<_>>()
        };
        for (given, case) in sets.as_array().unwrap().iter().flat_map(of_set) {
            let expression = case["expression"].as_str().unwrap();
            // Benchmarks want no answer.
            if case.get("bench").is_some() {
                continue;
            }
            let found = search(expression, &given);
            let good = match (&found, case.get("result")) {
                (Ok(found), Some(wanted)) => same(found, wanted),
                (Err(error), Some(Value::Null)) if error.starts_with("Unknown key") => {
                    unknown += 1;
                    continue;
                }
                (Err(_), None) => true,
                _ => false,
            };
            if OTHERWISE.contains(&expression) && !good {
                otherwise += 1;
                continue;
            }
            applies += 1;
            if !good {
                failures.push(format!("{name}: {expression}: wanted {case}, found {found:?}"));
            }
        }
    }
    report(&failures, applies);
    assert_eq!((applies, unknown, otherwise), (870, 18, 4), "the figures of the ADR");
}

#[test]
fn functions() {
    run_expressions("expr/functions.json");
}

#[test]
fn every_function_is_in_the_table() {
    let tables = corpus("expr/functions.json").to_string() + &corpus("expr/grammar.json").to_string();
    let missing: Vec<_> = provost_expr::jmespath::signatures()
        .map(|signature| signature.name)
        .filter(|name| !tables.contains(&format!("{name}(")))
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn grammar() {
    run_expressions("expr/grammar.json");
}

/// Every operator of the file on every pair of `key` and `value`: those in `holds` hold, those in `errors` fail.
#[test]
fn operators() {
    let document = corpus("expr/operators.json");
    let mut failures = Vec::new();
    let names = document["operators"].as_array().unwrap();
    for case in cases(&document) {
        for name in names {
            let operator = Operator::parse(name.as_str().unwrap()).unwrap();
            let found = operator.holds(&case["key"], &case["value"]);
            let good = match (&found, case["errors"].get(name.as_str().unwrap())) {
                (Ok(found), None) => *found == case["holds"].as_array().unwrap().contains(name),
                (Err(error), Some(wanted)) => error.to_string() == *wanted,
                _ => false,
            };
            if !good {
                failures.push(format!("{case} {name}: found {found:?}"));
            }
        }
    }
    report(&failures, cases(&document).len());
}

/// Substitution: `document` over `policy` roots and `foreign` roots gives `value` or `error`.
#[test]
fn substitution() {
    let document = corpus("expr/variables.json");
    let mut failures = Vec::new();
    for case in cases(&document) {
        let mut roots = Roots::new();
        for (field, origin) in [("policy", Origin::Policy), ("foreign", Origin::Foreign)] {
            let given = case.get(field).or_else(|| document.get(field)).and_then(Value::as_object);
            for (name, value) in given.into_iter().flatten() {
                roots.set(name, value.clone(), origin);
            }
        }
        let found = variables::substitute(&case["document"], &roots, &Environment::default());
        let good = match (&found, case.get("error").and_then(Value::as_str)) {
            (Ok(value), None) => same(value, &case["value"]),
            (Err(error), Some(wanted)) => error.to_string() == wanted,
            _ => false,
        };
        if !good {
            failures.push(format!("{case}: found {found:?}"));
        }
    }
    report(&failures, cases(&document).len());
}
