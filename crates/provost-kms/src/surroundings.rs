//! What the caller knows and this crate does not: variables, time, and how services are reached.

use std::path::Path;

/// What surrounds an [`crate::Opener`]; the face answers from the process, tests from a table.
pub trait Surroundings: Send + Sync {
    /// The text of an environment variable; unset, empty or no UTF-8 is `None`.
    fn variable(&self, name: &str) -> Option<String>;

    /// The names of all variables, of which plugins get a listed few.
    fn names(&self) -> Vec<String>;

    /// The time now, which requests to AWS bear.
    fn now(&self) -> jiff::Timestamp;

    /// A client that follows no redirects, trusting these authorities (a PEM file) in place of the machine's.
    ///
    /// # Errors
    /// Why there is none, in words: a file that cannot be read.
    fn client(&self, authorities: Option<&Path>) -> Result<reqwest::Client, String>;
}
