//! The guides whose commands need a cluster, page by page as a reader would type them: a real API server, helm and kubectl, with
//! the parts of a node and of Tekton played by the script.

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::symlink;
use std::process::Stdio;

use anyhow::{Context, Result, bail};
use serde_json::json;

use super::Setting;
use crate::cluster::Cluster;
use crate::place::Place;
use crate::servers::{Server, free};
use crate::shell;
use crate::tekton::{definitions, end_pipeline_run, task_run};

/// What there is before the first page: the builds' namespace with its account, teams, a namespace for Pods.
const NAMESPACES: [&str; 6] = ["builds", "shop", "team-a", "team-b", "kyverno", "policy"];

/// A page, and what is done after some of its blocks, by their numbers from 0; what is not the reader's but a node's, or
/// Tekton's.
struct Page {
    name: &'static str,
    text: &'static str,
    /// The blocks that are run; the others come later.
    blocks: std::ops::Range<usize>,
    between: &'static [(usize, &'static str)],
}

const INSTALL: &str = include_str!("../../../docs/how-to/install.md");
/// Plays Tekton when the reader has made his run.
const BUILD: &str = "end_the_run &\n";
/// Starts the services as a node does, once there is a key.
const SERVICES: &str = "node provost-controller tekton-chains --metrics-address \"$SEAT_3\" --health-address \"$SEAT_3\" --signing-secrets-dir /nonexistent\n\
    gate\n";
const GATE: &str = "gate\n";

/// Chains as somebody installed it.
const CHAINS: &str = "kubectl create -f chains.json\n";

const PAGES: [Page; 6] = [
    Page { name: "install", text: INSTALL, blocks: 0..5, between: &[(1, SERVICES), (1, BUILD)] },
    Page {
        name: "namespaces",
        text: include_str!("../../../docs/how-to/namespaces.md"),
        blocks: 0..1,
        between: &[],
    },
    Page {
        name: "break-glass",
        text: include_str!("../../../docs/how-to/break-glass.md"),
        blocks: 0..4,
        between: &[(0, GATE)],
    },
    Page {
        name: "private-registries",
        text: include_str!("../../../docs/how-to/private-registries.md"),
        blocks: 0..3,
        between: &[(1, GATE)],
    },
    Page { name: "install, the end", text: INSTALL, blocks: 5..6, between: &[] },
    Page {
        name: "move-from-kyverno-and-chains",
        text: include_str!("../../../docs/how-to/move-from-kyverno-and-chains.md"),
        blocks: 0..4,
        between: &[(0, GATE), (2, CHAINS)],
    },
];

