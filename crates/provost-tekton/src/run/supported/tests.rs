//! Which texts name a path.

use super::*;

#[test]
fn paths_are_found_as_wholes() {
    for text in [
        "/workspace",
        "cd /workspace/source",
        "a=/tekton/results/x",
        "'/tekton'",
        "PATH:/tekton/bin",
        "x\n/workspace\n",
    ] {
        assert!(names_path(text, "/workspace") || names_path(text, "/tekton"), "{text}");
    }
    for text in [
        "example.com/tekton/x",
        "$(workspaces.s.path)/workspace",
        "/workspaces",
        "/tekton-x",
        "a/workspace",
        "${X}/tekton",
    ] {
        assert!(!names_path(text, "/workspace") && !names_path(text, "/tekton"), "{text}");
    }
}
