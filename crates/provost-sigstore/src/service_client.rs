//! One request to a certificate authority, log or timestamp authority: bounded, timed, tried twice.

use std::error::Error as StdError;
use std::io;
use std::time::Duration;

use reqwest::header::{HeaderMap, HeaderValue};
use reqwest::{Client, Method, Url};

/// The most bytes of an answer that are repeated in an error.
const SHOWN_BYTES: usize = 512;
/// How often a request is repeated after a 5xx or 429, sigstore-go's default.
const RETRIES: u32 = 1;
/// How long to wait before that.
const RETRY_WAIT: Duration = Duration::from_secs(1);

/// Why a service gave no usable answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ServiceError {
    /// The URL is none.
    #[error("{url:?} is no URL: {reason}")]
    Url {
        /// What was given.
        url: String,
        /// The parser's words.
        reason: String,
    },
    /// No connection, or it broke.
    #[error("{method} {url}: {cause}")]
    Network {
        /// `POST` or `GET`.
        method: String,
        /// The URL asked.
        url: String,
        /// `host:port` that was dialled.
        address: String,
        /// What kind of failure.
        kind: Unreached,
        /// The cause in the words of the library or the system.
        cause: String,
    },
    /// The service refused or failed.
    #[error("{service} returned {status}: {body}")]
    Status {
        /// Which service.
        service: Service,
        /// `POST` or `GET`.
        method: String,
        /// The path asked.
        path: String,
        /// The HTTP status.
        status: u16,
        /// The beginning of its answer, controls removed.
        body: String,
    },
    /// The answer is longer than allowed.
    #[error("{service}'s answer has more than {limit} bytes")]
    TooLong {
        /// Which service.
        service: Service,
        /// The limit in bytes.
        limit: usize,
    },
    /// The answer is not what was asked for.
    #[error("{service}: {reason}")]
    Answer {
        /// Which service.
        service: Service,
        /// What is wrong with it.
        reason: String,
    },
}

/// The services that are asked while signing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    /// A certificate authority.
    Fulcio,
    /// A transparency log.
    Rekor,
    /// A timestamp authority.
    TimestampAuthority,
}

impl std::fmt::Display for Service {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Fulcio => "Fulcio",
            Self::Rekor => "Rekor",
            Self::TimestampAuthority => "timestamp authority",
        })
    }
}

/// The kinds of broken connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unreached {
    /// The port is closed.
    Refused,
    /// Nothing came in time.
    Timeout,
    /// Anything else: no such name, TLS, reset.
    Other,
}

/// What is asked.
pub(crate) struct Ask<'a> {
    pub(crate) service: Service,
    pub(crate) method: Method,
    /// The service's URL.
    pub(crate) base: &'a str,
    /// What is appended to its path.
    pub(crate) path: &'a str,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
    pub(crate) time: Duration,
    /// The most bytes of the answer.
    pub(crate) limit: usize,
}

