//! The least strength that a policy clears with something to spare, found by drawing.

use std::str::FromStr;

use serde::Serialize;

use super::error::ReleaseError;
use super::order::Desk;
use super::prepare::Reference;
use super::states::Stopwatch;
use crate::generate::{Description, Draft, Engine, GenerateError, Request};
use crate::policy::PolicySet;
use crate::progress::Progress;
use crate::quantity::{Deviation, ParseStrengthError, Seed, Strength};
use crate::raster::Raster;

/// What a draft is to have beyond each limit of its policy: marking changes the figures a little.
pub const MARGIN: f64 = 0.03;
/// Strengths between which is chosen, in hundredths. Finer steps tell less than another seed does.
const GRID: u32 = 2;

/// A strength, or the search for one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Aim {
    At(Strength),
    Auto,
}

impl FromStr for Aim {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.trim() {
            "auto" => Ok(Aim::Auto),
            number => {
                number.parse().map(Aim::At).map_err(|error: ParseStrengthError| format!("{error}, or auto"))
            }
        }
    }
}

/// A draft that was looked at on the way.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Tried {
    pub strength: Strength,
    pub deviation: f64,
    pub composition: f64,
    /// Whether it keeps the policy's limits.
    pub keeps: bool,
    /// Whether it keeps them with [`MARGIN`] to spare.
    pub clears: bool,
    /// Milliseconds of drawing.
    pub generate_ms: f64,
}

impl Tried {
    /// In words.
    pub fn outcome(&self) -> String {
        match (self.clears, self.keeps) {
            (true, _) => "clears".to_owned(),
            (false, true) => format!("clears, without {MARGIN:.2} to spare"),
            (false, false) => "too close".to_owned(),
        }
    }
}

/// The strength that was found, and its draft.
pub struct Sought {
    pub strength: Strength,
    /// In the order in which they were drawn.
    pub tried: Vec<Tried>,
    drawn: (Request, Draft),
}

/// Halves the strengths that the policy of `desk` allows, by what a draft of each for `request` measures, whose own
/// strength counts for nothing. Where none clears it is the largest, for the policy to refuse. Every draft is `told`;
/// none is recorded.
///
/// # Errors
/// When no draft can be made or measured, or `progress` asks to stop.
pub fn seek(
    desk: &Desk<'_>,
    reference: &Reference,
    request: &Request,
    progress: &mut dyn Progress,
    told: &mut dyn FnMut(&Tried),
) -> Result<Sought, ReleaseError> {
    let limits = desk.policy.limits();
    let grid = grid(limits.strength_min, limits.strength_max);
    let mut tried = Vec::new();
    let mut draw = |strength: Strength| -> Result<(bool, Request, Draft), ReleaseError> {
        let request = Request { strength, ..request.clone() };
        let watch = Stopwatch::start(desk);
        let draft = desk.engine.generate(reference.canvas(), &request, progress)?;
        let generate_ms = watch.stop(desk);
        let measured = reference.measure(&draft.raster)?;
        let own = !overdrawn(desk.policy, &draft);
        let keeps = own && desk.policy.weigh(&measured, &[]).is_ok();
        let clears = own && has_margin(desk.policy, &measured);
        let Deviation { deviation, composition, .. } = measured;
        let one = Tried { strength, deviation, composition, keeps, clears, generate_ms };
        told(&one);
        tried.push(one);
        Ok((clears, request, draft))
    };
    let mut best = None;
    let (mut low, mut high) = (0, grid.len() - 1);
    while low < high {
        let middle = (low + high) / 2;
        match draw(grid[middle])? {
            (true, request, draft) => {
                high = middle;
                best = Some((request, draft));
            }
            (false, ..) => low = middle + 1,
        }
    }
    let drawn = match best {
        Some(drawn) => drawn,
        None => {
            let (_, request, draft) = draw(grid[high])?;
            (request, draft)
        }
    };
    Ok(Sought { strength: drawn.0.strength, tried, drawn })
}

impl Sought {
    /// The engine that drew it, which does not draw it again.
    pub fn remembered<'a>(&'a self, engine: &'a dyn Engine) -> impl Engine + 'a {
        Remembered { engine, drawn: &self.drawn }
    }
}

/// At least one strength, rising, both ends among them.
fn grid(least: Strength, most: Strength) -> Vec<Strength> {
    let hundredths = (1..100u32).filter(|h| h.is_multiple_of(GRID)).map(|h| f64::from(h) / 100.0);
    let between = hundredths.filter(|s| (least.value() + 1e-9..most.value() - 1e-9).contains(s));
    let mut grid = vec![least];
    grid.extend(between.filter_map(Strength::new));
    if most > least {
        grid.push(most);
    }
    grid
}

