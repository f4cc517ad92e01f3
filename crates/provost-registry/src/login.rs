//! Logging in: which credential answers a challenge, and whether it may go there.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, Method};
use provost_oci::{Digest, Repository};
use url::Url;

use crate::StoreError;
use crate::answer::{self, Expect, request_line};
use crate::challenge::Challenge;
use crate::endpoint::{Endpoint, Scheme};
use crate::keychain::{ClearText, Credential, Found, Keychain};
use crate::limits::{CREDENTIAL_LIFE, REMEMBERED, TOKEN_ANSWER_LIMIT};
use crate::network_failure::Failure;
use crate::retry::is_transient;
use crate::token::{Token, TokenAnswer, TokenFor, Tokens};
use crate::transport::{Access, Ask, Body, Transport};

/// The name we give ourselves to token services that want one.
const CLIENT_ID: &str = "provost";

/// A credential, or that there is none, and since when this is known.
type Slot = Arc<tokio::sync::Mutex<Option<(Instant, Option<Found>)>>>;

/// What has been learned about logins: challenges, credentials, tokens.
#[derive(Default)]
pub(crate) struct Login {
    keychain: Keychain,
    tokens: Tokens,
    /// The challenge each registry last sent, so that later requests need no 401 first.
    challenges: Mutex<HashMap<String, Challenge>>,
    /// Credentials by repository: helpers are asked once in [`CREDENTIAL_LIFE`].
    credentials: Mutex<HashMap<Repository, Slot>>,
}

impl Login {
    pub(crate) fn new(keychain: Keychain) -> Self {
        Self { keychain, ..Self::default() }
    }

    async fn credential(&self, repository: &Repository, now: Instant) -> Result<Option<Found>, StoreError> {
        let slot = {
            let mut slots = self.credentials.lock().unwrap_or_else(PoisonError::into_inner);
            if slots.len() >= REMEMBERED && !slots.contains_key(repository) {
                slots.clear();
            }
            Arc::clone(slots.entry(repository.clone()).or_default())
        };
        let mut held = slot.lock().await;
        if let Some((since, found)) = held.as_ref()
            && now.saturating_duration_since(*since) < CREDENTIAL_LIFE
        {
            return Ok(found.clone());
        }
        let found = self.keychain.find(repository).await?;
        *held = Some((now, found.clone()));
        Ok(found)
    }

    fn remember(&self, registry: &str, challenge: &Challenge) {
        let mut challenges = self.challenges.lock().unwrap_or_else(PoisonError::into_inner);
        if challenges.len() >= REMEMBERED && !challenges.contains_key(registry) {
            challenges.clear();
        }
        let kept = match challenge {
            Challenge::Basic => Challenge::Basic,
            // The scope belongs to one request.
            Challenge::Bearer { realm, service, .. } => {
                Challenge::Bearer { realm: realm.clone(), service: service.clone(), scope: None }
            }
        };
        challenges.insert(registry.to_owned(), kept);
    }

    fn challenge_of(&self, registry: &str) -> Option<Challenge> {
        self.challenges.lock().unwrap_or_else(PoisonError::into_inner).get(registry).cloned()
    }
}

impl Transport {
    /// What to send along from the start, where the registry has asked for a login before.
    pub(crate) async fn known_authorization(
        &self,
        endpoint: &Endpoint,
        scheme: Scheme,
        ask: &Ask<'_>,
    ) -> Result<Option<HeaderValue>, Failure> {
        match self.login.challenge_of(endpoint.registry()) {
            Some(challenge) => self.authorize(endpoint, scheme, ask, &challenge, None).await,
            None => Ok(None),
        }
    }

    /// The `Authorization` that answers a challenge; `refused` is the one that was sent in vain. `None` where there
    /// is nothing to answer with.
    pub(crate) async fn authorize(
        &self,
        endpoint: &Endpoint,
        scheme: Scheme,
        ask: &Ask<'_>,
        challenge: &Challenge,
        refused: Option<&HeaderValue>,
    ) -> Result<Option<HeaderValue>, Failure> {
        self.login.remember(endpoint.registry(), challenge);
        let found = self.login.credential(ask.repository, self.retry.clock.now()).await?;
        match (challenge, found) {
            (_, Some(Found { credential: Credential::Bearer(token), clear_text })) => {
                self.permit(endpoint, scheme, &clear_text)?;
                secret(&format!("Bearer {token}"), endpoint).map(Some)
            }
            (
                Challenge::Basic,
                Some(Found { credential: Credential::Password { username, password }, clear_text }),
            ) => {
                self.permit(endpoint, scheme, &clear_text)?;
                secret(&basic(&username, &password), endpoint).map(Some)
            }
            (Challenge::Basic, _) => Ok(None),
            (Challenge::Bearer { realm, service, scope }, found) => {
                let refused = refused.and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
                let mut scopes = scopes(ask);
                // What the registry asks for beyond our scopes is granted it once ours have not been enough.
                if let Some(asked) =
                    scope.as_ref().filter(|asked| refused.is_some() && !scopes.contains(asked))
                {
                    scopes.push(asked.clone());
                }
                let purpose = TokenFor {
                    realm: realm.clone(),
                    service: service.clone(),
                    scopes,
                    user: fingerprint(found.as_ref()),
                };
                let wanted = purpose.clone();
                let fetch =
                    || async move { self.fetch_token(endpoint, scheme, &wanted, found.as_ref()).await };
                let now = self.retry.clock.now();
                let token = self.login.tokens.get(purpose, refused, now, fetch).await?;
                secret(&format!("Bearer {token}"), endpoint).map(Some)
            }
        }
    }

