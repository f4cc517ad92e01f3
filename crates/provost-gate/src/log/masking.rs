//! What of an object a log may hold: who it is and which images it has. The rest are keyed hashes (security.md 18).

use aws_lc_rs::hmac;
use serde_json::{Map, Value};

/// How a keyed hash begins. No image reference, name or label can begin so.
pub const HIDDEN: &str = "#hmac-sha256:";
/// The bytes of a hash that are kept: 128 bits, so that two values of a log of years are not taken for one.
const KEPT: usize = 16;
/// The fewest bytes of a key, those of its hashes.
pub const KEY_LEAST: usize = 32;
/// The most values hidden one by one in one object; what comes after is hidden as a whole with what is around it. A Pod
/// of 100 containers with 20 variables and arguments each has 2,000.
const VALUES: usize = 4096;
/// The annotation in which kubectl keeps the whole object once more.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";
/// How deep structures of kinds without Pods are kept: 32 fields below one another is more than any API has.
const DEPTH: usize = 32;

/// The key of the hashes in a log: whoever has none cannot try values against them.
#[derive(Clone)]
pub struct MaskingKey(hmac::Key);

/// Why bytes are no key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MaskingKeyError {
    /// There are too few.
    #[error("the key of the decision log has {0} bytes, expected at least {KEY_LEAST}")]
    Short(usize),
    /// The machine gave no random numbers.
    #[error("this machine gives no random numbers for the key of the decision log")]
    NoRandom,
}

impl std::fmt::Debug for MaskingKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("MaskingKey").finish()
    }
}

impl MaskingKey {
    /// The key of these bytes, so that logs of several processes can be compared.
    ///
    /// # Errors
    /// [`MaskingKeyError::Short`] for fewer than [`KEY_LEAST`] bytes.
    pub fn of(secret: &[u8]) -> Result<Self, MaskingKeyError> {
        if secret.len() < KEY_LEAST {
            return Err(MaskingKeyError::Short(secret.len()));
        }
        Ok(Self(hmac::Key::new(hmac::HMAC_SHA256, secret)))
    }

    /// A key that nobody has, for this process.
    ///
    /// # Errors
    /// [`MaskingKeyError::NoRandom`].
    pub fn drawn() -> Result<Self, MaskingKeyError> {
        let mut secret = [0_u8; KEY_LEAST];
        aws_lc_rs::rand::fill(&mut secret).map_err(|_| MaskingKeyError::NoRandom)?;
        Self::of(&secret)
    }

    /// The hash of a value in a log: of a text its bytes, of anything else its JSON.
    #[must_use]
    pub fn hidden(&self, value: &Value) -> Value {
        let mut context = hmac::Context::with_key(&self.0);
        match value {
            Value::Null => return Value::Null,
            Value::String(text) => {
                context.update(b"text\0");
                context.update(text.as_bytes());
            }
            other => {
                context.update(b"json\0");
                context.update(other.to_string().as_bytes());
            }
        }
        let tag = context.sign();
        Value::String(format!("{HIDDEN}{}", hex::encode(tag.as_ref().get(..KEPT).unwrap_or_default())))
    }
}

