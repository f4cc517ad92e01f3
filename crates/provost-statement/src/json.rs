//! Strict JSON: one value, no duplicate keys, no trailing bytes, valid UTF-8, bounded nesting.
//!
//! Readers that disagree about a document are how one program signs what another never saw, so everything on
//! which they differ is an error. Errors are data (offset, byte, where it stood): the Go-worded sentences that
//! cosign's users know are made from them in the cosign dialect.

use serde_json::map::Entry;
use serde_json::{Map, Number, Value};

/// How deep, how long and how finely divided a document may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Arrays and objects inside each other.
    pub depth: usize,
    /// Bytes of the whole document.
    pub bytes: usize,
    /// Values in the whole document, keys aside: each takes 32 bytes once it is read, and only two to write. Each node
    /// of an object's tree counts as [`NODE`] values.
    pub values: usize,
}

/// What a node of an object's tree counts for: room for 11 keys of 24 bytes and 11 values of 32, with its links 632
/// bytes, as much as 20 values. A million subjects of two objects each are 1.3 GB of nodes around 64 MB of values.
const NODE: usize = 20;
/// Keys after which an object has another node: full ones are split in half.
const NODE_KEYS: usize = 6;

impl Limits {
    /// What statements are held to: 128 levels (the deepest provenance seen has 14; every recursion over the value stays
    /// far below a 2 MiB stack), cosign's 128 MiB an attachment, and 16 million values, 512 MiB of them (an SBOM has one
    /// in 20 bytes and an object in 100, so 30 MB of it count for 7.5 million).
    pub const STATEMENT: Self = Self { depth: 128, bytes: 128 * 1024 * 1024, values: 16 * 1024 * 1024 };

    /// What envelopes and bundles are held to, which are read before anybody is known to have signed them: as statements,
    /// but 65,536 values, 2 MiB of them (a bundle with three log entries has under 200).
    pub const ENVELOPE: Self = Self { values: 64 * 1024, ..Self::STATEMENT };
}

/// Why a text is not strict JSON: what, and at which byte.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{fault} at byte {offset}")]
pub struct JsonError {
    /// Bytes before the one that was wrong.
    pub offset: usize,
    /// What was wrong.
    pub fault: JsonFault,
}

/// What was wrong with a JSON text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JsonFault {
    /// A byte that cannot stand where it stands.
    #[error("unexpected byte 0x{byte:02x} {place}")]
    Unexpected {
        /// The byte.
        byte: u8,
        /// Where it stood.
        place: Place,
    },
    /// The text ends inside a value, or is empty.
    #[error("unexpected end")]
    End,
    /// A key stands twice in one object.
    #[error("duplicate key {0:?}")]
    DuplicateKey(String),
    /// Arrays and objects are nested deeper than allowed.
    #[error("nested deeper than {0} levels")]
    TooDeep(usize),
    /// The text is longer than allowed.
    #[error("longer than {0} bytes")]
    TooLong(usize),
    /// The text holds more values than allowed.
    #[error("more than {0} values")]
    TooMany(usize),
    /// A string holds bytes that are no UTF-8.
    #[error("invalid UTF-8 in a string")]
    InvalidUtf8,
    /// A `\u` escape names half a surrogate pair.
    #[error("unpaired surrogate in a string")]
    Surrogate,
    /// A number that no double can hold.
    #[error("number out of range")]
    Number,
}

/// Where in the grammar an unexpected byte stood, with the names Go's scanner gives these states.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// A value should begin.
    BeginValue,
    /// A key should begin.
    BeginKey,
    /// After a key, before its colon.
    AfterKey,
    /// After a key and its value.
    AfterPair,
    /// After an element of an array.
    AfterElement,
    /// After the whole document.
    AfterTop,
    /// Inside a string.
    InString,
    /// After a backslash.
    InEscape,
    /// Among the four digits of `\u`.
    InUnicodeEscape,
    /// After a minus.
    InNumber,
    /// After the decimal point.
    AfterPoint,
    /// In the exponent.
    InExponent,
    /// Inside `true`, `false` or `null`, with the byte that should stand there.
    InLiteral(&'static str, u8),
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::BeginValue => "looking for beginning of value",
            Self::BeginKey => "looking for beginning of object key string",
            Self::AfterKey => "after object key",
            Self::AfterPair => "after object key:value pair",
            Self::AfterElement => "after array element",
            Self::AfterTop => "after top-level value",
            Self::InString => "in string literal",
            Self::InEscape => "in string escape code",
            Self::InUnicodeEscape => "in \\u hexadecimal character escape",
            Self::InNumber => "in numeric literal",
            Self::AfterPoint => "after decimal point in numeric literal",
            Self::InExponent => "in exponent of numeric literal",
            Self::InLiteral(word, expected) => {
                return write!(f, "in literal {word} (expecting '{}')", char::from(*expected));
            }
        })
    }
}

