//! Images: who built them from what, where they run, and who says so.

use maud::{Markup, html};

use super::{ROWS, code, cut, graph, image_link, link_to, nothing, time};
use crate::facts::{Image, MATERIALS, Testimony};
use crate::seen::Seen;
use crate::text::Foreign;

pub(super) fn list(seen: &Seen) -> Markup {
    let mut images: Vec<&Image> = seen.images.values().collect();
    images.sort_by_key(|image| std::cmp::Reverse(image.heard));
    html! {
        h1 { "Images" }
        p.quiet { "Images of which an attestor of a policy said something that verified." }
        @if images.is_empty() { (nothing("None yet.")) }
        @else {
            div.wide tabindex="0" role="group" aria-label="Images" { table {
                thead { tr { th scope="col" { "Image" } th scope="col" { "Builder" } th scope="col" { "Signed by" } th scope="col" { "Let in" } th scope="col" { "Last heard of" } } }
                tbody { @for image in images.iter().take(ROWS) { (row(image)) } }
            } }
            (cut(images.len()))
        }
    }
}

fn row(image: &Image) -> Markup {
    let mut signers: Vec<_> = image.testimonies.values().map(|one| &one.signer).collect();
    signers.sort();
    signers.dedup();
    html! {
        tr {
            td { (image_link(&image.digest, image.name())) }
            td { @match image.provenance().and_then(|built| built.builder_id.as_deref()) {
                Some(builder) => { (code(builder)) }
                None => { "—" }
            } }
            td { @for signer in signers { (super::signers::link(signer)) " " } }
            td.number { (image.places.len()) }
            td { (time(image.heard)) }
        }
    }
}

pub(super) fn one(seen: &Seen, digest: &str) -> Option<Markup> {
    let image = seen.images.get(digest)?;
    let decisions = link_to("/ui/decisions", "image", &image.digest, &html! { "Denials of this image" });
    Some(html! {
        h1 { (Foreign(image.name())) }
        dl.facts {
            dt { "Digest" } dd { (code(&image.digest)) }
            @if image.names.len() > 1 {
                dt { "Also called" } dd { @for name in image.names.iter().rev().skip(1) { (code(name)) " " } }
            }
            dt { "Last heard of" } dd { (time(image.heard)) }
        }
        p { (decisions) }
        h2 { "From source to where it runs" }
        (graph::of(image))
        h2 { "What was said of it" }
        @for testimony in image.testimonies.values() { (said(testimony)) }
        @if image.testimonies.is_empty() { (nothing("Nothing that verified.")) }
        h2 { "Where it was let in" }
        (places(image))
    })
}

fn said(testimony: &Testimony) -> Markup {
    html! {
        section.card {
            h3 { @match &testimony.predicate_type {
                Some(kind) => { (Foreign(kind)) }
                None => { "Signature" }
            } }
            dl.facts {
                dt { "Signed by" } dd { (super::signers::link(&testimony.signer)) }
                dt { "Signed at" } dd { @match testimony.signed {
                    Some(at) => { (time(at)) }
                    None => { "no trusted time says when" }
                } }
                dt { "Transparency log" } dd { @if testimony.logged { "has it" } @else { "not asked for, or not there" } }
                @if let Some(built) = &testimony.provenance {
                    @for (name, value) in [
                        ("Builder", &built.builder_id), ("Build type", &built.build_type), ("Started", &built.started),
                        ("Finished", &built.finished), ("Invocation", &built.invocation),
                    ] { @if let Some(value) = value { dt { (name) } dd { (code(value)) } } }
                }
            }
            @if let Some(built) = testimony.provenance.as_ref().filter(|built| !built.materials.is_empty()) {
                h4 { "Made from" }
                ul { @for one in &built.materials { li { (code(&one.uri)) @for digest in &one.digests { br; (code(digest)) } } } }
                @if testimony.materials > MATERIALS { p.quiet { (MATERIALS) " of " (testimony.materials) " are kept." } }
            }
        }
    }
}

fn places(image: &Image) -> Markup {
    let mut places: Vec<_> = image.places.iter().collect();
    places.sort_by_key(|(_, at)| std::cmp::Reverse(**at));
    html! {
        @if places.is_empty() { (nothing("Nowhere, as far as this record goes back.")) }
        @else {
            table {
                thead { tr { th scope="col" { "Namespace" } th scope="col" { "Kind" } th scope="col" { "Name" } th scope="col" { "Last let in" } } }
                tbody { @for (place, at) in places.iter().take(ROWS) {
                    tr { td { (Foreign(&place.namespace)) } td { (Foreign(&place.kind)) } td { (Foreign(&place.name)) } td { (time(**at)) } }
                } }
            }
            (cut(places.len()))
        }
        @if !image.kept_out.is_empty() {
            p { "Last kept out of: " @for place in image.kept_out.keys().take(ROWS) { (code(&format!("{} {}/{}", place.kind, place.namespace, place.name))) " " } }
        }
    }
}
