//! From the lattice's lines to a message that its MAC confirms.

use std::f64::consts::TAU;

use super::geometry::Geometry;
use super::key::{Key, Line, Schedule, TILE, VARIANTS, phasor};
use super::message::{Level, Message};
use super::polar;
use super::spectrum::HalfLattice;
use crate::fourier::Complex32;

/// A detection stops after so many comparisons with a MAC, at the long and at the short level: a picture
/// without a mark passes with a probability of at most 1000 · 2⁻⁴⁰ + 400 · 2⁻³² < 10⁻⁷, whatever the picture is.
const MAX_CHECKS: [u32; 2] = [1000, 400];

/// Points of the translation map across one tile.
const GRID: usize = 96;
/// Translations tried for each geometry and variant.
const PEAKS: usize = 3;
const LIST: usize = 16;
const THOROUGH_LIST: usize = 32;
/// Pilot score below which a translation is not tried.
const MIN_SCORE: f64 = 3.2;
/// Lines nearest to a line over which its noise is averaged.
const NEAREST: usize = 17;
/// Lines beyond this frequency hold nothing.
pub(super) const BLIND: f64 = 0.485;
/// Noise of a line that holds nothing.
const DEAF: f32 = 1e9;
/// Carriers over which the amplitude is averaged, in order of the radius.
const AMPLITUDE_WINDOW: usize = 61;

/// The information bits of `message`: the message, then its MAC.
pub(super) fn info_bits(message: &Message, key: &Key) -> u128 {
    (message.bits() << message.level().mac_bits()) | u128::from(key.mac(message))
}

/// The message in `info`, if its MAC is right.
pub(super) fn checked(info: u128, level: Level, key: &Key) -> Option<Message> {
    let message = Message::from_bits(level, info >> level.mac_bits());
    (info_bits(&message, key) == info).then_some(message)
}

/// The code of a level.
pub(super) fn code(level: Level) -> polar::Code {
    polar::Code::new((level.message_bits() + level.mac_bits()) as usize)
}

/// How many code words are tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Effort {
    /// The two likeliest of a list of 16.
    Usual,
    /// A list of 32, all of it at the long level and four at the short one: for the few likeliest places, as every code word costs a MAC check.
    Thorough,
}

/// Decodes under one key, and counts the MAC comparisons.
pub(super) struct Decoder<'a> {
    key: &'a Key,
    pub schedule: Schedule,
    codes: [polar::Code; 2],
    /// For each line the indices of the nearest lines, itself among them.
    nearest: Vec<Vec<usize>>,
    checks: [u32; 2],
}

/// The lines in a picture under one geometry. Indices: pilots first, then carriers.
#[derive(Clone)]
pub(super) struct Observation {
    pub lines: Vec<Complex32>,
    pub noise: Vec<f32>,
}

/// A translation of the tile, as the phase ramp exp(2πi k·shift / 61), under one of the key's variants, and
/// how well the pilots agree with it (in standard deviations of pilots of random phase).
#[derive(Clone, Copy, Debug)]
pub(super) struct Translation {
    pub variant: usize,
    pub shift: [f64; 2],
    pub score: f64,
}

impl<'a> Decoder<'a> {
    pub fn new(key: &'a Key) -> Self {
        let schedule = Schedule::new(key);
        let lines: Vec<Line> = schedule.lines().collect();
        let nearest = lines
            .iter()
            .map(|line| {
                let distance = |i: &usize| {
                    let other = lines[*i];
                    (other.x - line.x).pow(2) + (other.y - line.y).pow(2)
                };
                let mut order: Vec<usize> = (0..lines.len()).collect();
                order.select_nth_unstable_by_key(NEAREST, |i| (distance(i), *i));
                order.truncate(NEAREST);
                order
            })
            .collect();
        Decoder { key, schedule, codes: Level::ALL.map(code), nearest, checks: [0; 2] }
    }

    /// MAC comparisons so far, at the long and at the short level.
    pub fn checks(&self) -> [u32; 2] {
        self.checks
    }

