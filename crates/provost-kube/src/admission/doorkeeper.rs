//! Who may look at the console: a TokenReview for who asks, and a SubjectAccessReview for each namespace shown (security.md 20).

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use futures_util::stream::{self, StreamExt as _};
use k8s_openapi::api::authentication::v1::{TokenReview, TokenReviewSpec};
use k8s_openapi::api::authorization::v1::{ResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec};
use k8s_openapi::api::core::v1::Namespace;
use kube::Api;
use kube::api::{ListParams, PostParams};
use provost_console::{Doorkeeper, Refusal, Visitor};
use provost_oci::Digest;

use crate::cluster::{Cluster, ClusterError, failed};

/// What a visitor must be allowed to `get` in a namespace, or in all of them, to see its decisions there. No object is of
/// this kind: roles name it, as deploy/chart/templates/console.yaml does for whoever may view a namespace.
pub const GROUP: &str = "provost.dev";
/// See [`GROUP`].
pub const RESOURCE: &str = "decisions";
/// How long an answer of the API server's is reused: a page of fifty namespaces, looked at again and again, asks once. A right
/// that is taken away, or a token that is, ends within this time.
const REUSED: Duration = Duration::from_secs(10);
/// The most answers kept: 40 visitors of 100 namespaces, at about 200 bytes each, so 800 KB. All go when there are more.
const KEPT: usize = 4_096;
/// The most namespaces that are asked about for a visitor who sees none of those where something was decided.
const NAMESPACES: u32 = 500;
/// How many of them are asked about at once.
const ASKED_AT_ONCE: usize = 16;
/// Under what it is kept whether a visitor sees any namespace; no namespace has this name.
const ANY: &str = "*";
/// How long the API server may take.
const ANSWER_TIME: Duration = Duration::from_secs(5);

/// Asks the API server.
pub struct ApiDoorkeeper {
    cluster: Cluster,
    visitors: Kept<Visitor>,
    rights: Kept<bool>,
}

/// Answers that are reused for a while.
struct Kept<T>(Mutex<BTreeMap<String, (Instant, T)>>);

impl<T: Clone> Kept<T> {
    fn get(&self, key: &str, now: Instant) -> Option<T> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (at, answer) = kept.get(key)?;
        (now.saturating_duration_since(*at) < REUSED).then(|| answer.clone())
    }

    fn put(&self, key: String, answer: T, now: Instant) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= KEPT {
            kept.clear();
        }
        kept.insert(key, (now, answer));
    }
}

impl ApiDoorkeeper {
    /// Asks this cluster's API server, under our own account.
    #[must_use]
    pub fn new(cluster: Cluster) -> Self {
        Self { cluster, visitors: Kept(Mutex::default()), rights: Kept(Mutex::default()) }
    }

    async fn review(&self, token: &str) -> Result<Visitor, Refusal> {
        let reviews: Api<TokenReview> = Api::all(self.cluster.client.clone());
        let spec = TokenReviewSpec { token: Some(token.to_owned()), ..TokenReviewSpec::default() };
        let review = TokenReview { spec, ..TokenReview::default() };
        let parameters = PostParams::default();
        let answer = in_time(reviews.create(&parameters, &review)).await?;
        let status = answer.status.unwrap_or_default();
        if let Some(error) = status.error.filter(|_| status.authenticated != Some(true)) {
            // An authenticator that failed says nothing about the token; one that knows it not says just that.
            let known =
                error.contains("invalid") || error.contains("expired") || error.contains("unauthorized");
            return Err(if known {
                Refusal::Unknown
            } else {
                Refusal::Unasked("the API server could not review the token".to_owned())
            });
        }
        match (status.authenticated, status.user) {
            (Some(true), Some(user)) => Ok(Visitor {
                name: user.username.unwrap_or_default(),
                uid: user.uid.unwrap_or_default(),
                groups: user.groups.unwrap_or_default(),
                extra: user.extra.unwrap_or_default(),
            }),
            _ => Err(Refusal::Unknown),
        }
    }
}

async fn in_time<T>(asking: impl Future<Output = Result<T, kube::Error>>) -> Result<T, Refusal> {
    let asked = tokio::time::timeout(ANSWER_TIME, asking).await;
    let unasked = |cause: ClusterError| Refusal::Unasked(cause.to_string());
    match asked {
        Ok(answer) => answer.map_err(|error| unasked(failed("ask the API server", &error))),
        Err(_) => {
            Err(Refusal::Unasked(format!("no answer of the API server within {} s", ANSWER_TIME.as_secs())))
        }
    }
}

#[async_trait]
impl Doorkeeper for ApiDoorkeeper {
    async fn who(&self, token: &str) -> Result<Visitor, Refusal> {
        if token.is_empty() {
            return Err(Refusal::Unknown);
        }
        // Tokens are not kept, only what they were found to be under their digest.
        let key = Digest::sha256_of(token.as_bytes()).to_string();
        let now = Instant::now();
        if let Some(visitor) = self.visitors.get(&key, now) {
            return Ok(visitor);
        }
        let visitor = self.review(token).await?;
        self.visitors.put(key, visitor.clone(), now);
        Ok(visitor)
    }

    async fn may_see(&self, visitor: &Visitor, namespace: &str) -> Result<bool, Refusal> {
        let key = format!("{visitor:?} {namespace}");
        let now = Instant::now();
        if let Some(may) = self.rights.get(&key, now) {
            return Ok(may);
        }
        let reviews: Api<SubjectAccessReview> = Api::all(self.cluster.client.clone());
        let text = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        let attributes = ResourceAttributes {
            group: text(GROUP),
            resource: text(RESOURCE),
            verb: text("get"),
            namespace: text(namespace),
            ..ResourceAttributes::default()
        };
        let spec = SubjectAccessReviewSpec {
            user: text(&visitor.name),
            uid: text(&visitor.uid),
            groups: Some(visitor.groups.clone()),
            extra: Some(visitor.extra.clone()),
            resource_attributes: Some(attributes),
            ..SubjectAccessReviewSpec::default()
        };
        let review = SubjectAccessReview { spec, ..SubjectAccessReview::default() };
        let parameters = PostParams::default();
        let answer = in_time(reviews.create(&parameters, &review)).await?;
        // An evaluation that failed in part may still allow, and then does; where it does not, it was not allowed.
        let may = answer.status.is_some_and(|status| status.allowed && status.denied != Some(true));
        self.rights.put(key, may, now);
        Ok(may)
    }

    async fn may_see_any(&self, visitor: &Visitor) -> Result<bool, Refusal> {
        let key = format!("{visitor:?} {ANY}");
        let now = Instant::now();
        if let Some(may) = self.rights.get(&key, now) {
            return Ok(may);
        }
        let all: Api<Namespace> = Api::all(self.cluster.client.clone());
        let how = ListParams::default().limit(NAMESPACES);
        let named = in_time(all.list_metadata(&how)).await?;
        let names = named.items.into_iter().filter_map(|namespace| namespace.metadata.name);
        let mut asked = stream::iter(names)
            .map(async |name| self.may_see(visitor, &name).await)
            .buffer_unordered(ASKED_AT_ONCE);
        let mut may = false;
        while let (false, Some(one)) = (may, asked.next().await) {
            may = one?;
        }
        self.rights.put(key, may, now);
        Ok(may)
    }
}
