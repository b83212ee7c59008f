//! `parameters` as JSON: SwarmUI's `sui_image_params`, and Fooocus' own scheme.

use super::super::Parameters;
use super::fields::{Fields, file_name};
use super::{Said, json};

pub(super) fn read(value: &str) -> Option<Said> {
    let value = json(value)?;
    let fields = Fields::of(&value)?;
    match fields.object("sui_image_params") {
        Some(swarm) => {
            let source =
                fields.object("sui_extra_data").and_then(|extra| extra.text(&["initimage_filename"]));
            Some(swarm_ui(&swarm, source))
        }
        None => fooocus(&fields),
    }
}

/// Its creativity is a strength, which stands there without a picture, too.
fn swarm_ui(fields: &Fields<'_>, source: Option<String>) -> Said {
    let img2img = (source.is_some() || fields.has(&["initimage"])).then_some(true);
    let parameters = Parameters {
        version: fields.text(&["swarm_version"]),
        model: fields.text(&["model"]),
        prompt: fields.prompt(&["prompt"]),
        seed: fields.seed(&["seed"]),
        strength: fields.strength(&["initimagecreativity"]).filter(|_| img2img.is_some()),
        img2img,
        source_file: source.and_then(|source| file_name(&source)),
        steps: fields.count(&["steps"]),
        guidance: fields.number(&["cfgscale"]),
        sampler: fields.text(&["sampler", "comfyuisampler"]),
        ..Parameters::default()
    };
    Said::new("SwarmUI", "sui_image_params".into(), parameters)
}

fn fooocus(fields: &Fields<'_>) -> Option<Said> {
    let version = fields.text(&["version"])?;
    if !version.contains("ooocus") {
        return None;
    }
    let parameters = Parameters {
        version: Some(version),
        model: fields.text(&["base_model"]),
        prompt: fields.prompt(&["prompt"]),
        seed: fields.seed(&["seed"]),
        // Its variations of pictures leave no trace here.
        img2img: None,
        steps: fields.count(&["steps"]),
        guidance: fields.number(&["guidance_scale"]),
        sampler: fields.text(&["sampler"]),
        ..Parameters::default()
    };
    Some(Said::new("Fooocus", "settings".into(), parameters))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::quantity::{Seed, Strength};

    #[test]
    fn creativity_counts_where_there_was_a_picture() {
        let with = |extra: &str| {
            let text = format!(
                r#"{{"sui_image_params":{{"prompt":"virions","model":"xl","seed":7,"steps":20,"cfgscale":7.0,
                "initimagecreativity":0.6,"swarm_version":"0.9.3.1"}},"sui_extra_data":{{{extra}}}}}"#
            );
            read(&text).expect("SwarmUI's").parameters
        };
        let p = with(r#""initimage_filename":"raw/grid.png""#);
        assert_eq!((p.strength, p.img2img), (Strength::new(0.6), Some(true)));
        assert_eq!((p.source_file.as_deref(), p.seed), (Some("grid.png"), Some(Seed(7))));
        let p = with("");
        assert_eq!((p.strength, p.img2img), (None, None));
    }

    #[test]
    fn fooocus_says_so_in_its_version() {
        let text = r#"{"prompt":"virions","base_model":"juggernautXL","seed":"7","steps":30,"guidance_scale":4.0,
            "version":"Fooocus v2.5.5"}"#;
        let said = read(text).expect("Fooocus'");
        assert_eq!((said.tool.as_str(), said.parameters.seed), ("Fooocus", Some(Seed(7))));
        assert!(read(r#"{"prompt":"virions","version":"1"}"#).is_none());
    }
}
