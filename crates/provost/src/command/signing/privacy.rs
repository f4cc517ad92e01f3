//! What cosign says before it tells a public log, and its question.

use std::io::{self, BufRead, Read, Write};

use crate::face::Face;
use crate::failure::Failure;

const STATEMENT: &str = "
	The sigstore service, hosted by sigstore a Series of LF Projects, LLC, is provided pursuant to the Hosted Project Tools Terms of Use, available at https://lfprojects.org/policies/hosted-project-tools-terms-of-use/.
	Note that if your submission includes personal data associated with this signed artifact, it will be part of an immutable record.
	This may include the email address associated with the account with which you authenticate your contractual Agreement.
	This information will be used for signing this artifact and will be stored in public transparency logs and cannot be removed later, and is subject to the Immutable Record notice at https://lfprojects.org/policies/hosted-project-tools-immutable-records/.

By typing 'y', you attest that (1) you are not submitting the personal data of any other person; and (2) you understand and agree to the statement and the Agreement terms at the URLs listed above.";
/// The longest answer to a question; people type one letter.
const ANSWER: u64 = 1024;

/// Shows the statement and, unless `yes`, asks; `shown` keeps it to once a command.
///
/// # Errors
/// When the answer is not yes.
pub(crate) fn agree(yes: bool, shown: &mut bool, face: &Face) -> Result<(), Failure> {
    if std::mem::replace(shown, true) {
        return Ok(());
    }
    face.say(STATEMENT);
    if yes { Ok(()) } else { confirm() }
}

/// cosign's question; nothing but y is a yes.
///
/// # Errors
/// When the answer is not yes.
pub(crate) fn confirm() -> Result<(), Failure> {
    let _ = io::stderr().write_all(b"Are you sure you would like to continue? [y/N] ");
    let mut answer = String::new();
    io::stdin().lock().take(ANSWER).read_line(&mut answer)?;
    match answer.trim_matches(['\r', '\n']) {
        "y" | "Y" => Ok(()),
        "" | "n" | "N" => Err(Failure::new("user declined the prompt")),
        other => Err(Failure::new(format!("invalid input {other:?} (allowed values y, n)"))),
    }
}
