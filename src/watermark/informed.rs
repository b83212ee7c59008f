//! How strongly each line speaks, knowing what the host says on it already (informed embedding).
//!
//! Amplitudes are in units of the noise at the detector: a component of amplitude a adds a to a soft value
//! of unit variance, and costs `cost` · a² of the mark's energy, which is 1/2 in all.

use super::decode::message_bits;
use super::key::{Key, Line, PILOTS, Schedule};
use super::polar;
use crate::fourier::Complex32;

/// Share of the pilots in the mark's energy.
const PILOT_SHARE: f64 = 0.22;
/// Weight of the host's own contribution to a carrier and to a pilot: below 1, as an attack may change it.
const CARRIER_TRUST: f64 = 0.6;
const PILOT_TRUST: f64 = 0.4;
/// Lines beyond this radius count less, by the root of the ratio: attacks spare low frequencies.
const FAVOURED: f64 = 9.0;

/// One line as the detector would see it in the unmarked picture.
pub(super) struct Heard {
    /// The host's coefficient in units of its noise, √2 X / √N: unit variance in each component.
    pub host: Complex32,
    /// N / (2 G²): energy of the mark for a unit of soft value.
    pub cost: f64,
}

impl From<(Complex32, f64, f64)> for Heard {
    /// From the host's coefficient, the noise power and the gain of the mark.
    fn from((x, noise, gain): (Complex32, f64, f64)) -> Self {
        let noise = noise.max(f64::MIN_POSITIVE);
        Heard {
            host: x * (2.0 / noise).sqrt() as f32,
            cost: noise / (2.0 * gain * gain).max(f64::MIN_POSITIVE),
        }
    }
}

/// All lines of a schedule.
pub(super) struct Host {
    pub pilots: Vec<Heard>,
    pub carriers: Vec<Heard>,
}

/// The coefficient of every line, and the carriers' predicted energy at the detector.
pub(super) fn coefficients(
    schedule: &Schedule,
    host: &Host,
    message: [u8; 10],
    key: &Key,
) -> (Vec<(Line, Complex32)>, f64) {
    let word = polar::encode(message_bits(&message, key));
    let mut components = Vec::with_capacity(2 * schedule.carriers.len());
    for (carrier, heard) in schedule.carriers.iter().zip(&host.carriers) {
        let along = turned_back(heard.host, carrier.phase);
        for (bit, part) in carrier.bits.iter().zip([along.re, along.im]) {
            let sign = 1.0 - 2.0 * f64::from(word[*bit]);
            components.push(Component {
                sign,
                given: CARRIER_TRUST * sign * f64::from(part),
                cost: heard.cost,
                weight: (FAVOURED / carrier.line.radius()).min(1.0).sqrt(),
                amplitude: 0.0,
            });
        }
    }
    spend(&mut components, (1.0 - PILOT_SHARE) / 2.0);
    let energy = components.iter().map(|c| c.amplitude.powi(2)).sum();

    let pilots = schedule.pilots.iter().zip(&host.pilots).zip(pilot_amplitudes(schedule, &host.pilots));
    let pilots = pilots.map(|((pilot, heard), amplitude)| {
        (pilot.line, turned([amplitude * heard.cost.sqrt(), 0.0], pilot.phase))
    });
    let carriers = schedule.carriers.iter().zip(components.chunks_exact(2)).map(|(carrier, pair)| {
        let parts = [0, 1].map(|i| pair[i].sign * pair[i].amplitude * pair[i].cost.sqrt());
        (carrier.line, turned(parts, carrier.phase))
    });
    (pilots.chain(carriers).collect(), energy)
}

/// One component, in phase or in quadrature, of a carrier.
struct Component {
    /// Of the code bit: 0 is +1.
    sign: f64,
    /// What the host gives already, in the wanted direction.
    given: f64,
    cost: f64,
    weight: f64,
    amplitude: f64,
}

