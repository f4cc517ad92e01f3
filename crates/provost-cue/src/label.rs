//! Labels: what a field is called, interned, with its kind in the low bits.

use std::collections::HashMap;
use std::sync::Arc;

/// What kind of label it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LabelKind {
    /// A regular field.
    Text,
    /// A list element.
    Index,
    /// `#x`
    Definition,
    /// `_x`
    Hidden,
    /// `_#x`
    HiddenDefinition,
    /// A let clause, comprehension variable or pattern alias: unique for each declaration.
    Let,
}

/// An interned label: the index shifted left by three, the kind below.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Label(u32);

impl Label {
    /// The label of a list element.
    pub(crate) fn index(index: usize) -> Self {
        Self::new(u32::try_from(index).unwrap_or(u32::MAX >> 3), LabelKind::Index)
    }

    fn new(id: u32, kind: LabelKind) -> Self {
        Self((id << 3) | kind as u32)
    }

    /// Its kind.
    pub(crate) fn kind(self) -> LabelKind {
        match self.0 & 7 {
            0 => LabelKind::Text,
            1 => LabelKind::Index,
            2 => LabelKind::Definition,
            3 => LabelKind::Hidden,
            4 => LabelKind::HiddenDefinition,
            _ => LabelKind::Let,
        }
    }

    /// Index in the table, or of the list element.
    pub(crate) fn id(self) -> usize {
        (self.0 >> 3) as usize
    }

    /// A regular field.
    pub(crate) fn is_text(self) -> bool {
        self.kind() == LabelKind::Text
    }

    /// A regular field or a list element: what data can have.
    pub(crate) fn is_regular(self) -> bool {
        matches!(self.kind(), LabelKind::Text | LabelKind::Index)
    }

    /// `#x` or `_#x`.
    pub(crate) fn is_definition(self) -> bool {
        matches!(self.kind(), LabelKind::Definition | LabelKind::HiddenDefinition)
    }
}

/// The names behind labels. A table may stand on a shared, finished one.
#[derive(Debug, Default, Clone)]
pub(crate) struct Labels {
    below: Option<Arc<Self>>,
    offset: usize,
    names: Vec<Arc<str>>,
    ids: HashMap<Arc<str>, u32>,
    /// The imported package whose hidden fields are being named.
    package: Option<usize>,
}

impl Labels {
    /// A table that continues a finished one.
    pub(crate) fn above(below: Arc<Self>) -> Self {
        Self { offset: below.offset + below.names.len(), below: Some(below), ..Self::default() }
    }

    fn find(&self, name: &str) -> Option<u32> {
        match self.ids.get(name) {
            Some(id) => Some(*id),
            None => self.below.as_ref()?.find(name),
        }
    }

    fn intern(&mut self, name: &str) -> u32 {
        if let Some(id) = self.find(name) {
            return id;
        }
        let id = (self.offset + self.names.len()) as u32;
        let name: Arc<str> = Arc::from(name);
        self.names.push(Arc::clone(&name));
        self.ids.insert(name, id);
        id
    }

    /// A regular field's label.
    pub(crate) fn text(&mut self, name: &str) -> Label {
        Label::new(self.intern(name), LabelKind::Text)
    }

    /// The label an identifier declares: `_`, `#` and `_#` make it hidden or a definition.
    pub(crate) fn identifier(&mut self, name: &str) -> Label {
        let kind = match name.as_bytes() {
            [b'_', b'#', ..] => LabelKind::HiddenDefinition,
            [b'#', ..] => LabelKind::Definition,
            [b'_', ..] => LabelKind::Hidden,
            _ => LabelKind::Text,
        };
        if let (Some(package), LabelKind::Hidden | LabelKind::HiddenDefinition) = (self.package, kind) {
            // Every package has hidden fields of its own; no identifier holds a NUL.
            return Label::new(self.intern(&format!("{name}\0{package}")), kind);
        }
        Label::new(self.intern(name), kind)
    }

    /// Says which imported package the next identifiers belong to.
    pub(crate) fn in_package(&mut self, package: Option<usize>) {
        self.package = package;
    }

    /// A label of its own for one let clause, variable or alias.
    pub(crate) fn unique(&mut self, name: &str) -> Label {
        let id = (self.offset + self.names.len()) as u32;
        self.names.push(Arc::from(name));
        Label::new(id, LabelKind::Let)
    }

    /// The name behind a label; empty for list elements.
    pub(crate) fn name(&self, label: Label) -> Arc<str> {
        if label.kind() == LabelKind::Index {
            return Arc::from(label.id().to_string());
        }
        match label.id().checked_sub(self.offset) {
            Some(index) => self.names.get(index).cloned().unwrap_or_else(|| Arc::from("")),
            None => self.below.as_ref().map_or_else(|| Arc::from(""), |below| below.name(label)),
        }
    }

    /// The label as a path shows it.
    pub(crate) fn shown(&self, label: Label) -> String {
        let name = self.name(label);
        match label.kind() {
            LabelKind::Text => quoted(&name),
            _ => name.split('\0').next().unwrap_or_default().to_owned(),
        }
    }
}

/// Whether a name can stand as a field without quotes.
fn is_plain(name: &str) -> bool {
    let mut chars = name.chars();
    chars.next().is_some_and(|first| first.is_alphabetic() || first == '$')
        && chars.all(|c| c.is_alphanumeric() || c == '_' || c == '$')
}

/// A regular field's name as a path or a printed value shows it.
pub(crate) fn quoted(name: &str) -> String {
    match is_plain(name) {
        true => name.to_owned(),
        false => crate::print::quote(name),
    }
}
