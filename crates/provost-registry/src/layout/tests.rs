//! The layout on disk: whole files, durable answers, several writers, foreign folders, damage.

use std::fs;
use std::path::Path;

use bytes::Bytes;
use provost_oci::{Descriptor, Digest, ImageIndex, Repository, Selector, media_type};
use serde_json::json;
use tempfile::TempDir;

use super::blobs::CHECKED_LIMIT;
use super::disk::{Folders, KNOWN_FOLDERS_LIMIT};
use super::{Layout, Name, is_tag};
use crate::{Manifest, Store, StoreError};

fn folder() -> TempDir {
    tempfile::tempdir().expect("a folder")
}

fn repository() -> Repository {
    Repository::new("localhost", "team/app").expect("a repository")
}

fn tag(text: &str) -> Selector {
    Selector::Tag(text.to_owned())
}

/// An image of one layer, as its manifest.
fn image(layer: &[u8]) -> Manifest {
    let text = json!({
        "schemaVersion": 2,
        "mediaType": media_type::OCI_MANIFEST,
        "config": Descriptor::of(media_type::OCI_CONFIG, b"{}"),
        "layers": [Descriptor::of(media_type::OCI_LAYER_GZIP, layer)],
    });
    Manifest::new(media_type::OCI_MANIFEST, text.to_string().into())
}

async fn push(layout: &Layout, at: &str, layer: &'static [u8]) -> Digest {
    let repository = repository();
    for blob in [&b"{}"[..], layer] {
        layout.put_blob(&repository, "", Bytes::from_static(blob)).await.expect("a blob");
    }
    layout.put_manifest(&repository, &tag(at), &image(layer)).await.expect("a manifest")
}

#[tokio::test]
async fn what_is_put_is_there_and_there_after_opening_again() {
    let folder = folder();
    let layout = Layout::open(folder.path()).expect("a layout");
    let digest = push(&layout, "v1", b"layer").await;
    drop(layout);
    let fresh = Layout::open_read_only(folder.path()).expect("a layout");
    for layout in [&fresh, &Layout::open(folder.path()).expect("a layout")] {
        let repository = repository();
        let manifest = layout.manifest(&repository, &tag("v1")).await.expect("the manifest");
        assert_eq!(manifest, image(b"layer"));
        let pointer =
            layout.resolve(&repository, &Selector::Digest(digest.clone())).await.expect("a pointer");
        assert_eq!(pointer, manifest.descriptor());
        let layer = Digest::sha256_of(b"layer");
        assert_eq!(layout.blob(&repository, &layer, 5).await.expect("the layer"), &b"layer"[..]);
        let long = layout.blob(&repository, &layer, 4).await;
        assert!(matches!(long, Err(StoreError::Size { expected: 4, found: 5, .. })), "{long:?}");
        assert_eq!(layout.tags(&repository).await.expect("tags"), ["v1"]);
    }
    let refused = fresh.put_blob(&repository(), "", Bytes::from_static(b"x")).await;
    assert!(matches!(refused, Err(StoreError::Refused { .. })), "{refused:?}");
}

#[tokio::test]
async fn a_manifest_without_its_blobs_is_refused_whole() {
    let folder = folder();
    let layout = Layout::open(folder.path()).expect("a layout");
    let outcome = layout.put_manifest(&repository(), &tag("v1"), &image(b"layer")).await;
    match outcome {
        Err(StoreError::Status { status: 400, errors, .. }) => {
            assert_eq!(errors.first().map(|entry| entry.code.as_str()), Some("MANIFEST_BLOB_UNKNOWN"));
        }
        other => panic!("{other:?}"),
    }
    let gone = layout.manifest(&repository(), &tag("v1")).await;
    assert!(gone.is_err_and(|error| error.is_not_found()));
}

