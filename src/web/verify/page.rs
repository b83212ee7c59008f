//! The page of a verdict: one sentence, one colour, then what it rests on.

use crate::html::{Markup, data_uri, html};

use super::Answer;
use super::layers;
use crate::lineage::{Edge, Graph, Node, Role};
use crate::verify::{Confidence, Verdict};
use crate::web::drop::Field;
use crate::web::frame::{Frame, Here};
use crate::web::guard::Visitor;
use crate::web::problem::Problem;
use crate::web::site::Site;
use crate::web::text::{ENGLISH, fill};

/// Header of a request that wants the answer alone, without the page around it.
pub const FRAGMENT: &str = "x-fragment";

pub fn form(site: &Site, visitor: Visitor) -> Markup {
    frame(visitor).page(html! {
        div.hero {
            h1 { (ENGLISH.verify_title) }
            p.lead { (ENGLISH.verify_lead) }
        }
        (chooser(site))
        div #answer aria-live="polite" {}
        (promise())
    })
}

pub fn answer(site: &Site, visitor: Visitor, answer: &Answer, in_part: bool) -> Markup {
    let body = html! {
        (verdict(answer))
        (layers::cards(&answer.report))
        @if let Some(graph) = &answer.lineage { (ancestry(graph)) }
        @for note in &answer.notes { p.quiet { (note) } }
    };
    if in_part {
        return body;
    }
    frame(visitor).page(html! {
        h1.small { (ENGLISH.verify_title) }
        (chooser(site))
        div #answer aria-live="polite" { (body) }
    })
}

pub fn problem(problem: &Problem) -> Markup {
    html! { p.alert role="alert" { (problem.to_string()) } }
}

fn frame(visitor: Visitor) -> Frame<'static> {
    Frame { title: ENGLISH.verify_title, here: Here::Verify, visitor, scripts: &["drop.js", "verify.js"] }
}

fn chooser(site: &Site) -> Markup {
    let field = Field {
        name: "picture",
        label: ENGLISH.drop_picture,
        note: None,
        required: true,
        height: "",
        preview: false,
        at_once: false,
    };
    html! {
        form #verify method="post" action="/verify" enctype="multipart/form-data" {
            (field.show(site))
            div.actions { button.primary type="submit" { (ENGLISH.verify_button) } span.busy data-busy="" hidden { (ENGLISH.looking) } }
        }
    }
}

fn promise() -> Markup {
    html! {
        section.three aria-label=(ENGLISH.how) {
            @for (title, text) in ENGLISH.promises {
                div { h2 { (title) } p { (text) } }
            }
        }
    }
}

fn verdict(answer: &Answer) -> Markup {
    let report = &answer.report;
    let (class, sentence, rest) = match report.verdict {
        Verdict::AiDerived => ("ai", ENGLISH.is_ai, ENGLISH.is_ai_rest),
        Verdict::NoEvidence => ("none", ENGLISH.is_silent, ENGLISH.is_silent_rest),
        Verdict::Contradiction => ("bad", ENGLISH.is_contradiction, ENGLISH.is_contradiction_rest),
    };
    let confidence = match report.confidence {
        Confidence::None => None,
        Confidence::Low => Some(ENGLISH.low),
        Confidence::Medium => Some(ENGLISH.medium),
        Confidence::High => Some(ENGLISH.high),
    };
    html! {
        section class={ "verdict " (class) } aria-labelledby="sentence" {
            img src=(data_uri("image/jpeg", &answer.shown)) alt=(fill(ENGLISH.shown, &[("name", &answer.name)]));
            div {
                p.eyebrow { (answer.name) }
                h2 #sentence tabindex="-1" { (sentence) }
                p { (rest) }
                @if let Some(confidence) = confidence.filter(|_| report.verdict == Verdict::AiDerived) {
                    p.chip { (confidence) }
                }
                p.quiet.digest { "SHA-256 " code { (report.sha256) } }
            }
        }
    }
}

/// From the first reference to the picture at hand.
fn ancestry(graph: &Graph) -> Markup {
    let mut nodes: Vec<&Node> = graph.nodes.iter().collect();
    nodes.sort_by(|a, b| a.created.cmp(&b.created).then(a.id.cmp(&b.id)));
    html! {
        section.card aria-labelledby="lineage" {
            h2 #lineage { (ENGLISH.lineage) }
            ol.chain {
                @for node in nodes {
                    @let made = graph.edges.iter().find(|edge| edge.output.as_ref() == Some(&node.id));
                    li {
                        @if let Some(edge) = made { p.step { (recipe(edge)) } }
                        a href={ "/catalog/" (node.id) } aria-current=[(node.id == graph.focus).then_some("true")] {
                            img src={ "/pictures/" (node.id) "/small" } alt="" loading="lazy";
                            span { (if node.role == Role::Reference { ENGLISH.reference } else { ENGLISH.variation }) }
                            code { (node.sha256.short(12)) }
                        }
                    }
                }
            }
        }
    }
}

fn recipe(edge: &Edge) -> String {
    let deviation = edge.deviation.map(|deviation| format!("{deviation:.2}"));
    let strength = edge.strength_told();
    let names = [("engine", edge.engine.as_str()), ("strength", &strength)];
    match deviation {
        Some(deviation) => fill(ENGLISH.recipe_measured, &[names[0], names[1], ("deviation", &deviation)]),
        None => fill(ENGLISH.recipe, &names),
    }
}
