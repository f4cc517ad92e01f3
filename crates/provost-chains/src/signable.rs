//! What of a run is signed: an attestation of it, and for a TaskRun a signature on each image it made.

use std::collections::BTreeSet;

use provost_statement::SimpleSigning;
use serde_json::Value;

use crate::config::{ChainsConfig, Format, Signer, Storage};
use crate::dependencies::Steps;
use crate::format_error::FormatError;
use crate::hints;
use crate::image_ref::ImageRef;
use crate::run::{PipelineView, Run, check_done, task_label};
use crate::statement::Statement;
use crate::{slsa_v1, slsa_v2};

/// Something to sign, what signs it, and where it goes.
#[derive(Clone, Debug, PartialEq)]
pub struct Signable {
    /// What to sign.
    pub payload: Payload,
    /// What signs it.
    pub signer: Signer,
    /// Where it goes.
    pub storage: BTreeSet<Storage>,
}

/// What to sign.
#[derive(Clone, Debug, PartialEq)]
pub enum Payload {
    /// A statement about the run, to be wrapped into a DSSE envelope and stored beside each of its subjects.
    Attestation(Box<Statement>),
    /// A simple signing payload about one image, to be signed as it is.
    ImageSignature {
        /// The image.
        image: ImageRef,
        /// The bytes.
        bytes: Vec<u8>,
    },
}

impl Payload {
    /// The bytes that are signed: inside an envelope for a statement, as they are for an image.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        match self {
            Self::Attestation(statement) => statement.to_bytes(),
            Self::ImageSignature { bytes, .. } => bytes.clone(),
        }
    }
}

/// The statements Chains would sign about a run; none where the configuration switches them off.
///
/// # Errors
/// When the run cannot be attested.
pub fn statements(config: &ChainsConfig, run: &Run<'_>) -> Result<Vec<Statement>, FormatError> {
    let artifact = match run {
        Run::Task(_) => &config.task_runs,
        Run::Pipeline(..) => &config.pipeline_runs,
    };
    if !artifact.enabled() {
        return Ok(Vec::new());
    }
    let steps = if artifact.format == Format::V2Alpha4 { Steps::Looked } else { Steps::Passed };
    let statement = match run {
        Run::Task(run) => {
            check_done(task_label(run), &run.status.conditions)?;
            match artifact.format {
                Format::InToto => slsa_v1::of_task_run(config, run),
                Format::V2Alpha3 | Format::V2Alpha4 => slsa_v2::of_task_run(config, run, steps),
            }
        }
        Run::Pipeline(run, task_runs) => {
            let view = PipelineView::new(run, task_runs)?;
            match artifact.format {
                Format::InToto => slsa_v1::of_pipeline_run(config, &view),
                Format::V2Alpha3 | Format::V2Alpha4 => slsa_v2::of_pipeline_run(config, &view, steps),
            }
        }
    };
    Ok(vec![statement?])
}

/// What to sign of a run, in the order in which Chains signs: the attestation, then images.
///
/// Images are signed from a TaskRun's own results only, never from a PipelineRun's.
///
/// # Errors
/// When the run cannot be attested; then its images are not signed either.
pub fn signables(config: &ChainsConfig, run: &Run<'_>) -> Result<Vec<Signable>, FormatError> {
    let artifact = match run {
        Run::Task(_) => &config.task_runs,
        Run::Pipeline(..) => &config.pipeline_runs,
    };
    let attestation = |statement| Signable {
        payload: Payload::Attestation(Box::new(statement)),
        signer: artifact.signer,
        storage: artifact.storage.clone(),
    };
    let mut list: Vec<Signable> = statements(config, run)?.into_iter().map(attestation).collect();
    if let (Run::Task(run), true) = (run, config.images.enabled()) {
        check_done(task_label(run), &run.status.conditions)?;
        let signature = |image: ImageRef| Signable {
            payload: Payload::ImageSignature {
                bytes: SimpleSigning::payload(&image.name, &image.digest, &Value::Null),
                image,
            },
            signer: config.images.signer,
            storage: config.images.storage.clone(),
        };
        list.extend(hints::images(&run.status.results).into_iter().map(signature));
    }
    Ok(list)
}

#[cfg(test)]
mod tests;
