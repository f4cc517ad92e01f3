//! A bare HTTP/1.1 client that keeps its connection: lean enough to ask a server more than it can answer.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

/// The longest answer: benchmarks ask for nothing larger.
const LONGEST: usize = 1024 * 1024;
/// The longest that an answer is waited for.
const PATIENCE: Duration = Duration::from_secs(60);

/// A server behind TLS.
#[derive(Clone)]
pub(crate) struct Target {
    address: SocketAddr,
    trust: Arc<ClientConfig>,
}

impl Target {
    /// One that must show a certificate of this file, or one by an authority that stands in it.
    pub(crate) fn new(address: SocketAddr, certificates: &Path) -> Result<Self> {
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_file_iter(certificates).context("the server's certificates")? {
            roots.add(certificate.context("the server's certificates")?)?;
        }
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
        let trust = Arc::new(config.with_root_certificates(roots).with_no_client_auth());
        Ok(Self { address, trust })
    }

    /// A connection, whose handshake comes with the first question.
    pub(crate) fn connect(&self) -> Result<Connection<StreamOwned<ClientConnection, TcpStream>>> {
        Ok(Connection { stream: self.stream()?, read: Vec::new() })
    }

    /// The same for whoever speaks for itself.
    pub(crate) fn stream(&self) -> Result<StreamOwned<ClientConnection, TcpStream>> {
        let name = ServerName::IpAddress(self.address.ip().into());
        let session = ClientConnection::new(Arc::clone(&self.trust), name)?;
        Ok(StreamOwned::new(session, tcp(self.address)?))
    }
}

/// A connection without TLS.
pub(crate) fn plain(address: SocketAddr) -> Result<Connection<TcpStream>> {
    Ok(Connection { stream: tcp(address)?, read: Vec::new() })
}

fn tcp(address: SocketAddr) -> Result<TcpStream> {
    let stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    Ok(stream)
}

/// A request with a body, ready to be sent again and again.
pub(crate) fn request(method: &str, path: &str, kind: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\r\n"
    );
    [head.as_bytes(), body].concat()
}

/// A connection that is used again for each question.
pub(crate) struct Connection<S> {
    stream: S,
    read: Vec<u8>,
}

/// An answer.
pub(crate) struct Answer {
    pub(crate) status: u16,
    head: String,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// A header; its name in any spelling.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let fields = self.head.lines().filter_map(|line| line.split_once(':'));
        let mut found = fields.filter(|(known, _)| known.eq_ignore_ascii_case(name));
        found.next().map(|(_, value)| value.trim())
    }
}

impl<S: Read + Write> Connection<S> {
    /// Sends a request as it is and waits for its answer, which must say how long it is, or come in chunks.
    pub(crate) fn ask(&mut self, request: &[u8]) -> Result<Answer> {
        self.stream.write_all(request)?;
        self.stream.flush()?;
        self.read.clear();
        let mut answer = loop {
            if let Some(end) = self.read.windows(4).position(|four| four == b"\r\n\r\n") {
                let body = self.read.split_off(end + 4);
                let head = String::from_utf8(std::mem::replace(&mut self.read, body))?;
                let status = head.split(' ').nth(1).context("no status")?.parse()?;
                break Answer { status, head, body: Vec::new() };
            }
            self.more()?;
        };
        match answer.header("content-length") {
            Some(length) => {
                let length: usize = length.parse()?;
                while self.read.len() < length {
                    self.more()?;
                }
                answer.body = std::mem::take(&mut self.read);
            }
            None if answer.header("transfer-encoding") == Some("chunked") => answer.body = self.chunks()?,
            None => bail!("the answer says nothing of its length"),
        }
        Ok(answer)
    }

    /// What comes in chunks, each after a line with its length in hexadecimal digits; an empty one is the last.
    fn chunks(&mut self) -> Result<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let Some(end) = self.read.windows(2).position(|two| two == b"\r\n") else {
                self.more()?;
                continue;
            };
            let length = std::str::from_utf8(self.read.get(..end).unwrap_or_default())?;
            let length = usize::from_str_radix(length, 16).context("the length of a chunk")?;
            let (from, to) = (end + 2, (end + 2).saturating_add(length));
            while self.read.len() < to.saturating_add(2) {
                self.more()?;
            }
            body.extend_from_slice(self.read.get(from..to).unwrap_or_default());
            self.read.drain(..to + 2);
            if length == 0 {
                return Ok(body);
            }
        }
    }

    fn more(&mut self) -> Result<()> {
        let mut piece = [0; 8 * 1024];
        let count = self.stream.read(&mut piece)?;
        if count == 0 || self.read.len() + count > LONGEST {
            bail!("the answer broke off, or is longer than {LONGEST} bytes");
        }
        self.read.extend_from_slice(piece.get(..count).unwrap_or_default());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::thread;

    use super::*;

    #[test]
    fn chunks_are_put_together_and_the_connection_used_again() {
        let told = || -> Result<()> {
            let server = TcpListener::bind("127.0.0.1:0")?;
            let address = server.local_addr()?;
            let asked = request("POST", "/x", "text/plain", b"hello");
            let length = asked.len();
            thread::spawn(move || -> Result<()> {
                let (mut client, _) = server.accept()?;
                for rest in ["\nfoo\r\nA\r\n0123456789\r\n0\r\n\r\n", "zz\r\n"] {
                    let mut read = vec![0; length];
                    client.read_exact(&mut read)?;
                    client.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r")?;
                    client.write_all(rest.as_bytes())?;
                }
                Ok(())
            });
            let mut connection = plain(address)?;
            assert_eq!(connection.ask(&asked)?.body, b"foo0123456789");
            assert!(connection.ask(&asked).is_err(), "no length of a chunk");
            Ok(())
        };
        assert_eq!(told().map_err(|error| format!("{error:#}")), Ok(()));
    }

    #[test]
    fn an_answer_in_pieces_is_read_and_the_connection_used_again() {
        let told = || -> Result<()> {
            let server = TcpListener::bind("127.0.0.1:0")?;
            let address = server.local_addr()?;
            thread::spawn(move || -> Result<()> {
                let (mut client, _) = server.accept()?;
                for _ in 0..2 {
                    let wanted = request("POST", "/x", "text/plain", b"hello");
                    let mut asked = vec![0; wanted.len()];
                    client.read_exact(&mut asked)?;
                    let status = if asked == wanted { "200 OK" } else { "400 Bad Request" };
                    client.write_all(format!("HTTP/1.1 {status}\r\ncontent-le").as_bytes())?;
                    client.write_all(b"ngth: 6\r\nLocation: /there\r\n\r\nfoo")?;
                    client.write_all(b"bar")?;
                }
                Ok(())
            });
            let mut connection = plain(address)?;
            for _ in 0..2 {
                let answer = connection.ask(&request("POST", "/x", "text/plain", b"hello"))?;
                assert_eq!((answer.status, answer.body.as_slice()), (200, b"foobar".as_slice()));
                assert_eq!(answer.header("location"), Some("/there"));
            }
            assert!(connection.ask(&request("POST", "/x", "text/plain", b"hello")).is_err());
            Ok(())
        };
        assert_eq!(told().map_err(|error| format!("{error:#}")), Ok(()));
    }
}
