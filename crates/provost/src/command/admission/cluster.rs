//! Working in a cluster, or beside one with a kubeconfig, as Kyverno does.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use async_trait::async_trait;
use provost_gate::Parts;
use provost_gate::server::{ExceptionScope, Readiness};
use provost_kube::Cluster;
use provost_kube::admission::{
    self, CertificateSource, ExceptionRule, Options, Outlook, Reached, Serve, ServerPair, uninstall,
};
use provost_kube::probes::Health;
use provost_kube::warm;
use provost_kyverno::DockerSecret;
use provost_oci::Repository;
use provost_registry::keychain::{CredentialSource, Found};
use provost_registry::{AddressRule, Keychain, StoreError};
use provost_serve::Certificates;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::audit::Audit;
use super::console::{Visitors, hearer};
use super::serving::{Behind, Serving};
use super::{Args, Common, namespace};
use crate::face::Face;
use crate::failure::Failure;
use crate::machine::Machine;

/// Answers by what the cluster holds until it is told to stop.
pub(super) async fn run(args: Args, common: Common, face: &Face) -> Result<(), Failure> {
    let Common { mut options, anchors, record, say, .. } = common.clone();
    let in_cluster = args.kyverno.kubeconfig.is_none()
        && face.environment.text("KUBECONFIG").is_none_or(|text| text.is_empty())
        && face.environment.text("KUBERNETES_SERVICE_HOST").is_some();
    if !in_cluster && args.kyverno.server_ip.is_none() && !args.uninstall {
        return Err(Failure::new(
            "outside a cluster the API server must be told where we are: expected --serverIP HOST:PORT, or --policies DIR to work without one",
        ));
    }
    let cluster = Cluster::for_admission(args.kyverno.kubeconfig.as_deref()).await?;
    if args.uninstall {
        uninstall(&cluster).await.map_err(Failure::new)?;
        face.say("the webhook configurations are removed");
        return Ok(());
    }
    let namespace = namespace(face);
    // security.md 24: in a cluster, what a name leads to may be somebody else's.
    options.addresses =
        AddressRule { refuse_own_machine: in_cluster, allowed_hosts: args.allowed_hosts.clone() };
    let (outlook, sights, live) = Outlook::new(&cluster, options.clone());
    let pull_secrets = PullSecrets {
        cluster: Arc::clone(&live),
        namespace: namespace.clone(),
        names: args.kyverno.image_pull_secrets.clone(),
    };
    if !pull_secrets.names.is_empty() {
        options.keychain = Keychain::anonymous().with(pull_secrets).then(options.keychain);
    }
    let certificates = Certificates::none_yet();
    let serving = Serving::bind(&args, certificates.clone(), true).await?;
    let identity = identity(&args, in_cluster);
    let mut audit = Audit::start(&args.audit, &options, &say, face).await?;
    audit.in_cluster(&args.kyverno.reports, &cluster, &identity)?;
    let health = Arc::new(Health::default());
    let console = args.console.serve(
        record.clone(),
        sights.clone(),
        Visitors::Of(cluster.clone()),
        &certificates,
        &say,
        face,
    );
    let console = console.await?;
    let gate = common.gate(Parts {
        sights,
        cluster: live,
        stores: audit.registries(options),
        machine: Arc::new(Machine),
        anchors,
        hearers: audit.hearers.iter().cloned().chain(hearer(record.as_ref())).collect(),
    });
    let alive = Arc::clone(&health);
    let readiness = Readiness::new(Arc::clone(&gate), certificates.clone())
        .with_stuck(Arc::new(move || alive.stuck(Instant::now())));
    let metrics = Arc::clone(&audit.metrics);
    let shown: Serve = Arc::new(move |pair: &ServerPair| {
        Audit::certificate(&metrics, pair.chain.as_bytes());
        certificates.set(pair.chain.as_bytes(), pair.key.as_bytes()).map_err(|error| error.to_string())
    });
    let flags = &args.kyverno;
    let (stop_told, stop) = watch::channel(false);
    audit.follow(gate.sights().clone());
    audit.metrics.remembers(gate.memory().counts());
    let own = (namespace.as_str(), identity.as_str());
    audit.scan(&args.kyverno.reports, &cluster, &gate, own, stop.clone())?;
    if args.warm_up {
        tokio::spawn(warm::run(cluster.clone(), Arc::clone(&gate), Arc::clone(&say), stop.clone()));
    }
    let work = admission::run(
        cluster,
        Options {
            outlook,
            namespace: namespace.clone(),
            config_map: flags.config_map_name.clone(),
            exceptions: ExceptionRule {
                enabled: flags.enable_policy_exception,
                namespace: flags.exception_namespace.clone(),
            },
            identity,
            reached: match &flags.server_ip {
                Some(address) => Reached::Address(with_port(address, flags.webhook_server_port)),
                None => Reached::Service { name: args.service.clone(), namespace, port: flags.service_port },
            },
            webhook_timeout: flags.webhook_timeout,
            force_ignore: flags.force_failure_policy_ignore,
            update_webhooks: flags.auto_update_webhooks,
            certificates: source(&args),
            serve: shown,
            kyverno_namespace: args.kyverno_namespace.clone(),
            say: Arc::clone(&say),
            health,
        },
        stop,
    );
    let exceptions = ExceptionScope::of(flags.enable_policy_exception, &flags.exception_namespace);
    let behind = Behind { gate, readiness, exceptions, metrics: Arc::clone(&audit.metrics), say };
    let ended = serving.run(behind, async { work.await.map_err(Failure::from) }, stop_told, face).await;
    audit.finish().await;
    console.inspect(JoinHandle::abort);
    ended
}

