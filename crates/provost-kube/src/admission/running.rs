//! What runs already: the Pods of a cluster, page by page, so that the gate can look at their images before anybody asks.

use kube::api::{Api, ApiResource, DynamicObject, ListParams};
use provost_kyverno::Request;

use crate::cluster::Cluster;
use crate::runs::answered;

/// How many Pods one answer holds: with 20 KiB each, 4 MiB.
const PAGE: u32 = 200;
/// How many Pods are told at most: a cluster of Kubernetes' own limit of 150,000 would take ten minutes to look at, and images
/// repeat long before.
pub const PODS_LIMIT: usize = 20_000;

/// The Pods that have not ended, page by page, each as the request that would make it.
pub struct Running {
    api: Api<DynamicObject>,
    next: Option<ListParams>,
    told: usize,
}

impl Running {
    /// Those of all namespaces.
    #[must_use]
    pub fn of(cluster: &Cluster) -> Self {
        let resource = ApiResource {
            group: String::new(),
            version: "v1".to_owned(),
            api_version: "v1".to_owned(),
            kind: "Pod".to_owned(),
            plural: "pods".to_owned(),
        };
        let next = ListParams::default().limit(PAGE).fields("status.phase!=Succeeded,status.phase!=Failed");
        Self { api: Api::all_with(cluster.client.clone(), &resource), next: Some(next), told: 0 }
    }

    /// The next page; `None` after the last, or after [`PODS_LIMIT`] Pods.
    ///
    /// # Errors
    /// The API server's words.
    pub async fn page(&mut self) -> Result<Option<Vec<Request>>, String> {
        let Some(mut how) = self.next.take() else { return Ok(None) };
        let page = answered("listing the Pods that run", self.api.list(&how)).await;
        let page = page.map_err(|fault| fault.to_string())?;
        let token = page.metadata.continue_.filter(|token| !token.is_empty());
        let mut found: Vec<Request> = page.items.into_iter().filter_map(request).collect();
        found.truncate(PODS_LIMIT - self.told);
        self.told += found.len();
        if let (Some(token), true) = (token, self.told < PODS_LIMIT) {
            how.continue_token = Some(token);
            self.next = Some(how);
        }
        Ok(Some(found))
    }
}

fn request(mut pod: DynamicObject) -> Option<Request> {
    pod.metadata.managed_fields = None;
    let mut object = serde_json::to_value(pod).ok()?;
    let fields = object.as_object_mut()?;
    // The items of a list of built-in kinds do not say what they are.
    fields.insert("apiVersion".to_owned(), "v1".into());
    fields.insert("kind".to_owned(), "Pod".into());
    Some(Request::of_object(&object))
}
