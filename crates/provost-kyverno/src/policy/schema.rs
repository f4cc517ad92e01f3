//! The schema of what a verifyImages rule may hold: which fields, of which types, with which choices.
//!
//! Kyverno's custom resource definition refuses wrong types and choices; unknown fields, which the API server only
//! drops with a warning, are refused here with the nearest known name, since a dropped field of a rule that guards
//! images is a hole.

use serde_json::Value;

/// What may stand at one place of a rule.
enum Shape {
    /// Anything, unchecked.
    Any,
    /// A string.
    Text,
    /// A boolean.
    Truth,
    /// A whole number.
    Number,
    /// A list of strings.
    Texts,
    /// An object with string values.
    TextMap,
    /// One of these strings.
    Choice(&'static [&'static str]),
    /// An object with these fields.
    Object(&'static [(&'static str, Self)]),
    /// A list of such things.
    List(&'static Self),
    /// An object with free keys and such values.
    Map(&'static Self),
    /// An attestor set, which may hold others.
    Attestors,
}

use Shape::{Any, Attestors, Choice, List, Map, Number, Object, Text, TextMap, Texts, Truth};

/// The operators of conditions, in the order the API server lists them.
pub const OPERATORS: &[&str] = &[
    "Equals",
    "NotEquals",
    "In",
    "AnyIn",
    "AllIn",
    "NotIn",
    "AnyNotIn",
    "AllNotIn",
    "GreaterThanOrEquals",
    "GreaterThan",
    "LessThanOrEquals",
    "LessThan",
    "DurationGreaterThanOrEquals",
    "DurationGreaterThan",
    "DurationLessThanOrEquals",
    "DurationLessThan",
];

const SELECTOR: Shape = Object(&[
    ("matchLabels", TextMap),
    ("matchExpressions", List(&Object(&[("key", Text), ("operator", Text), ("values", Texts)]))),
]);
const RESOURCES: Shape = Object(&[
    ("kinds", Texts),
    ("name", Text),
    ("names", Texts),
    ("namespaces", Texts),
    ("annotations", TextMap),
    ("selector", SELECTOR),
    ("namespaceSelector", SELECTOR),
    ("operations", Texts),
]);
const SUBJECTS: Shape =
    List(&Object(&[("kind", Text), ("name", Text), ("namespace", Text), ("apiGroup", Text)]));
const FILTER: Shape =
    Object(&[("resources", RESOURCES), ("roles", Texts), ("clusterRoles", Texts), ("subjects", SUBJECTS)]);
const MATCH: Shape = Object(&[
    ("any", List(&FILTER)),
    ("all", List(&FILTER)),
    ("resources", RESOURCES),
    ("roles", Texts),
    ("clusterRoles", Texts),
    ("subjects", SUBJECTS),
]);
const CREDENTIALS: Shape =
    Object(&[("allowInsecureRegistry", Truth), ("providers", Texts), ("secrets", Texts)]);
const CONDITION: Shape =
    Object(&[("key", Any), ("operator", Choice(OPERATORS)), ("value", Any), ("message", Text)]);
const CONDITIONS: Shape = List(&Object(&[("any", List(&CONDITION)), ("all", List(&CONDITION))]));
const REKOR: Shape = Object(&[("url", Text), ("pubkey", Text), ("ignoreTlog", Truth)]);
const CTLOG: Shape = Object(&[("ignoreSCT", Truth), ("pubkey", Text), ("tsaCertChain", Text)]);
const SECRET: Shape = Object(&[("name", Text), ("namespace", Text)]);
const ATTESTOR: Shape = Object(&[
    (
        "keys",
        Object(&[
            ("publicKeys", Text),
            ("secret", SECRET),
            ("kms", Text),
            ("signatureAlgorithm", Text),
            ("rekor", REKOR),
            ("ctlog", CTLOG),
        ]),
    ),
    ("certificates", Object(&[("cert", Text), ("certChain", Text), ("rekor", REKOR), ("ctlog", CTLOG)])),
    (
        "keyless",
        Object(&[
            ("issuer", Text),
            ("issuerRegExp", Text),
            ("subject", Text),
            ("subjectRegExp", Text),
            ("roots", Text),
            ("additionalExtensions", TextMap),
            ("rekor", REKOR),
            ("ctlog", CTLOG),
        ]),
    ),
    ("attestor", Attestors),
    ("annotations", TextMap),
    ("repository", Text),
    ("signatureAlgorithm", Text),
]);
const ATTESTOR_SET: Shape = Object(&[("count", Number), ("entries", List(&ATTESTOR))]);
const ENTRY: Shape = Object(&[
    ("failureAction", Choice(&["Audit", "Enforce"])),
    ("type", Choice(&["Cosign", "SigstoreBundle", "Notary"])),
    ("imageReferences", Texts),
    ("skipImageReferences", Texts),
    ("attestors", List(&ATTESTOR_SET)),
    (
        "attestations",
        List(&Object(&[
            ("name", Text),
            ("predicateType", Text),
            ("type", Text),
            ("attestors", List(&ATTESTOR_SET)),
            ("conditions", CONDITIONS),
        ])),
    ),
    ("repository", Text),
    ("cosignOCI11", Truth),
    ("mutateDigest", Truth),
    ("verifyDigest", Truth),
    ("required", Truth),
    ("useCache", Truth),
    ("validate", Object(&[("message", Text), ("deny", Object(&[("conditions", Any)]))])),
    ("imageRegistryCredentials", CREDENTIALS),
    ("annotations", TextMap),
    ("image", Text),
    ("key", Text),
    ("issuer", Text),
    ("subject", Text),
    ("roots", Text),
    ("additionalExtensions", TextMap),
]);
const EXTRACTORS: Shape = Map(&List(&Object(&[
    ("path", Text),
    ("value", Text),
    ("key", Text),
    ("name", Text),
    ("jmesPath", Text),
])));
const CONTEXT: Shape = List(&Object(&[
    ("name", Text),
    ("configMap", SECRET),
    ("variable", Object(&[("value", Any), ("jmesPath", Text), ("default", Any)])),
    (
        "apiCall",
        Object(&[
            ("urlPath", Text),
            ("method", Choice(&["GET", "POST"])),
            ("data", List(&Object(&[("key", Text), ("value", Any)]))),
            (
                "service",
                Object(&[
                    ("url", Text),
                    ("headers", List(&Object(&[("key", Text), ("value", Text)]))),
                    ("caBundle", Text),
                ]),
            ),
            ("default", Any),
            ("jmesPath", Text),
        ]),
    ),
    (
        "imageRegistry",
        Object(&[("reference", Text), ("jmesPath", Text), ("imageRegistryCredentials", CREDENTIALS)]),
    ),
    ("globalReference", Object(&[("name", Text), ("jmesPath", Text)])),
]));
const EXCEPTION: Shape = Object(&[
    ("background", Truth),
    ("match", MATCH),
    ("conditions", Any),
    ("exceptions", List(&Object(&[("policyName", Text), ("ruleNames", Texts)]))),
    ("podSecurity", Any),
]);
const RULE: Shape = Object(&[
    ("name", Text),
    ("context", CONTEXT),
    ("match", MATCH),
    ("exclude", MATCH),
    ("preconditions", Any),
    ("celPreconditions", Any),
    ("imageExtractors", EXTRACTORS),
    ("mutate", Any),
    ("validate", Any),
    ("generate", Any),
    ("verifyImages", List(&ENTRY)),
    ("reportProperties", Any),
    ("skipBackgroundRequests", Truth),
]);

/// What is wrong with one field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Where it stands, as `spec.rules[0].verifyImages[0].bogus`.
    pub path: String,
    /// What is wrong.
    pub problem: Problem,
}

