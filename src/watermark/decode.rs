//! From the lattice's lines to a message that its MAC confirms.

use std::f64::consts::TAU;

use super::geometry::Geometry;
use super::key::{Key, MAC_BITS, Schedule, TILE};
use super::nufft::Reader;
use super::polar;
use super::spectrum::HalfLattice;
use crate::fourier::Complex32;

/// A detection stops after so many comparisons with a MAC: a picture without a mark passes with a
/// probability of at most 1000 · 2⁻⁴⁰ < 10⁻⁹, whatever the picture is.
pub(super) const MAX_CHECKS: u32 = 1000;

/// Points of the translation map across one tile.
const GRID: usize = 128;
/// Translations tried for each geometry.
const PEAKS: usize = 3;
const THOROUGH_LIST: usize = 32;
/// Pilot score below which a translation is not tried.
const MIN_SCORE: f64 = 3.2;
/// Lines nearest to a line over which its noise is averaged.
const NEAREST: usize = 13;
/// Lines beyond this frequency hold nothing.
const BLIND: f64 = 0.485;
/// Carriers over which the amplitude is averaged, in order of the radius.
const AMPLITUDE_WINDOW: usize = 61;

/// The information bits of `message`: the message, then its MAC.
pub(super) fn message_bits(message: &[u8; 10], key: &Key) -> u128 {
    let bits = message.iter().fold(0u128, |acc, byte| (acc << 8) | u128::from(*byte));
    (bits << MAC_BITS) | u128::from(key.mac(message))
}

/// The message in `info`, if its MAC is right.
pub(super) fn checked(info: u128, key: &Key) -> Option<[u8; 10]> {
    let mut message = [0; 10];
    message.copy_from_slice(&(info >> MAC_BITS).to_be_bytes()[6..]);
    (message_bits(&message, key) == info).then_some(message)
}

/// How many code words are tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Effort {
    /// The two likeliest of a list of 16.
    Usual,
    /// A whole list of 32: for the few likeliest places, as every code word costs a MAC check.
    Thorough,
}

/// Decodes under one key, and counts the MAC comparisons.
pub(super) struct Decoder<'a> {
    key: &'a Key,
    schedule: Schedule,
    /// For each line the indices of the nearest lines, itself first.
    nearest: Vec<Vec<usize>>,
    checks: u32,
}

/// The lines in a picture under one geometry. Indices: pilots first, then carriers.
#[derive(Clone)]
pub(super) struct Observation {
    lines: Vec<Complex32>,
    noise: Vec<f32>,
}

/// A translation of the tile, as the phase ramp exp(2πi k·shift / 61), and how well the pilots agree with it
/// (in standard deviations of pilots of random phase).
#[derive(Clone, Copy, Debug)]
pub(super) struct Translation {
    pub shift: [f64; 2],
    pub score: f64,
}

impl<'a> Decoder<'a> {
    pub fn new(key: &'a Key) -> Self {
        let schedule = Schedule::new(key);
        let lines: Vec<_> = schedule.lines().collect();
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
        Decoder { key, schedule, nearest, checks: 0 }
    }

    /// MAC comparisons so far.
    pub fn checks(&self) -> u32 {
        self.checks
    }

    pub fn observe(&self, reader: &Reader, geometry: &Geometry) -> Observation {
        let lattice = HalfLattice::read(reader, geometry);
        let lines: Vec<Complex32> = self.schedule.lines().map(|line| lattice.line(line)).collect();
        let beside: Vec<Option<f32>> = self
            .schedule
            .lines()
            .map(|line| (geometry.reach(line) <= BLIND).then(|| lattice.beside(line)))
            .collect();
        let noise = self
            .nearest
            .iter()
            .zip(&beside)
            .map(|(nearest, own)| {
                let seen: Vec<f32> = nearest.iter().filter_map(|i| beside[*i]).collect();
                match own {
                    Some(_) => (seen.iter().sum::<f32>() / seen.len() as f32).max(1e-12),
                    None => 1e9,
                }
            })
            .collect();
        Observation { lines, noise }
    }

    /// The likeliest translations, best first.
    pub fn translations(&self, seen: &Observation) -> Vec<Translation> {
        let pilots = self.pilots(seen);
        let map = translation_map(&pilots);
        let scale = score_scale(seen, pilots.len());
        let mut peaks: Vec<(usize, f32)> = (0..GRID * GRID)
            .filter(|i| f64::from(map[*i]) * scale >= MIN_SCORE && is_peak(&map, *i))
            .map(|i| (i, map[i]))
            .collect();
        peaks.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        peaks.truncate(PEAKS);
        peaks
            .into_iter()
            .map(|(i, _)| climb(&pilots, [i % GRID, i / GRID].map(|n| n as f64 * TILE / GRID as f64), scale))
            .collect()
    }

    /// The pilots' agreement with a given translation.
    pub fn score(&self, seen: &Observation, shift: [f64; 2]) -> f64 {
        let pilots = self.pilots(seen);
        agreement(&pilots, shift) * score_scale(seen, pilots.len())
    }

    /// The message under a translation, if there is one and the checks are not used up.
    pub fn attempt(&mut self, seen: &Observation, shift: [f64; 2], effort: Effort) -> Option<[u8; 10]> {
        let (list, checked_paths) = match effort {
            Effort::Usual => (16, 2),
            Effort::Thorough => (THOROUGH_LIST, THOROUGH_LIST),
        };
        for info in polar::decode(&self.ratios(seen, shift), list).into_iter().take(checked_paths) {
            if self.checks >= MAX_CHECKS {
                return None;
            }
            self.checks += 1;
            if let Some(message) = checked(info, self.key) {
                return Some(message);
            }
        }
        None
    }

