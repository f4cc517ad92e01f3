//! `provost apply`: Kyverno policies over objects in files, with the lines and exit codes of `kyverno apply`.

pub(crate) mod anchors;
mod given;
mod left;
pub(crate) mod stored;
pub(crate) mod surroundings;

use std::path::PathBuf;

use provost_kyverno::apply::{Dialect, Options, Report, apply};
use provost_kyverno::message::refusal;
use provost_kyverno::policy::Warning;
use provost_kyverno::yaml::written;

use crate::face::Face;
use crate::failure::Failure;
use crate::registry_flags::RegistryFlags;
use anchors::AnchorFlags;
use given::Given;
use surroundings::Surroundings;

/// The API groups of reports.
#[derive(clap::ValueEnum, Clone, Copy, Debug, Default)]
enum Reports {
    /// openreports.io, as Kyverno's command prints it.
    #[default]
    Openreports,
    /// wgpolicyk8s.io, as clusters mostly have it.
    Wgpolicyk8s,
}

/// Judge resources by Kyverno policies.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// Files or folders with policies and exceptions; `-` is standard input.
    #[arg(value_name = "POLICY")]
    policies: Vec<PathBuf>,
    /// A file or folder with objects; `-` is standard input.
    #[arg(short, long = "resource", alias = "resources", value_name = "FILE", value_delimiter = ',')]
    resources: Vec<PathBuf>,
    /// A file with exceptions.
    #[arg(short, long = "exception", alias = "exceptions", value_name = "FILE", value_delimiter = ',')]
    exceptions: Vec<PathBuf>,
    /// Heed the exceptions among the resources.
    #[arg(long, alias = "exceptions-with-resources")]
    exceptions_within_resources: bool,
    /// Heed the exceptions among the policies.
    #[arg(long, alias = "exceptions-with-policies")]
    exceptions_within_policies: bool,
    /// A file with the objects of the cluster that policies ask for: namespaces, ConfigMaps, Secrets.
    #[arg(long, value_name = "FILE")]
    objects: Vec<PathBuf>,
    /// A file with values of the request and of context entries.
    #[arg(short = 'f', long, value_name = "FILE")]
    values_file: Option<PathBuf>,
    /// A value, as `request.operation=UPDATE`.
    #[arg(short, long, value_name = "NAME=VALUE", value_delimiter = ',')]
    set: Vec<String>,
    /// A file that says who asks, with which roles.
    #[arg(short, long, value_name = "FILE")]
    userinfo: Option<PathBuf>,
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
    /// Print the results as a report.
    #[arg(short, long)]
    policy_report: bool,
    /// Whose form of reports is printed.
    #[arg(long, value_name = "GROUP", value_enum, default_value_t)]
    report_group: Reports,
    /// The form of reports and exceptions: yaml or json.
    #[arg(long, value_name = "FORMAT", default_value = "yaml", value_parser = ["yaml", "json"])]
    output_format: String,
    /// Print an exception for every failure.
    #[arg(long)]
    generate_exceptions: bool,
    /// After which time such exceptions are removed.
    #[arg(long, value_name = "DURATION", default_value = "720h0m0s")]
    generated_exception_ttl: String,
    /// Write the objects as the policies leave them into this file or folder.
    #[arg(short, long, value_name = "PATH")]
    output: Option<PathBuf>,
    /// Print the objects as the policies leave them, and nothing else.
    #[arg(short = 'i', long)]
    stdin: bool,
    /// Print the messages in the table too.
    #[arg(long)]
    detailed_results: bool,
    /// Accepted for compatibility; nothing is coloured.
    #[arg(long)]
    remove_color: bool,
    /// Accepted for compatibility; images are always looked up where policies need it.
    #[arg(long = "registry")]
    registry_access: bool,
    /// Accepted for compatibility; one object's failure never keeps the others from being judged.
    #[arg(long)]
    continue_on_fail: bool,
    #[command(flatten)]
    anchors: AnchorFlags,
    #[command(flatten)]
    registry: RegistryFlags,
}

/// Judges, prints, and ends with 1 where something failed or could not be found out.
pub(crate) async fn run(args: Args, face: &Face) -> Result<(), Failure> {
    let given = Given::read(&args)?;
    let cluster = given.cluster();
    let surroundings = Surroundings::new(args.registry.options(face)?, args.anchors.anchors(face)?);
    let options = Options { audit_warn: args.audit_warn };
    let world = surroundings.world(&cluster);
    let mut report = apply(&world, &given.documents, &given.objects, &given.stage, options).await;
    for policy in &given.documents.policies {
        // That the kind is on its way out is said when a policy is stored, and not every time it is applied.
        let told = policy.warnings.iter().filter(|warning| !matches!(warning, Warning::KindDeprecated(_)));
        report.notes.extend(told.map(|w| format!("Warning: {}: {}", policy.name, refusal::warning(w))));
    }
    report.notes.extend(given.notes);
    print(&args, &report, face)?;
    for note in &report.notes {
        face.say(note);
    }
    exit(&args, &report, face)
}

fn print(args: &Args, report: &Report, face: &Face) -> Result<(), Failure> {
    let json = args.output_format == "json";
    let form = |document: &serde_json::Value| if json { document.to_string() } else { written(document) };
    if let Some(path) = &args.output {
        left::write(path, &report.objects)?;
    }
    if args.stdin {
        for object in &report.objects {
            face.out_raw(format!("\n{}\n---\n", written(object).trim_end()));
        }
    } else if args.policy_report {
        face.out_raw(report.skipped());
        let dialect = match args.report_group {
            Reports::Openreports => Dialect::OpenReports,
            Reports::Wgpolicyk8s => Dialect::PolicyReports,
        };
        let now = jiff::Timestamp::now().as_second();
        for (index, report) in report.reports(now, dialect).iter().enumerate() {
            if index > 0 || report.pointer("/metadata/namespace").is_some() {
                face.out("---");
            }
            face.out(form(report));
        }
    } else if args.generate_exceptions {
        face.out_raw(report.skipped());
        let ends =
            Some(args.generated_exception_ttl.as_str()).filter(|time| !matches!(*time, "" | "0" | "0s"));
        for exception in report.exceptions(ends) {
            face.out("---");
            face.out(form(&exception));
        }
    } else {
        face.out_raw(report.head());
        face.out_raw(if args.table { report.table(args.detailed_results) } else { report.body() });
    }
    Ok(())
}

fn exit(args: &Args, report: &Report, face: &Face) -> Result<(), Failure> {
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
