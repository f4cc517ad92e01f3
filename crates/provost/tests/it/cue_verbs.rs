//! CUE's verbs on real files: what `vet`, `eval`, `export` and `fmt` print and how they end, as CUE v0.16.1 does.

use crate::context::Context;

/// Exit, standard output and standard error of each command line.
fn tell(context: &Context, lines: &[(&[&str], i32, &str, &str)]) {
    for (arguments, exit, stdout, stderr) in lines {
        let told = context.run(&[&["cue"], *arguments].concat());
        let got = (told.exit, told.stdout.as_str(), told.stderr.as_str());
        assert_eq!(got, (*exit, *stdout, *stderr), "cue {}", arguments.join(" "));
    }
}

#[test]
fn export_writes_each_format() {
    let context = Context::new();
    context.write("a.cue", "b: {c: [1, \"x\"]}\n#D: int\nm: \"one\\ntwo\"\n");
    tell(
        &context,
        &[
            (
                &["export", "a.cue"],
                0,
                concat!(
                    "{\n    \"b\": {\n        \"c\": [\n            1,\n            \"x\"\n        ]\n    },\n",
                    "    \"m\": \"one\\ntwo\"\n}\n"
                ),
                "",
            ),
            (
                &["export", "--out", "yaml", "a.cue"],
                0,
                "b:\n  c:\n    - 1\n    - x\nm: |-\n  one\n  two\n",
                "",
            ),
            (
                &["export", "--out", "cue", "a.cue"],
                0,
                "b: c: [1, \"x\"]\nm: \"\"\"\n\tone\n\ttwo\n\t\"\"\"\n",
                "",
            ),
            (&["export", "-e", "b.c[1]", "--out", "text", "a.cue"], 0, "x\n", ""),
            (&["export", "-e", "len(m)", "-e", "b.c[0]", "a.cue"], 0, "7\n1\n", ""),
            (&["export", "--out", "frob", "a.cue"], 1, "", "unknown filetype frob\n"),
            (&["export", "-o", "out.json", "-e", "b.c", "a.cue"], 0, "", ""),
            (
                &["export", "-o", "out.json", "-e", "b.c", "a.cue"],
                1,
                "",
                "error writing \"out.json\": file already exists\n",
            ),
            (&["export", "--force", "-o", "out.json", "-e", "1", "a.cue"], 0, "", ""),
        ],
    );
    assert_eq!(std::fs::read_to_string(context.folder().join("out.json")).unwrap(), "1\n");
}

#[test]
fn eval_prints_what_is_known() {
    let context = Context::new();
    context.write("a.cue", "a: 1 | *2\nlong: string\n#D: {x?: int, y: a}\n_h: 3\ns: #D\nq: long + \"!\"\n");
    let plain = "a:    2\nlong: string\n#D: {\n    y: 2\n}\ns: {\n    y: 2\n}\nq: long + \"!\"\n";
    let all = "a:    2\nlong: string\n#D: {\n    x?: int\n    y:  2\n}\n_h: 3\ns: {\n    x?: int\n    y:  2\n}\nq: long + \"!\"\n";
    tell(
        &context,
        &[
            (&["eval", "a.cue"], 0, plain, ""),
            (&["eval", "-a", "a.cue"], 0, all, ""),
            (&["eval", "-e", "s.y", "-e", "_h", "a.cue"], 0, "// s.y\n2\n// _h\n3\n", ""),
            (
                &["eval", "none.cue"],
                1,
                "",
                &format!("stat {}/none.cue: no such file or directory\n", folder(&context)),
            ),
        ],
    );
}

fn folder(context: &Context) -> String {
    std::fs::canonicalize(context.folder()).unwrap().to_string_lossy().into_owned()
}

#[test]
fn vet_holds_data_against_a_schema() {
    let context = Context::new();
    context.write("s.cue", "#S: {n!: int, name?: string}\nn?: <10\n");
    context.write("good.json", "{\"n\": 5}");
    context.write("bad.yaml", "n: 50\n");
    context.write("more.yaml", "n: 1\n---\nn: 2\nname: x\n");
    let incomplete = concat!(
        "some instances are incomplete; use the -c flag to show errors or ",
        "-c=false to allow incomplete instances\n"
    );
    context.write("open.cue", "a: int\n");
    tell(
        &context,
        &[
            (&["vet", "s.cue", "good.json"], 0, "", ""),
            (&["vet", "-d", "#S", "s.cue", "good.json", "more.yaml"], 0, "", ""),
            (&["vet", "open.cue"], 1, "", incomplete),
            (&["vet", "-c=false", "open.cue"], 0, "", ""),
            (&["vet", "good.json"], 1, "", "data files specified without a schema\n"),
        ],
    );
    let bad = context.run(&["cue", "vet", "s.cue", "bad.yaml"]);
    assert_eq!(bad.exit, 1);
    assert!(bad.stderr.starts_with("n: invalid value 50 (out of bound <10)"), "{}", bad.stderr);
}

