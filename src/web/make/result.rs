//! The page of a job: how it stands, and then what became of it.

use crate::html::{Markup, html};

use super::jobs::{Asked, Job, Made, Phase, View};
use crate::manifest::State;
use crate::policy::against;
use crate::quantity::Deviation;
use crate::release::{Aim, Outcome, Refused, Released, Tried};
use crate::web::frame::{Frame, Here};
use crate::web::guard::Visitor;
use crate::web::site::Site;
use crate::web::text::{ENGLISH, capital, fill};

pub fn page(site: &Site, visitor: Visitor, job: &Job) -> Markup {
    let scripts = &["job.js"];
    let frame = Frame { title: ENGLISH.job_title, here: Here::Make, visitor, scripts };
    frame.page(html! {
        div.hero.compact {
            p.eyebrow { a href="/make" { (ENGLISH.make) } }
            h1 { (job.title) }
            p.lead { (asked_for(job)) }
        }
        div #job data-job=(job.id) data-over=[job.view().phase.is_over().then_some("")] { (body(site, job)) }
    })
}

/// What changes while the job goes on.
pub fn body(site: &Site, job: &Job) -> Markup {
    let view = job.view();
    html! {
        @if !view.phase.is_over() { (running(site, job, &view)) }
        @match &view.phase {
            Phase::Failed(why) => div.notice role="alert" { h2 { (ENGLISH.job_failed) } p { (why) } },
            Phase::Cancelled => div.notice role="status" { h2 { (ENGLISH.job_cancelled) } p { (ENGLISH.job_cancelled_rest) } },
            _ => {}
        }
        @for made in &view.made { (one(job, &view, made)) }
        @if view.phase.is_over() {
            @if !view.told.is_empty() {
                details.more { summary { (ENGLISH.on_the_way) } ul.told { @for line in &view.told { li { (line) } } } }
            }
            div.actions { a.button href="/make" { (ENGLISH.another) } }
        }
    }
}

/// In a word.
pub fn state(view: &View) -> String {
    let released = view.made.iter().filter(|made| matches!(made.outcome, Outcome::Released(_))).count();
    match &view.phase {
        Phase::Waiting => ENGLISH.waiting.to_owned(),
        Phase::Running => ENGLISH.running.to_owned(),
        Phase::Failed(_) => ENGLISH.job_failed.to_owned(),
        Phase::Cancelled => ENGLISH.job_cancelled.to_owned(),
        Phase::Done if released == view.made.len() => ENGLISH.released.to_owned(),
        Phase::Done if released == 0 => ENGLISH.refused.to_owned(),
        Phase::Done => fill(
            ENGLISH.released_some,
            &[("released", &released.to_string()), ("all", &view.made.len().to_string())],
        ),
    }
}

/// What is done for the job `id` now, or how many are before it.
pub fn stage(site: &Site, id: &str, view: &View) -> String {
    match view.phase {
        Phase::Waiting => fill(ENGLISH.ahead, &[("ahead", &site.jobs.ahead(id).to_string())]),
        _ if view.stage.is_empty() => ENGLISH.preparing.to_owned(),
        _ => view.stage.clone(),
    }
}

fn asked_for(job: &Job) -> String {
    let wish = &job.wish;
    let strength = match wish.aim {
        Aim::At(strength) => strength.to_string(),
        Aim::Auto => ENGLISH.automatic.to_owned(),
    };
    let mut text = fill(ENGLISH.asked_for, &[("engine", &wish.engine), ("strength", &strength)]);
    if let Some(subject) = &wish.subject {
        text.push_str(&fill(ENGLISH.asked_subject, &[("subject", subject)]));
    }
    text
}

fn running(site: &Site, job: &Job, view: &View) -> Markup {
    let total = view.total.max(1);
    html! {
        section.running aria-labelledby="stage" {
            div.stage-pictures {
                figure { img src={ "/jobs/" (job.id) "/reference" } alt=(ENGLISH.reference); figcaption { (ENGLISH.reference) } }
                figure {
                    div.glimpse {
                        @if view.glimpse.is_some() {
                            img data-glimpse="" src={ "/jobs/" (job.id) "/glimpse/" (view.glimpses) } alt=(ENGLISH.draft);
                        } @else { img data-glimpse="" alt=(ENGLISH.draft) hidden; }
                    }
                    figcaption { (ENGLISH.draft) }
                }
            }
            div.stage {
                h2 #stage data-stage="" { (stage(site, &job.id, view)) }
                p.quiet data-now="" { (view.now) }
                progress data-progress="" max=(total) value=(view.done) aria-labelledby="stage" {}
                p.told-last data-told="" aria-live="polite" { (view.told.last().map(String::as_str).unwrap_or_default()) }
                form method="post" action={ "/jobs/" (job.id) "/cancel" } { button type="submit" { (ENGLISH.cancel) } }
                noscript { p { a href={ "/jobs/" (job.id) } { (ENGLISH.look_again) } } }
            }
        }
    }
}

