//! The image's tree under test.

use super::{Node, PATH_LIMIT, Tree, parent};
use crate::error::Fault;

fn tree() -> Tree {
    let mut tree = Tree::default();
    for (path, node) in [
        ("/usr", Node::Folder),
        ("/usr/bin", Node::Folder),
        ("/bin", Node::Link("usr/bin".to_owned())),
        ("/up", Node::Link("../../../usr".to_owned())),
        ("/abs", Node::Link("/bin".to_owned())),
        ("/loop", Node::Link("loop".to_owned())),
        ("/file", Node::File),
    ] {
        tree.put(path, node);
    }
    tree
}

#[test]
fn links_are_followed_inside_the_image() {
    let tree = tree();
    for (path, expected) in [
        ("/bin/x", "/usr/bin/x"),
        ("/abs/x", "/usr/bin/x"),
        ("/up/bin", "/usr/bin"),
        ("/bin", "/usr/bin"),
        ("/bin/../y", "/usr/y"),
        ("/new/deep", "/new/deep"),
        ("/", "/"),
    ] {
        assert_eq!(tree.resolve(path, true).as_deref(), Ok(expected), "{path}");
    }
    assert_eq!(tree.resolve("/bin", false).as_deref(), Ok("/bin"));
    assert!(tree.resolve("/loop/x", true).is_err());
    assert!(tree.resolve("/file/x", true).is_err());
}

#[test]
fn folders_that_are_missing_come_outermost_first() {
    assert_eq!(tree().missing("/usr/share/doc"), ["/usr/share", "/usr/share/doc"]);
    assert_eq!(tree().missing("/usr/bin"), [""; 0]);
    assert_eq!(tree().missing("/"), [""; 0]);
    assert_eq!((parent("/a/b"), parent("/a"), parent("/")), ("/a", "/", "/"));
}

#[test]
fn what_is_put_takes_the_place() {
    let mut tree = tree();
    tree.put("/usr", Node::Folder);
    assert_eq!(tree.node("/usr/bin"), Some(&Node::Folder), "a folder over a folder keeps what is in it");
    tree.put("/usr", Node::File);
    assert_eq!(tree.node("/usr/bin"), None);
    tree.next_layer();
    tree.put("/d", Node::Folder);
    tree.put("/d/old", Node::File);
    tree.next_layer();
    tree.put("/d/new", Node::File);
    tree.hide_lower("/d");
    assert_eq!((tree.node("/d/old"), tree.node("/d/new")), (None, Some(&Node::File)));
    assert_eq!(tree.node("/d"), Some(&Node::Folder));
}

#[test]
fn paths_end_at_linuxs_limit_also_by_way_of_links() {
    let mut tree = tree();
    let longest = format!("/{}", "a".repeat(PATH_LIMIT - 1));
    assert_eq!(tree.resolve(&longest, true).as_deref(), Ok(longest.as_str()));
    let limit = Err(Fault::PathTooLong { limit: PATH_LIMIT });
    assert_eq!(tree.resolve(&format!("{longest}a"), true), limit);
    tree.put("/l", Node::Link("b/".repeat(PATH_LIMIT / 2 - 1)));
    assert_eq!(tree.resolve("/l/ccc", true), limit);
}

#[test]
fn what_is_taken_away_is_no_longer_counted() {
    let mut tree = Tree::default();
    tree.put("/a", Node::Folder);
    tree.put("/a/b", Node::Link("target".to_owned()));
    tree.put("/a/b", Node::File);
    assert_eq!(tree.bytes(), 6);
    tree.next_layer();
    tree.put("/a/c", Node::File);
    tree.hide_lower("/a");
    assert_eq!(tree.bytes(), 6);
    tree.remove("/a");
    assert_eq!(tree.bytes(), 0);
}
