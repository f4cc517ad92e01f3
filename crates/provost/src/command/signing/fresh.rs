//! What was just signed is checked under a trusted root before it is kept, as cosign does.

use jiff::Timestamp;
use provost_sign::Witnesses;
use provost_sigstore::bundle_writing::{Material, NewBundle};
use provost_sigstore::certificate::Certificate;
use provost_sigstore::trust_root::TrustMaterial;
use provost_sigstore::{stamp, transparency};

/// Checks what services said about a bundle that our own key signed a moment ago.
///
/// Every timestamp and log entry asked for must hold; a certificate must lead to a trusted root at the time they give, or
/// now where nobody was asked.
///
/// # Errors
/// What does not hold.
pub(super) fn check(
    bundle: &NewBundle,
    trusted: &TrustMaterial,
    witnesses: &Witnesses<'_>,
    now: Timestamp,
) -> Result<(), String> {
    let stamped = witnesses.stamped(&bundle.content);
    let mut times = Vec::new();
    for token in &bundle.timestamps {
        let time = stamp::verify(token, &stamped, &trusted.stamp_authorities);
        times.push(time.map_err(|error| format!("failed to verify timestamps: {error}"))?);
    }
    let stamped = times.first().copied();
    for entry in &bundle.log_entries {
        let logged = transparency::verify_entry(entry, &trusted.logs, || stamped);
        let logged = logged.map_err(|error| format!("failed to verify log inclusion: {error}"))?;
        times.extend(logged.at);
    }
    let Material::Certificate(der) = &bundle.signer else { return Ok(()) };
    let certificate = Certificate::from_der(der).map_err(|error| format!("the certificate: {error}"))?;
    if times.is_empty() {
        if !witnesses.logs.is_empty() || !witnesses.timestamp_authorities.is_empty() {
            return Err("threshold not met for verified log entry integrated timestamps: 0 < 1".to_owned());
        }
        times.push(now);
    }
    for time in times {
        trusted
            .path(&certificate, &[], time)
            .map_err(|error| format!("failed to verify leaf certificate: {error}"))?;
    }
    Ok(())
}
