//! Plans under test.

use serde_json::json;

use super::{Action, Arguments, Plan, absolute, base, plan};
use crate::config::Runtime;
use crate::dockerfile::{AtLine, lines};
use crate::error::Fault;
use crate::instruction::read;

fn planned(source: &str, runtime: Runtime, given: &[(&str, &str)]) -> Result<(String, Plan), AtLine> {
    let given: Arguments =
        given.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let instructions = read(lines(source.as_bytes())?)?;
    let (_, image) = base(&instructions, &given, "amd64")?;
    Ok((image, plan(&instructions, runtime, &given, "amd64")?))
}

fn runtime(source: &str, given: &[(&str, &str)]) -> serde_json::Value {
    let from: Runtime = serde_json::from_value(json!({
        "Env": ["PATH=/bin", "OLD=1"], "Cmd": ["base"], "Labels": null, "WorkingDir": "/w", "StopSignal": "9"
    }))
    .unwrap();
    serde_json::to_value(planned(source, from, given).unwrap().1.runtime).unwrap()
}

fn copies(plan: &Plan) -> Vec<(String, bool)> {
    let each = plan.steps.iter().filter_map(|step| match &step.action {
        Action::Copy(copy) => Some((copy.destination.clone(), copy.into_folder)),
        _ => None,
    });
    each.collect()
}

#[test]
fn the_configuration_grows_on_the_bases() {
    let source = "FROM base\n\
        ENV NEW=$OLD OLD=2 THIRD=\"$NEW|$PATH\"\n\
        ENV NEW=$NEW$OLD\n\
        LABEL a=1 b=\"$NEW\"\n\
        WORKDIR sub\n\
        WORKDIR ../other\n\
        USER $OLD:3\n\
        EXPOSE 80 9000-9001/udp\n\
        ENTRYPOINT [\"run\"]\n";
    let expected = json!({
        "Env": ["PATH=/bin", "OLD=2", "NEW=12", "THIRD=|/bin"],
        "Labels": {"a": "1", "b": "12"},
        "WorkingDir": "/w/other",
        "User": "2:3",
        "ExposedPorts": {"80/tcp": {}, "9000/udp": {}, "9001/udp": {}},
        "Entrypoint": ["run"],
        "StopSignal": "9",
    });
    assert_eq!(runtime(source, &[]), expected);
    assert_eq!(
        runtime("FROM b\nCMD run it\nENTRYPOINT [\"x\"]", &[])["Cmd"],
        json!(["/bin/sh", "-c", "run it"])
    );
    assert_eq!(runtime("FROM b\nCMD []", &[])["Cmd"], json!([]));
}

#[test]
fn arguments_have_scopes() {
    let source = "ARG TAG=1\nARG NAME=image:$TAG\nFROM $NAME\nARG TAG\nARG OWN=x$TAG\nARG TARGETARCH\nARG NONE\n\
        LABEL tag=$TAG own=$OWN name=$NAME arch=$TARGETARCH none=${NONE:-unset}\nENV OWN=env\nLABEL after=$OWN";
    let (image, plan) = planned(source, Runtime::default(), &[]).unwrap();
    assert_eq!(image, "image:1");
    let labels = plan.runtime.labels.unwrap();
    let expected =
        [("after", "env"), ("arch", "amd64"), ("name", ""), ("none", "unset"), ("own", "x1"), ("tag", "1")];
    let found: Vec<_> = labels.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(found, expected);

    let given = [("TAG", "2"), ("OWN", "given"), ("http_proxy", "p"), ("LOST", "1")];
    let (image, plan) = planned(source, Runtime::default(), &given).unwrap();
    assert_eq!((image.as_str(), plan.unused.as_slice()), ("image:2", ["LOST".to_owned()].as_slice()));
    assert_eq!(plan.runtime.labels.unwrap()["own"], "given");
}

#[test]
fn destinations_are_absolute() {
    let source =
        "FROM scratch\nCOPY a b\nWORKDIR /w\nCOPY a b\nCOPY a .\nCOPY a ../x/./y/\nCOPY a /\nCOPY a /../..";
    let (_, plan) = planned(source, Runtime::default(), &[]).unwrap();
    let expected = [("/b", false), ("/w/b", false), ("/w", true), ("/x/y", true), ("/", true), ("/", false)];
    assert_eq!(copies(&plan), expected.map(|(path, folder)| (path.to_owned(), folder)));
    assert_eq!(absolute("/a/b", "c//d/../e/"), "/a/b/c/e");
}

#[test]
fn values_that_make_no_sense_are_refused() {
    for (text, words) in [
        ("EXPOSE 70000", "EXPOSE \"70000\""),
        ("EXPOSE 80/icmp", "EXPOSE \"80/icmp\""),
        ("EXPOSE 9-8", "EXPOSE \"9-8\""),
        ("EXPOSE -1", "EXPOSE \"-1\""),
        ("USER $NONE", "USER \"\""),
        ("COPY --chown=root a b", "--chown=root (numbers only"),
        ("COPY --chown=1:-1 a b", "--chown=1:-1 (numbers only"),
        ("COPY --chmod=u+x a b", "--chmod with an octal number"),
        ("COPY --chmod=17777 a b", "--chmod with an octal number"),
        ("ENV A=${B", "${ is not closed"),
    ] {
        let refused = planned(&format!("FROM scratch\n{text}"), Runtime::default(), &[]).unwrap_err();
        assert_eq!(refused.line, 2, "{text}");
        assert!(refused.fault.to_string().contains(words), "{text}: {}", refused.fault);
    }
    let foreign = planned("FROM --platform=windows/amd64 x", Runtime::default(), &[]).unwrap_err();
    assert!(foreign.fault.to_string().contains("the platform windows/amd64"));
    assert!(planned("FROM --platform=$BUILDPLATFORM x", Runtime::default(), &[]).is_ok());
}

#[test]
fn variables_that_double_reach_a_limit() {
    let source = format!("FROM scratch\nENV A=0123456789abcdef\n{}", "ENV A=$A$A\n".repeat(40));
    let refused = planned(&source, Runtime::default(), &[]).unwrap_err();
    assert!(matches!(refused.fault, Fault::VariableTooLong { .. }));
    let many = "ENV A$N=$A\n".repeat(3);
    let source = format!("FROM scratch\nARG A={}\n{}", "x".repeat(900_000), many.replace("$N", "1"));
    assert!(planned(&source, Runtime::default(), &[]).is_ok(), "one variable set thrice stays one");
    let source = format!("FROM scratch\nARG A={}\nENV B=$A\nENV C=$A", "x".repeat(600_000));
    assert_eq!(planned(&source, Runtime::default(), &[]).unwrap_err().line, 4);
}

#[test]
fn working_folders_do_not_grow_without_end() {
    let long = format!("FROM scratch\n{}", format!("WORKDIR {}\n", "a/".repeat(500)).repeat(5));
    assert!(matches!(planned(&long, Runtime::default(), &[]).unwrap_err().fault, Fault::PathTooLong { .. }));
    let good = long.lines().take(5).collect::<Vec<_>>().join("\n");
    assert!(planned(&good, Runtime::default(), &[]).is_ok());
}
