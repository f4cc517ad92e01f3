//! `provost run`: runs Tekton pipelines and tasks on this machine.

mod progress;
mod signing;
mod strays;

use std::collections::BTreeMap;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use provost_tekton::object::read::{MAX_FILE, ReadError};
use provost_tekton::object::{Document, Param, ParamValue, read_documents};
use provost_tekton::run::{self, Finished, Isolation, RunRequest};
use tokio::signal::unix::{SignalKind, signal};

use crate::face::Face;
use crate::failure::Failure;
use progress::Progress;
use signing::SignFlags;

/// Runs the PipelineRun or TaskRun among the given files, as Tekton would on a cluster.
///
/// Steps are processes of this machine, each in namespaces of its own where the kernel grants them; the image a step names
/// is not run. Tasks and Pipelines, also those a resolver would fetch, are looked up among the files. What Tekton would
/// leave is written as YAML: the PipelineRun and its TaskRuns.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// A file of Tekton objects, YAML or JSON; `-` for standard input. May be repeated.
    #[arg(short, long, value_name = "FILE", required = true, num_args = 1..)]
    filename: Vec<PathBuf>,
    /// Which run, where the files hold several.
    #[arg(long, value_name = "[KIND/]NAME")]
    run: Option<String>,
    /// A parameter that replaces or joins those of the run; an array or object is given as JSON.
    #[arg(short, long, value_name = "NAME=VALUE")]
    param: Vec<String>,
    /// A local folder or file in place of a Secret.
    #[arg(long, value_name = "NAME=PATH")]
    secret: Vec<String>,
    /// A local folder or file in place of a ConfigMap.
    #[arg(long, value_name = "NAME=PATH")]
    config_map: Vec<String>,
    /// Where the run's folders are made and left, out of sight of its steps; a temporary folder that vanishes otherwise.
    #[arg(long, value_name = "FOLDER")]
    dir: Option<PathBuf>,
    /// Where the finished runs are written, instead of standard output.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// How many tasks run side by side.
    #[arg(long, value_name = "NUMBER", default_value_t = run::DEFAULT_PARALLEL)]
    parallel: usize,
    /// Run steps without namespaces; paths then reach them through variables only.
    #[arg(long)]
    no_isolation: bool,
    #[command(flatten)]
    signing: SignFlags,
}

/// Runs, writes the finished runs, and fails where the run failed.
///
/// # Errors
/// The file, object and field that keeps the run from running; exit code 1 where it ran and failed.
pub(crate) async fn run(args: Args, face: &Face) -> Result<(), Failure> {
    let signing = args.signing.prepare(face)?;
    let request = request(&args, face)?;
    strays::adopt()?;
    let carried_out = carry_out(request, face).await;
    strays::end().await?;
    let mut finished = carried_out?;
    // Every process of the run has ended by here, so only now may a key be opened (security rule 34).
    let signed = match &signing {
        Some(signing) => signing.sign(&mut finished, face).await,
        None => Ok(()),
    };
    // What ran is written whether or not it could be signed.
    let yaml = written(&finished)?;
    match &args.output {
        Some(path) => replace(path, yaml.as_bytes())?,
        None => face.out_raw(yaml),
    }
    signed?;
    if finished.succeeded() { Ok(()) } else { Err(Failure::quiet(1)) }
}

/// Runs to the end, or until it is told to stop; either way no process is left, nor a temporary folder with its Secrets.
async fn carry_out(request: RunRequest, face: &Face) -> Result<Finished, Failure> {
    let progress = Progress::new(face);
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        finished = run::run(request, &progress) => {
            let finished = finished?;
            progress.ended(&finished);
            Ok(finished)
        }
        _ = tokio::signal::ctrl_c() => {
            // 128 and the number of the interrupt, as a shell would have it.
            Err(Failure::coded(130, "interrupted: the run was given up, and its steps were ended"))
        }
        _ = terminate.recv() => {
            Err(Failure::coded(143, "terminated: the run was given up, and its steps were ended"))
        }
    }
}

