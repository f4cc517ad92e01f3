//! Whole builds over a folder as registry: what is in the image, that it is always the same, and what is refused.
#![expect(clippy::unwrap_used, reason = "a test that cannot read its own files stops")]

use std::fs::{self, Permissions};
use std::io::Read;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use provost_image::{BaseFault, BuildError, BuildRequest, Built, Fault, Limits, build, go_architecture};
use provost_oci::{Descriptor, Digest, ImageManifest, Platform, Reference, Repository, Selector, media_type};
use provost_registry::layout::Layout;
use provost_registry::{Manifest, Store};
use serde_json::{Value, json};
use tempfile::TempDir;

const APP: &str = "reg.test/app:v1";

/// A context, a folder as registry, and builds between them.
struct World {
    context: TempDir,
    folder: TempDir,
    store: Layout,
}

impl World {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let store = Layout::open(folder.path().join("registry")).unwrap();
        Self { context: TempDir::new().unwrap(), folder, store }
    }

    fn write(&self, name: &str, text: &str) -> &Self {
        let path = self.context.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        fs::set_permissions(path, Permissions::from_mode(0o644)).unwrap();
        self
    }

    fn mode(&self, name: &str, mode: u32) {
        fs::set_permissions(self.context.path().join(name), Permissions::from_mode(mode)).unwrap();
    }

    fn request(&self, dockerfile: &str) -> BuildRequest {
        let file = self.folder.path().join("Dockerfile");
        fs::write(&file, dockerfile).unwrap();
        BuildRequest::new(self.context.path().to_path_buf(), file)
    }

    async fn run(&self, request: &BuildRequest, target: &str) -> Result<Built, BuildError> {
        build(request, &self.store, &target.parse::<Reference>().unwrap()).await
    }

    async fn built(&self, dockerfile: &str) -> Built {
        self.run(&self.request(dockerfile), APP).await.unwrap()
    }

    async fn fault(&self, dockerfile: &str) -> (usize, Fault) {
        match self.run(&self.request(dockerfile), APP).await {
            Err(BuildError::Dockerfile { line, fault, file }) => {
                assert!(file.ends_with("Dockerfile"));
                (line, fault)
            }
            other => unreachable!("{other:?}"),
        }
    }

    async fn manifest(&self, repository: &str) -> ImageManifest {
        let repository: Repository = repository.parse().unwrap();
        let manifest = self.store.manifest(&repository, &Selector::Tag("v1".to_owned())).await.unwrap();
        serde_json::from_slice(&manifest.bytes).unwrap()
    }

    async fn blob(&self, digest: &Digest) -> Vec<u8> {
        let repository: Repository = "reg.test/app".parse().unwrap();
        self.store.blob(&repository, digest, 1 << 30).await.unwrap().to_vec()
    }

    async fn config(&self) -> Value {
        let manifest = self.manifest("reg.test/app").await;
        serde_json::from_slice(&self.blob(&manifest.config.digest).await).unwrap()
    }

    /// Every entry of every layer, as `mode uid:gid name[ -> target][ = text]`.
    async fn entries(&self) -> Vec<Vec<String>> {
        let mut all = Vec::new();
        for layer in &self.manifest("reg.test/app").await.layers {
            all.push(list(&self.blob(&layer.digest).await));
        }
        all
    }
}

fn list(layer: &[u8]) -> Vec<String> {
    assert!(layer.starts_with(b"\x1f\x8b\x08\0\0\0\0\0"), "no name, no date");
    assert_eq!(layer.get(9), Some(&255), "no system");
    let mut tar = tar::Archive::new(flate2::read::GzDecoder::new(layer));
    let mut all = Vec::new();
    for entry in tar.entries().unwrap() {
        let mut entry = entry.unwrap();
        let header = entry.header().clone();
        assert!(header.username().unwrap().unwrap_or_default().is_empty());
        let name = entry.path().unwrap().display().to_string();
        let target = entry.link_name().unwrap().map(|name| format!(" -> {}", name.display()));
        let mut text = String::new();
        entry.read_to_string(&mut text).unwrap();
        let text = if text.is_empty() { text } else { format!(" = {text}") };
        let (mode, uid, gid) = (header.mode().unwrap(), header.uid().unwrap(), header.gid().unwrap());
        all.push(format!("{mode:o} {uid}:{gid} {name}{}{text}", target.unwrap_or_default()));
    }
    all
}

