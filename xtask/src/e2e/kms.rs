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
/// Signing without a log.
const OFFLINE: [&str; 2] = ["--use-signing-config=false", "--tlog-upload=false"];
/// What `verify-blob` says of a file or a key that is not the one.
const REFUSAL: &str = "failed to verify signature";
/// How many images each key signs.
const IMAGES: usize = 20;
/// The token's PIN.
const PIN: &str = "648219";
/// Makes keys that cosign does not make, by moto's own client: `ALIAS=KEY_SPEC…`.
const MAKE: &str = "import boto3, os, sys
kms = boto3.client('kms', os.environ['AWS_REGION'])
for name, spec in (one.split('=') for one in sys.argv[1:]):
    made = kms.create_key(KeySpec=spec, KeyUsage='SIGN_VERIFY')['KeyMetadata']['KeyId']
    kms.create_alias(AliasName='alias/' + name, TargetKeyId=made)
";
/// Keys on the token: label, id, kind.
const TOKEN_KEYS: [(&str, &str, &str); 4] = [
    ("p256", "01", "EC:prime256v1"),
    ("rsa2048", "02", "rsa:2048"),
    ("p384", "03", "EC:secp384r1"),
    ("p521", "04", "EC:secp521r1"),
];
/// The longest message AWS takes whole, in bytes; the hash of longer ones is what moto hashes once more.
const AWS_RAW: usize = 4096;

/// Signs and verifies with keys that never leave their service.
pub(super) fn run(setting: &Setting) -> Result<()> {
    let mut place = Place::new(&setting.binary)?;
    place.must(&["generate-key-pair", "--output-key-prefix", "stranger"])?;
    let registry = Server::provost_registry(&setting.binary, place.folder())?;
    let scene = registry.address.to_string();
    aws(setting, &mut place, &scene).context("awskms")?;
    token(setting, &mut place, &scene).context("pkcs11")
}

/// AWS, as moto plays it.
pub(super) struct Moto {
    server: Server,
    programs: PathBuf,
}

impl Moto {
    /// Installs it where it is missing, and starts it.
    pub(super) fn start(folder: &Path) -> Result<Self> {
        let programs = fetched::python_programs("moto", &[MOTO])?;
        let address = free()?;
        let mut command = Command::new(programs.join("moto_server"));
        command.args(["-H", "127.0.0.1", "-p", &address.port().to_string()]);
        let server = Server::start(command, "moto", folder, address)?;
        Ok(Self { server, programs })
    }

