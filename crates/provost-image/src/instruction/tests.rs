//! Instructions under test: what is read, and what is refused by name.

use super::{Command, Kind, read};
use crate::dockerfile::lines;

fn kinds(source: &str) -> Vec<Kind> {
    read(lines(source.as_bytes()).unwrap()).unwrap().into_iter().map(|one| one.kind).collect()
}

fn refused(source: &str) -> (usize, String) {
    let at = lines(source.as_bytes()).and_then(read).unwrap_err();
    (at.line, at.fault.to_string())
}

#[test]
fn forms_of_the_same_instruction() {
    let last = |text: &str| kinds(&format!("FROM scratch\n{text}")).pop().unwrap();
    let pairs =
        |list: &[(&str, &str)]| list.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect();
    assert_eq!(last("env A=1 B=\"2 3\""), Kind::Env(pairs(&[("A", "1"), ("B", "\"2 3\"")])));
    assert_eq!(last("ENV A one two"), Kind::Env(pairs(&[("A", "one two")])));
    assert_eq!(last("CMD [\"a\", \"b\"]"), Kind::Cmd(Command::Exec(vec!["a".into(), "b".into()])));
    assert_eq!(last("CMD [a, b]"), Kind::Cmd(Command::Shell("[a, b]".into())));
    assert_eq!(last("ENTRYPOINT echo $A"), Kind::Entrypoint(Command::Shell("echo $A".into())));
    let Kind::Copy(listed) = last("COPY --chown=1:2 --chmod=755 [\"a b\", \"c\", \"d/\"]") else { panic!() };
    assert_eq!(
        (listed.sources, listed.destination),
        (vec!["a b".to_owned(), "c".to_owned()], "d/".to_owned())
    );
    assert_eq!(
        (listed.owner.as_deref(), listed.mode.as_deref(), listed.add),
        (Some("1:2"), Some("755"), false)
    );
    let from = kinds("ARG V=1\nFROM --platform=linux/amd64 image:$V as name").pop().unwrap();
    assert_eq!(from, Kind::From { image: "image:$V".into(), platform: Some("linux/amd64".into()) });
}

#[test]
fn everything_else_is_refused_by_name_and_line() {
    for (text, words) in [
        ("RUN make", "the instruction RUN is not supported"),
        ("VOLUME /x", "the instruction VOLUME"),
        ("HEALTHCHECK NONE", "the instruction HEALTHCHECK"),
        ("ONBUILD RUN x", "the instruction ONBUILD"),
        ("SHELL [\"x\"]", "the instruction SHELL"),
        ("STOPSIGNAL 9", "the instruction STOPSIGNAL"),
        ("NONSENSE", "the instruction NONSENSE"),
        ("FROM scratch", "a second FROM (stages)"),
        ("COPY --from=build /a /b", "the flag --from=build of COPY"),
        ("COPY --link a b", "the flag --link of COPY"),
        ("ADD --checksum=sha256:0 a b", "the flag --checksum=sha256:0 of ADD"),
        ("COPY <<EOF /x", "the here-document <<EOF of COPY"),
        ("COPY <<-\"EOF\" /x", "the here-document <<-\"EOF\" of COPY"),
        ("ADD https://example.test/x /x", "ADD of the remote https://example.test/x"),
        ("ADD git@example.test:x /x", "ADD of the remote git@example.test:x"),
        ("COPY a", "COPY \"a\": expected SOURCE… DESTINATION"),
        ("COPY", "expected SOURCE… DESTINATION"),
        ("COPY a b c", "a destination that ends in /"),
        ("ENV", "ENV \"\": expected NAME=VALUE"),
        ("ENV A", "ENV \"A\": expected NAME=VALUE"),
        ("ENV A=1 B", "ENV \"B\": expected NAME=VALUE"),
        ("ENV A='1", "' is not closed"),
        ("ARG", "ARG \"\": expected NAME or NAME=VALUE"),
        ("ARG a-b", "ARG \"a-b\": expected NAME or NAME=VALUE"),
        ("WORKDIR", "WORKDIR \"\": expected a folder"),
        ("USER", "USER \"\""),
        ("EXPOSE", "EXPOSE \"\""),
    ] {
        let (line, found) = refused(&format!("FROM scratch\n\n{text}\n"));
        assert_eq!(line, 3, "{text}");
        assert!(found.contains(words), "{text}: {found}");
    }
}

#[test]
fn from_comes_first() {
    for source in ["", "# nothing", "ARG A=1", "USER 1\nFROM scratch", "ARG A\nCOPY a b"] {
        assert!(refused(source).1.starts_with("the first instruction must be FROM"), "{source}");
    }
    for source in ["FROM", "FROM a b", "FROM a as", "FROM a as b c"] {
        assert!(refused(source).1.contains("expected IMAGE or IMAGE AS NAME"), "{source}");
    }
    assert!(refused("FROM --x=1 a").1.contains("the flag --x=1 of FROM"));
}
