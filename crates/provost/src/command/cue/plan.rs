//! What a verb works on: the packages and files its arguments name, and how data files join them.

use std::collections::BTreeMap;
use std::collections::hash_map::RandomState;
use std::env;
use std::hash::BuildHasher as _;
use std::time::{SystemTime, UNIX_EPOCH};

use provost_cue::{
    Asked, CueErrors, CueStyle, Data, Evaluation, Instance, Limits, Loaded, Package, PolicyFile, Request,
    Value, load, to_source,
};

use super::decode::{self, Document};
use super::disk::Disk;
use super::flags::{Injection, Placement};
use super::place;
use super::report;
use crate::face::Face;
use crate::failure::Failure;

/// What to build, and how.
pub(super) struct Plan {
    limits: Limits,
    /// The working directory.
    directory: String,
    loaded: Loaded,
    /// What is evaluated, one after the other.
    pub(super) units: Vec<Unit>,
    /// Whether the units are documents held against a schema.
    pub(super) documents: bool,
    /// The expressions of `-e`.
    pub(super) expressions: Vec<String>,
    /// The expression of `-d`.
    schema: Option<String>,
}

/// One evaluation.
pub(super) struct Unit {
    /// The import path, where there are several packages.
    pub(super) id: String,
    /// Its package in what was loaded, if it has one.
    package: Option<usize>,
    /// Documents that join it: before its files where they are held against a schema.
    documents: Vec<Document>,
    /// Whether the package is validated before anything is read from it, as packages are and files are not.
    pub(super) validate: bool,
}

impl Unit {
    /// The name and text of the document, where there is exactly one.
    pub(super) fn document(&self) -> Option<(&str, &str)> {
        match self.documents.as_slice() {
            [document] => Some((&document.name, &document.text)),
            _ => None,
        }
    }
}

/// How data files join what else there is.
pub(super) struct Choices<'f> {
    pub(super) arguments: &'f [String],
    pub(super) placement: &'f Placement,
    pub(super) injection: &'f Injection,
    pub(super) expressions: &'f [String],
    /// Whether data is held against the files rather than merged with them: `vet`.
    pub(super) apart: bool,
}

impl Plan {
    /// Loads everything. What is wrong is said on standard error.
    pub(super) fn new(choices: &Choices<'_>, face: &Face) -> Result<Self, Failure> {
        let limits = Limits::default();
        let directory = env::current_dir()?;
        let directory = directory.to_string_lossy().into_owned();
        let variables = variables(&directory, face);
        let request = Request {
            directory: &directory,
            arguments: choices.arguments,
            tags: &choices.injection.inject,
            variables: choices.injection.inject_vars.then_some(variables.as_slice()),
            every_file: false,
            limits: &limits,
        };
        let disk = Disk { limit: limits.data_bytes };
        let loaded = load(&request, &disk).map_err(|error| report::load(&error, face))?;
        let mut plan = Self {
            limits,
            directory: directory.clone(),
            loaded,
            units: Vec::new(),
            documents: false,
            expressions: choices.expressions.to_vec(),
            schema: None,
        };
        plan.arrange(choices, face)?;
        Ok(plan)
    }

