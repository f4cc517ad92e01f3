//! Helpers as small scripts: what is run, what it sees, and what it may answer.

use std::path::Path;

use super::*;

/// Makes a program. Another process writes it: a file that this one has open for writing could be inherited by a
/// helper that another test starts at that moment, and then cannot be run ("text file busy").
pub(crate) fn make_program(path: &Path, script: &str) {
    let text = path.with_extension("text");
    std::fs::write(&text, format!("#!/bin/sh\n{script}\n")).unwrap();
    let status = std::process::Command::new("install").args(["-m", "755"]).arg(&text).arg(path).status();
    assert!(status.unwrap().success());
}

/// A folder with one helper, `docker-credential-x`, that runs this.
fn helper(script: &str) -> (tempfile::TempDir, HelperEnvironment) {
    let folder = tempfile::tempdir().unwrap();
    make_program(&folder.path().join("docker-credential-x"), script);
    let environment = environment(folder.path());
    (folder, environment)
}

fn environment(folder: &Path) -> HelperEnvironment {
    let path = OsString::from(format!("{}:/usr/bin:/bin", folder.display()));
    HelperEnvironment::of(|name| match name {
        "PATH" => Some(path.clone()),
        "HOME" => Some("/nowhere".into()),
        // Everything else is set too, so that a name off the list would be seen.
        _ => Some("set".into()),
    })
}

async fn answer(script: &str) -> Result<Option<Credential>, HelperError> {
    let (_folder, environment) = helper(script);
    get("x", "reg.test", &environment).await
}

#[tokio::test]
async fn the_server_is_asked_for_and_the_answer_read() {
    let script =
        r#"read server; echo "{\"ServerURL\":\"$server\",\"Username\":\"$1 $server\",\"Secret\":\"s\"}""#;
    let want = Credential::Password { username: "get reg.test".into(), password: "s".into() };
    assert_eq!(answer(script).await, Ok(Some(want)));
    let token = r#"echo '{"Username":"<token>","Secret":"t"}'"#;
    assert_eq!(answer(token).await, Ok(Some(Credential::IdentityToken("t".into()))));
    assert_eq!(answer("echo '{}'").await, Ok(None));
}

#[tokio::test]
async fn none_and_failure_are_told_apart() {
    assert_eq!(answer("echo credentials not found in native keychain; exit 1").await, Ok(None));
    let failed = answer("printf 'locked\\033[0m'; exit 1").await;
    assert_eq!(failed, Err(HelperError::Failed("locked[0m".into())));
    assert_eq!(answer("echo no json").await, Err(HelperError::Malformed));
}

#[tokio::test]
async fn names_that_could_be_paths_are_not_run() {
    let (_folder, environment) = helper("echo '{}'");
    let long = "x".repeat(NAME_LIMIT + 1);
    for name in ["", "../x", "x/y", "X", "x;ls", "x y", "x\0", long.as_str()] {
        assert_eq!(get(name, "reg.test", &environment).await, Err(HelperError::BadName), "{name}");
    }
    assert_eq!(get("y", "reg.test", &environment).await, Err(HelperError::NotFound));
}

#[tokio::test]
async fn only_absolute_folders_are_searched_and_only_programs_run() {
    let (folder, _) = helper("echo '{}'");
    let relative = HelperEnvironment::of(|name| (name == "PATH").then(|| OsString::from(".:bin:")));
    assert_eq!(get("x", "reg.test", &relative).await, Err(HelperError::NotFound));
    let program = folder.path().join("docker-credential-x");
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o644)).unwrap();
    assert_eq!(get("x", "reg.test", &environment(folder.path())).await, Err(HelperError::NotFound));
    assert_eq!(get("x", "reg.test", &HelperEnvironment::default()).await, Err(HelperError::NotFound));
}

#[tokio::test]
async fn the_environment_is_the_listed_one() {
    let script = r#"names=$(env | cut -d= -f1 | grep -vE '^(PWD|SHLVL|_|OLDPWD)$' | sort | tr '\n' ' ')
echo "{\"Username\":\"$names\",\"Secret\":\"$HOME\"}""#;
    let Ok(Some(Credential::Password { username, password })) = answer(script).await else { panic!() };
    let mut listed: Vec<_> = PASSED_ON.to_vec();
    listed.sort_unstable();
    assert_eq!(username.split_whitespace().collect::<Vec<_>>(), listed);
    assert_eq!(password, "/nowhere");
    assert!(!PASSED_ON.iter().any(|name| name.starts_with("COSIGN") || name.starts_with("PROVOST")));
}

#[tokio::test]
async fn an_answer_without_end_is_cut() {
    assert_eq!(answer("exec cat /dev/zero").await, Err(HelperError::TooMuch));
}

#[tokio::test(start_paused = true)]
async fn a_helper_that_hangs_is_given_up() {
    // Time is paused: it runs ahead as soon as nothing but the helper is waited for.
    assert_eq!(answer("exec sleep 60").await, Err(HelperError::TooSlow));
}
