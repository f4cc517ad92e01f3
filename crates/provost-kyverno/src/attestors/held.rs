//! What the signatures of one attestor are held against: a key, a certificate or an identity, with authorities and logs.

use jiff::Timestamp;
use provost_keys::{Hash, HashChoice, PublicKey};
use provost_oci::Digest;
use provost_sigstore::certificate::{Certificate, CertificateError};
use provost_sigstore::chain::holds_at;
use provost_sigstore::identity::{Identity, NameRule};
use provost_sigstore::stamp::StampAuthority;
use provost_sigstore::trust_root::TrustMaterial;
use provost_sigstore::window::Window;
use provost_verify::beside::certified;
use provost_verify::dialect::{cosign, go_text};
use provost_verify::times::{TimeFault, TimeSource};
use provost_verify::{
    Attestor as Signer, Candidate, Facts, LogRule, Reason, SctRule, Trust, TrustedKey, check_attestation,
};

use super::Leaf;
use super::identity::Who;
use super::key::{self, NoKey};
use crate::anchors::Anchors;
use crate::cluster::Cluster;
use crate::outcome::{Construct, KeyFault, Missing};
use crate::policy::entry::{Attestor, Certificates, CtLog, Keyless, Rekor, SignatureKind};

/// The most certificates of a chain, Kyverno's limit: ten intermediates and a root.
const CHAIN_LIMIT: usize = 11;
/// The most certificates of a timestamp authority, Kyverno's limit: ten intermediates, a root and a leaf.
const STAMP_CHAIN_LIMIT: usize = 12;

/// What an attestor's signatures are held against.
pub(crate) struct Held {
    /// Any of these suffices.
    pub(crate) trusts: Vec<Trust>,
    /// Whom a certificate must name, in Kyverno's way.
    pub(crate) who: Who,
    /// A certificate that is named without a chain: it must hold when it signed.
    named: Option<Certificate>,
    /// Whether somebody must say when it was signed.
    timed: bool,
    now: Timestamp,
}

/// What is at hand for building it.
#[derive(Clone, Copy)]
pub(crate) struct Means<'a> {
    /// Where keys in Secrets lie.
    pub(crate) cluster: &'a dyn Cluster,
    /// What is believed besides.
    pub(crate) anchors: Option<&'a Anchors>,
    /// The present.
    pub(crate) now: Timestamp,
}

impl Means<'_> {
    fn material(&self) -> TrustMaterial {
        self.anchors.map(|anchors| anchors.material.clone()).unwrap_or_default()
    }

    fn missing(&self, missing: Missing) -> NoKey {
        let why = self.anchors.and_then(|anchors| anchors.unreadable.clone());
        NoKey::Unsupported(Construct::NoTrustedRoot(missing, why))
    }
}

/// What a leaf's signatures are held against in this kind of entry.
pub(crate) async fn held(means: Means<'_>, kind: SignatureKind, leaf: &Leaf<'_>) -> Result<Held, NoKey> {
    match kind {
        SignatureKind::SigstoreBundle => bundled(means, leaf).await,
        _ => beside(means, leaf).await,
    }
}

impl Held {
    fn one(trust: Trust, who: Who) -> Self {
        let now = trust.now;
        Self { trusts: vec![trust], who, named: None, timed: false, now }
    }

    /// Which trust a candidate is reported under: the first it satisfies, or the first of all.
    pub(crate) fn trust_for(&self, candidate: &Candidate, image: &Digest) -> Option<&Trust> {
        let counts = |trust: &&Trust| {
            check_attestation(candidate, trust, image, true)
                .is_ok_and(|found| self.timely(&found.facts).is_ok())
        };
        match self.trusts.as_slice() {
            [only] => Some(only),
            several => several.iter().find(counts).or(several.first()),
        }
    }

    /// The key, where that alone decides what counts: no time, no log and no certificate is looked at.
    pub(crate) fn key_alone(&self) -> Option<&TrustedKey> {
        match self.trusts.as_slice() {
            [Trust { attestor: Signer::Key(key), log: LogRule::Ignored, signed_timestamps: false, .. }]
                if self.named.is_none() && !self.timed =>
            {
                Some(key)
            }
            _ => None,
        }
    }

