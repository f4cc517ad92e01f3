//! The machine a run has: its folders, its clock, what its steps really are.

use std::fs;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use provost_oci::{Algorithm, Hasher};

use super::catalog::Catalog;
use super::data::{self, DataSource};
use super::error::RunError;
use super::{Event, RunEvents, RunRequest};
use crate::beneath::open_folder;
use crate::object::Time;

/// The repository part of the image id of a step that ran on this machine and not in its image.
const HOST: &str = "local.provost/host";

/// What everything in one run shares.
pub(crate) struct Machine<'r> {
    /// What was asked.
    pub(crate) request: &'r RunRequest,
    /// The objects of the files.
    pub(crate) catalog: &'r Catalog<'r>,
    /// Whether steps get namespaces.
    pub(crate) isolated: bool,
    /// What each step really was: this program, not the image it asked for.
    pub(crate) image_id: String,
    events: &'r dyn RunEvents,
    base: PathBuf,
    taken: AtomicUsize,
}

impl<'r> Machine<'r> {
    pub(crate) fn new(
        request: &'r RunRequest,
        catalog: &'r Catalog<'r>,
        events: &'r dyn RunEvents,
        base: &Path,
        isolated: bool,
    ) -> Result<Self, RunError> {
        // Variables and mounts carry the path as text, from the root on.
        let base = fs::canonicalize(base).map_err(|error| RunError::io("finding", base, &error))?;
        let image_id = format!("{HOST}@{}", digest_of(&request.program)?);
        Ok(Self { request, catalog, isolated, image_id, events, base, taken: AtomicUsize::new(0) })
    }

    pub(crate) fn tell(&self, event: Event<'_>) {
        self.events.happened(event);
    }

    pub(crate) fn now(&self) -> Time {
        Time(self.request.source.now())
    }

    pub(crate) fn uid(&self) -> String {
        self.request.source.uid()
    }

    /// The folder of the whole run, with those of all its tasks.
    pub(crate) fn base(&self) -> &Path {
        &self.base
    }

    /// A fresh folder; the number keeps names apart, whatever is in `--dir` already.
    pub(crate) fn fresh(&self, name: &str) -> Result<PathBuf, RunError> {
        loop {
            let number = self.taken.fetch_add(1, Ordering::Relaxed);
            let folder = self.base.join(format!("{number:03}-{name}"));
            match fs::create_dir(&folder) {
                Ok(()) => return Ok(folder),
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(RunError::io("making", &folder, &error)),
            }
        }
    }
}

fn digest_of(program: &Path) -> Result<provost_oci::Digest, RunError> {
    let failed = |error: std::io::Error| RunError::io("reading", program, &error);
    let mut file = fs::File::open(program).map_err(failed)?;
    let mut hasher = Hasher::new(Algorithm::Sha256);
    let mut buffer = vec![0; 256 * 1024];
    loop {
        match file.read(&mut buffer).map_err(failed)? {
            0 => return Ok(hasher.finish()),
            count => hasher.update(buffer.get(..count).unwrap_or_default()),
        }
    }
}

/// What a workspace or volume is filled with.
#[derive(Debug, Clone)]
pub(crate) enum Given {
    /// A fresh folder for each TaskRun.
    Fresh,
    /// A folder of the whole run, with the name of its claim.
    Shared {
        /// The folder.
        folder: PathBuf,
        /// The claim's name.
        claim: String,
    },
    /// The data of a Secret or ConfigMap.
    Data(DataSource),
}

/// The folders of one TaskRun.
pub(crate) struct Layout {
    base: PathBuf,
    /// The results folder, opened before any step could put another in its place.
    pub(crate) results: OwnedFd,
    /// The scripts folder, opened as early.
    pub(crate) scripts: OwnedFd,
}

impl Layout {
    /// Makes the folders, with this program as `provost` among the commands.
    pub(crate) fn make(machine: &Machine<'_>) -> Result<Self, RunError> {
        let base = machine.fresh("task")?;
        for name in [
            "root",
            "nothing",
            "volumes",
            "workspace",
            "tekton",
            "tekton/bin",
            "tekton/home",
            "tekton/results",
            "tekton/scripts",
            "tekton/steps",
        ] {
            let folder = base.join(name);
            fs::create_dir(&folder).map_err(|error| RunError::io("making", &folder, &error))?;
        }
        let link = base.join("tekton/bin/provost");
        std::os::unix::fs::symlink(&machine.request.program, &link)
            .map_err(|error| RunError::io("making", &link, &error))?;
        let open = |name: &str| {
            open_folder(&base.join(name), Path::new(""), false)
                .map_err(|error| RunError::io("opening", &base.join(name), &error))
        };
        let (results, scripts) = (open("tekton/results")?, open("tekton/scripts")?);
        Ok(Self { base, results, scripts })
    }

    /// The folder the steps see as `/workspace`.
    pub(crate) fn workspace(&self) -> PathBuf {
        self.base.join("workspace")
    }

    /// The folder the steps see as `/tekton`.
    pub(crate) fn tekton(&self) -> PathBuf {
        self.base.join("tekton")
    }

    /// The empty folder on which the root of step `index` is mounted.
    pub(crate) fn root(&self) -> PathBuf {
        self.base.join("root")
    }

    /// The empty folder that steps see in the place of the whole run's.
    pub(crate) fn nothing(&self) -> PathBuf {
        self.base.join("nothing")
    }

    /// The file that says what step `index` runs.
    pub(crate) fn spec(&self, index: usize) -> PathBuf {
        self.base.join(format!("step-{index}.json"))
    }

    /// The folder behind a workspace or volume, filled.
    pub(crate) fn provide(
        &self,
        machine: &Machine<'_>,
        given: &Given,
        number: usize,
        wanted_by: &str,
    ) -> Result<PathBuf, RunError> {
        let folder = match given {
            Given::Shared { folder, .. } => return Ok(folder.clone()),
            Given::Fresh | Given::Data(_) => self.base.join("volumes").join(number.to_string()),
        };
        fs::create_dir(&folder).map_err(|error| RunError::io("making", &folder, &error))?;
        if let Given::Data(source) = given {
            data::write(machine, source, &folder, wanted_by)?;
        }
        Ok(folder)
    }
}
