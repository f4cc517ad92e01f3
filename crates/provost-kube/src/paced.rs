//! Waiting for one's turn: at a registry, and at the API server.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use provost_oci::Repository;
use provost_registry::{Layered, Store, Turn};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::Instant;

use crate::hosts::Hosts;

/// Registries at which one waits for one's turn.
pub(crate) struct Paced {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) hosts: Arc<Hosts>,
}

#[async_trait]
impl Layered for Paced {
    fn below(&self) -> &dyn Store {
        self.store.as_ref()
    }

    async fn turn(&self, repository: &Repository) -> Turn {
        self.hosts.turn(repository.registry()).await
    }
}

/// How many requests about runs the API server gets: client-go's `qps` and `burst`, which Chains has flags for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ApiPace {
    /// At most so many a second in the long run.
    pub qps: f64,
    /// So many may come at once after a pause.
    pub burst: u32,
}

/// Requests to the API server, so many at once and, where that is asked for, so many a second.
#[derive(Debug)]
pub(crate) struct Gate {
    at_once: Semaphore,
    pace: Option<(ApiPace, Mutex<Option<Instant>>)>,
}

impl Gate {
    pub(crate) fn new(at_once: usize, pace: Option<ApiPace>) -> Self {
        let pace = pace.filter(|pace| pace.qps > 0.0);
        Self { at_once: Semaphore::new(at_once.max(1)), pace: pace.map(|pace| (pace, Mutex::default())) }
    }

    /// Waits until one more request may go out; it counts until what is returned is dropped.
    pub(crate) async fn pass(&self) -> Option<SemaphorePermit<'_>> {
        // The semaphore is never closed.
        let passed = self.at_once.acquire().await.ok();
        if let Some((pace, last)) = &self.pace {
            let due = due(*pace, last, Instant::now());
            tokio::time::sleep_until(due).await;
        }
        passed
    }
}

/// When the next request may go out: the generic cell rate algorithm, which needs one time for its whole memory.
fn due(pace: ApiPace, last: &Mutex<Option<Instant>>, now: Instant) -> Instant {
    let each = Duration::try_from_secs_f64(1.0 / pace.qps).unwrap_or(Duration::MAX / 2);
    let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
    let begun = last.unwrap_or(now).max(now);
    let next = begun.checked_add(each).unwrap_or(begun);
    *last = Some(next);
    next.checked_sub(each.saturating_mul(pace.burst.max(1))).map_or(now, |due| due.max(now))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_at_once_and_then_so_many_a_second() {
        let (pace, last) = (ApiPace { qps: 10.0, burst: 3 }, Mutex::default());
        let now = Instant::now();
        let waits: Vec<u128> = (0..5).map(|_| (due(pace, &last, now) - now).as_millis()).collect();
        assert_eq!(waits, [0, 0, 0, 100, 200]);
        let later = now + Duration::from_secs(10);
        assert_eq!(due(pace, &last, later), later);
    }

    #[tokio::test]
    async fn without_a_pace_only_the_number_at_once_counts() {
        use futures_util::FutureExt as _;
        let gate = Gate::new(1, Some(ApiPace { qps: 0.0, burst: 0 }));
        let passed = gate.pass().now_or_never();
        assert!(passed.is_some() && gate.pass().now_or_never().is_none());
        drop(passed);
        assert!(gate.pass().now_or_never().is_some());
    }
}
