//! Decisions that wait to be written down: bounded in number and in bytes; what does not fit is dropped and counted.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use serde_json::Value;
use tokio::sync::mpsc;

use crate::record::{Decided, Hears};

/// How many decisions wait at most for one writer: half a second of 8,000 a second.
pub const WAITING: usize = 4096;
/// How many bytes of objects may wait for one writer: WAITING Pods of 8 KiB, or ten of the largest requests there are.
pub const BYTES: usize = 32 * 1024 * 1024;
/// What one value of an object takes beside its text.
const NODE: usize = 32;

/// What one backlog holds and has dropped; shared with whoever counts.
#[derive(Debug, Default)]
pub struct Load {
    bytes: AtomicUsize,
    dropped: AtomicU64,
}

impl Load {
    /// How many decisions were dropped since the start.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// Whether nothing waits.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.bytes.load(Ordering::Relaxed) == 0
    }

    /// Counts something that was dropped after it had waited.
    pub fn drop_one(&self) {
        self.dropped.fetch_add(1, Ordering::Relaxed);
    }
}

/// A decision that waits.
pub struct Waiting {
    /// The decision.
    pub decided: Arc<Decided>,
    bytes: usize,
    load: Arc<Load>,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.load.bytes.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// Whether a decision is of interest to a writer.
type Wanted = Box<dyn Fn(&Decided) -> bool + Send + Sync>;

/// Takes decisions in, in no time.
pub struct Backlog {
    waiting: mpsc::Sender<Waiting>,
    load: Arc<Load>,
    wanted: Wanted,
}

/// A backlog for decisions that are `wanted`, and where its writer takes them out.
#[must_use]
pub fn backlog(
    wanted: impl Fn(&Decided) -> bool + Send + Sync + 'static,
) -> (Backlog, mpsc::Receiver<Waiting>) {
    let (waiting, out) = mpsc::channel(WAITING);
    (Backlog { waiting, load: Arc::default(), wanted: Box::new(wanted) }, out)
}

impl Backlog {
    /// What it holds and has dropped.
    #[must_use]
    pub fn load(&self) -> Arc<Load> {
        Arc::clone(&self.load)
    }
}

impl Hears for Backlog {
    fn heard(&self, decided: &Arc<Decided>) {
        if !(self.wanted)(decided) {
            return;
        }
        let request = &decided.request;
        let bytes = weight(&request.object, BYTES).saturating_add(weight(&request.old_object, BYTES));
        let before = self.load.bytes.fetch_add(bytes, Ordering::Relaxed);
        // From here on its bytes are given back when it is dropped.
        let waiting = Waiting { decided: Arc::clone(decided), bytes, load: Arc::clone(&self.load) };
        if before.saturating_add(bytes) > BYTES || self.waiting.try_send(waiting).is_err() {
            self.load.drop_one();
        }
    }
}

/// What a value takes in memory, roughly; counting ends at `limit`.
fn weight(value: &Value, limit: usize) -> usize {
    let mut sum = 0_usize;
    let mut left = vec![value];
    while let Some(value) = left.pop() {
        sum = sum.saturating_add(NODE);
        match value {
            Value::String(text) => sum = sum.saturating_add(text.len()),
            Value::Array(items) => left.extend(items),
            Value::Object(fields) => {
                for (name, value) in fields {
                    sum = sum.saturating_add(name.len());
                    left.push(value);
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
        if sum >= limit {
            break;
        }
    }
    sum
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::record::tests::decided;

    #[tokio::test]
    async fn what_does_not_fit_is_dropped_and_counted() {
        let (backlog, mut out) = backlog(|_| true);
        let load = backlog.load();
        let one = Arc::new(decided(json!({"kind": "Pod"}), true));
        for _ in 0..=WAITING {
            backlog.heard(&one);
        }
        assert_eq!(load.dropped(), 1);
        drop(out.recv().await);
        backlog.heard(&one);
        assert_eq!(load.dropped(), 1);
    }

    #[tokio::test]
    async fn few_large_objects_fill_it_too_and_give_their_bytes_back() {
        let (backlog, mut out) = backlog(|_| true);
        let load = backlog.load();
        let large = Arc::new(decided(json!({"data": "x".repeat(BYTES / 2)}), true));
        backlog.heard(&large);
        backlog.heard(&large);
        assert_eq!(load.dropped(), 1);
        drop(out.recv().await);
        backlog.heard(&large);
        assert_eq!(load.dropped(), 1);
        while out.try_recv().is_ok() {}
        assert_eq!(load.bytes.load(Ordering::Relaxed), 0);
    }
}
