//! The webhook configurations that these policies need: our own objects, whose entries bear Kyverno's names and paths.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::admissionregistration::v1::{
    MutatingWebhookConfiguration, ValidatingWebhookConfiguration,
};
use provost_gate::Share;
use provost_gate::hook::own_name;
use provost_kyverno::Policy;
use provost_kyverno::policy::FailurePolicy;
use provost_kyverno::policy::spec::MatchBlock;
use serde_json::{Value, json};

use super::discovery::{Kinds, Resource};
use super::settings::WebhookSettings;
use super::sights::{Known, Read};

/// Our objects (security.md 15: never Kyverno's names, never its labels).
pub(super) const MUTATING: &str = "provost-mutating";
/// See [`MUTATING`].
pub(super) const VALIDATING: &str = "provost-validating";
/// See [`MUTATING`].
pub(super) const POLICIES: &str = "provost-policies";

/// The label by which our objects are found.
const LABEL: (&str, &str) = ("app.kubernetes.io/managed-by", "provost");
/// The label of a namespace that the API server itself sets to its name.
const NAMESPACE_NAME: &str = "kubernetes.io/metadata.name";
/// The longest that Kubernetes lets a webhook take, in seconds.
const LONGEST: i64 = 30;

/// How the API server reaches us.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reached {
    /// By a Service of our namespace.
    Service {
        /// Its name.
        name: String,
        /// Its namespace.
        namespace: String,
        /// Its port.
        port: u16,
    },
    /// At an address, `HOST:PORT`: Kyverno's `--serverIP`.
    Address(String),
}

impl Reached {
    /// What a certificate must be for; the first is the one the API server asks for.
    pub(super) fn names(&self) -> Vec<String> {
        match self {
            Self::Service { name, namespace, .. } => {
                vec![format!("{name}.{namespace}.svc"), format!("{name}.{namespace}"), name.clone()]
            }
            Self::Address(address) => {
                let host = address.rsplit_once(':').map_or(address.as_str(), |(host, _)| host);
                vec![host.trim_start_matches('[').trim_end_matches(']').to_owned()]
            }
        }
    }

    /// Where we answer.
    pub(super) fn url(&self, path: &str) -> String {
        match self {
            Self::Service { name, namespace, port } => format!("https://{name}.{namespace}.svc:{port}{path}"),
            Self::Address(address) => format!("https://{address}{path}"),
        }
    }

    fn client_config(&self, path: &str, bundle: &str) -> Value {
        // Certificates are base64 lines; k8s_openapi reads bytes from base64.
        use base64::Engine as _;
        let bundle = base64::engine::general_purpose::STANDARD.encode(bundle);
        match self {
            Self::Service { name, namespace, port } => json!({"caBundle": bundle,
                "service": {"name": name, "namespace": namespace, "port": port, "path": path}}),
            Self::Address(_) => json!({"caBundle": bundle, "url": self.url(path)}),
        }
    }
}

/// One entry that both configurations have.
#[derive(Clone, Debug, PartialEq)]
struct Entry {
    /// The name behind `mutate.` and `validate.`.
    name: String,
    /// The path behind `/mutate` and `/validate`.
    path: String,
    failure_policy: FailurePolicy,
    /// What it is asked about, with which operations.
    kinds: BTreeMap<String, BTreeSet<&'static str>>,
    timeout: i64,
    conditions: Vec<Value>,
}

/// What is to be registered.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Registration {
    entries: Vec<Entry>,
    settings: WebhookSettings,
    namespace: String,
    pub(super) reached: Reached,
    timeout: i64,
}

/// The three objects.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Configurations {
    pub(super) mutating: MutatingWebhookConfiguration,
    pub(super) validating: ValidatingWebhookConfiguration,
    pub(super) policies: ValidatingWebhookConfiguration,
    /// Kinds that nobody serves.
    pub(super) unknown: Vec<String>,
}

impl Registration {
    /// What the stored policies need.
    pub(super) fn of(known: &Known, namespace: &str, reached: &Reached, timeout: u8) -> Self {
        let mut made = Self {
            entries: Vec::new(),
            settings: known.configured().webhooks.clone(),
            namespace: namespace.to_owned(),
            reached: reached.clone(),
            timeout: i64::from(timeout).clamp(1, LONGEST),
        };
        for stored in known.policies() {
            match &stored.read {
                Read::Policy(policy) if !policy.rules.is_empty() => made.add(policy),
                // Under Audit there is only something to warn about, for which nobody should have to wait.
                Read::Refused(_, Some(unread)) => {
                    let failure_policy =
                        if unread.enforces { FailurePolicy::Fail } else { FailurePolicy::Ignore };
                    let entry = made.entry(&Share::Of(failure_policy), None);
                    for kind in &unread.kinds {
                        let operations = entry.kinds.entry(kind.clone()).or_default();
                        operations.extend(["CREATE", "UPDATE"]);
                    }
                }
                _ => {}
            }
        }
        made.entries.sort_by(|a, b| a.path.cmp(&b.path));
        made
    }

