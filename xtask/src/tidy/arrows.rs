//! Which crate may import which: a layer imports only layers below it, inside a row only the arrows drawn.

use super::crates::Crate;

/// Every crate and what it may import of ours, from the bottom up (ARCHITECTURE.md, the picture).
const ARROWS: &[(&str, &[&str])] = &[
    ("provost-oci", &[]),
    ("provost-statement", &["provost-oci"]),
    ("provost-cue", &[]),
    ("provost-expr", &[]),
    ("provost-keys", &[]),
    ("provost-kms", &["provost-keys"]),
    ("provost-pkcs11", &["provost-keys"]),
    ("provost-registry", &["provost-oci"]),
    ("provost-storage", &["provost-kms"]),
    ("provost-sigstore", &["provost-keys", "provost-expr", "provost-statement", "provost-oci"]),
    (
        "provost-sign",
        &["provost-sigstore", "provost-keys", "provost-registry", "provost-statement", "provost-oci"],
    ),
    (
        "provost-verify",
        &[
            "provost-sigstore",
            "provost-keys",
            "provost-registry",
            "provost-statement",
            "provost-oci",
            "provost-cue",
        ],
    ),
    ("provost-tekton", &["provost-oci", "provost-expr"]),
    (
        "provost-chains",
        &[
            "provost-tekton",
            "provost-expr",
            "provost-sign",
            "provost-verify",
            "provost-sigstore",
            "provost-keys",
            "provost-registry",
            "provost-storage",
            "provost-statement",
            "provost-oci",
        ],
    ),
    (
        "provost-kyverno",
        &[
            "provost-verify",
            "provost-sigstore",
            "provost-expr",
            "provost-keys",
            "provost-registry",
            "provost-statement",
            "provost-oci",
        ],
    ),
    ("provost-image", &["provost-registry", "provost-oci"]),
    ("provost-serve", &[]),
    ("provost-hub", &["provost-serve", "provost-registry", "provost-oci"]),
    (
        "provost-gate",
        &[
            "provost-serve",
            "provost-kyverno",
            "provost-sign",
            "provost-verify",
            "provost-sigstore",
            "provost-expr",
            "provost-keys",
            "provost-registry",
            "provost-statement",
            "provost-oci",
        ],
    ),
    (
        "provost-console",
        &[
            "provost-gate",
            "provost-serve",
            "provost-kyverno",
            "provost-keys",
            "provost-statement",
            "provost-oci",
        ],
    ),
    (
        "provost-kube",
        &[
            "provost-gate",
            "provost-serve",
            "provost-console",
            "provost-chains",
            "provost-kyverno",
            "provost-sign",
            "provost-verify",
            "provost-sigstore",
            "provost-keys",
            "provost-kms",
            "provost-registry",
            "provost-storage",
            "provost-tekton",
            "provost-expr",
            "provost-statement",
            "provost-oci",
        ],
    ),
    ("testkit", &["provost-registry", "provost-oci"]),
    ("xtask", &[]),
];

/// The face may import everything but the tools beside the workspace.
const FACE: &str = "provost";

/// Names every arrow that is not drawn, and every crate that is not in the table.
pub(crate) fn check(crates: &[Crate]) -> Vec<String> {
    let mut problems = Vec::new();
    for one in crates {
        if one.name == FACE {
            let tools = one.imports.iter().filter(|name| matches!(name.as_str(), "testkit" | "xtask"));
            problems.extend(tools.map(|name| format!("{FACE} imports {name}, which is for tests")));
            continue;
        }
        let Some((_, allowed)) = ARROWS.iter().find(|(name, _)| *name == one.name) else {
            problems
                .push(format!("{} has no place in the table of arrows (xtask/src/tidy/arrows.rs)", one.name));
            continue;
        };
        for import in &one.imports {
            if !allowed.contains(&import.as_str()) {
                problems.push(format!("{} imports {import}, an arrow that is not drawn", one.name));
            }
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(name: &str, imports: &[&str]) -> Crate {
        Crate { name: name.to_owned(), imports: imports.iter().map(|&i| i.to_owned()).collect() }
    }

    #[test]
    fn an_arrow_upwards_is_found() {
        let problems = check(&[one("provost-oci", &["provost-sign"]), one("provost-new", &[])]);
        assert_eq!(problems.len(), 2, "{problems:?}");
        assert!(check(&[one("provost-sign", &["provost-oci"])]).is_empty());
        assert_eq!(check(&[one("provost", &["testkit", "provost-hub"])]).len(), 1);
    }
}
