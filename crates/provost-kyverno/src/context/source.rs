//! Context entries that ask somebody: the API server, a service, a registry, the global context.

use provost_expr::image::ImageInfo;
use provost_expr::jmespath::Expression;
use provost_oci::{ImageIndex, Reference, Selector, media_type};
use provost_registry::{Manifest, StoreError};
use serde_json::{Map, Value, json};

use super::{RuleContext, SIZE_LIMIT};
use crate::cluster::{Call, Method, Target};
use crate::extract::Image;
use crate::judge::{Scope, locate};
use crate::outcome::{ContextCause, Finding};
use crate::policy::entry::Entry;
use crate::policy::load::part;
use crate::policy::spec::{ApiCall, ContextEntry, GlobalReference, ImageRegistry};

/// The platform whose image stands for an index of several, as go-containerregistry chooses.
const PLATFORM: (&str, &str) = ("linux", "amd64");

type Outcome = Result<Value, ContextCause>;

/// What the entry's source answers; `None` for entries that ask nobody.
pub(super) async fn answer(
    context: &RuleContext<'_>,
    scope: &Scope<'_>,
    entry: &ContextEntry,
) -> Option<Result<Value, Finding>> {
    let answered = if let Some(call) = &entry.api_call {
        api_call(context, scope, call).await
    } else if let Some(image) = &entry.image_registry {
        match image_registry(context, scope, image).await {
            Ok(answered) => answered,
            Err(finding) => return Some(Err(finding)),
        }
    } else if let Some(reference) = &entry.global_reference {
        global(context, scope, reference).await
    } else {
        return None;
    };
    Some(answered.map_err(|cause| Finding::Context { name: entry.name.clone(), cause }))
}

/// A part of the policy with its variables replaced.
fn filled<T: serde::de::DeserializeOwned>(context: &RuleContext<'_>, raw: &Value) -> Result<T, ContextCause> {
    let substituted = context.substituted(raw).map_err(ContextCause::Expression)?;
    part(&substituted, "context")
        .map_err(|cause| ContextCause::Expression(crate::message::refusal::cause(&cause)))
}

/// What an expression of the policy makes of an answer.
fn projected(context: &RuleContext<'_>, expression: &str, answer: Value) -> Outcome {
    if expression.is_empty() {
        return Ok(answer);
    }
    let failed = |error: String| ContextCause::Projection { expression: expression.to_owned(), error };
    let parsed = Expression::parse(expression).map_err(|error| failed(error.to_string()))?;
    parsed.search(&answer, &context.world.environment()).map_err(|error| failed(error.to_string()))
}

async fn api_call(context: &RuleContext<'_>, scope: &Scope<'_>, raw: &Value) -> Outcome {
    let call: ApiCall = filled(context, raw)?;
    let post = call.method == "POST";
    let data: Map<String, Value> = call.data.iter().map(|one| (one.key.clone(), one.value.clone())).collect();
    let target = match (call.url_path.as_str(), &call.service) {
        ("", None) => return Err(ContextCause::Expression("missing service for APICall".to_owned())),
        ("", Some(service)) => Target::Service {
            url: service.url.clone(),
            headers: service.headers.iter().map(|h| (h.key.clone(), h.value.clone())).collect(),
            ca_bundle: service.ca_bundle.clone(),
        },
        (path, _) => Target::Path(path.to_owned()),
    };
    let method = if post { Method::Post } else { Method::Get };
    let question = Call { method, target, data: if post { data } else { Map::new() } };
    let asked = match question.fault() {
        Some(error) => Err(error),
        None => scope.cluster.call(&question).await,
    };
    match (asked, raw.get("default").filter(|value| !value.is_null())) {
        (Ok(answer), _) => projected(context, &call.jmes_path, answer),
        // The policy says itself what to go by where nobody answers.
        (Err(_), Some(default)) => Ok(default.clone()),
        (Err(cause), None) => Err(ContextCause::Call { what: question.shown(), cause }),
    }
}

