//! An API server in memory for tests, behind real HTTP: objects with versions, lists, watches, merge patches and conflicts.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard};

use bytes::Bytes;
use futures_util::stream;
use http::{Method, Request, Response, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::cluster::Cluster;

/// The server, for as long as this lives or anybody talks to it.
#[derive(Clone)]
pub(crate) struct FakeServer {
    state: Arc<State>,
}

struct State {
    objects: Mutex<Objects>,
    changed: watch::Sender<u64>,
}

#[derive(Default)]
struct Objects {
    version: u64,
    all: BTreeMap<String, Value>,
    /// What happened to which object, in the order of versions.
    log: Vec<(u64, &'static str, String, Value)>,
    asked: Vec<String>,
    refusals: Vec<(String, u16)>,
}

type Answer = Response<UnsyncBoxBody<Bytes, Infallible>>;

impl FakeServer {
    /// An empty server, and a client of it.
    pub(crate) async fn start() -> (Self, Cluster) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server =
            Self { state: Arc::new(State { objects: Mutex::default(), changed: watch::Sender::new(0) }) };
        let serving = server.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let serving = serving.clone();
                tokio::spawn(async move {
                    let service = service_fn(move |request| {
                        let serving = serving.clone();
                        async move { Ok::<_, Infallible>(serving.answer(request).await) }
                    });
                    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
                });
            }
        });
        let config = kube::config::Config::new(format!("http://{address}").parse().unwrap());
        (server, Cluster::of(config).unwrap())
    }

    fn objects(&self) -> MutexGuard<'_, Objects> {
        self.state.objects.lock().unwrap()
    }

    /// Puts an object at a path such as `/api/v1/namespaces/ns/configmaps/name`.
    pub(crate) fn put(&self, path: &str, object: Value) {
        self.objects().write(path, object);
        self.tell();
    }

    /// The object at a path.
    pub(crate) fn get(&self, path: &str) -> Option<Value> {
        self.objects().all.get(path).cloned()
    }

    /// The next request that begins so (`PUT /apis/…`) is refused with this status.
    pub(crate) fn refuse(&self, beginning: &str, status: u16) {
        self.objects().refusals.push((beginning.to_owned(), status));
    }

    /// How many requests began so.
    pub(crate) fn asked(&self, beginning: &str) -> usize {
        self.objects().asked.iter().filter(|line| line.starts_with(beginning)).count()
    }

    /// Waits until something holds of the objects; a test that waits in vain is ended from outside.
    pub(crate) async fn until<T>(&self, mut found: impl FnMut(&Self) -> Option<T>) -> T {
        let mut changed = self.state.changed.subscribe();
        loop {
            if let Some(found) = found(self) {
                return found;
            }
            changed.changed().await.unwrap();
        }
    }

    fn tell(&self) {
        let version = self.objects().version;
        self.state.changed.send_replace(version);
    }

    async fn answer(&self, request: Request<Incoming>) -> Answer {
        let (parts, body) = request.into_parts();
        let path = parts.uri.path().to_owned();
        let query: BTreeMap<String, String> =
            url::form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes())
                .into_owned()
                .collect();
        let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
        let line = format!("{} {path}", parts.method);
        {
            let mut objects = self.objects();
            objects.asked.push(line.clone());
            if let Some(at) = objects.refusals.iter().position(|(start, _)| line.starts_with(start)) {
                let (_, status) = objects.refusals.remove(at);
                return refused(status);
            }
        }
        if query.get("watch").is_some_and(|text| text == "true" || text == "1") {
            return self.watched(path, query);
        }
        let answer = self.changed(&parts.method, &path, &query, &body);
        self.tell();
        match answer {
            Ok(value) => plain(StatusCode::OK, &value),
            Err(status) => refused(status),
        }
    }

    fn changed(
        &self,
        method: &Method,
        path: &str,
        query: &BTreeMap<String, String>,
        body: &[u8],
    ) -> Result<Value, u16> {
        let mut objects = self.objects();
        let given = || serde_json::from_slice::<Value>(body).map_err(|_| 400_u16);
        match *method {
            Method::GET if is_object(path) => objects.all.get(path).cloned().ok_or(404),
            Method::GET => {
                let items: Vec<&Value> = objects
                    .all
                    .iter()
                    .filter(|(at, object)| is_in(path, at) && is_chosen(object, query))
                    .map(|(_, object)| object)
                    .collect();
                let version = objects.version.to_string();
                Ok(
                    json!({"apiVersion": "v1", "kind": "List", "metadata": {"resourceVersion": version}, "items": items}),
                )
            }
            Method::POST => {
                let object = given()?;
                let at = format!("{path}/{}", object["metadata"]["name"].as_str().ok_or(400_u16)?);
                match objects.all.contains_key(&at) {
                    true => Err(409),
                    false => Ok(objects.write(&at, object)),
                }
            }
            Method::PUT => {
                let object = given()?;
                let known = objects.all.get(path).ok_or(404_u16)?;
                match known["metadata"]["resourceVersion"] == object["metadata"]["resourceVersion"] {
                    true => Ok(objects.write(path, object)),
                    false => Err(409),
                }
            }
            Method::PATCH => {
                let patch = given()?;
                let known = objects.all.get(path).cloned();
                // Applying makes what is not there; merging does not.
                let mut object = match (known, query.contains_key("fieldManager") && is_whole(&patch)) {
                    (Some(known), _) => known,
                    (None, true) => json!({}),
                    (None, false) => return Err(404),
                };
                let stated = |field: &str| patch.pointer(&format!("/metadata/{field}")).cloned();
                for field in ["uid", "resourceVersion"] {
                    if stated(field).is_some_and(|stated| object["metadata"][field] != stated) {
                        return Err(409);
                    }
                }
                merge(&mut object, &patch);
                Ok(objects.write(path, object))
            }
            Method::DELETE => objects.delete(path).ok_or(404),
            _ => Err(405),
        }
    }

    fn watched(&self, path: String, query: BTreeMap<String, String>) -> Answer {
        let from = query.get("resourceVersion").and_then(|text| text.parse().ok()).unwrap_or(0);
        let watching = (self.clone(), self.state.changed.subscribe(), from);
        let events = stream::unfold(watching, move |(server, mut changed, from)| {
            let (path, query) = (path.clone(), query.clone());
            async move {
                loop {
                    let next = {
                        let objects = server.objects();
                        let next = objects.log.iter().find(|(version, _, at, object)| {
                            *version > from && is_in(&path, at) && is_chosen(object, &query)
                        });
                        next.map(|(version, what, _, object)| {
                            (*version, format!("{}\n", json!({"type": what, "object": object})))
                        })
                    };
                    if let Some((version, line)) = next {
                        let frame = Frame::data(Bytes::from(line));
                        return Some((Ok::<_, Infallible>(frame), (server, changed, version)));
                    }
                    changed.changed().await.ok()?;
                }
            }
        });
        Response::new(StreamBody::new(events).boxed_unsync())
    }
}

