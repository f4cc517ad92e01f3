//! The command line: which commands there are, and how a mistake in one is answered.

use std::ffi::OsString;

use clap::{CommandFactory, Parser, Subcommand};

use crate::command;
use crate::face::Face;
use crate::failure::Failure;

/// Provost answers, for every container image: who built this, and may it run?
#[derive(Parser, Debug)]
#[command(name = "provost", version, disable_help_subcommand = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    /// How long a command that asks a registry about images may take, as Go writes durations.
    #[arg(long, global = true, env = "COSIGN_TIMEOUT", default_value = "3m0s", value_name = "DURATION")]
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
    /// Show what lies beside an image.
    Tree(command::tree::Args),
    /// Download the signatures or attestations of an image.
    Download(command::download::Args),
    /// Attach a signature or attestation made elsewhere to an image.
    Attach(command::attach::Args),
    /// Print where signatures and attestations lie by the tag scheme.
    Triangulate(command::triangulate::Args),
    /// Run Tekton pipelines and tasks on this machine.
    Run(command::run::Args),
    /// Print the provenance Tekton Chains would sign for a finished run.
    Provenance(command::provenance::Args),
    /// Build and push an image from a folder and a Dockerfile.
    Image(command::image::Args),
    /// Serve a folder as a container registry.
    Registry(command::registry::Args),
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
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(mistake) => return answer(&mistake, face),
    };
    // A step must stay single-threaded until it has entered its namespace, so it runs before any runtime starts.
    if let Command::Step(args) = cli.command {
        return command::step::run(args, face);
    }
    let limit = cli.command.ends_in_time().then(|| duration(&cli.timeout)).transpose()?;
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

/// The time `--timeout` gives.
fn duration(text: &str) -> Result<std::time::Duration, Failure> {
    let read = text.parse::<provost_expr::duration::Duration>();
    let nanoseconds = read.ok().and_then(|read| u64::try_from(read.0).ok());
    nanoseconds.map(std::time::Duration::from_nanos).ok_or_else(|| {
        Failure::new(format!(
            "invalid argument {text:?} for \"--timeout\" flag: expected a duration such as 3m0s"
        ))
    })
}

impl Command {
    /// Whether this is one of cosign's commands, which no registry may keep waiting; runs, servers and policies have
    /// times of their own.
    fn ends_in_time(&self) -> bool {
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
        Command::Tree(args) => command::tree::run(args, face).await,
        Command::Download(args) => command::download::run(args, face).await,
        Command::Attach(args) => command::attach::run(args, face).await,
        Command::Triangulate(args) => command::triangulate::run(args, face).await,
        Command::Run(args) => command::run::run(args, face).await,
        Command::Provenance(args) => command::provenance::run(args, face).await,
        Command::Image(args) => command::image::run(args, face).await,
        Command::Registry(args) => command::registry::run(args, face).await,
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
        _ => {
            let text = mistake.render().to_string();
            let text = text.strip_prefix("error: ").unwrap_or(&text);
            Err(Failure::new(text.trim_end()))
        }
    }
}
