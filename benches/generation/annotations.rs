//! How many scale bars, lines of letters, data strips and arrows are found when they are painted over a picture, what is
//! found on pictures as they are, and how long that takes.

use std::error::Error;
use std::time::Instant;

use vidimus::generate::patch::{self, PatchEngine};
use vidimus::generate::{Engine, Finding, Request};
use vidimus::progress::Silent;
use vidimus::quantity::{Seed, Strength};
use vidimus::raster::{self, Format, Limits, Plane, Raster};
use vidimus::specimen::{Colour, Kind, Specimen};

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
/// Inks and their R, G and B.
const INKS: [(&str, [f32; 3]); 3] =
    [("black", [0.0, 0.0, 0.0]), ("white", [1.0, 1.0, 1.0]), ("yellow", [1.0, 1.0, 0.0])];
/// An annotation is found when so much of its ink lies in the areas.
const FOUND: f64 = 0.9;
/// Quality of the JPEG that an annotated picture is saved as.
const QUALITY: u8 = 80;
/// Sizes of bare specimens.
const SIZES: [(u32, u32); 5] = [(160, 160), (320, 208), (384, 256), (512, 512), (1024, 1024)];

pub fn table(pictures: &[(String, Raster)], seeds: u64) -> Result<(), Box<dyn Error>> {
    println!("| picture | found as painted | and after JPEG | missed as painted | on the bare picture |");
    println!("|---|---|---|---|---|");
    let mut kind_counts: Vec<(&str, [usize; 3])> = Vec::new();
    for (name, picture) in pictures {
        let (mut count, mut painted, mut saved) = (0, 0, 0);
        let mut missed = Vec::new();
        let (width, height) = (picture.width() as usize, picture.height() as usize);
        for (kind, mark) in kinds(width, height) {
            for (ink, value) in INKS {
                let annotated = paint(picture, &mark, value);
                let held = [is_found(&annotated, &mark), is_found(&through_jpeg(&annotated)?, &mark)];
                count += 1;
                painted += usize::from(held[0]);
                saved += usize::from(held[1]);
                if !held[0] {
                    missed.push(format!("{ink} {kind}"));
                }
                let at = kind_counts.iter().position(|(name, _)| *name == kind).unwrap_or_else(|| {
                    kind_counts.push((kind, [0; 3]));
                    kind_counts.len() - 1
                });
                let add = [1, usize::from(held[0]), usize::from(held[1])];
                kind_counts[at].1.iter_mut().zip(add).for_each(|(sum, n)| *sum += n);
            }
        }
        let areas = patch::annotations(picture).len();
        let directed = if is_directed(picture)? { ", laid one way" } else { "" };
        let missed = missed.join(", ");
        println!(
            "| {name} | {painted} of {count} | {saved} of {count} | {missed} | {areas} areas{directed} |"
        );
    }
    println!("\n| annotation | found as painted | and after JPEG |\n|---|---|---|");
    for (kind, [count, painted, saved]) in kind_counts {
        println!("| {kind} | {painted} of {count} | {saved} of {count} |");
    }
    println!();
    bare(seeds)?;
    time()
}

/// What is found on specimens that bear nothing, of every kind, size and colour, saved with and without loss.
fn bare(seeds: u64) -> Result<(), Box<dyn Error>> {
    println!("| bare specimens | pictures | with areas | after JPEG |\n|---|---|---|---|");
    for (width, height) in SIZES {
        let (mut count, mut found) = (0, [0; 2]);
        for kind in Kind::ALL {
            for colour in [Colour::Grey, Colour::False] {
                for seed in (1..=seeds).map(Seed) {
                    let picture = Specimen { kind, width, height, seed, colour }.render()?;
                    count += 1;
                    found[0] += usize::from(!patch::annotations(&picture).is_empty());
                    found[1] += usize::from(!patch::annotations(&through_jpeg(&picture)?).is_empty());
                }
            }
        }
        println!("| {width}×{height} | {count} | {} | {} |", found[0], found[1]);
    }
    Ok(())
}

/// How long looking takes beside drawing.
fn time() -> Result<(), Box<dyn Error>> {
    let side = 512;
    let specimen =
        Specimen { kind: Kind::Adenovirus, width: side, height: side, seed: Seed(1), colour: Colour::False };
    let picture = specimen.render()?;
    let start = Instant::now();
    let times = 10;
    for _ in 0..times {
        std::hint::black_box(patch::annotations(&picture));
    }
    let looking = start.elapsed() / times;
    let start = Instant::now();
    PatchEngine.generate(&picture, &request(0.7)?, &mut Silent)?;
    let drawing = start.elapsed();
    println!(
        "\nLooking at {side}×{side} takes {} ms, {:.1} % of the time of drawing it at strength 0.7.",
        looking.as_millis(),
        100.0 * looking.as_secs_f64() / drawing.as_secs_f64()
    );
    Ok(())
}

fn request(strength: f64) -> Result<Request, Box<dyn Error>> {
    Ok(Request::new(Strength::new(strength).ok_or("a strength is 0 to 1")?, Seed(1)))
}

