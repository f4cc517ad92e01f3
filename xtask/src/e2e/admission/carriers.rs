//! Everything that carries an image: kinds of objects, and the places in which their Pods name one.

use serde_json::{Value, json};

/// A kind of object whose images are looked at.
pub(super) struct Carrier {
    pub(super) name: &'static str,
    /// The path of its collection.
    pub(super) collection: &'static str,
    /// Whether what it runs may be changed once it is made.
    pub(super) changes: bool,
    /// Whether it has a number of replicas.
    pub(super) scales: bool,
    wrap: fn(Value) -> Value,
}

impl Carrier {
    /// One named `carrier` whose Pods are these.
    pub(super) fn of(&self, pod: Value) -> Value {
        (self.wrap)(pod)
    }

    /// The path of the one named `carrier`.
    pub(super) fn path(&self) -> String {
        format!("{}/carrier", self.collection)
    }

    /// What is sent to change the image of the container.
    pub(super) fn change(&self, image: &str) -> Value {
        let mut whole = self.of(json!({"containers": [{"name": "a", "image": image}]}));
        let spec = whole.get_mut("spec").map(Value::take).unwrap_or_default();
        // Only what Pods are made from: the rest of the spec stays as it is.
        let kept = |name: &str| spec.get(name).map(|part| json!({"spec": {name: part}}));
        let found = ["template", "jobTemplate", "taskSpec"].iter().find_map(|name| kept(name));
        let mut change = found.unwrap_or_else(|| json!({"spec": spec}));
        // A Job's policy of restarting cannot be changed, and labels need not be.
        for place in ["/spec/template/metadata", "/spec/jobTemplate/spec/template/metadata"] {
            if let Some(metadata) = change.pointer_mut(place) {
                *metadata = json!({});
            }
        }
        change
    }
}

fn with_template(version: &str, kind: &str, selector: &Value, pod: &Value) -> Value {
    json!({"apiVersion": version, "kind": kind, "metadata": {"name": "carrier"}, "spec": {"selector": selector,
        "template": {"metadata": {"labels": {"app": "a"}}, "spec": pod}}})
}

fn app(kind: &str, pod: &Value) -> Value {
    with_template("apps/v1", kind, &json!({"matchLabels": {"app": "a"}}), pod)
}

fn job(mut pod: Value) -> Value {
    if let Some(fields) = pod.as_object_mut() {
        fields.insert("restartPolicy".to_owned(), json!("Never"));
    }
    json!({"template": {"spec": pod}})
}

/// All of them.
pub(super) const ALL: [Carrier; 9] = [
    Carrier {
        name: "Pod",
        collection: "/api/v1/namespaces/policy/pods",
        changes: true,
        scales: false,
        wrap: |pod| json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "carrier"}, "spec": pod}),
    },
    Carrier {
        name: "ReplicaSet",
        collection: "/apis/apps/v1/namespaces/policy/replicasets",
        changes: true,
        scales: true,
        wrap: |pod| app("ReplicaSet", &pod),
    },
    Carrier {
        name: "ReplicationController",
        collection: "/api/v1/namespaces/policy/replicationcontrollers",
        changes: true,
        scales: true,
        wrap: |pod| with_template("v1", "ReplicationController", &json!({"app": "a"}), &pod),
    },
    Carrier {
        name: "Deployment",
        collection: "/apis/apps/v1/namespaces/policy/deployments",
        changes: true,
        scales: true,
        wrap: |pod| app("Deployment", &pod),
    },
    Carrier {
        name: "StatefulSet",
        collection: "/apis/apps/v1/namespaces/policy/statefulsets",
        changes: true,
        scales: true,
        wrap: |pod| app("StatefulSet", &pod),
    },
    Carrier {
        name: "DaemonSet",
        collection: "/apis/apps/v1/namespaces/policy/daemonsets",
        changes: true,
        scales: false,
        wrap: |pod| app("DaemonSet", &pod),
    },
    Carrier {
        name: "Job",
        collection: "/apis/batch/v1/namespaces/policy/jobs",
        changes: false,
        scales: false,
        wrap: |pod| json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "carrier"}, "spec": job(pod)}),
    },
    Carrier {
        name: "CronJob",
        collection: "/apis/batch/v1/namespaces/policy/cronjobs",
        changes: true,
        scales: false,
        wrap: |pod| {
            json!({"apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": "carrier"},
                "spec": {"schedule": "0 0 1 1 *", "jobTemplate": {"spec": job(pod)}}})
        },
    },
    Carrier {
        name: "TaskRun",
        collection: "/apis/tekton.dev/v1/namespaces/policy/taskruns",
        changes: true,
        scales: false,
        // A custom kind: what its policy's extractors find, which are lists of steps and of sidecars.
        wrap: |pod| {
            let steps = pod.get("containers").cloned().unwrap_or_default();
            let sidecars = pod.get("initContainers").cloned().unwrap_or_else(|| json!([]));
            json!({"apiVersion": "tekton.dev/v1", "kind": "TaskRun", "metadata": {"name": "carrier"},
                "spec": {"taskSpec": {"steps": steps, "sidecars": sidecars}}})
        },
    },
];

/// What policies find the images of a TaskRun by.
pub(super) fn extractors() -> Value {
    json!({"TaskRun": [{"path": "/spec/taskSpec/steps/*/image"}, {"path": "/spec/taskSpec/sidecars/*/image"}]})
}

/// A place where a Pod names an image, and the spec of a Pod with one image there and another one elsewhere.
type Place = (&'static str, fn(&str, &str) -> Value);

/// Where Pods name images; those that are added to a running one aside.
pub(super) const PLACES: [Place; 4] = [
    ("container", |image, _| json!({"containers": [{"name": "a", "image": image}]})),
    (
        "second container",
        |image, other| json!({"containers": [{"name": "a", "image": other}, {"name": "b", "image": image}]}),
    ),
    (
        "init container",
        |image, other| json!({"containers": [{"name": "a", "image": other}], "initContainers": [{"name": "i", "image": image}]}),
    ),
    ("image volume", |image, other| {
        json!({"containers": [{"name": "a", "image": other, "volumeMounts": [{"name": "v", "mountPath": "/v"}]}],
            "volumes": [{"name": "v", "image": {"reference": image, "pullPolicy": "IfNotPresent"}}]})
    }),
];
