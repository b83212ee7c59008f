//! Midjourney's description: the prompt with its `--parameters` and a `Job ID`. It stands in PNG `Description`, in EXIF and
//! in XMP.

use super::super::{Parameters, shorten};
use super::{PROMPT, Said, fields};

const JOB: &str = "Job ID: ";

pub(in super::super) fn description(value: &str) -> Option<super::Claim> {
    let Said { tool, statement, parameters } = read(value)?;
    Some(super::Claim { parameters, ..super::Claim::new("xmp", Some(tool), statement, true) })
}

pub(super) fn read(value: &str) -> Option<Said> {
    let (told, id) = value.rsplit_once(JOB)?;
    let id: String = id.chars().take_while(|c| c.is_ascii_hexdigit() || *c == '-').take(40).collect();
    if id.len() < 8 {
        return None;
    }
    // Some systems turn two dashes into one long one.
    let told = told.replace('—', "--");
    let mut parts = told.split("--");
    let prompt = parts.next().unwrap_or_default();
    let settings: Vec<(&str, &str)> = parts
        .map(|part| {
            let part = part.trim();
            part.split_once(char::is_whitespace).map_or((part, ""), |(name, value)| (name, value.trim()))
        })
        .filter(|(name, _)| !name.is_empty())
        .take(64)
        .collect();
    let get =
        |names: &[&str]| settings.iter().find(|(name, _)| names.contains(name)).map(|(_, value)| *value);
    let number = |names: &[&str]| get(names)?.parse::<f64>().ok().filter(|number| number.is_finite());
    let niji = get(&["niji"]).map(|version| format!("niji {version}").trim_end().to_owned());
    // Pictures that it was made from stand first, by their addresses.
    let mut words = prompt.split_whitespace();
    let pictures: Vec<&str> =
        words.clone().take_while(|word| is_address(word)).map(|word| word.trim_matches(['<', '>'])).collect();
    let words = words.by_ref().skip(pictures.len()).collect::<Vec<_>>().join(" ");
    let image_weight = number(&["iw"]);
    let from_picture = !pictures.is_empty() || image_weight.is_some();
    let parameters = Parameters {
        version: get(&["v", "version"]).map(|version| shorten(version, 20)).or(niji),
        prompt: Some(shorten(&words, PROMPT)).filter(|prompt| !prompt.is_empty()),
        seed: get(&["seed"]).and_then(|seed| seed.parse().ok()),
        // Pictures that were varied, panned or edited do not say what from.
        img2img: from_picture.then_some(true),
        image_weight,
        source_file: pictures.first().and_then(|address| fields::file_name(address)),
        job: Some(id.clone()),
        ..Parameters::default()
    };
    let stated: Vec<String> = settings
        .iter()
        .filter(|(name, _)| {
            ["iw", "v", "version", "niji", "ar", "seed", "stylize", "s", "chaos", "weird"].contains(name)
        })
        .map(|(name, value)| format!(" --{name} {}", shorten(value, 20)))
        .collect();
    Some(Said::new("Midjourney", format!("Job ID {id}{}", stated.concat()), parameters))
}

fn is_address(word: &str) -> bool {
    let word = word.trim_start_matches('<');
    word.starts_with("https://") || word.starts_with("http://")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::quantity::Seed;
    use proptest::prelude::*;

    const ID: &str = "0a1b2c3d-0000-4000-8000-0123456789ab";

    #[test]
    fn prompt_picture_weight_and_job_are_told_apart() {
        let text = format!(
            "<https://s.mj.run/AbC-1> https://cdn.example/up/em%20grid.png a virus, negative stain --iw 1.5 --seed 7 --ar 16:9 \
             --v 6.1 Job ID: {ID}"
        );
        let said = read(&text).expect("Midjourney's");
        let p = said.parameters;
        assert_eq!((p.image_weight, p.seed, p.img2img), (Some(1.5), Some(Seed(7)), Some(true)));
        assert_eq!((p.version.as_deref(), p.job.as_deref()), (Some("6.1"), Some(ID)));
        assert_eq!(
            (p.prompt.as_deref(), p.source_file.as_deref()),
            (Some("a virus, negative stain"), Some("AbC-1"))
        );
        assert_eq!((p.strength, p.model), (None, None), "it has no strength");
        assert_eq!(said.statement, format!("Job ID {ID} --iw 1.5 --seed 7 --ar 16:9 --v 6.1"));
    }

    #[test]
    fn without_a_picture_nothing_is_said_of_one() {
        let p = read(&format!("a virus —niji 6 —s 50 Job ID: {ID}")).expect("Midjourney's").parameters;
        assert_eq!((p.img2img, p.image_weight, p.version.as_deref()), (None, None, Some("niji 6")));
    }

    #[test]
    fn a_job_without_an_id_is_none() {
        for text in ["Job ID: ", "Job ID: none", "a virus --iw 2", "Job ID: 12-3"] {
            assert!(read(text).is_none(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_can_be_read(text in "(--| |—|[a-z.0-9é<>:/]|https://){0,40}Job ID: [0-9a-f-]{0,40}") {
            read(&text);
        }
    }
}
