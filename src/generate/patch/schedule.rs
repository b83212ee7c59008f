//! Denoise strength to noise: how much of the reference survives.

use rayon::prelude::*;

use crate::quantity::Strength;
use crate::random::Stream;

use super::image::Image;
use super::pyramid::{Pyramid, factor};

/// The user's strength and the internal clock, by which costs and caps go: how dear a patch's own place is, how
/// evenly patches are used, how large a copy may be. The noise goes by it, too, below strength 0.2 and where the
/// coarsest level is too large to be drawn exactly.
const CLOCK: [(f64, f64); 7] =
    [(0.0, 0.30), (0.2, 0.42), (0.4, 0.54), (0.55, 0.63), (0.7, 0.70), (0.85, 0.82), (1.0, 1.0)];

/// How much of the reference's arrangement the posterior's first look at the coarsest level is to show at a
/// strength: the correlation of the blurred pictures, luminance or energy, whichever is less. The finished picture keeps less, most of all where
/// things are small. Noise means different things to different pictures: what leaves few large particles
/// where they are rearranges many small ones.
const KEPT: [(f64, f64); 7] =
    [(0.2, 0.99), (0.3, 0.96), (0.45, 0.90), (0.6, 0.82), (0.75, 0.70), (0.9, 0.52), (1.0, 0.35)];

/// Most noise on the start level where so much of the arrangement is to be kept: what more would be needed breaks
/// things apart, and the scene is bent instead.
const MOST_NOISE: [(f64, f64); 6] =
    [(0.35, 17.0), (0.52, 9.0), (0.70, 2.8), (0.82, 2.3), (0.90, 1.8), (0.96, 1.5)];

/// How much of the reference is under the noise where so much of the arrangement is to be kept. In some pictures no noise
/// hides where the large things are: from strength 0.88 on the reference fades, until at 1 there is noise alone.
const SHOWN: [(f64, f64); 2] = [(0.35, 0.0), (0.55, 1.0)];

/// How much of the arrangement, in luminance, a bent scene is to keep where so much is to be kept of the finished
/// picture: noise and refinement take some, too.
const BENT: [(f64, f64); 5] = [(0.35, 0.35), (0.52, 0.52), (0.70, 0.74), (0.82, 0.87), (0.96, 0.98)];

/// How much of the arrangement, in luminance, half a draft of the layout is to show where so much is to be kept.
/// Drafts are steered towards it by `steer`.
const AIM: [(f64, f64); 7] =
    [(0.35, 0.0), (0.52, 0.42), (0.70, 0.70), (0.82, 0.84), (0.90, 0.92), (0.96, 0.975), (0.99, 0.99)];

/// How far the reference fades, too, where a draft is pushed as hard as can be: more noise alone hides no large thing.
const FADES: [(f64, f64); 2] = [(0.55, 1.0), (0.82, 0.0)];
/// How many times the noise of a draft is where it is pushed as hard as can be.
const PUSHED: f64 = 3.0;

/// Noise at full resolution at clock 0, and over the coarsest factor at clock 0.5 and 1.
const SIGMA: [f64; 3] = [0.3, 1.2, 8.0];
/// Bending of the reference itself at strength 0; it grows as the strength does.
const DRIFT: f64 = 0.1;
/// A level takes part when its noise is at least this.
const LEAST_NOISE: f64 = 0.3;

/// What a patch's own place costs, in twice the clock, from strength 0.2 to 0.45: below that, what changes at all should
/// change by bending alone.
const OWN_PLACE: [(f64, f64); 3] = [(0.42, 0.4), (0.48, 0.75), (0.57, 1.0)];

/// What a patch of the upright copy costs more than one of another, in typical distances of a match: from strength 0.5 on
/// turned ones are taken, since what is not turned is what any comparison by shifts sees. Among few copies only where they
/// are nearly as good: up to 0.75, where much of the arrangement stays, more would put wrong things in the place of others.
const UPRIGHT: [(f64, f64); 4] = [(0.60, 0.0), (0.66, 2.5), (0.74, 3.0), (0.88, 6.0)];
/// The same where the layout is refined from many turned copies, of which one fits.
const UPRIGHT_OF_MANY: [(f64, f64); 2] = [(0.60, 0.0), (0.66, 6.0)];

/// Clock (strength 0.7) up to which the search begins in place.
const IN_PLACE: f64 = 0.7;

/// Clock (strength 0.6) from which coherent copies are capped, and the caps from there to clock 1.
const BREAK_FROM: f64 = 0.65;
const COPY_CAP: [(f64, f64); 2] = [(0.65, 0.06), (1.0, 0.025)];

