//! Which of the two Secrets is written next, by what they hold: nothing is asked and nothing written here.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::Secret;

use super::{
    ISSUED, ISSUER, RENEW, REVOKE, SETTLED, ServerPair, bundle_of, data, fingerprint, is_ours, pair_of,
};
use crate::admission::certificate;

/// How long before its end a certificate is replaced although no configuration is seen to trust the new one's authority.
const LAST_CALL: SignedDuration = SignedDuration::from_hours(48);
/// How long after the new authority's certificate was written the old authority is trusted no more. Replicas hear of the
/// Secret by a watch and show it within seconds; one that has not heard of it for an hour cannot see policies either.
pub(super) const RETIRED: Duration = Duration::from_secs(60 * 60);

/// What is to be written.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Nothing now.
    Nothing,
    /// A new authority; what was trusted before goes on being trusted, or is revoked with it.
    Authority {
        /// Whether the old one is trusted no more from here on.
        revokes: bool,
    },
    /// A new certificate by the authority there is.
    Server(ServerPair),
    /// The authority there is, alone: nobody serves anything of an older one any more.
    Alone(ServerPair),
}

/// What is seen when a step is decided.
pub(super) struct View<'a> {
    pub(super) authority: Option<&'a Secret>,
    pub(super) server: Option<&'a Secret>,
    /// The names and addresses that the certificate must be for.
    pub(super) names: &'a [String],
    /// The authorities that the webhook configurations carry, and for how long they have.
    pub(super) registered: Option<(&'a [String], Duration)>,
    pub(super) now: Timestamp,
}

