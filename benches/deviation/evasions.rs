//! What someone may do to a copy so that it looks like another picture.

use std::error::Error;

use vidimus::random::Stream;
use vidimus::raster::filter::{gaussian, mirror};
use vidimus::raster::{Format, Kernel, Limits, Plane, Raster, decode, encode, resize};

pub type Made = Result<Raster, Box<dyn Error>>;

/// Name and deed.
pub type Evasion = (&'static str, fn(&Raster) -> Made);

/// Those that the limits were set with.
pub const ALL: [Evasion; 17] = [
    ("brighter", |r| Ok(toned(r, |v| v + 0.1))),
    ("more contrast", |r| Ok(toned(r, |v| (v - 0.5) * 1.3 + 0.5))),
    ("gamma 0.7", |r| Ok(toned(r, |v| v.powf(0.7)))),
    ("inverted", |r| Ok(toned(r, |v| 1.0 - v))),
    ("recoloured", |r| Ok(recoloured(r, [0.8, 2.0, 1.0]))),
    ("16 levels", |r| Ok(toned(r, |v| (15.0 * v).round() / 15.0))),
    ("noise 0.04", |r| Ok(noisy(r, 0.04))),
    ("blur 1.2", |r| Ok(blurred(r, 1.2))),
    ("JPEG 50", |r| jpeg(r, 50)),
    ("mirrored", |r| Ok(seen(r, 1.0, |[x, y], [w, _]| [w - 1.0 - x, y]))),
    ("quarter turn", |r| Ok(quarter(r))),
    ("turned by 7°", |r| Ok(turned(r, 7.0))),
    ("to 75 %", |r| Ok(resized(r, 0.75))),
    ("shifted by 8 %", |r| Ok(seen(r, 1.0, |[x, y], [w, h]| [x + 0.08 * w, y + 0.08 * h]))),
    ("cropped to 85 %", |r| Ok(seen(r, 0.85, |[x, y], [w, h]| [x + 0.05 * w, y + 0.1 * h]))),
    ("framed by 12 %", |r| Ok(framed(r, 0.12))),
    ("warped by 1 %", |r| Ok(warped(r, 0.01))),
];

/// The same deeds in other amounts, which no limit was set with.
pub const HELD_OUT: [Evasion; 17] = [
    ("darker", |r| Ok(toned(r, |v| v - 0.08))),
    ("less contrast", |r| Ok(toned(r, |v| (v - 0.5) * 0.6 + 0.5))),
    ("gamma 1.5", |r| Ok(toned(r, |v| v.powf(1.5)))),
    ("inverted, gamma 0.8", |r| Ok(toned(r, |v| (1.0 - v).powf(0.8)))),
    ("recoloured otherwise", |r| Ok(recoloured(r, [1.6, 0.7, 0.8]))),
    ("20 levels", |r| Ok(toned(r, |v| (19.0 * v).round() / 19.0))),
    ("noise 0.03", |r| Ok(noisy(r, 0.03))),
    ("blur 1", |r| Ok(blurred(r, 1.0))),
    ("JPEG 60", |r| jpeg(r, 60)),
    ("upside down", |r| Ok(seen(r, 1.0, |[x, y], [_, h]| [x, h - 1.0 - y]))),
    ("three quarter turns", |r| Ok(quarter(&quarter(&quarter(r))))),
    ("turned by 16°", |r| Ok(turned(r, 16.0))),
    ("to 66 %", |r| Ok(resized(r, 0.66))),
    ("shifted by 6 and 11 %", |r| Ok(seen(r, 1.0, |[x, y], [w, h]| [x - 0.06 * w, y + 0.11 * h]))),
    ("cropped to 80 %", |r| Ok(seen(r, 0.8, |[x, y], [w, h]| [x + 0.15 * w, y + 0.02 * h]))),
    ("framed by 8 %", |r| Ok(framed(r, 0.08))),
    ("warped by 0.7 %", |r| Ok(warped(r, 0.007))),
];

/// What may be done to a part before or after it is pasted, and leaves its finest detail little.
pub const WEAKENED: [Evasion; 5] = [
    ("blur 1", |r| Ok(blurred(r, 1.0))),
    ("blur 1.4", |r| Ok(blurred(r, 1.4))),
    ("noise 0.04", |r| Ok(noisy(r, 0.04))),
    ("JPEG 50", |r| jpeg(r, 50)),
    ("to 66 % and back", |r| Ok(smaller_and_back(r, 0.66))),
];

/// The same in other amounts, which no limit was set with.
pub const WEAKENED_HELD_OUT: [Evasion; 5] = [
    ("blur 0.8", |r| Ok(blurred(r, 0.8))),
    ("blur 1.2", |r| Ok(blurred(r, 1.2))),
    ("noise 0.03", |r| Ok(noisy(r, 0.03))),
    ("JPEG 60", |r| jpeg(r, 60)),
    ("to 75 % and back", |r| Ok(smaller_and_back(r, 0.75))),
];

fn blurred(raster: &Raster, sigma: f32) -> Raster {
    each(raster, |plane| gaussian(plane, sigma, 3.0))
}

fn smaller_and_back(raster: &Raster, size: f32) -> Raster {
    let (width, height) = (raster.width() as usize, raster.height() as usize);
    each(&resized(raster, size), |plane| {
        resize(plane, width, height, Kernel::Cubic).map(|v| v.clamp(0.0, 1.0))
    })
}

fn resized(raster: &Raster, size: f32) -> Raster {
    each(raster, |plane| resize(plane, share(plane.width(), size), share(plane.height(), size), Kernel::Area))
}

fn each(raster: &Raster, f: impl Fn(&Plane) -> Plane) -> Raster {
    let planes: Vec<Plane> = raster.planes().iter().map(f).collect();
    Raster::from_planes(&planes, raster.depth())
}

fn toned(raster: &Raster, f: impl Fn(f32) -> f32) -> Raster {
    each(raster, |plane| plane.map(|v| f(v).clamp(0.0, 1.0)))
}

fn share(n: usize, share: f32) -> usize {
    (n as f32 * share).round() as usize
}

/// Luma along another false-colour scale.
fn recoloured(raster: &Raster, [red, green, blue]: [f32; 3]) -> Raster {
    let luma = raster.luma();
    let planes =
        [luma.map(|v| v.powf(red)), luma.map(|v| v.powf(green)), luma.map(|v| 0.6 * (1.0 - v).powf(blue))];
    Raster::from_planes(&planes, raster.depth())
}

fn noisy(raster: &Raster, sigma: f32) -> Raster {
    let stream = Stream::new(7, "evasion");
    let planes: Vec<Plane> = raster
        .planes()
        .iter()
        .zip(0..)
        .map(|(plane, channel)| {
            let stream = stream.child(channel);
            let at = |x: usize, y: usize| stream.normal((y * plane.width() + x) as u64) as f32;
            Plane::from_fn(plane.width(), plane.height(), |x, y| {
                (plane.at(x, y) + sigma * at(x, y)).clamp(0.0, 1.0)
            })
        })
        .collect();
    Raster::from_planes(&planes, raster.depth())
}

fn jpeg(raster: &Raster, quality: u8) -> Made {
    Ok(decode(&encode(raster, Format::Jpeg, quality)?, &Limits::default())?.raster.flatten())
}

fn quarter(raster: &Raster) -> Raster {
    each(raster, |plane| {
        Plane::from_fn(plane.height(), plane.width(), |x, y| plane.at(y, plane.height() - 1 - x))
    })
}

pub fn turned(raster: &Raster, degrees: f32) -> Raster {
    let (sin, cos) = degrees.to_radians().sin_cos();
    seen(raster, 1.0, |[x, y], [w, h]| {
        let (dx, dy) = (x - (w - 1.0) / 2.0, y - (h - 1.0) / 2.0);
        [(w - 1.0) / 2.0 + cos * dx - sin * dy, (h - 1.0) / 2.0 + sin * dx + cos * dy]
    })
}

/// A frame of the mean brightness.
fn framed(raster: &Raster, border: f32) -> Raster {
    each(raster, |plane| {
        let (left, top) = (share(plane.width(), border), share(plane.height(), border));
        let mean = plane.mean() as f32;
        Plane::from_fn(plane.width() + 2 * left, plane.height() + 2 * top, |x, y| {
            let inside =
                (left..left + plane.width()).contains(&x) && (top..top + plane.height()).contains(&y);
            if inside { plane.at(x - left, y - top) } else { mean }
        })
    })
}

/// A smooth displacement by a share of the short side, of a wave and a half across the picture.
fn warped(raster: &Raster, by: f32) -> Raster {
    seen(raster, 1.0, |[x, y], [w, h]| {
        let wave = |along: f32, phase: f32| by * w.min(h) * (9.4 * along + phase).sin();
        [x + wave(y / h, 0.4), y + wave(x / w, 2.0)]
    })
}

/// A picture whose sides are `size` times those of `raster`, which shows at each place what lies where `from` says, given
/// place and size; mirrored outside.
fn seen(raster: &Raster, size: f32, from: impl Fn([f32; 2], [f32; 2]) -> [f32; 2]) -> Raster {
    each(raster, |plane| {
        let whole = [plane.width() as f32, plane.height() as f32];
        Plane::from_fn(share(plane.width(), size), share(plane.height(), size), |x, y| {
            let [u, v] = from([x as f32, y as f32], whole);
            cubic(plane, u, v)
        })
    })
}

/// Catmull–Rom: bilinear interpolation would blur beside.
fn cubic(plane: &Plane, x: f32, y: f32) -> f32 {
    let weights = |t: f32| {
        let (t2, t3) = (t * t, t * t * t);
        [
            -0.5 * t3 + t2 - 0.5 * t,
            1.5 * t3 - 2.5 * t2 + 1.0,
            -1.5 * t3 + 2.0 * t2 + 0.5 * t,
            0.5 * t3 - 0.5 * t2,
        ]
    };
    let (x0, y0) = (x.floor(), y.floor());
    let (across, down) = (weights(x - x0), weights(y - y0));
    let mut sum = 0.0;
    for (j, wy) in down.iter().enumerate() {
        let row = mirror(y0 as isize + j as isize - 1, plane.height());
        for (i, wx) in across.iter().enumerate() {
            sum += wx * wy * plane.at(mirror(x0 as isize + i as isize - 1, plane.width()), row);
        }
    }
    sum.clamp(0.0, 1.0)
}
