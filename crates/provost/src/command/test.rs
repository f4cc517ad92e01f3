//! `provost test`: expected results of Kyverno policies, as `kyverno test` reads and prints them.

mod find;
mod load;

use std::path::PathBuf;

use provost_kyverno::test_file::print::{Format, formatted, table};
use provost_kyverno::test_file::{Report, Row, Selector};

use crate::command::apply::anchors::AnchorFlags;
use crate::command::apply::surroundings::Surroundings;
use crate::face::Face;
use crate::failure::Failure;
use crate::registry_flags::RegistryFlags;
use find::{Found, tests_of};

/// Test Kyverno policies against the results expected of them.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// Folders with tests, those below them included.
    #[arg(value_name = "DIR")]
    folders: Vec<PathBuf>,
    /// How the files with tests are named.
    #[arg(short, long, value_name = "NAME", default_value = "kyverno-test.yaml")]
    file_name: String,
    /// Which expected results are looked at.
    #[arg(
        short,
        long,
        value_name = "policy=…,rule=…,resource=…",
        default_value = "policy=*,rule=*,resource=*"
    )]
    test_case_selector: String,
    /// Print json, yaml, markdown or junit instead of a table.
    #[arg(short, long, value_name = "FORMAT")]
    output_format: Option<String>,
    /// Print what failed, and nothing else.
    #[arg(long)]
    fail_only: bool,
    /// Print the messages too.
    #[arg(long)]
    detailed_results: bool,
    /// Fail when there are no tests.
    #[arg(long)]
    require_tests: bool,
    /// Accepted for compatibility; nothing is coloured.
    #[arg(long)]
    remove_color: bool,
    /// Accepted for compatibility; images are always looked up where policies need it.
    #[arg(long = "registry")]
    registry_access: bool,
    #[command(flatten)]
    anchors: AnchorFlags,
    #[command(flatten)]
    registry: RegistryFlags,
}

/// What all tests together gave.
#[derive(Default)]
struct Sum {
    passed: usize,
    failed: usize,
    /// Policies that cannot be loaded.
    unloadable: usize,
    failures: Vec<Row>,
}

/// Runs the tests, and ends with 1 where a result is not the one expected or a policy could not be loaded.
pub(crate) async fn run(args: Args, face: &Face) -> Result<(), Failure> {
    match all(args, face).await {
        Ok(()) => Ok(()),
        Err(failure) => {
            face.say(format!("Error: {}", failure.words()));
            Err(Failure::quiet(1))
        }
    }
}

async fn all(args: Args, face: &Face) -> Result<(), Failure> {
    if args.folders.is_empty() {
        return Err(Failure::new("requires at least 1 arg(s), only received 0"));
    }
    let format = match args.output_format.as_deref().filter(|name| !name.is_empty()) {
        None => None,
        Some(name) => Some(
            Format::named(name)
                .ok_or_else(|| Failure::new("invalid format, expected (json, yaml, markdown, junit)"))?,
        ),
    };
    let selector = Selector::read(&args.test_case_selector)?;
    let mut tests = Vec::new();
    for folder in &args.folders {
        tests.extend(tests_of(folder, &args.file_name)?);
    }
    if tests.is_empty() {
        face.out("\nNo test yamls available");
        return if args.require_tests { Err(Failure::new("no tests found")) } else { Ok(()) };
    }
    let broken: Vec<_> =
        tests.iter().filter_map(|test| Some((&test.path, test.read.as_ref().err()?))).collect();
    if !broken.is_empty() {
        face.out("\nTest errors:");
        for (path, error) in &broken {
            face.out(format!("  Path: {}\n    Error: {error}", path.display()));
        }
        return Err(Failure::new(format!("found {} errors after loading tests", broken.len())));
    }
    let surroundings = Surroundings::new(args.registry.options(face)?, args.anchors.anchors(face)?);
    let mut sum = Sum::default();
    for test in tests {
        one(&args, format, &selector, test, &surroundings, &mut sum, face).await?;
    }
    let Sum { passed, failed, unloadable, failures } = sum;
    if args.fail_only {
        face.out(format!("\nTest Summary: {failed} out of {} tests failed\n", passed + failed));
    } else {
        face.out(format!("\nTest Summary: {passed} tests passed and {failed} tests failed\n"));
    }
    if failed > 0 {
        if args.fail_only {
            match format {
                Some(format) => {
                    face.out(format!("\n{}\n", formatted(&failures, format, args.detailed_results)))
                }
                None => {
                    face.out("Aggregated Failed Test Cases : ");
                    face.out_raw(table(&failures, args.detailed_results));
                }
            }
        }
        return Err(Failure::new(format!("{failed} tests failed")));
    }
    if unloadable > 0 {
        return Err(Failure::new(format!("{unloadable} policies could not be loaded")));
    }
    Ok(())
}

async fn one(
    args: &Args,
    format: Option<Format>,
    selector: &Selector,
    test: Found,
    surroundings: &Surroundings,
    sum: &mut Sum,
    face: &Face,
) -> Result<(), Failure> {
    let Found { path, read } = test;
    let file = read.map_err(Failure::new)?;
    file.check_schema(&path.display().to_string())?;
    let selected = file.results.iter().filter_map(|expected| selector.selected(expected)).collect::<Vec<_>>();
    if selected.is_empty() {
        return Ok(());
    }
    let case = load::case(&path, file, face)
        .map_err(|failure| Failure::new(format!("failed to run test ({})", failure.words())))?;
    sum.unloadable += case.documents.refused.len();
    let cluster = case.staged();
    let Report { rows, passed, skipped, failed, notes } =
        case.run(&surroundings.world(&cluster), &selected).await;
    face.out("  Checking results ...");
    if !args.fail_only {
        match format {
            Some(format) => face.out(format!("\n{}\n", formatted(&rows, format, args.detailed_results))),
            None => face.out(format!("\n{}", table(&rows, args.detailed_results))),
        }
    }
    for note in notes {
        face.say(note);
    }
    sum.passed += passed + skipped;
    sum.failed += failed;
    for row in rows.into_iter().filter(|row| !row.passed) {
        if !args.detailed_results {
            face.say(format!("{} {} {}: {}", row.policy, row.rule, row.resource, row.message));
        }
        let id = sum.failures.len() + 1;
        sum.failures.push(Row { id, ..row });
    }
    Ok(())
}
