//! The variables of a rule: the request, its images, and context entries, which are loaded only when named.

mod source;

use std::sync::OnceLock;

use provost_expr::context::{Lookup, LookupError, Origin, Root, Roots};
use provost_expr::jmespath::Expression;
use provost_expr::origins::Origins;
use provost_expr::variables::{self as expansion, query};
use serde_json::{Value, json};

use crate::cluster::User;
use crate::extract;
use crate::judge::candidate::Images;
use crate::judge::{Scope, World};
use crate::outcome::{Construct, ContextCause, Finding};
use crate::policy::entry::SecretName;
use crate::policy::spec::ContextEntry;
use crate::policy::variables::{expressions, has_any, mentions};
use crate::policy::{Policy, PolicyKind};
use crate::request::Request;
use crate::rule::Rule;
use crate::select::Facts;

/// The most bytes that all context entries of a rule may hold, Kyverno's default: 2 MiB.
pub(crate) const SIZE_LIMIT: usize = 2 * 1024 * 1024;

/// The variables of one rule for one request.
pub(crate) struct RuleContext<'a> {
    world: World<'a>,
    built_in: BuiltIn<'a>,
    /// Its own entries, as far as they are loaded.
    own: Roots,
    entries: Vec<(ContextEntry, bool)>,
    /// Where ConfigMaps lie that the policy names without a namespace.
    namespace: String,
    /// Policy and rule, for what a test gives them.
    owner: (String, String),
    size: usize,
}

impl<'a> RuleContext<'a> {
    /// The variables that every rule has, of an object with these images.
    pub(crate) fn new(scope: &Scope<'a>, policy: &Policy, rule: &Rule, images: Images) -> Self {
        let namespace = match policy.kind {
            PolicyKind::Cluster => "default".to_owned(),
            PolicyKind::Namespaced => policy.namespace.clone(),
        };
        let entries = rule.context.iter().map(|entry| (entry.clone(), false)).collect();
        let owner = (policy.name.clone(), rule.name.clone());
        let built_in = BuiltIn::of(scope, images);
        Self { world: *scope.world, built_in, own: Roots::new(), entries, namespace, owner, size: 0 }
    }

    /// Loads the entries that these documents name, and those that they need in turn, in the rule's order.
    pub(crate) async fn load(&mut self, scope: &Scope<'_>, documents: &[&Value]) -> Result<(), Finding> {
        let mut named: Vec<String> = documents.iter().flat_map(|d| expressions(d)).collect();
        let mut wanted = vec![false; self.entries.len()];
        // An entry can only need entries before it, so one pass from the last to the first finds all.
        for ((entry, _), wanted) in self.entries.iter().zip(wanted.iter_mut()).rev() {
            *wanted = named.iter().any(|expression| mentions(expression, &entry.name));
            if *wanted {
                named.extend(needs(entry));
            }
        }
        for (at, wanted) in wanted.into_iter().enumerate() {
            let Some((entry, loaded)) = self.entries.get_mut(at) else { continue };
            if !wanted || std::mem::replace(loaded, true) {
                continue;
            }
            let entry = entry.clone();
            let (value, origin) = self.value_of(scope, &entry).await?;
            self.size = self.size.saturating_add(value.to_string().len());
            if self.size > SIZE_LIMIT {
                let cause = ContextCause::TooLarge { found: self.size, limit: SIZE_LIMIT };
                return Err(Finding::Context { name: entry.name, cause });
            }
            self.own.set(&entry.name, value, origin);
        }
        Ok(())
    }

    async fn value_of(&self, scope: &Scope<'_>, entry: &ContextEntry) -> Result<(Value, Origin), Finding> {
        let name = &entry.name;
        let failed = |cause| Finding::Context { name: name.clone(), cause };
        if entry.variable.is_some() {
            return self.variable(entry).map_err(|error| failed(ContextCause::Expression(error)));
        }
        let (policy, rule) = &self.owner;
        if let Some(given) = scope.request.given.to(policy, rule, name) {
            return Ok((given.clone(), Origin::Cluster));
        }
        if let Some(place) = &entry.config_map {
            let SecretName { name, namespace } = self.place(place).map_err(failed)?;
            let map = scope.cluster.config_map(&namespace, &name).await;
            let map = map.map_err(|cause| failed(ContextCause::ConfigMap { namespace, name, cause }))?;
            let part = |name: &str| map.get(name).cloned().unwrap_or_else(|| json!({}));
            return Ok((json!({"data": part("data"), "metadata": part("metadata")}), Origin::Cluster));
        }
        match source::answer(self, scope, entry).await {
            Some(answered) => answered.map(|value| (value, Origin::Foreign)),
            None => Err(Finding::Unsupported(Construct::ContextEntry("unknown"))),
        }
    }

    fn place(&self, place: &SecretName) -> Result<SecretName, ContextCause> {
        let text = |text: &str| match self.substituted(&json!(text)) {
            Ok(Value::String(text)) => Ok(text),
            Ok(other) => Err(ContextCause::Expression(format!("a name was expected, found {other}"))),
            Err(error) => Err(ContextCause::Expression(error)),
        };
        let namespace = text(&place.namespace)?;
        let namespace = if namespace.is_empty() { self.namespace.clone() } else { namespace };
        Ok(SecretName { name: text(&place.name)?, namespace })
    }

