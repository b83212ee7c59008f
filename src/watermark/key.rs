//! The key and what follows from it: which lattice lines are pilots, the phases, the bit map, the MAC.

use std::f64::consts::{PI, TAU};

use hmac::{Hmac, Mac};
use sha2::Sha256;

use super::polar;
use crate::digest::{Digest, Hasher};

/// Period of the tile in pixels of the canonical size. No multiple of 8: the error of JPEG's 8 × 8 blocks
/// would then have the tile's period and fall on the lines.
pub(super) const TILE: f64 = 61.0;
pub(super) const PILOTS: usize = 32;
/// Bits of the truncated MAC.
pub(super) const MAC_BITS: u32 = 40;

/// Squared radii of the ring of lines (2.5..=20.2 lattice units: 0.041..=0.331 cycles per pixel).
const RING: std::ops::RangeInclusive<i32> = 7..=408;
/// Squared radii of the pilots' ring (4.9..=14.0).
const PILOT_RING: std::ops::RangeInclusive<i32> = 25..=196;
/// The largest coordinate of a line.
pub(super) const REACH: i32 = 20;

/// A watermark key. Who has it can detect marks, and make and erase them.
#[derive(Clone, PartialEq, Eq)]
pub struct Key([u8; 32]);

impl Key {
    pub const fn new(bytes: [u8; 32]) -> Self {
        Key(bytes)
    }

    /// The published key: anyone may detect, and anyone may forge.
    pub fn public() -> Self {
        Key(*Digest::of("lattice-ofdm-wm public key v1").as_bytes())
    }

    /// HMAC-SHA256 of an 80-bit message at the long level, cut to its first 40 bits.
    pub(super) fn mac(&self, message: &[u8; 10]) -> u64 {
        let mut mac =
            Hmac::<Sha256>::new_from_slice(&self.0).expect("HMAC takes keys of any length (RFC 2104)");
        mac.update(b"maclong");
        mac.update(message);
        let tag = mac.finalize().into_bytes();
        tag[..MAC_BITS as usize / 8].iter().fold(0, |acc, byte| (acc << 8) | u64::from(*byte))
    }
}

impl std::fmt::Debug for Key {
    /// Never shows the key.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Key(…)")
    }
}

/// A line of the lattice: an integer frequency, in cycles per tile, of the half-plane y > 0 (or y = 0, x > 0).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Line {
    pub x: i32,
    pub y: i32,
}

impl Line {
    fn square(self) -> i32 {
        self.x * self.x + self.y * self.y
    }

    fn square_distance(self, other: Line) -> i32 {
        Line { x: self.x - other.x, y: self.y - other.y }.square()
    }

    /// Distance from the origin, in lattice units.
    pub fn radius(self) -> f64 {
        f64::from(self.square()).sqrt()
    }
}

/// A line of known phase.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pilot {
    pub line: Line,
    pub phase: f64,
}

/// A line that carries two code bits, one in phase with `phase` and one in quadrature.
#[derive(Clone, Copy, Debug)]
pub(super) struct Carrier {
    pub line: Line,
    pub phase: f64,
    pub bits: [usize; 2],
}

/// Everything that a key fixes about the mark.
pub(super) struct Schedule {
    pub pilots: Vec<Pilot>,
    /// In order of the radius.
    pub carriers: Vec<Carrier>,
}

impl Schedule {
    pub fn new(key: &Key) -> Self {
        let lines = ring();
        let pilots = pilots(key, &lines);
        let free: Vec<Line> =
            lines.into_iter().filter(|line| pilots.iter().all(|pilot| pilot.line != *line)).collect();

        let mut stream = Stream::new(key, "data");
        let phases: Vec<f64> = free.iter().map(|_| TAU * stream.unit()).collect();
        let mut bits: Vec<usize> = Vec::new();
        while bits.len() < 2 * free.len() {
            bits.extend(stream.permutation(polar::LENGTH));
        }
        let carriers = free
            .into_iter()
            .zip(phases)
            .zip(bits.chunks_exact(2))
            .map(|((line, phase), pair)| Carrier { line, phase, bits: [pair[0], pair[1]] })
            .collect();
        Schedule { pilots, carriers }
    }

    /// All lines: pilots first, then carriers.
    pub fn lines(&self) -> impl Iterator<Item = Line> + '_ {
        self.pilots.iter().map(|p| p.line).chain(self.carriers.iter().map(|c| c.line))
    }
}

/// The lines of the ring, by radius, then y, then x.
fn ring() -> Vec<Line> {
    let mut lines: Vec<Line> = (0..=REACH)
        .flat_map(|y| (-REACH..=REACH).map(move |x| Line { x, y }))
        .filter(|line| (line.y > 0 || line.x > 0) && RING.contains(&line.square()))
        .collect();
    lines.sort_by_key(|line| (line.square(), line.y, line.x));
    lines
}

