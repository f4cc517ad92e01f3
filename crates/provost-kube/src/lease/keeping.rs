//! Keeping Leases at the API server: read all, do what is to be done, each write only over the version that was read.

use std::sync::Arc;
use std::time::Instant;

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use kube::api::{Api, DeleteParams, ListParams, ObjectMeta, PostParams};
use provost_chains::reconcile::ClusterFault;
use tokio::sync::watch;

use super::{Held, LEASE_TIME, Ledger, RENEWAL, Record, Step};
use crate::cluster::Cluster;
use crate::runs::answered;

/// By which our Leases are found: its value is the component's name.
const LABEL: &str = "app.kubernetes.io/component";

/// Says whether runs of a share are in this replica's hands.
pub(crate) type IsBusy = Arc<dyn Fn(usize) -> bool + Send + Sync>;

/// Keeps this replica's Leases.
pub(crate) struct Keeper {
    leases: Api<Lease>,
    ledger: Ledger,
    is_busy: IsBusy,
    held: watch::Sender<Held>,
}

impl Keeper {
    pub(crate) fn new(
        cluster: &Cluster,
        namespace: &str,
        component: &'static str,
        me: String,
        shares: usize,
        is_busy: IsBusy,
        held: watch::Sender<Held>,
    ) -> Self {
        let leases = Api::namespaced(cluster.client.clone(), namespace);
        Self { leases, ledger: Ledger::new(component, me, shares), is_busy, held }
    }

    /// Keeps the Leases until told to stop, then gives them all back; `said` hears of what goes wrong.
    pub(crate) async fn keep(mut self, mut stop: watch::Receiver<bool>, said: impl Fn(String)) {
        loop {
            if let Err(fault) = self.round().await {
                said(format!("leases: {fault}"));
            }
            self.publish();
            tokio::select! {
                () = tokio::time::sleep(RENEWAL) => {}
                _ = stop.wait_for(|stopped| *stopped) => break,
            }
        }
        // What this process wrote last has versions that it has not read.
        if let Ok(records) = list(&self.leases, self.ledger.component()).await {
            self.ledger.observe(records, Instant::now());
        }
        for share in self.ledger.ours() {
            if let Err(fault) = self.write(&self.ledger.share_name(share), "").await {
                said(format!("leases: {fault}"));
            }
        }
        let name = self.ledger.replica_name();
        let _ = answered("removing a lease", self.leases.delete(&name, &DeleteParams::default())).await;
        self.held.send_replace(Held::default());
    }

    fn publish(&self) {
        let held = self.ledger.held(Instant::now());
        self.held.send_if_modified(|known| {
            let changed = *known != held;
            *known = held;
            changed
        });
    }

    async fn round(&mut self) -> Result<(), ClusterFault> {
        let records = list(&self.leases, self.ledger.component()).await?;
        self.ledger.observe(records, Instant::now());
        // What lapsed or was taken meanwhile is said before anything that takes time.
        self.publish();
        let is_busy = self.is_busy.clone();
        let mut worst = Ok(());
        for step in self.ledger.plan(|share| is_busy(share), Instant::now()) {
            let result = self.step(&step).await;
            match (&step, result) {
                // Somebody else was quicker, which is what versions are for.
                (
                    Step::Take(share) | Step::Renew(share),
                    Err(ClusterFault::Conflict | ClusterFault::Gone),
                ) => {
                    self.ledger.lost(*share);
                }
                (_, Err(ClusterFault::Conflict | ClusterFault::Gone) | Ok(())) => {}
                (_, Err(fault)) => worst = Err(fault),
            }
        }
        worst
    }

    async fn step(&mut self, step: &Step) -> Result<(), ClusterFault> {
        match step {
            Step::Announce => {
                let (name, me) = (self.ledger.replica_name(), self.ledger.me().to_owned());
                self.write(&name, &me).await
            }
            Step::Take(share) | Step::Renew(share) => {
                let (sent, me) = (Instant::now(), self.ledger.me().to_owned());
                self.write(&self.ledger.share_name(*share), &me).await?;
                self.ledger.renewed(*share, sent);
                Ok(())
            }
            Step::GiveBack(share) => {
                self.ledger.lost(*share);
                self.publish();
                self.write(&self.ledger.share_name(*share), "").await
            }
            Step::Sweep(name) => {
                answered("removing a lease", self.leases.delete(name, &DeleteParams::default())).await?;
                Ok(())
            }
        }
    }

    /// Writes a Lease over the version that was read; a new one where there was none.
    async fn write(&self, name: &str, holder: &str) -> Result<(), ClusterFault> {
        let now = MicroTime(Timestamp::now());
        let version = self.ledger.version(name).map(str::to_owned);
        let lease = Lease {
            metadata: ObjectMeta {
                name: Some(name.to_owned()),
                labels: Some([(LABEL.to_owned(), self.ledger.component().to_owned())].into()),
                resource_version: version.clone(),
                ..ObjectMeta::default()
            },
            spec: Some(LeaseSpec {
                holder_identity: Some(holder.to_owned()),
                lease_duration_seconds: i32::try_from(LEASE_TIME.as_secs()).ok(),
                acquire_time: Some(now.clone()),
                renew_time: Some(now),
                ..LeaseSpec::default()
            }),
        };
        let doing = format!("writing the lease {name}");
        let how = PostParams::default();
        match version {
            Some(_) => answered(&doing, self.leases.replace(name, &how, &lease)).await?,
            None => answered(&doing, self.leases.create(&how, &lease)).await?,
        };
        Ok(())
    }
}

async fn list(leases: &Api<Lease>, component: &str) -> Result<Vec<Record>, ClusterFault> {
    let ours = ListParams::default().labels(&format!("{LABEL}={component}"));
    let all = answered("reading the leases", leases.list(&ours)).await?;
    let record = |lease: Lease| Record {
        name: lease.metadata.name.unwrap_or_default(),
        holder: lease.spec.and_then(|spec| spec.holder_identity).unwrap_or_default(),
        version: lease.metadata.resource_version.unwrap_or_default(),
    };
    Ok(all.items.into_iter().map(record).collect())
}

/// Some replica that holds a Lease now, by the clocks of both: for those who work once and hold none themselves.
pub(crate) async fn live_holder(cluster: &Cluster, namespace: &str) -> Result<Option<String>, ClusterFault> {
    let leases: Api<Lease> = Api::namespaced(cluster.client.clone(), namespace);
    let ours = ListParams::default().labels(&format!("{LABEL}={}", super::CONTROLLER));
    let all = answered("reading the leases", leases.list(&ours)).await?;
    let now = Timestamp::now();
    Ok(all.items.into_iter().filter_map(|lease| lease.spec).find_map(|spec| {
        let holder = spec.holder_identity.filter(|holder| !holder.is_empty())?;
        let age = now.duration_since(spec.renew_time?.0);
        (age.unsigned_abs() < LEASE_TIME).then_some(holder)
    }))
}

#[cfg(test)]
mod tests;
