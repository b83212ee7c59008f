//! InvokeAI: `invokeai_metadata` since version 3, `sd-metadata` before, and `Dream`, its first command line.

use super::super::{Parameters, shorten};
use super::fields::{Fields, file_name};
use super::{PROMPT, Said, fields, json};
use crate::quantity::Strength;

const TOOL: &str = "InvokeAI";

/// Version 3 and later.
pub(super) fn metadata(value: &str) -> Option<Said> {
    let value = json(value)?;
    let fields = Fields::of(&value)?;
    if !fields.has(&["positive_prompt", "generation_mode", "app_version", "strength", "model"]) {
        return None;
    }
    let mode = fields.text(&["generation_mode"]);
    let source = fields.text(&["init_image"]);
    let img2img = match &mode {
        Some(mode) if mode.contains("txt2img") => Some(false),
        Some(mode) if ["img2img", "inpaint", "outpaint"].iter().any(|known| mode.contains(known)) => {
            Some(true)
        }
        _ => source.as_ref().map(|_| true),
    };
    let model = fields.object("model");
    let model =
        model.and_then(|model| model.text(&["name", "model_name"])).or_else(|| fields.text(&["model"]));
    let parameters = Parameters {
        version: fields.text(&["app_version"]),
        model,
        prompt: fields.prompt(&["positive_prompt"]),
        seed: fields.seed(&["seed"]),
        strength: fields.strength(&["strength"]).filter(|_| img2img != Some(false)),
        img2img,
        source_file: source.and_then(|source| file_name(&source)),
        steps: fields.count(&["steps"]),
        guidance: fields.number(&["cfg_scale"]),
        sampler: fields.text(&["scheduler"]),
        ..Parameters::default()
    };
    Some(Said::new(TOOL, mode.unwrap_or_else(|| "metadata".into()), parameters))
}

/// Version 2: what was asked for stands under `image`.
pub(super) fn older(value: &str) -> Option<Said> {
    let value = json(value)?;
    let fields = Fields::of(&value)?;
    let image = fields.object("image")?;
    let kind = image.text(&["type"]);
    let img2img = match kind.as_deref() {
        Some("txt2img") => Some(false),
        Some("img2img") => Some(true),
        _ => None,
    };
    let parts = image.0.get("prompt").and_then(|prompt| prompt.as_array());
    let prompt = match parts {
        Some(parts) => parts
            .iter()
            .take(50)
            .filter_map(|part| part.get("prompt")?.as_str())
            .collect::<Vec<_>>()
            .join(" "),
        None => image.prompt(&["prompt"]).unwrap_or_default(),
    };
    let parameters = Parameters {
        version: fields.text(&["app_version"]),
        model: fields.text(&["model_weights", "model"]),
        prompt: Some(shorten(&prompt, PROMPT)).filter(|prompt| !prompt.is_empty()),
        seed: image.seed(&["seed"]),
        strength: image.strength(&["strength"]).filter(|_| img2img != Some(false)),
        img2img,
        source_file: image.text(&["init_image_path", "init_image"]).and_then(|path| file_name(&path)),
        steps: image.count(&["steps"]),
        guidance: image.number(&["cfg_scale"]),
        sampler: image.text(&["sampler"]),
        ..Parameters::default()
    };
    Some(Said::new(TOOL, kind.unwrap_or_else(|| "metadata".into()), parameters))
}

/// `"prompt" -s 50 -S 123 -C7.5 -A k_lms -I in.png -f 0.75`: values may follow their letter at once.
pub(super) fn dream(value: &str) -> Option<Said> {
    let (prompt, rest) = value.trim().strip_prefix('"')?.rsplit_once('"')?;
    let mut options: Vec<(char, String)> = Vec::new();
    for word in rest.split_whitespace().take(100) {
        let mut letters = word.chars();
        match (letters.next(), letters.next()) {
            (Some('-'), Some(letter)) if letter.is_ascii_alphabetic() => {
                options.push((letter, letters.collect()));
            }
            _ => {
                if let Some((_, value)) = options.last_mut().filter(|(_, value)| value.is_empty()) {
                    value.push_str(word);
                }
            }
        }
    }
    if options.len() < 2 {
        return None;
    }
    let get =
        |letter: char| options.iter().find(|(known, _)| *known == letter).map(|(_, value)| value.as_str());
    let number = |letter: char| get(letter)?.parse::<f64>().ok().filter(|number| number.is_finite());
    let source = get('I').and_then(file_name);
    let parameters = Parameters {
        prompt: Some(shorten(prompt, PROMPT)).filter(|prompt| !prompt.is_empty()),
        seed: get('S').and_then(|seed| seed.parse().ok()),
        strength: number('f').and_then(Strength::new).filter(|_| source.is_some()),
        img2img: Some(source.is_some()),
        source_file: source,
        steps: number('s').and_then(fields::count),
        guidance: number('C'),
        sampler: get('A').map(|sampler| shorten(sampler, 60)),
        ..Parameters::default()
    };
    Some(Said::new(TOOL, "a command line".into(), parameters))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::quantity::Seed;

    #[test]
    fn every_generation_of_its_metadata_is_read() {
        let three = r#"{"app_version":"4.2.7","generation_mode":"sdxl_img2img","positive_prompt":"virions","seed":7,
            "cfg_scale":5.5,"steps":30,"scheduler":"dpmpp_2m","strength":0.55,"init_image":"outputs/ab-1.png",
            "model":{"key":"x","name":"juggernaut-xl"}}"#;
        let two = r#"{"model":"stable diffusion","model_weights":"juggernaut-xl","app_version":"4.2.7","image":{
            "prompt":[{"prompt":"virions","weight":1}],"steps":30,"cfg_scale":5.5,"sampler":"dpmpp_2m","seed":7,
            "type":"img2img","strength":0.55,"init_image_path":"outputs\\ab-1.png"}}"#;
        for said in [metadata(three), older(two)] {
            let said = said.expect("InvokeAI's");
            let p = said.parameters;
            assert_eq!((said.tool.as_str(), p.prompt.as_deref()), ("InvokeAI", Some("virions")));
            assert_eq!((p.seed, p.strength, p.img2img), (Some(Seed(7)), Strength::new(0.55), Some(true)));
            assert_eq!((p.steps, p.guidance, p.sampler.as_deref()), (Some(30), Some(5.5), Some("dpmpp_2m")));
            assert_eq!(
                (p.model.as_deref(), p.source_file.as_deref()),
                (Some("juggernaut-xl"), Some("ab-1.png"))
            );
        }
        let p = dream("\"a \"big\" virion\" -s50 -S 123 -W512 -C7.5 -Ak_lms -I in/put.png -f0.75")
            .expect("Dream")
            .parameters;
        assert_eq!(
            (p.prompt.as_deref(), p.seed, p.steps),
            (Some("a \"big\" virion"), Some(Seed(123)), Some(50))
        );
        assert_eq!(
            (p.strength, p.img2img, p.source_file.as_deref()),
            (Strength::new(0.75), Some(true), Some("put.png"))
        );
    }

    #[test]
    fn of_no_picture_there_is_no_strength() {
        let p = metadata(r#"{"generation_mode":"txt2img","strength":0.7}"#).expect("InvokeAI's").parameters;
        assert_eq!((p.strength, p.img2img), (None, Some(false)));
        let p = dream("\"x\" -s50 -S1 -f0.75").expect("Dream").parameters;
        assert_eq!((p.strength, p.img2img), (None, Some(false)));
        assert!(dream("\"a quotation\" - and a dash").is_none());
    }
}