    /// Whether what was found out about a signature says when it was made, and a named certificate held then.
    ///
    /// # Errors
    /// What is missing or passed.
    pub(crate) fn timely(&self, facts: &Facts) -> Result<(), Reason> {
        let times = [(facts.stamped_at, TimeSource::Authority), (facts.logged_at, TimeSource::Log)];
        let mut times: Vec<_> = times.into_iter().filter_map(|(at, by)| Some((at?, by))).collect();
        if times.is_empty() {
            if self.timed {
                return Err(Reason::Bundle(provost_verify::reason::BundleFault::NoTime));
            }
            times.push((self.now, TimeSource::Present { unasked: true }));
        }
        if let Some(certificate) = &self.named {
            for (at, by) in times {
                holds_at(certificate, at).map_err(|fault| TimeFault { issuer: false, at, by, fault })?;
            }
        }
        Ok(())
    }
}

/// What both formats take from `rekor` and `ctlog`.
struct Logs<'a> {
    ignore_log: bool,
    log_key: &'a str,
    ignore_sct: bool,
    ct_log_key: &'a str,
    stamp_chain: &'a str,
}

impl<'a> Logs<'a> {
    fn of(rekor: Option<&'a Rekor>, ctlog: Option<&'a CtLog>) -> Self {
        Self {
            ignore_log: rekor.is_some_and(|rekor| rekor.ignore_tlog),
            log_key: rekor.map_or("", |rekor| &rekor.pubkey),
            ignore_sct: ctlog.is_some_and(|ctlog| ctlog.ignore_sct),
            ct_log_key: ctlog.map_or("", |ctlog| &ctlog.pubkey),
            stamp_chain: ctlog.map_or("", |ctlog| &ctlog.tsa_cert_chain),
        }
    }

    fn of_attestor(attestor: &'a Attestor) -> Self {
        match attestor {
            Attestor { keys: Some(keys), .. } => Self::of(keys.rekor.as_ref(), keys.ctlog.as_ref()),
            Attestor { certificates: Some(one), .. } => Self::of(one.rekor.as_ref(), one.ctlog.as_ref()),
            Attestor { keyless: Some(one), .. } => Self::of(one.rekor.as_ref(), one.ctlog.as_ref()),
            _ => Self::of(None, None),
        }
    }

    /// Puts the named log, or else those of the trusted root, into the material; `false` where there is none.
    fn put_log(&self, means: Means<'_>, material: &mut TrustMaterial) -> Result<bool, NoKey> {
        if self.log_key.is_empty() {
            material.logs = means.material().logs;
        } else {
            material.add_log(public(
                "failed to load Rekor public keys: failed to get rekor public keys",
                self.log_key,
            )?);
        }
        Ok(!material.logs.is_empty())
    }

    /// The same for CT logs, where they are asked for.
    fn sct(&self, means: Means<'_>, material: &mut TrustMaterial) -> Result<SctRule, NoKey> {
        if self.ignore_sct {
            return Ok(SctRule::Ignored);
        }
        if self.ct_log_key.is_empty() {
            material.ct_logs = means.material().ct_logs;
        } else {
            let words = "failed to load CTLogs public keys: failed to get transparency log public keys";
            material.add_ct_log(public(words, self.ct_log_key)?);
        }
        if material.ct_logs.is_empty() {
            return Err(means.missing(Missing::CtLogs));
        }
        Ok(SctRule::Required { detached: None })
    }

    /// The named timestamp authority, or else those of the trusted root, which then are asked only where a log's key has
    /// an end. Whether timestamps are looked at.
    fn put_stamps(&self, means: Means<'_>, material: &mut TrustMaterial) -> Result<bool, NoKey> {
        if self.stamp_chain.is_empty() {
            material.stamp_authorities = means.material().stamp_authorities;
            return Ok(false);
        }
        material.stamp_authorities.push(stamp_authority(self.stamp_chain)?);
        Ok(true)
    }
}

