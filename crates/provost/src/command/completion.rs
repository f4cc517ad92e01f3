//! `provost completion`: the script by which a shell completes our commands and flags.

use clap_complete::Shell;

use crate::face::Face;
use crate::failure::Failure;

/// Print a shell's completion script: bash, zsh, fish or powershell.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// The shell.
    #[arg(value_name = "SHELL")]
    shells: Vec<String>,
}

/// Prints the script for this tree of commands.
pub(crate) fn run(args: &Args, tree: &mut clap::Command, face: &Face) -> Result<(), Failure> {
    let shell = args.shells.first().map_or("", String::as_str);
    let generator = match shell {
        "bash" => Shell::Bash,
        "zsh" => Shell::Zsh,
        "fish" => Shell::Fish,
        "powershell" => Shell::PowerShell,
        other => return Err(Failure::new(format!("invalid argument {other:?} for \"cosign completion\""))),
    };
    let name = tree.get_name().to_owned();
    let mut script = Vec::new();
    clap_complete::generate(generator, tree, name, &mut script);
    face.out_raw(script);
    Ok(())
}
