//! Round trips: every kind of key, both storage formats, on docker-registry (no referrers API) and on our own registry.

use std::path::Path;
use std::process::{Child, Stdio};

use anyhow::{Context, Result, bail};

use super::Setting;
use crate::place::Place;
use crate::servers::Server;
use crate::shell;

/// A kind of key: its name, how openssl makes it, and the hash cosign must be told to verify it by (none where it cannot).
const KEYS: [(&str, &[&str], Option<&str>); 6] = [
    ("p256", &["ecparam", "-name", "prime256v1", "-genkey", "-noout"], Some("sha256")),
    ("p384", &["ecparam", "-name", "secp384r1", "-genkey", "-noout"], Some("sha384")),
    ("p521", &["ecparam", "-name", "secp521r1", "-genkey", "-noout"], Some("sha512")),
    ("rsa2048", &["genrsa", "2048"], Some("sha256")),
    ("rsa4096", &["genrsa", "4096"], Some("sha256")),
    ("ed25519", &["genpkey", "-algorithm", "ed25519"], None),
];

/// A storage format: its name, and the flags that ask for it when writing.
const FORMATS: [(&str, &str); 2] =
    [("tags", "--new-bundle-format=false"), ("bundles", "--new-bundle-format=true")];
/// Nothing of Sigstore's public servers.
const OFFLINE: [&str; 2] = ["--use-signing-config=false", "--tlog-upload=false"];

const PREDICATE: &str = r#"{"builder":{"id":"https://example.com/b"},"buildType":"t"}"#;
const GOOD: &str = "predicate: builder: id: \"https://example.com/b\"\n";
const BAD: &str = "predicate: builder: id: \"https://example.com/other\"\n";

/// How many images each key signs in each format.
const ROUNDS: usize = 10;
/// How many writers attest one image at once.
const WRITERS: usize = 40;

/// Runs all round trips against both registries.
pub(super) fn run(setting: &Setting) -> Result<()> {
    shell::install(&[("docker-registry", "docker-registry"), ("openssl", "openssl")])?;
    let mut place = Place::new(&setting.binary)?;
    place.set("SIGSTORE_NO_CACHE", "true");
    place.write("predicate.json", PREDICATE)?;
    place.write("good.cue", GOOD)?;
    place.write("bad.cue", BAD)?;
    place.must(&["generate-key-pair"])?;
    place.must(&["generate-key-pair", "--output-key-prefix", "stranger"])?;
    for (name, arguments, _) in KEYS {
        place.write(&format!("{name}.pem"), &place.must_by(Path::new("openssl"), arguments)?)?;
        let pem = format!("{name}.pem");
        place.must(&["import-key-pair", "--key", &pem, "--output-key-prefix", name, "--yes"])?;
    }
    let docker = Server::docker_registry(place.folder())?;
    let ours = Server::provost_registry(&setting.binary, place.folder())?;
    for (here, there) in [(&docker, &ours), (&ours, &docker)] {
        let scene = Scene {
            place: &place,
            setting,
            here: here.address.to_string(),
            there: there.address.to_string(),
        };
        scene.rounds()?;
        scene.mixed()?;
        for format in FORMATS {
            scene.writers(format)?;
        }
    }
    Ok(())
}

struct Scene<'a> {
    place: &'a Place,
    setting: &'a Setting,
    here: String,
    there: String,
}