/// Kyverno's options for signatures of the tag scheme.
async fn beside(means: Means<'_>, leaf: &Leaf<'_>) -> Result<Held, NoKey> {
    let attestor = leaf.attestor;
    let logs = Logs::of_attestor(attestor);
    let mut material = TrustMaterial::default();
    let mut named = None;
    let mut who = Who::default();
    let mut to_certify = None;
    // With a key there is no certificate that a CT log could have seen.
    let (signer, certifies) = match attestor {
        Attestor { keys: Some(keys), .. } => {
            (Signer::Key(key::trusted(means, keys, leaf.key_text.trim()).await?), false)
        }
        Attestor { certificates: Some(one), .. } if one.cert_chain.is_empty() => {
            let certificate = certificate(one)?;
            let key = certificate
                .public_key()
                .map_err(|error| fault("failed to load signature from certificate", error.to_string()))?;
            named = Some(certificate);
            let hash = Hash::from_name(&attestor.signature_algorithm).unwrap_or(Hash::Sha256);
            (Signer::Key(TrustedKey { key, hash: HashChoice::Exactly(hash) }), false)
        }
        Attestor { certificates: Some(one), .. } => {
            let chain = chain_of(one)?;
            if one.cert.is_empty() {
                material.add_authority(chain, Vec::new());
            } else {
                to_certify = Some(certificate(one)?);
                let mut between = chain;
                let root = between.pop().into_iter().collect();
                material.add_authority(root, between);
            }
            (Signer::Keyless(Identity::default()), true)
        }
        Attestor { keyless: Some(keyless), .. } => {
            who = Who::of(keyless);
            put_authorities(means, keyless, &mut material)?;
            (Signer::Keyless(Identity::default()), true)
        }
        _ => return Err(NoKey::Unsupported(Construct::EmptyAttestor)),
    };
    let log = if logs.ignore_log { LogRule::Ignored } else { LogRule::Required };
    if log == LogRule::Required && !logs.put_log(means, &mut material)? {
        return Err(means.missing(Missing::Logs));
    }
    let sct = if certifies { logs.sct(means, &mut material)? } else { SctRule::Ignored };
    let signed_timestamps = logs.put_stamps(means, &mut material)?;
    let mut trust = Trust {
        attestor: signer,
        material,
        from_trusted_root: false,
        log,
        signed_timestamps,
        sct,
        now: means.now,
    };
    if let Some(certificate) = to_certify {
        let path = certified(&trust, &certificate, &[])
            .map_err(|reason| fault("failed to load validate certificate chain", cosign::reason(&reason)))?;
        trust.attestor = Signer::Certificate { certificate, above: path.into_iter().skip(1).collect() };
    }
    Ok(Held { named, ..Held::one(trust, who) })
}

/// Kyverno's options for bundles: `ignoreSCT` says whether somebody must tell the time, and CT logs are not asked.
async fn bundled(means: Means<'_>, leaf: &Leaf<'_>) -> Result<Held, NoKey> {
    let attestor = leaf.attestor;
    let logs = Logs::of_attestor(attestor);
    let mut material = TrustMaterial::default();
    let mut who = Who::default();
    let signer = match attestor {
        Attestor { keys: Some(keys), .. } => {
            Signer::Key(key::trusted(means, keys, leaf.key_text.trim()).await?)
        }
        Attestor { keyless: Some(keyless), .. } => {
            who = Who::extensions_of(keyless);
            put_authorities(means, keyless, &mut material)?;
            let rule = |exact: &str, pattern: &str| NameRule::new(Some(exact), Some(pattern));
            Signer::Keyless(Identity {
                subject: rule(&keyless.subject, &keyless.subject_reg_exp),
                issuer: rule(&keyless.issuer, &keyless.issuer_reg_exp),
                ..Identity::default()
            })
        }
        _ => return Err(NoKey::Unsupported(Construct::BundledCertificates)),
    };
    if logs.ignore_sct && !logs.ignore_log {
        return Err(NoKey::Unsupported(Construct::BundledWithoutTime));
    }
    let has_logs = logs.put_log(means, &mut material)?;
    logs.put_stamps(means, &mut material)?;
    let has_stamps = !material.stamp_authorities.is_empty();
    let trust = Trust {
        attestor: signer,
        material,
        from_trusted_root: true,
        log: LogRule::Ignored,
        signed_timestamps: false,
        sct: SctRule::Ignored,
        now: means.now,
    };
    let with = |log, signed_timestamps| Trust { log, signed_timestamps, ..trust.clone() };
    let timed = !logs.ignore_sct;
    let mut trusts = Vec::new();
    if logs.ignore_log && !timed {
        trusts.push(trust.clone());
    } else {
        if has_logs {
            trusts.push(with(LogRule::Required, false));
        }
        if has_stamps && logs.ignore_log {
            trusts.push(with(LogRule::Ignored, true));
        } else if has_stamps && has_logs {
            trusts.push(with(LogRule::Required, true));
        }
    }
    if trusts.is_empty() {
        return Err(means.missing(Missing::Logs));
    }
    Ok(Held { trusts, who, named: None, timed, now: means.now })
}

