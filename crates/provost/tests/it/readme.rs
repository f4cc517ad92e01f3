//! The README's commands, run line by line as a reader would type them.

use std::net::TcpListener;
use std::process::{Command, Stdio};

use crate::context::{Context, PROVOST};

const README: &str = include_str!("../../../../README.md");

/// The lines of the `sh` block below this heading.
fn block(heading: &str) -> String {
    let section = README.split(heading).nth(1).unwrap_or_else(|| panic!("README has no {heading}"));
    section.split("```sh\n").nth(1).unwrap().split("```").next().unwrap().to_owned()
}

#[test]
fn the_steps_by_hand_hold() {
    let context = Context::new();
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let script = block("## By hand").replace("127.0.0.1:5000", &free);
    // A reader waits for the registry's line before typing on; the shell waits for its port, and ends it at the end.
    let (host, port) = free.split_once(':').unwrap();
    let wait = format!("until (exec 3<>/dev/tcp/{host}/{port}) 2>/dev/null; do :; done");
    let script = script.replace(" &\n", &format!(" &\ntrap \"kill $!\" EXIT\n{wait}\n"));
    let bin = context.folder().join("bin");
    std::fs::create_dir(&bin).unwrap();
    std::os::unix::fs::symlink(PROVOST, bin.join("provost")).unwrap();
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    let output = Command::new("bash")
        .args(["-euo", "pipefail", "-c", &script])
        .current_dir(context.folder())
        .env_clear()
        .env("PATH", path)
        .env("HOME", context.folder())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
    assert!(stderr.contains("The signatures were verified against the specified public key"), "{stderr}");
}

#[test]
fn the_first_commands_are_the_two_that_ci_runs() {
    assert_eq!(block("## Two commands"), "cargo run --release -- demo\ncargo test\n");
}
