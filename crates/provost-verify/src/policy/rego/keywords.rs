//! Words that are keywords of Rego only where a file imports them.
//!
//! OPA in v0 mode reads `allow if { … }` without `import rego.v1` or `future.keywords` as a mistake; regorus reads it
//! as a rule. A gate may not pass what the original refuses, so such a file is refused before it is read.

/// A keyword that stands in a file without being imported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Undeclared {
    /// The line, from 1.
    pub(crate) line: usize,
    /// The word.
    pub(crate) word: &'static str,
}

/// The four words, and what `import future.keywords.WORD` brings: `every` brings `in`.
const KEYWORDS: [&str; 4] = ["if", "in", "contains", "every"];

/// The first keyword used without an import, if any.
pub(crate) fn undeclared(source: &str) -> Option<Undeclared> {
    let words = words(source);
    let imported = |word: &str| {
        words.windows(2).any(|pair| match pair {
            [import, path] if import.text == "import" && import.starts_line => match path.text {
                "rego.v1" | "future.keywords" => true,
                path => match path.strip_prefix("future.keywords.") {
                    Some("every") => word == "every" || word == "in",
                    Some(one) => one == word,
                    None => false,
                },
            },
            _ => false,
        })
    };
    words.iter().find_map(|found| {
        let word = KEYWORDS.into_iter().find(|word| *word == found.text)?;
        // `contains(a, b)` is the function, and `every(` or `in(` could only be one of the policy's own.
        (!found.called && !imported(word)).then_some(Undeclared { line: found.line, word })
    })
}

/// A name or dotted path of the source, outside strings and comments.
struct Word<'a> {
    text: &'a str,
    line: usize,
    /// Whether `(` follows at once.
    called: bool,
    starts_line: bool,
}

fn words(source: &str) -> Vec<Word<'_>> {
    let bytes = source.as_bytes();
    let at = |index: usize| bytes.get(index).copied().unwrap_or_default();
    let mut found = Vec::new();
    let (mut index, mut line, mut starts_line) = (0, 1, true);
    while index < bytes.len() {
        match at(index) {
            b'\n' => {
                line += 1;
                starts_line = true;
                index += 1;
            }
            b'#' => {
                while index < bytes.len() && at(index) != b'\n' {
                    index += 1;
                }
            }
            quote @ (b'"' | b'`') => {
                index += 1;
                while index < bytes.len() && at(index) != quote {
                    line += usize::from(at(index) == b'\n');
                    index += if quote == b'"' && at(index) == b'\\' { 2 } else { 1 };
                }
                index += 1;
                starts_line = false;
            }
            first if first.is_ascii_alphabetic() || first == b'_' => {
                let start = index;
                while at(index).is_ascii_alphanumeric() || matches!(at(index), b'_' | b'.') {
                    index += 1;
                }
                let text = source.get(start..index).unwrap_or_default();
                found.push(Word { text, line, called: at(index) == b'(', starts_line });
                starts_line = false;
            }
            b' ' | b'\t' | b'\r' => index += 1,
            b'.' => {
                // What follows a dot is part of a path: `x[0].if` is no keyword.
                index += 1;
                while at(index).is_ascii_alphanumeric() || at(index) == b'_' {
                    index += 1;
                }
                starts_line = false;
            }
            _ => {
                index += 1;
                starts_line = false;
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keywords_need_their_import() {
        let found = |source: &str| undeclared(source).map(|u| (u.line, u.word));
        assert_eq!(found("package a\nallow if { true }"), Some((2, "if")));
        assert_eq!(found("package a\nimport rego.v1\nallow if { true }"), None);
        assert_eq!(
            found("package a\nimport future.keywords.if\nallow if { some x in [1] }"),
            Some((3, "in"))
        );
        assert_eq!(found("package a\nimport future.keywords\nallow if { every x in [1] { x } }"), None);
        assert_eq!(found("package a\nimport future.keywords.every\nallow { every x in [1] { x } }"), None);
        assert_eq!(found("package a\ndeny contains msg { msg := 1 }"), Some((2, "contains")));
        assert_eq!(found("package a\nallow { contains(input.a, \"if in\") } # if"), None);
        assert_eq!(
            found("package a\nallow { input.if == `in\nevery` }\n# x\nallow if true"),
            Some((5, "if"))
        );
        assert_eq!(found("package a\nallow { x := input[0].in }"), None);
        assert_eq!(found("package a\nallow { \"\\\" if\" == input }"), None);
    }
}
