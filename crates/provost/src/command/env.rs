//! `provost env`: the variables that cosign knows, and what they are set to.

mod variables;

use std::collections::BTreeMap;

use crate::face::Face;
use crate::failure::Failure;

/// Variables that begin so are shown though they are none of those known.
const PREFIXES: [&str; 4] = ["COSIGN_", "SIGSTORE_", "TUF_", "PROVOST_"];

/// Print the environment variables that matter.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// Say what each is for.
    #[arg(long, num_args = 0..=1, require_equals = true, default_value = "true", default_missing_value = "true")]
    show_descriptions: bool,
    /// Show the values of secrets too.
    #[arg(long, num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true")]
    show_sensitive_values: bool,
}

/// Prints those known, then those that look alike.
pub(crate) fn run(args: &Args, face: &Face) -> Result<(), Failure> {
    let shown = |name: &str, value: &str, secret: bool| {
        let value = if secret && !args.show_sensitive_values && !value.is_empty() { "******" } else { value };
        face.out(format!("{name}={value}"));
    };
    let set: BTreeMap<String, String> = face.environment.all().into_iter().collect();
    for one in variables::KNOWN {
        if args.show_descriptions {
            face.out(format!("# {} {}\n# Expects: {}", one.name, one.description, one.expects));
        }
        shown(one.name, set.get(one.name).map_or("", String::as_str), one.is_secret);
    }
    let alike = |name: &&String| {
        PREFIXES.iter().any(|prefix| name.starts_with(prefix))
            && !variables::KNOWN.iter().any(|known| known.name == name.as_str())
    };
    let others: Vec<_> = set.keys().filter(alike).collect();
    if !others.is_empty() && args.show_descriptions {
        face.out("# Environment variables below are not registered with cosign,\n# but might still influence cosign's behavior.");
    }
    for name in others {
        shown(name, set.get(name).map_or("", String::as_str), true);
    }
    Ok(())
}