/// One pilot in each of 32 sectors of the half-plane, not too near to one another.
fn pilots(key: &Key, lines: &[Line]) -> Vec<Pilot> {
    let mut stream = Stream::new(key, "pilots");
    let mut chosen: Vec<Line> = Vec::with_capacity(PILOTS);
    for sector in 0..PILOTS {
        let inside: Vec<Line> = lines
            .iter()
            .copied()
            .filter(|line| PILOT_RING.contains(&line.square()))
            .filter(|line| {
                let angle = f64::from(line.y).atan2(f64::from(line.x));
                (angle * PILOTS as f64 / PI) as usize == sector
            })
            .collect();
        let apart: Vec<Line> = inside
            .iter()
            .copied()
            .filter(|line| chosen.iter().all(|other| line.square_distance(*other) >= 5))
            .collect();
        let candidates = if apart.is_empty() { inside } else { apart };
        chosen.push(candidates[stream.below(candidates.len() as u32) as usize]);
    }
    chosen.into_iter().map(|line| Pilot { line, phase: TAU * stream.unit() }).collect()
}

/// Random words of a key: SHA-256(key ‖ label ‖ counter), eight little-endian words a digest.
struct Stream<'a> {
    key: &'a Key,
    label: &'static str,
    counter: u32,
    words: Vec<u32>,
}

impl<'a> Stream<'a> {
    fn new(key: &'a Key, label: &'static str) -> Self {
        Stream { key, label, counter: 0, words: Vec::new() }
    }

    fn word(&mut self) -> u32 {
        if self.words.is_empty() {
            let mut hasher = Hasher::new();
            hasher.update(self.key.0).update(self.label).update(self.counter.to_le_bytes());
            self.counter += 1;
            let digest = hasher.finish();
            let words = digest.as_bytes().chunks_exact(4);
            self.words = words.rev().map(|w| u32::from_le_bytes([w[0], w[1], w[2], w[3]])).collect();
        }
        self.words.pop().expect("just refilled with eight words")
    }

    /// Uniform among 0..n, n > 0.
    fn below(&mut self, n: u32) -> u32 {
        let whole = (1u64 << 32) - (1u64 << 32) % u64::from(n);
        loop {
            let word = self.word();
            if u64::from(word) < whole {
                return word % n;
            }
        }
    }

    /// Uniform in [0, 1).
    fn unit(&mut self) -> f64 {
        f64::from(self.word()) / (1u64 << 32) as f64
    }

    /// 0..n in random order (Fisher–Yates).
    fn permutation(&mut self, n: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..n).collect();
        for i in (1..n).rev() {
            order.swap(i, self.below(i as u32 + 1) as usize);
        }
        order
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schedule_of_the_public_key_never_changes() {
        let schedule = Schedule::new(&Key::public());
        let mut hasher = Hasher::new();
        for pilot in &schedule.pilots {
            hasher.update(format!("{} {} {:.9}\n", pilot.line.x, pilot.line.y, pilot.phase));
        }
        for c in &schedule.carriers {
            hasher.update(format!("{} {} {:.9} {:?}\n", c.line.x, c.line.y, c.phase, c.bits));
        }
        assert_eq!(schedule.carriers.len(), 598);
        assert_eq!(hasher.finish().short(16), "2fa6cf09c5b3e826");
        assert_eq!(Key::public().mac(&[7; 10]), 0x0093_edb9_9453);
    }

    #[test]
    fn the_innermost_256_carriers_hold_every_code_bit_once() {
        let schedule = Schedule::new(&Key::new([3; 32]));
        let mut bits: Vec<usize> = schedule.carriers[..256].iter().flat_map(|c| c.bits).collect();
        bits.sort_unstable();
        assert_eq!(bits, (0..polar::LENGTH).collect::<Vec<_>>());
    }

    #[test]
    fn pilots_are_one_a_sector_and_no_carrier() {
        let schedule = Schedule::new(&Key::new([9; 32]));
        assert_eq!(schedule.pilots.len(), PILOTS);
        for (sector, pilot) in schedule.pilots.iter().enumerate() {
            let angle = f64::from(pilot.line.y).atan2(f64::from(pilot.line.x));
            assert_eq!((angle * PILOTS as f64 / PI) as usize, sector);
            assert!(schedule.carriers.iter().all(|c| c.line != pilot.line));
        }
    }

    #[test]
    fn other_keys_have_other_schedules_and_macs() {
        let (a, b) = (Key::new([1; 32]), Key::new([2; 32]));
        assert_ne!(a.mac(&[0; 10]), b.mac(&[0; 10]));
        let phases = |key| Schedule::new(key).pilots.iter().map(|p| p.phase).collect::<Vec<_>>();
        assert_ne!(phases(&a), phases(&b));
    }

    #[test]
    fn a_key_is_not_shown() {
        assert_eq!(format!("{:?}", Key::new([0xAB; 32])), "Key(…)");
    }
}
