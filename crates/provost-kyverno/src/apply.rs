//! What `kyverno apply` prints: failures by policy and object, counts, a table.

mod exceptions;
mod report;
pub mod resource_report;

use std::fmt::Write as _;

use serde_json::Value;

use crate::exception::Exception;
use crate::judge::{Judgement, World, judge};
use crate::message;
use crate::outcome::{PolicyOutcome, RuleOutcome, Status};
use crate::policy::Policy;
use crate::policy::load::Documents;
use crate::policy::schema::Problem;
use crate::policy::spec::Action;
use crate::policy::validate::{Cause, Refusal};
use crate::request::{Operation, Request};
use crate::stores::Remembered;
use crate::test_file::{UserInfo, Values};

pub use report::Dialect;

/// How results are counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Failures of rules that only audit are warnings.
    pub audit_warn: bool,
}

/// What stands in for the request around the objects of files.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Stage {
    /// Values of the request and of context entries.
    pub values: Values,
    /// Who asks; nobody in particular where none is given.
    pub user: Option<UserInfo>,
}

/// How many results there are of each kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Passed.
    pub pass: usize,
    /// Failed.
    pub fail: usize,
    /// Failed without consequence.
    pub warn: usize,
    /// Could not be found out on our own side, policies that cannot be used included.
    pub error: usize,
    /// Did not concern the object.
    pub skip: usize,
}

/// One result, as a row of the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The policy.
    pub policy: String,
    /// The rule.
    pub rule: String,
    /// `namespace/Kind/name`.
    pub resource: String,
    /// The result.
    pub status: Status,
    /// Why.
    pub message: String,
}

/// Failures of one policy over one object in one phase.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Block {
    policy: String,
    resource: String,
    audit: bool,
    lines: Vec<(String, String)>,
}

/// What applying policies to objects gave.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Report {
    rules: usize,
    resources: usize,
    exceptions: usize,
    skipped: Vec<(String, String)>,
    blocks: Vec<Block>,
    entries: Vec<report::Entry>,
    /// The objects as the policies left them.
    pub objects: Vec<Value>,
    /// Every result.
    pub rows: Vec<Row>,
    /// How many there are of each kind.
    pub counts: Counts,
    /// What is to be said on standard error.
    pub notes: Vec<String>,
    /// Whether some policy was refused by its schema, which Kyverno ignores in silence (divergence: we fail).
    pub unreadable: bool,
}

/// Applies policies to objects. Each policy sees an object as the ones before it have patched it, as in Kyverno.
pub async fn apply(
    world: &World<'_>,
    documents: &Documents,
    objects: &[Value],
    stage: &Stage,
    options: Options,
) -> Report {
    let mut report = Report {
        rules: documents.policies.iter().map(|p| p.rule_count).sum(),
        resources: objects.len(),
        exceptions: documents.exceptions.len(),
        ..Report::default()
    };
    for refusal in &documents.refused {
        report.refuse(refusal);
    }
    for object in objects {
        let plain = Request::of_object(object);
        let request = match &stage.user {
            Some(user) => user.asks(plain),
            None => plain,
        };
        let staged = |policy: &Policy, request| stage.values.staged(policy, None, request);
        let judgements = in_turn(world, documents, request.clone(), staged).await;
        let left = judgements.last().map(|judged| judged.object.clone()).filter(|left| !left.is_null());
        report.objects.push(left.unwrap_or_else(|| object.clone()));
        for (policy, judged) in documents.policies.iter().zip(judgements) {
            report.notes.extend(judged.notes);
            for outcome in &judged.policies {
                report.take(outcome, &outcome.verified, &request, options);
                report.take(outcome, &outcome.checked, &request, options);
                let all = outcome.verified.iter().chain(&outcome.checked);
                report.entries.extend(all.map(|o| report::Entry::of(policy, outcome, o, &request, options)));
            }
        }
    }
    report
}

