//! `provost cue def`: the definition form of a configuration, consolidated in one file.

use provost_cue::{CueStyle, Demands, Encoding, to_source};

use super::flags::{Global, Injection, Out, Placement};
use super::output::{Encoded, Output, Refusal};
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
    /// Print this expression only, evaluated with its constraints; may be repeated.
    #[arg(short = 'e', long, value_name = "EXPRESSION")]
    expression: Vec<String>,
    /// Display field attributes; they always are.
    #[arg(short = 'A', long = "show-attributes", num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true")]
    attributes: bool,
    /// Packages, CUE files and data files.
    #[arg(value_name = "INPUT")]
    inputs: Vec<String>,
}

/// Validates and prints. What is wrong is said on standard error, with exit 1, and nothing is printed.
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
    let mut output = Output::new(&args.out, Encoding::Cue, false, face)?;
    let encoder = output.encoder();
    let (data, ignore) = (output.encoding != Encoding::Cue, args.global.ignore);
    let style = CueStyle {
        optional: true,
        hidden: true,
        definitions: true,
        constraints: true,
        ..CueStyle::default()
    };
    for unit in &plan.units {
        let shown = plan.evaluate(unit, |evaluation| {
            if !ignore {
                evaluation.validate(Demands::default())?;
            }
            let mut out = Vec::new();
            for index in 0..plan.values() {
                let value = plan.value(evaluation, index)?;
                match (data, plan.expressions.is_empty()) {
                    (true, _) => out.push(encoder.plain(value)?),
                    (false, false) => out.push(Encoded(to_source(value, style)?.into_bytes())),
                    (false, true) => {}
                }
            }
            Ok(out)
        });
        let mut shown = match shown.map_err(Refusal::Errors).and_then(|shown| shown) {
            Ok(shown) => shown,
            Err(Refusal::Errors(errors)) => return Err(report::refuse(&errors, face)),
            Err(Refusal::Words(words)) => return Err(report::plain(words, face)),
        };
        if !data && plan.expressions.is_empty() {
            let text = plan.definition(unit).map_err(|errors| report::refuse(&errors, face))?;
            let Some(text) = text else {
                let words = "unsupported by provost: def of structs that, written as one, would see each other's fields";
                return Err(report::plain(words, face));
            };
            shown.push(Encoded(text.into_bytes()));
        }
        shown.iter().for_each(|encoded| output.add(encoded, face));
    }
    output.close(face)
}
