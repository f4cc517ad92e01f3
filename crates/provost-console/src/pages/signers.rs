//! Who signed what, and what revoking a key would hit.

use maud::{Markup, html};

use super::{ROWS, code, count, cut, image_link, link_to, nothing};
use crate::facts::{Place, Signer};
use crate::seen::{Seen, Signed};
use crate::text::{Foreign, narrow};

pub(super) fn list(seen: &Seen) -> Markup {
    let signers = seen.signers();
    html! {
        h1 { "Signers" }
        p.quiet { "Keys that policies name, and whoever signed an image in a way that verified. Each links to what its revocation would hit." }
        @if signers.is_empty() { (nothing("None yet.")) }
        @else {
            div.wide tabindex="0" role="group" aria-label="Signers" { table {
                thead { tr { th scope="col" { "Signer" } th scope="col" { "Kind" } th scope="col" { "Images" } th scope="col" { "Policies" } } }
                tbody { @for (signer, signed) in signers.iter().take(ROWS) { tr {
                    td { (link(signer)) }
                    td { (kind(signer)) }
                    td.number { (signed.images.len()) }
                    td { @for policy in signed.policies.keys() { (Foreign(policy)) " " } @if signed.policies.is_empty() { "—" } }
                } } }
            } }
            (cut(signers.len()))
        }
    }
}

pub(super) fn link(signer: &Signer) -> Markup {
    let shown = match signer.is_key {
        true => narrow(&signer.id, 23),
        false => signer.id.clone(),
    };
    link_to("/ui/signer", "id", &identifier(signer), &code(&shown))
}

/// Certificates of one name are told apart by who issued them.
fn identifier(signer: &Signer) -> String {
    if signer.is_key { signer.id.clone() } else { format!("{} {}", signer.also, signer.id) }
}

fn kind(signer: &Signer) -> &'static str {
    if signer.is_key { "key" } else { "identity" }
}

pub(super) fn one(seen: &Seen, id: &str) -> Option<Markup> {
    let all = seen.signers();
    let (signer, signed) = all.iter().find(|(signer, _)| identifier(signer) == id)?;
    let places = places(seen, signed);
    Some(html! {
        h1 { (if signer.is_key { "Key" } else { "Identity" }) }
        dl.facts {
            @if signer.is_key {
                dt { "Fingerprint" } dd { (code(&signer.id)) }
                dt { "keyid of Chains" } dd { (code(&signer.also)) }
            } @else {
                dt { "Name" } dd { (code(&signer.id)) }
                dt { "Issued by" } dd { (code(&signer.also)) }
            }
        }
        h2 { "What its revocation would hit" }
        dl.figures {
            div { dt { "images" } dd { (signed.images.len()) } }
            div { dt { "policies" } dd { (signed.policies.len()) } }
            div { dt { "objects let in" } dd { (places.len()) } }
        }
        h3 { "Images it signed" }
        @if signed.images.is_empty() { (nothing("None that was heard of.")) }
        @else {
            table {
                thead { tr { th scope="col" { "Image" } th scope="col" { "What" } th scope="col" { "Others who signed it" } } }
                tbody { @for (digest, kinds) in signed.images.iter().take(ROWS) { tr {
                    td { (image_link(digest, seen.images.get(digest).map_or(digest, |image| image.name()))) }
                    td { @for one in kinds { @if one.is_empty() { "signature" } @else { (code(one)) } " " } }
                    td { (others(seen, digest, signer)) }
                } } }
            }
            (cut(signed.images.len()))
        }
        h3 { "Policies that name it" }
        @if signed.policies.is_empty() { (nothing("None that you may see names it by its PEM text. Keys in Secrets and services are known here only once they have signed.")) }
        @else { ul { @for (policy, rules) in &signed.policies {
            li { (Foreign(policy)) ": " @for rule in rules { (code(rule)) " " } }
        } } }
        h3 { "Objects that were let in with its images" }
        @if places.is_empty() { (nothing("None, as far as this record goes back.")) }
        @else {
            ul { @for place in places.iter().take(ROWS) { li { (Foreign(&format!("{} {}/{}", place.kind, place.namespace, place.name))) } } }
            (cut(places.len()))
        }
    })
}

fn others(seen: &Seen, digest: &str, signer: &Signer) -> Markup {
    let image = seen.images.get(digest);
    let mut others: Vec<&Signer> =
        image.iter().flat_map(|image| image.testimonies.values()).map(|one| &one.signer).collect();
    others.sort();
    others.dedup();
    others.retain(|one| *one != signer);
    html! { @if others.is_empty() { "nobody" } @else { (count(others.len(), "other", "others")) } }
}

fn places<'a>(seen: &'a Seen, signed: &Signed) -> Vec<&'a Place> {
    let images = signed.images.keys().filter_map(|digest| seen.images.get(digest));
    let mut places: Vec<&Place> = images.flat_map(|image| image.places.keys()).collect();
    places.sort();
    places.dedup();
    places
}
