//! Where the workspaces and volumes of a TaskRun lie, and where its steps see them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::super::data::{DataKind, DataSource};
use super::super::error::{Halt, RunError};
use super::super::folders::{Given, Layout, Machine};
use super::super::order::{Order, text_of};
use super::super::spec::{Paths, WorkspacePath};
use crate::beneath::open_folder;
use crate::object::{TaskSpec, Volume};
use crate::step::FolderMount;

/// A workspace or volume of this TaskRun, with its folder.
pub(super) struct Place {
    /// The folder.
    pub(super) folder: PathBuf,
    /// Which part of it.
    pub(super) beneath: PathBuf,
}

/// The folder of every declared workspace that is given.
pub(super) fn places(
    machine: &Machine<'_>,
    order: &Order,
    declared: &TaskSpec,
    layout: &Layout,
) -> Result<BTreeMap<String, Place>, Halt> {
    let mut out = BTreeMap::new();
    for (number, workspace) in declared.workspaces.iter().enumerate() {
        let Some(bound) = order.workspaces.iter().find(|bound| bound.name == workspace.name) else {
            if workspace.optional {
                continue;
            }
            return Err(Halt::fail(
                "TaskRunValidationFailed",
                format!(
                    "bound workspaces did not match declared workspaces: declared workspace \"{}\" is required but has not been bound",
                    workspace.name
                ),
            ));
        };
        let wanted_by = format!("{}: workspace {}", order.object, workspace.name);
        let folder = layout.provide(machine, &bound.given, number, &wanted_by)?;
        // Made here, and found again without following a link by whoever mounts it.
        open_folder(&folder, &bound.sub_path, true)
            .map_err(|error| RunError::io("making the subPath", &folder.join(&bound.sub_path), &error))?;
        out.insert(workspace.name.clone(), Place { folder, beneath: bound.sub_path.clone() });
    }
    Ok(out)
}

/// The paths as steps see them in a container, and in a namespace of their own.
pub(super) fn recorded_paths(order: &Order, declared: &TaskSpec) -> Paths {
    let entries = declared.workspaces.iter().map(|workspace| {
        let bound = order.workspaces.iter().find(|bound| bound.name == workspace.name);
        let path = match (bound, workspace.mount_path.as_str()) {
            (None, _) => String::new(),
            (Some(_), "") => format!("/workspace/{}", workspace.name),
            (Some(_), path) => path.to_owned(),
        };
        let claim = match bound.map(|bound| &bound.given) {
            Some(Given::Shared { claim, .. }) => claim.clone(),
            _ => String::new(),
        };
        (workspace.name.clone(), WorkspacePath { path, bound: bound.is_some(), claim })
    });
    Paths { tekton: "/tekton".to_owned(), workspaces: entries.collect() }
}

/// The paths as they are on this machine.
pub(super) fn real_paths(
    order: &Order,
    declared: &TaskSpec,
    layout: &Layout,
    places: &BTreeMap<String, Place>,
) -> Result<Paths, RunError> {
    let mut paths = recorded_paths(order, declared);
    paths.tekton = text_of(&layout.tekton(), &order.object)?;
    for (name, workspace) in &mut paths.workspaces {
        if let Some(place) = places.get(name) {
            workspace.path = text_of(&place.folder.join(&place.beneath), &order.object)?;
        }
    }
    Ok(paths)
}

pub(super) fn marks(paths: &Paths) -> Paths {
    let mut marked = paths.clone();
    marked.tekton = "PATH".to_owned();
    marked.workspaces.values_mut().for_each(|workspace| workspace.path = "PATH".to_owned());
    marked
}

/// What every step sees: `/workspace`, `/tekton` and the workspaces.
pub(super) fn shared_mounts(
    machine: &Machine<'_>,
    layout: &Layout,
    view: &TaskSpec,
    paths: &Paths,
    places: &BTreeMap<String, Place>,
) -> Vec<FolderMount> {
    if !machine.isolated {
        return Vec::new();
    }
    let whole = |folder: PathBuf, at: &Path| FolderMount {
        folder,
        beneath: PathBuf::new(),
        at: at.to_owned(),
        read_only: false,
    };
    let (workspace, tekton) = (Path::new("/workspace"), Path::new("/tekton"));
    let mut mounts = vec![whole(layout.workspace(), workspace), whole(layout.tekton(), tekton)];
    // As Tekton mounts it: no step changes the commands of the next.
    mounts.push(FolderMount {
        folder: layout.tekton(),
        beneath: PathBuf::from("bin"),
        at: tekton.join("bin"),
        read_only: true,
    });
    // What other tasks work on, and what they will be found to have made, is none of this one's business.
    let run = machine.base();
    if run.parent().is_some() && !run.starts_with(workspace) && !run.starts_with(tekton) {
        mounts.push(whole(layout.nothing(), run));
    }
    for workspace in &view.workspaces {
        let (Some(place), Some(path)) = (places.get(&workspace.name), paths.workspaces.get(&workspace.name))
        else {
            continue;
        };
        mounts.push(FolderMount {
            folder: place.folder.clone(),
            beneath: place.beneath.clone(),
            at: PathBuf::from(&path.path),
            read_only: workspace.read_only,
        });
    }
    mounts
}

/// The folders of the Task's volumes.
pub(super) fn volumes(
    machine: &Machine<'_>,
    order: &Order,
    view: &TaskSpec,
    layout: &Layout,
) -> Result<BTreeMap<String, Place>, RunError> {
    let mut out = BTreeMap::new();
    for (index, volume) in view.volumes.iter().enumerate() {
        let wanted_by = format!("{}: volume {}", order.object, volume.name);
        let number = view.workspaces.len() + index;
        let folder = layout.provide(machine, &given_of(volume), number, &wanted_by)?;
        out.insert(volume.name.clone(), Place { folder, beneath: PathBuf::new() });
    }
    Ok(out)
}

fn given_of(volume: &Volume) -> Given {
    if let Some(secret) = &volume.secret {
        Given::Data(DataSource {
            kind: DataKind::Secret,
            name: secret.secret_name.clone(),
            items: secret.items.clone(),
            optional: secret.optional.unwrap_or(false),
        })
    } else if let Some(map) = &volume.config_map {
        Given::Data(DataSource {
            kind: DataKind::ConfigMap,
            name: map.name.clone(),
            items: map.items.clone(),
            optional: map.optional.unwrap_or(false),
        })
    } else {
        Given::Fresh
    }
}
