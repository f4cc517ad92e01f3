//! One profile of AWS's two files, `credentials` and `config`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::error::KmsError;
use crate::surroundings::Surroundings;
use crate::vault::bounded_file;

/// The longest such file read; a thousand profiles fit.
const LIMIT: u64 = 1024 * 1024;

/// The settings of the profile in use; what `credentials` says wins.
pub(super) struct Profile {
    pub(super) name: String,
    settings: BTreeMap<String, String>,
    /// Whether a profile was asked for by name and neither file has it.
    pub(super) missing: bool,
}

impl Profile {
    pub(super) fn read(around: &dyn Surroundings) -> Result<Self, KmsError> {
        let asked = around.variable("AWS_PROFILE").or_else(|| around.variable("AWS_DEFAULT_PROFILE"));
        let name = asked.clone().unwrap_or_else(|| "default".to_owned());
        let home = around.variable("HOME");
        let place = |variable: &str, file: &str| {
            let given = around.variable(variable).map(PathBuf::from);
            given.or_else(|| home.as_ref().map(|home| Path::new(home).join(".aws").join(file)))
        };
        let mut settings = BTreeMap::new();
        for (variable, file) in
            [("AWS_CONFIG_FILE", "config"), ("AWS_SHARED_CREDENTIALS_FILE", "credentials")]
        {
            let Some(path) = place(variable, file) else { continue };
            let Some(text) = bounded_file(&path, LIMIT)? else { continue };
            // In `config` every profile but the default is headed `[profile NAME]`.
            settings.extend(section(&text, |head| {
                head == name || head.strip_prefix("profile ").is_some_and(|rest| rest.trim() == name)
            }));
        }
        let missing = asked.is_some() && settings.is_empty();
        Ok(Self { name, settings, missing })
    }

    pub(super) fn setting(&self, name: &str) -> Option<String> {
        self.settings.get(name).filter(|value| !value.is_empty()).cloned()
    }
}

fn section(text: &str, ours: impl Fn(&str) -> bool) -> BTreeMap<String, String> {
    let mut inside = false;
    let mut found = BTreeMap::new();
    for line in text.lines() {
        let bare = line.trim();
        if bare.is_empty() || bare.starts_with(['#', ';']) {
            continue;
        }
        if let Some(head) = bare.strip_prefix('[').and_then(|rest| rest.split(']').next()) {
            inside = ours(head.trim());
        } else if inside
            && !line.starts_with([' ', '\t'])
            && let Some((name, value)) = bare.split_once('=')
        {
            found.insert(name.trim().to_lowercase(), value.trim().to_owned());
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_section_ends_where_the_next_begins() {
        let text = "[default]\nregion = eu-west-1\ns3 =\n  max = 3\n# x = y\n[profile b]\nRegion=us-east-1\n";
        let read = |name: &'static str| section(text, move |head| head == name);
        assert_eq!(read("default").get("region").map(String::as_str), Some("eu-west-1"));
        assert_eq!(read("default").len(), 2);
        assert_eq!(read("profile b").get("region").map(String::as_str), Some("us-east-1"));
        assert!(read("c").is_empty());
    }
}
