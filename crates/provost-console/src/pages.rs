//! The pages, and what stands around each.

mod decisions;
mod graph;
mod images;
mod overview;
mod policies;
mod signers;

use jiff::Timestamp;
use maud::{DOCTYPE, Markup, html};
use provost_kyverno::outcome::Status;
use url::form_urlencoded;

use crate::seen::Seen;
use crate::text::{Foreign, SHORT, clip, narrow};

/// The style of every page.
pub(crate) const STYLE: &str = include_str!("pages/style.css");
/// The most rows of one page; the rest is reached by narrowing the filter.
const ROWS: usize = 200;

/// A page, and whether there is what it was asked about.
pub(crate) struct Page {
    pub(crate) found: bool,
    pub(crate) body: String,
}

/// What a page is asked to show.
#[derive(Clone, Debug, Default)]
pub(crate) struct Query {
    pub(crate) namespace: String,
    pub(crate) policy: String,
    pub(crate) image: String,
    pub(crate) show: String,
    pub(crate) id: String,
}

impl Query {
    /// The last of each name counts; what we do not know is passed over.
    pub(crate) fn parse(text: &str) -> Self {
        let mut query = Self::default();
        for (name, value) in form_urlencoded::parse(text.as_bytes()) {
            let place = match &*name {
                "namespace" => &mut query.namespace,
                "policy" => &mut query.policy,
                "image" => &mut query.image,
                "show" => &mut query.show,
                "id" => &mut query.id,
                _ => continue,
            };
            *place = clip(value.trim(), SHORT);
        }
        query
    }
}

/// The page of a path; `None` where there is none.
pub(crate) fn of(path: &str, query: &Query, seen: &Seen) -> Option<Page> {
    let page = |title: &str, main: Markup| Some(Page { found: true, body: framed(title, path, seen, &main) });
    let one = |title: &str, main: Option<Markup>| {
        let found = main.is_some();
        let main =
            main.unwrap_or_else(|| nothing("Nothing of that name is known here, or none that you may see."));
        Some(Page { found, body: framed(title, path, seen, &main) })
    };
    match path {
        "/ui" | "/ui/" => page("Overview", overview::page(seen)),
        "/ui/decisions" => page("Decisions", decisions::page(seen, query)),
        "/ui/images" => page("Images", images::list(seen)),
        "/ui/image" => one("Image", images::one(seen, &query.id)),
        "/ui/signers" => page("Signers", signers::list(seen)),
        "/ui/signer" => one("Signer", signers::one(seen, &query.id)),
        "/ui/policies" => page("Policies", policies::page(seen)),
        _ => None,
    }
}

/// The page that asks for a token.
pub(crate) fn sign_in(fault: Option<&str>) -> String {
    bare(
        "Sign in",
        &html! {
            h1 { "Sign in" }
            p { "This console shows what the gate decided, to whom the API server lets see it." }
            @if let Some(fault) = fault { p.fault role="alert" { (Foreign(fault)) } }
            form.sign-in method="post" action="/ui/sign-in" {
                label for="token" { "Token" }
                input #token name="token" type="password" required autofocus autocomplete="off" spellcheck="false";
                button type="submit" { "Sign in" }
            }
            p.quiet { "A token of a service account: " code { "kubectl create token NAME" } }
        },
    )
}

/// A page that says no.
pub(crate) fn refused(why: &str) -> String {
    bare(
        "Not shown",
        &html! { h1 { "Not shown" } p.fault role="alert" { (Foreign(why)) } p { (link("/ui", "Overview")) } },
    )
}

/// The page of paths there are none of.
pub(crate) fn missing() -> String {
    bare("No such page", &html! { h1 { "No such page" } p { (link("/ui", "Overview")) } })
}

fn head(title: &str) -> Markup {
    html! {
        head {
            meta charset="utf-8";
            meta name="viewport" content="width=device-width, initial-scale=1";
            meta name="color-scheme" content="light dark";
            title { (title) " · Provost" }
            link rel="stylesheet" href="/ui/style.css";
        }
    }
}

fn bare(title: &str, main: &Markup) -> String {
    let page = html! {
        (DOCTYPE)
        html lang="en" { (head(title)) body { main #main.narrow { (main) } } }
    };
    page.into_string()
}

const PAGES: [(&str, &str); 5] = [
    ("/ui", "Overview"),
    ("/ui/decisions", "Decisions"),
    ("/ui/images", "Images"),
    ("/ui/signers", "Signers"),
    ("/ui/policies", "Policies"),
];

fn framed(title: &str, path: &str, seen: &Seen, main: &Markup) -> String {
    let here = |page: &str| match path {
        "/ui/" => page == "/ui",
        "/ui/image" => page == "/ui/images",
        "/ui/signer" => page == "/ui/signers",
        path => page == path,
    };
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            (head(title))
            body {
                a.skip href="#main" { "Skip to content" }
                header {
                    a.mark href="/ui" { "Provost" }
                    nav aria-label="Pages" {
                        @for (page, name) in PAGES {
                            a href=(page) aria-current=[here(page).then_some("page")] { (name) }
                        }
                    }
                    form.visitor method="post" action="/ui/sign-out" {
                        span { (Foreign(&narrow(&seen.visitor, 48))) }
                        button type="submit" { "Sign out" }
                    }
                }
                main #main { (main) }
                footer {
                    "Kept in memory since " (time(seen.since)) ", read-only."
                    @if !seen.whole { " You see what concerns the namespaces that the API server lets you see." }
                }
            }
        }
    };
    page.into_string()
}

/// A link of our own, with words of our own.
fn link(to: &str, words: &str) -> Markup {
    html! { a href=(to) { (words) } }
}

/// A link to a page about one thing of another's naming.
fn link_to(page: &str, name: &str, value: &str, words: &Markup) -> Markup {
    let query: String = form_urlencoded::Serializer::new(String::new()).append_pair(name, value).finish();
    html! { a href={ (page) "?" (query) } { (words) } }
}

fn image_link(digest: &str, words: &str) -> Markup {
    link_to("/ui/image", "id", digest, &code(words))
}

fn code(text: &str) -> Markup {
    html! { code { (Foreign(text)) } }
}

fn nothing(words: &str) -> Markup {
    html! { p.nothing { (words) } }
}

/// A time to the second, as people and programs read it.
fn time(at: Timestamp) -> Markup {
    let text = at.strftime("%Y-%m-%d %H:%M:%S").to_string();
    html! { time datetime=(at.strftime("%Y-%m-%dT%H:%M:%SZ")) { (text) } }
}

/// A result as a word with a colour; the word alone says it too.
fn verdict(allowed: bool, unchecked: bool) -> Markup {
    match (allowed, unchecked) {
        (false, true) => html! { span.tag.unsure { "could not check" } },
        (false, false) => html! { span.tag.bad { "denied" } },
        (true, true) => html! { span.tag.unsure { "let in, not all checked" } },
        (true, false) => html! { span.tag.good { "let in" } },
    }
}

fn status(status: Status) -> Markup {
    let class = match status {
        Status::Pass => "good",
        Status::Fail => "bad",
        Status::Warn | Status::Error => "unsure",
        Status::Skip => "idle",
    };
    html! { span class={ "tag " (class) } { (status.name()) } }
}

/// How many there are, with the right word.
fn count(number: usize, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

/// What is said under a list that was cut.
fn cut(all: usize) -> Markup {
    html! { @if all > ROWS { p.quiet { (ROWS) " of " (all) " are shown." } } }
}
