//! Loading from a map of files.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::get_unwrap,
    reason = "a test that cannot go on should say where"
)]

use std::collections::BTreeMap;

use super::packages::Bounds;
use super::{DataFile, Encoding, FileError, FileKind, Files, LoadError, Loaded, Request, load_within};
use crate::limits::Limits;

struct Map(BTreeMap<&'static str, &'static str>);

impl Files for Map {
    fn kind(&self, path: &str) -> Result<Option<FileKind>, FileError> {
        let below = format!("{path}/");
        Ok(if self.0.contains_key(path) {
            Some(FileKind::File)
        } else if self.0.keys().any(|known| known.starts_with(&below)) {
            Some(FileKind::Directory)
        } else {
            None
        })
    }

    fn read(&self, path: &str) -> Result<Vec<u8>, FileError> {
        self.0.get(path).map(|text| text.as_bytes().to_vec()).ok_or_else(|| FileError("not there".into()))
    }

    fn list(&self, path: &str) -> Result<Vec<(String, FileKind)>, FileError> {
        let below = format!("{path}/");
        let mut out = Vec::new();
        for name in self.0.keys().filter_map(|known| known.strip_prefix(&below)) {
            let entry = match name.split_once('/') {
                Some((directory, _)) => (directory.to_owned(), FileKind::Directory),
                None => (name.to_owned(), FileKind::File),
            };
            if !out.contains(&entry) {
                out.push(entry);
            }
        }
        Ok(out)
    }

    fn is_link(&self, path: &str) -> Result<bool, FileError> {
        Ok(path.ends_with("/link.json"))
    }

    fn documents(&self, file: &DataFile) -> Result<Vec<String>, FileError> {
        let text = String::from_utf8(file.content.clone()).map_err(|error| FileError(error.to_string()))?;
        match file.encoding {
            Encoding::Json => Ok(vec![text]),
            Encoding::Text => Ok(vec![format!("{text:?}")]),
            other => Err(FileError(format!("no {other:?} here"))),
        }
    }
}

fn run(
    files: &[(&'static str, &'static str)],
    arguments: &[&str],
    tags: &[&str],
) -> Result<Loaded, LoadError> {
    run_within(files, arguments, tags, Bounds::default())
}

fn run_within(
    files: &[(&'static str, &'static str)],
    arguments: &[&str],
    tags: &[&str],
    bounds: Bounds,
) -> Result<Loaded, LoadError> {
    let arguments: Vec<String> = arguments.iter().map(|text| (*text).to_owned()).collect();
    let tags: Vec<String> = tags.iter().map(|text| (*text).to_owned()).collect();
    let limits = Limits::default();
    let request = Request {
        directory: "/w",
        arguments: &arguments,
        tags: &tags,
        variables: Some(&[("os", "\"linux\"".into())]),
        every_file: false,
        limits: &limits,
    };
    load_within(&request, &Map(files.iter().copied().collect()), bounds)
}

fn names(loaded: &Loaded) -> Vec<Vec<&str>> {
    loaded
        .builds
        .iter()
        .filter_map(|index| loaded.packages.get(*index))
        .map(|package| package.files.iter().map(|file| file.name.as_str()).collect())
        .collect()
}

fn refused(files: &[(&'static str, &'static str)], arguments: &[&str]) -> String {
    match run(files, arguments, &[]) {
        Ok(loaded) => format!("loaded {:?}", names(&loaded)),
        Err(error) => error.to_string(),
    }
}

const MODULE: (&str, &str) =
    ("/w/cue.mod/module.cue", "module: \"my.org/m@v0\"\nlanguage: version: \"v0.9.0\"\n");

#[test]
fn a_package_takes_files_of_the_directories_above_it() {
    let files = [
        MODULE,
        ("/w/m.cue", "package m\n"),
        ("/w/sub/s.cue", "package s\n"),
        ("/w/sub/deep/d.cue", "package m\n"),
    ];
    let loaded = run(&files, &["./sub/deep"], &[]).unwrap();
    assert_eq!(names(&loaded), [["./m.cue", "./sub/deep/d.cue"]]);
    let loaded = run(&files, &["./..."], &[]).unwrap();
    assert_eq!(names(&loaded), [vec!["./m.cue"], vec!["./sub/s.cue"], vec!["./m.cue", "./sub/deep/d.cue"]]);
}

