//! How many virions of drawings are not what their reference shows: adenoviruses are all round and of one size, so that
//! what is merged, drawn out or shrunk can be told by area and axes alone.

use std::error::Error;

use vidimus::generate::patch::PatchEngine;
use vidimus::generate::{Engine, Request};
use vidimus::progress::Silent;
use vidimus::quantity::{Seed, Strength};
use vidimus::raster::connected::{self, Touching};
use vidimus::raster::filter::gaussian;
use vidimus::raster::{Plane, Raster};
use vidimus::specimen::Kind;

use crate::specimen;

/// Seeds of the specimens that are varied, and their size.
const SPECIMENS: [u64; 3] = [1, 2, 3];
const SIZE: (u32, u32) = (384, 256);
/// Fewer pixels are debris.
const DEBRIS: usize = 40;
/// Areas, in that of the reference's median virion, over which one counts as merged and under which as shrunk, and the
/// ratio of axes over which it is drawn out. The references themselves show none of these: their areas spread by 4 %, and
/// their axes are 1.02 to 1.
const MERGED: f64 = 1.6;
const SHRUNK: f64 = 0.5;
const DRAWN_OUT: f64 = 1.5;

/// A virion that no border cuts: its area in pixels and the ratio of its axes.
struct Virion {
    area: f64,
    axes: f64,
}

pub fn table(strengths: &[f64], seeds: u64) -> Result<(), Box<dyn Error>> {
    println!("{} adenovirus specimens, {}×{}, {seeds} seeds each\n", SPECIMENS.len(), SIZE.0, SIZE.1);
    println!(
        "| strength | virions | merged, % | drawn out, % | shrunk, % | spread of areas | mean ratio of axes |"
    );
    println!("|---|---|---|---|---|---|---|");
    let references: Vec<Raster> = SPECIMENS
        .iter()
        .map(|seed| specimen(Kind::Adenovirus, SIZE.0, SIZE.1, *seed))
        .collect::<Result<_, _>>()?;
    let own = references.iter().map(|reference| (reference, reference.clone()));
    row("reference", own)?;
    for &strength in strengths {
        let mut drawn = Vec::new();
        for reference in &references {
            for seed in 1..=seeds {
                let request =
                    Request::new(Strength::new(strength).ok_or("a strength is 0 to 1")?, Seed(seed));
                drawn.push((reference, PatchEngine.generate(reference, &request, &mut Silent)?.raster));
            }
        }
        row(&strength.to_string(), drawn.into_iter())?;
    }
    println!();
    Ok(())
}

/// Of pictures and the references that they are held against.
fn row<'a>(name: &str, pictures: impl Iterator<Item = (&'a Raster, Raster)>) -> Result<(), &'static str> {
    let mut all = Vec::new();
    for (reference, picture) in pictures {
        let warm = warmth(reference);
        let threshold = threshold(&warm);
        let mut areas: Vec<f64> = virions(&warm, threshold).iter().map(|virion| virion.area).collect();
        areas.sort_by(f64::total_cmp);
        let usual = *areas.get(areas.len() / 2).ok_or("a specimen shows no virion")?;
        let found = virions(&warmth(&picture), threshold);
        all.extend(found.into_iter().map(|virion| Virion { area: virion.area / usual, ..virion }));
    }
    let count = all.len() as f64;
    let share =
        |is: &dyn Fn(&Virion) -> bool| 100.0 * all.iter().filter(|virion| is(virion)).count() as f64 / count;
    let mean = |of: &dyn Fn(&Virion) -> f64| all.iter().map(of).sum::<f64>() / count;
    let area = mean(&|virion| virion.area);
    println!(
        "| {name} | {count} | {:.1} | {:.1} | {:.1} | {:.2} | {:.2} |",
        share(&|virion| virion.area > MERGED),
        share(&|virion| virion.area <= MERGED && virion.axes > DRAWN_OUT),
        share(&|virion| virion.area < SHRUNK && virion.axes <= DRAWN_OUT),
        mean(&|virion| (virion.area - area).powi(2)).sqrt(),
        mean(&|virion| virion.axes),
    );
    Ok(())
}

/// Red over blue: in these colours virions are orange on a blue ground.
fn warmth(picture: &Raster) -> Plane {
    let planes = picture.planes();
    gaussian(&planes[0].zip(&planes[2], |red, blue| red - blue), 0.9, 3.0)
}

/// Halfway from the ground to what virions show.
fn threshold(warm: &Plane) -> f32 {
    let mut values = warm.data().to_vec();
    values.sort_by(f32::total_cmp);
    (values[values.len() / 2] + values[values.len() * 49 / 50]) / 2.0
}

fn virions(warm: &Plane, threshold: f32) -> Vec<Virion> {
    let (width, height) = (warm.width(), warm.height());
    let whole = |at: &usize| {
        let (x, y) = (at % width, at / width);
        x > 0 && y > 0 && x + 1 < width && y + 1 < height
    };
    let sets =
        connected::sets((width, height), Touching::Edges, |at| warm.data()[at] > threshold).into_iter();
    let found = sets.filter(|places| places.len() >= DEBRIS && places.iter().all(whole));
    found.map(|places| virion(&places, width)).collect()
}

fn virion(places: &[usize], width: usize) -> Virion {
    let area = places.len() as f64;
    let mean = |of: &dyn Fn(f64, f64) -> f64| {
        places.iter().map(|at| of((at % width) as f64, (at / width) as f64)).sum::<f64>() / area
    };
    let (x, y) = (mean(&|x, _| x), mean(&|_, y| y));
    let (xx, yy) = (mean(&|u, _| (u - x).powi(2)), mean(&|_, v| (v - y).powi(2)));
    let xy = mean(&|u, v| (u - x) * (v - y));
    // Eigenvalues of the second moments are the squares of the axes.
    let (middle, apart) = ((xx + yy) / 2.0, ((xx - yy) / 2.0).hypot(xy));
    Virion { area, axes: ((middle + apart) / (middle - apart).max(1e-9)).sqrt() }
}
