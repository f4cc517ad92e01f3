//! One request to a registry: scheme, login, redirects, retries.

use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_LENGTH, HeaderName, LOCATION};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use provost_oci::Repository;
use url::Url;

use crate::StoreError;
use crate::address_rule::{AddressRule, GuardedResolver};
use crate::answer::{self, Answer, Expect, disk, request_line};
use crate::challenge::Challenge;
use crate::endpoint::{Endpoint, Scheme, leads_inside};
use crate::limits::{CONNECT_TIME, IDLE_TIME, REDIRECTS, TLS_GRACE};
use crate::login::Login;
use crate::network_failure::{Failure, lookup_failure, send_failure};
use crate::proxy::ProxyRules;
use crate::remote::RemoteOptions;
use crate::retry::{RetryPolicy, asked_wait, is_transient};
use crate::scheme::{Greeted, Met, Registries, greet};
use crate::store::NetworkFailure;
use crate::tls::client_config;
use crate::trace::Trace;

/// How often one request may be answered by 401 before that is its answer: once for a login that was not yet
/// known, once for a token that has run out, once for a scope the registry asks for beyond ours.
const LOGIN_ROUNDS: usize = 3;

/// Whether a request changes the repository.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    Pull,
    Push,
}

/// Where a request goes.
#[derive(Clone, Debug)]
pub(crate) enum Target {
    /// A path of the repository's registry.
    Path(String),
    /// A URL the registry named: the place of an upload, the next page.
    Url(Url),
}

/// A request.
#[derive(Clone, Debug)]
pub(crate) struct Ask<'a> {
    pub(crate) repository: &'a Repository,
    pub(crate) access: Access,
    /// A second repository that is read from, when a blob is mounted.
    pub(crate) also: Option<&'a Repository>,
    pub(crate) method: Method,
    pub(crate) target: Target,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Body,
    pub(crate) expect: Expect,
}

/// What a request carries.
#[derive(Clone, Debug)]
pub(crate) enum Body {
    /// Bytes in memory; none where there are none.
    Bytes(Bytes),
    /// A file of this many bytes, read anew for each try.
    File(PathBuf, u64),
}

impl Body {
    fn is_empty(&self) -> bool {
        match self {
            Self::Bytes(bytes) => bytes.is_empty(),
            Self::File(_, length) => *length == 0,
        }
    }
}

impl<'a> Ask<'a> {
    /// A request without a body that reads.
    pub(crate) fn pull(repository: &'a Repository, method: Method, path: String, expect: Expect) -> Self {
        let (headers, body) = (HeaderMap::new(), Body::Bytes(Bytes::new()));
        let (access, target) = (Access::Pull, Target::Path(path));
        Self { repository, access, also: None, method, target, headers, body, expect }
    }

    /// A request that writes; its answer's body is of no interest beyond an error.
    pub(crate) fn push(repository: &'a Repository, method: Method, target: Target, body: Bytes) -> Self {
        let headers = HeaderMap::new();
        let expect = Expect::at_most(crate::limits::ERROR_BODY_LIMIT);
        let body = Body::Bytes(body);
        Self { repository, access: Access::Push, also: None, method, target, headers, body, expect }
    }

    /// With one more header.
    pub(crate) fn with(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.insert(name, value);
        self
    }

    fn is_safe(&self) -> bool {
        self.method == Method::GET || self.method == Method::HEAD
    }
}

/// The client, and what it has learned about registries.
pub(crate) struct Transport {
    pub(crate) client: reqwest::Client,
    pub(crate) addresses: AddressRule,
    proxies: ProxyRules,
    pub(crate) allow_http: bool,
    pub(crate) retry: RetryPolicy,
    pub(crate) login: Login,
    pub(crate) registries: Registries,
    trace: Trace,
}

