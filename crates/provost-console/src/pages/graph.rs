//! An image's provenance as a picture: materials → builder → image → where it runs. Everything in it is also in the text.

use maud::{Markup, html};
use provost_statement::provenance::Provenance;

use super::count;
use crate::facts::Image;
use crate::text::{Foreign, narrow};

/// The most boxes of one column; what is left out is counted in one more.
const BOXES: usize = 6;
/// Sizes in the units of the picture.
const WIDTH: usize = 236;
const HEIGHT: usize = 52;
const GAP: usize = 14;
const BETWEEN: usize = 48;
const HEAD: usize = 26;
/// How many characters of 12 units fit a box.
const FITS: usize = 29;

struct Column {
    title: &'static str,
    class: &'static str,
    boxes: Vec<[String; 2]>,
}

pub(super) fn of(image: &Image) -> Markup {
    let built = image.provenance();
    let columns = columns(image, built);
    let tallest = columns.iter().map(|column| column.boxes.len()).max().unwrap_or_default().max(1);
    let height = HEAD + tallest * (HEIGHT + GAP);
    let width = columns.len() * WIDTH + columns.len().saturating_sub(1) * BETWEEN;
    let x = |column: usize| column * (WIDTH + BETWEEN);
    let y = |column: &Column, at: usize| {
        let free = height - HEAD - column.boxes.len() * (HEIGHT + GAP);
        HEAD + free / 2 + at * (HEIGHT + GAP)
    };
    html! {
        figure.graph {
            div.wide tabindex="0" role="group" aria-label="Provenance graph, described below" {
                svg viewBox={ "0 0 " (width) " " (height) } width=(width) height=(height) role="img" aria-labelledby="graph-title graph-words" {
                    title #graph-title { "Provenance of " (Foreign(image.name())) }
                    desc #graph-words { (Foreign(&words(image, built))) }
                    @for (at, pair) in columns.windows(2).enumerate() { @if let [from, to] = pair {
                        @for a in 0..from.boxes.len() { @for b in 0..to.boxes.len() {
                            @let (x1, y1) = (x(at) + WIDTH, y(from, a) + HEIGHT / 2);
                            @let (x2, y2) = (x(at + 1), y(to, b) + HEIGHT / 2);
                            path d={ "M" (x1) " " (y1) " C" (x1 + BETWEEN / 2) " " (y1) " " (x2 - BETWEEN / 2) " " (y2) " " (x2) " " (y2) } {}
                        } }
                    } }
                    @for (at, column) in columns.iter().enumerate() {
                        text.head x=(x(at)) y="14" { (column.title) }
                        @for (row, [first, second]) in column.boxes.iter().enumerate() {
                            @let top = y(column, row);
                            rect class=(column.class) x=(x(at) + 1) y=(top) width=(WIDTH - 2) height=(HEIGHT) rx="8" {}
                            text x=(x(at) + 12) y=(top + 22) { (Foreign(&narrow(first, FITS))) }
                            text.small x=(x(at) + 12) y=(top + 40) { (Foreign(&narrow(second, FITS + 4))) }
                        }
                    }
                }
            }
            figcaption { (Foreign(&words(image, built))) }
        }
    }
}

fn columns(image: &Image, built: Option<&Provenance>) -> Vec<Column> {
    let text = |text: Option<&String>| text.cloned().unwrap_or_default();
    let mut columns = Vec::new();
    if let Some(built) = built {
        let materials = built.materials.iter();
        let materials =
            materials.map(|one| [one.uri.clone(), one.digests.first().cloned().unwrap_or_default()]);
        columns.push(Column {
            title: "Source and materials",
            class: "source",
            boxes: short(materials.collect(), "materials"),
        });
        let builder = [text(built.builder_id.as_ref()), text(built.build_type.as_ref())];
        columns.push(Column { title: "Builder", class: "builder", boxes: vec![builder] });
    }
    let own = [image.name().to_owned(), image.digest.clone()];
    columns.push(Column { title: "Image", class: "image", boxes: vec![own] });
    let places = image
        .places
        .keys()
        .map(|place| [place.name.clone(), format!("{} in {}", place.kind, place.namespace)]);
    columns.push(Column { title: "Let in", class: "place", boxes: short(places.collect(), "places") });
    columns.retain(|column| !column.boxes.is_empty());
    columns
}

fn short(mut boxes: Vec<[String; 2]>, what: &str) -> Vec<[String; 2]> {
    let all = boxes.len();
    if all > BOXES {
        boxes.truncate(BOXES - 1);
        boxes.push([format!("{} more", all - boxes.len()), format!("{what}, listed below")]);
    }
    boxes
}

/// The same in words.
fn words(image: &Image, built: Option<&Provenance>) -> String {
    let mut text = match built {
        Some(built) => format!(
            "{} was built by {} from {}.",
            image.name(),
            built.builder_id.as_deref().unwrap_or("a builder that is not named"),
            count(built.materials.len(), "material", "materials"),
        ),
        None => format!("No provenance of {} verified.", image.name()),
    };
    text.push_str(&match image.places.len() {
        0 => " It was let in nowhere.".to_owned(),
        places => format!(" It was let in {}.", count(places, "time", "times")),
    });
    text
}
