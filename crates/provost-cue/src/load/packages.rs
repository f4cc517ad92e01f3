//! From arguments and imports to packages: directories searched, files chosen, imports followed.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::arguments::{self, Argument, Encoding, ImportPath};
use super::embed::{self, Embedding};
use super::module::{self, Module};
use super::{
    DataFile, FileKind, Files, LoadError, Loaded, Package, Request, SourceFile, conditions, paths, tags,
};
use crate::ast::File;
use crate::parser;
use crate::source::{Position, Sources};

/// Directories that `...` may walk; a repository of 10,000 packages is a large one.
const DIRECTORIES: usize = 10_000;
/// Packages and imports that follow each other; each level is one frame of about 1 KiB.
const IMPORT_DEPTH: usize = 100;

/// How much one loading may take.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    /// See [`DIRECTORIES`].
    pub(super) directories: usize,
    /// See [`IMPORT_DEPTH`].
    pub(super) import_depth: usize,
    /// See [`embed::MATCHES`].
    pub(super) matches: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { directories: DIRECTORIES, import_depth: IMPORT_DEPTH, matches: embed::MATCHES }
    }
}

pub(super) struct Loader<'a> {
    bounds: Bounds,
    request: &'a Request<'a>,
    files: &'a dyn Files,
    module: Option<Module>,
    loaded: Loaded,
    /// Imported packages by canonical path; `None` while they are being loaded.
    known: HashMap<String, Option<usize>>,
    tags_seen: BTreeSet<String>,
    directories: usize,
}

/// A parsed file that may belong to a package.
struct Candidate {
    source: SourceFile,
    package: Option<String>,
    imports: Vec<(String, Option<Position>)>,
    excluded: Option<String>,
}

/// What a search of directories is for.
struct Search<'p> {
    /// Directories with the base that their parents are searched up to.
    places: Vec<(String, String)>,
    /// The package wanted; the only one there, if none is said.
    name: Option<&'p str>,
    /// How messages name the package.
    display: &'p str,
}

impl<'a> Loader<'a> {
    pub(super) fn new(
        request: &'a Request<'a>,
        files: &'a dyn Files,
        bounds: Bounds,
    ) -> Result<Self, LoadError> {
        let module = module::find(request.directory, files, request.limits)?;
        Ok(Self {
            bounds,
            request,
            files,
            module,
            loaded: Loaded::default(),
            known: HashMap::new(),
            tags_seen: BTreeSet::new(),
            directories: 0,
        })
    }

    pub(super) fn load(mut self) -> Result<Loaded, LoadError> {
        let mut arguments = arguments::sort(self.request.arguments)?;
        if arguments.is_empty() {
            arguments.push(Argument::Package(".".to_owned()));
        }
        let mut named = Vec::new();
        for argument in arguments {
            match argument {
                Argument::Package(pattern) => self.pattern(&pattern)?,
                Argument::File(path, encoding) => named.push((path, encoding)),
            }
        }
        if !named.is_empty() {
            self.named_files(&named)?;
        }
        if !self.request.every_file {
            let embedding = Embedding {
                files: self.files,
                limits: self.request.limits,
                module: self.module.is_some(),
                matches: self.bounds.matches,
            };
            for package in &mut self.loaded.packages {
                embedding.embed(package)?;
            }
            let seen = |name: &str| self.tags_seen.contains(name);
            tags::inject(self.request, &mut self.loaded.packages, &self.loaded.builds, &seen)?;
        }
        Ok(self.loaded)
    }

    fn pattern(&mut self, pattern: &str) -> Result<(), LoadError> {
        if pattern.starts_with('/') {
            let problem = format!("cannot use absolute directory \"{pattern}\" as package path");
            return Err(LoadError::Argument { problem });
        }
        let path = ImportPath::parse(pattern);
        if path.name.as_deref() == Some("_") {
            let problem = format!("invalid import path qualifier _ in \"{pattern}\"");
            return Err(LoadError::Argument { problem });
        }
        let local = arguments::is_local(&path.path);
        if path.path.contains("...") {
            if !local {
                let problem = format!("pattern not allowed in external package path \"{pattern}\"");
                return Err(LoadError::Argument { problem });
            }
            return self.walk_pattern(pattern, &path);
        }
        if !local {
            let index = self.import(pattern, None, None, 0)?;
            self.loaded.builds.push(index);
            return Ok(());
        }
        let directory = paths::join(self.request.directory, &path.path);
        match self.in_directory(&directory, path.name.as_deref(), &path.path)? {
            Some(index) => self.loaded.builds.push(index),
            None => return Err(LoadError::NothingMatched { pattern: path.path }),
        }
        Ok(())
    }

