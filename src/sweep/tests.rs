use std::path::Path;

use time::macros::datetime;

use super::*;
use crate::digest::Digest;
use crate::generate::patch::PatchEngine;
use crate::policy::Policy;
use crate::specimen::{Colour, Kind, Specimen};

fn specimen(seed: u64) -> Raster {
    let specimen =
        Specimen { kind: Kind::Influenza, width: 240, height: 210, seed: Seed(seed), colour: Colour::Grey };
    specimen.render().expect("a specimen")
}

fn cell(strength: f64, seed: u64, deviation: f64, end: End) -> Cell {
    let deviation = Deviation {
        deviation,
        composition: 0.5,
        detail: 0.1,
        copied: 0.1,
        copied_area: 0.02,
        ssim: 0.1,
        psnr_db: 12.0,
    };
    Cell {
        engine: PatchEngine.describe(),
        strength: Strength::new(strength).expect("within 0..=1"),
        seed: Seed(seed),
        shown: matches!(end, End::Released { .. }).then(|| specimen(seed)),
        small: Some(specimen(seed)),
        end,
        deviation: Some(deviation),
        quality: Some(Quality { kept: Some(0.4), style: 0.3, spectrum_db: 1.0 }),
        seconds: Some(1.5),
        joules: Some(7.2),
    }
}

fn released(name: &str) -> End {
    End::Released { output: Path::new("out").join(name), sha256: Digest::of(name), asset: "01ABC".into() }
}

fn four() -> Vec<Cell> {
    vec![
        cell(0.45, 1, 0.3, End::Refused("too close: <deviation> 0.30".into())),
        cell(0.45, 2, 0.32, End::Failed("cannot mark".into())),
        cell(0.75, 1, 0.6, released("a b#1.png")),
        cell(0.75, 2, 0.7, released("b.png")),
    ]
}

#[test]
fn the_criteria_are_those_of_the_pictures() {
    let all = criteria(&four());
    let [one] = all.as_slice() else { panic!("one engine: {all:?}") };
    assert_eq!((one.engine.as_str(), one.pictures, one.released), ("patch", 4, 2));
    assert!(one.control.is_some_and(|control| (control - 0.894).abs() < 1e-3), "{one:?}");
    assert!(one.spread.is_some_and(|spread| (spread - (0.02 + 0.1) / 2.0 / 2f64.sqrt()).abs() < 1e-9));
    assert_eq!((one.style, one.seconds, one.watt_hours), (Some(0.3), Some(1.5), Some(0.002)));
    // Two fields of view differ, the same twice does not.
    assert!(one.variety.is_some_and(|variety| variety > 0.3), "{one:?}");
    let twice = [cell(0.5, 1, 0.6, released("a")), cell(0.5, 1, 0.6, released("b"))];
    assert!(criteria(&twice)[0].variety.is_some_and(|variety| variety.abs() < 1e-6));
}

#[test]
fn the_page_shows_what_was_released_and_hatches_the_rest() {
    let (reference, cells) = (specimen(9), four());
    let policy = Policy::shipped("default").expect("shipped");
    let sweep = Sweep {
        title: "<b>virions</b>.png",
        sha256: Digest::of("reference"),
        reference: &reference,
        policy: "default",
        limits: policy.limits(),
        prompt: Some("electron microscope image of <things>"),
        cells: &cells,
        made: datetime!(2026-01-01 12:00 UTC),
        folder: Path::new("out"),
    };
    let page = html(&sweep).expect("a page");
    // The reference and two pictures; two places without.
    assert_eq!(page.matches("<img ").count(), 3);
    assert_eq!(page.matches("class=\"none\"").count(), 2);
    assert_eq!(page.matches("<circle").count(), 4);
    assert!(page.contains("href=\"./a%20b%231.png\""), "names are addresses");
    assert!(page.contains("too close: &lt;deviation&gt; 0.30") && !page.contains("<b>virions"));
    assert!(!page.contains("http:") && !page.contains("https:"), "nothing leads to another host");
    // Each picture says of itself what it is.
    let pictures = page.matches("data:image/jpeg;base64,").count();
    assert_eq!(pictures, 3);
}
