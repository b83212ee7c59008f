//! A sweep as one page.

use std::path::Path;

use time::OffsetDateTime;

use super::curve::curve;
use super::{Cell, Criteria, End, criteria};
use crate::digest::Digest;
use crate::html::{Markup, data_uri, html, page, percent};
use crate::policy::{Limits, against};
use crate::raster::{self, Format, Raster};
use crate::release::{self, ReleaseError};

/// What a page tells of.
pub struct Sweep<'a> {
    pub title: &'a str,
    pub sha256: Digest,
    /// What the drafts were compared with.
    pub reference: &'a Raster,
    pub policy: &'a str,
    pub limits: &'a Limits,
    pub prompt: Option<&'a str>,
    pub cells: &'a [Cell],
    pub made: OffsetDateTime,
    /// The folder that the page will be in, from which it points to the pictures.
    pub folder: &'a Path,
}

/// Long side in pixels of the pictures on the page.
pub const SHOWN: u32 = 480;

/// The page, complete in itself.
///
/// # Errors
/// When a picture cannot be encoded.
pub fn html(sweep: &Sweep<'_>) -> Result<String, ReleaseError> {
    let shown = |cell: &Cell| -> Result<Option<String>, ReleaseError> {
        let Some(picture) = &cell.shown else { return Ok(None) };
        let file = release::thumbnail(picture, cell.engine.name, cell.engine.version, Some(sweep.sha256))?;
        Ok(Some(data_uri(Format::Jpeg.mime(), &file)))
    };
    let figures = sweep.cells.iter().map(|cell| Ok(figure(cell, shown(cell)?.as_deref(), sweep)));
    let figures = figures.collect::<Result<Vec<Markup>, ReleaseError>>()?;
    let reference = raster::encode(&sweep.reference.within(SHOWN), Format::Jpeg, 88)?;
    let head = format!(
        "{} × {} pixels, sha256 {}…; policy {}; {}",
        sweep.reference.width(),
        sweep.reference.height(),
        sweep.sha256.short(16),
        sweep.policy,
        sweep.made.date(),
    );
    let body = html! {
        (summary(sweep))
        h2 { "Deviation by strength" }
        (curve(sweep.cells, sweep.limits))
        h2 { "Pictures" }
        div .cells {
            (original(sweep.title, &reference))
            @for figure in &figures { (figure) }
        }
        h2 { "What it says of the engines" }
        div .scroll { (table(&criteria(sweep.cells))) }
        (notes())
    };
    Ok(page(&format!("Sweep of {}", sweep.title), &head, &body))
}

fn summary(sweep: &Sweep<'_>) -> Markup {
    let count = |which: fn(&End) -> bool| sweep.cells.iter().filter(|cell| which(&cell.end)).count();
    let released = count(|end| matches!(end, End::Released { .. }));
    let refused = count(|end| matches!(end, End::Refused(_)));
    let failed = sweep.cells.len() - released - refused;
    html! {
        p {
            (sweep.cells.len()) " drafts: "
            span .good { (released) " released" } ", "
            span .bad { (refused) " refused as too close or not allowed" }
            @if failed > 0 { ", " span .warn { (failed) " could not be made" } }
            ". Released pictures are AI-generated, marked and recorded."
        }
        @if let Some(prompt) = sweep.prompt { p .quiet { "Prompt: “" (prompt) "”" } }
    }
}

fn original(title: &str, file: &[u8]) -> Markup {
    html! {
        figure {
            img src=(data_uri(Format::Jpeg.mime(), file)) alt="The reference";
            figcaption { strong { "Reference" } p .quiet .small { (title) } }
        }
    }
}

