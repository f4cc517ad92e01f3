//! Every bound, reached: manifests, uploads, sessions, their age, the disk, connections that stall.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use provost_hub::{Limits, MANIFEST_LIMIT};
use provost_oci::Digest;

use crate::client::{MANIFEST, Running, image_of, refused};

const UPLOADS: &str = "/v2/team/app/blobs/uploads/";

#[tokio::test]
async fn a_manifest_may_have_four_mebibytes() {
    let hub = Running::start().await;
    hub.blob("team/app", b"{}").await;
    hub.blob("team/app", b"layer").await;
    let put = async |length: u64| {
        let mut text = image_of(b"layer").to_string();
        text.push_str(&" ".repeat(usize::try_from(length).expect("a length") - text.len()));
        hub.send("PUT", "/v2/team/app/manifests/v1", &[("Content-Type", MANIFEST)], text.as_bytes()).await
    };
    assert_eq!(put(MANIFEST_LIMIT).await.status, 201);
    assert_eq!(put(MANIFEST_LIMIT + 1).await.refusal(), refused(413, "MANIFEST_INVALID"));
}

#[tokio::test]
async fn an_upload_may_have_so_many_bytes_however_it_comes() {
    let hub = Running::configured(|config| config.limits.upload_bytes = 10).await;
    hub.blob("team/app", b"0123456789").await;
    let long = b"0123456789a";
    let path = format!("{UPLOADS}?digest={}", Digest::sha256_of(long));
    assert_eq!(hub.send("POST", &path, &[], long).await.refusal(), refused(413, "SIZE_INVALID"));
    let location = hub.ask("POST", UPLOADS).await.header("location").expect("a location").to_owned();
    assert_eq!(hub.send("PATCH", &location, &[], b"012345").await.status, 202);
    assert_eq!(hub.send("PATCH", &location, &[], b"67890").await.refusal(), refused(413, "SIZE_INVALID"));
    assert_eq!(hub.send("PATCH", &location, &[], b"6789").await.status, 202);
}

#[tokio::test]
async fn sessions_are_counted_and_grow_old() {
    let (start, passed) = (Instant::now(), Arc::new(AtomicU64::new(0)));
    let clock = Arc::clone(&passed);
    let hub = Running::configured(|config| {
        config.limits = Limits { sessions: 2, session_idle: Duration::from_secs(60), ..Limits::default() };
        config.clock = Arc::new(move || start + Duration::from_secs(clock.load(Ordering::SeqCst)));
    })
    .await;
    let open = async || hub.ask("POST", UPLOADS).await;
    let first = open().await.header("location").expect("a location").to_owned();
    assert_eq!(open().await.status, 202);
    assert_eq!(open().await.refusal(), refused(429, "TOOMANYREQUESTS"));
    // A blob in one request needs a session too, for as long as it takes.
    let path = format!("{UPLOADS}?digest={}", Digest::sha256_of(b"x"));
    assert_eq!(hub.send("POST", &path, &[], b"x").await.status, 429);

    passed.store(60, Ordering::SeqCst);
    assert_eq!(hub.send("PATCH", &first, &[], b"x").await.status, 202);
    passed.store(61, Ordering::SeqCst);
    // The second has been idle for more than 60 s, the first was just touched.
    let third = open().await;
    assert_eq!(third.status, 202);
    assert_eq!(open().await.status, 429);
    passed.store(122, Ordering::SeqCst);
    assert_eq!(hub.ask("GET", &first).await.refusal(), refused(404, "BLOB_UPLOAD_UNKNOWN"));
    assert_eq!(open().await.status, 202);
    assert_eq!(hub.send("POST", &path, &[], b"x").await.status, 201);
    assert_eq!(hub.send("POST", &path, &[], b"x").await.status, 201);
}

#[tokio::test]
async fn the_disk_is_bounded_over_restarts() {
    let bound = |config: &mut provost_hub::HubConfig| config.limits.disk_bytes = Some(1000);
    let hub = Running::configured(bound).await;
    hub.blob("team/app", &[b'a'; 400]).await;
    // The same bytes again take room only until they are known to be the same.
    hub.blob("team/other", &[b'a'; 400]).await;
    let push = async |hub: &Running, content: &[u8]| {
        let path = format!("{UPLOADS}?digest={}", Digest::sha256_of(content));
        hub.send("POST", &path, &[], content).await
    };
    assert_eq!(push(&hub, &[b'b'; 700]).await.refusal(), refused(507, "DENIED"));
    // What was refused, cancelled or wrong has given its room back.
    let location = hub.ask("POST", UPLOADS).await.header("location").expect("a location").to_owned();
    assert_eq!(hub.send("PATCH", &location, &[], &[b'c'; 300]).await.status, 202);
    assert_eq!(push(&hub, &[b'd'; 400]).await.status, 507);
    assert_eq!(hub.ask("DELETE", &location).await.status, 204);
    assert_eq!(push(&hub, &[b'd'; 400]).await.status, 201);
    let folder = hub.stop().await;
    let hub = Running::over(folder, bound).await;
    assert_eq!(push(&hub, &[b'e'; 300]).await.status, 507);
    assert_eq!(push(&hub, &[b'e'; 200]).await.status, 201);
    let image = hub.manifest("team/app", "v1", MANIFEST, &image_of(&[b'e'; 200])).await;
    assert_eq!(image.refusal(), refused(507, "DENIED"));
}

#[tokio::test]
async fn a_body_that_stalls_is_given_up() {
    let hub = Running::configured(|config| config.limits.body_idle = Duration::ZERO).await;
    let head = format!(
        "POST {UPLOADS}?digest={} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n",
        Digest::sha256_of(b"x")
    );
    let answer = hub.raw(head.as_bytes()).await;
    assert_eq!(answer.refusal(), refused(408, "BLOB_UPLOAD_INVALID"));
}

#[tokio::test]
async fn one_upload_has_one_writer_at_a_time() {
    let hub = Running::start().await;
    let location = hub.ask("POST", UPLOADS).await.header("location").expect("a location").to_owned();
    let mut slow = tokio::net::TcpStream::connect(hub.address).await.expect("a connection");
    let head = format!(
        "PATCH {location} HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n"
    );
    tokio::io::AsyncWriteExt::write_all(&mut slow, head.as_bytes()).await.expect("a request");
    // The hub asks for the body only once the request has its turn.
    let mut asked = [0; "HTTP/1.1 100 Continue\r\n\r\n".len()];
    tokio::io::AsyncReadExt::read_exact(&mut slow, &mut asked).await.expect("a go-ahead");
    assert!(asked.starts_with(b"HTTP/1.1 100"));
    let other = hub.send("PATCH", &location, &[], b"abcd").await;
    assert_eq!(other.refusal(), refused(409, "BLOB_UPLOAD_INVALID"));
    tokio::io::AsyncWriteExt::write_all(&mut slow, b"0123").await.expect("a body");
    let mut answer = [0; 12];
    tokio::io::AsyncReadExt::read_exact(&mut slow, &mut answer).await.expect("an answer");
    assert_eq!(&answer, b"HTTP/1.1 202");
}
