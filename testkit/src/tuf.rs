//! A TUF repository of a test's own: one Ed25519 key for all roles, in metadata that names no consistent snapshots.

use std::io;
use std::path::Path;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use serde_json::{Map, Value, json};

/// What the metadata says; each field may be set to what a test wants wrong.
#[derive(Debug)]
pub struct TufMaker {
    key: Ed25519KeyPair,
    /// What the metadata calls that key.
    pub keyid: String,
    /// The version of timestamp, snapshot and targets.
    pub version: u64,
    /// When the root ends.
    pub root_expires: String,
    /// When everything else ends.
    pub expires: String,
    /// The targets by name.
    pub targets: Vec<(String, Vec<u8>)>,
    /// What lies at the targets' places instead, by name.
    pub swapped: Vec<(String, Vec<u8>)>,
    /// Who else may vouch for which names: a delegation whose role another key has signed.
    pub delegated: Vec<(String, Vec<u8>)>,
}

impl TufMaker {
    /// A repository without targets, whose metadata ends in a far future.
    ///
    /// # Errors
    /// When no key can be made.
    pub fn new() -> Result<Self, Unspecified> {
        let far = "2999-01-01T00:00:00Z".to_owned();
        Ok(Self {
            key: Ed25519KeyPair::generate()?,
            keyid: "k".to_owned(),
            version: 1,
            root_expires: far.clone(),
            expires: far,
            targets: Vec::new(),
            swapped: Vec::new(),
            delegated: Vec::new(),
        })
    }

    /// The root, version 1.
    #[must_use]
    pub fn root(&self) -> Vec<u8> {
        self.root_of(1, &self.root_expires)
    }

    /// The root of a version, with its end.
    #[must_use]
    pub fn root_of(&self, version: u64, expires: &str) -> Vec<u8> {
        self.signed(&self.root_of_key(version, expires))
    }

    /// The root of version 2 by which `heir` takes over: its keys, signed by both.
    #[must_use]
    pub fn handed_to(&self, heir: &Self) -> Vec<u8> {
        let root = heir.root_of_key(2, &heir.root_expires);
        let text = root.to_string();
        let by = |maker: &Self| {
            let signature = maker.key.sign(text.as_bytes());
            json!({ "keyid": maker.keyid, "sig": hex(signature.as_ref()) })
        };
        json!({ "signed": root, "signatures": [by(self), by(heir)] }).to_string().into_bytes()
    }

    fn root_of_key(&self, version: u64, expires: &str) -> Value {
        let role = json!({ "keyids": [self.keyid], "threshold": 1 });
        json!({
            "_type": "root", "spec_version": "1.0.0", "version": version, "expires": expires,
            "consistent_snapshot": false,
            "keys": { self.keyid.as_str(): public(&self.key) },
            "roles": { "root": role, "timestamp": role, "snapshot": role, "targets": role },
        })
    }

    /// Writes everything but the root into a folder.
    ///
    /// # Errors
    /// When a file cannot be written, or no key can be made for the delegation.
    pub fn write(&self, folder: &Path) -> io::Result<()> {
        let places = folder.join("targets");
        std::fs::create_dir_all(&places)?;
        for (name, bytes) in self.targets.iter().chain(&self.delegated).chain(&self.swapped) {
            std::fs::write(places.join(name), bytes)?;
        }
        let mut said = vec![("targets", listed(&self.targets))];
        let mut known = Map::new();
        if !self.delegated.is_empty() {
            let other = Ed25519KeyPair::generate().map_err(io::Error::other)?;
            // The role is signed by the repository's key, and the delegation asks for another's.
            let delegations = json!({
                "keys": { "other": public(&other) },
                "roles": [{ "name": "more", "keyids": ["other"], "threshold": 1, "paths": ["*"], "terminating": false }],
            });
            said.push(("delegations", delegations));
            let bytes = self.role("targets", [("targets", listed(&self.delegated))]);
            known.insert("more.json".to_owned(), self.pinned(&bytes));
            std::fs::write(folder.join("more.json"), bytes)?;
        }
        let bytes = self.role("targets", said);
        known.insert("targets.json".to_owned(), self.pinned(&bytes));
        std::fs::write(folder.join("targets.json"), bytes)?;
        let bytes = self.role("snapshot", [("meta", Value::Object(known))]);
        let meta = json!({ "snapshot.json": self.pinned(&bytes) });
        std::fs::write(folder.join("snapshot.json"), bytes)?;
        std::fs::write(folder.join("timestamp.json"), self.role("timestamp", [("meta", meta)]))
    }

    fn role<'a>(&self, role: &str, said: impl IntoIterator<Item = (&'a str, Value)>) -> Vec<u8> {
        let head = [
            ("_type", role.into()),
            ("spec_version", "1.0.0".into()),
            ("version", self.version.into()),
            ("expires", self.expires.as_str().into()),
        ];
        let all = head.into_iter().chain(said).map(|(name, value)| (name.to_owned(), value));
        self.signed(&Value::Object(all.collect()))
    }

    fn pinned(&self, bytes: &[u8]) -> Value {
        json!({ "version": self.version, "length": bytes.len(), "hashes": { "sha256": sha256(bytes) } })
    }

    /// Without line ends in strings, compact JSON with sorted names is TUF's canonical form.
    fn signed(&self, role: &Value) -> Vec<u8> {
        let signature = self.key.sign(role.to_string().as_bytes());
        json!({ "signed": role, "signatures": [{ "keyid": self.keyid, "sig": hex(signature.as_ref()) }] })
            .to_string()
            .into_bytes()
    }
}

fn public(key: &Ed25519KeyPair) -> Value {
    let public = hex(key.public_key().as_ref());
    json!({ "keytype": "ed25519", "scheme": "ed25519", "keyval": { "public": public } })
}

fn listed(targets: &[(String, Vec<u8>)]) -> Value {
    let one = |(name, bytes): &(String, Vec<u8>)| {
        let said = json!({ "length": bytes.len(), "hashes": { "sha256": sha256(bytes) } });
        (name.clone(), said)
    };
    Value::Object(targets.iter().map(one).collect())
}

fn sha256(bytes: &[u8]) -> String {
    hex(digest(&SHA256, bytes).as_ref())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
