//! AUTOMATIC1111's infotext: the prompt, `Negative prompt:`, and one line of settings. Forge, SD.Next and Fooocus write it,
//! too, into PNG `parameters`, EXIF `UserComment` and JPEG comments.

use super::super::{Parameters, shorten};
use super::{PROMPT, Said, fields};
use crate::quantity::Strength;

const NEGATIVE: &str = "Negative prompt:";

pub(super) fn read(value: &str) -> Option<Said> {
    let at = value
        .rfind("Steps: ")
        .filter(|at| *at == 0 || value[..*at].trim_end_matches([' ', '\t', '\r']).ends_with('\n'))?;
    let (told, line) = value.split_at(at);
    let line = line.lines().next()?;
    let settings = settings(line);
    let get = |name: &str| settings.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
    let number = |name: &str| get(name)?.parse::<f64>().ok().filter(|number| number.is_finite());
    let version = get("Version");
    let tool = match (get("App"), version) {
        (Some("SD.Next"), _) => "SD.Next",
        (_, Some(version)) if version.starts_with("ComfyUI") => "ComfyUI",
        (_, Some(version)) if version.starts_with("Fooocus") => "Fooocus",
        (_, Some(version)) if version.starts_with("neo") => "stable-diffusion-webui-forge",
        (_, Some(version)) if version.starts_with('f') => "stable-diffusion-webui-forge",
        _ => "stable-diffusion-webui",
    };
    // A second pass over a picture of its own has a strength, too.
    let hires = settings.iter().any(|(key, _)| key.starts_with("Hires "));
    let denoise = number("Denoising strength").and_then(Strength::new).filter(|_| !hires);
    let inpainted = settings.iter().any(|(key, _)| key.starts_with("Mask ") || key.starts_with("Inpaint "));
    let img2img = match (denoise, version) {
        _ if inpainted => Some(true),
        (Some(_), _) => Some(true),
        // These programs write it whenever there is a picture.
        (None, Some(_)) => Some(false),
        (None, None) => None,
    };
    let prompt = told.split(NEGATIVE).next().unwrap_or_default();
    let parameters = Parameters {
        version: version.map(|version| shorten(version, 60)),
        model: get("Model").map(|model| shorten(model, 120)),
        prompt: Some(shorten(prompt, PROMPT)).filter(|prompt| !prompt.is_empty()),
        seed: get("Seed").and_then(|seed| seed.parse().ok()),
        strength: denoise,
        img2img,
        steps: number("Steps").and_then(fields::count),
        guidance: number("CFG scale"),
        sampler: get("Sampler").map(|sampler| shorten(sampler, 60)),
        ..Parameters::default()
    };
    Some(Said::new(tool, line.trim().to_owned(), parameters))
}

/// `Key: value` pairs between commas; a value in quotes is JSON's.
fn settings(line: &str) -> Vec<(String, String)> {
    /// Nobody has as many.
    const MOST: usize = 200;
    let mut rest = line.trim();
    let mut found = Vec::new();
    while let Some((key, after)) = rest.split_once(':') {
        let after = after.trim_start();
        let end = match after.starts_with('"') {
            true => quoted(after),
            false => after.find(',').unwrap_or(after.len()),
        };
        let value = after[..end].trim().trim_matches('"');
        found.push((key.trim().to_owned(), value.to_owned()));
        rest = after[end..].trim_start().trim_start_matches(',').trim_start();
        if found.len() == MOST {
            break;
        }
    }
    found
}

/// Where a text in quotes ends, behind its second quote.
fn quoted(text: &str) -> usize {
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::quantity::Seed;
    use proptest::prelude::*;

    const IMG2IMG: &str = "virions, negative stain\nNegative prompt: text\nSteps: 20, Sampler: Euler a, Schedule type: \
        Automatic, CFG scale: 7.5, Seed: 18446744073709551615, Size: 512x512, Model hash: 6ce0161689, Model: \
        v1-5-pruned-emaonly, Denoising strength: 0.55, Lora hashes: \"a: 1, b: 2\", Version: v1.9.0";

    #[test]
    fn all_that_is_said_is_read() {
        let said = read(IMG2IMG).expect("it is infotext");
        assert_eq!(said.tool, "stable-diffusion-webui");
        assert!(said.statement.starts_with("Steps: 20, ") && !said.statement.contains("virions"));
        let p = said.parameters;
        assert_eq!(p.prompt.as_deref(), Some("virions, negative stain"));
        assert_eq!((p.seed, p.strength, p.img2img), (Some(Seed(u64::MAX)), Strength::new(0.55), Some(true)));
        assert_eq!((p.steps, p.guidance, p.sampler.as_deref()), (Some(20), Some(7.5), Some("Euler a")));
        assert_eq!((p.model.as_deref(), p.version.as_deref()), (Some("v1-5-pruned-emaonly"), Some("v1.9.0")));
    }

    #[test]
    fn a_second_pass_over_its_own_picture_is_no_img2img() {
        let text = "virions\nSteps: 20, Seed: 1, Denoising strength: 0.4, Hires upscale: 2, Hires steps: 10, Version: v1.9.0";
        let p = read(text).expect("it is infotext").parameters;
        assert_eq!((p.strength, p.img2img), (None, Some(false)));
        let p = read("Steps: 20, Seed: 1").expect("it is infotext").parameters;
        assert_eq!((p.strength, p.img2img, p.prompt), (None, None, None));
    }

    #[test]
    fn its_kin_are_told_apart() {
        let tool = |end: &str| read(&format!("x\nSteps: 4, Seed: 1, {end}")).expect("it is infotext").tool;
        assert_eq!(tool("Version: f2.0.1v1.10.1-previous-669"), "stable-diffusion-webui-forge");
        assert_eq!(tool("Version: Fooocus v2.5.5"), "Fooocus");
        assert_eq!(tool("App: SD.Next, Version: 0eb4a98"), "SD.Next");
        assert_eq!(tool("Version: ComfyUI"), "ComfyUI");
    }

    #[test]
    fn steps_in_a_prompt_are_none() {
        assert!(read("a staircase with Steps: 20").is_none());
    }

    proptest! {
        #[test]
        fn any_text_can_be_read(text in "(\n|Steps: |[a-z:, \"\\\\é]){0,60}") {
            read(&text);
        }
    }
}