/// Whether anything in a logged value is a keyed hash.
#[must_use]
pub fn hides(value: &Value) -> bool {
    match value {
        Value::String(text) => text.starts_with(HIDDEN),
        Value::Array(items) => items.iter().any(hides),
        Value::Object(fields) => fields.values().any(hides),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

/// How one part of an object is treated.
#[derive(Clone, Copy)]
enum Shape {
    /// It is kept as it is.
    Plain,
    /// It is one hash.
    Hidden,
    /// It is left out.
    Dropped,
    /// A list, or a mapping, of such parts.
    Each(&'static Self),
    /// A mapping with these parts; any other field is one hash.
    Fields(&'static [(&'static str, Self)]),
    /// A mapping whose values are hashes; kubectl's copy of the object is left out.
    Annotations,
    /// Its structure is kept, its values are hashes.
    Values,
}

use Shape::{Annotations, Dropped, Each, Fields, Hidden, Plain, Values};

const METADATA: Shape = Fields(&[
    ("name", Plain),
    ("generateName", Plain),
    ("namespace", Plain),
    ("uid", Plain),
    ("labels", Plain),
    ("ownerReferences", Plain),
    ("finalizers", Plain),
    ("generation", Plain),
    ("resourceVersion", Plain),
    ("creationTimestamp", Plain),
    ("deletionTimestamp", Plain),
    ("deletionGracePeriodSeconds", Plain),
    ("annotations", Annotations),
    ("managedFields", Dropped),
]);
const CONTAINER: Shape = Fields(&[
    ("name", Plain),
    ("image", Plain),
    ("env", Each(&Fields(&[("name", Plain)]))),
    ("command", Each(&Hidden)),
    ("args", Each(&Hidden)),
]);
const VOLUME: Shape = Fields(&[("name", Plain), ("image", Fields(&[("reference", Plain)]))]);
const POD_SPEC: Shape = Fields(&[
    ("initContainers", Each(&CONTAINER)),
    ("containers", Each(&CONTAINER)),
    ("ephemeralContainers", Each(&CONTAINER)),
    ("volumes", Each(&VOLUME)),
]);
const TEMPLATE: Shape = Fields(&[("metadata", METADATA), ("spec", POD_SPEC)]);
const STATUS: Shape = Fields(&[("phase", Plain)]);
const POD: Shape = object(&POD_FIELDS);
const POD_FIELDS: [(&str, Shape); 5] = fields(POD_SPEC);
const CONTROLLER: Shape = object(&CONTROLLER_FIELDS);
const CONTROLLER_FIELDS: [(&str, Shape); 5] = fields(Fields(&[("template", TEMPLATE)]));
const CRON_JOB: Shape = object(&CRON_JOB_FIELDS);
const CRON_JOB_FIELDS: [(&str, Shape); 5] = fields(Fields(&[(
    "jobTemplate",
    Fields(&[("metadata", METADATA), ("spec", Fields(&[("template", TEMPLATE)]))]),
)]));

const fn fields(spec: Shape) -> [(&'static str, Shape); 5] {
    [("apiVersion", Plain), ("kind", Plain), ("metadata", METADATA), ("spec", spec), ("status", STATUS)]
}

const fn object(fields: &'static [(&'static str, Shape)]) -> Shape {
    Fields(fields)
}

/// An object of another kind: its images stand anywhere.
const OTHER: Shape = Values;

/// The shape of objects of a kind.
fn shape_of(kind: &str) -> Shape {
    match kind {
        "Pod" => POD,
        "DaemonSet" | "Deployment" | "ReplicaSet" | "ReplicationController" | "StatefulSet" | "Job" => {
            CONTROLLER
        }
        "CronJob" => CRON_JOB,
        _ => OTHER,
    }
}

/// Takes objects apart.
struct Mask<'a, H: FnMut(&Value) -> Value> {
    /// What stands in the place of a hidden value.
    hide: H,
    /// The places of images that an extractor found, as JSON pointers.
    images: &'a [String],
    /// How many more values may be hidden one by one.
    left: usize,
}

/// The object as a log may hold it. `images` are the JSON pointers of image strings in kinds without Pods.
#[must_use]
pub fn masked(object: &Value, kind: &str, images: &[String], key: &MaskingKey) -> Value {
    let mut mask = Mask { hide: |value: &Value| key.hidden(value), images, left: VALUES };
    mask.whole(object, kind)
}

/// The texts of an object that no log may hold.
fn hidden_texts(object: &Value, kind: &str, images: &[String]) -> Vec<String> {
    let mut texts = Vec::new();
    let hide = |value: &Value| {
        collect(value, &mut texts);
        Value::Null
    };
    Mask { hide, images, left: VALUES }.whole(object, kind);
    texts
}

