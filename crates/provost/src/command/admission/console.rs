//! The read-only console beside the gate: where it is served, and who may look.

use std::io::Write as _;
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use provost_console::{Console, Doorkeeper, Limits, MIN_TOKEN, Record, TokenHolder};
use provost_gate::record::Hears;
use provost_gate::server::Say;
use provost_gate::sight::Sights;
use provost_kube::Cluster;
use provost_kube::admission::ApiDoorkeeper;
use provost_serve::{Certificates, Tls, read_file};
use tokio::task::JoinHandle;

use crate::face::Face;
use crate::failure::Failure;

/// Where the console is, and its token where no cluster knows its visitors.
#[derive(clap::Args, Debug)]
pub(super) struct ConsoleFlags {
    /// Serve a read-only console here, at /ui. In a cluster it shows to each visitor what the API server lets them see;
    /// without one it stays on loopback, behind a token.
    #[arg(long = "console", value_name = "HOST:PORT")]
    address: Option<String>,
    /// Without a cluster: the file with the console's token, which is made where it is not there. Without it a token is made
    /// and said at the start.
    #[arg(long = "console-token-file", value_name = "FILE", requires = "address", requires = "policies")]
    token_file: Option<PathBuf>,
}

/// Who knows the visitors.
pub(super) enum Visitors {
    /// The API server.
    Of(Cluster),
    /// Nobody: whoever has the token.
    WithToken,
}

impl ConsoleFlags {
    /// What the console remembers; nothing where none is served.
    pub(super) fn record(&self) -> Option<Arc<Record>> {
        self.address.as_ref().map(|_| Arc::new(Record::new(Limits::default())))
    }

    /// Serves it, where it is asked for.
    ///
    /// # Errors
    /// When the address cannot be had or may not be used, or the token's file cannot.
    pub(super) async fn serve(
        &self,
        record: Option<Arc<Record>>,
        sights: Sights,
        visitors: Visitors,
        certificates: &Certificates,
        say: &Say,
        face: &Face,
    ) -> Result<Option<JoinHandle<()>>, Failure> {
        let (Some(address), Some(record)) = (&self.address, record) else { return Ok(None) };
        let (shown, address) = (address, socket(address)?);
        let (door, told): (Arc<dyn Doorkeeper>, String) = match visitors {
            Visitors::Of(cluster) => (Arc::new(ApiDoorkeeper::new(cluster)), String::new()),
            Visitors::WithToken => {
                if !address.ip().is_loopback() {
                    return Err(Failure::new(format!(
                        "--console {shown}: without a cluster nobody knows its visitors, so it is served on loopback only: expected 127.0.0.1:PORT"
                    )));
                }
                let (token, told) = self.token()?;
                let door = TokenHolder::new(&token).ok_or_else(|| {
                    Failure::new(format!(
                        "the console's token is too short: expected {MIN_TOKEN} characters or more"
                    ))
                })?;
                (Arc::new(door), told)
            }
        };
        let tls = Tls { certificates: certificates.clone(), client_authorities: None };
        let tls = (!address.ip().is_loopback()).then_some(&tls);
        let heard = Arc::clone(say);
        let mut console = Console::new(record, sights, door, Arc::new(move |words: &str| heard(words)));
        let server = console.bind(address, tls).await.map_err(|error| Failure::new(error.to_string()))?;
        face.say(format!("console on {}/ui{told}", server.url()));
        Ok(Some(tokio::spawn(server.serve(Arc::new(console), std::future::pending()))))
    }

    /// The token, and what is said of it.
    fn token(&self) -> Result<(String, String), Failure> {
        let Some(file) = &self.token_file else {
            let token = TokenHolder::token();
            let told = format!(", token {token}");
            return Ok((token, told));
        };
        let told = format!(", token in {}", file.display());
        let failed =
            |error: String| Failure::new(format!("--console-token-file {}: {error}", file.display()));
        if !file.exists() {
            let token = TokenHolder::token();
            write(file, &token).map_err(|error| failed(error.to_string()))?;
            return Ok((token, told));
        }
        let text = read_file(file).map_err(|error| failed(error.to_string()))?;
        Ok((String::from_utf8_lossy(&text).trim().to_owned(), told))
    }
}

/// Writes a file that nobody else may read, and that was not there.
fn write(file: &Path, token: &str) -> std::io::Result<()> {
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(file)?;
    writeln!(file, "{token}")
}

/// Who hears of decisions for the console.
pub(super) fn hearer(record: Option<&Arc<Record>>) -> Option<Arc<dyn Hears>> {
    record.map(|record| Arc::clone(record) as Arc<dyn Hears>)
}

fn socket(text: &str) -> Result<SocketAddr, Failure> {
    let full = if text.starts_with(':') { format!("0.0.0.0{text}") } else { text.to_owned() };
    let found = full.to_socket_addrs().ok().and_then(|mut found| found.next());
    found.ok_or_else(|| {
        Failure::new(format!("--console {text:?}: expected HOST:PORT, such as 127.0.0.1:8090"))
    })
}
