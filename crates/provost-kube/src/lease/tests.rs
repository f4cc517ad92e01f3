//! Who holds what, with Leases and a watch that are told.

use provost_chains::reconcile::Kind;

use super::*;

/// The Leases at an API server that lets a write pass only over the version that was read.
#[derive(Default)]
struct Server {
    leases: BTreeMap<String, Record>,
    writes: u64,
}

impl Server {
    fn write(&mut self, name: &str, holder: &str) {
        self.writes += 1;
        let record =
            Record { name: name.to_owned(), holder: holder.to_owned(), version: self.writes.to_string() };
        self.leases.insert(name.to_owned(), record);
    }

    /// One round of a replica.
    fn round(&mut self, ledger: &mut Ledger, busy: &[usize], now: Instant) -> Vec<Step> {
        ledger.observe(self.leases.values().cloned().collect(), now);
        let steps = ledger.plan(|share| busy.contains(&share), now);
        for step in &steps {
            match step {
                Step::Announce => self.write(&ledger.replica_name(), &ledger.me.clone()),
                Step::Take(share) | Step::Renew(share) => {
                    self.write(&ledger.share_name(*share), &ledger.me.clone());
                    ledger.renewed(*share, now);
                }
                Step::GiveBack(share) => {
                    ledger.lost(*share);
                    self.write(&ledger.share_name(*share), "");
                }
                Step::Sweep(name) => drop(self.leases.remove(name)),
            }
        }
        steps
    }
}

fn working(ledger: &Ledger, now: Instant) -> Vec<usize> {
    ledger.held(now).working.into_iter().collect()
}

#[test]
fn one_replica_has_all_two_share_and_the_second_gets_all_back() {
    let (mut server, start) = (Server::default(), Instant::now());
    let mut at = start;
    let (mut a, mut b) = (Ledger::new(CONTROLLER, "a".into(), 4), Ledger::new(CONTROLLER, "b".into(), 4));
    server.round(&mut a, &[], at);
    assert_eq!(working(&a, at), [0, 1, 2, 3]);
    at += RENEWAL;
    server.round(&mut b, &[], at);
    assert_eq!(working(&b, at), Vec::<usize>::new(), "all are taken");
    // The first sees the second, and gives back what it has nothing in hand of.
    at += RENEWAL;
    server.round(&mut a, &[1], at);
    assert_eq!(working(&a, at), [0, 2]);
    assert_eq!(a.held(at).valid, [0, 1, 2].into(), "what was begun goes on");
    server.round(&mut b, &[], at);
    assert_eq!(working(&b, at), [3]);
    at += RENEWAL;
    server.round(&mut a, &[], at);
    server.round(&mut b, &[], at);
    assert_eq!((working(&a, at), working(&b, at)), (vec![0, 2], vec![1, 3]));
    // The first dies. Nothing of its is taken before its time is over by the second's watch.
    let died = at;
    while at < died + LEASE_TIME {
        assert_eq!(working(&b, at), [1, 3]);
        at += RENEWAL;
        server.round(&mut b, &[], at);
    }
    assert_eq!(working(&b, at), [0, 1, 2, 3]);
    assert!(died + VALID < died + LEASE_TIME);
    assert_eq!(working(&a, died + VALID), Vec::<usize>::new(), "it stopped by itself before that");
}

#[test]
fn no_share_is_worked_on_by_two() {
    let (mut server, mut at) = (Server::default(), Instant::now());
    let mut all: Vec<Ledger> = ["a", "b", "c"].map(|name| Ledger::new(CONTROLLER, name.to_owned(), 7)).into();
    // Replicas come, pause and return in every pattern that six bits make.
    for pattern in 0..64_u32 {
        for step in 0..6 {
            at += RENEWAL / 2;
            for (number, ledger) in all.iter_mut().enumerate() {
                if pattern >> ((step + number) % 6) & 1 == 1 {
                    server.round(ledger, &[], at);
                }
            }
            let held: Vec<BTreeSet<usize>> = all.iter().map(|ledger| ledger.held(at).valid).collect();
            for share in 0..7 {
                let holders = held.iter().filter(|held| held.contains(&share)).count();
                assert!(holders <= 1, "pattern {pattern}, step {step}, share {share}: {held:?}");
            }
        }
    }
}

#[test]
fn a_replica_that_returns_under_its_name_goes_on_at_once() {
    let (mut server, at) = (Server::default(), Instant::now());
    server.round(&mut Ledger::new(CONTROLLER, "a".into(), 2), &[], at);
    let mut again = Ledger::new(CONTROLLER, "a".into(), 2);
    server.round(&mut again, &[], at);
    assert_eq!(working(&again, at), [0, 1]);
}

#[test]
fn replicas_that_went_away_are_swept_out() {
    let (mut server, at) = (Server::default(), Instant::now());
    let (mut a, mut b) = (Ledger::new(CONTROLLER, "a".into(), 1), Ledger::new(CONTROLLER, "b".into(), 1));
    server.round(&mut a, &[], at);
    server.round(&mut b, &[], at);
    let name = a.replica_name();
    let steps = server.round(&mut b, &[], at + LEASE_TIME * SWEPT + RENEWAL);
    assert!(steps.contains(&Step::Sweep(name)), "{steps:?}");
}

#[test]
fn shares_are_even_and_the_same_everywhere() {
    let key = |number: usize| Key::new(Kind::TaskRun, "ns", &format!("run-{number}"));
    let mut counts = [0_usize; 4];
    for number in 0..4000 {
        counts[share_of(&key(number), 4)] += 1;
    }
    assert!(counts.iter().all(|count| (900..1100).contains(count)), "{counts:?}");
    assert_eq!(share_of(&key(1), 1), 0);
    assert_eq!(share_of(&Key::new(Kind::PipelineRun, "ns", "demo"), 10), 8);
}
