//! How long a check takes and what it holds in memory: a small provenance many times, SPDX documents of growing size
//! once each in a process of its own. `cargo xtask bench cue` runs it; with `CUE=/path/to/cue` the same documents go
//! through `cue vet` beside it.

#![expect(clippy::expect_used, clippy::panic, reason = "a benchmark that cannot be set up has no result")]

use std::fmt::Write;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use provost_cue::{Absent, Data, Limits, Policy, PolicyFile};

/// The guide's policy, word for word.
const GUIDE: &str = "predicate: {builder: {id: \"https://alauda.io/builders/tekton/v1\"}}\n";

/// Ten lines that look at every package of an SPDX document, closed so that a field nobody knows is refused.
const TEN_LINES: &str =
    "#Reference: {referenceCategory: string, referenceType: string, referenceLocator: =~\"^pkg:\"}
#Package: {
\tSPDXID: =~\"^SPDXRef-\"
\tname:   string, versionInfo?: string
\tdownloadLocation: string, filesAnalyzed: bool
\tlicenseConcluded: \"MIT\" | \"Apache-2.0\" | \"NOASSERTION\"
\tlicenseDeclared:  string, copyrightText: string
\texternalRefs: [...#Reference]
}
predicate: packages: [...#Package]
";

/// How often the small check is timed; its median moves by a few per cent between runs.
const SMALL_RUNS: usize = 2000;
/// How often each document is checked; the best of a few is free of what else the machine did.
const LARGE_RUNS: usize = 5;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    match arguments.iter().position(|argument| argument == "--document") {
        Some(at) => document(arguments.get(at + 1).map_or("", String::as_str)),
        None => all(),
    }
}

fn policy(source: &str) -> Policy {
    Policy::prepare(&[PolicyFile { name: "policy.cue", source }], &Limits::default())
        .unwrap_or_else(|errors| panic!("the policy: {errors}"))
}

/// Everything, as a table.
fn all() {
    let source = provenance();
    let policy = policy(GUIDE);
    let mut times: Vec<Duration> = (0..SMALL_RUNS)
        .map(|_| {
            let start = Instant::now();
            let data = Data::from_json(source.as_bytes(), &Limits::default()).expect("JSON");
            policy.check(&data, Absent::Refuse).expect("the provenance holds");
            start.elapsed()
        })
        .collect();
    times.sort_unstable();
    let median = times.get(times.len() / 2).copied().unwrap_or_default();
    let mut table = format!(
        "guide's policy, {} bytes of provenance, prepared once: {:.1} µs a check (median of {SMALL_RUNS}, reading the JSON included)\n",
        source.len(),
        median.as_secs_f64() * 1e6,
    );
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("policy.cue"), TEN_LINES).expect("the policy is written");
    for megabytes in [1.0, 2.0, 3.9, 8.0] {
        let path = folder.path().join("document.json");
        let size = spdx(&path, (megabytes * 1e6) as usize);
        let run = Command::new(std::env::current_exe().expect("this program"))
            .args(["--document", &path.to_string_lossy()])
            .output()
            .expect("this program runs");
        let ours = String::from_utf8_lossy(&run.stdout);
        let _ = write!(table, "ten lines, {:.1} MB of SPDX: {}", size as f64 / 1e6, ours.trim_end());
        if let Some(cue) = std::env::var_os("CUE") {
            let _ = write!(table, " | cue vet {}", peer(Path::new(&cue), folder.path()));
        }
        table.push('\n');
    }
    print(&table);
}

#[expect(clippy::print_stdout, reason = "a benchmark's result is what it prints")]
fn print(text: &str) {
    println!("{text}");
}

