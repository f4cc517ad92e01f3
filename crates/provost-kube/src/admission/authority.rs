//! Certificates in Secrets: made where there are none, renewed before they end by the replica that leads, and taken into use by
//! all. A new authority is in all webhook configurations before anything it issued is served, so that no request fails.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::{Stream, StreamExt as _, stream};
use jiff::Timestamp;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{Api, ObjectMeta, PostParams};
use provost_chains::reconcile::ClusterFault;
use provost_oci::Digest;
use tokio::sync::watch;

use super::certificate;
pub use super::certificate::ServerPair;
use super::one::one;
use super::webhooks::Reached;
use crate::cluster::{Cluster, words};
use crate::lease::Held;
use crate::runs::answered;
use steps::{Step, View};

mod steps;

/// How long after a new authority stands in the webhook configurations the first certificate of it is served: API servers
/// hear of changed configurations by a watch, in well under a second.
const SETTLED: Duration = Duration::from_secs(10);
/// How often ends are looked at, where nothing else happens.
const ROUND: Duration = Duration::from_secs(2);
/// How many bytes of a file are read: chains have a few KiB.
const FILE_LIMIT: u64 = 1024 * 1024;

/// The label of Secrets that we made and renew; others are their owner's and never written.
const OURS: (&str, &str) = ("app.kubernetes.io/managed-by", "provost");
/// The annotation with the digest of the authority that issued a certificate.
const ISSUER: &str = "provost.dev/issued-by";
/// The annotation with the time at which it was issued.
const ISSUED: &str = "provost.dev/issued-at";
/// The annotation that asks for a new authority; it is gone once there is one.
const RENEW: &str = "provost.dev/renew";
/// Its value where the old authority must not be trusted any more, whatever requests fail until the new certificate is shown.
const REVOKE: &str = "revoke";

/// Takes a certificate into use; what is wrong with it otherwise.
pub type Serve = Arc<dyn Fn(&ServerPair) -> Result<(), String> + Send + Sync>;

/// Where certificates come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CertificateSource {
    /// Secrets of our namespace: made and renewed by us, unless their owner made them first.
    Secrets {
        /// The authority's.
        authority: String,
        /// The server's.
        server: String,
    },
    /// Files that somebody else keeps; they are looked at every other second.
    Files {
        /// The server's chain.
        chain: PathBuf,
        /// Its key.
        key: PathBuf,
        /// The authorities that API servers are to trust.
        authorities: PathBuf,
    },
}

/// Keeps certificates.
pub(super) struct Authority {
    pub(super) cluster: Cluster,
    pub(super) namespace: String,
    pub(super) source: CertificateSource,
    pub(super) reached: Reached,
    pub(super) serve: Serve,
    pub(super) leads: watch::Receiver<Held>,
    /// The authorities that API servers are to trust.
    pub(super) authorities: watch::Sender<Vec<String>>,
    /// The authorities that the webhook configurations carry, and since when.
    pub(super) registered: watch::Receiver<Option<(Vec<String>, Instant)>>,
    pub(super) say: crate::Say,
}

/// What is known of the Secrets; `None` inside where one is not there.
#[derive(Default)]
struct Seen {
    authority: Option<Option<Secret>>,
    server: Option<Option<Secret>>,
}

/// Something that changed.
enum Change {
    Authority(Option<Secret>),
    Server(Option<Secret>),
    Trouble(String),
}

impl Authority {
    /// Keeps certificates until dropped; `served` says whether one is in use.
    pub(super) async fn keep(self, served: watch::Sender<bool>) {
        match &self.source {
            CertificateSource::Files { chain, key, authorities } => {
                self.follow_files(chain, key, authorities, &served).await;
            }
            CertificateSource::Secrets { authority, server } => {
                self.follow_secrets(authority, server, &served).await;
            }
        }
    }

    async fn follow_files(&self, chain: &Path, key: &Path, authorities: &Path, served: &watch::Sender<bool>) {
        let mut before = (None, String::new());
        loop {
            let read = || -> Result<(ServerPair, Vec<String>), String> {
                let pair = ServerPair { chain: text(chain)?, key: text(key)? };
                let bundle = certificate::current(&text(authorities)?, Timestamp::now());
                match bundle.is_empty() {
                    true => Err(format!(
                        "{}: expected certificates as PEM that have not ended",
                        authorities.display()
                    )),
                    false => Ok((pair, bundle)),
                }
            };
            match read() {
                Ok((pair, bundle)) if before.0.as_ref() != Some(&pair) => {
                    self.take(&pair, served);
                    self.tell(bundle);
                    before.0 = Some(pair);
                }
                Ok((_, bundle)) => self.tell(bundle),
                Err(words) if before.1 != words => {
                    (self.say)(&words);
                    before.1 = words;
                }
                Err(_) => {}
            }
            tokio::time::sleep(ROUND).await;
        }
    }

