//! Which entry serves which repository, and what an entry may look like.

use std::ffi::OsString;

use super::*;
use crate::credential_helper::tests::make_program;

fn repository(text: &str) -> Repository {
    text.parse().unwrap()
}

async fn user_of(json: &str, image: &str) -> Option<String> {
    let source = SecretAuths::read("s", json.as_bytes()).unwrap();
    match source.find(&repository(image)).await.unwrap()?.credential {
        Credential::Password { username, .. } => Some(username),
        other => Some(format!("{other:?}")),
    }
}

fn auths(entries: &[(&str, &str)]) -> String {
    let entries: Vec<_> = entries
        .iter()
        .map(|(key, user)| format!(r#""{key}":{{"username":"{user}","password":"p"}}"#))
        .collect();
    format!(r#"{{"auths":{{{}}}}}"#, entries.join(","))
}

#[tokio::test]
async fn the_longest_path_wins_then_the_host() {
    let json = auths(&[("reg.test", "host"), ("reg.test/team", "team"), ("reg.test/team/app", "app")]);
    assert_eq!(user_of(&json, "reg.test/team/app").await.as_deref(), Some("app"));
    assert_eq!(user_of(&json, "reg.test/team/app2").await.as_deref(), Some("team"));
    assert_eq!(user_of(&json, "reg.test/other/app").await.as_deref(), Some("host"));
    assert_eq!(user_of(&json, "reg.test:5000/team/app").await, None);
    assert_eq!(user_of(&json, "other.test/team/app").await, None);
}

#[tokio::test]
async fn docker_hub_has_many_names() {
    for key in ["https://index.docker.io/v1/", "docker.io", "index.docker.io", "registry-1.docker.io"] {
        assert_eq!(user_of(&auths(&[(key, "hub")]), "alpine").await.as_deref(), Some("hub"), "{key}");
    }
    assert_eq!(user_of(&auths(&[("docker.io/library/alpine", "a")]), "alpine").await.as_deref(), Some("a"));
}

#[tokio::test]
async fn patterns_are_those_of_kubernetes() {
    let json = auths(&[("*.reg.test", "any"), ("a.reg.test", "exact"), ("x-*-y.test:5000", "mid")]);
    assert_eq!(user_of(&json, "b.reg.test/app").await.as_deref(), Some("any"));
    assert_eq!(user_of(&json, "a.reg.test/app").await.as_deref(), Some("exact"));
    assert_eq!(user_of(&json, "a.b.reg.test/app").await, None);
    assert_eq!(user_of(&json, "reg.test/app").await, None);
    assert_eq!(user_of(&json, "b.reg.test:1/app").await, None);
    assert_eq!(user_of(&json, "x-1-y.test:5000/app").await.as_deref(), Some("mid"));
    assert_eq!(user_of(&json, "x-y.test:5000/app").await, None);
}

#[test]
fn label_patterns() {
    for (pattern, label, want) in [
        ("*", "", true),
        ("*", "a", true),
        ("a*", "ab", true),
        ("*b", "ab", true),
        ("a*a", "a", false),
        ("a*b*c", "a1b2c", true),
        ("a*b*c", "acb", false),
        ("", "", true),
        ("a", "ab", false),
        ("**", "x", true),
    ] {
        assert_eq!(label_fits(pattern, label), want, "{pattern} {label}");
    }
}

#[test]
fn entries_hold_credentials_in_several_ways() {
    let of = |json: &str| serde_json::from_str::<Entry>(json).unwrap().credential();
    let password =
        |u: &str, p: &str| Ok(Some(Credential::Password { username: u.into(), password: p.into() }));
    assert_eq!(of(r#"{"auth":"dXNlcjpwYTpzcw=="}"#), password("user", "pa:ss"));
    assert_eq!(of(r#"{"auth":"dXNlcjpwYTpzcw"}"#), password("user", "pa:ss"));
    assert_eq!(of(r#"{"auth":"dTpwAAA="}"#), password("u", "p"));
    assert_eq!(of(r#"{"username":"u","password":"p","auth":""}"#), password("u", "p"));
    assert_eq!(of(r#"{"auth":"dTpw","identitytoken":"t"}"#), Ok(Some(Credential::IdentityToken("t".into()))));
    assert_eq!(of(r#"{"registrytoken":"t"}"#), Ok(Some(Credential::Bearer("t".into()))));
    assert_eq!(of("{}"), Ok(None));
    assert!(of(r#"{"auth":"%%"}"#).is_err());
    assert!(of(r#"{"auth":"dXNlcg=="}"#).is_err());
    assert!(of(r#"{"auth":"//86"}"#).is_err());
}

#[tokio::test]
async fn a_broken_entry_is_an_error_only_for_its_own_registry() {
    let json = r#"{"auths":{"bad.test":{"auth":"%%"},"good.test":{"auth":"dTpw"}}}"#;
    assert_eq!(user_of(json, "good.test/app").await.as_deref(), Some("u"));
    let source = SecretAuths::read("ns/secret", json.as_bytes()).unwrap();
    let error = source.find(&repository("bad.test/app")).await.unwrap_err().to_string();
    assert!(error.contains("ns/secret") && error.contains("bad.test") && !error.contains("%%"), "{error}");
}

#[tokio::test]
async fn of_a_secret_only_auths_are_read() {
    let json = r#"{"credsStore":"evil","credHelpers":{"reg.test":"evil"},"auths":{}}"#;
    assert_eq!(user_of(json, "reg.test/app").await, None);
}

#[test]
fn broken_and_long_secrets_say_where_not_what() {
    let error = SecretAuths::read("ns/secret", br#"{"auths":{"r":{"auth":"geheim"#).err().unwrap();
    assert!(!error.to_string().contains("geheim"), "{error}");
    let long = vec![b' '; usize::try_from(DOCKER_CONFIG_LIMIT).unwrap() + 1];
    assert!(matches!(SecretAuths::read("s", &long), Err(StoreError::Credentials { .. })));
    let error = SecretAuths::read("s", &[b'['; 100_000]).err().unwrap();
    assert!(matches!(error, StoreError::Credentials { .. }));
}

/// Folders for each variable, with a file in those asked for.
fn paths(home: bool, docker: bool, podman: bool, runtime: bool) -> (tempfile::TempDir, DockerPaths) {
    let folder = tempfile::tempdir().unwrap();
    let write = |there: bool, name: &str| {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        if there {
            std::fs::write(&path, auths(&[("reg.test", name)])).unwrap();
        }
    };
    write(home, "home/.docker/config.json");
    write(docker, "docker/config.json");
    write(podman, "podman.json");
    write(runtime, "run/containers/auth.json");
    let paths = DockerPaths {
        home: Some(folder.path().join("home")),
        docker_config: Some(folder.path().join("docker")),
        registry_auth_file: Some(folder.path().join("podman.json")),
        runtime_dir: Some(folder.path().join("run")),
        helpers: HelperEnvironment::default(),
    };
    (folder, paths)
}

#[test]
fn the_file_is_found_in_go_containerregistrys_order() {
    let chosen = |home, docker, podman, runtime| {
        let (folder, paths) = paths(home, docker, podman, runtime);
        paths.file().map(|file| file.strip_prefix(folder.path()).unwrap().display().to_string())
    };
    assert_eq!(chosen(true, true, true, true).as_deref(), Some("docker/config.json"));
    // Docker's loader looks at its variable only, even where the file there is missing.
    assert_eq!(chosen(true, false, true, true), None);
    assert_eq!(chosen(false, false, true, true).as_deref(), Some("podman.json"));
    assert_eq!(chosen(false, false, false, true).as_deref(), Some("run/containers/auth.json"));
    assert_eq!(chosen(false, false, false, false), None);
    let (folder, mut paths) = paths(true, false, false, false);
    paths.docker_config = None;
    assert_eq!(paths.file(), Some(folder.path().join("home/.docker/config.json")));
}

#[tokio::test]
async fn a_file_beyond_the_limit_is_an_error() {
    let (_folder, paths) = paths(false, true, false, false);
    let file = std::fs::File::create(paths.file().unwrap()).unwrap();
    file.set_len(DOCKER_CONFIG_LIMIT + 1).unwrap();
    let error = DockerFiles::new(paths).find(&repository("reg.test/app")).await.unwrap_err();
    assert!(matches!(error, StoreError::Credentials { .. }), "{error:?}");
}

#[tokio::test]
async fn helpers_are_asked_by_host_and_an_entry_with_a_path_goes_first() {
    let (folder, mut paths) = paths(false, true, false, false);
    let json = r#"{"auths":{"reg.test/own":{"auth":"dTpw"},"other.test":{}},"credHelpers":{"reg.test":"echo"},"credsStore":"echo"}"#;
    std::fs::write(paths.file().unwrap(), json).unwrap();
    let program = folder.path().join("docker-credential-echo");
    make_program(
        &program,
        "read server
echo '{\"Username\":\"'$server'\",\"Secret\":\"s\"}'",
    );
    let path = OsString::from(format!("{}:/usr/bin:/bin", folder.path().display()));
    paths.helpers = HelperEnvironment::of(|name| (name == "PATH").then(|| path.clone()));
    let files = DockerFiles::new(paths);
    for (image, user) in [
        ("reg.test/team/app", "reg.test"),
        ("reg.test/own/app", "u"),
        ("other.test/app", "other.test"),
        ("alpine", "https://index.docker.io/v1/"),
    ] {
        let found = files.find(&repository(image)).await.unwrap().unwrap();
        assert!(format!("{:?}", found.credential).contains(&format!("{user:?}")), "{image}: {found:?}");
    }
}
