//! `image build`, as pipelines use it: what it prints, writes and refuses.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

fn provost(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_provost"));
    command.args(["image", "build"]).args(arguments).current_dir(folder).env_clear().env("HOME", folder);
    command.env("FROM_OUTSIDE", "outside").output().unwrap()
}

fn said(output: &Output) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (text(&output.stdout), text(&output.stderr))
}

#[test]
fn the_digest_is_printed_and_filed() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("src")).unwrap();
    fs::write(folder.path().join("src/hello"), "hello").unwrap();
    fs::write(
        folder.path().join("src/Dockerfile"),
        "FROM scratch\nARG V\nCOPY --chmod=644 hello /\nLABEL v=$V\n",
    )
    .unwrap();
    let usual =
        ["--push=false", "-t", "reg.test/app:v1", "--build-arg", "V=1", "--digestfile", "digest", "src"];
    let built = provost(folder.path(), &usual);
    let (out, remarks) = said(&built);
    assert!(built.status.success(), "{remarks}");
    let digest = fs::read_to_string(folder.path().join("digest")).unwrap();
    assert_eq!((out, remarks), (format!("reg.test/app@{digest}\n"), String::new()));

    let named = ["--push=false", "--tag=reg.test/app", "--build-arg=V=1", "--file=Dockerfile", "src"];
    let again = said(&provost(folder.path(), &named)).0;
    assert_eq!(again, format!("reg.test/app@{digest}\n"), "-f is looked for in the context, too");

    let outside =
        ["--push=false", "-t=reg.test/app", "--build-arg=FROM_OUTSIDE", "--build-arg=NOT_SET", "src"];
    let (out, remarks) = said(&provost(folder.path(), &outside));
    assert_eq!(remarks, "WARNING: no ARG takes the build argument FROM_OUTSIDE\n");
    assert_ne!(out, again);
}

#[test]
fn faults_name_file_and_line() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("Dockerfile"), "FROM scratch\n\nRUN make\n").unwrap();
    for (arguments, reason) in [
        (
            ["--push=false", "-t", "reg.test/app", "."].as_slice(),
            "./Dockerfile:3: the instruction RUN is not supported",
        ),
        (
            ["--push=false", "-t", "reg.test/app", "none"].as_slice(),
            "none/Dockerfile: no such file or directory",
        ),
        (
            ["--push=false", "-t", "reg.test/UPPER", "."].as_slice(),
            "could not parse reference: reg.test/UPPER",
        ),
    ] {
        let refused = provost(folder.path(), arguments);
        let (out, remarks) = said(&refused);
        assert_eq!((refused.status.code(), out.as_str()), (Some(1), ""));
        assert!(remarks.starts_with(&format!("Error: {reason}")), "{remarks}");
    }
}
