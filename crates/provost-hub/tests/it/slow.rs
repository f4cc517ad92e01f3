//! Clients that take their time: how many, how long, and what happens to them when the hub stops.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::access::certificate;
use crate::client::{Running, exchange, request};

async fn connect(hub: &Running) -> TcpStream {
    TcpStream::connect(hub.address).await.expect("a connection")
}

/// Sends a request whose body the hub has asked for and now waits for.
async fn waiting(hub: &Running) -> TcpStream {
    let location = hub.ask("POST", "/v2/team/app/blobs/uploads/").await;
    let location = location.header("location").expect("a location");
    let mut stream = connect(hub).await;
    let head = format!(
        "PATCH {location} HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.expect("a request");
    let mut asked = [0; "HTTP/1.1 100 Continue\r\n\r\n".len()];
    stream.read_exact(&mut asked).await.expect("a go-ahead");
    stream
}

/// What comes until the hub closes the connection.
async fn rest(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    let _ = stream.read_to_end(&mut bytes).await;
    String::from_utf8_lossy(&bytes).into_owned()
}

#[tokio::test]
async fn connections_beyond_the_limit_wait_for_a_place() {
    let hub = Running::configured(|config| config.limits.connections = 1).await;
    let text = "GET /v2/ HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let mut first = connect(&hub).await;
    let mut answer = [0; 12];
    first.write_all(text.as_bytes()).await.expect("a request");
    first.read_exact(&mut answer).await.expect("an answer");
    let mut second = connect(&hub).await;
    second.write_all(&request("localhost", "GET", "/v2/", &[], b"")).await.expect("a request");
    // As long as the first is served, again and again, the second is not.
    for _ in 0..20 {
        first.write_all(text.as_bytes()).await.expect("a request");
        first.read_exact(&mut answer).await.expect("an answer");
        let mut nothing = [0; 1];
        assert!(second.try_read(&mut nothing).is_err_and(|e| e.kind() == std::io::ErrorKind::WouldBlock));
    }
    drop(first);
    assert!(rest(&mut second).await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn headers_that_never_end_are_given_up() {
    let hub = Running::start().await;
    let mut stream = connect(&hub).await;
    stream.write_all(b"GET /v2/ HTTP/1.1\r\nHost: loc").await.expect("half a request");
    tokio::time::pause();
    assert!(!rest(&mut stream).await.contains(" 200 "));
}

#[tokio::test]
async fn a_handshake_that_never_ends_is_given_up() {
    let folder = tempfile::tempdir().expect("a folder");
    let (cert, key, _) = certificate(folder.path());
    let hub = Running::configured(|config| (config.tls_cert, config.tls_key) = (Some(cert), Some(key))).await;
    let mut stream = connect(&hub).await;
    tokio::time::pause();
    assert_eq!(rest(&mut stream).await, "");
}

#[tokio::test]
async fn a_stop_lets_answers_under_way_finish() {
    let hub = Running::start().await;
    let address = hub.address;
    let stream = waiting(&hub).await;
    let stopped = tokio::spawn(hub.stop());
    let answer = exchange(stream, b"0123").await;
    assert_eq!(answer.status, 202);
    stopped.await.expect("it has stopped");
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn a_stop_does_not_wait_for_ever() {
    let hub = Running::start().await;
    let mut stream = waiting(&hub).await;
    tokio::time::pause();
    let folder = hub.stop().await;
    assert_eq!(rest(&mut stream).await, "");
    // What was under way has left nothing behind.
    let left = std::fs::read_dir(folder.path().join("uploads")).expect("a folder").count();
    assert_eq!(left, 1, "the lock alone");
}
