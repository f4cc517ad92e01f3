//! A Dockerfile's lines and words: directives, continued lines, here-documents, flags, variables.

/// A Dockerfile taken apart.
#[derive(Debug, Default)]
pub(super) struct File {
    /// The image that translates the file, where a directive names one.
    pub(super) syntax: Option<String>,
    pub(super) lines: Vec<Line>,
}

/// An instruction on one line.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) text: String,
    pub(super) heredoc: Heredoc,
}

/// Whether a line is an instruction, or text that an instruction is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Heredoc {
    Outside,
    Inside,
}

/// The instructions of a file; comments are gone, continued lines are one.
///
/// # Errors
/// A directive or a here-document that cannot be read.
pub(super) fn instructions(text: &str) -> Result<File, String> {
    let lines: Vec<&str> = text.strip_prefix('\u{feff}').unwrap_or(text).lines().collect();
    let mut file = File::default();
    let mut escape = '\\';
    let mut at = 0;
    while let Some((key, value)) = lines.get(at).and_then(|line| directive(line)) {
        match key.to_ascii_lowercase().as_str() {
            "escape" => {
                escape = match value {
                    "\\" => '\\',
                    "`" => '`',
                    _ => return Err(format!("invalid escape token '{value}' does not match ` or \\")),
                }
            }
            "syntax" => file.syntax = Some(value.to_owned()),
            _ => {}
        }
        at += 1;
    }
    let mut ends: Vec<Terminator> = Vec::new();
    while let Some(first) = lines.get(at) {
        at += 1;
        if let Some(end) = ends.first() {
            if end.is(first) {
                ends.remove(0);
                continue;
            }
            let text = first.trim().trim_end_matches(escape).to_owned();
            file.lines.push(Line { text, heredoc: Heredoc::Inside });
            continue;
        }
        if is_comment(first) {
            continue;
        }
        let (kept, mut goes_on) = continued(first.trim_start(), escape);
        let mut text = kept.to_owned();
        while goes_on && let Some(next) = lines.get(at) {
            at += 1;
            // Comments and blank lines within a continued line are passed over; blanks before its words stay.
            if !is_comment(next) && !next.trim().is_empty() {
                let (kept, more) = continued(next, escape);
                text.push_str(kept);
                goes_on = more;
            }
        }
        let text = text.trim().to_owned();
        if text.is_empty() {
            continue;
        }
        // A document that never ends is none: what follows are instructions.
        ends = terminators(&text)?;
        let rest = lines.get(at..).unwrap_or_default();
        ends.retain(|end| rest.iter().any(|line| end.is(line)));
        file.lines.push(Line { text, heredoc: Heredoc::Outside });
    }
    Ok(file)
}

/// `# key=value`.
fn directive(line: &str) -> Option<(&str, &str)> {
    let (key, value) = line.trim().strip_prefix('#')?.split_once('=')?;
    let (key, value) = (key.trim(), value.trim());
    let named = key.starts_with(|c: char| c.is_ascii_alphabetic())
        && key.chars().all(|c| c.is_ascii_alphanumeric())
        && !value.is_empty();
    named.then_some((key, value))
}

fn is_comment(line: &str) -> bool {
    line.trim_start().starts_with('#')
}

/// A line without its sign of continuation, and whether it had one; two such signs are none.
fn continued(line: &str, escape: char) -> (&str, bool) {
    let end = line.trim_end_matches([' ', '\t']);
    match end.strip_suffix(escape) {
        Some(kept) if !kept.ends_with(escape) => (kept, true),
        _ => (line, false),
    }
}

/// The line that ends a here-document.
struct Terminator {
    name: String,
    tabs: bool,
}

impl Terminator {
    fn is(&self, line: &str) -> bool {
        let line = if self.tabs { line.trim_start_matches('\t') } else { line };
        line == self.name
    }
}

