//! Runs a test: judges its objects by its policies and holds the results against those expected.

use std::collections::BTreeMap;

use serde_json::Value;

use super::difference::{first_difference, tidied};
use super::values::Staged;
use super::{Expected, Mocks, Selector, TestFile, UserInfo, Values};
use crate::apply::{Options, counted, in_turn};
use crate::judge::World;
use crate::message;
use crate::outcome::Status;
use crate::policy::Policy;
use crate::policy::load::Documents;
use crate::request::{Operation, Request};

/// A test with everything it names.
#[derive(Clone, Debug, Default)]
pub struct Case {
    /// The test.
    pub file: TestFile,
    /// Its values.
    pub values: Values,
    /// Who asks.
    pub user: Option<UserInfo>,
    /// Its policies and exceptions.
    pub documents: Documents,
    /// Its objects.
    pub resources: Vec<Value>,
    /// The objects of its cluster.
    pub cluster: Vec<Value>,
    /// The answers it gives in place of a cluster's.
    pub mocks: Mocks,
    /// The objects of the files that results name under `patchedResources`.
    pub patched: BTreeMap<String, Vec<Value>>,
}

/// One line of the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Counted from 1 in each test.
    pub id: usize,
    /// The policy, as the test names it.
    pub policy: String,
    /// The rule.
    pub rule: String,
    /// `apiVersion/Kind/namespace/name`.
    pub resource: String,
    /// Whether the result is the one expected.
    pub passed: bool,
    /// Why, in short.
    pub reason: String,
    /// Why, at length.
    pub message: String,
}

/// What running a test gave.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// The lines of the table.
    pub rows: Vec<Row>,
    /// How many came out as expected, skipped ones aside.
    pub passed: usize,
    /// How many were skipped as expected.
    pub skipped: usize,
    /// How many came out otherwise.
    pub failed: usize,
    /// What is to be said on standard error.
    pub notes: Vec<String>,
}

/// An object of the test, and what its judgements found, by operation.
struct Judged {
    request: Request,
    api_version: String,
    of_operations: Vec<(Option<Operation>, Vec<OfPolicy>)>,
}

/// What one policy found of one object.
struct OfPolicy {
    outcomes: Vec<(String, Status, String)>,
    object: Value,
}

impl Judged {
    fn resource(&self) -> String {
        let Request { kind, namespace, .. } = &self.request;
        let name = self.request.object_name();
        message::printable(&format!("{}/{}/{namespace}/{name}", self.api_version, kind.kind))
    }

    fn is_named(&self, name: &str) -> bool {
        match name.split_once('/') {
            None => self.request.object_name() == name,
            Some((namespace, name)) => {
                self.request.namespace == namespace && self.request.object_name() == name
            }
        }
    }
}

impl Case {
    /// The cluster the test is judged in.
    #[must_use]
    pub fn staged(&self) -> Staged {
        let all = !self.cluster.is_empty();
        Staged::new(self.cluster.clone(), all, self.mocks.clone(), &self.values, self.user.as_ref())
    }

    /// The test with each object once, and the objects that were there more often.
    #[must_use]
    pub fn without_duplicates(mut self) -> (Self, Vec<Request>) {
        let mut seen = std::collections::BTreeSet::new();
        let mut duplicates = Vec::new();
        self.resources.retain(|object| {
            let request = Request::of_object(object);
            let version = object.get("apiVersion").and_then(Value::as_str).unwrap_or_default();
            let key = (
                version.to_owned(),
                request.kind.kind.clone(),
                request.namespace.clone(),
                request.name.clone(),
            );
            let first = seen.insert(key);
            if !first {
                duplicates.push(request);
            }
            first
        });
        (self, duplicates)
    }

    /// The expected results that are selected.
    #[must_use]
    pub fn selected(&self, selector: &Selector) -> Vec<Expected> {
        self.file.results.iter().filter_map(|expected| selector.selected(expected)).collect()
    }

    /// Judges and compares. The judging is that of `apply`: [`crate::judge::judge`] for each policy in turn.
    pub async fn run(&self, world: &World<'_>, results: &[Expected]) -> Report {
        let mut report = Report::default();
        let judged = self.judged(world, results, &mut report.notes).await;
        for expected in results {
            self.compare(expected, &judged, &mut report);
        }
        report.notes.sort();
        report.notes.dedup();
        report
    }