#[tokio::test]
async fn an_image_from_scratch() {
    let world = World::new();
    world.write("app/main", "main").write("app/lib/a", "a").write("etc.conf", "conf");
    symlink("main", world.context.path().join("app/link")).unwrap();
    world.mode("app/main", 0o755);
    world.mode("app/lib", 0o750);
    let source = "FROM scratch\nWORKDIR /srv\nCOPY app .\nCOPY --chown=7:8 --chmod=600 etc.conf /etc/app/\n\
        LABEL a=b\nUSER 7\nEXPOSE 80\nENTRYPOINT [\"/srv/main\"]\n";
    let built = world.built(source).await;
    assert_eq!(built.reference, format!("reg.test/app@{}", built.digest));
    assert_eq!(
        world.entries().await,
        [
            vec!["755 0:0 srv/"],
            vec![
                "750 0:0 srv/lib/",
                "644 0:0 srv/lib/a = a",
                "777 0:0 srv/link -> main",
                "755 0:0 srv/main = main"
            ],
            vec!["755 7:8 etc/", "755 7:8 etc/app/", "600 7:8 etc/app/etc.conf = conf"],
        ]
    );
    let config = world.config().await;
    let date = "1970-01-01T00:00:00Z";
    assert_eq!((&config["created"], &config["os"]), (&json!(date), &json!("linux")));
    assert_eq!(config["architecture"], go_architecture());
    assert_eq!(
        config["config"],
        json!({"WorkingDir": "/srv", "Labels": {"a": "b"}, "User": "7", "ExposedPorts": {"80/tcp": {}},
            "Entrypoint": ["/srv/main"]})
    );
    let history = config["history"].as_array().unwrap();
    let empty: Vec<_> = history.iter().map(|one| one.get("empty_layer").is_some()).collect();
    assert_eq!(empty, [false, false, false, true, true, true, true]);
    assert_eq!(history[0], json!({"created": date, "created_by": "WORKDIR /srv"}));

    let diff_ids = config["rootfs"]["diff_ids"].as_array().unwrap();
    assert_eq!(diff_ids.len(), built.layers);
    for (layer, diff_id) in world.manifest("reg.test/app").await.layers.iter().zip(diff_ids) {
        let mut plain = Vec::new();
        let bytes = world.blob(&layer.digest).await;
        flate2::read::GzDecoder::new(&bytes[..]).read_to_end(&mut plain).unwrap();
        assert_eq!(Digest::sha256_of(&plain).to_string(), *diff_id);
    }
}

#[tokio::test]
async fn the_same_files_give_the_same_digest() {
    let source = "FROM scratch\nCOPY . /x/\nENV B=2 A=1\nLABEL z=1 y=2";
    let mut digests = Vec::new();
    for order in [["a", "b/c", "b/d"], ["b/d", "a", "b/c"]] {
        let world = World::new();
        for name in order {
            world.write(name, name);
        }
        world.mode("b", 0o755);
        let mut request = world.request(source);
        request.architecture = "amd64".to_owned();
        digests.push(world.run(&request, APP).await.unwrap().digest);
    }
    assert_eq!(digests[0], digests[1]);
    // A change of this digest is a change of every image anyone builds: it needs a reason.
    assert_eq!(
        digests[0].to_string(),
        "sha256:d867ea141f4615bb86b379010a9381009826d8978f0f0e84e63288d1fa86f31f"
    );

    let world = World::new();
    world.write("a", "a").write("b/c", "b/c").write("b/d", "b/d");
    let mut later = world.request(source);
    later.created = 1_700_000_000;
    let later = world.run(&later, APP).await.unwrap();
    assert_ne!(later.digest, digests[0]);
    assert_eq!(world.config().await["created"], "2023-11-14T22:13:20Z");
}

