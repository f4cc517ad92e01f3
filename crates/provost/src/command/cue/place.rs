//! `--path`, `--list` and `--with-context`: where the documents of data files are put in the configuration.

use std::collections::BTreeMap;

use provost_cue::{Asked, Instance, Limits, Plain, PolicyFile};

use super::decode::Document;
use super::flags::Placement;

/// Whether data files are placed rather than merged as they are.
pub(super) fn asked(placement: &Placement) -> bool {
    !placement.path.is_empty() || placement.list
}

/// Puts each document under its path. `Err` is what is wrong, in CUE's words where it has any.
pub(super) fn place(
    documents: Vec<Document>,
    placement: &Placement,
    directory: &str,
    limits: &Limits,
) -> Result<Vec<Document>, String> {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for document in &documents {
        *counts.entry(document.name.clone()).or_default() += 1;
    }
    let mut indices: BTreeMap<String, usize> = BTreeMap::new();
    let mut placed: Vec<(Vec<String>, Vec<Document>)> = Vec::new();
    for document in documents {
        let index = indices.entry(document.name.clone()).or_default();
        let source = match placement.with_context {
            true => {
                let name = document.name.strip_prefix("./").unwrap_or(&document.name);
                let filename = match name.starts_with(['/', '-']) {
                    true => name.to_owned(),
                    false => format!("{directory}/{name}"),
                };
                format!(
                    "data: {},\nfilename: {}, index: {index}, recordCount: {}\n",
                    document.text.trim(),
                    serde_json::Value::from(filename),
                    counts.get(&document.name).copied().unwrap_or_default(),
                )
            }
            false => named(&document.text),
        };
        *index += 1;
        let path = labels(&source, &document.name, &placement.path, limits)?;
        match placed.iter_mut().find(|(known, _)| placement.list && *known == path) {
            Some((_, there)) => there.push(document),
            None => placed.push((path, vec![document])),
        }
    }
    Ok(placed.into_iter().map(|(path, documents)| wrap(&path, documents, placement.list)).collect())
}

/// A document as CUE whose names can be referred to, which names in quotes cannot.
fn named(text: &str) -> String {
    let Ok(fields) = serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(text) else {
        return text.to_owned();
    };
    let line = |(name, value): (&String, &serde_json::Value)| match plain(name) {
        true => format!("{name}: {value}\n"),
        false => format!("{}: {value}\n", serde_json::Value::from(name.as_str())),
    };
    fields.iter().map(line).collect()
}

fn plain(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// The names that path expressions have for one document.
fn labels(source: &str, name: &str, path: &[String], limits: &Limits) -> Result<Vec<String>, String> {
    let mut out = Vec::with_capacity(path.len());
    for text in path {
        if let Some(names) = written(text) {
            out.extend(names);
            continue;
        }
        let files = [PolicyFile { name, source }];
        let expressions = [PolicyFile { name: "--path", source: text }];
        let asked = Asked { expressions: &expressions, documents: &[] };
        let limits = Limits { policy_bytes: limits.policy_bytes.saturating_add(source.len()), ..*limits };
        let value = Instance::compile_asking(&files, &BTreeMap::new(), &[], &asked, &limits)
            .and_then(|instance| {
                instance.evaluate(None, |evaluation| evaluation.expression(0, false).and_then(Plain::read))
            })
            .and_then(|value| value)
            .map_err(|errors| format!("error evaluating label {text}: {errors}"))?;
        match value {
            Plain::Text(name) => out.push(name.to_string()),
            _ => return Err(format!("unsupported by provost: --path {text}, which is no string")),
        }
    }
    Ok(out)
}

/// The names of a path that is written as labels: `a: "b c":`.
fn written(text: &str) -> Option<Vec<String>> {
    let labels = text.trim().strip_suffix(':')?;
    labels
        .split(':')
        .map(|label| {
            let label = label.trim();
            match plain(label) {
                true => Some(label.to_owned()),
                false => serde_json::from_str(label).ok(),
            }
        })
        .collect()
}

/// One document out of those that stand at one path; lines stay where they were.
fn wrap(path: &[String], documents: Vec<Document>, list: bool) -> Document {
    let name = documents.first().map(|document| document.name.clone()).unwrap_or_default();
    let mut text = String::new();
    for label in path {
        text.push_str(&format!("{{{}:", serde_json::Value::from(label.as_str())));
    }
    if list {
        text.push('[');
    }
    for (index, document) in documents.iter().enumerate() {
        if index > 0 {
            text.push(',');
        }
        text.push_str(&document.text);
    }
    if list {
        text.push(']');
    }
    text.push_str(&"}".repeat(path.len()));
    Document { name, text }
}