    /// Every directory below the part before `...` that holds a package.
    fn walk_pattern(&mut self, pattern: &str, path: &ImportPath) -> Result<(), LoadError> {
        let before = path.path.split("...").next().unwrap_or_default();
        let start = before.rfind('/').and_then(|end| before.get(..end)).unwrap_or(".");
        let root = paths::join(self.request.directory, start);
        let mut waiting = vec![root.clone()];
        let mut any = false;
        while let Some(directory) = waiting.pop() {
            self.directories += 1;
            if self.directories > self.bounds.directories {
                return Err(LoadError::Limit { what: "directories", limit: self.bounds.directories });
            }
            let below = paths::join(&directory, "cue.mod");
            if directory != root && matches!(self.files.kind(&below), Ok(Some(_))) {
                continue;
            }
            let display = paths::shown(&directory, self.request.directory);
            match self.in_directory(&directory, path.name.as_deref(), &display) {
                Ok(Some(index)) => {
                    any = true;
                    self.loaded.builds.push(index);
                }
                Ok(None) | Err(LoadError::AllExcluded { .. } | LoadError::NoFiles { .. }) => {}
                Err(error) => return Err(error),
            }
            let mut inner: Vec<String> = self
                .list(&directory)?
                .into_iter()
                .filter(|(name, kind)| {
                    *kind == FileKind::Directory && !name.starts_with(['.', '_']) && name != "cue.mod"
                })
                .filter(|(name, _)| name != "testdata")
                .map(|(name, _)| paths::join(&directory, &name))
                .collect();
            inner.sort_by(|a, b| b.cmp(a));
            waiting.extend(inner);
        }
        match any {
            true => Ok(()),
            false => Err(LoadError::NothingMatched { pattern: pattern.to_owned() }),
        }
    }

    fn list(&self, directory: &str) -> Result<Vec<(String, FileKind)>, LoadError> {
        let unreadable = |problem| LoadError::Unreadable {
            path: paths::shown(directory, self.request.directory),
            problem,
        };
        self.files.list(directory).map_err(unreadable)
    }

    fn in_directory(
        &mut self,
        directory: &str,
        name: Option<&str>,
        display: &str,
    ) -> Result<Option<usize>, LoadError> {
        let base = self.module.as_ref().map_or_else(|| directory.to_owned(), |module| module.root.clone());
        let search = Search { places: vec![(directory.to_owned(), base)], name, display };
        let path = self.import_path(directory);
        self.search(search, path, 0)
    }

    /// The import path of a directory of the main module, with the major version.
    fn import_path(&self, directory: &str) -> String {
        let Some(module) = &self.module else { return String::new() };
        match paths::within(directory, &module.root) {
            Some("") => module.qualified.clone(),
            Some(rest) => match module.qualified.split_once('@') {
                Some((path, major)) => format!("{path}/{rest}@{major}"),
                None => format!("{}/{rest}", module.qualified),
            },
            None => String::new(),
        }
    }

    /// The package that an import path names, loaded once.
    fn import(
        &mut self,
        text: &str,
        importer: Option<&str>,
        position: Option<Position>,
        depth: usize,
    ) -> Result<usize, LoadError> {
        if depth > self.bounds.import_depth {
            return Err(LoadError::Limit { what: "levels of imports", limit: self.bounds.import_depth });
        }
        let path = ImportPath::parse(text);
        if !path.path.split('/').next().is_some_and(|host| host.contains('.')) {
            return Err(LoadError::Standard { path: text.to_owned() });
        }
        let Some(module) = self.module.clone() else {
            return Err(LoadError::NoModuleFile { position });
        };
        let missing = |position| LoadError::NoModule {
            path: match &path.name {
                Some(_) => text.rsplit_once(':').map_or(text, |(path, _)| path).to_owned(),
                None => text.to_owned(),
            },
            importer: importer.map(str::to_owned),
            position,
        };
        let Some(name) = path.package() else {
            let problem = format!("cannot determine package name for \"{text}\"; set it explicitly with ':'");
            return Err(LoadError::Argument { problem });
        };
        let canonical = format!("{}:{name}", path.path);
        match self.known.get(&canonical) {
            Some(Some(index)) => return Ok(*index),
            Some(None) => return Err(LoadError::ImportCycle { position }),
            None => {}
        }
        let inside = paths::within(&path.path, &module.path).filter(|_| !module.path.is_empty());
        let mut places = Vec::new();
        if let Some(rest) = inside {
            places.push((paths::join(&module.root, rest), module.root.clone()));
        }
        for part in ["gen", "pkg", "usr"] {
            let base = paths::join(&module.root, &format!("cue.mod/{part}"));
            places.push((paths::join(&base, &path.path), base));
        }
        places.retain(|(directory, _)| matches!(self.files.kind(directory), Ok(Some(FileKind::Directory))));
        if places.is_empty() {
            return Err(missing(position));
        }
        self.known.insert(canonical.clone(), None);
        let search = Search { places, name: Some(&name), display: text };
        match self.search(search, text.to_owned(), depth) {
            Ok(Some(index)) => {
                self.known.insert(canonical, Some(index));
                Ok(index)
            }
            Ok(None) | Err(LoadError::AllExcluded { .. } | LoadError::NoFiles { .. }) => {
                Err(missing(position))
            }
            Err(error) => Err(error),
        }
    }

