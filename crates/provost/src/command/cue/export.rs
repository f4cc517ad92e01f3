//! `provost cue export`: concrete values as JSON, YAML, CUE, text or bytes.

use provost_cue::{Demands, Encoding};

use super::flags::{Global, Injection, Out, Placement};
use super::output::{Output, Refusal};
use super::plan::{Choices, Plan};
use super::report;
use crate::face::Face;
use crate::failure::Failure;

#[derive(clap::Args, Debug)]
pub(super) struct Args {
    #[command(flatten)]
    global: Global,
    #[command(flatten)]
    out: Out,
    #[command(flatten)]
    placement: Placement,
    #[command(flatten)]
    injection: Injection,
    /// Export this expression only; may be repeated.
    #[arg(short = 'e', long, value_name = "EXPRESSION")]
    expression: Vec<String>,
    /// Use HTML escaping.
    #[arg(long, num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true")]
    escape: bool,
    /// Packages, CUE files and data files.
    #[arg(value_name = "INPUT")]
    inputs: Vec<String>,
}

/// Exports. What is wrong is said on standard error, with exit 1.
pub(super) fn run(args: Args, face: &Face) -> Result<(), Failure> {
    args.global.check(face)?;
    let choices = Choices {
        arguments: &args.inputs,
        placement: &args.placement,
        injection: &args.injection,
        expressions: &args.expression,
        apart: false,
    };
    let plan = Plan::new(&choices, face)?;
    let mut output = Output::new(&args.out, Encoding::Json, args.escape, face)?;
    output.package.clone_from(&args.placement.package);
    let encoder = output.encoder();
    for unit in &plan.units {
        let plain = unit.validate && !args.global.ignore;
        let encoded = plan.evaluate(unit, |evaluation| {
            if plain {
                evaluation.validate(Demands::default())?;
            }
            let mut out = Vec::new();
            for index in 0..plan.values() {
                out.push(
                    plan.value(evaluation, index)
                        .map_err(Refusal::Errors)
                        .and_then(|value| encoder.plain(value)),
                );
            }
            Ok(out)
        });
        for encoded in encoded
            .map_err(Refusal::Errors)
            .and_then(|encoded| encoded)
            .unwrap_or_else(|refusal| vec![Err(refusal)])
        {
            match encoded {
                Ok(encoded) => output.add(&encoded, face),
                Err(Refusal::Errors(errors)) => return Err(report::refuse(&errors, face)),
                Err(Refusal::Words(words)) => return Err(report::plain(words, face)),
            }
        }
    }
    output.close(face)
}
