//! The loop: which runs are wanted when, and what follows from how an attempt ended.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use provost_chains::Receipt;
use provost_chains::reconcile::{ENDING_GRACE, Key, Kind, Outcome, Reason, Rules, Settings, Trouble};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use super::attempt::{Attempt, attempt};
use super::by_host::ByHost;
use super::{CLAIM_DENIED, Finished, InHand, UNSIGNED, UNSIGNED_DELETED, is_quiet, lot, since};
use crate::events::{Events, Object};
use crate::lease::{Held, share_of};
use crate::metrics::Metrics;
use crate::probes::Health;
use crate::queue::{Next, Queue};
use crate::runs::TektonRuns;
use crate::watching::{Seen, Sighting};

/// How soon a run is looked at that changed and does not seem to have ended: a running one changes ten times in its life,
/// and most of that within seconds.
const UNHURRIED: Duration = Duration::from_secs(5);
/// How soon a run is tried again that changed while it was worked on.
const SOON: Duration = Duration::from_millis(250);
/// How long a PipelineRun waits for its children without being told of any.
const WAITING: Duration = Duration::from_secs(300);
/// How many names of what a namespace may not claim are told; an event holds a kilobyte.
const DENIED_SHOWN: usize = 5;
/// How long a run whose registry is crowded waits without being told of a place there.
const CROWDED: Duration = Duration::from_secs(60);
/// How often the loop goes round when nothing happens.
const BEAT: Duration = Duration::from_secs(1);
/// How often a run is tried where all is done once.
const TRIES_ONCE: u32 = 3;

/// What the loop works with.
pub(super) struct Parts {
    pub(super) runs: Arc<TektonRuns>,
    pub(super) rules: Rules,
    /// How many runs may be in hand at once.
    pub(super) hands: usize,
    pub(super) shares: usize,
    pub(super) once: bool,
    /// How many watches must have told all before the controller is ready.
    pub(super) watches: usize,
    pub(super) say: crate::Say,
    pub(super) events: Events,
    pub(super) metrics: Arc<Metrics>,
    pub(super) health: Arc<Health>,
    pub(super) in_hand: Arc<InHand>,
    pub(super) settings: watch::Receiver<Option<Arc<Settings>>>,
    pub(super) held: watch::Receiver<Held>,
    pub(super) sightings: mpsc::Receiver<Sighting>,
}

/// What was done in all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Runs that were signed.
    pub signed: usize,
    /// Runs that were not, each with the reason in one word and in a sentence; only where all is done once.
    pub failed: BTreeMap<String, (String, String)>,
}

pub(super) struct Work {
    parts: Parts,
    rules: Arc<Rules>,
    queue: Queue,
    /// Runs of shares that other replicas have, with the time each was made.
    parked: HashMap<Key, i64>,
    /// Runs as they were last seen, while they are wanted: for events.
    uids: HashMap<Key, String>,
    /// PipelineRuns that wait for children, where all is done once.
    waiting: HashSet<Key>,
    by_host: ByHost,
    /// How many runs of a namespace are in hand: at most half of all, so that the next to come finds a hand free.
    busy: HashMap<String, usize>,
    hands: JoinSet<Finished>,
    listed: usize,
    summary: Summary,
}

impl Work {
    pub(super) fn new(parts: Parts) -> Self {
        let rules = Arc::new(parts.rules.clone());
        Self {
            parts,
            rules,
            queue: Queue::default(),
            parked: HashMap::new(),
            uids: HashMap::new(),
            waiting: HashSet::new(),
            by_host: ByHost::default(),
            busy: HashMap::new(),
            hands: JoinSet::new(),
            listed: 0,
            summary: Summary::default(),
        }
    }

    pub(super) fn summary(&self) -> Summary {
        self.summary.clone()
    }

