//! Writes YAML as Go's encoder does: keys sorted, lists not indented, lines folded at 80 columns.

use std::fmt::Write as _;

use serde_json::Value;

use super::scalar;

/// The column after which the next single space ends the line.
const WIDTH: usize = 80;

/// A document, ending with a line end.
#[must_use]
pub fn written(value: &Value) -> String {
    let mut text = String::new();
    block(value, 0, &mut text);
    text
}

/// A value at an indentation, from the start of a line or behind a list's dash.
fn block(value: &Value, indent: usize, text: &mut String) {
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            let mut names: Vec<&String> = fields.keys().collect();
            names.sort();
            for (index, name) in names.into_iter().enumerate() {
                if index > 0 {
                    text.extend(std::iter::repeat_n(' ', indent));
                }
                let value = fields.get(name).unwrap_or(&Value::Null);
                text.push_str(&scalar::key(name));
                text.push(':');
                match value {
                    Value::Array(items) if !items.is_empty() => {
                        text.push('\n');
                        text.extend(std::iter::repeat_n(' ', indent));
                        block(value, indent, text);
                    }
                    Value::Object(inner) if !inner.is_empty() => {
                        text.push('\n');
                        text.extend(std::iter::repeat_n(' ', indent + 2));
                        block(value, indent + 2, text);
                    }
                    _ => {
                        text.push(' ');
                        block(value, indent + 2, text);
                    }
                }
            }
        }
        Value::Array(items) if !items.is_empty() => {
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    text.extend(std::iter::repeat_n(' ', indent));
                }
                text.push_str("- ");
                block(item, indent + 2, text);
            }
        }
        Value::String(word) => {
            string(word, indent, text);
            text.push('\n');
        }
        other => {
            let _ = writeln!(text, "{other}");
        }
    }
}

/// A string in go-yaml's style, its lines ending at the first space behind the width; blocks keep their lines.
fn string(word: &str, indent: usize, text: &mut String) {
    let styled = scalar::value(word, indent);
    if styled.starts_with('|') {
        return text.push_str(&styled);
    }
    let double = styled.starts_with('"');
    let quotes = usize::from(double || styled.starts_with('\''));
    let chars: Vec<char> = styled.chars().collect();
    let mut after_space = false;
    for (index, c) in chars.iter().enumerate() {
        let inner = index > quotes && index + 1 + quotes < chars.len();
        let before_space = chars.get(index + 1) == Some(&' ');
        let ends = *c == ' ' && inner && !after_space && (double || !before_space) && column(text) > WIDTH;
        if ends {
            text.push('\n');
            text.extend(std::iter::repeat_n(' ', indent));
            if before_space {
                text.push('\\');
            }
        } else {
            text.push(*c);
        }
        after_space = *c == ' ';
    }
}

fn column(text: &str) -> usize {
    text.rsplit('\n').next().map_or(0, |line| line.chars().count())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::written;
    use crate::yaml::documents;

    #[test]
    fn documents_look_as_go_writes_them() {
        let long = "word ".repeat(30);
        let document = json!({"b": [{"y": "plain", "x": {"z": 1}}, "true"], "a": "k: v", "c": long.trim_end(), "d": {}, "e": "1.5", "f": []});
        let lines = format!(
            "a: 'k: v'\nb:\n- x:\n    z: 1\n  \"y\": plain\n- \"true\"\nc: {}\n  {}\nd: {{}}\ne: \"1.5\"\nf: []\n",
            "word ".repeat(16).trim_end(),
            "word ".repeat(14).trim_end()
        );
        assert_eq!(written(&document), lines);
    }

    #[test]
    fn every_string_reads_back() {
        let long = format!("{}\n {}", "a  b ".repeat(40), "it's: #".repeat(30));
        for word in [
            "",
            " ",
            "a: ",
            ": a",
            "- a",
            "-a",
            "#a",
            "a #b",
            "a\n b",
            "a \nb",
            "it's",
            "'",
            "\"",
            "\\",
            "no",
            "0x1f",
            "2020-01-01",
            "1:30",
            "~",
            "a:",
            "@a",
            "%a",
            "`",
            "\u{1}",
            "\u{feff}a",
            "a\u{2028}b",
            "?",
            "? a",
            "!a",
            "&a",
            "|",
            ">",
            "---",
            "...",
            "é",
            long.as_str(),
        ] {
            let document = json!({"k": [word, {"n": word}]});
            assert_eq!(
                documents("f", &written(&document)),
                Ok(vec![document.clone()]),
                "{word:?}: {}",
                written(&document)
            );
        }
    }
}
