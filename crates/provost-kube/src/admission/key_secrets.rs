//! The Secrets with keys that policies name, read once before the gate is ready, so that its first answers need not wait.

use std::collections::BTreeSet;

use futures_util::StreamExt as _;
use futures_util::stream;
use provost_kyverno::Cluster as _;
use serde_json::Value;

use super::kept::Name;
use super::live::Live;

/// How many Secrets are read at once.
const AT_ONCE: usize = 8;
/// How deep attestors are nested in the document of a policy at most; deeper ones are read when they are asked for.
const DEPTH: usize = 32;
/// How many Secrets are read before the gate is ready: as many as are looked after later.
const SECRETS: usize = 256;

/// The Secrets that a policy's document names as keys, without those whose names are worked out from a request.
pub(super) fn named(document: &Value, into: &mut BTreeSet<Name>) {
    let rules = document.pointer("/spec/rules").and_then(Value::as_array).into_iter().flatten();
    for rule in rules {
        if let Some(entries) = rule.get("verifyImages") {
            walk(entries, DEPTH, into);
        }
    }
}

fn walk(value: &Value, depth: usize, into: &mut BTreeSet<Name>) {
    let Some(depth) = depth.checked_sub(1) else { return };
    match value {
        Value::Array(items) => items.iter().for_each(|item| walk(item, depth, into)),
        Value::Object(fields) => {
            if let Some(keys) = fields.get("keys") {
                into.extend(of_keys(keys));
            }
            fields.values().for_each(|field| walk(field, depth, into));
        }
        _ => {}
    }
}

fn of_keys(keys: &Value) -> Option<Name> {
    let text = |path: &str| keys.pointer(path).and_then(Value::as_str);
    let place = text("/publicKeys").and_then(|text| text.trim().strip_prefix("k8s://")?.split_once('/'));
    let secret = || Some((text("/secret/namespace")?, text("/secret/name")?));
    let (namespace, name) = place.or_else(secret)?;
    let is_fixed = |text: &str| !text.is_empty() && !text.contains("{{");
    (is_fixed(namespace) && is_fixed(name)).then(|| (namespace.to_owned(), name.to_owned()))
}

/// Reads these Secrets. One that cannot be read is asked for again by whoever needs it, and says then why.
pub(super) async fn read(live: &Live, secrets: BTreeSet<Name>) {
    let reading = stream::iter(secrets.into_iter().take(SECRETS)).map(async |(namespace, name)| {
        drop(live.secret(&namespace, &name).await);
    });
    reading.buffer_unordered(AT_ONCE).collect::<Vec<()>>().await;
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn keys_in_secrets_are_found_however_deep_and_others_are_not() {
        let secret =
            |namespace: &str, name: &str| json!({"keys": {"secret": {"namespace": namespace, "name": name}}});
        let document = json!({"spec": {"rules": [{"verifyImages": [{
            "attestors": [{"entries": [
                {"keys": {"publicKeys": "k8s://a/one"}},
                {"attestor": {"entries": [secret("b", "two")]}},
                {"keys": {"publicKeys": "-----BEGIN PUBLIC KEY-----"}},
                secret("{{ request.namespace }}", "three"),
            ]}],
            "attestations": [{"attestors": [{"entries": [secret("c", "four")]}]}],
            "imageRegistryCredentials": {"secrets": ["pull"]},
        }]}, {"validate": {"keys": {"secret": {"namespace": "d", "name": "five"}}}}]}});
        let mut found = BTreeSet::new();
        named(&document, &mut found);
        let found: Vec<String> =
            found.into_iter().map(|(namespace, name)| format!("{namespace}/{name}")).collect();
        assert_eq!(found, ["a/one", "b/two", "c/four"]);
    }
}
