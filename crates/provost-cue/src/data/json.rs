//! Strict JSON (RFC 8259) into a [`Data`] tree, without recursion over foreign nesting.

use std::collections::HashMap;
use std::ops::Range;

use super::{Data, DataId, Node};
use crate::error::{Code, CueErrors, Reason};
use crate::limits::Limits;

/// Objects up to this size are searched for repeated names by comparing; hashing pays off above.
const SMALL_OBJECT: usize = 12;

/// A list or object that is still open.
enum Open {
    List(Vec<DataId>),
    Struct(Vec<(Range<u32>, DataId)>, Option<Range<u32>>),
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    data: Data,
}

pub(super) fn read(bytes: &[u8], limits: &Limits) -> Result<Data, CueErrors> {
    let limit = limits.data_bytes.min(u32::MAX as usize / 2);
    if bytes.len() > limit {
        return Err(refuse(Reason::Limit { what: "bytes of JSON", limit: limit as u64 }));
    }
    let data = Data {
        text: String::with_capacity(bytes.len()),
        nodes: Vec::new(),
        elements: Vec::new(),
        members: Vec::new(),
        root: DataId(0),
    };
    Reader { bytes, at: 0, data }.document(limits)
}

fn refuse(reason: Reason) -> CueErrors {
    CueErrors::one(String::new(), Code::Eval, reason, Vec::new())
}