impl Transport {
    pub(crate) fn new(options: &RemoteOptions) -> Result<Self, StoreError> {
        let unusable = |e: reqwest::Error| StoreError::Malformed {
            request: "the registry client".to_owned(),
            reason: e.to_string(),
        };
        let addresses = options.addresses.clone();
        let proxies = options.proxies.read()?;
        let chosen = proxies.clone();
        let builder = reqwest::Client::builder()
            .tls_backend_preconfigured(client_config(&options.tls)?)
            .redirect(reqwest::redirect::Policy::none())
            // The library's own look at the environment is switched off: what counts was passed in.
            .no_proxy()
            .referer(false)
            .user_agent(&options.user_agent)
            .connect_timeout(CONNECT_TIME)
            .read_timeout(IDLE_TIME)
            .dns_resolver(GuardedResolver(addresses.clone()));
        let builder = match chosen.is_empty() {
            true => builder,
            false => builder.proxy(reqwest::Proxy::custom(move |url| chosen.to(url))),
        };
        let client = builder.build().map_err(unusable)?;
        Ok(Self {
            client,
            addresses,
            proxies,
            allow_http: options.allow_http,
            retry: options.retry.clone(),
            login: Login::new(options.keychain.clone()),
            registries: Registries::default(),
            trace: options.trace.clone(),
        })
    }

    /// The answer to a request, tried again where that may help. Any status is an answer.
    pub(crate) async fn ask(&self, ask: &Ask<'_>) -> Result<Answer, StoreError> {
        let mut waits = self.retry.waits.iter();
        loop {
            let outcome = self.once(ask).await;
            let asked = match &outcome {
                Ok(answer) if is_transient(answer.status) => asked_wait(&answer.headers),
                Err(failure) if failure.transient => None,
                _ => return outcome.map_err(|failure| failure.error),
            };
            let Some(planned) = waits.next() else { return outcome.map_err(|failure| failure.error) };
            self.pause(asked.unwrap_or(*planned)).await;
        }
    }

    /// The answer to a request if it is a good one; any other status is an error.
    pub(crate) async fn ask_for_success(&self, ask: &Ask<'_>) -> Result<Answer, StoreError> {
        let answer = self.ask(ask).await?;
        if answer.status.is_success() { Ok(answer) } else { Err(answer.refusal()) }
    }

    async fn pause(&self, time: Duration) {
        self.retry.clock.sleep(time).await;
    }

    /// One try, with as many logins as it takes.
    async fn once(&self, ask: &Ask<'_>) -> Result<Answer, Failure> {
        let registry = self.registries.of(ask.repository)?;
        let endpoint = &registry.endpoint;
        let (scheme, early) = self.scheme(&registry, ask).await?;
        let url = match &ask.target {
            Target::Path(path) => endpoint.url(scheme, path),
            Target::Url(url) => url.clone(),
        };
        // Only now that the scheme is known may anything secret go out.
        let (mut authorization, mut answer) = match early {
            Some(answer) => (None, answer),
            None => {
                let known = self.known_authorization(endpoint, scheme, ask).await?;
                let answer = self.follow(endpoint, ask, &url, known.as_ref()).await?;
                (known, answer)
            }
        };
        for _ in 0..LOGIN_ROUNDS {
            if answer.status != StatusCode::UNAUTHORIZED || !endpoint.owns(&answer.url) {
                break;
            }
            let Ok(challenge) = Challenge::of(&answer.headers) else { break };
            let next = self.authorize(endpoint, scheme, ask, &challenge, authorization.as_ref()).await?;
            if next.is_none() || next == authorization {
                break;
            }
            answer = self.follow(endpoint, ask, &url, next.as_ref()).await?;
            authorization = next;
        }
        Ok(answer)
    }

