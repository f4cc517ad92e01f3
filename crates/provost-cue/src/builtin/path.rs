//! Package path: names of files by the rules of an operating system. Touches no file.

mod clean;
mod matching;

use super::Builtin;
use super::call::Call;
use crate::fault::Eval;
use crate::kind::Kinds;
use crate::value::Value;

use clean::System;

const S: Kinds = Kinds::STRING;

pub(super) static CONSTANTS: &[(&str, &str)] =
    &[("Unix", "\"unix\""), ("Windows", "\"windows\""), ("Plan9", "\"plan9\"")];

/// What may be named as an operating system; all but two are Unix to this package.
const SYSTEMS: [&str; 17] = [
    "unix",
    "windows",
    "plan9",
    "aix",
    "android",
    "darwin",
    "dragonfly",
    "freebsd",
    "hurd",
    "illumos",
    "ios",
    "js",
    "linux",
    "nacl",
    "netbsd",
    "openbsd",
    "solaris",
];

macro_rules! of_path {
    ($name:literal, $run:expr) => {
        Builtin::function($name, &[S, S], |c| {
            let system = system(c, 1, "*\"unix\"")?;
            let text: String = $run(system, &c.text(0));
            c.answer(&text)
        })
        .or("unix")
    };
}

pub(super) static BUILTINS: &[Builtin] = &[
    of_path!("path.Clean", System::clean),
    of_path!("path.Base", System::base),
    of_path!("path.Dir", System::dir),
    of_path!("path.Ext", |system: System, path: &str| system.extension(path).to_owned()),
    Builtin::function("path.Split", &[S, S], |c| {
        let system = system(c, 1, "*\"unix\"")?;
        let path = c.text(0);
        let (dir, file) = system.split(&path);
        c.texts([dir, file])
    })
    .or("unix"),
    Builtin::function("path.SplitList", &[S, S], |c| {
        let system = system(c, 1, "\"unix\"")?;
        let parts = system.split_list(&c.text(0));
        c.texts(parts)
    }),
    Builtin::function("path.Join", &[Kinds::LIST, S], |c| {
        let parts = c.strings(0)?;
        let system = system(c, 1, "*\"unix\"")?;
        let parts: Vec<&str> = parts.iter().map(|part| &**part).collect();
        c.context.spend(parts.iter().map(|part| part.len()).sum())?;
        c.answer(&system.join(&parts))
    })
    .or("unix"),
    Builtin::function("path.Match", &[S, S, S], |c| {
        let system = system(c, 2, "*\"unix\"")?;
        let (pattern, name) = (c.text(0), c.text(1));
        // Every star may try every position after the one before it.
        c.context.spend(pattern.len().saturating_mul(name.len()) / 16 + 1)?;
        match matching::matches(system, &pattern, &name) {
            Ok(matched) => Ok(Value::Bool(matched)),
            Err(problem) => c.complain(problem),
        }
    })
    .or("unix"),
    Builtin::function("path.ToSlash", &[S, S], |c| {
        let system = system(c, 1, "\"unix\"")?;
        let path = c.text(0);
        c.answer(&if system == System::Windows { path.replace('\\', "/") } else { path.to_string() })
    }),
    Builtin::function("path.FromSlash", &[S, S], |c| {
        let system = system(c, 1, "\"unix\"")?;
        let path = system.slashed(&c.text(0));
        c.answer(&path)
    }),
    Builtin::function("path.Resolve", &[S, S, S], |c| {
        let system = system(c, 2, "*\"unix\"")?;
        let (dir, sub) = (c.text(0), c.text(1));
        let path = match system.is_absolute(&sub) {
            true => system.clean(&sub),
            false => system.join(&[&system.clean(&dir), &sub]),
        };
        c.answer(&path)
    })
    .or("unix"),
    Builtin::function("path.Rel", &[S, S, S], |c| {
        let system = system(c, 2, "*\"unix\"")?;
        let (base, target) = (c.text(0), c.text(1));
        match system.relative(&base, &target) {
            Some(path) => c.answer(&path),
            None => c.complain(format!("Rel: can't make {target} relative to {base}")),
        }
    })
    .or("unix"),
    Builtin::function("path.IsAbs", &[S, S], |c| {
        let system = system(c, 1, "*\"unix\"")?;
        Ok(Value::Bool(system.is_absolute(&c.text(0))))
    })
    .or("unix"),
    Builtin::function("path.VolumeName", &[S, S], |c| {
        let system = system(c, 1, "*\"windows\"")?;
        let path = c.text(0);
        c.answer(system.volume(&path))
    })
    .or("windows"),
];

/// The operating system that an argument names.
fn system(c: &Call<'_, '_>, position: usize, first: &str) -> Eval<System> {
    let name = c.text(position);
    match &*name {
        "windows" => return Ok(System::Windows),
        "plan9" => return Ok(System::Plan9),
        name if SYSTEMS.contains(&name) || name == "zos" => return Ok(System::Unix),
        _ => {}
    }
    let rest = SYSTEMS.iter().chain(&["zos"]).map(|name| format!("\"{name}\""));
    let rest: Vec<String> = rest.filter(|name| !first.ends_with(name.as_str())).collect();
    c.remark(format!(
        "cannot use {} as {first} | {} in argument {} to {}",
        crate::print::quote(&name),
        rest.join(" | "),
        position + 1,
        c.name
    ))
}
