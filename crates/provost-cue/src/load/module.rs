//! Modules on disk: where cue.mod lies, what module.cue says, and where its packages are.

use super::{FileKind, Files, LoadError, paths};
use crate::ast::{Decl, Expr, FieldLabel, Kind};
use crate::limits::Limits;
use crate::parser;
use crate::source::Sources;

/// The language version this crate speaks.
pub(super) const LANGUAGE: &str = "v0.16.1";

/// A module.
#[derive(Debug, Clone)]
pub(super) struct Module {
    /// The directory that holds cue.mod.
    pub(super) root: String,
    /// Its path without a major version; empty where it has none.
    pub(super) path: String,
    /// Its path with the major version, as errors show it.
    pub(super) qualified: String,
    /// The language version it declares.
    pub(super) language: String,
}

/// Looks for cue.mod in a directory and those above it.
pub(super) fn find(directory: &str, files: &dyn Files, limits: &Limits) -> Result<Option<Module>, LoadError> {
    let mut at = directory.to_owned();
    loop {
        let mark = paths::join(&at, "cue.mod");
        match files.kind(&mark) {
            Ok(Some(FileKind::Directory)) => return read(at, files, limits),
            // cue.mod as a plain file is the oldest form; it names no language version.
            Ok(Some(FileKind::File)) => {
                let problem = "cue.mod files are no longer supported; use cue.mod/module.cue".to_owned();
                return Err(LoadError::Module { file: mark, problem });
            }
            Ok(None) | Err(_) => {}
        }
        match paths::parent(&at) {
            Some(above) => at = above,
            None => return Ok(None),
        }
    }
}

fn read(root: String, files: &dyn Files, limits: &Limits) -> Result<Option<Module>, LoadError> {
    let path = paths::join(&root, "cue.mod/module.cue");
    match files.kind(&path) {
        Ok(Some(FileKind::File)) => {}
        // Without module.cue the directory is still searched for cue.mod/pkg, but it is no module.
        _ => return Ok(None),
    }
    let unreadable = |problem| LoadError::Unreadable { path: path.clone(), problem };
    let bytes = files.read(&path).map_err(unreadable)?;
    let text = String::from_utf8(bytes).map_err(|_| LoadError::NotText { name: path.clone() })?;
    if text.trim().is_empty() {
        return Ok(None);
    }
    let mut sources = Sources::default();
    let index = sources.add(&path, &text);
    let file = parser::parse(&path, &text, index, &sources, limits)?;
    let qualified = text_at(&file.decls, &["module"]).unwrap_or_default();
    let Some(language) = text_at(&file.decls, &["language", "version"]) else {
        return Err(LoadError::NoLanguage);
    };
    let Some(version) = numbers(&language) else {
        let problem = format!("language version \"{language}\" in module.cue is not valid semantic version");
        return Err(LoadError::Module { file: path, problem });
    };
    if numbers(LANGUAGE).is_some_and(|ours| version > ours) {
        return Err(LoadError::LaterLanguage { version: language });
    }
    let plain = qualified.split('@').next().unwrap_or_default().to_owned();
    let qualified = match qualified.contains('@') || plain.is_empty() {
        true => qualified,
        false => format!("{plain}@v0"),
    };
    Ok(Some(Module { root, path: plain, qualified, language }))
}

/// The three numbers of a version such as `v0.16.1`, whatever pre-release follows.
fn numbers(version: &str) -> Option<[u64; 3]> {
    let plain = version.strip_prefix('v')?;
    let plain = plain.split(['-', '+']).next()?;
    let mut parts = plain.split('.');
    let mut next = || parts.next().map(str::parse::<u64>);
    let out = [next()?.ok()?, next()?.ok()?, next()?.ok()?];
    next().is_none().then_some(out)
}

/// The string literal at a path of fields, written in any of the ways that need no evaluation.
fn text_at(decls: &[Decl], path: &[&str]) -> Option<String> {
    let (first, rest) = path.split_first()?;
    decls.iter().find_map(|decl| {
        let Decl::Field(field) = decl else { return None };
        let name = match &field.label {
            FieldLabel::Identifier(name) | FieldLabel::Text(name) => name,
            _ => return None,
        };
        if name != first {
            return None;
        }
        match (&field.value, rest) {
            (Expr { kind: Kind::Text(text, false), .. }, []) => String::from_utf8(text.clone()).ok(),
            (Expr { kind: Kind::Struct(inner), .. }, [_, ..]) => text_at(inner, rest),
            _ => None,
        }
    })
}
