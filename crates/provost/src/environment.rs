//! The one place that reads environment variables.

use std::ffi::OsString;

/// Asks for one variable.
type Lookup = Box<dyn Fn(&str) -> Option<OsString> + Send + Sync>;

/// The variables of this process, asked by name.
pub(crate) struct Environment {
    lookup: Lookup,
}

impl Environment {
    /// The real ones.
    pub(crate) fn of_process() -> Self {
        Self { lookup: Box::new(|name| std::env::var_os(name)) }
    }

    /// A variable's text; a value that is no UTF-8 counts as unset.
    pub(crate) fn text(&self, name: &str) -> Option<String> {
        (self.lookup)(name).and_then(|value| value.into_string().ok())
    }

    /// A variable's raw value.
    pub(crate) fn raw(&self, name: &str) -> Option<OsString> {
        (self.lookup)(name)
    }
}
