//! The command line: which commands there are, and how a mistake in one is answered.

mod deprecated;
mod line;
mod verbs;

use std::error::Error;
use std::ffi::OsString;
use std::num::ParseIntError;
use std::path::Path;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::command;
use crate::face::Face;
use crate::failure::Failure;
use crate::go_os;

/// Provost answers, for every container image: who built this, and may it run?
#[derive(Parser, Debug)]
#[command(name = "provost", version, disable_help_subcommand = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    /// How long a command that asks a registry about images may take, as Go writes durations.
    #[arg(long, global = true, default_value = "3m0s", value_name = "DURATION")]
    timeout: String,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Run the ten steps on this machine: build, attest, verify, admit, deny.
    Demo(command::demo::Args),
    /// Generate a key pair.
    GenerateKeyPair(command::generate_key_pair::Args),
    /// Import a private key made elsewhere.
    ImportKeyPair(command::import_key_pair::Args),
    /// Print the public key of a key pair.
    PublicKey(command::public_key::Args),
    /// Sign an image with a key.
    Sign(command::sign::Args),
    /// Verify the signatures of an image.
    Verify(command::verify::Args),
    /// Attest an image: sign a statement about it and store it beside it.
    Attest(command::attest::Args),
    /// Verify the attestations of an image, and judge them by policies.
    VerifyAttestation(command::verify_attestation::Args),
    /// Sign a file with a key.
    SignBlob(command::sign_blob::Args),
    /// Verify the signature of a file.
    VerifyBlob(command::verify_blob::Args),
    /// Verify an attestation about a file.
    VerifyBlobAttestation(command::verify_blob_attestation::Args),
    /// Sign a statement about a file.
    AttestBlob(command::attest_blob::Args),
    /// Make a Sigstore bundle of what was signed elsewhere.
    Bundle(command::bundle::Args),
    /// Write a trusted root.
    TrustedRoot(command::trusted_root::Args),
    /// Write a signing configuration.
    SigningConfig(command::signing_config::Args),
    /// Show what lies beside an image.
    Tree(command::tree::Args),
    /// Download the signatures or attestations of an image.
    Download(command::download::Args),
    /// Attach a signature or attestation made elsewhere to an image.
    Attach(command::attach::Args),
    /// Print where signatures and attestations lie by the tag scheme.
    Triangulate(command::triangulate::Args),
    /// Copy an image with its signatures, attestations and SBOMs.
    Copy(Box<command::copy::Args>),
    /// Save an image, its signatures and its attestations in a folder.
    Save(Box<command::save::Args>),
    /// Push an image that was saved in a folder, with what vouches for it.
    Load(Box<command::load::Args>),
    /// Remove signatures, attestations and SBOMs from an image.
    Clean(Box<command::clean::Args>),
    /// Verify the images of Kubernetes manifests.
    Manifest(command::manifest::Args),
    /// Verify the images of Dockerfiles.
    Dockerfile(command::dockerfile::Args),
    /// Log in to a registry.
    Login(command::login::Args),
    /// Fetch whom to believe from a TUF repository.
    Initialize(command::initialize::Args),
    /// Print the environment variables that matter.
    Env(command::env::Args),
    /// Print the version.
    Version(command::version::Args),
    /// Print a shell's completion script: bash, zsh, fish or powershell.
    Completion(command::completion::Args),
    /// Run Tekton pipelines and tasks on this machine.
    Run(command::run::Args),
    /// Print the provenance Tekton Chains would sign for a finished run.
    Provenance(command::provenance::Args),
    /// Build and push an image from a folder and a Dockerfile.
    Image(command::image::Args),
    /// Serve a folder as a container registry.
    Registry(command::registry::Args),
    /// Sign what Tekton builds in a cluster, as Tekton Chains does.
    Controller(Box<command::controller::Args>),
    /// Judge resources by Kyverno policies.
    Apply(command::apply::Args),
    /// Test Kyverno policies against the results expected of them.
    Test(command::test::Args),
    /// Answer admission reviews by Kyverno policies, one JSON a line.
    Review(command::review::Args),
    /// Evaluate JMESPath as Kyverno does.
    Jp(command::jp::Args),
    /// Check data against CUE policies.
    Cue(command::cue::Args),
    /// A step of `provost run`, in its own namespace.
    #[command(name = "__step", hide = true)]
    Step(command::step::Args),
}