#[tokio::test]
async fn leftovers_of_the_dead_go_and_those_of_the_living_stay() {
    let folder = folder();
    let uploads = folder.path().join("uploads");
    fs::create_dir_all(uploads.join("w-dead")).expect("a folder");
    fs::write(uploads.join("w-dead/lock"), "").expect("a lock nobody holds");
    fs::write(uploads.join("w-dead/draft-7"), "half").expect("a leftover");
    fs::create_dir_all(uploads.join("w-younger")).expect("a folder whose owner died before locking it");
    let first = Layout::open(folder.path()).expect("a layout");
    let left = || super::disk::names(&uploads).expect("names");
    assert_eq!(left().len(), 2, "the lock and its own folder: {:?}", left());
    let upload = first.begin().await.expect("an upload");
    upload.write(vec![Bytes::from_static(b"half")]).await.expect("a piece");
    let second = Layout::open(folder.path()).expect("the same layout, opened again");
    assert_eq!(left().len(), 3);
    upload.write(vec![Bytes::from_static(b" done")]).await.expect("another piece");
    let name: Name = "team/app".parse().expect("a name");
    let digest = Digest::sha256_of(b"half done");
    assert!(upload.finish(&name, &digest).await.expect("the blob"));
    assert_eq!(second.blob(&repository(), &digest, 100).await.expect("the blob"), &b"half done"[..]);
    drop((first, second));
    assert_eq!(left(), ["lock"]);
}

