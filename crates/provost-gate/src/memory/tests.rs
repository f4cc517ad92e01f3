//! What is asked of a registry, and what is not, on a clock that moves when told to.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::join_all;
use provost_kyverno::DockerSecret;
use provost_oci::{Descriptor, Repository, Selector};
use provost_registry::store::NetworkFailure;
use provost_registry::{Manifest, StoreError};
use testkit::{MemoryStore, Request};
use tokio::time::advance;

use super::*;

struct One(Arc<MemoryStore>);

impl Stores for One {
    fn store(&self, _: &str, _: &Access) -> Result<Arc<dyn Store>, String> {
        Ok(self.0.clone())
    }
}

struct Scene {
    registry: Arc<MemoryStore>,
    memory: Memory,
    repository: Repository,
    beside: Selector,
    image: Selector,
    blob: Descriptor,
}

fn login(password: &str) -> Access {
    let secret = DockerSecret { name: "n/s".to_owned(), json: password.as_bytes().to_vec() };
    Access { secrets: vec![secret], ..Access::default() }
}

fn silence() -> StoreError {
    StoreError::Network {
        request: "GET http://r.local/v2/".to_owned(),
        kind: NetworkFailure::Refused,
        address: String::new(),
        cause: "refused".to_owned(),
    }
}

fn status(status: u16) -> StoreError {
    StoreError::Status { request: String::new(), status, errors: Vec::new(), body: String::new() }
}

impl Scene {
    async fn new(limits: Limits) -> Self {
        let registry = Arc::new(MemoryStore::new());
        let repository: Repository = "r.local/app".parse().unwrap();
        let blob = registry.put_blob(&repository, "m", Bytes::from_static(b"attested")).await.unwrap();
        let beside = Selector::Tag(format!("sha256-{}.att", "a".repeat(64)));
        let image = Selector::Tag("v1".to_owned());
        for tag in [&beside, &image] {
            let bytes = Bytes::from(format!("{{\"{tag}\":1}}"));
            let manifest = Manifest { media_type: "m".to_owned(), digest: Digest::sha256_of(&bytes), bytes };
            registry.put_manifest(&repository, tag, &manifest).await.unwrap();
        }
        registry.forget_counts();
        let memory = Memory::new(Arc::new(One(registry.clone())), limits, |_| {});
        Self { registry, memory, repository, beside, image, blob }
    }

    fn store(&self, access: &Access) -> Arc<dyn Store> {
        self.of("n", access)
    }

    fn of(&self, namespace: &str, access: &Access) -> Arc<dyn Store> {
        let deadline = Instant::now() + Duration::from_secs(5);
        self.memory.of_request(namespace, deadline).store("r.local", access).unwrap()
    }

    async fn set(&self, access: &Access) -> Result<Manifest, StoreError> {
        self.store(access).manifest(&self.repository, &self.beside).await
    }

    async fn content(&self, access: &Access) -> Result<Bytes, StoreError> {
        self.store(access).blob(&self.repository, &self.blob.digest, 100).await
    }

    fn asked(&self) -> usize {
        self.registry.asked_in_all()
    }
}

#[tokio::test(start_paused = true)]
async fn a_set_of_attestations_is_reused_for_a_minute_and_an_image_tag_never() {
    let scene = Scene::new(Limits::default()).await;
    let access = Access::default();
    for _ in 0..3 {
        scene.set(&access).await.unwrap();
    }
    assert_eq!(scene.asked(), 1);
    advance(LIFE + Duration::from_millis(1)).await;
    scene.set(&access).await.unwrap();
    assert_eq!(scene.asked(), 2);
    for _ in 0..2 {
        scene.store(&access).manifest(&scene.repository, &scene.image).await.unwrap();
    }
    assert_eq!(scene.asked(), 4);
}

#[tokio::test(start_paused = true)]
async fn who_asks_anew_asks_the_registry_and_tells_the_others() {
    let scene = Scene::new(Limits::default()).await;
    let (patient, anew) = (Access::default(), Access { fresh: true, ..Access::default() });
    scene.set(&patient).await.unwrap();
    advance(LIFE - Duration::from_secs(1)).await;
    scene.set(&anew).await.unwrap();
    scene.set(&anew).await.unwrap();
    advance(Duration::from_secs(2)).await;
    scene.set(&patient).await.unwrap();
    assert_eq!(scene.asked(), 3);
}