/// Parses the arguments and runs the command they name.
pub(crate) fn run(arguments: Vec<OsString>, face: &Face) -> Result<(), Failure> {
    let alone = is_cosign(arguments.first());
    let mut tree = Cli::command();
    if alone {
        tree = tree.name("cosign").bin_name("cosign");
        tree = tree
            .mut_subcommands(|verb| if verbs::is_cosigns(verb.get_name()) { verb } else { verb.hide(true) });
    }
    let arguments = match spelled(arguments, &mut tree, alone, face)? {
        Some(arguments) => arguments,
        None => return Ok(()),
    };
    tree = line::loosened(tree);
    let parsed = tree.try_get_matches_from_mut(arguments);
    let cli = match parsed.and_then(|matches| Cli::from_arg_matches(&matches)) {
        Ok(cli) => cli,
        Err(mistake) => return answer(&mistake, face),
    };
    if let Command::Completion(args) = &cli.command {
        return command::completion::run(args, &mut tree, face);
    }
    // A step must stay single-threaded until it has entered its namespace, so it runs before any runtime starts.
    if let Command::Step(args) = cli.command {
        return command::step::run(args, face);
    }
    let limit = cli.command.ends_in_time().then(|| limit(&cli.timeout)).transpose()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let work = dispatch(cli.command, face);
        match limit {
            Some(limit) => tokio::time::timeout(limit, work)
                .await
                .unwrap_or_else(|_| Err(Failure::new("context deadline exceeded"))),
            None => work.await,
        }
    })
}

/// Whether the program was started under cosign's name: a link or copy called `cosign` or `cosign-…`.
fn is_cosign(program: Option<&OsString>) -> bool {
    let name = program.map(Path::new).and_then(Path::file_name).and_then(|name| name.to_str());
    name.is_some_and(|name| name == "cosign" || name.starts_with("cosign-"))
}

/// The command line in the spelling the parser takes; `None` where it asked for help, which has been given.
fn spelled(
    arguments: Vec<OsString>,
    tree: &mut clap::Command,
    alone: bool,
    face: &Face,
) -> Result<Option<Vec<OsString>>, Failure> {
    let given: Option<Vec<String>> =
        arguments.iter().skip(1).map(|argument| argument.to_str().map(str::to_owned)).collect();
    // Arguments that are no text can only be file names, which the parser behind takes as they are.
    let Some(given) = given else { return Ok(Some(arguments)) };
    match line::read(&given, tree, alone, &face.environment) {
        Ok(line::Read::Ours) => Ok(Some(arguments)),
        Ok(line::Read::Help(path, remarks)) => {
            remarks.iter().for_each(|remark| face.say(remark));
            tree.build();
            let mut at = &mut *tree;
            for word in &path {
                let known = at.find_subcommand(word).is_some();
                match at.find_subcommand_mut(word) {
                    Some(next) if known => at = next,
                    _ => return Err(Failure::new(format!("Unknown help topic {path:?}"))),
                }
            }
            face.out_raw(at.render_long_help().to_string());
            Ok(None)
        }
        Ok(line::Read::Line(line)) => {
            line.remarks.iter().for_each(|remark| face.say(remark));
            if let Some(path) = line.output_file {
                redirect(&path, face)?;
            }
            if line.verbose {
                face.tell_requests();
            }
            let program = arguments.into_iter().next().unwrap_or_default();
            Ok(Some(std::iter::once(program).chain(line.arguments.into_iter().map(OsString::from)).collect()))
        }
        Err(mistake) => {
            mistake.remarks.iter().for_each(|remark| face.say(remark));
            if mistake.is_unknown_command {
                let words = &mistake.words;
                face.say(format!("Error: {words}\nRun 'cosign --help' for usage."));
                face.say(format!("error during command execution: {}", words.trim_end_matches('\n')));
                return Err(Failure::quiet(1));
            }
            Err(Failure::new(mistake.words))
        }
    }
}

/// Sends results into a file from here on; cosign ends differently here than elsewhere.
fn redirect(path: &str, face: &Face) -> Result<(), Failure> {
    face.redirect(Path::new(path)).map_err(|error| {
        face.say(format!("Error: error creating output file {path}: open {path}: {}", go_os::cause(&error)));
        Failure::quiet(1)
    })
}