#[test]
fn explain_puts_policy_and_document_side_by_side() {
    let context = Context::new();
    context.write("d.json", "{\n  \"predicate\": {\"id\": \"v1\", \"n\": 5}\n}\n");
    context.write("p.cue", "predicate: id: \"v2\"\npredicate: n: >10\n");
    let exact = "predicate.id: conflicting values \"v1\" and \"v2\"\n";
    let plain = context.run(&["cue", "check", "--data", "d.json", "p.cue"]);
    assert_eq!((plain.exit, plain.stderr.as_str()), (1, exact));
    let told = context.run(&["cue", "check", "--explain", "--data", "d.json", "p.cue"]);
    let text = concat!(
        "predicate.id: conflicting values \"v1\" and \"v2\"\n\n",
        "predicate.id\n  policy    \"v2\"   (p.cue:1:16)\n  document  \"v1\"   (d.json:2:23)\n",
        "  because   conflicting values \"v1\" and \"v2\"\n\n",
        "predicate.n\n  policy    >10   (p.cue:2:15)\n  document  5   (d.json:2:34)\n",
        "  because   invalid value 5 (out of bound >10)\n"
    );
    assert_eq!((told.exit, told.stderr.as_str(), told.stdout.as_str()), (1, text, ""));
}

#[test]
fn packages_imports_and_tags_come_from_a_module() {
    let context = Context::new();
    context.write("cue.mod/module.cue", "module: \"my.org/m@v0\"\nlanguage: version: \"v0.9.0\"\n");
    context.write("m.cue", "package m\n\nimport \"my.org/m/sub\"\n\nx: sub.y\nwho: string @tag(who)\n");
    context.write("prod.cue", "@if(prod)\n\npackage m\n\nprod: true\n");
    context.write("sub/s.cue", "package sub\n\ny: _z\n_z: 1\n");
    context.write("far/f.cue", "package far\n\nimport \"other.com/x\"\n\na: x.b\n");
    tell(
        &context,
        &[
            (&["eval", "-t", "who=me"], 0, "x:   1\nwho: \"me\"\n", ""),
            (&["export", "-e", "prod", "-t", "prod"], 0, "true\n", ""),
            (&["eval", "./sub"], 0, "y: 1\n", ""),
            (&["eval", "my.org/m/sub"], 0, "y: 1\n", ""),
            (&["eval", "-t", "nobody=1"], 1, "", "no tag for \"nobody\"\n"),
            (
                &["eval", "./far"],
                1,
                "",
                concat!(
                    "my.org/m/far@v0: import failed: cannot find package \"other.com/x\": ",
                    "cannot find module providing package other.com/x:\n    ./far/f.cue:3:8\n"
                ),
            ),
            (&["eval", "./none"], 1, "", "cannot find package \"./none\"\n"),
        ],
    );
}

#[test]
fn fmt_rewrites_checks_and_shows() {
    let context = Context::new();
    context.write("a.cue", "a:1\nlong:   2\n");
    tell(
        &context,
        &[
            (&["fmt", "--check", "a.cue"], 1, "a.cue\n", ""),
            (
                &["fmt", "--diff", "a.cue"],
                0,
                "diff a.cue.orig a.cue\n--- a.cue.orig\n+++ a.cue\n@@ -1,2 +1,2 @@\n-a:1\n-long:   2\n+a:    1\n+long: 2\n",
                "",
            ),
            (&["fmt", "a.cue"], 0, "", ""),
            (&["fmt", "--check", "--files", "."], 0, "", ""),
        ],
    );
    assert_eq!(std::fs::read_to_string(context.folder().join("a.cue")).unwrap(), "a:    1\nlong: 2\n");
}

#[test]
fn def_prints_constraints_and_refuses_what_it_would_change() {
    let context = Context::new();
    context.write("a.cue", "package p\n\n// Doc.\n#A: {n!: string, k: *1 | 2}\nx: int\n");
    context.write("b.cue", "package p\nx: 5\ny: #A & {n: \"n\"}\n");
    context.write("clash.cue", "b: 1\na: {c: b}\na: {b: 2}\n");
    context.write("wrong.cue", "a: 1 & 2\n");
    let whole = concat!(
        "package p\n\n// Doc.\n#A: {\n\tn!: string\n\tk:  *1 | 2\n}\nx: 5\n",
        "y: #A & {\n\tn: \"n\"\n}\n"
    );
    let clash =
        "unsupported by provost: def of structs that, written as one, would see each other's fields\n";
    let told = context.run(&["cue", "def", "wrong.cue"]);
    assert_eq!((told.exit, told.stdout.as_str()), (1, ""));
    tell(
        &context,
        &[
            (&["def", "a.cue", "b.cue"], 0, whole, ""),
            (&["def", "-e", "#A.k", "a.cue"], 0, "*1 | 2\n", ""),
            (&["def", "--out", "json", "-e", "x", "a.cue", "b.cue"], 0, "5\n", ""),
            (&["def", "clash.cue"], 1, "", clash),
        ],
    );
}

