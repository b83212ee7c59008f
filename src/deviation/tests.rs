//! The measure as a whole, on pictures drawn here: stained particles on a grainy film.

use super::*;
use crate::random::Stream;
use crate::raster::filter::gaussian;
use crate::raster::{Depth, Format, Kernel, Limits, decode, encode, resize};

const WIDTH: usize = 256;
const HEIGHT: usize = 192;

/// Where the particles lie.
struct Layout {
    particles: Vec<(f32, f32, f32)>,
}

impl Layout {
    fn new(seed: u64) -> Layout {
        let stream = Stream::new(seed, "layout");
        let mut particles: Vec<(f32, f32, f32)> = Vec::new();
        for i in 0..400u64 {
            let at = |k: u64, low: f64, high: f64| stream.range(4 * i + k, low, high) as f32;
            let p = (at(0, 0.0, WIDTH as f64), at(1, 0.0, HEIGHT as f64), at(2, 9.0, 16.0));
            if particles.iter().all(|q| (p.0 - q.0).hypot(p.1 - q.1) > p.2 + q.2) {
                particles.push(p);
            }
            if particles.len() == 22 {
                break;
            }
        }
        Layout { particles }
    }

    /// The picture of this layout with the particles' inner structure and the film's grain under `seed`.
    fn draw(&self, seed: u64) -> Plane {
        let grain = Stream::new(seed, "grain");
        let noise = |name, sigma: f32| {
            let stream = grain.child(name);
            let white = Plane::from_fn(WIDTH, HEIGHT, |x, y| stream.normal((y * WIDTH + x) as u64) as f32);
            let smooth = gaussian(&white, sigma, 4.0);
            let scale = 1.0 / smooth.std() as f32;
            smooth.map(|v| v * scale)
        };
        let (film, granules, waves) = (noise(1, 1.0), noise(2, 1.8), noise(3, 12.0));
        Plane::from_fn(WIDTH, HEIGHT, |x, y| {
            let mut value = 0.5 + 0.03 * film.at(x, y) + 0.05 * waves.at(x, y);
            for (i, (px, py, radius)) in self.particles.iter().enumerate() {
                let (dx, dy) = (x as f32 - px, y as f32 - py);
                let (distance, angle) = (dx.hypot(dy), dy.atan2(dx));
                let phase = 6.0 * grain.child(9).uniform(i as u64) as f32;
                let edge = radius * (1.0 + 0.08 * (11.0 * angle + phase).sin());
                let inside = (edge - distance).clamp(-0.5, 0.5) + 0.5;
                let body = 0.68 + 0.07 * granules.at(x, y);
                let rim = -0.25 * (-((distance - edge - 2.0) / 2.5).powi(2)).exp();
                value = value * (1.0 - inside) + body * inside + rim * (1.0 - inside);
            }
            value.clamp(0.0, 1.0)
        })
    }
}

fn grey(plane: &Plane) -> Raster {
    Raster::from_planes(std::slice::from_ref(plane), Depth::Eight)
}

fn field(seed: u64) -> Plane {
    Layout::new(seed).draw(seed)
}

fn deviation(reference: &Raster, output: &Raster) -> f64 {
    measure(reference, output).expect("large enough").deviation
}

fn jpeg(raster: &Raster, quality: u8) -> Raster {
    let bytes = encode(raster, Format::Jpeg, quality).expect("encodes");
    decode(&bytes, &Limits::default()).expect("decodes").raster
}

fn moved(plane: &Plane, width: usize, height: usize, from: impl Fn(f32, f32) -> (f32, f32)) -> Plane {
    Plane::from_fn(width, height, |x, y| {
        let (x, y) = from(x as f32, y as f32);
        plane.bilinear(x, y)
    })
}

fn turned(plane: &Plane, degrees: f32) -> Plane {
    let (sin, cos) = degrees.to_radians().sin_cos();
    let (cx, cy) = (WIDTH as f32 / 2.0, HEIGHT as f32 / 2.0);
    moved(plane, WIDTH, HEIGHT, |x, y| {
        let (x, y) = (x - cx, y - cy);
        (cos * x - sin * y + cx, sin * x + cos * y + cy)
    })
}