/// The time that a text gives, as Go writes durations; `None` where it gives none, or one that is no time to wait.
pub(crate) fn duration(text: &str) -> Option<std::time::Duration> {
    let read = text.parse::<provost_expr::duration::Duration>();
    read.ok().and_then(|read| u64::try_from(read.0).ok()).map(std::time::Duration::from_nanos)
}

/// The time `--timeout` gives.
fn limit(text: &str) -> Result<std::time::Duration, Failure> {
    duration(text).ok_or_else(|| {
        let words =
            format!("invalid argument {text:?} for \"-t, --timeout\" flag: time: invalid duration {text:?}");
        Failure::new(words)
    })
}

impl Command {
    /// Whether this is one of cosign's commands, which no registry may keep waiting; runs, servers and policies have
    /// times of their own.
    fn ends_in_time(&self) -> bool {
        match self {
            // Whoever types a password for a file may take all the time they want.
            Self::GenerateKeyPair(args) => args.goes_out(),
            Self::PublicKey(args) => args.goes_out(),
            _ => self.asks_others(),
        }
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

async fn dispatch(command: Command, face: &Face) -> Result<(), Failure> {
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
        Command::Completion(args) => command::completion::run(&args, &mut Cli::command(), face),
        Command::Run(args) => command::run::run(args, face).await,
        Command::Provenance(args) => command::provenance::run(args, face).await,
        Command::Image(args) => command::image::run(args, face).await,
        Command::Registry(args) => command::registry::run(args, face).await,
        Command::Controller(args) => command::controller::run(*args, face).await,
        Command::Apply(args) => command::apply::run(args, face).await,
        Command::Test(args) => command::test::run(args, face).await,
        Command::Review(args) => command::review::run(args, face).await,
        Command::Jp(args) => command::jp::run(args, face).await,
        Command::Cue(args) => command::cue::run(args, face).await,
        Command::Step(args) => command::step::run(args, face),
    }
}

/// Help goes to standard output and is no failure; a mistake is said in cosign's (cobra's) words, exit code 1.
fn answer(mistake: &clap::Error, face: &Face) -> Result<(), Failure> {
    use clap::error::{ContextKind, ContextValue, ErrorKind};
    let context = |kind| match mistake.get(kind) {
        Some(ContextValue::String(text)) => Some(text.clone()),
        _ => None,
    };
    match mistake.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            face.out_raw(mistake.render().to_string());
            Ok(())
        }
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            face.out_raw(Cli::command().render_help().to_string());
            Ok(())
        }
        ErrorKind::UnknownArgument => {
            let flag = context(ContextKind::InvalidArg).unwrap_or_default();
            Err(Failure::new(format!("unknown flag: {flag}")))
        }
        ErrorKind::InvalidSubcommand => {
            let name = context(ContextKind::InvalidSubcommand).unwrap_or_default();
            Err(Failure::new(format!("unknown command \"{name}\" for \"provost\"")))
        }
        ErrorKind::MissingRequiredArgument if required(mistake).is_some() => {
            Err(Failure::new(required(mistake).unwrap_or_default()))
        }
        ErrorKind::ValueValidation | ErrorKind::InvalidValue
            if let (Some(flag), Some(value)) =
                (context(ContextKind::InvalidArg), context(ContextKind::InvalidValue)) =>
        {
            let flag = flag.split([' ', '=']).next().unwrap_or_default();
            let cause = match mistake.source() {
                Some(cause) if !cause.is::<ParseIntError>() => cause.to_string(),
                _ => format!("strconv.ParseInt: parsing {value:?}: invalid syntax"),
            };
            Err(Failure::new(format!("invalid argument {value:?} for {flag:?} flag: {cause}")))
        }
        _ => {
            let text = mistake.render().to_string();
            let text = text.strip_prefix("error: ").unwrap_or(&text);
            Err(Failure::new(text.trim_end()))
        }
    }
}

/// Cobra's words about flags that must be given and were not; `None` where it is an argument that is missing.
fn required(mistake: &clap::Error) -> Option<String> {
    use clap::error::{ContextKind, ContextValue};
    let Some(ContextValue::Strings(missing)) = mistake.get(ContextKind::InvalidArg) else { return None };
    let mut flags: Vec<_> = missing
        .iter()
        .filter_map(|one| one.strip_prefix("--"))
        .map(|one| format!("{:?}", one.split([' ', '=']).next().unwrap_or_default()))
        .collect();
    flags.sort();
    (flags.len() == missing.len()).then(|| format!("required flag(s) {} not set", flags.join(", ")))
}
