//! `policy check --map`: where two pictures agree.

use std::fs;

use crate::common::Lab;

#[test]
fn a_map_is_drawn_beside_the_figures_and_nothing_is_overwritten() {
    let lab = Lab::new();
    lab.specimen("ref.png", 1);
    lab.specimen("other.png", 2);
    let check = ["policy", "check", "ref.png", "other.png", "--json"];
    let plain = lab.run(check).expect(0).json();
    let mapped = lab.run([&check[..], &["--map", "map.png"]].concat()).expect(0).json();
    assert_eq!(mapped["deviation"], plain["deviation"]);
    assert_eq!((&mapped["map"], plain["map"].is_null()), (&"map.png".into(), true));
    let drawn = fs::read(lab.path("map.png")).expect("it is written");
    // Three panels of 320 pixels with 8 between.
    assert_eq!((&drawn[1..4], &drawn[16..20]), (&b"PNG"[..], &976u32.to_be_bytes()[..]));
    for (out, said) in [
        ("map.png", "already exists"),
        ("map.jpg", "a map is a PNG"),
        ("ref.png", "would overwrite its own picture"),
    ] {
        let ended = lab.run([&check[..4], &["--map", out]].concat()).expect(2);
        assert!(ended.stderr.contains(said), "{out}: {}", ended.stderr);
    }
    assert_eq!(fs::read(lab.path("map.png")).expect("it is there"), drawn);
}