/// What plays the others. A container of a Deployment is run as a node would: its arguments, its account's token.
const PLAYERS: &str = r#"
refused() { if "$@" 2> refusal.txt; then echo "not refused: $*" >&2; exit 1; fi; cat refusal.txt >&2; }
declare -A running=()
node() {
  local deployment=$1 namespace=$2; shift 2
  local of="kubectl get deployment $deployment --namespace $namespace -o"
  local token words
  token=$(kubectl create token "$($of jsonpath='{.spec.template.spec.serviceAccountName}')" --namespace "$namespace")
  sed "s/token: \"[^\"]*\"/token: \"$token\"/" "$KUBECONFIG" > "$deployment.kubeconfig"
  mapfile -t words < <($of jsonpath='{range .spec.template.spec.containers[0].args[*]}{@}{"\n"}{end}')
  if [ -n "${running[$deployment]:-}" ]; then kill "${running[$deployment]}"; wait "${running[$deployment]}" || true; fi
  env PROVOST_NAMESPACE="$namespace" SYSTEM_NAMESPACE="$namespace" POD_NAME="$deployment-$RANDOM" \
    provost "${words[@]}" --kubeconfig "$deployment.kubeconfig" "$@" >> "$deployment.log" 2>&1 &
  running[$deployment]=$!
}
gate() {
  node provost-admission provost-system --serverIP "$SEAT_1" --listen "$SEAT_1" --plain-address "$SEAT_2" --shutdown-delay 0s
  local try
  for try in $(seq 300); do
    if [ "$(curl -sk "https://$SEAT_1/health/readiness")" = ok ]; then return; fi
    sleep 0.2
  done
  echo "the gate is not ready: $(tail -5 provost-admission.log)" >&2; exit 1
}
end_the_run() {
  until kubectl get --namespace builds pipelinerun/build > run.txt 2>&1; do sleep 0.2; done
  local uid
  uid=$(kubectl get --namespace builds pipelinerun/build -o jsonpath='{.metadata.uid}')
  sed "s/UID-OF-THE-RUN/$uid/" taskrun.json | kubectl create --namespace builds -f -
  kubectl patch --namespace builds taskrun/build-image --subresource=status --type=merge --patch-file taskrun-ended.json
  kubectl patch --namespace builds pipelinerun/build --subresource=status --type=merge --patch-file run-ended.json
}
trap 'for one in "${running[@]}"; do kill "$one"; done' EXIT
"#;

/// Runs all pages in one cluster.
pub(super) fn run(setting: &Setting) -> Result<()> {
    shell::install(&[("docker-registry", "docker-registry"), ("curl", "curl")])?;
    let cluster = Cluster::start()?;
    let mut place = Place::new(&setting.binary)?;
    let registry = Server::docker_registry(place.folder())?;
    ground(&cluster, &place, &registry.address.to_string())?;
    let programs = place.folder().join("programs");
    fs::create_dir(&programs)?;
    symlink(&setting.binary, programs.join("provost"))?;
    symlink(&cluster.helm, programs.join("helm"))?;
    symlink(shell::root().join("deploy"), place.folder().join("deploy"))?;
    let path = std::env::var("PATH").unwrap_or_default();
    place.set("PATH", format!("{}:{}:{path}", programs.display(), cluster.programs.display()));
    place.set("KUBECONFIG", cluster.kubeconfig.as_os_str());
    place.set("REGISTRY", registry.address.to_string());
    place.set("LOGIN", "someone");
    place.set("PASSWORD", "secret");
    for seat in ["SEAT_1", "SEAT_2", "SEAT_3"] {
        place.set(seat, free()?.to_string());
    }
    let mut script = PLAYERS.to_owned();
    let mut commands = 0;
    for page in &PAGES {
        writeln!(script, "echo '== {}'", page.name)?;
        let all = blocks(page.text);
        if all.len() < page.blocks.end {
            bail!("{}: expected {} blocks of commands, found {}", page.name, page.blocks.end, all.len());
        }
        for (number, block) in all.iter().enumerate().filter(|(number, _)| page.blocks.contains(number)) {
            commands += block
                .lines()
                .filter(|line| line.starts_with(|c: char| c.is_ascii_lowercase() || c == '!'))
                .count();
            script.push_str(&format!("\n{block}").replace("\n! ", "\nrefused "));
            for (_, played) in page.between.iter().filter(|(after, _)| *after == number) {
                script.push_str(played);
            }
        }
    }
    place.write("script.sh", &script)?;
    let log = place.folder().join("script.log");
    let written = fs::File::create(&log)?;
    let mut bash = place.command("bash".as_ref());
    let status = bash
        .args(["-euxo", "pipefail", "script.sh"])
        .stdin(Stdio::null())
        .stdout(written.try_clone()?)
        .stderr(written)
        .status()
        .context("bash does not start")?;
    if !status.success() {
        let end = |name: &str| last_lines(&place.read(name).unwrap_or_default(), 40);
        bail!(
            "the guides are not true: {status}\n{}\n-- the controller:\n{}\n-- the gate:\n{}",
            end("script.log"),
            end("provost-controller.log"),
            end("provost-admission.log")
        );
    }
    shell::say(&format!("{commands} commands of {} pages do what they say", PAGES.len() - 1));
    Ok(())
}

/// What the pages expect to be there, and the files that they name.
fn ground(cluster: &Cluster, place: &Place, registry: &str) -> Result<()> {
    for name in NAMESPACES {
        cluster.kubectl(&["create", "namespace", name])?;
    }
    cluster.kubectl(&["create", "serviceaccount", "default", "-n", "builds"])?;
    cluster.apply(&definitions())?;
    // Pipelines are looked at by nobody here.
    let pipelines = definitions().replace("PipelineRun", "Pipeline").replace("pipelinerun", "pipeline");
    cluster.apply(pipelines.split("---").nth(1).context("the kind Pipeline")?)?;
    cluster.kubectl(&["wait", "--for=condition=Established", "crd", "--all", "--timeout=60s"])?;
    let image = place.image(&format!("{registry}/app/built:v1"), "built\n")?;
    place.image(&format!("{registry}/app/other:v1"), "from elsewhere\n")?;
    let pipeline =
        json!({"apiVersion": "tekton.dev/v1", "kind": "Pipeline", "metadata": {"name": "app"}, "spec": {}});
    let run = json!({"apiVersion": "tekton.dev/v1", "kind": "PipelineRun", "metadata": {"name": "build"},
        "spec": {"pipelineRef": {"name": "app"}}});
    let (made, ended) = task_run("builds", "build-image", &image, Some(("build", "UID-OF-THE-RUN")));
    let whole = end_pipeline_run("builds", "build", &["build-image"], &image);
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x", "namespace": "elsewhere"},
        "spec": {"containers": [{"name": "a", "image": image}]}});
    let policy = json!({"apiVersion": "kyverno.io/v1", "kind": "ClusterPolicy", "metadata": {"name": "signed"},
        "spec": {"rules": [{"name": "check", "match": {"any": [{"resources": {"kinds": ["Pod"], "namespaces": ["shop"]}}]},
            "verifyImages": [{"imageReferences": ["*"], "failureAction": "Enforce", "attestors": [{"entries": [
                {"keys": {"secret": {"name": "key", "namespace": "shop"}}}]}]}]}]}});
    let chains = json!({"apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "tekton-chains-controller", "namespace": "tekton-chains"},
        "spec": {"selector": {"matchLabels": {"app": "chains"}}, "template": {"metadata": {"labels": {"app": "chains"}},
            "spec": {"containers": [{"name": "a", "image": "chains:v0"}]}}}});
    for (file, object) in [
        ("pipeline.yaml", &pipeline),
        ("pipelinerun.yaml", &run),
        ("taskrun.json", &made.body),
        ("taskrun-ended.json", &ended.body),
        ("run-ended.json", &whole.body),
        ("pods/pod.yaml", &pod),
        ("policies/policy.yaml", &policy),
        ("chains.json", &chains),
    ] {
        place.write(file, &object.to_string())?;
    }
    place.write("ca.pem", "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n")
}

