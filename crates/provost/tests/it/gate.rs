//! The gate as an API server meets it: the running binary, asked over TLS.

use std::io::{BufRead, BufReader, Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::process::{Child, ChildStderr, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use provost_registry::{Pem, RemoteOptions, TlsOptions, service_client};
use serde_json::{Value, json};

use crate::context::Context;

/// How long the gate may take for anything: far beyond what it takes on a busy machine.
const LONGEST: Duration = Duration::from_secs(60);

/// A gate that ends when dropped.
pub(crate) struct Gate {
    child: Child,
    said: Receiver<String>,
    url: String,
    client: reqwest::Client,
    runtime: tokio::runtime::Runtime,
}

/// An answer in HTTP.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) text: String,
}

impl Gate {
    /// Starts it in the context's folder; where it ends at once, its exit code and what it said.
    pub(crate) fn start(context: &Context, arguments: &[String]) -> Result<Self, (i32, String)> {
        let mut child = context
            .command()
            .arg("admission")
            .args(arguments)
            .args(["--listen", "127.0.0.1:0", "--certificate-dir", "certificate"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        let mut before = String::new();
        let url = loop {
            let mut line = String::new();
            if stderr.read_line(&mut line).unwrap() == 0 {
                let code = child.wait().unwrap().code().unwrap_or(-1);
                return Err((code, before));
            }
            if let Some(url) = line.trim().strip_prefix("answering on ") {
                break url.to_owned();
            }
            before.push_str(&line);
        };
        let tls = TlsOptions {
            authorities: Some(Pem::File(context.folder().join("certificate/tls.crt"))),
            ..TlsOptions::default()
        };
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let client = service_client(&RemoteOptions { tls, ..RemoteOptions::default() }).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        Ok(Self { child, said: heard(stderr), url, client, runtime })
    }

    /// Posts a body to a path.
    pub(crate) fn post(&self, path: &str, body: Vec<u8>) -> Answer {
        let asked =
            self.client.post(format!("{}{path}", self.url)).header("Content-Type", "application/json");
        self.runtime.block_on(async {
            let answer = asked.body(body).timeout(LONGEST).send().await.unwrap();
            Answer { status: answer.status().as_u16(), text: answer.text().await.unwrap() }
        })
    }

    /// The `response` to a review; where there is none, a denial with what was answered.
    pub(crate) fn response(&self, path: &str, body: Vec<u8>) -> Value {
        let answer = self.post(path, body);
        let review: Option<Value> = serde_json::from_str(&answer.text).ok();
        match review.filter(|_| answer.status == 200).and_then(|review| review.get("response").cloned()) {
            Some(response) => response,
            None => json!({"allowed": false, "status": {"code": answer.status, "message": answer.text}}),
        }
    }

    /// Both answers to a review, as a line of `review` has them.
    pub(crate) fn line(&self, review: &[u8]) -> Value {
        let mutate = self.response("/mutate", review.to_vec());
        let mut validate = Value::Null;
        if mutate["allowed"] == true {
            let mut review: Value = serde_json::from_slice(review).unwrap();
            if let Some(patch) = mutate["patch"].as_str() {
                let operations: Vec<Value> =
                    serde_json::from_slice(&STANDARD.decode(patch).unwrap()).unwrap();
                let object = &mut review["request"]["object"];
                *object = provost_kyverno::patch::applied(object, &operations);
            }
            validate = self.response("/validate", review.to_string().into_bytes());
        }
        json!({"uid": mutate["uid"], "mutate": mutate, "validate": validate})
    }

    /// What it answers to these bytes, sent as they are, until it hangs up.
    pub(crate) fn wire(&self, bytes: &[u8]) -> Vec<u8> {
        let mut stream = TcpStream::connect(self.url.trim_start_matches("https://")).unwrap();
        stream.write_all(bytes).unwrap();
        // It need not wait for more: nobody who is refused has anything to add.
        let _ = stream.shutdown(Shutdown::Write);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        answer
    }

    /// Waits until it says these words; what it said until then.
    pub(crate) fn says(&self, words: &str) -> String {
        let mut all = String::new();
        loop {
            let line =
                self.said.recv_timeout(LONGEST).unwrap_or_else(|_| panic!("{words:?} is not in {all}"));
            all.push_str(&line);
            all.push('\n');
            if line.contains(words) {
                return all;
            }
        }
    }

    /// Tells it to stop, and gives its exit code; a connection that nobody looks after is waited for a second.
    pub(crate) fn stop(mut self) -> Option<i32> {
        let id = nix::unistd::Pid::from_raw(i32::try_from(self.child.id()).unwrap());
        nix::sys::signal::kill(id, nix::sys::signal::Signal::SIGTERM).unwrap();
        self.child.wait().unwrap().code()
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn heard(stderr: BufReader<ChildStderr>) -> Receiver<String> {
    let (tell, said) = channel();
    std::thread::spawn(move || {
        for line in stderr.lines().map_while(Result::ok) {
            // Nobody may listen any more.
            let _ = tell.send(line);
        }
    });
    said
}
