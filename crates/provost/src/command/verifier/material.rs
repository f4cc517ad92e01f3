//! What certificates, logs and timestamps are held against: a trusted root, or files, as flags and variables name them.

use std::path::{Path, PathBuf};

use provost_keys::PublicKey;
use provost_sigstore::certificate::{CERTIFICATE_FILE_LIMIT, Certificate};
use provost_sigstore::initialize;
use provost_sigstore::stamp::StampAuthority;
use provost_sigstore::trust_root::{TRUSTED_ROOT_LIMIT, TrustMaterial, TrustedRootError};
use provost_sigstore::window::Window;
use provost_verify::dialect::go_text;

use crate::command::initialize::cache;
use crate::face::Face;
use crate::failure::Failure;
use crate::key_reference::Vouch;
use crate::{go_os, key_reference};

/// What is needed, and from which files.
pub(super) struct Sources<'a> {
    pub(super) trusted_root: Option<&'a str>,
    pub(super) certificate_chain: Option<&'a str>,
    pub(super) ca_roots: Option<&'a str>,
    pub(super) ca_intermediates: Option<&'a str>,
    pub(super) timestamp_chain: Option<&'a str>,
    /// Whether nothing but a key or a named certificate is needed.
    pub(super) key_alone: bool,
    pub(super) logs: bool,
    pub(super) stamps: bool,
    pub(super) ct_logs: bool,
    pub(super) authorities: bool,
}

/// The material, and whether it is one trusted root.
pub(super) struct Loaded {
    pub(super) material: TrustMaterial,
    pub(super) from_trusted_root: bool,
}

/// Reads what is needed, in cosign's order.
///
/// # Errors
/// The first file that cannot be read, or what is needed and nowhere to be found: no network is asked.
pub(super) async fn load(sources: &Sources<'_>, face: &Face) -> Result<Loaded, Failure> {
    if let Some(path) = sources.trusted_root {
        let material = trusted_root(Path::new(path))
            .map_err(|failure| failure.context("setting trusted material: loading trusted root"))?;
        return Ok(Loaded { material, from_trusted_root: true });
    }
    let files =
        [sources.certificate_chain, sources.ca_roots, sources.ca_intermediates, sources.timestamp_chain];
    let variable = |name: &str| face.environment.text(name).filter(|text| !text.is_empty());
    let named = [
        "SIGSTORE_CT_LOG_PUBLIC_KEY_FILE",
        "SIGSTORE_ROOT_FILE",
        "SIGSTORE_REKOR_PUBLIC_KEY",
        "SIGSTORE_TSA_CERTIFICATE_FILE",
    ];
    let elsewhere = files.iter().any(Option::is_some) || named.iter().any(|name| variable(name).is_some());
    let fetched = if sources.key_alone || elsewhere { None } else { fetched_root(face)? };
    if let Some(path) = fetched {
        let material = trusted_root(&path)
            .map_err(|failure| failure.context("setting trusted material: loading trusted root"))?;
        return Ok(Loaded { material, from_trusted_root: true });
    }
    let material = from_files(sources, &variable, face).await;
    let material = material.map_err(|failure| failure.context("setting up clients and keys"))?;
    Ok(Loaded { material, from_trusted_root: false })
}

/// What is at hand for policies: the named root, or what the variables name, or the root that was fetched, or nothing.
///
/// # Errors
/// The file that is no root, key or certificate.
pub(crate) fn at_hand(named: Option<&str>, face: &Face) -> Result<TrustMaterial, Failure> {
    if let Some(path) = named {
        return trusted_root(Path::new(path));
    }
    let variable = |name: &str| face.environment.text(name).filter(|text| !text.is_empty());
    let roots = variable("SIGSTORE_ROOT_FILE");
    let log = variable("SIGSTORE_REKOR_PUBLIC_KEY");
    let ct_log = variable("SIGSTORE_CT_LOG_PUBLIC_KEY_FILE");
    let mut material = match fetched_root(face)? {
        Some(path) if roots.is_none() || log.is_none() || ct_log.is_none() => trusted_root(&path)?,
        _ => TrustMaterial::default(),
    };
    if let Some(path) = roots {
        let (roots, intermediates) = from_file(&path)?.into_iter().partition(Certificate::is_self_issued);
        material.authorities.clear();
        material.add_authority(roots, intermediates);
    }
    if log.is_some() {
        material.logs.clear();
        material.add_log(log_key(log, "Rekor", "SIGSTORE_REKOR_PUBLIC_KEY", face)?);
    }
    if ct_log.is_some() {
        material.ct_logs.clear();
        material.add_ct_log(log_key(ct_log, "CTLog", "SIGSTORE_CT_LOG_PUBLIC_KEY_FILE", face)?);
    }
    Ok(material)
}

