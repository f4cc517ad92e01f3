//! The images of an object, and the patterns they match.

mod spelling;

use std::collections::BTreeMap;

use provost_expr::environment::Environment;
use provost_expr::image::{ImageDefaults, ImageInfo};
use provost_expr::jmespath::Expression;
use serde_json::{Map, Value};

use crate::policy::spec::Extractor;

pub use spelling::{Spellings, is_about, is_skipped, missed_for_its_digest};

/// The lists of containers in a Pod's spec, in Kyverno's order.
const LISTS: [&str; 3] = ["initContainers", "containers", "ephemeralContainers"];
/// The name under which images that are mounted as volumes appear.
const VOLUMES: &str = "imageVolumes";
/// The name of images that an extractor finds without naming them.
const CUSTOM: &str = "custom";
/// The most images looked at in one object: a Pod of 1.5 MiB, etcd's limit, holds fewer.
pub const IMAGE_LIMIT: usize = 10_000;

/// One image of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// The list it stands in: `containers`, or an extractor's name.
    pub list: String,
    /// What it is called there: the container's name.
    pub key: String,
    /// The JSON pointer of the string.
    pub pointer: String,
    /// Its parts.
    pub info: ImageInfo,
}

/// An image with its name and all its spellings, made once for all the rules and entries that are held against it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpelledImage {
    /// The image.
    pub image: Image,
    /// The normalised reference.
    pub name: String,
    /// Every way to write it.
    pub spellings: Spellings,
}

impl From<Image> for SpelledImage {
    fn from(image: Image) -> Self {
        Self { name: image.info.to_string(), spellings: Spellings::of(&image.info), image }
    }
}

/// An image string that cannot be read, or more images than are looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadImage {
    /// The string.
    pub image: String,
    /// Its JSON pointer.
    pub pointer: String,
    /// Why not.
    pub reason: String,
}

/// Where the spec of the Pods of a kind stands; `None` for kinds without Pods.
fn pod_spec(kind: &str) -> Option<&'static str> {
    match kind {
        "Pod" => Some("/spec"),
        "DaemonSet" | "Deployment" | "ReplicaSet" | "ReplicationController" | "StatefulSet" | "Job" => {
            Some("/spec/template/spec")
        }
        "CronJob" => Some("/spec/jobTemplate/spec/template/spec"),
        _ => None,
    }
}

/// All images of an object of this kind: those its extractors find, or those everybody knows.
///
/// Unlike Kyverno, which then looks at no image at all, an image string that cannot be read is an error that the
/// caller denies by. Equal container names do not hide each other, and images mounted as volumes count.
///
/// # Errors
/// The first image string that cannot be read, or an extractor's expression that fails.
pub fn images(
    object: &Value,
    kind: &str,
    extractors: &BTreeMap<String, Vec<Extractor>>,
    environment: &Environment<'_>,
) -> Result<Vec<Image>, BadImage> {
    let mut found = Vec::new();
    let defaults = &environment.images;
    if let Some(extractors) = extractors.get(kind) {
        for extractor in extractors {
            extract(object, extractor, environment, &mut found)?;
        }
        return Ok(found);
    }
    let Some(base) = pod_spec(kind) else { return Ok(found) };
    for list in LISTS {
        let pointer = format!("{base}/{list}");
        for (index, container) in items(object, &pointer)?.iter().enumerate() {
            let key = container.get("name").and_then(Value::as_str).unwrap_or_default();
            let place = format!("{pointer}/{index}/image");
            add(&mut found, list, key, place, container.get("image"), defaults)?;
        }
    }
    let pointer = format!("{base}/volumes");
    for (index, volume) in items(object, &pointer)?.iter().enumerate() {
        let key = volume.get("name").and_then(Value::as_str).unwrap_or_default();
        let place = format!("{pointer}/{index}/image/reference");
        add(&mut found, VOLUMES, key, place, volume.pointer("/image/reference"), defaults)?;
    }
    Ok(found)
}

/// The image strings of an object of this kind where everybody knows where to find them, list by list, sorted: as they
/// stand, so that two objects can be compared whose images nobody can read.
#[must_use]
pub fn strings(object: &Value, kind: &str) -> Vec<Vec<String>> {
    let Some(base) = pod_spec(kind) else { return Vec::new() };
    let lists = LISTS.iter().map(|list| (format!("{base}/{list}"), "/image"));
    let places = lists.chain([(format!("{base}/volumes"), "/image/reference")]);
    let texts = places.map(|(list, place)| match object.pointer(&list) {
        None => Vec::new(),
        Some(Value::Array(items)) => {
            let mut found: Vec<String> =
                items.iter().filter_map(|item| item.pointer(place)).map(Value::to_string).collect();
            found.sort();
            found
        }
        Some(other) => vec![other.to_string()],
    });
    texts.collect()
}

