//! `provost registry` under SIGKILL: what it has acknowledged is there and whole when it is started again.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;

use provost_oci::{Descriptor, Digest, media_type};
use serde_json::json;

/// The clients pushing side by side.
const CLIENTS: usize = 16;
/// The images pushed by all of them together.
const IMAGES: usize = 200;
/// The acknowledged pushes after which the registry is killed: in the middle, with every client at work.
const KILLED_AFTER: usize = 80;

#[test]
fn what_was_acknowledged_before_a_kill_is_there_and_whole_after_it() {
    let folder = tempfile::tempdir().unwrap();
    let mut registry = Registry::start(folder.path());
    let address = registry.address.clone();
    let acknowledged = push(
        |_| &address,
        0..IMAGES,
        |count| {
            if count == KILLED_AFTER {
                registry.child.kill().unwrap();
            }
        },
    );
    assert!(!registry.child.wait().unwrap().success(), "it ended by the signal");
    assert!(acknowledged.len() >= KILLED_AFTER && acknowledged.len() < IMAGES, "{}", acknowledged.len());

    let registry = Registry::start(folder.path());
    for number in &acknowledged {
        check(&registry.address, *number);
    }
    // Acknowledged or not, nothing half-written has a name, and the dead process has left nothing behind.
    check_files(folder.path());
    assert_eq!(fs::read_dir(folder.path().join("layout/uploads")).unwrap().count(), 2, "a lock and our own");

    // The clients come back with the rest.
    let rest: Vec<_> = (0..IMAGES).filter(|number| !acknowledged.contains(number)).collect();
    let pushed = push(|_| &registry.address, rest, |_| {});
    assert_eq!(pushed.len() + acknowledged.len(), IMAGES);
    for number in 0..IMAGES {
        check(&registry.address, number);
    }
}

#[test]
fn of_two_that_serve_one_folder_the_other_goes_on_when_one_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    let mut doomed = Registry::start(folder.path());
    let other = Registry::start(folder.path());
    let addresses = [doomed.address.clone(), other.address.clone()];
    // Both push to the same five repositories, and every image has the shared layer.
    let acknowledged = push(
        |number| &addresses[number % 2],
        0..IMAGES,
        |count| {
            if count == KILLED_AFTER {
                doomed.child.kill().unwrap();
            }
        },
    );
    assert!(acknowledged.len() < IMAGES, "the kill came too late");
    for number in (1..IMAGES).step_by(2) {
        assert!(acknowledged.contains(&number), "{number} went to the one that lived");
    }
    for number in &acknowledged {
        check(&other.address, *number);
    }
    check_files(folder.path());
}

/// Every file among the blobs has the digest it is named by.
fn check_files(folder: &Path) {
    for file in fs::read_dir(folder.join("layout/blobs/sha256")).unwrap() {
        let file = file.unwrap();
        let digest = format!("sha256:{}", file.file_name().into_string().unwrap());
        assert_eq!(Digest::sha256_of(&fs::read(file.path()).unwrap()).to_string(), digest);
    }
}

struct Registry {
    child: Child,
    address: String,
}