async fn from_files(
    sources: &Sources<'_>,
    variable: &(dyn Fn(&str) -> Option<String> + Sync),
    face: &Face,
) -> Result<TrustMaterial, Failure> {
    let mut material = TrustMaterial::default();
    if sources.stamps {
        let named = variable("SIGSTORE_TSA_CERTIFICATE_FILE");
        let path = named.as_deref().or(sources.timestamp_chain);
        let found = path.map_or_else(
            || Err(missing("SIGSTORE_TSA_CERTIFICATE_FILE or --timestamp-certificate-chain", face)),
            stamp_authority,
        );
        material
            .stamp_authorities
            .push(found.map_err(|failure| failure.context("loading TSA certificates"))?);
    }
    if sources.logs {
        let key = log_key(variable("SIGSTORE_REKOR_PUBLIC_KEY"), "Rekor", "SIGSTORE_REKOR_PUBLIC_KEY", face);
        material.add_log(key.map_err(|failure| failure.context("getting rekor public keys"))?);
    }
    if sources.ct_logs {
        let name = "SIGSTORE_CT_LOG_PUBLIC_KEY_FILE";
        let key = log_key(variable(name), "CTLog", name, face);
        material.add_ct_log(key.map_err(|failure| failure.context("getting ctlog public keys"))?);
    }
    if sources.authorities {
        let loaded = authorities(sources, variable, &mut material, face).await;
        loaded.map_err(|failure| failure.context("loading certs for keyless verification"))?;
    }
    Ok(material)
}

async fn authorities(
    sources: &Sources<'_>,
    variable: &(dyn Fn(&str) -> Option<String> + Sync),
    material: &mut TrustMaterial,
    face: &Face,
) -> Result<(), Failure> {
    if let Some(path) = sources.certificate_chain {
        let mut chain = certificates(path, face).await?;
        let root = chain.pop().ok_or_else(|| {
            Failure::new(format!("{path} holds no certificate: expected a chain that ends with the root"))
        })?;
        material.add_authority(vec![root], chain);
        return Ok(());
    }
    if let Some(path) = sources.ca_roots {
        let roots = certificates(path, face).await?;
        let intermediates = match sources.ca_intermediates {
            Some(path) => certificates(path, face).await?,
            None => Vec::new(),
        };
        material.add_authority(roots, intermediates);
        return Ok(());
    }
    let path = variable("SIGSTORE_ROOT_FILE")
        .ok_or_else(|| missing("--ca-roots, --certificate-chain or SIGSTORE_ROOT_FILE", face))
        .map_err(|failure| failure.context("getting Fulcio roots"))?;
    let (roots, intermediates) = from_file(&path)?.into_iter().partition(Certificate::is_self_issued);
    material.add_authority(roots, intermediates);
    Ok(())
}

/// All certificates of PEM: a file, a URL or `env://VARIABLE`, as cosign reads those of flags.
pub(super) async fn certificates(reference: &str, face: &Face) -> Result<Vec<Certificate>, Failure> {
    let text = key_reference::file_or_url(reference, CERTIFICATE_FILE_LIMIT, Vouch::Transport, face).await?;
    all_of(&text)
}

/// The first certificate of the same, PEM or that in base64.
pub(super) async fn certificate(reference: &str, face: &Face) -> Result<Certificate, Failure> {
    let text = key_reference::file_or_url(reference, CERTIFICATE_FILE_LIMIT, Vouch::Transport, face).await?;
    Certificate::from_pem(&text).map_err(|error| Failure::new(go_text::certificate(&error)))
}