    async fn judged(&self, world: &World<'_>, results: &[Expected], notes: &mut Vec<String>) -> Vec<Judged> {
        let mut operations = vec![None];
        for expected in results {
            if !operations.contains(&expected.operation) {
                operations.push(expected.operation);
            }
        }
        let mut all = Vec::with_capacity(self.resources.len());
        for object in &self.resources {
            let plain = Request::of_object(object);
            let request = match &self.user {
                Some(user) => user.asks(plain),
                None => plain,
            };
            let mut of_operations = Vec::with_capacity(operations.len());
            for operation in &operations {
                let staged = |policy: &Policy, request| self.values.staged(policy, *operation, request);
                let judgements = in_turn(world, &self.documents, request.clone(), staged).await;
                let mut of_policies = Vec::with_capacity(judgements.len());
                for judged in judgements {
                    notes.extend(judged.notes);
                    let mut outcomes = Vec::new();
                    for policy in &judged.policies {
                        for outcome in policy.verified.iter().chain(&policy.checked) {
                            let status = counted(policy, outcome, Options::default());
                            outcomes.push((outcome.rule.clone(), status, message::of(outcome)));
                        }
                    }
                    of_policies.push(OfPolicy { outcomes, object: judged.object });
                }
                of_operations.push((*operation, of_policies));
            }
            let version = object.get("apiVersion").and_then(Value::as_str).unwrap_or_default();
            all.push(Judged { request, api_version: version.to_owned(), of_operations });
        }
        all
    }

    fn compare(&self, expected: &Expected, judged: &[Judged], report: &mut Report) {
        let mut meant: Vec<&Judged> = Vec::new();
        for name in &expected.resources {
            let found = judged.iter().filter(|one| one.is_named(name));
            let before = meant.len();
            meant.extend(found);
            if meant.len() == before {
                report.fail(expected, name, "Not found", format!("no object named {name} is loaded"));
            }
        }
        for spec in &expected.resource_specs {
            let version = match spec.group.as_str() {
                "" => spec.version.clone(),
                group => format!("{group}/{}", spec.version),
            };
            let found = judged.iter().filter(|one| {
                one.api_version == version
                    && one.request.namespace == spec.namespace
                    && one.request.object_name() == spec.name
            });
            let before = meant.len();
            meant.extend(found);
            if meant.len() == before {
                let name = format!("{version}/{}/{}/{}", spec.kind, spec.namespace, spec.name);
                report.fail(expected, &name, "Not found", format!("no object {name} is loaded"));
            }
        }
        let named = !expected.resources.is_empty() || !expected.resource_specs.is_empty();
        if !named {
            meant.extend(judged);
            if judged.is_empty() {
                report.fail(expected, "", "Not found", "no object is loaded".to_owned());
            }
        }
        let answered = meant.iter().any(|one| !self.outcomes(expected, one).is_empty());
        for one in meant {
            let outcomes = self.outcomes(expected, one);
            if outcomes.is_empty() {
                // Where no object is named, those of other kinds than the one stated need no result.
                let aside =
                    !named && answered && !expected.kind.is_empty() && expected.kind != one.request.kind.kind;
                self.unanswered(expected, one, aside, report);
            }
            for ((rule, status, message), object) in outcomes {
                let (passed, reason, message) = match self.difference(expected, one, object) {
                    Some((reason, difference)) => (false, reason.to_owned(), difference),
                    None if *status == expected.result => (true, "Ok".to_owned(), message.clone()),
                    None => {
                        let (wanted, got) = (expected.result.name(), status.name());
                        (false, format!("Want {wanted}, got {got}"), message.clone())
                    }
                };
                report.add(expected, rule, &one.resource(), passed, reason, message);
            }
        }
    }

