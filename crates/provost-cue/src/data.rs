//! The payload as a tree: JSON values in an arena, never read as CUE source.

mod json;

use std::ops::Range;

use crate::error::CueErrors;
use crate::limits::Limits;

/// The index of a value in its [`Data`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct DataId(pub(crate) u32);

/// One JSON value. Strings and numbers lie in the tree's text, children in its lists.
#[derive(Debug, Clone)]
pub(crate) enum Node {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A number as it was spelled.
    Number(Range<u32>),
    /// A string, decoded.
    String(Range<u32>),
    /// A range of [`Data`]'s elements.
    List(Range<u32>),
    /// A range of [`Data`]'s members.
    Struct(Range<u32>),
}

/// A strictly read JSON document. Members keep their order, numbers their spelling.
#[derive(Debug)]
pub struct Data {
    text: String,
    nodes: Vec<Node>,
    elements: Vec<DataId>,
    members: Vec<(Range<u32>, DataId)>,
    root: DataId,
}

impl Data {
    /// Reads one JSON document.
    ///
    /// Numbers keep their spelling: `1` is an integer, `1.0` a float. A name that comes twice in one object is
    /// accepted only with equal values, as in cosign.
    ///
    /// # Errors
    /// What is no JSON, names that come twice with different values, or a limit.
    pub fn from_json(bytes: &[u8], limits: &Limits) -> Result<Self, CueErrors> {
        json::read(bytes, limits)
    }

    /// The document itself.
    pub(crate) fn root(&self) -> DataId {
        self.root
    }

    /// The value of an id; ids are only made by this tree.
    pub(crate) fn node(&self, id: DataId) -> &Node {
        self.nodes.get(id.0 as usize).unwrap_or(&Node::Null)
    }

    /// The text of a string, number or name.
    pub(crate) fn text(&self, range: &Range<u32>) -> &str {
        self.text.get(range.start as usize..range.end as usize).unwrap_or_default()
    }

    /// The elements of a list.
    pub(crate) fn elements(&self, range: &Range<u32>) -> &[DataId] {
        self.elements.get(range.start as usize..range.end as usize).unwrap_or_default()
    }

    /// The members of an object.
    pub(crate) fn members(&self, range: &Range<u32>) -> &[(Range<u32>, DataId)] {
        self.members.get(range.start as usize..range.end as usize).unwrap_or_default()
    }
}