#[tokio::test]
async fn a_damaged_file_is_named_never_served_and_replaced() {
    let folder = folder();
    let layout = Layout::open(folder.path()).expect("a layout");
    let digest = push(&layout, "v1", b"layer").await;
    let layer = Digest::sha256_of(b"layer");
    let file = |digest: &Digest| folder.path().join("blobs/sha256").join(digest.hex());
    let named = |error: StoreError, digest: &Digest| match error {
        StoreError::DigestMismatch { request, expected, .. } => {
            assert_eq!((request, &expected), (format!("blobs/sha256/{}", digest.hex()), digest));
        }
        other => panic!("{other:?}"),
    };
    // Torn: shorter. Corrupt: as long. Seen although both were good a moment ago, by the same process.
    for damage in [&b"lay"[..], b"LAYER", b""] {
        fs::remove_file(file(&layer)).expect("no file");
        fs::write(file(&layer), damage).expect("a damaged file");
        named(layout.blob(&repository(), &layer, 100).await.expect_err("no blob"), &layer);
        assert!(!layout.has_blob(&repository(), &layer).await.expect("an answer"));
        layout.put_blob(&repository(), "", Bytes::from_static(b"layer")).await.expect("a blob");
        assert_eq!(layout.blob(&repository(), &layer, 100).await.expect("the layer"), &b"layer"[..]);
    }
    fs::write(file(&digest), b"{}").expect("a damaged manifest");
    named(layout.manifest(&repository(), &tag("v1")).await.expect_err("no manifest"), &digest);
    push(&layout, "v1", b"layer").await;
    assert!(layout.manifest(&repository(), &tag("v1")).await.is_ok());

    let link = folder.path().join("repositories/team/app/_tags/v1");
    fs::write(&link, b"{\"mediaType").expect("a torn tag");
    match layout.manifest(&repository(), &tag("v1")).await {
        Err(StoreError::Malformed { request, .. }) => assert_eq!(request, "repositories/team/app/_tags/v1"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_writers_do_not_get_in_each_others_way() {
    let folder = folder();
    // Two openings share nothing but the disk, as two processes would.
    let layouts = [Layout::open(folder.path()).expect("one"), Layout::open(folder.path()).expect("two")];
    let layers: [&[u8]; 4] = [b"one", b"two", b"three", b"four"];
    let mut tasks = tokio::task::JoinSet::new();
    for writer in 0..16_usize {
        let layout = layouts[writer % 2].clone();
        let layer = layers[writer % 4];
        tasks.spawn(async move {
            push(&layout, &format!("own-{writer}"), layer).await;
            push(&layout, "shared", layer).await
        });
    }
    let digests = tasks.join_all().await;
    for layout in &layouts {
        let tags = layout.tags(&repository()).await.expect("tags");
        assert_eq!(tags.len(), 17);
        for at in tags {
            let manifest = layout.manifest(&repository(), &tag(&at)).await.expect("a manifest");
            assert!(digests.contains(&manifest.digest));
        }
    }
}

#[tokio::test]
async fn a_folder_of_another_tool_is_read_under_the_names_in_its_index() {
    let parent = folder();
    let root = parent.path().join("demo-app");
    let write = |content: &[u8]| {
        let digest = Digest::sha256_of(content);
        fs::write(root.join("blobs/sha256").join(digest.hex()), content).expect("a blob");
        digest
    };
    fs::create_dir_all(root.join("blobs/sha256")).expect("folders");
    fs::write(root.join("oci-layout"), super::LAYOUT_VERSION).expect("a file");
    write(b"{}");
    write(b"layer");
    let one = image(b"layer");
    write(&one.bytes);
    let inner = json!({"schemaVersion": 2, "manifests": [one.descriptor()]}).to_string();
    let inner = Manifest::new(media_type::OCI_INDEX, inner.into());
    write(&inner.bytes);
    let mut about: serde_json::Value = serde_json::from_slice(&one.bytes).expect("a manifest");
    about["subject"] = json!(one.descriptor());
    let about = Manifest::new(media_type::OCI_MANIFEST, about.to_string().into());
    write(&about.bytes);
    let entry = |manifest: &Manifest, name: &str| {
        let mut pointer = manifest.descriptor();
        if !name.is_empty() {
            pointer.annotations.insert("org.opencontainers.image.ref.name".to_owned(), name.to_owned());
        }
        pointer
    };
    let index = |manifests: Vec<Descriptor>| {
        let index = ImageIndex {
            schema_version: 2,
            media_type: media_type::OCI_INDEX.to_owned(),
            manifests,
            annotations: Default::default(),
            subject: None,
            artifact_type: None,
        };
        fs::write(root.join("index.json"), serde_json::to_vec(&index).expect("JSON")).expect("a file");
        Layout::open_read_only(&root).expect("a layout")
    };
    let at = |path: &str| Repository::new("localhost", path).expect("a repository");

    // The only image needs no name.
    let layout = index(vec![entry(&one, "")]);
    assert_eq!(layout.manifest(&at("demo-app"), &tag("latest")).await.expect("the image"), one);

    let named = entry(&one, "registry.example/team/other:v2");
    let layout = index(vec![entry(&inner, "v1"), named, entry(&about, "")]);
    assert_eq!(layout.manifest(&at("demo-app"), &tag("v1")).await.expect("the index"), inner);
    assert_eq!(layout.manifest(&at("team/other"), &tag("v2")).await.expect("the image"), one);
    assert_eq!(layout.tags(&at("demo-app")).await.expect("tags"), ["v1"]);
    // A member of the index, and what is about it.
    let member = Selector::Digest(one.digest.clone());
    assert_eq!(layout.manifest(&at("demo-app"), &member).await.expect("the member"), one);
    let referrers = layout.referrers(&at("demo-app"), &one.digest).await.expect("referrers");
    assert_eq!(referrers.iter().map(|it| &it.digest).collect::<Vec<_>>(), [&about.digest]);
    let layer = Digest::sha256_of(b"layer");
    assert_eq!(layout.blob(&at("demo-app"), &layer, 100).await.expect("the layer"), &b"layer"[..]);
    let names = layout.repositories().await.expect("names");
    assert_eq!(names.iter().map(Name::as_str).collect::<Vec<_>>(), ["demo-app", "team/other"]);
    assert!(layout.manifest(&at("another"), &tag("v1")).await.is_err_and(|error| error.is_not_found()));
}

#[test]
fn a_folder_of_something_else_is_left_alone() {
    let folder = folder();
    fs::create_dir_all(folder.path().join("uploads")).expect("a folder");
    fs::write(folder.path().join("uploads/holiday.jpg"), "").expect("somebody's file");
    fs::write(folder.path().join("notes"), "").expect("another");
    let refusal = Layout::open(folder.path()).err().map(|error| error.to_string());
    assert!(refusal.is_some_and(|text| text.contains("\"notes\"")));
    assert_eq!(super::disk::names(folder.path()).expect("names"), ["notes", "uploads"]);
    fs::remove_file(folder.path().join("notes")).expect("gone");
    Layout::open(folder.path()).expect("a layout");
    assert!(folder.path().join("uploads/holiday.jpg").exists());
}

#[test]
fn what_is_no_layout_is_refused_and_named() {
    let folder = folder();
    let refusal = |root: &Path| Layout::open_read_only(root).err().map(|error| error.to_string());
    assert!(refusal(folder.path()).is_some_and(|text| text.contains("oci-layout")));
    for text in ["", "{}", r#"{"imageLayoutVersion":"2.0.0"}"#, &"x".repeat(5000)] {
        fs::write(folder.path().join("oci-layout"), text).expect("a file");
        assert!(refusal(folder.path()).is_some_and(|text| text.contains("oci-layout")), "{text}");
        assert!(Layout::open(folder.path()).is_err());
    }
    fs::write(folder.path().join("oci-layout"), super::LAYOUT_VERSION).expect("a file");
    fs::write(folder.path().join("index.json"), "{").expect("a file");
    assert!(refusal(folder.path()).is_some_and(|text| text.contains("index.json")));
}

#[test]
fn names_and_tags_follow_the_specification() {
    let longest = "a".repeat(255);
    for good in ["a", "team/app", "a.b", "a_b", "a__b", "a-b", "a---b", "0/1/2", "a/b-c.d_e/f", &longest] {
        assert!(good.parse::<Name>().is_ok(), "{good}");
    }
    let long = "a".repeat(256);
    for bad in [
        "", "/", "a/", "/a", "a//b", "A", ".a", "a.", "a..b", "a._b", "a___b", "-a", "a-", "a-.b", "a.-b",
        "_a", "..", "a/../b", "a b", "a\0", "é", &long,
    ] {
        assert!(bad.parse::<Name>().is_err(), "{bad:?}");
    }
    let (longest, long) = ("a".repeat(128), "a".repeat(129));
    for good in ["latest", "V1.0-x_y", "_x", "0", &longest] {
        assert!(is_tag(good), "{good}");
    }
    for bad in ["", ".", "..", ".a", "-a", "a/b", "a:b", "a b", "é", &long] {
        assert!(!is_tag(bad), "{bad:?}");
    }
}

#[test]
fn what_is_remembered_is_bounded() {
    let folder = folder();
    let layout = Layout::open(folder.path()).expect("a layout");
    let name: Name = "team/app".parse().expect("a name");
    let digest = |number: usize| Digest::sha256_of(&number.to_le_bytes());
    let mut draft = super::disk::Draft::new(layout.inner.work().expect("a folder")).expect("a draft");
    draft.write(&0_usize.to_le_bytes()).expect("a write");
    layout.inner.store_blob(&name, &digest(0), draft).expect("a blob");
    let look = *super::disk::lock(&layout.inner.checked).get(&digest(0)).expect("it was remembered");
    for number in 1..CHECKED_LIMIT {
        layout.inner.remember(&digest(number), look);
    }
    assert_eq!(super::disk::lock(&layout.inner.checked).len(), CHECKED_LIMIT);
    layout.inner.remember(&digest(CHECKED_LIMIT), look);
    assert_eq!(super::disk::lock(&layout.inner.checked).len(), 1);
    assert!(layout.inner.open_blob(&name, &digest(0)).is_ok());

    let folders = Folders::default();
    for number in 0..KNOWN_FOLDERS_LIMIT {
        super::disk::lock(&folders.known).insert(number.to_string().into());
    }
    folders.ensure(folder.path(), &folder.path().join("new")).expect("a folder");
    assert_eq!(super::disk::lock(&folders.known).len(), 2, "the root and the new one");
}

#[test]
fn folders_are_synced_for_all_who_wait_and_a_failure_stands() {
    let folder = folder();
    let folders = Folders::default();
    let deep = folder.path().join("a/b/c");
    folders.ensure(folder.path(), &deep).expect("folders");
    assert!(deep.is_dir());
    std::thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| folders.sync(&deep).expect("a sync"));
        }
    });
    fs::remove_dir(&deep).expect("no folder");
    assert!(folders.sync(&deep).is_err());
    fs::create_dir(&deep).expect("a folder again");
    assert!(folders.sync(&deep).is_err(), "a folder whose fsync failed once is not trusted again");
}
