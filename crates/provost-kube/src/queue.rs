//! Which run is next: fair between namespaces, newest first after a backlog, each run in one pair of hands at a time.
//!
//! The queue reads no clock; whoever asks brings the time. An entry takes about 300 bytes, and there is one for each run that is
//! not signed yet, so 100,000 of them are 30 MB.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::time::{Duration, Instant};

use provost_chains::reconcile::Key;

/// Each how many turns of a namespace its oldest run is taken instead of its newest: under a steady load of new runs, those
/// of a backlog are still reached.
const OLDEST_EACH: u32 = 4;
/// The wait after a first failure; it doubles with each.
const FIRST_WAIT: Duration = Duration::from_secs(2);
/// The longest wait between two attempts, short enough that a registry's return is noticed while people look at it.
const LONGEST_WAIT: Duration = Duration::from_secs(300);

/// What the queue knows of a run.
#[derive(Debug)]
struct Entry {
    /// By which a namespace's runs are ordered: seconds since 1970 at which the run was made.
    made: i64,
    attempts: u32,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Ready,
    Waiting(Instant),
    /// In somebody's hands; afterwards it is wanted again at this time.
    Working(Option<Instant>),
}

/// The runs of one namespace that are ready.
#[derive(Debug, Default)]
struct Lane {
    ready: BTreeSet<(i64, Key)>,
    turns: u32,
}

/// Runs that are not signed yet.
#[derive(Debug, Default)]
pub struct Queue {
    entries: HashMap<Key, Entry>,
    lanes: BTreeMap<String, Lane>,
    /// Namespaces with something ready, in the order of their turns.
    turns: VecDeque<String>,
    waiting: BTreeSet<(Instant, Key)>,
}

/// When a run that was worked on is wanted again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Not unless somebody asks for it.
    Never,
    /// After this time, without being blamed for it.
    After(Duration),
    /// After a wait that doubles with each failure.
    BackOff,
}

impl Queue {
    /// Wants a run to be worked on at this time, or sooner where that was wanted already.
    pub fn want(&mut self, key: &Key, made: i64, at: Instant, now: Instant) {
        let Some(entry) = self.entries.get_mut(key) else {
            self.entries.insert(key.clone(), Entry { made, attempts: 0, state: State::Waiting(at) });
            self.place(key, made, at, now);
            return;
        };
        match entry.state {
            State::Ready => {}
            State::Working(wanted) => {
                entry.state = State::Working(Some(wanted.map_or(at, |wanted| wanted.min(at))));
            }
            State::Waiting(before) if before <= at => {}
            State::Waiting(before) => {
                let made = entry.made;
                self.waiting.remove(&(before, key.clone()));
                self.place(key, made, at, now);
            }
        }
    }

    /// Whether a run has failed before and waits for its next attempt.
    #[must_use]
    pub fn backs_off(&self, key: &Key) -> bool {
        self.entries
            .get(key)
            .is_some_and(|entry| entry.attempts > 0 && matches!(entry.state, State::Waiting(_)))
    }

    /// How often a run has failed since it last went well.
    #[must_use]
    pub fn attempts(&self, key: &Key) -> u32 {
        self.entries.get(key).map_or(0, |entry| entry.attempts)
    }

    /// Whether a run is known.
    #[must_use]
    pub fn knows(&self, key: &Key) -> bool {
        self.entries.contains_key(key)
    }

    /// Forgets a run, unless it is in somebody's hands.
    pub fn forget(&mut self, key: &Key) {
        match self.entries.get(key).map(|entry| (entry.state, entry.made)) {
            None | Some((State::Working(_), _)) => return,
            Some((State::Waiting(at), _)) => {
                self.waiting.remove(&(at, key.clone()));
            }
            Some((State::Ready, made)) => self.leave_lane(key, made),
        }
        self.entries.remove(key);
    }

    /// Makes all that wait ready, as after a new key or configuration; failures before it are forgiven.
    pub fn hurry(&mut self, now: Instant) {
        let waiting: Vec<Key> = std::mem::take(&mut self.waiting).into_iter().map(|(_, key)| key).collect();
        for key in waiting {
            if let Some(entry) = self.entries.get_mut(&key) {
                entry.attempts = 0;
                let made = entry.made;
                self.place(&key, made, now, now);
            }
        }
    }

    /// The next run to work on; `None` where nothing is ready.
    pub fn take(&mut self, now: Instant) -> Option<Key> {
        self.take_where(now, |_| true)
    }