fn cropped(plane: &Plane, x0: usize, y0: usize, width: usize, height: usize) -> Plane {
    Plane::from_fn(width, height, |x, y| plane.at(x + x0, y + y0))
}

fn noisy(plane: &Plane, sigma: f32) -> Plane {
    let stream = Stream::new(77, "noise");
    let noise =
        Plane::from_fn(plane.width(), plane.height(), |x, y| stream.normal((y * 4096 + x) as u64) as f32);
    plane.zip(&noise, |v, n| v + sigma * n)
}

fn mirrored(plane: &Plane) -> Plane {
    Plane::from_fn(plane.width(), plane.height(), |x, y| plane.at(plane.width() - 1 - x, y))
}

fn quarter_turned(plane: &Plane) -> Plane {
    Plane::from_fn(plane.height(), plane.width(), |x, y| plane.at(y, plane.height() - 1 - x))
}

/// Every near-copy that a default policy has to refuse, by name.
fn evasions(p: &Plane) -> Vec<(&'static str, Raster)> {
    let tinted = |p: &Plane| {
        let channel = |gain: f32, power: f32| p.map(|v| gain * v.clamp(0.0, 1.0).powf(power));
        Raster::from_planes(&[channel(0.9, 1.4), channel(0.7, 1.0), channel(1.0, 0.6)], Depth::Eight)
    };
    let false_coloured = |p: &Plane| {
        // The usual rainbow scale: its luma rises, falls and rises again.
        let channel = |centre: f32| p.map(|v| 1.5 - (4.0 * v.clamp(0.0, 1.0) - centre).abs());
        Raster::from_planes(&[channel(3.0), channel(2.0), channel(1.0)], Depth::Eight)
    };
    let written_on = |p: &Plane| {
        let mut p = p.clone();
        for y in 60..110 {
            p.data_mut()[y * WIDTH + 90..y * WIDTH + 150].fill(0.0);
        }
        p
    };
    let framed = Plane::from_fn(WIDTH + 50, HEIGHT + 30, |x, y| {
        if (30..30 + WIDTH).contains(&x) && (10..10 + HEIGHT).contains(&y) {
            p.at(x - 30, y - 10)
        } else {
            1.0
        }
    });
    let two_and_a_half = |k: f32| (k / 60.0).sin() * 2.5;
    vec![
        ("brighter", grey(&p.map(|v| v + 0.12))),
        ("darker", grey(&p.map(|v| v * 0.5))),
        ("contrast", grey(&p.map(|v| (v - 0.5) * 1.6 + 0.5))),
        ("gamma 0.5", grey(&p.map(|v| v.sqrt()))),
        ("gamma 2.2", grey(&p.map(|v| v.powf(2.2)))),
        ("inverted", grey(&p.map(|v| 1.0 - v))),
        ("tinted", tinted(p)),
        ("false colour", false_coloured(p)),
        ("written on", grey(&written_on(p))),
        ("framed", grey(&framed)),
        ("mirrored", grey(&mirrored(p))),
        ("upside down", grey(&quarter_turned(&quarter_turned(&mirrored(p))))),
        ("quarter turn", grey(&quarter_turned(p))),
        ("half turn", grey(&quarter_turned(&quarter_turned(p)))),
        ("transposed", grey(&quarter_turned(&mirrored(p)))),
        ("turned by 4°", grey(&turned(p, 4.0))),
        ("turned by 25°", grey(&turned(p, 25.0))),
        ("shifted", grey(&moved(p, WIDTH, HEIGHT, |x, y| (x - 21.0, y + 13.0)))),
        ("cropped by a third", grey(&cropped(p, 40, 10, 210, 155))),
        ("cropped by half", grey(&cropped(p, 60, 40, 180, 135))),
        ("shrunk", grey(&resize(p, 180, 135, Kernel::Area))),
        ("enlarged", grey(&resize(p, 410, 307, Kernel::Cubic))),
        ("stretched", grey(&resize(p, 290, 180, Kernel::Cubic))),
        ("blurred", grey(&gaussian(p, 2.0, 4.0))),
        ("strongly blurred", grey(&gaussian(p, 4.0, 4.0))),
        ("noisy", grey(&noisy(p, 0.06))),
        ("new grain", grey(&noisy(&gaussian(p, 1.2, 4.0), 0.04))),
        ("JPEG 50", jpeg(&grey(p), 50)),
        ("JPEG 10", jpeg(&grey(p), 10)),
        (
            "warped",
            grey(&moved(p, WIDTH, HEIGHT, |x, y| (x + two_and_a_half(y * 4.0), y + two_and_a_half(x * 5.0)))),
        ),
        ("mirrored, cropped, gamma", grey(&cropped(&mirrored(p), 20, 20, 200, 150).map(|v| v.powf(0.6)))),
        ("turned, noisy", grey(&noisy(&turned(p, -7.0), 0.05))),
        ("shrunk, inverted, JPEG 20", jpeg(&grey(&resize(p, 200, 150, Kernel::Area).map(|v| 1.0 - v)), 20)),
        ("blurred, noisy", grey(&noisy(&gaussian(p, 1.5, 4.0), 0.03))),
    ]
}

