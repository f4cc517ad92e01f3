//! `provost cue check`: holds a JSON document against CUE policies as `verify-attestation --policy` does.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use provost_cue::{Absent, Data, Limits, Policy, PolicyFile};

use crate::face::Face;
use crate::failure::Failure;

#[derive(clap::Args, Debug)]
pub(super) struct Args {
    /// The JSON document.
    #[arg(long, value_name = "FILE")]
    data: PathBuf,
    /// What becomes of a field that the policy names under predicate, predicateType or subject and the document lacks.
    #[arg(long, value_enum, default_value_t = WhenAbsent::Refuse)]
    absent: WhenAbsent,
    /// Policy files; they hold together, whatever their order.
    #[arg(value_name = "POLICY", required = true)]
    policies: Vec<PathBuf>,
}

#[derive(clap::ValueEnum, Clone, Copy, Debug)]
enum WhenAbsent {
    /// It is refused.
    Refuse,
    /// The policy's own value fills it, as in cosign.
    Allow,
}

/// Judges the document. Why it does not hold is said on standard error, with exit 1.
pub(super) fn run(args: Args, face: &Face) -> Result<(), Failure> {
    let limits = Limits::default();
    let mut sources = Vec::with_capacity(args.policies.len());
    for path in &args.policies {
        let bytes = read(path, limits.policy_bytes)?;
        let source = String::from_utf8(bytes)
            .map_err(|_| Failure::new(format!("{}: not UTF-8, expected a CUE policy", path.display())))?;
        sources.push((path.display().to_string(), source));
    }
    let files: Vec<_> = sources.iter().map(|(name, source)| PolicyFile { name, source }).collect();
    let document = read(&args.data, limits.data_bytes)?;
    let absent = match args.absent {
        WhenAbsent::Refuse => Absent::Refuse,
        WhenAbsent::Allow => Absent::Allow,
    };
    let judged = Policy::prepare(&files, &limits)
        .and_then(|policy| policy.check(&Data::from_json(&document, &limits)?, absent));
    judged.map_err(|errors| {
        face.say(errors.to_string());
        Failure::quiet(1)
    })
}

/// Reads a file that must not be larger than a limit; one byte more shows that it is.
fn read(path: &Path, limit: usize) -> Result<Vec<u8>, Failure> {
    let named = |error: std::io::Error| Failure::new(format!("{}: {error}", path.display()));
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(named)?;
    file.take(limit as u64 + 1).read_to_end(&mut bytes).map_err(named)?;
    if bytes.len() > limit {
        return Err(Failure::new(format!("{}: larger than {limit} bytes", path.display())));
    }
    Ok(bytes)
}