    /// Chooses the files of one package; `None` where the directories hold nothing at all.
    fn search(&mut self, search: Search<'_>, path: String, depth: usize) -> Result<Option<usize>, LoadError> {
        let first = search.places.first().map(|(directory, _)| directory.clone()).unwrap_or_default();
        if !matches!(self.files.kind(&first), Ok(Some(FileKind::Directory))) {
            return Err(LoadError::NoPackage { path: search.display.to_owned() });
        }
        let mut package = Package { path, directory: search.display.to_owned(), ..Package::default() };
        package.language = self.module.as_ref().map(|module| module.language.clone());
        package.name = search.name.map(str::to_owned);
        let mut first_file = String::new();
        let mut left_out: Vec<(String, String)> = Vec::new();
        let mut chosen: Vec<Candidate> = Vec::new();
        let mut anything = false;
        for (directory, base) in &search.places {
            let mut at = directory.clone();
            loop {
                let here = at == *directory;
                let mut added = false;
                let mut names: Vec<_> = self
                    .list(&at)?
                    .into_iter()
                    .filter(|(_, kind)| *kind == FileKind::File)
                    .map(|(name, _)| name)
                    .collect();
                names.sort();
                for name in names {
                    anything = anything || here;
                    if Encoding::of_file(&name) != Some(Encoding::Cue) {
                        continue;
                    }
                    let shown = paths::shown(&paths::join(&at, &name), self.request.directory);
                    if let Some(mark) = name.chars().next().filter(|c| matches!(c, '.' | '_')) {
                        if here && mark == '.' {
                            left_out.push((shown, format!("filename starts with a '{mark}'")));
                        }
                        continue;
                    }
                    let candidate = self.candidate(&paths::join(&at, &name))?;
                    let Some(clause) = &candidate.package else {
                        match self.request.every_file && here {
                            true => chosen.push(candidate),
                            false if here => left_out.push((shown, "no package name".to_owned())),
                            false => {}
                        }
                        continue;
                    };
                    let same = package.name.as_ref().is_none_or(|name| name == clause);
                    if self.request.every_file && here {
                        chosen.push(candidate);
                        continue;
                    }
                    if !same && (search.name.is_some() || !here) {
                        if here {
                            let wanted = package.name.as_deref().unwrap_or_default();
                            left_out.push((shown, format!("package is {clause}, want {wanted}")));
                        }
                        continue;
                    }
                    added = true;
                    if let Some(reason) = candidate.excluded {
                        left_out.push((shown, reason));
                        continue;
                    }
                    match &package.name {
                        Some(known) if known != clause => {
                            return Err(LoadError::MixedPackages {
                                first: (known.clone(), first_file),
                                second: (clause.clone(), name),
                                place: paths::shown(&at, self.request.directory),
                            });
                        }
                        Some(_) => {}
                        None => {
                            package.name = Some(clause.clone());
                            first_file.clone_from(&name);
                        }
                    }
                    let kind =
                        ["_test", "_tool"].into_iter().find(|end| name.ends_with(&format!("{end}.cue")));
                    match kind {
                        Some(end) => {
                            let mode = if end == "_test" { "test" } else { "cmd" };
                            left_out.push((shown, format!("{end}.cue files excluded in non-{mode} mode")));
                        }
                        None => chosen.push(candidate),
                    }
                }
                let stop = package.name.is_none() || self.module.is_none() || at == *base || (here && !added);
                match paths::parent(&at).filter(|_| !stop && !self.request.every_file) {
                    Some(above) => at = above,
                    None => break,
                }
            }
        }
        if chosen.is_empty() {
            return match (anything, left_out.is_empty()) {
                (false, _) => Ok(None),
                (true, true) => Err(LoadError::NoFiles { place: search.display.to_owned() }),
                (true, false) => {
                    Err(LoadError::AllExcluded { place: search.display.to_owned(), files: left_out })
                }
            };
        }
        chosen.sort_by_key(|file| (file.source.path.matches('/').count(), file.source.path.clone()));
        self.finish(package, chosen, depth).map(Some)
    }