#[test]
fn imports_come_from_the_module_and_from_cue_mod() {
    let files = [
        MODULE,
        ("/w/m.cue", "package m\nimport (\n\t\"my.org/m/sub\"\n\t\"foo.com/ex\"\n)\n"),
        ("/w/sub/s.cue", "package sub\n"),
        ("/w/cue.mod/pkg/foo.com/ex/e.cue", "package ex\n"),
    ];
    let loaded = run(&files, &[], &[]).unwrap();
    let package = loaded.packages.get(loaded.builds[0]).unwrap();
    assert_eq!(package.imports.keys().collect::<Vec<_>>(), ["foo.com/ex", "my.org/m/sub"]);
    assert_eq!(package.path, "my.org/m@v0");
}

#[test]
fn what_is_missing_is_said_in_cues_words() {
    let lone = [("/w/a.cue", "a: 1\n")];
    let two = [("/w/a.cue", "package a\n"), ("/w/b.cue", "package b\n")];
    let import = [MODULE, ("/w/m.cue", "package m\nimport \"other.com/x\"\n")];
    let bare = [("/w/m.cue", "import \"other.com/x\"\n")];
    for (files, arguments, text) in [
        (&lone[..], &[][..], "build constraints exclude all CUE files in .:\n    ./a.cue: no package name"),
        (&lone, &["b.cue"], "stat /w/b.cue: no such file or directory"),
        (&lone, &["./b"], "cannot find package \"./b\""),
        (&lone, &["b.org/c"], "imports are unavailable because there is no cue.mod/module.cue file"),
        (&lone, &["strings"], "standard library import path \"strings\" cannot be imported as a CUE package"),
        (&lone, &["./..."], "cue: \"./...\" matched no packages"),
        (&lone, &["/w"], "cannot use absolute directory \"/w\" as package path"),
        (&lone, &["json:"], "scoped qualifier \"json:\" without file"),
        (&lone, &["frob:", "a.cue"], "unknown filetype frob"),
        (&two, &[], "found packages \"a\" (a.cue) and \"b\" (b.cue) in \".\""),
        (
            &import,
            &[],
            concat!(
                "my.org/m@v0: import failed: cannot find package \"other.com/x\": ",
                "cannot find module providing package other.com/x"
            ),
        ),
        (
            &bare,
            &["m.cue"],
            "import failed: imports are unavailable because there is no cue.mod/module.cue file",
        ),
    ] {
        assert_eq!(refused(files, arguments), text, "{arguments:?}");
    }
}

#[test]
fn a_circle_of_imports_ends() {
    let files = [
        MODULE,
        ("/w/a/a.cue", "package a\nimport \"my.org/m/b\"\n"),
        ("/w/b/b.cue", "package b\nimport \"my.org/m/a\"\n"),
    ];
    assert_eq!(refused(&files, &["my.org/m/a"]), "import failed: package import cycle not allowed");
}

#[test]
fn a_condition_needs_its_tag() {
    let files = [("/w/a.cue", "@if(prod && !dev)\npackage a\n"), ("/w/b.cue", "package a\n")];
    assert_eq!(names(&run(&files, &[], &[]).unwrap()), [["./b.cue"]]);
    assert_eq!(names(&run(&files, &[], &["prod"]).unwrap()), [["./a.cue", "./b.cue"]]);
    assert_eq!(names(&run(&files, &[], &["prod", "dev"]).unwrap()), [["./b.cue"]]);
    let unknown = run(&files, &[], &["stage"]).unwrap_err();
    assert_eq!(unknown.to_string(), "tag \"stage\" not used in any file");
}

#[test]
fn qualifiers_and_standard_input_are_data() {
    let files = [("/w/a.cue", "a: 1\n"), ("/w/d", "{}"), ("-", "{\"a\": 1}")];
    let loaded = run(&files, &["a.cue", "json:", "-"], &[]).unwrap();
    let package = loaded.packages.first().unwrap();
    assert_eq!((package.files.len(), package.data.len()), (1, 1));
    assert!(package.named);
}

#[test]
fn tags_put_values_into_fields() {
    let source = concat!(
        "who: string @tag(who)\nn: int @tag(n,type=int)\nk: *\"x\" | string @tag(k,short=a|b)\n",
        "o: string @tag(o,var=os)\n"
    );
    let files = [("/w/a.cue", source)];
    let loaded = run(&files, &["a.cue"], &["who=me", "n=3", "a"]).unwrap();
    let expected = concat!(
        "who: string & \"me\" @tag(who)\nn: int & 3 @tag(n,type=int)\nk: (*\"x\" | string) & \"a\" @tag(k,short=a|b)\n",
        "o: string & \"linux\" @tag(o,var=os)\n"
    );
    assert_eq!(loaded.packages[0].files[0].text, expected);
    for (tag, text) in [
        ("nope=1", "no tag for \"nope\""),
        ("c", "tag \"c\" not used in any file"),
        ("n=x", "invalid number for injection tag \"n\": illegal number start \"x\""),
    ] {
        assert_eq!(run(&files, &["a.cue"], &[tag]).unwrap_err().to_string(), text);
    }
}