#[tokio::test(start_paused = true)]
async fn who_asks_anew_sees_what_was_added_and_what_is_gone() {
    let scene = Scene::new(Limits::default()).await;
    let anew = Access { fresh: true, ..Access::default() };
    let before = scene.set(&anew).await.unwrap();
    assert_eq!(scene.set(&anew).await.unwrap(), before);
    let more = Manifest::new("m", Bytes::from_static(b"{\"more\":1}"));
    scene.registry.put_manifest(&scene.repository, &scene.beside, &more).await.unwrap();
    for _ in 0..2 {
        assert_eq!(scene.set(&anew).await.unwrap(), more);
    }
    let gone =
        StoreError::NotFound { request: String::new(), status: 404, errors: Vec::new(), body: String::new() };
    scene.registry.fail_once(Request::Manifest, gone);
    assert!(scene.set(&anew).await.unwrap_err().is_not_found());
    // Nothing is known of it any more, so the next question is for the whole of it.
    assert_eq!(scene.set(&anew).await.unwrap(), more);
}

#[tokio::test(start_paused = true)]
async fn that_there_is_none_is_remembered_briefly() {
    let scene = Scene::new(Limits::default()).await;
    let none = Selector::Tag(format!("sha256-{}.sig", "b".repeat(64)));
    let ask = async || scene.store(&Access::default()).manifest(&scene.repository, &none).await;
    for _ in 0..2 {
        assert!(ask().await.unwrap_err().is_not_found());
    }
    assert_eq!(scene.asked(), 1);
    advance(ABSENT_LIFE + Duration::from_millis(1)).await;
    assert!(ask().await.unwrap_err().is_not_found());
    assert_eq!(scene.asked(), 2);
}

/// "Could not check" is never remembered (security.md 11).
#[tokio::test(start_paused = true)]
async fn failures_are_asked_again() {
    let scene = Scene::new(Limits::default()).await;
    for error in [silence(), status(401), status(403), status(429), status(500)] {
        scene.registry.fail_once(Request::Manifest, error.clone());
        assert_eq!(scene.set(&Access { fresh: true, ..Access::default() }).await.unwrap_err(), error);
    }
    scene.set(&Access::default()).await.unwrap();
    assert_eq!(scene.asked(), 6);
}

#[tokio::test(start_paused = true)]
async fn answers_are_not_shared_between_credentials_and_blobs_only_after_a_manifest() {
    let scene = Scene::new(Limits::default()).await;
    let (one, other) = (login("one"), login("other"));
    scene.set(&one).await.unwrap();
    scene.content(&one).await.unwrap();
    assert_eq!(scene.registry.asked(Request::Blob), 1);
    // The other one has shown nothing yet.
    scene.content(&other).await.unwrap();
    assert_eq!(scene.registry.asked(Request::Blob), 2);
    scene.registry.fail_once(Request::Manifest, status(403));
    scene.set(&other).await.unwrap_err();
    scene.content(&other).await.unwrap();
    assert_eq!(scene.registry.asked(Request::Blob), 3);
    scene.set(&other).await.unwrap();
    assert_eq!(scene.registry.asked(Request::Manifest), 3);
    scene.content(&other).await.unwrap();
    assert_eq!(scene.registry.asked(Request::Blob), 3);
    // A minute later it must have been shown anew.
    advance(LIFE + Duration::from_secs(1)).await;
    scene.content(&other).await.unwrap();
    assert_eq!(scene.registry.asked(Request::Blob), 4);
    assert!(
        scene.store(&one).blob(&scene.repository, &scene.blob.digest, 1).await.is_err(),
        "the limit holds"
    );
}

#[tokio::test(start_paused = true)]
async fn two_hundred_who_ask_at_once_ask_once() {
    let scene = Scene::new(Limits::default()).await;
    let anew = Access { fresh: true, ..Access::default() };
    let all = join_all((0..200).map(|_| async {
        scene.set(&anew).await.unwrap();
        scene.content(&anew).await.unwrap();
    }));
    all.await;
    assert_eq!((scene.registry.asked(Request::Manifest), scene.registry.asked(Request::Blob)), (1, 1));
    assert_eq!(scene.memory.counts().asked(), 2);
}

/// A store that never answers.
struct Hanging;

#[async_trait::async_trait]
impl Stores for Hanging {
    fn store(&self, registry: &str, _: &Access) -> Result<Arc<dyn Store>, String> {
        match registry {
            "hanging.local" => {
                let listener = MemoryStore::new();
                listener.hang();
                Ok(Arc::new(listener))
            }
            _ => Ok(Arc::new(MemoryStore::new())),
        }
    }
}

