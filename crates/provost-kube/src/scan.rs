//! The background scan: what runs already, judged as if it were created now, by one replica at a time.
//!
//! An object is judged when it is new or has changed, when what it is judged by has changed, and once an interval, since
//! what registries say changes too.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::stream::{self, StreamExt as _};
use jiff::Timestamp;
use kube::api::{Api, ApiResource, DynamicObject, GroupVersionKind, ListParams};
use provost_gate::Gate;
use provost_gate::metrics::{Cause, Metrics};
use provost_gate::sight::Sight;
use provost_kyverno::apply::resource_report::Process;
use provost_kyverno::{Exception, Policy, Request, Status};
use provost_oci::Digest;
use serde_json::Value;
use tokio::sync::{Mutex, watch};

use crate::admission::discovery::{Kinds, Resource};
use crate::admission_events::Events;
use crate::cluster::{ANSWER_TIME, Cluster, words};
use crate::lease::{Held, Keeper, SCAN};
use crate::reports::{Finding, Reports};
use crate::supervise::Tasks;
use objects::{digest_of, request_of, resources};

mod objects;

/// How many objects are asked for at once: 200 of 20 KiB are 4 MiB.
const PAGE: u32 = 200;
/// How often it is looked which objects are new or have changed.
const LOOK: Duration = Duration::from_secs(300);
/// How long after a change more are waited for: someone who applies a folder of policies changes them one by one.
const SETTLE: Duration = Duration::from_secs(5);
/// How long it is waited before a pass that failed is tried again.
const AGAIN: Duration = Duration::from_secs(30);
/// How many objects are remembered, of 120 bytes each; beyond it all are judged again.
const REMEMBERED: usize = 200_000;
/// How the scan works.
pub struct Options {
    /// The gate, whose policies it judges by.
    pub gate: Arc<Gate>,
    /// The namespace of its Lease.
    pub namespace: String,
    /// This replica's name.
    pub identity: String,
    /// After how long every object is judged again; `--backgroundScanInterval`.
    pub interval: Duration,
    /// How many objects are judged at once; `--backgroundScanWorkers`.
    pub workers: usize,
    /// How many objects are judged in a second at most: registries are others', and admission comes first.
    pub per_second: u32,
    /// Where results are written.
    pub reports: Option<Reports>,
    /// Where failures are told.
    pub events: Option<Events>,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// Hears remarks.
    pub say: crate::Say,
}

/// Scans until `stop` says `true`.
pub async fn run(cluster: Cluster, options: Options, mut stop: watch::Receiver<bool>) {
    let (held_told, leads) = watch::channel(Held::default());
    let mut leases = Tasks::default();
    let is_busy = Arc::new(|_| false);
    let (namespace, identity) = (options.namespace.clone(), options.identity.clone());
    let keeper = Keeper::new(&cluster, &namespace, SCAN, identity, 1, is_busy, held_told);
    let heard = options.say.clone();
    let lease_stop = stop.clone();
    leases.start("lease", keeper.keep(lease_stop, move |words| heard(&words)));
    let sights = options.gate.sights().clone();
    let events = options.events.map(Mutex::new);
    let scan = Scan {
        cluster,
        gate: options.gate,
        interval: options.interval,
        workers: options.workers.max(1),
        gap: Duration::from_secs(1) / options.per_second.max(1),
        reports: options.reports,
        events,
        metrics: options.metrics,
        say: options.say,
        leads: leads.clone(),
        seen: Mutex::default(),
    };
    tokio::select! {
        () = scan.go(leads, sights) => {}
        _ = stop.wait_for(|stopped| *stopped) => {}
    }
    leases.wind_up().await;
}

/// What was seen of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Seen {
    digest: Digest,
    epoch: u64,
    judged: Instant,
}

struct Scan {
    cluster: Cluster,
    gate: Arc<Gate>,
    interval: Duration,
    workers: usize,
    gap: Duration,
    reports: Option<Reports>,
    events: Option<Mutex<Events>>,
    metrics: Arc<Metrics>,
    say: crate::Say,
    leads: watch::Receiver<Held>,
    seen: Mutex<HashMap<String, Seen>>,
}