#[tokio::test]
async fn an_image_on_an_image() {
    let world = World::new();
    world.write("root/usr/bin/sh", "sh").write("root/tmp/keep", "k").write("tool", "t").write("note", "n");
    symlink("usr/bin", world.context.path().join("root/bin")).unwrap();
    world.mode("root/tmp", 0o1777);
    let base = world.request("FROM scratch\nCOPY root /\nENV PATH=/bin\nCMD [\"sh\"]");
    let base = world.run(&base, "reg.test/base:v1").await.unwrap();

    let source = "ARG BASE\nFROM $BASE\nCOPY tool /bin/\nCOPY note /tmp\nCOPY note /bin/new/note\n\
        ENTRYPOINT [\"tool\"]";
    for image in ["reg.test/base:v1".to_owned(), base.reference.clone()] {
        let mut request = world.request(source);
        request.arguments.insert("BASE".to_owned(), image);
        request.arguments.insert("LOST".to_owned(), "1".to_owned());
        let built = world.run(&request, APP).await.unwrap();
        assert_eq!((built.layers, built.unused_arguments.as_slice()), (4, ["LOST".to_owned()].as_slice()));
    }
    let entries = world.entries().await;
    assert_eq!(
        entries[1..],
        [
            // Through the base's link, and without an entry for a folder that is there.
            vec!["644 0:0 usr/bin/tool = t"],
            // The base's /tmp is a folder, so the file goes into it, and it keeps its mode.
            vec!["644 0:0 tmp/note = n"],
            vec!["755 0:0 usr/bin/new/", "644 0:0 usr/bin/new/note = n"],
        ]
    );
    let config = world.config().await;
    assert_eq!(config["config"], json!({"Env": ["PATH=/bin"], "Entrypoint": ["tool"]}));
    assert_eq!(config["history"].as_array().unwrap().len(), 3 + 4);
    let (app, below) = (world.manifest("reg.test/app").await, world.manifest("reg.test/base").await);
    assert_eq!(app.layers[0], below.layers[0]);
}

#[tokio::test]
async fn an_index_is_entered_by_platform() {
    let world = World::new();
    let base = world.request("FROM scratch\nLABEL a=1");
    let below = world.run(&base, "reg.test/base:v1").await.unwrap();
    let base: Repository = "reg.test/base".parse().unwrap();
    let index = |architecture: &str| {
        let mut member = Descriptor::new(media_type::OCI_MANIFEST, below.size, below.digest.clone());
        let architecture = architecture.to_owned();
        member.platform = Some(Platform { architecture, os: "linux".to_owned(), variant: None });
        let index = json!({"schemaVersion": 2, "mediaType": media_type::OCI_INDEX, "manifests": [member]});
        Manifest::new(media_type::OCI_INDEX, index.to_string().into())
    };
    let tag = Selector::Tag("many".to_owned());
    world.store.put_manifest(&base, &tag, &index(go_architecture())).await.unwrap();
    assert_eq!(world.built("FROM reg.test/base:many\nLABEL b=2").await.layers, 0);
    assert_eq!(world.config().await["config"]["Labels"], json!({"a": "1", "b": "2"}));
    world.store.put_manifest(&base, &tag, &index("other")).await.unwrap();
    let refused = world.run(&world.request("FROM reg.test/base:many"), APP).await.unwrap_err();
    let BuildError::Base { fault: BaseFault::Platform { found, .. }, .. } = refused else { unreachable!() };
    assert_eq!(found, "linux/other");
}

