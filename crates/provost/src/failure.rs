//! How a command ends when it does not end well.

use std::error::Error;
use std::process::ExitCode;

use crate::face::Face;

/// Why a command stopped, and the exit code it stops with.
#[derive(Debug)]
pub(crate) struct Failure {
    code: u8,
    message: Option<String>,
}

impl Failure {
    /// Exit code 1 with this reason.
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self { code: 1, message: Some(message.into()) }
    }

    /// A chosen exit code with this reason.
    pub(crate) fn coded(code: u8, message: impl Into<String>) -> Self {
        Self { code, message: Some(message.into()) }
    }

    /// A chosen exit code; what there is to say has been said.
    pub(crate) fn quiet(code: u8) -> Self {
        Self { code, message: None }
    }

    /// Puts words before the reason, as Go's `fmt.Errorf("…: %w")` does.
    pub(crate) fn context(self, words: &str) -> Self {
        Self { message: self.message.map(|message| format!("{words}: {message}")), ..self }
    }

    /// The reason's words.
    pub(crate) fn words(self) -> String {
        self.message.unwrap_or_default()
    }

    /// Prints the reason as cosign prints errors, twice, and gives the exit code.
    pub(crate) fn report(self, face: &Face) -> ExitCode {
        if let Some(message) = self.message {
            face.say(format!("Error: {message}\nerror during command execution: {message}"));
        }
        ExitCode::from(self.code)
    }
}

impl<E: Error + Send + Sync + 'static> From<E> for Failure {
    /// The error's own words, followed by those of its causes that it does not already hold.
    fn from(error: E) -> Self {
        let mut message = error.to_string();
        let mut cause = error.source();
        while let Some(inner) = cause {
            let words = inner.to_string();
            if !message.contains(&words) {
                message = format!("{message}: {words}");
            }
            cause = inner.source();
        }
        Self::new(message)
    }
}
