//! Requests told as they are made, for those who look for what goes wrong.

use std::fmt;
use std::sync::Arc;

/// What takes a line.
type Listener = dyn Fn(&str) + Send + Sync;

/// Who is told of each request and its answer, one line each; by default nobody.
///
/// A line holds method, address and status, never a header: those may be credentials.
#[derive(Clone, Default)]
pub struct Trace(Option<Arc<Listener>>);

impl Trace {
    /// Tells each line to this function.
    pub fn to(listener: impl Fn(&str) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(listener)))
    }

    /// Tells a line, which is made only where somebody listens.
    pub(crate) fn tell(&self, line: impl FnOnce() -> String) {
        if let Some(listener) = &self.0 {
            listener(&line());
        }
    }
}

impl fmt::Debug for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Trace({})", if self.0.is_some() { "on" } else { "off" })
    }
}
