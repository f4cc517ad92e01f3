//! JSON as text: checked, compacted, indented, with Go's words for what it is not.

/// What may stand between values.
pub(in crate::builtin) const SPACE: [char; 4] = [' ', '\t', '\r', '\n'];

/// Why a text is no JSON.
pub(super) enum Fault {
    /// It ends too early.
    End,
    /// A character stands where it may not; the words say which and where.
    Letter(String),
}

/// Writes a string with quotes.
pub(in crate::builtin) fn string(text: &str, out: &mut String) {
    out.push('"');
    for letter in text.chars() {
        match letter {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            letter if u32::from(letter) < 0x20 || matches!(letter, '\u{2028}' | '\u{2029}') => {
                out.push_str(&format!("\\u{:04x}", u32::from(letter)));
            }
            letter => out.push(letter),
        }
    }
    out.push('"');
}

/// Reads a text once from left to right; nesting is counted, not followed, so that its depth costs no stack.
struct Reader<'a> {
    text: &'a str,
    at: usize,
}

/// Whether a text is one JSON value.
pub(super) fn check(text: &str) -> Result<(), Fault> {
    let mut reader = Reader { text, at: 0 };
    reader.value()?;
    reader.space();
    match reader.peek() {
        None => Ok(()),
        Some(letter) => Err(wrong(letter, "after top-level value")),
    }
}

/// Where the value that a text begins with ends.
pub(super) fn value_end(text: &str) -> Result<usize, Fault> {
    let mut reader = Reader { text, at: 0 };
    reader.value()?;
    Ok(reader.at)
}

fn wrong(letter: char, place: &str) -> Fault {
    let shown = match letter {
        '\'' => "'\\''".to_owned(),
        '"' => "'\"'".to_owned(),
        letter => {
            let quoted = crate::print::quote(&letter.to_string());
            format!("'{}'", quoted.trim_matches('"'))
        }
    };
    Fault::Letter(format!("invalid character {shown} {place}"))
}

impl Reader<'_> {
    fn peek(&self) -> Option<char> {
        self.text.get(self.at..).and_then(|rest| rest.chars().next())
    }

    fn next(&mut self) -> Result<char, Fault> {
        let letter = self.peek().ok_or(Fault::End)?;
        self.at += letter.len_utf8();
        Ok(letter)
    }

    /// The next character inside a literal; Go puts a space behind the end, which no literal takes.
    fn inside(&mut self) -> char {
        match self.peek() {
            Some(letter) => {
                self.at += letter.len_utf8();
                letter
            }
            None => ' ',
        }
    }

    fn space(&mut self) {
        while self.peek().is_some_and(|letter| SPACE.contains(&letter)) {
            self.at += 1;
        }
    }

    fn value(&mut self) -> Result<(), Fault> {
        // Whether each bracket that is open is that of an object.
        let mut open: Vec<bool> = Vec::new();
        loop {
            self.space();
            let letter = self.next()?;
            match letter {
                '{' | '[' => {
                    let object = letter == '{';
                    let end = if object { '}' } else { ']' };
                    self.space();
                    if self.peek() != Some(end) {
                        open.push(object);
                        if object {
                            self.key("looking for beginning of object key string")?;
                        }
                        continue;
                    }
                    self.at += 1;
                }
                '"' => self.string()?,
                '-' | '0'..='9' => self.number(letter)?,
                't' => self.word("rue", "true")?,
                'f' => self.word("alse", "false")?,
                'n' => self.word("ull", "null")?,
                letter => return Err(wrong(letter, "looking for beginning of value")),
            }
            loop {
                let Some(object) = open.last().copied() else { return Ok(()) };
                self.space();
                match (self.next()?, object) {
                    (',', true) => self.key("looking for beginning of object key string")?,
                    (',', false) => {}
                    ('}', true) | (']', false) => {
                        open.pop();
                        continue;
                    }
                    (letter, true) => return Err(wrong(letter, "after object key:value pair")),
                    (letter, false) => return Err(wrong(letter, "after array element")),
                }
                break;
            }
        }
    }

    fn key(&mut self, place: &str) -> Result<(), Fault> {
        self.space();
        match self.next()? {
            '"' => self.string()?,
            letter => return Err(wrong(letter, place)),
        }
        self.space();
        match self.next()? {
            ':' => Ok(()),
            letter => Err(wrong(letter, "after object key")),
        }
    }

    fn string(&mut self) -> Result<(), Fault> {
        loop {
            match self.next()? {
                '"' => return Ok(()),
                '\\' => match self.inside() {
                    'b' | 'f' | 'n' | 'r' | 't' | '\\' | '/' | '"' => {}
                    'u' => {
                        for _ in 0..4 {
                            let digit = self.inside();
                            if !digit.is_ascii_hexdigit() {
                                return Err(wrong(digit, "in \\u hexadecimal character escape"));
                            }
                        }
                    }
                    letter => return Err(wrong(letter, "in string escape code")),
                },
                letter if u32::from(letter) < 0x20 => return Err(wrong(letter, "in string literal")),
                _ => {}
            }
        }
    }

    fn digits(&mut self, place: &str) -> Result<(), Fault> {
        let digit = self.inside();
        if !digit.is_ascii_digit() {
            return Err(wrong(digit, place));
        }
        while self.peek().is_some_and(|letter| letter.is_ascii_digit()) {
            self.at += 1;
        }
        Ok(())
    }

    fn number(&mut self, first: char) -> Result<(), Fault> {
        let lead = if first == '-' { self.inside() } else { first };
        match lead {
            '0' => {}
            '1'..='9' => {
                while self.peek().is_some_and(|letter| letter.is_ascii_digit()) {
                    self.at += 1;
                }
            }
            letter => return Err(wrong(letter, "in numeric literal")),
        }
        if self.peek() == Some('.') {
            self.at += 1;
            self.digits("after decimal point in numeric literal")?;
        }
        if matches!(self.peek(), Some('e' | 'E')) {
            self.at += 1;
            if matches!(self.peek(), Some('+' | '-')) {
                self.at += 1;
            }
            self.digits("in exponent of numeric literal")?;
        }
        Ok(())
    }

    fn word(&mut self, rest: &str, whole: &str) -> Result<(), Fault> {
        for wanted in rest.chars() {
            let letter = self.inside();
            if letter != wanted {
                return Err(wrong(letter, &format!("in literal {whole} (expecting '{wanted}')")));
            }
        }
        Ok(())
    }
}

