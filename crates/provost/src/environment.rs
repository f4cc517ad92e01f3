//! The one place that reads environment variables.

use std::ffi::OsString;
use std::path::PathBuf;

/// The variables of this process, asked by name.
pub(crate) struct Environment {
    lookup: Box<dyn Fn(&str) -> Option<OsString> + Send + Sync>,
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

    /// A variable that names a file or folder; an empty one counts as unset.
    pub(crate) fn path(&self, name: &str) -> Option<PathBuf> {
        (self.lookup)(name).filter(|value| !value.is_empty()).map(PathBuf::from)
    }

    /// A variable read as Go's `strconv.ParseBool` reads it; anything else counts as false.
    pub(crate) fn truth(&self, name: &str) -> bool {
        matches!(self.text(name).as_deref(), Some("1" | "t" | "T" | "true" | "TRUE" | "True"))
    }
}
