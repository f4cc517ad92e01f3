//! Registries that fail in every way, and our own side too, under both failure policies, for signatures and for attestations:
//! the verdicts are those of a table written here by hand (security.md 9).

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use serde_json::{Value, json};

use super::objects::{self, Policy, any_pod, list};
use super::{BUILDER, Scene, by_tag};
use crate::ask::{Answer, Ask, ask_all};
use crate::faults::{Fault, Front};
use crate::gate::Gate;
use crate::servers::free;
use crate::shell;

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cause {
    /// The registry's front.
    Front(Fault),
    /// Nobody listens where the registry should.
    Refused,
    /// Something of our own cluster that a policy asks for.
    Own(Lacking),
}

/// What a policy asks our own cluster for in vain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lacking {
    /// A ConfigMap that is not there.
    ConfigMap,
    /// A list that the gate may not read.
    Call,
    /// The Secret with the attestor's key, which is not there.
    Key,
    /// The same in a namespace whose Secrets the gate may not read.
    KeyElsewhere,
}

/// What becomes of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Deny,
    Admit,
}

use Verdict::{Admit, Deny};

/// One line of the table: the verdicts under attestors with Fail and with Ignore, under attestations with Fail and with Ignore,
/// and what every denial says.
struct Row {
    name: &'static str,
    cause: Cause,
    verdicts: [Verdict; 4],
    says: &'static str,
}

const fn registry(name: &'static str, fault: Fault, says: &'static str) -> Row {
    Row { name, cause: Cause::Front(fault), verdicts: [Deny, Deny, Deny, Deny], says }
}

const fn own(name: &'static str, lacking: Lacking, verdicts: [Verdict; 4], says: &'static str) -> Row {
    Row { name, cause: Cause::Own(lacking), verdicts, says }
}

/// What a denial says where a question was not answered as a whole: which one that was.
const UNANSWERED: &str = "Get \"https://127.0.0.1:";

/// Cause by cause. What a registry does denies whatever the policy says of failures; what our own side does follows the policy,
/// except keys that cannot be had, where Kyverno denies as well.
const TABLE: [Row; 17] = [
    Row {
        name: "refused",
        cause: Cause::Refused,
        verdicts: [Deny, Deny, Deny, Deny],
        says: "connection refused",
    },
    registry("away", Fault::Away, UNANSWERED),
    registry("slow", Fault::Slow(Duration::from_secs(40)), "context deadline exceeded"),
    registry("401", Fault::Status(401), "told to say 401"),
    registry("403", Fault::Status(403), "told to say 403"),
    registry("408", Fault::Status(408), "told to say 408"),
    registry("429", Fault::Status(429), "told to say 429"),
    registry("500", Fault::Status(500), "told to say 500"),
    registry("502", Fault::Status(502), "told to say 502"),
    registry("503", Fault::Status(503), "told to say 503"),
    registry("nothing", Fault::Status(204), "EOF while parsing"),
    registry("garbage", Fault::Garbage, "expected value"),
    registry("cut off", Fault::CutOff, UNANSWERED),
    own("no ConfigMap", Lacking::ConfigMap, [Deny, Admit, Deny, Admit], "nosuch"),
    own("a call that is not allowed", Lacking::Call, [Deny, Admit, Deny, Admit], "forbidden"),
    own("no key", Lacking::Key, [Deny, Deny, Deny, Deny], "nosuch"),
    own("a key that is not ours to read", Lacking::KeyElsewhere, [Deny, Deny, Deny, Deny], "forbidden"),
];

/// The columns: whether attestations are asked for, and what a failure is to be.
const COLUMNS: [(bool, &str); 4] = [(false, "Fail"), (false, "Ignore"), (true, "Fail"), (true, "Ignore")];
/// How long the API server waits, in seconds: a client of registries tries three times within four, and only the slow one
/// takes all of it.
const TIMEOUT: u32 = 8;
/// How much longer the answers of all may take on a busy machine.
const GRACE: Duration = Duration::from_secs(2);

/// A cell of the table: its own way to the registry, by which its policy knows the image.
struct Cell {
    row: &'static Row,
    verdict: Verdict,
    attestations: bool,
    failure_policy: &'static str,
    address: SocketAddr,
    front: Option<Front>,
}

