//! A step's process: started in a group of its own, heard line by line, ended as a whole.

use std::io;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::Command;
use tokio::time::Instant;

use super::Stream;
use crate::step::SUBCOMMAND;

/// The most bytes of a line handed on at once; a longer line is cut. A log viewer's line, and what one step may make us hold.
pub const MAX_LINE: usize = 64 * 1024;

/// How long the output of an ended step may stay open: its group is dead, so only a process that left the group holds it.
const DRAIN: Duration = Duration::from_secs(2);

/// How a step ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ended {
    /// The exit code, 128 and the signal for what a signal ended.
    pub(crate) code: i32,
    /// Whether the deadline ended it.
    pub(crate) late: bool,
}

/// A process group that is killed when this is dropped, so that no road out of a run leaves one behind.
struct Group(Option<Pid>);

impl Group {
    fn end(&mut self) {
        if let Some(group) = self.0.take() {
            // It may be gone already, and then there is nothing to end.
            let _ = killpg(group, Signal::SIGKILL);
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.end();
    }
}

/// Starts `program __step file`, hands its lines to `hear`, and returns when its whole group has ended.
pub(crate) async fn run(
    program: &Path,
    file: &Path,
    deadline: Option<Instant>,
    hear: &(dyn Fn(Stream, &str) + Sync),
) -> io::Result<Ended> {
    let mut child = Command::new(program)
        .arg(SUBCOMMAND)
        .arg(file)
        .env_clear()
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true)
        .spawn()?;
    let pid = child.id().and_then(|id| i32::try_from(id).ok()).map(Pid::from_raw);
    let mut group = Group(pid);
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let ended = async {
        let (status, late) = match deadline {
            None => (child.wait().await?, false),
            Some(deadline) => match tokio::time::timeout_at(deadline, child.wait()).await {
                Ok(status) => (status?, false),
                Err(_) => {
                    group.end();
                    (child.wait().await?, true)
                }
            },
        };
        // What the step left in the background ends with it, as it would with its container.
        group.end();
        Ok::<_, io::Error>(Ended { code: code_of(status), late })
    };
    let output = async { tokio::join!(pump(stdout, Stream::Out, hear), pump(stderr, Stream::Err, hear)) };
    tokio::pin!(ended, output);
    let mut silent = false;
    let ended = loop {
        tokio::select! {
            ended = &mut ended => break ended,
            _ = &mut output, if !silent => silent = true,
        }
    };
    if !silent {
        let _ = tokio::time::timeout(DRAIN, output).await;
    }
    ended
}

fn code_of(status: ExitStatus) -> i32 {
    use std::os::unix::process::ExitStatusExt;
    status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap_or(1)
}

/// Hands on every line, without its end; bytes that are no UTF-8 are replaced.
async fn pump(source: Option<impl AsyncRead + Unpin>, stream: Stream, hear: &(dyn Fn(Stream, &str) + Sync)) {
    let Some(source) = source else { return };
    let mut reader = BufReader::new(source);
    let mut line: Vec<u8> = Vec::new();
    while let Ok(chunk) = reader.fill_buf().await {
        if chunk.is_empty() {
            break;
        }
        let room = MAX_LINE - line.len();
        let (taken, ends) = match chunk.iter().take(room).position(|&byte| byte == b'\n') {
            Some(end) => (end + 1, true),
            None => (chunk.len().min(room), false),
        };
        line.extend_from_slice(chunk.get(..taken).unwrap_or_default());
        reader.consume(taken);
        if ends || line.len() == MAX_LINE {
            say(&mut line, stream, hear);
        }
    }
    if !line.is_empty() {
        say(&mut line, stream, hear);
    }
}

fn say(line: &mut Vec<u8>, stream: Stream, hear: &(dyn Fn(Stream, &str) + Sync)) {
    let text = String::from_utf8_lossy(line);
    let text = text.strip_suffix('\n').unwrap_or(&text);
    hear(stream, text.strip_suffix('\r').unwrap_or(text));
    line.clear();
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    fn heard(input: &[u8]) -> Vec<String> {
        let lines = Mutex::new(Vec::new());
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let hear = |_: Stream, line: &str| lines.lock().unwrap().push(line.to_owned());
        runtime.block_on(pump(Some(input), Stream::Out, &hear));
        lines.into_inner().unwrap()
    }

    #[test]
    fn lines_are_handed_on_one_by_one() {
        assert_eq!(heard(b"a\n\nb\r\nlast"), ["a", "", "b", "last"]);
        assert_eq!(heard(b"\xff\n"), ["\u{fffd}"]);
        assert!(heard(b"").is_empty());
    }

    #[test]
    fn a_line_beyond_the_limit_is_cut() {
        let long = vec![b'x'; MAX_LINE + 10];
        let lengths: Vec<usize> = heard(&long).iter().map(String::len).collect();
        assert_eq!(lengths, [MAX_LINE, 10]);
    }
}
