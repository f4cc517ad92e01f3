//! Whether a registry speaks TLS: asked once a process, side by side with the first request (security.md 24).

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::future::select_ok;
use provost_oci::Repository;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use url::Host;

use crate::StoreError;
use crate::address_rule::AddressRule;
use crate::endpoint::{Endpoint, Scheme};
use crate::limits::{ADDRESSES, CONNECT_TIME, REMEMBERED, TLS_SILENCE};
use crate::tls_greeting::client_hello;

/// What a port does with a TLS greeting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Greeted {
    /// It answered with a TLS record: only TLS may be spoken to it, whatever comes of the handshake.
    Tls,
    /// It answered something else, or hung up.
    Plain,
    /// It took the greeting and said nothing.
    Silent,
    /// There was no connection.
    Unreachable,
}

/// A registry met in this process.
pub(crate) struct Met {
    /// Where it is: its name is read once and not for each request.
    pub(crate) endpoint: Endpoint,
    /// How it is spoken to, once that is found. The lock is held while the registry is being asked, so that requests
    /// that start together ask once.
    pub(crate) scheme: tokio::sync::Mutex<Option<Scheme>>,
}

/// The registries met so far.
#[derive(Default)]
pub(crate) struct Registries {
    met: Mutex<HashMap<String, Arc<Met>>>,
}

impl Registries {
    /// The registry of a repository.
    pub(crate) fn of(&self, repository: &Repository) -> Result<Arc<Met>, StoreError> {
        let mut met = self.met.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = met.get(repository.registry()) {
            return Ok(Arc::clone(known));
        }
        let new =
            Arc::new(Met { endpoint: Endpoint::of(repository)?, scheme: tokio::sync::Mutex::default() });
        if met.len() >= REMEMBERED {
            met.clear();
        }
        met.insert(repository.registry().to_owned(), Arc::clone(&new));
        Ok(new)
    }
}

/// Says hello in TLS and looks at the first byte of the reply. No certificate is judged and nothing is told.
pub(crate) async fn greet(endpoint: &Endpoint, rule: &AddressRule) -> Greeted {
    let host = endpoint.host().to_string();
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let greeting = match endpoint.host() {
        Host::Domain(name) => client_hello(Some(name)),
        Host::Ipv4(_) | Host::Ipv6(_) => client_hello(None),
    };
    let connected = timeout(CONNECT_TIME, async {
        let addresses = rule.resolve(bare, endpoint.port(Scheme::Https)).await.ok()?;
        // All at once: one address that swallows packets must not make a TLS speaker look plain.
        let tries =
            addresses.into_iter().take(ADDRESSES).map(|address| Box::pin(TcpStream::connect(address)));
        Some(select_ok(tries).await.ok()?.0)
    });
    let Ok(Some(mut stream)) = connected.await else { return Greeted::Unreachable };
    let answered = timeout(TLS_SILENCE, async {
        stream.write_all(&greeting).await.ok()?;
        let mut first = [0; 1];
        stream.read_exact(&mut first).await.ok()?;
        Some(first)
    });
    match answered.await {
        // 0x15 is an alert, 0x16 a handshake record: RFC 8446, section 5.1.
        Ok(Some([0x15 | 0x16])) => Greeted::Tls,
        Ok(_) => Greeted::Plain,
        Err(_) => Greeted::Silent,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn not_more_than_the_limit_is_remembered() {
        let registries = Registries::default();
        for number in 0..=REMEMBERED {
            let repository = Repository::new(&format!("r{number}.local"), "team/app").unwrap();
            registries.of(&repository).unwrap();
        }
        assert!(registries.met.lock().unwrap().len() <= REMEMBERED);
    }
}