    /// Pilots with their own phase taken off, over the noise.
    fn pilots(&self, seen: &Observation) -> Vec<Arrow> {
        self.schedule
            .pilots
            .iter()
            .zip(seen.lines.iter().zip(&seen.noise))
            .map(|(pilot, (x, noise))| Arrow {
                k: [pilot.line.x, pilot.line.y],
                value: x * phasor(-pilot.phase) / *noise,
            })
            .collect()
    }

    /// Log-likelihood ratios of the code bits.
    fn ratios(&self, seen: &Observation, shift: [f64; 2]) -> [f32; polar::LENGTH] {
        let first = self.schedule.pilots.len();
        // Coefficients in units of the noise, turned so that I is real and Q imaginary.
        let symbols: Vec<Complex32> = self
            .schedule
            .carriers
            .iter()
            .zip(seen.lines[first..].iter().zip(&seen.noise[first..]))
            .map(|(carrier, (x, noise))| {
                x * phasor(-carrier.phase - ramp([carrier.line.x, carrier.line.y], shift)) / noise.sqrt()
            })
            .collect();
        let mut sums = vec![0.0f32];
        for symbol in &symbols {
            sums.push(sums[sums.len() - 1] + symbol.norm_sqr());
        }
        let mut ratios = [0.0f32; polar::LENGTH];
        for (i, (carrier, symbol)) in self.schedule.carriers.iter().zip(&symbols).enumerate() {
            let low = i.saturating_sub(AMPLITUDE_WINDOW / 2);
            let high = (i + AMPLITUDE_WINDOW / 2 + 1).min(symbols.len());
            let power = (sums[high] - sums[low]) / (high - low) as f32;
            let amplitude = ((power - 1.0).max(0.03) / 2.0).sqrt();
            for (bit, part) in carrier.bits.iter().zip([symbol.re, symbol.im]) {
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

/// One over the standard deviation of the map for pilots of random phase.
fn score_scale(seen: &Observation, pilots: usize) -> f64 {
    let sum: f64 = seen.noise[..pilots].iter().map(|n| 1.0 / f64::from(*n)).sum();
    1.0 / (sum / 2.0).max(f64::MIN_POSITIVE).sqrt()
}

/// Re Σ value · exp(−2πi k·n / 128) for all n, row by row.
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

/// The translation of best agreement near `shift`, to 1/4096 of the tile.
fn climb(pilots: &[Arrow], shift: [f64; 2], scale: f64) -> Translation {
    let mut best = Translation { shift, score: agreement(pilots, shift) };
    let mut step = TILE / 256.0;
    while step >= TILE / 4096.0 {
        let from = best.shift;
        for (dx, dy) in [(-1.0, 0.0), (1.0, 0.0), (0.0, -1.0), (0.0, 1.0)] {
            let shift = [from[0] + step * dx, from[1] + step * dy];
            let score = agreement(pilots, shift);
            if score > best.score {
                best = Translation { shift, score };
            }
        }
        if best.shift == from {
            step /= 2.0;
        }
    }
    Translation { score: best.score * scale, ..best }
}

fn agreement(pilots: &[Arrow], shift: [f64; 2]) -> f64 {
    pilots.iter().map(|p| f64::from((p.value * phasor(-ramp(p.k, shift))).re)).sum()
}

fn ramp(k: [i32; 2], shift: [f64; 2]) -> f64 {
    TAU * (f64::from(k[0]) * shift[0] + f64::from(k[1]) * shift[1]) / TILE
}

fn phasor(angle: f64) -> Complex32 {
    let (s, c) = angle.sin_cos();
    Complex32::new(c as f32, s as f32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_and_back_is_the_same_message_and_one_wrong_bit_is_none() {
        let key = Key::new([8; 32]);
        let message = [1, 2, 3, 4, 5, 6, 7, 8, 9, 255];
        let info = message_bits(&message, &key);
        assert_eq!(checked(info, &key), Some(message));
        for bit in 0..120 {
            assert_eq!(checked(info ^ (1 << bit), &key), None);
        }
    }

    #[test]
    fn the_translation_is_read_off_the_pilots_alone() {
        let key = Key::public();
        let decoder = Decoder::new(&key);
        let shift = [12.37, 55.5];
        let count = decoder.schedule.lines().count();
        let pilots = decoder.schedule.pilots.iter();
        let mut lines: Vec<Complex32> =
            pilots.map(|p| phasor(p.phase + ramp([p.line.x, p.line.y], shift))).collect();
        lines.resize(count, Complex32::default());
        let seen = Observation { lines, noise: vec![0.25; count] };
        let found = decoder.translations(&seen)[0];
        assert!((found.shift[0] - shift[0]).abs() < 0.02 && (found.shift[1] - shift[1]).abs() < 0.02);
        assert!((found.score - decoder.score(&seen, shift)).abs() < 0.05 * found.score);
    }

    #[test]
    fn checks_are_used_up() {
        let key = Key::public();
        let mut decoder = Decoder::new(&key);
        let count = decoder.schedule.lines().count();
        let seen = Observation { lines: vec![Complex32::new(1.0, 0.0); count], noise: vec![1.0; count] };
        decoder.checks = MAX_CHECKS - 1;
        assert_eq!(decoder.attempt(&seen, [0.0, 0.0], Effort::Usual), None);
        assert_eq!(decoder.attempt(&seen, [0.0, 0.0], Effort::Usual), None);
        assert_eq!(decoder.checks(), MAX_CHECKS);
    }
}
