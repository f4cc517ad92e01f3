//! Who does which share of the work: a Lease for each share, and one for each replica, so that all know how many they are.
//!
//! A share is worked on by whoever holds its Lease, by nobody else. Replicas sort their names, and each wants every so-manieth share;
//! a share that another replica should have is given back once its last run is out of our hands. Clocks are never compared:
//! a Lease has lapsed when it has not changed for its time by our own watch.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::{Duration, Instant};

use provost_chains::reconcile::Key;
use provost_oci::Digest;

mod keeping;

pub(crate) use keeping::{Keeper, live_holder};

/// How long a Lease is good for after it was renewed.
pub const LEASE_TIME: Duration = Duration::from_secs(30);
/// How often it is renewed.
pub const RENEWAL: Duration = Duration::from_secs(8);
/// From when on work under a Lease that could not be renewed is broken off: a third of its time before anybody else may take it.
const VALID: Duration = Duration::from_secs(20);
/// After how many of its times a replica's Lease is swept away.
const SWEPT: u32 = 20;
/// How many shares there may be: Chains' own limit of buckets.
pub const MOST_SHARES: usize = 10;

/// The share that a run belongs to. A run's replica is found by its name alone, so that all replicas agree.
#[must_use]
pub fn share_of(key: &Key, shares: usize) -> usize {
    let digest = Digest::sha256_of(format!("{}/{}/{}", key.kind.name(), key.namespace, key.name).as_bytes());
    let number = u64::from_str_radix(digest.hex().get(..15).unwrap_or_default(), 16).unwrap_or_default();
    usize::try_from(number % u64::try_from(shares.max(1)).unwrap_or(1)).unwrap_or_default()
}

/// Which shares are ours.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// In these, new work is begun.
    pub working: BTreeSet<usize>,
    /// In these, work that was begun may go on.
    pub valid: BTreeSet<usize>,
}

/// A Lease as the API server shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) name: String,
    pub(crate) holder: String,
    pub(crate) version: String,
}

/// What is to be done about the Leases.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Say that we are here.
    Announce,
    /// Take a share that nobody holds any more.
    Take(usize),
    /// Keep a share.
    Renew(usize),
    /// Give back a share that another replica should have.
    GiveBack(usize),
    /// Remove the Lease of a replica that went away long ago.
    Sweep(String),
}

/// What one replica knows of all Leases.
#[derive(Debug)]
pub(crate) struct Ledger {
    /// Whose Leases they are: how their names begin.
    component: &'static str,
    me: String,
    shares: usize,
    /// Each Lease, and when it last changed by our watch.
    seen: HashMap<String, (Record, Instant)>,
    /// Our shares, and when each was last renewed.
    renewed: BTreeMap<usize, Instant>,
}

/// The Leases of the controller.
pub(crate) const CONTROLLER: &str = "provost-controller";
/// The Leases of the gate, whose only share is to lead.
pub(crate) const ADMISSION: &str = "provost-admission";
/// The Leases of the background scan, which one replica does.
pub(crate) const SCAN: &str = "provost-scan";

impl Ledger {
    pub(crate) fn new(component: &'static str, me: String, shares: usize) -> Self {
        let shares = shares.clamp(1, MOST_SHARES);
        Self { component, me, shares, seen: HashMap::new(), renewed: BTreeMap::new() }
    }

    pub(crate) fn share_name(&self, share: usize) -> String {
        format!("{}-share-{share}", self.component)
    }

