//! What someone may do to a copy so that it looks like another picture.

use std::error::Error;

use vidimus::random::Stream;
use vidimus::raster::filter::{gaussian, mirror};
use vidimus::raster::{Format, Kernel, Limits, Plane, Raster, decode, encode, resize};

pub type Made = Result<Raster, Box<dyn Error>>;

/// Name and deed.
pub type Evasion = (&'static str, fn(&Raster) -> Made);

pub const ALL: [Evasion; 17] = [
    ("brighter", |r| Ok(toned(r, |v| v + 0.1))),
    ("more contrast", |r| Ok(toned(r, |v| (v - 0.5) * 1.3 + 0.5))),
    ("gamma 0.7", |r| Ok(toned(r, |v| v.powf(0.7)))),
    ("inverted", |r| Ok(toned(r, |v| 1.0 - v))),
    ("recoloured", |r| Ok(recoloured(r))),
    ("16 levels", |r| Ok(toned(r, |v| (15.0 * v).round() / 15.0))),
    ("noise 0.04", |r| Ok(noisy(r))),
    ("blur 1.2", |r| Ok(each(r, |plane| gaussian(plane, 1.2, 3.0)))),
    ("JPEG 50", jpeg),
    ("mirrored", |r| Ok(seen(r, 1.0, |[x, y], [w, _]| [w - 1.0 - x, y]))),
    ("quarter turn", |r| Ok(quarter(r))),
    ("turned by 7°", |r| Ok(turned(r, 7.0))),
    ("to 75 %", |r| {
        Ok(each(r, |plane| {
            resize(plane, share(plane.width(), 0.75), share(plane.height(), 0.75), Kernel::Area)
        }))
    }),
    ("shifted by 8 %", |r| Ok(seen(r, 1.0, |[x, y], [w, h]| [x + 0.08 * w, y + 0.08 * h]))),
    ("cropped to 85 %", |r| Ok(seen(r, 0.85, |[x, y], [w, h]| [x + 0.05 * w, y + 0.1 * h]))),
    ("framed by 12 %", |r| Ok(framed(r))),
    ("warped by 1 %", |r| Ok(warped(r))),
];

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
fn recoloured(raster: &Raster) -> Raster {
    let luma = raster.luma();
    let planes = [luma.map(|v| v.powf(0.8)), luma.map(|v| v * v), luma.map(|v| 0.6 * (1.0 - v))];
    Raster::from_planes(&planes, raster.depth())
}

fn noisy(raster: &Raster) -> Raster {
    let stream = Stream::new(7, "evasion");
    let planes: Vec<Plane> = raster
        .planes()
        .iter()
        .zip(0..)
        .map(|(plane, channel)| {
            let stream = stream.child(channel);
            let at = |x: usize, y: usize| stream.normal((y * plane.width() + x) as u64) as f32;
            Plane::from_fn(plane.width(), plane.height(), |x, y| {
                (plane.at(x, y) + 0.04 * at(x, y)).clamp(0.0, 1.0)
            })
        })
        .collect();
    Raster::from_planes(&planes, raster.depth())
}

fn jpeg(raster: &Raster) -> Made {
    Ok(decode(&encode(raster, Format::Jpeg, 50)?, &Limits::default())?.raster.flatten())
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
fn framed(raster: &Raster) -> Raster {
    each(raster, |plane| {
        let (left, top) = (share(plane.width(), 0.12), share(plane.height(), 0.12));
        let mean = plane.mean() as f32;
        Plane::from_fn(plane.width() + 2 * left, plane.height() + 2 * top, |x, y| {
            let inside =
                (left..left + plane.width()).contains(&x) && (top..top + plane.height()).contains(&y);
            if inside { plane.at(x - left, y - top) } else { mean }
        })
    })
}

/// A smooth displacement of 1 % of the short side, of a wave and a half across the picture.
fn warped(raster: &Raster) -> Raster {
    seen(raster, 1.0, |[x, y], [w, h]| {
        let wave = |along: f32, phase: f32| 0.01 * w.min(h) * (9.4 * along + phase).sin();
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
