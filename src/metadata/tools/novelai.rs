//! NovelAI's `Comment`: JSON with the prompt and, as `uc`, what it was led away from. Draw Things writes the like with short
//! names.

use super::super::Parameters;
use super::fields::Fields;
use super::{Said, json};

pub(super) fn read(value: &str) -> Option<Said> {
    let value = json(value)?;
    let fields = Fields::of(&value)?;
    if fields.has(&["c"]) && fields.has(&["uc"]) && fields.has(&["model"]) {
        return Some(draw_things(&fields));
    }
    // These names together are nobody else's.
    if !(fields.has(&["uc"]) && fields.has(&["sampler"]) && fields.has(&["scale", "steps"])) {
        return None;
    }
    let kind = fields.text(&["request_type"]);
    let img2img = match kind.as_deref() {
        Some("PromptGenerateRequest") => Some(false),
        Some(kind)
            if kind.contains("Image2Image") || kind.contains("Img2Img") || kind.contains("Inpaint") =>
        {
            Some(true)
        }
        // Only with a picture is there noise of this kind.
        _ => fields.number(&["strength"]).zip(fields.number(&["noise"])).map(|_| true),
    };
    let parameters = Parameters {
        prompt: fields.prompt(&["prompt"]),
        seed: fields.seed(&["seed"]),
        strength: fields.strength(&["strength"]).filter(|_| img2img == Some(true)),
        img2img,
        steps: fields.count(&["steps"]),
        guidance: fields.number(&["scale"]),
        sampler: fields.text(&["sampler"]),
        ..Parameters::default()
    };
    Some(Said::new("NovelAI", kind.unwrap_or_else(|| "settings".into()), parameters))
}

/// `c` is the prompt, `uc` what it was led away from. Its strength is 1 where there was no picture.
fn draw_things(fields: &Fields<'_>) -> Said {
    let strength = fields.strength(&["strength"]);
    let img2img = strength.map(|strength| strength.value() < 1.0);
    let parameters = Parameters {
        model: fields.text(&["model"]),
        prompt: fields.prompt(&["c"]),
        seed: fields.seed(&["seed"]),
        strength: strength.filter(|_| img2img == Some(true)),
        img2img: img2img.filter(|from| *from),
        steps: fields.count(&["steps"]),
        guidance: fields.number(&["scale"]),
        sampler: fields.text(&["sampler"]),
        ..Parameters::default()
    };
    Said::new("Draw Things", "settings".into(), parameters)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::quantity::{Seed, Strength};

    #[test]
    fn a_picture_of_a_picture_is_told_from_one_of_a_prompt() {
        let with = |rest: &str| {
            let text = format!(
                r#"{{"prompt":"virions","steps":28,"scale":5.0,"seed":7,"sampler":"k_euler","uc":"text"{rest}}}"#
            );
            read(&text).expect("NovelAI's").parameters
        };
        let p = with(r#","request_type":"Image2ImageRequest","strength":0.7,"noise":0.1"#);
        assert_eq!((p.strength, p.img2img, p.seed), (Strength::new(0.7), Some(true), Some(Seed(7))));
        let p = with(r#","request_type":"PromptGenerateRequest","strength":0.7"#);
        assert_eq!((p.strength, p.img2img), (None, Some(false)));
        assert_eq!(with("").img2img, None);
        assert!(read(r#"{"prompt":"virions","steps":28}"#).is_none());
    }

    #[test]
    fn draw_things_has_short_names() {
        let text = r#"{"c":"virions","uc":"text","model":"flux_1_dev_q8p.ckpt","sampler":"Euler A Trailing","seed":7,
            "steps":20,"scale":3.5,"strength":0.6,"size":"512x512"}"#;
        let said = read(text).expect("Draw Things'");
        let p = said.parameters;
        assert_eq!((said.tool.as_str(), p.prompt.as_deref()), ("Draw Things", Some("virions")));
        assert_eq!((p.strength, p.img2img, p.steps), (Strength::new(0.6), Some(true), Some(20)));
    }
}
