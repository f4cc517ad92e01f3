//! Result files of every shape, honest and hostile.

use std::fs;
use std::path::Path;

use serde_json::json;

use super::*;
use crate::beneath::open_folder;

fn declared(name: &str, kind: Option<ParamType>) -> TaskResult {
    TaskResult { name: name.into(), declared: kind, ..TaskResult::default() }
}

fn read_in(folder: &Path, results: &[TaskResult]) -> Result<Vec<RunResult>, ResultFailure> {
    read(&open_folder(folder, Path::new(""), false).unwrap(), results)
}

#[test]
fn values_are_taken_as_they_are() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("text"), "v1\n").unwrap();
    fs::write(folder.path().join("list"), "[\"a\",\"b\"]\n").unwrap();
    fs::write(folder.path().join("map"), "{\"k\":\"v\"}").unwrap();
    fs::write(folder.path().join("undeclared"), "x").unwrap();
    let results = [
        declared("text", None),
        declared("missing", None),
        declared("list", Some(ParamType::Array)),
        declared("map", Some(ParamType::Object)),
    ];
    let found = read_in(folder.path(), &results).unwrap();
    assert_eq!(
        serde_json::to_value(&found).unwrap(),
        json!([
            {"name": "text", "type": "string", "value": "v1\n"},
            {"name": "list", "type": "array", "value": ["a", "b"]},
            {"name": "map", "type": "object", "value": {"k": "v"}},
        ])
    );
}

#[test]
fn another_type_than_declared_fails() {
    let folder = tempfile::tempdir().unwrap();
    for (content, found) in
        [("plain", ParamType::String), ("{\"k\":\"v\"}", ParamType::Object), ("[1]", ParamType::String)]
    {
        fs::write(folder.path().join("r"), content).unwrap();
        let failure = read_in(folder.path(), &[declared("r", Some(ParamType::Array))]).unwrap_err();
        assert_eq!(
            failure,
            ResultFailure::Mismatch { name: "r".into(), declared: ParamType::Array, found },
            "{content}"
        );
    }
}

#[test]
fn links_folders_and_pipes_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let outside = tempfile::tempdir().unwrap();
    fs::write(outside.path().join("secret"), "hidden").unwrap();
    std::os::unix::fs::symlink(outside.path().join("secret"), folder.path().join("link")).unwrap();
    fs::create_dir(folder.path().join("folder")).unwrap();
    nix::unistd::mkfifo(&folder.path().join("pipe"), Mode::from_bits_truncate(0o600)).unwrap();
    for name in ["link", "folder", "pipe"] {
        let failure = read_in(folder.path(), &[declared(name, None)]).unwrap_err();
        assert!(matches!(failure, ResultFailure::NoFile { .. }), "{name}: {failure:?}");
    }
}

#[test]
fn a_swapped_folder_is_not_read() {
    let base = tempfile::tempdir().unwrap();
    let (folder, other) = (base.path().join("results"), base.path().join("other"));
    fs::create_dir(&folder).unwrap();
    fs::create_dir(&other).unwrap();
    fs::write(other.join("r"), "hidden").unwrap();
    let opened = open_folder(&folder, Path::new(""), false).unwrap();
    fs::rename(&folder, base.path().join("away")).unwrap();
    std::os::unix::fs::symlink(&other, &folder).unwrap();
    assert_eq!(read(&opened, &[declared("r", None)]), Ok(vec![]));
}

#[test]
fn the_limit_is_reached() {
    let folder = tempfile::tempdir().unwrap();
    let results = [declared("a", None), declared("b", None)];
    let entry = r#"{"key":"a","type":1,"value":""}"#.len() + 1;
    let room = MAX_MESSAGE - 2 - STARTED_AT - 2 * entry;
    fs::write(folder.path().join("a"), "x".repeat(room - 10)).unwrap();
    fs::write(folder.path().join("b"), "y".repeat(10)).unwrap();
    assert_eq!(read_in(folder.path(), &results).unwrap().len(), 2);
    fs::write(folder.path().join("b"), "y".repeat(11)).unwrap();
    assert_eq!(read_in(folder.path(), &results), Err(ResultFailure::TooLarge));
    fs::write(folder.path().join("a"), "x".repeat(MAX_MESSAGE + 1)).unwrap();
    assert_eq!(read_in(folder.path(), &results), Err(ResultFailure::TooLarge));
}

#[test]
fn names_stay_in_the_folder() {
    for name in ["a", "IMAGE_URL", "a.b-c_d", "0"] {
        assert!(is_name(name), "{name}");
    }
    for name in ["", ".", "..", "a/b", "../a", "/a", ".a", "a.", "-a", "a b", "é", "a\0b"] {
        assert!(!is_name(name), "{name}");
    }
}
