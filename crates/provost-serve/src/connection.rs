//! One connection, from handshake to end.

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::Request;
use hyper::body::Incoming;
use hyper::rt::{Read, Write};
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_rustls::TlsAcceptor;

use crate::limits::Limits;
use crate::server::{Answer, Peer};

/// How a connection is spoken on.
pub(crate) struct Way {
    pub(crate) tls: Option<TlsAcceptor>,
    pub(crate) limits: Limits,
    pub(crate) title_case_headers: bool,
    pub(crate) stopped: watch::Receiver<bool>,
}

/// One connection, to its end. What goes wrong on it is its client's concern alone.
pub(crate) async fn talk<A: Answer>(stream: TcpStream, address: SocketAddr, way: Way, answer: Arc<A>) {
    // Answers are small and wanted at once.
    let _ = stream.set_nodelay(true);
    let Some(tls) = &way.tls else {
        let peer = Peer { address, authenticated: false };
        return speak_http1(TokioIo::new(stream), peer, way, answer).await;
    };
    let handshake = tokio::time::timeout(way.limits.handshake_time, tls.accept(stream));
    let Ok(Ok(stream)) = handshake.await else { return };
    let session = stream.get_ref().1;
    let authenticated = session.peer_certificates().is_some_and(|chain| !chain.is_empty());
    let peer = Peer { address, authenticated };
    if session.alpn_protocol() == Some(b"h2") {
        speak_http2(TokioIo::new(stream), peer, way, answer).await;
    } else {
        speak_http1(TokioIo::new(stream), peer, way, answer).await;
    }
}

async fn speak_http1<T, A>(io: T, peer: Peer, way: Way, answer: Arc<A>)
where
    T: Read + Write + Unpin + Send + 'static,
    A: Answer,
{
    let Way { limits, title_case_headers, stopped, .. } = way;
    let activity = Activity::default();
    let heard = activity.clone();
    let service = service_fn(move |request: Request<Incoming>| {
        let (answer, busy) = (Arc::clone(&answer), heard.begin());
        async move {
            let answered = answer.answer(request, peer).await;
            drop(busy);
            Ok::<_, Infallible>(answered)
        }
    });
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(limits.headers_time)
        .max_header_size(limits.headers as usize)
        .max_buf_size(2 * limits.headers as usize)
        .title_case_headers(title_case_headers);
    let mut connection = pin!(builder.serve_connection(io, service));
    tokio::select! {
        _ = connection.as_mut() => return,
        () = told_or_idle(stopped, &activity, limits.idle_time) => connection.as_mut().graceful_shutdown(),
    }
    tokio::select! {
        _ = connection => {}
        () = activity.over(&limits) => {}
    }
}

async fn speak_http2<T, A>(io: T, peer: Peer, way: Way, answer: Arc<A>)
where
    T: Read + Write + Unpin + Send + 'static,
    A: Answer,
{
    let Way { limits, stopped, .. } = way;
    let activity = Activity::default();
    let heard = activity.clone();
    let service = service_fn(move |request: Request<Incoming>| {
        let (answer, busy) = (Arc::clone(&answer), heard.begin());
        async move {
            let answered = answer.answer(request, peer).await;
            drop(busy);
            Ok::<_, Infallible>(answered)
        }
    });
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .keep_alive_interval(limits.headers_time)
        .max_header_list_size(limits.headers)
        .max_concurrent_streams(limits.streams);
    let mut connection = pin!(builder.serve_connection(io, service));
    tokio::select! {
        _ = connection.as_mut() => return,
        () = told_or_idle(stopped, &activity, limits.idle_time) => connection.as_mut().graceful_shutdown(),
    }
    tokio::select! {
        _ = connection => {}
        () = activity.over(&limits) => {}
    }
}

async fn told_or_idle(mut stopped: watch::Receiver<bool>, activity: &Activity, most: Duration) {
    tokio::select! {
        _ = stopped.wait_for(|stop| *stop) => {}
        () = activity.idle(most) => {}
    }
}

/// What happens on a connection.
#[derive(Clone)]
struct Activity(Arc<Mutex<(usize, Instant)>>);

impl Default for Activity {
    fn default() -> Self {
        Self(Arc::new(Mutex::new((0, Instant::now()))))
    }
}

impl Activity {
    /// Returns once a connection that is being closed has had its time: who does not close it in turn is not waited for.
    async fn over(&self, limits: &Limits) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).1 = Instant::now();
        let _ = tokio::time::timeout(limits.closing_time, self.idle(limits.closing_idle_time)).await;
    }

    fn begin(&self) -> Busy {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).0 += 1;
        Busy(self.clone())
    }

    /// Returns once nothing has been asked for this long.
    fn idle(&self, most: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(async move {
            loop {
                let (under_way, last) = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
                let quiet = if under_way > 0 { Duration::ZERO } else { last.elapsed() };
                match most.checked_sub(quiet).filter(|left| !left.is_zero()) {
                    None => return,
                    Some(left) => tokio::time::sleep(left).await,
                }
            }
        })
    }
}

/// A request that is under way until this is dropped.
struct Busy(Activity);

impl Drop for Busy {
    fn drop(&mut self) {
        let mut state = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        *state = (state.0.saturating_sub(1), Instant::now());
    }
}