    fn arrange(&mut self, choices: &Choices<'_>, face: &Face) -> Result<(), Failure> {
        let refuse = |words: &str| Err(report::plain(words, face));
        let (named, packages): (Vec<usize>, Vec<usize>) = self
            .loaded
            .builds
            .iter()
            .copied()
            .partition(|index| self.loaded.packages.get(*index).is_some_and(|package| package.named));
        let several = packages.len() > 1;
        if named.is_empty() && place::asked(choices.placement) {
            return refuse("unsupported by provost: flag --path or --list without data files");
        }
        if choices.placement.name.is_some() && !packages.is_empty() {
            return refuse("unsupported by provost: flag -n/--name, data files of a directory");
        }
        let Some(named) = named.first().copied() else {
            self.units = packages
                .into_iter()
                .map(|index| Unit {
                    id: match (several, self.loaded.packages.get(index)) {
                        (true, Some(package)) => package.path.clone(),
                        _ => String::new(),
                    },
                    package: Some(index),
                    documents: Vec::new(),
                    validate: true,
                })
                .collect();
            return Ok(());
        };
        let placed = place::asked(choices.placement);
        if choices.placement.with_context && !placed {
            return refuse(
                "flag \"with-context\" must be used with at least one of flag \"path\", \"list\", or \"files\"",
            );
        }
        if placed && choices.placement.schema.is_some() {
            return refuse("cannot combine --schema flag with flag \"path\", \"list\", or \"files\"");
        }
        if packages.is_empty() && choices.placement.name.is_some() {
            return refuse("use of -n/--name flag without a directory");
        }
        if packages.len() > 1 {
            let words = format!("too many packages defined ({}) in combination with files", packages.len());
            return refuse(&words);
        }
        let Some(package) = self.loaded.packages.get_mut(named) else { return Ok(()) };
        let data = std::mem::take(&mut package.data);
        let mut documents = Vec::new();
        for file in &data {
            documents
                .extend(decode::documents(file).map_err(|error| report::plain(error.to_string(), face))?);
        }
        if placed {
            documents = place::place(documents, choices.placement, &self.directory, &self.limits)
                .map_err(|words| report::plain(words, face))?;
        }
        if let Some(schema) = &choices.placement.schema {
            if !choices.expressions.is_empty() {
                return refuse("cannot use --schema/-d together with --expression/-e");
            }
            self.schema = Some(schema.clone());
        }
        let has_files = !package.files.is_empty();
        let schema = match packages.first() {
            Some(index) => Some(*index),
            None => has_files.then_some(named),
        };
        if schema.is_none() && choices.placement.schema.is_some() {
            return refuse("-d/--schema flag specified without a schema");
        }
        let apart =
            (choices.apart && !placed) || choices.placement.schema.is_some() || !choices.placement.merge;
        if apart && !data.is_empty() {
            self.documents = schema.is_some();
            self.units = documents
                .into_iter()
                .map(|document| Unit {
                    id: String::new(),
                    package: schema,
                    documents: vec![document],
                    validate: false,
                })
                .collect();
            return match (choices.apart, schema) {
                (true, None) => refuse("data files specified without a schema"),
                _ => Ok(()),
            };
        }
        self.units = vec![Unit { id: String::new(), package: schema, documents, validate: false }];
        Ok(())
    }

    /// The package of a unit.
    fn package(&self, unit: &Unit) -> Option<&Package> {
        self.loaded.packages.get(unit.package?)
    }

    /// How many values one unit has: one for each expression.
    pub(super) fn values(&self) -> usize {
        self.expressions.len().max(1)
    }

    /// One value of a unit: an expression's, a document's under its schema, or the whole.
    pub(super) fn value<'e, 'a>(
        &self,
        evaluation: &'e Evaluation<'a>,
        index: usize,
    ) -> Result<Value<'e, 'a>, CueErrors> {
        match self.schema.is_some() || !self.expressions.is_empty() {
            true => evaluation.expression(index, self.schema.is_some()),
            false => Ok(evaluation.root()),
        }
    }