/// Why a pass ended before it was through.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Broken {
    /// Another replica leads.
    NotLeading,
    /// What is judged by has changed.
    Changed,
    /// The API server did not answer.
    Cluster(String),
}

/// What a pass came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Pass {
    objects: usize,
    judged: usize,
    unwritten: usize,
    why: Option<String>,
}

/// What a pass judges by.
struct By {
    sight: Arc<Sight>,
    policies: Vec<usize>,
    exceptions: Vec<Exception>,
}

impl By {
    fn of(sight: Arc<Sight>) -> Self {
        let takes_part =
            |(at, policy): (usize, &Arc<Policy>)| policy.spec.background.unwrap_or(true).then_some(at);
        let policies = sight.policies.iter().enumerate().filter_map(takes_part).collect();
        let exceptions =
            sight.exceptions.iter().filter(|e| e.spec.background.unwrap_or(true)).cloned().collect();
        Self { sight, policies, exceptions }
    }

    fn policies(&self) -> Vec<&Policy> {
        self.policies.iter().filter_map(|at| self.sight.policies.get(*at)).map(AsRef::as_ref).collect()
    }

    /// The kinds that these policies are about, as they write them.
    fn kinds(&self) -> BTreeSet<String> {
        let mut kinds = BTreeSet::new();
        for rule in self.policies().iter().flat_map(|policy| &policy.rules) {
            let named = rule.matching.filters().flat_map(|filter| &filter.resources.kinds).cloned();
            let named: BTreeSet<String> = named.collect();
            if named.is_empty() {
                kinds.insert("*".to_owned());
            }
            kinds.extend(named);
        }
        kinds
    }
}