/// A list of objects; what should be one and is not may hide images, so it is no empty list.
fn items<'a>(object: &'a Value, pointer: &str) -> Result<&'a [Value], BadImage> {
    let wrong = |found: &Value| BadImage {
        image: String::new(),
        pointer: pointer.to_owned(),
        reason: format!("invalid type: expected a list of objects, found {found}"),
    };
    match object.pointer(pointer) {
        None | Some(Value::Null) => Ok(&[]),
        Some(Value::Array(items)) => match items.iter().find(|item| !item.is_object()) {
            None => Ok(items),
            Some(other) => Err(wrong(other)),
        },
        Some(other) => Err(wrong(other)),
    }
}

fn add(
    found: &mut Vec<Image>,
    list: &str,
    key: &str,
    pointer: String,
    value: Option<&Value>,
    defaults: &ImageDefaults<'_>,
) -> Result<(), BadImage> {
    let image = match value {
        None | Some(Value::Null) => return Ok(()),
        Some(Value::String(text)) if text.is_empty() => return Ok(()),
        Some(Value::String(text)) => text.clone(),
        Some(other) => {
            let reason = format!("invalid type: expected a string, found {other}");
            return Err(BadImage { image: String::new(), pointer, reason });
        }
    };
    if found.len() >= IMAGE_LIMIT {
        let reason = format!("the object has more than {IMAGE_LIMIT} images");
        return Err(BadImage { image, pointer, reason });
    }
    match ImageInfo::parse(&image, defaults) {
        Ok(info) => {
            found.push(Image { list: list.to_owned(), key: key.to_owned(), pointer, info });
            Ok(())
        }
        Err(error) => Err(BadImage { image, pointer, reason: error.to_string() }),
    }
}

fn extract(
    object: &Value,
    extractor: &Extractor,
    environment: &Environment<'_>,
    found: &mut Vec<Image>,
) -> Result<(), BadImage> {
    let mut path: Vec<&str> = extractor.path.split('/').filter(|part| !part.is_empty()).collect();
    let value = match extractor.value.as_str() {
        "" => path.pop().unwrap_or_default(),
        named => named,
    };
    let list = if extractor.name.is_empty() { CUSTOM } else { &extractor.name };
    let mut holders = vec![(String::new(), object)];
    for part in path {
        let mut next = Vec::new();
        for (pointer, holder) in holders {
            step(&pointer, holder, part, &mut next);
        }
        holders = next;
    }
    for (pointer, holder) in holders {
        let mut leaves = Vec::new();
        step(&pointer, holder, value, &mut leaves);
        for (place, leaf) in leaves {
            let key = match extractor.key.as_str() {
                "" => place.clone(),
                field => holder.get(field).and_then(Value::as_str).unwrap_or(&place).to_owned(),
            };
            let transformed = transform(leaf, &extractor.jmes_path, environment)
                .map_err(|reason| BadImage { image: leaf.to_string(), pointer: place.clone(), reason })?;
            add(found, list, &key, place, Some(&transformed), &environment.images)?;
        }
    }
    Ok(())
}

/// The values one path part leads to: `*` to all elements, a number to one of a list, else a field.
fn step<'a>(pointer: &str, holder: &'a Value, part: &str, next: &mut Vec<(String, &'a Value)>) {
    let below = |name: &str| format!("{pointer}/{}", name.replace('~', "~0").replace('/', "~1"));
    match holder {
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                if part == "*" || part.parse() == Ok(index) {
                    next.push((below(&index.to_string()), item));
                }
            }
        }
        Value::Object(fields) if part == "*" => {
            next.extend(fields.iter().map(|(name, value)| (below(name), value)));
        }
        Value::Object(fields) => next.extend(fields.get(part).map(|value| (below(part), value))),
        _ => {}
    }
}

fn transform(value: &Value, expression: &str, environment: &Environment<'_>) -> Result<Value, String> {
    if expression.is_empty() {
        return Ok(value.clone());
    }
    let parsed = Expression::parse(expression).map_err(|e| e.to_string())?;
    let made = parsed.search(value, environment).map_err(|e| e.to_string())?;
    match made {
        Value::String(_) => Ok(made),
        other => Err(format!("jmespath {expression} must produce a string, but produced {other}")),
    }
}

/// What expressions see under `images`: lists of images by name.
#[must_use]
pub fn view<'a>(images: impl IntoIterator<Item = &'a Image>) -> Value {
    let mut lists: Map<String, Value> = Map::new();
    for image in images {
        let list = lists.entry(image.list.clone()).or_insert_with(|| Value::Object(Map::new()));
        if let Value::Object(list) = list {
            list.insert(image.key.clone(), info_view(image));
        }
    }
    Value::Object(lists)
}

/// What expressions see under `image`.
#[must_use]
pub fn info_view(image: &Image) -> Value {
    let mut value = image.info.to_json();
    if let Value::Object(fields) = &mut value {
        fields.insert("jsonPointer".to_owned(), Value::String(image.pointer.clone()));
    }
    value
}

#[cfg(test)]
mod tests;
