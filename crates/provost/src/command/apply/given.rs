//! What `apply` is given: policies, exceptions, objects, values, a user, and what it was told to leave aside.

use jiff::Timestamp;
use provost_kyverno::apply::Stage;
use provost_kyverno::load;
use provost_kyverno::policy::load::Documents;
use provost_kyverno::test_file::values::Staged;
use provost_kyverno::test_file::{Mocks, UserInfo, Values};
use serde_json::Value;

use super::Args;
use super::surroundings::{documents, documents_of_tree, one_document};
use crate::failure::Failure;

/// Everything that is read before anything is judged.
pub(super) struct Given {
    /// Policies and exceptions.
    pub(super) documents: Documents,
    /// The objects that are judged.
    pub(super) objects: Vec<Value>,
    /// What stands in for the request around them.
    pub(super) stage: Stage,
    /// What is left aside, for standard error.
    pub(super) notes: Vec<String>,
    /// The objects of the cluster, and whether there is one.
    known: (Vec<Value>, bool),
}

impl Given {
    /// Reads what the arguments name.
    pub(super) fn read(args: &Args) -> Result<Self, Failure> {
        if args.values_file.is_some() && !args.set.is_empty() {
            return Err(Failure::new("pass the values either using set flag or values_file flag"));
        }
        if args.policies.is_empty() {
            return Err(Failure::new("require policy"));
        }
        let is_input = |path: &&std::path::PathBuf| path.as_os_str() == "-";
        if args.policies.iter().any(|path| is_input(&path))
            && args.resources.iter().any(|path| is_input(&path))
        {
            return Err(Failure::new("a stdin pipe can be used for either policies or resources, not both"));
        }
        if args.resources.is_empty() {
            return Err(Failure::new("resource file(s) or cluster required"));
        }
        let mut given = Self {
            documents: Documents::default(),
            objects: Vec::new(),
            stage: stage(args)?,
            notes: Vec::new(),
            known: (Vec::new(), !args.objects.is_empty()),
        };
        given.policies(args)?;
        given.resources(args)?;
        let now = Timestamp::now();
        given.notes.extend(given.documents.exceptions.iter().filter_map(|one| one.remark()));
        given.documents.exceptions.retain(|one| one.counts_at(now));
        for path in &args.objects {
            given.known.0.extend(documents(path)?);
        }
        Ok(given)
    }

    fn policies(&mut self, args: &Args) -> Result<(), Failure> {
        let within = args.policies.iter().map(|path| (path, args.exceptions_within_policies));
        for (path, excepts) in within.chain(args.exceptions.iter().map(|path| (path, true))) {
            for (file, documents) in documents_of_tree(path)? {
                let read = load(&file, &documents);
                self.documents.policies.extend(read.policies);
                self.documents.refused.extend(read.refused);
                match (excepts, read.exceptions.len()) {
                    (true, _) => self.documents.exceptions.extend(read.exceptions),
                    (false, 0) => {}
                    (false, n) => self.notes.push(format!(
                        "{file}: {n} exception(s) among the policies count only with --exceptions-within-policies"
                    )),
                }
                for kind in read.others {
                    self.notes
                        .push(format!("{file}: a document of kind {kind:?} is no policy and is left aside"));
                }
            }
        }
        Ok(())
    }

    fn resources(&mut self, args: &Args) -> Result<(), Failure> {
        for path in &args.resources {
            for (file, documents) in documents_of_tree(path)? {
                if args.exceptions_within_resources {
                    let read = load(&file, &documents);
                    self.documents.exceptions.extend(read.exceptions);
                    let broken = |refused: &&provost_kyverno::Refusal| refused.kind == "PolicyException";
                    self.documents.refused.extend(read.refused.iter().filter(broken).cloned());
                }
                let global =
                    |one: &&Value| one.get("kind").and_then(Value::as_str) == Some("GlobalContextEntry");
                self.known.0.extend(documents.iter().filter(global).cloned());
                self.objects.extend(documents.into_iter().filter(|one| !global(&one)));
            }
        }
        Ok(())
    }

    /// The cluster that is judged in. Without objects of one there is none, which is not a cluster in which nothing
    /// exists.
    pub(super) fn cluster(&self) -> Staged {
        let (known, all) = self.known.clone();
        Staged::new(known, all, Mocks::default(), &self.stage.values, self.stage.user.as_ref())
    }
}

fn stage(args: &Args) -> Result<Stage, Failure> {
    let mut values = match &args.values_file {
        None => Values::default(),
        Some(path) => Values::read(&path.display().to_string(), &one_document(path)?)?,
    };
    for pair in &args.set {
        values.set(pair)?;
    }
    let user = match &args.userinfo {
        None => None,
        Some(path) => Some(UserInfo::read(&path.display().to_string(), &one_document(path)?)?),
    };
    Ok(Stage { values, user })
}
