//! How a variation compares with its reference. Style, spectrum and copies are measured on luma.

use std::error::Error;
use std::path::Path;
use std::time::Instant;

use vidimus::fourier::RealFft2;
use vidimus::generate::patch::PatchEngine;
use vidimus::generate::{Engine, Request};
use vidimus::progress::Silent;
use vidimus::quantity::{Seed, Strength};
use vidimus::random::Stream;
use vidimus::raster::filter::gaussian;
use vidimus::raster::{Kernel, Plane, Raster, resize};

use crate::{STRENGTHS, copies, gpnn, sheet};

pub fn table(
    name: &str,
    reference: &Raster,
    seeds: u64,
    sheets: Option<&Path>,
) -> Result<(), Box<dyn Error>> {
    let luma = reference.luma();
    println!(
        "{name}, {}×{}, {seeds} seeds; verbatim in the reference itself {:.1} %\n",
        reference.width(),
        reference.height(),
        100.0 * copies::own(&luma)
    );
    println!(
        "| strength | composition kept | between seeds | style | spectrum, dB | verbatim, % | engine's copy, % | seconds |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    let own = halves(&luma).max(1e-9);
    let mut rows: Vec<Vec<Raster>> = vec![Vec::new(); seeds as usize];
    for strength in STRENGTHS {
        let start = Instant::now();
        let mut drafts = Vec::new();
        for seed in 1..=seeds {
            let request = Request::new(Strength::new(strength).ok_or("a strength is 0 to 1")?, Seed(seed));
            drafts.push(PatchEngine.generate(reference, &request, &mut Silent)?);
        }
        let seconds = start.elapsed().as_secs_f64() / seeds as f64;
        let copy = drafts.iter().filter_map(|d| d.record.largest_copy).fold(0.0, f64::max);
        let pictures: Vec<Raster> = drafts.into_iter().map(|draft| draft.raster).collect();
        let copy = format!("{:.1}", 100.0 * copy);
        println!("| {strength} {}| {copy} | {seconds:.2} |", measures(&pictures, reference, &luma, own));
        for (row, picture) in rows.iter_mut().zip(pictures) {
            row.push(picture);
        }
    }
    let start = Instant::now();
    let pictures: Vec<Raster> = (1..=seeds).map(|seed| gpnn::draw(reference, seed)).collect();
    let seconds = start.elapsed().as_secs_f64() / seeds as f64;
    println!("| plain GPNN {}| | {seconds:.2} |", measures(&pictures, reference, &luma, own));
    println!();
    if let Some(folder) = sheets {
        std::fs::create_dir_all(folder)?;
        sheet::write(&folder.join(format!("{name}.jpg")), reference, &rows)?;
    }
    Ok(())
}

/// The columns that any drawing program can be asked for.
fn measures(pictures: &[Raster], reference: &Raster, luma: &Plane, own: f64) -> String {
    let lumas: Vec<Plane> = pictures.iter().map(Raster::luma).collect();
    let mean = |f: &dyn Fn(&Plane) -> f64| lumas.iter().map(f).sum::<f64>() / lumas.len() as f64;
    let most = |f: &dyn Fn(&Plane) -> f64| lumas.iter().map(f).fold(0.0, f64::max);
    let pairs: Vec<f64> = (0..pictures.len())
        .flat_map(|i| (0..i).map(move |j| (i, j)))
        .map(|(i, j)| 1.0 - likeness(&pictures[i], &pictures[j]))
        .collect();
    format!(
        "| {:.2} | {:.2} | {:.2} | {:.1} | {:.1} ",
        pictures.iter().map(|p| likeness(p, reference)).sum::<f64>() / pictures.len() as f64,
        pairs.iter().sum::<f64>() / pairs.len().max(1) as f64,
        mean(&|l| style(l, luma)) / own,
        mean(&|l| spectrum(l, luma)),
        100.0 * most(&|l| copies::largest(l, luma)),
    )
}

/// Correlation of the arrangements: of both pictures blurred by 3 % of the short side, over all channels.
fn likeness(a: &Raster, b: &Raster) -> f64 {
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

const PATCH: usize = 7;
const PATCHES: usize = 4000;
const DIRECTIONS: u64 = 48;
const QUANTILES: usize = 256;

/// Sliced Wasserstein distance between the sets of 7 × 7 patches, mean over three scales.
fn style(a: &Plane, b: &Plane) -> f64 {
    let scaled = |plane: &Plane, scale: usize| {
        resize(plane, (plane.width() / scale).max(PATCH), (plane.height() / scale).max(PATCH), Kernel::Area)
    };
    [1, 2, 4].map(|scale| wasserstein(&scaled(a, scale), &scaled(b, scale))).iter().sum::<f64>() / 3.0
}

/// The same between two halves of one picture: what is unavoidable.
fn halves(plane: &Plane) -> f64 {
    let (w, h) = (plane.width(), plane.height());
    let part =
        |x0: usize, y0: usize, w: usize, h: usize| Plane::from_fn(w, h, |x, y| plane.at(x + x0, y + y0));
    let across = style(&part(0, 0, w / 2, h), &part(w - w / 2, 0, w / 2, h));
    let down = style(&part(0, 0, w, h / 2), &part(0, h - h / 2, w, h / 2));
    (across + down) / 2.0
}

fn wasserstein(a: &Plane, b: &Plane) -> f64 {
    let stream = Stream::new(5, "style");
    let mut squares = 0.0;
    for direction in 0..DIRECTIONS {
        let weights: Vec<f32> =
            (0..PATCH * PATCH).map(|k| stream.child(direction).normal(k as u64) as f32).collect();
        let norm = weights.iter().map(|w| w * w).sum::<f32>().sqrt();
        let quantiles = |plane: &Plane| {
            let (across, down) = (plane.width() - PATCH + 1, plane.height() - PATCH + 1);
            let step = (across * down).div_ceil(PATCHES).max(1);
            let mut values: Vec<f32> = (0..across * down)
                .step_by(step)
                .map(|i| {
                    let (x, y) = (i % across, i / across);
                    let rows = (0..PATCH).map(|j| {
                        let row = &plane.row(y + j)[x..x + PATCH];
                        row.iter().zip(&weights[j * PATCH..]).map(|(v, w)| v * w).sum::<f32>()
                    });
                    rows.sum::<f32>() / norm
                })
                .collect();
            values.sort_by(f32::total_cmp);
            (0..QUANTILES).map(|q| values[q * (values.len() - 1) / (QUANTILES - 1)]).collect::<Vec<f32>>()
        };
        let pairs = quantiles(a).into_iter().zip(quantiles(b));
        squares += pairs.map(|(x, y)| f64::from(x - y).powi(2)).sum::<f64>() / QUANTILES as f64;
    }
    (squares / DIRECTIONS as f64).sqrt()
}

/// Root mean squared difference of the radial power in half octaves, from four waves over the short side
/// to a quarter of the sampling frequency, in dB.
fn spectrum(a: &Plane, b: &Plane) -> f64 {
    let (a, b) = (radial(a), radial(b));
    let squares: Vec<f64> = a.iter().zip(&b).map(|(a, b)| (10.0 * (a / b).log10()).powi(2)).collect();
    (squares.iter().sum::<f64>() / squares.len().max(1) as f64).sqrt()
}

fn radial(plane: &Plane) -> Vec<f64> {
    let (w, h) = (plane.width(), plane.height());
    let mean = plane.mean() as f32;
    let hann = |i: usize, n: usize| (std::f32::consts::PI * (i as f32 + 0.5) / n as f32).sin().powi(2);
    let values: Vec<f32> =
        (0..w * h).map(|i| (plane.data()[i] - mean) * hann(i % w, w) * hann(i / w, h)).collect();
    let found = RealFft2::new(w, h).forward(&values);
    let lowest = 4.0 / w.min(h) as f64;
    let bands = (2.0 * (0.25 / lowest).log2()).floor().max(1.0) as usize;
    let mut sums = vec![(0.0, 0usize); bands];
    for y in 0..h {
        for x in 0..found.columns() {
            let fy = if y > h / 2 { h - y } else { y } as f64 / h as f64;
            let band = 2.0 * ((x as f64 / w as f64).hypot(fy) / lowest).log2();
            if band >= 0.0 && (band as usize) < bands {
                let sum = &mut sums[band as usize];
                *sum = (sum.0 + f64::from(found.at(x, y).norm_sqr()), sum.1 + 1);
            }
        }
    }
    sums.into_iter().map(|(sum, count)| sum / count.max(1) as f64 + 1e-12).collect()
}
