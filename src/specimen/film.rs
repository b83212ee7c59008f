//! The ground: carbon film, the stain dried on it and round the particles, and stray matter.

use rayon::prelude::*;

use super::chance::{Dice, Noise, mix, smoothstep};
use super::kind::Kind;
use super::particles::Field;
use super::scene::Scene;
use crate::random::Stream;
use crate::raster::{Kernel, Plane, filter, resize};

/// How a preparation was made: what differs between kinds.
struct Preparation {
    /// Absorbance of the bare film.
    bare: f32,
    /// Absorbance of the meniscus at a particle's edge, and its reach in nanometres.
    meniscus: (f32, f32),
    /// Absorbance of the broad pool where particles crowd, and its reach in nanometres.
    pool: (f32, f32),
    /// Amplitude of the broad unevenness of the stain on the film, and over the particles.
    mottle: (f32, f32),
    /// Flecks of stray matter per square micrometre.
    flecks: f32,
    /// Absorbance that shreds of membrane take away from the ground.
    shreds: f32,
}

impl Preparation {
    fn of(kind: Kind) -> Self {
        match kind {
            Kind::Adenovirus => Preparation {
                bare: 0.3,
                meniscus: (0.75, 16.0),
                pool: (2.1, 36.0),
                mottle: (0.26, 0.12),
                flecks: 25.0,
                shreds: 0.0,
            },
            Kind::Influenza => Preparation {
                bare: 0.35,
                meniscus: (0.85, 13.0),
                pool: (1.4, 48.0),
                mottle: (0.3, 0.15),
                flecks: 40.0,
                shreds: 0.05,
            },
            Kind::Filovirus => Preparation {
                bare: 0.4,
                meniscus: (1.9, 19.0),
                pool: (0.9, 40.0),
                mottle: (0.27, 0.1),
                flecks: 60.0,
                shreds: 0.14,
            },
            Kind::Bullet => Preparation {
                bare: 0.1,
                meniscus: (1.25, 7.0),
                pool: (0.55, 28.0),
                mottle: (0.5, 0.3),
                flecks: 90.0,
                shreds: 0.1,
            },
        }
    }
}

/// Absorbance of the whole specimen: ground, stain and particles. Without particles: of the empty film.
pub fn lay(kind: Kind, scene: &Scene, field: Field, stream: Stream) -> Plane {
    let preparation = Preparation::of(kind);
    let (width, height) = (scene.cover.width(), scene.cover.height());
    let crowd = broad_blur(&scene.cover, preparation.pool.1 / field.pixel);
    let flecks = flecks(&preparation, width, height, field, stream.child(1));
    let texture = Texture::new(stream);
    let mut data = vec![0.0; width * height];
    data.par_chunks_mut(width).enumerate().for_each(|(row, data)| {
        for (column, value) in data.iter_mut().enumerate() {
            let i = row * width + column;
            let (x, y) = ((column as f32 + 0.5) * field.pixel, (row as f32 + 0.5) * field.pixel);
            let ground = preparation.ground(&texture, x, y, scene.distance.data()[i], crowd.data()[i]);
            // A particle stands above the film; little of the ground shows through it.
            let particle = scene.stain.data()[i] + preparation.mottle.1 * texture.mottle(x, y);
            *value = mix(ground + flecks.data()[i], particle, scene.cover.data()[i]);
        }
    });
    Plane::new(width, height, data)
}

impl Preparation {
    fn ground(&self, texture: &Texture, x: f32, y: f32, distance: f32, crowd: f32) -> f32 {
        let mottle = texture.mottle(x, y);
        let uneven = 1.0 + 0.45 * texture.blotch(x, y);
        let (depth, reach) = self.meniscus;
        let near = depth * (-distance.max(0.0) / (reach * uneven.max(0.3))).exp();
        let pooled = near + self.pool.0 * crowd * uneven;
        // Dried stain is granular, the more the thicker it lies.
        let pooled = 1.8 * (1.0 - (-pooled / 1.8).exp()) * (1.0 + 0.3 * texture.grain(x, y));
        let shred = self.shreds * texture.shred(x, y);
        (self.bare * (1.0 + 0.1 * texture.grain(x, y)) + self.mottle.0 * mottle + pooled - shred).max(0.0)
    }
}

