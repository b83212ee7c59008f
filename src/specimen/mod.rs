//! Synthetic electron micrographs of negatively stained virions: pictures to try the program on and to
//! test it with, free of anybody's rights.
//!
//! A small physical model: particles keep the stain out, stain pools and dries round them on a carbon film,
//! the microscope passes the contrast on through its transfer function, electrons arrive with shot noise.

mod chance;
mod colour;
mod film;
mod kind;
mod optics;
mod particles;
mod scene;

pub use kind::{Kind, ParseKindError};

use crate::quantity::Seed;
use crate::random::Stream;
use crate::raster::{Depth, Kernel, Plane, Raster, filter, resize};
use optics::Exposure;
use particles::{Field, Shape};

/// Colours of a rendered specimen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Colour {
    /// As the microscope gives it.
    Grey,
    /// Particles and ground tinted apart, as in published plates.
    False,
}

/// What to render. The same specimen gives the same pixels, on any number of threads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Specimen {
    pub kind: Kind,
    pub width: u32,
    pub height: u32,
    pub seed: Seed,
    pub colour: Colour,
}

/// Why a specimen cannot be rendered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SpecimenError {
    #[error("{width}×{height} pixels cannot be rendered: expected {least} to {most} on each side")]
    Size { width: u32, height: u32, least: u32, most: u32 },
}

impl Specimen {
    /// Least and greatest number of pixels of a side.
    pub const SIDE: (u32, u32) = (64, 4096);

    /// The micrograph, 8 bits deep. The short side always shows the same number of nanometres.
    ///
    /// # Errors
    /// When a side is outside [`Specimen::SIDE`].
    pub fn render(&self) -> Result<Raster, SpecimenError> {
        let (least, most) = Self::SIDE;
        if ![self.width, self.height].iter().all(|side| (least..=most).contains(side)) {
            return Err(SpecimenError::Size { width: self.width, height: self.height, least, most });
        }
        let field = self.field();
        let particles = particles::scatter(self.kind, field, self.stream("particles"));
        let (absorbance, cover) = self.prepare(&particles, field);
        let print = self.photograph(&absorbance, field);
        let planes = match self.colour {
            Colour::Grey => vec![print],
            Colour::False => colour::tint(self.kind, &print, &self.mask(&cover)).to_vec(),
        };
        Ok(Raster::from_planes(&planes, Depth::Eight))
    }

    /// Absorbance of the stained grid, and the share of every point that particles fill.
    fn prepare(&self, particles: &[Box<dyn Shape>], field: Field) -> (Plane, Plane) {
        let fine = self.oversampling();
        let (width, height) = (self.width as usize * fine, self.height as usize * fine);
        let scene = scene::draw(particles, width, height, field);
        (film::lay(self.kind, &scene, field, self.stream("film")), scene.cover)
    }

    fn photograph(&self, absorbance: &Plane, field: Field) -> Plane {
        let exposure = Exposure::new(self.stream("exposure"));
        let (width, height) = (self.width as usize, self.height as usize);
        optics::print(&exposure.expose(absorbance, field.pixel, width, height))
    }

    /// Small pictures are drawn finer than they are shown: their detail is below a pixel.
    fn oversampling(&self) -> usize {
        400u32.div_ceil(self.width.min(self.height)).min(3) as usize
    }

    fn field(&self) -> Field {
        let nanometres = self.kind.field() / self.width.min(self.height) as f32;
        Field {
            width: self.width as f32 * nanometres,
            height: self.height as f32 * nanometres,
            pixel: nanometres / self.oversampling() as f32,
        }
    }

    /// Where a colourist would put the particles' hue: the cover, its border a little softened.
    fn mask(&self, cover: &Plane) -> Plane {
        filter::gaussian(&resize(cover, self.width as usize, self.height as usize, Kernel::Area), 0.7, 3.0)
    }

