//! How results of tests are printed: a table, JSON, YAML, Markdown, JUnit.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::{Map, Value, json};

use super::Row;
use crate::apply::drawn;
use crate::yaml::scalar;

/// The forms besides the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// A list of objects.
    Json,
    /// The same in YAML.
    Yaml,
    /// A table in Markdown.
    Markdown,
    /// What build servers read.
    Junit,
}

impl Format {
    /// The form of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "json" => Some(Self::Json),
            "yaml" => Some(Self::Yaml),
            "markdown" => Some(Self::Markdown),
            "junit" => Some(Self::Junit),
            _ => None,
        }
    }
}

const HEAD: [&str; 6] = ["ID", "POLICY", "RULE", "RESOURCE", "RESULT", "REASON"];

fn cells(row: &Row, detailed: bool) -> Vec<String> {
    let result = if row.passed { "Pass" } else { "Fail" };
    let mut cells: Vec<String> =
        [&row.id.to_string(), &row.policy, &row.rule, &row.resource, result, &row.reason]
            .map(str::to_owned)
            .into();
    if detailed {
        cells.push(row.message.clone());
    }
    cells
}

fn head(detailed: bool) -> Vec<String> {
    HEAD.into_iter().chain(detailed.then_some("MESSAGE")).map(str::to_owned).collect()
}

/// The table.
#[must_use]
pub fn table(rows: &[Row], detailed: bool) -> String {
    let lines: Vec<_> =
        std::iter::once(head(detailed)).chain(rows.iter().map(|row| cells(row, detailed))).collect();
    drawn(&lines)
}

/// The results in a form, without a line end.
#[must_use]
pub fn formatted(rows: &[Row], format: Format, detailed: bool) -> String {
    match format {
        Format::Json => json_text(rows, detailed),
        Format::Yaml => yaml_text(rows, detailed),
        Format::Markdown => markdown(rows, detailed),
        Format::Junit => junit(rows, detailed),
    }
}

/// The fields of a row under Kyverno's names, sorted.
fn fields(row: &Row, detailed: bool) -> Map<String, Value> {
    let names = HEAD.into_iter().chain(detailed.then_some("Message"));
    let mut fields: BTreeMap<String, Value> =
        names.zip(cells(row, detailed)).map(|(name, cell)| (name.to_owned(), json!(cell))).collect();
    fields.insert("ID".to_owned(), json!(row.id));
    fields.into_iter().collect()
}

fn json_text(rows: &[Row], detailed: bool) -> String {
    let all: Vec<Value> = rows.iter().map(|row| Value::Object(fields(row, detailed))).collect();
    serde_json::to_string_pretty(&all).unwrap_or_default()
}

fn yaml_text(rows: &[Row], detailed: bool) -> String {
    let mut text = String::new();
    for row in rows {
        for (index, (name, value)) in fields(row, detailed).iter().enumerate() {
            let lead = if index == 0 { "- " } else { "  " };
            let value = match value {
                Value::String(text) => scalar::value(text, 4),
                other => other.to_string(),
            };
            let _ = writeln!(text, "{lead}{name}: {value}");
        }
    }
    if rows.is_empty() { "[]\n".to_owned() } else { text }
}

fn markdown(rows: &[Row], detailed: bool) -> String {
    let escaped = |cell: &String| cell.replace('|', "\\|").replace('\n', " ");
    let head = head(detailed);
    let mut text = format!("| {} | \n|{}\n", head.join(" | "), "----|".repeat(head.len()));
    for row in rows {
        let cells: Vec<String> = cells(row, detailed).iter().map(escaped).collect();
        let _ = writeln!(text, "| {} |", cells.join(" | "));
    }
    text
}

fn junit(rows: &[Row], detailed: bool) -> String {
    let failures = |rows: &[&Row]| rows.iter().filter(|row| !row.passed).count();
    let mut suites: BTreeMap<&str, Vec<&Row>> = BTreeMap::new();
    for row in rows {
        suites.entry(&row.policy).or_default().push(row);
    }
    let all: Vec<&Row> = rows.iter().collect();
    let mut text = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let _ = writeln!(text, "<testsuites tests=\"{}\" failures=\"{}\">", rows.len(), failures(&all));
    for (policy, rows) in suites {
        let _ = writeln!(
            text,
            " <testsuite name=\"{}\" tests=\"{}\" failures=\"{}\">",
            xml(policy),
            rows.len(),
            failures(&rows)
        );
        for row in rows {
            let (rule, resource) = (xml(&row.rule), xml(&row.resource));
            let _ = writeln!(text, "  <testcase classname=\"{rule}\" name=\"{resource}\">");
            let (policy, reason) = (xml(&row.policy), xml(&row.reason));
            let message =
                if detailed { format!("    Message: {}\n", xml(&row.message)) } else { String::new() };
            let _ = if row.passed {
                writeln!(
                    text,
                    "   <system-out>\n    Reason: {reason}\n    Policy: {policy}\n    Rule: {rule}\n    Resource: {resource}\n{message}   </system-out>"
                )
            } else {
                writeln!(
                    text,
                    "   <failure message=\"{reason}\">\n    Policy: {policy}\n    Rule: {rule}\n    Resource: {resource}\n    Result: Fail\n{message}   </failure>"
                )
            };
            text.push_str("  </testcase>\n");
        }
        text.push_str(" </testsuite>\n");
    }
    text.push_str("</testsuites>");
    text
}

/// Text as XML holds it; characters that XML cannot hold are replaced.
fn xml(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\n' | '\t' | '\r' => safe.push(c),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => safe.push('\u{fffd}'),
            c => safe.push(c),
        }
    }
    safe
}
