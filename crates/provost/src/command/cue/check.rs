//! `provost cue check`: holds a JSON document against CUE policies as `verify-attestation --policy` does.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use provost_cue::{Absent, Data, Demands, Evaluation, Instance, Limits, Policy, PolicyFile};

use super::explain::{self, Document};

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
    /// Show each field that fails, with policy and document side by side, and every conflict.
    #[arg(long)]
    explain: bool,
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
    let data = Data::from_json(&document, &limits);
    let judged = Policy::prepare(&files, &limits).and_then(|policy| match &data {
        Ok(data) => policy.check(data, absent),
        Err(errors) => Err(errors.clone()),
    });
    let Err(errors) = judged else { return Ok(()) };
    face.say(errors.to_string());
    if args.explain {
        // The judgement names the first conflict, as cosign does; the evaluation as a whole has all of them.
        let all = data.as_ref().ok().and_then(|data| {
            let instance = Instance::compile(&files, &limits).ok()?;
            let demands = Demands { concrete: false, complete: true };
            let read = |evaluation: &Evaluation<'_>| {
                let all = evaluation.validate(demands).err();
                let told: Vec<_> = std::iter::once(&errors).chain(&all).collect();
                let places = explain::places(&told, evaluation);
                (all, places)
            };
            instance.evaluate(Some(data), read).ok()
        });
        let (all, places) = all.unwrap_or_default();
        let told: Vec<_> = std::iter::once(&errors).chain(&all).collect();
        let text = String::from_utf8_lossy(&document);
        let name = args.data.display().to_string();
        face.say(explain::explain(&told, &places, Some(Document { name: &name, text: &text })));
    }
    Err(Failure::quiet(1))
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