    /// How the registry is spoken to, and the answer to the request where finding out brought it along.
    async fn scheme(&self, registry: &Met, ask: &Ask<'_>) -> Result<(Scheme, Option<Answer>), Failure> {
        let (endpoint, slot) = (&registry.endpoint, &registry.scheme);
        if !endpoint.is_local() && !self.allow_http {
            return Ok((Scheme::Https, None));
        }
        if let Some(scheme) = slot.try_lock().ok().and_then(|known| *known) {
            return Ok((scheme, None));
        }
        // A greeting would not pass a proxy, and its absence must not be taken for "no TLS".
        if self.proxies.to(&endpoint.url(Scheme::Https, "/v2/")).is_some() {
            return Ok((Scheme::Https, None));
        }
        if let (Target::Path(path), true) = (&ask.target, ask.is_safe()) {
            // Requests that go out side by side each find out for themselves: waiting for the first one's answer
            // would put them one after another.
            let (scheme, answer, sure) = self.race(endpoint, ask, path).await?;
            if sure {
                *slot.lock().await = Some(scheme);
            }
            return Ok((scheme, answer));
        }
        let mut known = slot.lock().await;
        if let Some(scheme) = *known {
            return Ok((scheme, None));
        }
        let (scheme, sure) = match greet(endpoint, &self.addresses).await {
            Greeted::Tls => (Scheme::Https, true),
            Greeted::Plain => (Scheme::Http, true),
            Greeted::Silent => (Scheme::Https, false),
            Greeted::Unreachable => (Scheme::Http, false),
        };
        if sure {
            *known = Some(scheme);
        }
        Ok((scheme, None))
    }

    /// A TLS greeting and the request itself over http, side by side; a TLS answer wins.
    async fn race(
        &self,
        endpoint: &Endpoint,
        ask: &Ask<'_>,
        path: &str,
    ) -> Result<(Scheme, Option<Answer>, bool), Failure> {
        let url = endpoint.url(Scheme::Http, path);
        let greeted = greet(endpoint, &self.addresses);
        let plain = self.follow(endpoint, ask, &url, None);
        let (mut greeted, mut plain) = (std::pin::pin!(greeted), std::pin::pin!(plain));
        let (greeted, outcome) = tokio::select! {
            greeted = &mut greeted => match greeted {
                Greeted::Tls => return Ok((Scheme::Https, None, true)),
                other => (other, plain.await),
            },
            outcome = &mut plain => match tokio::time::timeout(TLS_GRACE, greeted).await {
                Ok(Greeted::Tls) => return Ok((Scheme::Https, None, true)),
                Ok(other) => (other, outcome),
                Err(_) => (Greeted::Silent, outcome),
            },
        };
        match outcome {
            Ok(answer) => Ok((Scheme::Http, Some(answer), true)),
            Err(mut failure) => {
                if let (Greeted::Unreachable, StoreError::Network { request, kind, .. }) =
                    (greeted, &mut failure.error)
                    && *kind != NetworkFailure::Reset
                {
                    let secure = endpoint.url(Scheme::Https, path);
                    *request = format!("{}; {request}", request_line(&ask.method, &secure));
                }
                Err(failure)
            }
        }
    }

    /// Sends a request and follows where its answer leads. The login is dropped for good as soon as a redirect
    /// leaves the registry's own host, port and scheme.
    async fn follow(
        &self,
        endpoint: &Endpoint,
        ask: &Ask<'_>,
        url: &Url,
        authorization: Option<&HeaderValue>,
    ) -> Result<Answer, Failure> {
        let mut at = url.clone();
        let mut authorization = authorization.filter(|_| endpoint.owns(&at));
        for _ in 0..=REDIRECTS {
            let response = self.send(&ask.method, &at, &ask.headers, authorization, &ask.body).await?;
            let Some(location) = redirect_of(&response, ask) else {
                return answer::read(&ask.method, response, &ask.expect).await;
            };
            let next = self.led_to(endpoint, &ask.method, &at, &location)?;
            authorization = authorization.filter(|_| endpoint.owns(&next) && next.scheme() == at.scheme());
            at = next;
        }
        let reason = format!("over {REDIRECTS} redirects");
        Err(StoreError::Refused { request: request_line(&ask.method, url), reason }.into())
    }

