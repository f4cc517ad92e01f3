//! Keys in key services: AWS KMS as moto plays it, and a PKCS#11 token of softhsm2.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::Setting;
use crate::place::Place;
use crate::servers::{Server, free};
use crate::{fetched, shell};

/// What plays AWS.
const MOTO: &str = "moto[server]==5.2.5";
/// How many images each key signs.
const IMAGES: usize = 20;
/// The token's PIN.
const PIN: &str = "648219";

/// Signs and verifies with keys that never leave their service.
pub(super) fn run(setting: &Setting) -> Result<()> {
    let mut place = Place::new(&setting.binary)?;
    place.must(&["generate-key-pair", "--output-key-prefix", "stranger"])?;
    let registry = Server::provost_registry(&setting.binary, place.folder())?;
    let scene = registry.address.to_string();
    aws(setting, &mut place, &scene).context("awskms")?;
    if setting.short {
        return Ok(());
    }
    token(setting, &mut place, &scene).context("pkcs11")
}

/// A key that moto keeps, by its alias.
fn aws(setting: &Setting, place: &mut Place, registry: &str) -> Result<()> {
    let programs = fetched::python_programs("moto", &[MOTO])?;
    let address = free()?;
    let mut command = Command::new(programs.join("moto_server"));
    command.args(["-H", "127.0.0.1", "-p", &address.port().to_string()]);
    let _server = Server::start(command, "moto", place.folder(), address)?;
    place.set("AWS_ENDPOINT_URL", format!("http://{address}"));
    place.set("AWS_REGION", "us-east-1");
    place.set("AWS_ACCESS_KEY_ID", "test");
    place.set("AWS_SECRET_ACCESS_KEY", "test");
    let key = "awskms:///alias/provost";
    place.refuses(&["public-key", "--key", key], "NotFoundException")?;
    place.must(&["generate-key-pair", "--kms", key])?;
    place.must(&["public-key", "--key", key])?;
    if setting.short {
        // moto hashes a digest once more, so what it signs verifies nowhere; the full run keeps saying so.
        shell::say("a key in AWS KMS, as moto plays it, is made and read");
        return Ok(());
    }
    signs(setting, place, registry, "aws", key)?;
    shell::say("a key in AWS KMS, as moto plays it, signs and verifies");
    Ok(())
}

/// A key on a token, through the helper that speaks cosign's plugin protocol.
fn token(setting: &Setting, place: &mut Place, registry: &str) -> Result<()> {
    shell::install(&[("softhsm2-util", "softhsm2"), ("pkcs11-tool", "opensc")])?;
    let helper = helper()?;
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::iter::once(helper).chain(std::env::split_paths(&path));
    place.set("PATH", std::env::join_paths(folders)?);
    let tokens = place.folder().join("tokens");
    std::fs::create_dir(&tokens)?;
    place.write("softhsm2.conf", &format!("directories.tokendir = {}\n", tokens.display()))?;
    place.set("SOFTHSM2_CONF", place.folder().join("softhsm2.conf"));
    let module = module()?;
    let module = module.to_string_lossy();
    let init = ["--init-token", "--free", "--label", "provost", "--pin", PIN, "--so-pin", PIN];
    place.must_by(Path::new("softhsm2-util"), &init)?;
    let make = ["--module", &module, "--token-label", "provost", "--login", "--pin", PIN, "--keypairgen"];
    for (label, id, kind) in [("ec", "01", "EC:prime256v1"), ("rsa", "02", "rsa:2048")] {
        let rest = ["--key-type", kind, "--label", label, "--id", id];
        place.must_by(Path::new("pkcs11-tool"), &[make.as_slice(), &rest].concat())?;
        let key = format!("pkcs11:token=provost;object={label}?module-path={module}&pin-value={PIN}");
        signs(setting, place, registry, label, &key)?;
        let wrong = key.replace(PIN, "000000");
        let refused = place.run(&["sign", "--key", &wrong, &format!("{registry}/kms/{label}:v0")])?;
        if refused.exit == 0 || refused.stderr.contains("000000") || refused.stderr.contains(PIN) {
            bail!("a wrong PIN signs, or a PIN is shown: {}", refused.stderr.trim());
        }
    }
    shell::say("keys on a PKCS#11 token sign and verify");
    Ok(())
}

/// The folder of the helper, built as the binary is.
fn helper() -> Result<PathBuf> {
    shell::run("cargo", &["build", "--release", "--quiet", "--package", "provost-pkcs11"])?;
    Ok(shell::root().join("target/release"))
}

/// softhsm's library, which Debian puts below the machine's own folder.
fn module() -> Result<PathBuf> {
    let known = ["/usr/lib/softhsm/libsofthsm2.so", "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so"];
    known.iter().map(PathBuf::from).find(|path| path.is_file()).context("libsofthsm2.so is not there")
}

/// Signs images with the key, and verifies them by the key, by its exported half, and not by a stranger's.
fn signs(setting: &Setting, place: &Place, registry: &str, name: &str, key: &str) -> Result<()> {
    let public = place.must(&["public-key", "--key", key])?;
    if !public.starts_with("-----BEGIN PUBLIC KEY-----") {
        bail!("public-key --key {key} prints {public:?}");
    }
    let file = format!("{name}.pub");
    place.write(&file, &public)?;
    for number in 0..setting.count(IMAGES) {
        let image =
            place.image(&format!("{registry}/kms/{name}:v{number}"), &format!("{name} {number}\n"))?;
        for format in ["--new-bundle-format=false", "--new-bundle-format=true"] {
            let offline = ["--use-signing-config=false", "--tlog-upload=false", format];
            place.must(&[&["sign", "--key", key], offline.as_slice(), &[&image]].concat())?;
        }
        for known in [key, &file] {
            place.must(&["verify", "--key", known, &image])?;
        }
        place.refuses(&["verify", "--key", "stranger.pub", &image], "no matching")?;
    }
    Ok(())
}
