//! Policies over verified attestations, and what cosign says around them.

use std::cell::OnceCell;
use std::path::Path;

use provost_cue::Absent;
use provost_verify::dialect::cosign;
use provost_verify::find::Source;
use provost_verify::policy::{CuePolicy, RegoPolicy, policy_input};
use provost_verify::{AttestationReport, Verified};

use super::explain;
use crate::face::Face;
use crate::failure::Failure;
use crate::go_os;

/// The largest policy file read: the largest seen in the field has 60 KB.
const POLICY_LIMIT: u64 = 16 * 1024 * 1024;

/// The policy files of one command, sorted by language.
pub(crate) struct Policies {
    given: Vec<String>,
    absent: Absent,
    cue: Prepared<CuePolicy>,
    rego: Prepared<RegoPolicy>,
}

/// The files of a language, prepared once; a file that cannot be prepared fails each attestation, as in cosign.
type Prepared<T> = OnceCell<Result<T, String>>;

impl Policies {
    /// Notes which files were given; what is wrong with one is said where an attestation needs it.
    pub(crate) fn new(given: &[String], absent: &str) -> Result<Self, Failure> {
        let absent = match absent {
            "refuse" => Absent::Refuse,
            "allow" => Absent::Allow,
            other => {
                return Err(Failure::new(format!("--cue-absent is {other:?}: expected refuse or allow")));
            }
        };
        Ok(Self { given: given.to_vec(), absent, cue: OnceCell::new(), rego: OnceCell::new() })
    }

    /// Prepares the CUE policies while a registry that has just been asked works on its answer.
    pub(crate) async fn prepare_meanwhile(&self) {
        // The request leaves when the connection's own task has run.
        tokio::task::yield_now().await;
        if let Ok((cue, _)) = self.by_language()
            && !cue.is_empty()
        {
            self.cue(&cue);
        }
    }

    fn cue(&self, files: &[String]) -> &Result<CuePolicy, String> {
        self.cue.get_or_init(|| prepare_cue(files, self.absent))
    }

    /// Judges every attestation of the type; all must satisfy all policies.
    pub(crate) fn judge(
        &self,
        report: &AttestationReport,
        word: &str,
        explaining: bool,
        face: &Face,
    ) -> Result<(), Failure> {
        let found = &report.verified;
        let (cue_files, rego_files) = self.by_language()?;
        if self.absent == Absent::Allow && !cue_files.is_empty() {
            face.say(
                "WARNING: --cue-absent=allow lets a CUE policy fill in fields that the attestation lacks.",
            );
        }
        let mut errors = Vec::new();
        let mut judged = 0;
        for attestation in of_type(found, word) {
            judged += 1;
            let input = policy_input(word, &attestation.statement)
                .map_err(|error| Failure::new(cosign::policy_input(&error)))?;
            if !cue_files.is_empty() {
                face.say(format!("will be validating against CUE policies: [{}]", cue_files.join(" ")));
                let verdict = match self.cue(&cue_files) {
                    Ok(policy) => policy.judge(&input).map_err(|error| error.to_string()),
                    Err(why) => Err(why.clone()),
                };
                if explaining {
                    explain::policy(attestation, "CUE", verdict.as_ref().err().map(String::as_str), face);
                }
                if let Err(why) = verdict {
                    errors.push(why);
                    continue;
                }
            }
            if !rego_files.is_empty() {
                face.say(format!("will be validating against Rego policies: [{}]", rego_files.join(" ")));
                let policy = self.rego.get_or_init(|| prepare_rego(&rego_files));
                let refused = match policy {
                    Ok(policy) => cosign::rego(&policy.judge(&input.text)),
                    Err(why) => Some(why.clone()),
                };
                if explaining {
                    explain::policy(attestation, "Rego", refused.as_deref(), face);
                    if let (Ok(policy), Some(_)) = (policy, &refused) {
                        explain::undefined(attestation, policy.first_undefined(&input.text).as_ref(), face);
                    }
                }
                errors.extend(refused);
            }
        }
        if !errors.is_empty() {
            face.say(format!(
                "There are {} number of errors occurred during the validation:\n",
                errors.len()
            ));
            for error in &errors {
                face.say(format!("- {error}"));
            }
            return Err(Failure::new(format!("{} validation errors occurred", errors.len())));
        }
        if judged == 0 {
            let types = cosign::found_types(report);
            return Err(Failure::new(format!(
                "none of the attestations matched the predicate type: {word}, found: {}",
                types.join(",")
            )));
        }
        Ok(())
    }

    fn by_language(&self) -> Result<(Vec<String>, Vec<String>), Failure> {
        let (mut cue, mut rego) = (Vec::new(), Vec::new());
        for file in &self.given {
            match Path::new(file).extension().and_then(|e| e.to_str()) {
                Some("cue") => cue.push(file.clone()),
                Some("rego") => rego.push(file.clone()),
                _ => return Err(Failure::new("invalid policy format, expected .cue or .rego")),
            }
        }
        Ok((cue, rego))
    }
}

fn prepare_cue(files: &[String], absent: Absent) -> Result<CuePolicy, String> {
    let mut sources = Vec::new();
    for file in files {
        // CUE's loader stats every file first and names it by its absolute path.
        let path = std::path::absolute(file).unwrap_or_else(|_| file.into());
        if let Err(error) = std::fs::metadata(&path) {
            return Err(format!("stat {}: {}", path.display(), go_os::cause(&error)));
        }
        sources.push((file.clone(), source(&path)?));
    }
    CuePolicy::prepare(&sources, absent).map_err(|error| error.to_string())
}

fn prepare_rego(files: &[String]) -> Result<RegoPolicy, String> {
    let mut sources = Vec::new();
    for file in files {
        if let Err(error) = std::fs::metadata(file) {
            return Err(format!("1 error occurred during loading: stat {file}: {}", go_os::cause(&error)));
        }
        sources.push((file.clone(), source(Path::new(file))?));
    }
    RegoPolicy::prepare(&sources).map_err(|error| format!("1 error occurred during loading: {error}"))
}

fn source(path: &Path) -> Result<String, String> {
    let bytes = go_os::read(path, POLICY_LIMIT).map_err(|failure| failure.words())?;
    String::from_utf8(bytes).map_err(|_| format!("{}: the policy is not valid UTF-8", path.display()))
}

/// The attestations whose signed predicate type is the one asked for.
pub(crate) fn of_type<'a>(found: &'a [Verified], word: &'a str) -> impl Iterator<Item = &'a Verified> {
    found.iter().filter(move |a| a.statement.predicate_type == super::wanted(word))
}

/// What is printed for an attestation that holds: the layer as it was stored, or a bundle's envelope.
pub(crate) fn output_line(attestation: &Verified) -> Vec<u8> {
    match attestation.source {
        Source::Layer(_) => attestation.stored.to_vec(),
        Source::Bundle(_) => attestation.envelope.to_json(),
    }
}