/// Strength over which a thing that is alone in its picture is taken apart.
const WHOLE: f64 = 0.65;

/// Whether a thing that there is but one of is taken apart.
pub fn takes_apart(strength: Strength) -> bool {
    strength.value() > WHOLE
}

/// What a strength means for one picture. Noise is in units of the reference's standard deviation.
#[derive(Clone, Copy, Debug)]
pub struct Schedule {
    /// Internal clock, 0.3..=1.
    pub clock: f64,
    /// Standard deviation of the noise at full resolution.
    pub noise: f64,
    /// Level where drawing begins.
    pub start: usize,
    /// How much the reference itself is bent, as a share of its copies' bending.
    pub drift: f64,
    /// Noise on that level.
    pub start_noise: f64,
    /// Share of the arrangement to keep; `None` where the noise is too weak to change it.
    pub kept: Option<f64>,
    /// Whether the layout is refined from many turned copies.
    pub many: bool,
}

impl Schedule {
    /// For a drawing that begins with few copies.
    pub fn new(strength: Strength, pyramid: &Pyramid) -> Self {
        let clock = interpolate(&CLOCK, strength.value());
        let coarse = factor(pyramid.coarsest());
        let points = [(0.0, SIGMA[0]), (0.5, SIGMA[1] * coarse), (1.0, SIGMA[2] * coarse)];
        let noise = interpolate(&points.map(|(x, s)| (x, s.ln())), clock).exp();
        let start = (0..=pyramid.coarsest()).rev().find(|l| noise / factor(*l) >= LEAST_NOISE).unwrap_or(0);
        let kept = (strength.value() >= KEPT[0].0).then(|| interpolate(&KEPT, strength.value()));
        let drift = (DRIFT + strength.value()).min(1.0);
        Schedule { clock, noise, start, drift, start_noise: noise / factor(start), kept, many: false }
    }

    /// The same with another noise on the start level.
    pub fn starting_at(self, start_noise: f64) -> Self {
        Schedule { noise: start_noise * factor(self.start), start_noise, ..self }
    }

    /// Most noise that may be added on the start level.
    pub fn most_noise(&self) -> f64 {
        self.kept.map_or(f64::INFINITY, |kept| interpolate(&MOST_NOISE, kept))
    }

    /// Amplitude of the reference under the noise, 0..=1.
    pub fn shown(&self) -> f64 {
        self.kept.map_or(1.0, |kept| interpolate(&SHOWN, kept))
    }

    /// Share of the arrangement that half a draft is to show.
    pub fn aim(&self) -> f64 {
        self.kept.map_or(1.0, |kept| interpolate(&AIM, kept))
    }

    /// Noise and amplitude of the reference on the start level for a draft that is to keep less (`push` up to 1)
    /// or more (down to -1) than one of this noise would.
    pub fn pushed(&self, push: f64) -> (f64, f64) {
        let fades = self.kept.map_or(0.0, |kept| interpolate(&FADES, kept));
        (self.start_noise * PUSHED.powf(push), self.shown() * (1.0 - fades * push.max(0.0)))
    }

    /// Share of the arrangement that a bent scene is to keep.
    pub fn bent(&self) -> f64 {
        self.kept.map_or(1.0, |kept| interpolate(&BENT, kept))
    }

    /// Whether many patches stay near their places, so that the search begins there: it leaves a place where the
    /// layout has changed, and finds none again by chance where it has not.
    pub fn keeps_places(&self) -> bool {
        self.clock < IN_PLACE
    }

    /// Cost of a patch's own place, in typical distances of a match at another.
    pub fn own_place(&self) -> f64 {
        2.0 * self.clock * interpolate(&OWN_PLACE, self.clock)
    }

    /// Cost of a patch of the upright copy, in the same.
    pub fn upright(&self) -> f64 {
        let points: &[_] = if self.many { &UPRIGHT_OF_MANY } else { &UPRIGHT };
        interpolate(points, self.clock)
    }

    /// Largest coherent copy to allow while drawing, as a share of the picture; `None` where the
    /// layout is meant to stay.
    pub fn copy_cap(&self) -> Option<f64> {
        (self.clock >= BREAK_FROM).then(|| interpolate(&COPY_CAP, self.clock))
    }

    /// How far the clock is past 0.4, where copies from a patch's own place begin to be avoided: 0..=1.
    pub fn freedom(&self) -> f64 {
        ((self.clock - 0.4) / 0.6).max(0.0)
    }
}

/// `steps` values from `from` to `to`, each the same multiple of the one before.
pub fn geometric(from: f64, to: f64, steps: usize) -> Vec<f64> {
    let last = steps.saturating_sub(1).max(1) as f64;
    (0..steps).map(|i| from * (to / from).powf(i as f64 / last)).collect()
}

