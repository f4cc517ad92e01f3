//! `provost verify-summary`: whether a gate that is trusted has let this image in, under this policy, and lately.

use std::path::PathBuf;
use std::time::Duration;

use jiff::Timestamp;
use provost_gate::summary::{Expected, accept, policy_uri, resource_uri};
use provost_kyverno::load;
use provost_oci::{Digest, Reference, Selector};
use provost_registry::Store as _;

use super::apply::surroundings::documents_of_tree;
use crate::cli;
use crate::face::Face;
use crate::failure::Failure;
use crate::key_reference;
use crate::registry_flags::RegistryFlags;

/// Verify a gate's signed verdicts about images: SLSA verification summaries.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// The public key of the gate that is trusted: a file, a URL, a KMS reference or a Secret.
    #[arg(long, value_name = "KEY")]
    key: String,
    /// The verifier that this key speaks for, as it stands in verdicts: a URI.
    #[arg(long, value_name = "URI")]
    verifier: String,
    /// The digest of the policy that must have held.
    #[arg(long, value_name = "DIGEST", required_unless_present = "policies", conflicts_with = "policies")]
    policy_digest: Option<Digest>,
    /// Files with the policies that must all have held, as they are stored; their digests are computed.
    #[arg(long, value_name = "FILE")]
    policies: Vec<PathBuf>,
    /// How old a verdict may be.
    #[arg(long, value_name = "DURATION", default_value = "24h", value_parser = duration)]
    max_age: Duration,
    /// Where the gate saw the image, where that is another place than this: oci://REGISTRY/REPOSITORY.
    #[arg(long, value_name = "URI")]
    resource_uri: Option<String>,
    #[command(flatten)]
    registry: RegistryFlags,
    /// The images.
    #[arg(required = true, value_name = "IMAGE")]
    images: Vec<String>,
}

fn duration(text: &str) -> Result<Duration, String> {
    cli::duration(text).ok_or_else(|| "expected a duration as Go writes it, such as 24h".to_owned())
}

/// Verifies each image in turn; the first that is not vouched for ends the command.
///
/// # Errors
/// Why an image is not accepted.
pub(crate) async fn run(args: Args, face: &Face) -> Result<(), Failure> {
    let key = key_reference::public_key(&args.key, face).await?;
    let wanted = wanted(&args)?;
    let store = args.registry.remote(face)?;
    let now = Timestamp::now();
    for text in &args.images {
        let image: Reference = text.parse()?;
        let repository = image.repository();
        let digest = match image.selector() {
            Selector::Digest(digest) => digest,
            tag @ Selector::Tag(_) => store.resolve(repository, &tag).await?.digest,
        };
        let resource_uri = args.resource_uri.clone().unwrap_or_else(|| resource_uri(repository));
        for (name, policy_digest) in &wanted {
            let expected = Expected {
                verifier: args.verifier.clone(),
                resource_uri: resource_uri.clone(),
                policy_digest: policy_digest.clone(),
                most_age: args.max_age,
            };
            let accepted = accept(&store, repository, &digest, &key, &expected, now).await;
            let accepted = accepted
                .map_err(|refused| Failure::new(format!("{repository}@{digest}: {name}: {refused}")))?;
            face.out(format!("{repository}@{digest}: {} held at {}", accepted.policy, accepted.at));
        }
    }
    Ok(())
}

/// The policies that must have held, by name and digest.
fn wanted(args: &Args) -> Result<Vec<(String, Digest)>, Failure> {
    if let Some(digest) = &args.policy_digest {
        return Ok(vec![(format!("the policy {digest}"), digest.clone())]);
    }
    let mut wanted = Vec::new();
    for path in &args.policies {
        for (file, documents) in documents_of_tree(path)? {
            let found = load(&file, &documents);
            if let Some(refused) = found.refused.first() {
                return Err(Failure::new(provost_kyverno::message::refusal::of(refused)));
            }
            wanted.extend(found.policies.iter().map(|policy| (policy_uri(policy), policy.digest.clone())));
        }
    }
    if wanted.is_empty() {
        return Err(Failure::new("--policies: expected at least one ClusterPolicy or Policy, found none"));
    }
    Ok(wanted)
}
