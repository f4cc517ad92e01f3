//! `provost cue fmt`: rewrites CUE files in the standard form.

use std::env;
use std::fs;
use std::io::{self, Read};
use std::path::Path;

use provost_cue::{Limits, Request, SourceFile, format_source, load, shown};

use super::disk::Disk;
use super::report;
use crate::face::Face;
use crate::failure::Failure;

#[derive(clap::Args, Debug)]
pub(super) struct Args {
    /// Exit with 1 if any file is not formatted, and name it; change nothing.
    #[arg(long)]
    check: bool,
    /// Show what would change instead of rewriting.
    #[arg(short = 'd', long)]
    diff: bool,
    /// Take arguments for files and directories to format recursively.
    #[arg(long)]
    files: bool,
    /// Packages, files or, for standard input, -.
    #[arg(value_name = "INPUT")]
    inputs: Vec<String>,
}

/// Files that one run may format, below directories named as arguments.
const FILES: usize = 100_000;
/// Directories below each other that are walked.
const DEPTH: usize = 64;

/// Formats. What is no CUE is said on standard error, with exit 1.
pub(super) fn run(args: Args, face: &Face) -> Result<(), Failure> {
    let limits = Limits::default();
    let directory = env::current_dir()?.to_string_lossy().into_owned();
    let files = match args.files {
        true => walked(&args, &directory, &limits, face)?,
        false => {
            let request = Request {
                directory: &directory,
                arguments: &args.inputs,
                tags: &[],
                variables: None,
                every_file: true,
                limits: &limits,
            };
            let disk = Disk { limit: limits.policy_bytes };
            let loaded = load(&request, &disk).map_err(|error| report::load(&error, face))?;
            loaded.packages.into_iter().flat_map(|package| package.files).collect()
        }
    };
    let mut refused = false;
    for file in &files {
        let formatted =
            format_source(&file.name, &file.text, &limits).map_err(|errors| report::refuse(&errors, face))?;
        if file.path == "-" && !args.check && !args.diff {
            face.out_raw(&formatted);
            continue;
        }
        if formatted == file.text {
            continue;
        }
        let name = file.name.strip_prefix("./").unwrap_or(&file.name);
        if args.diff {
            face.out_raw(difference(name, &file.text, &formatted));
        } else if args.check {
            face.out(name);
        } else {
            fs::write(&file.path, &formatted)
                .map_err(|error| report::plain(format!("{name}: {error}"), face))?;
        }
        refused |= args.check;
    }
    if refused { Err(Failure::quiet(1)) } else { Ok(()) }
}

/// The files that arguments name, and all CUE files below directories.
fn walked(args: &Args, directory: &str, limits: &Limits, face: &Face) -> Result<Vec<SourceFile>, Failure> {
    let mut out = Vec::new();
    let here = [".".to_owned()];
    let inputs = if args.inputs.is_empty() { here.as_slice() } else { args.inputs.as_slice() };
    for input in inputs {
        if input.contains("...") {
            return Err(report::plain("cannot use \"...\" in --files mode", face));
        }
        walk(Path::new(input), (true, 0), &mut out, limits, Bounds { files: FILES, depth: DEPTH })
            .map_err(|error| report::plain(format!("{input}: {error}"), face))?;
    }
    for file in &mut out {
        if file.path != "-" {
            let absolute = Path::new(directory).join(&file.path);
            file.name = shown(&absolute.to_string_lossy(), directory);
        }
    }
    Ok(out)
}

fn walk(
    path: &Path,
    (named, depth): (bool, usize),
    out: &mut Vec<SourceFile>,
    limits: &Limits,
    bounds: Bounds,
) -> io::Result<()> {
    if out.len() >= bounds.files || depth > bounds.depth {
        return Err(io::Error::other(format!("more than {} files or {} levels", bounds.files, bounds.depth)));
    }
    if path == Path::new("-") {
        let text = whole(io::stdin().lock(), limits.policy_bytes)?;
        out.push(SourceFile { name: "-".to_owned(), path: "-".to_owned(), text });
        return Ok(());
    }
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    if fs::metadata(path)?.is_dir() {
        if !named && (name == "cue.mod" || name.starts_with(['.', '_'])) {
            return Ok(());
        }
        let mut below = fs::read_dir(path)?.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>()?;
        below.sort();
        return below.iter().try_for_each(|path| walk(path, (false, depth + 1), out, limits, bounds));
    }
    if name.ends_with(".cue") {
        let text = whole(fs::File::open(path)?, limits.policy_bytes)?;
        let path = path.to_string_lossy().into_owned();
        out.push(SourceFile { name: path.clone(), path, text });
    }
    Ok(())
}

/// How much a walk may find.
#[derive(Clone, Copy)]
struct Bounds {
    files: usize,
    depth: usize,
}

/// A whole text: what is larger than the limit is refused, because the file would be written back cut.
fn whole(from: impl Read, limit: usize) -> io::Result<String> {
    let mut text = String::new();
    from.take(limit as u64 + 1).read_to_string(&mut text)?;
    match text.len() > limit {
        true => Err(io::Error::other(format!("larger than {limit} bytes"))),
        false => Ok(text),
    }
}

/// What changes, as a unified difference of the lines between the first and the last one that differ.
fn difference(name: &str, before: &str, after: &str) -> String {
    let (old, new): (Vec<&str>, Vec<&str>) = (before.lines().collect(), after.lines().collect());
    let head = old.iter().zip(&new).take_while(|(a, b)| a == b).count();
    let rest = old.len().min(new.len()) - head;
    let tail = old.iter().rev().zip(new.iter().rev()).take(rest).take_while(|(a, b)| a == b).count();
    let from = head.saturating_sub(CONTEXT);
    let (old_end, new_end) = (old.len() - tail, new.len() - tail);
    let after_context = tail.min(CONTEXT);
    let mut out = format!("diff {name}.orig {name}\n--- {name}.orig\n+++ {name}\n");
    let lengths = (old_end + after_context - from, new_end + after_context - from);
    out.push_str(&format!("@@ -{},{} +{},{} @@\n", from + 1, lengths.0, from + 1, lengths.1));
    let mut add = |mark: char, lines: &[&str], range: std::ops::Range<usize>| {
        for line in lines.get(range).unwrap_or_default() {
            out.push_str(&format!("{mark}{line}\n"));
        }
    };
    add(' ', &old, from..head);
    add('-', &old, head..old_end);
    add('+', &new, head..new_end);
    add(' ', &old, old_end..old_end + after_context);
    out
}

/// Lines shown around what changes.
const CONTEXT: usize = 3;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on should say where")]

    use super::*;

    #[test]
    fn limits_of_a_walk_are_reached() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("below")).unwrap();
        for name in ["a.cue", "below/b.cue"] {
            fs::write(folder.path().join(name), "a: 1\n").unwrap();
        }
        let walked = |files, depth, policy_bytes| {
            let limits = Limits { policy_bytes, ..Limits::default() };
            walk(folder.path(), (true, 0), &mut Vec::new(), &limits, Bounds { files, depth })
                .map_err(|error| error.to_string())
        };
        assert_eq!(walked(3, 2, 5), Ok(()));
        assert_eq!(walked(1, 2, 5), Err("more than 1 files or 2 levels".to_owned()));
        assert_eq!(walked(3, 1, 5), Err("more than 3 files or 1 levels".to_owned()));
        assert_eq!(walked(3, 2, 4), Err("larger than 4 bytes".to_owned()));
    }
}
