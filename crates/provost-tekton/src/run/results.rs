//! Results: the files steps write, read as Tekton's entrypoint reads them.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{OFlag, openat};
use nix::sys::stat::Mode;
use serde_json::{Value, json};

use crate::object::{ParamType, ParamValue, RunResult, TaskResult};

/// The most bytes the results of a step's message may take: a container's termination message, where Tekton keeps them.
///
/// Tekton's default limit, kept though nothing here needs it, so that a Task that runs here also runs there.
pub const MAX_MESSAGE: usize = 4096;

/// The size of `[{"key":"StartedAt","value":"2026-01-01T00:00:00.000Z","type":3}]` less its brackets, which opens every message.
const STARTED_AT: usize = 65;

/// Why results make a TaskRun fail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ResultFailure {
    /// More than [`MAX_MESSAGE`].
    TooLarge,
    /// A file that is no file: a folder, a link, a pipe.
    NoFile {
        /// The result.
        name: String,
        /// What the machine said.
        message: String,
    },
    /// A value of another type than declared; the name and both types.
    Mismatch {
        /// The result.
        name: String,
        /// The declared type.
        declared: ParamType,
        /// The type found.
        found: ParamType,
    },
}

/// Whether a name can be a result's: letters, digits, `-`, `_` and `.`, a letter or digit at both ends.
///
/// So no result's file is outside the folder, nor hidden.
pub(crate) fn is_name(name: &str) -> bool {
    let ends = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    ends(name.chars().next())
        && ends(name.chars().next_back())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
}

/// Reads the results of `declared` out of the folder opened before any step ran, so that none can put another in its place.
///
/// A file that is missing is a result that is missing; what is there is taken byte for byte.
pub(crate) fn read(folder: &OwnedFd, declared: &[TaskResult]) -> Result<Vec<RunResult>, ResultFailure> {
    let mut found = Vec::new();
    let mut size = 2 + STARTED_AT;
    for result in declared {
        let Some(text) = read_one(folder, &result.name)? else { continue };
        size += 1 + json!({"key": result.name, "value": text, "type": 1}).to_string().len();
        if size > MAX_MESSAGE {
            return Err(ResultFailure::TooLarge);
        }
        found.push(typed(result, text)?);
    }
    Ok(found)
}

fn typed(result: &TaskResult, text: String) -> Result<RunResult, ResultFailure> {
    let declared = result.declared.unwrap_or(ParamType::String);
    let value = match declared {
        ParamType::String => ParamValue::String(text),
        ParamType::Array | ParamType::Object => match serde_json::from_str::<Value>(&text) {
            Ok(value) => ParamValue::from(value),
            Err(_) => ParamValue::String(text),
        },
    };
    if value.kind() == declared {
        Ok(RunResult { name: result.name.clone(), declared: Some(declared), value })
    } else {
        Err(ResultFailure::Mismatch { name: result.name.clone(), declared, found: value.kind() })
    }
}

fn read_one(folder: &OwnedFd, name: &str) -> Result<Option<String>, ResultFailure> {
    let wrong = |message: String| ResultFailure::NoFile { name: name.to_owned(), message };
    // A link is not followed, and a pipe does not make us wait.
    let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
    let file = match openat(folder, Path::new(name), flags, Mode::empty()) {
        Ok(file) => File::from(file),
        Err(Errno::ENOENT) => return Ok(None),
        Err(Errno::ELOOP) => return Err(wrong("a symbolic link".to_owned())),
        Err(errno) => return Err(wrong(errno.desc().to_owned())),
    };
    if !file.metadata().map_err(|error| wrong(error.to_string()))?.is_file() {
        return Err(wrong("not a regular file".to_owned()));
    }
    let mut bytes = Vec::new();
    let read: io::Result<usize> = file.take(MAX_MESSAGE as u64 + 1).read_to_end(&mut bytes);
    read.map_err(|error| wrong(error.to_string()))?;
    if bytes.len() > MAX_MESSAGE {
        return Err(ResultFailure::TooLarge);
    }
    // Go writes bytes that are no UTF-8 into JSON as the replacement character.
    Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
}

#[cfg(test)]
mod tests;