    /// The policies that an expected result means, with their place.
    fn policies<'a>(&'a self, expected: &'a Expected) -> impl Iterator<Item = (usize, &'a Policy)> {
        let (namespace, name) = match expected.policy.split_once('/') {
            Some((namespace, name)) => (Some(namespace), name),
            None => (None, expected.policy.as_str()),
        };
        let all = self.documents.policies.iter().enumerate();
        all.filter(move |(_, policy)| {
            policy.name == name && namespace.is_none_or(|wanted| policy.namespace == wanted)
        })
    }

    /// The outcomes of the rules that an expected result means, each with the object as the policy left it.
    fn outcomes<'a>(
        &self,
        expected: &Expected,
        one: &'a Judged,
    ) -> Vec<(&'a (String, Status, String), &'a Value)> {
        let of_operation = one.of_operations.iter().find(|(operation, _)| *operation == expected.operation);
        let mut found = Vec::new();
        for (at, _) in self.policies(expected) {
            let Some(of_policy) = of_operation.and_then(|(_, policies)| policies.get(at)) else { continue };
            let meant = of_policy.outcomes.iter().filter(|(rule, _, _)| is_rule(expected, rule));
            found.extend(meant.map(|outcome| (outcome, &of_policy.object)));
        }
        found
    }

    /// No rule produced the result. Kyverno calls that excluded, which passes whatever was expected; here it passes
    /// where skipping was expected of a rule that is there, and for objects that need no result.
    fn unanswered(&self, expected: &Expected, one: &Judged, aside: bool, report: &mut Report) {
        let resource = one.resource();
        let name = expected.policy.rsplit('/').next().unwrap_or_default();
        if let Some(refusal) = self.documents.refused.iter().find(|refusal| refusal.name == name) {
            return report.fail(expected, &resource, "Invalid Policy", message::refusal::of(refusal));
        }
        let mut rules = self.policies(expected).flat_map(|(_, policy)| &policy.rules);
        let exists = rules.any(|rule| is_rule(expected, &rule.name));
        if aside || (exists && expected.result == Status::Skip) {
            let excluded = "Excluded".to_owned();
            report.add(expected, &expected.rule, &resource, true, excluded.clone(), excluded);
            return;
        }
        let mut others = self.policies(expected).flat_map(|(_, policy)| &policy.other_rules);
        let why = if exists {
            format!("{} was expected, and the rule is not about this object", expected.result.name())
        } else if others.any(|rule| *rule == expected.rule) {
            "the rule is no verifyImages rule; it is left to Kyverno".to_owned()
        } else if self.policies(expected).next().is_some() {
            "the policy has no such rule".to_owned()
        } else {
            "no such policy is loaded".to_owned()
        };
        report.fail(expected, &resource, "Not found", why);
    }

    /// What differs between the object as it came out and as it should; `None` where nothing is said about it.
    fn difference(&self, expected: &Expected, one: &Judged, found: &Value) -> Option<(&'static str, String)> {
        let file = expected.patched_resources.as_ref().filter(|file| !file.is_empty())?;
        let wanted = self.patched.get(file).into_iter().flatten().find(|wanted| {
            let wanted = Request::of_object(wanted);
            wanted.kind == one.request.kind
                && wanted.namespace == one.request.namespace
                && wanted.name == one.request.object_name()
        });
        let Some(wanted) = wanted else {
            return Some(("Resource error", format!("{}: not found in manifest {file}", one.resource())));
        };
        let mut pointer = String::new();
        let (found, wanted) = (tidied(found, &one.request), tidied(wanted, &one.request));
        let (found, wanted) = first_difference(&found, &wanted, &mut pointer)?;
        Some(("Resource diff", format!("{file}: {pointer}: expected {wanted}, found {found}")))
    }
}

/// Whether a rule is the one expected, as it stands or as made for pod controllers.
fn is_rule(expected: &Expected, rule: &str) -> bool {
    const GENERATED: [&str; 3] = ["", "autogen-", "autogen-cronjob-"];
    let wanted = expected.rule.as_str();
    wanted.is_empty() || GENERATED.iter().any(|prefix| rule.strip_prefix(prefix) == Some(wanted))
}

impl Report {
    fn fail(&mut self, expected: &Expected, resource: &str, reason: &str, message: String) {
        self.add(expected, &expected.rule, resource, false, reason.to_owned(), message);
    }

    fn add(
        &mut self,
        expected: &Expected,
        rule: &str,
        resource: &str,
        passed: bool,
        reason: String,
        message: String,
    ) {
        match passed {
            true if expected.result == Status::Skip || reason == "Excluded" => self.skipped += 1,
            true => self.passed += 1,
            false => self.failed += 1,
        }
        self.rows.push(Row {
            id: self.rows.len() + 1,
            policy: expected.policy.clone(),
            rule: rule.to_owned(),
            resource: resource.to_owned(),
            passed,
            reason,
            message,
        });
    }
}
