//! One attempt at one run: in time, and broken off when its share is not ours any more.

use std::sync::Arc;
use std::time::Duration;

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
    let work = tokio::time::timeout(ATTEMPT_TIME, reconciler.reconcile(key));
    tokio::select! {
        ended = work => Attempt::Ended(ended.unwrap_or_else(|_| {
            let words = format!("the attempt took longer than {} s", ATTEMPT_TIME.as_secs());
            Outcome::Failed(Trouble::new(Reason::Timeout, &words))
        })),
        // A Lease that is gone may be another replica's by now.
        _ = held.wait_for(|held| !held.valid.contains(&share)) => Attempt::BrokenOff,
    }
}
