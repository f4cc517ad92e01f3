//! Things that stand between two others on loopback and go wrong when told to: a registry's front that answers badly, and a
//! front of several servers of which one may be gone.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use anyhow::Result;

/// What a front does with a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Hands it on.
    None,
    /// Hands it on after this time.
    Slow(Duration),
    /// Ends it at once.
    Away,
    /// Answers every request with this status.
    Status(u16),
    /// Answers every request with a good status and no sense.
    Garbage,
    /// Begins a good answer to every request, and ends before it is whole.
    CutOff,
}

/// A front whose fault can be changed while it runs.
#[derive(Clone)]
pub(crate) struct Front {
    pub(crate) address: SocketAddr,
    state: Arc<Mutex<State>>,
}

struct State {
    fault: Fault,
    servers: Vec<SocketAddr>,
    next: usize,
    /// Connections that are open: a change of fault ends them, or clients would go on using what they have.
    open: Vec<TcpStream>,
}

impl Front {
    /// Starts one before these servers, asked in turn; it runs until the process ends.
    pub(crate) fn before(servers: Vec<SocketAddr>) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let state = State { fault: Fault::None, servers, next: 0, open: Vec::new() };
        let front = Self { address: listener.local_addr()?, state: Arc::new(Mutex::new(state)) };
        let shared = front.state.clone();
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let shared = shared.clone();
                // A connection that fails ends alone: the client sees it as it would see any network's.
                thread::spawn(move || serve(client, &shared));
            }
        });
        Ok(front)
    }

    /// Goes wrong in this way from now on, for connections that are open too.
    pub(crate) fn set(&self, fault: Fault) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.fault = fault;
        for open in state.open.drain(..) {
            let _ = open.shutdown(Shutdown::Both);
        }
    }
}

fn serve(client: TcpStream, shared: &Mutex<State>) {
    let (fault, servers) = {
        let mut state = shared.lock().unwrap_or_else(PoisonError::into_inner);
        state.next = state.next.wrapping_add(1);
        let mut servers = state.servers.clone();
        let turn = state.next % servers.len().max(1);
        servers.rotate_left(turn);
        if let Ok(copy) = client.try_clone() {
            state.open.push(copy);
        }
        (state.fault, servers)
    };
    match fault {
        Fault::Away => {}
        Fault::Status(status) => {
            let body = format!(r#"{{"errors":[{{"code":"E2E","message":"told to say {status}"}}]}}"#);
            answer(client, status, "application/json", if status == 204 { "" } else { &body });
        }
        Fault::Garbage => answer(
            client,
            200,
            "application/vnd.oci.image.manifest.v1+json",
            "{\"schemaVersion\": \u{1}garbage",
        ),
        Fault::CutOff => cut_off(client),
        Fault::None => hand_on(client, &servers),
        Fault::Slow(time) => {
            thread::sleep(time);
            hand_on(client, &servers);
        }
    }
}

/// Connects with the first server that listens, and carries both ways.
fn hand_on(client: TcpStream, servers: &[SocketAddr]) {
    let Some(server) = servers.iter().find_map(|server| TcpStream::connect(server).ok()) else { return };
    let _ = client.set_nodelay(true);
    let _ = server.set_nodelay(true);
    let (Ok(mut asking), Ok(mut asked)) = (client.try_clone(), server.try_clone()) else { return };
    thread::spawn(move || {
        let _ = std::io::copy(&mut asking, &mut asked);
        let _ = asked.shutdown(Shutdown::Write);
    });
    let (mut answering, mut answered) = (server, client);
    let _ = std::io::copy(&mut answering, &mut answered);
    let _ = answered.shutdown(Shutdown::Both);
}

/// Answers every request of a connection alike.
fn answer(mut client: TcpStream, status: u16, kind: &str, body: &str) {
    let mut held = Vec::new();
    let mut piece = [0; 4096];
    while let Ok(read) = client.read(&mut piece) {
        if read == 0 {
            return;
        }
        held.extend_from_slice(piece.get(..read).unwrap_or_default());
        // Questions of clients that only read have no body.
        while let Some(end) = held.windows(4).position(|four| four == b"\r\n\r\n") {
            held.drain(..end + 4);
            let head = format!(
                "HTTP/1.1 {status} Told\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\r\n{body}",
                body.len()
            );
            if client.write_all(head.as_bytes()).is_err() {
                return;
            }
        }
    }
}

/// Promises a manifest of a kilobyte, and goes after its beginning.
fn cut_off(mut client: TcpStream) {
    let mut piece = [0; 4096];
    if client.read(&mut piece).is_ok() {
        let _ = client.write_all(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/vnd.oci.image.manifest.v1+json\r\nContent-Length: 1024\r\n\r\n{\"schemaVersion\": 2",
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(address: SocketAddr) -> String {
        let told = || -> std::io::Result<String> {
            let mut client = TcpStream::connect(address)?;
            client.write_all(b"GET / HTTP/1.1\r\n\r\n")?;
            client.set_read_timeout(Some(Duration::from_millis(500)))?;
            let mut piece = [0; 256];
            let read = client.read(&mut piece)?;
            Ok(String::from_utf8_lossy(piece.get(..read).unwrap_or_default()).into_owned())
        };
        told().unwrap_or_default()
    }

    #[test]
    fn a_front_goes_wrong_as_told_and_passes_over_servers_that_are_gone() {
        let listener = TcpListener::bind("127.0.0.1:0").map_err(|error| error.to_string());
        let Ok(listener) = listener else { unreachable!("{listener:?}") };
        let Ok(server) = listener.local_addr() else { unreachable!("it listens") };
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                answer(client, 204, "text/plain", "");
            }
        });
        let gone = TcpListener::bind("127.0.0.1:0").and_then(|gone| gone.local_addr());
        let Ok(gone) = gone else { unreachable!("{gone:?}") };
        let front = Front::before(vec![gone, server]);
        let Ok(front) = front else { unreachable!("loopback has ports") };
        for _ in 0..2 {
            assert!(asked(front.address).starts_with("HTTP/1.1 204"));
        }
        front.set(Fault::Status(429));
        assert!(asked(front.address).starts_with("HTTP/1.1 429"));
        front.set(Fault::Garbage);
        assert!(asked(front.address).contains("garbage"));
        front.set(Fault::CutOff);
        assert!(asked(front.address).ends_with("schemaVersion\": 2"));
        front.set(Fault::Away);
        assert_eq!(asked(front.address), "");
    }
}
