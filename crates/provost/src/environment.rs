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

    /// Only these, for tests.
    #[cfg(test)]
    pub(crate) fn of_pairs(pairs: &[(&'static str, &'static str)]) -> Self {
        let pairs = pairs.to_vec();
        let value = move |name: &str| pairs.iter().find(|(known, _)| *known == name).map(|(_, v)| v.into());
        Self { lookup: Box::new(value) }
    }

    /// The names and values of all that are texts, sorted by name.
    pub(crate) fn all(&self) -> Vec<(String, String)> {
        let text =
            |(name, value): (OsString, OsString)| Some((name.into_string().ok()?, value.into_string().ok()?));
        let mut all: Vec<_> = std::env::vars_os().filter_map(text).collect();
        all.sort();
        all
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
