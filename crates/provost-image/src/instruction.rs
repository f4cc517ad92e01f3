//! The instructions of a Dockerfile: what each line says, before variables are filled in.

use crate::dockerfile::{AtLine, Line};
use crate::error::Fault;
use crate::words;

/// One instruction and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Instruction {
    pub(crate) line: Line,
    pub(crate) kind: Kind,
}

/// What an instruction says; texts are as written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    From { image: String, platform: Option<String> },
    Arg(Vec<(String, Option<String>)>),
    Copy(Copying),
    Env(Vec<(String, String)>),
    Label(Vec<(String, String)>),
    Workdir(String),
    User(String),
    Expose(Vec<String>),
    Cmd(Command),
    Entrypoint(Command),
}

/// `COPY` or `ADD` of local files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Copying {
    /// Whether it is `ADD`, which unpacks archives and is refused them.
    pub(crate) add: bool,
    pub(crate) sources: Vec<String>,
    pub(crate) destination: String,
    pub(crate) owner: Option<String>,
    pub(crate) mode: Option<String>,
}

/// What runs: a list of arguments, or a line for the shell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Command {
    Exec(Vec<String>),
    Shell(String),
}

impl Command {
    /// The arguments as the configuration holds them; a shell line goes to `/bin/sh -c`.
    pub(crate) fn arguments(&self) -> Vec<String> {
        match self {
            Self::Exec(arguments) => arguments.clone(),
            Self::Shell(line) => vec!["/bin/sh".to_owned(), "-c".to_owned(), line.clone()],
        }
    }
}

/// Reads every line; the first that cannot be followed stops it.
pub(crate) fn read(lines: Vec<Line>) -> Result<Vec<Instruction>, AtLine> {
    let mut instructions: Vec<Instruction> = Vec::new();
    for line in lines {
        let number = line.number;
        let kind = one(&line.text).map_err(|fault| AtLine { line: number, fault })?;
        let has_from = instructions.iter().any(|earlier| matches!(earlier.kind, Kind::From { .. }));
        let fault = match &kind {
            Kind::From { .. } if has_from => {
                Some(Fault::Unsupported { what: "a second FROM (stages)".to_owned() })
            }
            Kind::From { .. } | Kind::Arg(_) => None,
            _ if !has_from => Some(Fault::NoFrom),
            _ => None,
        };
        if let Some(fault) = fault {
            return Err(AtLine { line: number, fault });
        }
        instructions.push(Instruction { line, kind });
    }
    if instructions.iter().any(|one| matches!(one.kind, Kind::From { .. })) {
        Ok(instructions)
    } else {
        Err(AtLine { line: instructions.last().map_or(1, |last| last.line.number), fault: Fault::NoFrom })
    }
}