/// The blocks of commands of a page; those in lists stand as far in as their item.
fn blocks(text: &str) -> Vec<String> {
    let mut all = Vec::new();
    let mut block: Option<(usize, String)> = None;
    for line in text.lines() {
        let bare = line.trim_start();
        match &mut block {
            None if bare == "```sh" => block = Some((line.len() - bare.len(), String::new())),
            Some(_) if bare == "```" => all.extend(block.take().map(|(_, commands)| commands)),
            Some((indent, commands)) => {
                commands.push_str(line.get(*indent..).unwrap_or_default());
                commands.push('\n');
            }
            None => {}
        }
    }
    all
}

fn last_lines(text: &str, count: usize) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines.get(lines.len().saturating_sub(count)..).unwrap_or_default().join("\n")
}

#[cfg(test)]
mod tests {
    use super::{PAGES, blocks};

    #[test]
    fn blocks_of_lists_are_found_too() {
        let text = "1. a\n\n   ```sh\n   b \\\n     c\n   ```\n2. d\n\n```yaml\ne\n```\n\n```sh\nf\n```\n";
        assert_eq!(blocks(text), ["b \\\n  c\n", "f\n"]);
    }

    #[test]
    fn every_block_of_every_page_is_run() {
        for page in &PAGES {
            let run: usize =
                PAGES.iter().filter(|other| other.text == page.text).map(|other| other.blocks.len()).sum();
            assert_eq!(blocks(page.text).len(), run, "{}", page.name);
        }
    }
}