async fn global(context: &RuleContext<'_>, scope: &Scope<'_>, raw: &Value) -> Outcome {
    let reference: GlobalReference = filled(context, raw)?;
    let (name, projection) = reference.name.split_once('.').unwrap_or((&reference.name, ""));
    let answer = scope.cluster.global_entry(name, projection).await;
    let answer = answer.map_err(|cause| ContextCause::Global { key: name.to_owned(), cause })?;
    projected(context, &reference.jmes_path, answer)
}

async fn image_registry(
    context: &RuleContext<'_>,
    scope: &Scope<'_>,
    raw: &Value,
) -> Result<Outcome, Finding> {
    let wanted: ImageRegistry = match filled(context, raw) {
        Ok(wanted) => wanted,
        Err(cause) => return Ok(Err(cause)),
    };
    let name = &wanted.reference;
    let unreadable = |reason: String| Err(ContextCause::BadImage { image: name.clone(), reason });
    let info = match ImageInfo::parse(name, &context.world.environment().images) {
        Ok(info) => info,
        Err(error) => return Ok(unreadable(error.to_string())),
    };
    let reference: Reference = match name.parse() {
        Ok(reference) => reference,
        Err(error) => return Ok(unreadable(error.to_string())),
    };
    let entry = Entry { image_registry_credentials: wanted.image_registry_credentials, ..Entry::default() };
    let (access, _) = locate::access(scope, &entry).await?;
    let called = info.to_string();
    let image = Image { list: String::new(), key: String::new(), pointer: String::new(), info };
    let located = locate::locate(scope, &access, &image, &called).await?;
    let facts = async {
        let digest = located.digest.clone()?;
        let repository = &located.repository;
        let top = located.store.manifest(repository, &Selector::Digest(digest.clone())).await?;
        let index = media_type::is_index(&top.media_type);
        let manifest = match index.then(|| chosen(&top)).transpose()? {
            Some(child) => located.store.manifest(repository, &Selector::Digest(child)).await?,
            None => top.clone(),
        };
        let shown = json_of(&manifest, &manifest.bytes)?;
        let config = shown.pointer("/config/digest").and_then(Value::as_str).unwrap_or_default().parse();
        let config = config.map_err(|_| malformed(&manifest, "it names no configuration"))?;
        let config = located.store.blob(repository, &config, SIZE_LIMIT as u64).await?;
        let config = json_of(&manifest, &config)?;
        let own = reference.repository();
        let identifier = match (reference.given_tag(), reference.given_digest()) {
            (Some(tag), Some(digest)) => format!("{tag}@{digest}"),
            (None, Some(digest)) => digest.to_string(),
            (tag, None) => tag.unwrap_or("latest").to_owned(),
        };
        Ok(json!({
            "image": name,
            "resolvedImage": format!("{}/{}@{digest}", own.registry(), own.path()),
            "registry": own.registry(),
            "repository": own.path(),
            "identifier": identifier,
            "manifestList": if index { json_of(&top, &top.bytes)? } else { Value::Null },
            "manifest": shown,
            "configData": config,
        }))
    }
    .await;
    Ok(match facts {
        Ok(facts) => projected(context, &wanted.jmes_path, facts),
        Err(cause) => Err(ContextCause::Registry { image: name.clone(), cause }),
    })
}

fn malformed(manifest: &Manifest, reason: &str) -> StoreError {
    StoreError::Malformed { request: manifest.digest.to_string(), reason: reason.to_owned() }
}

fn json_of(manifest: &Manifest, bytes: &[u8]) -> Result<Value, StoreError> {
    serde_json::from_slice(bytes).map_err(|error| malformed(manifest, &error.to_string()))
}

/// The manifest of an index that stands for all of them.
fn chosen(top: &Manifest) -> Result<provost_oci::Digest, StoreError> {
    let index: ImageIndex =
        serde_json::from_slice(&top.bytes).map_err(|error| malformed(top, &error.to_string()))?;
    let (system, architecture) = PLATFORM;
    let fits = |one: &&provost_oci::Descriptor| {
        // A manifest without a platform is for the default one.
        one.platform.as_ref().is_none_or(|p| p.os == system && p.architecture == architecture)
    };
    let found = index.manifests.iter().find(fits);
    found
        .map(|one| one.digest.clone())
        .ok_or_else(|| malformed(top, &format!("no child with platform {system}/{architecture} in index")))
}