    /// Goes round until told to stop, or until all is done that was to be done once.
    pub(super) async fn go(&mut self, mut stop: watch::Receiver<bool>) {
        let mut beat = tokio::time::interval(BEAT);
        beat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            self.begin();
            if self.is_done() {
                return;
            }
            // Which runs are signed can be told from what is seen only once the keys are known; till then the watches wait.
            let is_ready = self.parts.settings.borrow().is_some();
            let due = self.queue.next_due().map(tokio::time::Instant::from_std);
            tokio::select! {
                sighting = self.parts.sightings.recv(), if is_ready => match sighting {
                    Some(sighting) => self.hear(sighting),
                    // All watches have ended, which whoever watches over them reports.
                    None => std::future::pending().await,
                },
                Some(finished) = self.hands.join_next() => match finished {
                    Ok(finished) => self.finish(finished),
                    Err(error) => (self.parts.say)(&format!("an attempt broke down: {error}")),
                },
                Ok(()) = self.parts.settings.changed() => {
                    self.parts.settings.borrow_and_update();
                    self.queue.hurry(Instant::now());
                }
                Ok(()) = self.parts.held.changed() => self.share_out(),
                () = async { tokio::time::sleep_until(due.unwrap_or_else(tokio::time::Instant::now)).await }, if due.is_some() => {}
                _ = beat.tick() => self.tick(),
                _ = stop.wait_for(|stopped| *stopped) => return,
            }
        }
    }

    /// Lets what is in hand come to its end, for so long.
    pub(super) async fn wind_up(&mut self, limit: Duration) {
        let end = tokio::time::Instant::now() + limit;
        while let Ok(Some(finished)) = tokio::time::timeout_at(end, self.hands.join_next()).await {
            if let Ok(finished) = finished {
                self.finish(finished);
            }
        }
        self.hands.shutdown().await;
    }

    fn is_listed(&self) -> bool {
        self.listed >= self.parts.watches
    }

    fn is_done(&self) -> bool {
        self.parts.once && self.is_listed() && self.queue.is_empty() && self.hands.is_empty()
    }

    /// Takes up as many runs as there are hands for.
    fn begin(&mut self) {
        // Without settings nothing is known of receipts, so nothing is known of what is signed.
        if self.parts.settings.borrow().is_none() {
            return;
        }
        while self.hands.len() < self.parts.hands {
            let (by_host, hosts) = (&mut self.by_host, self.parts.runs.hosts());
            let (busy, most) = (&self.busy, self.parts.hands.div_ceil(2));
            let open = |namespace: &str| {
                let has_room = busy.get(namespace).is_none_or(|count| *count < most);
                has_room && by_host.is_open(namespace, |host| hosts.room(host))
            };
            let Some(key) = self.queue.take_where(Instant::now(), open) else { return };
            let share = share_of(&key, self.parts.shares);
            self.parts.in_hand.add(share, |count| count.saturating_add(1));
            *self.busy.entry(key.namespace.clone()).or_default() += 1;
            let (runs, held) = (self.parts.runs.clone(), self.parts.held.clone());
            let (settings, rules) = (self.parts.settings.borrow().clone(), self.rules.clone());
            self.hands.spawn(async move {
                let attempt = attempt(runs, settings, rules, &key, share, held).await;
                Finished { key, share, attempt }
            });
        }
    }

    fn tick(&mut self) {
        let mut missing = Vec::new();
        if !self.is_listed() {
            missing.push("the runs of the cluster have not been listed yet".to_owned());
        }
        match self.parts.settings.borrow().as_deref() {
            None => missing.push("there is no usable chains-config yet".to_owned()),
            Some(Settings { key: Err(why), .. }) => missing.push(format!("there is no usable key: {why}")),
            Some(_) => {}
        }
        self.parts.health.beat(Instant::now(), missing);
        self.parts.metrics.backlog(self.queue.len(), self.queue.ready());
        self.by_host.beat();
        self.admit(usize::MAX);
    }

    /// Runs that waited for a place at a registry go on, at most so many at each.
    fn admit(&mut self, most: usize) {
        let (hosts, now) = (self.parts.runs.hosts(), Instant::now());
        for key in self.by_host.admitted(most, |host| hosts.room(host)) {
            self.go_on(&key, now);
        }
    }

    /// A run that waits in the queue may go on at once.
    fn go_on(&mut self, key: &Key, now: Instant) {
        if self.queue.knows(key) {
            self.queue.want(key, 0, now, now);
        }
    }

    fn hear(&mut self, sighting: Sighting) {
        match sighting {
            Sighting::Seen(seen) => self.see(*seen),
            Sighting::Gone(key) => {
                self.forget(&key);
            }
            Sighting::Listed => self.listed += 1,
            Sighting::Trouble(words) => (self.parts.say)(&words),
        }
    }

    fn forget(&mut self, key: &Key) {
        self.queue.forget(key);
        self.parked.remove(key);
        self.uids.remove(key);
        self.by_host.forget(key);
    }

    fn see(&mut self, seen: Seen) {
        let now = Instant::now();
        let is_signed = self.is_signed(&seen);
        if let Some(owner) = &seen.owner
            && (is_signed || seen.was_tried)
        {
            self.wake(owner, now);
        }
        if is_signed && !(seen.is_held && (seen.is_listed || seen.is_deleting)) {
            self.forget(&seen.key);
            return;
        }
        if self.queue.backs_off(&seen.key) && !seen.is_deleting {
            return;
        }
        self.uids.insert(seen.key.clone(), seen.uid.clone());
        let share = share_of(&seen.key, self.parts.shares);
        if !self.parts.held.borrow().working.contains(&share) {
            self.parked.insert(seen.key, seen.made);
            return;
        }
        let is_urgent = seen.has_ended || seen.is_deleting || is_signed || seen.is_listed || !seen.is_held;
        let at = if is_urgent { now } else { now + UNHURRIED };
        self.queue.want(&seen.key, seen.made, at, now);
    }

    /// Whether a run's own receipt says so, or its mark where marks are adopted.
    fn is_signed(&self, seen: &Seen) -> bool {
        let settings = self.parts.settings.borrow();
        let keys = settings.as_ref().map(|settings| settings.receipt_keys.as_slice()).unwrap_or_default();
        let receipt = seen.receipt.as_deref();
        if receipt.is_some_and(|text| Receipt::open(text, &seen.uid, keys).is_some()) {
            return true;
        }
        let before = self.rules.adopt_before.map(|time| time.as_second());
        seen.is_marked && before.is_some_and(|before| seen.made < before)
    }

    /// A PipelineRun that waits may go on.
    fn wake(&mut self, owner: &Key, now: Instant) {
        let is_known = self.queue.knows(owner) && !self.queue.backs_off(owner);
        if is_known || self.waiting.remove(owner) {
            self.queue.want(owner, 0, now, now);
        }
    }

    /// Parks the runs of shares that were given back, and takes up those of shares that were got.
    fn share_out(&mut self) {
        let now = Instant::now();
        let working = self.parts.held.borrow_and_update().working.clone();
        self.parts.metrics.shares(working.len());
        let shares = self.parts.shares;
        let gone = self.queue.drain(|key| !working.contains(&share_of(key, shares)));
        let got: Vec<Key> =
            self.parked.keys().filter(|key| working.contains(&share_of(key, shares))).cloned().collect();
        for key in got {
            if let Some(made) = self.parked.remove(&key) {
                self.queue.want(&key, made, now, now);
            }
        }
        self.parked.extend(gone);
    }

    fn finish(&mut self, finished: Finished) {
        let Finished { key, share, attempt } = finished;
        let now = Instant::now();
        self.parts.in_hand.add(share, |count| count.saturating_sub(1));
        if let Some(count) = self.busy.get_mut(&key.namespace) {
            *count -= 1;
            if *count == 0 {
                self.busy.remove(&key.namespace);
            }
        }
        let outcome = match attempt {
            Attempt::Ended(outcome) => outcome,
            Attempt::BrokenOff => {
                self.queue.finish(&key, Next::After(SOON), 0.0, now);
                self.share_out();
                return;
            }
        };
        let next = match &outcome {
            Outcome::Settled | Outcome::Running => Next::Never,
            Outcome::Signed(done) => {
                self.summary.signed += 1;
                let waited = done.ended.and_then(|ended| since(ended, Timestamp::now()));
                self.parts.metrics.signed(key.kind, done, waited);
                if !done.denied.is_empty() {
                    self.denied(&key, &done.denied);
                }
                for well in self.by_host.well(&done.hosts, now) {
                    self.go_on(&well, now);
                }
                if let Some((name, _)) = &done.owner {
                    self.wake(&Key::new(Kind::PipelineRun, &key.namespace, name), now);
                }
                Next::Never
            }
            Outcome::Again => Next::After(SOON),
            Outcome::Busy(host) => {
                self.by_host.crowd(host, &key);
                Next::After(CROWDED)
            }
            Outcome::Waiting(_) if self.parts.once => {
                self.waiting.insert(key.clone());
                Next::Never
            }
            Outcome::Waiting(_) => Next::After(WAITING),
            Outcome::Failed(trouble) if is_quiet(trouble.reason) => Next::After(ENDING_GRACE),
            Outcome::Failed(trouble) => self.failed(&key, trouble),
            Outcome::GivenUp(trouble) => {
                self.parts.metrics.unsigned_deleted();
                let words = format!("{}: {}", trouble.reason.word(), trouble.message);
                (self.parts.say)(&format!("{key} was deleted and is not signed: {words}"));
                self.warn(&key, UNSIGNED_DELETED, &words);
                Next::Never
            }
        };
        if self.queue.finish(&key, next, lot(now), now).is_none() {
            self.uids.remove(&key);
            self.by_host.forget(&key);
        }
        // The place it had is free.
        if !matches!(outcome, Outcome::Busy(_)) {
            self.admit(1);
        }
    }

    /// The run is signed without what its namespace may not claim.
    fn denied(&self, key: &Key, names: &[String]) {
        self.parts.metrics.claims_denied(names.len());
        let shown = names.iter().take(DENIED_SHOWN).map(String::as_str).collect::<Vec<_>>().join(", ");
        let words = format!(
            "provost.claims lets namespace {} claim nothing of {} that the run says it made; neither attested nor signed: {shown}",
            key.namespace,
            names.len()
        );
        (self.parts.say)(&format!("{key}: {words}"));
        self.warn(key, CLAIM_DENIED, &words);
    }

    fn failed(&mut self, key: &Key, trouble: &Trouble) -> Next {
        self.parts.metrics.failed(key.kind, trouble.reason);
        if trouble.reason == Reason::StorageUnavailable {
            self.by_host.failed(&trouble.hosts, key);
        }
        let words = format!("{}: {}", trouble.reason.word(), trouble.message);
        (self.parts.say)(&format!("{key} is not signed: {words}"));
        self.warn(key, UNSIGNED, &words);
        if !self.parts.once {
            return Next::BackOff;
        }
        if self.queue.attempts(key) + 1 < TRIES_ONCE && !trouble.reason.is_permanent() {
            return Next::BackOff;
        }
        let reason = (trouble.reason.word().to_owned(), trouble.message.clone());
        self.summary.failed.insert(key.to_string(), reason);
        // Its PipelineRun waits for it no longer.
        let now = Instant::now();
        for owner in std::mem::take(&mut self.waiting) {
            self.queue.want(&owner, 0, now, now);
        }
        Next::Never
    }

    fn warn(&self, key: &Key, reason: &str, words: &str) {
        let Some(uid) = self.uids.get(key) else { return };
        self.parts.events.warn(Object::run(key, uid), reason, words);
    }
}