    /// A `variable` entry: its value, or what its expression finds in it or in everything known so far.
    fn variable(&self, entry: &ContextEntry) -> Result<(Value, Origin), String> {
        let Some(variable) = &entry.variable else { return Ok((Value::Null, Origin::Policy)) };
        let environment = self.world.environment();
        let given = variable.get("value").filter(|value| !value.is_null());
        let mut value = Value::Null;
        let mut origin = Origin::Policy;
        if let Some(given) = given {
            (value, origin) = self.written(given)?;
        }
        if let Some(path) = variable.get("jmesPath").and_then(Value::as_str).filter(|path| !path.is_empty()) {
            let path = match self.substituted(&json!(path))? {
                Value::String(path) => path,
                other => return Err(format!("a query was expected, found {other}")),
            };
            let found = match given {
                Some(_) => {
                    let parsed = Expression::parse(&path).map_err(|error| error.to_string())?;
                    parsed.search(&value, &environment).ok()
                }
                None => match query(&path, self, &environment) {
                    Ok(found) => {
                        origin = found.origin;
                        Some(found.value)
                    }
                    Err(_) if variable.contains_key("default") => None,
                    Err(error) => return Err(error.to_string()),
                },
            };
            // What an expression finds is never expanded again.
            origin = origin.max(Origin::Cluster);
            value = found.unwrap_or_default();
        }
        if value.is_null()
            && let Some(default) = variable.get("default")
        {
            (value, origin) = self.written(default)?;
        }
        Ok((value, origin))
    }

    /// A document of the policy with its variables replaced, and who wrote what came out: what variables put in is
    /// never expanded again.
    fn written(&self, document: &Value) -> Result<(Value, Origin), String> {
        let (value, origins) = self.substituted_with_origins(document)?;
        let origin = match (origins.any_foreign(), has_any(document)) {
            (true, _) => Origin::Foreign,
            (false, true) => Origin::Cluster,
            (false, false) => Origin::Policy,
        };
        Ok((value, origin))
    }

    /// A document with its variables replaced, and who wrote which part of it.
    pub(crate) fn substituted_with_origins(&self, document: &Value) -> Result<(Value, Origins), String> {
        expansion::substitute_with_origins(document, self, &self.world.environment())
            .map_err(|error| error.to_string())
    }

    /// A document with its variables replaced.
    pub(crate) fn substituted(&self, document: &Value) -> Result<Value, String> {
        expansion::substitute(document, self, &self.world.environment()).map_err(|error| error.to_string())
    }

    /// What expressions may ask besides their document.
    pub(crate) fn world(&self) -> &World<'a> {
        &self.world
    }
}

impl Lookup for RuleContext<'_> {
    fn root(&self, name: &str) -> Result<Option<Root<'_>>, LookupError> {
        let built_in = || self.built_in.value(name).map(|value| Root { value, origin: Origin::Foreign });
        Ok(self.own.root(name)?.or_else(built_in))
    }

    fn names(&self) -> Vec<String> {
        let mut names = self.own.names();
        names.extend(BuiltIn::NAMES.map(str::to_owned));
        names.sort();
        names.dedup();
        names
    }
}

/// The variables that every rule has; each is made when an expression first names it, and most rules name none.
struct BuiltIn<'a> {
    asked: &'a Request,
    facts: &'a Facts,
    all: Images,
    made: [OnceLock<Value>; 4],
}

impl<'a> BuiltIn<'a> {
    const NAMES: [&'static str; 4] = ["images", "request", "serviceAccountName", "serviceAccountNamespace"];

    fn of(scope: &Scope<'a>, all: Images) -> Self {
        Self { asked: scope.request, facts: scope.facts, all, made: Default::default() }
    }

    fn value(&self, name: &str) -> Option<&Value> {
        let place = Self::NAMES.iter().position(|known| *known == name)?;
        Some(self.made.get(place)?.get_or_init(|| self.make(name)))
    }

    fn make(&self, name: &str) -> Value {
        let account = || self.asked.user.as_ref().and_then(User::service_account).unwrap_or_default();
        match name {
            "images" => extract::view(self.all.iter().map(|one| &one.image)),
            "serviceAccountName" => json!(account().1),
            "serviceAccountNamespace" => json!(account().0),
            _ => {
                let mut request = self.asked.view();
                if let Ok(found) = self.facts.roles() {
                    request.entry("roles").or_insert_with(|| json!(found.roles));
                    request.entry("clusterRoles").or_insert_with(|| json!(found.cluster_roles));
                }
                Value::Object(request)
            }
        }
    }
}

/// The expressions that an entry needs to be loaded.
fn needs(entry: &ContextEntry) -> Vec<String> {
    let variable = entry.variable.clone().map(Value::Object).unwrap_or_default();
    let mut found = expressions(&variable);
    for asked in [&entry.api_call, &entry.image_registry, &entry.global_reference].into_iter().flatten() {
        found.extend(expressions(asked));
    }
    found.extend(variable.get("jmesPath").and_then(Value::as_str).map(str::to_owned));
    if let Some(place) = &entry.config_map {
        found.extend(expressions(&json!([place.name, place.namespace])));
    }
    found
}

/// The variables of a rule with one image as `image`.
pub(crate) struct ImageContext<'a> {
    /// The rule's own.
    pub(crate) rule: &'a RuleContext<'a>,
    /// The image.
    pub(crate) image: Value,
}

impl Lookup for ImageContext<'_> {
    fn root(&self, name: &str) -> Result<Option<Root<'_>>, LookupError> {
        match name {
            "image" => Ok(Some(Root { value: &self.image, origin: Origin::Foreign })),
            other => self.rule.root(other),
        }
    }

    fn names(&self) -> Vec<String> {
        let mut names = self.rule.names();
        names.push("image".to_owned());
        names
    }
}
