//! A command line of cosign's as cobra and pflag read it, put into the one spelling that the parser behind takes.
//!
//! pflag takes the next argument as a flag's value whatever it looks like, lets the last of two values win, reads
//! `1`, `t` and `TRUE` as truth, and splits lists as CSV; cosign also lets `-key` stand for `--key` and
//! `COSIGN_KEY=…` for a flag that was not given.

use clap::{Arg, ArgAction, Command};

use super::deprecated;
use super::verbs::{self, Verb};
use crate::environment::Environment;

/// What a command line came to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Read {
    /// Its first word is not one of cosign's verbs: the arguments are for the parser behind as they came.
    Ours,
    /// The words of the command whose help was asked for, or that does nothing alone; and what is said before.
    Help(Vec<String>, Vec<String>),
    /// A whole line.
    Line(Line),
}

/// A command line in its one spelling.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Line {
    /// The verb's words, its flags as `--flag=value`, `--`, its arguments.
    pub(super) arguments: Vec<String>,
    /// Where `--output-file` sends the results.
    pub(super) output_file: Option<String>,
    /// Whether requests are told on standard error.
    pub(super) verbose: bool,
    /// What has to be said before the command runs.
    pub(super) remarks: Vec<String>,
}

/// Why a command line is none.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Mistake {
    /// Said first: a verb or a flag that is going away.
    pub(super) remarks: Vec<String>,
    /// Cobra's words.
    pub(super) words: String,
    /// Whether the way to the list of commands is shown.
    pub(super) is_unknown_command: bool,
}

/// A flag as pflag knows it.
enum Flag<'a> {
    Declared(&'a Arg),
    Help,
    OutputFile,
    Verbose,
    Timeout,
}

/// A flag's name, its letter, and what it is.
type Global = (&'static str, char, fn() -> Flag<'static>);

/// The flags that every verb of cosign has.
const GLOBAL: [Global; 4] = [
    ("help", 'h', || Flag::Help),
    ("output-file", '\0', || Flag::OutputFile),
    ("verbose", 'd', || Flag::Verbose),
    ("timeout", 't', || Flag::Timeout),
];

impl Flag<'_> {
    fn name(&self) -> &str {
        match self {
            Self::Declared(arg) => arg.get_long().unwrap_or_default(),
            Self::Help => "help",
            Self::OutputFile => "output-file",
            Self::Verbose => "verbose",
            Self::Timeout => "timeout",
        }
    }

    fn short(&self) -> Option<char> {
        match self {
            Self::Declared(arg) => arg.get_short(),
            Self::Help => Some('h'),
            Self::OutputFile => None,
            Self::Verbose => Some('d'),
            Self::Timeout => Some('t'),
        }
    }

    /// Whether it stands for `true` where no value follows.
    fn is_switch(&self) -> bool {
        match self {
            Self::Declared(arg) => is_switch(arg),
            Self::Help | Self::Verbose => true,
            Self::OutputFile | Self::Timeout => false,
        }
    }

    /// The flag as pflag's errors name it.
    fn shown(&self) -> String {
        match self.short() {
            Some(short) => format!("-{short}, --{}", self.name()),
            None => format!("--{}", self.name()),
        }
    }
}

fn is_switch(arg: &Arg) -> bool {
    matches!(arg.get_action(), ArgAction::SetTrue | ArgAction::SetFalse)
        || arg.get_num_args().is_some_and(|range| range.min_values() == 0)
}

/// The one spelling of an older flag.
fn normal(name: &str) -> &str {
    match name {
        "cert" => "certificate",
        "cert-email" => "certificate-email",
        "cert-chain" => "certificate-chain",
        "cert-oidc-issuer" => "certificate-oidc-issuer",
        "output-cert" => "output-certificate",
        "cert-identity" => "certificate-identity",
        other => other,
    }
}

fn by_name<'a>(command: &'a Command, name: &str) -> Option<Flag<'a>> {
    let name = normal(name);
    let declared = command.get_arguments().find(|arg| {
        arg.get_long() == Some(name) || arg.get_all_aliases().is_some_and(|aliases| aliases.contains(&name))
    });
    match declared {
        Some(arg) => Some(Flag::Declared(arg)),
        None => GLOBAL.iter().find(|(long, ..)| *long == name).map(|(.., flag)| flag()),
    }
}

fn by_letter(command: &Command, letter: char) -> Option<Flag<'_>> {
    match command.get_arguments().find(|arg| arg.get_short() == Some(letter)) {
        Some(arg) => Some(Flag::Declared(arg)),
        None => GLOBAL.iter().find(|(_, short, _)| *short == letter).map(|(.., flag)| flag()),
    }
}

