//! A server held against clients that take too much.

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::{Notify, oneshot};

use super::{Answer, Peer, Server};
use crate::limits::Limits;

/// Answers at once, or under `/wait` once it is let go.
#[derive(Default)]
struct Echo {
    begun: Notify,
    free: Notify,
}

impl Answer for Echo {
    type Body = Full<Bytes>;

    async fn answer(&self, request: Request<Incoming>, peer: Peer) -> Response<Full<Bytes>> {
        if request.uri().path() == "/wait" {
            self.begun.notify_one();
            self.free.notified().await;
        }
        Response::new(Full::new(Bytes::from(format!("{} {}", request.uri().path(), peer.authenticated))))
    }

    fn remark(&self, _words: &str) {}
}

const ASKED: &[u8] = b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n";

async fn begun(limits: Limits) -> (std::net::SocketAddr, Arc<Echo>, tokio::task::JoinHandle<()>) {
    let server = Server::bind(([127, 0, 0, 1], 0).into(), None, limits).await.unwrap();
    let (address, echo) = (server.address(), Arc::new(Echo::default()));
    let serving = tokio::spawn(server.serve(Arc::clone(&echo), pending()));
    (address, echo, serving)
}

#[tokio::test]
async fn an_address_with_enough_connections_gets_no_more_and_others_are_let_go_in_time() {
    let limits = Limits { connections_of_one: 1, idle_time: Duration::from_millis(50), ..Limits::default() };
    let (address, _, _serving) = begun(limits).await;
    let mut first = TcpStream::connect(address).await.unwrap();
    first.write_all(ASKED).await.unwrap();
    let mut answer = [0; 12];
    first.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200");
    let mut second = TcpStream::connect(address).await.unwrap();
    assert_eq!(second.read(&mut answer).await.unwrap_or_default(), 0);
    // The first says nothing more and is let go of, which makes room.
    let mut rest = Vec::new();
    first.read_to_end(&mut rest).await.unwrap();
    let mut third = TcpStream::connect(address).await.unwrap();
    third.write_all(ASKED).await.unwrap();
    third.read_exact(&mut answer).await.unwrap();
}

#[tokio::test]
async fn headers_without_an_end_are_refused() {
    let (address, _, _serving) = begun(Limits { headers: 16 * 1024, ..Limits::default() }).await;
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(b"GET /a HTTP/1.1\r\nHost: x\r\nX: ").await.unwrap();
    // The server may close before all of it is written.
    let _ = stream.write_all(&vec![b'x'; 64 * 1024]).await;
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 431"), "{answer:?}");
}

#[tokio::test]
async fn what_is_under_way_is_finished_when_it_stops() {
    let server = Server::bind(([127, 0, 0, 1], 0).into(), None, Limits::default()).await.unwrap();
    let (address, echo) = (server.address(), Arc::new(Echo::default()));
    let (stop, stopped) = oneshot::channel::<()>();
    let serving = tokio::spawn(server.serve(Arc::clone(&echo), async move {
        let _ = stopped.await;
    }));
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(b"GET /wait HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    echo.begun.notified().await;
    stop.send(()).unwrap();
    while TcpStream::connect(address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    echo.free.notify_one();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("/wait false"), "{answer}");
    serving.await.unwrap();
}