    /// The lines of a lattice that lies as `geometry` says.
    pub fn observe(&self, lattice: &HalfLattice, geometry: &Geometry) -> Observation {
        let beside: Vec<Option<f32>> = self
            .schedule
            .lines()
            .map(|line| (geometry.reach(line) <= BLIND).then(|| lattice.beside(line)))
            .collect();
        Observation {
            lines: self.schedule.lines().map(|line| lattice.line(line)).collect(),
            noise: self.smoothed(&beside),
        }
    }

    /// The mean of `beside` over the lines nearest to each; [`DEAF`] where there is none.
    pub fn smoothed(&self, beside: &[Option<f32>]) -> Vec<f32> {
        let smooth = |(nearest, own): (&Vec<usize>, &Option<f32>)| {
            if own.is_none() {
                return DEAF;
            }
            let seen: Vec<f32> = nearest.iter().filter_map(|i| beside[*i]).collect();
            (seen.iter().sum::<f32>() / seen.len() as f32).max(1e-12)
        };
        self.nearest.iter().zip(beside).map(smooth).collect()
    }

    /// The likeliest translations under each variant, best first.
    pub fn translations(&self, seen: &Observation) -> Vec<Translation> {
        let scale = self.score_scale(seen);
        let mut found: Vec<Translation> = Vec::new();
        for variant in 0..VARIANTS {
            let pilots = self.pilots(seen, variant);
            let map = translation_map(&pilots);
            let floor = (MIN_SCORE / scale) as f32;
            let mut peaks: Vec<(usize, f32)> = (0..GRID * GRID)
                .filter(|i| map[*i] >= floor && is_peak(&map, *i))
                .map(|i| (i, map[i]))
                .collect();
            peaks.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
            peaks.truncate(PEAKS);
            found.extend(peaks.into_iter().map(|(i, _)| {
                let start = [i % GRID, i / GRID].map(|n| n as f64 * TILE / GRID as f64);
                let (shift, height) = climb(&pilots, start);
                Translation { variant, shift, score: height * scale }
            }));
        }
        found.sort_by(|a, b| b.score.total_cmp(&a.score));
        found
    }

    /// A given translation under each variant, the likeliest first.
    pub fn at_shift(&self, seen: &Observation, shift: [f64; 2]) -> [Translation; VARIANTS] {
        let scale = self.score_scale(seen);
        let mut all = std::array::from_fn(|variant| {
            let score = agreement(&self.pilots(seen, variant), shift) * scale;
            Translation { variant, shift, score }
        });
        all.sort_by(|a, b| b.score.total_cmp(&a.score));
        all
    }

    /// By how much the carriers' power exceeds the noise, in standard deviations of noise alone.
    pub fn excess(&self, seen: &Observation) -> f64 {
        let first = self.schedule.pilots.len();
        let heard = seen.lines[first..].iter().zip(&seen.noise[first..]).filter(|(_, noise)| **noise < DEAF);
        let (sum, count) = heard.fold((0.0, 0.0), |(sum, count), (x, noise)| {
            // One very strong line is no sign of a mark.
            (sum + f64::from((x.norm_sqr() / noise).min(8.0) - 1.0), count + 1.0)
        });
        sum / f64::max(count, 1.0).sqrt()
    }

    /// Energy of the carriers over the noise.
    pub fn carrier_energy(&self, seen: &Observation) -> f64 {
        let first = self.schedule.pilots.len();
        let heard = seen.lines[first..].iter().zip(&seen.noise[first..]).filter(|(_, noise)| **noise < DEAF);
        heard.map(|(x, noise)| 2.0 * (f64::from(x.norm_sqr() / noise) - 1.0)).sum()
    }

    /// The message under a translation, if there is one and the checks are not used up.
    pub fn attempt(&mut self, seen: &Observation, at: &Translation, effort: Effort) -> Option<Message> {
        let ratios = self.ratios(seen, at);
        let (list, most) = match effort {
            Effort::Usual => (LIST, [2, 2]),
            Effort::Thorough => (THOROUGH_LIST, [THOROUGH_LIST, 4]),
        };
        for (i, level) in Level::ALL.into_iter().enumerate() {
            for info in self.codes[i].decode(&ratios, list).into_iter().take(most[i]) {
                if self.checks[i] >= MAX_CHECKS[i] {
                    break;
                }
                self.checks[i] += 1;
                if let Some(message) = checked(info, level, self.key) {
                    return Some(message);
                }
            }
        }
        None
    }