/// `image` plus white noise of standard deviation `sigma`; every value has its own index in `stream`.
pub fn noised(mut image: Image, sigma: f64, stream: Stream) -> Image {
    let row = image.width * image.channels;
    image.data.par_chunks_mut(row).enumerate().for_each(|(y, values)| {
        for (x, v) in values.iter_mut().enumerate() {
            *v += sigma as f32 * nearly_normal(stream, (y * row + x) as u64);
        }
    });
    image
}

/// A sum of eight 16-bit uniform numbers, of unit variance: as good as normal here, a quarter of the
/// cost, and the same bits on every machine, which logarithms and cosines do not promise.
pub fn nearly_normal(stream: Stream, index: u64) -> f32 {
    let sum = |bits: u64| (bits & 0xFFFF) + ((bits >> 16) & 0xFFFF) + ((bits >> 32) & 0xFFFF) + (bits >> 48);
    let total = sum(stream.bits(2 * index)) + sum(stream.bits(2 * index + 1));
    // Eight uniforms on 0..65536 have mean 4·65535 and variance 8·65536²/12.
    (total as f32 - 262_140.0) * (1.0 / 53_509.92)
}

/// Piecewise linear through `points`, constant outside.
fn interpolate(points: &[(f64, f64)], x: f64) -> f64 {
    let Some(next) = points.iter().position(|p| x < p.0) else { return points[points.len() - 1].1 };
    if next == 0 {
        return points[0].1;
    }
    let ((x0, y0), (x1, y1)) = (points[next - 1], points[next]);
    y0 + (y1 - y0) * (x - x0) / (x1 - x0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noise_grows_with_strength_and_the_start_never_gets_finer() {
        let pyramid = Pyramid::new(320, 201);
        let all: Vec<Schedule> = (1..=20)
            .map(|i| Schedule::new(Strength::new(f64::from(i) / 20.0).expect("within 0..=1"), &pyramid))
            .collect();
        assert!(all.windows(2).all(|w| w[0].noise < w[1].noise && w[0].start <= w[1].start));
        assert_eq!(all[19].start, pyramid.coarsest());
    }

    #[test]
    fn copies_are_capped_from_six_tenths_on_and_ever_tighter() {
        let pyramid = Pyramid::new(320, 201);
        let cap = |s: f64| Schedule::new(Strength::new(s).expect("within 0..=1"), &pyramid).copy_cap();
        assert_eq!(cap(0.59), None);
        let caps: Vec<f64> = [0.6, 0.7, 0.85, 1.0].map(|s| cap(s).expect("capped")).to_vec();
        assert!(caps.windows(2).all(|c| c[0] > c[1]) && caps[0] <= 0.06);
    }

    #[test]
    fn upright_patches_are_dearest_where_many_turned_ones_are_at_hand() {
        let pyramid = Pyramid::new(320, 201);
        let cost = |s: f64, many: bool| {
            let schedule = Schedule::new(Strength::new(s).expect("within 0..=1"), &pyramid);
            Schedule { many, ..schedule }.upright()
        };
        assert_eq!([0.3, 0.5].map(|s| cost(s, true)), [0.0; 2]);
        assert!(cost(0.6, true) > 2.0 * cost(0.6, false) && cost(0.6, false) > 2.0);
        assert!(cost(0.75, true) > 1.5 * cost(0.75, false));
    }

    #[test]
    fn at_full_strength_nothing_of_the_reference_is_shown() {
        let pyramid = Pyramid::new(320, 201);
        let shown = |s: f64| Schedule::new(Strength::new(s).expect("within 0..=1"), &pyramid).shown();
        assert_eq!([0.0, 0.1, 0.5, 0.8, 1.0].map(shown), [1.0, 1.0, 1.0, 1.0, 0.0]);
        assert!((0.2..0.8).contains(&shown(0.95)));
    }

    #[test]
    fn noise_has_the_asked_deviation() {
        let flat = Image { width: 100, height: 100, channels: 1, data: vec![0.0; 10_000] };
        let plane = noised(flat, 2.0, Stream::new(1, "noise")).plane(0);
        assert!(plane.mean().abs() < 0.06 && (plane.std() - 2.0).abs() < 0.05);
    }

    #[test]
    fn a_geometric_row_ends_where_it_should() {
        let row = geometric(8.0, 0.5, 5);
        assert!((row[0] - 8.0).abs() < 1e-12 && (row[4] - 0.5).abs() < 1e-12 && (row[2] - 2.0).abs() < 1e-12);
    }
}
