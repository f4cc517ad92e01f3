//! The flags that CUE's verbs share.

use super::report;
use crate::face::Face;
use crate::failure::Failure;

/// Flags of every verb.
#[derive(clap::Args, Debug, Clone, Default)]
pub(super) struct Global {
    /// Simplify output.
    #[arg(short = 's', long, num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true")]
    pub(super) simplify: bool,
    /// Proceed in the presence of errors.
    #[arg(short = 'i', long, num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true")]
    pub(super) ignore: bool,
    /// Print all available errors; they always are.
    #[arg(short = 'E', long, num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true")]
    pub(super) all_errors: bool,
    /// Flags of older versions, which CUE v0.16.1 does not know either.
    #[arg(long, hide = true)]
    pub(super) trace: bool,
    /// The same.
    #[arg(long, hide = true)]
    pub(super) strict: bool,
}

/// Where and how results are written.
#[derive(clap::Args, Debug, Clone, Default)]
pub(super) struct Out {
    /// Output format: cue, json, yaml, text or binary.
    #[arg(long, value_name = "FORMAT")]
    pub(super) out: Option<String>,
    /// File, or - for standard output, with a format before a colon where the name does not tell.
    #[arg(short = 'o', long = "outfile", value_name = "FILE")]
    pub(super) file: Option<String>,
    /// Overwrite an existing file.
    #[arg(short = 'f', long, num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true")]
    pub(super) force: bool,
}

/// What becomes of files that are no CUE.
#[derive(clap::Args, Debug, Clone, Default)]
pub(super) struct Placement {
    /// Package name for files that are no CUE.
    #[arg(short = 'p', long, value_name = "NAME")]
    pub(super) package: Option<String>,
    /// Expression that selects the schema for data files.
    #[arg(short = 'd', long, value_name = "EXPRESSION")]
    pub(super) schema: Option<String>,
    /// CUE expression for one step of the path under which data is placed; may be repeated.
    #[arg(short = 'l', long, value_name = "EXPRESSION")]
    pub(super) path: Vec<String>,
    /// Concatenate several documents into a list.
    #[arg(long, num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true")]
    pub(super) list: bool,
    /// Place data as an object with its file name and index.
    #[arg(long, num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true")]
    pub(super) with_context: bool,
    /// Regular expression that names of data files in directories must match.
    #[arg(short = 'n', long, value_name = "REGEXP")]
    pub(super) name: Option<String>,
    /// Merge data files.
    #[arg(long, num_args = 0..=1, require_equals = true, default_value = "true", default_missing_value = "true")]
    pub(super) merge: bool,
}

/// Values from outside.
#[derive(clap::Args, Debug, Clone, Default)]
pub(super) struct Injection {
    /// Set the value of a tagged field: NAME=VALUE, or a shorthand or build tag.
    #[arg(short = 't', long, value_name = "TAG")]
    pub(super) inject: Vec<String>,
    /// Inject system variables into tags.
    #[arg(short = 'T', long, num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true")]
    pub(super) inject_vars: bool,
}

impl Global {
    /// Refuses what CUE v0.16.1 refuses, in its words.
    pub(super) fn check(&self, face: &Face) -> Result<(), Failure> {
        match (self.trace, self.strict) {
            (true, _) => Err(report::plain("unknown flag: --trace", face)),
            (_, true) => Err(report::plain("unknown flag: --strict", face)),
            _ => Ok(()),
        }
    }
}