    fn add(&mut self, policy: &Policy) {
        let webhook = policy.spec.webhook_configuration.as_ref();
        let timeout = webhook.and_then(|one| one.timeout_seconds).or(policy.spec.webhook_timeout_seconds);
        let timeout = timeout.unwrap_or(self.timeout).clamp(1, LONGEST);
        let share = Share::of(policy);
        let own = matches!(share, Share::One { .. }).then_some(policy);
        let entry = self.entry(&share, own);
        entry.timeout = match entry.kinds.is_empty() {
            true => timeout,
            false => entry.timeout.max(timeout),
        };
        for rule in &policy.rules {
            add_kinds(&mut entry.kinds, &rule.matching);
        }
    }

    /// The entry of a share; made where there is none.
    fn entry(&mut self, share: &Share, own: Option<&Policy>) -> &mut Entry {
        let path = share.path();
        let at = self.entries.iter().position(|entry| entry.path == path).unwrap_or_else(|| {
            let word = match share.failure_policy() {
                FailurePolicy::Fail => "fail",
                FailurePolicy::Ignore => "ignore",
            };
            let base = format!("kyverno.svc-{word}");
            let conditions = own.and_then(|policy| policy.spec.webhook_configuration.as_ref());
            self.entries.push(Entry {
                name: own.map_or_else(|| base.clone(), |policy| own_name(&base, policy)),
                path,
                failure_policy: share.failure_policy(),
                kinds: BTreeMap::new(),
                timeout: self.timeout,
                conditions: conditions.map(|one| one.match_conditions.clone()).unwrap_or_default(),
            });
            self.entries.len() - 1
        });
        #[expect(clippy::indexing_slicing, reason = "the position of an entry that is there")]
        &mut self.entries[at]
    }

    /// The objects, where these kinds are served and these authorities are trusted.
    ///
    /// # Errors
    /// When something that people wrote into the ConfigMap or a policy has no place in such an object.
    pub(super) fn configurations(&self, kinds: &Kinds, bundle: &str) -> Result<Configurations, String> {
        let mut unknown = BTreeSet::new();
        let (mut mutating, mut validating) = (Vec::new(), Vec::new());
        for entry in &self.entries {
            let rules = rules(entry, kinds, &mut unknown);
            // An entry without rules is never asked, and the API server refuses it.
            if rules.is_empty() {
                continue;
            }
            let one = |verb: &str| self.entry_object(entry, verb, &rules, bundle);
            let mut mutate = one("mutate");
            if let Some(fields) = mutate.as_object_mut() {
                fields.insert("reinvocationPolicy".to_owned(), json!("IfNeeded"));
            }
            mutating.push(mutate);
            validating.push(one("validate"));
        }
        let read = |error: serde_json::Error| format!("the webhook configuration cannot be written: {error}");
        let object = |kind: &str, name: &str, webhooks: Vec<Value>| self.object(kind, name, webhooks);
        let (mutating_kind, validating_kind) =
            ("MutatingWebhookConfiguration", "ValidatingWebhookConfiguration");
        Ok(Configurations {
            mutating: serde_json::from_value(object(mutating_kind, MUTATING, mutating)).map_err(read)?,
            validating: serde_json::from_value(object(validating_kind, VALIDATING, validating))
                .map_err(read)?,
            policies: serde_json::from_value(object(validating_kind, POLICIES, self.about_policies(bundle)))
                .map_err(read)?,
            unknown: unknown.into_iter().collect(),
        })
    }

    fn object(&self, kind: &str, name: &str, webhooks: Vec<Value>) -> Value {
        let mut labels = self.settings.labels.clone();
        labels.insert(LABEL.0.to_owned(), LABEL.1.to_owned());
        json!({"apiVersion": "admissionregistration.k8s.io/v1", "kind": kind,
            "metadata": {"name": name, "labels": labels, "annotations": self.settings.annotations},
            "webhooks": webhooks})
    }

    /// Every field that the API server would fill in is written, so that what comes back is what was sent.
    fn entry_object(&self, entry: &Entry, verb: &str, rules: &[Value], bundle: &str) -> Value {
        let mut conditions = self.settings.match_conditions.clone();
        conditions.extend(entry.conditions.iter().cloned());
        let word = match entry.failure_policy {
            FailurePolicy::Fail => "Fail",
            FailurePolicy::Ignore => "Ignore",
        };
        let mut object = json!({
            "name": format!("{verb}.{}", entry.name),
            "clientConfig": self.reached.client_config(&format!("/{verb}{}", entry.path), bundle),
            "rules": rules,
            "failurePolicy": word,
            "matchPolicy": "Equivalent",
            "namespaceSelector": self.namespace_selector(entry.failure_policy == FailurePolicy::Fail),
            "objectSelector": self.settings.object_selector.clone().unwrap_or_else(|| json!({})),
            "sideEffects": "NoneOnDryRun",
            "timeoutSeconds": entry.timeout,
            "admissionReviewVersions": ["v1"],
        });
        if !conditions.is_empty()
            && let Some(fields) = object.as_object_mut()
        {
            fields.insert("matchConditions".to_owned(), Value::Array(conditions));
        }
        object
    }

