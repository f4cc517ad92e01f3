//! What a Dockerfile comes to: the configuration it ends with and the layers it asks for, before any file is read.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::config::Runtime;
use crate::dockerfile::AtLine;
use crate::error::Fault;
use crate::instruction::{Copying, Instruction, Kind};
use crate::tree::PATH_LIMIT;
use crate::words;

/// What is built, step by step, and what it ends with.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Plan {
    pub(crate) steps: Vec<Step>,
    pub(crate) runtime: Runtime,
    /// Build arguments that were given and that no ARG asked for.
    pub(crate) unused: Vec<String>,
}

/// One instruction after FROM.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Step {
    pub(crate) line: usize,
    /// The instruction as written, for the history.
    pub(crate) text: String,
    pub(crate) action: Action,
}

/// What a step does to the files.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Action {
    /// It changes the configuration alone.
    Configure,
    /// It makes this folder where there is none.
    Folder(String),
    /// It copies files of the context.
    Copy(Copy),
}

/// A `COPY` or `ADD` with everything filled in.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Copy {
    pub(crate) add: bool,
    pub(crate) sources: Vec<String>,
    /// Absolute, without `.`, `..` or a slash at the end.
    pub(crate) destination: String,
    /// Whether it was written as a folder.
    pub(crate) into_folder: bool,
    pub(crate) uid: u64,
    pub(crate) gid: u64,
    pub(crate) mode: Option<u32>,
}

/// Build arguments, by name.
pub(crate) type Arguments = BTreeMap<String, String>;

/// Build arguments that need no ARG, as in Docker.
const PREDEFINED: [&str; 5] = ["HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY", "ALL_PROXY"];
/// The most ports one image exposes: all of them in all three protocols.
const PORT_LIMIT: usize = 3 * 65_536;

/// The image FROM names with the arguments before it filled in, and its line.
pub(crate) fn base(
    instructions: &[Instruction],
    arguments: &Arguments,
    architecture: &str,
) -> Result<(usize, String), AtLine> {
    let mut scope = Scope::new(arguments, architecture);
    for one in instructions {
        let at = |fault| AtLine { line: one.line.number, fault };
        match &one.kind {
            Kind::Arg(all) => scope.declare_global(all).map_err(at)?,
            Kind::From { image, platform } => {
                let expand = |text: &str| words::expand(text, &|name| scope.globals.get(name).cloned());
                if let Some(platform) = platform {
                    let platform = expand(platform).map_err(at)?;
                    if !platform.is_empty() && platform != format!("linux/{architecture}") {
                        let what = format!("the platform {platform} (this machine is linux/{architecture})");
                        return Err(at(Fault::Unsupported { what }));
                    }
                }
                return Ok((one.line.number, expand(image).map_err(at)?));
            }
            _ => break,
        }
    }
    Err(AtLine { line: 1, fault: Fault::NoFrom })
}

/// Follows the instructions on top of the base image's configuration.
pub(crate) fn plan(
    instructions: &[Instruction],
    runtime: Runtime,
    arguments: &Arguments,
    architecture: &str,
) -> Result<Plan, AtLine> {
    let mut building =
        Building { scope: Scope::new(arguments, architecture), runtime, command_set: false, in_stage: false };
    let mut steps = Vec::new();
    for one in instructions {
        let action = building.follow(&one.kind).map_err(|fault| AtLine { line: one.line.number, fault })?;
        if let Some(action) = action {
            steps.push(Step { line: one.line.number, text: one.line.text.clone(), action });
        }
    }
    let used = building.scope.used.into_inner();
    let predefined = |name: &str| PREDEFINED.contains(&name.to_ascii_uppercase().as_str());
    let unused =
        arguments.keys().filter(|name| !used.contains(*name) && !predefined(name)).cloned().collect();
    Ok(Plan { steps, runtime: building.runtime, unused })
}

/// The arguments an instruction can see.
struct Scope<'a> {
    given: &'a Arguments,
    /// Declared before FROM, and the platform's own.
    globals: Arguments,
    /// Declared after it.
    stage: Arguments,
    used: RefCell<BTreeSet<String>>,
}

