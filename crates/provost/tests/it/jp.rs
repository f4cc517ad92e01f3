//! `provost jp`: what it prints, what it refuses, and with which exit code.

use crate::context::Context;

#[test]
fn query_prints_the_expression_and_its_value() {
    let context = Context::new();
    context.write("in.yaml", "a: [1, 2.0]\nm: {s: \"<x>\"}\n");
    let told = context.run(&["jp", "query", "-i", "in.yaml", "a", "m.s"]);
    assert_eq!((told.exit, told.stdout.as_str()), (0, "# a\n[\n  1,\n  2\n]\n# m.s\n\"\\u003cx\\u003e\"\n"));
    let told = context.run(&["jp", "query", "-i", "in.yaml", "-c", "-u", "m", "m.s"]);
    assert_eq!(told.stdout, "# m\n{\"s\":\"\\u003cx\\u003e\"}\n# m.s\n<x>\n");
    context.write("query", "length(a)");
    assert_eq!(context.run(&["jp", "query", "-i", "in.yaml", "-q", "query"]).stdout, "# length(a)\n2\n");
}

#[test]
fn query_says_in_one_line_why_there_is_no_value() {
    let context = Context::new();
    context.write("in.yaml", "a: 1");
    context.write("broken.yaml", "a: [");
    for (arguments, words) in [
        (
            vec!["-i", "in.yaml", "nosuch"],
            "error evaluating JMESPath expression: Unknown key \"nosuch\" in path",
        ),
        (
            vec!["-i", "in.yaml", "a b"],
            "failed to compile JMESPath: a b, error: SyntaxError: Unexpected token at the end of the expression: \
             tUnquotedIdentifier",
        ),
        (
            vec!["-i", "none.yaml", "a"],
            "failed open file none.yaml: open none.yaml: no such file or directory",
        ),
        (vec![], "at least one query or input object is required"),
    ] {
        let told = context.run(&[vec!["jp", "query"], arguments.clone()].concat());
        assert_eq!((told.exit, told.stderr), (1, format!("Error: {words}\n")), "{arguments:?}");
    }
    let told = context.run(&["jp", "query", "-i", "broken.yaml", "a"]);
    assert!(
        told.exit == 1 && told.stderr.starts_with("Error: error parsing input json: "),
        "{}",
        told.stderr
    );
}

#[test]
fn parse_and_function() {
    let context = Context::new();
    let told = context.run(&["jp", "parse", "a.b"]);
    assert!(
        told.stdout.starts_with("# a.b\nASTSubexpression {\n  children: {\n    ASTField {\n"),
        "{}",
        told.stdout
    );
    let told = context.run(&["jp", "parse", "a["]);
    assert_eq!(
        (told.exit, told.stderr.as_str()),
        (1, "Error: SyntaxError: Expected tStar, received: tEOF\na[\n  ^\n")
    );
    let told = context.run(&["jp", "function", "regex_match"]);
    assert!(
        told.stdout.contains("  Signature: regex_match(string, string|number) bool\n"),
        "{}",
        told.stdout
    );
    assert_eq!(context.run(&["jp", "function"]).stdout.matches("Name: ").count(), 51);
}
