//! The `review` protocol spoken through the running gate: what `provost review` answers must come out of `provost admission`
//! too, when an API server's two questions are put to it over TLS.

use std::env;
use std::io::{BufRead, BufReader, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::thread;

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};

use crate::shell;

/// How the line begins by which the gate says where it answers.
const ANSWERING: &str = "answering on ";
/// How long one answer may take, in seconds: policies say at most 30, and there are two of them.
const ANSWER_TIME: &str = "60";

/// Answers each line of standard input through a gate with these policies and objects; the arguments are those of
/// `provost review`. The binary is `$PROVOST`, or the release one. Gives the exit code.
///
/// # Errors
/// When the gate does not start for another reason than its policies, or gives no answer.
pub fn run(arguments: &[&str]) -> Result<u8> {
    let folder = tempfile::tempdir()?;
    let (gate, mut said) = Gate::start(arguments, folder.path())?;
    let Some(url) = url(&mut said)? else { return gate.end_by_itself() };
    thread::spawn(move || pass_on(said));
    let client = Client { authority: folder.path().join("tls.crt"), url };
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        if !line.trim().is_empty() {
            shell::say(&client.reviewed(&line)?.to_string());
        }
    }
    gate.stop()
}

/// The gate's process.
struct Gate(Child);

impl Gate {
    fn start(arguments: &[&str], folder: &Path) -> Result<(Self, BufReader<ChildStderr>)> {
        let binary = env::var_os("PROVOST")
            .map_or_else(|| shell::root().join("target/release/provost"), PathBuf::from);
        let mut child = Command::new(&binary)
            .arg("admission")
            .args(arguments)
            .args(["--listen", "127.0.0.1:0", "--certificate-dir"])
            .arg(folder)
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("{} does not start", binary.display()))?;
        let said = child.stderr.take().context("standard error")?;
        Ok((Self(child), BufReader::new(said)))
    }

    fn end_by_itself(mut self) -> Result<u8> {
        let status = self.0.wait()?;
        Ok(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1))
    }

    /// Tells it to stop; it must then end well.
    fn stop(mut self) -> Result<u8> {
        let id = i32::try_from(self.0.id()).context("its process number")?;
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(id), nix::sys::signal::Signal::SIGTERM)?;
        match self.0.wait()?.code() {
            Some(0) => Ok(0),
            other => bail!("the gate ended with {other:?}"),
        }
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        // An ended process is not killed twice.
        if matches!(self.0.try_wait(), Ok(None)) {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }
}

/// Where it answers; `None` where it ended before, what it said passed on.
fn url(said: &mut BufReader<ChildStderr>) -> Result<Option<String>> {
    let mut line = String::new();
    loop {
        line.clear();
        if said.read_line(&mut line)? == 0 {
            return Ok(None);
        }
        if let Some(url) = line.trim().strip_prefix(ANSWERING) {
            return Ok(Some(url.to_owned()));
        }
        tell(&line);
    }
}

fn pass_on(said: BufReader<ChildStderr>) {
    for line in said.lines().map_while(Result::ok) {
        tell(&format!("{line}\n"));
    }
}

#[expect(clippy::print_stderr, reason = "what the gate says belongs on standard error")]
fn tell(text: &str) {
    eprint!("{text}");
}

/// An API server, as far as webhooks see it.
struct Client {
    authority: PathBuf,
    url: String,
}

impl Client {
    /// Both answers to a review, the second with the object as the first has changed it.
    fn reviewed(&self, line: &str) -> Result<Value> {
        let mut review: Value = serde_json::from_str(line)?;
        let uid = review.pointer("/request/uid").cloned().unwrap_or_default();
        let mutate = self.asked("/mutate", &review)?;
        let mut validate = Value::Null;
        if mutate.get("allowed") == Some(&Value::Bool(true)) {
            if let Some(patch) = mutate.get("patch").and_then(Value::as_str)
                && let Some(object) = review.pointer_mut("/request/object")
            {
                patched(object, &serde_json::from_slice(&decoded(patch)?)?)?;
            }
            validate = self.asked("/validate", &review)?;
        }
        Ok(json!({"uid": uid, "mutate": mutate, "validate": validate}))
    }