    /// Whether a credential may go to the registry by this scheme.
    fn permit(&self, endpoint: &Endpoint, scheme: Scheme, clear_text: &ClearText) -> Result<(), StoreError> {
        let registry = endpoint.registry();
        let good = match (scheme, clear_text) {
            (Scheme::Https, _) => true,
            (Scheme::Http, ClearText::Host(named)) => named.eq_ignore_ascii_case(registry),
            (Scheme::Http, ClearText::AsAsked) => self.allow_http || endpoint.is_loopback(),
            (Scheme::Http, ClearText::Never) => false,
        };
        if good {
            return Ok(());
        }
        let reason = match clear_text {
            ClearText::AsAsked => {
                "it speaks plain http, and credentials of the command line go over http only with --allow-http-registry"
            }
            ClearText::Host(_) | ClearText::Never => {
                "it speaks plain http, and the entry of its credentials does not name this host and port for http"
            }
        };
        Err(StoreError::Refused { request: registry.to_owned(), reason: reason.to_owned() })
    }

    /// Asks a token service for a token.
    async fn fetch_token(
        &self,
        endpoint: &Endpoint,
        scheme: Scheme,
        purpose: &TokenFor,
        found: Option<&Found>,
    ) -> Result<Token, Failure> {
        let mut url = self.token_service(endpoint, scheme, &purpose.realm, found)?;
        let mut headers = HeaderMap::new();
        let (method, authorization, body) = match found.map(|found| &found.credential) {
            Some(Credential::IdentityToken(token)) => {
                let mut form = url::form_urlencoded::Serializer::new(String::new());
                form.append_pair("grant_type", "refresh_token").append_pair("refresh_token", token);
                form.append_pair("client_id", CLIENT_ID).append_pair("scope", &purpose.scopes.join(" "));
                if let Some(service) = &purpose.service {
                    form.append_pair("service", service);
                }
                headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
                (Method::POST, None, Bytes::from(form.finish()))
            }
            other => {
                {
                    let mut query = url.query_pairs_mut();
                    for scope in &purpose.scopes {
                        query.append_pair("scope", scope);
                    }
                    if let Some(service) = &purpose.service {
                        query.append_pair("service", service);
                    }
                }
                let authorization = match other {
                    Some(Credential::Password { username, password }) => {
                        Some(secret(&basic(username, password), endpoint)?)
                    }
                    _ => None,
                };
                (Method::GET, authorization, Bytes::new())
            }
        };
        let response = self.send(&method, &url, &headers, authorization.as_ref(), &Body::Bytes(body)).await?;
        let answer = answer::read(&method, response, &Expect::at_most(TOKEN_ANSWER_LIMIT)).await?;
        if !answer.status.is_success() {
            let transient = is_transient(answer.status);
            // Its 404 says nothing about the image, so it must not look like one.
            let error = match answer.refusal() {
                StoreError::NotFound { request, status, errors, body } => {
                    StoreError::Status { request, status, errors, body }
                }
                other => other,
            };
            return Err(Failure { error, transient });
        }
        let unusable =
            |reason: String| StoreError::Credentials { registry: endpoint.registry().to_owned(), reason };
        let parsed: TokenAnswer = serde_json::from_slice(&answer.body)
            .map_err(|e| unusable(format!("{}: the answer is no token: {e}", answer.request)))?;
        let token = parsed.into_token(self.retry.clock.now());
        Ok(token.map_err(|reason| unusable(format!("{}: {reason}", answer.request)))?)
    }