/// Whether the engine took more in one piece than is allowed. Marking changes nothing of that: it needs no margin.
fn overdrawn(policy: &PolicySet, draft: &Draft) -> bool {
    let max = policy.limits().max_copy;
    draft.record.largest_copy_stated().zip(max).is_some_and(|(share, max)| share > max)
}

fn has_margin(policy: &PolicySet, measured: &Deviation) -> bool {
    let limits = policy.limits();
    // A limit of nothing asks nothing.
    let beyond = |value: f64, least: f64| least == 0.0 || value >= least + MARGIN;
    let part = |agreement: f64, least: f64| least == limits.min_deviation || beyond(1.0 - agreement, least);
    beyond(measured.deviation, limits.min_deviation)
        && beyond(measured.composition, limits.min_composition)
        && part(measured.detail, limits.min_detail)
        && part(measured.copied, limits.min_copied)
}

/// An engine with one answer ready.
struct Remembered<'a> {
    engine: &'a dyn Engine,
    drawn: &'a (Request, Draft),
}

impl Engine for Remembered<'_> {
    fn describe(&self) -> Description {
        self.engine.describe()
    }

    fn generate(
        &self,
        reference: &Raster,
        request: &Request,
        progress: &mut dyn Progress,
    ) -> Result<Draft, GenerateError> {
        let (known, draft) = self.drawn;
        if request == known { Ok(draft.clone()) } else { self.engine.generate(reference, request, progress) }
    }

    fn text2img(
        &self,
        prompt: &str,
        size: Option<(u32, u32)>,
        seed: Seed,
        progress: &mut dyn Progress,
    ) -> Result<Draft, GenerateError> {
        self.engine.text2img(prompt, size, seed, progress)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generate::Record;
    use crate::policy::Policy;
    use crate::raster::{Depth, Plane};

    fn strength(value: f64) -> Strength {
        Strength::new(value).expect("within 0..=1")
    }

    #[test]
    fn the_grid_has_what_the_policy_allows_and_both_its_ends() {
        let found = grid(strength(0.55), strength(0.62)).iter().map(|s| s.value()).collect::<Vec<_>>();
        assert_eq!(found, [0.55, 0.56, 0.58, 0.60, 0.62]);
        assert_eq!(grid(strength(0.4), strength(0.4)), [strength(0.4)]);
        let all = grid(strength(0.0), strength(1.0));
        assert_eq!((all.len(), all[0], all[50]), (51, strength(0.0), strength(1.0)));
    }

    #[test]
    fn what_clears_without_a_margin_is_not_called_too_close() {
        let said = |keeps, clears| {
            let strength = strength(0.5);
            Tried { strength, deviation: 0.52, composition: 0.5, keeps, clears, generate_ms: 1.0 }.outcome()
        };
        assert_eq!(said(true, true), "clears");
        assert_eq!(said(true, false), "clears, without 0.03 to spare");
        assert_eq!(said(false, false), "too close");
    }

    #[test]
    fn a_draft_of_one_large_piece_does_not_clear() {
        let default = PolicySet::alone(Policy::shipped("default").expect("shipped"));
        let describe = Description { name: "patch", version: "1", model_digest: None, reads_prompt: false };
        let record = Record::new(describe, &Request::new(strength(0.5), Seed(1)), 0.1, 1);
        let with = |largest_copy| Draft {
            raster: Raster::from_planes(&[Plane::filled(8, 8, 0.5)], Depth::Eight),
            record: Record { largest_copy, ..record.clone() },
        };
        let found = [Some(0.12), Some(0.12001), None].map(|largest| overdrawn(&default, &with(largest)));
        assert_eq!(found, [false, true, false]);
    }

    #[test]
    fn a_margin_is_asked_for_each_limit_that_there_is() {
        let (default, strict) = ["default", "strict"]
            .map(|name| PolicySet::alone(Policy::shipped(name).expect("shipped")))
            .into();
        let measured = |deviation: f64, composition: f64| Deviation {
            deviation,
            composition,
            detail: 1.0 - deviation,
            copied: 0.0,
            copied_area: 0.0,
            ssim: 0.0,
            psnr_db: 10.0,
        };
        assert!(has_margin(&default, &measured(0.54, 0.0)));
        assert!(!has_margin(&default, &measured(0.52, 0.9)));
        assert!(has_margin(&strict, &measured(0.64, 0.54)));
        assert!(!has_margin(&strict, &measured(0.64, 0.52)));
    }
}
