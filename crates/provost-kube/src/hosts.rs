//! How many runs may be in hand for one registry, so that one that hangs does not hold all hands; and how many of them write to
//! it at once, so that a slow one is not made slower.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use provost_chains::reconcile::Permit;
use provost_registry::Turn;
use tokio::sync::Semaphore;

/// How many registries are told apart: a cluster has a handful. Beyond it, those in nobody's use are forgotten.
const HOSTS: usize = 1024;

/// The registries in use.
#[derive(Debug)]
pub(crate) struct Hosts {
    places: usize,
    turns: usize,
    all: Mutex<HashMap<String, Host>>,
}

#[derive(Clone, Debug)]
struct Host {
    places: Arc<Semaphore>,
    turns: Arc<Semaphore>,
}

impl Hosts {
    /// At most so many runs in hand for each registry, and so many things written to it at once: what waits for a clock
    /// takes a place, and no turn.
    pub(crate) fn new(places: usize, turns: usize) -> Self {
        Self { places: places.max(1), turns: turns.max(1), all: Mutex::default() }
    }

    fn host(&self, name: &str) -> Host {
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = all.get(name) {
            return known.clone();
        }
        if all.len() >= HOSTS {
            // Somebody holds a part of those that are in use.
            all.retain(|_, host| Arc::strong_count(&host.places) > 1 || Arc::strong_count(&host.turns) > 1);
        }
        let semaphore = |count| Arc::new(Semaphore::new(count));
        let host = Host { places: semaphore(self.places), turns: semaphore(self.turns) };
        all.insert(name.to_owned(), host.clone());
        host
    }

    /// A place for a run at a registry, given back when it is dropped; `None` where enough others have one.
    pub(crate) fn admit(&self, name: &str) -> Option<Permit> {
        self.host(name).places.try_acquire_owned().ok().map(Permit::new)
    }

    /// How many more runs may have a place at a registry now.
    pub(crate) fn room(&self, name: &str) -> usize {
        self.host(name).places.available_permits()
    }

    /// The right to write to a registry, first come, first served.
    pub(crate) async fn turn(&self, name: &str) -> Turn {
        // The semaphore is never closed.
        self.host(name).turns.acquire_owned().await.map_or_else(|_| Turn::default(), Turn::new)
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[test]
    fn one_registry_does_not_take_the_hands_of_another() {
        let hosts = Hosts::new(2, 1);
        let taken = [hosts.admit("a"), hosts.admit("a")];
        assert!(taken.iter().all(Option::is_some) && hosts.admit("a").is_none());
        assert_eq!((hosts.room("a"), hosts.room("b")), (0, 2));
        let other = hosts.admit("b");
        assert!(other.is_some());
        drop(taken);
        assert!(hosts.admit("a").is_some());
    }

    #[test]
    fn who_has_a_place_waits_for_a_turn_and_takes_none_of_another_registry() {
        let hosts = Hosts::new(9, 1);
        let first = hosts.turn("a").now_or_never();
        assert!(first.is_some() && hosts.turn("a").now_or_never().is_none());
        assert!(hosts.turn("b").now_or_never().is_some());
        drop(first);
        assert!(hosts.turn("a").now_or_never().is_some());
    }

    #[test]
    fn registries_in_nobodys_use_are_forgotten() {
        let hosts = Hosts::new(1, 1);
        let (kept, held) = (hosts.admit("kept"), hosts.turn("held").now_or_never());
        for number in 0..=HOSTS {
            drop(hosts.admit(&number.to_string()));
        }
        assert!(hosts.all.lock().unwrap().len() <= 5);
        assert!(kept.is_some() && hosts.admit("kept").is_none());
        assert!(held.is_some() && hosts.turn("held").now_or_never().is_none());
    }
}
