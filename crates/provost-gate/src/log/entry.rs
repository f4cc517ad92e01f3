//! One line of the decision log: who asked for what, what was decided, and on which ground.

use std::collections::BTreeSet;

use jiff::Timestamp;
use provost_expr::environment::Environment;
use provost_expr::image::ImageDefaults;
use provost_kyverno::outcome::RuleOutcome;
use provost_kyverno::policy::Action;
use provost_kyverno::{Request, Settings, Status, extract, message};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::masking::{MaskingKey, Scrubber, masked};
use crate::codes;
use crate::hook::Hook;
use crate::record::Decided;
use crate::sight::Sight;

/// The version of the form of lines; a reader that knows another refuses them.
pub const VERSION: u32 = 1;
/// The most bytes of one message: Kyverno's longest is a list of a hundred signatures that do not count.
const MESSAGE: usize = 4096;
/// The most results in one line; a thousand policies that match one Pod have two each.
const RESULTS: usize = 2000;
/// The most bytes of a name, user or image string: image references end at 4,096 in every registry.
const TEXT: usize = 4096;
/// The most images named in one line.
const IMAGES: usize = 1000;
/// The most groups of a user.
const GROUPS: usize = 200;

/// A line of the log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// [`VERSION`].
    pub version: u32,
    /// When it was decided.
    pub time: Timestamp,
    /// `mutate` or `validate`.
    pub webhook: String,
    /// The path of the webhook below that: which share of the policies it is about.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub share: String,
    /// The API server's identifier of the request.
    pub uid: String,
    /// `CREATE`, `UPDATE`, `DELETE` or `CONNECT`.
    pub operation: String,
    /// What the object is.
    pub kind: Kind,
    /// The subresource, where it is one.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub subresource: String,
    /// The object's namespace.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    /// The object's name, or what its name will begin with.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Who asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<User>,
    /// Whether the caller showed a certificate of the operator's authority.
    pub authenticated: bool,
    /// Whether it was a dry run.
    pub dry_run: bool,
    /// The image strings of the object.
    pub images: Vec<String>,
    /// Whether it was let in.
    pub allowed: bool,
    /// On what ground: `judged`, or why nothing was judged.
    pub basis: String,
    /// What each rule found.
    pub results: Vec<Outcome>,
    /// What else there is to know: images that patterns miss, answers of registries that were stale.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// How many results are not in the line, beyond the first 2,000.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub results_left_out: usize,
    /// The epoch of what it was judged by, and the policies that had something to say.
    pub epoch: u64,
    /// Those policies, each with the digest of its text.
    pub policies: Vec<JudgedBy>,
    /// How long the answer took, in milliseconds.
    pub took_ms: f64,
    /// The object, without what it keeps to itself.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub object: Value,
    /// The object as it was, without what it keeps to itself.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub old_object: Value,
    /// Whether the objects were left out because the line would be too long.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub objects_left_out: bool,
}

/// What an object is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Kind {
    /// The API group; empty for the core.
    pub group: String,
    /// The version.
    pub version: String,
    /// The kind.
    pub kind: String,
}

/// Who asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// The user's name.
    pub username: String,
    /// The user's groups.
    pub groups: Vec<String>,
}

/// A policy that had something to say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JudgedBy {
    /// `name`, or `namespace/name`.
    pub policy: String,
    /// The digest of its text.
    pub digest: String,
}

/// What one rule found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// The policy: `name`, or `namespace/name`.
    pub policy: String,
    /// The rule.
    pub rule: String,
    /// The image it is about, where it is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// `verify`, or `check` for the check of the object as it would be admitted.
    pub phase: String,
    /// `pass`, `fail`, `warn`, `error` or `skip`.
    pub result: String,
    /// `Enforce` or `Audit`.
    pub action: String,
    /// What was found, and of what it consists.
    pub codes: Vec<String>,
    /// Kyverno's words, for what is neither pass nor skip.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature serde asks for")]
fn is_zero(count: &usize) -> bool {
    *count == 0
}

impl Entry {
    /// The line of a decision.
    #[must_use]
    pub fn of(decided: &Decided, key: &MaskingKey) -> Self {
        let request = &decided.request;
        let kind = request.kind.kind.as_str();
        let (places, images) = images(request, &decided.sight);
        let (webhook, share) = match &decided.hook {
            Hook::Mutate(share) => ("mutate", share),
            Hook::Validate(share) => ("validate", share),
        };
        let mut results = results(decided, &places);
        let results_left_out = results.len().saturating_sub(RESULTS);
        results.truncate(RESULTS);
        let notes = decided.judgement.iter().flat_map(|judgement| &judgement.notes);
        let user = request.user.as_ref().map(|user| User {
            username: cut(&user.name, TEXT),
            groups: user.groups.iter().take(GROUPS).map(|group| cut(group, TEXT)).collect(),
        });
        Self {
            version: VERSION,
            time: decided.at,
            webhook: webhook.to_owned(),
            share: share.path(),
            uid: cut(&request.uid, TEXT),
            operation: request.operation.name().to_owned(),
            kind: Kind {
                group: cut(&request.kind.group, TEXT),
                version: cut(&request.kind.version, TEXT),
                kind: cut(kind, TEXT),
            },
            subresource: cut(&request.subresource, TEXT),
            namespace: cut(&request.namespace, TEXT),
            name: cut(name(request), TEXT),
            user,
            authenticated: decided.authenticated,
            dry_run: decided.dry_run,
            images: images.into_iter().take(IMAGES).map(|image| cut(&image, TEXT)).collect(),
            allowed: decided.is_allowed(),
            basis: decided.basis.name().to_owned(),
            results,
            notes: notes.take(IMAGES).map(|note| cut(note, TEXT)).collect(),
            results_left_out,
            epoch: decided.epoch,
            policies: policies(decided),
            took_ms: decided.took.as_secs_f64() * 1000.0,
            object: masked(&request.object, kind, &places, key),
            old_object: masked(&request.old_object, kind, &places, key),
            objects_left_out: false,
        }
    }

