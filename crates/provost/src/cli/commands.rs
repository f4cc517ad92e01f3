//! Which commands there are: their names, their flags, and how each is run.
//!
//! A command line is read by the flags of the commands it could mean and no others: making those of all forty takes
//! longer than verifying an image.

use std::ffi::OsString;

use clap::{ArgMatches, CommandFactory};

use super::Cli;
use crate::command;
use crate::face::Face;
use crate::failure::Failure;

/// One command before any of its flags is made.
struct Entry {
    name: &'static str,
    about: &'static str,
    /// Adds the flags, arguments and verbs below it.
    grow: fn(clap::Command) -> clap::Command,
}

/// Declares the commands: the enum of their arguments, their entries, and the way from what was typed to the enum.
macro_rules! commands {
    ($(#[doc = $about:literal] $name:literal $variant:ident($args:ty),)*) => {
        /// A command with its arguments.
        #[derive(Debug)]
        pub(super) enum Command {
            $(#[doc = $about] $variant($args),)*
        }

        const ENTRIES: &[Entry] = &[
            $(Entry { name: $name, about: $about, grow: <$args as clap::Args>::augment_args },)*
        ];

        impl Command {
            /// The command that was matched, with its arguments.
            ///
            /// # Errors
            /// clap's, where no command was matched or an argument cannot be read.
            pub(super) fn of(matches: &ArgMatches) -> Result<Self, clap::Error> {
                match matches.subcommand() {
                    $(Some(($name, below)) => {
                        <$args as clap::FromArgMatches>::from_arg_matches(below).map(Self::$variant)
                    })*
                    _ => Err(clap::Error::new(clap::error::ErrorKind::MissingSubcommand)),
                }
            }
        }
    };
}

commands! {
    /// Run the ten steps on this machine: build, attest, verify, admit, deny.
    "demo" Demo(command::demo::Args),
    /// Generate a key pair.
    "generate-key-pair" GenerateKeyPair(command::generate_key_pair::Args),
    /// Import a private key made elsewhere.
    "import-key-pair" ImportKeyPair(command::import_key_pair::Args),
    /// Print the public key of a key pair.
    "public-key" PublicKey(command::public_key::Args),
    /// Sign an image with a key.
    "sign" Sign(command::sign::Args),
    /// Verify the signatures of an image.
    "verify" Verify(command::verify::Args),
    /// Attest an image: sign a statement about it and store it beside it.
    "attest" Attest(command::attest::Args),
    /// Verify the attestations of an image, and judge them by policies.
    "verify-attestation" VerifyAttestation(command::verify_attestation::Args),
    /// Sign a file with a key.
    "sign-blob" SignBlob(command::sign_blob::Args),
    /// Verify the signature of a file.
    "verify-blob" VerifyBlob(command::verify_blob::Args),
    /// Verify an attestation about a file.
    "verify-blob-attestation" VerifyBlobAttestation(command::verify_blob_attestation::Args),
    /// Sign a statement about a file.
    "attest-blob" AttestBlob(command::attest_blob::Args),
    /// Make a Sigstore bundle of what was signed elsewhere.
    "bundle" Bundle(command::bundle::Args),
    /// Write a trusted root.
    "trusted-root" TrustedRoot(command::trusted_root::Args),
    /// Write a signing configuration.
    "signing-config" SigningConfig(command::signing_config::Args),
    /// Show what lies beside an image.
    "tree" Tree(command::tree::Args),
    /// Download the signatures or attestations of an image.
    "download" Download(command::download::Args),
    /// Attach a signature or attestation made elsewhere to an image.
    "attach" Attach(command::attach::Args),
    /// Print where signatures and attestations lie by the tag scheme.
    "triangulate" Triangulate(command::triangulate::Args),
    /// Copy an image with its signatures, attestations and SBOMs.
    "copy" Copy(Box<command::copy::Args>),
    /// Save an image, its signatures and its attestations in a folder.
    "save" Save(Box<command::save::Args>),
    /// Push an image that was saved in a folder, with what vouches for it.
    "load" Load(Box<command::load::Args>),
    /// Remove signatures, attestations and SBOMs from an image.
    "clean" Clean(Box<command::clean::Args>),
    /// Verify the images of Kubernetes manifests.
    "manifest" Manifest(command::manifest::Args),
    /// Verify the images of Dockerfiles.
    "dockerfile" Dockerfile(command::dockerfile::Args),
    /// Log in to a registry.
    "login" Login(command::login::Args),
    /// Fetch whom to believe from a TUF repository.
    "initialize" Initialize(command::initialize::Args),
    /// Print the environment variables that matter.
    "env" Env(command::env::Args),
    /// Print the version.
    "version" Version(command::version::Args),
    /// Print a shell's completion script: bash, zsh, fish or powershell.
    "completion" Completion(command::completion::Args),
    /// Run Tekton pipelines and tasks on this machine.
    "run" Run(command::run::Args),
    /// Print the provenance Tekton Chains would sign for a finished run.
    "provenance" Provenance(command::provenance::Args),
    /// Build and push an image from a folder and a Dockerfile.
    "image" Image(command::image::Args),
    /// Serve a folder as a container registry.
    "registry" Registry(command::registry::Args),
    /// Sign what Tekton builds in a cluster, as Tekton Chains does.
    "controller" Controller(Box<command::controller::Args>),
    /// Decide at admission which images may run, as Kyverno's verifyImages does.
    "admission" Admission(Box<command::admission::Args>),
    /// Sign anew with a new key what an old key signed about images.
    "resign" Resign(Box<command::resign::Args>),
    /// Verify a gate's signed verdicts about images.
    "verify-summary" VerifySummary(Box<command::verify_summary::Args>),
    /// Judge resources by Kyverno policies.
    "apply" Apply(command::apply::Args),
    /// Test Kyverno policies against the results expected of them.
    "test" Test(command::test::Args),
    /// Answer admission reviews by Kyverno policies, one JSON a line.
    "review" Review(command::review::Args),
    /// Tell which decisions of a log other policies would have made otherwise.
    "replay" Replay(command::replay::Args),
    /// Evaluate JMESPath as Kyverno does.
    "jp" Jp(command::jp::Args),
    /// Check data against CUE policies.
    "cue" Cue(command::cue::Args),
    /// A step of `provost run`, in its own namespace.
    "__step" Step(command::step::Args),
}

/// The root of the commands that a line, its program's name first, could mean: the one it begins with, or all, of which
/// those it names are grown; all grown where that is not plain.
pub(super) fn under(root: clap::Command, given: &[OsString]) -> clap::Command {
    let root = root.subcommand_required(true).arg_required_else_help(true);
    // A completion script tells of all commands.
    let named =
        |entry: &&Entry| entry.name != "completion" && given.get(1).is_some_and(|word| word == entry.name);
    if let Some(entry) = ENTRIES.iter().find(named) {
        return root.subcommand(entry.command(true));
    }
    let is_meant = |entry: &Entry| given.iter().any(|word| word == entry.name);
    // Help and completion show flags of commands that the line need not name.
    let shows_all = |word: &OsString| ["help", "completion", "-version"].iter().any(|shown| word == shown);
    let all = given.iter().any(shows_all) || !ENTRIES.iter().any(is_meant);
    root.subcommands(ENTRIES.iter().map(|entry| entry.command(all || is_meant(entry))))
}

impl Entry {
    /// The command, with its flags or bare.
    fn command(&self, grown: bool) -> clap::Command {
        let bare = clap::Command::new(self.name);
        let command = if grown { (self.grow)(bare) } else { bare };
        let about = self.about.trim();
        command.about(about.strip_suffix('.').unwrap_or(about)).hide(self.name.starts_with('_'))
    }
}

impl Command {
    /// Whether this is one of cosign's commands, which no registry may keep waiting; runs, servers and policies have
    /// times of their own.
    pub(super) fn ends_in_time(&self) -> bool {
        match self {
            // Whoever types a password for a file may take all the time they want.
            Self::GenerateKeyPair(args) => args.goes_out(),
            Self::PublicKey(args) => args.goes_out(),
            _ => self.asks_others(),
        }
    }

    /// Whether it answers many at once, and so works on all processors.
    pub(super) fn answers_many(&self) -> bool {
        matches!(self, Self::Admission(_))
    }

    fn asks_others(&self) -> bool {
        matches!(
            self,
            Self::Sign(_)
                | Self::Verify(_)
                | Self::Attest(_)
                | Self::VerifyAttestation(_)
                | Self::Tree(_)
                | Self::Download(_)
                | Self::Attach(_)
                | Self::Triangulate(_)
                | Self::Copy(_)
                | Self::Save(_)
                | Self::Load(_)
                | Self::Clean(_)
                | Self::Manifest(_)
                | Self::Dockerfile(_)
                | Self::SignBlob(_)
                | Self::AttestBlob(_)
                | Self::VerifyBlob(_)
                | Self::VerifyBlobAttestation(_)
                | Self::Bundle(_)
                | Self::SigningConfig(_)
                | Self::TrustedRoot(_)
                | Self::Initialize(_)
        )
    }
}

/// Runs a command with its arguments.
///
/// # Errors
/// The command's own.
pub(super) async fn dispatch(command: Command, face: &Face) -> Result<(), Failure> {
    match command {
        Command::Demo(args) => command::demo::run(args, face).await,
        Command::GenerateKeyPair(args) => command::generate_key_pair::run(args, face).await,
        Command::ImportKeyPair(args) => command::import_key_pair::run(args, face).await,
        Command::PublicKey(args) => command::public_key::run(args, face).await,
        Command::Sign(args) => command::sign::run(args, face).await,
        Command::Verify(args) => command::verify::run(args, face).await,
        Command::Attest(args) => command::attest::run(args, face).await,
        Command::VerifyAttestation(args) => command::verify_attestation::run(args, face).await,
        Command::SignBlob(args) => command::sign_blob::run(args, face).await,
        Command::VerifyBlob(args) => command::verify_blob::run(&args, face).await,
        Command::VerifyBlobAttestation(args) => command::verify_blob_attestation::run(&args, face).await,
        Command::AttestBlob(args) => command::attest_blob::run(args, face).await,
        Command::Bundle(args) => command::bundle::run(args, face).await,
        Command::TrustedRoot(args) => command::trusted_root::run(args, face).await,
        Command::SigningConfig(args) => command::signing_config::run(args, face).await,
        Command::Tree(args) => command::tree::run(args, face).await,
        Command::Download(args) => command::download::run(args, face).await,
        Command::Attach(args) => command::attach::run(args, face).await,
        Command::Triangulate(args) => command::triangulate::run(args, face).await,
        Command::Copy(args) => command::copy::run(*args, face).await,
        Command::Save(args) => command::save::run(*args, face).await,
        Command::Load(args) => command::load::run(*args, face).await,
        Command::Clean(args) => command::clean::run(*args, face).await,
        Command::Manifest(args) => command::manifest::run(args, face).await,
        Command::Dockerfile(args) => command::dockerfile::run(args, face).await,
        Command::Login(args) => command::login::run(args, face),
        Command::Initialize(args) => command::initialize::run(args, face).await,
        Command::Env(args) => command::env::run(&args, face),
        Command::Version(args) => command::version::run(&args, face),
        Command::Completion(args) => command::completion::run(&args, &mut under(Cli::command(), &[]), face),
        Command::Run(args) => command::run::run(args, face).await,
        Command::Provenance(args) => command::provenance::run(args, face).await,
        Command::Image(args) => command::image::run(args, face).await,
        Command::Registry(args) => command::registry::run(args, face).await,
        Command::Resign(args) => command::resign::run(*args, face).await,
        Command::Controller(args) => command::controller::run(*args, face).await,
        Command::Admission(args) => command::admission::run(*args, face).await,
        Command::VerifySummary(args) => command::verify_summary::run(*args, face).await,
        Command::Apply(args) => command::apply::run(args, face).await,
        Command::Test(args) => command::test::run(args, face).await,
        Command::Review(args) => command::review::run(args, face).await,
        Command::Replay(args) => command::replay::run(args, face).await,
        Command::Jp(args) => command::jp::run(args, face).await,
        Command::Cue(args) => command::cue::run(args, face).await,
        Command::Step(args) => command::step::run(args, face),
    }
}
