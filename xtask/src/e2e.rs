//! The ten steps against real servers and tools: Debian's docker-registry, buildah and skopeo.

use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use crate::shell;

/// How long a server may take to listen: docker-registry takes a tenth of a second.
const START: Duration = Duration::from_secs(20);

/// What the demo says of itself with `--json`, as far as this looks at it.
#[derive(Deserialize)]
struct Demo {
    image: String,
    attestation: String,
    builder: String,
}

/// Installs what is missing, runs the demo with a real registry and builder, and pulls its products with skopeo.
///
/// # Errors
/// What could not be installed, started, or did not hold.
pub fn run() -> Result<()> {
    shell::install(&[("docker-registry", "docker-registry"), ("buildah", "buildah"), ("skopeo", "skopeo")])?;
    shell::run("cargo", &["build", "--release", "--quiet", "--package", "provost"])?;
    let folder = tempfile::tempdir()?;
    let registry = Registry::start(folder.path())?;
    let address = registry.address.to_string();
    let kept = folder.path().join("demo").to_string_lossy().into_owned();
    shell::say(&format!("\n== the ten steps against docker-registry at {address}, buildah building"));
    let output = Command::new(shell::root().join("target/release/provost"))
        .args(["demo", "--json", "--registry", &address, "--builder", "buildah", "--dir", &kept])
        .stderr(Stdio::inherit())
        .output()?;
    if !output.status.success() {
        bail!("the demo ended with {}", output.status);
    }
    let demo: Demo = serde_json::from_slice(&output.stdout).context("the demo's --json")?;
    if demo.builder != "buildah" {
        bail!("the image was built by {}, expected buildah", demo.builder);
    }
    for (what, reference) in [("image", &demo.image), ("attestation", &demo.attestation)] {
        let target = format!("dir:{}", folder.path().join(what).display());
        let source = format!("docker://{}", without_tag(reference));
        shell::run("skopeo", &["copy", "--src-tls-verify=false", &source, &target])?;
    }
    shell::say(
        "e2e: the ten steps hold against docker-registry; buildah built, skopeo pulled image and attestation",
    );
    Ok(())
}

/// skopeo takes a tag or a digest, not both: where there is a digest, it decides.
fn without_tag(reference: &str) -> String {
    let Some((name, digest)) = reference.split_once('@') else { return reference.to_owned() };
    let name = name.rsplit_once(':').filter(|(_, tag)| !tag.contains('/')).map_or(name, |(name, _)| name);
    format!("{name}@{digest}")
}

/// A real docker-registry on a free port, ended when dropped.
struct Registry {
    process: Child,
    address: SocketAddr,
}

impl Registry {
    fn start(folder: &Path) -> Result<Self> {
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let storage = folder.join("registry");
        fs::create_dir(&storage)?;
        let configuration = folder.join("registry.yml");
        fs::write(
            &configuration,
            format!(
                "version: 0.1\nlog: {{level: error}}\nstorage: {{filesystem: {{rootdirectory: {}}}}}\nhttp: {{addr: \"{address}\"}}\n",
                storage.display()
            ),
        )?;
        let process = Command::new("docker-registry")
            .arg("serve")
            .arg(&configuration)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("docker-registry does not start")?;
        let registry = Self { process, address };
        let began = Instant::now();
        while TcpStream::connect(address).is_err() {
            if began.elapsed() > START {
                bail!("docker-registry does not listen on {address}");
            }
            thread::sleep(Duration::from_millis(20));
        }
        Ok(registry)
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::without_tag;

    #[test]
    fn the_digest_decides() {
        assert_eq!(without_tag("127.0.0.1:5000/a/b:latest@sha256:1"), "127.0.0.1:5000/a/b@sha256:1");
        assert_eq!(without_tag("127.0.0.1:5000/a/b@sha256:1"), "127.0.0.1:5000/a/b@sha256:1");
        assert_eq!(without_tag("127.0.0.1:5000/a/b:x.att"), "127.0.0.1:5000/a/b:x.att");
    }
}
