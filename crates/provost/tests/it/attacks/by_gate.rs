//! The same reviews put to the running gate: what `review` denies, an API server is told to deny.

use super::case::Run;
use super::scene::Names;
use crate::context::Context;
use crate::gate::Gate;

/// Whether a run is about reviews that can be posted: a bound on the command's memory or requests is the command's own.
pub(super) fn is_asked(run: &Run) -> bool {
    let by_both = run.command.starts_with("review ") && run.memory.is_none() && !run.command_only;
    by_both || is_only_asked(run)
}

/// Whether a run is about the gate alone.
pub(super) fn is_only_asked(run: &Run) -> bool {
    run.command.starts_with("admission ")
}

/// Posts each line, and says what does not hold.
pub(super) fn perform(run: &Run, context: &Context, names: &Names) -> Vec<String> {
    let filled = names.fill(&run.command);
    let arguments: Vec<String> =
        filled.split(' ').filter(|word| !word.is_empty()).skip(1).map(str::to_owned).collect();
    let gate = match Gate::start(context, &arguments) {
        Ok(gate) => gate,
        Err((exit, said)) => {
            let silent = run.says.iter().map(|words| names.fill(words)).find(|words| !said.contains(words));
            return match (exit == run.exit, silent) {
                (true, None) => Vec::new(),
                (_, silent) => vec![format!("the gate ends with {exit}, lacks {silent:?}, says {said}")],
            };
        }
    };
    let stdin = run.stdin.as_ref().map(|text| names.bytes(text)).unwrap_or_default();
    let lines = || stdin.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    let printed: Vec<String> = match (run.wire, &run.path) {
        (true, _) => vec![gate.wire(&stdin).iter().map(|byte| format!("{byte:02x}")).collect()],
        (_, None) => lines().map(|line| gate.line(line).to_string()).collect(),
        (_, Some(path)) => lines().map(|line| gate.response(path, line.to_vec()).to_string()).collect(),
    };
    let all = printed.join("\n");
    let mut wrong = Vec::new();
    for words in run.prints.iter().map(|words| names.fill(words)).filter(|words| !all.contains(words)) {
        wrong.push(format!("the gate does not answer {words:?}"));
    }
    for words in run.never.iter().map(|words| names.fill(words)).filter(|words| all.contains(words)) {
        wrong.push(format!("the gate answers {words:?}"));
    }
    if run.lines.is_some_and(|lines| lines != printed.len()) {
        wrong.push(format!("the gate answers {} times", printed.len()));
    }
    if gate.stop() != Some(0) {
        wrong.push("the gate does not end well".to_owned());
    }
    if !wrong.is_empty() {
        wrong.push(all.chars().take(1500).collect());
        wrong.insert(0, format!("  {} by the gate", run.command));
    }
    wrong
}
