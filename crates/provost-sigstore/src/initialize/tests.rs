//! Catalogue case 35: a TUF repository that lies, is old or is broken, and one that is as it should be.

use testkit::authority::Authority;
use testkit::tuf::TufMaker;

use super::*;

const NOW: i64 = 1_800_000_000;

struct Case {
    folder: tempfile::TempDir,
    maker: TufMaker,
}

impl Case {
    fn new() -> Self {
        let mut maker = TufMaker::new().unwrap();
        let root = Authority::new(NOW).trusted_root().to_string().into_bytes();
        maker.targets.push((TRUSTED_ROOT_TARGET.to_owned(), root));
        Self { folder: tempfile::tempdir().unwrap(), maker }
    }

    fn mirror(&self) -> String {
        format!("file://{}", self.folder.path().join("mirror").display())
    }

    fn cache(&self) -> PathBuf {
        self.folder.path().join("cache")
    }

    fn kept(&self) -> Option<Vec<u8>> {
        let (mirror, folder) = initialized(&self.cache()).unwrap()?;
        assert_eq!(mirror, self.mirror());
        Some(fs::read(folder.join("targets").join(TRUSTED_ROOT_TARGET)).unwrap())
    }

    /// Initializes with this root, or with what was believed before.
    fn run(&self, root: Option<&[u8]>) -> Result<Option<String>, String> {
        let mirror = self.mirror();
        let what = Initialization { cache: &self.cache(), mirror: &mirror, root };
        let now = Timestamp::from_second(NOW).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let repository = Box::new(Folder(self.folder.path().join("mirror")));
        runtime.block_on(walk(what, repository, now)).map_err(|error| error.to_string())
    }

    fn refused(&self, words: &str) {
        self.maker.write(&self.folder.path().join("mirror")).unwrap();
        let error = self.run(Some(&self.maker.root())).unwrap_err();
        assert!(error.contains(words), "{error}");
        assert_eq!(self.kept(), None);
        let left = fs::read_dir(self.cache()).unwrap().count();
        assert_eq!(left, 0, "a failed walk leaves something behind");
    }
}

#[test]
fn what_verifies_is_kept_where_it_is_read() {
    let mut case = Case::new();
    case.maker.write(&case.folder.path().join("mirror")).unwrap();
    let missing = case.run(Some(&case.maker.root())).unwrap();
    assert!(missing.unwrap().contains(SIGNING_CONFIG_TARGET));
    assert_eq!(case.kept().as_ref(), case.maker.targets.first().map(|target| &target.1));
    case.maker.targets.push((SIGNING_CONFIG_TARGET.to_owned(), b"{}".to_vec()));
    case.maker.version = 2;
    case.maker.write(&case.folder.path().join("mirror")).unwrap();
    assert_eq!(case.run(Some(&case.maker.root())), Ok(None));
    assert_eq!(fs::read_dir(case.cache()).unwrap().count(), 2, "the mirror's folder and the note");
}

#[test]
fn what_is_older_than_before_is_refused_and_what_was_there_stays() {
    let mut case = Case::new();
    let mirror = case.folder.path().join("mirror");
    case.maker.version = 7;
    case.maker.write(&mirror).unwrap();
    case.run(Some(&case.maker.root())).unwrap();
    let kept = case.kept().unwrap();
    case.maker.version = 6;
    case.maker.targets[0].1 = Authority::new(NOW + 1).trusted_root().to_string().into_bytes();
    case.maker.write(&mirror).unwrap();
    let error = case.run(Some(&case.maker.root())).unwrap_err();
    assert!(error.contains("rollback"), "{error}");
    assert_eq!(case.kept(), Some(kept));
}

/// A mirror that hides the newest root would bring back keys that were taken away.
#[test]
fn keys_that_a_later_root_took_away_stay_away() {
    let mut case = Case::new();
    let mirror = case.folder.path().join("mirror");
    let pinned = case.maker.root();
    let mut heir = TufMaker::new().unwrap();
    heir.keyid = "heir".to_owned();
    heir.targets.clone_from(&case.maker.targets);
    heir.write(&mirror).unwrap();
    fs::write(mirror.join("2.root.json"), case.maker.handed_to(&heir)).unwrap();
    case.run(Some(&pinned)).unwrap();
    let kept = case.kept();
    assert!(kept.is_some());
    fs::remove_file(mirror.join("2.root.json")).unwrap();
    case.maker.version = 9;
    case.maker.targets[0].1 = Authority::new(NOW + 1).trusted_root().to_string().into_bytes();
    case.maker.write(&mirror).unwrap();
    let error = case.run(Some(&pinned)).unwrap_err();
    assert!(error.contains("timestamp"), "{error}");
    assert_eq!(case.kept(), kept);
    // Whoever names another root by hand begins anew with it.
    let mut stranger = TufMaker::new().unwrap();
    stranger.targets.clone_from(&heir.targets);
    stranger.version = 9;
    stranger.write(&mirror).unwrap();
    case.run(Some(&stranger.root())).unwrap();
}

