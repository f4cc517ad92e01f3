//! Registries that fail in every way, under both failure policies, for signatures and for attestations: never an admission.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use super::objects::{self, Policy, any_pod};
use super::{BUILDER, Scene, by_tag};
use crate::faults::{Fault, Front};
use crate::gate::Gate;
use crate::shell;

/// The ways in which a registry fails.
const FAULTS: [(&str, Fault); 7] = [
    ("away", Fault::Away),
    ("401", Fault::Status(401)),
    ("403", Fault::Status(403)),
    ("429", Fault::Status(429)),
    ("500", Fault::Status(500)),
    ("garbage", Fault::Garbage),
    ("slow", Fault::Slow(Duration::from_secs(40))),
];

impl Scene<'_> {
    /// The guide's image by a registry that fails: denied each time, well before the API server gives up.
    pub(super) fn faults(&self, gate: &Gate) -> Result<()> {
        let front = Front::before(vec![self.registry.address])?;
        let host = front.address.to_string();
        let image = self.good.replace(&self.registry.address.to_string(), &host);
        let key = self.ground.place.read("cosign.pub")?;
        let dry = format!("{}?dryRun=All", objects::PODS);
        let faults: Vec<(&str, Fault)> = match self.setting.short {
            // The slow one takes all of the time there is.
            true => FAULTS.into_iter().filter(|(name, _)| *name != "slow").collect(),
            false => FAULTS.to_vec(),
        };
        // An entry waits as long as the most patient of its policies.
        self.kubectl(&["delete", "clusterpolicy", "verify-tekton-built-images", "verify-steps"])?;
        let mut verdicts = 0;
        let timeout = if self.setting.short { 3 } else { 10 };
        for attestations in [true, false] {
            // In the short form each of both meets each of both once.
            let all = if attestations { ["Fail", "Ignore"] } else { ["Ignore", "Fail"] };
            for &failure_policy in all.iter().take(if self.setting.short { 1 } else { 2 }) {
                let policy = Policy {
                    attestations,
                    failure_policy,
                    timeout,
                    ..Policy::about(&key, BUILDER, "failing", &format!("{host}/*"))
                };
                front.set(Fault::None);
                self.ground.cluster.apply(&policy.object().to_string())?;
                self.store(gate, &policy)?;
                let unattested = self.bad.replace(&self.registry.address.to_string(), &host);
                self.wait(gate, || {
                    let answer = self.create(&dry, &any_pod(&unattested))?;
                    Ok(answer.is_good().then(|| "the policy does not count".to_owned()))
                })?;
                for (name, fault) in &faults {
                    front.set(*fault);
                    let began = Instant::now();
                    let answer = self.create(&dry, &any_pod(&by_tag(&image)))?;
                    let what =
                        format!("a registry that is {name}, {failure_policy}, attestations {attestations}");
                    self.denies(&what, &answer, "")?;
                    if began.elapsed() > Duration::from_secs(u64::from(timeout) + 1) {
                        bail!("{what}: the answer took {:.0} s", began.elapsed().as_secs_f64());
                    }
                    verdicts += 1;
                }
                front.set(Fault::None);
                self.wait(gate, || {
                    let answer = self.create(&dry, &any_pod(&image))?;
                    let words = || format!("not let in once the registry is well: {}", answer.message);
                    Ok((!answer.is_good()).then(words))
                })?;
            }
        }
        self.kubectl(&["delete", "clusterpolicy", "failing"])?;
        // A replica that starts while the registry is away is ready all the same.
        front.set(Fault::Away);
        let began = Instant::now();
        let second = self.gate(1, "cold", &[])?;
        if began.elapsed() > Duration::from_secs(10) {
            bail!("ready only after {:.1} s with the registry away", began.elapsed().as_secs_f64());
        }
        second.stop()?;
        self.store(gate, &Policy::guide(&key, BUILDER))?;
        self.until_good(gate)?;
        shell::say(&format!("{verdicts} verdicts with a registry that fails: all are denials"));
        Ok(())
    }
}
