//! Deviation against strength, with the policy's limits, drawn as SVG.

use super::criteria::mean;
use super::{Cell, End};
use crate::generate::Description;
use crate::html::{Markup, html};
use crate::policy::Limits;

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 320.0;
/// Room at the left, right, top and bottom.
const MARGIN: [f64; 4] = [46.0, 120.0, 14.0, 40.0];
/// For the first engine, the second and so on; the last is for all further ones.
const COLOURS: [&str; 4] = ["var(--accent)", "var(--warn)", "var(--good)", "var(--quiet)"];

fn x(strength: f64) -> f64 {
    MARGIN[0] + strength * (WIDTH - MARGIN[0] - MARGIN[1])
}

fn y(deviation: f64) -> f64 {
    HEIGHT - MARGIN[3] - deviation * (HEIGHT - MARGIN[2] - MARGIN[3])
}

/// A dot for each picture, full where it was released, and a line through the means of each engine.
pub fn curve(cells: &[Cell], limits: &Limits) -> Markup {
    let mut engines: Vec<&Description> = Vec::new();
    for cell in cells {
        if !engines.contains(&&cell.engine) {
            engines.push(&cell.engine);
        }
    }
    let (least, most) = (limits.strength_min.value(), limits.strength_max.value());
    let limit = limits.min_deviation;
    let ticks = [0.0, 0.2, 0.4, 0.6, 0.8, 1.0];
    html! {
        div .scroll { svg viewBox=(format!("0 0 {WIDTH} {HEIGHT}")) width=(WIDTH) role="img"
            aria-label="Deviation from the reference against denoise strength; the pictures below have the figures" {
            // What the policy lets through.
            @if most > least {
                rect x=(px(x(least))) y=(px(y(1.0))) width=(px(x(most) - x(least))) height=(px(y(limit) - y(1.0)))
                    fill="var(--good)" opacity="0.08" {}
            }
            @for tick in ticks {
                line x1=(px(x(0.0))) x2=(px(x(1.0))) y1=(px(y(tick))) y2=(px(y(tick))) stroke="var(--line)" {}
                text x=(px(x(0.0) - 8.0)) y=(px(y(tick) + 4.0)) text-anchor="end" { (format!("{tick:.1}")) }
                text x=(px(x(tick))) y=(px(y(0.0) + 18.0)) text-anchor="middle" { (format!("{tick:.1}")) }
            }
            text x=(px(x(0.5))) y=(px(HEIGHT - 4.0)) text-anchor="middle" { "denoise strength" }
            text transform=(format!("translate(12 {:.1}) rotate(-90)", y(0.5))) text-anchor="middle" { "deviation" }
            line x1=(px(x(0.0))) x2=(px(x(1.0))) y1=(px(y(limit))) y2=(px(y(limit)))
                stroke="var(--bad)" stroke-width="1.5" stroke-dasharray="6 4" {}
            text .strong x=(px(x(1.0) + 10.0)) y=(px(y(limit) + 4.0)) { (format!("at least {limit:.2}")) }
            @for (n, engine) in engines.iter().enumerate() {
                @let colour = COLOURS[n.min(COLOURS.len() - 1)];
                polyline points=(line(cells, engine)) fill="none" stroke=(colour) stroke-width="2" {}
                @for (at, released) in dots(cells, engine) {
                    circle cx=(px(at.0)) cy=(px(at.1)) r="4.5" stroke=(colour) stroke-width="2"
                        fill=(if released { colour } else { "var(--ground)" }) {}
                }
                text x=(px(x(1.0) + 10.0)) y=(px(y(1.0) + 12.0 + 18.0 * n as f64)) style=(format!("fill: {colour}")) {
                    (engine.name)
                }
            }
        }
        } p .quiet .small {
            "Full dots were released, open ones refused; the line goes through the means. The policy lets through what is in \
             the tinted area."
        }
    }
}

fn dots(cells: &[Cell], engine: &Description) -> Vec<((f64, f64), bool)> {
    let own = cells.iter().filter(|cell| cell.engine == *engine);
    own.filter_map(|cell| {
        let deviation = cell.deviation?.deviation;
        Some(((x(cell.strength.value()), y(deviation)), matches!(cell.end, End::Released { .. })))
    })
    .collect()
}

/// Through the mean of each strength.
fn line(cells: &[Cell], engine: &Description) -> String {
    let mut strengths: Vec<f64> =
        cells.iter().filter(|cell| cell.engine == *engine).map(|cell| cell.strength.value()).collect();
    strengths.sort_by(f64::total_cmp);
    strengths.dedup();
    let points = strengths.into_iter().filter_map(|strength| {
        let own = cells.iter().filter(|cell| cell.engine == *engine && cell.strength.value() == strength);
        let height = mean(own.filter_map(|cell| Some(cell.deviation?.deviation)))?;
        Some(format!("{:.1},{:.1}", x(strength), y(height)))
    });
    points.collect::<Vec<_>>().join(" ")
}

fn px(value: f64) -> String {
    format!("{value:.1}")
}
