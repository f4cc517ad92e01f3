//! What a decision leaves behind, for logs, metrics, events, reports and the console.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use provost_kyverno::{Judgement, Request};
use serde_json::Value;

use crate::Hook;
use crate::sight::Sight;

/// On what ground a decision was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Basis {
    /// The policies were judged by.
    Judged,
    /// The policies were judged by, and what a registry said before counted because it says nothing now.
    Stale,
    /// What is needed for judging is not there yet.
    NotLoaded,
    /// The time was over before all was judged.
    Late,
    /// A stored policy that enforces cannot be judged by, and may be about the object.
    Unread,
    /// Kyverno's filters leave it out, it is in our own namespace, or it goes.
    Filtered,
    /// It had ended, and its images are those it had.
    Ended,
    /// Its images are those it had, and nothing but what could not be checked spoke against them.
    Unchanged,
}

impl Basis {
    /// One word for logs and metrics.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Judged => "judged",
            Self::Stale => "stale",
            Self::NotLoaded => "not-loaded",
            Self::Late => "late",
            Self::Unread => "unread",
            Self::Filtered => "filtered",
            Self::Ended => "ended",
            Self::Unchanged => "unchanged",
        }
    }
}

/// A decision of the gate.
pub struct Decided {
    /// When.
    pub at: Timestamp,
    /// Which webhook was asked.
    pub hook: Hook,
    /// The epoch of what it was judged by.
    pub epoch: u64,
    /// What it was judged by.
    pub sight: Arc<Sight>,
    /// What was asked.
    pub request: Request,
    /// Whether it is a dry run, which leaves nothing behind but counts and log lines.
    pub dry_run: bool,
    /// Whether the caller showed a certificate that the operator's authority issued.
    pub authenticated: bool,
    /// On what ground it was decided.
    pub basis: Basis,
    /// What was found; `None` where nothing could be judged.
    pub judgement: Option<Judgement>,
    /// The `response` that was given.
    pub response: Value,
    /// How long it took.
    pub took: Duration,
}

impl Decided {
    /// Whether the object was let in.
    #[must_use]
    pub fn is_allowed(&self) -> bool {
        self.response.get("allowed").and_then(Value::as_bool).unwrap_or_default()
    }
}

/// Hears of decisions. It must not wait: an answer is on its way.
pub trait Hears: Send + Sync {
    /// A decision was made.
    fn heard(&self, decided: &Arc<Decided>);
}

#[cfg(test)]
pub(crate) mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use jiff::Timestamp;
    use provost_kyverno::Request;
    use serde_json::{Value, json};

    use super::{Basis, Decided};
    use crate::hook::{Hook, Share};
    use crate::sight::Sight;

    /// A decision about the creation of an object, without a judgement.
    pub(crate) fn decided(object: Value, allowed: bool) -> Decided {
        Decided {
            at: Timestamp::UNIX_EPOCH,
            hook: Hook::Mutate(Share::All),
            epoch: 1,
            sight: Arc::new(Sight { epoch: 1, ..Sight::default() }),
            request: Request::of_object(&object),
            dry_run: false,
            authenticated: false,
            basis: Basis::Judged,
            judgement: None,
            response: json!({"uid": "u", "allowed": allowed}),
            took: Duration::from_millis(2),
        }
    }
}