    fn stream(&self, name: &str) -> Stream {
        Stream::new(self.seed.0, &format!("specimen {} {name}", self.kind))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::raster::Channels;

    fn specimen(kind: Kind, width: u32, height: u32, seed: u64) -> Specimen {
        Specimen { kind, width, height, seed: Seed(seed), colour: Colour::Grey }
    }

    #[test]
    fn the_same_seed_gives_the_same_pixels_on_any_number_of_threads() {
        for kind in Kind::ALL {
            let specimen = specimen(kind, 131, 97, 5);
            let alone = rayon::ThreadPoolBuilder::new().num_threads(1).build().expect("one thread starts");
            assert_eq!(specimen.render(), alone.install(|| specimen.render()), "{kind}");
        }
    }

    #[test]
    fn other_seeds_and_other_kinds_give_other_pictures() {
        let digests: Vec<_> = Kind::ALL
            .iter()
            .flat_map(|kind| [1, 2].map(|seed| specimen(*kind, 128, 96, seed).render().unwrap().digest()))
            .collect();
        for (i, digest) in digests.iter().enumerate() {
            assert!(!digests[..i].contains(digest));
        }
    }

    #[test]
    fn every_kind_renders_at_odd_sizes_upright_and_lying() {
        for kind in Kind::ALL {
            for (width, height) in [(64, 64), (67, 201), (331, 64), (127, 113)] {
                let tinted = Specimen { colour: Colour::False, ..specimen(kind, width, height, 3) };
                let raster = tinted.render().unwrap();
                assert_eq!((raster.width(), raster.height()), (width, height));
                assert_eq!(raster.depth(), Depth::Eight);
            }
        }
    }

    #[test]
    fn sizes_out_of_range_are_refused() {
        for (width, height) in [(63, 200), (200, 0), (4097, 64), (64, u32::MAX)] {
            let refused = specimen(Kind::Bullet, width, height, 1).render();
            assert_eq!(refused, Err(SpecimenError::Size { width, height, least: 64, most: 4096 }));
        }
    }

    #[test]
    fn every_picture_has_mid_greys_and_good_contrast() {
        for kind in Kind::ALL {
            for seed in 0..3 {
                let luma = specimen(kind, 144, 96, seed).render().unwrap().luma();
                assert!((0.3..0.75).contains(&luma.mean()), "{kind} {seed}: mean {:.3}", luma.mean());
                assert!((0.1..0.3).contains(&luma.std()), "{kind} {seed}: deviation {:.3}", luma.std());
            }
        }
    }

    /// Contrast at the scale of particles, against that of the same film without them.
    #[test]
    fn particles_stand_out_from_the_empty_film() {
        for kind in Kind::ALL {
            let specimen = specimen(kind, 192, 128, 4);
            let field = specimen.field();
            let full = particles::scatter(kind, field, specimen.stream("particles"));
            let energy = |particles: &[Box<dyn Shape>]| {
                let (absorbance, _) = specimen.prepare(particles, field);
                filter::gaussian(&absorbance, 6.0 / field.pixel, 3.0).std()
            };
            let (with, without) = (energy(&full), energy(&[]));
            assert!(with > 1.4 * without, "{kind}: {with:.3} against {without:.3}");
        }
    }

    #[test]
    fn particles_fill_a_fair_share_of_the_picture() {
        for kind in Kind::ALL {
            for seed in 0..3 {
                let specimen = specimen(kind, 160, 100, seed);
                let field = specimen.field();
                let particles = particles::scatter(kind, field, specimen.stream("particles"));
                let fine = specimen.oversampling();
                let share = scene::draw(&particles, 160 * fine, 100 * fine, field).cover.mean();
                assert!((0.05..0.9).contains(&share), "{kind} {seed}: {share:.3}");
            }
        }
    }

    #[test]
    fn only_false_colour_has_colour() {
        for kind in Kind::ALL {
            let grey = specimen(kind, 128, 96, 2);
            assert_eq!(grey.render().unwrap().channels(), Channels::Grey);
            let tinted = Specimen { colour: Colour::False, ..grey }.render().unwrap();
            assert!(!tinted.is_neutral(0.2), "{kind}");
        }
    }
}
