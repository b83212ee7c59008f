//! One level of the pyramid: super-resolution of what the level below drew, then annealed steps of
//! the patch posterior at small noise, where it is the nearest patch.

use rayon::prelude::*;

use crate::progress::Progress;
use crate::random::Stream;
use crate::raster::Plane;
use crate::raster::filter::gaussian;

use super::super::GenerateError;
use super::features::{Basis, Feature, Quantiser, distance};
use super::image::Image;
use super::layout::Layout;
use super::pyramid::{Pyramid, patch_width};
use super::schedule::{Schedule, geometric, noised};
use super::search::{Costs, Field, Search};
use super::sources::Sources;
use super::step;
use super::vote::vote;

/// Weight of the occurrence cost (Kaspar et al. 2015): overused places of the reference cost more.
const OCCURRENCE: f64 = 0.6;
/// Share of the lowest band that is drawn back to the layout's.
const TONE: f32 = 0.7;
/// Patches that the features of a level are learnt from.
const SAMPLES: usize = 4000;

/// What is being drawn.
pub struct Drawing {
    pub image: Image,
    pub field: Option<Field>,
    /// The layout at the coarsest size: its lowest band stays.
    pub tone: Option<Image>,
}

/// Everything that the levels of one run share.
pub struct Context<'a> {
    pub pyramid: &'a Pyramid,
    pub schedule: &'a Schedule,
    pub seed: u64,
}

/// Annealed steps on `level`.
pub fn steps(level: usize) -> usize {
    if level == 0 { 3 } else { 4 }
}

/// Work on `level` in the units of [`refine`]'s progress: pixels drawn.
pub fn work(pyramid: &Pyramid, level: usize, first: bool) -> u64 {
    ((steps(level) + usize::from(!first)) * pyramid.pixels(level)) as u64
}

/// Draws `level`. On the start level `layout` is given, on the others `drawing` comes from the level before.
pub fn refine<const N: usize>(
    context: &Context,
    sources: &Sources,
    level: usize,
    layout: Option<Layout>,
    drawing: &mut Drawing,
    progress: &mut dyn Progress,
) -> Result<(), GenerateError> {
    let (pyramid, schedule) = (context.pyramid, context.schedule);
    let (width, height) = pyramid.size(level);
    let stream = Stream::new(context.seed, "patch refinement").child(level as u64);
    let learnt = Learnt::<N>::new(sources, patch_width(level), stream.child(0));
    let pixels = sources.pixels() as u64;

    let fresh = drawing.field.is_none();
    let mut field = match drawing.field.take() {
        Some(field) => field.resized(width, height),
        None if schedule.clock < 0.45 => Field::in_place(width, height),
        None => Field::random(width, height, sources.images.len(), stream.child(1)),
    };
    let first = layout.is_some();
    let noise = match &layout {
        Some(layout) => layout.noise,
        None => {
            drawing.image = drawing.image.resized(width, height);
            let blurred: Vec<Image> =
                sources.images.par_iter().map(|image| pyramid.blurred(image, level)).collect();
            let band = 0.7 * difference(&sources.images, &blurred);
            let keys = learnt.describe(&blurred);
            drop(blurred);
            let query = noised(&drawing.image, 0.35 * band, stream.child(2));
            let iterations = if level == 0 { 3 } else { 4 };
            learnt.search(context, sources, &keys, &query, &mut field, iterations, stream.child(3));
            drawing.image = vote(&sources.images, &field, learnt.basis.patch, 1.6);
            field.distances.clear();
            step(progress, pixels)?;
            0.6 * band
        }
    };

    let keys = learnt.describe(&sources.images);
    let sigmas = geometric(noise.max(0.02), (0.15 * noise).max(0.01), steps(level));
    let narrow = if level == 0 { 0.8 } else { 1.0 };
    for (i, sigma) in sigmas.iter().enumerate() {
        let noisy_already = i == 0 && layout.as_ref().is_some_and(|l| l.noisy);
        let sigma = if noisy_already { 0.0 } else { *sigma };
        let query = noised(&drawing.image, sigma, stream.child(4).child(i as u64));
        let iterations = if fresh && i == 0 { 5 } else { 3 };
        learnt.search(
            context,
            sources,
            &keys,
            &query,
            &mut field,
            iterations,
            stream.child(5).child(i as u64),
        );
        let kernel = 2.2 + (narrow - 2.2) * i as f64 / (sigmas.len() - 1).max(1) as f64;
        drawing.image = vote(&sources.images, &field, learnt.basis.patch, kernel);
        if let (false, Some(tone)) = (first, &drawing.tone) {
            restore_tone(&mut drawing.image, tone);
        }
        step(progress, pixels)?;
    }
    if first {
        let (width, height) = pyramid.size(pyramid.coarsest());
        drawing.tone = Some(drawing.image.resized(width, height));
    }
    drawing.field = Some(field);
    Ok(())
}

/// Features of a level and the costs that depend on them.
struct Learnt<const N: usize> {
    basis: Basis<N>,
    quantiser: Quantiser,
    /// Mean squared length of a patch's vector, in the units of distances.
    energy: f32,
    /// What a match at another place costs typically.
    elsewhere: f32,
}

