//! Tables of texts before and after.

use serde_json::json;

use super::*;

fn table() -> Table {
    let mut table = Table::default();
    table.value("params", "x", &ParamValue::String("X".into()));
    table.value("params", "a.b", &ParamValue::String("AB".into()));
    table.value("params", "list", &ParamValue::Array(vec!["one".into(), "two".into()]));
    table.value("params", "none", &ParamValue::Array(vec![]));
    table.value("params", "obj", &ParamValue::from(json!({"url": "u", "rev": "r"})));
    table.value("params", "refers", &ParamValue::String("$(params.x)$(results.r.path)".into()));
    table.text("context.taskRun.name", "run-1");
    table.named("results", "r", ".path", "/tekton/results/r");
    table
}

#[test]
fn texts() {
    let cases = [
        ("plain", "plain"),
        ("$(params.x)", "X"),
        ("$(params[\"x\"])-$(params['x'])", "X-X"),
        ("$(params['a.b']) $(params.a.b)", "AB AB"),
        ("$(params.list[0])$(params.list[1])", "onetwo"),
        ("$(params['list'][1])", "two"),
        ("$(params.obj.url)@$(params.obj.rev)", "u@r"),
        (
            "$(results.r.path) $(results['r'].path) $(results[\"r\"].path)",
            "/tekton/results/r /tekton/results/r /tekton/results/r",
        ),
        ("$(context.taskRun.name)", "run-1"),
        // one pass: what came in stays
        ("$(params.refers)", "$(params.x)$(results.r.path)"),
        // unknown and malformed ones stay
        ("$(params.y) $(date) $(", "$(params.y) $(date) $("),
        ("$(echo $(params.x))", "$(echo X)"),
        ("$$(params.x)", "$X"),
        ("$(params.list[*])", "$(params.list[*])"),
        ("$(params.x", "$(params.x"),
        ("é$(params.x)é", "éXé"),
    ];
    for (before, after) in cases {
        assert_eq!(table().in_text(before).unwrap(), after, "{before}");
    }
}

#[test]
fn lists_and_values() {
    let strings = |items: &[&str]| items.iter().map(|&item| item.to_owned()).collect::<Vec<_>>();
    assert_eq!(
        table().in_list(&strings(&[
            "-a",
            "$(params.list[*])",
            "$(params.x)",
            "$(params['list'][*])",
            "$(params.none[*])"
        ])),
        Ok(strings(&["-a", "one", "two", "X", "one", "two"]))
    );
    let value = |json: Value| table().in_param(&ParamValue::from(json)).unwrap().to_json();
    assert_eq!(value(json!("$(params.list[*])")), json!(["one", "two"]));
    assert_eq!(value(json!("$(params.obj[*])")), json!({"url": "u", "rev": "r"}));
    assert_eq!(value(json!("a $(params.list[*])")), json!("a $(params.list[*])"));
    assert_eq!(value(json!({"k": "$(params.x)"})), json!({"k": "X"}));
    let tree = json!({"args": ["$(params.list[*])"], "value": "$(params.list[*])", "n": 3});
    assert_eq!(
        table().in_tree(&tree, true).unwrap(),
        json!({"args": ["one", "two"], "value": ["one", "two"], "n": 3})
    );
    assert_eq!(
        table().in_tree(&tree, false).unwrap(),
        json!({"args": ["one", "two"], "value": "$(params.list[*])", "n": 3})
    );
}

#[test]
fn an_index_beyond_the_end_is_an_error() {
    let error = table().in_text("$(params.list[2])").unwrap_err();
    assert_eq!(error.to_string(), "$(params.list[2]): expected an index below 2");
}

#[test]
fn the_limit_is_reached() {
    let mut table = Table::default();
    table.text("params.big", "x".repeat(1024 * 1024));
    assert_eq!(table.in_text(&"$(params.big)".repeat(15)).map(|text| text.len()), Ok(15 * 1024 * 1024));
    assert_eq!(table.in_text(&"$(params.big)".repeat(17)), Err(SubstituteError::TooLarge));
    let environment = [("A".to_owned(), "x".repeat(1024 * 1024))].into();
    assert_eq!(environment_in(&"$(A)".repeat(17), &environment), Err(SubstituteError::TooLarge));
    let list = vec!["$(params.big)".to_owned(); 17];
    assert_eq!(table.in_list(&list), Err(SubstituteError::TooLarge));
    assert_eq!(table.in_tree(&json!([list]), false), Err(SubstituteError::TooLarge));
}

#[test]
fn unknown_variables_are_found() {
    let unknown = |text| table().unknown(text, &["params", "workspaces"]).map(str::to_owned);
    assert_eq!(unknown("$(params.x) $(params.list[*]) $(params.list) $(other.y) $(params.list[7])"), None);
    assert_eq!(unknown("$(params.x)$(params.y)"), Some("params.y".to_owned()));
    assert_eq!(unknown("$(workspaces['w'].path)"), Some("workspaces['w'].path".to_owned()));
    assert_eq!(unknown("$(paramsx.y)"), None);
}

#[test]
fn result_references() {
    let cases = [
        ("tasks.a.results.r", Some(("a", "r"))),
        ("tasks.a.results.r[*]", Some(("a", "r"))),
        ("tasks.a.results.r[1]", Some(("a", "r"))),
        ("tasks.a.results.r.key", Some(("a", "r"))),
        ("tasks.a.results['r.s']", Some(("a", "r.s"))),
        ("tasks.a.results[\"r.s\"][0]", Some(("a", "r.s"))),
        ("tasks.a.status", None),
        ("tasks.a.results", None),
        ("tasks.a.results.", None),
        ("params.tasks", None),
    ];
    for (inner, expected) in cases {
        assert_eq!(result_reference(inner), expected, "{inner}");
    }
}

#[test]
fn kubernetes_pass() {
    let environment = [("A".to_owned(), "1".to_owned())].into();
    let cases = [
        ("$(A)$(B)", "1$(B)"),
        ("$$(A)", "$(A)"),
        ("$A ${A} $", "$A ${A} $"),
        ("$$$(A)", "$1"),
        ("$(A", "$(A"),
    ];
    for (before, after) in cases {
        assert_eq!(environment_in(before, &environment).unwrap(), after, "{before}");
    }
}