/// The random fields of the ground, each at its own length.
struct Texture {
    mottle: Noise,
    blotch: Noise,
    grain: Noise,
    shred: Noise,
}

impl Texture {
    fn new(stream: Stream) -> Self {
        let noise = |index| Noise::new(stream.child(index));
        Texture { mottle: noise(10), blotch: noise(11), grain: noise(12), shred: noise(13) }
    }

    /// Thickness of carbon and stain over hundreds of nanometres, with finer clouds in it.
    fn mottle(&self, x: f32, y: f32) -> f32 {
        0.6 * self.mottle.fractal(x / 330.0, y / 330.0, 4)
    }

    /// Where the stain wets the film better or worse.
    fn blotch(&self, x: f32, y: f32) -> f32 {
        self.blotch.fractal(x / 90.0, y / 90.0, 3)
    }

    /// Granules of stain.
    fn grain(&self, x: f32, y: f32) -> f32 {
        self.grain.fractal(x / 7.0, y / 7.0, 3)
    }

    /// Outlined patches, as of torn membrane: 1 on their rim, less inside.
    fn shred(&self, x: f32, y: f32) -> f32 {
        let height = self.shred.fractal(x / 110.0, y / 110.0, 4);
        let inside = smoothstep(0.52, 0.6, height);
        inside * mix(1.0, 0.35, smoothstep(0.6, 0.75, height))
    }
}

/// Small lumps and holes: protein, salt, pin-holes of the stain.
fn flecks(preparation: &Preparation, width: usize, height: usize, field: Field, stream: Stream) -> Plane {
    let mut plane = Plane::filled(width, height, 0.0);
    let dice = &mut Dice::new(stream);
    let count = (preparation.flecks * field.width * field.height / 1e6) as usize;
    for _ in 0..count {
        let (x, y) = (dice.range(0.0, field.width), dice.range(0.0, field.height));
        let size = 2.5 + 5.0 * dice.range(0.0, 1.0).powi(3);
        let depth = if dice.chance(0.55) { dice.range(-0.25, -0.05) } else { dice.range(0.05, 0.35) };
        let squash = dice.range(0.6, 1.6);
        let span = |at: f32, most: usize| {
            let (low, high) = ((at - 4.0 * size) / field.pixel, (at + 4.0 * size) / field.pixel);
            low.max(0.0) as usize..(high.max(0.0) as usize).min(most)
        };
        for row in span(y, height) {
            for column in span(x, width) {
                let dx = ((column as f32 + 0.5) * field.pixel - x) / size * squash;
                let dy = ((row as f32 + 0.5) * field.pixel - y) / size / squash;
                let r = dx * dx + dy * dy;
                // A lump with its own small meniscus of the other sign.
                plane.data_mut()[row * width + column] += depth * (1.0 - 0.45 * r) * (-0.5 * r).exp();
            }
        }
    }
    plane
}

/// Gaussian blur by a wide `sigma` (pixels), on a coarser grid: it has no fine detail to lose.
fn broad_blur(plane: &Plane, sigma: f32) -> Plane {
    let factor = ((sigma / 4.0) as usize).max(1);
    let (width, height) = (plane.width().div_ceil(factor), plane.height().div_ceil(factor));
    let coarse = resize(plane, width, height, Kernel::Area);
    let blurred = filter::gaussian(&coarse, sigma / factor as f32, 3.0);
    resize(&blurred, plane.width(), plane.height(), Kernel::Cubic)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broad_blur_keeps_the_mean() {
        let plane = Plane::from_fn(90, 70, |x, y| f32::from(u8::from(x > 30 && y > 20)));
        assert!((broad_blur(&plane, 12.0).mean() - plane.mean()).abs() < 0.02);
    }
}