/// Whether the engine takes a picture for one that is laid one way.
fn is_directed(picture: &Raster) -> Result<bool, Box<dyn Error>> {
    let draft = PatchEngine.generate(picture, &request(0.05)?, &mut Silent)?;
    Ok(draft.record.findings.contains(&Finding::Directed))
}

fn through_jpeg(picture: &Raster) -> Result<Raster, Box<dyn Error>> {
    let bytes = raster::encode(picture, Format::Jpeg, QUALITY)?;
    Ok(raster::decode(&bytes, &Limits::default())?.raster)
}

/// What is painted at a pixel.
#[derive(Clone, Copy, PartialEq)]
enum Paint {
    Nothing,
    Ink,
    /// The ink's negative, of this opacity.
    Ground(f32),
}

type Mark = Box<dyn Fn(usize, usize) -> Paint>;

/// `picture` with a mark in an ink; in colour if the ink is.
fn paint(picture: &Raster, mark: &Mark, ink: [f32; 3]) -> Raster {
    let (width, height) = (picture.width() as usize, picture.height() as usize);
    let planes = picture.planes();
    let grey = planes.len() == 1 && ink.iter().all(|v| *v == ink[0]);
    let painted = |(channel, value): (usize, f32)| {
        let plane = &planes[channel.min(planes.len() - 1)];
        Plane::from_fn(width, height, |x, y| match mark(x, y) {
            Paint::Nothing => plane.at(x, y),
            Paint::Ink => value,
            Paint::Ground(opacity) => plane.at(x, y) + opacity * (1.0 - value - plane.at(x, y)),
        })
    };
    let channels = if grey { 1 } else { 3 };
    let painted: Vec<Plane> = ink.into_iter().take(channels).enumerate().map(painted).collect();
    Raster::from_planes(&painted, picture.depth())
}

fn is_found(picture: &Raster, mark: &Mark) -> bool {
    let areas = patch::annotations(picture);
    let (width, height) = (picture.width() as usize, picture.height() as usize);
    let pixels = (0..width * height).map(|i| (i % width, i / width));
    let inked: Vec<(usize, usize)> = pixels.filter(|(x, y)| mark(*x, *y) == Paint::Ink).collect();
    let held = inked.iter().filter(|(x, y)| areas.iter().any(|area| area.holds(*x, *y))).count();
    held as f64 >= FOUND * inked.len() as f64
}

fn kinds(width: usize, height: usize) -> [(&'static str, Mark); 7] {
    let only = |inked: bool| if inked { Paint::Ink } else { Paint::Nothing };
    let over = |inked: bool, ground: bool, opacity: f32| match (inked, ground) {
        (true, _) => Paint::Ink,
        (_, true) => Paint::Ground(opacity),
        _ => Paint::Nothing,
    };
    let across = move |x: usize| x + 90 >= width && x + 30 < width;
    let bar = move |x: usize, y: usize| across(x) && y + 16 >= height && y + 12 < height;
    // One pixel high, with ticks of seven at both ends.
    let ticks = move |x: usize, y: usize| {
        let end = x + 90 == width || x + 31 == width;
        across(x) && (y + 14 == height || end && y + 17 >= height && y + 10 < height)
    };
    let number = move |x: usize, y: usize| letter("200 nm", (x, y), (width - 96, height - 36), 2);
    let boxed =
        move |x: usize, y: usize| x + 104 >= width && x + 16 < width && y + 42 >= height && y + 6 < height;
    let text = "HV=80kV x40000";
    [
        ("bar", Box::new(move |x, y| only(bar(x, y) || number(x, y)))),
        ("line", Box::new(move |x, y| only(letter(text, (x, y), (10, 10), 2)))),
        (
            "strip",
            Box::new(move |x, y| over(letter(text, (x, y), (8, height - 19), 2), y + 24 >= height, 1.0)),
        ),
        ("bar with ticks", Box::new(move |x, y| only(ticks(x, y) || number(x, y)))),
        (
            "bar in a half transparent box",
            Box::new(move |x, y| over(bar(x, y) || number(x, y), boxed(x, y), 0.5)),
        ),
        ("small line", Box::new(move |x, y| only(letter(text, (x, y), (10, 10), 1)))),
        ("arrow", Box::new(move |x, y| only(arrow((x, y), (width / 3, height / 3))))),
    ]
}

/// Whether an arrow that points at (left, top) has ink at a pixel: a head of 16 pixels and a shaft of 20, three high.
fn arrow((x, y): (usize, usize), (left, top): (usize, usize)) -> bool {
    let Some(along) = x.checked_sub(left) else { return false };
    let off = y.abs_diff(top);
    if along < 16 { 2 * off <= along } else { along < 36 && off <= 1 }
}

/// Whether `text` from (left, top) on has ink at a pixel, `dot` pixels to one of the font's.
fn letter(text: &str, (x, y): (usize, usize), (left, top): (usize, usize), dot: usize) -> bool {
    let (Some(x), Some(y)) = (x.checked_sub(left), y.checked_sub(top)) else { return false };
    let (x, y) = (x / dot, y / dot);
    let Some(shape) = text.chars().nth(x / 6).and_then(|c| FONT.iter().find(|(name, _)| *name == c)) else {
        return false;
    };
    x % 6 < 5 && y < 7 && shape.1[y] >> (4 - x % 6) & 1 == 1
}
