//! The inside of a step: a process of its own that enters its namespaces and becomes the step's command.
//!
//! The runner starts this program again as `__step FILE`, because entering a namespace needs a process with one thread.
//! The first process asks for new mount and process namespaces and starts the second, `__step --inside FILE`, which is the
//! first process of the new ones: it lays out the root and becomes the command. When the command ends the kernel ends
//! whatever it left behind, so nothing of a step outlives it.

mod root;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::sync::OnceLock;
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sched::{CloneFlags, unshare};
use nix::sys::signal::Signal;
use nix::unistd::{getegid, geteuid};
use serde::{Deserialize, Serialize};

/// The hidden subcommand under which a program hands its arguments to [`enter_step`].
pub const SUBCOMMAND: &str = "__step";
/// The flag of the second process.
pub const INSIDE: &str = "--inside";

/// How often a script that another process still holds open is tried again, and how long apart: 50 × 10 ms is far more
/// than the instant between another thread's fork and its exec.
const BUSY_TRIES: u32 = 50;
const BUSY_PAUSE: Duration = Duration::from_millis(10);

/// What a step runs, and what it sees.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepSpec {
    /// The command and its arguments; empty to enter and leave again, which is how the kernel is asked what it grants.
    pub command: Vec<String>,
    /// The whole environment of the step.
    pub environment: BTreeMap<String, String>,
    /// Where it starts; made if missing.
    pub working_dir: PathBuf,
    /// The step's own root; `None` runs it on the machine's.
    pub namespace: Option<Namespace>,
}

/// The root of a step: the machine's own, with folders of the run laid over it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Namespace {
    /// An empty folder on which the new root is mounted.
    pub root: PathBuf,
    /// The folders, in any order.
    pub mounts: Vec<FolderMount>,
}

/// A folder of the run, and where the step sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FolderMount {
    /// The folder.
    pub folder: PathBuf,
    /// Which part of it; made if missing, and never through a symbolic link.
    pub beneath: PathBuf,
    /// The absolute path the step sees.
    pub at: PathBuf,
    /// Whether the step may only read it.
    pub read_only: bool,
}

/// Why a step was not entered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StepError {
    /// The file that says what to run.
    #[error("{file}: expected a step, found {message}")]
    Spec {
        /// The file.
        file: String,
        /// What was found.
        message: String,
    },
    /// The kernel refused.
    #[error("{doing} {path}: {message}")]
    Refused {
        /// What was asked.
        doing: &'static str,
        /// For which path.
        path: String,
        /// The kernel's answer.
        message: String,
    },
    /// What the process inside told the runner.
    #[error("{message}")]
    Told {
        /// Its words.
        message: String,
    },
}

impl StepError {
    fn refused(doing: &'static str, path: impl AsRef<Path>, error: impl Into<io::Error>) -> Self {
        let error: io::Error = error.into();
        Self::Refused { doing, path: path.as_ref().display().to_string(), message: error.to_string() }
    }
}

/// Runs the step that `file` describes and returns its exit code; call it before the process has a second thread.
///
/// `inside` says whether this is the second process. An error is also written beside `file`, where the runner finds it.
pub fn enter_step(file: &Path, inside: bool) -> Result<u8, StepError> {
    // Opened first, because the folders of the run are out of sight once the step's root is laid out.
    let heard =
        File::options().append(true).create(true).custom_flags(PLAIN_FILE.bits()).open(error_file(file));
    let ended = enter(file, inside);
    if let (Err(error), Ok(mut heard)) = (&ended, heard) {
        // Nobody else would hear of it: the step's own output is the step's.
        let _ = heard.write_all(error.to_string().as_bytes());
    }
    ended
}

/// Neither a link is followed nor a pipe waited for, where a step might have put one.
const PLAIN_FILE: OFlag = OFlag::O_NOFOLLOW.union(OFlag::O_NONBLOCK);

/// Where [`enter_step`] leaves its error.
fn error_file(file: &Path) -> PathBuf {
    file.with_extension("error")
}

/// Why the process inside gave up, if it did.
pub(crate) fn told(file: &Path) -> Option<String> {
    /// The most of an error's text that is passed on.
    const MAX_ERROR: u64 = 4096;
    let heard = File::options().read(true).custom_flags(PLAIN_FILE.bits()).open(error_file(file)).ok()?;
    if !heard.metadata().ok()?.is_file() {
        return None;
    }
    let mut text = Vec::new();
    heard.take(MAX_ERROR).read_to_end(&mut text).ok()?;
    Some(String::from_utf8_lossy(&text).into_owned()).filter(|text| !text.is_empty())
}