impl Reader<'_> {
    fn document(mut self, limits: &Limits) -> Result<Data, CueErrors> {
        let mut open: Vec<Open> = Vec::new();
        'value: loop {
            self.space();
            let mut done = match self.peek() {
                Some(start @ (b'{' | b'[')) => {
                    self.at += 1;
                    if open.len() >= limits.data_depth {
                        let limit = limits.data_depth as u64;
                        return Err(refuse(Reason::Limit { what: "levels of JSON nesting", limit }));
                    }
                    self.space();
                    if start == b'[' {
                        if self.peek() == Some(b']') {
                            self.at += 1;
                            self.push(Node::List(0..0))
                        } else {
                            open.push(Open::List(Vec::new()));
                            continue 'value;
                        }
                    } else if self.peek() == Some(b'}') {
                        self.at += 1;
                        self.push(Node::Struct(0..0))
                    } else {
                        let name = self.name()?;
                        open.push(Open::Struct(Vec::new(), Some(name)));
                        continue 'value;
                    }
                }
                _ => self.scalar()?,
            };
            loop {
                self.space();
                match open.last_mut() {
                    None if self.at == self.bytes.len() => {
                        self.data.root = done;
                        return Ok(self.data);
                    }
                    None => return Err(self.invalid()),
                    Some(Open::List(elements)) => {
                        elements.push(done);
                        match self.bytes.get(self.at) {
                            Some(b',') => {
                                self.at += 1;
                                continue 'value;
                            }
                            Some(b']') => self.at += 1,
                            _ => return Err(self.invalid()),
                        }
                    }
                    Some(Open::Struct(members, name)) => {
                        if let Some(name) = name.take() {
                            members.push((name, done));
                        }
                        match self.bytes.get(self.at) {
                            Some(b',') => {
                                self.at += 1;
                                self.space();
                                let next = self.name()?;
                                if let Some(Open::Struct(_, name)) = open.last_mut() {
                                    *name = Some(next);
                                }
                                continue 'value;
                            }
                            Some(b'}') => self.at += 1,
                            _ => return Err(self.invalid()),
                        }
                    }
                }
                done = match open.pop() {
                    Some(Open::List(elements)) => {
                        let start = self.data.elements.len() as u32;
                        self.data.elements.extend(elements);
                        let end = self.data.elements.len() as u32;
                        self.push(Node::List(start..end))
                    }
                    Some(Open::Struct(members, _)) => {
                        let members = self.without_repeats(members, &open)?;
                        let start = self.data.members.len() as u32;
                        self.data.members.extend(members);
                        let end = self.data.members.len() as u32;
                        self.push(Node::Struct(start..end))
                    }
                    None => return Err(self.invalid()),
                };
            }
        }
    }

    /// The label under which the value now being read will stand in an open list or object.
    fn step(&self, level: &Open) -> Option<String> {
        match level {
            Open::List(elements) => Some(elements.len().to_string()),
            Open::Struct(_, name) => Some(crate::label::quoted(self.data.text(name.as_ref()?))),
        }
    }

    /// Drops members whose name came before with an equal value; different values are a conflict.
    fn without_repeats(
        &self,
        members: Vec<(Range<u32>, DataId)>,
        above: &[Open],
    ) -> Result<Vec<(Range<u32>, DataId)>, CueErrors> {
        let text = |range: &Range<u32>| self.data.text(range);
        let repeated = |kept: &[(Range<u32>, DataId)], name: &str| {
            kept.iter().find(|(other, _)| text(other) == name).map(|(_, id)| *id)
        };
        let mut index: HashMap<&str, DataId> = HashMap::new();
        let hashed = members.len() > SMALL_OBJECT;
        let mut kept: Vec<(Range<u32>, DataId)> = Vec::with_capacity(members.len());
        for (name, id) in members {
            let before = match hashed {
                true => index.insert(text(&name), id),
                false => repeated(&kept, text(&name)),
            };
            match before {
                None => kept.push((name, id)),
                Some(other) if self.equal(other, id) => {}
                Some(other) => {
                    let path = above.iter().filter_map(|level| self.step(level));
                    let label = crate::label::quoted(text(&name));
                    let path = path.chain([label]).collect::<Vec<_>>().join(".");
                    let reason = Reason::Conflict {
                        left: crate::print::data(&self.data, id),
                        right: crate::print::data(&self.data, other),
                        kinds: None,
                    };
                    return Err(CueErrors::one(path, Code::Eval, reason, Vec::new()));
                }
            }
        }
        Ok(kept)
    }

    /// Whether two values are spelled alike; printing walks at most the document's own depth.
    fn equal(&self, a: DataId, b: DataId) -> bool {
        crate::print::data(&self.data, a) == crate::print::data(&self.data, b)
    }

    fn push(&mut self, node: Node) -> DataId {
        self.data.nodes.push(node);
        DataId((self.data.nodes.len() - 1) as u32)
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn space(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek() {
            self.at += 1;
        }
    }

    fn invalid(&self) -> CueErrors {
        refuse(Reason::InvalidJson { offset: self.at })
    }

    fn name(&mut self) -> Result<Range<u32>, CueErrors> {
        let name = self.string()?;
        self.space();
        if self.peek() != Some(b':') {
            return Err(self.invalid());
        }
        self.at += 1;
        Ok(name)
    }

    fn scalar(&mut self) -> Result<DataId, CueErrors> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        for (word, node) in [("null", Node::Null), ("true", Node::Bool(true)), ("false", Node::Bool(false))] {
            if rest.starts_with(word.as_bytes()) {
                self.at += word.len();
                return Ok(self.push(node));
            }
        }
        match self.peek() {
            Some(b'"') => {
                let range = self.string()?;
                Ok(self.push(Node::String(range)))
            }
            Some(b'-' | b'0'..=b'9') => self.number(),
            _ => Err(self.invalid()),
        }
    }

    fn digits(&mut self) -> Result<(), CueErrors> {
        if !self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            return Err(self.invalid());
        }
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        Ok(())
    }

    fn number(&mut self) -> Result<DataId, CueErrors> {
        let start = self.at;
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        match self.peek() {
            Some(b'0') => self.at += 1,
            _ => self.digits()?,
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.peek() {
            self.at += 1;
            if let Some(b'+' | b'-') = self.peek() {
                self.at += 1;
            }
            self.digits()?;
        }
        let spelled = self.bytes.get(start..self.at).and_then(|bytes| std::str::from_utf8(bytes).ok());
        let range = self.keep(spelled.unwrap_or_default());
        Ok(self.push(Node::Number(range)))
    }

    fn keep(&mut self, text: &str) -> Range<u32> {
        let start = self.data.text.len() as u32;
        self.data.text.push_str(text);
        start..self.data.text.len() as u32
    }

    fn string(&mut self) -> Result<Range<u32>, CueErrors> {
        if self.peek() != Some(b'"') {
            return Err(self.invalid());
        }
        self.at += 1;
        let start = self.data.text.len() as u32;
        loop {
            let rest = self.bytes.get(self.at..).unwrap_or_default();
            let plain = rest.iter().position(|byte| matches!(byte, b'"' | b'\\' | 0..=0x1f));
            let (plain, _) = rest.split_at(plain.ok_or_else(|| self.invalid())?);
            // Go's decoder replaces invalid UTF-8, CUE's scanner refuses it: refuse.
            let text = std::str::from_utf8(plain).map_err(|_| self.invalid())?;
            self.data.text.push_str(text);
            self.at += plain.len();
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(start..self.data.text.len() as u32);
                }
                Some(b'\\') => {
                    self.at += 1;
                    let decoded = self.escape()?;
                    self.data.text.push(decoded);
                }
                _ => return Err(self.invalid()),
            }
        }
    }

    fn escape(&mut self) -> Result<char, CueErrors> {
        let kind = self.peek().ok_or_else(|| self.invalid())?;
        self.at += 1;
        Ok(match kind {
            b'"' | b'\\' | b'/' => char::from(kind),
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => {
                let unit = self.unit()?;
                if !(0xd800..0xe000).contains(&unit) {
                    return char::from_u32(unit).ok_or_else(|| self.invalid());
                }
                let lone = || refuse(Reason::UnmatchedSurrogate);
                if unit >= 0xdc00 || !self.bytes.get(self.at..).is_some_and(|rest| rest.starts_with(b"\\u")) {
                    return Err(lone());
                }
                self.at += 2;
                let low = self.unit()?;
                if !(0xdc00..0xe000).contains(&low) {
                    return Err(lone());
                }
                char::from_u32(0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00)).ok_or_else(lone)?
            }
            _ => return Err(self.invalid()),
        })
    }

    fn unit(&mut self) -> Result<u32, CueErrors> {
        let digits = self.bytes.get(self.at..self.at + 4).ok_or_else(|| self.invalid())?;
        let mut unit = 0;
        for digit in digits {
            unit = unit * 16 + char::from(*digit).to_digit(16).ok_or_else(|| self.invalid())?;
        }
        self.at += 4;
        Ok(unit)
    }
}
