//! The sections of CUE's specification: each has cases of its own, and each case ends as CUE v0.16.1 ended it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use provost_cue::{DataFile, FileError, FileKind, Files, Instance, Limits, Plain, PolicyFile, Request, load};

#[derive(serde::Deserialize)]
struct Case {
    section: String,
    name: String,
    source: String,
    /// What `cue export` printed.
    json: Option<String>,
    /// The messages it refused with, without places.
    error: Option<Vec<String>>,
}

/// Cases that do not end as in CUE yet; a case that comes to agree is taken off.
const APART: [&str; 4] = [
    // CUE says "illegal integer number".
    "leading-zero-is-refused",
    // CUE prints the arms without their marks.
    "two-defaults-decide-nothing",
    // CUE exports the literal's own fields first.
    "what-is-embedded-joins",
    // CUE does not go on to what is incomplete beside a field that is not allowed.
    "a-definition-refuses",
];

fn cases() -> Vec<Case> {
    serde_json::from_str(include_str!("../../../../corpus/cue/language.json")).unwrap()
}

/// One file in an empty folder.
struct Lone<'a>(&'a str);

impl Files for Lone<'_> {
    fn kind(&self, path: &str) -> Result<Option<FileKind>, FileError> {
        Ok((path == "/in.cue").then_some(FileKind::File))
    }

    fn read(&self, _path: &str) -> Result<Vec<u8>, FileError> {
        Ok(self.0.as_bytes().to_vec())
    }

    fn list(&self, _path: &str) -> Result<Vec<(String, FileKind)>, FileError> {
        Ok(vec![("in.cue".to_owned(), FileKind::File)])
    }

    fn documents(&self, _file: &DataFile) -> Result<Vec<String>, FileError> {
        Err(FileError("no data here".to_owned()))
    }
}

/// Exports one source: JSON, or the messages without the colon before places.
fn export(source: &str) -> Result<String, Vec<String>> {
    let limits = Limits::default();
    let arguments = ["in.cue".to_owned()];
    let request = Request {
        directory: "/",
        arguments: &arguments,
        tags: &[],
        variables: None,
        every_file: false,
        limits: &limits,
    };
    let loaded = load(&request, &Lone(source)).map_err(|error| vec![error.to_string()])?;
    let package = &loaded.packages[loaded.builds[0]];
    let files: Vec<_> =
        package.files.iter().map(|file| PolicyFile { name: &file.name, source: &file.text }).collect();
    let told = |errors: provost_cue::CueErrors| {
        errors.iter().map(|error| error.to_string().trim_end_matches(':').to_owned()).collect::<Vec<_>>()
    };
    Instance::compile_importing(&files, &BTreeMap::new(), &loaded.packages, &limits)
        .map_err(told)?
        .evaluate(None, |evaluation| Plain::read(evaluation.root()))
        .map_err(told)?
        .map(|plain| plain.to_json(false))
        .map_err(told)
}

#[test]
fn every_case_ends_as_in_cue() {
    let mut wrong = Vec::new();
    for case in cases() {
        let ended = export(&case.source);
        let same = match (&ended, &case.json, &case.error) {
            (Ok(json), Some(wanted), None) => json == wanted,
            (Err(told), None, Some(wanted)) => {
                told.iter().collect::<BTreeSet<_>>() == wanted.iter().collect::<BTreeSet<_>>()
            }
            _ => false,
        };
        if same && APART.contains(&case.name.as_str()) {
            wrong.push(format!("{} agrees now: take it off the list", case.name));
        }
        if !same && !APART.contains(&case.name.as_str()) {
            wrong.push(format!("{}: {ended:?}\n  wanted {:?} {:?}", case.name, case.json, case.error));
        }
    }
    assert!(wrong.is_empty(), "{} cases differ:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn the_coverage_table_names_every_case_and_gives_each_section_one() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference/cue-coverage.md");
    let table = std::fs::read_to_string(path).unwrap();
    let mut rows: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for line in table
        .lines()
        .filter(|line| line.starts_with("| ") && !line.starts_with("| section") && !line.starts_with("|---"))
    {
        let cells: Vec<_> = line.trim_matches('|').split(" | ").map(str::trim).collect();
        let names = cells[1].split(", ").map(|name| name.trim_matches('`').to_owned());
        rows.insert(cells[0].to_owned(), names.filter(|name| !name.is_empty()).collect());
    }
    let mut known: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for case in cases() {
        known.entry(case.section).or_default().push(case.name);
    }
    let bare: Vec<_> =
        rows.iter().filter(|(_, names)| names.is_empty()).map(|(section, _)| section).collect();
    assert!(bare.is_empty(), "sections without a case: {bare:?}");
    assert_eq!(rows, known, "docs/reference/cue-coverage.md and corpus/cue/language.json differ");
}
