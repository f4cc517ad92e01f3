//! Working without a cluster: policies and objects from files, read again when they change.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use provost_gate::Parts;
use provost_gate::filters::Filters;
use provost_gate::server::{ExceptionScope, Readiness, Say};
use provost_gate::sight::Sight;
use provost_kube::admission::Configured;
use provost_kyverno::cluster::{Call, Roles, User};
use provost_kyverno::message::refusal;
use provost_kyverno::policy::load::Documents;
use provost_kyverno::{Cluster, ClusterError, Objects, Policy, Settings};
use provost_serve::Certificates;
use serde_json::Value;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::audit::Audit;
use super::certificate_folder::CertificateFolder;
use super::console::{Visitors, hearer};
use super::serving::{Behind, Serving, nothing_else};
use super::{Args, Common, namespace};
use crate::command::apply::stored;
use crate::command::apply::surroundings::documents;
use crate::face::Face;
use crate::failure::Failure;
use crate::machine::Machine;

/// How often it is looked whether files have changed, so that a change counts within a second.
const ROUND: Duration = Duration::from_millis(250);
/// How long files must stay as they are before they are read.
const SETTLED: Duration = Duration::from_millis(100);
/// The most files that are looked at: policies of a thousand teams.
const FILES_LIMIT: usize = 10_000;

/// Answers by files until it is told to stop.
pub(super) async fn run(args: Args, common: Common, face: &Face) -> Result<(), Failure> {
    let Common { options, anchors, record, say, .. } = common.clone();
    let mut files = Files {
        policies: args.policies.clone(),
        objects: args.objects.clone(),
        config_map: (namespace(face), args.kyverno.config_map_name.clone()),
        epoch: 0,
    };
    let before = files.state()?;
    let read = files.read(face).await?;
    stored::none_refused(&read.found, face)?;
    read.remarks().for_each(|remark| face.say(remark));
    let objects = Arc::new(Swapped(RwLock::new(Arc::new(read.objects.clone()))));
    let (told, sights) = watch::channel(Arc::new(files.sight(&read, Timestamp::now())));
    let certificates = Certificates::none_yet();
    let serving = Serving::bind(&args, certificates.clone(), false).await?;
    // Without a folder the pair lives as long as we do, and whoever asks cannot know it.
    let made;
    let folder = match &args.certificate_dir {
        Some(folder) => folder.as_path(),
        None => {
            made = tempfile::tempdir()?;
            made.path()
        }
    };
    let mut audit = Audit::start(&args.audit, &options, &say, face).await?;
    let mut pair = CertificateFolder::new(folder, Arc::clone(&audit.metrics));
    pair.make_missing(names(args.listen.as_deref()))?;
    pair.show(&certificates).map_err(Failure::new)?;
    let console =
        args.console.serve(record.clone(), sights.clone(), Visitors::WithToken, &certificates, &say, face);
    let console = console.await?;
    let gate = common.gate(Parts {
        sights,
        cluster: Arc::clone(&objects) as Arc<dyn Cluster>,
        stores: audit.registries(options),
        machine: Arc::new(Machine),
        anchors,
        hearers: audit.hearers.iter().cloned().chain(hearer(record.as_ref())).collect(),
    });
    audit.follow(gate.sights().clone());
    audit.metrics.remembers(gate.memory().counts());
    let readiness = Readiness::new(Arc::clone(&gate), certificates.clone());
    let showing = tokio::spawn(pair.follow(certificates, Arc::clone(&say)));
    let following = tokio::spawn(files.follow((before, read), told, objects, Arc::clone(&say)));
    let behind = Behind {
        gate,
        readiness,
        exceptions: ExceptionScope::Everywhere,
        metrics: Arc::clone(&audit.metrics),
        say,
    };
    let (stop_told, _) = watch::channel(false);
    let ended = serving.run(behind, nothing_else(), stop_told, face).await;
    showing.abort();
    following.abort();
    audit.finish().await;
    console.inspect(JoinHandle::abort);
    ended
}

/// The names that a certificate of our own making is for.
fn names(listen: Option<&str>) -> Vec<String> {
    let mut names = vec!["localhost".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned()];
    if let Some((host, _)) = listen.and_then(|listen| listen.rsplit_once(':')) {
        let host = host.trim_start_matches('[').trim_end_matches(']');
        if !host.is_empty() && !names.iter().any(|name| name == host) {
            names.push(host.to_owned());
        }
    }
    names
}

/// The files that are judged by.
struct Files {
    policies: Vec<PathBuf>,
    objects: Vec<PathBuf>,
    /// Namespace and name of the ConfigMap with Kyverno's keys, if it is among the objects.
    config_map: (String, String),
    epoch: u64,
}

/// What files say.
struct Read {
    found: Documents,
    policies: Vec<Arc<Policy>>,
    configured: Option<Configured>,
    objects: Objects,
}

impl Read {
    /// What whoever wrote the files should know.
    fn remarks(&self) -> impl Iterator<Item = String> {
        let warnings = self.policies.iter().flat_map(|policy| &policy.warnings).map(refusal::warning);
        let ends = self.found.exceptions.iter().filter_map(|one| one.remark());
        let faults = self.configured.iter().flat_map(|found| &found.faults);
        let faults = faults.map(|fault| format!("the ConfigMap: {fault}"));
        warnings.map(|warning| format!("Warning: {warning}")).chain(ends).chain(faults)
    }
}

/// What tells that a file is another one or has changed: a change of any of it changes its times too.
type State = BTreeMap<PathBuf, (u64, u64, u64, i64, i64)>;