#[test]
fn data_is_placed_where_the_flags_say() {
    let context = Context::new();
    context.write("n.json", "{\"n\": \"a\"}\n");
    context.write("m.jsonl", "{\"n\": \"a\"}\n{\"n\": \"b\"}\n");
    context.write("s.cue", "package p\n#S: n: string\n");
    let combined = "cannot combine --schema flag with flag \"path\", \"list\", or \"files\"\n";
    let alone = "unsupported by provost: flag --path or --list without data files\n";
    tell(
        &context,
        &[
            (
                &["eval", "n.json", "-l", "\"x\"", "-l", "n"],
                0,
                "x: {\n    a: {\n        n: \"a\"\n    }\n}\n",
                "",
            ),
            (&["export", "--out", "yaml", "m.jsonl", "-l", "n"], 0, "a:\n  \"n\": a\nb:\n  \"n\": b\n", ""),
            (&["export", "--out", "yaml", "m.jsonl", "--list"], 0, "- \"n\": a\n- \"n\": b\n", ""),
            (
                &[
                    "export",
                    "--out",
                    "yaml",
                    "m.jsonl",
                    "--with-context",
                    "--list",
                    "-l",
                    "\"k\\(recordCount)\"",
                ],
                0,
                "k2:\n  - \"n\": a\n  - \"n\": b\n",
                "",
            ),
            (&["vet", "s.cue", "n.json", "-d", "#S", "--list"], 1, "", combined),
            (&["export", ".", "--list"], 1, "", alone),
            (
                &["export", "n.json", "-l", "1"],
                1,
                "",
                "unsupported by provost: --path 1, which is no string\n",
            ),
        ],
    );
}

#[test]
fn embedded_files_come_from_the_module_alone() {
    let context = Context::new();
    context.write("cue.mod/module.cue", "module: \"my.org/m@v0\"\nlanguage: version: \"v0.15.0\"\n");
    context.write("d.yaml", "x: 1\n");
    context.write("in/a.json", "{\n\"n\": \"}\"}\n");
    context
        .write("a.cue", "@extern(embed)\npackage m\na: _ @embed(file=d.yaml)\nb: _ @embed(glob=in/*.json)\n");
    context.write("up/u.cue", "@extern(embed)\npackage u\na: _ @embed(file=\"../d.yaml\")\n");
    std::os::unix::fs::symlink("/etc/hostname", context.folder().join("up/l.txt")).unwrap();
    context.write("link/l.cue", "@extern(embed)\npackage l\na: _ @embed(file=l.txt)\n");
    std::os::unix::fs::symlink("/etc/hostname", context.folder().join("link/l.txt")).unwrap();
    let up = "@embed: cannot refer to parent directory:\n    ./up/u.cue:3:6\n";
    tell(
        &context,
        &[
            (&["export", "--out", "cue"], 0, "a: x: 1\nb: \"in/a.json\": n: \"}\"\n", ""),
            (&["export", "./up"], 1, "", up),
        ],
    );
    let told = context.run(&["cue", "export", "./link"]);
    assert_eq!(told.exit, 1);
    assert!(told.stderr.contains("a symbolic link is no file of the module"), "{}", told.stderr);
}

#[test]
fn a_document_larger_than_policies_may_be_is_judged() {
    let context = Context::new();
    let packages = "{\"name\": \"package\", \"version\": 1.5},".repeat(120_000);
    let document =
        |last: &str| format!("{{\"name\": {last}, \"packages\": [{}]}}", packages.trim_end_matches(','));
    context.write("good.json", &document("\"x\""));
    context.write("bad.json", &document("1"));
    context.write("s.cue", "name: string\npackages: [...]\n");
    tell(&context, &[(&["vet", "s.cue", "good.json"], 0, "", "")]);
    let told = context.run(&["cue", "vet", "s.cue", "bad.json"]);
    assert_eq!(told.exit, 1);
    let words = "name: conflicting values 1 and string (mismatched types int and string)";
    assert!(told.stderr.contains(words), "{}", told.stderr);
}
