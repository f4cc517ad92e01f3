//! Whether the tree keeps its own rules; runs as `cargo xtask tidy` and as an ordinary test.

mod arrows;
mod crates;
mod dependencies;
mod deploying;
mod files;

use anyhow::{Result, bail};

use crate::{render, shell};

/// Prints every broken rule; any is an error.
///
/// # Errors
/// When a rule is broken.
pub fn run() -> Result<()> {
    let problems = problems()?;
    for problem in &problems {
        shell::say(problem);
    }
    if !problems.is_empty() {
        bail!("{} rules broken", problems.len());
    }
    Ok(())
}

/// Every broken rule, one a line; none where the tree is tidy.
///
/// # Errors
/// When the tree cannot be read, or git or cargo do not answer.
pub fn problems() -> Result<Vec<String>> {
    let root = shell::root();
    let crates = crates::read(&root)?;
    let mut problems = arrows::check(&crates);
    problems.extend(crates::check_code_map(&root, &crates)?);
    problems.extend(files::check(&root)?);
    problems.extend(dependencies::check(&root)?);
    problems.extend(deploying::check(&root)?);
    problems.extend(deploying::check_stopping(&root)?);
    problems.extend(render::check(&root)?);
    Ok(problems)
}
