//! A server on the loopback that answers as it is told and remembers what it was asked.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// One request.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    /// Method and target, such as `GET /download/x`.
    pub(crate) line: String,
    /// The header lines, small.
    pub(crate) headers: String,
    pub(crate) body: Vec<u8>,
}

/// How requests are answered: with a status and a body.
pub(crate) type Answering = Box<dyn Fn(&Asked) -> (u16, Vec<u8>) + Send + Sync>;

pub(crate) struct Server {
    pub(crate) address: String,
    pub(crate) asked: Arc<Mutex<Vec<Asked>>>,
}

impl Server {
    pub(crate) async fn start(answering: Answering) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let asked: Arc<Mutex<Vec<Asked>>> = Arc::default();
        let (heard, answering) = (asked.clone(), Arc::new(answering));
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                tokio::spawn(serve(stream, heard.clone(), answering.clone()));
            }
        });
        Self { address, asked }
    }

    /// The lines of all requests so far.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.asked.lock().unwrap().iter().map(|one| one.line.clone()).collect()
    }
}

async fn serve(mut stream: TcpStream, heard: Arc<Mutex<Vec<Asked>>>, answering: Arc<Answering>) {
    let mut bytes = Vec::new();
    let head = loop {
        if let Some(at) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break at;
        }
        if stream.read_buf(&mut bytes).await.unwrap_or_default() == 0 {
            return;
        }
    };
    let text = String::from_utf8(bytes[..head].to_vec()).unwrap();
    let (first, headers) = text.split_once("\r\n").unwrap_or((text.as_str(), ""));
    let headers = headers.to_lowercase();
    let length = headers.lines().find_map(|line| line.strip_prefix("content-length: "));
    let length: usize = length.map(|text| text.trim().parse().unwrap()).unwrap_or_default();
    while bytes.len() < head + 4 + length {
        if stream.read_buf(&mut bytes).await.unwrap_or_default() == 0 {
            return;
        }
    }
    let line = first.trim_end_matches(" HTTP/1.1").to_owned();
    let asked = Asked { line, headers, body: bytes[head + 4..].to_vec() };
    let (status, body) = answering(&asked);
    heard.lock().unwrap().push(asked);
    let head =
        format!("HTTP/1.1 {status} Told\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
    let _ = stream.write_all(&[head.into_bytes(), body].concat()).await;
}
