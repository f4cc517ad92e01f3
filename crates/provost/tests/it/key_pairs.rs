//! `generate-key-pair` and `public-key`, as scripts use them.

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};

fn provost(folder: &Path, arguments: &[&str], password: Option<&str>, input: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_provost"));
    command.args(arguments).current_dir(folder).env_clear().env("HOME", folder);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    if let Some(password) = password {
        command.env("COSIGN_PASSWORD", password);
    }
    let mut child = command.spawn().unwrap();
    // A program that never asks closes its end before this is written; that is no fault of the test.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn a_pair_is_made_and_its_public_half_printed() {
    let folder = tempfile::tempdir().unwrap();
    let made = provost(folder.path(), &["generate-key-pair"], Some(""), "");
    assert!(made.status.success(), "{}", said(&made));
    assert_eq!(said(&made), "Private key written to cosign.key\nPublic key written to cosign.pub\n");
    assert!(made.stdout.is_empty());
    let mode = |name: &str| fs::metadata(folder.path().join(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode("cosign.key"), mode("cosign.pub")), (0o600, 0o644));

    let printed = provost(folder.path(), &["public-key", "--key", "cosign.key"], Some(""), "");
    assert_eq!(printed.stdout, fs::read(folder.path().join("cosign.pub")).unwrap());
    let wrong = provost(folder.path(), &["public-key", "--key", "cosign.key"], Some("x"), "");
    assert_eq!(wrong.status.code(), Some(1));
    assert_eq!(
        said(&wrong),
        "Error: decrypt: encrypted: decryption failed\n\
         error during command execution: decrypt: encrypted: decryption failed\n"
    );
    let filed = ["public-key", "--key", "cosign.key", "--outfile", "copy.pub"];
    let filed = provost(folder.path(), &filed, Some(""), "");
    assert_eq!((said(&filed).as_str(), filed.stdout.len()), ("Public key written to copy.pub\n", 0));
    assert_eq!(fs::read(folder.path().join("copy.pub")).unwrap(), printed.stdout);
}

#[test]
fn an_existing_key_is_replaced_only_after_a_yes() {
    let folder = tempfile::tempdir().unwrap();
    let arguments = ["generate-key-pair", "--output-key-prefix", "team"];
    let make = |input| provost(folder.path(), &arguments, Some("pw"), input);
    assert!(make("").status.success());
    let first = fs::read(folder.path().join("team.key")).unwrap();
    let question =
        "WARNING: File team.key already exists. Overwrite?\nAre you sure you would like to continue? [y/N] ";
    for (input, reason) in [
        ("", "user declined the prompt"),
        ("n\n", "user declined the prompt"),
        ("yes\n", "invalid input \"yes\" (allowed values y, n)"),
    ] {
        let refused = make(input);
        assert_eq!(refused.status.code(), Some(1), "{input}");
        assert_eq!(
            said(&refused),
            format!("{question}Error: {reason}\nerror during command execution: {reason}\n")
        );
        assert_eq!(fs::read(folder.path().join("team.key")).unwrap(), first, "{input}");
    }
    assert!(make("y\n").status.success());
    assert_ne!(fs::read(folder.path().join("team.key")).unwrap(), first);
}

#[test]
fn a_piped_password_is_used_whole() {
    let folder = tempfile::tempdir().unwrap();
    assert!(provost(folder.path(), &["generate-key-pair"], None, "secret\n").status.success());
    let public = ["public-key", "--key", "cosign.key"];
    assert!(provost(folder.path(), &public, Some("secret\n"), "").status.success());
    assert!(!provost(folder.path(), &public, Some("secret"), "").status.success());
    assert!(provost(folder.path(), &public, None, "secret\n").status.success());
}
