//! Registries as a run may reach them: with the credentials of its service account, read with `get` alone.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::{Secret, ServiceAccount};
use kube::api::Api;
use provost_chains::claims::Granted;
use provost_chains::reconcile::{Access, ClusterFault};
use provost_oci::{Digest, Repository};
use provost_registry::{CredentialSource, Found, Keychain, Store, StoreError};

use crate::cluster::Cluster;
use crate::runs::answered;

/// How long the Secrets of a service account are taken for what they were; a changed password is noticed after it.
const LIFE: Duration = Duration::from_secs(60);
/// How many service accounts are remembered, at under 8 KiB each; beyond it all are read anew.
const ACCOUNTS: usize = 1024;
/// How many clients are kept, each with its connections and tokens; beyond it all are made anew.
const CLIENTS: usize = 64;
/// How many Secrets of one service account are read: each costs a request; accounts have two or three.
const SECRETS: usize = 32;

/// How runs reach registries.
#[derive(Clone)]
pub struct Reach {
    /// Their own credentials, which come before the controller's.
    pub keychain: Keychain,
    /// For which repositories the controller's credentials serve; for all where there is no map of claims.
    pub granted: Option<Granted>,
    /// Whether plain http and any certificate will do.
    pub insecure: bool,
}

impl Reach {
    /// The run's own credentials, then the controller's where they may serve.
    #[must_use]
    pub fn with_controllers(self, own: Keychain) -> Keychain {
        match self.granted {
            None => self.keychain.then(own),
            Some(granted) => self.keychain.with(Confined { own, granted }),
        }
    }
}

/// The controller's credentials, for granted repositories alone.
struct Confined {
    own: Keychain,
    granted: Granted,
}

#[async_trait]
impl CredentialSource for Confined {
    async fn find(&self, repository: &Repository) -> Result<Option<Found>, StoreError> {
        match self.granted.covers(&repository.to_string()) {
            true => self.own.find(repository).await,
            false => Ok(None),
        }
    }
}

/// Makes a client of registries.
pub type MakeStore = Box<dyn Fn(Reach) -> Result<Arc<dyn Store>, String> + Send + Sync>;

/// Which client: by the digest of its credentials, what the controller's serve for, and whether anything goes.
type Which = (Digest, Option<Granted>, bool);

/// The clients of registries that runs use.
pub(crate) struct Places {
    cluster: Cluster,
    make: MakeStore,
    accounts: Mutex<HashMap<(String, String), Slot>>,
    clients: Mutex<HashMap<Which, Arc<dyn Store>>>,
}

/// What came of reading a service account, and when.
type Read = (Instant, Result<Account, ClusterFault>);
/// Where that stands; whoever reads holds it.
type Slot = Arc<tokio::sync::Mutex<Option<Read>>>;

/// The credentials of a service account, by what they are.
#[derive(Clone)]
struct Account {
    digest: Digest,
    keychain: Keychain,
}

impl Places {
    pub(crate) fn new(cluster: Cluster, make: MakeStore) -> Self {
        Self { cluster, make, accounts: Mutex::default(), clients: Mutex::default() }
    }

    /// The registries as this run may reach them. Runs with the same credentials share a client, others never do.
    pub(crate) async fn store(&self, access: &Access) -> Result<Arc<dyn Store>, ClusterFault> {
        let account = self.account(access).await?;
        let which = (account.digest, access.granted.clone(), access.insecure);
        let mut clients = locked(&self.clients);
        if let Some(known) = clients.get(&which) {
            return Ok(known.clone());
        }
        let (keychain, granted) = (account.keychain, access.granted.clone());
        let store = (self.make)(Reach { keychain, granted, insecure: access.insecure })
            .map_err(|cause| ClusterFault::Failed { doing: "making a registry client".to_owned(), cause })?;
        if clients.len() >= CLIENTS {
            clients.clear();
        }
        clients.insert(which, store.clone());
        Ok(store)
    }

    async fn account(&self, access: &Access) -> Result<Account, ClusterFault> {
        let which = (access.namespace.clone(), access.service_account.clone());
        let slot = {
            let mut accounts = locked(&self.accounts);
            if accounts.len() >= ACCOUNTS && !accounts.contains_key(&which) {
                accounts.clear();
            }
            accounts.entry(which).or_default().clone()
        };
        // The runs of a backlog come together: one of them reads, and the others take what it got.
        let came = Instant::now();
        let mut known = slot.lock().await;
        match &*known {
            Some((read, Ok(account))) if read.elapsed() < LIFE => return Ok(account.clone()),
            Some((read, Err(fault))) if *read >= came => return Err(fault.clone()),
            _ => {}
        }
        let account = self.read(access).await;
        *known = Some((Instant::now(), account.clone()));
        account
    }

