//! Where something stands: files, spans of bytes, and the lines and columns shown to people.

use std::fmt;
use std::sync::Arc;

/// A range of bytes in one file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Span {
    /// Index of the file in [`Sources`].
    pub(crate) file: u32,
    /// First byte.
    pub(crate) start: u32,
}

/// A place in a file as shown to people: line and column count from 1, the column in bytes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Position {
    /// The file's name as it was given.
    pub file: Arc<str>,
    /// Line, from 1.
    pub line: u32,
    /// Column in bytes, from 1.
    pub column: u32,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

/// The names of the files of one policy and where their lines begin.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sources {
    files: Vec<(Arc<str>, Vec<u32>)>,
}

impl Sources {
    /// Adds a file and returns its index.
    pub(crate) fn add(&mut self, name: &str, text: &str) -> u32 {
        let starts = text.bytes().zip(1u32..).filter(|(byte, _)| *byte == b'\n').map(|(_, next)| next);
        self.files.push((Arc::from(name), std::iter::once(0).chain(starts).collect()));
        u32::try_from(self.files.len() - 1).unwrap_or(u32::MAX)
    }

    /// The line and column of a span's first byte.
    pub(crate) fn position(&self, span: Span) -> Option<Position> {
        let (name, starts) = self.files.get(usize::try_from(span.file).ok()?)?;
        let line = starts.partition_point(|start| *start <= span.start);
        let start = starts.get(line.checked_sub(1)?)?;
        Some(Position {
            file: Arc::clone(name),
            line: u32::try_from(line).ok()?,
            column: span.start - start + 1,
        })
    }
}
