//! What the gate judges by at one moment.

use std::sync::Arc;

use provost_kyverno::policy::unread::Unread;
use provost_kyverno::{Exception, Policy, Settings};
use tokio::sync::watch;

use crate::filters::Filters;

/// What the gate judges by at one moment. It is never changed: a change is a new one with a higher epoch.
#[derive(Default)]
pub struct Sight {
    /// Rises with every change of policies, exceptions, settings or key material. Answers remembered under another epoch
    /// do not count (security.md 11).
    pub epoch: u64,
    /// The policies; shared, so that a change of one leaves the others where they are.
    pub policies: Vec<Arc<Policy>>,
    /// The exceptions that count: those of the exception namespace, while exceptions are enabled, and not expired.
    pub exceptions: Vec<Exception>,
    /// What Kyverno's own ConfigMap says, as far as judging goes.
    pub settings: Settings,
    /// What is let through without being judged.
    pub filters: Filters,
    /// What has not been loaded yet, in words; every request is "could not check" until it is empty (security.md 14).
    pub missing: Vec<String>,
    /// Policies that are stored and cannot be judged by: what they may be about is denied where they enforce.
    pub unread: Vec<Unread>,
}

/// Where the gate sees what it judges by.
pub type Sights = watch::Receiver<Arc<Sight>>;
