//! Serving: connections, signing in, and the headers every answer carries.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::stream::{self, StreamExt as _};
use http::header::{self, HeaderName, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use provost_gate::sight::Sights;
use provost_serve::{Answer, BindError, Limits, Peer, Server, Tls};
use url::form_urlencoded;
use zeroize::Zeroizing;

use crate::door::{Doorkeeper, Refusal, Visitor};
use crate::pages::{self, Page, Query};
use crate::record::Record;
use crate::seen::{self, Seen};
use crate::sessions::{LASTS, Sessions};

/// The most connections at once: browsers keep six each.
const CONNECTIONS: usize = 64;
/// How long a client may take to send its request.
const REQUEST_TIME: Duration = Duration::from_secs(10);
/// The most bytes of a form: one token of a service account has about 1.2 KB, others up to 12.
const FORM: usize = 16 << 10;
/// The most namespaces that are asked about for one page; a visitor who may see the whole cluster needs one question.
const NAMESPACES: usize = 500;
/// How many of them are asked about at once.
const ASKED_AT_ONCE: usize = 16;

/// What visitors read whom the API server knows, and lets see nothing.
const NO_RIGHT: &str = "You may see no namespace's decisions: expected the right to `get decisions.provost.dev` in one, or in all.";

/// What every answer carries: nothing is loaded but our own style, nothing runs, and nobody frames or keeps it.
const HEADERS: [(&str, &str); 7] = [
    (
        "content-security-policy",
        "default-src 'none'; style-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
    ),
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "same-origin"),
    ("cache-control", "no-store"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    ("permissions-policy", "camera=(), geolocation=(), microphone=()"),
];

/// Why nothing is served.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// Tokens would travel in the clear.
    #[error("--console {0}: beyond loopback the console needs TLS, since visitors send their tokens to it")]
    NeedsTls(SocketAddr),
    /// The address cannot be had.
    #[error("--console: {0}")]
    Bind(#[from] BindError),
}

/// The console.
pub struct Console {
    record: Arc<Record>,
    sights: Sights,
    door: Arc<dyn Doorkeeper>,
    sessions: Sessions,
    /// Whether it is spoken to over TLS.
    is_secure: bool,
    say: Arc<dyn Fn(&str) + Send + Sync>,
}

impl Console {
    /// A console over this record, behind this doorkeeper; `say` hears what goes wrong in serving it.
    #[must_use]
    pub fn new(
        record: Arc<Record>,
        sights: Sights,
        door: Arc<dyn Doorkeeper>,
        say: Arc<dyn Fn(&str) + Send + Sync>,
    ) -> Self {
        Self { record, sights, door, sessions: Sessions::default(), is_secure: false, say }
    }

    /// Listens, so that an address that cannot be had is known at the start. Beyond loopback it takes TLS, since visitors send
    /// their tokens.
    ///
    /// # Errors
    /// [`ServeError`].
    pub async fn bind(&mut self, address: SocketAddr, tls: Option<&Tls>) -> Result<Server, ServeError> {
        self.is_secure = tls.is_some();
        if tls.is_none() && !address.ip().is_loopback() {
            return Err(ServeError::NeedsTls(address));
        }
        let limits = Limits { connections: CONNECTIONS, headers_time: REQUEST_TIME, ..Limits::default() };
        Ok(Server::bind(address, tls, limits).await?)
    }

    async fn respond(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let path = request.uri().path().to_owned();
        match (request.method(), path.as_str()) {
            (&Method::GET | &Method::HEAD, "/ui/style.css") => of(StatusCode::OK, "text/css", pages::STYLE),
            (&Method::GET | &Method::HEAD, "/") => to("/ui"),
            (&Method::POST, "/ui/sign-in") => self.sign_in(request).await,
            (&Method::POST, "/ui/sign-out") => {
                if is_foreign(&request) {
                    return html(StatusCode::FORBIDDEN, pages::refused("This form came from another site."));
                }
                if let Some(name) = self.session(&request) {
                    self.sessions.end(&name);
                }
                let mut response = to("/ui");
                self.set_cookie(&mut response, "", Duration::ZERO);
                response
            }
            (&Method::GET | &Method::HEAD, path) if path == "/ui" || path.starts_with("/ui/") => {
                self.page(&request).await
            }
            (&Method::GET | &Method::HEAD, _) => html(StatusCode::NOT_FOUND, pages::missing()),
            _ => html(StatusCode::METHOD_NOT_ALLOWED, pages::refused("Nothing can be changed from here.")),
        }
    }

    async fn page(&self, request: &Request<Incoming>) -> Response<Full<Bytes>> {
        let Some(token) = self.token(request) else {
            return html(StatusCode::UNAUTHORIZED, pages::sign_in(None));
        };
        let sight = self.sights.borrow().clone();
        let seen = async {
            let visitor = self.door.who(&token).await?;
            let allowed = self.allowed(&visitor, seen::namespaces(&self.record, &sight)).await?;
            let sees_none = allowed.as_ref().is_some_and(BTreeSet::is_empty);
            if sees_none && !self.door.may_see_any(&visitor).await? {
                return Ok(None);
            }
            Ok::<_, Refusal>(Some(Seen::new(visitor.name, &self.record, sight, allowed)))
        };
        let seen = match seen.await {
            Ok(Some(seen)) => seen,
            Ok(None) => return html(StatusCode::FORBIDDEN, pages::refused(NO_RIGHT)),
            Err(refusal @ Refusal::Unknown) => {
                return html(StatusCode::UNAUTHORIZED, pages::sign_in(Some(&refusal.to_string())));
            }
            Err(refusal) => {
                return html(StatusCode::SERVICE_UNAVAILABLE, pages::refused(&refusal.to_string()));
            }
        };
        let query = Query::parse(request.uri().query().unwrap_or_default());
        match pages::of(request.uri().path(), &query, &seen) {
            Some(Page { found: true, body }) => html(StatusCode::OK, body),
            Some(Page { found: false, body }) => html(StatusCode::NOT_FOUND, body),
            None => html(StatusCode::NOT_FOUND, pages::missing()),
        }
    }

    /// The namespaces that a visitor may see; `None` for all.
    async fn allowed(
        &self,
        visitor: &Visitor,
        namespaces: BTreeSet<String>,
    ) -> Result<Option<BTreeSet<String>>, Refusal> {
        if self.door.may_see(visitor, "").await? {
            return Ok(None);
        }
        let mut asked = stream::iter(namespaces.into_iter().take(NAMESPACES))
            .map(|namespace| async move {
                let may = self.door.may_see(visitor, &namespace).await?;
                Ok::<_, Refusal>(may.then_some(namespace))
            })
            .buffer_unordered(ASKED_AT_ONCE);
        let mut allowed = BTreeSet::new();
        while let Some(one) = asked.next().await {
            allowed.extend(one?);
        }
        Ok(Some(allowed))
    }

    async fn sign_in(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        if is_foreign(&request) {
            return html(StatusCode::FORBIDDEN, pages::refused("This form came from another site."));
        }
        let body = Limited::new(request.into_body(), FORM).collect();
        let Ok(Ok(body)) = tokio::time::timeout(REQUEST_TIME, body).await else {
            return html(
                StatusCode::BAD_REQUEST,
                pages::sign_in(Some("The form is too long, or never came.")),
            );
        };
        let body = Zeroizing::new(body.to_bytes().to_vec());
        let token = form_urlencoded::parse(&body).find(|(name, _)| name == "token");
        let token = Zeroizing::new(token.map(|(_, token)| token.trim().to_owned()).unwrap_or_default());
        match self.door.who(&token).await {
            Ok(_) => {
                let mut response = to("/ui");
                let name = self.sessions.begin(&token, Instant::now());
                self.set_cookie(&mut response, &name, LASTS);
                response
            }
            Err(refusal @ Refusal::Unknown) => {
                html(StatusCode::UNAUTHORIZED, pages::sign_in(Some(&refusal.to_string())))
            }
            Err(refusal) => html(StatusCode::SERVICE_UNAVAILABLE, pages::refused(&refusal.to_string())),
        }
    }

    /// The token of a request: in its header, as a proxy before us sends it, or that of its session.
    fn token(&self, request: &Request<Incoming>) -> Option<Zeroizing<String>> {
        let header = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        if let Some((scheme, token)) = header.and_then(|value| value.split_once(' '))
            && scheme.eq_ignore_ascii_case("bearer")
        {
            return Some(Zeroizing::new(token.trim().to_owned()));
        }
        self.sessions.token(&self.session(request)?, Instant::now())
    }

    fn session(&self, request: &Request<Incoming>) -> Option<String> {
        let cookies =
            request.headers().get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
        let mut pairs =
            cookies.flat_map(|value| value.split(';')).filter_map(|one| one.trim().split_once('='));
        pairs.find(|(name, _)| *name == self.cookie()).map(|(_, value)| value.to_owned())
    }

    /// Over TLS the name itself forbids other hosts to set it.
    fn cookie(&self) -> &'static str {
        if self.is_secure { "__Host-provost-console" } else { "provost-console" }
    }

    fn set_cookie(&self, response: &mut Response<Full<Bytes>>, value: &str, lasts: Duration) {
        let secure = if self.is_secure { "; Secure" } else { "" };
        let cookie = format!(
            "{}={value}; Path=/; HttpOnly; SameSite=Strict; Max-Age={}{secure}",
            self.cookie(),
            lasts.as_secs()
        );
        if let Ok(cookie) = HeaderValue::from_str(&cookie) {
            response.headers_mut().insert(header::SET_COOKIE, cookie);
        }
    }
}

