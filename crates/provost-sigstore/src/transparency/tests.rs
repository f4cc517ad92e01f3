//! Entries a log has, and every way one only says so.

use testkit::authority::log::LoggedEntry;
use testkit::authority::{self, SigningKey};

use super::*;

const NOW: i64 = 1_780_000_000;

struct Scene {
    log: authority::Log,
    trusted: [Log; 1],
}

fn scene() -> Scene {
    let log = authority::Log::new("rekor.test");
    for other in 0..5_u8 {
        let _ = log.append(&[other], NOW - 10);
    }
    let trusted = [trust(&log.key)];
    Scene { log, trusted }
}

fn trust(key: &SigningKey) -> Log {
    Log {
        id: key.id().to_vec(),
        key: PublicKey::from_der(&key.spki()).unwrap(),
        url: "https://rekor.test".to_owned(),
        valid: Window::default(),
    }
}

fn v1(logged: &LoggedEntry) -> LogEntry {
    LogEntry::from_protobuf_json(&logged.for_bundle("dsse", "0.0.1")).unwrap()
}

fn v2(logged: &LoggedEntry) -> LogEntry {
    LogEntry::from_protobuf_json(&logged.for_bundle_v2("hashedrekord", "0.0.2")).unwrap()
}

#[test]
fn promise_and_proof_hold() {
    let scene = scene();
    let logged = scene.log.append(b"body", NOW);
    let at = Timestamp::from_second(NOW).ok();
    assert_eq!(verify_entry(&v1(&logged), &scene.trusted, || None).unwrap().at, at);
    // Rekor v2 gives no time.
    assert_eq!(verify_entry(&v2(&logged), &scene.trusted, || None).unwrap().at, None);
    let only_proof = LogEntry { promise: None, ..v1(&logged) };
    // A time beside a proof is nobody's word.
    assert_eq!(verify_entry(&only_proof, &scene.trusted, || None).unwrap().at, None);
    let only_promise = LogEntry { proof: None, ..v1(&logged) };
    assert_eq!(verify_entry(&only_promise, &scene.trusted, || None).unwrap().at, at);
}

#[test]
fn what_the_log_did_not_say_is_refused() {
    let scene = scene();
    let logged = scene.log.append(b"body", NOW);
    let entry = v1(&logged);
    let check = |entry: &LogEntry| verify_entry(entry, &scene.trusted, || None).err();
    let later = LogEntry { integrated_time: NOW + 1, ..entry.clone() };
    assert_eq!(check(&later), Some(LogFault::Promise));
    let other = LogEntry { body: b"another".to_vec(), ..entry.clone() };
    assert_eq!(check(&other), Some(LogFault::Promise));
    let other = LogEntry { promise: None, ..other };
    assert!(matches!(check(&other), Some(LogFault::Proof(_))));
    let bare = LogEntry { promise: None, proof: None, ..entry.clone() };
    assert_eq!(check(&bare), Some(LogFault::NothingShown));
    let promised = LogEntry { proof: None, promise: Some(vec![1]), ..v2(&logged) };
    assert_eq!(check(&promised), Some(LogFault::NoProof));
    let foreign = LogEntry { log_id: vec![7; 32], ..entry };
    assert!(matches!(check(&foreign), Some(LogFault::UnknownLog { .. })));
}

#[test]
fn a_checkpoint_is_the_logs_and_about_this_tree() {
    let scene = scene();
    let logged = scene.log.append(b"body", NOW);
    let with = |change: &dyn Fn(&mut InclusionProof)| {
        let mut entry = LogEntry { promise: None, ..v1(&logged) };
        change(entry.proof.as_mut().unwrap());
        verify_entry(&entry, &scene.trusted, || None).err()
    };
    assert_eq!(with(&|_| ()), None);
    let stranger = authority::Log::new("rekor.test");
    let forged = stranger.tree_checkpoint(6, &logged.root);
    assert!(matches!(with(&|proof| proof.checkpoint.clone_from(&forged)), Some(LogFault::Checkpoint(_))));
    let about_another = scene.log.tree_checkpoint(6, &[9; 32]);
    assert!(matches!(
        with(&|proof| proof.checkpoint.clone_from(&about_another)),
        Some(LogFault::Checkpoint(_))
    ));
    assert!(matches!(with(&|proof| proof.checkpoint.clear()), Some(LogFault::Checkpoint(_))));
    assert!(matches!(with(&|proof| proof.tree_size = 7), Some(LogFault::Checkpoint(_))));
    assert!(matches!(with(&|proof| proof.log_index = 0), Some(LogFault::Proof(_))));
    assert!(matches!(with(&|proof| proof.log_index = -1), Some(LogFault::Proof(_))));
    assert!(matches!(with(&|proof| proof.hashes[0].truncate(3)), Some(LogFault::Proof(_))));
    let elsewhere = [Log { url: "https://other.test".to_owned(), ..trust(&scene.log.key) }];
    let found = verify_entry(&v2(&logged), &elsewhere, || None);
    assert!(matches!(found, Err(LogFault::Checkpoint(_))), "{found:?}");
}

#[test]
fn a_key_counts_within_its_times() {
    let scene = scene();
    let logged = scene.log.append(b"body", NOW);
    let ended = Window { start: None, end: Timestamp::from_second(NOW - 1).ok() };
    let retired = [Log { valid: ended, ..trust(&scene.log.key) }];
    assert_eq!(verify_entry(&v1(&logged), &retired, || None), Err(LogFault::KeyNotValid));
}

#[test]
fn a_proof_alone_under_a_key_with_an_end_needs_a_timestamp() {
    let scene = scene();
    let logged = scene.log.append(b"body", NOW);
    let at = |second| Timestamp::from_second(second).ok();
    let valid = Window { start: at(NOW - 10), end: at(NOW + 10) };
    let ending = [Log { valid, ..trust(&scene.log.key) }];
    for entry in [v2(&logged), LogEntry { promise: None, ..v1(&logged) }] {
        let check = |stamped| verify_entry(&entry, &ending, || stamped).map(|_| ());
        assert_eq!(check(None), Err(LogFault::Untimed));
        assert_eq!(check(at(NOW - 11)), Err(LogFault::Untimed));
        assert_eq!(check(at(NOW + 11)), Err(LogFault::Untimed));
        assert_eq!(check(at(NOW + 10)), Ok(()));
    }
    assert!(verify_entry(&v1(&logged), &ending, || None).is_ok(), "the promise says when it was");
}
