//! The command line: which commands there are, and how a mistake in one is answered.

mod commands;
mod deprecated;
mod line;
mod verbs;

use std::error::Error;
use std::ffi::OsString;
use std::num::ParseIntError;
use std::path::Path;

use clap::{CommandFactory, FromArgMatches, Parser};

use commands::Command;

use crate::command;
use crate::face::Face;
use crate::failure::Failure;
use crate::go_os;

/// Provost answers, for every container image: who built this, and may it run?
#[derive(Parser, Debug)]
#[command(name = "provost", version, disable_help_subcommand = true)]
struct Cli {
    /// How long a command that asks a registry about images may take, as Go writes durations.
    #[arg(long, global = true, default_value = "3m0s", value_name = "DURATION")]
    timeout: String,
}

/// Parses the arguments and runs the command they name.
pub(crate) fn run(arguments: Vec<OsString>, face: &Face) -> Result<(), Failure> {
    let alone = is_cosign(arguments.first());
    let mut tree = commands::under(Cli::command(), &arguments);
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
    let read = parsed.and_then(|matches| Ok((Cli::from_arg_matches(&matches)?, Command::of(&matches)?)));
    let (cli, command) = match read {
        Ok(read) => read,
        Err(mistake) => return answer(&mistake, face),
    };
    if let Command::Completion(args) = &command {
        return command::completion::run(args, &mut tree, face);
    }
    // A step must stay single-threaded until it has entered its namespace, so it runs before any runtime starts.
    if let Command::Step(args) = command {
        return command::step::run(args, face);
    }
    let limit = command.ends_in_time().then(|| limit(&cli.timeout)).transpose()?;
    let runtime = match command.answers_many() {
        true => tokio::runtime::Builder::new_multi_thread().enable_all().build()?,
        false => tokio::runtime::Builder::new_current_thread().enable_all().build()?,
    };
    runtime.block_on(async {
        let work = commands::dispatch(command, face);
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
            face.out_raw(commands::under(Cli::command(), &[]).render_help().to_string());
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
