//! Programs that keep keys for others: sigstore's KMS plugins, `sigstore-kms-<name>` on the PATH.
//!
//! A program is looked for in the absolute folders of the PATH alone, started without a shell, with a listed
//! environment, and ended when it takes too long or writes too much. What it writes on standard error is shown.

pub(crate) mod pin;

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use provost_keys::plugin_protocol::{
    CreateKey, Empty, InitOptions, PROGRAM_PREFIX, PublicKeyCall, Request, Response, RpcOptions, SignMessage,
    VERSION, hash_number,
};
use provost_keys::{Hash, PublicKey};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::Command;
use zeroize::Zeroizing;

use self::pin::PKCS11;
use crate::error::{KmsError, PluginFault};
use crate::remote_key::{RemoteKey, RemoteSigner};
use crate::surroundings::Surroundings;
use crate::transport::plain;

/// How long one call may take, a person's touch on a token included.
pub const PLUGIN_TIME: Duration = Duration::from_secs(10);
/// The longest answer: a signature or public key in base64 inside JSON has a few KiB.
pub const PLUGIN_OUTPUT_LIMIT: usize = 1024 * 1024;
/// The variables every plugin gets; besides them those that begin with its own name, and those that
/// `PROVOST_KMS_PLUGIN_ENV` lists.
const VARIABLES: [&str; 20] = [
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "LANG",
    "LC_ALL",
    "TZ",
    "TMPDIR",
    "TERM",
    "XDG_CONFIG_HOME",
    "XDG_RUNTIME_DIR",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "HTTPS_PROXY",
    "HTTP_PROXY",
    "NO_PROXY",
    "https_proxy",
    "http_proxy",
    "no_proxy",
    "PROVOST_KMS_PLUGIN_ENV",
];
/// What a token's driver and its PIN are named by.
const PKCS11_VARIABLES: [&str; 5] = [
    pin::VARIABLE,
    "COSIGN_PKCS11_MODULE_PATH",
    "COSIGN_PKCS11_IGNORE_CERTIFICATE",
    "SOFTHSM2_CONF",
    "OPENSC_CONF",
];

/// One key of one program.
pub(crate) struct Plugin {
    program: PathBuf,
    resource: String,
    variables: Vec<(String, Zeroizing<String>)>,
    around: Arc<dyn Surroundings>,
    /// How long one call may take.
    time: Duration,
}

impl Plugin {
    pub(crate) fn new(reference: &str, around: Arc<dyn Surroundings>) -> Result<Self, KmsError> {
        let (name, resource) = match reference.split_once("://") {
            // A PKCS#11 URI has no authority, and goes to its program whole.
            _ if reference.starts_with(PKCS11) => ("pkcs11", reference),
            Some(parts) => parts,
            None => return Err(PluginFault::Name { scheme: reference.to_owned() }.into()),
        };
        let proper = !name.is_empty() && name.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-'));
        if !proper {
            return Err(PluginFault::Name { scheme: name.to_owned() }.into());
        }
        let program = format!("{PROGRAM_PREFIX}{name}");
        let path = around.variable("PATH").unwrap_or_default();
        let found = std::env::split_paths(&path)
            .filter(|folder| folder.is_absolute())
            .map(|folder| folder.join(&program))
            .find(|file| is_program(file));
        let Some(program) = found else {
            return Err(match reference.starts_with(PKCS11) {
                true => PluginFault::NoTokens { program }.into(),
                false => PluginFault::NotFound { scheme: name.to_owned(), program }.into(),
            });
        };
        let mut variables = variables(name, around.as_ref());
        let (resource, pin) = pin::split(resource);
        if let Some(pin) = pin {
            variables.retain(|(name, _)| name != pin::VARIABLE);
            variables.push((pin::VARIABLE.to_owned(), pin));
        }
        Ok(Self { program, resource, variables, around, time: PLUGIN_TIME })
    }

    fn init(&self) -> InitOptions {
        let deadline = self.around.now().checked_add(self.time).ok();
        InitOptions {
            ctx_deadline: deadline.map(|time| time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()),
            protocol_version: VERSION.to_owned(),
            key_resource_id: self.resource.clone(),
            hash_func: hash_number(Hash::Sha256),
            rpc_options: RpcOptions::default(),
        }
    }