fn collect(value: &Value, texts: &mut Vec<String>) {
    match value {
        Value::String(text) => texts.push(text.clone()),
        Value::Array(items) => items.iter().for_each(|item| collect(item, texts)),
        Value::Object(fields) => fields.values().for_each(|value| collect(value, texts)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

impl<H: FnMut(&Value) -> Value> Mask<'_, H> {
    fn whole(&mut self, object: &Value, kind: &str) -> Value {
        let shape = shape_of(kind);
        match (shape, object) {
            (Values, Value::Object(fields)) => {
                let mut kept = Map::new();
                for (name, value) in fields {
                    let shape = match name.as_str() {
                        "apiVersion" | "kind" => Plain,
                        "metadata" => METADATA,
                        "status" => STATUS,
                        _ => Values,
                    };
                    kept.insert(name.clone(), self.part(value, shape, &pointer("", name), 0));
                }
                Value::Object(kept)
            }
            (shape, object) => self.part(object, shape, "", 0),
        }
    }

    fn hide(&mut self, value: &Value) -> Value {
        self.left = self.left.saturating_sub(1);
        (self.hide)(value)
    }

    fn part(&mut self, value: &Value, shape: Shape, at: &str, depth: usize) -> Value {
        match (shape, value) {
            (_, Value::Null) | (Dropped, _) => Value::Null,
            (Plain, value) => value.clone(),
            (Values, Value::String(_)) if self.images.iter().any(|image| image == at) => value.clone(),
            (Each(_) | Fields(_) | Annotations | Values, _) if self.left == 0 => self.hide(value),
            (Each(shape), Value::Array(items)) => {
                Value::Array(items.iter().map(|item| self.part(item, *shape, at, depth)).collect())
            }
            (Fields(shapes), Value::Object(fields)) => {
                let mut kept = Map::new();
                for (name, value) in fields {
                    let shape = shapes.iter().find(|(known, _)| known == name).map_or(Hidden, |(_, s)| *s);
                    if !matches!(shape, Dropped) {
                        kept.insert(name.clone(), self.part(value, shape, at, depth));
                    }
                }
                Value::Object(kept)
            }
            (Annotations, Value::Object(fields)) => {
                let mut kept = Map::new();
                for (name, value) in fields {
                    // Its texts are those of the rest of the object, and are hidden with it.
                    let hidden = self.hide(value);
                    if name != LAST_APPLIED {
                        kept.insert(name.clone(), hidden);
                    }
                }
                Value::Object(kept)
            }
            (Values, Value::Object(fields)) if depth < DEPTH => {
                let mut kept = Map::new();
                for (name, value) in fields {
                    kept.insert(name.clone(), self.part(value, Values, &pointer(at, name), depth + 1));
                }
                Value::Object(kept)
            }
            (Values, Value::Array(items)) if depth < DEPTH => {
                let part = |(index, item): (usize, &Value)| {
                    self.part(item, Values, &pointer(at, &index.to_string()), depth + 1)
                };
                Value::Array(items.iter().enumerate().map(part).collect())
            }
            (_, value) => self.hide(value),
        }
    }
}

fn pointer(at: &str, name: &str) -> String {
    format!("{at}/{}", name.replace('~', "~0").replace('/', "~1"))
}

/// Takes out of messages what objects keep to themselves: conditions may quote any of it.
#[derive(Debug, Default)]
pub struct Scrubber {
    hidden: Vec<String>,
}

/// The shortest text that is taken out: shorter ones are words that messages have anyway (`true`, `default`, `/bin/sh`).
const SHORTEST: usize = 8;
/// What stands in its place.
const SCRUBBED: &str = "[hidden]";

impl Scrubber {
    /// For messages about these objects of a kind.
    #[must_use]
    pub fn of(objects: &[&Value], kind: &str, images: &[String]) -> Self {
        let mut hidden = Vec::new();
        let mut shown = Vec::new();
        for object in objects {
            hidden.extend(hidden_texts(object, kind, images));
            shown.extend(provost_kyverno::extract::strings(object, kind).into_iter().flatten());
            shown.extend(images.iter().filter_map(|at| object.pointer(at)).map(Value::to_string));
        }
        // An argument may be an image of the same Pod, which messages are about.
        hidden.retain(|text| {
            text.len() >= SHORTEST && !shown.iter().any(|image| image.contains(text.as_str()))
        });
        // Longest first, so that no part of a longer one stays.
        hidden.sort_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        hidden.dedup();
        Self { hidden }
    }

    /// The message without them, in plain text or as JSON writes them.
    #[must_use]
    pub fn clean(&self, message: &str) -> String {
        let mut clean = message.to_owned();
        for text in &self.hidden {
            if clean.contains(text.as_str()) {
                clean = clean.replace(text.as_str(), SCRUBBED);
            }
            let quoted = Value::String(text.clone()).to_string();
            let quoted = quoted.trim_matches('"');
            if quoted != text && clean.contains(quoted) {
                clean = clean.replace(quoted, SCRUBBED);
            }
        }
        clean
    }
}

#[cfg(test)]
mod tests;
