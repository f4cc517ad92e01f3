//! What Kyverno's ConfigMap says, key by key; a key that cannot be read is said and has no effect.

use std::collections::BTreeMap;

use provost_gate::filters::Filters;
use provost_kyverno::Settings;
use serde_json::Value;

/// What the ConfigMap says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Configured {
    /// As far as judging goes.
    pub judging: Settings,
    /// What is not judged.
    pub filters: Filters,
    /// How the webhooks are registered.
    pub(super) webhooks: WebhookSettings,
    /// What is wrong with it.
    pub faults: Vec<String>,
}

/// How the webhooks are registered.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct WebhookSettings {
    /// `webhooks`: which namespaces are asked about.
    pub(super) namespace_selector: Option<Value>,
    /// `webhooks`: which objects are asked about.
    pub(super) object_selector: Option<Value>,
    /// `matchConditions`, for every entry.
    pub(super) match_conditions: Vec<Value>,
    /// `webhookAnnotations`.
    pub(super) annotations: BTreeMap<String, String>,
    /// `webhookLabels`, without Kyverno's own: our objects must not be taken for its (security.md 15).
    pub(super) labels: BTreeMap<String, String>,
}

/// Labels by which Kyverno knows its own objects.
fn is_kyvernos(label: &str) -> bool {
    let (domain, _) = label.split_once('/').unwrap_or_default();
    domain == "kyverno.io" || domain.ends_with(".kyverno.io")
}

impl Configured {
    /// Reads `data`; without a ConfigMap all is as in Kyverno without one, but for what it ships with.
    #[must_use]
    pub fn read(namespace: &str, data: Option<&BTreeMap<String, String>>) -> Self {
        let judging = Settings { namespace: namespace.to_owned(), ..Settings::default() };
        let Some(data) = data else {
            return Self { judging, filters: Filters::of_kyverno(namespace), ..Self::default() };
        };
        let mut found = Self { judging, filters: Filters::of_config_map(namespace, data), ..Self::default() };
        if let Some(registry) = data.get("defaultRegistry").filter(|text| !text.is_empty()) {
            found.judging.default_registry.clone_from(registry);
        }
        match data.get("enableDefaultRegistryMutation").map(|text| text.parse()) {
            None => {}
            Some(Ok(mutation)) => found.judging.registry_mutation = mutation,
            Some(Err(_)) => found.fault("enableDefaultRegistryMutation", "expected true or false"),
        }
        found.read_webhooks(data.get("webhooks"));
        found.read_conditions(data.get("matchConditions"));
        found.webhooks.annotations = found.strings("webhookAnnotations", data);
        found.webhooks.labels = found.strings("webhookLabels", data);
        found.webhooks.labels.retain(|label, _| !is_kyvernos(label));
        if data.contains_key("maxContextSize") {
            found.fault("maxContextSize", "a rule's context is always limited to 2 MiB");
        }
        found
    }

    fn fault(&mut self, key: &str, why: &str) {
        self.faults.push(format!("{key}: {why}; the key has no effect"));
    }

    fn json(&mut self, key: &str, text: Option<&String>) -> Option<Value> {
        let text = text.filter(|text| !text.trim().is_empty())?;
        match serde_json::from_str(text) {
            Ok(value) => Some(value),
            Err(error) => {
                self.fault(key, &format!("expected JSON: {error}"));
                None
            }
        }
    }

    fn strings(&mut self, key: &str, data: &BTreeMap<String, String>) -> BTreeMap<String, String> {
        let Some(value) = self.json(key, data.get(key)) else { return BTreeMap::new() };
        serde_json::from_value(value).unwrap_or_else(|_| {
            self.fault(key, "expected an object of strings");
            BTreeMap::new()
        })
    }

    /// `webhooks` is one object since Kyverno 1.12, and was a list of one before.
    fn read_webhooks(&mut self, text: Option<&String>) {
        let Some(value) = self.json("webhooks", text) else { return };
        let one = match &value {
            Value::Array(items) => items.first().cloned().unwrap_or_default(),
            other => other.clone(),
        };
        if !one.is_object() {
            self.fault("webhooks", "expected an object with namespaceSelector and objectSelector");
            return;
        }
        let selector = |name: &str| one.get(name).filter(|selector| selector.is_object()).cloned();
        self.webhooks.namespace_selector = selector("namespaceSelector");
        self.webhooks.object_selector = selector("objectSelector");
    }

    fn read_conditions(&mut self, text: Option<&String>) {
        let Some(value) = self.json("matchConditions", text) else { return };
        let is_one = |one: &Value| one.get("name").is_some() && one.get("expression").is_some();
        match value {
            Value::Array(items) if items.iter().all(is_one) => self.webhooks.match_conditions = items,
            _ => self.fault("matchConditions", "expected a list of {name, expression}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Configured {
        let data = pairs.iter().map(|(key, text)| ((*key).to_owned(), (*text).to_owned())).collect();
        Configured::read("ours", Some(&data))
    }

    #[test]
    fn kyvernos_keys_are_read() {
        let found = read(&[
            ("defaultRegistry", "reg.local"),
            ("enableDefaultRegistryMutation", "false"),
            ("webhooks", r#"[{"namespaceSelector": {"matchLabels": {"a": "b"}}}]"#),
            ("matchConditions", r#"[{"name": "n", "expression": "true"}]"#),
            ("webhookAnnotations", r#"{"admissions.enforcer/disabled": "true"}"#),
            ("webhookLabels", r#"{"team": "x", "webhook.kyverno.io/managed-by": "kyverno"}"#),
        ]);
        assert_eq!(found.faults, Vec::<String>::new());
        assert_eq!(
            (found.judging.default_registry.as_str(), found.judging.registry_mutation),
            ("reg.local", false)
        );
        assert_eq!(found.judging.namespace, "ours");
        let webhooks = &found.webhooks;
        assert_eq!(webhooks.namespace_selector, Some(json!({"matchLabels": {"a": "b"}})));
        assert_eq!(webhooks.match_conditions.len(), 1);
        assert!(webhooks.annotations.contains_key("admissions.enforcer/disabled"));
        assert_eq!(webhooks.labels.keys().collect::<Vec<_>>(), ["team"]);
        let new = read(&[("webhooks", r#"{"objectSelector": {"matchLabels": {"a": "b"}}}"#)]);
        assert!(new.webhooks.object_selector.is_some());
    }

    #[test]
    fn what_cannot_be_read_is_said_and_has_no_effect() {
        for (key, text) in [
            ("enableDefaultRegistryMutation", "yes"),
            ("webhooks", "{"),
            ("webhooks", "3"),
            ("matchConditions", r#"[{"name": "n"}]"#),
            ("webhookLabels", r#"{"a": 1}"#),
            ("maxContextSize", "5Mi"),
        ] {
            let found = read(&[(key, text)]);
            assert_eq!(found.faults.len(), 1, "{key}");
            assert!(found.faults.iter().all(|fault| fault.starts_with(key)));
            assert_eq!(found.webhooks, WebhookSettings::default());
        }
    }
}
