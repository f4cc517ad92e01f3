//! Whether what lies beside an image is what the rules recorded from Chains make of the runs as the API server holds them.
//!
//! `provost provenance` is what the replay of Chains' recorded statements judges; what the controller stored must be that.

use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::cluster::Cluster;
use crate::place::Place;

/// Compares every attestation of an image with the statements about a PipelineRun and its children, which made it.
pub(super) fn agree(
    place: &Place,
    cluster: &Cluster,
    namespace: &str,
    pipeline_run: &str,
    children: &[&str],
    image: &str,
) -> Result<()> {
    let keep = |file: &str, arguments: &[&str]| -> Result<()> {
        let all: Vec<&str> = ["get"].iter().chain(arguments).chain(&["-o", "json"]).copied().collect();
        place.write(file, &cluster.kubectl(&all)?)
    };
    keep("agreement/config.json", &["configmap", "chains-config", "-n", "tekton-chains"])?;
    keep("agreement/run.json", &["pipelinerun", pipeline_run, "-n", namespace])?;
    let provenance = ["provenance", "--config", "agreement/config.json", "--run"];
    let mut made = Vec::new();
    let mut arguments: Vec<String> = provenance.iter().map(|word| (*word).to_owned()).collect();
    arguments.push("agreement/run.json".to_owned());
    for (number, child) in children.iter().enumerate() {
        let file = format!("agreement/child-{number}.json");
        keep(&file, &["taskrun", child, "-n", namespace])?;
        let own: Vec<&str> = provenance.iter().copied().chain([file.as_str()]).collect();
        made.extend(lines(&place.must(&own)?)?);
        arguments.extend(["--child".to_owned(), file]);
    }
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    made.extend(lines(&place.must(&arguments)?)?);
    let mut stored = Vec::new();
    for envelope in lines(&place.must(&["download", "attestation", image])?)? {
        let payload = envelope.get("payload").and_then(Value::as_str).context("an envelope's payload")?;
        stored.push(serde_json::from_slice(&decoded(payload)?)?);
    }
    let (made, stored) = (sorted(&made), sorted(&stored));
    if made != stored {
        bail!("{image}: stored are\n{}\nand the rules make\n{}", stored.join("\n"), made.join("\n"));
    }
    Ok(())
}

fn lines(text: &str) -> Result<Vec<Value>> {
    text.lines().map(|line| serde_json::from_str(line).with_context(|| line.to_owned())).collect()
}

/// Each as text with its fields in order, all in order.
fn sorted(statements: &[Value]) -> Vec<String> {
    let mut texts: Vec<String> = statements.iter().map(Value::to_string).collect();
    texts.sort();
    texts
}

/// Standard base64, by the tool every system has.
fn decoded(text: &str) -> Result<Vec<u8>> {
    use std::io::Write as _;
    let mut child = Command::new("base64").arg("-d").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    let mut input = child.stdin.take().context("standard input")?;
    let text = text.to_owned();
    let writer = std::thread::spawn(move || input.write_all(text.as_bytes()));
    let output = child.wait_with_output()?;
    writer.join().map_err(|_| anyhow::anyhow!("base64 was not fed"))??;
    if !output.status.success() {
        bail!("an envelope's payload is no base64");
    }
    Ok(output.stdout)
}
