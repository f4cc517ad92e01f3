//! Changes while requests come in all the time: policies, keys, certificates, an API server, replicas.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::json;

use super::objects::{self, Policy, any_pod, pod};
use super::traces::OPEN_REPORTS;
use super::{BUILDER, OTHER_BUILDER, Scene};
use crate::ask::{Answer, Ask, Load};
use crate::gate::Gate;
use crate::shell;

/// How soon a change counts.
const SOON: Duration = Duration::from_secs(1);
/// How long a certificate's successor may take: its authority settles for ten seconds first.
const RENEWED: Duration = Duration::from_secs(60);
/// How long after the API server is back all is as before: its own caches fill meanwhile.
const BACK: Duration = Duration::from_secs(5);
const LOADERS: usize = 2;
/// How often policy and key change, and certificates are renewed.
const ROUNDS: usize = 10;
const RENEWALS: usize = 3;

/// From when on the attested image is let in, or not.
struct Phase {
    name: &'static str,
    from: Instant,
    admits: bool,
}

impl Scene<'_> {
    /// Good and bad Pods, again and again, that are not kept.
    fn load(&self, images: &[&str]) -> Result<Load> {
        let path = format!("{}?dryRun=All", objects::PODS);
        let asks: Vec<Ask> = images
            .iter()
            .map(|image| Ask { method: "POST", path: path.clone(), body: any_pod(image) })
            .collect();
        Load::start(&self.ground.cluster, &asks, LOADERS)
    }

    /// So many seconds, and a third of them in the short form.
    fn pause(&self, seconds: u64) {
        thread::sleep(Duration::from_millis(if self.setting.short { seconds * 333 } else { seconds * 1000 }));
    }

    /// A second key pair's public key.
    fn second_key(&self) -> Result<String> {
        let place = &self.ground.place;
        place.write("second/keep", "")?;
        let folder = place.folder().join("second");
        let made = place.command(place.binary()).current_dir(&folder).arg("generate-key-pair").output()?;
        if !made.status.success() {
            bail!("no second key was made: {}", String::from_utf8_lossy(&made.stderr));
        }
        place.read("second/cosign.pub")
    }

    /// A policy and a key change, again and again; each counts within a second, for all requests that begin after it.
    pub(super) fn changes(&self, gate: &Gate) -> Result<()> {
        let key = self.ground.place.read("cosign.pub")?;
        let second = self.second_key()?;
        let secret = |key: &str| {
            json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "builder", "namespace": "policy"},
                "stringData": {"cosign.pub": key}})
            .to_string()
        };
        let policy = |builder: &str| Policy::guide("k8s://policy/builder", builder).object().to_string();
        self.ground.cluster.apply(&secret(&key))?;
        self.store(gate, &Policy::guide("k8s://policy/builder", BUILDER))?;
        self.until_good(gate)?;
        let mut phases = vec![Phase { name: "the beginning", from: Instant::now(), admits: true }];
        let load = self.load(&[&self.good, &self.bad])?;
        self.pause(5);
        for _ in 0..self.setting.count(ROUNDS) {
            for (name, object, admits) in [
                ("another builder", policy(OTHER_BUILDER), false),
                ("the builder again", policy(BUILDER), true),
                ("another key", secret(&second), false),
                ("the key again", secret(&key), true),
            ] {
                self.ground.cluster.apply(&object)?;
                phases.push(Phase { name, from: Instant::now(), admits });
                self.pause(5);
            }
        }
        let all = load.end()?;
        judged(&all, &phases)?;
        self.until_good(gate)?;
        shell::say(&format!(
            "{} requests while policy and key changed {} times: each change counts within a second, and nothing bad came in",
            all.len(),
            phases.len() - 1
        ));
        Ok(())
    }

    /// Waits until the attested image is let in.
    pub(super) fn until_good(&self, gate: &Gate) -> Result<()> {
        let dry = format!("{}?dryRun=All", objects::PODS);
        self.wait(gate, || {
            let answer = self.create(&dry, &any_pod(&self.good))?;
            Ok((!answer.is_good()).then(|| format!("not let in again: {} {}", answer.status, answer.message)))
        })
    }

    fn issuer(&self) -> Result<String> {
        let path = r"jsonpath={.metadata.annotations.provost\.dev/issued-by}";
        self.kubectl(&["get", "secret", "provost-admission-tls", "-n", "provost-system", "-o", path])
    }

    /// New authorities and new certificates, without a request that fails.
    pub(super) fn renewal(&self, gate: &Gate) -> Result<()> {
        let load = self.load(&[&self.good])?;
        let renewals = self.setting.count(RENEWALS);
        let mut slowest = Duration::ZERO;
        for _ in 0..renewals {
            let before = self.issuer()?;
            let began = Instant::now();
            self.kubectl(&[
                "annotate",
                "secret",
                "provost-admission-ca",
                "-n",
                "provost-system",
                "provost.dev/renew=now",
            ])?;
            while self.issuer()? == before {
                if began.elapsed() > RENEWED {
                    bail!("no new certificate in {} s\n{}", RENEWED.as_secs(), gate.last_words());
                }
                thread::sleep(super::AGAIN);
            }
            slowest = slowest.max(began.elapsed());
            self.pause(8);
        }
        let all = load.end()?;
        if let Some(failed) = all.iter().find(|answer| !answer.is_good()) {
            bail!("while the certificate was renewed: {} {}", failed.status, failed.message);
        }
        shell::say(&format!(
            "authority and certificate renewed, {renewals} in all, each in {:.0} s at most, under {} requests, of which none failed",
            slowest.as_secs_f64(),
            all.len()
        ));
        Ok(())
    }

    /// The API server goes away under load and comes back: nothing wrong comes in, and what changes then counts as before.
    pub(super) fn restart(&mut self, gate: &Gate) -> Result<()> {
        let load = self.load(&[&self.good, &self.bad])?;
        self.pause(5);
        self.ground.cluster.restart(Duration::from_secs(2))?;
        let back = Instant::now();
        thread::sleep(BACK);
        self.pause(5);
        let all = load.end()?;
        nothing_wrong(&all)?;
        let late = || all.iter().filter(|answer| answer.began > back + BACK);
        if let Some(failed) = late().find(|answer| answer.which == 0 && !answer.is_good()) {
            bail!(
                "{} s after the API server came back: {} {}",
                BACK.as_secs(),
                failed.status,
                failed.message
            );
        }
        if late().count() == 0 {
            bail!("no request came after the API server was back");
        }
        let key = self.ground.place.read("cosign.pub")?;
        let mut policy = Policy::guide(&key, OTHER_BUILDER);
        self.store(gate, &policy)?;
        let began = Instant::now();
        let dry = format!("{}?dryRun=All", objects::PODS);
        self.wait(gate, || {
            let answer = self.create(&dry, &any_pod(&self.good))?;
            Ok(answer.is_good().then(|| "a policy does not count after the restart".to_owned()))
        })?;
        let took = began.elapsed().as_secs_f64();
        policy.builder = BUILDER.to_owned();
        self.store(gate, &policy)?;
        self.until_good(gate)?;
        shell::say(&format!(
            "the API server was restarted under {} requests: nothing wrong came in, and a policy changed after it counted {took:.1} s later",
            all.len()
        ));
        Ok(())
    }

    /// One of two replicas dies under load: nothing wrong comes in, and the other one answers alone. That one writes reports in
    /// the other group.
    pub(super) fn pair(&self, one: Gate) -> Result<()> {
        let mut one = one;
        let other = self.gate(1, "other", &["--openreportsEnabled=true"])?;
        let load = self.load(&[&self.good, &self.bad])?;
        self.pause(10);
        one.kill()?;
        let died = Instant::now();
        self.pause(20);
        let all = load.end()?;
        nothing_wrong(&all)?;
        let lost = all.iter().filter(|answer| answer.which == 0 && !answer.is_good()).count();
        let late =
            all.iter().filter(|answer| answer.which == 0 && answer.began > died + Duration::from_secs(2));
        if let Some(failed) = late.clone().find(|answer| !answer.is_good()) {
            bail!("two seconds after a replica died: {} {}", failed.status, failed.message);
        }
        let alone = late.count();
        if alone == 0 {
            bail!("no request came after the replica had died");
        }
        self.until_good(&other)?;
        self.admits("a Pod to be reported", &self.create(objects::PODS, &pod("reported", &self.good))?)?;
        self.reported(&other, OPEN_REPORTS, "pod/reported", "verify-tekton-built-images", "pass", "")?;
        // The one that is left leads after the Lease of the other has run out.
        self.kubectl(&["delete", "validatingwebhookconfiguration", "provost-validating"])?;
        self.wait(&other, || {
            let there =
                self.kubectl(&["get", "validatingwebhookconfiguration", "provost-validating"]).is_ok();
            Ok((!there).then(|| "the replica that is left does not lead".to_owned()))
        })?;
        if !self.setting.short {
            self.scanned_by(&other)?;
        }
        other.stop().context("the other replica")?;
        shell::say(&format!(
            "one of two replicas died under {} requests: {lost} were refused meanwhile, nothing wrong came in, {alone} were answered by the other",
            all.len()
        ));
        Ok(())
    }

    /// The one that is left scans as well.
    fn scanned_by(&self, gate: &Gate) -> Result<()> {
        let key = self.ground.place.read("cosign.pub")?;
        let policy = Policy {
            enforced: false,
            background: true,
            ..Policy::about(&key, OTHER_BUILDER, "tells-later", "*")
        };
        self.store(gate, &policy)?;
        self.reported(
            gate,
            OPEN_REPORTS,
            "deployment/runs",
            "tells-later",
            "fail",
            "The builder.id must be",
        )?;
        self.kubectl(&["delete", "clusterpolicy", "tells-later"])?;
        Ok(())
    }
}