/// Reads the arguments after the program's name by the commands there are; `alone` where cosign's are all there are.
///
/// # Errors
/// Cobra's and pflag's words about what is wrong.
pub(super) fn read(
    given: &[String],
    root: &Command,
    alone: bool,
    environment: &Environment,
) -> Result<Read, Mistake> {
    let mut remarks = Vec::new();
    let mut rest: Vec<String> = given.iter().map(|argument| modern(argument, &mut remarks)).collect();
    let mut command = root;
    let mut path = Vec::new();
    let mut unknown = None;
    while let Some(at) = first_word(&rest, command) {
        let Some(word) = rest.get(at) else { break };
        if path.is_empty() && word == "help" {
            rest.remove(at);
            return Ok(Read::Help(rest.into_iter().filter(|word| !word.starts_with('-')).collect(), remarks));
        }
        match command.find_subcommand(word).filter(|_| !alone || !path.is_empty() || verbs::is_cosigns(word))
        {
            Some(next) => {
                path.push(rest.remove(at));
                command = next;
            }
            None => {
                unknown = Some(word.clone());
                break;
            }
        }
    }
    let fail = |remarks: &[String], words: String, is_unknown_command: bool| Mistake {
        remarks: remarks.to_vec(),
        words,
        is_unknown_command,
    };
    match (path.first(), unknown) {
        (Some(first), _) if !verbs::is_cosigns(first) => return Ok(Read::Ours),
        (None, None) if !alone => return Ok(Read::Ours),
        (None, Some(word)) => {
            let names = root.get_subcommands().filter(|one| !one.is_hide_set()).map(Command::get_name);
            let names = names.filter(|name| !alone || verbs::is_cosigns(name));
            let near = verbs::near(&word, names);
            let mut words = format!("unknown command {word:?} for \"cosign\"");
            if !near.is_empty() {
                words.push_str("\n\nDid you mean this?\n");
                near.iter().for_each(|name| words.push_str(&format!("\t{name}\n")));
            }
            return Err(fail(&remarks, words, true));
        }
        _ => {}
    }
    let words = path.join(" ");
    let verb = verbs::find(&words);
    if let Some(text) = verb.and_then(|verb| verb.deprecated) {
        remarks.push(format!("Command {:?} is deprecated, {text}", path.last().map_or("", String::as_str)));
    }
    let mut flags = Flags { command, verb: &words, values: Vec::new(), line: Line::default(), help: false };
    flags.line.remarks = remarks;
    let arguments = match flags.parse(rest) {
        Ok(arguments) => arguments,
        Err(text) => return Err(fail(&flags.line.remarks, text, false)),
    };
    if flags.help || command.has_subcommands() {
        return Ok(Read::Help(path, flags.line.remarks));
    }
    let Some(verb) = verb else { return Ok(Read::Ours) };
    verb.arity.check(&arguments, &words).map_err(|text| fail(&flags.line.remarks, text, false))?;
    if verb.reads_variables {
        flags.read_variables(environment);
    }
    Ok(Read::Line(flags.finish(path, arguments, verb)))
}

/// An argument as it is spelled today: `-key` is `--key`, and `--o` is `-o`.
fn modern(argument: &str, remarks: &mut Vec<String>) -> String {
    let two = argument.starts_with("--");
    match argument.len() {
        2 if argument.starts_with('-') => argument.to_owned(),
        4.. if two => argument.to_owned(),
        3 if two => {
            let new = argument.get(1..).unwrap_or_default().to_owned();
            remarks.push(format!(
                "WARNING: the flag {argument} is deprecated and will be removed in a future release. Please use the flag {new}."
            ));
            new
        }
        3.. if argument.starts_with('-') => {
            let (kind, new) = match argument {
                "-version" => ("subcommand", "version".to_owned()),
                _ => ("flag", format!("-{argument}")),
            };
            remarks.push(format!(
                "WARNING: the {argument} flag is deprecated and will be removed in a future release. Please use the {new} {kind} instead."
            ));
            new
        }
        _ => argument.to_owned(),
    }
}

/// Where the first argument stands that is neither a flag nor, as far as this command can tell, a flag's value.
fn first_word(arguments: &[String], command: &Command) -> Option<usize> {
    let mut at = 0;
    while let Some(argument) = arguments.get(at) {
        if argument == "--" {
            return None;
        }
        let takes_next = match (argument.strip_prefix("--"), argument.strip_prefix('-')) {
            (Some(name), _) if !name.contains('=') => !by_name(command, name).is_some_and(|f| f.is_switch()),
            (None, Some(letters)) if letters.chars().count() == 1 => {
                let letter = letters.chars().next().unwrap_or_default();
                !by_letter(command, letter).is_some_and(|flag| flag.is_switch())
            }
            (None, None) if !argument.is_empty() => return Some(at),
            _ => false,
        };
        at += if takes_next { 2 } else { 1 };
    }
    None
}

