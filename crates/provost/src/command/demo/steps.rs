//! The ten steps, each held to what the guide says must come out.

use provost_registry::{Remote, RemoteOptions, Store, StoreError};
use provost_tekton::object::{Document, Object, read_documents};
use serde_json::Value;

use super::gate::{self, Gate};
use super::guide::{self, BUILDER, OTHER_BUILDER};
use super::registry::{Registry, USER};
use super::scene::{Done, Scene};
use crate::failure::Failure;

/// What the demo made, for whoever goes on from here.
pub(crate) struct Facts {
    /// The image by digest.
    pub(crate) image: String,
    /// The manifest of its attestations.
    pub(crate) attestation: String,
    /// What built it.
    pub(crate) builder: String,
}

/// Walks the ten steps; the last stops the registry.
pub(crate) async fn walk(scene: &mut Scene<'_>, registry: &mut Registry) -> Result<Facts, Failure> {
    keys(scene).await?;
    credentials(scene).await?;
    configuration(scene)?;
    pipeline(scene)?;
    run(scene).await?;
    signed(scene)?;
    let facts = image(scene)?;
    verify(scene, &facts.image).await?;
    admit(scene, &facts.image).await?;
    clean_up(scene, registry).await?;
    Ok(facts)
}

async fn keys(scene: &mut Scene<'_>) -> Result<(), Failure> {
    scene.begin("Generate the signing key");
    let done = scene.provost(&["generate-key-pair"], None).await?;
    must(&done, 0, &[])?;
    let private = scene.read("cosign.key")?;
    if !private.starts_with("-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----") {
        return Err(Failure::new("cosign.key is not in cosign's format"));
    }
    scene.proven("a key pair in cosign's format");
    Ok(())
}

async fn credentials(scene: &mut Scene<'_>) -> Result<(), Failure> {
    scene.begin("Set up registry credentials");
    let config = if scene.embedded {
        guide::docker_config(&scene.registry, USER)
    } else {
        r#"{"auths": {}}"#.to_owned()
    };
    scene.write("docker/config.json", &config)?;
    scene.write("registry-credentials.yaml", &guide::secret("default", &config))?;
    scene.write("objects.yaml", &guide::objects(&config))?;
    if !scene.embedded {
        scene.proven("the registry that was given asks for no user");
        return Ok(());
    }
    let repository = format!("{}/test/chains/demo-1", scene.registry).parse()?;
    match Remote::new(RemoteOptions::default())?.tags(&repository).await {
        Err(StoreError::Status { status: 401, .. }) => {
            scene.proven("without its user the registry answers 401")
        }
        other => return Err(Failure::new(format!("the registry let a stranger in: {other:?}"))),
    }
    Ok(())
}

fn configuration(scene: &mut Scene<'_>) -> Result<(), Failure> {
    scene.begin("Configure Tekton Chains");
    scene.write("chains-config.yaml", &guide::chains_config())?;
    scene.proven(&format!("builder.id is {BUILDER}"));
    Ok(())
}

fn pipeline(scene: &mut Scene<'_>) -> Result<(), Failure> {
    scene.begin("Create the pipeline");
    scene.write("tasks.yaml", guide::TASKS)?;
    scene.write("pipeline.yaml", guide::PIPELINE)?;
    scene.write("pipelinerun.yaml", guide::PIPELINE_RUN)?;
    scene.proven("a task writes a Dockerfile, a second one builds and pushes");
    Ok(())
}

async fn run(scene: &mut Scene<'_>) -> Result<(), Failure> {
    scene.begin("Run the pipeline");
    let image = format!("image={}/test/chains/demo-1:latest", scene.registry);
    let builder = format!("builder={}", scene.builder);
    let arguments = [
        "run",
        "-f",
        "tasks.yaml",
        "-f",
        "pipeline.yaml",
        "-f",
        "pipelinerun.yaml",
        "-f",
        "registry-credentials.yaml",
        "-p",
        &image,
        "-p",
        &builder,
        "--sign",
        "--key",
        "cosign.key",
        "--chains-config",
        "chains-config.yaml",
        "--output",
        "runs.yaml",
    ];
    must(&scene.provost(&arguments, None).await?, 0, &[])?;
    scene.proven("processes of this machine built and pushed an image");
    Ok(())
}

