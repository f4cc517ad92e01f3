//! Our gate and its peer under the same load in turns, and how many times the one does what the other does.

use anyhow::{Result, bail};

use super::{BEFORE, Bench, CLIENTS, Gate, Round, TIMES};
use crate::bench::load::{Until, admitted};
use crate::{shell, usage};

/// How often each is measured, one after the other; what counts is the middle one of each.
const TURNS: usize = 3;

impl Bench {
    /// A load of many clients; where there is a peer both take it in turns, and its pace sets the target. Without one
    /// the target is what was recorded of it.
    pub(super) fn contest(
        &mut self,
        what: &str,
        gate: &Gate,
        questions: &[Vec<u8>],
        recorded: f64,
    ) -> Result<Round> {
        let Some(peer) = &self.peer else {
            let round = gate.measured(CLIENTS, questions)?;
            let wanted = TIMES * recorded;
            self.say(what, &round.figures, &format!("{wanted:.0}/s; {}", round.processor()));
            self.least(what, round.figures.rate, wanted);
            return Ok(round);
        };
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        for _ in 0..TURNS {
            ours.push(gate.measured(CLIENTS, questions)?);
            theirs.push(peer.gate.measured(CLIENTS, questions)?);
        }
        let (ours, theirs) = (middle(ours)?, middle(theirs)?);
        self.say(what, &ours.figures, &ours.processor());
        self.say(&format!("{what}: Kyverno"), &theirs.figures, &theirs.processor());
        let times = ours.figures.rate / theirs.figures.rate;
        shell::say(&ratio(what, times, theirs.processor / ours.processor));
        if times < TIMES {
            self.missed
                .push(format!("{what}: {times:.1} times Kyverno's rate, at least {TIMES} were wanted"));
        }
        Ok(ours)
    }

    /// Shows that the peer judges what is asked, by these policies, and what it takes of one client.
    pub(super) fn peer_alone(&self, name: &str, new: &[Vec<u8>], cold: &[Vec<u8>]) -> Result<()> {
        let Some(peer) = &self.peer else { return Ok(()) };
        let firsts: Vec<&[u8]> =
            [new.last(), cold.first()].into_iter().flatten().map(Vec::as_slice).collect();
        peer.judges(&firsts)?;
        let figures = admitted(&peer.gate.target, 1, new, Until::Once)?;
        self.say(&format!("new images, one client, {name}: Kyverno"), &figures, "");
        let figures = admitted(&peer.gate.target, 1, cold, Until::Time(BEFORE))?;
        self.say(&format!("cold, one client, {name}: Kyverno"), &figures, "");
        Ok(())
    }

    /// Who admits everything is fast: whatever has no attestation must be refused by both.
    pub(super) fn refused(&self, gate: &Gate, questions: &[Vec<u8>]) -> Result<()> {
        for (whose, gate) in
            [("the gate", gate)].into_iter().chain(self.peer.iter().map(|peer| ("Kyverno", &peer.gate)))
        {
            for question in questions {
                let said = gate.answer(question)?;
                if !said.contains(r#""allowed":false"#) {
                    bail!("{whose} admits an image that does not exist: {said}");
                }
            }
        }
        Ok(())
    }

    /// What the peer had in memory after all that.
    pub(super) fn peer_memory(&self) -> Result<()> {
        let Some(peer) = &self.peer else { return Ok(()) };
        let (now, most) = (usage::resident(peer.gate.server.id())?, usage::peak(peer.gate.server.id())?);
        shell::say(&format!("| memory of Kyverno | {now} MiB, {most} MiB at its peak | |"));
        Ok(())
    }
}

/// The round whose rate is neither the best nor the worst.
fn middle(mut rounds: Vec<Round>) -> Result<Round> {
    rounds.sort_by(|one, other| one.figures.rate.total_cmp(&other.figures.rate));
    let middle = rounds.len() / 2;
    match rounds.into_iter().nth(middle) {
        Some(round) => Ok(round),
        None => bail!("nothing was measured"),
    }
}

/// The row that compares: rates, which the clients on the same machine weigh down, and processor time of the servers alone.
fn ratio(what: &str, rates: f64, processors: f64) -> String {
    format!(
        "| {what}: times Kyverno's rate, middle of {TURNS} turns | {rates:.1}, for an answer it takes {processors:.1} times our processor time | {TIMES} |"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::load::Figures;

    #[test]
    fn the_middle_round_counts() {
        let round = |rate: f64| Round { figures: Figures::of(rate), processor: rate / 10.0 };
        let rates = |rates: &[f64]| {
            middle(rates.iter().copied().map(round).collect()).map(|round| round.processor).ok()
        };
        assert_eq!((rates(&[30.0, 10.0, 20.0]), rates(&[40.0]), rates(&[])), (Some(2.0), Some(4.0), None));
    }

    #[test]
    fn the_row_says_both_ratios_and_the_target() {
        let row = ratio("warm", 12.34, 20.06);
        assert_eq!(
            row,
            "| warm: times Kyverno's rate, middle of 3 turns | 12.3, for an answer it takes 20.1 times our processor time | 10 |"
        );
    }
}