    /// The files of one unit, and the documents that join them, in definition form; nothing where that form, read
    /// again, would not mean the same.
    pub(super) fn definition(&self, unit: &Unit) -> Result<Option<String>, CueErrors> {
        let documents =
            unit.documents.iter().map(|document| PolicyFile { name: &document.name, source: &document.text });
        let sources = self.package(unit).map(|package| package.files.as_slice()).unwrap_or_default();
        let sources = sources.iter().map(|file| PolicyFile { name: &file.name, source: &file.text });
        let files: Vec<_> = documents.chain(sources).collect();
        let text = provost_cue::definition(&files, &self.limits)?;
        let style =
            CueStyle { optional: true, hidden: true, definitions: true, errors: true, ..CueStyle::default() };
        let lines = |evaluation: &Evaluation<'_>| {
            let text = to_source(evaluation.root(), style)?;
            let mut lines: Vec<String> =
                text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
            lines.sort();
            Ok(lines)
        };
        let meant = self.evaluate(unit, lines)??;
        let none = BTreeMap::new();
        let imports = self.package(unit).map_or(&none, |package| &package.imports);
        let printed = [PolicyFile { name: "definition", source: &text }];
        let found = Instance::compile_importing(&printed, imports, &self.loaded.packages, &self.limits)
            .and_then(|instance| instance.evaluate(None, lines))
            .and_then(|lines| lines);
        Ok(found.is_ok_and(|found| found == meant).then_some(text))
    }

    /// Compiles and evaluates one unit, and hands the result to `read`.
    pub(super) fn evaluate<T: Send>(
        &self,
        unit: &Unit,
        read: impl FnOnce(&Evaluation<'_>) -> T + Send,
    ) -> Result<T, CueErrors> {
        let documents: Vec<_> = unit
            .documents
            .iter()
            .map(|document| PolicyFile { name: &document.name, source: &document.text })
            .collect();
        let sources = self.package(unit).map(|package| package.files.as_slice()).unwrap_or_default();
        let sources = sources.iter().map(|file| PolicyFile { name: &file.name, source: &file.text });
        let schema = self.schema.iter().map(|source| PolicyFile { name: "--schema", source });
        let asked = self.expressions.iter().map(|source| PolicyFile { name: "--expression", source });
        let expressions: Vec<_> = schema.chain(asked).collect();
        let (joining, held) = match self.schema {
            Some(_) => (&[][..], documents.as_slice()),
            None => (documents.as_slice(), &[][..]),
        };
        let files: Vec<_> = joining.iter().copied().chain(sources).collect();
        let asked = Asked { expressions: &expressions, documents: held };
        let none = BTreeMap::new();
        let imports = self.package(unit).map_or(&none, |package| &package.imports);
        // Documents were bounded when they were read; the limit on policies is for what people write.
        let data: usize = unit.documents.iter().map(|document| document.text.len()).sum();
        let limits = Limits { policy_bytes: self.limits.policy_bytes.saturating_add(data), ..self.limits };
        Instance::compile_asking(&files, imports, &self.loaded.packages, &asked, &limits)?
            .evaluate(None, read)
    }
}

/// Documents larger than this are tried as data first: reading 64 KiB as source takes some ten milliseconds.
const LARGE: usize = 64 << 10;

impl Plan {
    /// Evaluates a unit whose one large document is read as data, which is quick and holds no places for errors;
    /// `None` where there is no such document, or it is not read so.
    pub(super) fn evaluate_data<T: Send>(
        &self,
        unit: &Unit,
        read: impl FnOnce(&Evaluation<'_>) -> T + Send,
    ) -> Option<T> {
        let (_, text) = unit.document().filter(|(_, text)| text.len() > LARGE && self.schema.is_none())?;
        let data = Data::from_json(text.as_bytes(), &self.limits).ok()?;
        let package = self.package(unit)?;
        let files: Vec<_> =
            package.files.iter().map(|file| PolicyFile { name: &file.name, source: &file.text }).collect();
        Instance::compile_importing(&files, &package.imports, &self.loaded.packages, &self.limits)
            .and_then(|instance| instance.evaluate(Some(&data), read))
            .ok()
    }
}

/// 128 bits as a number, as `@tag(…,var=rand)` asks for; names and ids are made of it, no secrets.
fn random() -> String {
    let mut bits = 0u128;
    for _ in 0..2 {
        // Each state of the standard library's hasher is seeded anew from the system.
        bits = (bits << 64) | u128::from(RandomState::new().hash_one(bits));
    }
    bits.to_string()
}

/// What `-T` lets tags ask for, as CUE.
fn variables(directory: &str, face: &Face) -> Vec<(&'static str, String)> {
    let quoted = |text: &str| serde_json::Value::from(text).to_string();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let stamp = i64::try_from(now.as_nanos())
        .ok()
        .and_then(|nanos| jiff::Timestamp::from_nanosecond(nanos.into()).ok());
    let arch = match env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    let mut out = vec![
        ("os", quoted(env::consts::OS)),
        ("arch", quoted(arch)),
        ("cwd", quoted(directory)),
        ("rand", random()),
    ];
    if let Some(stamp) = stamp {
        out.push(("now", quoted(&stamp.to_string())));
    }
    if let Some(user) = face.environment.text("USER") {
        out.push(("username", quoted(&user)));
    }
    // Linux says it there; where it does not, a tag that asks for it is refused by name.
    if let Ok(host) = std::fs::read_to_string("/proc/sys/kernel/hostname") {
        out.push(("hostname", quoted(host.trim())));
    }
    out
}
