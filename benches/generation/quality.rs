//! How a variation compares with its reference. Style, spectrum and copies are measured on luma.

use std::error::Error;
use std::path::Path;
use std::time::Instant;

use vidimus::generate::patch::PatchEngine;
use vidimus::generate::{Engine, Request};
use vidimus::progress::Silent;
use vidimus::quality::{Original, Quality, kept};
use vidimus::quantity::{Seed, Strength};
use vidimus::raster::{Depth, Plane, Raster};

use crate::{copies, gpnn, sheet};

/// Of `reference`; beside what was drawn, what the measures say of `unrelated` pictures of its kind, if there are any.
pub fn table(
    name: &str,
    reference: &Raster,
    unrelated: &[Raster],
    strengths: &[f64],
    seeds: u64,
    sheets: Option<&Path>,
) -> Result<(), Box<dyn Error>> {
    let luma = reference.luma();
    let apart = halves(&luma).map_or_else(String::new, |[across, down]| {
        format!(", spectra of its left and right half {across:.1} dB apart, of its upper and lower {down:.1}")
    });
    println!(
        "{name}, {}×{}, {seeds} seeds; verbatim in the reference itself {:.1} %{apart}\n",
        reference.width(),
        reference.height(),
        100.0 * copies::own(&luma)
    );
    println!(
        "| strength | composition kept | between seeds | style | spectrum, dB | verbatim, % | engine's copy, % | seconds |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    let original = Original::new(reference).ok_or("the picture is too small")?;
    let mut rows: Vec<Vec<Raster>> = vec![Vec::new(); seeds as usize];
    for &strength in strengths {
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
        println!("| {strength} {}| {copy} | {seconds:.2} |", measures(&pictures, reference, &original)?);
        for (row, picture) in rows.iter_mut().zip(pictures) {
            row.push(picture);
        }
    }
    let start = Instant::now();
    let pictures: Vec<Raster> = (1..=seeds).map(|seed| gpnn::draw(reference, seed)).collect();
    let seconds = start.elapsed().as_secs_f64() / seeds as f64;
    println!("| plain GPNN {}| | {seconds:.2} |", measures(&pictures, reference, &original)?);
    if !unrelated.is_empty() {
        println!("| unrelated {}| | |", measures(unrelated, reference, &original)?);
    }
    println!();
    if let Some(folder) = sheets {
        std::fs::create_dir_all(folder)?;
        sheet::write(&folder.join(format!("{name}.jpg")), reference, &rows)?;
    }
    Ok(())
}

/// How far the spectra of a picture's halves are apart, dB: left and right, above and below; `None` of small ones. Two
/// fields of the same things are no more alike.
fn halves(luma: &Plane) -> Option<[f64; 2]> {
    let (width, height) = (luma.width(), luma.height());
    let apart = |wide: usize, high: usize| {
        let half = |x: usize, y: usize| {
            let plane = Plane::from_fn(wide, high, |u, v| luma.at(x + u, y + v));
            Raster::from_planes(&[plane], Depth::Sixteen)
        };
        let [first, second] = [half(0, 0), half(width - wide, height - high)];
        Some(Original::new(&first)?.compare(&second)?.spectrum_db)
    };
    Some([apart(width / 2, height)?, apart(width, height / 2)?])
}

/// The columns that any drawing program can be asked for.
fn measures(
    pictures: &[Raster],
    reference: &Raster,
    original: &Original<'_>,
) -> Result<String, &'static str> {
    let luma = reference.luma();
    let compared: Option<Vec<Quality>> = pictures.iter().map(|picture| original.compare(picture)).collect();
    let compared = compared.ok_or("a picture is too small")?;
    let mean = |f: &dyn Fn(&Quality) -> f64| compared.iter().map(f).sum::<f64>() / compared.len() as f64;
    let pairs: Vec<f64> = (0..pictures.len())
        .flat_map(|i| (0..i).map(move |j| (i, j)))
        .map(|(i, j)| 1.0 - kept(&pictures[i], &pictures[j]))
        .collect();
    let copied = pictures.iter().map(|picture| copies::largest(&picture.luma(), &luma)).fold(0.0, f64::max);
    Ok(format!(
        "| {:.2} | {:.2} | {:.2} | {:.1} | {:.1} ",
        mean(&|quality| quality.kept.unwrap_or(f64::NAN)),
        pairs.iter().sum::<f64>() / pairs.len().max(1) as f64,
        mean(&|quality| quality.style),
        mean(&|quality| quality.spectrum_db),
        100.0 * copied,
    ))
}
