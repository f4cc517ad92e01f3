//! `provost review`: what both admission webhooks would answer, one request a line.

use std::io::{BufRead as _, Read as _};
use std::path::PathBuf;

use provost_kyverno::message::refusal;
use provost_kyverno::policy::load::Documents;
use provost_kyverno::request::Request;
use provost_kyverno::review::{OWN_WARNING, review};
use provost_kyverno::{Objects, load};
use serde_json::Value;

use super::apply::surroundings::{Surroundings, documents, documents_of_tree};
use crate::face::Face;
use crate::failure::Failure;
use crate::registry_flags::RegistryFlags;

/// The longest line read: an object of etcd's 1.5 MiB twice, and the request around it, ten times over.
const LINE_LIMIT: u64 = 32 * 1024 * 1024;
/// The exit code when a policy is refused.
const REFUSED: u8 = 2;

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
    registry: RegistryFlags,
}

/// Answers every line of standard input; a policy that may not be stored ends it with exit code 2.
pub(crate) async fn run(args: Args, face: &Face) -> Result<(), Failure> {
    let mut found = Documents::default();
    for path in &args.policies {
        for (file, documents) in documents_of_tree(path)? {
            let read = load(&file, &documents);
            found.policies.extend(read.policies);
            found.refused.extend(read.refused);
            found.exceptions.extend(read.exceptions);
        }
    }
    if !found.refused.is_empty() {
        for refused in &found.refused {
            face.say(refusal::of(refused));
        }
        return Err(Failure::quiet(REFUSED));
    }
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
    let surroundings = Surroundings::new(args.registry.options(face)?);
    let world = surroundings.world(&cluster);
    let mut number = 0_usize;
    loop {
        let Some(line) = next_line()? else { return Ok(()) };
        number += 1;
        if line.trim_ascii().is_empty() {
            continue;
        }
        let place = |why: String| Failure::new(format!("standard input, line {number}: {why}"));
        let read: Value = serde_json::from_slice(&line).map_err(|e| place(e.to_string()))?;
        let request = Request::of_review(&read).map_err(|e| place(e.to_string()))?;
        let answers = review(&world, &found.policies, &found.exceptions, &request).await;
        face.out(answers.line(&request.uid).to_string());
    }
}

fn next_line() -> Result<Option<Vec<u8>>, Failure> {
    let mut line = Vec::new();
    let mut input = std::io::stdin().lock().take(LINE_LIMIT + 1);
    input.read_until(b'\n', &mut line)?;
    if line.len() as u64 > LINE_LIMIT {
        return Err(Failure::new(format!("{OWN_WARNING}a line is longer than {LINE_LIMIT} bytes")));
    }
    Ok(Some(line).filter(|line| !line.is_empty()))
}
