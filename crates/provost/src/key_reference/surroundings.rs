//! What the keepers of keys ask of the process: its variables, its clock, and clients for their services.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use provost_kms::Surroundings;
use provost_registry::{Pem, RemoteOptions, service_client};
use reqwest::Client;

use crate::face::Face;
use crate::failure::Failure;
use crate::registry_flags::RegistryFlags;

/// The process as it was when the key was asked for.
struct Process {
    variables: BTreeMap<String, String>,
    options: Result<RemoteOptions, String>,
}

/// What surrounds this process.
pub(crate) fn of(face: &Face) -> Arc<dyn Surroundings> {
    let options = RegistryFlags::default().options(face).map_err(Failure::words);
    Arc::new(Process { variables: face.environment.all().into_iter().collect(), options })
}

/// A client by the rules of registries: proxies, addresses, roots read when needed, no redirects.
///
/// # Errors
/// When a file that the variables name cannot be read.
pub(super) fn client(face: &Face, authorities: Option<&Path>) -> Result<Client, Failure> {
    of(face).client(authorities).map_err(Failure::new)
}

impl Surroundings for Process {
    fn variable(&self, name: &str) -> Option<String> {
        self.variables.get(name).filter(|value| !value.is_empty()).cloned()
    }

    fn names(&self) -> Vec<String> {
        self.variables.keys().cloned().collect()
    }

    fn now(&self) -> jiff::Timestamp {
        jiff::Timestamp::now()
    }

    fn client(&self, authorities: Option<&Path>) -> Result<Client, String> {
        let mut options = self.options.clone()?;
        options.tls.authorities = authorities.map(|path| Pem::File(path.to_owned()));
        service_client(&options).map_err(|error| error.to_string())
    }
}
