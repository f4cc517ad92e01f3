//! The JSON patch of the mutating phase: Kyverno's two annotations, then the images pinned to digests.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::outcome::Status;

/// The annotation every version of Kyverno writes: image to result.
pub const VERIFIED: &str = "kyverno.io/verify-images";
/// The annotation of newer versions: policy to rule to image to result.
pub const SCOPED: &str = "kyverno.io/verify-images-scoped";

/// Results of images by policy and rule. They are written for compatibility and never read back (design.md).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Marks {
    scoped: BTreeMap<String, BTreeMap<String, BTreeMap<String, Mark>>>,
}

/// What a rule found of an image: what Kyverno writes, and whether anything at all went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// The result of the rule's last entry, as Kyverno writes it.
    pub last: Status,
    /// The worst result of all entries: what `required` goes by here.
    pub worst: Status,
}

impl Marks {
    /// Notes what an entry of a rule found of an image; a later entry overwrites what Kyverno writes.
    pub fn set(&mut self, policy: &str, rule: &str, image: &str, status: Status) {
        let written = match status {
            Status::Pass => Status::Pass,
            Status::Skip | Status::Warn => Status::Skip,
            Status::Fail | Status::Error => Status::Fail,
        };
        let rules = self.scoped.entry(policy.to_owned()).or_default();
        let images = rules.entry(rule.to_owned()).or_default();
        let mark = images.entry(image.to_owned()).or_insert(Mark { last: written, worst: written });
        mark.last = written;
        if written == Status::Fail {
            mark.worst = Status::Fail;
        }
    }

    /// What a rule found of an image.
    #[must_use]
    pub fn get(&self, policy: &str, rule: &str, image: &str) -> Option<Mark> {
        self.scoped.get(policy)?.get(rule)?.get(image).copied()
    }

    /// Adds the marks of other rules and policies.
    pub fn merge(&mut self, other: Self) {
        for (policy, rules) in other.scoped {
            self.scoped.entry(policy).or_default().extend(rules);
        }
    }

    /// Writes a pinned image under its new name.
    pub fn rename(&mut self, old: &str, new: &str) {
        for images in self.scoped.values_mut().flat_map(BTreeMap::values_mut) {
            if let Some(mark) = images.remove(old) {
                images.insert(new.to_owned(), mark);
            }
        }
    }

    /// The values of the two annotations, where there is anything to write.
    #[must_use]
    pub fn annotations(&self) -> Option<(String, String)> {
        let mut flat: BTreeMap<&str, &str> = BTreeMap::new();
        let mut scoped: BTreeMap<&str, BTreeMap<&str, BTreeMap<&str, &str>>> = BTreeMap::new();
        for (policy, rules) in &self.scoped {
            for (rule, images) in rules {
                for (image, mark) in images {
                    let status = mark.last.name();
                    flat.insert(image, status);
                    scoped.entry(policy).or_default().entry(rule).or_default().insert(image, status);
                }
            }
        }
        if flat.is_empty() {
            return None;
        }
        // Maps of texts always become JSON.
        let flat = serde_json::to_string(&flat).unwrap_or_default();
        let scoped = serde_json::to_string(&scoped).unwrap_or_default();
        // Kyverno's struct puts the version first, which sorted objects would not.
        Some((flat, format!("{{\"version\":1,\"policies\":{scoped}}}")))
    }
}

/// An image to be replaced.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Pin {
    /// The JSON pointer of the string.
    pub pointer: String,
    /// The image with its digest.
    pub image: String,
}

/// The operations that write these annotations and images into an object.
#[must_use]
pub fn operations(object: &Value, marks: &Marks, pins: &[Pin]) -> Vec<Value> {
    let mut operations = Vec::new();
    if let Some((flat, scoped)) = marks.annotations() {
        if object.pointer("/metadata/annotations").is_none_or(Value::is_null) {
            // Kyverno's map is already filled when it is written; the two that follow repeat it.
            let both = json!({VERIFIED: flat, SCOPED: scoped});
            operations.push(json!({"op": "add", "path": "/metadata/annotations", "value": both}));
        }
        let path = |name: &str| format!("/metadata/annotations/{}", name.replace('/', "~1"));
        operations.push(json!({"op": "add", "path": path(VERIFIED), "value": flat}));
        operations.push(json!({"op": "add", "path": path(SCOPED), "value": scoped}));
    }
    let mut sorted: Vec<&Pin> = pins.iter().collect();
    sorted.sort();
    sorted.dedup();
    for pin in sorted {
        operations.push(json!({"op": "replace", "path": pin.pointer, "value": pin.image}));
    }
    operations
}

/// The object with these operations done.
#[must_use]
pub fn applied(object: &Value, operations: &[Value]) -> Value {
    let mut object = object.clone();
    for operation in operations {
        let (Some(path), Some(value)) =
            (operation.get("path").and_then(Value::as_str), operation.get("value"))
        else {
            continue;
        };
        let Some((parent, last)) = path.rsplit_once('/') else { continue };
        let last = last.replace("~1", "/").replace("~0", "~");
        match object.pointer_mut(parent) {
            Some(Value::Object(fields)) => {
                fields.insert(last, value.clone());
            }
            Some(Value::Array(items)) => {
                if let Some(item) = last.parse::<usize>().ok().and_then(|at| items.get_mut(at)) {
                    *item = value.clone();
                }
            }
            _ => {}
        }
    }
    object
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Marks, Pin, applied, operations};
    use crate::outcome::Status;

    #[test]
    fn annotations_come_before_images_and_are_sorted() {
        let mut marks = Marks::default();
        marks.set("/p", "r", "b", Status::Pass);
        marks.set("/p", "r", "a", Status::Fail);
        marks.set("/p", "r", "a", Status::Skip);
        let object = json!({"metadata": {}, "spec": {"containers": [{"image": "x"}]}});
        let pins = [Pin { pointer: "/spec/containers/0/image".into(), image: "x@d".into() }];
        let made = operations(&object, &marks, &pins);
        let paths: Vec<_> = made.iter().filter_map(|o| o["path"].as_str()).collect();
        assert_eq!(
            paths,
            [
                "/metadata/annotations",
                "/metadata/annotations/kyverno.io~1verify-images",
                "/metadata/annotations/kyverno.io~1verify-images-scoped",
                "/spec/containers/0/image"
            ]
        );
        let object = applied(&object, &made);
        assert_eq!(
            object["metadata"]["annotations"]["kyverno.io/verify-images"],
            r#"{"a":"skip","b":"pass"}"#
        );
        assert_eq!(object["spec"]["containers"][0]["image"], "x@d");
        let mark = marks.get("/p", "r", "a");
        assert_eq!(mark.map(|m| (m.last, m.worst)), Some((Status::Skip, Status::Fail)));
    }
}