    async fn follow_secrets(&self, authority: &str, server: &str, served: &watch::Sender<bool>) {
        let mut changes = stream::select_all([
            self.changes(authority, Change::Authority).boxed(),
            self.changes(server, Change::Server).boxed(),
        ]);
        let (mut seen, mut used, mut said) = (Seen::default(), None, String::new());
        let mut leads = self.leads.clone();
        loop {
            tokio::select! {
                change = changes.next() => match change {
                    Some(Change::Authority(secret)) => seen.authority = Some(secret),
                    Some(Change::Server(secret)) => seen.server = Some(secret),
                    Some(Change::Trouble(words)) => (self.say)(&words),
                    None => return,
                },
                _ = leads.changed() => {}
                () = tokio::time::sleep(ROUND) => {}
            }
            let (Some(made_authority), Some(made_server)) = (&seen.authority, &seen.server) else { continue };
            if let Some(pair) = made_server.as_ref().and_then(pair_of)
                && used.as_ref() != Some(&pair)
            {
                self.take(&pair, served);
                used = Some(pair);
            }
            let trusted = made_authority.as_ref().or(made_server.as_ref());
            let trusted = trusted.map(|secret| bundle_of(secret, Timestamp::now()));
            self.tell(trusted.unwrap_or_default());
            if self.leads.borrow().valid.is_empty() {
                continue;
            }
            match self.step(authority, server, made_authority.as_ref(), made_server.as_ref()).await {
                Ok(()) => said.clear(),
                Err(words) if said != words => {
                    (self.say)(&words);
                    said = words;
                }
                Err(_) => {}
            }
        }
    }

    fn changes(
        &self,
        name: &str,
        change: fn(Option<Secret>) -> Change,
    ) -> impl Stream<Item = Change> + Send + use<> {
        let api: Api<Secret> = Api::namespaced(self.cluster.client.clone(), &self.namespace);
        let what = format!("watching the Secret {}/{name}", self.namespace);
        one(api, name).map(move |found| match found {
            Ok(found) => change(found),
            Err(error) => Change::Trouble(format!("{what}: {}", words(&error))),
        })
    }

    fn tell(&self, bundle: Vec<String>) {
        self.authorities.send_if_modified(|known| {
            let changed = *known != bundle;
            *known = bundle;
            changed
        });
    }

    fn take(&self, pair: &ServerPair, served: &watch::Sender<bool>) {
        match (self.serve)(pair) {
            Ok(()) => {
                served.send_if_modified(|served| !std::mem::replace(served, true));
                let until = certificate::end(&pair.chain).map(|end| end.to_string()).unwrap_or_default();
                (self.say)(&format!("serving with a certificate that is good until {until}"));
            }
            Err(words) => {
                let stays = if *served.borrow() { "; the one before it stays" } else { "" };
                (self.say)(&format!("the certificate cannot be served with: {words}{stays}"));
            }
        }
    }

    /// Writes what is missing or due, one thing at a time: the change comes back by the watch.
    async fn step(
        &self,
        authority: &str,
        server: &str,
        made_authority: Option<&Secret>,
        made_server: Option<&Secret>,
    ) -> Result<(), String> {
        let now = Timestamp::now();
        let next = {
            let registered = self.registered.borrow();
            let registered = registered.as_ref().map(|(all, since)| (all.as_slice(), since.elapsed()));
            let (authority, server, names) = (made_authority, made_server, self.reached.names());
            View { authority, server, names: &names, registered, now }.next()
        };
        match next {
            Step::Nothing => Ok(()),
            Step::Authority { revokes } => {
                self.write_authority(authority, made_authority, revokes, now).await
            }
            Step::Server(issuer) => self.write_server(server, made_server, &issuer, now).await,
            Step::Alone(issuer) => {
                let held = [("tls.crt", &issuer.chain), ("tls.key", &issuer.key), ("ca.crt", &issuer.chain)];
                self.write(authority, made_authority, &held, BTreeMap::new()).await?;
                (self.say)("the authority before this one is trusted no more");
                Ok(())
            }
        }
    }