impl Registry {
    fn start(folder: &Path) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_provost"))
            .args(["registry", "--dir", "layout", "--listen", "127.0.0.1:0"])
            .current_dir(folder)
            .env_clear()
            .env("HOME", folder)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stderr.as_mut().unwrap()).read_line(&mut line).unwrap();
        let address =
            line.trim().strip_prefix("serving layout on http://").unwrap_or_else(|| panic!("{line}"));
        Self { child, address: address.to_owned() }
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Pushes these images by all clients at once, tells how many are acknowledged so far, and gives those that were.
fn push<'a>(
    address: impl Fn(usize) -> &'a str + Sync,
    numbers: impl IntoIterator<Item = usize>,
    mut progress: impl FnMut(usize),
) -> BTreeSet<usize> {
    let numbers: Vec<_> = numbers.into_iter().collect();
    // Without room, so that clients wait while the count is acted upon: the kill never comes too late.
    let (sender, receiver) = mpsc::sync_channel(0);
    thread::scope(|scope| {
        for client in 0..CLIENTS {
            let (sender, numbers, address) = (sender.clone(), &numbers, &address);
            scope.spawn(move || {
                for number in numbers.iter().skip(client).step_by(CLIENTS) {
                    // After the kill the rest fails, which is no client's fault.
                    if push_one(address(*number), *number) == Some(true) {
                        sender.send(*number).unwrap();
                    }
                }
            });
        }
        drop(sender);
        let mut acknowledged = BTreeSet::new();
        for number in receiver {
            acknowledged.insert(number);
            progress(acknowledged.len());
        }
        acknowledged
    })
}

/// A layer of an image's own, of 1 to 64 KiB.
fn layer(number: usize) -> Vec<u8> {
    let mut bytes = format!("layer {number} ").repeat(8 * 1024).into_bytes();
    bytes.truncate(1024 * (1 + number % 64));
    bytes
}

fn config(number: usize) -> Vec<u8> {
    json!({"config": {"Labels": {"number": number.to_string()}}}).to_string().into_bytes()
}

fn manifest(number: usize) -> Vec<u8> {
    let text = json!({
        "schemaVersion": 2,
        "mediaType": media_type::OCI_MANIFEST,
        "config": Descriptor::of(media_type::OCI_CONFIG, &config(number)),
        // Every image has a layer of its own, and one that all push at once.
        "layers": [
            Descriptor::of(media_type::OCI_LAYER_GZIP, b"shared"),
            Descriptor::of(media_type::OCI_LAYER_GZIP, &layer(number)),
        ],
    });
    text.to_string().into_bytes()
}

fn name(number: usize) -> String {
    format!("team/app-{}", number % 5)
}

/// Whether an image was acknowledged; `None` where the connection broke.
fn push_one(address: &str, number: usize) -> Option<bool> {
    let name = name(number);
    for blob in [config(number), b"shared".to_vec(), layer(number)] {
        let digest = Digest::sha256_of(&blob);
        let path = format!("/v2/{name}/blobs/uploads/?digest={digest}");
        if ask(address, "POST", &path, "application/octet-stream", &blob)?.0 != 201 {
            return Some(false);
        }
    }
    let path = format!("/v2/{name}/manifests/v{number}");
    Some(ask(address, "PUT", &path, media_type::OCI_MANIFEST, &manifest(number))?.0 == 201)
}

/// Pulls an image and compares every byte.
fn check(address: &str, number: usize) {
    let name = name(number);
    let get = |path: &str| ask(address, "GET", path, "", b"").unwrap();
    let got = get(&format!("/v2/{name}/manifests/v{number}"));
    assert!(got == (200, manifest(number)), "manifest of {number}: {}", got.0);
    for blob in [config(number), b"shared".to_vec(), layer(number)] {
        let got = get(&format!("/v2/{name}/blobs/{}", Digest::sha256_of(&blob)));
        assert!(got == (200, blob), "a blob of {number}: {}", got.0);
    }
}

/// One request on a connection of its own: status and body, or `None` where there was no whole answer.
fn ask(address: &str, method: &str, path: &str, kind: &str, body: &[u8]) -> Option<(u16, Vec<u8>)> {
    let mut stream = TcpStream::connect(address).ok()?;
    let length = body.len();
    let mut request = format!(
        "{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Type: {kind}\r\n\
         Content-Length: {length}\r\n\r\n"
    )
    .into_bytes();
    request.extend_from_slice(body);
    stream.write_all(&request).ok()?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).ok()?;
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n")?;
    let status = std::str::from_utf8(answer.get(9..12)?).ok()?.parse().ok()?;
    Some((status, answer.split_off(end + 4)))
}
