//! A program that takes too long.

use super::*;

struct OnPath(String);

impl Surroundings for OnPath {
    fn variable(&self, name: &str) -> Option<String> {
        (name == "PATH").then(|| self.0.clone())
    }

    fn names(&self) -> Vec<String> {
        vec!["PATH".to_owned()]
    }

    fn now(&self) -> jiff::Timestamp {
        jiff::Timestamp::UNIX_EPOCH
    }

    fn client(&self, _: Option<&Path>) -> Result<reqwest::Client, String> {
        Err("a plugin needs none".to_owned())
    }
}

#[tokio::test]
async fn a_program_has_its_time_and_is_ended_then() {
    let folder = tempfile::tempdir().unwrap();
    let (file, mark) = (folder.path().join("sigstore-kms-hangs"), folder.path().join("pid"));
    std::fs::write(&file, format!("#!/bin/sh\necho $$ > {}\nexec sleep 600\n", mark.display())).unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
    let around = Arc::new(OnPath(format!("{}:/usr/bin:/bin", folder.path().display())));
    let mut plugin = Plugin::new("hangs://k", around).unwrap();
    assert_eq!(plugin.time, PLUGIN_TIME);
    plugin.time = Duration::from_secs(1);
    let error = plugin.signer("hangs://k").await.unwrap_err();
    assert!(
        matches!(error, KmsError::Plugin(PluginFault::Time { limit, .. }) if limit == Duration::from_secs(1)),
        "{error}"
    );
    let pid = std::fs::read_to_string(mark).unwrap();
    assert!(!Path::new(&format!("/proc/{}", pid.trim())).exists(), "the program still runs");
}
