//! A folder of its own, and programs run in it as users run them.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use anyhow::{Context, Result, bail};
use tempfile::TempDir;

/// The folder, the binary, and what every command started here sees.
pub(crate) struct Place {
    folder: TempDir,
    binary: PathBuf,
    environment: Vec<(OsString, OsString)>,
}

/// What a command said.
pub(crate) struct Told {
    pub(crate) exit: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Told {
    fn of(output: &Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Self {
            exit: output.status.code().unwrap_or(-1),
            stdout: text(&output.stdout),
            stderr: text(&output.stderr),
        }
    }
}

impl Place {
    /// An empty folder; commands there have a password and write no log entries.
    pub(crate) fn new(binary: &Path) -> Result<Self> {
        let mut place =
            Self { folder: tempfile::tempdir()?, binary: binary.to_path_buf(), environment: Vec::new() };
        place.set("HOME", place.folder.path().as_os_str().to_owned());
        place.set("PATH", std::env::var_os("PATH").unwrap_or_default());
        place.set("COSIGN_PASSWORD", "pw");
        place.set("COSIGN_PRIVATE_INFRASTRUCTURE", "true");
        Ok(place)
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn binary(&self) -> &Path {
        &self.binary
    }

    /// What every later command sees as well.
    pub(crate) fn set(&mut self, name: &str, value: impl Into<OsString>) {
        self.environment.retain(|(known, _)| known != name);
        self.environment.push((name.into(), value.into()));
    }

    /// What no later command sees any more.
    pub(crate) fn unset(&mut self, name: &str) {
        self.environment.retain(|(known, _)| known != name);
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> Result<()> {
        let path = self.folder().join(name);
        fs::create_dir_all(path.parent().context("a file's folder")?)?;
        fs::write(&path, text).with_context(|| name.to_owned())
    }

    pub(crate) fn read(&self, name: &str) -> Result<String> {
        fs::read_to_string(self.folder().join(name)).with_context(|| name.to_owned())
    }

    pub(crate) fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.env_clear().envs(self.environment.iter().map(|(name, value)| (name, value)));
        command.current_dir(self.folder()).stdin(Stdio::null());
        command
    }

    /// Runs any program here.
    pub(crate) fn told(&self, program: &Path, arguments: &[&str]) -> Result<Told> {
        let output = self.command(program).args(arguments).output();
        Ok(Told::of(&output.with_context(|| format!("{} does not start", program.display()))?))
    }

    /// Runs the binary.
    pub(crate) fn run(&self, arguments: &[&str]) -> Result<Told> {
        self.told(&self.binary, arguments)
    }

    /// Runs a program that must succeed; its standard output.
    pub(crate) fn must_by(&self, program: &Path, arguments: &[&str]) -> Result<String> {
        let told = self.told(program, arguments)?;
        if told.exit != 0 {
            let name = program.file_name().unwrap_or_default().to_string_lossy();
            bail!("{name} {} ended with {}: {}", arguments.join(" "), told.exit, told.stderr.trim());
        }
        Ok(told.stdout)
    }

    /// Runs the binary, which must succeed; its standard output.
    pub(crate) fn must(&self, arguments: &[&str]) -> Result<String> {
        self.must_by(&self.binary, arguments)
    }

    /// Runs the binary, which must refuse, print no result, and say `words`.
    pub(crate) fn refuses(&self, arguments: &[&str], words: &str) -> Result<()> {
        let told = self.run(arguments)?;
        let shown = arguments.join(" ");
        if told.exit == 0 {
            bail!("provost {shown} ended well, expected a refusal with {words:?}");
        }
        if !told.stdout.trim().is_empty() {
            bail!("provost {shown} refused, and printed {:?}", told.stdout);
        }
        if !told.stderr.contains(words) {
            bail!("provost {shown} does not say {words:?}: {}", told.stderr.trim());
        }
        Ok(())
    }

    /// Builds an image that no other call makes, pushes it, and returns its name by digest.
    pub(crate) fn image(&self, tag: &str, content: &str) -> Result<String> {
        let name = tag.rsplit(['/', ':']).next().unwrap_or("app");
        let folder = format!("images/{name}");
        self.write(&format!("{folder}/Dockerfile"), "FROM scratch\nCOPY hello /hello\n")?;
        self.write(&format!("{folder}/hello"), content)?;
        Ok(self.must(&["image", "build", "--tag", tag, &folder])?.trim().to_owned())
    }
}