/// Rule 16: a namespace that floods a registry that hangs is held up by itself alone.
#[tokio::test(start_paused = true)]
async fn a_flood_to_a_registry_that_hangs_holds_up_nobody_else() {
    let memory = Memory::new(Arc::new(Hanging), Limits::default(), |_| {});
    let ask = async |namespace: &str, host: &str, number: usize| {
        let deadline = Instant::now() + Duration::from_secs(10);
        let store = memory.of_request(namespace, deadline).store(host, &Access::default()).unwrap();
        let repository: Repository = format!("{host}/app{number}").parse().unwrap();
        let began = Instant::now();
        let found = store.manifest(&repository, &Selector::Tag("v1".to_owned())).await;
        (found.unwrap_err(), began.elapsed())
    };
    let flood = join_all((0..2000).map(|number| ask("flooding", "hanging.local", number)));
    let quiet = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        join_all((0..100).map(|number| ask("quiet", "other.local", number))).await
    };
    let (flood, quiet) = futures_util::future::join(flood, quiet).await;
    for (error, took) in flood {
        let late = matches!(error, StoreError::Network { kind: NetworkFailure::Timeout, .. });
        assert!(late && took == Duration::from_secs(10), "{error}");
    }
    for (error, took) in quiet {
        assert!(error.is_not_found() && took < Duration::from_millis(10), "{error} after {took:?}");
    }
}

/// A registry that does not answer the first who asks, and answers all others.
#[derive(Default)]
struct Recovering(AtomicU64);

impl Stores for Recovering {
    fn store(&self, _: &str, _: &Access) -> Result<Arc<dyn Store>, String> {
        let store = MemoryStore::new();
        if self.0.fetch_add(1, Ordering::Relaxed) == 0 {
            store.hang();
        }
        Ok(Arc::new(store))
    }
}

#[tokio::test(start_paused = true)]
async fn who_asks_a_registry_that_came_back_does_not_wait_for_a_question_that_hangs() {
    let memory = Memory::new(Arc::new(Recovering::default()), Limits::default(), |_| {});
    let repository: Repository = "r.local/app".parse().unwrap();
    let ask = async |seconds: u64| {
        let deadline = Instant::now() + Duration::from_secs(seconds);
        let store = memory.of_request("n", deadline).store("r.local", &Access::default()).unwrap();
        store.manifest(&repository, &Selector::Tag("v1".to_owned())).await.unwrap_err()
    };
    let is_late = |error| matches!(error, StoreError::Network { kind: NetworkFailure::Timeout, .. });
    assert!(is_late(ask(1).await), "the first");
    assert!(is_late(ask(1).await), "the question is still young, so it is joined");
    advance(flights::JOINED).await;
    for _ in 0..2 {
        assert!(ask(1).await.is_not_found());
    }
    assert_eq!((memory.counts().asked(), memory.counts().joined()), (3, 1));
}

#[tokio::test(start_paused = true)]
async fn what_outlived_its_time_is_used_only_where_the_operator_says_so_and_nothing_answers() {
    let anew = Access { fresh: true, ..Access::default() };
    for (allowed, error, used) in [
        (0, silence(), false),
        (300, silence(), true),
        (300, status(503), true),
        (300, status(429), true),
        (300, status(401), false),
        (300, status(404), false),
    ] {
        let limits = Limits { stale_if_error: Duration::from_secs(allowed), ..Limits::default() };
        let scene = Scene::new(limits).await;
        scene.set(&Access::default()).await.unwrap();
        advance(LIFE + Duration::from_secs(200)).await;
        scene.registry.fail_always(Request::Manifest, error.clone());
        assert!(scene.set(&anew).await.is_err(), "useCache: false");
        assert_eq!(scene.set(&Access::default()).await.is_ok(), used, "{allowed} {error}");
        assert_eq!(scene.memory.counts().stale(), u64::from(used));
        advance(Duration::from_secs(200)).await;
        assert!(scene.set(&Access::default()).await.is_err());
    }
}

#[tokio::test(start_paused = true)]
async fn no_more_is_remembered_than_the_limit() {
    let limits = Limits { bytes: 64 * 1024, ..Limits::default() };
    let scene = Scene::new(limits).await;
    for number in 0..500 {
        let bytes = Bytes::from(vec![b'x'; 1000 + number]);
        let blob = scene.registry.put_blob(&scene.repository, "m", bytes).await.unwrap();
        scene.set(&Access::default()).await.unwrap();
        scene.store(&Access::default()).blob(&scene.repository, &blob.digest, 10_000).await.unwrap();
    }
    assert!(scene.memory.bytes() <= 64 * 1024 && scene.memory.bytes() > 32 * 1024);
}
