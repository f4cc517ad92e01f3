//! A folder of its own for each test, the binary run in it, and a registry that ends with the test.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

/// The binary under test.
pub(crate) const PROVOST: &str = env!("CARGO_BIN_EXE_provost");

/// A folder, and what commands run in it see.
pub(crate) struct Context {
    folder: tempfile::TempDir,
}

impl Context {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        let path = self.folder().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    /// Runs a page's script as a reader would type it, `provost` on the path and these variables set, and returns what it
    /// said on standard error. The registry it starts on port 5000 gets a free one, is waited for, and ends with it.
    pub(crate) fn typed(&self, script: &str, variables: &[(&str, &str)]) -> String {
        let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
        let (host, port) = free.split_once(':').unwrap();
        let wait = format!("until (exec 3<>/dev/tcp/{host}/{port}) 2>/dev/null; do :; done");
        let script = script
            .replace("127.0.0.1:5000", &free)
            .replace(" &\n", &format!(" &\ntrap \"kill $!\" EXIT\n{wait}\n"));
        let bin = self.folder().join("programs");
        std::fs::create_dir(&bin).unwrap();
        std::os::unix::fs::symlink(PROVOST, bin.join("provost")).unwrap();
        let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
        let output = Command::new("bash")
            .args(["-euo", "pipefail", "-c", &script])
            .current_dir(self.folder())
            .env_clear()
            .env("PATH", path)
            .env("HOME", self.folder())
            .envs(variables.iter().copied())
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{stderr}");
        stderr
    }

    /// The binary with a bare environment: a password, no log, the tag scheme, nothing of the developer's own.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(PROVOST);
        command.env_clear().current_dir(self.folder());
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("HOME", self.folder());
        command.env("COSIGN_PASSWORD", "pw").env("COSIGN_TLOG_UPLOAD", "false");
        command.env("COSIGN_USE_SIGNING_CONFIG", "false").env("COSIGN_NEW_BUNDLE_FORMAT", "false");
        command.env("COSIGN_PRIVATE_INFRASTRUCTURE", "true");
        command.stdin(Stdio::null());
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Told {
        Told::of(&self.command().args(arguments).output().unwrap())
    }

    /// The embedded registry over a folder of the context, on a free port.
    pub(crate) fn registry(&self) -> Registry {
        let mut child = self
            .command()
            .args(["registry", "--dir", "registry", "--listen", "127.0.0.1:0"])
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        lines.read_line(&mut line).unwrap();
        let address = line.trim().rsplit("://").next().unwrap().to_owned();
        assert!(address.starts_with("127.0.0.1:"), "{line}");
        Registry { child, address, _lines: lines }
    }
}

/// A registry that ends when dropped.
pub(crate) struct Registry {
    child: Child,
    pub(crate) address: String,
    _lines: BufReader<std::process::ChildStderr>,
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a command said.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) exit: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Told {
    pub(crate) fn of(output: &Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Self {
            exit: output.status.code().unwrap_or(-1),
            stdout: text(&output.stdout),
            stderr: text(&output.stderr),
        }
    }

    /// The exit code and all that was said, with what differs from run to run replaced.
    pub(crate) fn shown(&self, replaced: &[(&str, &str)]) -> String {
        let mut text = format!("exit {}\n--- stdout\n{}--- stderr\n{}", self.exit, self.stdout, self.stderr);
        for (from, to) in replaced {
            text = text.replace(from, to);
        }
        text
    }
}
