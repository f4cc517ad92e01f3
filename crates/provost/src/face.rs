//! Where results and remarks go: standard output and standard error, surviving a reader that went away.

use std::io::{self, Write};

use crate::environment::Environment;

/// What every command may use of the process around it.
pub(crate) struct Face {
    /// The environment variables.
    pub(crate) environment: Environment,
}

impl Face {
    /// The process's own streams and environment.
    pub(crate) fn of_process() -> Self {
        Self { environment: Environment::of_process() }
    }

    /// Writes a line of results to standard output.
    ///
    /// A reader that closed the pipe has what it wanted, so that is no error.
    pub(crate) fn out(&self, line: impl AsRef<[u8]>) {
        let mut stream = io::stdout().lock();
        let _ = stream
            .write_all(line.as_ref())
            .and_then(|()| stream.write_all(b"\n"))
            .and_then(|()| stream.flush());
    }

    /// Writes results to standard output as they are, without a line end.
    pub(crate) fn out_raw(&self, bytes: impl AsRef<[u8]>) {
        let mut stream = io::stdout().lock();
        let _ = stream.write_all(bytes.as_ref()).and_then(|()| stream.flush());
    }

    /// Writes a line of remarks to standard error.
    pub(crate) fn say(&self, line: impl AsRef<str>) {
        let mut stream = io::stderr().lock();
        let _ = stream.write_all(line.as_ref().as_bytes()).and_then(|()| stream.write_all(b"\n"));
    }
}
