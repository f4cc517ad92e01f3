//! A controller whose key never leaves its service: AWS KMS, as moto plays it.

use anyhow::{Result, bail};
use serde_json::json;

use super::{BUILDER, Scene};
use crate::controller::Controller;
use crate::e2e::kms::Moto;
use crate::shell;
use crate::tekton::{self, annotation, end_pipeline_run, is_signed, pipeline_run, runs, send, task_run};

const KEY: &str = "awskms:///alias/controller";
/// The reason that stands on a run whose key cannot be used.
const AWAY: &str = "KeyMissing";

impl Scene<'_> {
    /// Attestations and signatures are made by a key service, and while that is away nothing is signed by another key.
    pub(super) fn key_service(&mut self) -> Result<()> {
        self.cluster.kubectl(&["create", "namespace", "kms"])?;
        let moto = Moto::start(self.place.folder())?;
        for (name, value) in moto.environment() {
            self.place.set(name, value);
        }
        self.place.write("secret.pub", &self.place.read("cosign.pub")?)?;
        self.place.must(&["generate-key-pair", "--kms", KEY])?;
        let public = self.place.must(&["public-key", "--key", KEY])?;
        self.place.write("kms.pub", &public)?;
        let data = json!({"builder.id": BUILDER, "signers.kms.kmsref": KEY,
            "artifacts.taskrun.storage": "oci", "artifacts.taskrun.signer": "kms",
            "artifacts.pipelinerun.storage": "oci", "artifacts.pipelinerun.signer": "kms",
            "artifacts.oci.storage": "oci", "artifacts.oci.signer": "kms"});
        tekton::configure(&self.cluster, &data)?;
        let (binary, folder) = (self.place.binary(), self.place.folder());
        let start = |environment: &[(&str, String)]| {
            Controller::start_with(
                binary,
                &self.kubeconfig,
                folder,
                "kms",
                &["--namespace", "kms", "--allow-kms", "awskms"],
                environment,
            )
        };
        let image = self.place.image(&format!("{}/kms/app:v1", self.registry.address), "kms\n")?;
        // Without the service's address and credentials it signs nothing, although signing-secrets holds a key.
        let controller = start(&[])?;
        let uid = pipeline_run(&self.cluster, "kms", "app")?;
        let (made, ended) = task_run("kms", "app-build-image", &image, Some(("app", &uid)));
        send(&self.cluster, &[made])?;
        send(&self.cluster, &[ended])?;
        send(&self.cluster, &[end_pipeline_run("kms", "app", &["app-build-image"], &image)])?;
        self.wait(&[&controller], || {
            let all = runs(&self.cluster, "kms", "taskrun")?;
            if all.iter().any(is_signed) {
                bail!("a run was signed while its key could not be used");
            }
            let told = |run| annotation(run, "provost-condition").is_some_and(|text| text.contains(AWAY));
            Ok((!all.iter().all(told)).then(|| "no run says that its key cannot be used".to_owned()))
        })?;
        controller.stop()?;
        let controller = start(&moto.environment())?;
        self.wait(&[&controller], || self.all_signed("kms", "pipelinerun", 1))?;
        self.wait(&[&controller], || self.all_signed("kms", "taskrun", 1))?;
        controller.stop()?;
        for key in [KEY, "kms.pub"] {
            self.verifies(key, &image, 2)?;
        }
        self.place.refuses(&["verify", "--key", "secret.pub", &image], "no matching")?;
        self.configure(BUILDER)?;
        shell::say("a key that stays in AWS KMS, as moto plays it, signs runs; without it nothing is signed");
        Ok(())
    }
}