fn one(job: &Job, view: &View, made: &Made) -> Markup {
    match &made.outcome {
        Outcome::Released(released) => self::released(job, view, released, &made.tried),
        Outcome::Refused(refused) => self::refused(job, view, refused, &made.tried),
        // Nobody asks for one here.
        Outcome::Trial(_) => html! {},
    }
}

fn released(job: &Job, view: &View, done: &Released, tried: &[Tried]) -> Markup {
    let signer = done.signer.as_ref().and_then(|signer| signer.common_name.as_deref());
    let state = match done.manifest_state {
        State::Trusted => ENGLISH.trusted,
        State::Valid => ENGLISH.valid,
        State::Invalid => ENGLISH.broken,
    };
    let psnr = format!("{:.1}", done.psnr_db);
    html! {
        article.result {
            header { h2 { (ENGLISH.released) } span.chip.ai { (ENGLISH.released_chip) } }
            (compare(&format!("/jobs/{}/reference", job.id), &format!("/pictures/{}/large", done.asset_id)))
            div.two {
                section.card {
                    h3 { (ENGLISH.deviation) }
                    (gauges(&done.deviation, view.asked.as_ref()))
                    (held(&done.held))
                    (curve(tried, view.asked.as_ref()))
                }
                section.card {
                    h3 { (ENGLISH.marks) }
                    dl {
                        (row(ENGLISH.manifest, &fill(ENGLISH.signed_by, &[("signer", signer.unwrap_or(ENGLISH.unnamed)), ("state", state)])))
                        (row(ENGLISH.watermark, &fill(ENGLISH.mark_is, &[("id", &done.payload_id), ("level", done.level.name()), ("psnr", &psnr)])))
                        @if let Some(record) = done.origin.record() {
                            (row(ENGLISH.engine, &format!("{} {}", record.engine.name, record.engine.version)))
                            (row(ENGLISH.strength, &record.strength.to_string()))
                            (row(ENGLISH.seed, &record.seed.to_string()))
                            (own_copy(record.largest_copy_stated()))
                            @if let Some(share) = record.varied_share {
                                (row(ENGLISH.varied, &fill(ENGLISH.varied_share, &[("share", &format!("{:.0}", 100.0 * share))])))
                            }
                        }
                        (row(ENGLISH.size, &format!("{} × {}", done.width, done.height)))
                        (row(ENGLISH.label, &done.manifest_label))
                        (row("SHA-256", &done.sha256.to_string()))
                    }
                    @if let Some(record) = done.origin.record() {
                        @for finding in &record.findings { p.note { (finding) } }
                        @if record.prompt.is_some() && !record.prompt_used { p.note { (ENGLISH.prompt_unread) } }
                    }
                }
            }
            div.actions {
                a.button.primary href={ "/pictures/" (done.asset_id) "/file" } download { (ENGLISH.download) }
                a.button href={ "/catalog/" (done.asset_id) } { (ENGLISH.in_catalog) }
            }
        }
    }
}

fn refused(job: &Job, view: &View, no: &Refused, tried: &[Tried]) -> Markup {
    let may_again = job.files().is_some();
    let sought = matches!(job.wish.aim, Aim::Auto);
    html! {
        article.result.refused {
            div.portrait {
                figure { img src={ "/jobs/" (job.id) "/reference" } alt=(ENGLISH.reference); figcaption { (ENGLISH.reference) } }
                div {
                    h2 { (ENGLISH.refused_title) }
                    ul.reasons { @for reason in &no.refusal.reasons { li { (capital(&reason.to_string())) } } }
                    p { (ENGLISH.refused_lead) }
                    @if let Some(deviation) = &no.deviation { (gauges(deviation, view.asked.as_ref())) (curve(tried, view.asked.as_ref())) }
                    @if may_again {
                        form.actions method="post" action={ "/jobs/" (job.id) "/again" } {
                            @if sought {
                                button.primary type="submit" name="strength" value="auto" { (ENGLISH.other_seeds) }
                            } @else {
                                button.primary type="submit" name="strength" value="auto" { (ENGLISH.try_auto) }
                                span.note { (ENGLISH.try_auto_note) }
                            }
                        }
                    }
                    p.note {
                        (if no.quarantine.is_some() { ENGLISH.quarantined } else { ENGLISH.nothing_kept })
                        " " a href={ "/runs/" (no.run_id) } { (ENGLISH.in_log) }
                    }
                }
            }
        }
    }
}