    /// Which component's Leases these are.
    pub(crate) fn component(&self) -> &'static str {
        self.component
    }

    fn is_replica(&self, name: &str) -> bool {
        name.strip_prefix(self.component).is_some_and(|rest| rest.starts_with("-replica-"))
    }

    /// The name of this replica's own Lease: names of objects are short and plain, ours need not be.
    pub(crate) fn replica_name(&self) -> String {
        let digest = Digest::sha256_of(self.me.as_bytes());
        format!("{}-replica-{}", self.component, digest.hex().get(..16).unwrap_or_default())
    }

    pub(crate) fn me(&self) -> &str {
        &self.me
    }

    /// Takes note of all Leases as they are now.
    pub(crate) fn observe(&mut self, records: Vec<Record>, now: Instant) {
        let mut before = std::mem::take(&mut self.seen);
        for record in records {
            let since = match before.remove(&record.name) {
                Some((known, since)) if known.version == record.version => since,
                _ => now,
            };
            self.seen.insert(record.name.clone(), (record, since));
        }
        // A share whose Lease somebody else holds was taken from us while we could not be heard.
        let mut renewed = std::mem::take(&mut self.renewed);
        renewed.retain(|share, _| {
            let found = self.seen.get(&self.share_name(*share));
            found.is_some_and(|(record, _)| record.holder == self.me)
        });
        self.renewed = renewed;
    }

    fn is_alive(&self, name: &str, now: Instant) -> bool {
        self.seen.get(name).is_some_and(|(record, since)| {
            !record.holder.is_empty() && now.saturating_duration_since(*since) < LEASE_TIME
        })
    }

    /// The replicas there are, ourselves among them, in the order all replicas have them in.
    fn replicas(&self, now: Instant) -> BTreeSet<&str> {
        let alive = self.seen.keys().filter(|name| self.is_replica(name) && self.is_alive(name, now));
        let mut all: BTreeSet<&str> =
            alive.filter_map(|name| self.seen.get(name)).map(|(record, _)| record.holder.as_str()).collect();
        all.insert(&self.me);
        all
    }

    /// The shares that this replica should have.
    fn wanted(&self, now: Instant) -> BTreeSet<usize> {
        let replicas = self.replicas(now);
        let mine = replicas.iter().position(|name| *name == self.me).unwrap_or_default();
        (0..self.shares).filter(|share| share % replicas.len().max(1) == mine).collect()
    }

    /// What is to be done now; `is_busy` tells whether runs of a share are in our hands.
    pub(crate) fn plan(&self, is_busy: impl Fn(usize) -> bool, now: Instant) -> Vec<Step> {
        let wanted = self.wanted(now);
        let mut steps = vec![Step::Announce];
        for share in 0..self.shares {
            let name = self.share_name(share);
            let holder = self.seen.get(&name).map_or("", |(record, _)| record.holder.as_str());
            let ours = holder == self.me;
            match (wanted.contains(&share), ours) {
                (true, true) => steps.push(Step::Renew(share)),
                (true, false) if !self.is_alive(&name, now) => steps.push(Step::Take(share)),
                (false, true) if is_busy(share) => steps.push(Step::Renew(share)),
                (false, true) => steps.push(Step::GiveBack(share)),
                _ => {}
            }
        }
        let old = self.seen.iter().filter(|(name, (_, since))| {
            self.is_replica(name) && now.saturating_duration_since(*since) > LEASE_TIME * SWEPT
        });
        let mut old: Vec<Step> = old.map(|(name, _)| Step::Sweep(name.clone())).collect();
        old.sort_by_key(|step| format!("{step:?}"));
        steps.extend(old);
        steps
    }

    /// A share was taken or renewed by a request that was sent at this time.
    pub(crate) fn renewed(&mut self, share: usize, sent: Instant) {
        self.renewed.insert(share, sent);
    }

    /// A share is not ours any more, or was never got.
    pub(crate) fn lost(&mut self, share: usize) {
        self.renewed.remove(&share);
    }

    /// What may be worked on.
    pub(crate) fn held(&self, now: Instant) -> Held {
        let fresh = self.renewed.iter().filter(|(_, sent)| now.saturating_duration_since(**sent) < VALID);
        let valid: BTreeSet<usize> = fresh.map(|(share, _)| *share).collect();
        let wanted = self.wanted(now);
        Held { working: valid.intersection(&wanted).copied().collect(), valid }
    }

    /// All shares that are ours, for giving them back at the end.
    pub(crate) fn ours(&self) -> Vec<usize> {
        self.renewed.keys().copied().collect()
    }

    /// The version of a Lease as it was last seen.
    pub(crate) fn version(&self, name: &str) -> Option<&str> {
        self.seen.get(name).map(|(record, _)| record.version.as_str())
    }
}

#[cfg(test)]
mod tests;