impl<'a> Scope<'a> {
    fn new(given: &'a Arguments, architecture: &str) -> Self {
        let mut globals = Arguments::new();
        for side in ["TARGET", "BUILD"] {
            globals.insert(format!("{side}OS"), "linux".to_owned());
            globals.insert(format!("{side}ARCH"), architecture.to_owned());
            globals.insert(format!("{side}PLATFORM"), format!("linux/{architecture}"));
        }
        Self { given, globals, stage: Arguments::new(), used: RefCell::default() }
    }

    fn given(&self, name: &str) -> Option<String> {
        let value = self.given.get(name)?;
        self.used.borrow_mut().insert(name.to_owned());
        Some(value.clone())
    }

    fn declare_global(&mut self, all: &[(String, Option<String>)]) -> Result<(), Fault> {
        for (name, default) in all {
            let default = match default {
                Some(text) => Some(words::expand(text, &|name| self.globals.get(name).cloned())?),
                None => None,
            };
            if let Some(value) = self.given(name).or(default) {
                self.globals.insert(name.clone(), value);
            }
        }
        Ok(())
    }
}

struct Building<'a> {
    scope: Scope<'a>,
    runtime: Runtime,
    /// Whether this Dockerfile has set CMD: an ENTRYPOINT after it keeps it, one without drops the base's.
    command_set: bool,
    in_stage: bool,
}

impl Building<'_> {
    fn expand(&self, text: &str) -> Result<String, Fault> {
        words::expand(text, &|name| {
            let set = self.runtime.variable(name).map(str::to_owned);
            set.or_else(|| self.scope.stage.get(name).cloned())
        })
    }

    /// What an instruction does to the files; `None` for FROM and what stands before it.
    fn follow(&mut self, kind: &Kind) -> Result<Option<Action>, Fault> {
        match kind {
            Kind::From { .. } => {
                self.in_stage = true;
                return Ok(None);
            }
            Kind::Arg(all) if !self.in_stage => {
                self.scope.declare_global(all)?;
                return Ok(None);
            }
            Kind::Arg(all) => self.declare(all)?,
            Kind::Copy(copying) => return Ok(Some(Action::Copy(self.copy(copying)?))),
            Kind::Env(pairs) => {
                // All values see the environment before the line, as the reference says.
                let each = pairs.iter().map(|(name, value)| Ok((self.expand(name)?, self.expand(value)?)));
                for (name, value) in each.collect::<Result<Vec<_>, Fault>>()? {
                    self.runtime.set_variable(&name, &value);
                }
                bounded(self.runtime.env.iter().flatten().map(String::len))?;
            }
            Kind::Label(pairs) => {
                for (name, value) in pairs {
                    let (name, value) = (self.expand(name)?, self.expand(value)?);
                    self.runtime.labels.get_or_insert_default().insert(name, value);
                }
                bounded(self.runtime.labels.iter().flatten().map(|(name, value)| name.len() + value.len()))?;
            }
            Kind::Workdir(folder) => {
                let folder = absolute(self.runtime.folder(), &self.expand(folder)?);
                // Each goes on where the last one ended, so all of them together would grow without this.
                if folder.len() > PATH_LIMIT {
                    return Err(Fault::PathTooLong { limit: PATH_LIMIT });
                }
                self.runtime.working_dir = Some(folder.clone());
                return Ok(Some(Action::Folder(folder)));
            }
            Kind::User(user) => {
                let user = self.expand(user)?;
                if user.is_empty() {
                    let expected = "a user, or user:group";
                    return Err(Fault::Syntax { instruction: "USER", expected, found: user });
                }
                self.runtime.user = Some(user);
            }
            Kind::Expose(ports) => {
                for word in ports {
                    let word = self.expand(word)?;
                    for port in word.split_whitespace() {
                        expose(port, self.runtime.exposed_ports.get_or_insert_default())?;
                    }
                }
            }
            Kind::Cmd(command) => {
                self.runtime.cmd = Some(command.arguments());
                self.command_set = true;
            }
            Kind::Entrypoint(command) => {
                self.runtime.entrypoint = Some(command.arguments());
                if !self.command_set {
                    self.runtime.cmd = None;
                }
            }
        }
        Ok(Some(Action::Configure))
    }

    fn declare(&mut self, all: &[(String, Option<String>)]) -> Result<(), Fault> {
        for (name, default) in all {
            let default = match default {
                Some(text) => Some(self.expand(text)?),
                None => self.scope.globals.get(name).cloned(),
            };
            if let Some(value) = self.scope.given(name).or(default) {
                self.scope.stage.insert(name.clone(), value);
            }
        }
        Ok(())
    }

    fn copy(&self, copying: &Copying) -> Result<Copy, Fault> {
        let instruction = if copying.add { "ADD" } else { "COPY" };
        let sources = copying.sources.iter().map(|source| self.expand(source)).collect::<Result<_, _>>()?;
        let destination = self.expand(&copying.destination)?;
        let into_folder = destination.ends_with('/') || destination == "." || destination.ends_with("/.");
        let (uid, gid) = match &copying.owner {
            Some(owner) => numbers(&self.expand(owner)?)?,
            None => (0, 0),
        };
        let mode = match &copying.mode {
            Some(mode) => {
                let text = self.expand(mode)?;
                let read = u32::from_str_radix(&text, 8).ok().filter(|mode| *mode <= 0o7777);
                let expected = "--chmod with an octal number up to 7777";
                Some(read.ok_or(Fault::Syntax { instruction, expected, found: text })?)
            }
            None => None,
        };
        let destination = absolute(self.runtime.folder(), &destination);
        Ok(Copy { add: copying.add, sources, destination, into_folder, uid, gid, mode })
    }
}