/// What was answered.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl<'a> Ask<'a> {
    /// A POST of a document.
    pub(crate) fn post(
        service: Service,
        base: &'a str,
        path: &'a str,
        kind: &'static str,
        body: Vec<u8>,
    ) -> Self {
        let mut headers = HeaderMap::new();
        headers.insert(reqwest::header::CONTENT_TYPE, HeaderValue::from_static(kind));
        let time = Duration::from_secs(30);
        Self { service, method: Method::POST, base, path, headers, body, time, limit: 1 << 20 }
    }

    /// The error of an answer with a status other than those expected.
    pub(crate) fn refused(&self, answer: &Answer) -> ServiceError {
        let text = String::from_utf8_lossy(&answer.body);
        ServiceError::Status {
            service: self.service,
            method: self.method.to_string(),
            path: self.path.to_owned(),
            status: answer.status,
            body: shown(&text),
        }
    }

    /// The error of an answer that cannot be read.
    pub(crate) fn unreadable(&self, reason: impl std::fmt::Display) -> ServiceError {
        ServiceError::Answer { service: self.service, reason: reason.to_string() }
    }

    /// Sends it, once more after a 5xx or 429.
    pub(crate) async fn send(&self, client: &Client) -> Result<Answer, ServiceError> {
        let url = self.url()?;
        let mut tries = 0;
        loop {
            let answer = self.once(client, &url).await?;
            let passing = answer.status == 429 || (500..600).contains(&answer.status);
            if !passing || tries == RETRIES {
                return Ok(answer);
            }
            tries += 1;
            tokio::time::sleep(RETRY_WAIT).await;
        }
    }

    fn url(&self) -> Result<Url, ServiceError> {
        let text = format!("{}{}", self.base.trim_end_matches('/'), self.path);
        Url::parse(&text).map_err(|error| ServiceError::Url { url: text, reason: error.to_string() })
    }

    async fn once(&self, client: &Client, url: &Url) -> Result<Answer, ServiceError> {
        let request = client
            .request(self.method.clone(), url.clone())
            .headers(self.headers.clone())
            .timeout(self.time)
            .body(self.body.clone());
        let broken = |error: reqwest::Error| self.network(url, &error);
        let mut response = request.send().await.map_err(broken)?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(broken)? {
            if body.len() + chunk.len() > self.limit {
                return Err(ServiceError::TooLong { service: self.service, limit: self.limit });
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Answer { status, headers, body })
    }

    fn network(&self, url: &Url, error: &reqwest::Error) -> ServiceError {
        let mut kind = if error.is_timeout() { Unreached::Timeout } else { Unreached::Other };
        let mut last = error.to_string();
        let mut cause: Option<&(dyn StdError + 'static)> = error.source();
        // Chains of causes are short; the bound holds against one that leads back to itself.
        for _ in 0..16 {
            let Some(found) = cause else { break };
            last = found.to_string();
            if found.downcast_ref::<io::Error>().is_some_and(|e| e.kind() == io::ErrorKind::ConnectionRefused)
            {
                kind = Unreached::Refused;
            }
            cause = found.source();
        }
        let host = url.host_str().unwrap_or_default();
        ServiceError::Network {
            method: self.method.to_string(),
            url: url.to_string(),
            address: format!("{host}:{}", url.port_or_known_default().unwrap_or_default()),
            kind,
            cause: last,
        }
    }
}

/// The beginning of an answer, fit to be printed.
fn shown(text: &str) -> String {
    let mut kept = String::new();
    for character in text.trim().chars().filter(|c| !c.is_control()) {
        if kept.len() + character.len_utf8() > SHOWN_BYTES {
            break;
        }
        kept.push(character);
    }
    kept
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;

    use super::*;

    /// Long enough for a loopback that is busy with a build.
    const TIME: Duration = Duration::from_secs(30);

    /// A service that says the same number of bytes to everybody, or keeps silent.
    fn service(bytes: Option<usize>) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            // Held until the process ends, so that whoever is kept waiting is not hung up on.
            let mut held = Vec::new();
            for mut stream in listener.incoming().flatten() {
                if let Some(bytes) = bytes {
                    let mut request = [0; 4096];
                    let _ = stream.read(&mut request);
                    let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n");
                    let _ = stream.write_all(&vec![b'a'; bytes]);
                } else {
                    held.push(stream);
                }
            }
        });
        format!("http://{address}")
    }

    fn asked(url: &str, time: Duration) -> Result<Answer, ServiceError> {
        let mut ask = Ask::post(Service::Fulcio, url, "/", "application/json", Vec::new());
        ask.time = time;
        // Another test may have installed it already.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let client = Client::builder().no_proxy().build().unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(ask.send(&client))
    }

    #[test]
    fn no_more_of_an_answer_is_read_than_the_limit() {
        let limit = Ask::post(Service::Fulcio, "", "", "", Vec::new()).limit;
        assert_eq!(asked(&service(Some(limit)), TIME).unwrap().body.len(), limit);
        let found = asked(&service(Some(limit + 1)), TIME).err();
        assert_eq!(found, Some(ServiceError::TooLong { service: Service::Fulcio, limit }));
    }

    #[test]
    fn a_service_that_says_nothing_is_given_up() {
        let found = asked(&service(None), Duration::from_millis(200)).err();
        assert!(matches!(found, Some(ServiceError::Network { kind: Unreached::Timeout, .. })), "{found:?}");
    }

    #[test]
    fn what_is_shown_of_an_answer_is_short_and_printable() {
        assert_eq!(shown(" a\u{1b}[31mb\n"), "a[31mb");
        assert_eq!(shown(&"ä".repeat(1000)).len(), SHOWN_BYTES);
    }
}
