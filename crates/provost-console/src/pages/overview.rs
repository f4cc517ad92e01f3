//! How things stand.

use maud::{Markup, html};

use super::{decisions, link, nothing};
use crate::seen::Seen;
use crate::text::Foreign;

/// How many of the last denials are shown at once.
const LAST: usize = 10;

pub(super) fn page(seen: &Seen) -> Markup {
    let denied = seen.decisions.iter().filter(|entry| !entry.allowed).count();
    let unchecked = seen.decisions.iter().filter(|entry| entry.is_unchecked()).count();
    let policies = seen.policies().count();
    html! {
        h1 { "Overview" }
        @if seen.whole && !seen.sight.missing.is_empty() {
            p.fault role="alert" { "Every request is answered “could not check” until these are loaded: " (seen.sight.missing.join(", ")) }
        }
        dl.figures {
            div { dt { "decisions" } dd { (seen.decisions.len()) } }
            div { dt { "denied" } dd.bad[denied > 0] { (denied) } }
            div { dt { "could not check" } dd.unsure[unchecked > 0] { (unchecked) } }
            div { dt { "images" } dd { (seen.images.len()) } }
            div { dt { "signers" } dd { (seen.signers().len()) } }
            div { dt { "policies" } dd { (policies) } }
        }
        @if let Some(counts) = seen.counts {
            p.quiet {
                (counts.heard) " decisions were made since this record began, of which " (counts.denied) " were denials and "
                (counts.unchecked) " met something that could not be checked. The last " (seen.decisions.len()) " are kept."
            }
        }
        @let unread: Vec<_> = seen.sight.unread.iter().filter(|policy| seen.sees(&policy.namespace)).collect();
        @if !unread.is_empty() {
            h2 { "Policies that cannot be judged by" }
            ul { @for policy in unread {
                li { (Foreign(&crate::seen::title(&policy.namespace, &policy.name))) ": " (Foreign(&policy.why)) }
            } }
        }
        h2 { "Last denials" }
        @if denied == 0 { (nothing("Nothing was denied.")) }
        @else {
            (decisions::list(seen, seen.decisions.iter().filter(|entry| !entry.allowed).take(LAST)))
            p { (link("/ui/decisions", "All denials")) }
        }
    }
}
