//! The page of one picture, and that of one run.

use crate::generate::subject;
use crate::html::{Markup, html};

use super::graph;
use crate::catalog::{Account, Asset, Catalog, Role};
use crate::lineage;
use crate::web::frame::{Frame, Here};
use crate::web::guard::Visitor;
use crate::web::make::{gauges, own_copy};
use crate::web::problem::Problem;
use crate::web::text::{ENGLISH, capital, fill, moment};

/// What a picture is called for people, and the run that made it.
pub struct Named {
    pub name: String,
    pub made_by: Option<Account>,
}

impl Named {
    pub fn of(catalog: &Catalog, asset: &Asset) -> Result<Self, Problem> {
        let made_by = match catalog.made_by(&asset.id)?.first() {
            Some(run) => catalog.account(&run.run)?,
            None => None,
        };
        let prompt = made_by.as_ref().and_then(|made| made.glance.prompt.as_deref());
        let name = prompt.map_or(asset.title.as_str(), subject).to_owned();
        Ok(Named { name, made_by })
    }
}

pub fn page(catalog: &Catalog, visitor: Visitor, asset: &Asset) -> Result<Markup, Problem> {
    let graph = lineage::lineage(catalog, asset)?;
    let Named { name, made_by } = Named::of(catalog, asset)?;
    let is_output = asset.role == Role::Output;
    let role = if is_output { ENGLISH.variation } else { ENGLISH.reference };
    let refused = graph.edges.iter().filter(|edge| edge.output.is_none()).collect::<Vec<_>>();
    let body = html! {
        div.hero.compact {
            p.eyebrow { a href="/catalog" { (ENGLISH.catalog) } " · " (role) }
            h1 { (name) }
        }
        div.portrait {
            figure { img src={ "/pictures/" (asset.id) "/large" } alt=(role); }
            div {
                dl {
                    (row(ENGLISH.asset, &asset.id))
                    (row(ENGLISH.size, &format!("{} × {}", asset.width, asset.height)))
                    (row(ENGLISH.format, &asset.mime))
                    (row(ENGLISH.recorded, &moment(&asset.created)))
                    (row("SHA-256", &asset.sha256.to_string()))
                }
                div.actions {
                    @if is_output { a.button.primary href={ "/pictures/" (asset.id) "/file" } download { (ENGLISH.download) } }
                    a.button href={ "/catalog/" (asset.id) "/similar" } { (ENGLISH.similar_title) }
                }
            }
        }
        @if let Some(made) = &made_by { (account(made)) (marks(catalog, asset)?) }
        section.card aria-labelledby="lineage" {
            h2 #lineage { (ENGLISH.lineage) }
            (graph::drawing(&graph))
            @if !refused.is_empty() {
                h3 { (ENGLISH.refusals) }
                ul.reasons {
                    @for edge in refused.iter().take(50) {
                        li { a href={ "/runs/" (edge.run) } { (fill(ENGLISH.recipe, &[("engine", &edge.engine), ("strength", &edge.strength_told())])) } " " (edge.refusal.as_deref().unwrap_or_default()) }
                    }
                }
            }
        }
        @if let Some(made) = &made_by { (log(catalog, &made.glance.run)?) }
    };
    Ok(Frame { title: &name, here: Here::Catalog, visitor, scripts: &["graph.js"] }.page(body))
}

pub fn run_page(catalog: &Catalog, visitor: Visitor, made: &Account) -> Result<Markup, Problem> {
    let glance = &made.glance;
    let released = glance.output.is_some();
    let body = html! {
        div.hero.compact {
            p.eyebrow { a href="/catalog" { (ENGLISH.catalog) } " · " (if released { ENGLISH.released } else { ENGLISH.refused }) }
            h1 { (glance.prompt.as_deref().map_or(glance.title.as_str(), subject)) }
            @if !released { p.lead { (ENGLISH.refused_lead) } }
        }
        div.portrait {
            figure {
                @let picture = glance.output.as_ref().unwrap_or(&glance.reference);
                a href={ "/catalog/" (picture) } { img src={ "/pictures/" (picture) "/large" } alt=(if released { ENGLISH.variation } else { ENGLISH.reference }); }
                figcaption { (if released { ENGLISH.variation } else { ENGLISH.reference_of }) }
            }
            div { (account(made)) }
        }
        (log(catalog, &glance.run)?)
    };
    Ok(Frame { title: ENGLISH.run, here: Here::Catalog, visitor, scripts: &[] }.page(body))
}

/// How it was made, measured and decided.
fn account(made: &Account) -> Markup {
    let glance = &made.glance;
    let asked = crate::web::make::Asked {
        policies: made.policies.join(" + "),
        deviation: made.min_deviation,
        composition: made.min_composition,
    };
    html! {
        div.two {
            @if let Some(measured) = &made.measured {
                section.card { h2 { (ENGLISH.measured) } (gauges(measured, Some(&asked))) }
            }
            section.card {
                h2 { (ENGLISH.decision) }
                p {
                    span class={ "chip " (if made.cleared { "ai" } else { "bad" }) } { (if made.cleared { ENGLISH.cleared } else { ENGLISH.refused }) }
                    " " (fill(ENGLISH.by_policies, &[("policies", &asked.policies)]))
                }
                @if !made.reasons.is_empty() { ul.reasons { @for reason in &made.reasons { li { (capital(reason)) } } } }
                dl {
                    (row(ENGLISH.run, &glance.run))
                    (row(ENGLISH.engine, &format!("{} {}", glance.engine, made.engine_version)))
                    (row(ENGLISH.strength, &glance.strength_told()))
                    (row(ENGLISH.seed, &glance.seed))
                    (own_copy(made.largest_copy))
                    @if let Some(steps) = made.steps { (row(ENGLISH.steps, &steps.to_string())) }
                    @if let Some(prompt) = &glance.prompt { (row(ENGLISH.prompt, prompt)) }
                    @if let Some(purpose) = &made.purpose { (row(ENGLISH.purpose, purpose)) }
                    (row(ENGLISH.started, &moment(&glance.started)))
                }
            }
        }
    }
}

fn marks(catalog: &Catalog, asset: &Asset) -> Result<Markup, Problem> {
    let marks = catalog.marks(&asset.id)?;
    Ok(html! {
        @if !marks.is_empty() {
            section.card {
                h2 { (ENGLISH.marks) }
                dl {
                    @for mark in &marks {
                        (row(if mark.kind == "manifest" { ENGLISH.manifest } else { ENGLISH.watermark }, &mark.value))
                        (row(ENGLISH.algorithm, &mark.algorithm))
                        @if let Some(psnr) = mark.psnr_db { (row("PSNR", &format!("{psnr:.1} dB"))) }
                    }
                }
            }
        }
    })
}

fn log(catalog: &Catalog, run: &str) -> Result<Markup, Problem> {
    let events = catalog.logged(run)?;
    Ok(html! {
        section.card {
            h2 { (ENGLISH.log) }
            div.scroll tabindex="0" role="region" aria-label=(ENGLISH.log) {
                table {
                    thead { tr { th scope="col" { (ENGLISH.entry) } th scope="col" { (ENGLISH.at) } th scope="col" { (ENGLISH.kind) } th scope="col" { (ENGLISH.hash) } } }
                    tbody { @for event in &events { tr { td { (event.seq) } td { (moment(&event.at)) } td { (event.kind) } td { code { (event.hash.short(24)) "…" } } } } }
                }
            }
        }
    })
}

fn row(name: &str, value: &str) -> Markup {
    html! { div { dt { (name) } dd { (value) } } }
}
