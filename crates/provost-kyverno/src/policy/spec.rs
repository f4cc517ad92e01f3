//! The typed form of a policy's settings, filters and context, as its custom resource definition has them.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::entry::{Credentials, SecretName};

/// What happens to an object that fails a rule.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub enum Action {
    /// It is let through, with a warning.
    #[default]
    #[serde(alias = "audit")]
    Audit,
    /// It is denied.
    #[serde(alias = "enforce")]
    Enforce,
}

/// What happens when something of our own side failed (security.md 9).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub enum FailurePolicy {
    /// The object is denied.
    #[default]
    Fail,
    /// The object is let through.
    Ignore,
}

/// Whether later rules run after one has given a result.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub enum ApplyRules {
    /// All rules run.
    #[default]
    All,
    /// The first rule that passes or fails is the last.
    One,
}

/// `spec` of a policy, apart from its rules.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Spec {
    /// Whether the first result ends the policy.
    pub apply_rules: ApplyRules,
    /// The deprecated place of the failure policy.
    pub failure_policy: Option<FailurePolicy>,
    /// The deprecated place of the timeout, in seconds.
    pub webhook_timeout_seconds: Option<i64>,
    /// How the webhook of this policy is registered.
    pub webhook_configuration: Option<WebhookConfiguration>,
    /// The action of rules that name none.
    pub validation_failure_action: Option<Action>,
    /// Other actions for some namespaces.
    pub validation_failure_action_overrides: Vec<ActionOverride>,
    /// Read for compatibility: Kyverno makes no more warnings of image results than it makes anyway.
    pub emit_warning: Option<bool>,
    /// Whether the policy takes part in admission.
    pub admission: Option<bool>,
    /// Whether the policy takes part in background scans.
    pub background: Option<bool>,
}

impl Spec {
    /// The failure policy in force.
    #[must_use]
    pub fn failure_policy(&self) -> FailurePolicy {
        let configured = self.webhook_configuration.as_ref().and_then(|w| w.failure_policy);
        configured.or(self.failure_policy).unwrap_or_default()
    }

    /// The action of rules that name none.
    #[must_use]
    pub fn action(&self) -> Action {
        self.validation_failure_action.unwrap_or_default()
    }
}

/// `spec.webhookConfiguration`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct WebhookConfiguration {
    /// What a failure of ours means.
    pub failure_policy: Option<FailurePolicy>,
    /// How long the API server waits, in seconds.
    pub timeout_seconds: Option<i64>,
    /// Conditions in CEL that the API server evaluates before it asks.
    pub match_conditions: Vec<Value>,
}

/// One of `spec.validationFailureActionOverrides`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ActionOverride {
    /// The action in these namespaces.
    pub action: Option<Action>,
    /// Wildcards of namespaces.
    pub namespaces: Vec<String>,
    /// Or the labels of namespaces.
    pub namespace_selector: Option<LabelSelector>,
}

/// A label selector as Kubernetes writes it.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct LabelSelector {
    /// Labels that must be there.
    pub match_labels: BTreeMap<String, String>,
    /// Expressions that must hold.
    pub match_expressions: Vec<LabelExpression>,
}

/// One of a label selector's `matchExpressions`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct LabelExpression {
    /// The label.
    pub key: String,
    /// `In`, `NotIn`, `Exists` or `DoesNotExist`.
    pub operator: String,
    /// The values of `In` and `NotIn`.
    #[serde(default)]
    pub values: Vec<String>,
}

/// `match` or `exclude` of a rule.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct MatchBlock {
    /// One of these filters must match.
    pub any: Vec<Filter>,
    /// All of these filters must match.
    pub all: Vec<Filter>,
    /// The old flat form: one filter.
    #[serde(flatten)]
    pub flat: Filter,
}

impl MatchBlock {
    /// All its filters, the flat one too.
    pub fn filters(&self) -> impl Iterator<Item = &Filter> {
        self.any.iter().chain(&self.all).chain(std::iter::once(&self.flat))
    }
}

/// One filter of a match block.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Filter {
    /// What the object is.
    pub resources: Resources,
    /// Roles of the user, `namespace:name`.
    pub roles: Vec<String>,
    /// Cluster roles of the user.
    pub cluster_roles: Vec<String>,
    /// Who the user is.
    pub subjects: Vec<Subject>,
}

/// `resources` of a filter: attributes are ANDed, the items of a list ORed.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Resources {
    /// Kinds, as `[[group/]version/]Kind[/subresource]`.
    pub kinds: Vec<String>,
    /// The old single name.
    pub name: String,
    /// Wildcards of names.
    pub names: Vec<String>,
    /// Wildcards of namespaces.
    pub namespaces: Vec<String>,
    /// Wildcards of annotations, key and value.
    pub annotations: BTreeMap<String, String>,
    /// The object's labels.
    pub selector: Option<LabelSelector>,
    /// The labels of the object's namespace.
    pub namespace_selector: Option<LabelSelector>,
    /// `CREATE`, `UPDATE`, `DELETE`, `CONNECT`.
    pub operations: Vec<String>,
}

/// One of a filter's `subjects`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Subject {
    /// `User`, `Group` or `ServiceAccount`.
    pub kind: String,
    /// A wildcard of its name.
    pub name: String,
    /// The namespace of a service account.
    pub namespace: String,
}

/// One of a rule's `imageExtractors`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Extractor {
    /// The path to the images, `/`-separated, `*` for every element.
    pub path: String,
    /// The field that holds the image; absent: the path's last part.
    pub value: String,
    /// The field whose value names the image; absent: its pointer.
    pub key: String,
    /// The name of the list; absent: `custom`.
    pub name: String,
    /// A transformation of the string found.
    pub jmes_path: String,
}

/// One of a rule's `context` entries.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ContextEntry {
    /// The variable it makes.
    pub name: String,
    /// A value or a query.
    pub variable: Option<Map<String, Value>>,
    /// A ConfigMap.
    pub config_map: Option<SecretName>,
    /// A call to the API server or a service, an [`ApiCall`] once its variables are replaced.
    pub api_call: Option<Value>,
    /// Facts about an image, an [`ImageRegistry`] once its variables are replaced.
    pub image_registry: Option<Value>,
    /// A global context entry, a [`GlobalReference`] once its variables are replaced.
    pub global_reference: Option<Value>,
}

/// `apiCall` of a context entry.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ApiCall {
    /// What `kubectl get --raw` would be given.
    pub url_path: String,
    /// `GET`, also where it is empty, or `POST`.
    pub method: String,
    /// What is posted.
    pub data: Vec<Datum>,
    /// A service to be asked in place of the API server.
    pub service: Option<Service>,
    /// An expression over the answer.
    pub jmes_path: String,
}

/// One field of what is posted.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Datum {
    /// Its name.
    pub key: String,
    /// Its value.
    pub value: Value,
}

/// `service` of an `apiCall`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Service {
    /// Its address.
    pub url: String,
    /// What is sent along.
    pub headers: Vec<Header>,
    /// Who signed its certificate, as PEM.
    pub ca_bundle: String,
}

/// One header of a call to a service.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Header {
    /// Its name.
    pub key: String,
    /// Its value.
    pub value: String,
}

/// `imageRegistry` of a context entry.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ImageRegistry {
    /// The image.
    pub reference: String,
    /// An expression over what is known of it.
    pub jmes_path: String,
    /// How its registry is reached.
    pub image_registry_credentials: Option<Credentials>,
}

/// `globalReference` of a context entry.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct GlobalReference {
    /// The entry, and behind a dot one of its projections.
    pub name: String,
    /// An expression over its value.
    pub jmes_path: String,
}