/// The reference and what came of it, one over the other; beside each other without scripts.
fn compare(before: &str, after: &str) -> Markup {
    html! {
        figure.compare data-compare="" {
            div.pair {
                img src=(before) alt=(ENGLISH.reference);
                img.after src=(after) alt=(ENGLISH.variation);
            }
            input type="range" min="0" max="100" value="50" aria-label=(ENGLISH.compare) hidden;
            figcaption { span { (ENGLISH.reference) } span { (ENGLISH.variation) } }
        }
    }
}

/// What the engine itself knows of its copying.
pub fn own_copy(share: Option<f64>) -> Markup {
    let said = |share: f64| fill(ENGLISH.own_copy_share, &[("share", &format!("{:.1}", 100.0 * share))]);
    html! { @if let Some(share) = share { (row(ENGLISH.own_copy, &said(share))) } }
}

/// What was measured, and what is asked.
pub fn gauges(deviation: &Deviation, asked: Option<&Asked>) -> Markup {
    let least = asked.map(|asked| asked.deviation);
    let arrangement = asked.map(|asked| asked.composition).filter(|least| *least > 0.0);
    html! {
        (gauge(ENGLISH.deviation, deviation.deviation, least))
        (gauge(ENGLISH.arrangement, deviation.composition, arrangement))
        dl.figures {
            (row(ENGLISH.by_detail, &format!("{:.2}", 1.0 - deviation.detail)))
            (row(ENGLISH.by_copies, &format!("{:.2}", 1.0 - deviation.copied)))
            (row(ENGLISH.copied_area, &format!("{:.1} %", 100.0 * deviation.copied_area)))
            (row("SSIM", &format!("{:.2}", deviation.ssim)))
        }
    }
}

/// A figure from 0 to 1 on a line, with the limit that it has to reach.
pub fn gauge(name: &str, value: f64, least: Option<f64>) -> Markup {
    let short = least.is_some_and(|least| value < least);
    let figure = shown(value, least);
    let sentence = match least {
        Some(least) => fill(ENGLISH.at_least, &[("least", &format!("{least:.2}"))]),
        None => ENGLISH.no_limit.to_owned(),
    };
    let at = |value: f64| (1000.0 * value.clamp(0.0, 1.0)).round() / 10.0;
    html! {
        div class={ "gauge" @if short { " short" } } {
            div.reading { span { (name) } strong { (figure) } span.quiet { (sentence) } }
            svg viewBox="0 0 100 6" preserveAspectRatio="none" role="img" aria-label=(format!("{name} {figure}, {sentence}")) {
                rect.all x="0" y="2" width="100" height="2" {}
                rect.value x="0" y="2" width=(at(value)) height="2" {}
                @if let Some(least) = least { rect.limit x=(at(least) - 0.2) y="0" width="0.4" height="6" {} }
            }
        }
    }
}

fn shown(value: f64, least: Option<f64>) -> String {
    least.map_or_else(|| format!("{value:.2}"), |least| against(value, least))
}

/// What else it was held against.
fn held(held: &crate::release::Held) -> Markup {
    let nearest = held.nearest().map(|(other, measured)| (other.title.clone(), measured.deviation));
    html! {
        @if !held.compared.is_empty() {
            p.note {
                (fill(ENGLISH.held, &[("others", &held.compared.len().to_string()), ("known", &held.through.to_string())]))
                @if let Some((title, deviation)) = nearest {
                    " " (fill(ENGLISH.held_nearest, &[("title", &title), ("deviation", &format!("{deviation:.2}"))]))
                }
            }
        }
    }
}

/// The drafts by which a strength was sought.
fn curve(tried: &[Tried], asked: Option<&Asked>) -> Markup {
    let least = asked.map(|asked| asked.deviation);
    let mut tried = tried.to_vec();
    tried.sort_by(|a, b| a.strength.value().total_cmp(&b.strength.value()));
    html! {
        @if !tried.is_empty() {
            table {
                caption { (ENGLISH.sought) }
                thead { tr { th scope="col" { (ENGLISH.strength) } th scope="col" { (ENGLISH.deviation) } th scope="col" { (ENGLISH.outcome) } } }
                tbody { @for one in &tried { tr {
                    td { (one.strength) } td { (shown(one.deviation, least)) }
                    td { (one.outcome()) }
                } } }
            }
        }
    }
}

fn row(name: &str, value: &str) -> Markup {
    html! { div { dt { (name) } dd { (value) } } }
}