    /// The token service's URL, if this registry may name it and the credential may go there.
    fn token_service(
        &self,
        endpoint: &Endpoint,
        scheme: Scheme,
        realm: &str,
        found: Option<&Found>,
    ) -> Result<Url, StoreError> {
        let refused =
            |request: &str, reason: String| StoreError::Refused { request: request.to_owned(), reason };
        let registry = endpoint.registry();
        let url = Url::parse(realm)
            .map_err(|e| refused(registry, format!("the token service it names is no URL: {e}")))?;
        let line = request_line(&Method::GET, &url);
        let refused = |reason: String| refused(&line, reason);
        let own = endpoint.owns(&url);
        if !url.username().is_empty() || url.password().is_some() {
            return Err(refused("the token service's URL has a user name".to_owned()));
        }
        if !own && self.is_forbidden_inside(&url) {
            let reason = format!("{registry} names a token service inside this machine or network");
            return Err(refused(reason));
        }
        match (scheme, url.scheme()) {
            (Scheme::Https, "https") => {}
            (Scheme::Https, "http") => {
                return Err(refused(format!("{registry} speaks https but names a token service without it")));
            }
            (Scheme::Http, "http") => {
                if let Some(found) = found {
                    if !own {
                        let reason = "credentials go over http only to the registry's own host and port";
                        return Err(refused(reason.to_owned()));
                    }
                    self.permit(endpoint, scheme, &found.clear_text)?;
                }
            }
            // What came in the clear may have been changed on the way, so it does not choose who gets a password.
            (Scheme::Http, "https") => {
                if found.is_some() && !own && !self.allow_http && !endpoint.is_loopback() {
                    let reason =
                        format!("{registry} speaks plain http, so it may not send credentials elsewhere");
                    return Err(refused(reason));
                }
            }
            _ => return Err(refused("the token service is neither https nor http".to_owned())),
        }
        Ok(url)
    }
}

/// The scopes a request needs, in go-containerregistry's words.
fn scopes(ask: &Ask<'_>) -> Vec<String> {
    let actions = match ask.access {
        Access::Pull => "pull",
        Access::Push => "push,pull",
    };
    let mut scopes = vec![format!("repository:{}:{actions}", ask.repository.path())];
    if let Some(from) = ask.also {
        scopes.push(format!("repository:{}:pull", from.path()));
    }
    scopes
}

fn basic(username: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{username}:{password}")))
}

/// A header value that is never printed.
fn secret(text: &str, endpoint: &Endpoint) -> Result<HeaderValue, Failure> {
    let mut value = HeaderValue::from_str(text).map_err(|_| StoreError::Credentials {
        registry: endpoint.registry().to_owned(),
        reason: "the token holds characters that no header may have".to_owned(),
    })?;
    value.set_sensitive(true);
    Ok(value)
}

/// Tells users apart without keeping their passwords in a key. Lengths keep `a:b` and `ab:` apart.
fn fingerprint(found: Option<&Found>) -> Digest {
    let text = match found.map(|found| &found.credential) {
        None => String::new(),
        Some(Credential::Password { username, password }) => {
            format!("password {} {username} {password}", username.len())
        }
        Some(Credential::IdentityToken(token)) => format!("identity {token}"),
        Some(Credential::Bearer(token)) => format!("bearer {token}"),
    };
    Digest::sha256_of(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::keychain::CredentialSource;

    #[tokio::test]
    async fn not_more_than_the_limit_is_remembered() {
        let login = Login::default();
        for number in 0..=REMEMBERED {
            let registry = format!("r{number}.test");
            login.remember(&registry, &Challenge::Basic);
            let repository = Repository::new(&registry, "team/app").unwrap();
            login.credential(&repository, Instant::now()).await.unwrap();
        }
        assert!(login.challenges.lock().unwrap().len() <= REMEMBERED);
        assert!(login.credentials.lock().unwrap().len() <= REMEMBERED);
    }

    /// A source whose answer changes each time it is asked.
    #[derive(Default)]
    struct Changing(Arc<AtomicUsize>);

    #[async_trait::async_trait]
    impl CredentialSource for Changing {
        async fn find(&self, _: &Repository) -> Result<Option<Found>, StoreError> {
            let credential = Credential::Bearer(self.0.fetch_add(1, Ordering::SeqCst).to_string());
            Ok(Some(Found { credential, clear_text: ClearText::Never }))
        }
    }

    #[tokio::test]
    async fn a_credential_is_asked_for_again_when_it_is_old() {
        let login = Login::new(Keychain::anonymous().with(Changing::default()));
        let (repository, now) = (Repository::new("reg.test", "team/app").unwrap(), Instant::now());
        for (seconds, want) in [(0, "0"), (299, "0"), (300, "1"), (301, "1")] {
            let then = now + std::time::Duration::from_secs(seconds);
            let found = login.credential(&repository, then).await.unwrap().unwrap();
            assert_eq!(found.credential, Credential::Bearer(want.to_owned()), "{seconds}");
        }
    }

    #[test]
    fn users_are_told_apart() {
        let of = |username: &str, password: &str| {
            let credential =
                Credential::Password { username: username.to_owned(), password: password.to_owned() };
            fingerprint(Some(&Found { credential, clear_text: ClearText::Never }))
        };
        assert_ne!(of("a b", "c"), of("a", "b c"));
        assert_ne!(of("a", "b"), of("a", "c"));
        assert_ne!(of("", ""), fingerprint(None));
    }
}
