//! `provost cue eval`: evaluates, validates and prints.

use provost_cue::{CueStyle, Demands, Encoding, Value, to_source};

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
    /// Evaluate this expression only; may be repeated.
    #[arg(short = 'e', long, value_name = "EXPRESSION")]
    expression: Vec<String>,
    /// Require the evaluation to be concrete.
    #[arg(short = 'c', long, num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true")]
    concrete: bool,
    /// Display hidden fields.
    #[arg(short = 'H', long = "show-hidden", num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true")]
    hidden: bool,
    /// Display optional fields.
    #[arg(short = 'O', long = "show-optional", num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true")]
    optional: bool,
    /// Display field attributes.
    #[arg(short = 'A', long = "show-attributes", num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true")]
    attributes: bool,
    /// Show optional and hidden fields.
    #[arg(short = 'a', long, num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true")]
    all: bool,
    /// Packages, CUE files and data files.
    #[arg(value_name = "INPUT")]
    inputs: Vec<String>,
}

/// Evaluates and prints. What is wrong is said on standard error, with exit 1.
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
    output.package.clone_from(&args.placement.package);
    let encoder = output.encoder();
    let style = CueStyle {
        optional: args.optional || args.all,
        hidden: args.hidden || args.all,
        definitions: !args.concrete,
        simplify: args.global.simplify,
        spaces: true,
        errors: args.global.ignore,
        constraints: false,
    };
    let mut refused = false;
    for unit in &plan.units {
        let (check, ignore, concrete) =
            (unit.validate && !args.global.ignore, args.global.ignore, args.concrete);
        let data = output.encoding != Encoding::Cue;
        let one = |value: Value<'_, '_>| {
            if data {
                return encoder.plain(value);
            }
            if !ignore {
                if value.err().is_err() {
                    value.validate(Demands { concrete: false, complete: true })?;
                }
                if concrete {
                    value.validate(Demands { concrete: true, complete: true })?;
                }
            }
            Ok(Encoded(to_source(value, style)?.into_bytes()))
        };
        let encoded = plan.evaluate(unit, |evaluation| {
            if check {
                evaluation.validate(Demands::default())?;
            }
            let mut out = Vec::new();
            for index in 0..plan.values() {
                out.push(plan.value(evaluation, index).map_err(Refusal::Errors).and_then(one));
            }
            Ok(out)
        });
        let encoded = encoded.map_err(Refusal::Errors).and_then(|encoded| encoded);
        for (index, encoded) in encoded.unwrap_or_else(|refusal| vec![Err(refusal)]).into_iter().enumerate() {
            let header = match plan.expressions.len() {
                0 | 1 => None,
                _ => plan.expressions.get(index).filter(|_| !data),
            };
            match encoded {
                Ok(encoded) => match header {
                    Some(header) => output.titled(header, &encoded, face),
                    None => output.add(&encoded, face),
                },
                Err(refusal) => {
                    refused = true;
                    if !unit.id.is_empty() {
                        face.say(format!("// {}", unit.id));
                    }
                    match refusal {
                        Refusal::Errors(errors) => report::say(&errors, face),
                        Refusal::Words(words) => face.say(words),
                    }
                }
            }
        }
    }
    output.close(face)?;
    if refused { Err(Failure::quiet(1)) } else { Ok(()) }
}
