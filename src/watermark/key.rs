//! The key and what follows from it: which lattice lines are pilots, the phases, the bit maps, the MAC.

use std::f64::consts::{PI, TAU};

use hmac::{Hmac, Mac};
use sha2::Sha256;

use super::message::Message;
use super::polar;
use crate::digest::{Digest, Hasher};
use crate::fourier::Complex32;

/// Period of the tile in pixels of the canonical size. No multiple of 8: the error of JPEG's 8 × 8 blocks
/// would then have the tile's period and fall on the lines.
pub(super) const TILE: f64 = 61.0;
pub(super) const PILOTS: usize = 32;
/// Sets of phases and bit maps under one key. Each picture uses one, so that averaging many marked pictures
/// reveals only a part of any.
pub(super) const VARIANTS: usize = 4;

/// Squared radii of the ring of lines (2.5..=20.2 lattice units: 0.041..=0.331 cycles per pixel).
const RING: std::ops::RangeInclusive<i32> = 7..=408;
/// Squared radii of the pilots' ring (6.5..=15.0): pictures speak loudly on nearer lines, and a picture made
/// smaller by half loses further ones.
const PILOT_RING: std::ops::RangeInclusive<i32> = 43..=225;
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

    /// HMAC-SHA256 of "mac", the level's name and the message, cut to the level's first bits.
    pub(super) fn mac(&self, message: &Message) -> u64 {
        let level = message.level();
        let tag = self.hmac(&[b"mac", level.name().as_bytes(), message.bytes()]);
        tag[..level.mac_bits() as usize / 8].iter().fold(0, |acc, byte| (acc << 8) | u64::from(*byte))
    }

    fn hmac(&self, parts: &[&[u8]]) -> [u8; 32] {
        let mut mac =
            Hmac::<Sha256>::new_from_slice(&self.0).expect("HMAC takes keys of any length (RFC 2104)");
        for part in parts {
            mac.update(part);
        }
        mac.finalize().into_bytes().into()
    }

    /// Phases, as points of the unit circle, that only the owner of this key can know for this message.
    pub(super) fn tag(&self, message: &Message, count: usize) -> Vec<Complex32> {
        let secret = Key(self.hmac(&[b"tag", message.level().name().as_bytes(), message.bytes()]));
        let mut stream = Stream::new(&secret, "tag".into());
        (0..count).map(|_| phasor(TAU * stream.unit())).collect()
    }
}

/// What marks are made and sought with.
#[derive(Clone, Copy, Debug)]
pub struct Keyring<'a> {
    /// Of the public layer, which carries the message.
    pub public: &'a Key,
    /// Of the owner's tag beside the message, which only the owner can make and see.
    pub owner: Option<&'a Key>,
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

/// Everything that a key fixes about the mark.
pub(super) struct Schedule {
    pub pilots: Vec<Line>,
    /// Lines that carry two code bits each, in order of the radius.
    pub carriers: Vec<Line>,
    pub variants: Vec<Variant>,
}

/// One of the ways in which a key uses its lines.
pub(super) struct Variant {
    /// Of each pilot, as points of the unit circle.
    pub pilot_phases: Vec<Complex32>,
    /// Of each carrier's in-phase component.
    pub phases: Vec<Complex32>,
    /// Code bits that each carrier holds, in phase and in quadrature.
    pub bits: Vec<[usize; 2]>,
}

impl Schedule {
    pub fn new(key: &Key) -> Self {
        let lines = ring();
        let pilots = pilots(key, &lines);
        let carriers: Vec<Line> = lines.into_iter().filter(|line| !pilots.contains(line)).collect();
        let variants = (0..VARIANTS).map(|number| Variant::new(key, number, carriers.len())).collect();
        Schedule { pilots, carriers, variants }
    }

    /// All lines: pilots first, then carriers.
    pub fn lines(&self) -> impl Iterator<Item = Line> + '_ {
        self.pilots.iter().chain(&self.carriers).copied()
    }
}