/// Judges an object by one policy after the other; each sees it as the ones before it have patched it. `staged` says
/// what a policy gets to see besides.
pub(crate) async fn in_turn(
    world: &World<'_>,
    documents: &Documents,
    mut request: Request,
    staged: impl Fn(&Policy, Request) -> Request,
) -> Vec<Judgement> {
    let mut judgements = Vec::with_capacity(documents.policies.len());
    // Policies that run one after the other still ask a registry each question once.
    let remembered = Remembered::new(world.stores);
    let world = &World { stores: &remembered, ..*world };
    let exceptions: &[Exception] = &documents.exceptions;
    for policy in &documents.policies {
        let seen = staged(policy, request.clone());
        let judged = judge(world, std::slice::from_ref(policy), exceptions, &seen).await;
        if seen.operation != Operation::Delete {
            request = request.with_object(judged.object.clone());
        }
        judgements.push(judged);
    }
    judgements
}

/// A result as it counts: where a policy is not scored, or only audits and that is to warn, failing is a warning.
pub(crate) fn counted(policy: &PolicyOutcome, outcome: &RuleOutcome, options: Options) -> Status {
    let audited = options.audit_warn && outcome.action == Action::Audit;
    match outcome.status {
        Status::Fail if audited || !policy.scored => Status::Warn,
        status => status,
    }
}

impl Report {
    fn refuse(&mut self, refusal: &Refusal) {
        let silent = match &refusal.cause {
            Cause::Schema(fault) => !matches!(fault.problem, Problem::Unknown { .. }),
            Cause::Unreadable { .. } | Cause::Unserved { .. } | Cause::NotJudged => true,
            _ => false,
        };
        if silent {
            self.unreadable = true;
            self.notes.push(message::refusal::of(refusal));
            return;
        }
        self.rules += refusal.rule_count;
        self.counts.error += 1;
        self.skipped.push((refusal.name.clone(), message::refusal::cause(&refusal.cause)));
    }

    fn take(
        &mut self,
        policy: &PolicyOutcome,
        outcomes: &[RuleOutcome],
        request: &Request,
        options: Options,
    ) {
        let resource = format!("{}/{}/{}", request.namespace, request.kind.kind, request.object_name());
        let resource = message::printable(&resource);
        let mut lines = Vec::new();
        let mut audit = false;
        for outcome in outcomes {
            let audited = options.audit_warn && outcome.action == Action::Audit;
            let status = counted(policy, outcome, options);
            let count = match status {
                Status::Pass => &mut self.counts.pass,
                Status::Fail => &mut self.counts.fail,
                Status::Warn => &mut self.counts.warn,
                Status::Error => &mut self.counts.error,
                Status::Skip => &mut self.counts.skip,
            };
            *count += 1;
            let message = message::of(outcome);
            if outcome.status == Status::Fail {
                audit |= audited;
                lines.push((outcome.rule.clone(), message.clone()));
            }
            if status == Status::Error {
                self.notes.push(format!("policy {} rule {}: {message}", policy.name, outcome.rule));
            }
            self.rows.push(Row {
                policy: policy.name.clone(),
                rule: outcome.rule.clone(),
                resource: resource.clone(),
                status,
                message,
            });
        }
        if !lines.is_empty() {
            self.blocks.push(Block { policy: policy.name.clone(), resource, audit, lines });
        }
    }

    /// The results as reports: `merged` for all cluster policies, and one for each namespaced policy. `seconds` is
    /// the time since 1970.
    #[must_use]
    pub fn reports(&self, seconds: i64, dialect: Dialect) -> Vec<Value> {
        report::reports(&self.entries, seconds, dialect)
    }

    /// An exception for every failure of a cluster policy, which a label lets end after a time in Go's notation.
    #[must_use]
    pub fn exceptions(&self, ends_after: Option<&str>) -> Vec<Value> {
        self.entries.iter().filter_map(|entry| exceptions::of(entry, ends_after)).collect()
    }

