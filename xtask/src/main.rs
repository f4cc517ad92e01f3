//! The project's own tasks: `cargo xtask ci`, `tidy`, `e2e`, `bench`, `link-order`, `render`, `replays`.

use std::process::ExitCode;

use xtask::{bench, ci, e2e, gate_review, link_order, render, replays, tidy};

#[expect(clippy::print_stderr, reason = "a task talks to the developer who started it")]
fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let result = match words.as_slice() {
        ["ci"] => ci::run(),
        ["tidy"] => tidy::run(),
        ["e2e", rest @ ..] => e2e::run(rest),
        ["render"] => render::run(),
        ["replays"] => replays::run(),
        // The recorded peers' tools know a binary that has this command.
        ["review", rest @ ..] => match gate_review::run(rest) {
            Ok(code) => return ExitCode::from(code),
            Err(error) => Err(error),
        },
        ["bench", rest @ ..] => bench::run(rest),
        ["link-order", rest @ ..] => link_order::run(rest),
        ["measure", rest @ ..] => bench::measure(rest),
        _ => {
            eprintln!("usage: cargo xtask ci | tidy | e2e | replays | bench | link-order | render");
            return ExitCode::from(2);
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}
