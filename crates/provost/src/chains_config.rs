//! Reading a `chains-config` ConfigMap from a file.

use std::path::Path;

use provost_chains::ChainsConfig;

use crate::face::Face;
use crate::failure::Failure;
use crate::go_os;

/// The largest ConfigMap: Kubernetes' own limit is 1 MiB; YAML may spell it twice as long.
const LIMIT: u64 = 2 * 1024 * 1024;

/// The configuration of this file, Chains' defaults without one; warnings are said.
///
/// # Errors
/// When the file cannot be read, or a key has a value that Chains refuses.
pub(crate) fn read(path: Option<&Path>, face: &Face) -> Result<ChainsConfig, Failure> {
    let Some(path) = path else { return Ok(ChainsConfig::default()) };
    let file = path.display().to_string();
    let text = String::from_utf8(go_os::read(path, LIMIT)?)
        .map_err(|_| Failure::new(format!("{file}: expected UTF-8, found other bytes")))?;
    let (config, warnings) = ChainsConfig::from_configmap(&text, &file)?;
    warnings.iter().for_each(|warning| face.say(format!("WARNING: {warning}")));
    Ok(config)
}
