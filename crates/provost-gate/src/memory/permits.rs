//! How many questions may be under way at once: for one namespace, and to one registry host (security.md 16).

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// How many namespaces or hosts are remembered before those that nobody uses are forgotten.
const ROOMS: usize = 1024;

/// The permits of all namespaces and hosts.
pub(super) struct Permits {
    namespaces: Rooms,
    hosts: Rooms,
}

/// The permits for one question; they are free again when this is dropped.
pub(super) struct Permit {
    _namespace: Option<OwnedSemaphorePermit>,
    _host: Option<OwnedSemaphorePermit>,
}

struct Rooms {
    each: usize,
    rooms: Mutex<HashMap<Arc<str>, Arc<Semaphore>>>,
}

impl Rooms {
    async fn enter(&self, name: &Arc<str>) -> Option<OwnedSemaphorePermit> {
        let room = {
            let mut rooms = self.rooms.lock().unwrap_or_else(PoisonError::into_inner);
            if rooms.len() >= ROOMS && !rooms.contains_key(name) {
                // Whoever waits or holds a permit has a handle too.
                rooms.retain(|_, room| Arc::strong_count(room) > 1);
            }
            let room = rooms.entry(Arc::clone(name)).or_insert_with(|| Arc::new(Semaphore::new(self.each)));
            Arc::clone(room)
        };
        room.acquire_owned().await.ok()
    }
}

impl Permits {
    pub(super) fn new(namespace: usize, host: usize) -> Self {
        let rooms = |each: usize| Rooms { each: each.max(1), rooms: Mutex::default() };
        Self { namespaces: rooms(namespace), hosts: rooms(host) }
    }

    /// Waits until both have room: the namespace first, so that one that has used up its own stands in nobody's way at the
    /// host.
    pub(super) async fn wait(&self, namespace: &Arc<str>, host: &Arc<str>) -> Permit {
        let of_namespace = self.namespaces.enter(namespace).await;
        Permit { _namespace: of_namespace, _host: self.hosts.enter(host).await }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn a_namespace_that_has_used_up_its_own_leaves_the_host_to_others() {
        let permits = Permits::new(2, 3);
        let [flooding, quiet, host]: [Arc<str>; 3] = ["flooding".into(), "quiet".into(), "host".into()];
        let mut held = Vec::new();
        for _ in 0..2 {
            held.push(permits.wait(&flooding, &host).await);
        }
        assert!(permits.wait(&flooding, &host).now_or_never().is_none());
        let other = permits.wait(&quiet, &host).now_or_never().unwrap();
        assert!(permits.wait(&quiet, &host).now_or_never().is_none(), "the host has three");
        assert!(permits.wait(&quiet, &"elsewhere".into()).now_or_never().is_some());
        drop(other);
        assert!(permits.wait(&quiet, &host).now_or_never().is_some());
    }

    #[tokio::test]
    async fn names_that_nobody_uses_are_forgotten() {
        let permits = Permits::new(1, 1);
        let held = permits.wait(&"held".into(), &"held".into()).await;
        for number in 0..2 * ROOMS {
            let name: Arc<str> = format!("{number}").into();
            permits.wait(&name, &name).await;
        }
        assert!(permits.namespaces.rooms.lock().unwrap().len() <= ROOMS);
        assert!(permits.wait(&"held".into(), &"other".into()).now_or_never().is_none());
        drop(held);
    }
}
