//! Go's regular expressions run by the regex crate: the pattern is rewritten where the two dialects differ.

use regex::{Regex, RegexBuilder};

/// Memory for one compiled pattern, 1 MiB: a thousand times what patterns in policies need.
const SIZE_LIMIT: usize = 1 << 20;
/// The highest count in `{n,m}`, as in RE2.
const MAX_REPEAT: u32 = 1000;
/// The longest pattern: 64 KiB.
const MAX_PATTERN: usize = 64 * 1024;

/// Compiles a pattern in RE2 syntax.
///
/// # Errors
/// One line that says what is wrong or not supported.
pub fn compile(pattern: &str) -> Result<Regex, String> {
    let translated = translate(pattern)?;
    RegexBuilder::new(&translated).size_limit(SIZE_LIMIT).dfa_size_limit(SIZE_LIMIT).build().map_err(|e| {
        match e {
            regex::Error::CompiledTooBig(_) => format!("expression too large: {}", quoted(pattern)),
            _ => format!("invalid or unsupported syntax: {}", quoted(pattern)),
        }
    })
}

/// A pattern in backquotes, as Go's errors show it.
fn quoted(pattern: &str) -> String {
    format!("`{}`", crate::go_text::shorten(pattern))
}

/// What is wrong, and the part of the pattern it is wrong with; `None` for the whole.
type Fault = (&'static str, Option<String>);

/// A fault of the whole pattern.
fn whole(what: &'static str) -> Fault {
    (what, None)
}

/// A fault of a part of the pattern.
fn part(what: &'static str, part: impl Into<String>) -> Fault {
    (what, Some(part.into()))
}

/// The names between `[:` and `:]`.
const CLASSES: [&str; 14] = [
    "alnum", "alpha", "ascii", "blank", "cntrl", "digit", "graph", "lower", "print", "punct", "space",
    "upper", "word", "xdigit",
];

struct Translator<'a> {
    chars: std::iter::Peekable<std::str::Chars<'a>>,
    out: String,
}

/// Rewrites RE2 syntax into that of the regex crate.
///
/// # Errors
/// For syntax that only one of the two knows.
pub(crate) fn translate(pattern: &str) -> Result<String, String> {
    if pattern.len() > MAX_PATTERN {
        return Err("expression too large".to_owned());
    }
    let mut translator = Translator { chars: pattern.chars().peekable(), out: String::new() };
    translator
        .run()
        .map_err(|(what, part)| format!("{what}: {}", quoted(part.as_deref().unwrap_or(pattern))))?;
    Ok(translator.out)
}