fn identity(args: &Args, in_cluster: bool) -> String {
    let named = args.identity.clone().filter(|name| !name.is_empty());
    named.unwrap_or_else(|| {
        let host = nix::unistd::gethostname().ok().and_then(|name| name.into_string().ok());
        let host = host.unwrap_or_else(|| "provost".to_owned());
        // A pod's host name is the pod's own; elsewhere two gates may run on one machine.
        if in_cluster { host } else { format!("{host}-{}", std::process::id()) }
    })
}

/// `HOST:PORT`; Kyverno takes a host alone for one at its own port.
fn with_port(address: &str, port: u16) -> String {
    let has_port = address.rsplit_once(':').is_some_and(|(host, port)| {
        port.parse::<u16>().is_ok() && (!host.contains(':') || host.ends_with(']'))
    });
    match (has_port, address.contains(':') && !address.starts_with('[')) {
        (true, _) => address.to_owned(),
        (false, true) => format!("[{address}]:{port}"),
        (false, false) => format!("{address}:{port}"),
    }
}

fn source(args: &Args) -> CertificateSource {
    let flags = &args.kyverno;
    let file = |folder: &Path, name: &str| folder.join(name);
    match &args.certificate_dir {
        Some(folder) => CertificateSource::Files {
            chain: file(folder, "tls.crt"),
            key: file(folder, "tls.key"),
            authorities: file(folder, "ca.crt"),
        },
        None => CertificateSource::Secrets {
            authority: flags.ca_secret_name.clone(),
            server: flags.tls_secret_name.clone(),
        },
    }
}

/// Kyverno's `--imagePullSecrets`: Secrets of our own namespace, as they are when a registry asks who we are.
struct PullSecrets {
    cluster: Arc<dyn provost_kyverno::Cluster>,
    namespace: String,
    names: Vec<String>,
}

#[async_trait]
impl CredentialSource for PullSecrets {
    async fn find(&self, repository: &Repository) -> Result<Option<Found>, StoreError> {
        let mut keychain = Keychain::anonymous();
        for name in &self.names {
            let place = format!("{}/{name}", self.namespace);
            // A Secret that is not there gives no login, as in Kyverno; the registry says what it thinks of that.
            let Ok(data) = self.cluster.secret(&self.namespace, name).await else { continue };
            if let Some(secret) = DockerSecret::of(&place, &data) {
                keychain = keychain.and_secret(&secret.name, &secret.json);
            }
        }
        keychain.find(repository).await
    }
}

#[cfg(test)]
mod tests {
    use super::with_port;

    #[test]
    fn an_address_without_a_port_gets_ours() {
        for (given, whole) in [
            ("10.0.0.1", "10.0.0.1:9443"),
            ("10.0.0.1:443", "10.0.0.1:443"),
            ("gate.example.com", "gate.example.com:9443"),
            ("fd00::1", "[fd00::1]:9443"),
            ("[fd00::1]", "[fd00::1]:9443"),
            ("[fd00::1]:443", "[fd00::1]:443"),
        ] {
            assert_eq!(with_port(given, 9443), whole);
        }
    }
}
