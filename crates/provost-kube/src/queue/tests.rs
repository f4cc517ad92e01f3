//! Order, fairness and waits of the queue, with a clock that is told.

use provost_chains::reconcile::Kind;

use super::*;

fn key(namespace: &str, name: &str) -> Key {
    Key::new(Kind::TaskRun, namespace, name)
}

/// A queue in which these are ready, each with the second at which it was made.
fn ready(all: &[(&str, &str, i64)], now: Instant) -> Queue {
    let mut queue = Queue::default();
    for (namespace, name, made) in all {
        queue.want(&key(namespace, name), *made, now, now);
    }
    queue
}

fn taken(queue: &mut Queue, now: Instant) -> Vec<String> {
    std::iter::from_fn(|| queue.take(now)).map(|key| format!("{}/{}", key.namespace, key.name)).collect()
}

#[test]
fn namespaces_take_turns_and_the_newest_goes_first_but_for_each_fourth() {
    let now = Instant::now();
    let many: Vec<String> = (0..6).map(|number| format!("r{number}")).collect();
    let mut queue = Queue::default();
    for (made, name) in many.iter().enumerate() {
        queue.want(&key("a", name), made as i64, now, now);
    }
    queue.want(&key("b", "one"), 0, now, now);
    assert_eq!((queue.len(), queue.ready()), (7, 7));
    assert_eq!(taken(&mut queue, now), ["a/r5", "b/one", "a/r4", "a/r3", "a/r0", "a/r2", "a/r1"]);
    assert_eq!((queue.len(), queue.ready(), queue.take(now)), (7, 0, None));
}

#[test]
fn a_namespace_that_is_closed_keeps_its_turn() {
    let now = Instant::now();
    let mut queue = ready(&[("a", "x", 1), ("b", "y", 1), ("b", "z", 2)], now);
    let name = |key: Option<Key>| key.map(|key| key.name);
    assert_eq!(name(queue.take_where(now, |namespace| namespace != "a")).as_deref(), Some("z"));
    assert_eq!(name(queue.take_where(now, |_| false)), None);
    assert_eq!(taken(&mut queue, now), ["a/x", "b/y"]);
}

#[test]
fn a_run_is_in_one_pair_of_hands() {
    let now = Instant::now();
    let mut queue = ready(&[("a", "x", 1)], now);
    let x = key("a", "x");
    assert_eq!(queue.take(now), Some(x.clone()));
    queue.want(&x, 1, now, now);
    assert_eq!(queue.take(now), None);
    // It was wanted meanwhile, so it comes again; then no more.
    assert_eq!(queue.finish(&x, Next::Never, 0.0, now), Some(Duration::ZERO));
    assert_eq!(queue.take(now), Some(x.clone()));
    assert_eq!(queue.finish(&x, Next::Never, 0.0, now), None);
    assert!(queue.is_empty());
}

#[test]
fn failures_wait_longer_each_time_whatever_changes_meanwhile() {
    let now = Instant::now();
    let mut queue = ready(&[("a", "x", 1)], now);
    let x = key("a", "x");
    let mut waits = Vec::new();
    let mut time = now;
    for _ in 0..10 {
        assert_eq!(queue.take(time), Some(x.clone()));
        queue.want(&x, 1, time, time);
        waits.push(queue.finish(&x, Next::BackOff, 0.0, time).unwrap().as_secs());
        assert!(queue.backs_off(&x));
        time = queue.next_due().unwrap();
    }
    assert_eq!(waits, [2, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
    // A success in between forgives.
    assert_eq!(queue.take(time), Some(x.clone()));
    queue.finish(&x, Next::After(Duration::from_secs(1)), 0.0, time);
    assert!(!queue.backs_off(&x));
}

#[test]
fn lots_spread_those_that_failed_together() {
    assert_eq!(back_off(1, 0.0), Duration::from_secs(2));
    assert_eq!(back_off(1, 1.0), Duration::from_millis(1500));
    assert_eq!(back_off(u32::MAX, 0.0), LONGEST_WAIT);
}

#[test]
fn what_waits_can_be_brought_forward_but_not_put_off() {
    let now = Instant::now();
    let (x, later, soon) = (key("a", "x"), now + Duration::from_secs(9), now + Duration::from_secs(5));
    let mut queue = Queue::default();
    queue.want(&x, 1, soon, now);
    queue.want(&x, 1, later, now);
    assert_eq!((queue.next_due(), queue.take(now)), (Some(soon), None));
    queue.want(&x, 1, now, now);
    assert_eq!((queue.take(now), queue.next_due()), (Some(x), None));
}

#[test]
fn a_new_key_makes_all_ready_at_once() {
    let now = Instant::now();
    let mut queue = ready(&[("a", "x", 1), ("b", "y", 2)], now);
    while let Some(key) = queue.take(now) {
        queue.finish(&key, Next::BackOff, 0.0, now);
    }
    assert_eq!(queue.ready(), 0);
    queue.hurry(now);
    assert_eq!((queue.ready(), queue.next_due()), (2, None));
    assert!(!queue.backs_off(&key("a", "x")));
}

#[test]
fn what_is_forgotten_leaves_no_trace() {
    let now = Instant::now();
    let mut queue = ready(&[("a", "x", 1), ("b", "y", 2)], now);
    let z = key("c", "z");
    queue.want(&z, 3, now + Duration::from_secs(9), now);
    for one in [key("a", "x"), z] {
        queue.forget(&one);
        assert!(!queue.knows(&one));
    }
    let y = queue.take(now).unwrap();
    queue.forget(&y);
    assert!(queue.knows(&y), "it is being worked on");
    queue.finish(&y, Next::Never, 0.0, now);
    assert!(queue.is_empty() && queue.take(now).is_none() && queue.next_due().is_none());
}

#[test]
fn a_share_can_be_taken_out() {
    let now = Instant::now();
    let mut queue = ready(&[("a", "x", 1), ("b", "y", 2), ("b", "z", 3)], now);
    let mut gone = queue.drain(|key| key.namespace == "b");
    gone.sort();
    assert_eq!(gone, [(key("b", "y"), 2), (key("b", "z"), 3)]);
    assert_eq!(taken(&mut queue, now), ["a/x"]);
}
