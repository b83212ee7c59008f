//! How good a variation is, apart from whether it may leave: what of the arrangement is left, and whether the style is the
//! reference's. For people to compare by; no policy asks for these.
//!
//! Style and spectrum are measured on luma.

mod spectrum;
mod style;

use serde::Serialize;

use crate::raster::filter::gaussian;
use crate::raster::{Plane, Raster};

/// A reference that variations are compared with.
pub struct Original<'a> {
    raster: &'a Raster,
    luma: Plane,
    /// Distance in style between two halves of it.
    halves: f64,
}

/// How one variation compares with its reference.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Quality {
    /// Correlation of the arrangements, −1..=1: 1 where all is where it was, about 0 where nothing is. `None` where the
    /// two differ in size.
    pub kept: Option<f64>,
    /// Distance in style over that between two halves of the reference: below 1, the variation is as like the reference
    /// as one half of it is like the other.
    pub style: f64,
    /// Root mean squared difference of the spectra, dB.
    pub spectrum_db: f64,
}

impl<'a> Original<'a> {
    /// `None` below [`LEAST_SIDE`] pixels on the short side.
    pub fn new(raster: &'a Raster) -> Option<Self> {
        if raster.width().min(raster.height()) < LEAST_SIDE {
            return None;
        }
        let luma = raster.luma();
        let halves = style::halves(&luma).max(1e-9);
        Some(Original { raster, luma, halves })
    }

    /// `None` if `picture` is too small.
    pub fn compare(&self, picture: &Raster) -> Option<Quality> {
        if picture.width().min(picture.height()) < LEAST_SIDE {
            return None;
        }
        let luma = picture.luma();
        let alike = (picture.width(), picture.height(), picture.channels())
            == (self.raster.width(), self.raster.height(), self.raster.channels());
        Some(Quality {
            kept: alike.then(|| kept(picture, self.raster)),
            style: style::distance(&luma, &self.luma) / self.halves,
            spectrum_db: spectrum::distance(&luma, &self.luma),
        })
    }
}

/// Short side in pixels of the smallest picture that is compared.
pub const LEAST_SIDE: u32 = 64;

/// Correlation of the arrangements: of both pictures blurred by 3 % of the short side, over all channels; both
/// of one size and with as many channels.
pub fn kept(a: &Raster, b: &Raster) -> f64 {
    let blurred = |raster: &Raster| -> Vec<Plane> {
        let sigma = 0.03 * raster.width().min(raster.height()) as f32;
        raster.planes().iter().map(|plane| gaussian(plane, sigma, 3.0)).collect()
    };
    let product = |a: &[Plane], b: &[Plane]| -> f64 {
        let of = |(a, b): (&Plane, &Plane)| {
            let (ma, mb) = (a.mean(), b.mean());
            let pairs = a.data().iter().zip(b.data());
            pairs.map(|(x, y)| (f64::from(*x) - ma) * (f64::from(*y) - mb)).sum::<f64>()
        };
        a.iter().zip(b).map(of).sum()
    };
    let (a, b) = (blurred(a), blurred(b));
    product(&a, &b) / (product(&a, &a) * product(&b, &b)).sqrt().max(1e-12)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::quantity::Seed;
    use crate::specimen::{Colour, Kind, Specimen};

    fn specimen(kind: Kind, seed: u64) -> Raster {
        let specimen = Specimen { kind, width: 160, height: 120, seed: Seed(seed), colour: Colour::Grey };
        specimen.render().expect("a specimen")
    }

    #[test]
    fn a_picture_keeps_all_of_itself_and_another_field_keeps_its_style_alone() {
        let (one, other) = (specimen(Kind::Influenza, 1), specimen(Kind::Influenza, 2));
        let original = Original::new(&one).expect("large enough");
        let same = original.compare(&one).expect("large enough");
        assert!(same.kept.is_some_and(|kept| kept > 0.999) && same.style < 1e-9);
        assert!(same.spectrum_db < 1e-6);
        let new = original.compare(&other).expect("large enough");
        assert!(new.kept.is_some_and(|kept| kept < 0.5), "{new:?}");
        let flat = Raster::from_planes(&[Plane::filled(160, 120, 0.5)], crate::raster::Depth::Eight);
        let flat = original.compare(&flat).expect("large enough");
        assert!(new.style < flat.style && new.spectrum_db < flat.spectrum_db, "{new:?} {flat:?}");
    }

    #[test]
    fn another_size_has_no_arrangement_to_compare_and_what_is_tiny_is_not_compared() {
        let one = specimen(Kind::Adenovirus, 1);
        let original = Original::new(&one).expect("large enough");
        let small =
            Specimen { kind: Kind::Adenovirus, width: 96, height: 96, seed: Seed(1), colour: Colour::Grey };
        let small = small.render().expect("a specimen");
        assert_eq!(original.compare(&small).and_then(|quality| quality.kept), None);
        let planes = [Plane::filled(63, 200, 0.5)];
        let tiny = Raster::from_planes(&planes, crate::raster::Depth::Eight);
        assert!(Original::new(&tiny).is_none() && original.compare(&tiny).is_none());
    }
}
