//! False colour as in published plates: the particles in one range of hues, the ground in another.

use super::chance::mix;
use super::kind::Kind;
use crate::raster::Plane;

/// Colours in sRGB (0xRRGGBB) from dark to light, evenly spaced.
type Ramp = [u32; 5];

/// Ramps of the particles and of the ground.
fn ramps(kind: Kind) -> (Ramp, Ramp) {
    match kind {
        // Amber on teal.
        Kind::Adenovirus => (
            [0x3A0D12, 0xA3341F, 0xE8842C, 0xF7C873, 0xFFF6DC],
            [0x04181F, 0x0F4A55, 0x3F8D93, 0xA9D3CF, 0xE6F1EA],
        ),
        // Gold on blue.
        Kind::Influenza => (
            [0x2C1405, 0x8A4A07, 0xD99A17, 0xF5D75A, 0xFFFBD6],
            [0x0B1030, 0x1C3A78, 0x3D74B5, 0x93BFE0, 0xDCEBF5],
        ),
        // Orange on violet.
        Kind::Filovirus => (
            [0x3A1406, 0xB0481A, 0xF09A3C, 0xFBD08A, 0xFFF6DF],
            [0x100A22, 0x3A2C66, 0x7565A8, 0xBBADD8, 0xEBE4F4],
        ),
        // Rose on sea green.
        Kind::Bullet => (
            [0x3A0620, 0xA01C50, 0xE25A7C, 0xF7A9A8, 0xFFEEE2],
            [0x071A14, 0x1B4A3C, 0x4D8F77, 0xA8CFB9, 0xE4F0E6],
        ),
    }
}

/// Red, green and blue of a print, the particles where `cover` is.
pub fn tint(kind: Kind, print: &Plane, cover: &Plane) -> [Plane; 3] {
    let (particles, ground) = ramps(kind);
    [16, 8, 0].map(|shift| {
        print.zip(cover, |value, cover| {
            mix(along(&ground, value, shift), along(&particles, value, shift), cover.clamp(0.0, 1.0))
        })
    })
}

/// One channel of a ramp at `value` (0..=1), in 0..=1.
fn along(ramp: &Ramp, value: f32, shift: u32) -> f32 {
    let place = value.clamp(0.0, 1.0) * (ramp.len() - 1) as f32;
    let low = (place as usize).min(ramp.len() - 2);
    let channel = |i: usize| ((ramp[i] >> shift) & 0xFF) as f32 / 255.0;
    mix(channel(low), channel(low + 1), place - low as f32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ramp_meets_its_ends() {
        let (ramp, _) = ramps(Kind::Adenovirus);
        assert!((along(&ramp, 0.0, 16) - 0x3A as f32 / 255.0).abs() < 1e-6);
        assert!((along(&ramp, 1.0, 0) - 0xDC as f32 / 255.0).abs() < 1e-6);
    }

    #[test]
    fn every_ramp_grows_lighter() {
        for kind in Kind::ALL {
            let (a, b) = ramps(kind);
            for ramp in [a, b] {
                let luma = |c: u32| 299 * (c >> 16 & 0xFF) + 587 * (c >> 8 & 0xFF) + 114 * (c & 0xFF);
                assert!(ramp.windows(2).all(|pair| luma(pair[0]) < luma(pair[1])), "{kind}");
            }
        }
    }
}
