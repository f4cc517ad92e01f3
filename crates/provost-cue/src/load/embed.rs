//! `@embed(…)`: files of the module that stand beside a field as its value.

use super::arguments::Encoding;
use super::{DataFile, FileKind, Files, LoadError, Package, paths, tags};
use crate::limits::Limits;
use crate::print;
use crate::scanner::Scanner;
use crate::source::{Position, Sources};
use crate::token::Tok;

/// Files that one pattern may match; each becomes a field, and a directory of 1,000 data files is a large one.
pub(super) const MATCHES: usize = 1_000;

/// What embedding needs to know.
pub(super) struct Embedding<'a> {
    pub(super) files: &'a dyn Files,
    pub(super) limits: &'a Limits,
    /// Whether there is a module.
    pub(super) module: bool,
    /// See [`MATCHES`].
    pub(super) matches: usize,
}

fn refuse<T>(problem: String, position: Option<Position>) -> Result<T, LoadError> {
    Err(LoadError::Condition { problem, position })
}

impl Embedding<'_> {
    /// Puts the files that a package embeds into its texts, as values that are unified with their fields.
    pub(super) fn embed(&self, package: &mut Package) -> Result<(), LoadError> {
        for file in &mut package.files {
            if file.text.contains("@extern(") {
                file.text = self.text(&file.name, &file.path, &file.text)?;
            }
        }
        Ok(())
    }

    fn text(&self, name: &str, path: &str, text: &str) -> Result<String, LoadError> {
        let mut sources = Sources::default();
        let index = sources.add(name, text);
        let tokens = Scanner::new(text, index, &sources, self.limits.policy_depth).file()?;
        // From the last to the first, so that what stands before keeps its place.
        let mut changes: Vec<(usize, usize, String)> = Vec::new();
        let mut wanted = false;
        for (place, token) in tokens.iter().enumerate() {
            let Tok::Attribute(attribute) = &token.tok else { continue };
            let position = sources.position(token.span);
            let start = token.span.start as usize;
            match attribute.as_str() {
                "@extern(embed)" if !wanted => {
                    if !self.module {
                        return refuse("cannot embed files when not in a module".to_owned(), None);
                    }
                    wanted = true;
                    // Blanks keep every place behind it, and no attribute is left for the compiler to refuse.
                    changes.push((start, start + attribute.len(), " ".repeat(attribute.len())));
                }
                attribute if wanted && attribute.starts_with("@embed(") => {
                    let body = attribute.strip_prefix("@embed(").and_then(|rest| rest.strip_suffix(')'));
                    let Some((value, loose)) = tags::value_before(&tokens, place, text) else {
                        return refuse("@embed attribute not associated with field".to_owned(), position);
                    };
                    let directory = paths::parent(path).unwrap_or_else(|| ".".to_owned());
                    let embedded = self
                        .value(body.unwrap_or_default(), &directory)
                        .or_else(|problem| refuse(format!("@embed: {problem}"), position))?;
                    let written = text.get(value.0..value.1).unwrap_or_default();
                    let joined = match loose {
                        true => format!("({written}) & {embedded}"),
                        false => format!("{written} & {embedded}"),
                    };
                    changes.push((start, start + attribute.len(), " ".repeat(attribute.len())));
                    changes.push((value.0, value.1, joined));
                }
                _ => {}
            }
        }
        changes.sort_by_key(|(start, ..)| std::cmp::Reverse(*start));
        let mut text = text.to_owned();
        for (start, end, new) in changes {
            if text.get(start..end).is_some() {
                text.replace_range(start..end, &new);
            }
        }
        Ok(text)
    }

    /// What an attribute stands for, as CUE on one line.
    fn value(&self, body: &str, directory: &str) -> Result<String, String> {
        let (mut file, mut glob, mut kind) = (None, None, None);
        for part in body.split(',').map(str::trim) {
            match part.split_once('=').map(|(key, value)| (key.trim(), value.trim().trim_matches('"'))) {
                Some(("file", name)) => file = Some(name),
                Some(("glob", pattern)) => glob = Some(pattern),
                Some(("type", name)) => kind = Some(name.trim_end_matches(':')),
                Some(("allowEmptyGlob", _)) => {
                    return Err("unsupported by provost: allowEmptyGlob".to_owned());
                }
                _ => {}
            }
        }
        match (file, glob) {
            (Some(_), Some(_)) => Err("attribute cannot have both file and glob field".to_owned()),
            (None, None) => Err("attribute must have file or glob field".to_owned()),
            (Some(name), None) => {
                relative(name)?;
                self.file(name, directory, kind)
            }
            (None, Some(pattern)) => self.glob(pattern, directory, kind),
        }
    }

    fn glob(&self, pattern: &str, directory: &str, kind: Option<&str>) -> Result<String, String> {
        if pattern.contains("**") {
            return Err(format!(
                "invalid glob pattern \"{pattern}\": '**' is not supported in patterns as of yet"
            ));
        }
        relative(pattern)?;
        if kind.is_none() && pattern.ends_with(['*', '?', ']']) {
            return Err("extension not fully specified; type argument required".to_owned());
        }
        let mut found = vec![String::new()];
        for part in pattern.split('/') {
            let mut next = Vec::new();
            for before in &found {
                let here = paths::join(directory, before);
                if self.inside(&here, directory).is_err() {
                    continue;
                }
                let Ok(entries) = self.files.list(&here) else { continue };
                for (name, _) in entries {
                    let hidden = name.starts_with('.') && !part.starts_with('.');
                    if !hidden && matches(part, &name)? {
                        next.push(match before.is_empty() {
                            true => name,
                            false => format!("{before}/{name}"),
                        });
                    }
                }
                if next.len() > self.matches {
                    return Err(format!(
                        "limit reached: files that \"{pattern}\" matches (at most {})",
                        self.matches
                    ));
                }
            }
            found = next;
        }
        found.sort();
        let mut out = String::from("{");
        for name in &found {
            if let Ok(Some(FileKind::Directory)) = self.files.kind(&paths::join(directory, name)) {
                continue;
            }
            if out.len() > 1 {
                out.push_str(", ");
            }
            out.push_str(&format!("{}: {}", print::quote(name), self.file(name, directory, kind)?));
        }
        match out.len() {
            1 => Err(format!("no matches for glob pattern \"{pattern}\"")),
            _ => Ok(out + "}"),
        }
    }

    fn file(&self, name: &str, directory: &str, kind: Option<&str>) -> Result<String, String> {
        let extension = paths::base(name).rfind('.').and_then(|at| paths::base(name).get(at..));
        let encoding = match (kind, extension) {
            (Some(kind), _) => Encoding::of_name(kind).ok_or_else(|| format!("unknown filetype {kind}"))?,
            (None, None) => return Err(format!("no encoding specified for file \"{name}\"")),
            (None, Some(extension)) => {
                Encoding::of_file(name).ok_or_else(|| format!("unknown file extension {extension}"))?
            }
        };
        if encoding == Encoding::Cue {
            return Err("unsupported by provost: embedding CUE".to_owned());
        }
        let path = paths::join(directory, name);
        self.inside(&path, directory)?;
        match self.files.kind(&path) {
            Ok(None) => return Err(format!("open {name}: no such file or directory")),
            Ok(Some(FileKind::Directory)) => return Err(format!("open {name}: is a directory")),
            Ok(Some(FileKind::File)) => {}
            Err(problem) => return Err(format!("open {name}: {problem}")),
        }
        let content = self.files.read(&path).map_err(|problem| format!("open {name}: {problem}"))?;
        let file = DataFile { name: name.to_owned(), encoding, content };
        let documents = self.files.documents(&file).map_err(|problem| problem.to_string())?;
        match <[String; 1]>::try_from(documents) {
            // JSON has no line end inside a string, so the lines behind it stay where they are.
            Ok([document]) => Ok(document.replace(['\n', '\r'], " ").trim().to_owned()),
            Err(documents) if documents.is_empty() => Err(format!("no values in file \"{name}\"")),
            Err(_) => Err(format!("multiple values not allowed in file \"{name}\"")),
        }
    }

    /// Refuses what a symbolic link or another module's file leads to: neither is part of the module.
    fn inside(&self, path: &str, directory: &str) -> Result<(), String> {
        let mut at = path.to_owned();
        while at != directory {
            if matches!(self.files.is_link(&at), Ok(true)) {
                return Err(format!("{path}: a symbolic link is no file of the module"));
            }
            if at != path && matches!(self.files.kind(&paths::join(&at, "cue.mod")), Ok(Some(_))) {
                return Err("cannot embed file inside another module".to_owned());
            }
            match paths::parent(&at) {
                Some(above) => at = above,
                None => return Err("only files below the directory of the CUE file are allowed".to_owned()),
            }
        }
        Ok(())
    }
}

