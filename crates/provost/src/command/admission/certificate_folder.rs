//! A certificate and its key in a folder: made where there is none, and shown anew when they change.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use provost_gate::metrics::Metrics;
use provost_gate::server::{Say, self_made};
use provost_serve::{Certificates, read_file};

use super::audit::Audit;
use crate::failure::Failure;

/// How often the files are looked at: whoever rotates them has days.
const ROUND: Duration = Duration::from_secs(2);

/// The folder.
pub(super) struct CertificateFolder {
    folder: PathBuf,
    seen: Option<(Vec<u8>, Vec<u8>)>,
    metrics: Arc<Metrics>,
}

impl CertificateFolder {
    pub(super) fn new(folder: &Path, metrics: Arc<Metrics>) -> Self {
        Self { folder: folder.to_owned(), seen: None, metrics }
    }

    /// Makes a pair for these names where the folder has none.
    ///
    /// # Errors
    /// When the folder cannot be written, or holds one of the two alone.
    pub(super) fn make_missing(&self, names: Vec<String>) -> Result<(), Failure> {
        let [certificate, key] = self.files();
        let failed = |path: &Path, why: String| Failure::new(format!("{}: {why}", path.display()));
        match (certificate.exists(), key.exists()) {
            (true, true) => return Ok(()),
            (false, false) => {}
            (true, false) => return Err(failed(&key, "is not there, and its certificate is".to_owned())),
            (false, true) => return Err(failed(&certificate, "is not there, and its key is".to_owned())),
        }
        let (chain, private) = self_made(names)?;
        std::fs::create_dir_all(&self.folder).map_err(|error| failed(&self.folder, error.to_string()))?;
        write_private(&key, private.as_bytes()).map_err(|error| failed(&key, error.to_string()))?;
        std::fs::write(&certificate, chain).map_err(|error| failed(&certificate, error.to_string()))
    }

    /// Shows the pair if it is another than before.
    ///
    /// # Errors
    /// What is wrong with it; what is shown stays.
    pub(super) fn show(&mut self, on: &Certificates) -> Result<bool, String> {
        let [certificate, key] = self.files();
        let read = |path: &Path| read_file(path).map_err(|why| format!("{}: {why}", path.display()));
        let pair = (read(&certificate)?, read(&key)?);
        if self.seen.as_ref() == Some(&pair) {
            return Ok(false);
        }
        on.set(&pair.0, &pair.1).map_err(|error| format!("{}: {error}", self.folder.display()))?;
        Audit::certificate(&self.metrics, &pair.0);
        self.seen = Some(pair);
        Ok(true)
    }

    /// Looks at the files for ever.
    pub(super) async fn follow(mut self, on: Certificates, say: Say) {
        let mut said = None;
        loop {
            tokio::time::sleep(ROUND).await;
            match self.show(&on) {
                Ok(true) => {
                    (say)(&format!("{}: another certificate is shown", self.folder.display()));
                    said = None;
                }
                Ok(false) => said = None,
                Err(why) if said.as_ref() != Some(&why) => {
                    (say)(&format!("{why}; the certificate before it is still shown"));
                    said = Some(why);
                }
                Err(_) => {}
            }
        }
    }

    fn files(&self) -> [PathBuf; 2] {
        [self.folder.join("tls.crt"), self.folder.join("tls.key")]
    }
}

/// Writes a file that others must not read.
fn write_private(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pair_is_made_once_and_half_a_pair_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("certificate");
        let mut files = CertificateFolder::new(&place, Arc::default());
        let shown = Certificates::none_yet();
        assert!(files.show(&shown).is_err());
        files.make_missing(vec!["localhost".to_owned()]).unwrap();
        assert_eq!(files.show(&shown), Ok(true));
        let first = shown.served();
        files.make_missing(vec!["localhost".to_owned()]).unwrap();
        assert_eq!((files.show(&shown), shown.served()), (Ok(false), first.clone()));
        // Another certificate with the key of the first: as while they are written.
        let other = self_made(vec!["other".to_owned()]).unwrap();
        std::fs::write(place.join("tls.crt"), &other.0).unwrap();
        assert!(files.show(&shown).is_err());
        assert_eq!(shown.served(), first);
        std::fs::write(place.join("tls.key"), &other.1).unwrap();
        assert_eq!(files.show(&shown), Ok(true));
        assert_ne!(shown.served(), first);
        std::fs::remove_file(place.join("tls.key")).unwrap();
        let half = files.make_missing(vec!["localhost".to_owned()]).unwrap_err().words();
        assert!(half.ends_with("tls.key: is not there, and its certificate is"), "{half}");
    }
}
