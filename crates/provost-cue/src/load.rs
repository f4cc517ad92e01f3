//! The loader: which files of which packages the arguments of a command name. It asks a trait for files and opens none.

mod arguments;
mod conditions;
mod embed;
mod module;
mod packages;
mod paths;
mod tags;

use std::collections::BTreeMap;

use crate::error::CueErrors;
use crate::limits::Limits;
use crate::source::Position;

pub use arguments::Encoding;

/// What stands at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileKind {
    /// A file, or anything else that can be read.
    File,
    /// A directory.
    Directory,
}

/// Why a file cannot be had, in the system's words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct FileError(pub String);

/// Where files come from: the disk, or a map in a test. Paths are absolute, with `/` between their parts.
pub trait Files {
    /// What stands at a path; `None` where nothing does.
    ///
    /// # Errors
    /// Why that cannot be found out.
    fn kind(&self, path: &str) -> Result<Option<FileKind>, FileError>;
    /// The whole content of a file, or of standard input for `-`.
    ///
    /// # Errors
    /// Why it cannot be read, or that it is larger than the reader allows.
    fn read(&self, path: &str) -> Result<Vec<u8>, FileError>;
    /// The names in a directory and what they are, in any order.
    ///
    /// # Errors
    /// Why it cannot be read.
    fn list(&self, path: &str) -> Result<Vec<(String, FileKind)>, FileError>;
    /// Whether a path is a symbolic link; where there are none, it is not.
    ///
    /// # Errors
    /// Why that cannot be found out.
    fn is_link(&self, _path: &str) -> Result<bool, FileError> {
        Ok(false)
    }
    /// The documents of a data file that is embedded, each as JSON text.
    ///
    /// # Errors
    /// What is wrong with it, or that its encoding is not read.
    fn documents(&self, file: &DataFile) -> Result<Vec<String>, FileError>;
}

/// What is to be loaded.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// The working directory, absolute.
    pub directory: &'a str,
    /// Packages first, then files; none is `.`.
    pub arguments: &'a [String],
    /// `-t`: names that `@if` asks for, and `name=value`.
    pub tags: &'a [String],
    /// `-T`: the variables that tags may ask for, each with its value as CUE; none without the flag.
    pub variables: Option<&'a [(&'static str, String)]>,
    /// Whether files behind `@if`, tests and tools count too and packages need no choice, as `cue fmt` has it.
    pub every_file: bool,
    /// The limits on one evaluation.
    pub limits: &'a Limits,
}

/// One CUE file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceFile {
    /// The name that errors show, relative to the working directory: `./a.cue`.
    pub name: String,
    /// Its absolute path; `-` is standard input.
    pub path: String,
    /// Its text.
    pub text: String,
}

/// One file that is no CUE.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataFile {
    /// The name that errors show.
    pub name: String,
    /// What it holds.
    pub encoding: Encoding,
    /// Its content.
    pub content: Vec<u8>,
}

/// The files of one package, or those named one by one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Package {
    /// Its import path, or empty.
    pub path: String,
    /// The name in its package clauses.
    pub name: Option<String>,
    /// The directory it was found in, as shown.
    pub directory: String,
    /// Whether its files were named one by one.
    pub named: bool,
    /// Its CUE files in the order in which they are unified.
    pub files: Vec<SourceFile>,
    /// What its imports lead to: the path as written, and the index of a [`Package`] in [`Loaded::packages`].
    pub imports: BTreeMap<String, usize>,
    /// Files that are no CUE.
    pub data: Vec<DataFile>,
    /// The language version of its module.
    pub language: Option<String>,
}

/// All packages that the arguments need.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Loaded {
    /// Every package, imported ones before those that import them.
    pub packages: Vec<Package>,
    /// Indices of the packages that the arguments name, in their order.
    pub builds: Vec<usize>,
}