fn enter(file: &Path, inside: bool) -> Result<u8, StepError> {
    let wrong = |message: String| StepError::Spec { file: file.display().to_string(), message };
    let bytes = std::fs::read(file).map_err(|error| wrong(error.to_string()))?;
    let spec: StepSpec = serde_json::from_slice(&bytes).map_err(|error| wrong(error.to_string()))?;
    // The step ends with its runner, even when that is killed.
    nix::sys::prctl::set_pdeathsig(Signal::SIGKILL)
        .map_err(|errno| StepError::refused("binding the life of", "step", errno))?;
    match &spec.namespace {
        Some(_) if !inside => {
            unshare_all()?;
            let status =
                Command::new("/proc/self/exe").args([SUBCOMMAND, INSIDE]).arg(file).status().map_err(
                    |error| StepError::refused("starting the first process of", "namespace", error),
                )?;
            Ok(exit_code(status))
        }
        Some(namespace) => {
            root::enter(namespace)?;
            become_command(&spec)
        }
        None => become_command(&spec),
    }
}

/// New mount and process namespaces: as root directly, else within a user namespace in which we are root.
fn unshare_all() -> Result<(), StepError> {
    let wanted = CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWPID;
    let (uid, gid) = (geteuid(), getegid());
    if uid.is_root() && unshare(wanted).is_ok() {
        return Ok(());
    }
    unshare(wanted | CloneFlags::CLONE_NEWUSER)
        .map_err(|errno| StepError::refused("entering", "a user namespace", errno))?;
    let write = |path: &str, text: String| {
        std::fs::write(path, text).map_err(|error| StepError::refused("writing", path, error))
    };
    write("/proc/self/setgroups", "deny".to_owned())?;
    write("/proc/self/uid_map", format!("0 {uid} 1"))?;
    write("/proc/self/gid_map", format!("0 {gid} 1"))
}

/// Becomes the step's command; returns only when there is none, or when it cannot be started, with the shell's codes.
fn become_command(spec: &StepSpec) -> Result<u8, StepError> {
    let Some((program, arguments)) = spec.command.split_first() else { return Ok(0) };
    std::fs::create_dir_all(&spec.working_dir)
        .and_then(|()| std::env::set_current_dir(&spec.working_dir))
        .map_err(|error| StepError::refused("entering the working folder", &spec.working_dir, error))?;
    let mut command = Command::new(program);
    command.args(arguments).env_clear().envs(&spec.environment);
    let mut error = command.exec();
    for _ in 0..BUSY_TRIES {
        if error.raw_os_error() != Some(Errno::ETXTBSY as i32) {
            break;
        }
        std::thread::sleep(BUSY_PAUSE);
        error = command.exec();
    }
    // A command that cannot be started is the step's failure, not ours: it is said where the step's own words go.
    let _ = writeln!(io::stderr(), "{program}: {error}");
    Ok(if error.kind() == io::ErrorKind::NotFound { 127 } else { 126 })
}

/// The code as a shell gives it: 128 and the signal for what a signal ended.
fn exit_code(status: ExitStatus) -> u8 {
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap_or(1);
    u8::try_from(code).unwrap_or(u8::MAX)
}

/// Whether the kernel grants this program the namespaces a step needs; asked once.
///
/// False where this program does not hand [`SUBCOMMAND`] to [`enter_step`].
pub fn namespaces_available() -> bool {
    static ANSWER: OnceLock<bool> = OnceLock::new();
    *ANSWER.get_or_init(|| std::env::current_exe().is_ok_and(|program| probe(&program)))
}

/// Enters and leaves a namespace by way of `program`.
pub(crate) fn probe(program: &Path) -> bool {
    let attempt = || -> io::Result<bool> {
        let folder = tempfile::tempdir()?;
        let root = folder.path().join("root");
        std::fs::create_dir(&root)?;
        let mount = FolderMount {
            folder: folder.path().to_owned(),
            beneath: PathBuf::new(),
            at: PathBuf::from("/workspace"),
            read_only: false,
        };
        let spec = StepSpec {
            command: Vec::new(),
            environment: BTreeMap::new(),
            working_dir: PathBuf::from("/"),
            namespace: Some(Namespace { root, mounts: vec![mount] }),
        };
        let file = folder.path().join("probe.json");
        std::fs::write(&file, serde_json::to_vec(&spec)?)?;
        let silent = std::process::Stdio::null;
        let status = Command::new(program)
            .arg(SUBCOMMAND)
            .arg(&file)
            .env_clear()
            .stdin(silent())
            .stdout(silent())
            .stderr(silent())
            .status()?;
        Ok(status.success() && told(&file).is_none())
    };
    attempt().unwrap_or(false)
}
