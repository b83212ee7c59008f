//! The owner's tag: a second layer, between the lines of the public one, that only one key can make or see.
//!
//! Its points lie halfway between four lines each, where the public layer holds nothing and measures no
//! noise. Their phases depend on the owner's key and on the message, so a tag cannot be moved to another
//! message; it can be copied along with its message, which the catalog's picture then contradicts.

use std::f64::consts::TAU;

use super::informed::{PILOT_SHARE, TAG_SHARE};
use super::key::{Key, Line, REACH, TILE, phasor};
use super::message::Message;
use super::spectrum::HalfLattice;
use crate::fourier::Complex32;

/// Squared radii of the tag's ring, in half lattice units (6.5..=15 lattice units).
const RING: std::ops::RangeInclusive<i32> = 169..=900;

/// The score that a tag is expected to have, over what its share of the energy would give: some 0.5 to 1 of
/// that on photographs and micrographs. A score of phases alone cannot grow without end.
const USUAL: f64 = 0.6;
const LOUDEST: f64 = 20.0;

/// What is looked for.
pub(super) struct Tag {
    /// In half lattice units, both odd, by radius.
    pub points: Vec<Line>,
    pub phases: Vec<Complex32>,
}

/// How well the points of a tag agree with the phases that the owner would have given them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TagReading {
    /// In standard deviations of random phases, whatever the picture.
    pub score: f64,
    /// What the score of a genuine tag is usually at least, after the strength of the public layer.
    pub expected: f64,
}

impl Tag {
    pub fn new(owner: &Key, message: &Message) -> Self {
        let odd = |n: i32| 2 * n + 1;
        let mut points: Vec<Line> = (0..REACH)
            .flat_map(|y| (-REACH..REACH).map(move |x| Line { x: odd(x), y: odd(y) }))
            .filter(|point| RING.contains(&(point.x * point.x + point.y * point.y)))
            .collect();
        points.sort_by_key(|point| (point.x * point.x + point.y * point.y, point.y, point.x));
        let phases = owner.tag(message, points.len());
        Tag { points, phases }
    }

    /// What a lattice whose tile lies at `shift` holds of the tag, where the carriers have `energy` over the
    /// noise.
    pub fn read(&self, lattice: &HalfLattice, shift: [f64; 2], energy: f64) -> TagReading {
        let share = TAG_SHARE / (1.0 - PILOT_SHARE - TAG_SHARE);
        let ideal = (energy.max(0.0) * share).sqrt().min(LOUDEST);
        TagReading { score: self.score(lattice, shift), expected: USUAL * ideal }
    }

    /// A tag has twice the tile's period, so that a crop may have turned its sign.
    fn score(&self, lattice: &HalfLattice, shift: [f64; 2]) -> f64 {
        let (mut sum, mut squares) = (0.0, 0.0);
        for (point, phase) in self.points.iter().zip(&self.phases) {
            let (x, noise) = lattice.tag(*point);
            let turns = (f64::from(point.x) * shift[0] + f64::from(point.y) * shift[1]) / (2.0 * TILE);
            let heard = x / noise.max(1e-12);
            sum += f64::from((heard * phase.conj() * phasor(-TAU * turns)).re);
            squares += f64::from(heard.norm_sqr());
        }
        sum.abs() / (squares / 2.0).max(f64::MIN_POSITIVE).sqrt()
    }
}

impl TagReading {
    /// Whether the mark was made with the owner's key; `None` where the picture is too far gone to tell.
    ///
    /// The phases of a forger's points are random under a key that he does not know, whatever he does: a score
    /// of t has a probability of at most 2 exp(−t² / 2) (Hoeffding's inequality, two signs).
    pub fn authentic(&self) -> Option<bool> {
        if self.score >= 5.0 {
            Some(true)
        } else if self.score < 3.0 && self.expected >= 6.0 {
            Some(false)
        } else {
            None
        }
    }

    /// Logarithm (base 10) of the probability of such a score without the owner's key.
    pub fn log10_false_positive(&self) -> f64 {
        (2f64.ln() - self.score.powi(2) / 2.0).min(0.0) / std::f64::consts::LN_10
    }
}
