//! A real Kubernetes API server on etcd, without nodes: objects are stored, watched, patched and admitted, Pods stay pending.

use std::fs;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use tempfile::TempDir;

use crate::servers::{Server, free};
use crate::{fetched, shell};

/// How long the API server may take to be ready: five seconds on an idle machine, more beside a build.
const READY: Duration = Duration::from_secs(120);
/// How often it is asked meanwhile.
const AGAIN: Duration = Duration::from_millis(200);

/// A running cluster; its processes end when it is dropped, the server before its store.
pub struct Cluster {
    server: Option<Server>,
    etcd: Server,
    program: PathBuf,
    address: SocketAddr,
    /// A kubeconfig file of an administrator.
    pub kubeconfig: PathBuf,
    /// Where the API server answers.
    pub url: String,
    /// The file of the certificates that it is to be trusted by.
    pub ca: PathBuf,
    /// By which it knows the administrator.
    pub token: String,
    /// The folder with kubectl in it.
    pub programs: PathBuf,
    /// The helm that fits.
    pub helm: PathBuf,
    folder: TempDir,
}

impl Cluster {
    /// Installs and builds what is missing, starts etcd and the API server, and waits until it says that it is ready.
    ///
    /// # Errors
    /// What could not be installed, built or started.
    pub fn start() -> Result<Self> {
        shell::install(&[("etcd", "etcd-server"), ("openssl", "openssl")])?;
        let program = fetched::kube_apiserver()?;
        let (kubectl, helm) = fetched::kubectl_and_helm()?;
        let programs = kubectl.parent().context("the folder of kubectl")?.to_path_buf();
        let folder = tempfile::tempdir()?;
        let etcd = etcd(folder.path())?;
        let token = token()?;
        accounts(folder.path())?;
        fs::write(folder.path().join("tokens.csv"), format!("{token},admin,admin,system:masters\n"))?;
        let address = free()?;
        let server = Some(api_server(&program, folder.path(), &etcd, address)?);
        let url = format!("https://{address}");
        let ca = folder.path().join("certificates/apiserver.crt");
        let kubeconfig = folder.path().join("kubeconfig");
        write_kubeconfig(&kubeconfig, &url, &ca, &token)?;
        let cluster =
            Self { server, etcd, program, address, kubeconfig, url, ca, token, programs, helm, folder };
        cluster.wait()?;
        Ok(cluster)
    }

    fn wait(&self) -> Result<()> {
        let began = Instant::now();
        loop {
            let Err(error) = self.kubectl(&["get", "--raw=/readyz"]) else { break };
            if began.elapsed() > READY {
                let words = self.server.as_ref().map(Server::last_words).unwrap_or_default();
                return Err(error.context(format!("not ready: {words}")));
            }
            thread::sleep(AGAIN);
        }
        // Namespaces come from the server itself, a moment after it is ready.
        while self.kubectl(&["get", "namespace", "default"]).is_err() {
            if began.elapsed() > READY {
                bail!("the API server makes no namespace `default`");
            }
            thread::sleep(AGAIN);
        }
        Ok(())
    }

    /// Ends the API server, leaves it away for this long, and starts it again over the same store.
    ///
    /// # Errors
    /// When it does not come back.
    pub fn restart(&mut self, away: Duration) -> Result<()> {
        drop(self.server.take());
        thread::sleep(away);
        self.server = Some(api_server(&self.program, self.folder.path(), &self.etcd, self.address)?);
        self.wait()
    }

    /// kubectl as administrator; what it printed.
    ///
    /// # Errors
    /// When it ends with another code than 0, with what it said.
    pub fn kubectl(&self, arguments: &[&str]) -> Result<String> {
        self.kubectl_with(arguments, "")
    }

    /// Applies objects written as YAML or JSON.
    ///
    /// # Errors
    /// What kubectl says against them.
    pub fn apply(&self, objects: &str) -> Result<String> {
        self.kubectl_with(&["apply", "-f", "-"], objects)
    }