#[tokio::test]
async fn sources_are_found_by_pattern_and_ignored_by_rule() {
    let world = World::new();
    world.write("a1.txt", "1").write("a2.txt", "2").write("a3.md", "3").write("d/x.txt", "x");
    world.write("d/y.md", "y").write("e/x.txt", "x").write(".dockerignore", "a2.txt\nd/y.md\ne\n");
    let source = "FROM scratch\nCOPY a*.txt a3.md /t/\nCOPY d /d\nCOPY */x.txt /x\nCOPY [\"d\", \"/l/\"]";
    world.built(source).await;
    assert_eq!(
        world.entries().await.concat(),
        [
            "755 0:0 t/",
            "644 0:0 t/a1.txt = 1",
            "644 0:0 t/a3.md = 3",
            "755 0:0 d/",
            "644 0:0 d/x.txt = x",
            "644 0:0 x = x",
            "755 0:0 l/",
            "644 0:0 l/x.txt = x",
        ]
    );
    let missing =
        |source_name: &str, ignored| Fault::NoSource { source_name: source_name.to_owned(), ignored };
    assert_eq!(world.fault("FROM scratch\nCOPY none /x").await, (2, missing("none", false)));
    assert_eq!(world.fault("FROM scratch\n\nCOPY a2* /x").await, (3, missing("a2*", true)));
    assert_eq!(world.fault("FROM scratch\nCOPY e /x").await, (2, missing("e", true)));
    assert!(matches!(world.fault("FROM scratch\nCOPY a[ /x").await.1, Fault::Pattern { .. }));
}

#[tokio::test]
async fn what_is_taken_back_in_is_all_that_is_copied() {
    let world = World::new();
    world.write("keep/deep/yes", "y").write("keep/deep/no", "n").write("other", "o");
    world.write(".dockerignore", "*\n!keep/deep/yes\n");
    world.built("FROM scratch\nCOPY . /").await;
    assert_eq!(
        world.entries().await.concat(),
        ["755 0:0 keep/", "755 0:0 keep/deep/", "644 0:0 keep/deep/yes = y"]
    );
    assert!(matches!(
        world.fault("FROM scratch\nCOPY other /x").await.1,
        Fault::NoSource { ignored: true, .. }
    ));
    // The file beside the Dockerfile goes before the one in the context.
    fs::write(world.folder.path().join("Dockerfile.dockerignore"), "keep\n.dockerignore").unwrap();
    world.built("FROM scratch\nCOPY . /").await;
    assert_eq!(world.entries().await.concat(), ["644 0:0 other = o"]);
}

#[tokio::test]
async fn nothing_outside_the_context_is_read() {
    let world = World::new();
    let secret = world.folder.path().join("secret");
    fs::write(&secret, "secret").unwrap();
    world.write("real/in", "in");
    symlink(&secret, world.context.path().join("out")).unwrap();
    symlink(world.folder.path(), world.context.path().join("outdir")).unwrap();
    symlink("real", world.context.path().join("alias")).unwrap();
    for source in ["../secret", "real/../../secret", "out", "outdir/secret", "outdir", "outd*", "outdir/s*"] {
        let (line, fault) = world.fault(&format!("FROM scratch\nCOPY {source} /x")).await;
        assert!(matches!(fault, Fault::OutsideContext { .. }) && line == 2, "{source}: {fault:?}");
    }
    world.built("FROM scratch\nCOPY alias /a\nCOPY /real/../alias/in /b").await;
    assert_eq!(world.entries().await.concat(), ["755 0:0 a/", "644 0:0 a/in = in", "644 0:0 b = in"]);
    // Inside a copied folder a link stays a link: it means a path of the image.
    world.built("FROM scratch\nCOPY . /c").await;
    let link = format!("777 0:0 c/out -> {}", secret.display());
    assert!(world.entries().await.concat().contains(&link));
}