#[test]
fn embedded_files_are_values_of_their_fields() {
    let source =
        |attribute: &str| format!("@extern(embed)\npackage m\na: int | _ {attribute}\n").leak() as &str;
    let files = |attribute: &str| {
        [
            MODULE,
            ("/w/m.cue", source(attribute)),
            ("/w/d.json", "{\n\"x\": 1}\n"),
            ("/w/t.txt", "hello"),
            ("/w/sub/e.json", "2"),
            ("/w/link.json", "3"),
            ("/w/in/cue.mod/module.cue", "x"),
            ("/w/in/e.json", "2"),
        ]
    };
    for (attribute, value) in [
        ("@embed(file=d.json)", "{ \"x\": 1}"),
        ("@embed(file=\"t.txt\")", "\"hello\""),
        ("@embed(file=d.json,type=text)", "\"{\\n\\\"x\\\": 1}\\n\""),
        ("@embed(glob=s?b/*.json)", "{\"sub/e.json\": 2}"),
    ] {
        let loaded = run(&files(attribute), &[], &[]).unwrap();
        let text = &loaded.packages[0].files[0].text;
        assert_eq!(text.lines().nth(2).unwrap().trim_end(), format!("a: (int | _) & {value}"));
    }
    for (attribute, words) in [
        ("@embed(file=none.json)", "@embed: open none.json: no such file or directory"),
        ("@embed(glob=none/*.json)", "@embed: no matches for glob pattern \"none/*.json\""),
        ("@embed(file=/etc/passwd)", "@embed: only relative files are allowed"),
        ("@embed(file=\"../x.json\")", "@embed: cannot refer to parent directory"),
        ("@embed(file=link.json)", "@embed: /w/link.json: a symbolic link is no file of the module"),
        ("@embed(file=in/e.json)", "@embed: cannot embed file inside another module"),
        ("@embed(file=x.foo)", "@embed: unknown file extension .foo"),
        ("@embed()", "@embed: attribute must have file or glob field"),
        ("@embed(file=a,glob=b)", "@embed: attribute cannot have both file and glob field"),
        ("@embed(glob=sub/*)", "@embed: extension not fully specified; type argument required"),
        ("@embed(file=d.json,type=foo)", "@embed: unknown filetype foo"),
        ("@embed(file=sub)", "@embed: no encoding specified for file \"sub\""),
        ("@embed(file=./d.json)", "@embed: path not normalized, use \"d.json\" instead"),
    ] {
        assert_eq!(refused(&files(attribute), &[]), words, "{attribute}");
    }
    let alone = [("/w/m.cue", source("@embed(file=d.json)")), ("/w/d.json", "1")];
    assert_eq!(refused(&alone, &[]), "cannot embed files when not in a module");
}

#[test]
fn limits_of_loading_are_reached() {
    let files = [
        MODULE,
        ("/w/m.cue", "package m\nimport \"my.org/m/a\"\n"),
        ("/w/a/a.cue", "package a\nimport \"my.org/m/b\"\n"),
        ("/w/b/b.cue", "package b\n"),
        ("/w/c/c.cue", "@extern(embed)\npackage c\na: _ @embed(glob=*.json)\n"),
        ("/w/c/1.json", "1"),
        ("/w/c/2.json", "2"),
    ];
    let within = |arguments: &[&str], bounds| run_within(&files, arguments, &[], bounds).map(|_| ());
    let words = |arguments: &[&str], bounds| within(arguments, bounds).unwrap_err().to_string();
    let bounds = |directories, import_depth, matches| Bounds { directories, import_depth, matches };
    assert!(within(&["./..."], bounds(4, 2, 2)).is_ok());
    assert_eq!(words(&["./..."], bounds(3, 2, 2)), "limit reached: directories (at most 3)");
    assert_eq!(words(&["./..."], bounds(4, 1, 2)), "limit reached: levels of imports (at most 1)");
    let glob = "@embed: limit reached: files that \"*.json\" matches (at most 1)";
    assert_eq!(words(&["./..."], bounds(4, 2, 1)), glob);
}
