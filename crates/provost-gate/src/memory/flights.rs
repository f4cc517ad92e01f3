//! Questions on their way: whoever asks the same meanwhile waits for the same answer.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, Shared};
use provost_oci::{Digest, Repository};
use provost_registry::StoreError;
use tokio::time::Instant;

use super::kept::{Answer, Question};

/// Who asks what: under which credentials, of which repository.
pub(super) type Asked = (Digest, Repository, Question);

type Flight = Shared<BoxFuture<'static, Result<Answer, StoreError>>>;

/// How old a question may be that is joined. One that has been on its way for longer may hang, while a registry that has
/// come back would answer it at once.
pub(super) const JOINED: Duration = Duration::from_secs(3);

/// A question on its way.
struct Sent {
    flight: Flight,
    since: Instant,
}

/// The questions that are on their way. Each is a task of its own, which goes on when those who asked have gone: the answer
/// is remembered for those who come again.
#[derive(Clone, Default)]
pub(super) struct Flights {
    under_way: Arc<Mutex<HashMap<Asked, Sent>>>,
}

impl Flights {
    fn under_way(&self) -> MutexGuard<'_, HashMap<Asked, Sent>> {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The answer that is on its way to this question, if one is that was sent lately.
    pub(super) fn join(&self, asked: &Asked) -> Option<Flight> {
        let under_way = self.under_way();
        let sent = under_way.get(asked).filter(|sent| sent.since.elapsed() < JOINED)?;
        Some(sent.flight.clone())
    }

    /// Sends a question out, unless it has been sent meanwhile.
    pub(super) fn send(
        &self,
        asked: Asked,
        ask: impl Future<Output = Result<Answer, StoreError>> + Send + 'static,
    ) -> Flight {
        let mut under_way = self.under_way();
        let since = Instant::now();
        if let Some(sent) = under_way.get(&asked).filter(|sent| since.duration_since(sent.since) < JOINED) {
            return sent.flight.clone();
        }
        let landed = Landed { flights: self.clone(), asked: asked.clone(), since };
        let task = tokio::spawn(async move {
            let answer = ask.await;
            drop(landed);
            answer
        });
        let lost = asked.1.to_string();
        let flight = async move {
            let broken = |error: tokio::task::JoinError| StoreError::Malformed {
                request: lost,
                reason: format!("the question broke down: {error}"),
            };
            task.await.map_err(broken).flatten()
        };
        let flight = flight.boxed().shared();
        under_way.insert(asked, Sent { flight: flight.clone(), since });
        flight
    }
}

/// Takes a question off the list when its task ends, however that happens.
struct Landed {
    flights: Flights,
    asked: Asked,
    since: Instant,
}

impl Drop for Landed {
    fn drop(&mut self) {
        let mut under_way = self.flights.under_way();
        // The same may have been asked again meanwhile, and that question is still on its way.
        if under_way.get(&self.asked).is_some_and(|sent| sent.since == self.since) {
            under_way.remove(&self.asked);
        }
    }
}
