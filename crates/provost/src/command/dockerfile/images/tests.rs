//! Dockerfiles plain and sly: the images found are those a builder would pull.

use super::*;

fn found(text: &str) -> (Result<Vec<String>, String>, Vec<String>, Option<String>) {
    let environment = |name: &str| (name == "TAG").then(|| "7".to_owned());
    let mut finder = Finder::new(&environment);
    let images = finder.images(text);
    let base = finder.base().map(str::to_owned);
    (images, finder.remarks, base)
}

#[track_caller]
fn finds(text: &str, expected: &[&str]) {
    assert_eq!(found(text).0.unwrap(), expected, "{text}");
}

#[test]
fn images_are_found_and_stages_are_not() {
    let text = "ARG BASE=reg/base:1\nFROM --platform=linux/amd64 $BASE AS build\nfrom other:${TAG} as second\nFROM Build\nFROM scratch\nCOPY --from=build /a /a\nCOPY --from=1 /a /a\nCOPY --chown=0 --from=tools:2 /b /b\nRUN FROM nowhere\n";
    let (images, remarks, base) = found(text);
    assert_eq!(images.unwrap(), ["reg/base:1", "other:7", "tools:2"]);
    assert_eq!(remarks, ["- stage reference ignored: Build", "- scratch image ignored"]);
    assert_eq!(base, None);
}

#[test]
fn a_line_without_an_image_is_an_error() {
    for (text, words) in [
        (
            "FROM $NOSUCH",
            "no image found in line \"FROM $NOSUCH\" (is a build arg missing from the environment?)",
        ),
        ("FROM a AS", "expected stage name after \"AS\" in line \"FROM a AS\""),
        ("FROM a b", "expected an image, or an image and AS and a name, in line \"FROM a b\""),
    ] {
        assert_eq!(found(text).0.unwrap_err(), words);
    }
}

/// A stage has its name from the next line on.
#[test]
fn an_image_that_is_called_as_its_stage_is_an_image() {
    finds("FROM evil AS evil", &["evil"]);
    finds("FROM evil AS evil\nFROM evil", &["evil"]);
    finds("FROM a AS b\nFROM B AS c\nFROM d", &["a", "d"]);
}

#[test]
fn continued_lines_are_one() {
    finds("FROM \\\n  evil\nCOPY \\\n# remark\n\n --from=tools \\\n /a /a", &["evil", "tools"]);
    finds("FROM good\\\nevil", &["goodevil"]);
    finds("# escape=`\nFROM a\nCOPY `\n --from=tools /a /a", &["a", "tools"]);
    finds("FROM a\nRUN x \\\\\nFROM b", &["a", "b"]);
    finds("\u{feff}FROM evil\nFROM good", &["evil", "good"]);
    assert!(found("# escape=x\nFROM a").0.is_err());
}

/// `FROM` sees what stands before the first stage, and nothing of stages.
#[test]
fn variables_of_stages_name_no_image() {
    finds("ARG B=evil\nFROM ok\nENV B=good\nARG B=good\nFROM $B", &["ok", "evil"]);
    finds("ARG A=reg\nARG B=\"$A\"'/'x\nFROM ${B}", &["reg/x"]);
    finds("FROM reg/app${X:-/evil}\nFROM b${TAG:+-x}\nFROM c${X-1}${X+2}", &["reg/app/evil", "b-x", "c1"]);
    for text in [
        "FROM a${X#b}",
        "FROM a${X:-$Y}",
        "FROM a$1",
        "FROM a\\$X",
        "FROM \"a\"",
        "FROM a$TARGETARCH",
        "ARG B=x\\ y\nFROM $B",
        "ARG B=a\nARG B\nFROM $B",
        "ARG B=$TARGETOS\nFROM $B",
    ] {
        assert!(found(text).0.is_err(), "{text}: {:?}", found(text).0);
    }
    finds("ARG B=x\\ y\nFROM a", &["a"]);
}

/// Text for a command declares no stage, whatever its lines look like.
#[test]
fn here_documents_declare_nothing() {
    finds("FROM a\nRUN <<EOF\nFROM good AS evil\nEOF\nFROM evil", &["a", "good", "evil"]);
    finds("FROM a\nRUN cat <<-\"E\" >x\n\tE\nFROM b AS c\nFROM c", &["a", "b"]);
    finds("FROM a\nRUN x <<EOF\nFROM b AS c\nFROM c", &["a", "b"]);
    finds("ARG B=evil\nFROM a\nCOPY <<EOF /x\nARG B=good\nEOF\nFROM $B", &["a", "evil"]);
    assert!(found("FROM a\nRUN <<\"E F\"\nFROM good AS evil\nE F\nFROM evil").0.is_err());
}

#[test]
fn flags_take_files_from_images() {
    finds("FROM a\nRUN --mount=type=bind,from=evil,target=/x /x/run", &["a", "evil"]);
    finds("FROM a AS b\nRUN --network=none --mount=from=B,target=/x x", &["a"]);
    finds("FROM a\nRUN --mount='type=bind,\"from=evil\"' x", &["a", "evil"]);
    finds("FROM a\nCOPY --fr\"om=evil\" /x /x", &["a", "evil"]);
    finds("FROM a\nONBUILD COPY --from=evil /x /x", &["a", "evil"]);
    finds("FROM a\nCOPY --from=7 /x /x", &["a", "7"]);
    for text in ["FROM a\nRUN --mount=from=$X x", "FROM a\nRUN --mount=from=a,from=b x"] {
        assert!(found(text).0.is_err(), "{text}");
    }
}

#[test]
fn the_base_is_the_last_stages_own() {
    for (text, expected) in [
        ("FROM evil AS base\nFROM good AS tool\nFROM base", Some("evil")),
        ("FROM evil\nCOPY --from=good /a /a", Some("evil")),
        ("FROM a AS b\nFROM scratch\nCOPY --from=b /a /a", None),
        ("FROM scratch AS b\nFROM b", None),
    ] {
        assert_eq!(found(text).2.as_deref(), expected, "{text}");
    }
}

#[test]
fn the_image_of_a_syntax_is_told() {
    let (images, remarks, _) = found("# syntax=docker/dockerfile:1\nFROM a");
    assert_eq!(images.unwrap(), ["a"]);
    assert_eq!(remarks, ["- image of the Dockerfile's syntax not verified: docker/dockerfile:1"]);
}
