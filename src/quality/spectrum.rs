//! Spectrum: how strong detail of each size is.

use crate::fourier::RealFft2;
use crate::raster::Plane;

/// Root mean squared difference of the radial power in half octaves, from four waves over the short side
/// to a quarter of the sampling frequency, in dB.
pub fn distance(a: &Plane, b: &Plane) -> f64 {
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