/// Hands the characters outside strings, and whole strings, one after another.
fn pieces(text: &str, mut take: impl FnMut(&str, bool)) {
    let (mut start, mut escaped) = (None, false);
    for (at, letter) in text.char_indices() {
        match start {
            Some(from) if letter == '"' && !escaped => {
                take(text.get(from..=at).unwrap_or_default(), true);
                start = None;
            }
            Some(_) => escaped = letter == '\\' && !escaped,
            None if letter == '"' => (start, escaped) = (Some(at), false),
            None => take(text.get(at..at + letter.len_utf8()).unwrap_or_default(), false),
        }
    }
}

/// A valid text without what may stand between values.
pub(super) fn compact(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    pieces(text, |piece, string| {
        if string || !piece.starts_with(SPACE) {
            out.push_str(piece);
        }
    });
    out
}

/// A valid text with a line for every element and field.
pub(super) fn indent(text: &str, prefix: &str, indent: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut depth = 0usize;
    let mut opened = false;
    let line = |out: &mut String, depth: usize| {
        out.push('\n');
        out.push_str(prefix);
        out.push_str(&indent.repeat(depth));
    };
    pieces(text, |piece, string| {
        if !string && piece.starts_with(SPACE) {
            return;
        }
        let closes = !string && matches!(piece, "}" | "]");
        if opened && !closes {
            depth += 1;
            line(&mut out, depth);
        }
        match piece {
            "{" | "[" if !string => {
                out.push_str(piece);
                opened = true;
                return;
            }
            "," if !string => {
                out.push_str(piece);
                line(&mut out, depth);
            }
            ":" if !string => out.push_str(": "),
            _ if closes => {
                if !opened {
                    depth = depth.saturating_sub(1);
                    line(&mut out, depth);
                }
                out.push_str(piece);
            }
            _ => out.push_str(piece),
        }
        opened = false;
    });
    // What follows the value is kept, as Go keeps it.
    out.push_str(text.get(text.trim_end_matches(SPACE).len()..).unwrap_or_default());
    out
}
