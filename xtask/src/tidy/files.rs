//! Sizes, headers and names of files, and words that must not stand in them.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::shell;

/// The most lines of one Rust file.
const LONGEST: usize = 600;
/// Words that name no role.
const EMPTY_NAMES: [&str; 5] = ["manager", "helper", "helpers", "utils", "common"];

/// Checks every file git knows or would add.
pub(crate) fn check(root: &Path) -> Result<Vec<String>> {
    let listed = shell::output("git", &["ls-files", "--cached", "--others", "--exclude-standard"])?;
    let mut problems = Vec::new();
    for name in listed.lines() {
        let path = root.join(name);
        if !path.is_file() {
            continue;
        }
        let bytes = fs::read(&path).with_context(|| name.to_owned())?;
        // Recorded vectors are data, some of it binary on purpose.
        let Ok(text) = String::from_utf8(bytes) else { continue };
        problems.extend(foreign_words(name, &text));
        if path.extension().is_some_and(|e| e == "rs") {
            problems.extend(rust(name, &text));
        }
    }
    Ok(problems)
}

fn rust(name: &str, text: &str) -> Vec<String> {
    let mut problems = Vec::new();
    let lines = text.lines().count();
    if lines > LONGEST {
        problems.push(format!("{name} has {lines} lines, at most {LONGEST} are allowed"));
    }
    if !text.starts_with("//! ") {
        problems.push(format!("{name} does not begin with a //! line that says its subject"));
    }
    let stem = PathBuf::from(name).file_stem().map(|s| s.to_string_lossy().into_owned()).unwrap_or_default();
    if EMPTY_NAMES.contains(&stem.as_str()) || stem == "mod" {
        problems.push(format!("{name}: name the file after its subject"));
    }
    problems
}

/// Paths of one machine and hosts of package registries belong in no file.
fn foreign_words(name: &str, text: &str) -> Vec<String> {
    if name == "Cargo.lock" {
        return Vec::new();
    }
    // Put together here so that this file does not hold what it looks for.
    let words = [
        ["/work", "/main"].concat(),
        ["/work", "/shared"].concat(),
        ["static.crates", ".io"].concat(),
        ["proxy.golang", ".org"].concat(),
    ];
    words.iter().filter(|word| text.contains(*word)).map(|word| format!("{name} holds {word:?}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn broken_files_are_found() {
        assert_eq!(rust("a/b.rs", "//! Good.\n"), Vec::<String>::new());
        assert_eq!(rust("a/b.rs", "fn x() {}\n").len(), 1);
        assert_eq!(rust("a/utils.rs", "//! x\n").len(), 1);
        assert_eq!(rust("a/b.rs", &format!("//! x\n{}", "\n".repeat(LONGEST))).len(), 1);
        assert_eq!(foreign_words("a", &["see /work", "/main/x"].concat()).len(), 1);
    }
}
