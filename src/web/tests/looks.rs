//! What looks like a picture, and what people are told who ask wrongly.

use super::*;
use crate::raster::{Limits, Raster, decode};
use crate::release::Outcome;

/// A server that made one variation of `picture(1)`, and the asset that it is.
fn with_a_variation() -> (Served, String) {
    let served = Served::new();
    let (_, place) = served.order(&[("strength", "0.9"), ("subject", "adenovirus virions")]);
    assert_eq!(served.wait(&place), "done");
    let made = served.site.jobs.find(place.trim_start_matches("/jobs/")).expect("known").view().made;
    let Outcome::Released(done) = &made[0].outcome else { panic!("released") };
    (served, done.asset_id.clone())
}

fn like(served: &Served, file: &[u8]) -> (u16, String) {
    let (kind, body) = form(&[], &[("picture", "<i>mine.jpg", file)]);
    let head = format!("POST /catalog/similar HTTP/1.1\r\nContent-Type: {kind}");
    let (status, _, body) = served.send(&head, &body);
    (status, text(&body))
}

fn mirrored(file: &[u8]) -> Vec<u8> {
    let picture = decode(file, &Limits::default()).expect("a picture").raster;
    let (width, height) = (picture.width() as usize, picture.height() as usize);
    let planes: Vec<_> = picture
        .planes()
        .iter()
        .map(|plane| crate::raster::Plane::from_fn(width, height, |x, y| plane.at(width - 1 - x, y)))
        .collect();
    encode(&Raster::from_planes(&planes, picture.depth()), Format::Jpeg, 80).expect("it encodes")
}

#[test]
fn pictures_are_searched_by_looks_from_a_file_and_from_another_on_record() {
    let (served, output) = with_a_variation();
    let page = text(&served.get(&format!("/catalog/{output}")).2);
    assert!(page.contains(&format!("/catalog/{output}/similar")), "{page}");
    // A mirrored and recompressed copy of the reference: first, and known for what it is.
    let (status, page) = like(&served, &mirrored(&picture(1)));
    assert_eq!(status, 200, "{page}");
    let first = page.split("li class=\"tile\"").nth(1).expect("found");
    assert!(first.contains("ref.png") && first.contains("may be the same picture"), "{first}");
    assert!(page.contains("&lt;i&gt;mine.jpg") && !page.contains("<i>mine"));
    // From the asset's page: all but itself.
    let (status, _, body) = served.get(&format!("/catalog/{output}/similar"));
    let page = text(&body);
    assert_eq!(status, 200, "{page}");
    assert!(!page.contains(&format!("/pictures/{output}/small")), "not itself: {page}");
    let file = served.get(&format!("/pictures/{output}/file")).2;
    let (_, page) = like(&served, &file);
    let first = page.split("li class=\"tile\"").nth(1).expect("found");
    assert!(
        first.contains(&format!("/pictures/{output}/small")) && first.contains("deviation 0.00"),
        "{first}"
    );
    // Something else altogether.
    let other = Specimen {
        kind: Kind::Filovirus,
        width: 300,
        height: 260,
        seed: crate::quantity::Seed(9),
        colour: Colour::Grey,
    };
    let other = encode(&other.render().expect("a specimen"), Format::Png, 90).expect("it encodes");
    let (status, page) = like(&served, &other);
    assert!(status == 200 && page.contains("Nothing on record looks like it."), "{page}");
}

#[test]
fn a_search_by_looks_that_cannot_be_done_says_why() {
    let served = Served::new();
    let (status, page) = like(&served, b"no picture");
    assert!(status == 422 && page.contains("not a picture that can be read"), "{page}");
    let (status, page) = like(&served, b"");
    assert!(status == 400 && page.contains("choose a file"), "{page}");
    assert_eq!(served.get("/catalog/01ARZ3NDEKTSV4RRFFQ69G5FAV/similar").0, 404);
    let (status, page) = like(&served, &picture(1));
    assert!(status == 200 && page.contains("Nothing on record looks like it."), "{page}");
    let public = Served::with(|settings| settings.verify_only = true, |_| {});
    assert_eq!(like(&public, &picture(1)).0, 404);
}

#[test]
fn people_get_pages_and_programs_get_json_for_what_cannot_be_done() {
    let served = Served::new();
    for (line, status) in [
        ("POST /jobs/none/cancel", 404),
        ("POST /jobs/none/again", 404),
        ("GET /pictures/none/large", 404),
        ("GET /nowhere", 404),
        ("GET /static/none.js", 404),
    ] {
        let kind = "Content-Type: application/x-www-form-urlencoded";
        let body: &[u8] = if line.starts_with("POST") { b"strength=auto" } else { b"" };
        let browser = format!("{line} HTTP/1.1\r\n{kind}\r\nAccept: text/html,application/xhtml+xml");
        let (found, head, page) = served.send(&browser, body);
        let page = text(&page);
        assert_eq!(found, status, "{line}");
        let told = page.to_lowercase().contains("there is no such page");
        assert!(head.contains("content-type: text/html") && told, "{line}: {head} {page}");
        let (found, head, _) = served.send(&format!("{line} HTTP/1.1\r\n{kind}"), body);
        assert!(found == status && head.contains("content-type: application/json"), "{line}: {head}");
    }
    // What is refused before anything else is looked at.
    let (status, head, _) =
        served.send("POST /make HTTP/1.1\r\nOrigin: http://evil.example\r\nAccept: text/html", b"x");
    assert!(status == 403 && head.contains("content-type: text/html"), "{head}");
}