/// Why something cannot be loaded. `Display` is CUE's own sentence; the places follow in [`LoadError::positions`].
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// A file that is not there.
    #[error("stat {path}: no such file or directory")]
    NoFile {
        /// The absolute path.
        path: String,
    },
    /// A file or directory that cannot be read.
    #[error("{path}: {problem}")]
    Unreadable {
        /// The path.
        path: String,
        /// Why.
        problem: FileError,
    },
    /// A file that is not UTF-8.
    #[error("{name}: illegal UTF-8 encoding, expected CUE source")]
    NotText {
        /// The file.
        name: String,
    },
    /// A package that is not there.
    #[error("cannot find package \"{path}\"")]
    NoPackage {
        /// As it was asked for.
        path: String,
    },
    /// An import that no module on disk provides; there is no registry.
    #[error(
        "{importer}{failed}cannot find package \"{path}\": cannot find module providing package {path}",
        failed = if importer.is_some() { "import failed: " } else { "" },
        importer = importer.as_deref().filter(|path| !path.is_empty()).map(|path| format!("{path}: ")).unwrap_or_default()
    )]
    NoModule {
        /// The import path.
        path: String,
        /// Who imports it, if not the command line.
        importer: Option<String>,
        /// Where.
        position: Option<Position>,
    },
    /// An import outside any module.
    #[error(
        "{failed}imports are unavailable because there is no cue.mod/module.cue file",
        failed = if position.is_some() { "import failed: " } else { "" }
    )]
    NoModuleFile {
        /// Where it is written, if not on the command line.
        position: Option<Position>,
    },
    /// A package of the standard library where one on disk is asked for.
    #[error("standard library import path \"{path}\" cannot be imported as a CUE package")]
    Standard {
        /// The path.
        path: String,
    },
    /// Packages that import each other.
    #[error("import failed: package import cycle not allowed")]
    ImportCycle {
        /// Where the circle closes.
        position: Option<Position>,
    },
    /// A pattern that leads to nothing.
    #[error("cue: \"{pattern}\" matched no packages")]
    NothingMatched {
        /// The pattern.
        pattern: String,
    },
    /// A directory or list of files in which no file counts.
    #[error("build constraints exclude all CUE files in {place}:{}", excluded(.files))]
    AllExcluded {
        /// The directory as shown.
        place: String,
        /// The files and why they do not count.
        files: Vec<(String, String)>,
    },
    /// No CUE file at all.
    #[error("no CUE files in {place}")]
    NoFiles {
        /// The directory as shown.
        place: String,
    },
    /// Two packages where one is needed.
    #[error("found packages \"{}\" ({}) and \"{}\" ({}) in \"{place}\"", first.0, first.1, second.0, second.1)]
    MixedPackages {
        /// One package and its file.
        first: (String, String),
        /// The other package and its file.
        second: (String, String),
        /// The directory as shown.
        place: String,
    },
    /// A module.cue without a language version.
    #[error("no language version declared in module.cue; run 'cue mod fix'")]
    NoLanguage,
    /// A module.cue of a later language.
    #[error(
        "language version \"{version}\" declared in module.cue is too new for current language version \"{}\"",
        module::LANGUAGE
    )]
    LaterLanguage {
        /// The version declared.
        version: String,
    },
    /// Something else about module.cue.
    #[error("invalid module.cue file {file}: {problem}")]
    Module {
        /// The file.
        file: String,
        /// What is wrong.
        problem: String,
    },
    /// An argument that means nothing.
    #[error("{problem}")]
    Argument {
        /// What is wrong with it.
        problem: String,
    },
    /// `@if` with something that is no condition.
    #[error("{problem}")]
    Condition {
        /// What is wrong.
        problem: String,
        /// Where.
        position: Option<Position>,
    },
    /// More directories or files than a limit allows.
    #[error("limit reached: {what} (at most {limit})")]
    Limit {
        /// Which.
        what: &'static str,
        /// Its value.
        limit: usize,
    },
    /// A file that is not CUE.
    #[error(transparent)]
    Source(#[from] CueErrors),
}

fn excluded(files: &[(String, String)]) -> String {
    files.iter().map(|(name, reason)| format!("\n    {name}: {reason}")).collect()
}

impl LoadError {
    /// Where it stands; the errors of a file that is not CUE carry their own places.
    pub fn positions(&self) -> Vec<Position> {
        match self {
            Self::NoModule { position, .. }
            | Self::NoModuleFile { position }
            | Self::ImportCycle { position }
            | Self::Condition { position, .. } => position.iter().cloned().collect(),
            _ => Vec::new(),
        }
    }
}

/// Finds and reads all that the arguments name, and what that imports.
///
/// # Errors
/// The first thing that is wrong, in CUE's words.
pub fn load(request: &Request<'_>, files: &dyn Files) -> Result<Loaded, LoadError> {
    load_within(request, files, packages::Bounds::default())
}

fn load_within(
    request: &Request<'_>,
    files: &dyn Files,
    bounds: packages::Bounds,
) -> Result<Loaded, LoadError> {
    packages::Loader::new(request, files, bounds)?.load()
}

/// The name of a path as errors show it: relative to the working directory, with a dot before.
pub fn shown(path: &str, directory: &str) -> String {
    paths::shown(path, directory)
}

#[cfg(test)]
mod tests;