    /// Where a `Location` leads, if it may lead there.
    pub(crate) fn led_to(
        &self,
        endpoint: &Endpoint,
        method: &Method,
        from: &Url,
        location: &str,
    ) -> Result<Url, StoreError> {
        let refused = |reason: &str| StoreError::Refused {
            request: request_line(method, from),
            reason: reason.to_owned(),
        };
        let next = from.join(location).map_err(|e| refused(&format!("it leads to no URL: {e}")))?;
        match (from.scheme(), next.scheme()) {
            (_, "https") | ("http", "http") => {}
            ("https", "http") => return Err(refused("it leads from https to http")),
            _ => return Err(refused("it leads to neither https nor http")),
        }
        if !next.username().is_empty() || next.password().is_some() {
            return Err(refused("it leads to a URL with a user name"));
        }
        if !endpoint.owns(&next) && self.is_forbidden_inside(&next) {
            let host = next.host_str().unwrap_or_default();
            return Err(refused(&format!("it leads to {host}, an address inside this machine or network")));
        }
        Ok(next)
    }

    /// Whether a foreign registry may not send us to this URL.
    pub(crate) fn is_forbidden_inside(&self, url: &Url) -> bool {
        let host = url.host_str().unwrap_or_default();
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        leads_inside(url)
            && !self.addresses.allowed_hosts.iter().any(|allowed| allowed.eq_ignore_ascii_case(bare))
    }

    /// Sends one request.
    pub(crate) async fn send(
        &self,
        method: &Method,
        url: &Url,
        headers: &HeaderMap,
        authorization: Option<&HeaderValue>,
        body: &Body,
    ) -> Result<reqwest::Response, Failure> {
        let line = || request_line(method, url);
        self.addresses.check_literal(url).map_err(|e| lookup_failure(line(), &e))?;
        let mut request = self.client.request(method.clone(), url.clone()).headers(headers.clone());
        if let Some(value) = authorization {
            request = request.header(AUTHORIZATION, value.clone());
        }
        if !body.is_empty() {
            request = match body {
                Body::Bytes(bytes) => request.body(bytes.clone()),
                Body::File(path, length) => {
                    let file = tokio::fs::File::open(path).await.map_err(|e| disk(path, &e))?;
                    request.header(CONTENT_LENGTH, *length).body(file)
                }
            };
        } else if !matches!(*method, Method::GET | Method::HEAD) {
            // Some registries refuse a POST or PUT that states no length.
            request = request.header(CONTENT_LENGTH, 0);
        }
        self.trace.tell(|| format!("--> {}", line()));
        match request.send().await {
            Ok(response) => {
                self.trace.tell(|| format!("<-- {} {}", response.status(), line()));
                Ok(response)
            }
            Err(error) => {
                self.trace.tell(|| format!("<-- no answer {}", line()));
                let mut failure = send_failure(line(), url, &error);
                self.name_address(&mut failure.error, url).await;
                Err(failure)
            }
        }
    }

    /// Puts the address that was dialled first in the place of a host's name, as Go's errors have it.
    async fn name_address(&self, error: &mut StoreError, url: &Url) {
        if let StoreError::Network {
            kind: NetworkFailure::Refused | NetworkFailure::Timeout, address, ..
        } = error
            && let (Some(url::Host::Domain(name)), Some(port)) = (url.host(), url.port_or_known_default())
            && let Ok(found) = self.addresses.resolve(name, port).await
            && let Some(first) = found.first()
        {
            *address = first.to_string();
        }
    }
}

/// Where an answer redirects a reading request to. Writing requests are never redirected: their bodies are for
/// the registry alone.
fn redirect_of(response: &reqwest::Response, ask: &Ask<'_>) -> Option<String> {
    let moved = matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308);
    if !moved || !ask.is_safe() {
        return None;
    }
    Some(response.headers().get(LOCATION)?.to_str().ok()?.to_owned())
}
