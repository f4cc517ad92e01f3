//! `--explain`: which signature, subject, type and rule decided about each attestation, on standard error.

use provost_verify::dialect::cosign;
use provost_verify::find::Source;
use provost_verify::policy::rego::{QUERY, Undefined};
use provost_verify::{AttestationReport, Attestor, Facts, Reason, Trust, Verified};

use crate::face::Face;

/// What was found out about every attestation before policies are asked; `compared` is whether its subjects
/// were compared with the image.
pub(super) fn report(report: &AttestationReport, trust: &Trust, word: &str, compared: bool, face: &Face) {
    let wanted = super::wanted(word);
    for attestation in &report.verified {
        let kind = &attestation.statement.predicate_type;
        let asked =
            if kind == wanted { "the type asked for" } else { "not the type asked for, no policy sees it" };
        let count = attestation.statement.subjects.len();
        let about = if compared {
            format!("about this image among {count} subjects")
        } else {
            format!("its {count} subjects were not compared with the image (--check-claims=false)")
        };
        face.say(format!(
            "explain: {}: signed by {}; {about}; type {kind}: {asked}",
            place(&attestation.source),
            signer(trust, &attestation.facts),
        ));
        face.say(format!("explain: {}: {}", place(&attestation.source), seen(&attestation.facts)));
    }
    for refused in &report.refused {
        say(&refused.source, "signed by someone trusted and refused", &refused.reason, face);
    }
    for ignored in &report.ignored {
        say(&ignored.source, "does not count", &ignored.reason, face);
    }
}

/// What a policy said of one attestation; `refused` is why it does not hold.
pub(super) fn policy(attestation: &Verified, language: &str, refused: Option<&str>, face: &Face) {
    let place = place(&attestation.source);
    match refused {
        None => face.say(format!("explain: {place}: the {language} policies hold")),
        Some(why) if why.starts_with("result is undefined") => face.say(format!(
            "explain: {place}: {QUERY} is undefined: no rule `allow` of package `signature` gives a value and there is no default, so a field it asks for is missing or another package is meant"
        )),
        Some(why) => face.say(format!("explain: {place}: the {language} policies do not hold: {why}")),
    }
}

/// What a Rego policy asks of one attestation and it lacks.
pub(super) fn undefined(attestation: &Verified, found: Option<&Undefined>, face: &Face) {
    let place = place(&attestation.source);
    face.say(match found {
        Some(Undefined { reference, file, line }) => {
            format!("explain: {place}: {reference} is undefined, asked for at {file}:{line}")
        }
        None => format!("explain: {place}: every reference of the policy to the input has a value"),
    });
}

fn say(source: &Source, what: &str, reason: &Reason, face: &Face) {
    let words = cosign::reason_at(source, reason);
    face.say(format!("explain: {}: {what} ({}): {words}", place(source), reason.code()));
}

fn place(source: &Source) -> String {
    match source {
        Source::Layer(layer) => format!("attestation {}", layer.digest),
        Source::Bundle(referrer) => format!("bundle {referrer}"),
    }
}

fn signer(trust: &Trust, facts: &Facts) -> String {
    match (&trust.attestor, &facts.certificate) {
        (Attestor::Key(key), _) => format!("the key {}", key.key.ssh_fingerprint()),
        (Attestor::Certificate { certificate, .. }, _) | (Attestor::Keyless(_), Some(certificate)) => {
            format!("the certificate of {}", certificate.names().join(", "))
        }
        (Attestor::Keyless(_), None) => "a certificate".to_owned(),
    }
}

fn seen(facts: &Facts) -> String {
    let log = match (facts.logged, facts.logged_at) {
        (true, Some(at)) => format!("a trusted log has it since {at}"),
        (true, None) => "a trusted log has it".to_owned(),
        (false, _) => "no log was asked for".to_owned(),
    };
    match facts.stamped_at {
        Some(at) => format!("{log}; a timestamp authority saw it at {at}"),
        None => format!("{log}; no timestamp was asked for"),
    }
}
