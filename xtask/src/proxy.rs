//! A proxy on loopback that hands answers on late, as a registry far away would.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;

/// What is read at once: a whole answer, for most.
const PIECE: usize = 64 * 1024;

/// Starts a proxy before `server` that keeps every piece of an answer back for `delay`; it runs until the process ends.
///
/// Pieces wait side by side, so a long answer is late once, and connections are as many as the client opens.
///
/// # Errors
/// When no port is left.
pub fn before(server: SocketAddr, delay: Duration) -> Result<SocketAddr> {
    counting(server, delay).map(|(address, _)| address)
}

/// The same, and how often something was asked through it: a question of HTTP/1.1 without a body is one piece.
///
/// # Errors
/// When no port is left.
pub(crate) fn counting(server: SocketAddr, delay: Duration) -> Result<(SocketAddr, Arc<AtomicUsize>)> {
    let asked = Arc::<AtomicUsize>::default();
    let counter = Arc::clone(&asked);
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            // A connection that fails ends alone: the client sees it as it would see any network's.
            let _ = carry(client, server, delay, &counter);
        }
    });
    Ok((address, asked))
}

fn carry(
    client: TcpStream,
    server: SocketAddr,
    delay: Duration,
    counter: &Arc<AtomicUsize>,
) -> std::io::Result<()> {
    let server = TcpStream::connect(server)?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let counter = Arc::clone(counter);
    let (mut asking, mut asked) = (client.try_clone()?, server.try_clone()?);
    thread::spawn(move || {
        let mut piece = vec![0; PIECE];
        while let Ok(read) = asking.read(&mut piece) {
            let bytes = piece.get(..read).unwrap_or_default();
            if bytes.starts_with(b"GET ") || bytes.starts_with(b"HEAD ") {
                counter.fetch_add(1, Ordering::Relaxed);
            }
            if read == 0 || asked.write_all(bytes).is_err() {
                break;
            }
        }
        let _ = asked.shutdown(Shutdown::Write);
    });
    let (sender, receiver) = mpsc::channel::<(Instant, Vec<u8>)>();
    let (mut answering, mut answered) = (server, client);
    thread::spawn(move || {
        let mut piece = vec![0; PIECE];
        while let Ok(read) = answering.read(&mut piece) {
            let bytes = piece.get(..read).unwrap_or_default().to_vec();
            if sender.send((Instant::now() + delay, bytes)).is_err() || read == 0 {
                return;
            }
        }
    });
    thread::spawn(move || {
        while let Ok((due, bytes)) = receiver.recv() {
            thread::sleep(due.saturating_duration_since(Instant::now()));
            if bytes.is_empty() || answered.write_all(&bytes).is_err() {
                break;
            }
        }
        let _ = answered.shutdown(Shutdown::Both);
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_late_once() {
        let server = TcpListener::bind("127.0.0.1:0").map_err(|e| e.to_string());
        let address = server.as_ref().map(|server| server.local_addr().map_err(|e| e.to_string()));
        let Ok(Ok(address)) = address else { unreachable!("loopback has ports") };
        thread::spawn(move || {
            for client in server.iter().flat_map(TcpListener::incoming) {
                let Ok(mut client) = client else { return };
                let _ = client.read(&mut [0; 4]);
                let _ = client.write_all(&vec![7; 1024 * 1024]);
            }
        });
        let delay = Duration::from_millis(200);
        let asked = || -> Result<(Duration, usize)> {
            let mut client = TcpStream::connect(before(address, delay)?)?;
            let began = Instant::now();
            client.write_all(b"ask!")?;
            let mut answer = Vec::new();
            client.read_to_end(&mut answer)?;
            Ok((began.elapsed(), answer.len()))
        };
        let told = asked().map_err(|error| error.to_string());
        let Ok((took, length)) = told else { unreachable!("{told:?}") };
        assert_eq!(length, 1024 * 1024);
        // Sixteen pieces or more, each late: one after another they would take three seconds.
        assert!(took >= delay && took < delay * 8, "{took:?}");
    }
}