    /// One over the standard deviation of the map for pilots of random phase.
    fn score_scale(&self, seen: &Observation) -> f64 {
        let pilots = self.schedule.pilots.len();
        let sum: f64 = seen.noise[..pilots].iter().map(|n| 1.0 / f64::from(*n)).sum();
        1.0 / (sum / 2.0).max(f64::MIN_POSITIVE).sqrt()
    }

    /// Pilots with their own phase taken off, over the noise.
    fn pilots(&self, seen: &Observation, variant: usize) -> Vec<Arrow> {
        let phases = &self.schedule.variants[variant].pilot_phases;
        self.schedule
            .pilots
            .iter()
            .zip(phases)
            .zip(seen.lines.iter().zip(&seen.noise))
            .map(|((line, phase), (x, noise))| Arrow {
                k: [line.x, line.y],
                value: x * phase.conj() / *noise,
            })
            .collect()
    }

    /// Log-likelihood ratios of the code bits.
    fn ratios(&self, seen: &Observation, at: &Translation) -> [f32; polar::LENGTH] {
        let first = self.schedule.pilots.len();
        let variant = &self.schedule.variants[at.variant];
        // Coefficients in units of the noise, turned so that I is real and Q imaginary.
        let symbols: Vec<Complex32> = self
            .schedule
            .carriers
            .iter()
            .zip(&variant.phases)
            .zip(seen.lines[first..].iter().zip(&seen.noise[first..]))
            .map(|((line, phase), (x, noise))| {
                x * phase.conj() * phasor(-ramp([line.x, line.y], at.shift)) / noise.sqrt()
            })
            .collect();
        let mut sums = vec![0.0f32];
        for symbol in &symbols {
            sums.push(sums[sums.len() - 1] + symbol.norm_sqr());
        }
        let mut ratios = [0.0f32; polar::LENGTH];
        for (i, (bits, symbol)) in variant.bits.iter().zip(&symbols).enumerate() {
            let low = i.saturating_sub(AMPLITUDE_WINDOW / 2);
            let high = (i + AMPLITUDE_WINDOW / 2 + 1).min(symbols.len());
            let power = (sums[high] - sums[low]) / (high - low) as f32;
            let amplitude = ((power - 1.0).max(0.03) / 2.0).sqrt();
            for (bit, part) in bits.iter().zip([symbol.re, symbol.im]) {
                ratios[*bit] += (4.0 * amplitude * part).clamp(-8.0, 8.0);
            }
        }
        ratios
    }
}

impl Observation {
    /// The same under the geometry turned by half a turn.
    pub fn half_turned(&self) -> Observation {
        Observation { lines: self.lines.iter().map(|x| x.conj()).collect(), noise: self.noise.clone() }
    }
}

/// A pilot's contribution to the translation map.
struct Arrow {
    k: [i32; 2],
    value: Complex32,
}

/// Re Σ value · exp(−2πi k·n / 96) for all n, row by row.
fn translation_map(pilots: &[Arrow]) -> Vec<f32> {
    let turns: Vec<Complex32> = (0..GRID).map(|n| phasor(-TAU * n as f64 / GRID as f64)).collect();
    let turn = |k: i32, n: usize| turns[(k * n as i32).rem_euclid(GRID as i32) as usize];
    let along: Vec<(Vec<f32>, Vec<f32>)> =
        pilots.iter().map(|p| (0..GRID).map(|n| turn(p.k[0], n)).map(|t| (t.re, t.im)).unzip()).collect();
    let mut map = vec![0.0f32; GRID * GRID];
    for (n, row) in map.chunks_exact_mut(GRID).enumerate() {
        for (pilot, (re, im)) in pilots.iter().zip(&along) {
            let value = pilot.value * turn(pilot.k[1], n);
            for ((o, r), i) in row.iter_mut().zip(re).zip(im) {
                *o += value.re * r - value.im * i;
            }
        }
    }
    map
}

