//! `provost registry`: serves a folder as a container registry until it is interrupted.

use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::sync::Arc;

use provost_hub::{Hub, HubConfig};
use tokio::signal::unix::{SignalKind, signal};

use crate::face::Face;
use crate::failure::Failure;

/// Serve a folder as a container registry.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// The folder: an OCI image layout, made where there is none.
    #[arg(long, value_name = "FOLDER")]
    dir: PathBuf,
    /// Where to listen. Beyond loopback this needs --read-only, or TLS with --htpasswd.
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:5000")]
    listen: String,
    /// Refuse everything that writes.
    #[arg(long, num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true")]
    read_only: bool,
    /// A PEM file with the certificate; with --tls-key the registry speaks https.
    #[arg(long, value_name = "FILE")]
    tls_cert: Option<PathBuf>,
    /// A PEM file with the certificate's key.
    #[arg(long, value_name = "FILE")]
    tls_key: Option<PathBuf>,
    /// A file of users and bcrypt hashes (htpasswd -B); every request then needs one of them.
    #[arg(long, value_name = "FILE")]
    htpasswd: Option<PathBuf>,
    /// The most bytes that blobs, manifests and uploads may take on disk together; without it, what the disk holds.
    #[arg(long, value_name = "BYTES")]
    max_disk: Option<u64>,
    /// A host name by which clients may name this registry besides localhost; repeatable.
    #[arg(long = "host", value_name = "HOST[:PORT]")]
    hosts: Vec<String>,
}

/// Serves until SIGINT or SIGTERM.
pub(crate) async fn run(args: Args, face: &Face) -> Result<(), Failure> {
    let dir = args.dir.display().to_string();
    let mut config = HubConfig::new(args.dir);
    config.listen = address(&args.listen)?;
    config.read_only = args.read_only;
    config.tls_cert = args.tls_cert;
    config.tls_key = args.tls_key;
    config.htpasswd = args.htpasswd;
    config.hosts = args.hosts;
    config.limits.disk_bytes = args.max_disk;
    config.remarks = Arc::new(|remark| Face::of_process().say(remark));
    // Caught from here on, so that whoever reads the line below may end us at once.
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let hub = Hub::bind(config).await?;
    face.say(format!("serving {dir} on {}", hub.url()));
    hub.serve(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
    .await?;
    Ok(())
}

/// An address as Go writes it: without a host, every interface.
fn address(text: &str) -> Result<SocketAddr, Failure> {
    let full = if text.starts_with(':') { format!("0.0.0.0{text}") } else { text.to_owned() };
    let unusable = |cause: String| Failure::new(format!("--listen {text:?}: {cause}"));
    let mut found = full.to_socket_addrs().map_err(|error| unusable(error.to_string()))?;
    found.next().ok_or_else(|| unusable("the host has no address".to_owned()))
}
