//! Calls of the standard library: data cases by package, with what CUE v0.16.1 answers.

use std::fs;
use std::path::Path;

use crate::{Instance, Limits, Name, PolicyFile, Presence, Shape, Value};

/// A value as the corpus writes it: JSON with plain names, bytes in hexadecimal digits, errors after ERR, what is not known after INC.
fn shown(value: Value<'_, '_>) -> String {
    if let Err(errors) = value.err() {
        return format!("ERR {errors}");
    }
    let value = value.default();
    let joined = |parts: Vec<String>| parts.join(",");
    match value.shape() {
        Shape::Null => "null".into(),
        Shape::Bool(value) => value.to_string(),
        Shape::Number(number, _) => number,
        Shape::Text(text) => serde_json::Value::from(&*text).to_string(),
        Shape::Bytes(bytes) => format!("hex {}", hex::encode(&*bytes)),
        Shape::Struct => {
            let fields = value.fields().into_iter();
            let there =
                fields.filter(|field| field.kind == Name::Regular && field.presence == Presence::Present);
            format!(
                "{{{}}}",
                joined(there.map(|field| format!("{}:{}", field.name, shown(field.value))).collect())
            )
        }
        Shape::List(_) => format!("[{}]", joined(value.elements().into_iter().map(shown).collect())),
        Shape::Bottom(errors) => format!("ERR {errors}"),
        Shape::Constraint(words) => format!("INC {words}"),
        Shape::Choice(..) => "INC".into(),
    }
}

fn answer(imports: &str, x: &str) -> String {
    let imports = imports.split_whitespace().map(|path| format!("import \"{path}\"\n"));
    let source = format!("{}x: {x}\n", imports.collect::<String>());
    let files = [PolicyFile { name: "case.cue", source: &source }];
    let limits = Limits::default();
    let compiled = Instance::compile(&files, &limits);
    let value = compiled.and_then(|instance| {
        instance.evaluate(None, |evaluation| {
            evaluation.root().fields().into_iter().next().map(|x| shown(x.value))
        })
    });
    match value {
        Ok(value) => value.unwrap_or_default(),
        Err(errors) => format!("ERR {errors}"),
    }
}

/// Every case of every package; a file that has none, or a folder without files, is a mistake.
#[test]
fn answers_are_those_of_cue() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../corpus/cue/packages");
    let mut wrong = Vec::new();
    let mut count = 0;
    for entry in fs::read_dir(folder).expect("the corpus is there") {
        let path = entry.expect("the folder can be read").path();
        let text = fs::read_to_string(&path).expect("the file can be read");
        let cases: serde_json::Value = serde_json::from_str(&text).expect("the file is JSON");
        let cases = cases.as_array().expect("a list of cases");
        assert!(!cases.is_empty(), "{}", path.display());
        for case in cases {
            let field = |name: &str| case[name].as_str().expect("imports, x and want are strings");
            let have = answer(field("imports"), field("x"));
            count += 1;
            if have != field("want") {
                wrong.push(format!("{}\n  want {}\n  have {have}", field("x"), field("want")));
            }
        }
    }
    assert!(count > 400, "only {count} cases were found");
    assert!(wrong.is_empty(), "{} of {count} differ:\n{}", wrong.len(), wrong.join("\n"));
}