/// Whether point `i` is the highest of the 5 × 5 about it, around the ends.
fn is_peak(map: &[f32], i: usize) -> bool {
    let (x, y) = (i % GRID, i / GRID);
    (0..25).all(|n| {
        let (u, v) = ((x + GRID + n % 5 - 2) % GRID, (y + GRID + n / 5 - 2) % GRID);
        map[v * GRID + u] <= map[i]
    })
}

/// The translation of best agreement near `shift`, to 1/4096 of the tile, and the agreement there.
fn climb(pilots: &[Arrow], shift: [f64; 2]) -> ([f64; 2], f64) {
    let mut best = (shift, agreement(pilots, shift));
    let mut step = TILE / 192.0;
    while step >= TILE / 4096.0 {
        let from = best.0;
        for (dx, dy) in [(-1.0, 0.0), (1.0, 0.0), (0.0, -1.0), (0.0, 1.0)] {
            let shift = [from[0] + step * dx, from[1] + step * dy];
            let height = agreement(pilots, shift);
            if height > best.1 {
                best = (shift, height);
            }
        }
        if best.0 == from {
            step /= 2.0;
        }
    }
    best
}

fn agreement(pilots: &[Arrow], shift: [f64; 2]) -> f64 {
    pilots.iter().map(|p| f64::from((p.value * phasor(-ramp(p.k, shift))).re)).sum()
}

fn ramp(k: [i32; 2], shift: [f64; 2]) -> f64 {
    TAU * (f64::from(k[0]) * shift[0] + f64::from(k[1]) * shift[1]) / TILE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_and_back_is_the_same_message_and_one_wrong_bit_is_none() {
        let key = Key::new([8; 32]);
        for message in [Message::Long([1, 2, 3, 4, 5, 6, 7, 8, 9, 255]), Message::Short([1, 2, 3, 254])] {
            let level = message.level();
            let info = info_bits(&message, &key);
            assert_eq!(checked(info, level, &key), Some(message));
            for bit in 0..level.message_bits() + level.mac_bits() {
                assert_eq!(checked(info ^ (1 << bit), level, &key), None);
            }
        }
    }

    #[test]
    fn translation_and_variant_are_read_off_the_pilots_alone() {
        let key = Key::public();
        let decoder = Decoder::new(&key);
        let shift = [12.37, 55.5];
        let count = decoder.schedule.lines().count();
        for variant in 0..VARIANTS {
            let pilots = decoder.schedule.pilots.iter().zip(&decoder.schedule.variants[variant].pilot_phases);
            let mut lines: Vec<Complex32> =
                pilots.map(|(line, phase)| phase * phasor(ramp([line.x, line.y], shift))).collect();
            lines.resize(count, Complex32::default());
            let seen = Observation { lines, noise: vec![0.25; count] };
            let found = decoder.translations(&seen)[0];
            assert_eq!(found.variant, variant);
            assert!((found.shift[0] - shift[0]).abs() < 0.02 && (found.shift[1] - shift[1]).abs() < 0.02);
            let told = decoder.at_shift(&seen, shift)[0];
            assert_eq!(told.variant, variant);
            assert!((found.score - told.score).abs() < 0.05 * found.score);
        }
    }

    #[test]
    fn checks_are_used_up() {
        let key = Key::public();
        let mut decoder = Decoder::new(&key);
        let count = decoder.schedule.lines().count();
        let seen = Observation { lines: vec![Complex32::new(1.0, 0.0); count], noise: vec![1.0; count] };
        decoder.checks = MAX_CHECKS.map(|most| most - 1);
        let at = Translation { variant: 0, shift: [0.0, 0.0], score: 0.0 };
        assert_eq!(decoder.attempt(&seen, &at, Effort::Usual), None);
        assert_eq!(decoder.checks(), MAX_CHECKS);
        assert_eq!(decoder.attempt(&seen, &at, Effort::Usual), None);
        assert_eq!(decoder.checks(), MAX_CHECKS);
    }
}