    /// Reads what a service account names: its Secrets first, then those it pulls with, which may only read.
    async fn read(&self, access: &Access) -> Result<Account, ClusterFault> {
        let Access { namespace, service_account, .. } = access;
        let accounts: Api<ServiceAccount> = Api::namespaced(self.cluster.client.clone(), namespace);
        let doing = format!("reading the service account {namespace}/{service_account}");
        let account = match answered(&doing, accounts.get(service_account)).await {
            Ok(account) => account,
            Err(ClusterFault::Gone) => ServiceAccount::default(),
            Err(fault) => return Err(fault),
        };
        let own = account.secrets.into_iter().flatten().filter_map(|one| one.name);
        let pulling = account.image_pull_secrets.into_iter().flatten().map(|one| one.name);
        let secrets: Api<Secret> = Api::namespaced(self.cluster.client.clone(), namespace);
        let (mut keychain, mut bytes) = (Keychain::anonymous(), Vec::new());
        for name in own.chain(pulling).take(SECRETS) {
            let name = format!("{namespace}/{name}");
            let (_, bare) = name.split_once('/').unwrap_or_default();
            let secret = match answered(&format!("reading the secret {name}"), secrets.get(bare)).await {
                Ok(secret) => secret,
                Err(ClusterFault::Gone) => continue,
                Err(fault) => return Err(fault),
            };
            if let Some(config) = docker_config(&secret) {
                bytes.extend_from_slice(Digest::sha256_of(&config).to_string().as_bytes());
                keychain = keychain.and_secret(&format!("secret {name}"), &config);
            }
        }
        Ok(Account { digest: Digest::sha256_of(&bytes), keychain })
    }
}

/// The docker configuration in a Secret, in the form that has `auths`; `None` where the Secret is of another type.
fn docker_config(secret: &Secret) -> Option<Vec<u8>> {
    let data = |name: &str| secret.data.as_ref()?.get(name).map(|ByteString(bytes)| bytes.clone());
    match secret.type_.as_deref()? {
        "kubernetes.io/dockerconfigjson" => data(".dockerconfigjson"),
        "kubernetes.io/dockercfg" => Some([br#"{"auths":"#, data(".dockercfg")?.as_slice(), b"}"].concat()),
        _ => None,
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use provost_chains::claims::Claims;
    use provost_registry::Credential;

    use super::*;

    fn secret(kind: &str, name: &str, text: &str) -> Secret {
        let data = BTreeMap::from([(name.to_owned(), ByteString(text.as_bytes().to_vec()))]);
        Secret { type_: Some(kind.to_owned()), data: Some(data), ..Secret::default() }
    }

    #[tokio::test]
    async fn the_controllers_credentials_serve_granted_repositories_alone() {
        let secret = |password: &str| {
            let auth =
                format!(r#"{{"auths": {{"reg.local": {{"username": "u", "password": "{password}"}}}}}}"#);
            Keychain::anonymous().and_secret("s", auth.as_bytes())
        };
        let granted = Claims::read("{team: [reg.local/team]}").unwrap().of("team");
        let find = async |keychain: Keychain, granted: Option<Granted>, name: &str| {
            let reach = Reach { keychain, granted, insecure: false };
            let all = reach.with_controllers(secret("controller"));
            all.find(&name.parse().unwrap())
                .await
                .unwrap()
                .map(|found| format!("{:?}", found.credential == controller()))
        };
        fn controller() -> Credential {
            Credential::Password { username: "u".to_owned(), password: "controller".to_owned() }
        }
        let yes = Some("true".to_owned());
        assert_eq!(find(Keychain::anonymous(), None, "reg.local/other/app").await, yes);
        assert_eq!(find(Keychain::anonymous(), Some(granted.clone()), "reg.local/team/app").await, yes);
        assert_eq!(find(Keychain::anonymous(), Some(granted.clone()), "reg.local/other/app").await, None);
        // The run's own login is its own affair.
        assert_eq!(find(secret("run"), Some(granted), "reg.local/other/app").await, Some("false".to_owned()));
    }

    #[tokio::test]
    async fn both_forms_of_docker_secrets_are_read_and_no_others() {
        let auths = r#"{"reg.local": {"username": "u", "password": "p"}}"#;
        let new = secret(
            "kubernetes.io/dockerconfigjson",
            ".dockerconfigjson",
            &format!(r#"{{"auths": {auths}, "credsStore": "evil"}}"#),
        );
        let old = secret("kubernetes.io/dockercfg", ".dockercfg", auths);
        for secret in [new, old] {
            let keychain = Keychain::anonymous().and_secret("s", &docker_config(&secret).unwrap());
            let found = keychain.find(&"reg.local/app".parse().unwrap()).await.unwrap().unwrap();
            let expected = Credential::Password { username: "u".to_owned(), password: "p".to_owned() };
            assert_eq!(found.credential, expected);
        }
        assert_eq!(docker_config(&secret("Opaque", ".dockerconfigjson", "{}")), None);
    }
}