impl Cell {
    fn name(&self) -> String {
        let field = if self.attestations { "attestations" } else { "attestors" };
        format!("{field}-{}", self.failure_policy.to_lowercase())
    }

    /// An image as this cell reaches it.
    fn image(&self, image: &str, registry: SocketAddr) -> String {
        image.replace(&registry.to_string(), &self.address.to_string())
    }

    /// Makes it go wrong.
    fn break_down(&self) {
        if let (Some(front), Cause::Front(fault)) = (&self.front, self.row.cause) {
            front.set(fault);
        }
    }

    /// Whether its registry answers as long as it is not told otherwise, and its policy lacks nothing.
    fn is_well_at_first(&self) -> bool {
        matches!(self.row.cause, Cause::Front(_))
    }

    /// Whether it is well again once it is told so: who hung may be waited for still.
    fn is_well_at_once(&self) -> bool {
        matches!(self.row.cause, Cause::Front(fault) if !matches!(fault, Fault::Slow(_)))
    }
}

/// The policies of the cells: one for each column's registries, one for each cell that lacks something.
fn policies(cells: &[Cell], key: &str) -> Vec<Policy> {
    let mut all: Vec<Policy> = Vec::new();
    for cell in cells {
        let Cause::Own(lacking) = cell.row.cause else {
            let reference = format!("{}/*", cell.address);
            match all.iter_mut().find(|policy| policy.name == cell.name()) {
                Some(policy) => policy.references.push(reference),
                None => all.push(policy(cell, key, cell.name())),
            }
            continue;
        };
        let words: Vec<String> = cell.row.name.to_lowercase().split(' ').map(str::to_owned).collect();
        let mut policy = policy(cell, key, format!("{}-{}", cell.name(), words.join("-")));
        match lacking {
            Lacking::ConfigMap => {
                policy.context =
                    json!([{"name": "c", "configMap": {"name": "nosuch", "namespace": "policy"}}]);
            }
            Lacking::Call => {
                policy.context =
                    json!([{"name": "c", "apiCall": {"urlPath": "/api/v1/namespaces/ci/secrets"}}]);
            }
            Lacking::Key => policy.key = "k8s://policy/nosuch".to_owned(),
            Lacking::KeyElsewhere => policy.key = "k8s://ci/nosuch".to_owned(),
        }
        if !policy.context.is_null() {
            policy.preconditions =
                json!({"all": [{"key": "{{ c }}", "operator": "NotEquals", "value": "x"}]});
        }
        all.push(policy);
    }
    all
}

fn policy(cell: &Cell, key: &str, name: String) -> Policy {
    Policy {
        attestations: cell.attestations,
        failure_policy: cell.failure_policy,
        timeout: TIMEOUT,
        use_cache: false,
        ..Policy::about(key, BUILDER, &name, &format!("{}/*", cell.address))
    }
}