/// All certificates of a PEM file, as cosign reads those of variables and of timestamp authorities.
fn from_file(path: &str) -> Result<Vec<Certificate>, Failure> {
    all_of(&go_os::read(Path::new(path), CERTIFICATE_FILE_LIMIT as u64)?)
}

fn all_of(pem: &[u8]) -> Result<Vec<Certificate>, Failure> {
    Certificate::all_from_pem(pem).map_err(|error| Failure::new(go_text::certificate(&error)))
}

/// A timestamp authority by its certificates: exactly one signs, at least one is a root.
fn stamp_authority(path: &str) -> Result<StampAuthority, Failure> {
    let all = from_file(path).map_err(|failure| failure.context("error reading TSA certificate file"))?;
    let (authorities, leaves): (Vec<_>, Vec<_>) = all.into_iter().partition(Certificate::is_authority);
    let (roots, between): (Vec<_>, Vec<_>) = authorities.into_iter().partition(Certificate::is_self_issued);
    let [leaf] = leaves.as_slice() else {
        return Err(Failure::new("TSA certificate chain must contain exactly one leaf certificate"));
    };
    let no_root = || Failure::new("TSA certificate chain must contain at least one root certificate");
    let root = roots.into_iter().next().ok_or_else(no_root)?;
    let chain: Vec<Certificate> = [vec![leaf.clone()], between, vec![root]].concat();
    StampAuthority::new(&chain, Window::default()).ok_or_else(no_root)
}

fn log_key(path: Option<String>, name: &str, wanted: &str, face: &Face) -> Result<PublicKey, Failure> {
    let path = path.ok_or_else(|| missing(wanted, face))?;
    let text = go_os::read(Path::new(&path), provost_keys::KEY_FILE_LIMIT as u64)
        .map_err(|failure| failure.context(&format!("error reading alternate {name} public key file")))?;
    PublicKey::from_pem(&text).map_err(|error| Failure::new(format!("Add{name}PubKey: {error}")))
}

fn trusted_root(path: &Path) -> Result<TrustMaterial, Failure> {
    let json = go_os::read(path, TRUSTED_ROOT_LIMIT as u64)
        .map_err(|failure| Failure::new(format!("failed to read trusted root {}", failure.words())))?;
    TrustMaterial::from_trusted_root(&json).map_err(|error| {
        Failure::new(match error {
            TrustedRootError::Json(why) => format!("failed to proto-json unmarshal trusted root: {why}"),
            TrustedRootError::MediaType { found } => format!("unsupported TrustedRoot media type: {found}"),
            other => other.to_string(),
        })
    })
}

/// The trusted root that was fetched, where there is one: that of the mirror initialized last, or the folder's own, or
/// that of its only mirror.
pub(crate) fn fetched_root(face: &Face) -> Result<Option<PathBuf>, Failure> {
    let Some(folder) = cache(face) else { return Ok(None) };
    let below = |folder: &Path| folder.join("targets").join("trusted_root.json");
    let initialized = initialize::initialized(&folder)?;
    let known = initialized.as_ref().map(|(_, mirror)| below(mirror));
    let own = below(&folder);
    if let Some(path) = known.into_iter().chain([own]).find(|path| path.is_file()) {
        return Ok(Some(path));
    }
    if initialized.is_some() {
        return Ok(None);
    }
    let Ok(entries) = std::fs::read_dir(&folder) else { return Ok(None) };
    let mirrors = entries.filter_map(Result::ok).map(|entry| below(&entry.path()));
    let mut found: Vec<PathBuf> = mirrors.filter(|path| path.is_file()).collect();
    // With several mirrors it would be open whose word counts.
    let only = found.pop();
    Ok(only.filter(|_| found.is_empty()))
}

fn missing(wanted: &str, face: &Face) -> Failure {
    let folder = cache(face).unwrap_or_default();
    Failure::new(format!(
        "no trusted root is at hand, and none is fetched while verifying: expected --trusted-root FILE, {wanted}, or a root that `initialize` has put into {}",
        folder.display()
    ))
}
