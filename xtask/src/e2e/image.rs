//! Provost's own image, made by Provost: compiled and laid out by its Task, pushed into its registry, attested by its runner,
//! verified by the policies that are shipped with it, and started from nothing but itself.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::Setting;
use crate::place::Place;
use crate::servers::Server;
use crate::shell;

/// What is compiled for: a static program.
const TARGET: &str = "x86_64-unknown-linux-musl";
/// Where the sources come from, as the provenance tells it; nobody fetches from there.
const SOURCE_URL: &str = "https://git.example.com/provost";
/// Another builder than the one that the shipped policies trust.
const OTHER_BUILDER: &str = "https://provost.dev/builders/somebody/v1";

/// Makes the image, and holds it to the shipped policies. With `--short` the program under test is packed with the libraries
/// it is linked against, in place of compiling a static one, which takes a quarter of an hour.
pub(super) fn run(setting: &Setting) -> Result<()> {
    shell::install(&[("skopeo", "skopeo")])?;
    let place = Place::new(&setting.binary)?;
    let shipped = shell::root().join("deploy/image");
    let registry = Server::provost_registry(&setting.binary, place.folder())?;
    place.must(&["generate-key-pair"])?;
    let tag = format!("{}/provost:e2e", registry.address);

    let program = setting.binary.to_string_lossy().into_owned();
    let packed = if setting.short { program.as_str() } else { "" };
    if !setting.short {
        shell::install(&[("musl-gcc", "musl-tools")])?;
        shell::run("rustup", &["target", "add", TARGET])?;
    }
    let run = |config: &Path, tag: &str, binary: &str| {
        let files = [shipped.join("build.yaml"), config.to_owned()];
        let [build, config] = files.each_ref().map(|file| file.to_string_lossy().into_owned());
        let home = std::env::var("HOME").unwrap_or_else(|_| "/root".to_owned());
        let params = [
            format!("image={tag}"),
            format!("source={}", shell::root().display()),
            format!("source-url={SOURCE_URL}"),
            format!("binary={binary}"),
            format!("home={home}"),
        ];
        let mut arguments = vec!["run", "-f", &build, "--sign", "--key", "cosign.key"];
        arguments.extend(["--chains-config", &config, "--output", "run.yaml"]);
        arguments.extend(params.iter().flat_map(|param| ["-p", param]));
        place.must(&arguments)
    };
    run(&shipped.join("chains-config.yaml"), &tag, packed)?;

    // The policies that are shipped: on the command line …
    let policy = shipped.join("policy.cue").to_string_lossy().into_owned();
    let verify = ["verify-attestation", "--key", "cosign.pub", "--insecure-ignore-tlog", "--type"];
    let verify = [&verify[..], &["slsaprovenance1", "--policy", &policy]].concat();
    let printed = place.must(&[&verify[..], &[tag.as_str()]].concat())?;
    if printed.lines().count() != 1 {
        bail!("expected the provenance of one run, found {} lines", printed.lines().count());
    }
    let head = shell::output("git", &["rev-parse", "HEAD"])?;
    let provenance = payload(&place, &printed)?;
    for part in [head.trim(), "git+https://git.example.com/provost", "provost.dev/builders/image/v1"] {
        if !provenance.contains(part) {
            bail!("the provenance does not say {part:?}: {provenance}");
        }
    }
    // … and where a Pod is admitted.
    let key = place.read("cosign.pub")?;
    let held = serde_json::json!({"apiVersion": "v1", "kind": "Secret", "stringData": {"cosign.pub": key},
        "metadata": {"name": "provost-image-key", "namespace": "provost-system"}});
    place.write("objects.yaml", &held.to_string())?;
    let gate = shipped.join("verify.yaml").to_string_lossy().into_owned();
    let admitted = |tag: &str| -> Result<i32> {
        let pod = serde_json::json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "provost", "namespace": "provost-system"},
            "spec": {"containers": [{"name": "provost", "image": tag}]}});
        place.write("pod.yaml", &pod.to_string())?;
        Ok(place.run(&["apply", &gate, "--resource", "pod.yaml", "--objects", "objects.yaml"])?.exit)
    };
    if admitted(&tag)? != 0 {
        bail!("the shipped ClusterPolicy does not let its own image in");
    }

    // The same image by another builder, and one without provenance.
    let config = fs::read_to_string(shipped.join("chains-config.yaml"))?;
    let config = config.replace("https://provost.dev/builders/image/v1", OTHER_BUILDER);
    place.write("other.yaml", &config)?;
    let other = format!("{}/others/provost:e2e", registry.address);
    run(&place.folder().join("other.yaml"), &other, &program)?;
    place.refuses(&[&verify[..], &[other.as_str()]].concat(), "predicate.runDetails.builder.id")?;
    let unbuilt = place.image(&format!("{}/unbuilt/provost:e2e", registry.address), "nobody built this\n")?;
    for (what, image) in [("another builder's", other.as_str()), ("nobody's", &unbuilt)] {
        if admitted(image)? == 0 {
            bail!("the shipped ClusterPolicy lets {what} image in");
        }
    }
    let bytes = starts(&place, &tag)?;
    let how = if setting.short { "packed with its libraries" } else { "compiled, static" };
    shell::say(&format!(
        "Provost's image ({how}, {:.1} MB of files) is made, attested and verified by Provost, and starts from nothing else",
        bytes as f64 / 1e6
    ));
    Ok(())
}

/// What a line of `verify-attestation` vouches for.
fn payload(place: &Place, line: &str) -> Result<String> {
    place.write("envelope.json", line)?;
    let script = "base64 -d <<<\"$(grep -o '\"payload\":\"[^\"]*' envelope.json | cut -d'\"' -f4)\"";
    place.must_by(Path::new("/bin/bash"), &["-euo", "pipefail", "-c", script])
}

/// Unpacks the image and starts it with its own files as the root of all; how many bytes they have.
fn starts(place: &Place, tag: &str) -> Result<u64> {
    let kept = place.folder().join("kept");
    let target = format!("dir:{}", kept.display());
    shell::quiet("skopeo", &["copy", "--src-tls-verify=false", &format!("docker://{tag}"), &target])?;
    let manifest = fs::read(kept.join("manifest.json"))?;
    let manifest: serde_json::Value = serde_json::from_slice(&manifest)?;
    let root = place.folder().join("root");
    fs::create_dir(&root)?;
    for layer in manifest.get("layers").and_then(serde_json::Value::as_array).context("layers")? {
        let digest = layer.get("digest").and_then(serde_json::Value::as_str).context("a layer's digest")?;
        let file = kept.join(digest.trim_start_matches("sha256:"));
        let unpacked = ["-xf", &file.to_string_lossy(), "-C", &root.to_string_lossy()].map(str::to_owned);
        shell::quiet("tar", &unpacked.each_ref().map(String::as_str))?;
    }
    // A folder as root is the kernel's to grant; in a namespace of one's own everybody is granted it.
    let mut command = Command::new("unshare");
    command.args(["--map-root-user", "chroot"]).arg(&root).args(["/provost", "version"]).env_clear();
    command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
    let told = command.output().context("unshare does not start")?;
    if !told.status.success() {
        bail!("the image does not start: {}", String::from_utf8_lossy(&told.stderr).trim());
    }
    let all = shell::output("du", &["-sb", &root.to_string_lossy()])?;
    all.split_whitespace().next().and_then(|bytes| bytes.parse().ok()).context("the size of the files")
}