/// The flags of one verb as they are read.
struct Flags<'a> {
    command: &'a Command,
    verb: &'a str,
    /// Each flag that has a value, in the order in which they came.
    values: Vec<(&'a Arg, Vec<String>)>,
    line: Line,
    help: bool,
}

impl<'a> Flags<'a> {
    /// Reads all flags and returns the other arguments.
    fn parse(&mut self, given: Vec<String>) -> Result<Vec<String>, String> {
        let mut others = Vec::new();
        let mut said = Vec::new();
        let mut given = given.into_iter();
        while let Some(argument) = given.next() {
            if argument == "--" {
                others.extend(given);
                break;
            }
            if let Some(body) = argument.strip_prefix("--") {
                self.long(&argument, body, &mut given, &mut said)?;
            } else if let Some(letter) = argument.strip_prefix('-').and_then(|rest| rest.chars().next()) {
                self.letter(letter, &mut given, &mut said)?;
            } else {
                others.push(argument);
            }
        }
        self.line.remarks.append(&mut said);
        Ok(others)
    }

    fn long(
        &mut self,
        whole: &str,
        body: &str,
        given: &mut impl Iterator<Item = String>,
        said: &mut Vec<String>,
    ) -> Result<(), String> {
        let (name, value) = match body.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (body, None),
        };
        if name.is_empty() || name.starts_with('-') {
            return Err(format!("bad flag syntax: {whole}"));
        }
        let flag = by_name(self.command, name).ok_or_else(|| format!("unknown flag: --{name}"))?;
        let value = match value {
            Some(value) => value,
            None if flag.is_switch() => "true".to_owned(),
            None => given.next().ok_or_else(|| format!("flag needs an argument: {whole}"))?,
        };
        self.used(&flag, said);
        self.set(flag, &value)
    }

    /// A flag by its letter: more than one letter behind one dash never comes here, see [`modern`].
    fn letter(
        &mut self,
        letter: char,
        given: &mut impl Iterator<Item = String>,
        said: &mut Vec<String>,
    ) -> Result<(), String> {
        let flag = by_letter(self.command, letter)
            .ok_or_else(|| format!("unknown shorthand flag: {letter:?} in -{letter}"))?;
        let value = match flag.is_switch() {
            true => "true".to_owned(),
            false => {
                given.next().ok_or_else(|| format!("flag needs an argument: {letter:?} in -{letter}"))?
            }
        };
        self.used(&flag, said);
        self.set(flag, &value)
    }

    fn used(&self, flag: &Flag<'_>, said: &mut Vec<String>) {
        if let Some(hint) = deprecated::hint(self.verb, flag.name()) {
            said.push(format!("Flag --{} has been deprecated, {hint}", flag.name()));
        }
    }

    /// Gives a flag a value: the last one wins, lists grow.
    fn set(&mut self, flag: Flag<'a>, value: &str) -> Result<(), String> {
        let refuse =
            |cause: String| format!("invalid argument {value:?} for {:?} flag: {cause}", flag.shown());
        let truth = || truth(value).ok_or_else(|| refuse(no_truth(value)));
        match flag {
            Flag::Help => self.help = truth()?,
            Flag::Verbose => self.line.verbose = truth()?,
            Flag::OutputFile => {
                self.line.output_file = Some(value.to_owned()).filter(|path| !path.is_empty())
            }
            Flag::Timeout => {
                super::duration(value).ok_or_else(|| refuse(format!("time: invalid duration {value:?}")))?;
                self.line.arguments = vec![format!("--timeout={value}")];
            }
            Flag::Declared(arg) => {
                let items = match arg.get_value_delimiter() {
                    _ if is_switch(arg) => vec![truth()?.to_string()],
                    Some(_) => list(value).map_err(refuse)?,
                    None => vec![value.to_owned()],
                };
                match self.values.iter_mut().find(|(known, _)| known.get_id() == arg.get_id()) {
                    Some((_, values)) if matches!(arg.get_action(), ArgAction::Append) => {
                        values.extend(items)
                    }
                    Some((_, values)) => *values = items,
                    None => self.values.push((arg, items)),
                }
            }
        }
        Ok(())
    }

    /// Flags that were not given are read from `COSIGN_<FLAG>`; what cannot be read there counts as not set.
    fn read_variables(&mut self, environment: &Environment) {
        let named = |flag: &str| {
            let name = format!("COSIGN_{}", flag.to_uppercase().replace('-', "_"));
            environment.text(&name).filter(|value| !value.is_empty())
        };
        let command = self.command;
        for arg in command.get_arguments() {
            let given = self.values.iter().any(|(known, _)| known.get_id() == arg.get_id());
            let Some(long) = arg.get_long().filter(|long| !given && !is_global(long)) else { continue };
            if let Some(value) = named(long).filter(|value| is_readable(arg, value)) {
                let _ = self.set(Flag::Declared(arg), &value);
            }
        }
        if self.line.arguments.is_empty()
            && let Some(value) = named("timeout")
        {
            let _ = self.set(Flag::Timeout, &value);
        }
    }

    fn finish(self, path: Vec<String>, arguments: Vec<String>, verb: &Verb) -> Line {
        let Self { values, mut line, .. } = self;
        debug_assert_eq!(path.join(" "), verb.path);
        line.arguments.extend(path);
        for (arg, values) in values.into_iter().filter(|(arg, _)| !verb.never_reads(arg.get_long())) {
            let long = arg.get_long().unwrap_or_default();
            for value in values {
                let takes_value = arg.get_num_args().is_some_and(|range| range.takes_values());
                match arg.get_action() {
                    // A switch in the parser's own sense has no value, and stands for `true`.
                    ArgAction::SetTrue if !takes_value && value == "true" => {
                        line.arguments.push(format!("--{long}"));
                    }
                    ArgAction::SetTrue if !takes_value => {}
                    // To cosign an empty text is no text.
                    _ if value.is_empty()
                        && arg.get_default_values().is_empty()
                        && !arg.is_required_set() => {}
                    _ => line.arguments.push(format!("--{long}={value}")),
                }
            }
        }
        line.arguments.push("--".to_owned());
        line.arguments.extend(arguments);
        line
    }
}