fn signed(scene: &mut Scene<'_>) -> Result<(), Failure> {
    scene.begin("Wait for the signature");
    let runs = scene.read("runs.yaml")?;
    let marks = runs.lines().filter(|line| line.trim() == "chains.tekton.dev/signed: \"true\"").count();
    scene.tell(&format!("   runs.yaml holds {marks} runs marked chains.tekton.dev/signed: \"true\""));
    if marks < 2 {
        return Err(Failure::new(format!(
            "runs.yaml marks {marks} runs as signed, expected the build's TaskRun and the PipelineRun"
        )));
    }
    scene.proven("TaskRuns and PipelineRun are signed");
    Ok(())
}

fn image(scene: &mut Scene<'_>) -> Result<Facts, Failure> {
    scene.begin("Get image and digest from the run");
    let runs = read_documents("runs.yaml", scene.read("runs.yaml")?.as_bytes())?;
    let found = runs.iter().find_map(first_image);
    let (uri, digest) =
        found.ok_or_else(|| Failure::new("the PipelineRun has no result first_image_ARTIFACT_OUTPUTS"))?;
    let image = format!("{uri}@{digest}");
    scene.tell(&format!("   IMAGE={image}"));
    let repository = format!("{}/test/chains/demo-1", scene.registry);
    let attestation = format!("{repository}:{}.att", digest.replace(':', "-"));
    let builder = runs.iter().find_map(built_by).unwrap_or_else(|| "unknown".to_owned());
    scene.proven("the image is known by its digest");
    Ok(Facts { image, attestation, builder })
}

fn first_image(document: &Document) -> Option<(String, String)> {
    let Object::PipelineRun(run) = &document.object else { return None };
    let result = run.status.results.iter().find(|result| result.name == "first_image_ARTIFACT_OUTPUTS")?;
    let text = |name: &str| Some(result.value.get(name)?.trim().to_owned());
    Some((text("uri")?, text("digest")?))
}

fn built_by(document: &Document) -> Option<String> {
    let Object::TaskRun(run) = &document.object else { return None };
    let result = run.status.results.iter().find(|result| result.name == "BUILDER")?;
    Some(result.value.as_str()?.trim().to_owned())
}

async fn verify(scene: &mut Scene<'_>, image: &str) -> Result<(), Failure> {
    scene.begin("Verify the provenance with CUE and Rego");
    let conflict =
        format!("- predicate.builder.id: conflicting values \"{BUILDER}\" and \"{OTHER_BUILDER}\"");
    let undecided = "- expression value, false, is not true".to_owned();
    for (language, name, policy, reason) in [
        ("CUE", "builder.cue", guide::cue as fn(&str) -> String, conflict),
        ("Rego", "builder.rego", guide::rego, undecided),
    ] {
        let arguments = [
            "verify-attestation",
            "--key",
            "cosign.pub",
            "--type",
            "slsaprovenance",
            "--policy",
            name,
            image,
        ];
        let validating = format!("will be validating against {language} policies: [{name}]\n").repeat(2);
        scene.write(name, &policy(BUILDER))?;
        let good = format!(
            "{validating}\nVerification for {image} --\nThe following checks were performed on each of these signatures:\n  - The cosign claims were validated\n  - The signatures were verified against the specified public key\n"
        );
        let done = scene.provost(&arguments, None).await?;
        must(&done, 0, &[&good])?;
        exactly(&done, &good)?;
        scene.write(name, &policy(OTHER_BUILDER))?;
        let bad = format!(
            "{validating}There are 2 number of errors occurred during the validation:\n\n{reason}\n{reason}\nError: 2 validation errors occurred\nerror during command execution: 2 validation errors occurred\n"
        );
        let done = scene.provost(&arguments, None).await?;
        must(&done, 1, &[])?;
        exactly(&done, &bad)?;
    }
    scene.proven("both policies pass for the builder and fail for another");
    Ok(())
}

