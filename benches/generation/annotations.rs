//! How many scale bars, lines of letters and data strips are found when they are painted over a picture, and what is
//! found on the picture as it is.

use std::error::Error;

use vidimus::generate::patch::PatchEngine;
use vidimus::generate::{Area, Engine, Finding, Request};
use vidimus::progress::Silent;
use vidimus::quantity::{Seed, Strength};
use vidimus::raster::{Plane, Raster};

/// Rows of five pixels, the leftmost in the highest bit.
const FONT: [(char, [u8; 7]); 11] = [
    ('0', [14, 17, 19, 21, 25, 17, 14]),
    ('2', [14, 17, 1, 6, 8, 16, 31]),
    ('4', [2, 6, 10, 18, 31, 2, 2]),
    ('8', [14, 17, 17, 14, 17, 17, 14]),
    ('=', [0, 0, 31, 0, 31, 0, 0]),
    ('H', [17, 17, 17, 31, 17, 17, 17]),
    ('V', [17, 17, 17, 17, 17, 10, 4]),
    ('k', [16, 16, 18, 20, 24, 20, 18]),
    ('m', [0, 0, 26, 21, 21, 21, 21]),
    ('n', [0, 0, 22, 25, 17, 17, 17]),
    ('x', [0, 0, 17, 10, 4, 10, 17]),
];
/// Pixels to one of the font's.
const DOT: usize = 2;
/// An annotation is found when so much of its ink lies in the areas.
const FOUND: f64 = 0.9;

pub fn table(pictures: &[(String, Raster)]) -> Result<(), Box<dyn Error>> {
    println!("| picture | annotations found | missed | found on the picture as it is |\n|---|---|---|---|");
    for (name, picture) in pictures {
        let (mut count, mut missed) = (0, Vec::new());
        let (width, height) = (picture.width() as usize, picture.height() as usize);
        for (kind, ink) in kinds(width, height) {
            for (tone, value) in [("black", 0.0), ("white", 1.0)] {
                count += 1;
                let paint = |plane: &Plane| {
                    Plane::from_fn(width, height, |x, y| match ink(x, y) {
                        Some(true) => value,
                        Some(false) => 1.0 - value,
                        None => plane.at(x, y),
                    })
                };
                let planes: Vec<Plane> = picture.planes().iter().map(paint).collect();
                let (areas, _) = found(&Raster::from_planes(&planes, picture.depth()))?;
                let inked: Vec<(usize, usize)> = (0..width * height)
                    .map(|i| (i % width, i / width))
                    .filter(|(x, y)| ink(*x, *y) == Some(true))
                    .collect();
                let held = inked.iter().filter(|(x, y)| areas.iter().any(|area| area.holds(*x, *y))).count();
                if (held as f64) < FOUND * inked.len() as f64 {
                    missed.push(format!("{tone} {kind}"));
                }
            }
        }
        let (areas, directed) = found(picture)?;
        let directed = if directed { ", laid one way" } else { "" };
        let hits = count - missed.len();
        println!("| {name} | {hits} of {count} | {} | {} areas{directed} |", missed.join(", "), areas.len());
    }
    Ok(())
}

/// Areas of annotation that the engine tells of, and whether the picture is laid one way.
fn found(picture: &Raster) -> Result<(Vec<Area>, bool), Box<dyn Error>> {
    let request = Request::new(Strength::new(0.05).ok_or("a strength is 0 to 1")?, Seed(1));
    let findings = PatchEngine.generate(picture, &request, &mut Silent)?.record.findings;
    let directed = findings.contains(&Finding::Directed);
    let areas = findings.into_iter().find_map(|finding| match finding {
        Finding::Annotation { areas } => Some(areas),
        Finding::Directed | Finding::Dominant { .. } | Finding::Extended { .. } => None,
    });
    Ok((areas.unwrap_or_default(), directed))
}

/// Ink (true), ground of a strip (false) or the picture at a pixel.
type Ink = Box<dyn Fn(usize, usize) -> Option<bool>>;

fn kinds(width: usize, height: usize) -> [(&'static str, Ink); 3] {
    let bar = move |x: usize, y: usize| {
        (x + 90 >= width && x + 30 < width) && (y + 16 >= height && y + 12 < height)
    };
    let number = move |x: usize, y: usize| letter("200 nm", x, y, (width - 96, height - 36));
    [
        ("bar", Box::new(move |x, y| (bar(x, y) || number(x, y)).then_some(true))),
        ("line", Box::new(|x, y| letter("HV=80kV x40000", x, y, (10, 10)).then_some(true))),
        (
            "strip",
            Box::new(move |x, y| {
                (y + 24 >= height).then(|| letter("HV=80kV x40000", x, y, (8, height - 19)))
            }),
        ),
    ]
}

/// Whether `text` from (left, top) on has ink at a pixel.
fn letter(text: &str, x: usize, y: usize, (left, top): (usize, usize)) -> bool {
    let (Some(x), Some(y)) = (x.checked_sub(left), y.checked_sub(top)) else { return false };
    let (x, y) = (x / DOT, y / DOT);
    let Some(shape) = text.chars().nth(x / 6).and_then(|c| FONT.iter().find(|(name, _)| *name == c)) else {
        return false;
    };
    x % 6 < 5 && y < 7 && shape.1[y] >> (4 - x % 6) & 1 == 1
}
