//! `provost apply`: Kyverno policies over objects in files, with the lines and exit codes of `kyverno apply`.

pub(crate) mod surroundings;

use std::path::PathBuf;

use provost_kyverno::apply::{Options, apply};
use provost_kyverno::policy::load::Documents;
use provost_kyverno::yaml::written;
use provost_kyverno::{Objects, load};

use crate::face::Face;
use crate::failure::Failure;
use crate::registry_flags::RegistryFlags;
use surroundings::{Surroundings, documents, documents_of_tree};

/// Judge resources by Kyverno policies.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// Files or folders with policies and exceptions; `-` is standard input.
    #[arg(value_name = "POLICY")]
    policies: Vec<PathBuf>,
    /// A file or folder with objects.
    #[arg(short, long = "resource", alias = "resources", value_name = "FILE")]
    resources: Vec<PathBuf>,
    /// A file with exceptions.
    #[arg(short, long = "exception", alias = "exceptions", value_name = "FILE")]
    exceptions: Vec<PathBuf>,
    /// A file with the objects of the cluster that policies ask for: namespaces, ConfigMaps, Secrets.
    #[arg(long, value_name = "FILE")]
    objects: Vec<PathBuf>,
    /// Count failures of rules that only audit as warnings.
    #[arg(long)]
    audit_warn: bool,
    /// The exit code when there are warnings and no failures.
    #[arg(long, value_name = "CODE", default_value_t = 0)]
    warn_exit_code: u8,
    /// Warn, with --warn-exit-code, when nothing passed.
    #[arg(long)]
    warn_no_pass: bool,
    /// Print the results as a table.
    #[arg(short, long)]
    table: bool,
    /// Print the results as an openreports.io report.
    #[arg(short, long)]
    policy_report: bool,
    /// The form of the report: yaml or json.
    #[arg(long, value_name = "FORMAT", default_value = "yaml")]
    output_format: String,
    /// Print the messages in the table too.
    #[arg(long)]
    detailed_results: bool,
    /// Accepted for compatibility; nothing is coloured.
    #[arg(long)]
    remove_color: bool,
    #[command(flatten)]
    registry: RegistryFlags,
}

/// Judges, prints, and ends with 1 where something failed or could not be found out.
pub(crate) async fn run(args: Args, face: &Face) -> Result<(), Failure> {
    if args.policies.is_empty() {
        return Err(Failure::new("require policy"));
    }
    if args.resources.is_empty() {
        return Err(Failure::new("resource file(s) or cluster required"));
    }
    let mut found = Documents::default();
    for path in args.policies.iter().chain(&args.exceptions) {
        for (file, documents) in documents_of_tree(path)? {
            let read = load(&file, &documents);
            found.policies.extend(read.policies);
            found.refused.extend(read.refused);
            found.exceptions.extend(read.exceptions);
        }
    }
    let mut objects = Vec::new();
    for path in &args.resources {
        objects.extend(documents_of_tree(path)?.into_iter().flat_map(|(_, documents)| documents));
    }
    let mut known = Vec::new();
    for path in &args.objects {
        known.extend(documents(path)?);
    }
    // Without --objects there is no cluster, which is not a cluster in which nothing exists.
    let cluster = if args.objects.is_empty() { Objects::absent(known) } else { Objects::new(known) };
    let surroundings = Surroundings::new(args.registry.options(face)?);
    let options = Options { audit_warn: args.audit_warn };
    let report = apply(&surroundings.world(&cluster), &found, &objects, options).await;
    if !args.policy_report {
        face.out_raw(report.head());
    }
    if args.policy_report {
        face.out_raw(report.skipped());
        for (index, report) in report.reports(jiff::Timestamp::now().as_second()).iter().enumerate() {
            if index > 0 || report.pointer("/metadata/namespace").is_some() {
                face.out("---");
            }
            face.out(if args.output_format == "json" { report.to_string() } else { written(report) });
        }
    } else if args.table {
        face.out_raw(report.table(args.detailed_results));
    } else {
        face.out_raw(report.body());
    }
    for note in &report.notes {
        face.say(note);
    }
    let counts = report.counts;
    if counts.fail > 0 || counts.error > 0 || report.unreadable {
        return Err(Failure::quiet(1));
    }
    if counts.warn > 0 && args.warn_exit_code > 0 {
        face.out(format!("exit as warnExitCode is {}", args.warn_exit_code));
        return Err(Failure::quiet(args.warn_exit_code));
    }
    if counts.pass == 0 && args.warn_no_pass {
        face.out("exit as no objects satisfied policy");
        return if args.warn_exit_code == 0 { Ok(()) } else { Err(Failure::quiet(args.warn_exit_code)) };
    }
    Ok(())
}