    /// By what its clients find it, and who they are.
    pub(super) fn environment(&self) -> [(&'static str, String); 4] {
        [
            ("AWS_ENDPOINT_URL", format!("http://{}", self.server.address)),
            ("AWS_REGION", "us-east-1".to_owned()),
            ("AWS_ACCESS_KEY_ID", "test".to_owned()),
            ("AWS_SECRET_ACCESS_KEY", "test".to_owned()),
        ]
    }
}

/// A key that moto keeps, by its alias.
fn aws(setting: &Setting, place: &mut Place, registry: &str) -> Result<()> {
    let moto = Moto::start(place.folder())?;
    for (name, value) in moto.environment() {
        place.set(name, value);
    }
    let key = "awskms:///alias/provost";
    place.refuses(&["public-key", "--key", key], "NotFoundException")?;
    place.must(&["generate-key-pair", "--kms", key])?;
    let others = ["rsa2048=RSA_2048", "p384=ECC_NIST_P384", "p521=ECC_NIST_P521"];
    place.must_by(&moto.programs.join("python"), &[["-c", MAKE].as_slice(), &others].concat())?;
    for name in ["provost", "rsa2048", "p384", "p521"] {
        let key = format!("awskms:///alias/{name}");
        let label = format!("aws-{name}");
        signs(setting, place, registry, &label, &key)?;
        blob(place, &label, &key, &"x".repeat(AWS_RAW))?;
        // A signature that does not verify under the key is never handed on.
        place.write("long", &"x".repeat(AWS_RAW + 1))?;
        place.refuses(
            &[["sign-blob", "--key", &key, "--bundle", "long.bundle"].as_slice(), &OFFLINE, &["long"]]
                .concat(),
            "public half",
        )?;
    }
    shell::say("keys in AWS KMS, as moto plays it, sign and verify");
    Ok(())
}

/// A key on a token, through the helper that speaks cosign's plugin protocol.
fn token(setting: &Setting, place: &mut Place, registry: &str) -> Result<()> {
    shell::install(&[("softhsm2-util", "softhsm2"), ("pkcs11-tool", "opensc")])?;
    let helper = helper(setting)?;
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
    for (label, id, kind) in TOKEN_KEYS {
        let rest = ["--key-type", kind, "--label", label, "--id", id];
        place.must_by(Path::new("pkcs11-tool"), &[make.as_slice(), &rest].concat())?;
        let bare = format!("pkcs11:token=provost;object={label}?module-path={module}");
        let with = |pin: &str| format!("{bare}&pin-value={pin}");
        let name = format!("token-{label}");
        signs(setting, place, registry, &name, &with(PIN))?;
        blob(place, &name, &with(PIN), &"x".repeat(AWS_RAW + 1))?;
        place.write("blob", label)?;
        let sign = |key: &str| {
            place.run(
                &[["sign-blob", "--key", key, "--bundle", "no.bundle"].as_slice(), &OFFLINE, &["blob"]]
                    .concat(),
            )
        };
        for (key, words) in [(with("000000"), "PIN is incorrect"), (bare.clone(), "COSIGN_PKCS11_PIN")] {
            let refused = sign(&key)?;
            if refused.exit == 0 || !refused.stderr.contains(words) || refused.stderr.contains("000000") {
                bail!("a wrong PIN or none signs, or is shown: {}", refused.stderr.trim());
            }
        }
        place.set("COSIGN_PKCS11_PIN", PIN);
        blob(place, &name, &format!("pkcs11:token=provost;id=%{id}?module-path={module}"), label)?;
        place.unset("COSIGN_PKCS11_PIN");
    }
    shell::say("keys on a PKCS#11 token sign and verify");
    Ok(())
}

/// The folder of the helper: beside the binary, as installed; a release binary's is built as that was.
fn helper(setting: &Setting) -> Result<PathBuf> {
    let release = shell::root().join("target/release");
    match setting.binary.parent() {
        Some(folder) if folder != release && folder.join("sigstore-kms-pkcs11").is_file() => {
            Ok(folder.to_owned())
        }
        _ => {
            shell::run("cargo", &["build", "--release", "--quiet", "--package", "provost-pkcs11"])?;
            Ok(release)
        }
    }
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
            place.must(&[["sign", "--key", key, format].as_slice(), &OFFLINE, &[&image]].concat())?;
        }
        for known in [key, &file] {
            place.must(&["verify", "--key", known, &image])?;
        }
        place.refuses(&["verify", "--key", "stranger.pub", &image], "no matching")?;
    }
    Ok(())
}

/// Signs a file with the key, and verifies it by the key and by its exported half, which `signs` left.
fn blob(place: &Place, name: &str, key: &str, content: &str) -> Result<()> {
    place.write("blob", content)?;
    place.write("other", "another file")?;
    let bundle = format!("{name}.bundle");
    let sign = ["sign-blob", "--key", key, "--bundle", &bundle];
    place.must(&[sign.as_slice(), &OFFLINE, &["blob"]].concat())?;
    let file = format!("{name}.pub");
    for known in [key, &file] {
        place.must(&["verify-blob", "--key", known, "--bundle", &bundle, "blob"])?;
        place.refuses(&["verify-blob", "--key", known, "--bundle", &bundle, "other"], REFUSAL)?;
    }
    place.refuses(&["verify-blob", "--key", "stranger.pub", "--bundle", &bundle, "blob"], REFUSAL)
}
