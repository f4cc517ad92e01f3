//! Questions on their way: whoever asks the same meanwhile waits for the same answer.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, Shared};
use provost_oci::{Digest, Repository};
use provost_registry::StoreError;

use super::kept::{Answer, Question};

/// Who asks what: under which credentials, of which repository.
pub(super) type Asked = (Digest, Repository, Question);

type Flight = Shared<BoxFuture<'static, Result<Answer, StoreError>>>;

/// The questions that are on their way. Each is a task of its own, which goes on when those who asked have gone: the answer
/// is remembered for those who come again.
#[derive(Clone, Default)]
pub(super) struct Flights {
    under_way: Arc<Mutex<HashMap<Asked, Flight>>>,
}

impl Flights {
    /// The answer that is on its way to this question, if one is.
    pub(super) fn join(&self, asked: &Asked) -> Option<Flight> {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner).get(asked).cloned()
    }

    /// Sends a question out, unless it has been sent meanwhile.
    pub(super) fn send(
        &self,
        asked: Asked,
        ask: impl Future<Output = Result<Answer, StoreError>> + Send + 'static,
    ) -> Flight {
        let mut under_way = self.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(flight) = under_way.get(&asked) {
            return flight.clone();
        }
        let (flights, sent) = (self.clone(), asked.clone());
        let landed = Landed { flights, asked: sent };
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
        under_way.insert(asked, flight.clone());
        flight
    }
}

/// Takes a question off the list when its task ends, however that happens.
struct Landed {
    flights: Flights,
    asked: Asked,
}

impl Drop for Landed {
    fn drop(&mut self) {
        self.flights.under_way.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.asked);
    }
}
