//! Running other programs, loudly, and installing those that are missing.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail};

/// The folder that holds the workspace.
pub(crate) fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().map_or_else(|| here.to_path_buf(), Path::to_path_buf)
}

/// Says what happens next.
#[expect(clippy::print_stdout, reason = "the task's own output")]
pub(crate) fn say(text: &str) {
    println!("{text}");
}

/// Runs a program in the workspace's folder with its output going through; an exit code other than 0 is an error.
pub(crate) fn run(program: &str, arguments: &[&str]) -> Result<()> {
    let shown = format!("{program} {}", arguments.join(" "));
    say(&format!("\n== {shown}"));
    let began = Instant::now();
    let status = Command::new(program)
        .args(arguments)
        .current_dir(root())
        .status()
        .with_context(|| format!("{program} does not start"))?;
    if !status.success() {
        bail!("`{shown}` ended with {status}");
    }
    say(&format!("== took {:.1} s", began.elapsed().as_secs_f64()));
    Ok(())
}

/// As [`run`], and returns the lines of standard output that begin so.
pub(crate) fn run_collecting(program: &str, arguments: &[&str], beginning: &str) -> Result<Vec<String>> {
    let shown = format!("{program} {}", arguments.join(" "));
    say(&format!("\n== {shown}"));
    let began = Instant::now();
    let mut child = Command::new(program)
        .args(arguments)
        .current_dir(root())
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("{program} does not start"))?;
    let mut found = Vec::new();
    for line in BufReader::new(child.stdout.take().context("standard output")?).split(b'\n') {
        let line = String::from_utf8_lossy(&line?).into_owned();
        say(&line);
        if line.starts_with(beginning) {
            found.push(line);
        }
    }
    let status = child.wait()?;
    if !status.success() {
        bail!("`{shown}` ended with {status}");
    }
    say(&format!("== took {:.1} s", began.elapsed().as_secs_f64()));
    Ok(found)
}

/// Runs a program and returns what it printed to standard output; its exit code does not matter.
pub(crate) fn output(program: &str, arguments: &[&str]) -> Result<String> {
    let output = Command::new(program)
        .args(arguments)
        .current_dir(root())
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("{program} does not start"))?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Runs a program in the workspace's folder without a word, unless it fails.
pub(crate) fn quiet(program: &str, arguments: &[&str]) -> Result<()> {
    let output = Command::new(program)
        .args(arguments)
        .current_dir(root())
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("{program} does not start"))?;
    if !output.status.success() {
        bail!("`{program} {}`: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(())
}

/// Whether a program is on the path.
pub(crate) fn has(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

/// Installs Debian packages for those programs that are missing.
pub(crate) fn install(programs: &[(&str, &str)]) -> Result<()> {
    let missing: Vec<&str> =
        programs.iter().filter(|(program, _)| !has(program)).map(|(_, package)| *package).collect();
    if missing.is_empty() {
        return Ok(());
    }
    // A fresh machine has no package lists; one that has them may have old ones.
    run("apt-get", &["update", "-qq"])?;
    let mut arguments = vec!["install", "-y", "-qq", "--no-install-recommends"];
    arguments.extend(&missing);
    run("apt-get", &arguments)
}
