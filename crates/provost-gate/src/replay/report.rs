//! What a replay came to: which decisions change, counted, and grouped where they are about the same thing.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use provost_expr::image::{ImageDefaults, ImageInfo};
use provost_kyverno::Settings;
use serde::Serialize;

use super::{Now, Why};
use crate::log::Entry;

/// The most groups that are kept, of under 4 KiB each; more are only counted.
const ROWS: usize = 10_000;

/// How a decision changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Change {
    /// It was let in, and would be denied.
    WouldDeny,
    /// It was denied, and would be let in.
    WouldLetIn,
    /// It cannot be told.
    CouldNotCheck,
}

/// Decisions about the same thing that change in the same way.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Row {
    /// How they change.
    pub change: Change,
    /// `CREATE`, `UPDATE` …
    pub operation: String,
    /// The kind.
    pub kind: String,
    /// The namespace.
    pub namespace: String,
    /// The name, or what names were made of.
    pub name: String,
    /// Who asked.
    pub user: String,
    /// The images.
    pub images: Vec<String>,
    /// Whether they were let in.
    pub was_allowed: bool,
    /// Why they would be denied.
    pub denied_by: Vec<Why>,
    /// Why it cannot be told.
    pub could_not_check: Vec<String>,
    /// How many decisions.
    pub decisions: usize,
    /// The first of them.
    pub first: Timestamp,
    /// The last of them.
    pub last: Timestamp,
}

/// What a replay came to.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Replayed {
    /// The lines there were.
    pub lines: usize,
    /// Lines that are no decisions.
    pub unread: usize,
    /// Decisions that were passed over: dry runs, what filters leave out, and second answers about the same object.
    pub passed_over: usize,
    /// Decisions that were judged again.
    pub judged: usize,
    /// Let in, and would be again.
    pub still_allowed: usize,
    /// Denied, and would be again.
    pub still_denied: usize,
    /// Let in, and would be denied.
    pub would_deny: usize,
    /// Denied, and would be let in.
    pub would_let_in: usize,
    /// It cannot be told.
    pub could_not_check: usize,
    /// Groups that are counted and not listed.
    pub not_listed: usize,
    /// The groups, those that would be denied first.
    pub rows: Vec<Row>,
}

type Key = (Change, String, String, String, String, String, Vec<String>, Vec<Why>, Vec<String>);

/// Collects what a replay comes to.
#[derive(Debug, Default)]
pub struct Report {
    totals: Replayed,
    rows: BTreeMap<Key, Row>,
    mutated: BTreeSet<(String, String, String, Vec<String>)>,
}

impl Report {
    /// A line was read that is no decision.
    pub fn unread(&mut self) {
        self.totals.lines += 1;
        self.totals.unread += 1;
    }

    /// Whether a line is to be judged again. A validating webhook answers once more about what the mutating one has let
    /// in; its answer counts where it denied, or where the object has other images by then.
    pub fn wants(&mut self, entry: &Entry, settings: &Settings) -> bool {
        self.totals.lines += 1;
        let user = entry.user.as_ref().map(|user| user.username.clone()).unwrap_or_default();
        let images = entry.images.iter().map(|image| bare(image, settings)).collect();
        let asked = (entry.kind.kind.clone(), entry.namespace.clone(), user, images);
        let is_second = match entry.webhook.as_str() {
            "validate" => entry.allowed && self.mutated.contains(&asked),
            _ => {
                self.mutated.insert(asked);
                false
            }
        };
        let is_left_out = entry.basis == "filtered" || entry.dry_run || entry.operation == "DELETE";
        let wanted = !is_second && !is_left_out;
        self.totals.passed_over += usize::from(!wanted);
        wanted
    }

    /// A line was judged again.
    pub fn add(&mut self, entry: &Entry, now: Now) {
        self.totals.judged += 1;
        let (change, denied_by, could_not_check) = match (entry.allowed, now) {
            (true, Now::Allowed) => {
                self.totals.still_allowed += 1;
                return;
            }
            (false, Now::Denied(_)) => {
                self.totals.still_denied += 1;
                return;
            }
            (true, Now::Denied(why)) => {
                self.totals.would_deny += 1;
                (Change::WouldDeny, why, Vec::new())
            }
            (false, Now::Allowed) => {
                self.totals.would_let_in += 1;
                (Change::WouldLetIn, Vec::new(), Vec::new())
            }
            (_, Now::Unchecked(why)) => {
                self.totals.could_not_check += 1;
                (Change::CouldNotCheck, Vec::new(), why)
            }
        };
        let user = entry.user.as_ref().map(|user| user.username.clone()).unwrap_or_default();
        let row = Row {
            change,
            operation: entry.operation.clone(),
            kind: entry.kind.kind.clone(),
            namespace: entry.namespace.clone(),
            name: entry.name.clone(),
            user,
            images: entry.images.clone(),
            was_allowed: entry.allowed,
            denied_by,
            could_not_check,
            decisions: 0,
            first: entry.time,
            last: entry.time,
        };
        let key = (
            row.change,
            row.namespace.clone(),
            row.kind.clone(),
            row.name.clone(),
            row.operation.clone(),
            row.user.clone(),
            row.images.clone(),
            row.denied_by.clone(),
            row.could_not_check.clone(),
        );
        if self.rows.len() >= ROWS && !self.rows.contains_key(&key) {
            self.totals.not_listed += 1;
            return;
        }
        let row = self.rows.entry(key).or_insert(row);
        row.decisions += 1;
        row.first = row.first.min(entry.time);
        row.last = row.last.max(entry.time);
    }

    /// What it came to.
    #[must_use]
    pub fn done(self) -> Replayed {
        Replayed { rows: self.rows.into_values().collect(), ..self.totals }
    }
}

/// An image without its digest, which is pinned between the two webhooks, and without what spelling leaves open.
fn bare(image: &str, settings: &Settings) -> String {
    let defaults =
        ImageDefaults { registry: &settings.default_registry, mutation: settings.registry_mutation };
    let named = image.split_once('@').map_or(image, |(name, _)| name);
    ImageInfo::parse(named, &defaults).map_or_else(|_| image.to_owned(), |info| info.to_string())
}