/// The ends of the here-documents that an instruction begins, in order.
fn terminators(text: &str) -> Result<Vec<Terminator>, String> {
    let upper = |word: Option<&str>| word.unwrap_or_default().to_ascii_uppercase();
    let mut words = text.split_whitespace();
    let mut first = upper(words.next());
    if first == "ONBUILD" {
        first = upper(words.next());
    }
    if !matches!(first.as_str(), "RUN" | "COPY" | "ADD") {
        return Ok(Vec::new());
    }
    let mut ends = Vec::new();
    for word in words {
        let word = word.trim_start_matches(|c: char| c.is_ascii_digit());
        let Some(rest) = word.strip_prefix("<<") else { continue };
        let (rest, tabs) = rest.strip_prefix('-').map_or((rest, false), |rest| (rest, true));
        if rest.is_empty() || rest.contains('<') {
            continue;
        }
        let name = ['"', '\''].iter().find_map(|quote| rest.strip_prefix(*quote)?.strip_suffix(*quote));
        let name = name.unwrap_or(rest);
        if name.is_empty() || name.contains(['"', '\'', '\\', '$', '`']) {
            return Err(format!("the here-document {word} is not read: {text:?}"));
        }
        ends.push(Terminator { name: name.to_owned(), tabs });
    }
    Ok(ends)
}

/// The flags an instruction begins with, their quotes and escapes undone, and what follows them.
pub(super) fn flags(text: &str) -> (Vec<String>, &str) {
    let mut found = Vec::new();
    let mut rest = text.trim_start();
    while rest.starts_with("--") {
        let mut word = String::new();
        let mut quote = None;
        let mut characters = rest.char_indices();
        let mut end = rest.len();
        while let Some((at, character)) = characters.next() {
            match (character, quote) {
                ('\\' | '`', _) => word.extend(characters.next().map(|(_, next)| next)),
                (c, Some(open)) if c == open => quote = None,
                ('"' | '\'', None) => quote = Some(character),
                (c, None) if c.is_whitespace() => {
                    end = at;
                    break;
                }
                (c, _) => word.push(c),
            }
        }
        found.push(word);
        rest = rest.get(end..).unwrap_or_default().trim_start();
    }
    (found, rest)
}

/// The words of an `ARG` or `ENV` line, quotes undone; `None` where there are escapes, or a quote has no end.
pub(super) fn value_words(text: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    for character in text.chars() {
        match (character, quote) {
            ('\\' | '`', _) => return None,
            (c, Some(open)) if c == open => quote = None,
            ('"' | '\'', None) => {
                quote = Some(character);
                word.get_or_insert_default();
            }
            // In single quotes a dollar sign is no variable.
            ('$', Some('\'')) => return None,
            (c, None) if c.is_whitespace() => words.extend(word.take()),
            (c, _) => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    quote.is_none().then_some(words)
}

/// A variable as it stands in a text.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Variable<'a> {
    pub(super) name: &'a str,
    /// `:-`, `-`, `:+` or `+`, and the word after it.
    instead: Option<(&'a str, &'a str)>,
}

impl Variable<'_> {
    /// What takes its place.
    pub(super) fn value(&self, known: Option<String>) -> String {
        let set = known.is_some();
        let text = known.unwrap_or_default();
        match self.instead {
            None => text,
            Some((":-", word)) if text.is_empty() => word.to_owned(),
            Some(("-", word)) if !set => word.to_owned(),
            Some((":+", word)) if !text.is_empty() => word.to_owned(),
            Some(("+", word)) if set => word.to_owned(),
            Some((":+" | "+", _)) => String::new(),
            Some(_) => text,
        }
    }
}

/// The variable after a dollar sign, if one stands there, and what follows it; `None` for forms that are not read.
pub(super) fn variable(text: &str) -> Option<(Option<Variable<'_>>, &str)> {
    let end_of_name =
        |text: &str| text.find(|c: char| c != '_' && !c.is_ascii_alphanumeric()).unwrap_or(text.len());
    let Some(inner) = text.strip_prefix('{') else {
        let (name, rest) = text.split_at_checked(end_of_name(text))?;
        let named = !name.is_empty() && !name.starts_with(|c: char| c.is_ascii_digit());
        let special = text.starts_with(['@', '*', '#', '?', '-', '!', '$'])
            || text.starts_with(|c: char| c.is_ascii_digit());
        return match (named, special) {
            (true, _) => Some((Some(Variable { name, instead: None }), rest)),
            (false, true) => None,
            (false, false) => Some((None, text)),
        };
    };
    let (inner, rest) = inner.split_once('}')?;
    let (name, tail) = inner.split_at_checked(end_of_name(inner))?;
    if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) || tail.contains('$') {
        return None;
    }
    if tail.is_empty() {
        return Some((Some(Variable { name, instead: None }), rest));
    }
    let instead = [":-", ":+", "-", "+"].iter().find_map(|sign| Some((*sign, tail.strip_prefix(sign)?)))?;
    Some((Some(Variable { name, instead: Some(instead) }), rest))
}
