//! Keys in Kubernetes Secrets, through a real API server: made, signed with and verified by, as far as RBAC lets.

use anyhow::{Context, Result, bail};

use super::Setting;
use crate::cluster::Cluster;
use crate::place::Place;
use crate::servers::Server;
use crate::shell;

const KEY: &str = "k8s://tekton-chains/signing-secrets";
/// How many images are signed with the key in the cluster.
const IMAGES: usize = 20;

/// An account that may read one Secret, and one that may read none.
const ACCOUNTS: &str = "
apiVersion: v1
kind: Namespace
metadata: {name: tekton-chains}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: signer, namespace: tekton-chains}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: stranger, namespace: tekton-chains}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: signer, namespace: tekton-chains}
rules:
- {apiGroups: [''], resources: [secrets], resourceNames: [signing-secrets], verbs: [get]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: signer, namespace: tekton-chains}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: signer}
subjects:
- {kind: ServiceAccount, name: signer, namespace: tekton-chains}
";

/// Makes a key pair in the cluster and uses it as administrator and as an account that may only get that Secret.
pub(super) fn run(setting: &Setting) -> Result<()> {
    let cluster = Cluster::start()?;
    shell::say(&format!("the API server answers at {}", cluster.url));
    cluster.apply(ACCOUNTS)?;
    let mut place = Place::new(&setting.binary)?;
    let registry = Server::provost_registry(&setting.binary, place.folder())?;
    place.set("KUBECONFIG", cluster.kubeconfig.as_os_str());
    let made = place.run(&["generate-key-pair", KEY])?;
    let said = "Successfully created secret signing-secrets in namespace tekton-chains";
    if made.exit != 0 || !made.stderr.contains(said) {
        bail!("generate-key-pair {KEY} ended with {}: {}", made.exit, made.stderr.trim());
    }
    let secret =
        cluster.kubectl(&["get", "secret", "signing-secrets", "-n", "tekton-chains", "-o", "json"])?;
    let secret: serde_json::Value = serde_json::from_str(&secret)?;
    for field in ["cosign.key", "cosign.pub", "cosign.password"] {
        if secret.pointer(&format!("/data/{field}")).and_then(|data| data.as_str()).is_none() {
            bail!("the Secret holds no {field}");
        }
    }
    if secret.pointer("/immutable") != Some(&serde_json::Value::Bool(true)) {
        bail!("the Secret can be changed");
    }
    let kept = place.read("cosign.pub").context("the public key beside it")?;
    if place.must(&["public-key", "--key", KEY])?.trim() != kept.trim() {
        bail!("public-key --key {KEY} prints another key than generate-key-pair wrote to cosign.pub");
    }

    place.set("KUBECONFIG", cluster.kubeconfig_of("tekton-chains", "signer")?.as_os_str());
    // The password is in the Secret; one in the environment is not needed.
    place.set("COSIGN_PASSWORD", "another");
    for number in 0..setting.count(IMAGES) {
        let image =
            place.image(&format!("{}/kube/app:v{number}", registry.address), &format!("{number}\n"))?;
        let offline = ["--use-signing-config=false", "--tlog-upload=false", "--new-bundle-format=false"];
        place.must(&[&["sign", "--key", KEY], offline.as_slice(), &[&image]].concat())?;
        place.must(&["verify", "--key", KEY, &image])?;
        place.must(&["verify", "--key", "cosign.pub", &image])?;
    }
    place.refuses(&["generate-key-pair", "k8s://tekton-chains/another"], "forbidden")?;
    place.refuses(&["public-key", "--key", "k8s://default/signing-secrets"], "forbidden")?;
    let image = place.image(&format!("{}/kube/app:v0", registry.address), "0\n")?;
    place.set("KUBECONFIG", cluster.kubeconfig_of("tekton-chains", "stranger")?.as_os_str());
    place.refuses(&["verify", "--key", KEY, &image], "forbidden")?;
    place.refuses(&["verify", "--key", "k8s://signing-secrets", &image], "k8s://<namespace>/<secret>")?;
    // A server that another authority vouches for is not believed.
    let openssl = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=127.0.0.1"];
    let folder = cluster.folder();
    let (key, foreign) = (folder.join("foreign.key"), folder.join("foreign.crt"));
    let (key, foreign) = (key.to_string_lossy(), foreign.to_string_lossy());
    shell::quiet("openssl", &[&openssl, ["-keyout", &key, "-out", &foreign].as_slice()].concat())?;
    let text = std::fs::read_to_string(&cluster.kubeconfig)?;
    place.write("foreign", &text.replace(&*cluster.ca.to_string_lossy(), &foreign))?;
    place.set("KUBECONFIG", place.folder().join("foreign"));
    let told = place.run(&["verify", "--key", KEY, &image])?;
    if told.exit == 0 || !told.stderr.contains("certificate") {
        bail!("an API server of a foreign authority was believed: {}", told.stderr.trim());
    }
    Ok(())
}
