//! `docker-credential-NAME get`: programs that keep credentials (security.md 25).

use std::ffi::OsString;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Stdio;

use serde::Deserialize;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::Command;

use crate::answer::shown;
use crate::keychain::Credential;
use crate::limits::{HELPER_OUTPUT_LIMIT, HELPER_TIME};

/// The variables that helpers of the common clouds and desktops need; no other is passed on.
const PASSED_ON: &[&str] = &[
    "AWS_ACCESS_KEY_ID",
    "AWS_CONFIG_FILE",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_DEFAULT_REGION",
    "AWS_PROFILE",
    "AWS_REGION",
    "AWS_ROLE_ARN",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_SHARED_CREDENTIALS_FILE",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AZURE_AUTHORITY_HOST",
    "AZURE_CLIENT_ID",
    "AZURE_CLIENT_SECRET",
    "AZURE_FEDERATED_TOKEN_FILE",
    "AZURE_TENANT_ID",
    "CLOUDSDK_CONFIG",
    "DBUS_SESSION_BUS_ADDRESS",
    "DISPLAY",
    "GNUPGHOME",
    "GOOGLE_APPLICATION_CREDENTIALS",
    "GPG_TTY",
    "HOME",
    "HTTPS_PROXY",
    "LANG",
    "NO_PROXY",
    "PASSWORD_STORE_DIR",
    "PATH",
    "USER",
    "WAYLAND_DISPLAY",
    "XDG_CONFIG_HOME",
    "XDG_DATA_HOME",
    "XDG_RUNTIME_DIR",
];

/// What a helper prints when it has no credential; docker's own clients compare this sentence too.
const NOT_FOUND: &str = "credentials not found in native keychain";

/// The user name by which a helper says that the secret is an identity token.
const TOKEN_USER: &str = "<token>";

/// The longest name of a helper; the known ones have up to 20 characters.
const NAME_LIMIT: usize = 64;

/// The environment a helper runs in.
#[derive(Clone, Default)]
pub struct HelperEnvironment {
    variables: Vec<(&'static str, OsString)>,
}

impl std::fmt::Debug for HelperEnvironment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.variables.iter().map(|(name, _)| name)).finish()
    }
}

impl HelperEnvironment {
    /// The listed variables of this process, asked by name.
    pub fn of(lookup: impl Fn(&str) -> Option<OsString>) -> Self {
        let variables = PASSED_ON.iter().filter_map(|name| Some((*name, lookup(name)?))).collect();
        Self { variables }
    }

    /// The program, in the first absolute folder of `PATH` that has it.
    fn find(&self, program: &str) -> Option<PathBuf> {
        let path = self.variables.iter().find(|(name, _)| *name == "PATH").map(|(_, value)| value)?;
        let folders = std::env::split_paths(path).filter(|folder| folder.is_absolute());
        folders.map(|folder| folder.join(program)).find(|file| {
            std::fs::metadata(file)
                .is_ok_and(|about| about.is_file() && about.permissions().mode() & 0o111 != 0)
        })
    }
}

/// Why a helper gave no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum HelperError {
    #[error("the name of a credential helper has 1 to {NAME_LIMIT} of the characters a-z 0-9 -")]
    BadName,
    #[error("not found in the absolute folders of PATH")]
    NotFound,
    #[error("it could not be run: {0}")]
    NotRun(String),
    #[error("no answer in {} s", HELPER_TIME.as_secs())]
    TooSlow,
    #[error("it printed over {HELPER_OUTPUT_LIMIT} bytes")]
    TooMuch,
    #[error("it failed: {0}")]
    Failed(String),
    #[error("its answer is not {{\"Username\": …, \"Secret\": …}}")]
    Malformed,
}

#[derive(Deserialize)]
struct HelperAnswer {
    #[serde(rename = "Username", default)]
    username: String,
    #[serde(rename = "Secret", default)]
    secret: String,
}

/// Asks a helper for the credential of a server; `None` where it has none.
pub(crate) async fn get(
    name: &str,
    server: &str,
    environment: &HelperEnvironment,
) -> Result<Option<Credential>, HelperError> {
    let good = |b: u8| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-');
    if name.is_empty() || name.len() > NAME_LIMIT || !name.bytes().all(good) {
        return Err(HelperError::BadName);
    }
    let program = environment.find(&format!("docker-credential-{name}")).ok_or(HelperError::NotFound)?;
    let run = run(program, server, environment);
    let (success, output) =
        tokio::time::timeout(HELPER_TIME, run).await.map_err(|_| HelperError::TooSlow)??;
    if !success {
        let said = String::from_utf8_lossy(&output);
        return if said.trim() == NOT_FOUND {
            Ok(None)
        } else {
            Err(HelperError::Failed(shown(said.trim())))
        };
    }
    let answer: HelperAnswer = serde_json::from_slice(&output).map_err(|_| HelperError::Malformed)?;
    Ok(match (answer.username, answer.secret) {
        (username, secret) if username.is_empty() && secret.is_empty() => None,
        (username, secret) if username == TOKEN_USER => Some(Credential::IdentityToken(secret)),
        (username, password) => Some(Credential::Password { username, password }),
    })
}

async fn run(
    program: PathBuf,
    server: &str,
    environment: &HelperEnvironment,
) -> Result<(bool, Vec<u8>), HelperError> {
    let not_run = |e: std::io::Error| HelperError::NotRun(e.to_string());
    let mut child = Command::new(program)
        .arg("get")
        .env_clear()
        .envs(environment.variables.iter().map(|(name, value)| (name, value)))
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .map_err(not_run)?;
    let (mut stdin, stdout) = (child.stdin.take(), child.stdout.take());
    let write = async {
        if let Some(stdin) = &mut stdin {
            // A helper that does not read its input has said what it wants to say.
            let _ = stdin.write_all(format!("{server}\n").as_bytes()).await;
        }
        drop(stdin.take());
    };
    let read = async {
        let mut output = Vec::new();
        if let Some(stdout) = stdout {
            stdout.take(HELPER_OUTPUT_LIMIT + 1).read_to_end(&mut output).await.map_err(not_run)?;
        }
        Ok(output)
    };
    let ((), output) = tokio::join!(write, read);
    let output = output?;
    if output.len() as u64 > HELPER_OUTPUT_LIMIT {
        return Err(HelperError::TooMuch);
    }
    let status = child.wait().await.map_err(not_run)?;
    Ok((status.success(), output))
}

#[cfg(test)]
pub(crate) mod tests;