#[test]
fn a_picture_deviates_by_nothing_from_itself() {
    let picture = grey(&field(1));
    let same = measure(&picture, &picture).expect("large enough");
    assert_eq!((same.deviation, same.detail, same.composition), (0.0, 1.0, 0.0));
    assert_eq!(same.psnr_db, 100.0);
}

#[test]
fn no_evasion_takes_a_near_copy_over_the_boundary() {
    let plane = field(1);
    let reference = grey(&plane);
    for (name, output) in evasions(&plane) {
        let found = measure(&reference, &output).expect("large enough");
        assert!(found.deviation < 0.5, "{name}: {found:?}");
    }
}

#[test]
fn other_fields_of_the_same_specimen_are_far() {
    for (a, b) in [(1, 2), (3, 4), (5, 6)] {
        let found = deviation(&grey(&field(a)), &grey(&field(b)));
        assert!(found > 0.6, "fields {a} and {b}: {found}");
    }
}

#[test]
fn a_kept_arrangement_with_redrawn_particles_is_released() {
    for seed in [1, 2] {
        let layout = Layout::new(seed);
        // Outlines wobble, inner structure and film are new; the places are kept.
        let place = Stream::new(seed, "places");
        let moved = Layout {
            particles: layout
                .particles
                .iter()
                .enumerate()
                .map(|(i, (x, y, r))| {
                    let shift = |k| place.range(3 * i as u64 + k, -3.0, 3.0) as f32;
                    (x + shift(0), y + shift(1), r * (1.0 + 0.05 * shift(2)))
                })
                .collect(),
        };
        let found = measure(&grey(&layout.draw(seed)), &grey(&moved.draw(seed + 100))).expect("large enough");
        assert!(found.deviation > 0.5, "layout {seed}: {found:?}");
        assert!(found.composition < 0.8, "layout {seed}: {found:?}");
    }
}

#[test]
fn half_a_copy_is_too_close() {
    let (a, b) = (field(1), field(2));
    let joined = Plane::from_fn(WIDTH, HEIGHT, |x, y| if x < WIDTH / 2 { a.at(x, y) } else { b.at(x, y) });
    let found = measure(&grey(&a), &grey(&joined)).expect("large enough");
    assert!(found.deviation < 0.5 && found.copied_area > 0.3, "{found:?}");
}

#[test]
fn a_quarter_that_was_moved_and_mirrored_is_found() {
    let (a, b) = (mirrored(&field(1)), field(2));
    let joined = Plane::from_fn(WIDTH, HEIGHT, |x, y| {
        if x < WIDTH / 2 && y >= HEIGHT / 2 { a.at(x + 100, y - HEIGHT / 2 + 10) } else { b.at(x, y) }
    });
    let found = measure(&grey(&field(1)), &grey(&joined)).expect("large enough");
    assert!(found.deviation < 0.5 && (0.15..0.4).contains(&found.copied_area), "{found:?}");
}