impl<const N: usize> Learnt<N> {
    fn new(sources: &Sources, patch: usize, stream: Stream) -> Self {
        let basis = Basis::<N>::of(&sources.images[0], patch, SAMPLES, stream);
        let own = basis.project(&sources.images[0]);
        let quantiser = Quantiser::of(&own);
        let squares: f64 = own.iter().map(|v| f64::from(v.iter().map(|x| x * x).sum::<f32>())).sum();
        let energy = quantiser.squared((squares / own.len() as f64) as f32);
        let mut learnt = Learnt { basis, quantiser, energy, elsewhere: 0.0 };
        learnt.elsewhere = learnt.typical_distance(sources, &own, stream);
        learnt
    }

    fn describe(&self, images: &[Image]) -> Vec<Feature<N>> {
        let pixels = images[0].pixels();
        let mut all = vec![Feature([0; N]); images.len() * pixels];
        for (image, out) in images.iter().zip(all.chunks_exact_mut(pixels)) {
            self.basis.describe(image, self.quantiser, out);
        }
        all
    }

    /// Median distance of a patch of copy 0 to its nearest among patches of a turned copy.
    fn typical_distance(&self, sources: &Sources, own: &[[f32; N]], stream: Stream) -> f32 {
        let other = self.describe(&sources.images[1..2]);
        let pick = |stream: Stream, i: u64| stream.below(i, own.len() as u64) as usize;
        let mut nearest: Vec<i32> = (0..300)
            .into_par_iter()
            .map(|i| {
                let query = self.quantiser.quantise(own[pick(stream.child(1), i)]);
                (0..4000).fold(i32::MAX, |best, j| {
                    best.min(distance(&query, &other[pick(stream.child(2), j)], best))
                })
            })
            .collect();
        *nearest.select_nth_unstable(150).1 as f32
    }

    #[allow(clippy::too_many_arguments)]
    fn search(
        &self,
        context: &Context,
        sources: &Sources,
        keys: &[Feature<N>],
        query: &Image,
        field: &mut Field,
        iterations: usize,
        stream: Stream,
    ) {
        let query = self.describe(std::slice::from_ref(query));
        let clock = context.schedule.clock;
        let bias = self.bias(sources, field, clock);
        let costs = Costs {
            bias: &bias,
            own_place: (2.0 * clock as f32 * self.elsewhere) as i32,
            own_radius: (0.03 * field.width.min(field.height) as f64 + 2.0) as i32,
            barred: &[],
            barred_cost: 0,
            barred_radius: 0,
        };
        Search { query: &query, sources: keys, copies: sources.images.len(), costs, stream }
            .run(field, iterations);
    }

    /// Costs of every patch: high outside the reference, and the more its place is in use already.
    fn bias(&self, sources: &Sources, field: &Field, clock: f64) -> Vec<i32> {
        let outside = 4.0 * self.energy;
        if field.distances.is_empty() {
            return sources.outside.par_iter().map(|o| (o * outside) as i32).collect();
        }
        let usage = Usage::of(sources, field);
        let unit = (OCCURRENCE * (clock / 0.6).min(1.0)) as f32 * field.median_distance();
        sources
            .outside
            .par_iter()
            .zip(&sources.origins)
            .map(|(o, origin)| (o * outside + unit * usage.at(*origin)) as i32)
            .collect()
    }
}

/// How often the places of the reference are used, relative to the mean.
struct Usage {
    counts: Plane,
}

impl Usage {
    fn of(sources: &Sources, field: &Field) -> Self {
        let (across, down) = ((field.width / 3).max(4), (field.height / 3).max(4));
        let mut counts = Plane::filled(across, down, 0.0);
        for m in &field.matches {
            let at = (m.copy as usize * field.height + m.y as usize) * field.width + m.x as usize;
            let cell = cell(sources.origins[at], across, down);
            counts.data_mut()[cell] += 1.0;
        }
        let mean = field.matches.len() as f32 / (across * down) as f32;
        Usage { counts: gaussian(&counts, 1.0, 3.0).map(|c| c / mean) }
    }

    /// 0 for an unused place, 1 for a place used as often as the mean, at most 6.
    fn at(&self, origin: (f32, f32)) -> f32 {
        self.counts.data()[cell(origin, self.counts.width(), self.counts.height())].clamp(0.0, 6.0)
    }
}

fn cell(origin: (f32, f32), across: usize, down: usize) -> usize {
    let y = ((origin.0 * down as f32) as usize).min(down - 1);
    let x = ((origin.1 * across as f32) as usize).min(across - 1);
    y * across + x
}

/// Root mean squared difference of two sets of pictures.
fn difference(a: &[Image], b: &[Image]) -> f64 {
    let squares: f64 = a
        .iter()
        .zip(b)
        .map(|(a, b)| a.data.iter().zip(&b.data).map(|(x, y)| f64::from(x - y).powi(2)).sum::<f64>())
        .sum();
    (squares / (a.len() * a[0].data.len()) as f64).sqrt()
}

/// Draws the lowest band of `image` back to that of `tone`: no tonal seams in smooth ground.
/// Higher bands stay free, or errors of the layout would be locked in.
fn restore_tone(image: &mut Image, tone: &Image) {
    let sigma = 1.5 * tone.height.min(tone.width) as f32 / 26.0;
    let small = image.resized(tone.width, tone.height);
    for c in 0..image.channels {
        let missing = tone.plane(c).zip(&small.plane(c), |t, s| t - s);
        let missing = super::image::resized(&gaussian(&missing, sigma, 3.0), image.width, image.height);
        let channels = image.channels;
        for (v, m) in image.data.iter_mut().skip(c).step_by(channels).zip(missing.data()) {
            *v += TONE * m;
        }
    }
}
