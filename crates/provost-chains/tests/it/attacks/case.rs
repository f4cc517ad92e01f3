//! What a file says: runs of a cluster, what is done to them, and what must come of it.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

/// One attack.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Case {
    /// What is tried, in one sentence.
    pub(crate) title: String,
    /// Who fell for it, or which rule it breaks.
    pub(crate) source: String,
    /// Keys of chains-config, over storage `oci` for everything.
    #[serde(default)]
    pub(crate) config: BTreeMap<String, String>,
    /// Chains' marks count on runs made before.
    pub(crate) adopt_before: Option<String>,
    pub(crate) runs: Vec<Made>,
    pub(crate) steps: Vec<Step>,
}

/// A run that has ended, unless its patch says otherwise.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Made {
    pub(crate) name: String,
    #[serde(default = "task_run")]
    pub(crate) kind: String,
    #[serde(default = "namespace")]
    pub(crate) namespace: String,
    /// In place of `uid-NAME`.
    pub(crate) uid: Option<String>,
    #[serde(default)]
    pub(crate) annotations: BTreeMap<String, String>,
    /// The results, by name.
    #[serde(default)]
    pub(crate) results: BTreeMap<String, Value>,
    #[serde(default)]
    pub(crate) params: BTreeMap<String, Value>,
    /// The PipelineRun it belongs to, as NAME or NAME/UID.
    pub(crate) owner: Option<String>,
    /// The names of its TaskRuns.
    #[serde(default)]
    pub(crate) children: Vec<String>,
    /// Over all of that.
    #[serde(default)]
    pub(crate) patch: Value,
}

fn task_run() -> String {
    "TaskRun".to_owned()
}

fn namespace() -> String {
    "team".to_owned()
}

/// One thing that happens.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Step {
    /// The controller takes up a run.
    Reconcile(Reconcile),
    /// Somebody changes a run.
    Change(Change),
    /// Somebody writes a receipt on a run: one of another run, or one by a key of his own.
    Forge(Forge),
    /// Somebody makes a run again, with all that stands on it.
    Copy(Copied),
    /// Somebody takes a run away.
    Remove(String),
    /// So many runs that the controller has signed.
    Signed(usize),
    /// The registry.
    Registry(Registry),
    /// The controller is killed before its next patch arrives.
    Kill(bool),
    /// Another key signs from now on; receipts of the one before still count.
    NewKey,
    Expect(Box<Expect>),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Reconcile {
    pub(crate) run: String,
    #[serde(default = "once")]
    pub(crate) times: usize,
    /// `signed`, `settled`, `running`, `again`, or `failed`, `waiting` and `given-up` with a reason.
    pub(crate) outcome: String,
    /// How many things were signed, and how many of them lay nowhere before.
    pub(crate) payloads: Option<usize>,
    pub(crate) stored: Option<usize>,
    /// What stands in the reason's sentence.
    #[serde(default)]
    pub(crate) says: Vec<String>,
}

fn once() -> usize {
    1
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Change {
    pub(crate) run: String,
    pub(crate) patch: Value,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Forge {
    pub(crate) run: String,
    /// The run whose receipt is taken; without it a stranger's key signs one for this run.
    pub(crate) from: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Copied {
    pub(crate) run: String,
    pub(crate) to: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Registry {
    /// It cannot be reached.
    Away,
    Back,
    /// It answers with this status.
    Answers(u16),
    /// After so many of our tags another writer, who had read before us, puts his own in their place.
    Rival(usize),
    /// What lies at this image's tag `.att` is a stranger's, who says the same.
    Stranger(String),
}

/// What must hold.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(crate) struct Expect {
    /// Annotations by run; null where there must be none.
    pub(crate) annotations: BTreeMap<String, BTreeMap<String, Option<String>>>,
    /// Finalizers by run.
    pub(crate) finalizers: BTreeMap<String, Vec<String>>,
    /// How many attestations of ours lie beside an image.
    pub(crate) attestations: BTreeMap<String, usize>,
    /// How many of others do.
    pub(crate) strangers: BTreeMap<String, usize>,
    /// How many image signatures of ours do.
    pub(crate) signatures: BTreeMap<String, usize>,
    /// The names of the subjects of our attestations beside an image, of all of them together, each once.
    pub(crate) subjects: BTreeMap<String, Vec<String>>,
    /// What stands in those attestations, and what does not.
    pub(crate) says: BTreeMap<String, Vec<String>>,
    pub(crate) never: BTreeMap<String, Vec<String>>,
    /// How many requests the registry had.
    pub(crate) asked: Option<usize>,
    /// How many patches the API server had.
    pub(crate) patches: Option<usize>,
    /// What the namespace of the last access was granted: repositories that its credentials may not serve.
    pub(crate) ungranted: Vec<String>,
}

/// `${a}` to `${f}` stand for digests of that digit, `${large}` for five million characters.
pub(crate) fn filled(text: &str) -> String {
    let mut text = text.to_owned();
    for digit in "abcdef".chars() {
        text = text.replace(&format!("${{{digit}}}"), &digit.to_string().repeat(64));
    }
    text.replace("${large}", &"x".repeat(5_000_000))
}
