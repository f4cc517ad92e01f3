//! What of a run is signed: an attestation of it, and for a TaskRun a signature on each image it made.

use std::collections::BTreeSet;

use provost_statement::SimpleSigning;
use serde_json::Value;

use crate::config::{ChainsConfig, Format, Signer, Storage};
use crate::dependencies::Steps;
use crate::format_error::FormatError;
use crate::hints;
use crate::image_ref::ImageRef;
use crate::redact::Redaction;
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

/// Everything to sign of a run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Signables {
    /// In the order in which Chains signs.
    pub list: Vec<Signable>,
    /// What the run says it made and its namespace may not claim, by name, sorted: neither subject nor signed.
    pub denied: Vec<String>,
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
    Ok(claimed(config, run)?.0)
}

/// The statements, and the names that the namespace of the run may not claim.
fn claimed(config: &ChainsConfig, run: &Run<'_>) -> Result<(Vec<Statement>, Vec<String>), FormatError> {
    let artifact = match run {
        Run::Task(_) => &config.task_runs,
        Run::Pipeline(..) => &config.pipeline_runs,
    };
    if !artifact.enabled() {
        return Ok((Vec::new(), Vec::new()));
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
    let mut statement = statement?;
    let denied = match config.granted(&run.metadata().namespace) {
        Some(granted) => statement.keep_subjects(|name| granted.covers(name)),
        None => Vec::new(),
    };
    if !config.own.redacted.is_empty() {
        Redaction::new(&config.own.redacted, run).apply(statement.predicate_mut());
    }
    Ok((vec![statement], denied))
}

/// What to sign of a run, in the order in which Chains signs: the attestation, then images.
///
/// Images are signed from a TaskRun's own results only, never from a PipelineRun's.
///
/// # Errors
/// When the run cannot be attested; then its images are not signed either.
pub fn signables(config: &ChainsConfig, run: &Run<'_>) -> Result<Signables, FormatError> {
    let artifact = match run {
        Run::Task(_) => &config.task_runs,
        Run::Pipeline(..) => &config.pipeline_runs,
    };
    let attestation = |statement| Signable {
        payload: Payload::Attestation(Box::new(statement)),
        signer: artifact.signer,
        storage: artifact.storage.clone(),
    };
    let (statements, mut denied) = claimed(config, run)?;
    let mut list: Vec<Signable> = statements.into_iter().map(attestation).collect();
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
        let granted = config.granted(&run.metadata.namespace);
        let may = |image: &ImageRef| granted.as_ref().is_none_or(|granted| granted.covers(&image.name));
        let (claimed, others): (Vec<_>, Vec<_>) =
            hints::images(&run.status.results).into_iter().partition(may);
        list.extend(claimed.into_iter().map(signature));
        denied.extend(others.into_iter().map(|image| image.name));
    }
    denied.sort();
    denied.dedup();
    Ok(Signables { list, denied })
}

#[cfg(test)]
mod tests;
