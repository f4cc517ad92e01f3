//! Benchmarks of the real binary, beside cosign where one is on the path.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::shell;

/// How often each command is timed; the median of twenty moves by a few per cent between runs.
const RUNS: usize = 20;
const CUE: &str = "predicate: builder: id: \"https://example.com/builder\"\n";
const REGO: &str =
    "package signature\n\nallow { input.predicate.builder.id == \"https://example.com/builder\" }\n";

/// Times `verify-attestation` with each policy language against the embedded registry on loopback.
///
/// # Errors
/// When a command fails.
pub fn run() -> Result<()> {
    shell::run("cargo", &["build", "--release", "--quiet", "--package", "provost"])?;
    let provost = shell::root().join("target/release/provost");
    let folder = tempfile::tempdir()?;
    let scene = Scene { folder: folder.path(), provost };
    let mut registry = scene
        .command()
        .args(["registry", "--dir", "registry", "--listen", "127.0.0.1:0"])
        .stderr(Stdio::piped())
        .spawn()?;
    let result = scene.measure(&mut registry);
    registry.kill()?;
    registry.wait()?;
    result
}

struct Scene<'a> {
    folder: &'a Path,
    provost: PathBuf,
}

impl Scene<'_> {
    fn command(&self) -> Command {
        self.with(&self.provost)
    }

    fn with(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.current_dir(self.folder).env("HOME", self.folder).env("COSIGN_PASSWORD", "pw");
        command.env("COSIGN_TLOG_UPLOAD", "false").env("COSIGN_PRIVATE_INFRASTRUCTURE", "true");
        command.stdin(Stdio::null());
        command
    }

    fn output(&self, arguments: &[&str]) -> Result<String> {
        let output = self.command().args(arguments).output()?;
        if !output.status.success() {
            bail!("provost {}: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr));
        }
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }

    fn measure(&self, registry: &mut std::process::Child) -> Result<()> {
        let mut line = String::new();
        BufReader::new(registry.stderr.take().context("the registry's remarks")?).read_line(&mut line)?;
        let address = line.trim().rsplit("://").next().unwrap_or_default().to_owned();
        fs::create_dir(self.folder.join("app"))?;
        fs::write(self.folder.join("app/Dockerfile"), "FROM scratch\nCOPY hello /hello\n")?;
        fs::write(self.folder.join("app/hello"), "hello\n")?;
        fs::write(self.folder.join("p.json"), r#"{"builder": {"id": "https://example.com/builder"}}"#)?;
        fs::write(self.folder.join("b.cue"), CUE)?;
        fs::write(self.folder.join("b.rego"), REGO)?;
        self.output(&["generate-key-pair"])?;
        let image = self.output(&["image", "build", "--tag", &format!("{address}/bench/app:v1"), "app"])?;
        self.output(&[
            "attest",
            "--key",
            "cosign.key",
            "--type",
            "slsaprovenance",
            "--predicate",
            "p.json",
            &image,
        ])?;
        for policy in ["b.cue", "b.rego"] {
            let arguments = [
                "verify-attestation",
                "--key",
                "cosign.pub",
                "--type",
                "slsaprovenance",
                "--policy",
                policy,
                &image,
            ];
            shell::say(&format!(
                "verify-attestation --policy {policy}: provost {}",
                self.time(&self.provost, &arguments)?
            ));
            if shell::has("cosign") {
                shell::say(&format!(
                    "verify-attestation --policy {policy}: cosign  {}",
                    self.time(Path::new("cosign"), &arguments)?
                ));
            }
        }
        Ok(())
    }

    /// Minimum, median and maximum over the runs.
    fn time(&self, program: &Path, arguments: &[&str]) -> Result<String> {
        let mut times = Vec::new();
        for _ in 0..RUNS {
            let began = Instant::now();
            let output = self.with(program).args(arguments).output()?;
            times.push(began.elapsed());
            if !output.status.success() {
                bail!("{}: {}", program.display(), String::from_utf8_lossy(&output.stderr));
            }
        }
        times.sort();
        let shown = |at: usize| times.get(at).map_or(0.0, Duration::as_secs_f64) * 1000.0;
        Ok(format!("min {:.1} ms, median {:.1} ms, max {:.1} ms", shown(0), shown(RUNS / 2), shown(RUNS - 1)))
    }
}
