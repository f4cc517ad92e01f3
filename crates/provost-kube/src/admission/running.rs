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

/// Tells `each` Pod that has not ended, as the request that would make it, until it says no; how many were told.
///
/// # Errors
/// The API server's words.
pub async fn running_pods(cluster: &Cluster, mut each: impl FnMut(Request) -> bool) -> Result<usize, String> {
    let resource = ApiResource {
        group: String::new(),
        version: "v1".to_owned(),
        api_version: "v1".to_owned(),
        kind: "Pod".to_owned(),
        plural: "pods".to_owned(),
    };
    let api: Api<DynamicObject> = Api::all_with(cluster.client.clone(), &resource);
    let mut how = ListParams::default().limit(PAGE).fields("status.phase!=Succeeded,status.phase!=Failed");
    let mut told = 0;
    loop {
        let page =
            answered("listing the Pods that run", api.list(&how)).await.map_err(|fault| fault.to_string())?;
        let next = page.metadata.continue_.filter(|next| !next.is_empty());
        for mut pod in page.items {
            pod.metadata.managed_fields = None;
            let Ok(mut object) = serde_json::to_value(pod) else { continue };
            if let Some(fields) = object.as_object_mut() {
                fields.insert("apiVersion".to_owned(), "v1".into());
                fields.insert("kind".to_owned(), "Pod".into());
            }
            if told >= PODS_LIMIT || !each(Request::of_object(&object)) {
                return Ok(told);
            }
            told += 1;
        }
        match next {
            Some(next) => how.continue_token = Some(next),
            None => return Ok(told),
        }
    }
}
