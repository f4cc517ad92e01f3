//! Broken connections, sorted into the kinds that the dialects tell apart.

use std::error::Error as StdError;
use std::io;

use url::Url;

use crate::StoreError;
use crate::address_rule::LookupError;
use crate::store::NetworkFailure;

/// An error, and whether trying again may help.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) error: StoreError,
    pub(crate) transient: bool,
}

impl Failure {
    /// An error that will be the same next time.
    pub(crate) fn lasting(error: StoreError) -> Self {
        Self { error, transient: false }
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::lasting(error)
    }
}

/// A request that got no answer.
pub(crate) fn send_failure(request: String, url: &Url, error: &reqwest::Error) -> Failure {
    failure(request, url, error, NetworkFailure::Other)
}

/// A body that broke off.
pub(crate) fn body_failure(request: String, url: &Url, error: &reqwest::Error) -> Failure {
    failure(request, url, error, NetworkFailure::Reset)
}

fn failure(request: String, url: &Url, error: &reqwest::Error, otherwise: NetworkFailure) -> Failure {
    let address = address_of(url);
    let mut kind = if error.is_timeout() { NetworkFailure::Timeout } else { otherwise };
    let mut last = error.to_string();
    let mut cause: Option<&(dyn StdError + 'static)> = error.source();
    // Chains of causes are short; the bound holds against one that leads back to itself.
    for _ in 0..16 {
        let Some(found) = cause else { break };
        last = found.to_string();
        if let Some(lookup) = found.downcast_ref::<LookupError>() {
            return Failure::lasting(lookup_failure(request, lookup));
        }
        if let Some(found) = kind_of(found) {
            kind = found;
        }
        // The error inside an io::Error is its content, which source() skips.
        cause = match found.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            Some(inner) => Some(inner),
            None => found.source(),
        };
    }
    // go-containerregistry tries again after a reset or an early end, not after a refusal.
    let transient = kind == NetworkFailure::Reset;
    Failure { error: StoreError::Network { request, kind, address, cause: last }, transient }
}

/// A name that leads nowhere, or where it must not.
pub(crate) fn lookup_failure(request: String, error: &LookupError) -> StoreError {
    match error {
        LookupError::NoSuchHost { host, cause } => StoreError::Network {
            request,
            kind: NetworkFailure::NoSuchHost,
            address: host.clone(),
            cause: cause.clone(),
        },
        LookupError::OwnMachine { .. } => StoreError::Refused { request, reason: error.to_string() },
    }
}

fn kind_of(error: &(dyn StdError + 'static)) -> Option<NetworkFailure> {
    if error.is::<rustls::Error>() {
        return Some(NetworkFailure::Tls);
    }
    if let Some(error) = error.downcast_ref::<hyper::Error>() {
        let broke = error.is_incomplete_message() || error.is_closed() || error.is_body_write_aborted();
        return broke.then_some(NetworkFailure::Reset);
    }
    kind_of_io(error.downcast_ref::<io::Error>()?)
}

/// The kind of a system error.
pub(crate) fn kind_of_io(error: &io::Error) -> Option<NetworkFailure> {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => Some(NetworkFailure::Refused),
        io::ErrorKind::TimedOut => Some(NetworkFailure::Timeout),
        io::ErrorKind::ConnectionReset
        | io::ErrorKind::ConnectionAborted
        | io::ErrorKind::BrokenPipe
        | io::ErrorKind::UnexpectedEof => Some(NetworkFailure::Reset),
        _ => None,
    }
}

/// `host:port` as a dial names it.
fn address_of(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    match url.port_or_known_default() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    }
}