impl Files {
    async fn read(&self, face: &Face) -> Result<Read, Failure> {
        let mut found = stored::read(&self.policies, face)?;
        let mut objects = Vec::new();
        for path in &self.objects {
            objects.extend(documents(path)?);
        }
        let objects = Objects::new(objects);
        let (namespace, name) = &self.config_map;
        let configured = objects.config_map(namespace, name).await.ok().map(|found| {
            let data = found.get("data").cloned().unwrap_or_default();
            let data: BTreeMap<String, String> = serde_json::from_value(data).unwrap_or_default();
            Configured::read(namespace, Some(&data))
        });
        let policies = std::mem::take(&mut found.policies).into_iter().map(Arc::new).collect();
        Ok(Read { found, policies, configured, objects })
    }

    fn state(&self) -> Result<State, Failure> {
        let mut state = State::new();
        for path in self.policies.iter().chain(&self.objects) {
            look(path, &mut state).map_err(|error| Failure::new(format!("{}: {error}", path.display())))?;
        }
        Ok(state)
    }

    /// What is judged by at this time.
    fn sight(&mut self, read: &Read, now: Timestamp) -> Sight {
        self.epoch += 1;
        let mut sight = Sight { epoch: self.epoch, policies: read.policies.clone(), ..Sight::default() };
        sight.exceptions = read.found.exceptions.iter().filter(|one| one.counts_at(now)).cloned().collect();
        if let Some(Configured { judging, filters, .. }) = &read.configured {
            // Without a cluster no namespace is ours: Secrets and Pods are wherever the objects have them.
            let namespace = sight.settings.namespace;
            sight.settings = Settings { namespace, ..judging.clone() };
            sight.filters = Filters { own_namespace: String::new(), ..filters.clone() };
        }
        sight
    }

    /// Reads the files again whenever they change, and looks again whenever an exception ends, for ever. What cannot be
    /// read leaves everything as it was.
    async fn follow(
        mut self,
        (mut before, mut held): (State, Read),
        told: watch::Sender<Arc<Sight>>,
        objects: Arc<Swapped>,
        say: Say,
    ) {
        let face = Face::of_process();
        loop {
            let now = Timestamp::now();
            let end = held.found.exceptions.iter().filter_map(|one| one.ends_in(now)).min();
            tokio::time::sleep(end.unwrap_or(ROUND).min(ROUND)).await;
            let now = Timestamp::now();
            let counting = held.found.exceptions.iter().filter(|one| one.counts_at(now)).count();
            if counting != told.borrow().exceptions.len() {
                told.send_replace(Arc::new(self.sight(&held, now)));
                (say)(&format!("an exception has ended: {counting} count, epoch {}", self.epoch));
            }
            let Ok(now) = self.state() else { continue };
            if now == before {
                continue;
            }
            // Who writes a file may be in the middle of it, and half a file may look like a whole one.
            tokio::time::sleep(SETTLED).await;
            if self.state().is_ok_and(|then| then != now) {
                continue;
            }
            let read = self.read(&face).await;
            if self.state().is_ok_and(|then| then != now) {
                continue;
            }
            let kept = |why: &str| (say)(&format!("{why}; what held before still holds"));
            match read {
                Ok(read) if read.found.refused.is_empty() => {
                    read.remarks().for_each(|remark| (say)(&remark));
                    let count = read.policies.len();
                    objects.set(read.objects.clone());
                    told.send_replace(Arc::new(self.sight(&read, Timestamp::now())));
                    (say)(&format!("read again: {count} policies, epoch {}", self.epoch));
                    held = read;
                }
                Ok(read) => read.found.refused.iter().for_each(|refused| kept(&refusal::of(refused))),
                Err(failure) => kept(&failure.words()),
            }
            before = now;
        }
    }
}

/// Looks at a file, or at all files of a folder and those below it.
fn look(path: &Path, state: &mut State) -> std::io::Result<()> {
    let found = std::fs::metadata(path)?;
    let times =
        (found.mtime().wrapping_mul(1_000_000_000).wrapping_add(found.mtime_nsec()), found.ctime_nsec());
    state.insert(path.to_owned(), (found.dev(), found.ino(), found.len(), times.0, times.1));
    if state.len() > FILES_LIMIT {
        return Err(std::io::Error::other(format!("more than {FILES_LIMIT} files")));
    }
    if !found.is_dir() {
        return Ok(());
    }
    for entry in std::fs::read_dir(path)? {
        let entry = entry?;
        // A link to a folder could lead in circles; a link to a file is a mounted ConfigMap's.
        let leads_away = entry.file_type()?.is_symlink() && entry.path().is_dir();
        if !leads_away {
            look(&entry.path(), state)?;
        }
    }
    Ok(())
}

/// The objects that exist now.
struct Swapped(RwLock<Arc<Objects>>);

impl Swapped {
    fn now(&self) -> Arc<Objects> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn set(&self, objects: Objects) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(objects);
    }
}

#[async_trait]
impl Cluster for Swapped {
    async fn namespace_labels(&self, name: &str) -> Result<BTreeMap<String, String>, ClusterError> {
        self.now().namespace_labels(name).await
    }

    async fn config_map(&self, namespace: &str, name: &str) -> Result<Value, ClusterError> {
        self.now().config_map(namespace, name).await
    }

    async fn secret(&self, namespace: &str, name: &str) -> Result<BTreeMap<String, Vec<u8>>, ClusterError> {
        self.now().secret(namespace, name).await
    }

    async fn roles(&self, user: &User) -> Result<Roles, ClusterError> {
        self.now().roles(user).await
    }

    async fn call(&self, call: &Call) -> Result<Value, ClusterError> {
        self.now().call(call).await
    }

    async fn global_entry(&self, name: &str, projection: &str) -> Result<Value, ClusterError> {
        self.now().global_entry(name, projection).await
    }
}
