//! The form that variations are asked for by.

use crate::html::{Markup, html};

use super::wish::MOST;
use crate::policies::Shelf;
use crate::policy::{Class, Limits, Subject};
use crate::web::drop::Field;
use crate::web::frame::{Frame, Here};
use crate::web::guard::Visitor;
use crate::web::problem::Problem;
use crate::web::site::Site;
use crate::web::text::{ENGLISH, fill};

/// The strength that is offered first.
const STRENGTH: f64 = 0.7;
/// Jobs that are listed below the form.
const LISTED: usize = 6;

pub fn page(site: &Site, visitor: Visitor) -> Result<Markup, Problem> {
    let shelf = Shelf::of(Some(site.workspace()?)).map_err(|error| Problem::Conflict(error.to_string()))?;
    let names: Vec<String> = shelf.list().into_keys().collect();
    let set = shelf.select("default", &Subject::default());
    let set = set.map_err(|error| Problem::Conflict(error.to_string()))?;
    let reference = Field {
        name: "reference",
        label: ENGLISH.drop_reference,
        note: None,
        required: true,
        height: "tall",
        preview: true,
        at_once: false,
    };
    let mask = Field {
        name: "mask",
        label: ENGLISH.drop_mask,
        note: Some(ENGLISH.mask_note),
        required: false,
        height: "low",
        preview: true,
        at_once: false,
    };
    let body = html! {
        div.hero {
            h1 { (ENGLISH.make_title) }
            p.lead { (ENGLISH.make_lead) }
        }
        form #make.make method="post" action="/make" enctype="multipart/form-data" {
            div.column {
                (reference.show(site))
                (mask.show(site))
            }
            div.column.fields {
                div.field {
                    label for="subject" { (ENGLISH.subject) }
                    input #subject name="subject" type="text" maxlength="400" autocomplete="off" placeholder=(ENGLISH.subject_example) aria-describedby="subject-note";
                    p #subject-note.note { (ENGLISH.subject_note) }
                }
                (strength(set.limits(), &set.name()))
                details.more {
                    summary { (ENGLISH.options) }
                    div.grid {
                        (choice("engine", ENGLISH.engine, site.engines.offers.iter().map(|offer| {
                            let name = offer.name.as_str();
                            (name, if offer.reads_prompt { name.to_owned() } else { fill(ENGLISH.engine_blind, &[("engine", name)]) })
                        })))
                        (choice("policy", ENGLISH.policy, names.iter().map(|name| (name.as_str(), name.clone()))))
                        (choice("class", ENGLISH.class, std::iter::once(("", ENGLISH.class_unknown.to_owned()))
                            .chain(Class::ALL.iter().map(|class| (class.name(), class.name().to_owned())))))
                        (choice("format", ENGLISH.format, ["png", "jpeg", "webp", "tiff"].into_iter().map(|name| (name, name.to_uppercase()))))
                        div.field {
                            label for="seed" { (ENGLISH.seed) }
                            input #seed name="seed" type="text" inputmode="numeric" pattern="[0-9]*" placeholder=(ENGLISH.seed_open);
                        }
                        div.field {
                            label for="count" { (ENGLISH.count) }
                            input #count name="count" type="number" min="1" max=(MOST) value="1";
                        }
                        div.field {
                            label for="width" { (ENGLISH.width) }
                            input #width name="width" type="number" min="1" max="16384" placeholder=(ENGLISH.as_reference);
                        }
                        div.field {
                            label for="height" { (ENGLISH.height) }
                            input #height name="height" type="number" min="1" max="16384" placeholder=(ENGLISH.as_reference);
                        }
                        div.field.wide {
                            label for="purpose" { (ENGLISH.purpose) }
                            input #purpose name="purpose" type="text" maxlength="200" autocomplete="off";
                        }
                    }
                }
                div.actions {
                    button.primary type="submit" { (ENGLISH.make_button) }
                    span.busy data-busy="" hidden { (ENGLISH.sending) }
                }
                p.alert role="alert" data-alert="" hidden {}
            }
        }
        (recent(site))
    };
    let scripts = &["drop.js", "make.js"];
    Ok(Frame { title: ENGLISH.make_title, here: Here::Make, visitor, scripts }.page(body))
}

/// The slider, and below it what the policies leave of it.
fn strength(limits: &Limits, names: &str) -> Markup {
    let (least, most) = (limits.strength_min.value(), limits.strength_max.value());
    let start = STRENGTH.clamp(least, most.max(least));
    let figures = |value: f64| format!("{value:.2}");
    html! {
        fieldset.strength data-limits="" {
            legend { (ENGLISH.strength) }
            div.level {
                div.track {
                    svg.range viewBox="0 0 100 4" preserveAspectRatio="none" aria-hidden="true" {
                        rect.all x="0" y="1" width="100" height="2" {}
                        rect.allowed data-allowed="" x=(100.0 * least) y="0" width=(100.0 * (most - least).max(0.0)) height="4" {}
                    }
                    input #strength name="strength" type="range" min="0" max="1" step="0.01" value=(figures(start))
                        aria-label=(ENGLISH.strength) aria-describedby="allowed";
                }
                output for="strength" data-value="" { (figures(start)) }
                div.ends aria-hidden="true" { span { (ENGLISH.as_reference_end) } span { (ENGLISH.new_end) } }
            }
            p #allowed.note data-sentence=(ENGLISH.allowed) {
                (fill(ENGLISH.allowed, &[
                    ("policies", names), ("least", &figures(least)), ("most", &figures(most)),
                    ("deviation", &figures(limits.min_deviation)),
                ]))
            }
            label.check { input type="checkbox" name="auto" value="on"; span { (ENGLISH.auto) } }
        }
    }
}

fn choice<'a>(name: &str, label: &str, options: impl Iterator<Item = (&'a str, String)>) -> Markup {
    html! {
        div.field {
            label for=(name) { (label) }
            select id=(name) name=(name) {
                @for (value, text) in options { option value=(value) { (text) } }
            }
        }
    }
}

fn recent(site: &Site) -> Markup {
    let jobs = site.jobs.recent();
    html! {
        @if !jobs.is_empty() {
            section.recent aria-labelledby="recent" {
                h2 #recent { (ENGLISH.recent) }
                ul.grid-small {
                    @for job in jobs.iter().take(LISTED) {
                        li { a href={ "/jobs/" (job.id) } {
                            img src={ "/jobs/" (job.id) "/reference" } alt="" loading="lazy";
                            span.name { (job.title) }
                            span.quiet { (super::result::state(&job.view())) }
                        } }
                    }
                }
            }
        }
    }
}
