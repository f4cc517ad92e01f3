//! The commands of the guides in docs/how-to, run page by page as a reader would type them.

use testkit::authority::pem;
use testkit::services::{Services, token};

use crate::context::Context;
use crate::key_references::{api_server, kubeconfig};

/// Runs all `sh` blocks of a page in one shell, with these variables; a registry started there is waited for and ended.
fn follow(context: &Context, page: &str, variables: &[(&str, &str)]) {
    let blocks: Vec<&str> =
        page.split("```sh\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    assert!(blocks.len() > 2, "a guide has commands");
    // `set -e` lets `! command` pass whatever it does, so a refusal is asked for in so many words.
    let refusals = "refused() { if \"$@\"; then echo \"not refused: $*\" >&2; exit 1; fi; }\n";
    let script = format!("\n{}", blocks.concat()).replace("\n! ", "\nrefused ");
    context.typed(&format!("{refusals}{script}"), variables);
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

#[test]
fn scanned_images_are_admitted_as_told() {
    follow(&Context::new(), include_str!("../../../../docs/how-to/vulnerabilities.md"), &[]);
}