/// Reads one strict JSON document.
///
/// # Errors
/// The first fault, with its offset. A syntax fault anywhere is reported before a duplicate key, as Go checks
/// the whole text before it decodes.
pub fn parse(bytes: &[u8], limits: Limits) -> Result<Value, JsonError> {
    if bytes.len() > limits.bytes {
        return Err(JsonError { offset: limits.bytes, fault: JsonFault::TooLong(limits.bytes) });
    }
    let mut reader = Reader { bytes, at: 0, depth: 0, values: 0, limits, late: None };
    reader.space();
    let value = reader.value()?;
    reader.space();
    if let Some(byte) = reader.peek() {
        return Err(reader.unexpected(byte, Place::AfterTop));
    }
    match reader.late {
        Some(late) => Err(late),
        None => Ok(value),
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    depth: usize,
    values: usize,
    limits: Limits,
    /// The first fault that is no syntax error; syntax errors further on win over it.
    late: Option<JsonError>,
}

impl Reader<'_> {
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\r' | b'\n')) {
            self.at += 1;
        }
    }

    fn unexpected(&self, byte: u8, place: Place) -> JsonError {
        JsonError { offset: self.at, fault: JsonFault::Unexpected { byte, place } }
    }

    fn end(&self) -> JsonError {
        JsonError { offset: self.at, fault: JsonFault::End }
    }

    fn need(&self) -> Result<u8, JsonError> {
        self.peek().ok_or_else(|| self.end())
    }

    /// Counts what takes the memory of so many values.
    fn count(&mut self, values: usize) -> Result<(), JsonError> {
        if self.limits.values - self.values < values {
            return Err(JsonError { offset: self.at, fault: JsonFault::TooMany(self.limits.values) });
        }
        self.values += values;
        Ok(())
    }

    fn note(&mut self, offset: usize, fault: JsonFault) {
        if self.late.is_none() {
            self.late = Some(JsonError { offset, fault });
        }
    }

    fn value(&mut self) -> Result<Value, JsonError> {
        self.count(1)?;
        match self.need()? {
            b'{' => self.nested(Self::object),
            b'[' => self.nested(Self::array),
            b'"' => self.string().map(Value::String),
            b'-' | b'0'..=b'9' => self.number(),
            b't' => self.literal("true", Value::Bool(true)),
            b'f' => self.literal("false", Value::Bool(false)),
            b'n' => self.literal("null", Value::Null),
            other => Err(self.unexpected(other, Place::BeginValue)),
        }
    }

    fn nested(&mut self, read: fn(&mut Self) -> Result<Value, JsonError>) -> Result<Value, JsonError> {
        if self.depth >= self.limits.depth {
            return Err(JsonError { offset: self.at, fault: JsonFault::TooDeep(self.limits.depth) });
        }
        self.depth += 1;
        self.at += 1;
        self.space();
        let value = read(self);
        self.depth -= 1;
        value
    }

    fn object(&mut self) -> Result<Value, JsonError> {
        let mut map = Map::new();
        if self.need()? == b'}' {
            self.at += 1;
            return Ok(Value::Object(map));
        }
        loop {
            let start = self.at;
            let first = self.need()?;
            if first != b'"' {
                return Err(self.unexpected(first, Place::BeginKey));
            }
            let key = self.string()?;
            self.space();
            let colon = self.need()?;
            if colon != b':' {
                return Err(self.unexpected(colon, Place::AfterKey));
            }
            self.at += 1;
            self.space();
            let value = self.value()?;
            if map.len().is_multiple_of(NODE_KEYS) {
                self.count(NODE)?;
            }
            match map.entry(key) {
                Entry::Occupied(there) => self.note(start, JsonFault::DuplicateKey(there.key().clone())),
                Entry::Vacant(free) => {
                    free.insert(value);
                }
            }
            self.space();
            match self.need()? {
                b',' => self.at += 1,
                b'}' => {
                    self.at += 1;
                    return Ok(Value::Object(map));
                }
                other => return Err(self.unexpected(other, Place::AfterPair)),
            }
            self.space();
        }
    }

    fn array(&mut self) -> Result<Value, JsonError> {
        let mut list = Vec::new();
        if self.need()? == b']' {
            self.at += 1;
            return Ok(Value::Array(list));
        }
        loop {
            list.push(self.value()?);
            self.space();
            match self.need()? {
                b',' => self.at += 1,
                b']' => {
                    self.at += 1;
                    return Ok(Value::Array(list));
                }
                other => return Err(self.unexpected(other, Place::AfterElement)),
            }
            self.space();
        }
    }

    fn literal(&mut self, word: &'static str, value: Value) -> Result<Value, JsonError> {
        for expected in word.bytes() {
            let found = self.need()?;
            if found != expected {
                return Err(self.unexpected(found, Place::InLiteral(word, expected)));
            }
            self.at += 1;
        }
        Ok(value)
    }

    fn string(&mut self) -> Result<String, JsonError> {
        let start = self.at;
        self.at += 1;
        let mut text = Vec::new();
        loop {
            let run = self.at;
            while matches!(self.peek(), Some(b) if b != b'"' && b != b'\\' && b >= 0x20) {
                self.at += 1;
            }
            text.extend_from_slice(self.bytes.get(run..self.at).unwrap_or_default());
            match self.need()? {
                b'"' => {
                    self.at += 1;
                    break;
                }
                b'\\' => {
                    self.at += 1;
                    self.escape(&mut text)?;
                }
                control => return Err(self.unexpected(control, Place::InString)),
            }
        }
        match String::from_utf8(text) {
            Ok(text) => Ok(text),
            Err(broken) => {
                self.note(start, JsonFault::InvalidUtf8);
                Ok(String::from_utf8_lossy(broken.as_bytes()).into_owned())
            }
        }
    }

    fn escape(&mut self, text: &mut Vec<u8>) -> Result<(), JsonError> {
        let kind = self.need()?;
        let plain = match kind {
            b'"' | b'\\' | b'/' => kind,
            b'b' => 8,
            b'f' => 12,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'u' => {
                self.at += 1;
                return self.unicode_escape(text);
            }
            other => return Err(self.unexpected(other, Place::InEscape)),
        };
        self.at += 1;
        text.push(plain);
        Ok(())
    }

    fn unicode_escape(&mut self, text: &mut Vec<u8>) -> Result<(), JsonError> {
        let start = self.at;
        let high = self.four_digits()?;
        let mut code = high;
        if (0xD800..0xDC00).contains(&high)
            && self.bytes.get(self.at) == Some(&b'\\')
            && self.bytes.get(self.at + 1) == Some(&b'u')
        {
            let back = self.at;
            self.at += 2;
            let low = self.four_digits()?;
            if (0xDC00..0xE000).contains(&low) {
                code = 0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00);
            } else {
                self.at = back;
            }
        }
        let character = char::from_u32(code).unwrap_or_else(|| {
            self.note(start, JsonFault::Surrogate);
            char::REPLACEMENT_CHARACTER
        });
        text.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
        Ok(())
    }

    fn four_digits(&mut self) -> Result<u32, JsonError> {
        let mut code = 0;
        for _ in 0..4 {
            let byte = self.need()?;
            let Some(digit) = char::from(byte).to_digit(16) else {
                return Err(self.unexpected(byte, Place::InUnicodeEscape));
            };
            code = code * 16 + digit;
            self.at += 1;
        }
        Ok(code)
    }

    fn digits(&mut self, place: Place) -> Result<(), JsonError> {
        let first = self.need()?;
        if !first.is_ascii_digit() {
            return Err(self.unexpected(first, place));
        }
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        Ok(())
    }

    fn number(&mut self) -> Result<Value, JsonError> {
        let start = self.at;
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        if self.peek() == Some(b'0') {
            self.at += 1;
        } else {
            self.digits(Place::InNumber)?;
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits(Place::AfterPoint)?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digits(Place::InExponent)?;
        }
        let text =
            std::str::from_utf8(self.bytes.get(start..self.at).unwrap_or_default()).unwrap_or_default();
        match text.parse::<Number>() {
            Ok(number) => Ok(Value::Number(number)),
            Err(_) => {
                self.note(start, JsonFault::Number);
                Ok(Value::Null)
            }
        }
    }
}

#[cfg(test)]
mod tests;
