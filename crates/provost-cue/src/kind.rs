//! Kinds of values, as a set.

use std::fmt;
use std::ops::{BitAnd, BitOr};

/// A set of kinds. The empty set is bottom, the full one top.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Kinds(u16);

impl Kinds {
    pub(crate) const NONE: Self = Self(0);
    pub(crate) const NULL: Self = Self(1);
    pub(crate) const BOOL: Self = Self(2);
    pub(crate) const INT: Self = Self(4);
    pub(crate) const FLOAT: Self = Self(8);
    pub(crate) const STRING: Self = Self(16);
    pub(crate) const BYTES: Self = Self(32);
    pub(crate) const FUNC: Self = Self(64);
    pub(crate) const LIST: Self = Self(128);
    pub(crate) const STRUCT: Self = Self(256);
    pub(crate) const NUMBER: Self = Self(4 | 8);
    pub(crate) const STRING_OR_BYTES: Self = Self(16 | 32);
    pub(crate) const TOP: Self = Self(511);
    pub(crate) const NOT_NULL: Self = Self(510);

    /// Whether both have a kind in common.
    pub(crate) fn meets(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// Whether all its kinds are in the other set.
    pub(crate) fn within(self, other: Self) -> bool {
        self.0 & !other.0 == 0
    }
}

impl BitAnd for Kinds {
    type Output = Self;
    fn bitand(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }
}

impl BitOr for Kinds {
    type Output = Self;
    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl fmt::Display for Kinds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::NONE => return f.write_str("_|_"),
            Self::TOP => return f.write_str("_"),
            _ => {}
        }
        let number = Self::NUMBER.within(*self);
        let names = [
            (Self::NULL, "null"),
            (Self::BOOL, "bool"),
            (Self::INT, "int"),
            (Self::FLOAT, "float"),
            (Self::STRING, "string"),
            (Self::BYTES, "bytes"),
            (Self::FUNC, "func"),
            (Self::LIST, "list"),
            (Self::STRUCT, "struct"),
        ];
        let mut shown: Vec<&str> = names
            .into_iter()
            .filter(|(kind, _)| self.meets(*kind) && !(number && kind.meets(Self::NUMBER)))
            .map(|(_, name)| name)
            .collect();
        if number {
            shown.push("number");
        }
        match shown.as_slice() {
            [one] => f.write_str(one),
            many => write!(f, "({})", many.join("|")),
        }
    }
}
