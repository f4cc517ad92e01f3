//! `run --sign`: what a finished run made is signed and stored as Tekton Chains would.

use std::collections::BTreeMap;
use std::path::PathBuf;

use provost_chains::{ChainsConfig, Means, Run, elsewhere, sign_list, to_sign};
use provost_keys::Signer;
use provost_registry::Remote;
use provost_tekton::run::Finished;

use crate::chains_config;
use crate::face::Face;
use crate::failure::Failure;
use crate::key_reference;
use crate::registry_flags::RegistryFlags;

/// The flags of `--sign`.
#[derive(clap::Args, Debug)]
pub(crate) struct SignFlags {
    /// Sign the finished runs and their images, and store that beside the images.
    #[arg(long)]
    sign: bool,
    /// With --sign: the private key, a file or env://VARIABLE.
    #[arg(long, env = "COSIGN_KEY", value_name = "KEY", default_value = "cosign.key")]
    key: String,
    /// With --sign: the chains-config ConfigMap; Chains' defaults without it.
    #[arg(long, value_name = "FILE")]
    chains_config: Option<PathBuf>,
    /// With --sign: say that this machine is a trusted builder, so that a key of a cluster or KMS may sign.
    #[arg(long)]
    as_trusted_builder: bool,
    #[command(flatten)]
    registry: RegistryFlags,
}

/// What is known before the run begins: everything but the key, which no step may reach.
pub(crate) struct Signing {
    key: String,
    config: ChainsConfig,
    store: Remote,
}

impl SignFlags {
    /// Reads the configuration; `None` where nothing is to be signed.
    ///
    /// # Errors
    /// When the configuration is none, or the key may not sign for a run of this machine (security.md 34).
    pub(crate) fn prepare(&self, face: &Face) -> Result<Option<Signing>, Failure> {
        if !self.sign {
            return Ok(None);
        }
        let remote_key = self.key.contains("://") && !self.key.starts_with("env://");
        if remote_key && !self.as_trusted_builder {
            return Err(Failure::new(format!(
                "--key {}: a key of a cluster or KMS vouches for that cluster's builds; give --as-trusted-builder if this machine may sign with it",
                self.key
            )));
        }
        let config = chains_config::read(self.chains_config.as_deref(), face)?;
        Ok(Some(Signing { key: self.key.clone(), config, store: self.registry.remote(face)? }))
    }
}

impl Signing {
    /// Signs the TaskRuns, then the PipelineRun, and marks each as Chains does.
    ///
    /// The key is opened and its password asked for only here, after the last process of the run has ended.
    ///
    /// # Errors
    /// When a run cannot be attested, or something could not be stored; what was stored before stays.
    pub(crate) async fn sign(&self, finished: &mut Finished, face: &Face) -> Result<(), Failure> {
        let key = key_reference::signer(&self.key, face).await?;
        let mut marks = Vec::new();
        for task_run in &finished.task_runs {
            marks.push(self.one(&Run::Task(task_run), key.as_ref(), face).await?);
        }
        for (task_run, annotations) in finished.task_runs.iter_mut().zip(marks) {
            task_run.metadata.annotations.extend(annotations);
        }
        if let Some(pipeline_run) = &mut finished.pipeline_run {
            let annotations =
                self.one(&Run::Pipeline(pipeline_run, &finished.task_runs), key.as_ref(), face).await?;
            pipeline_run.metadata.annotations.extend(annotations);
        }
        Ok(())
    }

    async fn one(
        &self,
        run: &Run<'_>,
        key: &dyn Signer,
        face: &Face,
    ) -> Result<BTreeMap<String, String>, Failure> {
        let list = to_sign(&self.config, run)?;
        let (settings, around) =
            (elsewhere::settings(&self.config.storage), key_reference::surroundings::of(face));
        let backends =
            elsewhere::backends(&list.list, |kind| provost_storage::open(kind, &settings, &around))?;
        let means =
            Means { key, store: &self.store, backends: &backends, now: jiff::Timestamp::now(), others: None };
        let signed = sign_list(&self.config, run, &list, &means).await?;
        for kept in &signed.kept {
            let verb = if kept.new { "stored" } else { "found in place" };
            face.say(format!("{}: {verb} in {}: {}", run.label(), kept.storage, kept.place));
        }
        for placed in &signed.placed {
            let verb = if placed.new { "stored" } else { "found in place" };
            face.say(format!("{}: {verb} {}:{}", run.label(), placed.repository, placed.tag));
        }
        Ok(signed.annotations)
    }
}