/// The ways a field can be wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// Nobody knows it; the known name nearest to it, where one is near.
    Unknown {
        /// The neighbour.
        nearest: Option<&'static str>,
    },
    /// It must be there.
    Required,
    /// It has another type.
    Type {
        /// The type it must have, in JSON schema's words.
        expected: &'static str,
        /// The type it has.
        found: &'static str,
    },
    /// It is none of the choices.
    Choice {
        /// What it is.
        found: String,
        /// What it may be.
        allowed: &'static [&'static str],
    },
}

/// The first fault of a verifyImages rule at `path`, in the order of its fields.
#[must_use]
pub fn fault_of_rule(rule: &Value, path: &str) -> Option<Fault> {
    for name in ["name", "match"] {
        if rule.get(name).is_none() {
            return Some(Fault { path: format!("{path}.{name}"), problem: Problem::Required });
        }
    }
    find(rule, &RULE, path)
}

/// The first fault of an exception's `spec`; unknown fields are faults, since one that is dropped would make the
/// exception wider than it reads.
#[must_use]
pub fn fault_of_exception(spec: &Value) -> Option<Fault> {
    for name in ["exceptions", "match"] {
        if spec.get(name).is_none() {
            return Some(Fault { path: format!("spec.{name}"), problem: Problem::Required });
        }
    }
    find(spec, &EXCEPTION, "spec")
}

