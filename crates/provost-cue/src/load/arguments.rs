//! What an argument is: a package, a file, or a qualifier such as `json:` before files.

use super::{LoadError, paths};

/// What a file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Encoding {
    /// CUE source.
    Cue,
    /// One JSON value after another.
    Json,
    /// One JSON value on each line.
    JsonLines,
    /// YAML documents.
    Yaml,
    /// A string.
    Text,
    /// Bytes.
    Binary,
}

impl Encoding {
    /// The encoding of a name such as `yaml`, as it stands before a colon or after `--out`.
    pub fn of_name(name: &str) -> Option<Self> {
        Some(match name {
            "cue" => Self::Cue,
            "json" => Self::Json,
            "jsonl" | "ndjson" => Self::JsonLines,
            "yaml" | "yml" => Self::Yaml,
            "text" | "txt" => Self::Text,
            "binary" => Self::Binary,
            _ => return None,
        })
    }

    /// The encoding of a file name's extension.
    pub fn of_file(name: &str) -> Option<Self> {
        let base = paths::base(name);
        let (_, extension) = base.rsplit_once('.')?;
        match extension {
            "cue" | "json" | "jsonl" | "ndjson" | "yaml" | "yml" | "txt" => Self::of_name(extension),
            _ => None,
        }
    }
}

/// One argument.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Argument {
    /// A package pattern.
    Package(String),
    /// A file or `-`.
    File(String, Encoding),
}

/// The parts of an import path: `path@version:name`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ImportPath {
    /// Without version and name.
    pub(super) path: String,
    /// After `@`.
    pub(super) version: Option<String>,
    /// After the colon.
    pub(super) name: Option<String>,
}

impl ImportPath {
    /// Takes a path apart.
    pub(super) fn parse(text: &str) -> Self {
        let (rest, name) = match text.rsplit_once(':') {
            Some((rest, name)) => (rest, Some(name.to_owned())),
            None => (text, None),
        };
        match rest.split_once('@') {
            Some((path, version)) => Self { path: path.to_owned(), version: Some(version.to_owned()), name },
            None => Self { path: rest.to_owned(), version: None, name },
        }
    }

    /// The package name that the path stands for, said or implied.
    pub(super) fn package(&self) -> Option<String> {
        match &self.name {
            Some(name) => Some(name.clone()),
            None => {
                let last = paths::base(&self.path);
                crate::scanner::identifier(last).filter(|length| *length == last.len())?;
                Some(last.to_owned())
            }
        }
    }
}

/// Whether a path is one of this directory, not of a module.
pub(super) fn is_local(path: &str) -> bool {
    path == "." || path == ".." || path.starts_with("./") || path.starts_with("../")
}

/// Whether CUE takes an argument for a package rather than for a file.
fn is_package(text: &str) -> bool {
    if matches!(text, "." | "..") {
        return true;
    }
    if matches!(text, "" | "-") {
        return false;
    }
    let path = ImportPath::parse(text);
    if let Some(name) = &path.name {
        let plain = crate::scanner::identifier(name) == Some(name.len()) && !name.is_empty();
        return plain && !path.path.contains(':') && path.path != "-";
    }
    if let Some(version) = &path.version {
        return !version.contains('/');
    }
    match paths::base(text).rfind('.') {
        None => true,
        Some(at) => paths::base(text).get(at..).is_some_and(|rest| rest.trim_start_matches('.').is_empty()),
    }
}

/// Sorts arguments: packages come first, then files with their qualifiers.
pub(super) fn sort(arguments: &[String]) -> Result<Vec<Argument>, LoadError> {
    let fail = |problem: String| Err(LoadError::Argument { problem });
    let mut sorted = Vec::with_capacity(arguments.len());
    let packages = arguments.iter().take_while(|text| is_package(text)).count();
    sorted.extend(arguments.iter().take(packages).cloned().map(Argument::Package));
    let mut qualifier: Option<(Encoding, &str)> = None;
    let mut used = true;
    for text in arguments.iter().skip(packages) {
        match text.split_once(':') {
            None if text.is_empty() => return fail("empty file name".to_owned()),
            None => {
                let encoding = match (qualifier, Encoding::of_file(text)) {
                    (Some((encoding, _)), _) => encoding,
                    (None, Some(encoding)) => encoding,
                    (None, None) if text == "-" => Encoding::Cue,
                    (None, None) => return fail(format!("unknown file extension {}", extension(text))),
                };
                used = true;
                sorted.push(Argument::File(text.clone(), encoding));
            }
            Some(("", _)) => return fail(format!("empty filetype prefix in \"{text}\"")),
            Some((scope, "")) => {
                if !used {
                    let earlier = qualifier.map_or("", |(_, name)| name);
                    return fail(format!("scoped qualifier \"{earlier}:\" without file"));
                }
                let Some(encoding) = Encoding::of_name(scope) else {
                    return fail(format!("unknown filetype {scope}"));
                };
                qualifier = Some((encoding, scope));
                used = false;
            }
            Some(_) => return fail("cannot combine scope with file".to_owned()),
        }
    }
    match qualifier {
        Some((_, name)) if !used => fail(format!("scoped qualifier \"{name}:\" without file")),
        _ => Ok(sorted),
    }
}

fn extension(name: &str) -> &str {
    let base = paths::base(name);
    base.rfind('.').and_then(|at| base.get(at..)).unwrap_or_default()
}