async fn admit(scene: &mut Scene<'_>, image: &str) -> Result<(), Failure> {
    scene.begin("Admit the trusted Pod, deny the other");
    let key = scene.read("cosign.pub")?;
    let mut gate: Option<Gate> = None;
    for (pod, builder, allowed) in [("built", BUILDER, true), ("unbuilt", OTHER_BUILDER, false)] {
        scene.write("policy.yaml", &guide::cluster_policy(builder, &key))?;
        let request = format!("{pod}.json");
        scene.write(&request, &guide::review(pod, image))?;
        let asked = match gate.take() {
            None => Gate::start(scene).await?,
            Some(mut running) => {
                running.reads_again().await?;
                running
            }
        };
        let answer = asked.ask(scene, "/mutate/fail", &request).await?;
        let text = |path: &str| answer.pointer(path).and_then(Value::as_str).unwrap_or_default();
        let is_allowed = |answer: &Value| answer.pointer("/response/allowed").and_then(Value::as_bool);
        if allowed {
            let patch = gate::patch(answer.get("response").unwrap_or(&Value::Null))?;
            if is_allowed(&answer) != Some(true) || !patch.contains("\"pass\\") {
                return Err(Failure::new(format!("the Pod {pod} was not admitted: {answer}")));
            }
            let validated = asked.ask(scene, "/validate/fail", &request).await?;
            if is_allowed(&validated) != Some(true) {
                return Err(Failure::new(format!("the Pod {pod} was not admitted: {validated}")));
            }
            scene.tell(&format!("   pod/{pod} created"));
        } else {
            let message = text("/response/status/message");
            let expected = denial(image, builder);
            if is_allowed(&answer) != Some(false) || message != expected {
                return Err(Failure::new(format!(
                    "the Pod {pod} was not denied in the guide's words, but: {message}"
                )));
            }
            scene.tell(&format!(
                "   Error from server: admission webhook \"mutate.kyverno.svc-fail\" denied the request: {message}"
            ));
        }
        gate = Some(asked);
    }
    if let Some(gate) = gate {
        gate.stop().await?;
    }
    scene.proven("pod/built admitted, pod/unbuilt denied in the guide's words");
    Ok(())
}

/// The guide's denial, to the byte; a blank follows both `request:` and `policies`.
fn denial(image: &str, builder: &str) -> String {
    // Kyverno names an image that has a digest without its tag.
    let (name, digest) = image.split_once('@').unwrap_or((image, ""));
    let name = name.rsplit_once(':').filter(|(_, tag)| !tag.contains('/')).map_or(name, |(name, _)| name);
    format!(
        "\n\nresource Pod/policy/unbuilt was blocked due to the following policies \n\nverify-tekton-built-images:\n  check-image: 'image attestations verification failed, verifiedCount: 0, requiredCount: 1, error: .attestations[0].attestors[0].entries[0].keys: attestation checks failed for {name}@{digest} and predicate https://slsa.dev/provenance/v0.2: The builder.id must be equal to {builder}, not {BUILDER}'\n"
    )
}

async fn clean_up(scene: &mut Scene<'_>, registry: &mut Registry) -> Result<(), Failure> {
    scene.begin("Clean up");
    if !scene.embedded {
        scene.proven("the registry that was given is left running");
        return Ok(());
    }
    registry.stop().await;
    scene.tell("   stopped the registry");
    if tokio::net::TcpStream::connect(&scene.registry).await.is_ok() {
        return Err(Failure::new(format!("something still listens on {}", scene.registry)));
    }
    scene.proven("nothing listens any more");
    Ok(())
}

/// The exit code and parts that must stand in standard error.
fn must(done: &Done, exit: i32, parts: &[&str]) -> Result<(), Failure> {
    if done.exit != exit {
        return Err(Failure::new(format!(
            "`{}` ended with {}, expected {exit}: {}",
            done.command, done.exit, done.stderr
        )));
    }
    match parts.iter().find(|part| !done.stderr.contains(**part)) {
        Some(part) => {
            Err(Failure::new(format!("`{}` did not say {part:?}, but {:?}", done.command, done.stderr)))
        }
        None => Ok(()),
    }
}

/// Standard error, to the byte.
fn exactly(done: &Done, expected: &str) -> Result<(), Failure> {
    if done.stderr == expected {
        return Ok(());
    }
    Err(Failure::new(format!("`{}` said\n{}\nexpected\n{expected}", done.command, done.stderr)))
}
