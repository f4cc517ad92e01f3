//! What filters let through.

use provost_kyverno::{Objects, Request};
use serde_json::{Value, json};

use super::{DEFAULT_EXCLUDED_GROUPS, DEFAULT_RESOURCE_FILTERS, Filters, resources};

fn request(kind: &str, namespace: &str, name: &str, user: (&str, &[&str])) -> Request {
    let (group, version) = match kind {
        "ReplicaSet" | "Deployment" => ("apps", "v1"),
        _ => ("", "v1"),
    };
    let (kind, subresource) = kind.split_once('/').unwrap_or((kind, ""));
    let review = json!({"request": {
        "uid": "u", "kind": {"group": group, "version": version, "kind": kind}, "subResource": subresource,
        "operation": "CREATE", "namespace": namespace, "name": name, "object": {},
        "userInfo": {"username": user.0, "groups": user.1},
    }});
    Request::of_review(&review).unwrap()
}

async fn passes(filters: &Filters, request: &Request, objects: Vec<Value>) -> bool {
    filters.pass(request, &Objects::new(objects)).await.unwrap()
}

const SOMEBODY: (&str, &[&str]) = ("jane", &["devs"]);

#[tokio::test]
async fn kyvernos_own_filters_leave_out_what_keeps_a_cluster_alive() {
    let filters = Filters::of_kyverno("provost-system");
    for (kind, namespace, name, user, passed) in [
        ("Pod", "default", "a", SOMEBODY, false),
        ("Pod", "kube-system", "a", SOMEBODY, true),
        ("Pod/ephemeralcontainers", "kube-system", "a", SOMEBODY, true),
        ("Pod", "kube-systems", "a", SOMEBODY, false),
        ("Pod", "provost-system", "a", SOMEBODY, true),
        ("Pod/binding", "default", "a", SOMEBODY, true),
        ("Pod/ephemeralcontainers", "default", "a", SOMEBODY, false),
        ("ReplicaSet", "default", "a", SOMEBODY, true),
        ("Deployment", "default", "a", SOMEBODY, false),
        ("Event", "default", "a", SOMEBODY, true),
        ("Namespace", "kube-system", "kube-system", SOMEBODY, true),
        ("Namespace", "default", "default", SOMEBODY, false),
        ("Pod", "default", "a", ("system:node:one", ["system:nodes"].as_slice()), true),
    ] {
        let asked = request(kind, namespace, name, user);
        assert_eq!(
            passes(&filters, &asked, Vec::new()).await,
            passed,
            "{kind} {namespace}/{name} by {user:?}"
        );
    }
    let nothing = Filters::default();
    assert!(!passes(&nothing, &request("Pod", "", "a", SOMEBODY), Vec::new()).await);
}

#[tokio::test]
async fn entries_with_an_exclamation_mark_bring_back_in() {
    let data = [("excludeGroups", "dev*,ops"), ("excludeUsernames", "!jane,, !")];
    let filters = Filters::of_config_map("", &data.map(|(k, v)| (k.to_owned(), v.to_owned())).into());
    assert!(!passes(&filters, &request("Pod", "a", "b", SOMEBODY), Vec::new()).await);
    assert!(passes(&filters, &request("Pod", "a", "b", ("joe", &["devs"])), Vec::new()).await);
}

#[tokio::test]
async fn roles_are_asked_of_the_cluster_and_a_cluster_that_is_silent_lets_nobody_out() {
    let data = [("excludeClusterRoles", "breaker")];
    let filters = Filters::of_config_map("", &data.map(|(k, v)| (k.to_owned(), v.to_owned())).into());
    let binding = json!({
        "kind": "ClusterRoleBinding", "metadata": {"name": "b"},
        "subjects": [{"kind": "User", "name": "jane"}], "roleRef": {"kind": "ClusterRole", "name": "breaker"},
    });
    let asked = request("Pod", "a", "b", SOMEBODY);
    assert!(passes(&filters, &asked, vec![binding]).await);
    assert!(!passes(&filters, &asked, Vec::new()).await);
}

#[test]
fn the_chart_brings_the_same_filters() {
    let values = include_str!("../../../../deploy/chart/values.yaml");
    let text = values.split_once("resourceFilters: >-").unwrap().1.split_once('#').unwrap().0;
    assert_eq!(resources(text), resources(DEFAULT_RESOURCE_FILTERS));
    assert!(values.contains(&format!("excludeGroups: {DEFAULT_EXCLUDED_GROUPS}")));
}