/// One document, in a process whose peak is its own.
fn document(path: &str) {
    let policy = policy(TEN_LINES);
    let mut best = Duration::MAX;
    for _ in 0..LARGE_RUNS {
        let bytes = std::fs::read(path).expect("the document");
        let start = Instant::now();
        let data = Data::from_json(&bytes, &Limits::default()).expect("JSON");
        policy.check(&data, Absent::Refuse).expect("the document holds");
        best = best.min(start.elapsed());
    }
    print(&format!("{:.1} ms, {} peak (best of {LARGE_RUNS})", best.as_secs_f64() * 1e3, peak()));
}

/// The most memory this process held, the document's own bytes included.
fn peak() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let kilobytes = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes =
        kilobytes.and_then(|rest| rest.trim().strip_suffix(" kB")).and_then(|kb| kb.parse::<f64>().ok());
    kilobytes.map_or_else(|| "unknown memory".to_owned(), |kb| format!("{:.1} MB", kb * 1024.0 / 1e6))
}

/// The whole command of the peer, its start included.
fn peer(cue: &Path, folder: &Path) -> String {
    let start = Instant::now();
    let status = Command::new(cue).args(["vet", "policy.cue", "document.json"]).current_dir(folder).status();
    match status {
        Ok(status) if status.success() => format!("{:.0} ms", start.elapsed().as_secs_f64() * 1e3),
        Ok(status) => format!("ended with {status}"),
        Err(error) => format!("could not start: {error}"),
    }
}

/// A v0.2 provenance of about 2 KB.
fn provenance() -> String {
    let materials: Vec<String> = (0..12)
        .map(|n| {
            format!(
                "{{\"uri\":\"pkg:docker/registry.example/base-{n}@1.{n}\",\"digest\":{{\"sha256\":\"{}\"}}}}",
                format!("{n:x}").repeat(64)
            )
        })
        .collect();
    format!(
        "{{\"_type\":\"https://in-toto.io/Statement/v0.1\",\"predicateType\":\"https://slsa.dev/provenance/v0.2\",\
         \"subject\":[{{\"name\":\"registry.example/demo\",\"digest\":{{\"sha256\":\"{}\"}}}}],\
         \"predicate\":{{\"builder\":{{\"id\":\"https://alauda.io/builders/tekton/v1\"}},\"buildType\":\"tekton.dev/v1beta1/TaskRun\",\
         \"invocation\":{{\"configSource\":{{}},\"parameters\":{{}}}},\"buildConfig\":{{\"steps\":[]}},\"materials\":[{}]}}}}",
        "a".repeat(64),
        materials.join(",")
    )
}

/// Writes an SPDX statement of about a size, and says how large it became.
fn spdx(path: &Path, size: usize) -> usize {
    let mut packages = String::with_capacity(size);
    for n in 0.. {
        if packages.len() >= size {
            break;
        }
        let comma = if n == 0 { "" } else { "," };
        let _ = write!(
            packages,
            "{comma}{{\"SPDXID\":\"SPDXRef-Package-{n}\",\"name\":\"package-{n}\",\"versionInfo\":\"1.{}.{}\",\
             \"downloadLocation\":\"NOASSERTION\",\"filesAnalyzed\":false,\"licenseConcluded\":\"MIT\",\
             \"licenseDeclared\":\"MIT\",\"copyrightText\":\"NOASSERTION\",\"externalRefs\":[{{\
             \"referenceCategory\":\"PACKAGE-MANAGER\",\"referenceType\":\"purl\",\
             \"referenceLocator\":\"pkg:deb/debian/package-{n}@1.{}.{}\"}}]}}",
            n % 100,
            n % 7,
            n % 100,
            n % 7,
        );
    }
    let document = format!(
        "{{\"_type\":\"https://in-toto.io/Statement/v0.1\",\"predicateType\":\"https://spdx.dev/Document\",\
         \"subject\":[{{\"name\":\"demo\",\"digest\":{{\"sha256\":\"{}\"}}}}],\
         \"predicate\":{{\"spdxVersion\":\"SPDX-2.3\",\"packages\":[{packages}]}}}}",
        "b".repeat(64)
    );
    std::fs::write(path, &document).expect("the document is written");
    document.len()
}
