//! CUE source in its standard form: lines, indentation and aligned columns.

pub(crate) mod layout;
