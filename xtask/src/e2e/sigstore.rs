//! Keys in key services: AWS KMS as moto plays it, and a PKCS#11 token of softhsm2.

use anyhow::Result;

use super::Setting;

pub(super) fn run(_setting: &Setting) -> Result<()> {
    Ok(())
}
