//! What a hub serves, to whom, and within which limits.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The largest manifest taken: 4 MiB, docker-registry's limit and the specification's least.
pub const MANIFEST_LIMIT: u64 = 4 * 1024 * 1024;
/// The largest blob taken: 32 GiB, three times the largest layers of machine-learning images.
pub const UPLOAD_LIMIT: u64 = 32 * 1024 * 1024 * 1024;
/// The uploads open at once: 1,024, which is 64 clients pushing 16 layers each.
pub const SESSION_LIMIT: usize = 1024;
/// How long an upload may lie untouched: one hour, past the retries of every client known.
pub const SESSION_IDLE_LIMIT: Duration = Duration::from_secs(60 * 60);
/// How long a body may stall before its request is given up: one minute.
pub const BODY_IDLE_LIMIT: Duration = Duration::from_secs(60);
/// The connections open at once: 1,024, at most 64 KiB of headers each, so 64 MiB.
pub const CONNECTION_LIMIT: usize = 1024;

/// Tells the time; sessions grow old by it.
pub type Clock = Arc<dyn Fn() -> Instant + Send + Sync>;
/// Takes a line the operator should see: a corrupt file, a failing disk.
pub type Remarks = Arc<dyn Fn(&str) + Send + Sync>;

/// What a hub serves, and to whom.
#[derive(Clone)]
pub struct HubConfig {
    /// The layout folder; made where there is none, unless `read_only`.
    pub dir: PathBuf,
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Refuse everything that writes, and touch nothing in the folder.
    pub read_only: bool,
    /// A PEM file with the certificate, leaf first; with `tls_key` the hub speaks TLS.
    pub tls_cert: Option<PathBuf>,
    /// A PEM file with the certificate's key.
    pub tls_key: Option<PathBuf>,
    /// A file of `user:bcrypt-hash` lines; every request then needs one of these users.
    pub htpasswd: Option<PathBuf>,
    /// The host names, with or without a port, by which requests may name this hub besides loopback's.
    pub hosts: Vec<String>,
    /// What is bounded, and by how much.
    pub limits: Limits,
    /// The clock.
    pub clock: Clock,
    /// Where remarks go.
    pub remarks: Remarks,
}

/// How much a hub takes before it refuses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The largest manifest, in bytes.
    pub manifest_bytes: u64,
    /// The largest blob, in bytes.
    pub upload_bytes: u64,
    /// The uploads open at once.
    pub sessions: usize,
    /// How long an upload may lie untouched.
    pub session_idle: Duration,
    /// How long a body may stall.
    pub body_idle: Duration,
    /// The connections open at once; more wait to be accepted.
    pub connections: usize,
    /// The bytes that blobs, manifests and uploads may take on disk together; no bound where `None`.
    pub disk_bytes: Option<u64>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            manifest_bytes: MANIFEST_LIMIT,
            upload_bytes: UPLOAD_LIMIT,
            sessions: SESSION_LIMIT,
            session_idle: SESSION_IDLE_LIMIT,
            body_idle: BODY_IDLE_LIMIT,
            connections: CONNECTION_LIMIT,
            disk_bytes: None,
        }
    }
}

impl HubConfig {
    /// A hub over this folder on a free loopback port, with the default limits, whose remarks nobody hears.
    #[must_use]
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self {
            dir: dir.into(),
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            read_only: false,
            tls_cert: None,
            tls_key: None,
            htpasswd: None,
            hosts: Vec::new(),
            limits: Limits::default(),
            clock: Arc::new(Instant::now),
            remarks: Arc::new(|_| {}),
        }
    }
}
