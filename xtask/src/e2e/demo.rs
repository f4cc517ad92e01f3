//! The ten steps against real servers and tools: Debian's docker-registry, buildah and skopeo.

use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use super::Setting;
use crate::servers::Server;
use crate::shell;

/// What the demo says of itself with `--json`, as far as this looks at it.
#[derive(Deserialize)]
struct Demo {
    image: String,
    attestation: String,
    builder: String,
}

/// Runs the demo with a real registry and builder, and pulls its products with skopeo.
pub(super) fn run(setting: &Setting) -> Result<()> {
    shell::install(&[("docker-registry", "docker-registry"), ("buildah", "buildah"), ("skopeo", "skopeo")])?;
    let folder = tempfile::tempdir()?;
    let registry = Server::docker_registry(folder.path())?;
    let address = registry.address.to_string();
    let kept = folder.path().join("demo").to_string_lossy().into_owned();
    shell::say(&format!("\n== the ten steps against docker-registry at {address}, buildah building"));
    let output = Command::new(&setting.binary)
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
