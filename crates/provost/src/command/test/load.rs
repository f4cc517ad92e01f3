//! Loads what a test names: policies, objects, values, a user, exceptions.

use std::collections::BTreeMap;
use std::path::Path;

use provost_kyverno::policy::load::Documents;
use provost_kyverno::test_file::{Case, Mocks, TestFile, TestFileError, UserInfo, Values};
use provost_kyverno::{load, message};
use serde_json::Value;

use crate::command::apply::surroundings::{documents, documents_of_tree, one_document};
use crate::face::Face;
use crate::failure::Failure;

/// The groups of policies of other kinds than those judged here.
const OTHER_POLICIES: [&str; 2] = ["policies.kyverno.io/", "admissionregistration.k8s.io/"];

/// A test with all it names, told in Kyverno's lines while it loads.
pub(super) fn case(path: &Path, file: TestFile, face: &Face) -> Result<Case, Failure> {
    let folder = path.parent().unwrap_or(Path::new("."));
    face.out(format!("Loading test {} ( {} ) ...", file.name(), path.display()));
    face.out("  Loading values/variables ...");
    let values = match (&file.values, named(file.variables.as_ref())) {
        (Some(values), _) => values.clone(),
        (None, Some(name)) => {
            let document = one_document(&folder.join(name))?;
            Values::read(name, &document)?
        }
        (None, None) => Values::default(),
    };
    let user = match named(file.user.as_ref()) {
        None => None,
        Some(name) => {
            face.out("  Loading user infos ...");
            let document = one_document(&folder.join(name))?;
            Some(UserInfo::read(name, &document)?)
        }
    };
    face.out("  Loading policies ...");
    let mut found = policies(folder, &file.policies)?;
    for refusal in &found.refused {
        face.out(format!("  ERROR: {}: {}", refusal.file, message::refusal::of(refusal)));
    }
    face.out("  Loading resources ...");
    let mut resources = Vec::new();
    for name in &file.resources {
        let read = documents_of_tree(&folder.join(name))
            .map_err(|e| e.context("error: failed to load resources"))?;
        resources.extend(read.into_iter().flat_map(|(_, documents)| documents));
    }
    let cluster = cluster(folder, &file.cluster_resources)?;
    face.out("  Loading exceptions ...");
    let excepted = exceptions(folder, &file.exceptions)?;
    for refusal in &excepted.refused {
        face.out(format!("  ERROR: {}: {}", refusal.file, message::refusal::of(refusal)));
    }
    found.exceptions = excepted.exceptions;
    found.refused.extend(excepted.refused);
    let mut patched = BTreeMap::new();
    for name in file.results.iter().filter_map(|expected| named(expected.patched_resources.as_ref())) {
        patched.insert(name.clone(), documents(&folder.join(name))?);
    }
    let policy_count = found.policies.len() + found.refused.len();
    let mut mocks =
        Mocks { responses: file.api_call_responses.clone(), entries: file.global_context_entries.clone() };
    for entry in &mut mocks.entries {
        let Some(names) = entry.resource_files.clone() else { continue };
        let mut objects = Vec::new();
        for name in names {
            objects.extend(documents(&folder.join(name.trim()))?);
        }
        entry.fill(objects);
    }
    let case = Case { file, values, user, documents: found, resources, cluster, mocks, patched };
    let (case, duplicates) = case.without_duplicates();
    for twice in duplicates {
        face.out(format!(
            "  warning: found duplicated resource {} {} {}",
            twice.kind.kind, twice.name, twice.namespace
        ));
    }
    let counted = |n: usize, one: &str, many: &str| format!("{n} {}", if n == 1 { one } else { many });
    face.out(format!(
        "  Applying {} to {} with {} ...",
        counted(policy_count, "policy", "policies"),
        counted(case.resources.len(), "resource", "resources"),
        counted(case.documents.exceptions.len(), "exception", "exceptions"),
    ));
    Ok(case)
}

/// A path that says something.
fn named(path: Option<&String>) -> Option<&String> {
    path.filter(|path| !path.is_empty())
}

/// The policies; exceptions count only where the test names them as such.
fn policies(folder: &Path, names: &[String]) -> Result<Documents, Failure> {
    let mut found = Documents::default();
    for name in names {
        let read =
            documents_of_tree(&folder.join(name)).map_err(|e| e.context("error: failed to load policies"))?;
        for (file, documents) in read {
            let text = |document: &Value, name: &str| {
                document.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
            };
            let is_other = |d: &&Value| OTHER_POLICIES.iter().any(|g| text(d, "apiVersion").starts_with(g));
            if let Some(other) = documents.iter().find(is_other) {
                let field = format!("kind {}", text(other, "kind"));
                return Err(TestFileError::Unsupported { path: file, field }.into());
            }
            let read = load(&file, &documents);
            found.policies.extend(read.policies);
            found.refused.extend(read.refused);
        }
    }
    Ok(found)
}

fn exceptions(folder: &Path, names: &[String]) -> Result<Documents, Failure> {
    let mut found = Documents::default();
    for name in names {
        let read = documents_of_tree(&folder.join(name))
            .map_err(|e| e.context("error: failed to load exceptions"))?;
        for (file, documents) in read {
            let read = load(&file, &documents);
            if let Some(kind) = read.others.first() {
                return Err(Failure::new(format!("{file}: expected kind PolicyException, found {kind:?}")));
            }
            found.exceptions.extend(read.exceptions);
            found.refused.extend(read.refused);
        }
    }
    Ok(found)
}

/// The objects of files of kind `ClusterResource`.
fn cluster(folder: &Path, names: &[String]) -> Result<Vec<Value>, Failure> {
    let mut objects = Vec::new();
    for name in names {
        let document = one_document(&folder.join(name))?;
        let kind = document.get("kind").and_then(Value::as_str).unwrap_or_default();
        if kind != "ClusterResource" {
            let found = kind.to_owned();
            return Err(TestFileError::Kind { path: name.clone(), expected: "ClusterResource", found }.into());
        }
        let listed = document.pointer("/spec/resources").and_then(Value::as_array);
        objects.extend(listed.into_iter().flatten().cloned());
    }
    Ok(objects)
}
