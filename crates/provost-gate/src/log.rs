//! The decision log: one JSON line for each answer, without what objects keep to themselves (security.md 18).
//!
//! [`Entry`] is a line, [`masking`] what of an object is in it, [`Place`] where it goes. Lines wait in a bounded
//! [`Backlog`](crate::backlog::Backlog) and are written by a thread of their own: no answer waits for a disk.

mod entry;
mod file;
pub mod masking;

use std::io;
use std::sync::Arc;

use tokio::sync::mpsc;

use crate::backlog::{Backlog, Load, Waiting, backlog};
use file::Open;

pub use entry::{Entry, JudgedBy, Kind, Outcome, User, VERSION};
pub(crate) use entry::{cut, full_name};
pub use file::Place;
pub use masking::{HIDDEN, MaskingKey, MaskingKeyError, Scrubber, hides};

/// The most bytes of one line; a longer one is written without its objects. A Pod of 100 containers has 64 KiB.
pub const LINE: usize = 256 * 1024;

pub use crate::server::Say;

/// Writes the lines of a log.
pub struct Writer {
    waiting: mpsc::Receiver<Waiting>,
    open: Open,
    key: MaskingKey,
    load: Arc<Load>,
    say: Say,
}

/// A log at this place: who hears decisions for it, and who writes them.
///
/// # Errors
/// When the file cannot be opened.
pub fn open(place: Place, key: MaskingKey, say: Say) -> io::Result<(Backlog, Writer)> {
    let open = Open::at(place)?;
    let (hears, waiting) = backlog(|_| true);
    let load = hears.load();
    Ok((hears, Writer { waiting, open, key, load, say }))
}

impl Writer {
    /// Writes until nobody is left who could decide anything; to be run on a thread that may wait.
    pub fn write(mut self) {
        let mut failing = false;
        while let Some(waiting) = self.waiting.blocking_recv() {
            let line = line(Entry::of(&waiting.decided, &self.key));
            match self.open.write(&line) {
                Ok(()) => failing = false,
                Err(error) => {
                    self.load.drop_one();
                    // Said once, not once a line: what fails now fails a thousand times a second.
                    if !std::mem::replace(&mut failing, true) {
                        (self.say)(&format!(
                            "the decision log cannot be written: {error}; decisions are not logged until it can"
                        ));
                    }
                }
            }
        }
    }
}

/// The bytes of a line.
fn line(entry: Entry) -> Vec<u8> {
    let written = |entry: &Entry| {
        let mut line = serde_json::to_vec(entry).unwrap_or_default();
        line.push(b'\n');
        line
    };
    let whole = written(&entry);
    if whole.len() <= LINE { whole } else { written(&entry.without_objects()) }
}

#[cfg(test)]
pub(crate) mod tests;