    /// Which namespaces are asked about: as the ConfigMap says, and never ours where a failure of ours would lock it.
    fn namespace_selector(&self, fails: bool) -> Value {
        let mut selector = self.settings.namespace_selector.clone().unwrap_or_else(|| json!({}));
        let not_ours = json!({"key": NAMESPACE_NAME, "operator": "NotIn", "values": [self.namespace]});
        if let Some(fields) = selector.as_object_mut()
            && fails
        {
            match fields.get_mut("matchExpressions").and_then(Value::as_array_mut) {
                Some(expressions) if !expressions.contains(&not_ours) => expressions.push(not_ours),
                Some(_) => {}
                None => {
                    fields.insert("matchExpressions".to_owned(), json!([not_ours]));
                }
            }
        }
        selector
    }

    /// The entries by which policies and exceptions are looked at before they are stored. An exception that cannot be read
    /// excepts nothing, so storing one does not hang on us.
    fn about_policies(&self, bundle: &str) -> Vec<Value> {
        let entry = |name: &str, path: &str, versions: &[&str], resources: &[&str], fails: bool| {
            json!({
                "name": name,
                "clientConfig": self.reached.client_config(path, bundle),
                "rules": [{"apiGroups": ["kyverno.io"], "apiVersions": versions, "resources": resources,
                    "operations": ["CREATE", "UPDATE"], "scope": "*"}],
                "failurePolicy": if fails { "Fail" } else { "Ignore" },
                "matchPolicy": "Equivalent",
                "namespaceSelector": if fails { self.namespace_selector(true) } else { json!({}) },
                "objectSelector": {},
                "sideEffects": "None",
                "timeoutSeconds": self.timeout,
                "admissionReviewVersions": ["v1"],
            })
        };
        let versions = ["v1", "v2beta1"];
        vec![
            entry(
                "validate-policy.kyverno.svc",
                "/policyvalidate",
                &versions,
                &["clusterpolicies", "policies"],
                true,
            ),
            entry(
                "validate-exception.kyverno.svc",
                "/exceptionvalidate",
                &["v2", "v2beta1"],
                &["policyexceptions"],
                false,
            ),
        ]
    }
}

/// Adds what a rule may be about.
fn add_kinds(kinds: &mut BTreeMap<String, BTreeSet<&'static str>>, matching: &MatchBlock) {
    let filters = match (matching.any.as_slice(), matching.all.as_slice()) {
        ([], []) => std::slice::from_ref(&matching.flat),
        ([], all) => all,
        (any, _) => any,
    };
    let operations = |named: &[String]| {
        let known =
            ["CREATE", "UPDATE", "CONNECT"].into_iter().filter(|known| named.iter().any(|o| o == known));
        match named {
            [] => BTreeSet::from(["CREATE", "UPDATE"]),
            _ => known.collect(),
        }
    };
    // Under `all`, one filter that names kinds is enough for all of them.
    let alone = matching.any.is_empty() && filters.iter().any(|filter| !filter.resources.kinds.is_empty());
    for filter in filters {
        let resources = &filter.resources;
        let found = operations(&resources.operations);
        for kind in &resources.kinds {
            kinds.entry(kind.clone()).or_default().extend(found.iter().copied());
        }
        if resources.kinds.is_empty() && !alone {
            kinds.entry("*".to_owned()).or_default().extend(found);
        }
    }
}

/// The rules of an entry: one for all resources of a group's version that have the same operations.
fn rules(entry: &Entry, kinds: &Kinds, unknown: &mut BTreeSet<String>) -> Vec<Value> {
    let mut operations: BTreeMap<Resource, BTreeSet<&str>> = BTreeMap::new();
    for (kind, named) in &entry.kinds {
        let resources = kinds.resolve(kind);
        if resources.is_empty() {
            unknown.insert(kind.clone());
        }
        for resource in resources {
            operations.entry(resource).or_default().extend(named.iter().copied());
        }
    }
    let mut grouped: BTreeMap<(String, String, Vec<&str>), Vec<String>> = BTreeMap::new();
    for (resource, named) in operations {
        let named: Vec<&str> = named.into_iter().collect();
        if !named.is_empty() {
            grouped.entry((resource.group, resource.version, named)).or_default().push(resource.resource);
        }
    }
    let rule = |((group, version, operations), resources)| {
        json!({"apiGroups": [group], "apiVersions": [version], "resources": resources,
            "operations": operations, "scope": "*"})
    };
    grouped.into_iter().map(rule).collect()
}

#[cfg(test)]
mod tests;