fn is_global(name: &str) -> bool {
    GLOBAL.iter().any(|(long, ..)| *long == name)
}

/// Whether a variable's value can stand for this flag's: a number where its default is one.
fn is_readable(arg: &Arg, value: &str) -> bool {
    let number = |text: &str| text.parse::<i64>().is_ok();
    let default = arg.get_default_values().first().and_then(|default| default.to_str());
    !default.is_some_and(number) || number(value)
}

/// Truth as Go's `strconv.ParseBool` reads it.
fn truth(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

fn no_truth(text: &str) -> String {
    format!("strconv.ParseBool: parsing {text:?}: invalid syntax")
}

/// The items of one value of a list, as Go's CSV reader finds them in its first line.
fn list(text: &str) -> Result<Vec<String>, String> {
    let line = text.split(['\n', '\r']).next().unwrap_or_default();
    let mut items = Vec::new();
    if line.is_empty() {
        return Ok(items);
    }
    let mut rest = line;
    loop {
        let Some(quoted) = rest.strip_prefix('"') else {
            let (item, next) = match rest.split_once(',') {
                Some((item, next)) => (item, Some(next)),
                None => (rest, None),
            };
            if let Some(at) = item.find('"') {
                let column = line.len() - rest.len() + at + 1;
                return Err(format!("parse error on line 1, column {column}: bare \" in non-quoted-field"));
            }
            items.push(item.to_owned());
            match next {
                Some(next) => rest = next,
                None => return Ok(items),
            }
            continue;
        };
        let mut item = String::new();
        let mut left = quoted;
        loop {
            let Some((text, after)) = left.split_once('"') else {
                let column = line.len() + 1;
                return Err(format!(
                    "parse error on line 1, column {column}: extraneous or missing \" in quoted-field"
                ));
            };
            item.push_str(text);
            match after.strip_prefix('"') {
                Some(more) => {
                    item.push('"');
                    left = more;
                }
                None => {
                    left = after;
                    break;
                }
            }
        }
        items.push(item);
        if left.is_empty() {
            return Ok(items);
        }
        rest = left.strip_prefix(',').ok_or_else(|| {
            let column = line.len() - left.len();
            format!("parse error on line 1, column {column}: extraneous or missing \" in quoted-field")
        })?;
    }
}

/// Lets the parser behind take a line in its one spelling: nothing is split, read from variables or refused there
/// that has been split, read or allowed here.
pub(super) fn loosened(command: Command) -> Command {
    command.mut_subcommands(|verb| if verbs::is_cosigns(verb.get_name()) { plain(verb) } else { verb })
}

fn plain(command: Command) -> Command {
    let command = command.mut_args(|arg| arg.env(None::<&str>).value_delimiter(None));
    command.mut_subcommands(plain)
}

#[cfg(test)]
mod tests;
