//! What was decided and why: policy, rule, image, attestor, cause.

use std::collections::BTreeSet;
use std::sync::Arc;

use maud::{Markup, html};
use provost_kyverno::outcome::Status;

use super::{Query, ROWS, code, cut, image_link, nothing, status, time, verdict};
use crate::explain::{Entry, Line};
use crate::seen::Seen;
use crate::text::Foreign;

pub(super) fn page(seen: &Seen, query: &Query) -> Markup {
    let has = |text: &str, part: &str| part.is_empty() || text.contains(part);
    let fits = |entry: &&Arc<Entry>| {
        (query.show == "all" || !entry.allowed)
            && (query.namespace.is_empty() || entry.namespace == query.namespace)
            && (query.policy.is_empty() || entry.lines.iter().any(|line| line.policy == query.policy))
            && (query.image.is_empty() || entry.images().any(|image| named(seen, image, &query.image)))
            && has(&entry.name, &query.id)
    };
    let found: Vec<_> = seen.decisions.iter().filter(fits).collect();
    html! {
        h1 { "Decisions" }
        (filter(seen, query))
        p.quiet role="status" { (found.len()) " of " (seen.decisions.len()) " kept decisions." }
        @if found.is_empty() { (nothing("No decision is like that.")) }
        @else { (list(seen, found.iter().copied().take(ROWS))) (cut(found.len())) }
    }
}

/// By a part of its name, or by its digest.
fn named(seen: &Seen, image: &str, wanted: &str) -> bool {
    image.contains(wanted) || seen.digest_of(image).is_some_and(|digest| digest == wanted)
}

fn filter(seen: &Seen, query: &Query) -> Markup {
    let namespaces: BTreeSet<&str> = seen.decisions.iter().map(|entry| entry.namespace.as_str()).collect();
    let policies: BTreeSet<&str> =
        seen.decisions.iter().flat_map(|entry| entry.lines.iter().map(|line| line.policy.as_str())).collect();
    let choice = |name: &str, words: &str, all: &BTreeSet<&str>, chosen: &str| {
        html! {
            div {
                label for=(name) { (words) }
                select id=(name) name=(name) {
                    option value="" { "all" }
                    @for one in all.iter().filter(|one| !one.is_empty()) {
                        option value=(Foreign(one)) selected[*one == chosen] { (Foreign(one)) }
                    }
                }
            }
        }
    };
    html! {
        form.filter method="get" action="/ui/decisions" {
            (choice("namespace", "Namespace", &namespaces, &query.namespace))
            (choice("policy", "Policy", &policies, &query.policy))
            div {
                label for="image" { "Image" }
                input #image name="image" type="search" value=(Foreign(&query.image)) placeholder="part of its name, or its digest";
            }
            div {
                label for="show" { "Show" }
                select #show name="show" {
                    option value="denied" { "denials" }
                    option value="all" selected[query.show == "all"] { "all decisions" }
                }
            }
            button type="submit" { "Filter" }
        }
    }
}

pub(super) fn list<'a>(seen: &Seen, entries: impl Iterator<Item = &'a Arc<Entry>>) -> Markup {
    html! { ol.decisions { @for entry in entries { li { (one(seen, entry)) } } } }
}

fn one(seen: &Seen, entry: &Entry) -> Markup {
    let place = match entry.namespace.as_str() {
        "" => format!("{} {}", entry.kind, entry.name),
        namespace => format!("{} {namespace}/{}", entry.kind, entry.name),
    };
    html! {
        details {
            summary {
                (verdict(entry.allowed, entry.is_unchecked()))
                strong { (Foreign(&place)) }
                span.quiet { (time(entry.at)) @if entry.dry_run { " · dry run" } }
            }
            dl.facts {
                dt { "Asked by" } dd { (Foreign(&entry.user)) }
                dt { "Request" } dd { (entry.operation) ", webhook " (entry.hook) ", answered in " (micros(entry.micros)) }
                @if !entry.message.is_empty() { dt { "Answer" } dd { pre { (Foreign(&entry.message)) } } }
                @if !entry.warnings.is_empty() {
                    dt { "Warnings" } dd { ul { @for one in &entry.warnings { li { (Foreign(one)) } } } }
                }
            }
            @if !entry.lines.is_empty() { (lines(seen, entry)) }
        }
    }
}

fn lines(seen: &Seen, entry: &Entry) -> Markup {
    html! {
        div.wide tabindex="0" role="group" aria-label="What each rule found" {
            table {
                thead { tr { th scope="col" { "Result" } th scope="col" { "Policy" } th scope="col" { "Rule" } th scope="col" { "Image" } th scope="col" { "Cause" } th scope="col" { "Attestor" } } }
                tbody { @for line in &entry.lines { (row(seen, line)) } }
            }
        }
        @if entry.found > entry.lines.len() {
            p.quiet { (entry.lines.len()) " of " (entry.found) " results are kept." }
        }
    }
}

fn row(seen: &Seen, line: &Line) -> Markup {
    let attestors: Vec<&str> = line.causes.iter().filter_map(|cause| cause.attestor.as_deref()).collect();
    let codes: BTreeSet<&str> = line.causes.iter().map(|cause| cause.code).collect();
    html! {
        tr {
            td { (status(line.status)) @if matches!(line.status, Status::Fail | Status::Error) && !line.enforced { " audit" } }
            td { (Foreign(&line.policy)) }
            td { (Foreign(&line.rule)) }
            td { @match (&line.image, line.image.as_deref().and_then(|image| seen.digest_of(image))) {
                (Some(image), Some(digest)) => { (image_link(digest, image)) }
                (Some(image), None) => { (code(image)) }
                (None, _) => { "—" }
            } }
            td {
                @for one in codes { span.tag.idle { (one) } " " }
                (Foreign(&line.message))
            }
            td { @if attestors.is_empty() { "—" } @for one in attestors { (code(one)) " " } }
        }
    }
}

fn micros(micros: u128) -> String {
    match micros {
        0..1_000 => format!("{micros} µs"),
        _ => format!("{}.{} ms", micros / 1_000, micros % 1_000 / 100),
    }
}
