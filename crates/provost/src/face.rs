//! Where results and remarks go: standard output and standard error, surviving a reader that went away.

use std::fs::File;
use std::io::{self, BufRead, Read, Write};
use std::path::Path;
use std::sync::OnceLock;

use crate::environment::Environment;
use crate::failure::Failure;

/// The longest answer to a prompt that is read: `y` or `n` and a line end are three bytes.
const ANSWER_LIMIT: u64 = 1024;

/// What every command may use of the process around it.
pub(crate) struct Face {
    /// The environment variables.
    pub(crate) environment: Environment,
    /// Where results go instead of standard output.
    file: OnceLock<File>,
    /// Set once requests are to be told.
    tells_requests: OnceLock<()>,
}

impl Face {
    /// The process's own streams and environment.
    pub(crate) fn of_process() -> Self {
        Self {
            environment: Environment::of_process(),
            file: OnceLock::new(),
            tells_requests: OnceLock::new(),
        }
    }

    /// Sends results into a file from here on (`--output-file`).
    ///
    /// # Errors
    /// When the file cannot be made.
    pub(crate) fn redirect(&self, path: &Path) -> io::Result<()> {
        let file = File::create(path)?;
        // Only the first of two wishes counts: the command line has one.
        let _ = self.file.set(file);
        Ok(())
    }

    /// Has each request told on standard error from here on (`--verbose`).
    pub(crate) fn tell_requests(&self) {
        let _ = self.tells_requests.set(());
    }

    /// Whether each request is told.
    pub(crate) fn tells_requests(&self) -> bool {
        self.tells_requests.get().is_some()
    }

    /// Writes results where they go, whole.
    fn write(&self, parts: &[&[u8]]) {
        let write = |stream: &mut dyn Write| {
            let all = parts.iter().try_for_each(|part| stream.write_all(part));
            let _ = all.and_then(|()| stream.flush());
        };
        match self.file.get() {
            Some(mut file) => write(&mut file),
            None => write(&mut io::stdout().lock()),
        }
    }

    /// Writes a line of results to standard output.
    ///
    /// A reader that closed the pipe has what it wanted, so that is no error.
    pub(crate) fn out(&self, line: impl AsRef<[u8]>) {
        self.write(&[line.as_ref(), b"\n"]);
    }

    /// Writes results to standard output as they are, without a line end.
    pub(crate) fn out_raw(&self, bytes: impl AsRef<[u8]>) {
        self.write(&[bytes.as_ref()]);
    }

    /// Asks on standard error whether to go on, and reads the answer from standard input.
    ///
    /// # Errors
    /// cosign's words where the answer is anything but `y` or `Y`.
    pub(crate) fn confirm(&self) -> Result<(), Failure> {
        let _ = io::stderr().lock().write_all(b"Are you sure you would like to continue? [y/N] ");
        let mut line = Vec::new();
        io::stdin().lock().take(ANSWER_LIMIT).read_until(b'\n', &mut line)?;
        let line = String::from_utf8_lossy(&line);
        let answer = line.trim_matches(['\r', '\n']);
        match answer {
            "y" | "Y" => Ok(()),
            "" | "n" | "N" => Err(Failure::new("user declined the prompt")),
            other => Err(Failure::new(format!("invalid input {other:?} (allowed values y, n)"))),
        }
    }

    /// Writes remarks to standard error as they are, without a line end.
    pub(crate) fn say_raw(&self, text: impl AsRef<str>) {
        let _ = io::stderr().lock().write_all(text.as_ref().as_bytes());
    }

    /// Writes a line of remarks to standard error.
    pub(crate) fn say(&self, line: impl AsRef<str>) {
        let mut stream = io::stderr().lock();
        let _ = stream.write_all(line.as_ref().as_bytes()).and_then(|()| stream.write_all(b"\n"));
    }
}
