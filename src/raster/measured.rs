//! Measured values to pixels: detectors count electrons, and a screen shows black to white.

use image::{DynamicImage, ImageBuffer};

use super::{Channels, Remark};

/// Share of the values that may be clipped at either end: hot pixels and the edges of a phase plate would else
/// leave everything between them grey.
const CLIPPED: f64 = 0.001;
/// Values that are looked at for the range.
const SAMPLE: usize = 1 << 22;

/// Values of a picture, row by row from the top, channels interleaved.
pub(super) struct Measured {
    pub width: u32,
    pub height: u32,
    pub channels: Channels,
    pub values: Vec<f32>,
}

impl Measured {
    /// The picture in 16 bits, all channels on one scale, and that scale. What is no number is black. `None` without
    /// any number, or where the values do not fill the picture.
    pub fn shown(self) -> Option<(DynamicImage, Remark)> {
        let (black, white) = range(&self.values)?;
        let scale = 65535.0 / (f64::from(white) - f64::from(black)).max(f64::MIN_POSITIVE);
        let shown = |v: &f32| match (f64::from(*v) - f64::from(black)) * scale {
            // A cast takes NaN to zero and what lies beyond to the end.
            _ if black == white && v.is_finite() => 32_768,
            value => value.round() as u16,
        };
        let samples: Vec<u16> = self.values.iter().map(shown).collect();
        let (width, height) = (self.width, self.height);
        let picture = match self.channels {
            Channels::Grey => ImageBuffer::from_raw(width, height, samples).map(DynamicImage::ImageLuma16),
            Channels::Rgb => ImageBuffer::from_raw(width, height, samples).map(DynamicImage::ImageRgb16),
        };
        Some((picture?, Remark::Scaled { black: f64::from(black), white: f64::from(white) }))
    }
}

/// The values that are shown as black and as white.
fn range(values: &[f32]) -> Option<(f32, f32)> {
    let step = values.len() / SAMPLE + 1;
    let mut some: Vec<f32> = values.iter().step_by(step).copied().filter(|v| v.is_finite()).collect();
    if some.is_empty() {
        return None;
    }
    let clipped = (some.len() as f64 * CLIPPED) as usize;
    let last = some.len() - 1;
    let mut at = |rank: usize| *some.select_nth_unstable_by(rank, f32::total_cmp).1;
    let (mut black, mut white) = (at(clipped), at(last - clipped));
    if black == white {
        // Nearly all alike: what differs is all there is to see.
        (black, white) = (at(0), at(last));
    }
    Some((black, white))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(values: Vec<f32>) -> Option<(Vec<u16>, Remark)> {
        let measured = Measured { width: values.len() as u32, height: 1, channels: Channels::Grey, values };
        measured.shown().map(|(picture, remark)| (picture.into_luma16().into_raw(), remark))
    }

    #[test]
    fn a_ramp_fills_the_range_but_for_its_ends() {
        let (samples, remark) = shown((0..10_001).map(|v| v as f32 - 5000.0).collect()).expect("numbers");
        assert_eq!(remark, Remark::Scaled { black: -4990.0, white: 4990.0 });
        assert_eq!((samples[0], samples[10], samples[5000], samples[10_000]), (0, 0, 32_768, 65_535));
        assert!(samples.windows(2).all(|pair| pair[0] <= pair[1]));
    }

    #[test]
    fn hot_pixels_and_what_is_no_number_do_not_spoil_the_rest() {
        let mut values: Vec<f32> = (0..4000).map(|v| (v % 100) as f32).collect();
        (values[7], values[8], values[9], values[10]) = (1e30, f32::NAN, f32::INFINITY, f32::NEG_INFINITY);
        let (samples, remark) = shown(values).expect("numbers");
        assert_eq!(remark, Remark::Scaled { black: 0.0, white: 99.0 });
        assert_eq!(samples[7..11], [65_535, 0, 65_535, 0]);
        assert_eq!(samples[199], 65_535);
    }

    #[test]
    fn a_flat_picture_is_grey_and_a_single_spot_is_seen() {
        assert_eq!(shown(vec![3.0; 50]).expect("numbers").0, vec![32_768; 50]);
        let mut spot = vec![3.0; 5000];
        spot[77] = 4.0;
        let (samples, _) = shown(spot).expect("numbers");
        assert_eq!((samples[0], samples[77]), (0, 65_535));
        assert!(shown(vec![f32::NAN; 9]).is_none());
    }

    #[test]
    fn the_widest_range_there_is_does_not_overflow() {
        let (samples, _) = shown(vec![f32::MIN, 0.0, f32::MAX]).expect("numbers");
        assert_eq!(samples, [0, 32_768, 65_535]);
    }
}
