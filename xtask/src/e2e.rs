//! Checks against real servers and tools; what is missing is installed, built or fetched by package name first.

mod admission;
mod agreement;
mod chains;
mod chart;
mod console;
mod demo;
mod guides;
mod image;
mod kms;
mod kube;
mod registry;
mod sigstore;

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Result, bail};

use crate::shell;

/// One part: its name on the command line, and what runs it.
type Part = (&'static str, fn(&Setting) -> Result<()>);

const PARTS: [Part; 11] = [
    ("demo", demo::run),
    ("registry", registry::run),
    ("kube", kube::run),
    ("kms", kms::run),
    ("chains", chains::run),
    ("admission", admission::run),
    ("sigstore", sigstore::run),
    ("chart", chart::run),
    ("console", console::run),
    ("image", image::run),
    ("guides", guides::run),
];

/// What the parts are run with.
pub(crate) struct Setting {
    /// The binary under test.
    binary: PathBuf,
    /// A tenth of the counts.
    short: bool,
    /// A cosign that reads what we wrote, and writes what we read.
    cosign: Option<PathBuf>,
}

impl Setting {
    /// How often something is done: all of it, or a tenth, and never less than once.
    fn count(&self, all: usize) -> usize {
        if self.short { (all / 10).max(1) } else { all }
    }
}

/// Runs the parts named, or all of them: `[--short] [--bin PROGRAM] [--cosign PROGRAM] [PART…]`.
///
/// # Errors
/// What could not be installed or started, and what did not hold.
pub fn run(arguments: &[&str]) -> Result<()> {
    let mut setting = Setting { binary: PathBuf::new(), short: false, cosign: None };
    let mut names = Vec::new();
    let mut arguments = arguments.iter();
    while let Some(&argument) = arguments.next() {
        match argument {
            "--short" => setting.short = true,
            "--bin" | "--cosign" => {
                let Some(path) = arguments.next() else { bail!("{argument} names no program") };
                let path = std::path::absolute(Path::new(path))?;
                if argument == "--bin" { setting.binary = path } else { setting.cosign = Some(path) }
            }
            name if PARTS.iter().any(|(known, _)| *known == name) => names.push(name),
            other => {
                let known: Vec<&str> = PARTS.iter().map(|(name, _)| *name).collect();
                bail!("{other}: expected --short, --bin, --cosign, or one of {}", known.join(", "));
            }
        }
    }
    if setting.binary.as_os_str().is_empty() {
        shell::run("cargo", &["build", "--release", "--quiet", "--package", "provost"])?;
        setting.binary = shell::root().join("target/release/provost");
    }
    let mut failed = Vec::new();
    for (name, part) in PARTS {
        if !names.is_empty() && !names.contains(&name) {
            continue;
        }
        let began = Instant::now();
        shell::say(&format!("\n== e2e {name}"));
        match part(&setting) {
            Ok(()) => {
                shell::say(&format!("== e2e {name} holds, took {:.1} s", began.elapsed().as_secs_f64()));
            }
            Err(error) => {
                shell::say(&format!("== e2e {name} FAILED: {error:#}"));
                failed.push(name);
            }
        }
    }
    if !failed.is_empty() {
        bail!("e2e failed: {}", failed.join(", "));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::{Setting, run};

    #[test]
    fn a_tenth_is_never_nothing() {
        let setting = |short| Setting { binary: PathBuf::new(), short, cosign: None };
        assert_eq!((setting(true).count(50), setting(true).count(3), setting(false).count(3)), (5, 1, 3));
    }

    #[test]
    fn unknown_parts_are_named() {
        let error = run(&["--short", "nosuch"]).map_err(|error| error.to_string());
        assert_eq!(
            error,
            Err("nosuch: expected --short, --bin, --cosign, or one of demo, registry, kube, kms, chains, admission, sigstore, chart, console, image, guides"
                .to_owned())
        );
    }
}