    /// The same line without its objects.
    #[must_use]
    pub(super) fn without_objects(self) -> Self {
        Self { object: Value::Null, old_object: Value::Null, objects_left_out: true, ..self }
    }
}

/// The object's name, or what the API server will make one of.
fn name(request: &Request) -> &str {
    match request.object_name() {
        "" => request.subject().pointer("/metadata/generateName").and_then(Value::as_str).unwrap_or_default(),
        name => name,
    }
}

impl Scrubber {
    /// For messages about what a request brings.
    #[must_use]
    pub fn of_request(request: &Request, sight: &Sight) -> Self {
        let (places, _) = images(request, sight);
        Self::of(&[&request.object, &request.old_object], &request.kind.kind, &places)
    }
}

/// The places of images that extractors of policies find, and all image strings.
fn images(request: &Request, sight: &Sight) -> (Vec<String>, BTreeSet<String>) {
    let kind = request.kind.kind.as_str();
    let object = request.subject();
    let strings = extract::strings(object, kind).into_iter().flatten();
    // They stand there as JSON; what is no text is no image and is told by the results.
    let mut found: BTreeSet<String> =
        strings.filter_map(|text| serde_json::from_str::<String>(&text).ok()).collect();
    let mut places = BTreeSet::new();
    let environment = of_settings(&sight.settings);
    let rules = sight.policies.iter().flat_map(|policy| &policy.rules);
    for rule in rules.filter(|rule| rule.extractors.contains_key(kind)) {
        for object in [&request.object, &request.old_object] {
            let images = extract::images(object, kind, &rule.extractors, &environment);
            places.extend(images.into_iter().flatten().map(|image| image.pointer));
        }
    }
    found.extend(places.iter().filter_map(|at| object.pointer(at)?.as_str().map(str::to_owned)));
    (places.into_iter().collect(), found)
}

fn of_settings(settings: &Settings) -> Environment<'_> {
    let images = ImageDefaults { registry: &settings.default_registry, mutation: settings.registry_mutation };
    Environment { images, ..Environment::default() }
}

fn policies(decided: &Decided) -> Vec<JudgedBy> {
    let judged = decided.judgement.iter().flat_map(|judgement| &judgement.policies);
    let spoke = judged.filter(|policy| !policy.verified.is_empty() || !policy.checked.is_empty());
    spoke
        .take(RESULTS)
        .map(|policy| {
            let stored = decided
                .sight
                .policies
                .iter()
                .find(|stored| stored.name == policy.name && stored.namespace == policy.namespace);
            JudgedBy {
                policy: full_name(&policy.namespace, &policy.name),
                digest: stored.map(|stored| stored.digest.to_string()).unwrap_or_default(),
            }
        })
        .collect()
}

/// `name`, or `namespace/name` for what has a namespace.
pub(crate) fn full_name(namespace: &str, name: &str) -> String {
    match namespace {
        "" => name.to_owned(),
        namespace => format!("{namespace}/{name}"),
    }
}

fn results(decided: &Decided, places: &[String]) -> Vec<Outcome> {
    let Some(judgement) = &decided.judgement else { return Vec::new() };
    let request = &decided.request;
    let mut scrubber = None;
    let mut found = Vec::new();
    for policy in &judgement.policies {
        let phases = [("verify", &policy.verified), ("check", &policy.checked)];
        for (phase, outcome) in
            phases.into_iter().flat_map(|(phase, all)| all.iter().map(move |o| (phase, o)))
        {
            let message = match outcome.status {
                Status::Pass | Status::Skip => String::new(),
                Status::Fail | Status::Warn | Status::Error => {
                    let objects = [&request.object, &request.old_object];
                    let scrubber =
                        scrubber.get_or_insert_with(|| Scrubber::of(&objects, &request.kind.kind, places));
                    cut(&scrubber.clean(&message::of(outcome)), MESSAGE)
                }
            };
            found.push(result(&full_name(&policy.namespace, &policy.name), phase, outcome, message));
        }
    }
    found
}

fn result(policy: &str, phase: &str, outcome: &RuleOutcome, message: String) -> Outcome {
    let action = match outcome.action {
        Action::Enforce => "Enforce",
        Action::Audit => "Audit",
    };
    Outcome {
        policy: policy.to_owned(),
        rule: outcome.rule.clone(),
        image: outcome.image.as_deref().map(|image| cut(image, TEXT)),
        phase: phase.to_owned(),
        result: outcome.status.name().to_owned(),
        action: action.to_owned(),
        codes: codes::of(&outcome.finding).into_iter().map(str::to_owned).collect(),
        message,
    }
}

/// The beginning of a text, in whole characters.
pub(crate) fn cut(text: &str, limit: usize) -> String {
    text.get(..text.floor_char_boundary(limit)).unwrap_or_default().to_owned()
}
