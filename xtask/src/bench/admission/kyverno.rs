//! A Kyverno for the gate to be measured beside: on an API server of its own, with the same policies, doing nothing but
//! judging images.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use super::Gate;
use crate::cluster::Cluster;
use crate::http::Target;
use crate::servers::{Server, free};

/// How long it may take to make its certificates and to load its policies, each: some ten seconds on an idle machine.
const READY: Duration = Duration::from_secs(180);
/// How often it is asked meanwhile.
const AGAIN: Duration = Duration::from_millis(200);
/// Where its objects are.
const NAMESPACE: &str = "kyverno";
/// The secrets that it puts its authority and its certificate into.
const AUTHORITY: &str = "kyverno-ca";
const CERTIFICATE: &str = "kyverno-pair";
/// Which flags it gets beside addresses and names: nothing that takes time and is no part of judging an image, and room
/// for what it remembers. Its makers' 1,000 are meant to be verdicts, but its cache counts 56 more for each, its own
/// bookkeeping, so that 17 fit: of the images that are asked about in turn it would know none again. With these, 1,750 fit.
const FLAGS: [&str; 9] = [
    "--allowInsecureRegistry=true",
    "--imageVerifyCacheEnabled=true",
    "--imageVerifyCacheMaxSize=100000",
    "--admissionReports=false",
    "--omitEvents=PolicyApplied,PolicyViolation,PolicyError,PolicySkipped",
    "--disableMetrics=true",
    "--controllerRuntimeMetricsAddress=0",
    "--maxAuditWorkers=1",
    "--v=0",
];

/// What its user has: the program and the folder of its CRDs.
pub(super) struct Given {
    pub(super) program: PathBuf,
    pub(super) crds: PathBuf,
}

/// A running one; it ends before its API server does.
pub(super) struct Kyverno {
    pub(super) gate: Gate,
    _cluster: Cluster,
}

impl Kyverno {
    /// Starts an API server with these policies and namespaces, and a Kyverno that serves its certificate.
    pub(super) fn start(
        given: &Given,
        folder: &Path,
        policies: &[String],
        namespaces: &[&str],
    ) -> Result<Self> {
        let cluster = Cluster::start()?;
        let crds = given.crds.to_str().context("a path of text")?;
        cluster.kubectl(&["apply", "--server-side", "--recursive", "-f", crds])?;
        cluster.kubectl(&["wait", "--for=condition=Established", "crd", "--all", "--timeout=60s"])?;
        for namespace in namespaces.iter().copied().chain([NAMESPACE]) {
            cluster.kubectl(&["create", "namespace", namespace])?;
        }
        for (name, data) in
            [("kyverno", json!({"defaultRegistry": "docker.io"})), ("kyverno-metrics", json!({}))]
        {
            let map = json!({"apiVersion": "v1", "kind": "ConfigMap",
                "metadata": {"name": name, "namespace": NAMESPACE}, "data": data});
            cluster.apply(&map.to_string())?;
        }
        for policy in policies {
            cluster.apply(policy)?;
        }
        let address = free()?;
        let mut command = Command::new(&given.program);
        command.env_clear().env("HOME", folder).arg("--kubeconfig").arg(&cluster.kubeconfig);
        let names = [
            ("KYVERNO_NAMESPACE", NAMESPACE),
            ("KYVERNO_SERVICEACCOUNT_NAME", "kyverno"),
            ("KYVERNO_DEPLOYMENT", "kyverno"),
            ("KYVERNO_POD_NAME", "kyverno-bench"),
            ("KYVERNO_SVC", "kyverno-svc"),
            ("INIT_CONFIG", "kyverno"),
            ("METRICS_CONFIG", "kyverno-metrics"),
        ];
        command.envs(names);
        command.arg(format!("--serverIP={address}"));
        command.arg(format!("--webhookServerHost={}", address.ip()));
        command.arg(format!("--webhookServerPort={}", address.port()));
        command.arg(format!("--caSecretName={AUTHORITY}")).arg(format!("--tlsSecretName={CERTIFICATE}"));
        command.args(FLAGS);
        let server = Server::start(command, "kyverno", folder, address)?;
        let trusted = folder.join("kyverno-ca.crt");
        let began = Instant::now();
        let target = loop {
            let Err(error) = authority(&cluster, &trusted) else {
                break Target::new(address, &trusted)?;
            };
            if began.elapsed() > READY {
                return Err(error.context(format!("Kyverno makes no certificate: {}", server.last_words())));
            }
            thread::sleep(AGAIN);
        };
        Ok(Self { gate: Gate { server, target }, _cluster: cluster })
    }

    /// Waits until it judges by each policy: a Pod that no policy is about is admitted as well, but not changed.
    pub(super) fn judges(&self, questions: &[&[u8]]) -> Result<()> {
        let began = Instant::now();
        for question in questions {
            loop {
                let said = self.gate.answer(question).unwrap_or_else(|error| format!("{error:#}"));
                if said.contains(r#""allowed":true"#) && said.contains(r#""patch":"#) {
                    break;
                }
                if began.elapsed() > READY {
                    bail!("Kyverno judges no Pod: {said}\n{}", self.gate.server.last_words());
                }
                thread::sleep(AGAIN);
            }
        }
        Ok(())
    }

    /// In words: how it was started.
    pub(super) fn flags() -> String {
        FLAGS.join(" ")
    }
}

/// Writes down whom its certificate is by, once it has made both.
fn authority(cluster: &Cluster, file: &Path) -> Result<()> {
    let certificate = |secret| -> Result<Vec<u8>> {
        let field = r"jsonpath={.data.tls\.crt}";
        let said = cluster.kubectl(&["get", "secret", secret, "-n", NAMESPACE, "-o", field])?;
        let text = STANDARD.decode(said.trim())?;
        if text.is_empty() {
            bail!("the secret {secret} is empty");
        }
        Ok(text)
    };
    certificate(CERTIFICATE)?;
    fs::write(file, certificate(AUTHORITY)?).with_context(|| file.display().to_string())
}
