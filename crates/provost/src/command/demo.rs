//! `provost demo`: the ten steps of the guide on this machine, each by a command anyone can repeat.

mod gate;
mod guide;
mod registry;
mod scene;
mod steps;
mod told;

use std::path::PathBuf;
use std::time::Instant;

use crate::face::Face;
use crate::failure::Failure;
use scene::Scene;

/// Build, attest, verify, admit, deny: the whole road on this machine.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// Work in this folder, and keep it; it must not exist or be empty.
    #[arg(long, value_name = "FOLDER")]
    dir: Option<PathBuf>,
    /// Keep the folder afterwards.
    #[arg(long)]
    keep: bool,
    /// Use this registry (host:port, plain http on loopback) instead of the embedded one.
    #[arg(long, value_name = "HOST:PORT")]
    registry: Option<String>,
    /// What builds the image inside the pipeline: provost, or buildah where it is installed.
    #[arg(long, default_value = "provost", value_name = "provost|buildah")]
    builder: String,
    /// Print the facts as JSON instead of the story.
    #[arg(long)]
    json: bool,
}

/// Walks the ten steps; the first that does not come out as the guide says ends the demo.
pub(crate) async fn run(args: Args, face: &Face) -> Result<(), Failure> {
    if !matches!(args.builder.as_str(), "provost" | "buildah") {
        return Err(Failure::new(format!("--builder is {:?}: expected provost or buildah", args.builder)));
    }
    let began = Instant::now();
    let folder = Folder::make(args.dir.clone(), args.keep)?;
    let mut registry = registry::Registry::start(&args, &folder.path).await?;
    let mut scene = Scene::new(&folder.path, &registry, &args.builder, !args.json, face)?;
    let walked = steps::walk(&mut scene, &mut registry).await;
    registry.stop().await;
    let facts = match walked {
        Ok(facts) => facts,
        Err(failure) => {
            face.say(format!("The files of the failed demo lie in {}", folder.keep().display()));
            return Err(failure);
        }
    };
    let kept = folder.end()?;
    if args.json {
        face.out(told::json(&scene, &facts, kept.as_deref(), began.elapsed()));
    } else {
        face.out(told::table(&scene, kept.as_deref(), began.elapsed()));
    }
    Ok(())
}

/// The demo's folder: a temporary one that vanishes, or one that stays.
struct Folder {
    path: PathBuf,
    temporary: Option<tempfile::TempDir>,
}

impl Folder {
    fn make(given: Option<PathBuf>, keep: bool) -> Result<Self, Failure> {
        if let Some(path) = given {
            std::fs::create_dir_all(&path)?;
            if std::fs::read_dir(&path)?.next().is_some() {
                return Err(Failure::new(format!(
                    "{} is not empty: expected a new or empty folder",
                    path.display()
                )));
            }
            return Ok(Self { path: path.canonicalize()?, temporary: None });
        }
        let temporary = tempfile::Builder::new().prefix("provost-demo-").tempdir()?;
        let path = temporary.path().to_path_buf();
        let temporary = if keep { drop_guard(temporary) } else { Some(temporary) };
        Ok(Self { path, temporary })
    }

    /// Keeps the folder whatever was asked for, so that a failure can be looked at.
    fn keep(self) -> PathBuf {
        let _ = self.temporary.map(tempfile::TempDir::keep);
        self.path
    }

    /// Removes a temporary folder; tells where a kept one lies.
    fn end(self) -> Result<Option<PathBuf>, Failure> {
        match self.temporary {
            Some(temporary) => {
                temporary.close()?;
                Ok(None)
            }
            None => Ok(Some(self.path)),
        }
    }
}

fn drop_guard(temporary: tempfile::TempDir) -> Option<tempfile::TempDir> {
    let _ = temporary.keep();
    None
}