#[test]
fn a_target_that_was_swapped_is_refused() {
    let mut case = Case::new();
    let name = TRUSTED_ROOT_TARGET.to_owned();
    let same_length = vec![b' '; case.maker.targets[0].1.len()];
    case.maker.swapped.push((name, same_length));
    case.refused(TRUSTED_ROOT_TARGET);
}

#[test]
fn what_has_ended_is_refused() {
    let mut case = Case::new();
    case.maker.expires = "2001-01-01T00:00:00Z".to_owned();
    case.refused("expired");
    let mut case = Case::new();
    case.maker.root_expires = "2001-01-01T00:00:00Z".to_owned();
    case.refused("expired");
}

#[test]
fn a_root_that_has_ended_leads_to_a_later_one() {
    let mut case = Case::new();
    case.maker.root_expires = "2001-01-01T00:00:00Z".to_owned();
    let mirror = case.folder.path().join("mirror");
    case.maker.write(&mirror).unwrap();
    fs::write(mirror.join("2.root.json"), case.maker.root_of(2, "2999-01-01T00:00:00Z")).unwrap();
    case.run(Some(&case.maker.root())).unwrap();
    assert!(case.kept().is_some());
}

#[test]
fn a_role_that_the_wrong_key_signed_is_refused() {
    let mut case = Case::new();
    case.maker.delegated = std::mem::take(&mut case.maker.targets);
    case.refused("more");
}

#[test]
fn a_trusted_root_that_is_none_is_refused() {
    let mut case = Case::new();
    case.maker.targets[0].1 = b"[]".to_vec();
    case.refused("trusted root is malformed");
    let mut case = Case::new();
    case.maker.targets[0].1 = vec![b' '; TRUSTED_ROOT_LIMIT + 1];
    case.refused("exceeds");
}

#[test]
fn another_root_is_no_proof_and_broken_ones_are_errors() {
    let case = Case::new();
    case.maker.write(&case.folder.path().join("mirror")).unwrap();
    let others = TufMaker::new().unwrap().root();
    for root in [&others[..], b"{}", b"", b"[[[[", b"{\"signed\":{},\"signatures\":[]}"] {
        assert!(case.run(Some(root)).is_err());
    }
    // Public Sigstore's root, compiled in, does not vouch for it either.
    assert!(case.run(None).is_err());
    assert_eq!(case.kept(), None);
    let long = vec![b'x'; ROOT_LIMIT as usize + 1];
    fs::write(case.folder.path().join("mirror/2.root.json"), long).unwrap();
    assert!(case.run(Some(&case.maker.root())).unwrap_err().contains("longer than the 512000 bytes"));
}

#[test]
fn names_lead_nowhere_else() {
    let cache = Path::new("/c");
    let folder = |mirror: &str| mirror_folder(cache, mirror).ok();
    assert_eq!(folder("https://Tuf.example:8443/a/b"), Some("/c/tuf.example-8443-a-b".into()));
    assert_eq!(folder("file:///mnt/tuf"), Some("/c/file----mnt-tuf".into()));
    assert_eq!(folder("https://a/../../etc"), Some("/c/a-..-..-etc".into()));
    for bad in ["", "tuf.example", "https://", "https://..", "ftp://a", "file://relative", "http://.new-1"] {
        assert_eq!(folder(bad), None, "{bad}");
    }
}

#[test]
fn a_broken_note_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    assert!(initialized(folder.path()).unwrap().is_none());
    fs::write(folder.path().join(REMOTE), "{}").unwrap();
    assert!(initialized(folder.path()).unwrap_err().to_string().contains("missing field `mirror`"));
    let long = format!("{{\"mirror\":\"https://a{}\"}}", "a".repeat(REMOTE_LIMIT as usize));
    fs::write(folder.path().join(REMOTE), long).unwrap();
    assert!(initialized(folder.path()).unwrap_err().to_string().contains("malformed"));
}
