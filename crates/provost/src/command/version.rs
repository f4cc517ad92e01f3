//! `provost version`: which version this is, in the shape scripts know from cosign.

use serde::Serialize;

use crate::face::Face;
use crate::failure::Failure;

/// Print the version.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// Print JSON.
    #[arg(long, num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true")]
    json: bool,
}

/// What is known of this build, under cosign's names.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Version {
    git_version: String,
    git_commit: &'static str,
    git_tree_state: &'static str,
    build_date: &'static str,
    go_version: &'static str,
    compiler: &'static str,
    platform: String,
}

/// Prints it.
pub(crate) fn run(args: &Args, face: &Face) -> Result<(), Failure> {
    let version = Version {
        git_version: format!("v{}", env!("CARGO_PKG_VERSION")),
        git_commit: "unknown",
        git_tree_state: "unknown",
        build_date: "unknown",
        // There is none; the field stays for those who read it.
        go_version: concat!("rust", env!("CARGO_PKG_RUST_VERSION")),
        compiler: "rustc",
        platform: format!("{}/{}", std::env::consts::OS, architecture()),
    };
    if args.json {
        face.out(serde_json::to_string_pretty(&version)?);
        return Ok(());
    }
    face.out("provost: who built this image, and may it run?\n");
    for (name, value) in [
        ("GitVersion:", version.git_version.as_str()),
        ("GitCommit:", version.git_commit),
        ("GitTreeState:", version.git_tree_state),
        ("BuildDate:", version.build_date),
        ("GoVersion:", version.go_version),
        ("Compiler:", version.compiler),
        ("Platform:", version.platform.as_str()),
    ] {
        face.out(format!("{name:<15}{value}"));
    }
    face.out("");
    Ok(())
}

/// The processor in Go's words.
fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        "x86" => "386",
        "powerpc64" => "ppc64le",
        other => other,
    }
}