    async fn write_authority(
        &self,
        name: &str,
        before: Option<&Secret>,
        revokes: bool,
        now: Timestamp,
    ) -> Result<(), String> {
        let new = certificate::authority(now)?;
        // What was trusted goes on being trusted for now: certificates of it are still being served.
        let old = before.filter(|_| !revokes);
        let old = old.map(|secret| format!("{}{}", data(secret, "tls.crt"), data(secret, "ca.crt")));
        let bundle = certificate::current(&format!("{}{}", new.chain, old.unwrap_or_default()), now).concat();
        let held = [("tls.crt", &new.chain), ("tls.key", &new.key), ("ca.crt", &bundle)];
        self.write(name, before, &held, BTreeMap::new()).await?;
        (self.say)(match revokes {
            true => "a new authority was made, and the one before it is revoked",
            false => "a new authority was made; it is trusted before anything of it is served",
        });
        Ok(())
    }

    async fn write_server(
        &self,
        name: &str,
        before: Option<&Secret>,
        issuer: &ServerPair,
        now: Timestamp,
    ) -> Result<(), String> {
        let new = certificate::server(issuer, &self.reached.names(), now)?;
        let annotations = [(ISSUER, fingerprint(issuer)), (ISSUED, now.to_string())];
        let annotations = annotations.into_iter().map(|(name, text)| (name.to_owned(), text)).collect();
        self.write(name, before, &[("tls.crt", &new.chain), ("tls.key", &new.key)], annotations).await
    }

    /// Writes a Secret over the version that was read; a new one where there was none.
    async fn write(
        &self,
        name: &str,
        before: Option<&Secret>,
        held: &[(&str, &String)],
        annotations: BTreeMap<String, String>,
    ) -> Result<(), String> {
        let api: Api<Secret> = Api::namespaced(self.cluster.client.clone(), &self.namespace);
        let bytes = |(key, text): &(&str, &String)| ((*key).to_owned(), ByteString(text.as_bytes().to_vec()));
        let secret = Secret {
            metadata: ObjectMeta {
                name: Some(name.to_owned()),
                labels: Some([(OURS.0.to_owned(), OURS.1.to_owned())].into()),
                annotations: Some(annotations),
                resource_version: before.and_then(|secret| secret.metadata.resource_version.clone()),
                ..ObjectMeta::default()
            },
            type_: Some("kubernetes.io/tls".to_owned()),
            data: Some(held.iter().map(bytes).collect()),
            ..Secret::default()
        };
        let doing = format!("writing the Secret {}/{name}", self.namespace);
        let how = PostParams::default();
        let written = match before {
            Some(_) => answered(&doing, api.replace(name, &how, &secret)).await,
            None => answered(&doing, api.create(&how, &secret)).await,
        };
        match written {
            // Somebody else was quicker; what it made is as good.
            Ok(_) | Err(ClusterFault::Conflict) => Ok(()),
            Err(fault) => Err(fault.to_string()),
        }
    }
}

fn text(path: &Path) -> Result<String, String> {
    use std::io::Read as _;
    let failed = |error: std::io::Error| format!("{}: {error}", path.display());
    let mut text = String::new();
    let file = std::fs::File::open(path).map_err(failed)?;
    file.take(FILE_LIMIT).read_to_string(&mut text).map_err(failed)?;
    Ok(text)
}

fn is_ours(secret: &Secret) -> bool {
    let label = secret.metadata.labels.as_ref().and_then(|all| all.get(OURS.0));
    label.is_some_and(|value| value == OURS.1)
}

fn data(secret: &Secret, key: &str) -> String {
    let bytes = secret.data.as_ref().and_then(|all| all.get(key));
    bytes.map(|ByteString(bytes)| String::from_utf8_lossy(bytes).into_owned()).unwrap_or_default()
}

fn pair_of(secret: &Secret) -> Option<ServerPair> {
    let pair = ServerPair { chain: data(secret, "tls.crt"), key: data(secret, "tls.key") };
    (!pair.chain.is_empty() && !pair.key.is_empty()).then_some(pair)
}

/// The authorities of a Secret: what it says is trusted, else its own certificate.
fn bundle_of(secret: &Secret, now: Timestamp) -> Vec<String> {
    let stated = ["ca.crt", "rootCA.crt", "tls.crt"].into_iter().map(|key| data(secret, key));
    stated.map(|text| certificate::current(&text, now)).find(|all| !all.is_empty()).unwrap_or_default()
}

fn fingerprint(authority: &ServerPair) -> String {
    Digest::sha256_of(authority.chain.as_bytes()).hex().to_owned()
}