fn relative(path: &str) -> Result<(), String> {
    if path.starts_with('/') {
        return Err("only relative files are allowed".to_owned());
    }
    if path.split('/').any(|part| part == "..") {
        return Err("cannot refer to parent directory".to_owned());
    }
    let clean = paths::clean(path);
    match clean == path {
        true => Ok(()),
        false => Err(format!("path not normalized, use \"{clean}\" instead")),
    }
}

/// Whether a name matches one part of a pattern with `*`, `?`, `[a-z]` and `\`.
fn matches(pattern: &str, name: &str) -> Result<bool, String> {
    if pattern.contains(['[', '\\']) {
        return Err(format!("unsupported by provost: [ or \\ in glob pattern \"{pattern}\""));
    }
    let (pattern, name): (Vec<char>, Vec<char>) = (pattern.chars().collect(), name.chars().collect());
    let (mut p, mut n) = (0, 0);
    // Where the last `*` stood, and how much of the name it has taken.
    let mut star: Option<(usize, usize)> = None;
    while n < name.len() {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p, n));
                p += 1;
            }
            Some(wanted) if *wanted == '?' || Some(wanted) == name.get(n) => {
                p += 1;
                n += 1;
            }
            _ => match star {
                Some((at, taken)) => {
                    star = Some((at, taken + 1));
                    p = at + 1;
                    n = taken + 1;
                }
                None => return Ok(false),
            },
        }
    }
    Ok(pattern.get(p..).is_some_and(|rest| rest.iter().all(|c| *c == '*')))
}
