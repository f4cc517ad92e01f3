//! What a round took: processor time of each server, requests by kind, and how much of the machine was left.

use std::collections::BTreeMap;
use std::fs;

use anyhow::Result;

use crate::cluster::Cluster;
use crate::servers::Server;
use crate::usage::Machine;

/// What was taken so far.
#[derive(Clone)]
pub(super) struct Taken {
    pub(super) registry: f64,
    pub(super) server: f64,
    pub(super) etcd: f64,
    machine: Machine,
}

impl Taken {
    pub(super) fn now(cluster: &Cluster, registry: &Server) -> Result<Self> {
        let (server, etcd) = cluster.processor()?;
        Ok(Self { registry: registry.processor()?, server, etcd, machine: Machine::now()? })
    }

    pub(super) fn since(&self, before: &Self) -> Self {
        Self {
            registry: self.registry - before.registry,
            server: self.server - before.server,
            etcd: self.etcd - before.etcd,
            machine: self.machine.since(before.machine),
        }
    }

    /// In words, for each of so many runs.
    pub(super) fn shown(&self, runs: f64) -> String {
        let each = |seconds: f64| seconds * 1000.0 / runs;
        format!(
            "registry {:.1} ms, API server {:.1} ms, etcd {:.1} ms, everything on this machine {:.1} ms; {}",
            each(self.registry),
            each(self.server),
            each(self.etcd),
            each(self.machine.busy),
            self.machine.shown()
        )
    }
}

/// How many requests about TaskRuns the API server has answered, by verb.
pub(super) fn api_requests(cluster: &Cluster) -> Result<BTreeMap<String, f64>> {
    let metrics = cluster.kubectl(&["get", "--raw=/metrics"])?;
    let mut requests = BTreeMap::new();
    let about = metrics.lines().filter(|line| {
        line.starts_with("apiserver_request_total{") && line.contains(r#"resource="taskruns""#)
    });
    for line in about {
        let number: f64 = line.rsplit(' ').next().and_then(|text| text.parse().ok()).unwrap_or(0.0);
        for verb in ["GET", "PATCH", "LIST"] {
            if line.contains(&format!(r#"verb="{verb}""#)) {
                *requests.entry(verb.to_owned()).or_insert(0.0) += number;
            }
        }
    }
    Ok(requests)
}

/// How many requests docker-registry has answered, by method, kind and status, as its log of accesses has them; none for
/// a registry without one.
pub(super) fn registry_requests(registry: &Server) -> Result<BTreeMap<String, f64>> {
    let log = fs::read(registry.log())?;
    let mut requests = BTreeMap::new();
    for line in String::from_utf8_lossy(&log).lines() {
        // 127.0.0.1 - - [date] "GET /v2/… HTTP/1.1" 200 2 "" ""
        let mut quoted = line.split('"').skip(1);
        let (Some(request), Some(rest)) = (quoted.next(), quoted.next()) else { continue };
        let (Some((method, path)), Some(status)) = (request.split_once(' '), rest.split_whitespace().next())
        else {
            continue;
        };
        let kinds = ["/blobs/uploads/", "/blobs/", "/manifests/"];
        let Some(kind) = kinds.into_iter().find(|kind| path.contains(kind)) else { continue };
        *requests.entry(format!("{method} {} {status}", kind.trim_matches('/'))).or_insert(0.0) += 1.0;
    }
    Ok(requests)
}

/// In words what came between two counts, for each of so many runs.
pub(super) fn between(
    before: &BTreeMap<String, f64>,
    after: &BTreeMap<String, f64>,
    runs: f64,
) -> Option<String> {
    let each = after.iter().map(|(kind, number)| {
        format!("{:.2} {kind}", (number - before.get(kind).copied().unwrap_or(0.0)) / runs)
    });
    let words: Vec<String> = each.collect();
    (!words.is_empty()).then(|| words.join(", "))
}
