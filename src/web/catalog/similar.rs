//! Pictures on record that look like one that is sent, or like another on record.

use crate::html::{Markup, data_uri, html};

use super::asset::Named;
use crate::catalog::{Catalog, Role};
use crate::raster::Raster;
use crate::verify::{Archive, Similar};
use crate::web::drop::Field;
use crate::web::frame::{Frame, Here};
use crate::web::guard::Visitor;
use crate::web::picture;
use crate::web::problem::Problem;
use crate::web::site::Site;
use crate::web::text::{ENGLISH, fill};

/// Pictures that are shown at most.
const MOST: usize = 12;
/// Long side of the picture that was asked for.
const SHOWN: u32 = 640;

/// What others are to look like.
pub struct Sought {
    pub name: String,
    pub raster: Raster,
    /// Its own asset, where it is on record.
    pub asset: Option<String>,
}

pub fn page(site: &Site, visitor: Visitor, sought: &Sought) -> Result<Markup, Problem> {
    let archive = Archive::open(site.workspace()?);
    let found = match archive.memory() {
        Some(memory) => memory.similar(&sought.raster, sought.asset.as_deref(), MOST)?,
        None => Vec::new(),
    };
    let tiles = found.iter().map(|one| match &archive.catalog {
        Some(catalog) => tile(catalog, one),
        None => Ok(html! {}),
    });
    let tiles = tiles.collect::<Result<Vec<_>, Problem>>()?;
    let shown = data_uri("image/jpeg", &picture::drawn(&sought.raster, SHOWN)?);
    let body = html! {
        div.hero.compact {
            p.eyebrow { a href="/catalog" { (ENGLISH.catalog) } }
            h1 { (ENGLISH.similar_title) }
        }
        div.sought {
            figure {
                img src=(shown) alt=(fill(ENGLISH.shown, &[("name", &sought.name)]));
                figcaption {
                    @match &sought.asset {
                        Some(id) => a href={ "/catalog/" (id) } { (sought.name) },
                        None => (sought.name),
                    }
                }
            }
            div { p { (ENGLISH.similar_lead) } (chooser(site)) }
        }
        @for note in &archive.notes { p.quiet { (note) } }
        @if tiles.is_empty() {
            p.empty role="status" { (ENGLISH.nothing_similar) }
        } @else {
            ul.grid { @for tile in &tiles { (tile) } }
        }
    };
    let frame = Frame { title: ENGLISH.similar_title, here: Here::Catalog, visitor, scripts: &["drop.js"] };
    Ok(frame.page(body))
}

/// Where a picture is given to be looked for.
pub fn chooser(site: &Site) -> Markup {
    let field = Field {
        name: "picture",
        label: ENGLISH.drop_similar,
        note: None,
        required: true,
        height: "low",
        preview: false,
        at_once: true,
    };
    html! {
        form.by-looks method="post" action="/catalog/similar" enctype="multipart/form-data" {
            (field.show(site))
            button type="submit" { (ENGLISH.search_similar) }
        }
    }
}

fn tile(catalog: &Catalog, found: &Similar) -> Result<Markup, Problem> {
    let Similar { asset, likeness } = found;
    let Named { name, made_by } = Named::of(catalog, asset)?;
    let deviation = likeness.deviation.map(|deviation| format!("{deviation:.2}"));
    let role = if asset.role == Role::Output { ENGLISH.variation } else { ENGLISH.reference };
    Ok(html! {
        li.tile {
            a href={ "/catalog/" (asset.id) } {
                div.frame { img src={ "/pictures/" (asset.id) "/small" } alt="" loading="lazy"; }
                div.under {
                    span.name { (name) }
                    @if likeness.is_same_picture() { span.chip.ai { (ENGLISH.same_picture) } }
                    span.quiet {
                        (role)
                        @if let Some(made) = &made_by {
                            " · " (fill(ENGLISH.tile, &[("engine", &made.glance.engine), ("strength", &made.glance.strength_told())]))
                        }
                    }
                    span.quiet.line {
                        @match &deviation {
                            Some(deviation) => (fill(ENGLISH.similar_deviation, &[("deviation", deviation)])),
                            None => (ENGLISH.similar_by_looks),
                        }
                    }
                }
            }
        }
    })
}
