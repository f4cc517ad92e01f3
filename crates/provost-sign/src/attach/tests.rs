//! The bytes are cosign's, and no writer loses a layer.

use super::*;

fn layer(text: &str, media_type: &str, signature: &str) -> AttachedLayer {
    let annotations =
        BTreeMap::from([("dev.cosignproject.cosign/signature".to_owned(), signature.to_owned())]);
    AttachedLayer {
        media_type: media_type.to_owned(),
        bytes: Bytes::copy_from_slice(text.as_bytes()),
        annotations,
    }
}

#[test]
fn the_configuration_is_cosigns_to_the_byte() {
    // chains.md A4: one layer with this digest makes these 233 bytes.
    let digest: Digest =
        "sha256:9943eff01d25b1e9257983d774cd754060304d08a3280bb4d6a4042c4e60bbe4".parse().unwrap();
    let bytes = configuration(&[Descriptor::new("x", 239, digest)], ZERO_TIME);
    assert_eq!(bytes.len(), 233);
    let expected = "sha256:66e1cd78b33b255b4401b83f88cce5e8d0b31e493e9f9fefb66c2f01d04a8964";
    assert_eq!(Digest::sha256_of(&bytes).to_string(), expected);
}

fn run(test: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(test);
}

async fn texts(store: &testkit::MemoryStore, repository: &Repository) -> Vec<String> {
    let mut found = Vec::new();
    let manifest = store.manifest(repository, &Selector::Tag("t".to_owned())).await.unwrap();
    for layer in existing(Some(manifest), repository, "t").unwrap().layers {
        let bytes = store.blob(repository, &layer.digest, 1000).await.unwrap();
        found.push(String::from_utf8(bytes.to_vec()).unwrap());
    }
    found
}

#[test]
fn layers_are_appended_and_kept() {
    run(async {
        let store = testkit::MemoryStore::new();
        let repository: Repository = "reg.example/app".parse().unwrap();
        for text in ["a", "b", "a"] {
            let added =
                attach(&store, &repository, "t", &layer(text, "m", "s"), Dedup::SameLayer).await.unwrap();
            assert_eq!(added, text != "a" || texts(&store, &repository).await.len() == 1, "{text}");
        }
        assert_eq!(texts(&store, &repository).await, ["a", "b"]);
        attach(&store, &repository, "t", &layer("a", "m", "s"), Dedup::Never).await.unwrap();
        assert_eq!(texts(&store, &repository).await, ["a", "b", "a"]);
    });
}

#[test]
fn writers_side_by_side_lose_nothing() {
    run(async {
        let store = testkit::MemoryStore::new();
        let repository: Repository = "reg.example/app".parse().unwrap();
        let names = ["a", "b", "c", "d"];
        let layers = names.map(|name| layer(name, "m", name));
        let [a, b, c, d] = layers.each_ref().map(|l| attach(&store, &repository, "t", l, Dedup::Never));
        let (a, b, c, d) = futures_util::future::join4(a, b, c, d).await;
        assert!([a, b, c, d].into_iter().all(|result| result.is_ok()));
        let mut found = texts(&store, &repository).await;
        found.sort();
        found.dedup();
        assert_eq!(found, names);
    });
}

