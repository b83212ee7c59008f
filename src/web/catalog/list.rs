//! Runs in a grid, and the form that they are searched by.

use crate::generate::subject;
use crate::html::{Markup, html, percent};
use serde::Deserialize;

use crate::catalog::{Catalog, Filter, Glance};
use crate::web::frame::{Frame, Here};
use crate::web::guard::Visitor;
use crate::web::problem::Problem;
use crate::web::site::Site;
use crate::web::text::{ENGLISH, fill};

use super::similar;

/// Runs on one page.
const PAGE: u32 = 48;

/// The form, as it comes: an empty field asks for nothing.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Asked {
    words: String,
    engine: String,
    from: String,
    to: String,
    since: String,
    until: String,
    outcome: String,
    before: String,
}

impl Asked {
    fn filter(&self) -> Result<Filter, Problem> {
        let text = |value: &str| Some(value.trim().to_owned()).filter(|value| !value.is_empty());
        let strength = |name: &str, value: &str| -> Result<Option<f64>, Problem> {
            let value = text(value).map(|value| value.parse::<crate::quantity::Strength>());
            let value = value.transpose().map_err(|error| Problem::BadRequest(format!("{name}: {error}")))?;
            Ok(value.map(crate::quantity::Strength::value))
        };
        Ok(Filter {
            words: text(&self.words),
            engine: text(&self.engine),
            strength_min: strength(ENGLISH.from, &self.from)?,
            strength_max: strength(ENGLISH.to, &self.to)?,
            since: text(&self.since),
            until: text(&self.until),
            released: match self.outcome.as_str() {
                "released" => Some(true),
                "refused" => Some(false),
                _ => None,
            },
            before: text(&self.before),
        })
    }

    /// The same search, from after `run` on.
    fn next(&self, run: &str) -> String {
        let pairs = [
            ("words", self.words.as_str()),
            ("engine", &self.engine),
            ("from", &self.from),
            ("to", &self.to),
            ("since", &self.since),
            ("until", &self.until),
            ("outcome", &self.outcome),
            ("before", run),
        ];
        let set = pairs.into_iter().filter(|(_, value)| !value.is_empty());
        let query: Vec<String> = set.map(|(name, value)| format!("{name}={}", percent(value))).collect();
        format!("/catalog?{}", query.join("&"))
    }
}

pub fn page(
    site: &Site,
    catalog: Option<&Catalog>,
    visitor: Visitor,
    asked: &Asked,
) -> Result<Markup, Problem> {
    let filter = asked.filter()?;
    let (runs, engines) = match catalog {
        Some(catalog) => (catalog.runs(&filter, PAGE + 1)?, catalog.engines()?),
        None => (Vec::new(), Vec::new()),
    };
    let more = runs.len() > PAGE as usize;
    let runs = &runs[..runs.len().min(PAGE as usize)];
    let body = html! {
        div.hero { h1 { (ENGLISH.catalog_title) } p.lead { (ENGLISH.catalog_lead) } }
        (search(asked, &engines))
        (similar::chooser(site))
        @if runs.is_empty() {
            p.empty { (if filter == Filter::default() { ENGLISH.nothing_yet } else { ENGLISH.nothing_found }) }
        } @else {
            ul.grid { @for run in runs { (tile(run)) } }
        }
        @if let Some(last) = runs.last().filter(|_| more) {
            div.actions { a.button href=(asked.next(&last.run)) { (ENGLISH.older) } }
        }
    };
    Ok(Frame { title: ENGLISH.catalog_title, here: Here::Catalog, visitor, scripts: &["drop.js"] }.page(body))
}

fn search(asked: &Asked, engines: &[String]) -> Markup {
    let input = |name: &str, label: &str, kind: &str, value: &str| {
        html! { div.field.day { label for=(name) { (label) } input id=(name) name=(name) type=(kind) value=(value); } }
    };
    let outcomes = [("", ENGLISH.any), ("released", ENGLISH.released), ("refused", ENGLISH.refused)];
    html! {
        form.search method="get" action="/catalog" role="search" {
            div.field.wide { label for="words" { (ENGLISH.words) } input #words name="words" type="search" value=(asked.words); }
            div.field {
                label for="outcome" { (ENGLISH.outcome) }
                select #outcome name="outcome" {
                    @for (value, text) in outcomes { option value=(value) selected[asked.outcome == value] { (text) } }
                }
            }
            div.field {
                label for="engine" { (ENGLISH.engine) }
                select #engine name="engine" {
                    option value="" { (ENGLISH.any) }
                    @for engine in engines { option value=(engine) selected[&asked.engine == engine] { (engine) } }
                }
            }
            div.field.short {
                label for="from" { (ENGLISH.from) }
                input #from name="from" type="number" min="0" max="1" step="0.01" value=(asked.from);
            }
            div.field.short {
                label for="to" { (ENGLISH.to) }
                input #to name="to" type="number" min="0" max="1" step="0.01" value=(asked.to);
            }
            (input("since", ENGLISH.since, "date", &asked.since))
            (input("until", ENGLISH.until, "date", &asked.until))
            button type="submit" { (ENGLISH.search) }
        }
    }
}

fn tile(run: &Glance) -> Markup {
    let strength = run.strength_told();
    let deviation = run.deviation.map(|deviation| format!("{deviation:.2}"));
    let day = run.started.get(..10).unwrap_or(&run.started);
    let (picture, link) = match &run.output {
        Some(output) => (output, format!("/catalog/{output}")),
        None => (&run.reference, format!("/runs/{}", run.run)),
    };
    html! {
        li class={ "tile" @if run.output.is_none() { " refused" } } {
            a href=(link) {
                div.frame { img src={ "/pictures/" (picture) "/small" } alt="" loading="lazy"; }
                div.under {
                    span.name { (run.prompt.as_deref().map_or(run.title.as_str(), subject)) }
                    @if run.output.is_none() { span.chip.bad { (ENGLISH.refused) } }
                    span.quiet {
                        (fill(ENGLISH.tile, &[("engine", &run.engine), ("strength", &strength)]))
                        @if let Some(deviation) = &deviation { " · " (fill(ENGLISH.tile_deviation, &[("deviation", deviation)])) }
                    }
                    time.quiet datetime=(run.started) { (day) }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_page_asks_the_same() {
        let asked = Asked { words: "a b&c=ü".into(), outcome: "refused".into(), ..Asked::default() };
        assert_eq!(asked.next("01"), "/catalog?words=a%20b%26c%3D%C3%BC&outcome=refused&before=01");
        assert_eq!(asked.filter().map(|filter| filter.released).ok(), Some(Some(false)));
        assert!(Asked { from: "2".into(), ..Asked::default() }.filter().is_err());
    }
}
