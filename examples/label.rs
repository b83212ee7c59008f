//! Draws labels on pictures, to look at them: `cargo run --release --example label -- DIR [PICTURE…]`.
//!
//! Without pictures: light, dark, noisy and coloured ones, of 200, 512 and 2000 pixels, and all letters.

use std::error::Error;
use std::path::{Path, PathBuf};

use vidimus::digest::Digest;
use vidimus::label::{self, Badge, Language, Wording};
use vidimus::quantity::{Seed, Strength};
use vidimus::random::Stream;
use vidimus::raster::{self, Depth, Format, Limits, Plane, Raster};
use vidimus::specimen::{Colour, Kind, Specimen};

const ALPHABET: [&str; 4] = [
    "ABCDEFGHIJKLMNOPQRSTUVWXYZ",
    "abcdefghijklmnopqrstuvwxyz",
    "0123456789 .,:-·/+ àáäéèíñóöüźł",
    "the quick brown fox jumps over the lazy dog",
];

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args_os().skip(1).map(PathBuf::from);
    let folder = arguments.next().ok_or("expected a folder to write to")?;
    let mut pictures: Vec<(String, Raster)> = Vec::new();
    for path in arguments {
        let picture = raster::decode(&std::fs::read(&path)?, &Limits::default())?.raster;
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        pictures.push((name, picture));
    }
    if pictures.is_empty() {
        for side in [200, 512, 2000] {
            pictures.extend(grounds(side)?);
        }
        let white = plane(1400, &|_, _| 1.0);
        write(&folder, "alphabet", &label::draw(&white, None, Some(&ALPHABET.map(str::to_owned))).raster)?;
        for language in Language::ALL {
            let badge = Badge { wording: Wording::Modified, language, ..Badge::default() };
            sheet(&folder, &format!("{language}"), &plane(512, &|_, _| 0.6), badge)?;
        }
    }
    for (name, picture) in &pictures {
        for wording in [Wording::Plain, Wording::Generated] {
            let name = format!("{name}-{}-{wording:?}", picture.width());
            sheet(&folder, &name, picture, Badge { wording, ..Badge::default() })?;
        }
    }
    Ok(())
}

fn sheet(folder: &Path, name: &str, picture: &Raster, badge: Badge) -> Result<(), Box<dyn Error>> {
    let strength = Strength::new(0.7).ok_or("out of range")?;
    let caption = badge.language.caption(badge.wording == Wording::Modified, &Digest::of(name), strength);
    write(folder, name, &label::draw(picture, Some(&badge), Some(&caption)).raster)
}

fn write(folder: &Path, name: &str, picture: &Raster) -> Result<(), Box<dyn Error>> {
    std::fs::write(folder.join(format!("{name}.png")), raster::encode(picture, Format::Png, 90)?)?;
    Ok(())
}

fn plane(side: usize, value: &dyn Fn(usize, usize) -> f32) -> Raster {
    Raster::from_planes(&[Plane::from_fn(side, side, value)], Depth::Eight)
}

fn grounds(side: usize) -> Result<Vec<(String, Raster)>, Box<dyn Error>> {
    let stream = Stream::new(1, "label");
    let noise = |x: usize, y: usize| stream.uniform((y * side + x) as u64) as f32;
    let specimen = |kind, colour| {
        Specimen { kind, width: side as u32, height: side as u32, seed: Seed(3), colour }.render()
    };
    let named = [
        ("dark", plane(side, &|_, _| 0.04)),
        ("light", plane(side, &|_, _| 0.97)),
        ("noise", plane(side, &noise)),
        ("specimen", specimen(Kind::Adenovirus, Colour::Grey)?),
        ("colour", specimen(Kind::Influenza, Colour::False)?),
    ];
    Ok(named.into_iter().map(|(name, picture)| (name.to_owned(), picture)).collect())
}