impl Scan {
    async fn go(&self, mut leads: watch::Receiver<Held>, mut sights: watch::Receiver<Arc<Sight>>) {
        loop {
            // The Lease keeper lives as long as we do.
            if leads.wait_for(|held| held.working.contains(&0)).await.is_err() {
                return;
            }
            if sights.wait_for(|sight| sight.missing.is_empty()).await.is_err() {
                return;
            }
            let by = By::of(sights.borrow_and_update().clone());
            let began = Instant::now();
            let wait = match self.pass(&by).await {
                Ok(pass) => {
                    self.metrics.scan_took(began.elapsed());
                    self.told(&pass, began.elapsed());
                    LOOK.min(self.interval)
                }
                Err(Broken::NotLeading) => continue,
                Err(Broken::Changed) => SETTLE,
                Err(Broken::Cluster(why)) => {
                    (self.say)(&format!("background scan: {why}"));
                    AGAIN
                }
            };
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                changed = sights.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    tokio::time::sleep(SETTLE).await;
                }
            }
        }
    }

    fn told(&self, pass: &Pass, took: Duration) {
        let Pass { objects, judged, unwritten, why } = pass;
        if let Some(why) = why {
            (self.say)(&format!("background scan: {unwritten} reports are not written: {why}"));
        }
        if *judged > 0 {
            let took = took.as_secs_f64();
            (self.say)(&format!("background scan: {judged} of {objects} objects judged in {took:.1} s"));
        }
    }

    /// Looks at everything once.
    async fn pass(&self, by: &By) -> Result<Pass, Broken> {
        let mut pass = Pass::default();
        if by.policies.is_empty() {
            return Ok(pass);
        }
        let kinds = Kinds::read(&self.cluster).await.map_err(Broken::Cluster)?;
        let mut found = BTreeSet::new();
        for (resource, kind) in resources(&kinds, &by.kinds()) {
            match self.resource(by, &resource, &kind, &mut found, &mut pass).await {
                // A kind that may not be listed keeps nobody from scanning the others.
                Err(Broken::Cluster(why)) => (self.say)(&format!("background scan: {why}")),
                other => other?,
            }
        }
        let mut seen = self.seen.lock().await;
        seen.retain(|uid, _| found.contains(uid));
        if seen.len() > REMEMBERED {
            seen.clear();
        }
        Ok(pass)
    }

    async fn resource(
        &self,
        by: &By,
        resource: &Resource,
        kind: &str,
        found: &mut BTreeSet<String>,
        pass: &mut Pass,
    ) -> Result<(), Broken> {
        let named = GroupVersionKind::gvk(&resource.group, &resource.version, kind);
        let served = ApiResource::from_gvk_with_plural(&named, &resource.resource);
        let api: Api<DynamicObject> = Api::all_with(self.cluster.client.clone(), &served);
        let mut token: Option<String> = None;
        loop {
            let mut how = ListParams::default().limit(PAGE);
            how.continue_token = token.take();
            let page = tokio::time::timeout(ANSWER_TIME, api.list(&how)).await;
            let failed = |why: String| Broken::Cluster(format!("listing {}: {why}", resource.resource));
            let page = page.map_err(|_| failed("no answer".to_owned()))?;
            // A list that lasted too long is begun anew by the next pass.
            let page = page.map_err(|error| failed(words(&error)))?;
            let mut objects = Vec::new();
            for object in page.items {
                let Some(request) = request_of(object, &served) else { continue };
                let uid = request.object.pointer("/metadata/uid").and_then(Value::as_str).unwrap_or_default();
                found.insert(uid.to_owned());
                objects.push(request);
            }
            pass.objects += objects.len();
            self.page(by, objects, pass).await?;
            match page.metadata.continue_.filter(|token| !token.is_empty()) {
                Some(next) => token = Some(next),
                None => return Ok(()),
            }
        }
    }

    async fn page(&self, by: &By, objects: Vec<Request>, pass: &mut Pass) -> Result<(), Broken> {
        let mut due = Vec::new();
        for request in objects {
            let digest = digest_of(&request.object);
            let uid = request.object.pointer("/metadata/uid").and_then(Value::as_str).unwrap_or_default();
            let known = self.seen.lock().await.get(uid).cloned();
            let is_due = known.is_none_or(|seen| {
                seen.digest != digest
                    || seen.epoch != by.sight.epoch
                    || seen.judged.elapsed() >= self.interval
            });
            self.metrics.scanned(is_due);
            if is_due {
                due.push((request, digest));
            }
        }
        let mut pace = tokio::time::interval(self.gap);
        pace.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let pace = Mutex::new(pace);
        let judged = stream::iter(due).map(async |(request, digest)| {
            pace.lock().await.tick().await;
            // What changed meanwhile is found out before the next object, not after the last.
            if !self.leads.borrow().valid.contains(&0) {
                return Err(Broken::NotLeading);
            }
            if self.gate.sights().borrow().epoch != by.sight.epoch {
                return Err(Broken::Changed);
            }
            Ok(self.object(by, &request, digest).await)
        });
        let mut judged = std::pin::pin!(judged.buffer_unordered(self.workers));
        while let Some(one) = judged.next().await {
            pass.judged += 1;
            if let Err(why) = one? {
                pass.unwritten += 1;
                pass.why.get_or_insert(why);
            }
        }
        Ok(())
    }

    /// Judges one object, and writes down what was found.
    async fn object(&self, by: &By, request: &Request, digest: Digest) -> Result<(), String> {
        let began = Instant::now();
        let judgement = self.gate.scan(&by.sight, &by.policies(), &by.exceptions, request).await;
        let uid = request.object.pointer("/metadata/uid").and_then(Value::as_str).unwrap_or_default();
        if let Some(judgement) = judgement {
            let outcomes = &judgement.policies;
            self.metrics.judged(&by.sight, request, outcomes, Cause::Scan, began.elapsed());
            let was_judged = |policy: &Policy| by.policies().iter().any(|one| std::ptr::eq(*one, policy));
            let is_bad = |status| matches!(status, Status::Fail | Status::Error);
            let fails = outcomes.iter().flat_map(|policy| &policy.verified).any(|o| is_bad(o.status));
            if let (true, Some(events)) = (fails, &self.events) {
                events.lock().await.tell(request, &by.sight, outcomes, false).await;
            }
            if let Some(reports) = &self.reports
                && let Some(found) =
                    Finding::of(request, &by.sight, outcomes, was_judged, Process::Scan, Timestamp::now())
            {
                reports.write(&found).await.map_err(|error| error.to_string())?;
            }
        }
        // What could not be written is judged again by the next pass.
        let seen = Seen { digest, epoch: by.sight.epoch, judged: Instant::now() };
        self.seen.lock().await.insert(uid.to_owned(), seen);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