/// A patch of 58 × 43 pixels, one twentieth of the area, out of the middle.
#[test]
fn a_twentieth_of_the_area_is_found_at_any_turn() {
    let (a, b) = (field(1), field(2));
    for (name, from) in
        [("as is", a.clone()), ("turned", turned(&a, 30.0)), ("both", turned(&mirrored(&a), 77.0))]
    {
        let joined = Plane::from_fn(WIDTH, HEIGHT, |x, y| {
            let inside = (30..88).contains(&x) && (100..143).contains(&y);
            if inside { from.at(x + 69, y - 25) } else { b.at(x, y) }
        });
        let known = Prepared::of(&grey(&a)).expect("large enough");
        let found = known.measure(&grey(&joined)).expect("large enough");
        assert!(found.deviation < 0.5 && (0.02..0.1).contains(&found.copied_area), "{name}: {found:?}");
        assert_eq!(
            known.measure(&grey(&b)),
            measure(&grey(&a), &grey(&b)),
            "what was measured leaves no trace"
        );
    }
}

/// A patch of 82 × 60 pixels, one tenth of the area, that lost its finest detail.
#[test]
fn a_tenth_of_the_area_is_found_though_it_was_weakened() {
    let (a, b) = (field(1), field(2));
    let joined = Plane::from_fn(WIDTH, HEIGHT, |x, y| {
        let inside = (30..112).contains(&x) && (100..160).contains(&y);
        if inside { a.at(x + 57, y - 34) } else { b.at(x, y) }
    });
    let reference = Prepared::of(&grey(&a)).expect("large enough");
    let weakened = [
        ("blurred", grey(&gaussian(&joined, 1.2, 4.0))),
        ("noisy", grey(&noisy(&joined, 0.03))),
        ("JPEG 60", jpeg(&grey(&joined), 60)),
        ("smaller", grey(&resize(&resize(&joined, 192, 144, Kernel::Area), WIDTH, HEIGHT, Kernel::Cubic))),
    ];
    for (name, output) in weakened {
        let found = reference.measure(&output).expect("large enough");
        assert!(found.deviation < 0.5 && found.copied_area > 0.03, "{name}: {found:?}");
        assert!(found.detail < 0.5, "{name}: {found:?}");
    }
}

#[test]
fn the_order_of_the_pair_matters_little() {
    let (a, b) = (grey(&field(1)), grey(&field(2)));
    let copy = jpeg(&grey(&turned(&field(1), 5.0)), 40);
    for (x, y) in [(&a, &b), (&a, &copy)] {
        assert!((deviation(x, y) - deviation(y, x)).abs() < 0.15);
    }
}

#[test]
fn the_parts_obey_the_formula_in_every_stored_figure() {
    let reference = grey(&field(1));
    for output in [grey(&noisy(&field(1), 0.2)), grey(&field(2)), jpeg(&reference, 5)] {
        let d = measure(&reference, &output).expect("large enough");
        let steps = |v: f64| {
            let steps = (v * 10_000.0).round();
            assert_eq!(steps / 10_000.0, v, "a whole number of 1e-4");
            steps as i64
        };
        assert_eq!(steps(d.deviation), 10_000 - steps(d.detail).max(steps(d.copied)));
        assert!((0.0..=1.0).contains(&d.composition) && (0.0..=1.0).contains(&d.copied_area));
    }
}

#[test]
fn the_same_pair_gives_the_same_figures_on_any_number_of_threads() {
    let (a, b) = (grey(&field(1)), jpeg(&grey(&turned(&field(1), 9.0)), 30));
    let on = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads");
        pool.install(|| measure(&a, &b).expect("large enough"))
    };
    assert_eq!(on(1), on(3));
}

#[test]
fn too_small_a_picture_is_not_judged() {
    let small = grey(&Plane::filled(40, 31, 0.5));
    let large = grey(&field(1));
    let refused = MeasureError::TooSmall { width: 40, height: 31, limit: 32 };
    assert_eq!(measure(&large, &small), Err(refused));
    assert_eq!(measure(&small, &large), Err(refused));
}

#[test]
fn odd_shapes_and_blank_pictures_are_measured() {
    let blank = grey(&Plane::filled(64, 48, 0.5));
    let long = grey(&Plane::from_fn(900, 33, |x, y| ((x * 31 + y * 17) % 64) as f32 / 64.0));
    let tiny = grey(&cropped(&field(1), 60, 60, 32, 32));
    let whole = grey(&field(1));
    for a in [&blank, &long, &tiny, &whole] {
        for b in [&blank, &long, &tiny, &whole] {
            let d = deviation(a, b);
            assert!((0.0..=1.0).contains(&d));
            if a == b {
                assert_eq!(d, 0.0, "{}×{}", a.width(), a.height());
            }
        }
    }
}