    /// The same from those namespaces alone for which this holds; the others keep their turn.
    pub fn take_where(&mut self, now: Instant, mut is_open: impl FnMut(&str) -> bool) -> Option<Key> {
        self.promote(now);
        let place = self.turns.iter().position(|namespace| is_open(namespace))?;
        let namespace = self.turns.remove(place)?;
        let lane = self.lanes.get_mut(&namespace)?;
        lane.turns = lane.turns.wrapping_add(1);
        let taken = match lane.turns % OLDEST_EACH {
            0 => lane.ready.pop_first(),
            _ => lane.ready.pop_last(),
        };
        match lane.ready.is_empty() {
            true => drop(self.lanes.remove(&namespace)),
            false => self.turns.push_back(namespace),
        }
        let (_, key) = taken?;
        if let Some(entry) = self.entries.get_mut(&key) {
            entry.state = State::Working(None);
        }
        Some(key)
    }

    /// Says that a run is in nobody's hands any more. `lot` is between 0 and 1 and spreads those that failed together.
    /// Returns the wait where there is one.
    pub fn finish(&mut self, key: &Key, next: Next, lot: f64, now: Instant) -> Option<Duration> {
        let entry = self.entries.get_mut(key)?;
        let State::Working(wanted) = entry.state else { return None };
        let wait = match next {
            Next::Never => None,
            Next::After(wait) => Some(wait),
            Next::BackOff => {
                entry.attempts = entry.attempts.saturating_add(1);
                Some(back_off(entry.attempts, lot))
            }
        };
        let by_wait = wait.map(|wait| now + wait);
        // What changed while it was worked on may have been seen or not: it is looked at again. A failure's wait stands,
        // because our own note on the run is such a change.
        let at = match (next, wanted) {
            (Next::BackOff, _) => by_wait,
            (_, Some(wanted)) => Some(by_wait.map_or(wanted, |at| at.min(wanted))),
            (_, None) => by_wait,
        };
        let made = entry.made;
        match at {
            None => drop(self.entries.remove(key)),
            Some(at) => {
                if next != Next::BackOff {
                    entry.attempts = 0;
                }
                self.place(key, made, at, now);
            }
        }
        at.map(|at| at.saturating_duration_since(now))
    }

    /// When something that waits becomes ready.
    #[must_use]
    pub fn next_due(&self) -> Option<Instant> {
        self.waiting.first().map(|(at, _)| *at)
    }

    /// How many runs are not signed yet.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether all are signed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// How many could be worked on now.
    #[must_use]
    pub fn ready(&self) -> usize {
        self.lanes.values().map(|lane| lane.ready.len()).sum()
    }

    /// Takes out all runs that are in nobody's hands and for which this holds, with the time each was made.
    pub fn drain(&mut self, goes: impl Fn(&Key) -> bool) -> Vec<(Key, i64)> {
        let going: Vec<(Key, i64)> = self
            .entries
            .iter()
            .filter(|(key, entry)| goes(key) && !matches!(entry.state, State::Working(_)))
            .map(|(key, entry)| (key.clone(), entry.made))
            .collect();
        going.iter().for_each(|(key, _)| self.forget(key));
        going
    }

    fn promote(&mut self, now: Instant) {
        while self.waiting.first().is_some_and(|(at, _)| *at <= now) {
            let Some((_, key)) = self.waiting.pop_first() else { return };
            if let Some(made) = self.entries.get(&key).map(|entry| entry.made) {
                self.place(&key, made, now, now);
            }
        }
    }

    /// Puts a known run where it belongs.
    fn place(&mut self, key: &Key, made: i64, at: Instant, now: Instant) {
        let state = if at <= now { State::Ready } else { State::Waiting(at) };
        if let Some(entry) = self.entries.get_mut(key) {
            entry.state = state;
        }
        if state != State::Ready {
            self.waiting.insert((at, key.clone()));
            return;
        }
        let lane = self.lanes.entry(key.namespace.clone()).or_default();
        if lane.ready.is_empty() {
            self.turns.push_back(key.namespace.clone());
        }
        lane.ready.insert((made, key.clone()));
    }

    fn leave_lane(&mut self, key: &Key, made: i64) {
        let Some(lane) = self.lanes.get_mut(&key.namespace) else { return };
        lane.ready.remove(&(made, key.clone()));
        if lane.ready.is_empty() {
            self.lanes.remove(&key.namespace);
            self.turns.retain(|namespace| *namespace != key.namespace);
        }
    }
}

/// The wait after so many failures: doubled each time, up to the longest, less a lot of up to a quarter.
fn back_off(attempts: u32, lot: f64) -> Duration {
    let doubled =
        FIRST_WAIT.saturating_mul(1_u32.checked_shl(attempts.saturating_sub(1)).unwrap_or(u32::MAX));
    doubled.min(LONGEST_WAIT).mul_f64(1.0 - lot.clamp(0.0, 1.0) / 4.0)
}

#[cfg(test)]
mod tests;