impl Scene<'_> {
    fn rounds(&self) -> Result<()> {
        let rounds = self.setting.count(ROUNDS);
        let mut done = 0;
        for (format, flag) in FORMATS {
            for (key, hash) in
                KEYS.iter().map(|(key, _, hash)| (*key, *hash)).chain([("cosign", Some("sha256"))])
            {
                for round in 0..rounds {
                    let tag = format!("{}/rounds/{format}-{key}:r{round}", self.here);
                    let content = format!("{} {format} {key} {round}\n", self.here);
                    self.round(&tag, &content, key, flag, hash).with_context(|| format!("{tag} by {key}"))?;
                    done += 1;
                }
            }
        }
        shell::say(&format!("{done} round trips of signature and attestation hold on {}", self.here));
        Ok(())
    }

    /// Signs, attests, verifies, copies, saves and loads one image.
    fn round(&self, tag: &str, content: &str, key: &str, format: &str, hash: Option<&str>) -> Result<()> {
        let place = self.place;
        let image = place.image(tag, content)?;
        let (private, public) = (format!("{key}.key"), format!("{key}.pub"));
        place.refuses(&["verify", "--key", &public, &image], "no signatures found")?;
        self.write(&["sign", "--key", &private, format, &image])?;
        self.attest(&private, format, &image)?;
        self.holds(&public, &image)?;
        if let (Some(cosign), Some(hash)) = (&self.setting.cosign, hash) {
            let algorithm = format!("--signature-digest-algorithm={hash}");
            let shared = ["--key", public.as_str(), &algorithm, "--insecure-ignore-tlog"];
            place.must_by(cosign, &[&["verify"], shared.as_slice(), &[&image]].concat())?;
            let policy = ["--type", "slsaprovenance", "--policy", "good.cue", &image];
            place.must_by(cosign, &[&["verify-attestation"], shared.as_slice(), &policy].concat())?;
        }
        let (_, digest) = image.split_once('@').context("an image by digest")?;
        let copied = tag.replacen(&self.here, &self.there, 1).replacen("rounds/", "copied/", 1);
        let (name, _) = copied.rsplit_once(':').context("a tag")?;
        place.must(&["copy", &image, &copied])?;
        self.holds(&public, &format!("{name}@{digest}"))?;
        let folder = format!("saved/{key}-{}", digest.replace(':', "-"));
        place.must(&["save", "--dir", &folder, &image])?;
        let loaded = copied.replacen("copied/", "loaded/", 1);
        place.must(&["load", "--dir", &folder, &loaded])?;
        let (name, _) = loaded.rsplit_once(':').context("a tag")?;
        self.holds(&public, &format!("{name}@{digest}"))
    }

    fn write(&self, arguments: &[&str]) -> Result<String> {
        let [verb, rest @ ..] = arguments else { bail!("a command without a verb") };
        self.place.must(&[&[*verb], OFFLINE.as_slice(), rest].concat())
    }

    fn attest(&self, private: &str, format: &str, image: &str) -> Result<String> {
        let predicate = ["--type", "slsaprovenance", "--predicate", "predicate.json"];
        self.write(&[&["attest", "--key", private, format], predicate.as_slice(), &[image]].concat())
    }

    /// The signature and the attestation hold under the key, not under a stranger's, and the policy decides.
    fn holds(&self, public: &str, image: &str) -> Result<()> {
        let place = self.place;
        place.must(&["verify", "--key", public, image])?;
        place.refuses(&["verify", "--key", "stranger.pub", image], "no matching")?;
        let verify = |key, policy| {
            ["verify-attestation", "--key", key, "--type", "slsaprovenance", "--policy", policy, image]
        };
        let envelope = place.must(&verify(public, "good.cue"))?;
        if envelope.lines().count() != 1 {
            bail!("one attestation was written, and these verify: {envelope}");
        }
        place.refuses(&verify(public, "bad.cue"), "conflicting values")?;
        place.refuses(&verify("stranger.pub", "good.cue"), "no matching attestations")
    }

    /// Both formats beside one image count together.
    fn mixed(&self) -> Result<()> {
        let image =
            self.place.image(&format!("{}/mixed/app:v1", self.here), &format!("mixed {}\n", self.here))?;
        for (key, (_, format)) in ["p256.key", "ed25519.key"].iter().zip(FORMATS) {
            self.attest(key, format, &image)?;
            self.write(&["sign", "--key", key, format, &image])?;
        }
        for key in ["p256.pub", "ed25519.pub"] {
            self.holds(key, &image).with_context(|| format!("{key} of both formats on {}", self.here))?;
        }
        self.attest("p256.key", "--new-bundle-format=true", &image)?;
        let arguments = ["verify-attestation", "--key", "p256.pub", "--type", "slsaprovenance", &image];
        let found = self.place.must(&arguments)?.lines().count();
        if found != 2 {
            bail!("one attestation in each format was written, and {found} verify");
        }
        Ok(())
    }

    /// Writers that attest one image at the same time lose nothing of each other's.
    fn writers(&self, (name, format): (&str, &str)) -> Result<()> {
        let tag = format!("{}/writers/{name}:v1", self.here);
        let image = self.place.image(&tag, &format!("writers {name} {}\n", self.here))?;
        // Two writers are the least there can be a race between.
        let writers = self.setting.count(WRITERS).max(2);
        let predicate = ["--type", "slsaprovenance", "--predicate", "predicate.json"];
        let arguments =
            [&["attest", "--key", "p256.key", format], OFFLINE.as_slice(), &predicate, &[&image]].concat();
        let started: Vec<Child> = (0..writers)
            .map(|_| {
                let mut command = self.place.command(self.place.binary());
                command.args(&arguments).stdout(Stdio::null()).stderr(Stdio::piped()).spawn()
            })
            .collect::<Result<_, _>>()?;
        for child in started {
            let output = child.wait_with_output()?;
            if !output.status.success() {
                bail!("a writer among {writers} failed: {}", String::from_utf8_lossy(&output.stderr).trim());
            }
        }
        let verify = ["verify-attestation", "--key", "p256.pub", "--type", "slsaprovenance", &image];
        let found = self.place.must(&verify)?.lines().count();
        if found != writers {
            bail!(
                "{writers} writers attested at once in {name} on {}, and {found} attestations are there",
                self.here
            );
        }
        shell::say(&format!("{writers} writers at once lose nothing in {name} on {}", self.here));
        Ok(())
    }
}
