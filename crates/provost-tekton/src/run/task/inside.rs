//! What a step's process is told: its command, its environment, its folders.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use nix::fcntl::{OFlag, openat};
use nix::sys::stat::Mode;

use super::super::data::{self, DataKind};
use super::super::error::RunError;
use super::super::order::text_of;
use super::super::substitute::environment_in;
use super::Stage;
use crate::beneath::stays;
use crate::object::Step;
use crate::step::{FolderMount, Namespace, StepSpec};

impl Stage<'_, '_> {
    /// What the step's process is told.
    pub(super) fn spec_of(&self, step: &Step, index: usize, object: &str) -> Result<StepSpec, RunError> {
        let isolated = self.machine.isolated;
        let (tekton, workspace) = (self.layout.tekton(), self.layout.workspace());
        let seen =
            |real: &Path, canonical: &str| if isolated { PathBuf::from(canonical) } else { real.to_owned() };
        let (tekton_seen, workspace_seen) = (seen(&tekton, "/tekton"), seen(&workspace, "/workspace"));
        let environment = self.environment(step, &text_of(&tekton_seen, object)?, object)?;
        let mut command = Vec::new();
        if step.script.is_empty() {
            command.extend(step.command.iter().flatten().cloned());
        } else {
            let script = format!("script-{index}");
            write_script(&self.layout.scripts, &script, &step.script)?;
            command.push(text_of(&tekton_seen.join("scripts").join(&script), object)?);
        }
        command.extend(step.args.iter().flatten().cloned());
        let command = command
            .iter()
            .map(|part| environment_in(part, &environment))
            .collect::<Result<_, _>>()
            .map_err(RunError::substitute(object))?;
        // An absolute path replaces what it is joined to.
        let working_dir = workspace_seen.join(&step.working_dir);
        let namespace = if isolated {
            let mut mounts = self.mounts.clone();
            for mount in &step.volume_mounts {
                let Some(place) = self.volumes.get(&mount.name) else {
                    return Err(RunError::invalid(
                        object,
                        "volumeMounts[].name",
                        "a volume of the Task",
                        &mount.name,
                    ));
                };
                let beneath = PathBuf::from(&mount.sub_path);
                if !stays(&beneath) {
                    return Err(RunError::invalid(
                        object,
                        "volumeMounts[].subPath",
                        "a path within the volume",
                        &mount.sub_path,
                    ));
                }
                let at = PathBuf::from(&mount.mount_path);
                mounts.push(FolderMount {
                    folder: place.folder.clone(),
                    beneath,
                    at,
                    read_only: mount.read_only,
                });
            }
            Some(Namespace { root: self.layout.root(), mounts })
        } else {
            None
        };
        Ok(StepSpec { command, environment, working_dir, namespace })
    }

    /// The whole environment of a step: a short list of ours, then the step's own.
    fn environment(
        &self,
        step: &Step,
        tekton: &str,
        object: &str,
    ) -> Result<BTreeMap<String, String>, RunError> {
        let request = self.machine.request;
        let mut out = request.environment.clone();
        out.insert("PATH".to_owned(), format!("{tekton}/bin:{}", request.path));
        out.insert("HOME".to_owned(), format!("{tekton}/home"));
        out.insert("LANG".to_owned(), "C.UTF-8".to_owned());
        for from in &step.env_from {
            let sources = [(DataKind::Secret, &from.secret_ref), (DataKind::ConfigMap, &from.config_map_ref)];
            for (kind, reference) in sources {
                let Some(reference) = reference else { continue };
                let found = data::variables(self.machine, kind, reference, object)?;
                out.extend(found.into_iter().map(|(key, value)| (format!("{}{key}", from.prefix), value)));
            }
        }
        for variable in &step.env {
            let value = match &variable.value_from {
                None => Some(environment_in(&variable.value, &out).map_err(RunError::substitute(object))?),
                Some(from) => {
                    let secret = from.get("secretKeyRef").map(|reference| (DataKind::Secret, reference));
                    let map = from.get("configMapKeyRef").map(|reference| (DataKind::ConfigMap, reference));
                    match secret.or(map) {
                        Some((kind, reference)) => data::variable(self.machine, kind, reference, object)?,
                        None => None,
                    }
                }
            };
            if variable.name.is_empty() || variable.name.contains(['=', '\0']) {
                return Err(RunError::invalid(object, "env[].name", "a variable's name", &variable.name));
            }
            if let Some(value) = value {
                out.insert(variable.name.clone(), value);
            }
        }
        Ok(out)
    }
}

/// Writes a script so that it can be run; without a shebang it is a shell's, and stops at the first error.
///
/// The folder was opened before any step ran and the file must be new, so no step can turn the writing elsewhere.
fn write_script(folder: &OwnedFd, name: &str, script: &str) -> Result<(), RunError> {
    let failed = |error: std::io::Error| RunError::io("writing", Path::new(name), &error);
    let text =
        if script.starts_with("#!") { script.to_owned() } else { format!("#!/bin/sh\nset -e\n{script}") };
    let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let file =
        openat(folder, name, flags, Mode::from_bits_truncate(0o755)).map_err(|errno| failed(errno.into()))?;
    fs::File::from(file).write_all(text.as_bytes()).map_err(failed)
}