#[tokio::test]
async fn archives_special_files_and_blocked_ways_are_refused_by_name() {
    let world = World::new();
    world.write("plain", "plain").write("d/x", "x");
    fs::write(world.context.path().join("packed.gz"), b"\x1f\x8b\x08rest").unwrap();
    let (_, fault) = world.fault("FROM scratch\nADD packed.gz /x").await;
    assert_eq!(fault, Fault::Archive { name: "packed.gz".to_owned() });
    assert_eq!(world.built("FROM scratch\nADD plain /x\nCOPY packed.gz /y").await.layers, 2);
    let (line, fault) = world.fault("FROM scratch\nCOPY plain /f\nCOPY plain /f/g").await;
    assert!(matches!(fault, Fault::Destination { .. }) && line == 3, "{fault:?}");
    let socket = std::os::unix::net::UnixListener::bind(world.context.path().join("d/sock")).unwrap();
    let (_, fault) = world.fault("FROM scratch\nCOPY d /x").await;
    assert_eq!(fault, Fault::SpecialFile { name: "d/sock".to_owned() });
    drop(socket);
}

#[tokio::test]
async fn the_limits_hold() {
    let world = World::new();
    world.write("d/a", "123").write("d/b", "4567");
    for (limits, fault) in [
        (Limits { entries: 2, bytes: 7 }, None),
        (Limits { entries: 1, bytes: 7 }, Some(Fault::TooManyEntries { limit: 1 })),
        (Limits { entries: 2, bytes: 6 }, Some(Fault::TooManyBytes { limit: 6 })),
    ] {
        let mut request = world.request("FROM scratch\nCOPY d /d");
        request.limits = limits;
        let found = match world.run(&request, APP).await {
            Err(BuildError::Dockerfile { fault, .. }) => Some(fault),
            _ => None,
        };
        assert_eq!(found, fault);
    }
    let (entries, bytes) = (provost_image::CONTEXT_ENTRY_LIMIT, provost_image::CONTEXT_SIZE_LIMIT);
    let request = BuildRequest::new(Path::new("").into(), Path::new("").into());
    assert_eq!(request.limits, Limits { entries, bytes });
}

#[tokio::test]
async fn bases_and_targets_that_are_not_there() {
    let world = World::new();
    let missing = world.run(&world.request("FROM reg.test/none:v1"), APP).await.unwrap_err();
    let BuildError::Base { image, fault: BaseFault::Store(error) } = missing else { unreachable!() };
    assert!(image == "reg.test/none:v1" && error.is_not_found());
    let wrong = world.run(&world.request("FROM UPPER/case"), APP).await.unwrap_err();
    assert!(matches!(wrong, BuildError::Base { fault: BaseFault::Reference { .. }, .. }));
    let digest = format!("reg.test/app@sha256:{}", "0".repeat(64));
    let refused = world.run(&world.request("FROM scratch"), &digest).await.unwrap_err();
    assert!(matches!(refused, BuildError::TargetDigest { .. }));

    let mut quiet = world.request("FROM scratch\nLABEL a=1");
    quiet.push = false;
    let found = world.run(&quiet, APP).await.unwrap();
    let app: Repository = "reg.test/app".parse().unwrap();
    let which = Selector::Digest(found.digest.clone());
    assert!(world.store.manifest(&app, &which).await.unwrap_err().is_not_found(), "nothing was pushed");
    assert_eq!(world.built("FROM scratch\nLABEL a=1").await.digest, found.digest);

    let dockerfile = world.request("FROM scratch\nCOPY a b").dockerfile;
    let gone = BuildRequest::new(world.context.path().join("none"), dockerfile);
    let refused = world.run(&gone, APP).await.unwrap_err();
    assert!(matches!(refused, BuildError::Disk { path, .. } if path.ends_with("none")));
    let mut late = world.request("FROM scratch");
    late.created = u64::MAX;
    assert!(matches!(world.run(&late, APP).await, Err(BuildError::Date { .. })));
}
