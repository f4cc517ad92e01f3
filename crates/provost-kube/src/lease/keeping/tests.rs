//! Leases at an API server in memory: taken, left to those who live, given back.

use serde_json::{Value, json};

use super::*;
use crate::fake::FakeServer;
use crate::lease::CONTROLLER;

const LEASES: &str = "/apis/coordination.k8s.io/v1/namespaces/ns/leases";

fn path(share: usize) -> String {
    format!("{LEASES}/{CONTROLLER}-share-{share}")
}

fn lease(name: &str, holder: &str, renewed: Timestamp) -> Value {
    json!({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
        "metadata": {"name": name, "namespace": "ns", "labels": {LABEL: CONTROLLER}},
        "spec": {"holderIdentity": holder, "renewTime": MicroTime(renewed)}})
}

fn holder(server: &FakeServer, share: usize) -> Option<String> {
    let lease = server.get(&path(share))?;
    lease["spec"]["holderIdentity"].as_str().map(str::to_owned)
}

struct Kept {
    stop: watch::Sender<bool>,
    held: watch::Receiver<Held>,
    task: tokio::task::JoinHandle<()>,
}

/// A replica at work, with two shares and these of them in its hands.
fn keep(cluster: &Cluster, me: &str, busy: &'static [usize]) -> Kept {
    let (told, held) = watch::channel(Held::default());
    let (stop, stopped) = watch::channel(false);
    let is_busy: IsBusy = Arc::new(|share| busy.contains(&share));
    let keeper = Keeper::new(cluster, "ns", CONTROLLER, me.to_owned(), 2, is_busy, told);
    Kept { stop, held, task: tokio::spawn(keeper.keep(stopped, |_| {})) }
}

#[tokio::test]
async fn all_shares_are_taken_and_given_back_at_the_end() {
    let (server, cluster) = FakeServer::start().await;
    let mut kept = keep(&cluster, "me", &[]);
    kept.held.wait_for(|held| held.working.len() == 2 && held.valid.len() == 2).await.unwrap();
    assert_eq!([0, 1].map(|share| holder(&server, share).unwrap()), ["me", "me"]);
    kept.stop.send_replace(true);
    kept.task.await.unwrap();
    assert_eq!([0, 1].map(|share| holder(&server, share).unwrap()), ["", ""]);
    assert_eq!(server.asked(&format!("DELETE {LEASES}/{CONTROLLER}-replica-")), 1);
    assert_eq!(*kept.held.borrow(), Held::default());
}

#[tokio::test]
async fn what_another_holds_is_not_taken_before_it_has_lapsed_by_our_own_watch() {
    let (server, cluster) = FakeServer::start().await;
    // However old the other's own clock says it is: clocks are not compared.
    let name = format!("{CONTROLLER}-share-1");
    server.put(&path(1), lease(&name, "other", Timestamp::UNIX_EPOCH));
    let mut kept = keep(&cluster, "me", &[]);
    kept.held.wait_for(|held| held.working.contains(&0)).await.unwrap();
    kept.stop.send_replace(true);
    kept.task.await.unwrap();
    assert_eq!(holder(&server, 1).as_deref(), Some("other"));
    assert_eq!(server.asked(&format!("PUT {}", path(1))), 0);
}

#[tokio::test]
async fn who_is_slower_has_no_share() {
    let (server, cluster) = FakeServer::start().await;
    // Between our look and our write somebody else makes the Lease.
    server.refuse(&format!("POST {LEASES}"), 500);
    server.refuse(&format!("POST {LEASES}"), 409);
    let mut kept = keep(&cluster, "me", &[]);
    kept.held.wait_for(|held| !held.working.is_empty()).await.unwrap();
    assert_eq!(
        kept.held.borrow().valid,
        [1].into(),
        "the replica's own Lease failed, share 0 was somebody else's"
    );
    kept.stop.send_replace(true);
    kept.task.await.unwrap();
    assert_eq!((holder(&server, 0), holder(&server, 1).as_deref()), (None, Some("")));
}

#[tokio::test]
async fn two_replicas_have_one_share_each_and_what_is_in_hand_is_kept() {
    let (server, cluster) = FakeServer::start().await;
    let names = ["a", "b"].map(|name| (name, Ledger::new(CONTROLLER, name.to_owned(), 2).replica_name()));
    let (_, other) = &names[1];
    // The second replica is there, and the first holds what the second should have, with a run of it in hand.
    server.put(&format!("{LEASES}/{other}"), lease(other, "b", Timestamp::now()));
    server.put(&path(1), lease(&format!("{CONTROLLER}-share-1"), "a", Timestamp::now()));
    let mut kept = keep(&cluster, "a", &[1]);
    kept.held.wait_for(|held| held.valid.len() == 2).await.unwrap();
    assert_eq!(kept.held.borrow().working, [0].into());
    kept.stop.send_replace(true);
    kept.task.await.unwrap();
    // One with nothing in hand gives it back at once.
    server.put(&path(1), lease(&format!("{CONTROLLER}-share-1"), "a", Timestamp::now()));
    let mut kept = keep(&cluster, "a", &[]);
    kept.held.wait_for(|held| held.working.contains(&0)).await.unwrap();
    server.until(|server| holder(server, 1)?.is_empty().then_some(())).await;
    kept.stop.send_replace(true);
    kept.task.await.unwrap();
}

#[tokio::test]
async fn a_live_holder_is_named_and_a_dead_one_is_not() {
    let (server, cluster) = FakeServer::start().await;
    assert_eq!(live_holder(&cluster, "ns").await, Ok(None));
    let old = Timestamp::now() - LEASE_TIME;
    server.put(&path(0), lease("a", "dead", old));
    server.put(&path(1), lease("b", "", Timestamp::now()));
    assert_eq!(live_holder(&cluster, "ns").await, Ok(None));
    server.put(&path(1), lease("b", "alive", Timestamp::now()));
    assert_eq!(live_holder(&cluster, "ns").await, Ok(Some("alive".to_owned())));
}
