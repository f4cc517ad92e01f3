//! One attempt at one run: in time, broken off when its share is not ours any more, and at an end even where it breaks down.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use jiff::Timestamp;
use provost_chains::reconcile::{Key, Outcome, Reason, Reconciler, Rules, Settings, Trouble};
use tokio::sync::watch;

use crate::lease::Held;
use crate::runs::TektonRuns;

/// How long one attempt may take: a registry may be silent for a minute in the middle of an answer and is asked three times;
/// what takes longer is taken up again later.
pub(super) const ATTEMPT_TIME: Duration = Duration::from_secs(300);

/// How an attempt ended.
pub(super) enum Attempt {
    /// It came to an end.
    Ended(Outcome),
    /// The share's Lease ran out in the middle.
    BrokenOff,
}

/// Brings one run forward.
pub(super) async fn attempt(
    runs: Arc<TektonRuns>,
    settings: Option<Arc<Settings>>,
    rules: Arc<Rules>,
    key: &Key,
    share: usize,
    mut held: watch::Receiver<Held>,
) -> Attempt {
    let reconciler = Reconciler {
        cluster: runs.as_ref(),
        settings: settings.as_deref(),
        rules: &rules,
        now: Timestamp::now(),
    };
    // Whatever one run brings about must not keep its place in the queue, its share and its namespace's room for ever: what an
    // attempt shares with others is behind locks that outlive it.
    let work = AssertUnwindSafe(reconciler.reconcile(key)).catch_unwind();
    let failed = |reason, words: &str| Outcome::Failed(Trouble::new(reason, words));
    tokio::select! {
        ended = tokio::time::timeout(ATTEMPT_TIME, work) => Attempt::Ended(match ended {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_)) => failed(Reason::SigningFailed, "the attempt broke down; the controller's log says where"),
            Err(_) => {
                failed(Reason::Timeout, &format!("the attempt took longer than {} s", ATTEMPT_TIME.as_secs()))
            }
        }),
        // A Lease that is gone may be another replica's by now.
        _ = held.wait_for(|held| !held.valid.contains(&share)) => Attempt::BrokenOff,
    }
}
