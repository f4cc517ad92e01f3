//! Finds the files with tests below a folder.

use std::path::{Path, PathBuf};

use provost_kyverno::test_file::TestFile;

use crate::command::apply::surroundings::documents;
use crate::failure::Failure;

/// A test, or why it is none.
pub(super) struct Found {
    /// Its file.
    pub(super) path: PathBuf,
    /// What it says.
    pub(super) read: Result<TestFile, String>,
}

/// The tests of all files of this name in a folder and those below it, sorted by name as Kyverno walks them. Links to
/// folders are not followed.
pub(super) fn tests_of(folder: &Path, name: &str) -> Result<Vec<Found>, Failure> {
    let mut found = Vec::new();
    let mut waiting = vec![(folder.to_owned(), true)];
    while let Some((path, is_folder)) = waiting.pop() {
        if !is_folder {
            found.extend(tests_in(&path));
            continue;
        }
        let failed = |e: std::io::Error| Failure::new(format!("{}: {e}", path.display()));
        let mut entries = Vec::new();
        for entry in std::fs::read_dir(&path).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let is_folder = entry.file_type().map_err(failed)?.is_dir();
            if is_folder || entry.file_name() == *name {
                entries.push((entry.path(), is_folder));
            }
        }
        entries.sort();
        waiting.extend(entries.into_iter().rev());
    }
    Ok(found)
}

fn tests_in(path: &Path) -> Vec<Found> {
    let found = |read| Found { path: path.to_owned(), read };
    let name = path.display().to_string();
    match documents(path) {
        Ok(documents) => documents
            .iter()
            .map(|document| found(TestFile::read(&name, document).map_err(|e| e.to_string())))
            .collect(),
        Err(failure) => vec![found(Err(failure.words()))],
    }
}