impl Answer for Console {
    type Body = Full<Bytes>;

    async fn answer(&self, request: Request<Incoming>, _: Peer) -> Response<Self::Body> {
        let mut response = self.respond(request).await;
        for (name, value) in HEADERS {
            response.headers_mut().insert(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        response
    }

    fn remark(&self, words: &str) {
        (self.say)(&format!("console: {words}"));
    }
}

/// Whether a form was sent from another site's page; browsers say so.
fn is_foreign(request: &Request<Incoming>) -> bool {
    let header = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok());
    let of_site = header("sec-fetch-site").is_none_or(|site| matches!(site, "same-origin" | "none"));
    // HTTP/2 names the host where HTTP/1.1 has a header for it.
    let ours = request.uri().authority().map(|authority| authority.as_str()).or(header("host"));
    let of_host =
        header("origin").is_none_or(|origin| origin.split_once("://").map(|(_, host)| host) == ours);
    !(of_site && of_host)
}

fn of(status: StatusCode, kind: &'static str, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

fn html(status: StatusCode, page: String) -> Response<Full<Bytes>> {
    of(status, "text/html; charset=utf-8", page)
}

fn to(path: &'static str) -> Response<Full<Bytes>> {
    let mut response = of(StatusCode::SEE_OTHER, "text/plain; charset=utf-8", "");
    response.headers_mut().insert(header::LOCATION, HeaderValue::from_static(path));
    response
}