    async fn call(&self, request: &Request, input: &[u8]) -> Result<Response, PluginFault> {
        let program = self.program.display().to_string();
        let run = |cause: String| PluginFault::Run { program: program.clone(), cause };
        let text = serde_json::to_string(request).map_err(|error| run(error.to_string()))?;
        let mut command = Command::new(&self.program);
        command.args([VERSION, &text]).env_clear().kill_on_drop(true);
        command.envs(self.variables.iter().map(|(name, value)| (name, value.as_str())));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit());
        let mut child = command.spawn().map_err(|error| run(error.to_string()))?;
        let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
        let feed = async {
            if let Some(mut stdin) = stdin {
                // A program that needs no message closes its end; that is no fault.
                let _ = stdin.write_all(input).await;
            }
        };
        let read = async {
            let mut bytes = Vec::new();
            if let Some(stdout) = stdout {
                let mut bounded = stdout.take(PLUGIN_OUTPUT_LIMIT as u64 + 1);
                bounded.read_to_end(&mut bytes).await.map_err(|error| run(error.to_string()))?;
            }
            if bytes.len() > PLUGIN_OUTPUT_LIMIT {
                return Err(PluginFault::TooLong { program: program.clone(), limit: PLUGIN_OUTPUT_LIMIT });
            }
            Ok(bytes)
        };
        let all = async {
            let ((), bytes) = tokio::join!(feed, read);
            let bytes = bytes?;
            let status = child.wait().await.map_err(|error| run(error.to_string()))?;
            // An exit code says nothing in this protocol; an end by a signal does.
            if status.code().is_none() {
                return Err(run(status.to_string()));
            }
            Ok(bytes)
        };
        let done = match tokio::time::timeout(self.time, all).await {
            Ok(done) => done,
            Err(_) => Err(PluginFault::Time { program: program.clone(), limit: self.time }),
        };
        if done.is_err() {
            // One that is still running has had its time; one that has ended is past caring.
            let _ = child.kill().await;
        }
        let bytes = done?;
        let response: Response = serde_json::from_slice(&bytes)
            .map_err(|error| PluginFault::Answer { program: program.clone(), cause: error.to_string() })?;
        match response.error_message.is_empty() {
            true => Ok(response),
            false => Err(PluginFault::Said { message: plain(&response.error_message) }),
        }
    }

    fn lacks(&self, part: &str) -> PluginFault {
        PluginFault::Answer {
            program: self.program.display().to_string(),
            cause: format!("{part} is missing"),
        }
    }

    pub(crate) async fn signer(self, reference: &str) -> Result<RemoteSigner, KmsError> {
        let mut request = Request::new(self.init(), "publicKey");
        request.public_key = Some(PublicKeyCall::default());
        let answer = self.call(&request, b"").await?;
        let pem = answer.public_key.ok_or_else(|| self.lacks("publicKey"))?;
        Ok(RemoteSigner {
            reference: pin::split(reference).0,
            public: PublicKey::from_pem(&pem.public_key_pem.0)?,
            hash: Hash::Sha256,
            others: vec![Hash::Sha384, Hash::Sha512],
            key: Box::new(PluginKey(self)),
        })
    }

    pub(crate) async fn create(&self) -> Result<PublicKey, KmsError> {
        let mut request = Request::new(self.init(), "defaultAlgorithm");
        request.default_algorithm = Some(Empty {});
        let answer = self.call(&request, b"").await?;
        let algorithm =
            answer.default_algorithm.ok_or_else(|| self.lacks("defaultAlgorithm"))?.default_algorithm;
        let mut request = Request::new(self.init(), "createKey");
        request.create_key = Some(CreateKey { algorithm });
        let answer = self.call(&request, b"").await?;
        let pem = answer.create_key.ok_or_else(|| self.lacks("createKey"))?;
        Ok(PublicKey::from_pem(&pem.public_key_pem.0)?)
    }
}

struct PluginKey(Plugin);

#[async_trait]
impl RemoteKey for PluginKey {
    async fn sign(&self, message: &[u8], hash: Hash) -> Result<Vec<u8>, KmsError> {
        let Self(plugin) = self;
        let mut request = Request::new(plugin.init(), "signMessage");
        let mut call = SignMessage::default();
        if hash != Hash::Sha256 {
            call.sign_options.message_options.hash_func = Some(hash_number(hash));
        }
        request.sign_message = Some(call);
        let answer = plugin.call(&request, message).await?;
        let signature = answer.sign_message.ok_or_else(|| plugin.lacks("signMessage"))?.signature.0;
        if signature.is_empty() { Err(plugin.lacks("signMessage.signature").into()) } else { Ok(signature) }
    }
}

fn is_program(file: &Path) -> bool {
    std::fs::metadata(file).is_ok_and(|data| data.is_file() && data.permissions().mode() & 0o111 != 0)
}

fn variables(name: &str, around: &dyn Surroundings) -> Vec<(String, Zeroizing<String>)> {
    let own = format!("{}_", name.to_uppercase().replace('-', "_"));
    let listed = around.variable("PROVOST_KMS_PLUGIN_ENV").unwrap_or_default();
    let listed: Vec<&str> = listed.split(',').map(str::trim).collect();
    let given = |variable: &String| {
        let variable = variable.as_str();
        VARIABLES.contains(&variable)
            || variable.starts_with(&own)
            || listed.contains(&variable)
            || (name == "pkcs11" && PKCS11_VARIABLES.contains(&variable))
    };
    let names = around.names().into_iter().filter(given);
    names.filter_map(|name| Some((name.clone(), Zeroizing::new(around.variable(&name)?)))).collect()
}

#[cfg(test)]
mod tests;
