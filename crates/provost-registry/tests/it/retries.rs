//! Which failures are tried again, how often, and after what wait.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use provost_registry::limits::RETRY_AFTER_LIMIT;
use provost_registry::store::NetworkFailure;
use provost_registry::{Manifest, Remote, Store, StoreError};

use crate::scripted::{Impatient, Reply, Scripted, Seen, tag, with_clock};

/// Answers by number, beginning with 0.
async fn in_turn(script: impl Fn(usize, &Seen) -> Reply + Send + Sync + 'static) -> Scripted {
    let number = AtomicUsize::new(0);
    Scripted::start(move |seen| script(number.fetch_add(1, Ordering::SeqCst), seen)).await
}

fn timed() -> (Remote, Arc<Impatient>) {
    let clock = Arc::new(Impatient::default());
    (Remote::new(with_clock(Arc::clone(&clock))).unwrap(), clock)
}

fn seconds(clock: &Impatient) -> Vec<u64> {
    clock.slept.lock().unwrap().iter().map(Duration::as_secs).collect()
}

#[tokio::test]
async fn a_passing_failure_is_tried_three_times() {
    for status in [408, 429, 499, 500, 502, 503, 504, 522] {
        let registry = in_turn(move |_, _| Reply::status(status)).await;
        let (remote, clock) = timed();
        let error = remote.manifest(&registry.repository(), &tag("v1")).await.unwrap_err();
        assert!(matches!(error, StoreError::Status { status: found, .. } if found == status), "{error:?}");
        assert_eq!((registry.seen().len(), seconds(&clock)), (3, vec![1, 3]), "{status}");
    }
}

#[tokio::test]
async fn a_lasting_failure_is_not_tried_again() {
    for status in [400, 403, 404, 405, 501] {
        let registry = in_turn(move |_, _| Reply::status(status)).await;
        let (remote, clock) = timed();
        assert!(remote.manifest(&registry.repository(), &tag("v1")).await.is_err());
        assert_eq!((registry.seen().len(), seconds(&clock)), (1, vec![]), "{status}");
    }
}

#[tokio::test]
async fn retry_after_takes_the_place_of_the_wait() {
    let registry = in_turn(|number, _| match number {
        0 => Reply::status(429).header("retry-after", "7"),
        1 => Reply::status(503).header("retry-after", "86400"),
        _ => Reply::ok("{}"),
    })
    .await;
    let (remote, clock) = timed();
    remote.manifest(&registry.repository(), &tag("v1")).await.unwrap();
    assert_eq!(seconds(&clock), [7, RETRY_AFTER_LIMIT.as_secs()]);
}

#[tokio::test]
async fn a_broken_connection_is_tried_again() {
    let registry = in_turn(|number, _| match number {
        // The first request shares its connection's fate with the scheme race; the next two are plain.
        0 => Reply::hang_up(),
        1 => Reply::ok("some manifest").broken_off(),
        _ => Reply::ok("{}"),
    })
    .await;
    let (remote, clock) = timed();
    let manifest = remote.manifest(&registry.repository(), &tag("v1")).await.unwrap();
    assert_eq!(manifest.bytes.as_ref(), b"{}");
    assert_eq!(seconds(&clock), [1, 3]);
}

#[tokio::test]
async fn a_connection_that_always_breaks_is_a_reset() {
    let registry = in_turn(|_, _| Reply::hang_up()).await;
    let (remote, _) = timed();
    let error = remote.manifest(&registry.repository(), &tag("v1")).await.unwrap_err();
    assert!(matches!(error, StoreError::Network { kind: NetworkFailure::Reset, .. }), "{error:?}");
    assert_eq!(registry.seen().len(), 3);
}

#[tokio::test]
async fn a_write_is_tried_again_with_its_whole_body() {
    let registry =
        in_turn(|number, _| if number == 0 { Reply::status(502) } else { Reply::status(201) }).await;
    let (remote, clock) = timed();
    let manifest = Manifest::new("application/vnd.oci.image.manifest.v1+json", "{}".into());
    remote.put_manifest(&registry.repository(), &tag("v1"), &manifest).await.unwrap();
    assert!(registry.seen().iter().all(|seen| seen.body == b"{}"));
    assert_eq!((registry.seen().len(), seconds(&clock)), (2, vec![1]));
}
