//! Answers that are used again for a moment, and asked for once however many want them.

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use provost_kyverno::ClusterError;

/// How many questions are remembered; beyond it all are asked anew.
const SLOTS: usize = 1024;

type Slot<T> = Arc<tokio::sync::Mutex<Option<(Instant, Result<T, ClusterError>)>>>;

/// Answers by question.
#[derive(Debug)]
pub(super) struct Brief<T> {
    life: Duration,
    slots: Mutex<HashMap<String, Slot<T>>>,
}

impl<T: Clone> Brief<T> {
    /// Answers live this long from when they were given.
    pub(super) fn new(life: Duration) -> Self {
        Self { life, slots: Mutex::default() }
    }

    /// The answer to a question, given a moment ago or now. That nobody answered is remembered as long, so that those who
    /// wait for one answer do not wait one after another for none.
    pub(super) async fn get(
        &self,
        question: &str,
        ask: impl Future<Output = Result<T, ClusterError>>,
    ) -> Result<T, ClusterError> {
        let slot = {
            let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
            if slots.len() >= SLOTS && !slots.contains_key(question) {
                slots.clear();
            }
            slots.entry(question.to_owned()).or_default().clone()
        };
        let mut held = slot.lock().await;
        if let Some((given, answer)) = held.as_ref()
            && given.elapsed() < self.life
        {
            return answer.clone();
        }
        let answer = ask.await;
        *held = Some((Instant::now(), answer.clone()));
        answer
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[tokio::test]
    async fn many_who_ask_at_once_ask_once() {
        let (brief, asked) = (Brief::new(Duration::from_secs(60)), AtomicUsize::new(0));
        let ask = || async {
            asked.fetch_add(1, Ordering::Relaxed);
            tokio::task::yield_now().await;
            Ok(7)
        };
        let all = futures_util::future::join_all((0..20).map(|_| brief.get("a", ask()))).await;
        assert!(all.into_iter().all(|answer| answer == Ok(7)));
        assert_eq!(asked.load(Ordering::Relaxed), 1);
    }

    #[tokio::test]
    async fn an_answer_that_is_over_is_asked_for_again() {
        let brief = Brief::new(Duration::ZERO);
        assert_eq!(brief.get("a", async { Ok(1) }).await, Ok(1));
        assert_eq!(brief.get("a", async { Ok(2) }).await, Ok(2));
    }

    #[tokio::test]
    async fn the_questions_are_bounded() {
        let brief = Brief::new(Duration::from_secs(60));
        for number in 0..=SLOTS {
            assert_eq!(brief.get(&number.to_string(), async { Ok(()) }).await, Ok(()));
        }
        assert_eq!(brief.slots.lock().unwrap().len(), 1);
    }
}