    /// Policies that cannot be used, where there are any.
    #[must_use]
    pub fn skipped(&self) -> String {
        const RULE: &str = "----------------------------------------------------------------------";
        let mut text = String::new();
        if !self.skipped.is_empty() {
            let _ = writeln!(text, "{RULE}\nPolicies Skipped:");
            for (index, (name, why)) in self.skipped.iter().enumerate() {
                let _ = writeln!(text, "{}. {name}: {why}", index + 1);
            }
            let _ = writeln!(text, "{RULE}");
        }
        text
    }

    /// The first line, which is printed before anything is judged.
    #[must_use]
    pub fn head(&self) -> String {
        let exceptions = match self.exceptions {
            0 => String::new(),
            n => format!(" with {n} exception(s)"),
        };
        format!("\nApplying {} policy rule(s) to {} resource(s){exceptions}...\n", self.rules, self.resources)
    }

    /// Policies that cannot be used, failures, and counts.
    #[must_use]
    pub fn body(&self) -> String {
        let mut text = self.skipped();
        for block in &self.blocks {
            let how = if block.audit { "failed as audit warning:" } else { "failed:" };
            let _ = writeln!(text, "policy {} -> resource {} {how}", block.policy, block.resource);
            for (index, (rule, words)) in block.lines.iter().enumerate() {
                let _ = writeln!(text, "{} - {rule} {words}", index + 1);
            }
        }
        let Counts { pass, fail, warn, error, skip } = self.counts;
        let _ = writeln!(text, "\npass: {pass}, fail: {fail}, warn: {warn}, error: {error}, skip: {skip} ");
        text
    }

    /// The results as Kyverno's table.
    #[must_use]
    pub fn table(&self, detailed: bool) -> String {
        let mut head = vec!["ID", "POLICY", "RULE", "RESOURCE", "RESULT", "REASON"];
        if detailed {
            head.push("MESSAGE");
        }
        let mut lines = vec![head.into_iter().map(str::to_owned).collect::<Vec<_>>()];
        for (index, row) in self.rows.iter().enumerate() {
            let result = match row.status {
                Status::Pass => "Pass",
                Status::Fail => "Fail",
                Status::Warn => "Warn",
                Status::Error => "Error",
                Status::Skip => "Skip",
            };
            let mut cells = vec![
                (index + 1).to_string(),
                row.policy.clone(),
                row.rule.clone(),
                row.resource.clone(),
                result.to_owned(),
                String::new(),
            ];
            if detailed {
                cells.push(row.message.clone());
            }
            lines.push(cells);
        }
        drawn(&lines)
    }
}

/// Cells between upright lines, a line of dashes above, below the head and at the end.
pub(crate) fn drawn(lines: &[Vec<String>]) -> String {
    /// The rows up to which Kyverno's table does not state their number.
    const UNCOUNTED: usize = 10;
    let mut lines = lines.to_vec();
    let rows = lines.len().saturating_sub(1);
    if let Some(title) = lines.first_mut().and_then(|head| head.first_mut())
        && rows > UNCOUNTED
    {
        *title = format!("{title} ({rows})");
    }
    let columns = lines.first().map_or(0, Vec::len);
    let widths: Vec<usize> = (0..columns)
        .map(|at| {
            lines.iter().filter_map(|cells| cells.get(at)).map(|c| c.chars().count()).max().unwrap_or(0)
        })
        .collect();
    let dashes: String = widths.iter().map(|width| format!("│{}", "─".repeat(width + 2))).collect();
    let mut text = format!("{dashes}│\n");
    for (index, cells) in lines.iter().enumerate() {
        for (cell, width) in cells.iter().zip(&widths) {
            let blanks = width - cell.chars().count();
            let _ = write!(text, "│ {cell}{} ", " ".repeat(blanks));
        }
        text.push_str("│\n");
        if index == 0 {
            let _ = writeln!(text, "{dashes}│");
        }
    }
    let _ = writeln!(text, "{dashes}│");
    text
}
