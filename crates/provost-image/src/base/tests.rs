//! The layers of base images under test, whole, hostile and broken.

use std::io::Read;

use bytes::Bytes;
use provost_oci::{Descriptor, media_type};
use tar::{Builder, EntryType, Header};

use super::{NAME_LIMIT, PATH_LIMIT, UNPACKED_LIMIT, look, note};
use crate::error::BaseFault;
use crate::tree::{Node, Tree};

fn tar(entries: &[(&str, EntryType, &str)]) -> Vec<u8> {
    let mut tar = Builder::new(Vec::new());
    for (path, kind, target) in entries {
        let mut header = Header::new_gnu();
        header.set_entry_type(*kind);
        header.set_size(0);
        if *kind == EntryType::Symlink {
            tar.append_link(&mut header, path, target).unwrap();
        } else {
            tar.append_data(&mut header, path, std::io::empty()).unwrap();
        }
    }
    tar.into_inner().unwrap()
}

fn seen(tree: &mut Tree, bytes: Vec<u8>) -> Result<(), BaseFault> {
    let layer = Descriptor::of(media_type::OCI_LAYER_GZIP, &bytes);
    look(&layer, &Bytes::from(bytes), tree, &mut 0)
}

#[test]
fn layers_add_link_and_hide() {
    let long = format!("long/{}/file", "n".repeat(200));
    let mut tree = Tree::default();
    let first = [
        ("./usr/", EntryType::Directory, ""),
        ("usr/bin/", EntryType::Directory, ""),
        ("bin", EntryType::Symlink, "usr/bin"),
        ("bin/tool", EntryType::Regular, ""),
        ("etc/conf", EntryType::Regular, ""),
        ("opt/a/b", EntryType::Regular, ""),
        (long.as_str(), EntryType::Regular, ""),
    ];
    seen(&mut tree, tar(&first)).unwrap();
    assert_eq!(tree.node("/usr/bin/tool"), Some(&Node::File), "through the link");
    assert_eq!(tree.node("/etc"), Some(&Node::Folder), "folders nobody named");
    assert_eq!(tree.node(&format!("/{long}")), Some(&Node::File));

    let second = [
        ("etc/.wh.conf", EntryType::Regular, ""),
        ("opt/new", EntryType::Regular, ""),
        ("opt/.wh..wh..opq", EntryType::Regular, ""),
    ];
    seen(&mut tree, tar(&second)).unwrap();
    assert_eq!((tree.node("/etc/conf"), tree.node("/opt/a")), (None, None));
    assert_eq!(tree.node("/opt/new"), Some(&Node::File));
}

#[test]
fn hostile_names_stay_inside() {
    let mut bytes = tar(&[("xx/escape", EntryType::Regular, "")]);
    bytes[..9].copy_from_slice(b"../escape");
    let sum: u32 = bytes[..512]
        .iter()
        .enumerate()
        .map(|(at, b)| if (148..156).contains(&at) { 32 } else { u32::from(*b) })
        .sum();
    bytes[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    let mut tree = Tree::default();
    seen(&mut tree, bytes).unwrap();
    assert_eq!(tree.node("/escape"), Some(&Node::File));
}

#[test]
fn broken_layers_are_errors() {
    let whole = tar(&[("a", EntryType::Regular, ""), ("b", EntryType::Regular, "")]);
    let mut flipped = whole.clone();
    flipped[0] ^= 1;
    assert!(matches!(seen(&mut Tree::default(), flipped), Err(BaseFault::Malformed { what: "layer", .. })));
    assert!(seen(&mut Tree::default(), whole[..700].to_vec()).is_err());
    assert!(matches!(
        seen(&mut Tree::default(), b"\x1f\x8bnot gzip".to_vec()),
        Err(BaseFault::Malformed { .. })
    ));
    let zstd = seen(&mut Tree::default(), b"\x28\xb5\x2f\xfd....".to_vec());
    assert!(matches!(zstd, Err(BaseFault::LayerKind { .. })));
}

#[test]
fn extension_headers_have_a_limit() {
    for kind in [EntryType::GNULongName, EntryType::XHeader] {
        let mut tar = Builder::new(Vec::new());
        let mut header = Header::new_gnu();
        header.set_entry_type(kind);
        header.set_size(NAME_LIMIT + 1);
        header.set_cksum();
        tar.append(&header, std::io::repeat(b'n').take(NAME_LIMIT + 1)).unwrap();
        let refused = seen(&mut Tree::default(), tar.into_inner().unwrap()).unwrap_err();
        assert!(refused.to_string().contains("extension header longer"), "{refused}");
    }
}

#[test]
fn entries_and_unpacked_bytes_have_limits() {
    let one = tar(&[("one", EntryType::Regular, "")]);
    let two = tar(&[("one", EntryType::Regular, ""), ("two", EntryType::Regular, "")]);
    assert_eq!(note(&one[..], &mut Tree::default(), 1), Ok(()));
    assert_eq!(note(&two[..], &mut Tree::default(), 1), Err(BaseFault::TooManyEntries { limit: 1 }));

    let layer = Descriptor::of(media_type::OCI_LAYER_GZIP, &one);
    let mut unpacked = UNPACKED_LIMIT - one.len() as u64;
    assert_eq!(look(&layer, &Bytes::from(one.clone()), &mut Tree::default(), &mut unpacked), Ok(()));
    let mut unpacked = UNPACKED_LIMIT;
    let refused = look(&layer, &Bytes::from(one), &mut Tree::default(), &mut unpacked);
    assert_eq!(refused, Err(BaseFault::TooManyBytes { limit: UNPACKED_LIMIT }));
}

#[test]
fn long_paths_do_not_fill_memory() {
    let named = |kind, name: &[u8]| {
        let mut tar = Builder::new(Vec::new());
        let mut header = Header::new_gnu();
        header.set_entry_type(kind);
        header.set_size(name.len() as u64);
        header.set_cksum();
        tar.append(&header, name).unwrap();
        let mut header = Header::new_gnu();
        header.set_entry_type(EntryType::Symlink);
        header.set_size(0);
        header.set_path("short").unwrap();
        header.set_link_name("short").unwrap();
        header.set_cksum();
        tar.append(&header, &b""[..]).unwrap();
        tar.into_inner().unwrap()
    };
    for kind in [EntryType::GNULongName, EntryType::GNULongLink] {
        assert_eq!(seen(&mut Tree::default(), named(kind, &[b'a'; PATH_LIMIT])), Ok(()));
        let refused = seen(&mut Tree::default(), named(kind, &[b'a'; PATH_LIMIT + 1])).unwrap_err();
        assert!(refused.to_string().contains("of more than 4096 bytes"), "{refused}");
    }
    // One deep path has a folder for each of its parts.
    let deep = named(EntryType::GNULongName, &b"a/".repeat(1000));
    let refused = note(&deep[..], &mut Tree::default(), 2000).unwrap_err();
    assert!(refused.to_string().contains("of more than 512000 bytes together"), "{refused}");
}
