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
pub(crate) fn compile(pattern: &str) -> Result<Regex, String> {
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
    translator.run().map_err(|what| format!("{what}: {}", quoted(pattern)))?;
    Ok(translator.out)
}

impl Translator<'_> {
    fn run(&mut self) -> Result<(), &'static str> {
        while let Some(c) = self.chars.next() {
            match c {
                '\\' => self.escape()?,
                '[' => self.class()?,
                '{' => self.repeat()?,
                '}' => self.out.push_str("\\}"),
                '(' if self.chars.peek() == Some(&'?') => self.group()?,
                other => self.out.push(other),
            }
        }
        Ok(())
    }

    /// `{n,m}` is a repetition only in that form; any other brace is a character in RE2.
    fn repeat(&mut self) -> Result<(), &'static str> {
        let ahead: String = self.chars.clone().take_while(|c| *c != '}').take(12).collect();
        let closed = self.chars.clone().nth(ahead.chars().count()) == Some('}');
        let (low, high) = ahead.split_once(',').map_or((ahead.as_str(), None), |(l, h)| (l, Some(h)));
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        if !closed || !digits(low) || !high.is_none_or(|high| high.is_empty() || digits(high)) {
            self.out.push_str("\\{");
            return Ok(());
        }
        for bound in [low, high.unwrap_or_default()] {
            if bound.parse::<u32>().is_ok_and(|n| n > MAX_REPEAT) || bound.len() > 9 {
                return Err("invalid repeat count");
            }
        }
        self.out.push('{');
        self.out.push_str(&ahead);
        self.out.push('}');
        for _ in 0..=ahead.chars().count() {
            self.chars.next();
        }
        Ok(())
    }

    /// Groups: names and the flags i, m, s, U are RE2's; the regex crate knows more.
    fn group(&mut self) -> Result<(), &'static str> {
        self.chars.next();
        self.out.push_str("(?");
        match self.chars.peek() {
            Some('P' | '<') => Ok(()),
            _ => {
                while let Some(c) = self.chars.next() {
                    self.out.push(c);
                    match c {
                        'i' | 'm' | 's' | 'U' | '-' => {}
                        ':' | ')' => return Ok(()),
                        _ => return Err("invalid or unsupported Perl syntax"),
                    }
                }
                Err("missing closing )")
            }
        }
    }

    fn escape(&mut self) -> Result<(), &'static str> {
        match self.chars.next() {
            None => return Err("trailing backslash at end of expression"),
            Some('Q') => self.literal(),
            Some('b') => self.out.push_str("(?-u:\\b)"),
            Some('B') => {
                // Between the bytes of one character this would match where no text position is.
                return Err("invalid or unsupported escape sequence \\B");
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
    fn simple(&mut self, c: char) -> Result<(), &'static str> {
        match c {
            'a' | 'f' | 'n' | 'r' | 't' | 'v' | 'x' | 'p' | 'P' => self.pass(c),
            '<' | '>' => self.out.push(c),
            c if c.is_ascii_punctuation() => self.pass(c),
            _ => return Err("invalid escape sequence"),
        }
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
    fn class(&mut self) -> Result<(), &'static str> {
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
                    return Err("invalid or unsupported character class range --");
                }
                '\\' => match self.chars.next() {
                    None => return Err("trailing backslash at end of expression"),
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
        Err("missing closing ]")
    }

    fn named_class(&mut self) -> Result<(), &'static str> {
        let name: String = self.chars.clone().take_while(|c| *c != ']').take(12).collect();
        if !name.ends_with(':') || name.len() < 3 {
            self.out.push_str("\\[");
            return Ok(());
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