fn figure(cell: &Cell, shown: Option<&str>, sweep: &Sweep<'_>) -> Markup {
    let name = format!("{}, strength {}, seed {}", cell.engine.name, cell.strength, cell.seed);
    let (end, colour) = match &cell.end {
        End::Released { .. } => ("released", "good"),
        End::Refused(_) => ("refused", "bad"),
        End::Failed(_) => ("not made", "warn"),
    };
    let ratio = format!("aspect-ratio: {} / {}", sweep.reference.width(), sweep.reference.height());
    let refused = matches!(cell.end, End::Refused(_));
    html! {
        figure .refused[refused] {
            @match shown {
                Some(picture) => {
                    img src=(picture) alt=(format!("AI-generated: {name}; {end}")) style=(ratio);
                }
                None => div .none style=(ratio) role="img" aria-label=(format!("{name}: {end}, not shown")) {
                    span { (end) }
                },
            }
            figcaption {
                strong { (cell.strength) } " · seed " (cell.seed) " · " span class=(colour) { (end) }
                @if let End::Refused(why) | End::Failed(why) = &cell.end { p .small { (why) } }
                (figures(cell, sweep.limits))
                @if let End::Released { output, asset, .. } = &cell.end {
                    p .small .quiet {
                        @let name = output.strip_prefix(sweep.folder).ok().map(|path| path.to_string_lossy());
                        @if let Some(name) = name { a href=(address(&name)) { (name) } br; }
                        code { (asset) }
                    }
                }
            }
        }
    }
}

fn figures(cell: &Cell, limits: &Limits) -> Markup {
    html! {
        dl {
            dt { "engine" } dd { (cell.engine.name) " " (cell.engine.version) }
            @if let Some(deviation) = cell.deviation {
                dt { "deviation" }
                dd class=(if deviation.deviation >= limits.min_deviation { "good" } else { "bad" }) {
                    (against(deviation.deviation, limits.min_deviation)) ", at least " (two(limits.min_deviation))
                }
                dt { "copied" } dd { (format!("{:.1} % of the texture", 100.0 * deviation.copied_area)) }
            }
            @if let Some(quality) = cell.quality {
                @if let Some(kept) = quality.kept { dt { "kept" } dd { (two(kept)) " of the arrangement" } }
                dt { "style" } dd { (two(quality.style)) }
            }
            @if let Some(seconds) = cell.seconds { dt { "time" } dd { (two(seconds)) " s" } }
        }
    }
}

fn table(engines: &[Criteria]) -> Markup {
    let row = |criterion: &str, what: &str, of: &dyn Fn(&Criteria) -> String| {
        html! {
            tr {
                th scope="row" { (criterion) }
                td .quiet { (what) }
                @for engine in engines { td .number { (of(engine)) } }
            }
        }
    };
    let figure = |value: Option<f64>| value.map_or_else(|| "not measured".to_owned(), two);
    html! {
        table {
            thead {
                tr {
                    th { "criterion" } th { "measured as" }
                    @for engine in engines { th .number { (engine.engine) " " (engine.version) } }
                }
            }
            tbody {
                (row("Control", "rank correlation of strength and deviation; 1: more strength always differs more",
                    &|e| figure(e.control)))
                (row("", "spread of the deviation between seeds of one strength", &|e| figure(e.spread)))
                (row("Fidelity", "distance in style; below 1, as like the reference as its halves are alike",
                    &|e| figure(e.style)))
                (row("Style flexibility", "difference of the arrangement between seeds of one strength, 0 to 1",
                    &|e| figure(e.variety)))
                (row("", "reads prompts", &|e| if e.reads_prompt { "yes" } else { "no" }.to_owned()))
                (row("Price", "seconds to draw a picture", &|e| figure(e.seconds)))
                (row("", "watt-hours of the processors meanwhile", &|e| match e.watt_hours {
                    Some(energy) => format!("{energy:.4}"),
                    None => "not measured".to_owned(),
                }))
                (row("Yield", "drafts that the policy let through", &|e| format!("{} of {}", e.released, e.pictures)))
            }
        }
    }
}

fn notes() -> Markup {
    html! {
        h2 { "What the figures are" }
        dl {
            dt { "deviation" } dd { "0 is the same data, 1 shares nothing; the policy refuses what is below its limit." }
            dt { "copied" } dd { "Share of the picture's texture that is found in the reference." }
            dt { "kept" } dd { "Correlation with the reference, both blurred: 1 where all is where it was, 0 where nothing is." }
            dt { "style" } dd { "Distance of the patch statistics over that between two halves of the reference." }
            dt { "watt-hours" } dd { "Of all that the machine's processors did, by their own counter, where it can be read." }
        }
    }
}

fn two(value: f64) -> String {
    // No minus before what is nothing.
    let text = format!("{value:.2}");
    if text == "-0.00" { "0.00".to_owned() } else { text }
}

/// A relative path as a relative address.
fn address(path: &str) -> String {
    let parts: Vec<String> = path.split('/').map(percent).collect();
    // A colon, or a slash at the beginning, would lead elsewhere.
    format!("./{}", parts.join("/"))
}
