//! How many runs may work with one registry at once, so that one that hangs does not hold all hands.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use provost_chains::reconcile::Permit;
use tokio::sync::Semaphore;

/// How many registries are told apart: a cluster has a handful. Beyond it, those in nobody's use are forgotten.
const HOSTS: usize = 1024;

/// The registries in use.
#[derive(Debug)]
pub(crate) struct Hosts {
    each: usize,
    all: Mutex<HashMap<String, Arc<Semaphore>>>,
}

impl Hosts {
    /// At most so many runs at once with each registry.
    pub(crate) fn new(each: usize) -> Self {
        Self { each: each.max(1), all: Mutex::default() }
    }

    /// The right to work with a registry, given back when it is dropped; `None` where enough others do.
    pub(crate) fn admit(&self, host: &str) -> Option<Permit> {
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= HOSTS && !all.contains_key(host) {
            all.retain(|_, semaphore| semaphore.available_permits() < self.each);
        }
        let semaphore = all.entry(host.to_owned()).or_insert_with(|| Arc::new(Semaphore::new(self.each)));
        semaphore.clone().try_acquire_owned().ok().map(Permit::new)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_registry_does_not_take_the_hands_of_another() {
        let hosts = Hosts::new(2);
        let taken = [hosts.admit("a"), hosts.admit("a")];
        assert!(taken.iter().all(Option::is_some) && hosts.admit("a").is_none());
        let other = hosts.admit("b");
        assert!(other.is_some());
        drop(taken);
        assert!(hosts.admit("a").is_some());
    }

    #[test]
    fn registries_in_nobodys_use_are_forgotten() {
        let hosts = Hosts::new(1);
        let kept = hosts.admit("kept");
        for number in 0..=HOSTS {
            drop(hosts.admit(&number.to_string()));
        }
        assert!(hosts.all.lock().unwrap().len() <= 3);
        assert!(kept.is_some() && hosts.admit("kept").is_none());
    }
}
