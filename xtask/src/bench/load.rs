//! Clients that ask a server over TLS, each on a connection of its own, and what it took them.

use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};

use crate::http::Target;

/// How long it took.
pub(super) struct Figures {
    /// Answers a second.
    pub(super) rate: f64,
    /// Sorted times of single answers.
    times: Vec<Duration>,
}

impl Figures {
    /// A rate alone.
    #[cfg(test)]
    pub(super) fn of(rate: f64) -> Self {
        Self { rate, times: Vec::new() }
    }

    /// The time, in milliseconds, under which so many of a hundred answers came.
    pub(super) fn under(&self, percent: usize) -> f64 {
        let last = self.times.len().saturating_sub(1);
        let place = (self.times.len() * percent / 100).min(last);
        self.times.get(place).map_or(0.0, Duration::as_secs_f64) * 1000.0
    }

    /// How many answers there were.
    pub(super) fn count(&self) -> f64 {
        f64::from(u32::try_from(self.times.len()).unwrap_or(u32::MAX))
    }

    pub(super) fn shown(&self) -> String {
        let (half, most) = (self.under(50), self.under(99));
        format!("{:.0}/s, p50 {half:.2} ms, p99 {most:.2} ms", self.rate)
    }
}

/// How long is asked.
#[derive(Clone, Copy)]
pub(super) enum Until {
    /// For so long, the questions taken in turn again and again.
    Time(Duration),
    /// Until each question has been asked once.
    Once,
}

/// Lets so many clients ask; every answer must admit, and the clock starts when all have shaken hands.
pub(super) fn admitted(
    target: &Target,
    clients: usize,
    questions: &[Vec<u8>],
    until: Until,
) -> Result<Figures> {
    let next = AtomicUsize::new(0);
    let ready = Barrier::new(clients + 1);
    let ask = || -> Result<Vec<Duration>> {
        // The barrier is passed whatever happens, so that one client's failure leaves no other waiting.
        let opened = target.connect().and_then(|mut connection| {
            connection.ask(b"GET /health/liveness HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")?;
            Ok(connection)
        });
        ready.wait();
        let mut connection = opened?;
        let began = Instant::now();
        let mut times = Vec::new();
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            let place = match until {
                Until::Time(time) if began.elapsed() >= time => return Ok(times),
                Until::Once if number >= questions.len() => return Ok(times),
                _ => number % questions.len(),
            };
            let question = questions.get(place).context("no question")?;
            let asked = Instant::now();
            let answer = connection.ask(question)?;
            times.push(asked.elapsed());
            let text = String::from_utf8_lossy(&answer.body);
            if answer.status != 200 || !text.contains(r#""allowed":true"#) {
                bail!("not admitted: {} {text}", answer.status);
            }
        }
    };
    let (mut times, took) = thread::scope(|scope| -> Result<_> {
        let asking: Vec<_> = (0..clients).map(|_| scope.spawn(ask)).collect();
        ready.wait();
        let began = Instant::now();
        let mut times = Vec::new();
        for client in asking {
            times.extend(client.join().map_err(|_| anyhow!("a client broke down"))??);
        }
        Ok((times, began.elapsed()))
    })?;
    times.sort_unstable();
    let mut figures = Figures { rate: 0.0, times };
    figures.rate = figures.count() / took.as_secs_f64();
    Ok(figures)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hundredth_is_left_out() {
        let figures = Figures { rate: 0.0, times: (1..=200).map(Duration::from_millis).collect() };
        assert_eq!((figures.under(50), figures.under(99), figures.under(100)), (101.0, 199.0, 200.0));
    }
}
