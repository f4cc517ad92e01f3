//! Limits of expressions, laziness, and where a value is said to come from; answers are tested by the corpus.

use std::cell::RefCell;

use serde_json::{Value, json};

use super::{Expression, JmesError, MAX_DEPTH, MAX_EXPRESSION, signatures};
use crate::context::{Lookup, LookupError, Origin, Root, Roots};
use crate::environment::Environment;

fn search(expression: &str, input: &Value) -> Result<Value, JmesError> {
    Expression::parse(expression)?.search(input, &Environment::default())
}

#[test]
fn deep_expressions_are_refused_not_followed() {
    for (open, close) in
        [("(", ")"), ("!", ""), ("[", "]"), ("abs(", ")"), ("{a: ", "}"), ("a[?", "]"), ("& ", "")]
    {
        let deep = open.repeat(100_000 / open.len()) + "a" + &close.repeat(100_000 / open.len());
        assert_eq!(Expression::parse(&deep).unwrap_err(), JmesError::TooDeep, "{open}");
    }
    for link in [".a", " || a", " && a", " | a", "[0]", "[]", " == a"] {
        let long = "a".to_owned() + &link.repeat(100_000 / link.len());
        assert_eq!(Expression::parse(&long).unwrap_err(), JmesError::TooDeep, "{link}");
    }
}

#[test]
fn an_expression_as_deep_as_allowed_evaluates() {
    let path = "a".to_owned() + &".a".repeat(MAX_DEPTH - 1);
    let mut document = json!(1);
    for _ in 0..MAX_DEPTH {
        document = json!({ "a": document });
    }
    assert_eq!(search(&path, &document), Ok(json!(1)));
    let nested = "[".repeat(MAX_DEPTH - 1) + "a" + &"]".repeat(MAX_DEPTH - 1);
    assert!(search(&nested, &document).is_ok());
    let calls = "abs(".repeat(MAX_DEPTH - 1) + "`-1`" + &")".repeat(MAX_DEPTH - 1);
    assert_eq!(search(&calls, &json!({})), Ok(json!(1)));
}

#[test]
fn a_long_expression_is_refused() {
    let text = format!("'{}'", "x".repeat(MAX_EXPRESSION));
    assert_eq!(Expression::parse(&text).unwrap_err(), JmesError::TooLong);
}

#[test]
fn work_and_text_are_bounded() {
    let list = json!({ "l": vec![0; 3_000], "t": "x".repeat(100_000) });
    // Each element of the first list copies a list of its own: nine million steps.
    assert_eq!(search("l[*].[`0`] | [*].[length(map(&@, @)), @]", &list).map(|_| ()), Ok(()));
    let squared =
        "map(&[@, `[0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0]`], l) | map(&@, @)";
    assert!(search(squared, &list).is_ok());
    let doubled = "[@, @]".to_owned() + &" | [@, @]".repeat(30);
    assert_eq!(search(&doubled, &list).unwrap_err(), JmesError::TooMuchWork);
    assert_eq!(search("replace_all(t, '', t)", &list).unwrap_err(), JmesError::TextTooLong);
    assert_eq!(search("regex_replace_all('x', t, t)", &list).unwrap_err(), JmesError::TextTooLong);
    assert_eq!(search("regex_match(t, t)", &list).unwrap_err(), JmesError::TooMuchWork);
    assert_eq!(search("pattern_match(t, t)", &list).unwrap_err(), JmesError::TooMuchWork);
    assert_eq!(search("join(t, map(&'y', l))", &list).unwrap_err(), JmesError::TextTooLong);
}

/// Loads each root only when asked, and remembers what was asked for.
struct Lazy {
    asked: RefCell<Vec<String>>,
    value: Value,
}

impl Lookup for Lazy {
    fn root(&self, name: &str) -> Result<Option<Root<'_>>, LookupError> {
        self.asked.borrow_mut().push(name.to_owned());
        if name == "broken" {
            return Err(LookupError { name: name.to_owned(), reason: "no such ConfigMap".to_owned() });
        }
        Ok(Some(Root { value: &self.value, origin: Origin::Foreign }))
    }

    fn names(&self) -> Vec<String> {
        vec!["broken".to_owned(), "one".to_owned()]
    }
}

#[test]
fn only_the_roots_an_expression_names_are_loaded() {
    let lazy = Lazy { asked: RefCell::default(), value: json!({"x": 1}) };
    let environment = Environment::default();
    let found = Expression::parse("one.x || broken").unwrap().search(&lazy, &environment);
    assert_eq!(found, Ok(json!(1)));
    assert_eq!(*lazy.asked.borrow(), ["one"]);
    // A root that cannot be loaded is no missing key: nothing swallows it.
    for expression in ["broken || 'x'", "broken[]", "!broken", "broken == 'x'", "not_null(broken, 'x')", "@"]
    {
        let found = Expression::parse(expression).unwrap().search(&lazy, &environment);
        assert!(matches!(found, Err(JmesError::Context(_))), "{expression}: {found:?}");
    }
}

#[test]
fn projections_swallow_missing_keys_and_nothing_else() {
    let document = json!({"a": {"b": 1}});
    assert_eq!(search("nosuch[]", &document), Ok(Value::Null));
    // Kyverno reads these as null, and a rule is then skipped for a misspelled function; here they stay errors.
    for expression in ["nosuch_fn(a)[]", "nosuch_fn(a).*", "nosuch_fn(a)[?x]", "abs('x')[]"] {
        assert!(search(expression, &document).is_err(), "{expression}");
    }
}

#[test]
fn a_value_is_foreign_as_soon_as_a_foreign_root_was_looked_at() {
    let mut roots = Roots::new();
    roots.set("mine", json!({"k": "v"}), Origin::Policy);
    roots.set("theirs", json!("t"), Origin::Foreign);
    for (expression, origin) in [
        ("mine.k", Origin::Policy),
        ("'x'", Origin::Policy),
        ("theirs", Origin::Foreign),
        ("mine.k || theirs", Origin::Policy),
        ("theirs == 'x' && 'a' || 'b'", Origin::Foreign),
        ("@", Origin::Foreign),
        ("join('', [mine.k, theirs])", Origin::Foreign),
    ] {
        let found = Expression::parse(expression).unwrap().find(&roots, &Environment::default()).unwrap();
        assert_eq!(found.origin, origin, "{expression}");
    }
}

#[test]
fn what_the_environment_does_not_offer_is_an_error() {
    for expression in
        ["time_now()", "time_now_utc()", "random('[a-z]')", "time_since('', '2024-01-01T00:00:00Z', '')"]
    {
        assert!(search(expression, &json!({})).is_err(), "{expression}");
    }
    assert!(search("is_external_url('http://example.com')", &json!({})).is_err());
}

#[test]
fn every_function_is_listed_once_with_its_note() {
    let all: Vec<_> = signatures().collect();
    assert_eq!(all.iter().filter(|s| s.builtin).count(), 25);
    assert_eq!(all.iter().filter(|s| !s.builtin).count(), 51);
    assert!(all.iter().all(|signature| !signature.note.is_empty()));
    assert_eq!(
        all.iter().find(|s| s.name == "regex_match").unwrap().to_string(),
        "regex_match(string, string|number) bool"
    );
}

#[test]
fn the_tree_is_printed_as_the_original_prints_it() {
    let tree = Expression::parse("a[?b == `1`].c").unwrap().tree();
    let lines: Vec<&str> = tree.lines().map(str::trim).collect();
    assert_eq!(lines.first(), Some(&"ASTFilterProjection {"));
    assert!(lines.contains(&"value: tEQ"), "{tree}");
}
