//! Where the demo plays: its folder and environment, and the commands run in it.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde::Serialize;
use tokio::io::AsyncWriteExt;

use super::guide;
use super::registry::{Registry, USER};
use crate::face::Face;
use crate::failure::Failure;

/// The folder, what the commands see, and what has happened so far.
pub(crate) struct Scene<'a> {
    /// The demo's folder.
    pub(crate) folder: PathBuf,
    /// `host:port` of the registry.
    pub(crate) registry: String,
    /// Whether the registry wants the demo's user.
    pub(crate) embedded: bool,
    /// What builds the image: `provost` or `buildah`.
    pub(crate) builder: String,
    /// The steps walked.
    pub(crate) steps: Vec<Step>,
    environment: Vec<(String, String)>,
    program: PathBuf,
    telling: bool,
    face: &'a Face,
    began: Instant,
}

/// One of the ten steps, as it went.
#[derive(Serialize)]
pub(crate) struct Step {
    pub(crate) number: usize,
    pub(crate) title: String,
    pub(crate) proven: String,
    pub(crate) milliseconds: u128,
    pub(crate) commands: Vec<Done>,
}

/// One command, as it went.
#[derive(Serialize, Clone)]
pub(crate) struct Done {
    pub(crate) command: String,
    pub(crate) exit: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl<'a> Scene<'a> {
    /// Sets the scene, and says which variables the commands see.
    pub(crate) fn new(
        folder: &Path,
        registry: &Registry,
        builder: &str,
        telling: bool,
        face: &'a Face,
    ) -> Result<Self, Failure> {
        let text = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let environment = vec![
            text("COSIGN_PASSWORD", "demo"),
            text("COSIGN_TLOG_UPLOAD", "false"),
            text("COSIGN_USE_SIGNING_CONFIG", "false"),
            text("COSIGN_PRIVATE_INFRASTRUCTURE", "true"),
            text("DOCKER_CONFIG", &folder.join("docker").to_string_lossy()),
        ];
        let scene = Self {
            folder: folder.to_path_buf(),
            registry: registry.address.clone(),
            embedded: registry.embedded(),
            builder: builder.to_owned(),
            steps: Vec::new(),
            environment,
            program: std::env::current_exe()?,
            telling,
            face,
            began: Instant::now(),
        };
        scene.tell(&format!("$ cd {}", folder.display()));
        if scene.embedded {
            scene.tell(&format!(
                "$ provost registry --dir registry --listen {} --htpasswd htpasswd &   # user {}, password {}",
                scene.registry, USER.0, USER.1
            ));
        }
        for (name, value) in &scene.environment {
            scene.tell(&format!("$ export {name}={value}"));
        }
        Ok(scene)
    }

    /// Begins a step.
    pub(crate) fn begin(&mut self, title: &str) {
        let number = self.steps.len() + 1;
        self.tell(&format!("\n{number}. {title}"));
        self.began = Instant::now();
        let title = title.to_owned();
        self.steps.push(Step { number, title, proven: String::new(), milliseconds: 0, commands: Vec::new() });
    }

    /// Ends the step with what it has proven.
    pub(crate) fn proven(&mut self, what: &str) {
        let milliseconds = self.began.elapsed().as_millis();
        if let Some(step) = self.steps.last_mut() {
            what.clone_into(&mut step.proven);
            step.milliseconds = milliseconds;
        }
    }

    /// Says a line of the story.
    pub(crate) fn tell(&self, text: &str) {
        if self.telling {
            self.face.out(text);
        }
    }

    /// Writes a file of the demo, and says so.
    pub(crate) fn write(&self, name: &str, text: &str) -> Result<(), Failure> {
        guide::write(&self.folder.join(name), text)?;
        self.tell(&format!("   wrote {name}"));
        Ok(())
    }

    /// Reads a file of the demo.
    pub(crate) fn read(&self, name: &str) -> Result<String, Failure> {
        Ok(std::fs::read_to_string(self.folder.join(name))?)
    }

    /// `provost ARGUMENTS` in the folder, which ends with the demo.
    pub(crate) fn command(&self, arguments: &[&str]) -> tokio::process::Command {
        let mut command = tokio::process::Command::new(&self.program);
        command.args(arguments).current_dir(&self.folder).kill_on_drop(true);
        command.envs(self.environment.iter().map(|(k, v)| (k, v)));
        command
    }

    /// Adds a command that was run otherwise to the step.
    pub(crate) fn done(&mut self, done: Done) {
        if let Some(step) = self.steps.last_mut() {
            step.commands.push(done);
        }
    }

    /// Runs `provost ARGUMENTS` in the folder, shows the command and what came back, and returns it.
    pub(crate) async fn provost(&mut self, arguments: &[&str], stdin: Option<&str>) -> Result<Done, Failure> {
        let mut shown =
            format!("provost {}", arguments.iter().map(|a| quoted(a)).collect::<Vec<_>>().join(" "));
        if let Some(name) = stdin {
            shown = format!("{shown} < {name}");
        }
        self.tell(&format!("   $ {shown}"));
        let mut command = self.command(arguments);
        command.stdin(if stdin.is_some() { Stdio::piped() } else { Stdio::null() });
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn()?;
        if let (Some(name), Some(mut pipe)) = (stdin, child.stdin.take()) {
            pipe.write_all(self.read(name)?.as_bytes()).await?;
        }
        let output = child.wait_with_output().await?;
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        let done = Done {
            command: shown,
            exit: output.status.code().unwrap_or(-1),
            stdout: text(output.stdout),
            stderr: text(output.stderr),
        };
        for line in done.stderr.lines().chain(done.stdout.lines()) {
            self.tell(&format!("   {}", shortened(line)));
        }
        if done.exit != 0 {
            self.tell(&format!("   (exit code {})", done.exit));
        }
        self.done(done.clone());
        Ok(done)
    }

    /// How long the commands took so far, all steps together.
    pub(crate) fn walked(&self) -> Duration {
        let milliseconds: u128 = self.steps.iter().map(|step| step.milliseconds).sum();
        Duration::from_millis(u64::try_from(milliseconds).unwrap_or(u64::MAX))
    }
}

/// A word as a shell needs it.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=@,+".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

/// A line short enough to read; whole ones are in the files and in `--json`.
fn shortened(line: &str) -> String {
    const WIDTH: usize = 320;
    if line.chars().count() <= WIDTH {
        return line.to_owned();
    }
    let head: String = line.chars().take(WIDTH - 60).collect();
    format!("{head}… ({} characters)", line.chars().count())
}
