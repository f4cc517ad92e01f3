//! How much a server takes from its clients.

use std::time::Duration;

/// How much a server takes from its clients before it lets go of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The connections open at once; more wait to be accepted. 1,024, at most 64 KiB of headers each, so 64 MiB.
    pub connections: usize,
    /// The connections open at once from one address; more are closed.
    pub connections_of_one: usize,
    /// The headers of one request, in bytes: 64 KiB, over ten times what clients send with a token.
    pub headers: u32,
    /// How long a client may take for its headers, and over HTTP/1.1 for its next request: one minute.
    pub headers_time: Duration,
    /// How long a TLS handshake may take: ten seconds.
    pub handshake_time: Duration,
    /// How long a connection may be without a request: ten minutes.
    pub idle_time: Duration,
    /// How long a connection that is being closed may take for the answers under way.
    pub closing_time: Duration,
    /// How long a connection that is being closed may be without a request: ten seconds, in which a long body is on its way.
    pub closing_idle_time: Duration,
    /// How long answers under way may take once the server is told to stop: ten seconds.
    pub drain_time: Duration,
    /// The requests under way at once on one HTTP/2 connection: 250, what API servers ask for at most.
    pub streams: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 1024,
            connections_of_one: 1024,
            headers: 64 * 1024,
            headers_time: Duration::from_secs(60),
            handshake_time: Duration::from_secs(10),
            idle_time: Duration::from_secs(600),
            closing_time: Duration::from_secs(3600),
            closing_idle_time: Duration::from_secs(10),
            drain_time: Duration::from_secs(10),
            streams: 250,
        }
    }
}
