//! Policies and exceptions of files, as a cluster would have them stored: read together, refused together.

use std::path::PathBuf;

use jiff::Timestamp;
use provost_kyverno::load;
use provost_kyverno::message::refusal;
use provost_kyverno::policy::load::Documents;

use super::surroundings::documents_of_tree;
use crate::face::Face;
use crate::failure::Failure;

/// The exit code when a policy is refused.
pub(crate) const REFUSED: u8 = 2;

/// The policies and exceptions of files and folders; documents of other kinds are said to be left aside.
///
/// # Errors
/// When a file cannot be read.
pub(crate) fn read(paths: &[PathBuf], face: &Face) -> Result<Documents, Failure> {
    let mut found = Documents::default();
    for path in paths {
        for (file, documents) in documents_of_tree(path)? {
            let read = load(&file, &documents);
            found.policies.extend(read.policies);
            found.refused.extend(read.refused);
            found.exceptions.extend(read.exceptions);
            for kind in read.others {
                face.say(format!("{file}: a document of kind {kind:?} is no policy and is left aside"));
            }
        }
    }
    Ok(found)
}

/// Those that may be stored, and the exceptions that count now; what else an exception says is said.
///
/// # Errors
/// When a file cannot be read, or a policy may not be stored: exit code [`REFUSED`].
pub(crate) fn counting(paths: &[PathBuf], face: &Face) -> Result<Documents, Failure> {
    let mut found = read(paths, face)?;
    none_refused(&found, face)?;
    let now = Timestamp::now();
    found.exceptions.iter().filter_map(|one| one.remark()).for_each(|remark| face.say(remark));
    found.exceptions.retain(|one| one.counts_at(now));
    Ok(found)
}

/// Says which may not be stored.
///
/// # Errors
/// When there is one: exit code [`REFUSED`].
pub(crate) fn none_refused(found: &Documents, face: &Face) -> Result<(), Failure> {
    found.refused.iter().for_each(|refused| face.say(refusal::of(refused)));
    if found.refused.is_empty() { Ok(()) } else { Err(Failure::quiet(REFUSED)) }
}
