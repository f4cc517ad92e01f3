//! Runs that wait for a registry: for a place at it while others have them all, or for its return.

use std::collections::{BTreeSet, HashMap};
use std::time::{Duration, Instant};

use provost_chains::reconcile::Key;

/// How many runs are looked at between two beats although the registry that their namespace used last is crowded: theirs
/// may be another one. Each costs a request to the API server.
const LOOKS: usize = 32;
/// How soon a run that was tried again because its registry is well is tried so once more: where the registry takes what
/// others bring and never this, that is no news.
const WOKEN_AGAIN: Duration = Duration::from_secs(60);

/// What is known of runs and their registries.
#[derive(Debug)]
pub(super) struct ByHost {
    /// Runs that found no place, by registry.
    crowded: HashMap<String, BTreeSet<Key>>,
    /// The registry that was crowded when a run of this namespace came last.
    last: HashMap<String, String>,
    looks: usize,
    /// Runs that failed, by registry.
    failed: HashMap<String, BTreeSet<Key>>,
    woken: HashMap<Key, Instant>,
}

impl Default for ByHost {
    fn default() -> Self {
        Self {
            crowded: HashMap::new(),
            last: HashMap::new(),
            looks: LOOKS,
            failed: HashMap::new(),
            woken: HashMap::new(),
        }
    }
}

impl ByHost {
    /// A run found no place at this registry.
    pub(super) fn crowd(&mut self, host: &str, key: &Key) {
        self.last.insert(key.namespace.clone(), host.to_owned());
        self.crowded.entry(host.to_owned()).or_default().insert(key.clone());
    }

    /// Whether the next run of a namespace is to be looked at; `room` tells how many places a registry has.
    pub(super) fn is_open(&mut self, namespace: &str, room: impl Fn(&str) -> usize) -> bool {
        let Some(host) = self.last.get(namespace) else { return true };
        if room(host) > 0 {
            return true;
        }
        let may = self.looks > 0;
        self.looks = self.looks.saturating_sub(1);
        may
    }

    /// A beat has passed: some more may be looked at.
    pub(super) fn beat(&mut self) {
        self.looks = LOOKS;
    }

    /// The runs that may go to a registry now, at most so many for each.
    pub(super) fn admitted(&mut self, most: usize, room: impl Fn(&str) -> usize) -> Vec<Key> {
        let mut going = Vec::new();
        self.crowded.retain(|host, waiting| {
            for _ in 0..room(host).min(most) {
                going.extend(waiting.pop_last());
            }
            !waiting.is_empty()
        });
        if self.crowded.is_empty() {
            self.last.clear();
        }
        going
    }

    /// A run failed with these registries.
    pub(super) fn failed(&mut self, hosts: &BTreeSet<String>, key: &Key) {
        for host in hosts {
            self.failed.entry(host.clone()).or_default().insert(key.clone());
        }
    }

    /// These registries have taken something: the runs that failed with them, to be tried again.
    pub(super) fn well(&mut self, hosts: &BTreeSet<String>, now: Instant) -> Vec<Key> {
        let mut going = Vec::new();
        for host in hosts {
            let Some(waiting) = self.failed.get_mut(host) else { continue };
            let woken = &self.woken;
            let early =
                |key: &Key| woken.get(key).is_some_and(|at| now.saturating_duration_since(*at) < WOKEN_AGAIN);
            going.extend(waiting.extract_if(.., |key| !early(key)));
            if waiting.is_empty() {
                self.failed.remove(host);
            }
        }
        self.woken.extend(going.iter().map(|key| (key.clone(), now)));
        going
    }

    /// A run is settled, or gone.
    pub(super) fn forget(&mut self, key: &Key) {
        for waiting in [&mut self.crowded, &mut self.failed] {
            waiting.retain(|_, keys| {
                keys.remove(key);
                !keys.is_empty()
            });
        }
        self.woken.remove(key);
    }
}

#[cfg(test)]
mod tests {
    use provost_chains::reconcile::Kind;

    use super::*;

    fn key(name: &str) -> Key {
        Key::new(Kind::TaskRun, "ns", name)
    }

    #[test]
    fn a_crowded_registry_closes_its_namespace_but_for_a_few_looks() {
        let mut runs = ByHost::default();
        assert!(runs.is_open("ns", |_| 0));
        runs.crowd("reg", &key("a"));
        assert!(runs.is_open("ns", |_| 1) && runs.is_open("other", |_| 0));
        let looks = (0..LOOKS + 1).filter(|_| runs.is_open("ns", |_| 0)).count();
        assert_eq!(looks, LOOKS);
        runs.beat();
        assert!(runs.is_open("ns", |_| 0));
    }

    #[test]
    fn as_many_go_on_as_there_is_room() {
        let mut runs = ByHost::default();
        for name in ["a", "b", "c"] {
            runs.crowd("reg", &key(name));
        }
        runs.crowd("full", &key("d"));
        let room = |host: &str| if host == "reg" { 2 } else { 0 };
        assert_eq!(runs.admitted(1, room), [key("c")]);
        assert_eq!(runs.admitted(9, room), [key("b"), key("a")]);
        assert_eq!(runs.admitted(9, room), []);
        runs.forget(&key("d"));
        assert_eq!(runs.admitted(9, |_| 9), []);
        (0..=LOOKS).for_each(|_| assert!(runs.is_open("ns", |_| 0)));
    }

    #[test]
    fn what_failed_with_a_registry_is_tried_when_it_is_well_and_then_waits_by_itself() {
        let (mut runs, now) = (ByHost::default(), Instant::now());
        let hosts = |name: &str| BTreeSet::from([name.to_owned()]);
        for name in ["a", "b"] {
            runs.failed(&hosts("reg"), &key(name));
        }
        runs.failed(&hosts("other"), &key("c"));
        assert_eq!(runs.well(&hosts("reg"), now), [key("a"), key("b")]);
        assert_eq!(runs.well(&hosts("reg"), now), []);
        runs.failed(&hosts("reg"), &key("a"));
        assert_eq!(runs.well(&hosts("reg"), now + WOKEN_AGAIN / 2), []);
        assert_eq!(runs.well(&hosts("reg"), now + WOKEN_AGAIN), [key("a")]);
        runs.forget(&key("c"));
        assert_eq!(runs.well(&hosts("other"), now), []);
    }
}