    fn kubectl_with(&self, arguments: &[&str], input: &str) -> Result<String> {
        let mut child = Command::new(self.programs.join("kubectl"))
            .env("KUBECONFIG", &self.kubeconfig)
            .env("HOME", self.folder.path())
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .context("kubectl does not start")?;
        child.stdin.take().context("standard input")?.write_all(input.as_bytes())?;
        let output = child.wait_with_output()?;
        if !output.status.success() {
            bail!("kubectl {}: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr).trim());
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// A kubeconfig file of a service account, which may do what RBAC grants it and no more.
    ///
    /// # Errors
    /// When there is no such account.
    pub fn kubeconfig_of(&self, namespace: &str, account: &str) -> Result<PathBuf> {
        let token = self.kubectl(&["create", "token", account, "--namespace", namespace])?;
        let path = self.folder.path().join(format!("kubeconfig-{namespace}-{account}"));
        write_kubeconfig(&path, &self.url, &self.ca, token.trim())?;
        Ok(path)
    }

    /// Where the API server listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The seconds of processor time that the API server and etcd have taken.
    pub(crate) fn processor(&self) -> Result<(f64, f64)> {
        let server = self.server.as_ref().context("the API server was stopped")?;
        Ok((server.processor()?, self.etcd.processor()?))
    }

    /// A folder that vanishes with the cluster.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }
}

fn etcd(folder: &Path) -> Result<Server> {
    let address = free()?;
    let client = format!("http://{address}");
    let peer = format!("http://{}", free()?);
    let mut command = Command::new("etcd");
    command.arg("--data-dir").arg(folder.join("etcd")).args([
        "--listen-client-urls",
        &client,
        "--advertise-client-urls",
        &client,
        "--listen-peer-urls",
        &peer,
        "--initial-advertise-peer-urls",
        &peer,
        "--initial-cluster",
        &format!("default={peer}"),
        // The store dies with the check: what a power cut would lose is of no use to anybody.
        "--unsafe-no-fsync",
    ]);
    Server::start(command, "etcd", folder, address)
}

/// The keys that tokens of service accounts are signed with.
fn accounts(folder: &Path) -> Result<()> {
    let (key, public) = (folder.join("accounts.key"), folder.join("accounts.pub"));
    let (key, public) = (key.to_string_lossy(), public.to_string_lossy());
    shell::quiet("openssl", &["genrsa", "-out", &key, "2048"])?;
    shell::quiet("openssl", &["rsa", "-in", &key, "-pubout", "-out", &public])
}

fn api_server(program: &Path, folder: &Path, etcd: &Server, address: SocketAddr) -> Result<Server> {
    let mut command = Command::new(program);
    command.arg("--cert-dir").arg(folder.join("certificates"));
    command.arg("--token-auth-file").arg(folder.join("tokens.csv"));
    command.arg("--service-account-key-file").arg(folder.join("accounts.pub"));
    command.arg("--service-account-signing-key-file").arg(folder.join("accounts.key"));
    command.args([
        &format!("--etcd-servers=http://{}", etcd.address),
        &format!("--secure-port={}", address.port()),
        "--bind-address=127.0.0.1",
        "--service-cluster-ip-range=10.0.0.0/24",
        "--service-account-issuer=https://kubernetes.default.svc",
        "--authorization-mode=RBAC",
        "--disable-admission-plugins=ServiceAccount",
        "--allow-privileged=true",
    ]);
    Server::start(command, "kube-apiserver", folder, address)
}

/// A token that nobody else on the machine can guess.
fn token() -> Result<String> {
    let random = shell::output("openssl", &["rand", "-hex", "24"])?;
    match random.trim() {
        "" => bail!("openssl rand says nothing"),
        random => Ok(random.to_owned()),
    }
}

fn write_kubeconfig(path: &Path, url: &str, ca: &Path, token: &str) -> Result<()> {
    let text = format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: e2e\n\
         clusters: [{{name: e2e, cluster: {{server: \"{url}\", certificate-authority: \"{}\"}}}}]\n\
         users: [{{name: e2e, user: {{token: \"{token}\"}}}}]\n\
         contexts: [{{name: e2e, context: {{cluster: e2e, user: e2e, namespace: default}}}}]\n",
        ca.display()
    );
    fs::write(path, text).with_context(|| path.display().to_string())
}