/// The attestor's own roots, or else those of the trusted root.
fn put_authorities(means: Means<'_>, keyless: &Keyless, material: &mut TrustMaterial) -> Result<(), NoKey> {
    if keyless.roots.is_empty() {
        material.authorities = means.material().authorities;
        return match material.authorities.is_empty() {
            true => Err(means.missing(Missing::Roots)),
            false => Ok(()),
        };
    }
    let roots = certificates("failed to load Root certificates", &keyless.roots, usize::MAX)?;
    if roots.is_empty() {
        return Err(fault("failed to load Root certificates", "error creating root cert pool".to_owned()));
    }
    material.add_authority(roots, Vec::new());
    Ok(())
}

fn fault(attempt: &'static str, reason: String) -> NoKey {
    NoKey::Fault(KeyFault::Material { attempt, reason })
}

fn public(attempt: &'static str, pem: &str) -> Result<PublicKey, NoKey> {
    PublicKey::from_pem(pem.as_bytes()).map_err(|error| fault(attempt, error.to_string()))
}

fn certificate(one: &Certificates) -> Result<Certificate, NoKey> {
    Certificate::from_pem(one.cert.as_bytes()).map_err(|error| {
        let reason = match error {
            CertificateError::None => "no certs found in pem file".to_owned(),
            other => {
                format!("failed to unmarshal certificate from PEM format: {}", go_text::certificate(&other))
            }
        };
        NoKey::Fault(KeyFault::Certificate { text: one.cert.clone(), reason })
    })
}

fn chain_of(one: &Certificates) -> Result<Vec<Certificate>, NoKey> {
    let attempt =
        if one.cert.is_empty() { "failed to load certificates" } else { "failed to load certificate chain" };
    let chain = certificates(attempt, &one.cert_chain, CHAIN_LIMIT)?;
    if chain.is_empty() {
        return Err(fault(attempt, "the text holds no certificate".to_owned()));
    }
    Ok(chain)
}

fn certificates(attempt: &'static str, pem: &str, limit: usize) -> Result<Vec<Certificate>, NoKey> {
    let found = pem.matches("-----BEGIN CERTIFICATE-----").count();
    if found > limit {
        return Err(NoKey::Fault(KeyFault::ChainTooLong { found, limit }));
    }
    Certificate::all_from_pem(pem.as_bytes()).map_err(|error| fault(attempt, go_text::certificate(&error)))
}

/// A timestamp authority by its certificates: exactly one signs, at least one is a root.
fn stamp_authority(pem: &str) -> Result<StampAuthority, NoKey> {
    const SPLIT: &str = "error splitting tsa certificates";
    let all = certificates(SPLIT, pem, STAMP_CHAIN_LIMIT)?;
    let (authorities, leaves): (Vec<_>, Vec<_>) = all.into_iter().partition(Certificate::is_authority);
    let (roots, between): (Vec<_>, Vec<_>) = authorities.into_iter().partition(Certificate::is_self_issued);
    let expected = |what: &str| fault("tsaCertChain", what.to_owned());
    if leaves.len() > 1 {
        return Err(expected("certificate chain must contain at most one TSA certificate"));
    }
    let missing =
        || expected("expected the certificate that signs timestamps, and those above it up to the root");
    let (Some(leaf), Some(root)) = (leaves.into_iter().next(), roots.into_iter().next()) else {
        return Err(missing());
    };
    let chain = [vec![leaf], between, vec![root]].concat();
    StampAuthority::new(&chain, Window::default()).ok_or_else(missing)
}