impl View<'_> {
    /// One thing at a time: the change comes back by the watch.
    pub(super) fn next(&self) -> Step {
        let (now, server) = (self.now, self.server);
        let Some(secret) = self.authority else {
            // An owner who brings the server's certificate brings what it is trusted by.
            return match server.is_some_and(|server| !is_ours(server)) {
                true => Step::Nothing,
                false => Step::Authority { revokes: false },
            };
        };
        let asked = secret.metadata.annotations.as_ref().and_then(|all| all.get(RENEW));
        if is_ours(secret) && (asked.is_some() || certificate::is_due(&data(secret, "tls.crt"), now)) {
            return Step::Authority { revokes: asked.is_some_and(|asked| asked == REVOKE) };
        }
        let Some(issuer) = pair_of(secret) else { return Step::Nothing };
        let Some(current) = server else { return Step::Server(issuer) };
        if !is_ours(current) {
            return Step::Nothing;
        }
        let annotation = |name: &str| current.metadata.annotations.as_ref().and_then(|all| all.get(name));
        let chain = data(current, "tls.crt");
        let is_of_issuer = annotation(ISSUER) == Some(&fingerprint(&issuer));
        let due = certificate::is_due(&chain, now) || !certificate::is_for(&chain, self.names);
        let is_alone = bundle_of(secret, now).len() <= 1;
        if is_of_issuer && !due {
            let issued = annotation(ISSUED).and_then(|text| text.parse::<Timestamp>().ok());
            let age = issued.map(|issued| now.duration_since(issued));
            let has_settled = age.is_some_and(|age| !age.is_negative() && age.unsigned_abs() >= RETIRED);
            return match is_ours(secret) && !is_alone && has_settled {
                true => Step::Alone(issuer),
                false => Step::Nothing,
            };
        }
        let dying = certificate::end(&chain).is_none_or(|end| end.duration_since(now) < LAST_CALL);
        // What was revoked is trusted by nobody any more, so waiting helps nobody.
        match is_of_issuer || dying || is_alone || self.is_trusted(&issuer) {
            true => Step::Server(issuer),
            false => Step::Nothing,
        }
    }

    /// Whether the webhook configurations have carried this authority for a while.
    fn is_trusted(&self, authority: &ServerPair) -> bool {
        let wanted = certificate::current(&authority.chain, self.now);
        self.registered
            .is_some_and(|(all, since)| since >= SETTLED && wanted.iter().all(|one| all.contains(one)))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use k8s_openapi::ByteString;
    use kube::api::ObjectMeta;

    use super::*;
    use crate::admission::authority::OURS;

    fn names() -> Vec<String> {
        vec!["gate.ns.svc".to_owned()]
    }

    fn now() -> Timestamp {
        Timestamp::now()
    }

    fn secret(held: &[(&str, &str)], annotations: &[(&str, &str)], ours: bool) -> Secret {
        let text = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
            pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
        };
        let data = held.iter().map(|(key, text)| ((*key).to_owned(), ByteString(text.as_bytes().to_vec())));
        Secret {
            metadata: ObjectMeta {
                labels: ours.then(|| text(&[OURS])),
                annotations: Some(text(annotations)),
                ..ObjectMeta::default()
            },
            data: Some(data.collect()),
            ..Secret::default()
        }
    }

    /// An authority's Secret that trusts these too.
    fn authority(pair: &ServerPair, old: &[&ServerPair], annotations: &[(&str, &str)]) -> Secret {
        let bundle: String =
            [pair].iter().chain(old).map(|one| one.chain.as_str()).collect::<Vec<_>>().concat();
        secret(&[("tls.crt", &pair.chain), ("tls.key", &pair.key), ("ca.crt", &bundle)], annotations, true)
    }

    fn server(issuer: &ServerPair, issued: Timestamp) -> Secret {
        let made = certificate::server(issuer, &names(), now()).unwrap();
        let annotations = [(ISSUER, fingerprint(issuer)), (ISSUED, issued.to_string())];
        let annotations = annotations.each_ref().map(|(name, text)| (*name, text.as_str()));
        secret(&[("tls.crt", &made.chain), ("tls.key", &made.key)], &annotations, true)
    }

    fn step(authority: Option<&Secret>, server: Option<&Secret>, registered: &[String], since: u64) -> Step {
        let registered = Some((registered, Duration::from_secs(since)));
        View { authority, server, names: &names(), registered, now: now() }.next()
    }

    #[test]
    fn a_new_authority_is_trusted_before_it_issues_and_the_old_one_is_let_go_an_hour_after() {
        let (old, new) = (certificate::authority(now()).unwrap(), certificate::authority(now()).unwrap());
        let served = server(&old, now());
        assert_eq!(step(None, None, &[], 0), Step::Authority { revokes: false });
        assert_eq!(step(Some(&authority(&old, &[], &[])), None, &[], 0), Step::Server(old.clone()));
        assert_eq!(step(Some(&authority(&old, &[], &[])), Some(&served), &[], 0), Step::Nothing);
        let asked = authority(&old, &[], &[(RENEW, "now")]);
        assert_eq!(step(Some(&asked), Some(&served), &[], 0), Step::Authority { revokes: false });
        let both = authority(&new, &[&old], &[]);
        let trusted = certificate::current(&format!("{}{}", new.chain, old.chain), now());
        assert_eq!(step(Some(&both), Some(&served), &trusted[1..], 60), Step::Nothing);
        assert_eq!(step(Some(&both), Some(&served), &trusted, 9), Step::Nothing);
        assert_eq!(step(Some(&both), Some(&served), &trusted, 10), Step::Server(new.clone()));
        let lately = server(&new, now() - SignedDuration::from_mins(59));
        assert_eq!(step(Some(&both), Some(&lately), &trusted, 3000), Step::Nothing);
        let long_ago = server(&new, now() - SignedDuration::from_mins(61));
        assert_eq!(step(Some(&both), Some(&long_ago), &trusted, 4000), Step::Alone(new.clone()));
        assert_eq!(step(Some(&authority(&new, &[], &[])), Some(&long_ago), &trusted, 4000), Step::Nothing);
    }

    #[test]
    fn what_is_revoked_is_trusted_no_more_and_nobody_waits() {
        let (old, new) = (certificate::authority(now()).unwrap(), certificate::authority(now()).unwrap());
        let served = server(&old, now());
        let asked = authority(&old, &[], &[(RENEW, REVOKE)]);
        assert_eq!(step(Some(&asked), Some(&served), &[], 0), Step::Authority { revokes: true });
        assert_eq!(step(Some(&authority(&new, &[], &[])), Some(&served), &[], 0), Step::Server(new));
    }

    #[test]
    fn what_others_brought_is_never_written() {
        let pair = certificate::authority(now()).unwrap();
        let made = certificate::server(&pair, &names(), now()).unwrap();
        let held = [("tls.crt", made.chain.as_str()), ("tls.key", &made.key)];
        let brought = secret(&held, &[(RENEW, "now")], false);
        assert_eq!(step(None, Some(&brought), &[], 0), Step::Nothing);
        let held = [("tls.crt", pair.chain.as_str()), ("tls.key", &pair.key)];
        let brought_authority = secret(&held, &[(RENEW, "now")], false);
        assert_eq!(step(Some(&brought_authority), Some(&brought), &[], 0), Step::Nothing);
    }
}