    /// Follows the imports of a package and takes it up.
    fn finish(
        &mut self,
        mut package: Package,
        chosen: Vec<Candidate>,
        depth: usize,
    ) -> Result<usize, LoadError> {
        let mut imports = BTreeMap::new();
        let importer = (!package.named).then(|| package.path.clone());
        for (path, position) in chosen.iter().flat_map(|file| &file.imports) {
            let on_disk = path.split('/').next().is_some_and(|host| host.contains('.'));
            if self.request.every_file || !on_disk || imports.contains_key(path) {
                continue;
            }
            let importer = Some(importer.clone().unwrap_or_default());
            let index = self.import(path, importer.as_deref(), position.clone(), depth + 1)?;
            imports.insert(path.clone(), index);
        }
        package.imports = imports;
        package.files = chosen.into_iter().map(|file| file.source).collect();
        self.loaded.packages.push(package);
        Ok(self.loaded.packages.len() - 1)
    }

    /// Reads and parses one CUE file.
    fn candidate(&mut self, path: &str) -> Result<Candidate, LoadError> {
        let name = paths::shown(path, self.request.directory);
        let unreadable = |problem| LoadError::Unreadable { path: name.clone(), problem };
        let bytes = self.files.read(path).map_err(unreadable)?;
        let Ok(text) = String::from_utf8(bytes) else { return Err(LoadError::NotText { name }) };
        let mut sources = Sources::default();
        let index = sources.add(&name, &text);
        let file = parser::parse(&name, &text, index, &sources, self.request.limits)?;
        let excluded = match self.request.every_file {
            true => None,
            false => self.excluded(&file, &sources)?,
        };
        let imports =
            file.imports.iter().map(|import| (import.path.clone(), sources.position(import.span))).collect();
        Ok(Candidate {
            source: SourceFile { name, path: path.to_owned(), text },
            package: file.package,
            imports,
            excluded,
        })
    }

    fn excluded(&mut self, file: &File, sources: &Sources) -> Result<Option<String>, LoadError> {
        let (tags, seen) = (self.request.tags, &mut self.tags_seen);
        let mut is_set = |name: &str| {
            seen.insert(name.to_owned());
            tags.iter().any(|tag| tag == name)
        };
        conditions::excluded(file, self.request.limits, &mut is_set).map_err(|problem| LoadError::Condition {
            problem,
            position: sources.position(crate::source::Span::default()),
        })
    }

    /// The files named one by one, as one package.
    fn named_files(&mut self, named: &[(String, Encoding)]) -> Result<(), LoadError> {
        let mut package = Package {
            named: true,
            directory: ".".to_owned(),
            language: self.module.as_ref().map(|module| module.language.clone()),
            ..Package::default()
        };
        let mut first_file = String::new();
        let mut chosen: Vec<Candidate> = Vec::new();
        let mut left_out = Vec::new();
        for (argument, encoding) in named {
            let path = match argument.as_str() {
                "-" => "-".to_owned(),
                path => paths::join(self.request.directory, path),
            };
            if path != "-" && matches!(self.files.kind(&path), Ok(None)) {
                return Err(LoadError::NoFile { path });
            }
            if *encoding != Encoding::Cue {
                let name = paths::shown(&path, self.request.directory);
                let unreadable = |problem| LoadError::Unreadable { path: name.clone(), problem };
                let content = self.files.read(&path).map_err(unreadable)?;
                package.data.push(DataFile { name, encoding: *encoding, content });
                continue;
            }
            let candidate = self.candidate(&path)?;
            if let Some(reason) = candidate.excluded {
                left_out.push((candidate.source.name, reason));
                continue;
            }
            let base = paths::base(&path).to_owned();
            match (&package.name, &candidate.package) {
                (Some(known), Some(clause)) if known != clause && !self.request.every_file => {
                    return Err(LoadError::MixedPackages {
                        first: (known.clone(), first_file),
                        second: (clause.clone(), base),
                        place: ".".to_owned(),
                    });
                }
                (None, Some(clause)) => {
                    package.name = Some(clause.clone());
                    first_file = base;
                }
                _ => {}
            }
            chosen.push(candidate);
        }
        if chosen.is_empty() && package.data.is_empty() {
            return Err(LoadError::AllExcluded {
                place: "command-line-arguments".to_owned(),
                files: left_out,
            });
        }
        if !self.request.every_file {
            chosen.sort_by_key(|file| (file.source.path.matches('/').count(), file.source.path.clone()));
        }
        let index = self.finish(package, chosen, 0)?;
        self.loaded.builds.push(index);
        Ok(())
    }
}
