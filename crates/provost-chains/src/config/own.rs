//! The keys `provost.…` of `chains-config`, which Chains passes over with a remark.

use std::collections::BTreeSet;

use super::ConfigError;
use super::reader::Reader;
use crate::claims::Claims;

/// What Provost can do and Chains cannot. By default it behaves as Chains does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OwnSettings {
    /// `provost.claims`: which repositories a namespace may claim; without it, any.
    pub claims: Option<Claims>,
    /// `provost.builder-per-namespace`: `builder.id` is followed by `/ns/` and the run's namespace.
    pub builder_per_namespace: bool,
    /// `provost.redact-params`: parameters that statements tell by digest alone.
    pub redacted: BTreeSet<String>,
    /// `provost.index-children`: the members of an index are subjects and are signed as it is.
    pub index_children: bool,
    /// `provost.v1beta1-build-type`: the v0.2 format says `tekton.dev/v1beta1/…`, as older Chains did.
    pub v1beta1_build_type: bool,
}

impl Reader<'_> {
    pub(super) fn own(&mut self, settings: &mut OwnSettings) -> Result<(), ConfigError> {
        if let Some(text) = self.data.remove("provost.claims") {
            let claims = Claims::read(&text).map_err(|why| self.claims(why))?;
            settings.claims = Some(claims);
        }
        self.truth("provost.builder-per-namespace", &mut settings.builder_per_namespace);
        self.truth("provost.index-children", &mut settings.index_children);
        self.truth("provost.v1beta1-build-type", &mut settings.v1beta1_build_type);
        if let Some(list) = self.data.remove("provost.redact-params") {
            let names = list.split(',').map(str::trim).filter(|name| !name.is_empty());
            settings.redacted = names.map(str::to_owned).collect();
        }
        Ok(())
    }
}
