//! The policies, what they match, and how often they spoke.

use maud::{Markup, html};
use provost_kyverno::Policy;
use provost_kyverno::outcome::Status;
use provost_kyverno::policy::entry::{Attestor, AttestorSet, Entry};
use provost_kyverno::policy::spec::{Action, Filter, MatchBlock};
use provost_kyverno::policy::{FailurePolicy, PolicyKind};
use provost_kyverno::rule::Rule;

use super::{code, link_to, nothing};
use crate::seen::{Seen, keys, title};
use crate::text::Foreign;

pub(super) fn page(seen: &Seen) -> Markup {
    let all: Vec<&Policy> = seen.policies().collect();
    html! {
        h1 { "Policies" }
        @if !seen.whole { p.quiet { "Those of the cluster are shown to whom the whole cluster is." } }
        @if all.is_empty() { (nothing("None.")) }
        @for policy in all { (one(seen, policy)) }
    }
}

fn one(seen: &Seen, policy: &Policy) -> Markup {
    let name = title(&policy.namespace, &policy.name);
    let lines = || seen.decisions.iter().flat_map(|entry| &entry.lines).filter(|line| line.policy == name);
    let failed = lines().filter(|line| matches!(line.status, Status::Fail | Status::Error)).count();
    let kind = match policy.kind {
        PolicyKind::Cluster => "ClusterPolicy",
        PolicyKind::Namespaced => "Policy",
    };
    let failure = match policy.spec.failure_policy() {
        FailurePolicy::Fail => "Fail",
        FailurePolicy::Ignore => "Ignore",
    };
    html! {
        section.card {
            h2 { (Foreign(&name)) }
            p.quiet {
                (kind) ", failurePolicy " (failure) ". In the decisions kept: " (lines().count()) " results, "
                (link_to("/ui/decisions", "policy", &name, &html! { (failed) " against" })) "."
            }
            @for rule in &policy.rules { (of_rule(policy, rule)) }
            @if !policy.other_rules.is_empty() {
                p.quiet { "Rules left to Kyverno: " @for rule in &policy.other_rules { (code(rule)) " " } }
            }
        }
    }
}

fn of_rule(policy: &Policy, rule: &Rule) -> Markup {
    html! {
        details open[!rule.name.starts_with("autogen-")] {
            summary { strong { (Foreign(&rule.name)) } @if rule.action(policy, None) == Action::Enforce { span.tag.idle { "Enforce" } } @else { span.tag.idle { "Audit" } } }
            dl.facts {
                dt { "Matches" } dd { (block(&rule.matching)) }
                @if let Some(exclude) = &rule.exclude { dt { "But not" } dd { (block(exclude)) } }
                @if rule.preconditions.is_some() { dt { "Only where" } dd { "its preconditions hold" } }
                @for entry in &rule.entries { (of_entry(entry)) }
            }
        }
    }
}

fn block(block: &MatchBlock) -> Markup {
    let filters: Vec<&Filter> = block.filters().filter(|filter| **filter != Filter::default()).collect();
    let joined = if block.all.is_empty() { "or" } else { "and" };
    html! {
        @if filters.is_empty() { "everything" }
        @for (at, filter) in filters.iter().enumerate() {
            @if at > 0 { " " (joined) " " }
            @let resources = &filter.resources;
            (words("", &resources.kinds)) (words(" in ", &resources.namespaces)) (words(" named ", &resources.names))
            @if !resources.name.is_empty() { " named " (code(&resources.name)) }
            (words(" on ", &resources.operations))
            @if resources.selector.is_some() { " with labels" }
            @if resources.namespace_selector.is_some() { " in namespaces with labels" }
            @if !resources.annotations.is_empty() { " with annotations" }
            @if !filter.subjects.is_empty() || !filter.roles.is_empty() || !filter.cluster_roles.is_empty() { " of certain users" }
        }
    }
}

fn words(before: &str, all: &[String]) -> Markup {
    html! { @if !all.is_empty() { (before) @for (at, one) in all.iter().enumerate() { @if at > 0 { ", " } (code(one)) } } }
}

fn of_entry(entry: &Entry) -> Markup {
    html! {
        dt { "Images" }
        dd {
            (words("", &entry.image_references)) (words(" but not ", &entry.skip_image_references))
            ul {
                @for set in &entry.attestors { li { "signed by " (attestors(set)) } }
                @for attestation in &entry.attestations {
                    li {
                        "attested " (code(attestation.predicate_type())) " by "
                        @for (at, set) in attestation.attestors.iter().enumerate() { @if at > 0 { " and " } (attestors(set)) }
                        @if attestation.attestors.is_empty() { "nobody in particular" }
                        @if !attestation.conditions.is_empty() { ", on conditions" }
                    }
                }
                @if entry.mutate_digest { li { "tags are replaced by digests" } }
                @if entry.required { li { "must have been verified" } }
            }
            @for key in keys(entry) { (super::signers::link(&key)) " " }
        }
    }
}

fn attestors(set: &AttestorSet) -> Markup {
    let all = set.entries.len();
    let required = set.required(all);
    html! {
        @if all == 1 { (set.entries.first().map(kind).unwrap_or_default()) }
        @else if required >= all { "all of " (all) " attestors" }
        @else { (required) " of " (all) " attestors" }
    }
}

fn kind(attestor: &Attestor) -> &'static str {
    match attestor {
        Attestor { attestor: Some(_), .. } => "a set of attestors",
        Attestor { keys: Some(_), .. } => "a key",
        Attestor { certificates: Some(_), .. } => "a certificate",
        Attestor { keyless: Some(_), .. } => "an identity",
        _ => "an empty attestor",
    }
}
