//! `provost replay`: which decisions of a log other policies would have made otherwise.

use std::io::{BufRead, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use comfy_table::Table;
use comfy_table::presets::UTF8_FULL_CONDENSED;
use provost_gate::log::{Entry, LINE};
use provost_gate::replay::{Basics, Change, Replayed, Replayer, Report, Row};
use provost_kyverno::message::printable;
use provost_kyverno::{Objects, Settings};

use super::apply::anchors::AnchorFlags;
use super::apply::stored;
use super::apply::surroundings::{Registries, documents};
use crate::face::Face;
use crate::failure::Failure;
use crate::machine::Machine;
use crate::registry_flags::RegistryFlags;

/// The exit code when some decision would be another.
const CHANGES: u8 = 3;
/// The exit code when nothing is known to change, and something could not be checked.
const UNCHECKED: u8 = 4;

/// Tell which decisions of a log other policies would have made otherwise.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// A decision log, or `-` for standard input; older parts first.
    #[arg(required = true, value_name = "LOG")]
    logs: Vec<PathBuf>,
    /// A file or folder with policies and exceptions.
    #[arg(long, required = true, value_name = "FILE")]
    policies: Vec<PathBuf>,
    /// A file with the objects that exist in the cluster: namespaces, ConfigMaps, Secrets, role bindings. Without it, what
    /// hangs on them cannot be checked.
    #[arg(long, value_name = "FILE")]
    objects: Vec<PathBuf>,
    /// A table for people, or one JSON document.
    #[arg(long, short, value_name = "FORM", default_value = "table")]
    output: Form,
    #[command(flatten)]
    anchors: AnchorFlags,
    #[command(flatten)]
    registry: RegistryFlags,
}

/// How the result is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Form {
    Table,
    Json,
}

/// Judges every line again. Exit code 0: nothing changes; 1: the log or a file cannot be read; 2: a policy is refused;
/// 3: something changes; 4: nothing is known to change, and something could not be checked.
pub(crate) async fn run(args: Args, face: &Face) -> Result<(), Failure> {
    let found = stored::counting(&args.policies, face)?;
    let mut objects = Vec::new();
    for path in &args.objects {
        objects.extend(documents(path)?);
    }
    let knows_cluster = !args.objects.is_empty();
    let cluster = if knows_cluster { Objects::new(objects) } else { Objects::absent(objects) };
    let settings = Settings::default();
    let mut replayer = Replayer::new(Basics {
        policies: found.policies,
        exceptions: found.exceptions,
        settings: settings.clone(),
        cluster: Arc::new(cluster),
        knows_cluster,
        stores: Arc::new(Registries::new(args.registry.options(face)?)),
        machine: Arc::new(Machine),
        anchors: Arc::new(args.anchors.anchors(face)?),
    });
    let mut report = Report::default();
    for path in &args.logs {
        let name = path.display().to_string();
        let failed = |error: std::io::Error| Failure::new(format!("{name}: {error}"));
        let mut lines = opened(path).map_err(failed)?;
        let mut number = 0_usize;
        while let Some(line) = next_line(&mut lines).map_err(failed)? {
            number += 1;
            match serde_json::from_slice::<Entry>(&line) {
                _ if line.trim_ascii().is_empty() => {}
                Ok(entry) => {
                    if report.wants(&entry, &settings) {
                        let now = replayer.now(&entry).await;
                        report.add(&entry, now);
                    }
                }
                Err(error) => {
                    face.say(format!("{name}, line {number}: expected a line of a decision log: {error}"));
                    report.unread();
                }
            }
        }
    }
    let replayed = report.done();
    match args.output {
        Form::Json => face.out(serde_json::to_string_pretty(&replayed)?),
        Form::Table => face.out(text(&replayed)),
    }
    if replayed.would_deny + replayed.would_let_in > 0 {
        return Err(Failure::quiet(CHANGES));
    }
    if replayed.could_not_check + replayed.unread > 0 {
        return Err(Failure::quiet(UNCHECKED));
    }
    Ok(())
}

fn opened(path: &Path) -> std::io::Result<Box<dyn BufRead>> {
    Ok(match path.as_os_str() == "-" {
        true => Box::new(BufReader::new(std::io::stdin())),
        false => Box::new(BufReader::new(std::fs::File::open(path)?)),
    })
}

/// The next line, or one byte more than a line may have; the rest of a longer one is passed over.
fn next_line(from: &mut dyn BufRead) -> std::io::Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    from.take(LINE as u64 + 1).read_until(b'\n', &mut line)?;
    if line.len() > LINE && line.last() != Some(&b'\n') {
        from.skip_until(b'\n')?;
    }
    Ok(Some(line).filter(|line| !line.is_empty()))
}

/// The groups as a table, and the counts.
fn text(replayed: &Replayed) -> String {
    let mut text = String::new();
    if !replayed.rows.is_empty() {
        let mut table = Table::new();
        table.load_preset(UTF8_FULL_CONDENSED);
        table.set_header(["change", "object", "asked by", "images", "decisions", "last", "why"]);
        for row in &replayed.rows {
            table.add_row(cells(row));
        }
        text = format!("{table}\n");
    }
    let Replayed { lines, judged, still_allowed, still_denied, would_deny, would_let_in, .. } = replayed;
    text += &format!(
        "{judged} decisions judged again: {would_deny} would be denied, {would_let_in} would be let in, {still_allowed} are let in as before, {still_denied} are denied as before, {} could not be checked\n{lines} lines: {} passed over (second answers, dry runs, what filters leave out), {} unread",
        replayed.could_not_check, replayed.passed_over, replayed.unread,
    );
    if replayed.not_listed > 0 {
        text += &format!("\n{} more decisions are counted and not listed", replayed.not_listed);
    }
    text
}

fn cells(row: &Row) -> [String; 7] {
    let change = match (row.change, row.was_allowed) {
        (Change::WouldDeny, _) => "would be denied",
        (Change::WouldLetIn, _) => "would be let in",
        (Change::CouldNotCheck, true) => "could not check; was let in",
        (Change::CouldNotCheck, false) => "could not check; was denied",
    };
    let why: Vec<String> = match row.change {
        Change::CouldNotCheck => row.could_not_check.clone(),
        _ => {
            row.denied_by.iter().map(|why| format!("{}.{}: {}", why.policy, why.rule, why.message)).collect()
        }
    };
    let object = format!("{} {}/{}/{}", row.operation, row.kind, row.namespace, row.name);
    [
        change.to_owned(),
        printable(&object),
        printable(&row.user),
        printable(&row.images.join("\n")),
        row.decisions.to_string(),
        row.last.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        printable(&why.join("\n")),
    ]
}
