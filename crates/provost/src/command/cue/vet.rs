//! `provost cue vet`: validates packages, files, and data against a schema.

use provost_cue::{Code, CueErrors, Demands, Evaluation};

use super::explain::{self, Document};
use super::flags::{Global, Injection, Placement};
use super::plan::{Choices, Plan};
use super::report;
use crate::face::Face;
use crate::failure::Failure;

#[derive(clap::Args, Debug)]
pub(super) struct Args {
    #[command(flatten)]
    global: Global,
    #[command(flatten)]
    placement: Placement,
    #[command(flatten)]
    injection: Injection,
    /// Require the evaluation to be concrete, or -c=false to allow incomplete values.
    #[arg(short = 'c', long, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    concrete: Option<bool>,
    /// Show each field that fails, with policy and document side by side.
    #[arg(long)]
    explain: bool,
    /// Packages, CUE files and data files.
    #[arg(value_name = "INPUT")]
    inputs: Vec<String>,
}

const INCOMPLETE: &str =
    "some instances are incomplete; use the -c flag to show errors or -c=false to allow incomplete instances";

/// Validates. What does not hold is said on standard error, with exit 1.
pub(super) fn run(args: Args, face: &Face) -> Result<(), Failure> {
    args.global.check(face)?;
    let choices = Choices {
        arguments: &args.inputs,
        placement: &args.placement,
        injection: &args.injection,
        expressions: &[],
        apart: true,
    };
    let plan = Plan::new(&choices, face)?;
    let mut refused = false;
    let mut shown = false;
    for unit in &plan.units {
        let concrete = plan.documents || args.concrete.unwrap_or(true);
        let strict = Demands { concrete, complete: concrete };
        let plain = unit.validate && !args.global.ignore;
        // What holds as data holds; what does not is said once more with the places of the text.
        let passed =
            plan.evaluate_data(unit, |evaluation| judge(&plan, evaluation, plain, strict, false).is_ok());
        if passed == Some(true) {
            continue;
        }
        let judged = plan.evaluate(unit, |evaluation| {
            let judged = judge(&plan, evaluation, plain, strict, args.concrete.is_none());
            judged.map_err(|(errors, mended)| {
                let places = if args.explain { explain::places(&[&errors], evaluation) } else { Vec::new() };
                (errors, places, mended)
            })
        });
        match judged.unwrap_or_else(|errors| Err((errors, Vec::new(), false))) {
            Ok(()) => {}
            Err((_, _, true)) => {
                refused = true;
                if !std::mem::replace(&mut shown, true) {
                    face.say(INCOMPLETE);
                }
            }
            Err((errors, places, false)) => {
                refused = true;
                report::say(&errors, face);
                if args.explain {
                    let document = unit.document().map(|(name, text)| Document { name, text });
                    face.say(explain::explain(&[&errors], &places, document));
                }
                if plan.documents
                    && errors.iter().any(|error| !matches!(error.code, Code::Incomplete | Code::Cycle))
                {
                    break;
                }
            }
        }
    }
    if refused { Err(Failure::quiet(1)) } else { Ok(()) }
}

/// Judges one unit; `true` beside the errors where only values that are not concrete stand against it.
fn judge(
    plan: &Plan,
    evaluation: &Evaluation<'_>,
    plain: bool,
    strict: Demands,
    lenient: bool,
) -> Result<(), (CueErrors, bool)> {
    if plain {
        evaluation.validate(Demands::default()).map_err(|errors| (errors, false))?;
    }
    let value = plan.value(evaluation, 0).map_err(|errors| (errors, false))?;
    if plan.documents {
        // A document that contradicts its schema ends the run, one that is not complete does not.
        value.validate(Demands::default()).map_err(|errors| (errors, false))?;
    }
    value.validate(strict).map_err(|errors| {
        let mended = !plan.documents && lenient && value.validate(Demands::default()).is_ok();
        (errors, mended)
    })
}
