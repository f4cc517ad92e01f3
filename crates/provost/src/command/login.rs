//! `provost login`: puts a registry's user and password into docker's configuration.
//!
//! Follows cosign 3.1, which asks no registry whether they are right.

use std::io::{Read, Write};
use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use provost_oci::Repository;
use serde_json::{Map, Value, json};

use crate::face::Face;
use crate::failure::Failure;
use crate::go_os;

/// The longest password read from standard input: tokens have some KiB.
const MAX_PASSWORD_BYTES: u64 = 64 * 1024;
/// The largest docker configuration read, as for looking up credentials.
const MAX_CONFIG_BYTES: u64 = provost_registry::limits::DOCKER_CONFIG_LIMIT;
/// Docker Hub's key.
const HUB: &str = "https://index.docker.io/v1/";

/// Log in to a registry.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// The user.
    #[arg(short = 'u', long, value_name = "NAME")]
    username: Option<String>,
    /// The password.
    #[arg(short = 'p', long, value_name = "PASSWORD")]
    password: Option<String>,
    /// Read the password from standard input.
    #[arg(long, num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true")]
    password_stdin: bool,
    /// The registry.
    #[arg(value_name = "SERVER")]
    servers: Vec<String>,
}

/// Writes the file.
pub(crate) fn run(args: Args, face: &Face) -> Result<(), Failure> {
    let [server] = args.servers.as_slice() else {
        return Err(Failure::new(format!("accepts 1 arg(s), received {}", args.servers.len())));
    };
    if Repository::new(server, "any").is_err() {
        return Err(Failure::new(format!("registries must be valid RFC 3986 URI authorities: {server}")));
    }
    let password = match args.password_stdin {
        true => Some(from_stdin()?),
        false => args.password,
    };
    let (username, password) = (args.username.unwrap_or_default(), password.unwrap_or_default());
    // As in cosign, one of the two will do.
    if username.is_empty() && password.is_empty() {
        return Err(Failure::new("username and password required"));
    }
    let path = config_file(face)?;
    let mut config = match path.exists() {
        true => serde_json::from_slice(&go_os::read(&path, MAX_CONFIG_BYTES)?)
            .map_err(|error| Failure::new(format!("{}: no docker configuration: {error}", path.display())))?,
        false => Map::new(),
    };
    let key = match server.as_str() {
        "docker.io" | "index.docker.io" => HUB,
        other => other,
    };
    if let Some(helper) = helper(&config, key) {
        return Err(Failure::new(format!(
            "{} keeps the credentials of {key} in docker-credential-{helper}: log in with docker, or remove credsStore and credHelpers there",
            path.display()
        )));
    }
    let entry = json!({"auth": STANDARD.encode(format!("{username}:{password}"))});
    let auths = config.entry("auths").or_insert_with(|| Value::Object(Map::new()));
    let auths = auths
        .as_object_mut()
        .ok_or_else(|| Failure::new(format!("{}: auths is no object", path.display())))?;
    let known = auths.insert(key.to_owned(), entry.clone()).is_some_and(|before| before == entry);
    write(&path, &config)
        .map_err(|error| Failure::new(format!("write {}: {}", path.display(), go_os::cause(&error))))?;
    let shown = path.display();
    if !known {
        face.say(format!(
            "\nWARNING! Your credentials are stored unencrypted in '{shown}'.\nConfigure a credential helper to remove this warning. See\nhttps://docs.docker.com/go/credential-store/\n"
        ));
    }
    face.say(format!("logged in via {shown}"));
    Ok(())
}

/// A password on standard input, without its line end.
fn from_stdin() -> Result<String, Failure> {
    let mut text = String::new();
    std::io::stdin().lock().take(MAX_PASSWORD_BYTES + 1).read_to_string(&mut text)?;
    if text.len() as u64 > MAX_PASSWORD_BYTES {
        return Err(Failure::new(format!(
            "the password on standard input is longer than {MAX_PASSWORD_BYTES} bytes"
        )));
    }
    let text = text.strip_suffix('\n').unwrap_or(&text);
    Ok(text.strip_suffix('\r').unwrap_or(text).to_owned())
}

/// `$DOCKER_CONFIG/config.json`, else the one in the home folder.
fn config_file(face: &Face) -> Result<PathBuf, Failure> {
    let set = |name| face.environment.raw(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let folder = set("DOCKER_CONFIG").or_else(|| set("HOME").map(|home| home.join(".docker")));
    folder.map(|folder| folder.join("config.json")).ok_or_else(|| {
        Failure::new("neither DOCKER_CONFIG nor HOME is set: there is no place for the credentials")
    })
}

/// The helper that keeps a server's credentials, where there is one.
fn helper(config: &Map<String, Value>, server: &str) -> Option<String> {
    let own = config.get("credHelpers").and_then(|helpers| helpers.get(server));
    let named = own.or_else(|| config.get("credsStore")).and_then(Value::as_str);
    named.filter(|name| !name.is_empty()).map(str::to_owned)
}

/// Writes the configuration whole, readable by its owner alone, indented as docker does.
fn write(path: &std::path::Path, config: &Map<String, Value>) -> std::io::Result<()> {
    let folder = path.parent().unwrap_or(path);
    std::fs::create_dir_all(folder)?;
    let mut text = Vec::new();
    let indent = serde_json::ser::PrettyFormatter::with_indent(b"\t");
    let mut writer = serde_json::Serializer::with_formatter(&mut text, indent);
    serde::Serialize::serialize(config, &mut writer)?;
    // A link is followed, so that what it leads to is replaced and not the link.
    let target = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let mut draft = tempfile::NamedTempFile::new_in(target.parent().unwrap_or(folder))?;
    draft.write_all(&text)?;
    draft.persist(&target).map_err(|error| error.error)?;
    Ok(())
}