/// Holds every answer to the phase it falls into, a second after its beginning; each must have been met.
fn judged(all: &[Answer], phases: &[Phase]) -> Result<()> {
    nothing_wrong(all)?;
    for (at, phase) in phases.iter().enumerate() {
        let next = phases.get(at + 1).map(|next| next.from);
        let begins = if at == 0 { phase.from } else { phase.from + SOON };
        let inside = all.iter().filter(|answer| {
            answer.which == 0 && answer.began > begins && next.is_none_or(|next| answer.ended < next)
        });
        let mut met = 0;
        for answer in inside {
            met += 1;
            if answer.is_good() != phase.admits {
                bail!(
                    "the attested image after {}, {:.1} s: expected to be let in: {}, found {} {}",
                    phase.name,
                    (answer.began - phase.from).as_secs_f64(),
                    phase.admits,
                    answer.status,
                    answer.message
                );
            }
        }
        if met == 0 {
            bail!("the load did not meet {}", phase.name);
        }
    }
    Ok(())
}

/// No image came in that nobody attested.
fn nothing_wrong(all: &[Answer]) -> Result<()> {
    match all.iter().find(|answer| answer.which == 1 && answer.is_good()) {
        Some(wrong) => bail!("an unattested image came in: {wrong:?}"),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(which: usize, began: Instant, status: u16) -> Answer {
        Answer { which, began, ended: began + Duration::from_millis(10), status, message: String::new() }
    }

    #[test]
    fn answers_are_held_to_their_phase() {
        let from = Instant::now();
        let later = from + Duration::from_secs(10);
        let phases = [
            Phase { name: "the beginning", from, admits: true },
            Phase { name: "another builder", from: later, admits: false },
        ];
        let at = |seconds| from + Duration::from_secs(seconds);
        let good = [answer(0, at(1), 201), answer(1, at(1), 400), answer(0, at(12), 400)];
        assert!(judged(&good, &phases).is_ok());
        // Within a second either counts.
        let mut soon = good.to_vec();
        soon.push(answer(0, later + Duration::from_millis(500), 201));
        assert!(judged(&soon, &phases).is_ok());
        for wrong in [answer(0, at(2), 400), answer(0, at(13), 201), answer(1, at(3), 201)] {
            let mut all = good.to_vec();
            all.push(wrong);
            assert!(judged(&all, &phases).is_err());
        }
        let met_one = good.get(..2).unwrap_or_default();
        assert!(judged(met_one, &phases).is_err());
    }
}