/// The first field of a policy's `spec` that nobody knows.
#[must_use]
pub fn unknown_in_spec(spec: &Value) -> Option<String> {
    let fields = spec.as_object()?;
    fields.keys().find(|name| !SPEC.contains(&name.as_str())).map(|name| format!("spec.{name}"))
}

const SPEC: &[&str] = &[
    "rules",
    "applyRules",
    "failurePolicy",
    "validationFailureAction",
    "validationFailureActionOverrides",
    "emitWarning",
    "admission",
    "background",
    "schemaValidation",
    "webhookTimeoutSeconds",
    "webhookConfiguration",
    "mutateExistingOnPolicyUpdate",
    "generateExistingOnPolicyUpdate",
    "generateExisting",
    "useServerSideApply",
];

fn find(value: &Value, shape: &Shape, path: &str) -> Option<Fault> {
    let wrong = |expected| {
        let problem = Problem::Type { expected, found: type_name(value) };
        Some(Fault { path: path.to_owned(), problem })
    };
    match (shape, value) {
        (Any, _) | (_, Value::Null) => None,
        (Text, Value::String(_)) | (Truth, Value::Bool(_)) => None,
        (Text, _) => wrong("string"),
        (Truth, _) => wrong("boolean"),
        (Number, value) => {
            if value.is_i64() {
                None
            } else {
                wrong("integer")
            }
        }
        (Texts, Value::Array(items)) => each(items, &Text, path),
        (TextMap, Value::Object(found)) => inside(found, &Text, path),
        (Choice(allowed), Value::String(found)) => {
            let problem = Problem::Choice { found: found.clone(), allowed };
            let known = allowed.contains(&found.as_str());
            (!known).then(|| Fault { path: path.to_owned(), problem })
        }
        (Choice(_), _) => wrong("string"),
        (Object(fields), Value::Object(found)) => found.iter().find_map(|(name, inner)| {
            let below = format!("{path}.{name}");
            match fields.iter().find(|(known, _)| known == name) {
                Some((_, shape)) => find(inner, shape, &below),
                None => {
                    let problem = Problem::Unknown { nearest: nearest(name, fields) };
                    Some(Fault { path: below, problem })
                }
            }
        }),
        (List(shape), Value::Array(items)) => each(items, shape, path),
        (Map(shape), Value::Object(found)) => inside(found, shape, path),
        // The nesting of attestors is bounded by the reader's depth limit.
        (Attestors, value) => find(value, &ATTESTOR_SET, path),
        (Texts | List(_), _) => wrong("array"),
        (Object(_) | Map(_) | TextMap, _) => wrong("object"),
    }
}

fn each(items: &[Value], shape: &Shape, path: &str) -> Option<Fault> {
    items.iter().enumerate().find_map(|(i, item)| find(item, shape, &format!("{path}[{i}]")))
}

fn inside(found: &serde_json::Map<String, Value>, shape: &Shape, path: &str) -> Option<Fault> {
    found.iter().find_map(|(name, inner)| find(inner, shape, &format!("{path}.{name}")))
}

fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(n) if n.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

fn nearest(name: &str, fields: &'static [(&'static str, Shape)]) -> Option<&'static str> {
    let lower = name.to_lowercase();
    let scored = fields.iter().map(|(known, _)| (distance(&lower, &known.to_lowercase()), *known));
    // A name more than half of which differs is no slip of the pen.
    scored.min().filter(|(distance, _)| *distance <= name.chars().count() / 2).map(|(_, known)| known)
}

/// Levenshtein's distance.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut next = Vec::with_capacity(row.len());
        next.push(i + 1);
        for (j, y) in b.iter().enumerate() {
            let [diagonal, above] = [row.get(j), row.get(j + 1)].map(|n| n.copied().unwrap_or(0));
            let left = next.last().copied().unwrap_or(0);
            next.push((diagonal + usize::from(x != *y)).min(above + 1).min(left + 1));
        }
        row = next;
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests;