impl Scene<'_> {
    /// Every cause under every policy: the verdicts of the table, well before the API server gives up.
    pub(super) fn faults(&self, gate: &Gate) -> Result<()> {
        let registry = self.registry.address;
        let key = self.ground.place.read("cosign.pub")?;
        let offline = ["--use-signing-config=false", "--tlog-upload=false", "--new-bundle-format=false"];
        let sign = ["sign", "--yes", "--key", crate::tekton::KEY];
        self.ground.place.must(&[&sign, offline.as_slice(), &[&self.good]].concat())?;
        let cells = cells(registry)?;
        // An entry of the webhooks waits as long as the most patient of its policies.
        self.kubectl(&["delete", "clusterpolicy", "--all"])?;
        let objects: Vec<Value> = policies(&cells, &key).iter().map(Policy::object).collect();
        self.ground.cluster.apply(&list(&objects).to_string())?;
        self.all_ready(gate)?;
        let of = |image: &str, which: fn(&Cell) -> bool| -> Vec<String> {
            cells.iter().filter(|cell| which(cell)).map(|cell| cell.image(image, registry)).collect()
        };
        let bad = of(&self.bad, Cell::is_well_at_first);
        self.until(gate, &bad, "the policies count", |answer| !answer.is_good())?;
        let good = of(&self.good, Cell::is_well_at_first);
        self.until(gate, &good, "a registry that is well lets the image in", Answer::is_good)?;
        self.judged_by_the_table(&cells)?;
        for front in cells.iter().filter_map(|cell| cell.front.as_ref()) {
            front.set(Fault::None);
        }
        let good = of(&self.good, Cell::is_well_at_once);
        self.until(gate, &good, "it is let in once the registry is well", Answer::is_good)?;
        // A replica that starts while the registry is away is ready all the same.
        for front in cells.iter().filter_map(|cell| cell.front.as_ref()) {
            front.set(Fault::Away);
        }
        let began = Instant::now();
        let second = self.gate(1, "cold", &[])?;
        if began.elapsed() > Duration::from_secs(10) {
            bail!("ready only after {:.1} s with the registry away", began.elapsed().as_secs_f64());
        }
        second.stop()?;
        self.kubectl(&["delete", "clusterpolicy", "--all"])?;
        self.store(gate, &Policy::guide(&key, BUILDER))?;
        self.until_good(gate)
    }

    /// Breaks everything down at once, and asks every cell by tag and by digest.
    fn judged_by_the_table(&self, cells: &[Cell]) -> Result<()> {
        cells.iter().for_each(Cell::break_down);
        let (mut images, mut expected) = (Vec::new(), Vec::new());
        for cell in cells {
            let image = cell.image(&self.good, self.registry.address);
            images.extend([by_tag(&image), image]);
            expected.extend([cell, cell]);
        }
        let began = Instant::now();
        let answers = ask_all(&self.ground.cluster, &asks(&images))?;
        let took = began.elapsed();
        let mut wrong = Vec::new();
        for ((answer, cell), image) in answers.iter().zip(&expected).zip(&images) {
            let what = format!("{}, {} ({image})", cell.row.name, cell.name());
            let held = match cell.verdict {
                Deny => self.denies(&what, answer, cell.row.says),
                Admit => self.admits(&what, answer),
            };
            wrong.extend(held.err().map(|error| format!("{error:#}")));
        }
        let verdicts = answers.len();
        if !wrong.is_empty() {
            bail!("{} of {verdicts} verdicts are not the table's:\n{}", wrong.len(), wrong.join("\n"));
        }
        if took > Duration::from_secs(u64::from(TIMEOUT)) + GRACE {
            bail!("the answers took {:.1} s, of {TIMEOUT} there are", took.as_secs_f64());
        }
        shell::say(&format!(
            "{verdicts} verdicts by the table: {} causes, for signatures and attestations, under Fail and Ignore, in {:.1} s",
            TABLE.len(),
            took.as_secs_f64()
        ));
        Ok(())
    }

    /// Waits until all answers are so.
    fn until(&self, gate: &Gate, images: &[String], what: &str, holds: fn(&Answer) -> bool) -> Result<()> {
        self.wait(gate, || {
            let answers = ask_all(&self.ground.cluster, &asks(images))?;
            let other = answers.iter().find(|answer| !holds(answer));
            Ok(other.map(|answer| format!("{what}: {} {}", answer.status, answer.message)))
        })
    }
}

/// All cells of the table, each with its own way to the registry.
fn cells(registry: SocketAddr) -> Result<Vec<Cell>> {
    let mut cells = Vec::new();
    for row in &TABLE {
        for ((attestations, failure_policy), verdict) in COLUMNS.into_iter().zip(row.verdicts) {
            let front = match row.cause {
                Cause::Refused => None,
                Cause::Front(_) | Cause::Own(_) => Some(Front::before(vec![registry])?),
            };
            let address = match &front {
                Some(front) => front.address,
                None => free()?,
            };
            cells.push(Cell { row, verdict, attestations, failure_policy, address, front });
        }
    }
    Ok(cells)
}

fn asks(images: &[String]) -> Vec<Ask> {
    let path = format!("{}?dryRun=All", objects::PODS);
    images.iter().map(|image| Ask { method: "POST", path: path.clone(), body: any_pod(image) }).collect()
}