impl Variant {
    fn new(key: &Key, number: usize, carriers: usize) -> Self {
        let mut stream = Stream::new(key, format!("pilot phases {number}"));
        let pilot_phases = (0..PILOTS).map(|_| phasor(TAU * stream.unit())).collect();
        let mut stream = Stream::new(key, format!("data {number}"));
        let phases = (0..carriers).map(|_| phasor(TAU * stream.unit())).collect();
        let mut bits: Vec<usize> = Vec::new();
        while bits.len() < 2 * carriers {
            bits.extend(stream.permutation(polar::LENGTH));
        }
        let bits = bits.as_chunks::<2>().0[..carriers].to_vec();
        Variant { pilot_phases, phases, bits }
    }
}

/// exp(i · angle).
pub(super) fn phasor(angle: f64) -> Complex32 {
    let (s, c) = angle.sin_cos();
    Complex32::new(c as f32, s as f32)
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
fn pilots(key: &Key, lines: &[Line]) -> Vec<Line> {
    let mut stream = Stream::new(key, "pilots".into());
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
    chosen
}

/// Random words of a key: SHA-256(key ‖ label ‖ counter), eight little-endian words a digest.
struct Stream<'a> {
    key: &'a Key,
    label: String,
    counter: u32,
    words: Vec<u32>,
}

impl<'a> Stream<'a> {
    fn new(key: &'a Key, label: String) -> Self {
        Stream { key, label, counter: 0, words: Vec::new() }
    }

    fn word(&mut self) -> u32 {
        if self.words.is_empty() {
            let mut hasher = Hasher::new();
            hasher.update(self.key.0).update(&self.label).update(self.counter.to_le_bytes());
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
        for line in schedule.lines() {
            hasher.update(format!("{} {}\n", line.x, line.y));
        }
        for variant in &schedule.variants {
            for phase in variant.pilot_phases.iter().chain(&variant.phases) {
                hasher.update(format!("{:.5} {:.5}\n", phase.re, phase.im));
            }
            hasher.update(format!("{:?}\n", variant.bits));
        }
        assert_eq!(schedule.carriers.len(), 598);
        assert_eq!(hasher.finish().short(16), "5342146736afeaa7");
        assert_eq!(Key::public().mac(&Message::Long([7; 10])), 0x0093_edb9_9453);
    }

    #[test]
    fn the_innermost_256_carriers_hold_every_code_bit_once() {
        for variant in &Schedule::new(&Key::new([3; 32])).variants {
            let mut bits = variant.bits[..256].as_flattened().to_vec();
            bits.sort_unstable();
            assert_eq!(bits, (0..polar::LENGTH).collect::<Vec<_>>());
        }
    }

    #[test]
    fn pilots_are_one_a_sector_and_no_carrier() {
        let schedule = Schedule::new(&Key::new([9; 32]));
        assert_eq!(schedule.pilots.len(), PILOTS);
        for (sector, pilot) in schedule.pilots.iter().enumerate() {
            let angle = f64::from(pilot.y).atan2(f64::from(pilot.x));
            assert_eq!((angle * PILOTS as f64 / PI) as usize, sector);
            assert!(!schedule.carriers.contains(pilot));
        }
    }

    #[test]
    fn other_keys_and_other_variants_have_other_phases() {
        let (a, b) = (Schedule::new(&Key::new([1; 32])), Schedule::new(&Key::new([2; 32])));
        assert_ne!(a.variants[0].pilot_phases, b.variants[0].pilot_phases);
        assert_ne!(a.variants[0].pilot_phases, a.variants[1].pilot_phases);
        assert_ne!(a.variants[0].bits, a.variants[1].bits);
        let mac = |byte| Key::new([byte; 32]).mac(&Message::Long([0; 10]));
        assert_ne!(mac(1), mac(2));
    }

    #[test]
    fn a_tag_depends_on_the_key_and_on_the_message() {
        let tag = |key, byte| Key::new([key; 32]).tag(&Message::Short([byte; 4]), 9);
        assert_eq!(tag(1, 1), tag(1, 1));
        assert_ne!(tag(1, 1), tag(2, 1));
        assert_ne!(tag(1, 1), tag(1, 2));
    }

    #[test]
    fn a_key_is_not_shown() {
        assert_eq!(format!("{:?}", Key::new([0xAB; 32])), "Key(…)");
    }
}
