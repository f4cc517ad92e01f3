//! Processes that steps leave behind without a namespace that ends them: they become ours, and end before a key is opened.

use std::time::Duration;

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, waitpid};
use nix::unistd::Pid;

use crate::failure::Failure;

/// How often strays are looked for and killed, and how long apart: 200 × 10 ms is far more than the kernel needs to end
/// them, and what is there still (another user's, by way of a set-user-id program) is told.
const ROUNDS: u32 = 200;
const PAUSE: Duration = Duration::from_millis(10);

/// From now on a process whose parents have ended is this process's child, whatever group or session it moved to.
///
/// # Errors
/// When the kernel refuses.
pub(super) fn adopt() -> Result<(), Failure> {
    nix::sys::prctl::set_child_subreaper(true)
        .map_err(|errno| Failure::from(errno).context("adopting what steps leave behind"))
}

/// Ends every child of this process; call it when no step is meant to run any more.
///
/// # Errors
/// When one cannot be ended: nothing may be signed beside it (security.md 34).
pub(super) async fn end() -> Result<(), Failure> {
    let mut left = Vec::new();
    for _ in 0..ROUNDS {
        left = children()?;
        if left.is_empty() {
            return Ok(());
        }
        for child in &left {
            // It may have ended by itself; what may not be ended is found again in the next round.
            let _ = kill(*child, Signal::SIGKILL);
            let _ = waitpid(*child, Some(WaitPidFlag::WNOHANG));
        }
        tokio::time::sleep(PAUSE).await;
    }
    let each: Vec<String> = left.iter().map(Pid::to_string).collect();
    Err(Failure::new(format!("a step left processes behind that cannot be ended: {}", each.join(", "))))
}

/// The children of this process, also those that have ended and are not waited for.
fn children() -> Result<Vec<Pid>, Failure> {
    let failed = |error: std::io::Error| Failure::from(error).context("/proc");
    let own = Pid::this();
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").map_err(failed)? {
        let name = entry.map_err(failed)?.file_name();
        let Some(pid) = name.to_str().and_then(|name| name.parse().ok()).map(Pid::from_raw) else { continue };
        match std::fs::read(format!("/proc/{pid}/stat")) {
            Ok(stat) if parent(&stat) == Some(own) => found.push(pid),
            // One that ended meanwhile, or that is not ours to read and so no child.
            Ok(_) => {}
            Err(error) if error.raw_os_error() == Some(Errno::ESRCH as i32) => {}
            Err(error) if matches!(error.kind(), std::io::ErrorKind::NotFound) => {}
            Err(error) => return Err(failed(error)),
        }
    }
    Ok(found)
}

/// The parent in a line of `/proc/PID/stat`: the second word after the name, which stands in parentheses and may hold any.
fn parent(stat: &[u8]) -> Option<Pid> {
    let stat = String::from_utf8_lossy(stat);
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_whitespace().nth(1)?.parse().ok().map(Pid::from_raw)
}

#[cfg(test)]
mod tests {
    use nix::unistd::Pid;

    use super::parent;

    #[test]
    fn a_name_with_parentheses_hides_no_parent() {
        assert_eq!(parent(b"12 (sh) S 7 12 12 0"), Some(Pid::from_raw(7)));
        assert_eq!(parent(b"12 (a) R 9 (b\xff) S 7 12"), Some(Pid::from_raw(7)));
        assert_eq!(parent(b"12 sh S 7"), None);
    }
}