fn request(args: &Args, face: &Face) -> Result<RunRequest, Failure> {
    let mut objects: Vec<Document> = Vec::new();
    for path in &args.filename {
        objects.extend(read(path)?);
    }
    let program =
        std::env::current_exe().map_err(|error| Failure::from(error).context("finding this program"))?;
    let mut request = RunRequest::new(objects, program);
    request.select.clone_from(&args.run);
    for text in &args.param {
        let (name, value) = pair(text, "--param", "NAME=VALUE")?;
        request.params.push(Param { name: name.to_owned(), value: ParamValue::String(value.to_owned()) });
    }
    request.secrets = places(&args.secret, "--secret")?;
    request.config_maps = places(&args.config_map, "--config-map")?;
    request.folder.clone_from(&args.dir);
    request.parallel = args.parallel;
    if let Some(path) = face.environment.text("PATH") {
        request.path = path;
    }
    if args.no_isolation {
        request.isolation = Isolation::Off;
    }
    Ok(request)
}

fn read(path: &Path) -> Result<Vec<Document>, Failure> {
    use std::io::Read;
    let file = path.display().to_string();
    let failed = |error: std::io::Error| Failure::from(error).context(&file);
    let mut bytes = Vec::new();
    // One byte more than is allowed, so that too much is noticed without being read.
    let limit = MAX_FILE as u64 + 1;
    if file == "-" {
        std::io::stdin().lock().take(limit).read_to_end(&mut bytes).map_err(failed)?;
    } else {
        std::fs::File::open(path).map_err(failed)?.take(limit).read_to_end(&mut bytes).map_err(failed)?;
    }
    Ok(read_documents(&file, &bytes).map_err(|error: ReadError| error)?)
}

fn pair<'t>(text: &'t str, flag: &str, form: &str) -> Result<(&'t str, &'t str), Failure> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name, value)),
        _ => Err(Failure::new(format!("{flag} {text:?}: expected {form}"))),
    }
}

fn places(texts: &[String], flag: &str) -> Result<BTreeMap<String, PathBuf>, Failure> {
    let read = texts.iter().map(|text| {
        let (name, path) = pair(text, flag, "NAME=PATH")?;
        Ok((name.to_owned(), PathBuf::from(path)))
    });
    read.collect()
}

/// The finished runs, the PipelineRun first.
fn written(finished: &Finished) -> Result<String, Failure> {
    let mut out = String::new();
    let values = finished
        .pipeline_run
        .iter()
        .map(serde_json::to_value)
        .chain(finished.task_runs.iter().map(serde_json::to_value));
    // Long texts on one line, as kubectl writes them, so that a reader's grep finds what it looks for.
    let options = serde_saphyr::ser_options! { folded_wrap_chars: usize::MAX };
    for value in values {
        out.push_str("---\n");
        out.push_str(&serde_saphyr::to_string_with_options(&value?, options.clone())?);
        if !out.ends_with('\n') {
            out.push('\n');
        }
    }
    Ok(out)
}

/// Writes a file so that a reader sees the old one or the new one, never half; what is no file (a pipe, `/dev/null`) is
/// written to as it is.
fn replace(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let failed = |error: std::io::Error| Failure::from(error).context(&path.display().to_string());
    if path.metadata().is_ok_and(|found| !found.is_file()) {
        return std::fs::write(path, bytes).map_err(failed);
    }
    let folder = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // The file is no secret: whoever may read what this user writes may read it.
    let permissions = std::fs::Permissions::from_mode(0o666);
    let mut file = tempfile::Builder::new().permissions(permissions).tempfile_in(folder).map_err(failed)?;
    file.write_all(bytes).map_err(failed)?;
    file.persist(path).map_err(|error| failed(error.error))?;
    Ok(())
}
