//! What is said of a verification that holds: which checks were made, and whom the certificate names.

use provost_sigstore::certificate::Certificate;
use provost_statement::go_json;
use provost_verify::{Attestor, Facts, Trust};
use serde_json::{Map, Value};

use crate::face::Face;

/// Which checks were made on an image's signatures or attestations.
pub(crate) fn header(
    name: &str,
    trust: &Trust,
    annotations: bool,
    claims: bool,
    facts: &[&Facts],
    face: &Face,
) {
    face.say(format!(
        "\nVerification for {name} --\nThe following checks were performed on each of these signatures:"
    ));
    if annotations && claims {
        face.say("  - The specified annotations were verified.");
    }
    if claims {
        face.say("  - The cosign claims were validated");
    }
    let logged = !facts.is_empty() && facts.iter().all(|facts| facts.logged);
    // Said only where it is true: an entry that the log had to be asked for was not verified offline.
    if logged && facts.iter().all(|facts| !facts.log_asked) {
        face.say("  - Existence of the claims in the transparency log was verified offline");
    } else if logged {
        face.say("  - The claims were present in the transparency log");
        face.say(
            "  - The signatures were integrated into the transparency log when the certificate was valid",
        );
    }
    face.say(match trust.attestor {
        Attestor::Key(_) | Attestor::Certificate { .. } => {
            "  - The signatures were verified against the specified public key"
        }
        Attestor::Keyless(_) => {
            "  - The code-signing certificate was verified using trusted certificate authority certificates"
        }
    });
}

/// Whom a certificate names, line by line.
pub(crate) fn certificate(certificate: &Certificate, face: &Face) {
    let names = certificate.names();
    face.say(format!("Certificate subject: {}", names.first().map_or("", String::as_str)));
    let claims = certificate.claims();
    let lines = [
        ("Certificate issuer URL", claims.issuer),
        ("GitHub Workflow Trigger", claims.trigger),
        ("GitHub Workflow SHA", claims.sha),
        ("GitHub Workflow Name", claims.name),
        ("GitHub Workflow Repository", claims.repository),
        ("GitHub Workflow Ref", claims.git_ref),
    ];
    for (label, value) in lines.into_iter().filter(|(_, value)| !value.is_empty()) {
        face.say(format!("{label}: {value}"));
    }
}

/// The `optional` part of a payload, with what its certificate says put in, as cosign prints it.
pub(crate) fn optional(
    signed: &Value,
    certificate: Option<&Certificate>,
    more: Vec<(&str, Value)>,
) -> Vec<u8> {
    let mut fields = match go_json::through_doubles(signed) {
        Value::Object(fields) => fields,
        other if certificate.is_none() && more.is_empty() => return go_json::escaped(&other),
        _ => Map::new(),
    };
    if let Some(certificate) = certificate {
        let claims = certificate.claims();
        let subject = certificate.names().into_iter().next().unwrap_or_default();
        fields.insert("Subject".to_owned(), Value::String(subject));
        let pairs = [
            ("Issuer", "1", claims.issuer),
            ("githubWorkflowTrigger", "2", claims.trigger),
            ("githubWorkflowSha", "3", claims.sha),
            ("githubWorkflowName", "4", claims.name),
            ("githubWorkflowRepository", "5", claims.repository),
            ("githubWorkflowRef", "6", claims.git_ref),
        ];
        for (name, number, value) in pairs.into_iter().filter(|(_, _, value)| !value.is_empty()) {
            fields.insert(name.to_owned(), Value::String(value.clone()));
            fields.insert(format!("1.3.6.1.4.1.57264.1.{number}"), Value::String(value));
        }
    }
    fields.extend(more.into_iter().map(|(name, value)| (name.to_owned(), value)));
    go_json::escaped(&Value::Object(fields))
}
