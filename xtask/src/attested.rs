//! Images with signed provenance, thousands a minute: made here, since a command for each would take longer than the bench.

use std::io::{Read, Write};

use anyhow::{Context, Result, bail};
use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::http::{Connection, request};

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const PAYLOAD: &str = "application/vnd.in-toto+json";
/// What stands before a P-256 point in a public key's DER (RFC 5480).
const P256: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86,
    0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];

/// A key that signs provenance.
pub(crate) struct Signer(EcdsaKeyPair);

impl Signer {
    pub(crate) fn new() -> Result<Self> {
        Ok(Self(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING)?))
    }

    /// The public key in PEM.
    pub(crate) fn public(&self) -> String {
        let text = STANDARD.encode([P256.as_slice(), self.0.public_key().as_ref()].concat());
        let (first, second) = text.split_at(text.len().min(64));
        format!("-----BEGIN PUBLIC KEY-----\n{first}\n{second}\n-----END PUBLIC KEY-----\n")
    }

    /// Pushes an image that has this number, with provenance in a tag beside it; its digest, `sha256:…`.
    pub(crate) fn image<S: Read + Write>(
        &self,
        registry: &mut Connection<S>,
        repository: &str,
        number: usize,
    ) -> Result<String> {
        let config = json!({"architecture": "amd64", "os": "linux", "author": format!("image {number}")});
        let config = push_blob(registry, repository, config.to_string().as_bytes())?;
        let image = manifest("application/vnd.oci.image.config.v1+json", &config, &[]);
        let image = image.to_string();
        let name = sha256(image.as_bytes());
        push_manifest(registry, repository, &name, &image)?;
        let envelope = self.envelope(repository, &name)?;
        let layer = push_blob(registry, repository, envelope.as_bytes())?;
        let none = push_blob(registry, repository, b"{}")?;
        let layer = json!({
            "mediaType": "application/vnd.dsse.envelope.v1+json", "size": layer.size, "digest": layer.name,
            "annotations": {"dev.cosignproject.cosign/signature": ""},
        });
        let attached = manifest("application/vnd.oci.image.config.v1+json", &none, &[layer]);
        push_manifest(
            registry,
            repository,
            &format!("{}.att", name.replace(':', "-")),
            &attached.to_string(),
        )?;
        Ok(name)
    }

    /// Provenance as Chains writes it, of the size that a small build has, in a signed envelope.
    fn envelope(&self, repository: &str, name: &str) -> Result<String> {
        let hex = name.strip_prefix("sha256:").context("a digest")?;
        let steps: Vec<Value> = ["clone", "build", "push"]
            .map(|step| json!({"entryPoint": format!("#!/bin/sh\nset -e\n{step} \"$(params.source)\"\n"), "arguments": null, "environment": {"container": step, "image": format!("oci://registry.example/tools/{step}@{name}")}, "annotations": null}))
            .to_vec();
        let statement = json!({
            "_type": "https://in-toto.io/Statement/v0.1",
            "predicateType": "https://slsa.dev/provenance/v0.2",
            "subject": [{"name": format!("registry.example/{repository}"), "digest": {"sha256": hex}}],
            "predicate": {
                "builder": {"id": "https://example.com/builder"},
                "buildType": "tekton.dev/v1beta1/TaskRun",
                "invocation": {"configSource": {}, "parameters": {"source": "git+https://git.example/app"}},
                "buildConfig": {"steps": steps},
                "metadata": {"buildStartedOn": "2026-11-23T01:00:00Z", "buildFinishedOn": "2026-11-23T01:01:00Z"},
            },
        })
        .to_string();
        let signed = format!("DSSEv1 {} {PAYLOAD} {} {statement}", PAYLOAD.len(), statement.len());
        let signature = self.0.sign(&SystemRandom::new(), signed.as_bytes())?;
        Ok(json!({
            "payloadType": PAYLOAD,
            "payload": STANDARD.encode(statement),
            "signatures": [{"keyid": "", "sig": STANDARD.encode(signature)}],
        })
        .to_string())
    }
}

/// A blob's name and length.
struct Blob {
    name: String,
    size: usize,
}

fn descriptor(kind: &str, blob: &Blob) -> Value {
    json!({"mediaType": kind, "size": blob.size, "digest": blob.name})
}

fn manifest(kind: &str, config: &Blob, layers: &[Value]) -> Value {
    json!({"schemaVersion": 2, "mediaType": MANIFEST, "config": descriptor(kind, config), "layers": layers})
}

fn push_blob<S: Read + Write>(registry: &mut Connection<S>, repository: &str, bytes: &[u8]) -> Result<Blob> {
    let begun = registry.ask(&request("POST", &format!("/v2/{repository}/blobs/uploads/"), "", b""))?;
    let place = begun.header("location").with_context(|| format!("an upload, not {}", begun.status))?;
    let path = place
        .split_once("://")
        .map_or(place, |(_, rest)| rest.find('/').map_or("", |at| rest.split_at(at).1));
    let name = sha256(bytes);
    let mark = if path.contains('?') { '&' } else { '?' };
    let put = request("PUT", &format!("{path}{mark}digest={name}"), "application/octet-stream", bytes);
    stored(registry, &put)?;
    Ok(Blob { name, size: bytes.len() })
}

fn push_manifest<S: Read + Write>(
    registry: &mut Connection<S>,
    repository: &str,
    which: &str,
    text: &str,
) -> Result<()> {
    let put = request("PUT", &format!("/v2/{repository}/manifests/{which}"), MANIFEST, text.as_bytes());
    stored(registry, &put)
}

fn stored<S: Read + Write>(registry: &mut Connection<S>, put: &[u8]) -> Result<()> {
    let answer = registry.ask(put)?;
    if answer.status != 201 {
        bail!("the registry answers {}: {}", answer.status, String::from_utf8_lossy(&answer.body));
    }
    Ok(())
}

fn sha256(bytes: &[u8]) -> String {
    let hex: String = digest(&SHA256, bytes).as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hex}")
}