impl Objects {
    fn write(&mut self, path: &str, mut object: Value) -> Value {
        self.version += 1;
        let is_new = !self.all.contains_key(path);
        let metadata = &mut object["metadata"];
        metadata["resourceVersion"] = json!(self.version.to_string());
        if metadata["uid"].is_null() {
            metadata["uid"] = json!(format!("uid-{}", self.version));
        }
        self.all.insert(path.to_owned(), object.clone());
        let what = if is_new { "ADDED" } else { "MODIFIED" };
        self.log.push((self.version, what, path.to_owned(), object.clone()));
        object
    }

    fn delete(&mut self, path: &str) -> Option<Value> {
        let mut object = self.all.remove(path)?;
        self.version += 1;
        object["metadata"]["resourceVersion"] = json!(self.version.to_string());
        self.log.push((self.version, "DELETED", path.to_owned(), object.clone()));
        Some(object)
    }
}

/// Whether a path names one object: below its namespace stand its kind and its name.
fn is_object(path: &str) -> bool {
    path.split_once("/namespaces/").is_some_and(|(_, rest)| rest.split('/').count() == 3)
}

/// Whether the object at a path is in a collection, of one namespace or of all.
fn is_in(collection: &str, path: &str) -> bool {
    let Some((above, _)) = path.rsplit_once('/') else { return false };
    let everywhere = above.split_once("/namespaces/").and_then(|(start, rest)| {
        let (_, plural) = rest.split_once('/')?;
        Some(format!("{start}/{plural}"))
    });
    above == collection || everywhere.as_deref() == Some(collection)
}

/// Whether the selectors of a request choose an object; those of one name and of one label are known.
fn is_chosen(object: &Value, query: &BTreeMap<String, String>) -> bool {
    let field = query.get("fieldSelector").and_then(|text| text.strip_prefix("metadata.name="));
    let label = query.get("labelSelector").and_then(|text| text.split_once('='));
    field.is_none_or(|name| object["metadata"]["name"] == name)
        && label.is_none_or(|(name, value)| object["metadata"]["labels"][name] == value)
}

fn is_whole(patch: &Value) -> bool {
    !patch["apiVersion"].is_null()
}

/// RFC 7386.
fn merge(object: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        object.clone_from(patch);
        return;
    };
    if !object.is_object() {
        *object = json!({});
    }
    for (name, value) in patch {
        if value.is_null() {
            object.as_object_mut().unwrap().remove(name);
        } else {
            merge(&mut object[name.as_str()], value);
        }
    }
}

fn plain(status: StatusCode, value: &Value) -> Answer {
    let body = Full::new(Bytes::from(value.to_string())).boxed_unsync();
    Response::builder().status(status).header("content-type", "application/json").body(body).unwrap()
}

fn refused(status: u16) -> Answer {
    let words = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": status,
        "reason": "Refused", "message": format!("refused with {status}"), "metadata": {}});
    plain(StatusCode::from_u16(status).unwrap(), &words)
}
