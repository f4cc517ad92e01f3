//! The functions that a verification runs, written for the linker, which then lays them side by side.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::place::Place;
use crate::servers::Server;
use crate::shell;

/// Where the linker script lies, below the workspace.
const SCRIPT: &str = "crates/provost/link-order.ld";
/// What begins the script; the rest is made.
const HEAD: &str = "\
/* Functions that verifying an image runs, side by side at the front of the program: read from all over a text of\n \
* thirty megabytes, they would each bring along the pages around them. Written by `cargo xtask link-order`; a name that\n \
* no longer exists is passed over. */\n";

/// Runs verifications under valgrind's callgrind and writes the script anew.
///
/// # Errors
/// When valgrind or the program fails, or names none of the program's functions.
pub fn run(arguments: &[&str]) -> Result<()> {
    let ["--bin", binary] = arguments else { bail!("usage: cargo xtask link-order --bin PROGRAM") };
    shell::install(&[("valgrind", "valgrind")])?;
    let binary = std::path::absolute(binary)?;
    let place = Place::new(&binary)?;
    place.write("p.json", r#"{"builder": {"id": "https://example.com/builder"}}"#)?;
    place.write("b.cue", "predicate: builder: id: \"https://example.com/builder\"\n")?;
    place.must(&["generate-key-pair"])?;
    let registry = Server::provost_registry(&binary, place.folder())?;
    let mut names = BTreeSet::new();
    for format in ["--new-bundle-format=false", "--new-bundle-format=true"] {
        let tag = format!("{}/order/app{}:v1", registry.address, format.len());
        let image = place.image(&tag, format)?;
        let how = ["--key", "cosign.key", "--use-signing-config=false", "--tlog-upload=false", format];
        place.must(&[&["sign"], how.as_slice(), &[&image]].concat())?;
        let about = ["--type", "slsaprovenance", "--predicate", "p.json", &image];
        place.must(&[&["attest"], how.as_slice(), &about].concat())?;
        let flags = ["--insecure-ignore-tlog=true", "--key", "cosign.pub", &tag];
        let policy = ["--type", "slsaprovenance", "--policy", "b.cue"];
        for verb in [vec!["verify"], [&["verify-attestation"], policy.as_slice()].concat()] {
            names.extend(executed(&place, &binary, &[verb.as_slice(), &flags].concat())?);
        }
    }
    let patterns: BTreeSet<String> = names.iter().filter_map(|name| pattern(name)).collect();
    if patterns.is_empty() {
        bail!("callgrind named no function of {}: is its symbol table stripped?", binary.display());
    }
    // What rustc takes for cold has sections of its own.
    let lines: String =
        patterns.iter().map(|name| format!("    *(.text.{name} .text.unlikely.{name})\n")).collect();
    let script = format!("{HEAD}SECTIONS\n{{\n  .text.verify : {{\n{lines}  }}\n}}\nINSERT BEFORE .text\n");
    fs::write(shell::root().join(SCRIPT), script).context(SCRIPT)?;
    shell::say(&format!("{SCRIPT}: {} functions", patterns.len()));
    Ok(())
}

/// The functions that a command runs, by their names in the symbol table.
fn executed(place: &Place, binary: &Path, arguments: &[&str]) -> Result<BTreeSet<String>> {
    let program = binary.to_str().context("the program's path is no text")?;
    let callgrind = ["--tool=callgrind", "--demangle=no", "--callgrind-out-file=calls", program];
    place.must_by(Path::new("valgrind"), &[callgrind.as_slice(), arguments].concat())?;
    let calls = place.read("calls")?;
    Ok(of_program(&calls, program))
}

/// The functions of a program that callgrind's report names. One is written `fn=(number) name` where it first appears, below the
/// `ob=` of its file; as callee `cfn=` after a `cob=` where that is another file; recursion adds `'2`.
fn of_program(calls: &str, program: &str) -> BTreeSet<String> {
    let (mut ours, mut names) = (BTreeSet::new(), BTreeSet::new());
    let (mut here, mut there) = (false, None);
    for line in calls.lines() {
        let Some((key, value)) = line.split_once('=') else { continue };
        let (number, name) = value.split_once(' ').unwrap_or((value, ""));
        match key {
            "ob" | "cob" => {
                // Of sections that are not called `.text` it does not know the file.
                if name == program || name == "???" {
                    ours.insert(number);
                }
                let ours = ours.contains(number);
                if key == "ob" { here = ours } else { there = Some(ours) }
            }
            "fn" | "cfn" => {
                let ours = if key == "cfn" { there.take().unwrap_or(here) } else { here };
                if ours && !name.is_empty() {
                    names.extend(name.split('\'').next().map(str::to_owned));
                }
            }
            _ => {}
        }
    }
    names
}

/// A symbol as the linker is to look for it: crates' disambiguators change with every version, and so does the suffix of
/// what the compiler has split; `None` for what is no name.
fn pattern(symbol: &str) -> Option<String> {
    let whole = symbol.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.$".contains(&byte));
    if !whole || symbol.starts_with("0x") {
        return None;
    }
    let symbol = symbol.split_once(".llvm.").map_or(symbol, |(name, _)| name);
    let mut pattern = String::new();
    let mut rest = symbol;
    while let Some((before, after)) = rest.split_once("Cs") {
        let end = after.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(after.len());
        // A disambiguator ends with an underscore; other letters that happen to be `Cs` stay.
        match after.get(end..) {
            Some(tail) if tail.starts_with('_') && end >= 9 => {
                pattern.push_str(before);
                pattern.push_str("Cs*");
                rest = tail;
            }
            _ => {
                pattern.push_str(before);
                pattern.push_str("Cs");
                rest = after;
            }
        }
    }
    pattern.push_str(rest);
    Some(if symbol.starts_with("_R") { format!("{pattern}*") } else { pattern })
}

#[cfg(test)]
mod tests {
    use super::{of_program, pattern};

    #[test]
    fn only_the_programs_own_functions_count() {
        let calls = "ob=(1) /lib/libc.so.6\nfn=(1) malloc\n1 2\nob=(2) /bin/p\nfn=(2) main\ncfn=(3) run'2\ncalls=1 2\n\
                     cob=(3) ???\ncfn=(8) cold\ncob=(1)\ncfn=(4) free\ncalls=1 2\ncfn=(5) end\nob=(1)\nfn=(6) exit\nob=(2)\nfn=(3)\nfn=(7) mi_free\n";
        let found: Vec<String> = of_program(calls, "/bin/p").into_iter().collect();
        assert_eq!(found, ["cold", "end", "main", "mi_free", "run"]);
    }

    #[test]
    fn versions_do_not_hide_a_function() {
        for (symbol, found) in [
            ("_RNvCslNYArtu3iFV_14provost_verify5check", Some("_RNvCs*_14provost_verify5check*")),
            ("_RNvNtCsgEmfK2I1SDS_4core3ptr4drop.llvm.123", Some("_RNvNtCs*_4core3ptr4drop*")),
            ("_RNvC3abc4Csum", Some("_RNvC3abc4Csum*")),
            ("aws_lc_0_47_0_SHA256_Update", Some("aws_lc_0_47_0_SHA256_Update")),
            ("mi_page_fresh_alloc", Some("mi_page_fresh_alloc")),
            ("0x000000000001ab70", None),
            ("???", None),
        ] {
            assert_eq!(pattern(symbol).as_deref(), found, "{symbol}");
        }
    }
}
