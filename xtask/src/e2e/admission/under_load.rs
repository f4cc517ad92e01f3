//! Changes while requests come in all the time: policies, keys, certificates, an API server, replicas.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::json;

use super::objects::{self, Policy, any_pod};
use super::{BUILDER, OTHER_BUILDER, Scene};
use crate::ask::{Answer, Ask, Load};
use crate::gate::Gate;
use crate::shell;

/// How soon a change counts.
const SOON: Duration = Duration::from_secs(1);
/// How long a certificate's successor may take: its authority settles for ten seconds first.
const RENEWED: Duration = Duration::from_secs(60);
const LOADERS: usize = 2;

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

    fn pause(&self, seconds: u64) {
        thread::sleep(Duration::from_millis(if self.setting.short { seconds * 300 } else { seconds * 1000 }));
    }

    /// A policy and a key change; each counts within a second, for all requests that begin after it.
    pub(super) fn changes(&self, gate: &Gate) -> Result<()> {
        let place = &self.ground.place;
        let key = place.read("cosign.pub")?;
        let secret = |key: &str| {
            json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "builder", "namespace": "policy"},
                "stringData": {"cosign.pub": key}})
            .to_string()
        };
        place.write("second/keep", "")?;
        let folder = place.folder().join("second");
        let made = place.command(place.binary()).current_dir(&folder).arg("generate-key-pair").status()?;
        if !made.success() {
            bail!("no second key was made");
        }
        let second = place.read("second/cosign.pub")?;
        self.ground.cluster.apply(&secret(&key))?;
        let mut policy = Policy::guide("k8s://policy/builder", BUILDER);
        self.store(gate, &policy)?;
        let load = self.load(&[&self.good, &self.bad])?;
        self.pause(4);
        policy.builder = OTHER_BUILDER.to_owned();
        self.ground.cluster.apply(&policy.object().to_string())?;
        let refused = Instant::now();
        self.pause(6);
        policy.builder = BUILDER.to_owned();
        self.ground.cluster.apply(&policy.object().to_string())?;
        let allowed = Instant::now();
        self.pause(6);
        self.ground.cluster.apply(&secret(&second))?;
        let rotated = Instant::now();
        self.pause(6);
        let all = load.end()?;
        let between = |answer: &&Answer, from: Instant, to: Option<Instant>| {
            answer.began > from + SOON && to.is_none_or(|to| answer.ended < to)
        };
        let mut counts = [0_usize; 4];
        for answer in &all {
            let first = answer.ended < refused;
            let denied = between(&answer, refused, Some(allowed));
            let again = between(&answer, allowed, Some(rotated));
            let by_key = between(&answer, rotated, None);
            let expected = match answer.which {
                0 if first || again => Some(true),
                0 if denied || by_key => Some(false),
                0 => None,
                _ => Some(false),
            };
            for (count, is) in counts.iter_mut().zip([first, denied, again, by_key]) {
                *count += usize::from(is);
            }
            if expected.is_some_and(|expected| expected != answer.is_good()) {
                let image = if answer.which == 0 { "attested" } else { "unattested" };
                bail!("a Pod with the {image} image: {} {}", answer.status, answer.message);
            }
        }
        if counts.contains(&0) {
            bail!("the load met not all of the changes: {counts:?}");
        }
        self.ground.cluster.apply(&secret(&key))?;
        self.until_good(gate)?;
        shell::say(&format!(
            "{} requests while a policy changed twice and a key once: each change counts within a second, and nothing bad came in",
            all.len()
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

    /// A new authority and a new certificate, without a request that fails.
    pub(super) fn renewal(&self, gate: &Gate) -> Result<()> {
        let before = self.issuer()?;
        let load = self.load(&[&self.good])?;
        let began = Instant::now();
        let renew =
            ["annotate", "secret", "provost-admission-ca", "-n", "provost-system", "provost.dev/renew=now"];
        self.kubectl(&renew)?;
        while self.issuer()? == before {
            if began.elapsed() > RENEWED {
                bail!("no new certificate in {} s\n{}", RENEWED.as_secs(), gate.last_words());
            }
            thread::sleep(super::AGAIN);
        }
        let took = began.elapsed().as_secs_f64();
        self.pause(8);
        let all = load.end()?;
        if let Some(failed) = all.iter().find(|answer| !answer.is_good()) {
            bail!("while the certificate was renewed: {} {}", failed.status, failed.message);
        }
        shell::say(&format!(
            "authority and certificate renewed in {took:.0} s under {} requests, of which none failed",
            all.len()
        ));
        Ok(())
    }

    /// The API server goes away and comes back; what changes then counts as before.
    pub(super) fn restart(&mut self, gate: &Gate) -> Result<()> {
        self.ground.cluster.restart(Duration::from_secs(2))?;
        self.until_good(gate)?;
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
            "the API server was restarted, and a policy changed after it counted {took:.1} s later"
        ));
        Ok(())
    }

    /// One of two replicas dies under load: nothing wrong comes in, and the other one answers alone.
    pub(super) fn pair(&self, one: Gate) -> Result<()> {
        let mut one = one;
        let other = self.gate(1, "other", &[])?;
        let load = self.load(&[&self.good, &self.bad])?;
        self.pause(5);
        one.kill()?;
        let died = Instant::now();
        self.pause(8);
        let all = load.end()?;
        if let Some(wrong) = all.iter().find(|answer| answer.which == 1 && answer.is_good()) {
            bail!("an unattested image came in: {wrong:?}");
        }
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
        // The one that is left leads after the Lease of the other has run out.
        let patch = ["delete", "validatingwebhookconfiguration", "provost-validating"];
        self.kubectl(&patch)?;
        self.wait(&other, || {
            let there =
                self.kubectl(&["get", "validatingwebhookconfiguration", "provost-validating"]).is_ok();
            Ok((!there).then(|| "the replica that is left does not lead".to_owned()))
        })?;
        other.stop().context("the other replica")?;
        shell::say(&format!(
            "one of two replicas died under {} requests: {lost} were refused meanwhile, nothing wrong came in, {alone} were answered by the other",
            all.len()
        ));
        Ok(())
    }
}