#[test]
fn fingerprints_know_a_near_copy_and_not_a_stranger() {
    let plane = field(1);
    let own = fingerprint(&grey(&plane));
    assert_eq!(own.distance(&own), 0);
    let global = [
        "brighter",
        "darker",
        "gamma 0.5",
        "gamma 2.2",
        "inverted",
        "tinted",
        "mirrored",
        "upside down",
        "quarter turn",
        "half turn",
        "transposed",
        "shrunk",
        "enlarged",
        "noisy",
        "JPEG 50",
        "JPEG 10",
    ];
    for (name, output) in evasions(&plane) {
        if global.contains(&name) {
            let found = fingerprint(&output).distance(&own);
            assert!(found <= 31, "{name}: {found}");
        }
    }
    for seed in 2..8 {
        let found = fingerprint(&grey(&field(seed))).distance(&own);
        assert!(found > 60, "field {seed}: {found}");
    }
}

#[test]
fn variants_hold_the_exact_fingerprints_of_symmetric_pictures() {
    let plane = field(3);
    let all = variants(&grey(&plane));
    assert_eq!(all[0], fingerprint(&grey(&plane)));
    let inverted = grey(&plane.map(|v| 1.0 - v));
    let quarter = grey(&quarter_turned(&plane));
    for output in [grey(&mirrored(&plane)), quarter, inverted, grey(&quarter_turned(&mirrored(&plane)))] {
        let found = fingerprint(&output);
        let least = all.iter().map(|v| v.hamming(&found)).min();
        assert!(least <= Some(2), "{least:?}");
    }
}

#[test]
fn every_figure_of_the_arrangement_is_the_number_that_its_decimals_say() {
    for i in 0..=20_000 {
        let figure = composition(f64::from(i) / 20_000.0);
        assert_eq!(format!("{figure:.4}").parse(), Ok(figure), "{figure}");
    }
}

/// A copy of the left half beside new content.
#[test]
fn the_map_shows_where_two_pictures_agree() {
    let [reference, new] = [1, 2].map(|seed| Layout::new(seed).draw(seed));
    let half =
        Plane::from_fn(WIDTH, HEIGHT, |x, y| if x < WIDTH / 2 { reference.at(x, y) } else { new.at(x, y) });
    let [reference, half] = [reference, half].map(|plane| Raster::from_planes(&[plane], Depth::Eight));
    let (deviation, map) = overlay(&reference, &half).expect("large enough");
    assert_eq!(deviation, measure(&reference, &half).expect("large enough"));
    let width = map.width() as usize / 3;
    assert_eq!((map.width(), map.height()), (3 * WIDTH as u32 + 16, HEIGHT as u32));
    let planes = map.planes();
    // Amber has much red and no blue.
    let tint = |from: usize, to: usize| {
        let columns = (2 * (WIDTH + 8) + from)..(2 * (WIDTH + 8) + to);
        let cells = (0..HEIGHT).flat_map(|y| columns.clone().map(move |x| (x, y)));
        cells.map(|(x, y)| f64::from(planes[0].at(x, y) - planes[2].at(x, y))).sum::<f64>()
    };
    let (left, right) = (tint(8, width / 2 - 16), tint(width / 2 + 16, width - 8));
    assert!(left > 4.0 * right.abs(), "{left} {right}");
    let sky = |x: usize, y: usize| planes[2].at(x, y) > 0.95 && planes[0].at(x, y) < 0.3;
    let outlined = (0..HEIGHT).flat_map(|y| (2 * (WIDTH + 8)..3 * WIDTH + 16).map(move |x| (x, y)));
    assert!(outlined.filter(|(x, y)| sky(*x, *y)).count() > HEIGHT / 2);
    let small = Raster::from_planes(&[Plane::filled(20, 20, 0.5)], Depth::Eight);
    assert!(overlay(&small, &small).is_err());
    // A picture with itself, and one in which nothing can be compared.
    assert!(overlay(&half, &half).is_ok());
    let flat = Raster::from_planes(&[Plane::filled(40, 40, 0.5)], Depth::Eight);
    assert!(overlay(&flat, &flat).is_ok());
}