fn one(text: &str) -> Result<Kind, Fault> {
    let (name, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    let rest = rest.trim();
    match name.to_ascii_uppercase().as_str() {
        "FROM" => from(rest),
        "ARG" => arg(rest),
        "COPY" => copy(rest, false),
        "ADD" => copy(rest, true),
        "ENV" => Ok(Kind::Env(pairs("ENV", rest)?)),
        "LABEL" => Ok(Kind::Label(pairs("LABEL", rest)?)),
        "WORKDIR" => Ok(Kind::Workdir(present("WORKDIR", rest, "a folder")?)),
        "USER" => Ok(Kind::User(present("USER", rest, "a user, or user:group")?)),
        "EXPOSE" => {
            let ports = present("EXPOSE", rest, "ports")?;
            Ok(Kind::Expose(ports.split_whitespace().map(str::to_owned).collect()))
        }
        "CMD" => Ok(Kind::Cmd(command(rest))),
        "ENTRYPOINT" => Ok(Kind::Entrypoint(command(rest))),
        other => Err(Fault::Unsupported { what: format!("the instruction {other}") }),
    }
}

fn present(instruction: &'static str, rest: &str, expected: &'static str) -> Result<String, Fault> {
    if rest.is_empty() {
        return Err(Fault::Syntax { instruction, expected, found: String::new() });
    }
    Ok(rest.to_owned())
}

fn from(rest: &str) -> Result<Kind, Fault> {
    let wrong =
        || Fault::Syntax { instruction: "FROM", expected: "IMAGE or IMAGE AS NAME", found: rest.to_owned() };
    let mut words = rest.split_whitespace().peekable();
    let mut platform = None;
    while let Some(flag) = words.next_if(|word| word.starts_with("--")) {
        match flag.split_once('=') {
            Some(("--platform", value)) => platform = Some(value.to_owned()),
            _ => return Err(Fault::Unsupported { what: format!("the flag {flag} of FROM") }),
        }
    }
    let image = words.next().ok_or_else(wrong)?.to_owned();
    match (words.next(), words.next(), words.next()) {
        (None, ..) => {}
        (Some(word), Some(_), None) if word.eq_ignore_ascii_case("as") => {}
        _ => return Err(wrong()),
    }
    Ok(Kind::From { image, platform })
}

fn arg(rest: &str) -> Result<Kind, Fault> {
    let mut arguments = Vec::new();
    for word in words::split(rest)? {
        let (name, value) = match word.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (word.as_str(), None),
        };
        if !is_name(name) {
            return Err(Fault::Syntax { instruction: "ARG", expected: "NAME or NAME=VALUE", found: word });
        }
        arguments.push((name.to_owned(), value));
    }
    if arguments.is_empty() {
        return Err(Fault::Syntax {
            instruction: "ARG",
            expected: "NAME or NAME=VALUE",
            found: String::new(),
        });
    }
    Ok(Kind::Arg(arguments))
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// `A=1 B="two words"`, or the old form `A one value to the end of the line`.
fn pairs(instruction: &'static str, rest: &str) -> Result<Vec<(String, String)>, Fault> {
    let wrong = |found: &str| Fault::Syntax { instruction, expected: "NAME=VALUE", found: found.to_owned() };
    let all = words::split(rest)?;
    let first = all.first().ok_or_else(|| wrong(rest))?;
    if !first.contains('=') {
        let (name, value) = rest.split_once(char::is_whitespace).ok_or_else(|| wrong(rest))?;
        return Ok(vec![(name.to_owned(), value.trim().to_owned())]);
    }
    let pair = |word: &String| match word.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err(wrong(word)),
    };
    all.iter().map(pair).collect()
}

/// A JSON list of strings, or else a line for the shell: Docker takes a broken list for a line, too.
fn command(rest: &str) -> Command {
    match serde_json::from_str(rest) {
        Ok(arguments) if rest.starts_with('[') => Command::Exec(arguments),
        _ => Command::Shell(rest.to_owned()),
    }
}

fn copy(rest: &str, add: bool) -> Result<Kind, Fault> {
    let instruction = if add { "ADD" } else { "COPY" };
    let mut rest = rest;
    let (mut owner, mut mode) = (None, None);
    while rest.starts_with("--") {
        let (flag, after) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
        match flag.split_once('=') {
            Some(("--chown", value)) => owner = Some(value.to_owned()),
            Some(("--chmod", value)) => mode = Some(value.to_owned()),
            _ => return Err(Fault::Unsupported { what: format!("the flag {flag} of {instruction}") }),
        }
        rest = after.trim_start();
    }
    let listed = rest.starts_with('[').then(|| serde_json::from_str::<Vec<String>>(rest).ok()).flatten();
    let mut words = listed.unwrap_or_else(|| rest.split_whitespace().map(str::to_owned).collect());
    if let Some(heredoc) = words.iter().find(|word| is_heredoc(word)) {
        return Err(Fault::Unsupported { what: format!("the here-document {heredoc} of {instruction}") });
    }
    let wrong = |expected| Fault::Syntax { instruction, expected, found: rest.to_owned() };
    let destination = words.pop().ok_or_else(|| wrong("SOURCE… DESTINATION"))?;
    if words.is_empty() || destination.is_empty() {
        return Err(wrong("SOURCE… DESTINATION"));
    }
    if words.len() > 1 && !destination.ends_with('/') && destination != "." {
        return Err(wrong("a destination that ends in / where there are several sources"));
    }
    if add && let Some(url) = words.iter().find(|word| is_remote(word)) {
        return Err(Fault::Unsupported { what: format!("ADD of the remote {url}") });
    }
    Ok(Kind::Copy(Copying { add, sources: words, destination, owner, mode }))
}

fn is_heredoc(word: &str) -> bool {
    let Some(name) = word.strip_prefix("<<") else { return false };
    let name = name.strip_prefix('-').unwrap_or(name).trim_start_matches(['"', '\'']);
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
}

fn is_remote(word: &str) -> bool {
    word.contains("://") || word.starts_with("git@")
}

#[cfg(test)]
mod tests;
