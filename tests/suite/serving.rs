//! The pages in a real browser: what people do, how it looks, and that everyone can use it.
#![cfg(unix)]

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::browser::Browser;
use crate::common::Lab;
use crate::tampered::with_pixels;

/// `vidimus serve` in a laboratory.
pub struct Served {
    child: Child,
    pub address: String,
}

impl Served {
    pub fn start(lab: &Lab, args: &[&str]) -> Self {
        let mut command = lab.command([&["serve", "--bind", "127.0.0.1:0"], args].concat());
        let mut child =
            command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("the program starts");
        let mut address = String::new();
        let stdout = child.stdout.take().expect("piped");
        BufReader::new(stdout).read_line(&mut address).expect("it says where it is");
        Served { child, address: address.trim().trim_end_matches('/').to_owned() }
    }

    /// Ctrl-C; how it ends.
    pub fn stop(mut self) -> i32 {
        let sent = Command::new("kill").args(["-INT", &self.child.id().to_string()]).status();
        assert!(sent.expect("kill is there").success());
        let began = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("a child") {
                return status.code().unwrap_or(-1);
            }
            assert!(began.elapsed() < Duration::from_secs(60), "it does not end");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn specimen(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/specimens").join(name)
}

/// A laboratory with the reference that all tell of.
fn lab() -> Lab {
    let lab = Lab::new();
    std::fs::copy(specimen("adenovirus-colour.png"), lab.path("adenovirus.png")).expect("a copy");
    lab
}

/// Fills the slider by its own means, as a hand would.
fn set(browser: &mut Browser, selector: &str, value: &str) {
    browser.eval(&format!(
        "(() => {{ const field = document.querySelector({selector:?}); field.value = {value:?}; \
         field.dispatchEvent(new Event('input', {{ bubbles: true }})); \
         field.dispatchEvent(new Event('change', {{ bubbles: true }})); }})()"
    ));
}

const OVER: &str = "document.querySelector('.result, .notice') && !document.querySelector('.running')";

#[test]
fn people_make_are_refused_verify_and_look_things_up() {
    let lab = lab();
    let served = Served::start(&lab, &[]);
    let mut browser = Browser::start(&served.address);
    browser.screen(1440, false);

    // Make.
    browser.open("/");
    browser.wait("location.pathname === '/make'");
    browser.choose("#reference", &lab.path("adenovirus.png"));
    browser.wait("document.querySelector('[data-preview]').naturalWidth > 0");
    set(&mut browser, "#subject", "adenovirus virions");
    set(&mut browser, "#strength", "0.8");
    set(&mut browser, "#policy", "strict");
    browser.wait("document.querySelector('#allowed').textContent.includes('Policy strict')");
    set(&mut browser, "#strength", "0.1");
    browser.wait("document.querySelector('.strength').classList.contains('outside')");
    set(&mut browser, "#policy", "default");
    browser.wait("document.querySelector('#allowed').textContent.includes('Policy default')");
    set(&mut browser, "#strength", "0.8");
    browser.inspect("make");
    browser.click("#make button.primary");
    browser.wait("location.pathname.startsWith('/jobs/')");
    browser.wait("document.querySelector('[data-glimpse]')?.naturalWidth > 0");
    browser.picture();
    browser.inspect("job");
    browser.wait(OVER);
    browser.wait("document.querySelector('.compare.live .after')?.naturalWidth > 0");
    assert!(browser.text().contains("Released"), "{}", browser.text());
    set(&mut browser, ".compare input", "30");
    browser.inspect("released");
    browser.plate("make", 900);
    let file = browser.eval(
        "fetch(document.querySelector('a[download]').href).then((r) => r.arrayBuffer()) \
         .then((b) => btoa(Array.from(new Uint8Array(b), (c) => String.fromCharCode(c)).join('')))",
    );
    let file = {
        use base64::Engine as _;
        base64::engine::general_purpose::STANDARD.decode(file.as_str().expect("text")).expect("base64")
    };
    std::fs::write(lab.path("variation.png"), file).expect("writable");
    browser.no_complaints();

    // Refusal, and the way out of it.
    browser.open("/make");
    browser.choose("#reference", &lab.path("adenovirus.png"));
    std::fs::write(lab.path("mask.png"), mask(&lab.path("adenovirus.png"))).expect("writable");
    browser.choose("#mask", &lab.path("mask.png"));
    browser.wait("document.querySelectorAll('[data-preview]')[1].naturalWidth > 0");
    set(&mut browser, "#strength", "0.3");
    set(&mut browser, "#seed", "1");
    browser.inspect("make-masked");
    browser.click("[data-clear]");
    assert_eq!(browser.eval("document.querySelector('#mask').files.length"), 0);
    browser.choose("#mask", &lab.path("mask.png"));
    browser.click("#make button.primary");
    browser.wait(&format!("location.pathname.startsWith('/jobs/') && {OVER}"));
    assert!(browser.text().contains("Too close: "), "{}", browser.text());
    browser.inspect("refused");
    let before = browser.eval("location.pathname");
    browser.click("button[value=auto]");
    browser.wait(&format!("location.pathname !== {before} && {OVER}"));
    browser.wait("document.querySelector('.compare.live .after')?.naturalWidth > 0");
    browser.inspect("auto");
    browser.no_complaints();

    // Verify: intact, stripped, tampered, unrelated.
    lab.run(["specimen", "--out", "unrelated.png", "--kind", "filovirus", "--seed", "77"]).expect(0);
    std::fs::write(lab.path("stripped.jpg"), stripped(&lab.path("variation.png"))).expect("writable");
    std::fs::write(lab.path("tampered.png"), tampered(&lab.path("variation.png"))).expect("writable");
    for (name, file, sentence) in [
        ("intact", "variation.png", "This picture is AI-derived."),
        ("stripped", "stripped.jpg", "This picture is AI-derived."),
        ("tampered", "tampered.png", "The evidence contradicts itself."),
        ("unrelated", "unrelated.png", "No evidence that this picture is AI-derived."),
    ] {
        browser.open("/verify");
        if name == "intact" {
            browser.inspect("verify");
        }
        browser.choose("#picture", &lab.path(file));
        browser.wait("document.querySelector('.verdict')");
        assert!(browser.text().contains(sentence), "{name}: {}", browser.text());
        if matches!(name, "intact" | "stripped") {
            browser.wait("document.querySelectorAll('.chain img').length === 2");
        }
        browser.inspect(&format!("verify-{name}"));
        if name == "stripped" {
            browser.eval("document.querySelector('#verify').hidden = true");
            browser.plate("verify", 900);
        }
    }
    browser.no_complaints();

    // Catalog.
    let again = ["--engine", "patch", "--out", "more", "--seed", "1", "--attempts", "12"];
    for (reference, subject, strength) in [
        ("influenza-colour.png", "influenza virions", "0.85"),
        ("filovirus-colour.png", "filovirus filaments", "0.8"),
        ("bullet.png", "rhabdovirus particles", "0.9"),
    ] {
        let path = specimen(reference);
        let args = ["vary", path.to_str().expect("plain"), "--subject", subject, "--strength", strength];
        lab.run([&args[..], &again].concat()).expect(0);
    }
    // A second generation.
    lab.run(
        [&["vary", "variation.png", "--strength", "0.9", "--subject", "adenovirus virions"][..], &again]
            .concat(),
    )
    .expect(0);
    browser.open("/catalog");
    browser.inspect("catalog");
    browser.plate("catalog", 900);
    set(&mut browser, "#words", "influenza");
    browser.click(".search button");
    browser.wait("location.search.includes('influenza') && document.querySelectorAll('.tile').length >= 1");
    browser.open("/catalog?outcome=refused");
    browser.wait("document.querySelectorAll('.tile.refused').length >= 1");
    browser.click(".tile.refused a");
    browser.wait("location.pathname.startsWith('/runs/') && document.querySelector('table')");
    browser.inspect("run");
    browser.open("/catalog?words=adenovirus&outcome=released");
    browser.eval("[...document.querySelectorAll('.tile a')].at(-1).click()");
    browser.wait(
        "location.pathname.startsWith('/catalog/') && document.querySelectorAll('.graph image').length >= 2",
    );
    browser.inspect("asset");
    browser.plate("asset", 900);

    // The lineage from near and from far, by mouse and by keys.
    let wide = "document.querySelector('.graph svg').getBoundingClientRect().width";
    let before = browser.eval(wide).as_f64().expect("a width");
    browser.click("[data-zoom=in]");
    browser.eval("document.querySelector('.graph').focus()");
    browser.press("+");
    let after = browser.eval(wide).as_f64().expect("a width");
    assert!((after / before - 1.25 * 1.25).abs() < 0.01, "{before} {after}");
    browser.inspect("asset-near");
    browser.press("0");
    let fits =
        "(() => { const g = document.querySelector('.graph'); return g.scrollWidth <= g.clientWidth; })()";
    assert_eq!(browser.eval(fits), true);
    browser.press("-");
    assert!(browser.eval(wide).as_f64().expect("a width") < after);
    // The wheel alone scrolls the page.
    browser.eval("document.querySelector('.graph').dispatchEvent(new WheelEvent('wheel', { deltaY: -100, ctrlKey: true, bubbles: true, cancelable: true }))");
    assert!(
        browser
            .eval("document.querySelector('[data-zoom-told]').textContent")
            .as_str()
            .is_some_and(|told| told.ends_with(" %"))
    );
    browser.no_complaints();

    // What looks like it: of what is on record, and like a file that is dropped.
    browser.click("a[href$='/similar']");
    browser.wait("location.pathname.endsWith('/similar') && document.querySelector('.tile, .empty')");
    browser.inspect("similar");
    browser.open("/catalog");
    browser.choose("#picture", &lab.path("stripped.jpg"));
    browser.wait("location.pathname === '/catalog/similar' && document.querySelector('.tile')");
    let first = browser.eval("document.querySelector('.tile').innerText");
    assert!(first.as_str().is_some_and(|text| text.contains("may be the same picture")), "{first}");
    browser.inspect("similar-file");
    browser.choose("#picture", &lab.path("unrelated.png"));
    browser.wait("document.querySelector('figcaption').textContent.includes('unrelated')");
    browser.no_complaints();

    drop(browser);
    assert_eq!(served.stop(), 0);
    let audit = lab.run(["audit", "--json"]).json();
    assert_eq!(audit["findings"].as_array().map(Vec::len), Some(0), "{audit}");
}

#[test]
fn the_keyboard_alone_is_enough() {
    let lab = lab();
    let served = Served::start(&lab, &[]);
    let mut browser = Browser::start(&served.address);
    browser.screen(1440, false);
    browser.open("/verify");
    browser.tab_to("a.skip");
    browser.press("Enter");
    browser.tab_to("#picture");
    // What the system's own window would choose.
    browser.choose("#picture", &lab.path("adenovirus.png"));
    browser.wait("document.querySelector('.verdict')");
    assert_eq!(browser.eval("document.activeElement.id"), "sentence", "the verdict is read out");
    browser.open("/make");
    browser.tab_to("#reference");
    browser.choose("#reference", &lab.path("adenovirus.png"));
    browser.tab_to("#subject");
    "virions".chars().for_each(|letter| browser.press(&letter.to_string()));
    browser.tab_to("#strength");
    let before = browser.eval("document.querySelector('#strength').value");
    browser.press("ArrowRight");
    assert_ne!(browser.eval("document.querySelector('#strength').value"), before);
    browser.tab_to("[name=auto]");
    browser.press(" ");
    assert_eq!(browser.eval("document.querySelector('[name=auto]').checked"), true);
    browser.press(" ");
    browser.tab_to("#make button.primary");
    browser.press("Enter");
    browser.wait("location.pathname.startsWith('/jobs/') && document.querySelector('.running button')");
    browser.tab_to(".running button");
    browser.press("Enter");
    browser.wait("document.querySelector('.notice')");
    assert!(browser.text().contains("Cancelled"), "{}", browser.text());
    browser.tab_to("nav a[href='/catalog']");
    browser.press("Enter");
    browser.wait("location.pathname === '/catalog'");
    browser.tab_to("#words");
    browser.tab_to(".search button");
    browser.tab_to("#picture");
    browser.no_complaints();
}

/// White but for a small corner, and as large as the picture at `path`.
fn mask(path: &Path) -> Vec<u8> {
    let (width, height) = image::image_dimensions(path).expect("a picture");
    let level = |x, y| image::Luma([if x < 12 && y < 12 { 0u8 } else { 255 }]);
    let mut out = std::io::Cursor::new(Vec::new());
    let mask = image::GrayImage::from_fn(width, height, level);
    mask.write_to(&mut out, image::ImageFormat::Png).expect("it encodes");
    out.into_inner()
}

/// The pixels alone, as a messenger sends them on.
fn stripped(path: &Path) -> Vec<u8> {
    let picture = image::load_from_memory(&std::fs::read(path).expect("there")).expect("a picture").to_rgb8();
    let mut out = Vec::new();
    image::codecs::jpeg::JpegEncoder::new_with_quality(&mut out, 85)
        .encode_image(&picture)
        .expect("it encodes");
    out
}

/// Other pixels under the same manifest.
fn tampered(path: &Path) -> Vec<u8> {
    let mut picture =
        image::load_from_memory(&std::fs::read(path).expect("there")).expect("a picture").to_rgb8();
    for (x, y) in (40..120).flat_map(|x| (40..90).map(move |y| (x, y))) {
        picture.put_pixel(x, y, image::Rgb([200, 190, 170]));
    }
    let drawn = path.with_file_name("drawn.png");
    picture.save(&drawn).expect("writable");
    with_pixels(path, &drawn)
}
