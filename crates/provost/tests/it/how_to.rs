//! The commands of the guides in docs/how-to, run page by page as a reader would type them.

use std::net::TcpListener;
use std::process::{Command, Stdio};

use testkit::authority::pem;
use testkit::services::{Services, token};

use crate::context::{Context, PROVOST};
use crate::key_references::{api_server, kubeconfig};

/// Runs all `sh` blocks of a page in one shell, with these variables; a registry started there is waited for and ended.
fn follow(context: &Context, page: &str, variables: &[(&str, &str)]) {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let blocks: Vec<&str> =
        page.split("```sh\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    assert!(blocks.len() > 2, "a guide has commands");
    let (host, port) = free.split_once(':').unwrap();
    let wait = format!("until (exec 3<>/dev/tcp/{host}/{port}) 2>/dev/null; do :; done");
    // `set -e` lets `! command` pass whatever it does, so a refusal is asked for in so many words.
    let refusals = "refused() { if \"$@\"; then echo \"not refused: $*\" >&2; exit 1; fi; }\n";
    let script = blocks
        .concat()
        .replace("127.0.0.1:5000", &free)
        .replace("\n! ", "\nrefused ")
        .replace(" &\n", &format!(" &\ntrap \"kill $!\" EXIT\n{wait}\n"));
    let script = match script.strip_prefix("! ") {
        Some(rest) => format!("{refusals}refused {rest}"),
        None => format!("{refusals}{script}"),
    };
    let bin = context.folder().join("programs");
    std::fs::create_dir(&bin).unwrap();
    std::os::unix::fs::symlink(PROVOST, bin.join("provost")).unwrap();
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    let output = Command::new("bash")
        .args(["-euo", "pipefail", "-c", &script])
        .current_dir(context.folder())
        .env_clear()
        .env("PATH", path)
        .env("HOME", context.folder())
        .envs(variables.iter().copied())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
}

/// Services of the test's own, their certificates and keys as files.
fn services(context: &Context) -> Services {
    let services = Services::start(jiff::Timestamp::now().as_second()).unwrap();
    let authority = services.authority();
    context.write("fulcio.pem", &authority.chain_pem());
    context.write("rekor.pub", &authority.log.key.public_pem());
    context.write("ctfe.pub", &authority.ct_log.public_pem());
    let stamps = [&authority.timestamps.signer.certificate, &authority.timestamps.root.certificate];
    context.write("tsa.pem", &stamps.map(|one| pem("CERTIFICATE", one)).concat());
    context.write("token.jwt", &token("dev@example.test"));
    services
}

#[test]
fn moving_from_cosign_goes_as_told() {
    follow(&Context::new(), include_str!("../../../../docs/how-to/move-from-cosign.md"), &[]);
}

#[test]
fn keys_are_used_as_told() {
    let context = Context::new();
    kubeconfig(&context, &api_server());
    follow(&context, include_str!("../../../../docs/how-to/keys.md"), &[("KUBECONFIG", "kubeconfig")]);
}

#[test]
fn keyless_goes_as_told() {
    let context = Context::new();
    let services = services(&context);
    let (url, stamps) = (services.url(), services.timestamp_url());
    let variables =
        [("FULCIO", url.as_str()), ("REKOR", &url), ("TSA", &stamps), ("COSIGN_PASSWORD", "secret")];
    follow(&context, include_str!("../../../../docs/how-to/keyless.md"), &variables);
}

#[test]
fn the_air_gap_is_crossed_as_told() {
    let context = Context::new();
    let services = services(&context);
    follow(
        &context,
        include_str!("../../../../docs/how-to/air-gap.md"),
        &[("REKOR", services.url().as_str())],
    );
}