    /// The `response` to a review.
    fn asked(&self, path: &str, review: &Value) -> Result<Value> {
        let mut curl = Command::new("curl")
            .args(["--silent", "--show-error", "--fail-with-body", "--max-time", ANSWER_TIME, "--cacert"])
            .arg(&self.authority)
            .args(["--header", "Content-Type: application/json", "--data-binary", "@-"])
            .arg(format!("{}{path}", self.url))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("curl does not start")?;
        let mut input = curl.stdin.take().context("standard input")?;
        input.write_all(review.to_string().as_bytes())?;
        drop(input);
        let mut answer = String::new();
        curl.stdout.take().context("standard output")?.read_to_string(&mut answer)?;
        if !curl.wait()?.success() {
            bail!("{path}: {answer}");
        }
        let mut answer: Value = serde_json::from_str(&answer)?;
        answer
            .get_mut("response")
            .map(Value::take)
            .with_context(|| format!("{path}: no response in {answer}"))
    }
}

/// A text of base64, which this crate has no library for.
fn decoded(text: &str) -> Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let (mut held, mut bits) = (0_u32, 0_u32);
    for character in text.bytes().filter(|c| *c != b'=') {
        let value = match character {
            b'A'..=b'Z' => character - b'A',
            b'a'..=b'z' => character - b'a' + 26,
            b'0'..=b'9' => character - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            other => bail!("{:?} is not in base64", char::from(other)),
        };
        held = (held << 6) | u32::from(value);
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            bytes.push(u8::try_from((held >> bits) & 0xff)?);
        }
    }
    Ok(bytes)
}

/// Does the operations of a JSON patch as an API server would; one that does not fit is an error there too.
fn patched(object: &mut Value, operations: &Vec<Value>) -> Result<()> {
    for operation in operations {
        let text = |name: &str| operation.get(name).and_then(Value::as_str).unwrap_or_default();
        let (holder, last) = text("path").rsplit_once('/').context("a path without a slash")?;
        let last = last.replace("~1", "/").replace("~0", "~");
        let value = operation.get("value").cloned().unwrap_or_default();
        let holder = object.pointer_mut(holder).with_context(|| format!("nothing at {holder}"))?;
        match (text("op"), holder) {
            ("add" | "replace", Value::Object(fields)) => drop(fields.insert(last, value)),
            ("remove", Value::Object(fields)) => drop(fields.remove(&last).context("nothing to remove")?),
            ("replace", Value::Array(items)) => {
                *items.get_mut(last.parse::<usize>()?).context("no such item")? = value;
            }
            (other, holder) => bail!("{other} in {holder} is not done by our patches"),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{decoded, patched};

    #[test]
    fn base64_is_read() {
        for (text, bytes) in
            [("", ""), ("YQ==", "a"), ("YWI=", "ab"), ("W3sib3AiOiJhZGQifV0=", r#"[{"op":"add"}]"#)]
        {
            assert_eq!(decoded(text).ok().as_deref(), Some(bytes.as_bytes()));
        }
        assert!(decoded("a b").is_err());
    }

    #[test]
    fn patches_are_done_and_those_that_do_not_fit_are_not() {
        let mut object =
            json!({"metadata": {"annotations": {"a/b": "1"}}, "spec": {"containers": [{"image": "x"}]}});
        let operations = json!([
            {"op": "replace", "path": "/metadata/annotations/a~1b", "value": "2"},
            {"op": "replace", "path": "/spec/containers/0/image", "value": "y"},
        ]);
        let operations = operations.as_array().cloned().unwrap_or_default();
        assert!(patched(&mut object, &operations).is_ok());
        assert_eq!(object["metadata"]["annotations"]["a/b"], "2");
        assert_eq!(object["spec"]["containers"][0]["image"], "y");
        let nowhere = vec![json!({"op": "replace", "path": "/spec/initContainers/0/image", "value": "y"})];
        assert!(patched(&mut object, &nowhere).is_err());
    }
}