#[test]
fn what_is_no_manifest_is_not_overwritten() {
    run(async {
        let store = testkit::MemoryStore::new();
        let repository: Repository = "reg.example/app".parse().unwrap();
        let index = Manifest::new(
            media_type::OCI_INDEX,
            Bytes::from_static(br#"{"schemaVersion":2,"manifests":[]}"#),
        );
        store.put_manifest(&repository, &Selector::Tag("t".to_owned()), &index).await.unwrap();
        let result = attach(&store, &repository, "t", &layer("a", "m", "s"), Dedup::Never).await;
        assert!(matches!(result, Err(AttachError::Foreign { .. })), "{result:?}");
    });
}

#[test]
fn a_replaced_layer_is_left_out_and_the_new_one_stands_first() {
    run(async {
        let store = testkit::MemoryStore::new();
        let repository: Repository = "reg.example/app".parse().unwrap();
        for text in ["a", "b", "c"] {
            attach(&store, &repository, "t", &layer(text, "m", ""), Dedup::Never).await.unwrap();
        }
        let options = AttachOptions { replaced: vec![Digest::sha256_of(b"b")], ..AttachOptions::default() };
        attach_as(&store, &repository, "t", &layer("d", "m", ""), Dedup::Never, &options).await.unwrap();
        assert_eq!(texts(&store, &repository).await, ["d", "a", "c"]);
    });
}

#[test]
fn dockers_media_types_are_kept_once_a_tag_has_them() {
    run(async {
        let store = testkit::MemoryStore::new();
        let repository: Repository = "reg.example/app".parse().unwrap();
        let options = AttachOptions {
            docker_media_types: true,
            created: Some("2026-01-01T00:00:00Z".to_owned()),
            ..AttachOptions::default()
        };
        attach_as(&store, &repository, "t", &layer("a", "m", ""), Dedup::Never, &options).await.unwrap();
        attach(&store, &repository, "t", &layer("b", "m", ""), Dedup::Never).await.unwrap();
        let manifest = store.manifest(&repository, &Selector::Tag("t".to_owned())).await.unwrap();
        assert_eq!(manifest.media_type, media_type::DOCKER_MANIFEST);
        let view: ImageManifest = serde_json::from_slice(&manifest.bytes).unwrap();
        assert_eq!(view.config.media_type, media_type::DOCKER_CONFIG);
    });
}

#[test]
fn a_new_tag_takes_five_requests_and_says_when_to_look_again() {
    run(async {
        let store = testkit::MemoryStore::new();
        let repository: Repository = "reg.example/app".parse().unwrap();
        let (layer, options) = (layer("a", "m", "s"), AttachOptions::default());
        let mut attaching = Attaching::new(&store, &repository, "t", &layer, Dedup::Never, &options);
        assert!(matches!(attaching.step().await, Ok(Step::LookAgain(wait)) if wait <= LONGEST_WAIT));
        assert_eq!(store.asked_in_all(), 4, "a look, two blobs, a manifest");
        assert_eq!(attaching.step().await, Ok(Step::Done(true)));
        assert_eq!(store.asked_in_all(), 5);
    });
}

#[test]
fn what_was_overwritten_while_it_waited_is_put_back() {
    run(async {
        let store = testkit::MemoryStore::new();
        let repository: Repository = "reg.example/app".parse().unwrap();
        let options = AttachOptions::default();
        let (ours, theirs) = (layer("ours", "m", "1"), layer("theirs", "m", "2"));
        let mut one = Attaching::new(&store, &repository, "t", &ours, Dedup::Never, &options);
        // The other writer has seen an empty tag, and does not look again.
        let mut other = Attaching::new(&store, &repository, "t", &theirs, Dedup::Never, &options)
            .having_found(None, Instant::now());
        one.step().await.unwrap();
        other.step().await.unwrap();
        assert_eq!(texts(&store, &repository).await, ["theirs"]);
        assert!(matches!(one.step().await, Ok(Step::LookAgain(_))));
        assert_eq!(texts(&store, &repository).await, ["theirs", "ours"]);
        assert_eq!(one.step().await, Ok(Step::Done(true)));
    });
}

#[test]
fn a_tag_that_others_keep_taking_is_given_up() {
    run(async {
        let store = testkit::MemoryStore::new();
        let repository: Repository = "reg.example/app".parse().unwrap();
        let (layer, options) = (layer("a", "m", "s"), AttachOptions::default());
        let mut attaching = Attaching::new(&store, &repository, "t", &layer, Dedup::Never, &options);
        let empty = Manifested::of(&[], false, None).manifest;
        for _ in 0..ATTEMPTS {
            assert!(matches!(attaching.step().await, Ok(Step::LookAgain(_))));
            store.put_manifest(&repository, &Selector::Tag("t".to_owned()), &empty).await.unwrap();
        }
        assert!(matches!(attaching.step().await, Err(AttachError::Contended { .. })));
    });
}
