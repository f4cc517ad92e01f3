//! `provost resign`: after a change of keys, sign anew with the new key what the old one signed about images.

use std::collections::BTreeSet;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use provost_keys::{PublicKey, Signer};
use provost_oci::{Digest, Reference};
use provost_registry::Remote;
use provost_sign::resign::{Fate, Found, Image, resign};

use super::sign::{members, now};
use super::verify_attestation::{attachment_limit, attestation_repository};
use crate::face::Face;
use crate::failure::Failure;
use crate::registry_flags::RegistryFlags;
use crate::{go_os, key_reference};

/// The longest list of images read, 16 MiB: a hundred thousand references with digests of 160 bytes each.
const LIST_LIMIT: u64 = 16 << 20;

/// Sign anew, with a new key, what an old key signed about images.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// The public key that what is to be signed anew must verify under: a file, env://VARIABLE, k8s://NAMESPACE/SECRET, or a
    /// key management service.
    #[arg(long, value_name = "KEY")]
    old_key: String,
    /// The private key to sign with, by any reference that `sign` takes.
    #[arg(long, value_name = "KEY")]
    key: String,
    /// A file with one image a line, or - for standard input; empty lines and those that begin with # are passed over.
    #[arg(long, value_name = "FILE")]
    images_file: Option<PathBuf>,
    /// Look at the members of a multi-platform image too.
    #[arg(short = 'r', long, num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true")]
    recursive: bool,
    /// Say what would be signed, and store nothing.
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    registry: RegistryFlags,
    /// The images.
    #[arg(value_name = "IMAGE")]
    images: Vec<String>,
}

/// What every image of one command is treated with.
struct Run<'a> {
    args: &'a Args,
    face: &'a Face,
    store: Remote,
    old: PublicKey,
    new: Box<dyn Signer>,
    created: String,
    limit: u64,
    counts: Counts,
}

#[derive(Default)]
struct Counts {
    signed: usize,
    already: usize,
    refused: usize,
    /// Images that could not be read or written.
    failed: usize,
    /// Images with nothing under either key.
    bare: usize,
}

/// Goes through the images one by one, prints what was found beside each, and what became of it.
///
/// # Errors
/// When a key cannot be opened; at the end, when an image could not be dealt with or has nothing that either key signed.
pub(crate) async fn run(args: Args, face: &Face) -> Result<(), Failure> {
    let mut images = args.images.clone();
    if let Some(file) = &args.images_file {
        images.extend(listed(file)?);
    }
    if images.is_empty() {
        return Err(Failure::new("there is no image to sign anew: expected IMAGE or --images-file FILE"));
    }
    let old = key_reference::public_key(&args.old_key, face).await?;
    let new = key_reference::signer(&args.key, face).await.map_err(|f| f.context("reading key"))?;
    if new.public_key().to_der() == old.to_der() {
        return Err(Failure::new(format!(
            "--key {} is the key of --old-key {}: expected the one that follows it",
            args.key, args.old_key
        )));
    }
    let (store, created) = (args.registry.remote_by_prefix(face)?, now(face)?);
    let limit = attachment_limit(face)?;
    let mut run = Run { args: &args, face, store, old, new, created, limit, counts: Counts::default() };
    let mut done = BTreeSet::new();
    for image in &images {
        if let Err(failure) = run.image(image, &mut done).await {
            face.say(format!("{image}: could not be dealt with: {}", failure.words()));
            run.counts.failed += 1;
        }
    }
    run.report()
}

/// The images of a list.
fn listed(file: &Path) -> Result<Vec<String>, Failure> {
    let failed =
        |failure: Failure| failure.context(&format!("reading the list of images {}", file.display()));
    let bytes = if file == Path::new("-") {
        let mut bytes = Vec::new();
        std::io::stdin().lock().take(LIST_LIMIT + 1).read_to_end(&mut bytes).map_err(|e| failed(e.into()))?;
        if bytes.len() as u64 > LIST_LIMIT {
            return Err(failed(Failure::new(format!("it has more than {LIST_LIMIT} bytes"))));
        }
        bytes
    } else {
        go_os::read(file, LIST_LIMIT).map_err(failed)?
    };
    let text = String::from_utf8(bytes).map_err(|_| failed(Failure::new("it is no UTF-8 text")))?;
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    Ok(lines.map(str::to_owned).collect())
}

impl Run<'_> {
    async fn image(&mut self, text: &str, done: &mut BTreeSet<String>) -> Result<(), Failure> {
        let parsed = text.parse::<Reference>();
        let image = parsed.map_err(|error| Failure::from(error).context("parsing reference"))?;
        for digest in members(&self.store, &image, self.args.recursive).await? {
            let name = format!("{}@{digest}", image.repository());
            // A list of tags often names one image many times.
            if done.insert(name.clone()) {
                let found = self.one(&image, &digest).await?;
                self.tell(&name, &found);
            }
        }
        Ok(())
    }

    async fn one(&self, image: &Reference, digest: &Digest) -> Result<Vec<Found>, Failure> {
        let tags = ["att", "sig"].map(|suffix| self.args.registry.tag(digest, suffix));
        let [attestations, signatures] = &tags;
        let what = Image {
            image: image.repository(),
            repository: &attestation_repository(image.repository(), self.face)?,
            digest,
            tags: [attestations, signatures],
            limit: self.limit,
            created: &self.created,
            only_look: self.args.dry_run,
        };
        Ok(resign(&self.store, &what, &self.old, self.new.as_ref()).await?)
    }

    fn tell(&mut self, image: &str, found: &[Found]) {
        let would = if self.args.dry_run { "would be signed anew" } else { "signed anew" };
        let mut ours = false;
        for one in found {
            let word = match &one.fate {
                Fate::New => {
                    ours = true;
                    continue;
                }
                Fate::Signed { predicate_type } => {
                    self.counts.signed += 1;
                    match predicate_type {
                        // A URI that the old key signed; controls would still be the terminal's.
                        Some(kind) => format!("{would}: {kind:?}"),
                        None => format!("{would}: signature"),
                    }
                }
                Fate::Already => {
                    self.counts.already += 1;
                    "the new key has signed it already".to_owned()
                }
                Fate::Refused(refusal) => {
                    self.counts.refused += 1;
                    format!("refused: {refusal}")
                }
            };
            ours |= !matches!(one.fate, Fate::Refused(_));
            self.face.out(format!("{image} {} {}: {}", one.place, one.digest, printable(&word)));
        }
        if !ours {
            self.counts.bare += 1;
            self.face.say(format!("{image}: nothing beside it is signed by the old key or the new one"));
        }
    }

    fn report(self) -> Result<(), Failure> {
        let Counts { signed, already, refused, failed, bare } = self.counts;
        let anew = if self.args.dry_run { "would be signed anew" } else { "signed anew" };
        self.face.say(format!("{signed} {anew}, {already} were already, {refused} refused"));
        match failed + bare {
            0 => Ok(()),
            _ => Err(Failure::new(format!(
                "{failed} images could not be dealt with, and beside {bare} there is nothing that either key signed"
            ))),
        }
    }
}

/// What others wrote, without the controls that would move a terminal's cursor.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}
