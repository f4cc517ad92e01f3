//! `provost review`: what both admission webhooks would answer, one request a line.

use std::io::{BufRead as _, Read as _};
use std::path::PathBuf;

use provost_kyverno::Objects;
use provost_kyverno::message::refusal;
use provost_kyverno::request::read::{REVIEW_LIMIT, Unread, review as request_of};
use provost_kyverno::review::{OWN_WARNING, review, unanswered};

use super::apply::anchors::AnchorFlags;
use super::apply::stored;
use super::apply::surroundings::{Surroundings, documents};
use crate::face::Face;
use crate::failure::Failure;
use crate::registry_flags::RegistryFlags;

/// The exit code when a line is no request.
const UNREAD: u8 = 1;

/// Answer admission reviews by Kyverno policies, one JSON a line.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// A file or folder with policies and exceptions.
    #[arg(long, required = true, value_name = "FILE")]
    policies: Vec<PathBuf>,
    /// A file with the objects that exist in the cluster: namespaces, ConfigMaps, Secrets, role bindings.
    #[arg(long, value_name = "FILE")]
    objects: Vec<PathBuf>,
    #[command(flatten)]
    anchors: AnchorFlags,
    #[command(flatten)]
    registry: RegistryFlags,
}

/// Answers every line of standard input, those that are no requests with a denial that says why and an exit code of 1
/// in the end; a policy that may not be stored ends it with exit code 2.
pub(crate) async fn run(args: Args, face: &Face) -> Result<(), Failure> {
    let found = stored::counting(&args.policies, face)?;
    for policy in &found.policies {
        for warning in &policy.warnings {
            face.say(format!("Warning: {}", refusal::warning(warning)));
        }
    }
    let mut known = Vec::new();
    for path in &args.objects {
        known.extend(documents(path)?);
    }
    let cluster = Objects::new(known);
    let surroundings = Surroundings::new(args.registry.options(face)?, args.anchors.anchors(face)?);
    let world = surroundings.world(&cluster);
    let mut number = 0_usize;
    let mut unread = false;
    while let Some(line) = next_line()? {
        number += 1;
        if line.trim_ascii().is_empty() {
            continue;
        }
        match request_of(line.trim_ascii()) {
            Ok(request) => {
                let answers = review(&world, &found.policies, &found.exceptions, &request).await;
                face.out(answers.line(&request.uid).to_string());
            }
            Err(Unread { uid, why }) => {
                unread = true;
                let why = format!("{OWN_WARNING}standard input, line {number}: {why}");
                face.say(&why);
                face.out(unanswered(&uid, why).line(&uid).to_string());
            }
        }
    }
    if unread { Err(Failure::quiet(UNREAD)) } else { Ok(()) }
}

/// The next line, or one byte more than a line may have; the rest of a longer one is passed over.
fn next_line() -> Result<Option<Vec<u8>>, Failure> {
    let mut input = std::io::stdin().lock();
    let mut line = Vec::new();
    input.by_ref().take(REVIEW_LIMIT as u64 + 1).read_until(b'\n', &mut line)?;
    if line.len() > REVIEW_LIMIT && line.last() != Some(&b'\n') {
        input.skip_until(b'\n')?;
    }
    Ok(Some(line).filter(|line| !line.is_empty()))
}