/// Amplitudes that maximise Σ weight · log σ(slope (given + a)) under Σ cost a² = `energy`.
fn spend(components: &mut [Component], energy: f64) {
    let total: f64 = components.iter().map(|c| c.cost).sum();
    let level = (energy / total).sqrt();
    let slope = (2.0 * level).clamp(0.5, 3.0);
    let most = 3.0 * level + 0.5;
    let mut amplitudes_at = |log_price: f64| -> f64 {
        let price = log_price.exp();
        for c in components.iter_mut() {
            c.amplitude = amplitude(c, slope, price).min(most);
        }
        components.iter().map(|c| c.cost * c.amplitude.powi(2)).sum()
    };
    let (mut low, mut high) = (-30.0, 30.0);
    for _ in 0..26 {
        let middle = 0.5 * (low + high);
        if amplitudes_at(middle) > energy { low = middle } else { high = middle }
    }
}

/// The root of a = weight · slope / (2 price cost) · σ(−slope (given + a)), which falls with a.
fn amplitude(c: &Component, slope: f64, price: f64) -> f64 {
    let most = c.weight * slope / (2.0 * price * c.cost);
    let (mut low, mut high) = (0.0, most);
    for _ in 0..24 {
        let a = 0.5 * (low + high);
        let wanted = most / (1.0 + (slope * (c.given + a)).exp());
        if wanted > a { low = a } else { high = a }
    }
    0.5 * (low + high)
}

/// Amplitudes of the pilots: evened out, and more where the host speaks against them.
fn pilot_amplitudes(schedule: &Schedule, host: &[Heard]) -> Vec<f64> {
    let energy = PILOT_SHARE / 2.0;
    let even: Vec<f64> = host.iter().map(|h| (energy / PILOTS as f64 / h.cost).sqrt()).collect();
    let mean = even.iter().sum::<f64>() / PILOTS as f64;
    let base: Vec<f64> = even.iter().map(|b| (b * mean).sqrt()).collect();
    let given: Vec<f64> = schedule
        .pilots
        .iter()
        .zip(host)
        .map(|(pilot, heard)| PILOT_TRUST * f64::from(turned_back(heard.host, pilot.phase).re))
        .collect();
    let at = |level: f64| -> Vec<f64> {
        base.iter().zip(&given).map(|(b, h)| (level * b - h).clamp(0.4 * b, 4.0 * b)).collect()
    };
    let (mut low, mut high) = (0.0, 64.0);
    for _ in 0..60 {
        let level = 0.5 * (low + high);
        let spent: f64 = at(level).iter().zip(host).map(|(a, h)| h.cost * a * a).sum();
        if spent < energy { low = level } else { high = level }
    }
    at(0.5 * (low + high))
}

fn turned_back(value: Complex32, phase: f64) -> Complex32 {
    value * Complex32::new(phase.cos() as f32, -phase.sin() as f32)
}

fn turned([re, im]: [f64; 2], phase: f64) -> Complex32 {
    let (s, c) = phase.sin_cos();
    Complex32::new((re * c - im * s) as f32, (re * s + im * c) as f32)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn component(given: f64, cost: f64) -> Component {
        Component { sign: 1.0, given, cost, weight: 1.0, amplitude: 0.0 }
    }

    #[test]
    fn energy_is_spent_in_full_and_where_the_host_disagrees() {
        let mut parts: Vec<Component> = (0..100).map(|i| component(f64::from(i % 5) - 2.0, 0.01)).collect();
        spend(&mut parts, 0.39);
        let spent: f64 = parts.iter().map(|c| c.cost * c.amplitude.powi(2)).sum();
        assert!((spent - 0.39).abs() < 1e-3, "{spent}");
        assert!(parts[0].amplitude > parts[2].amplitude && parts[2].amplitude > parts[4].amplitude);
    }

    #[test]
    fn the_mark_has_unit_variance_whatever_the_host_says() {
        let key = Key::new([5; 32]);
        let schedule = Schedule::new(&key);
        let heard = |i: usize| Heard {
            host: Complex32::from_polar(1.5, i as f32),
            cost: 1e-4 * (1.0 + (i % 7) as f64),
        };
        let host = Host {
            pilots: (0..schedule.pilots.len()).map(heard).collect(),
            carriers: (0..schedule.carriers.len()).map(heard).collect(),
        };
        let (lines, energy) = coefficients(&schedule, &host, [0x5A; 10], &key);
        let variance: f32 = lines.iter().map(|(_, c)| 2.0 * c.norm_sqr()).sum();
        assert!((variance - 1.0).abs() < 1e-2, "{variance}");
        assert!(energy > 0.0);
    }
}