fn bounded(lengths: impl Iterator<Item = usize>) -> Result<(), Fault> {
    let total: usize = lengths.sum();
    if total > words::EXPANDED_LIMIT {
        return Err(Fault::VariableTooLong { limit: words::EXPANDED_LIMIT });
    }
    Ok(())
}

/// `UID` or `UID:GID`; a UID alone is the group's number, too. Names would need the image's own /etc/passwd.
fn numbers(owner: &str) -> Result<(u64, u64), Fault> {
    let (uid, gid) = owner.split_once(':').unwrap_or((owner, owner));
    let number = |text: &str| text.parse::<u32>().map(u64::from).ok();
    match (number(uid), number(gid)) {
        (Some(uid), Some(gid)) => Ok((uid, gid)),
        _ => Err(Fault::Unsupported { what: format!("--chown={owner} (numbers only, such as 1000:1000)") }),
    }
}

/// `80`, `80/udp` or `8000-8010/tcp`.
fn expose(word: &str, ports: &mut BTreeMap<String, Value>) -> Result<(), Fault> {
    let wrong = || {
        let expected = "a port up to 65535 or a range of them, then /tcp, /udp or /sctp or nothing";
        Fault::Syntax { instruction: "EXPOSE", expected, found: word.to_owned() }
    };
    let (range, protocol) = word.split_once('/').unwrap_or((word, "tcp"));
    let protocol = protocol.to_ascii_lowercase();
    if !matches!(protocol.as_str(), "tcp" | "udp" | "sctp") {
        return Err(wrong());
    }
    let (first, last) = range.split_once('-').unwrap_or((range, range));
    let number = |text: &str| text.parse::<u16>().ok().filter(|_| !text.starts_with('+'));
    let (Some(first), Some(last)) = (number(first), number(last)) else { return Err(wrong()) };
    if first > last || ports.len() > PORT_LIMIT {
        return Err(wrong());
    }
    ports.extend((first..=last).map(|port| (format!("{port}/{protocol}"), json!({}))));
    Ok(())
}

/// A path of the image: `path` seen from `folder`, without `.`, `..`, doubled slashes or one at the end.
pub(crate) fn absolute(folder: &str, path: &str) -> String {
    let start = if path.starts_with('/') { "" } else { folder };
    let mut parts: Vec<&str> = Vec::new();
    for part in start.split('/').chain(path.split('/')) {
        match part {
            "" | "." => {}
            // The root is its own parent.
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    format!("/{}", parts.join("/"))
}

#[cfg(test)]
mod tests;