impl Translator<'_> {
    fn run(&mut self) -> Result<(), Fault> {
        // How many repetition operators stand directly before; a `?` after the first one makes it lazy.
        let mut operators = "";
        // The operators before this character, as they are written, and how many groups are open.
        let mut written = String::new();
        let mut depth = 0_usize;
        while let Some(c) = self.chars.next() {
            let before = operators;
            operators = match (c, before) {
                ('*' | '+' | '?', "") => "one",
                ('?', "one") => "lazy",
                ('*' | '+' | '?', _) => {
                    written.push(c);
                    return Err(part("invalid nested repetition operator", written));
                }
                _ => "",
            };
            if operators.is_empty() {
                written.clear();
            } else {
                written.push(c);
            }
            match c {
                '\\' => self.escape()?,
                '[' => self.class()?,
                '{' => {
                    if self.repeat()? {
                        if !before.is_empty() {
                            return Err(whole("invalid nested repetition operator"));
                        }
                        operators = "one";
                    }
                }
                '}' => self.out.push_str("\\}"),
                '(' if self.chars.peek() == Some(&'?') => depth += usize::from(self.group()?),
                other => {
                    match other {
                        '(' => depth += 1,
                        ')' => depth = depth.checked_sub(1).ok_or_else(|| whole("unexpected )"))?,
                        _ => {}
                    }
                    self.out.push(other);
                }
            }
        }
        if depth > 0 {
            return Err(whole("missing closing )"));
        }
        Ok(())
    }

    /// `{n,m}` is a repetition only in that form; any other brace is a character in RE2.
    fn repeat(&mut self) -> Result<bool, Fault> {
        let ahead: String = self.chars.clone().take_while(|c| *c != '}').take(12).collect();
        let closed = self.chars.clone().nth(ahead.chars().count()) == Some('}');
        let (low, high) = ahead.split_once(',').map_or((ahead.as_str(), None), |(l, h)| (l, Some(h)));
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        if !closed || !digits(low) || !high.is_none_or(|high| high.is_empty() || digits(high)) {
            self.out.push_str("\\{");
            return Ok(false);
        }
        for bound in [low, high.unwrap_or_default()] {
            if bound.parse::<u32>().is_ok_and(|n| n > MAX_REPEAT) || bound.len() > 9 {
                return Err(part("invalid repeat count", format!("{{{ahead}}}")));
            }
        }
        self.out.push('{');
        self.out.push_str(&ahead);
        self.out.push('}');
        for _ in 0..=ahead.chars().count() {
            self.chars.next();
        }
        Ok(true)
    }

    /// Groups: names and the flags i, m, s, U are RE2's; the regex crate knows more. Says whether a group is open now.
    fn group(&mut self) -> Result<bool, Fault> {
        self.chars.next();
        self.out.push_str("(?");
        match self.chars.peek() {
            Some('P' | '<') => Ok(true),
            _ => {
                let mut flags = "(?".to_owned();
                for c in self.chars.by_ref() {
                    flags.push(c);
                    self.out.push(c);
                    match c {
                        'i' | 'm' | 's' | 'U' | '-' => {}
                        ':' | ')' => return Ok(c == ':'),
                        _ => {
                            return Err(part("invalid or unsupported Perl syntax", flags));
                        }
                    }
                }
                Err(whole("missing closing )"))
            }
        }
    }

    fn escape(&mut self) -> Result<(), Fault> {
        match self.chars.next() {
            None => return Err(part("trailing backslash at end of expression", "")),
            Some('Q') => self.literal(),
            Some('b') => self.out.push_str("(?-u:\\b)"),
            Some('B') => {
                // Between the bytes of one character this would match where no text position is.
                return Err(whole("invalid or unsupported escape sequence \\B"));
            }
            Some('d') => self.out.push_str("[0-9]"),
            Some('D') => self.out.push_str("[^0-9]"),
            Some('s') => self.out.push_str("[\\t\\n\\x0C\\r ]"),
            Some('S') => self.out.push_str("[^\\t\\n\\x0C\\r ]"),
            Some('w') => self.out.push_str("[0-9A-Za-z_]"),
            Some('W') => self.out.push_str("[^0-9A-Za-z_]"),
            Some(c @ ('A' | 'z')) => self.pass(c),
            Some(c) => self.simple(c)?,
        }
        Ok(())
    }

    fn pass(&mut self, c: char) {
        self.out.push('\\');
        self.out.push(c);
    }

    /// Escapes that mean one character, or a Unicode class, in and out of brackets.
    fn simple(&mut self, c: char) -> Result<(), Fault> {
        match c {
            'x' | 'p' | 'P' if self.chars.peek() == Some(&'{') => {
                self.pass(c);
                for inner in self.chars.by_ref() {
                    self.out.push(inner);
                    if inner == '}' {
                        return Ok(());
                    }
                }
                return Err(whole("invalid escape sequence"));
            }
            '0'..='7' => return self.octal(c),
            'a' | 'f' | 'n' | 'r' | 't' | 'v' | 'x' | 'p' | 'P' => self.pass(c),
            '<' | '>' => self.out.push(c),
            c if c.is_ascii_punctuation() => self.pass(c),
            _ => return Err(whole("invalid escape sequence")),
        }
        Ok(())
    }

    /// `\0` and up to two more octal digits; a single other digit would be a back reference.
    fn octal(&mut self, first: char) -> Result<(), Fault> {
        let mut value = first.to_digit(8).unwrap_or(0);
        let mut digits = 1;
        while digits < 3
            && let Some(digit) = self.chars.peek().and_then(|c| c.to_digit(8))
        {
            value = value * 8 + digit;
            digits += 1;
            self.chars.next();
        }
        if digits == 1 && first != '0' {
            return Err(whole("invalid escape sequence"));
        }
        self.out.push_str(&format!("\\x{{{value:x}}}"));
        Ok(())
    }

    /// `\Q…\E`: plain text.
    fn literal(&mut self) {
        while let Some(c) = self.chars.next() {
            if c == '\\' && self.chars.peek() == Some(&'E') {
                self.chars.next();
                return;
            }
            self.out.push_str(&regex::escape(c.encode_utf8(&mut [0; 4])));
        }
    }

    /// `[…]`, in which the regex crate gives meaning to `[`, `&&`, `--` and `~~`.
    fn class(&mut self) -> Result<(), Fault> {
        self.out.push('[');
        if self.chars.next_if_eq(&'^').is_some() {
            self.out.push('^');
        }
        if self.chars.next_if_eq(&']').is_some() {
            self.out.push_str("\\]");
        }
        while let Some(c) = self.chars.next() {
            match c {
                ']' => {
                    self.out.push(']');
                    return Ok(());
                }
                '[' if self.chars.peek() == Some(&':') => self.named_class()?,
                '[' | '&' | '~' => self.pass(c),
                '-' if self.chars.peek() == Some(&'-') => {
                    return Err(whole("invalid or unsupported character class range --"));
                }
                '\\' => match self.chars.next() {
                    None => return Err(part("trailing backslash at end of expression", "")),
                    Some('d') => self.out.push_str("0-9"),
                    Some('D') => self.out.push_str("[^0-9]"),
                    Some('s') => self.out.push_str("\\t\\n\\x0C\\r "),
                    Some('S') => self.out.push_str("[^\\t\\n\\x0C\\r ]"),
                    Some('w') => self.out.push_str("0-9A-Za-z_"),
                    Some('W') => self.out.push_str("[^0-9A-Za-z_]"),
                    Some(c) => self.simple(c)?,
                },
                other => self.out.push(other),
            }
        }
        Err(whole("missing closing ]"))
    }

    fn named_class(&mut self) -> Result<(), Fault> {
        let name: String = self.chars.clone().take_while(|c| *c != ']').take(12).collect();
        if !name.ends_with(':') || name.len() < 3 {
            self.out.push_str("\\[");
            return Ok(());
        }
        if !CLASSES.contains(&name.trim_matches([':', '^'])) {
            return Err(part("invalid character class range", format!("[{name}]")));
        }
        self.out.push('[');
        self.out.push_str(&name);
        self.out.push(']');
        for _ in 0..=name.chars().count() {
            self.chars.next();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::compile;

    #[test]
    fn go_dialect() {
        for (pattern, text, want) in [
            (r"^\d+$", "123", true),
            (r"^\d+$", "١٢٣", false),
            (r"^\w+$", "é", false),
            (r"^[\w.-]+$", "a.b-c", true),
            (r"^[[:alpha:]]+$", "abc", true),
            (r"^[a[]$", "[", true),
            (r"^[&&~]+$", "&~", true),
            (r"a{,2}", "a{,2}", true),
            (r"^{{x}}$", "{{x}}", true),
            (r"^a{2}$", "aa", true),
            (r"\Qa.b\E", "axb", false),
            (r"\Qa.b\E", "a.b", true),
            (r"\<x\>", "<x>", true),
            (r"(?i)ABC", "abc", true),
            (r"^[]a]+$", "]a", true),
            (r"\bfoo\b", "a foo b", true),
            (r"^[^\D]$", "5", true),
        ] {
            assert_eq!(compile(pattern).unwrap().is_match(text), want, "{pattern} on {text}");
        }
        for bad in ["(", "[a", r"\", "a{1001}", "(?x)a", r"\1", r"\B", "[+--]", "(?u)a", r"\C", r"\Z"] {
            assert!(compile(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_pattern_that_needs_too_much_memory_is_refused() {
        assert!(compile("((a{1000}){100}){10}").is_err());
        assert!(compile(&"a".repeat(70_000)).is_err());
    }
}
