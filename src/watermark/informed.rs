//! How strongly each line speaks, knowing what the host says on it already (informed embedding).
//!
//! Amplitudes are in units of the noise at the detector: a component of amplitude a adds a to a soft value
//! of unit variance, and costs `cost` · a² of the mark's energy, which is 1/2 in all.

use super::decode::{code, info_bits};
use super::key::{Key, Line, Schedule, Variant};
use super::message::Message;
use super::polar;
use super::tag::Tag;
use crate::fourier::Complex32;

/// Share of the pilots in the mark's energy.
pub(super) const PILOT_SHARE: f64 = 0.24;
/// Share of the owner's tag, if there is one.
pub(super) const TAG_SHARE: f64 = 0.12;
/// Weight of the host's own contribution to a carrier and to a pilot: below 1, as an attack may change it.
const CARRIER_TRUST: f64 = 0.6;
const PILOT_TRUST: f64 = 0.4;
/// Lines beyond this radius count less, by the ratio: attacks spare low frequencies.
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

/// All lines of a schedule, and the points of the owner's tag.
pub(super) struct Host {
    pub pilots: Vec<Heard>,
    pub carriers: Vec<Heard>,
    pub tag: Vec<Heard>,
}

impl Host {
    /// For a mark that is weaker by so many dB: every soft value costs more.
    pub fn quieten(&mut self, db: f64) {
        let factor = 10f64.powf(db / 10.0);
        for heard in self.pilots.iter_mut().chain(&mut self.carriers).chain(&mut self.tag) {
            heard.cost *= factor;
        }
    }
}

/// What is to be said.
pub(super) struct Speech<'a> {
    pub key: &'a Key,
    pub schedule: &'a Schedule,
    pub message: &'a Message,
    pub tag: Option<&'a Tag>,
}

/// A mark of unit variance, as coefficients at half-lattice points.
pub(super) struct Spectrum {
    pub points: Vec<(Line, Complex32)>,
    /// The carriers' predicted energy at the detector, in units of the noise.
    pub energy: f64,
}

/// The coefficient of every line: under the variant that the host speaks for already.
pub(super) fn coefficients(speech: &Speech<'_>, host: &Host) -> Spectrum {
    let word = code(speech.message.level()).encode(info_bits(speech.message, speech.key));
    let schedule = speech.schedule;
    let spoken = |variant| (variant, components(schedule, variant, &word, &host.carriers));
    let agreement = |parts: &[Component]| parts.iter().map(|c| c.weight * c.given).sum::<f64>();
    let (variant, mut parts) = schedule
        .variants
        .iter()
        .map(spoken)
        .max_by(|a, b| agreement(&a.1).total_cmp(&agreement(&b.1)))
        .expect("a key has variants");
    let tag_share = if speech.tag.is_some() { TAG_SHARE } else { 0.0 };
    spend(&mut parts, (1.0 - PILOT_SHARE - tag_share) / 2.0);
    let energy = parts.iter().map(|c| c.amplitude.powi(2)).sum();

    let whole = |line: &Line| Line { x: 2 * line.x, y: 2 * line.y };
    let pilots = known_points(&variant.pilot_phases, &host.pilots, PILOT_SHARE / 2.0);
    let mut points: Vec<(Line, Complex32)> = schedule.pilots.iter().map(whole).zip(pilots).collect();
    points.extend(schedule.carriers.iter().zip(&variant.phases).zip(parts.as_chunks::<2>().0).map(
        |((line, phase), pair)| {
            let [re, im] = [0, 1].map(|i| (pair[i].sign * pair[i].amplitude * pair[i].cost.sqrt()) as f32);
            (whole(line), phase * Complex32::new(re, im))
        },
    ));
    if let Some(tag) = speech.tag {
        let coefficients = known_points(&tag.phases, &host.tag, tag_share / 2.0);
        points.extend(tag.points.iter().copied().zip(coefficients));
    }
    Spectrum { points, energy }
}

fn components(
    schedule: &Schedule,
    variant: &Variant,
    word: &[u8; polar::LENGTH],
    host: &[Heard],
) -> Vec<Component> {
    let mut components = Vec::with_capacity(2 * host.len());
    let carriers = schedule.carriers.iter().zip(&variant.phases).zip(&variant.bits);
    for (((line, phase), bits), heard) in carriers.zip(host) {
        let along = heard.host * phase.conj();
        for (bit, part) in bits.iter().zip([along.re, along.im]) {
            let sign = 1.0 - 2.0 * f64::from(word[*bit]);
            components.push(Component {
                sign,
                given: CARRIER_TRUST * sign * f64::from(part),
                cost: heard.cost,
                weight: (FAVOURED / line.radius()).min(1.0),
                amplitude: 0.0,
            });
        }
    }
    components
}

/// Coefficients of points of known phase.
fn known_points(phases: &[Complex32], host: &[Heard], energy: f64) -> Vec<Complex32> {
    let amplitudes = known_amplitudes(phases, host, energy);
    let costs = host.iter().map(|heard| heard.cost.sqrt());
    phases.iter().zip(amplitudes.iter().zip(costs)).map(|(p, (a, cost))| p * (a * cost) as f32).collect()
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

/// Amplitudes at points of known phase: evened out, and more where the host speaks against them.
fn known_amplitudes(phases: &[Complex32], host: &[Heard], energy: f64) -> Vec<f64> {
    let count = host.len() as f64;
    let even: Vec<f64> = host.iter().map(|h| (energy / count / h.cost).sqrt()).collect();
    let mean = even.iter().sum::<f64>() / count;
    let base: Vec<f64> = even.iter().map(|b| (b * mean).sqrt()).collect();
    let given: Vec<f64> = phases
        .iter()
        .zip(host)
        .map(|(phase, heard)| PILOT_TRUST * f64::from((heard.host * phase.conj()).re))
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
        let message = Message::Long([0x5A; 10]);
        let tag = Tag::new(&Key::new([6; 32]), &message);
        let heard = |i: usize| Heard {
            host: Complex32::from_polar(1.5, i as f32),
            cost: 1e-4 * (1.0 + (i % 7) as f64),
        };
        let all = |count| (0..count).map(heard).collect();
        let host = Host {
            pilots: all(schedule.pilots.len()),
            carriers: all(schedule.carriers.len()),
            tag: all(tag.points.len()),
        };
        for tag in [None, Some(&tag)] {
            let speech = Speech { key: &key, schedule: &schedule, message: &message, tag };
            let Spectrum { points, energy } = coefficients(&speech, &host);
            let variance: f32 = points.iter().map(|(_, c)| 2.0 * c.norm_sqr()).sum();
            assert!((variance - 1.0).abs() < 1e-2, "{variance}");
            assert!(energy > 0.0);
        }
    }
}
