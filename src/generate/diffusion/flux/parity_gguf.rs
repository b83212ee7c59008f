//! GGUF files against diffusers, which draws with the numbers in them.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use serde_json::json;

use super::super::autoencoder;
use super::super::parity::{SEED, Stages, WIDTH, made, picture, processors, report};
use super::parity::{PROMPT, TOKENS, drawn};
use super::sample::NOISE;
use super::*;
use crate::progress::Silent;
use crate::quantity::Strength;

const STRENGTH: f64 = 0.6;
const STEPS: u32 = 10;
/// The types of a pair of files, with those of real ones; matrices take them in turn.
const FILES: [(&str, &[&str]); 4] = [
    ("Q8_0", &["Q8_0"]),
    ("Q4_0", &["Q4_0"]),
    ("Q4_K_M", &["Q4_K", "Q5_K", "Q6_K"]),
    ("mixed", &["Q2_K", "Q3_K", "Q4_1", "Q5_0", "Q5_1", "BF16"]),
];

#[test]
fn quantised_files_draw_what_diffusers_draws_with_their_numbers() {
    let request = json!({
        "prompt": PROMPT, "strengths": [STRENGTH], "steps": STEPS, "guidance": 3.5, "text_tokens": TOKENS,
        "files": HashMap::from(FILES),
    });
    let dir = made("quantised.py", 16, NOISE, &request);
    let mut all = Vec::new();
    for ((name, _), processor) in
        FILES.iter().flat_map(|file| processors().map(|processor| (file, processor)))
    {
        let folder = dir.path().join(name);
        // The flat layout has BFL's autoencoder, which nothing here is encoded by.
        let config = autoencoder::Config { latents: 16, ..tiny::vae() };
        tiny::save_autoencoder(&folder.join("ae.safetensors"), &config);
        let mut stages = Stages::by(&processor, dir.path(), name);
        let mut engine = FluxEngine::open(&folder, None).expect("a whole model");
        engine.options.steps = NonZeroU32::new(STEPS).expect("not zero");
        engine.options.precision = Precision::F32;
        engine.processor = processor;
        engine.options.text_tokens = TOKENS;

        let text = engine.read_prompt(PROMPT, &mut Silent).expect("a prompt");
        stages.hold("pooled", &text.pooled);
        stages.hold("context", &text.context.unsqueeze(0).expect("another dimension"));
        let strength = Strength::new(STRENGTH).expect("within 0..=1");
        let steps = drawn(&engine, &text, strength, &stages.made["encoded"]);
        stages.hold(&format!("{STRENGTH}.latents"), &steps);
        all.push(stages);

        let needed = files::memory(&folder).expect("sound headers");
        let file = fs::metadata(folder.join(format!("flux1-dev-{name}.gguf"))).expect("a file").len();
        assert!(
            needed < file + 2 * engine.autoencoder.wide_bytes() + super::super::ops::PANEL_BYTES,
            "{needed} for {file}"
        );
    }
    report("parity-gguf.md", &all);
    damaged_files_are_refused(&dir.path().join("Q8_0"));
    let drawn = FluxEngine::open(&dir.path().join("mixed"), None).expect("a whole model").generate(
        &picture(),
        &Request::new(Strength::new(0.1).expect("within 0..=1"), SEED),
        &mut Silent,
    );
    assert_eq!(drawn.expect("it draws").raster.width() as usize, WIDTH);
}

/// What opening the model fails with once its transformer has these bytes.
fn complaint(folder: &Path, bytes: &[u8]) -> String {
    fs::write(folder.join("flux1-dev-Q8_0.gguf"), bytes).expect("it writes");
    let line = FluxEngine::open(folder, None).err().expect("a complaint").to_string();
    assert!(line.contains("flux1-dev-Q8_0.gguf: ") && !line.contains('\n'), "{line}");
    line
}

fn damaged_files_are_refused(folder: &Path) {
    let whole = fs::read(folder.join("flux1-dev-Q8_0.gguf")).expect("a file");
    for length in [8, 100, whole.len() / 2, whole.len() - 40] {
        let line = complaint(folder, &whole[..length]);
        assert!(line.contains("truncated: expected"), "{line}");
    }
    // The type of a matrix stands behind its name, its number of sides, and two sides.
    let name = b"double_blocks.0.img_attn.proj.weight";
    let at = whole.windows(name.len()).position(|window| window == name).expect("a tensor's name");
    let kind = at + name.len() + 4 + 16;
    assert_eq!(whole[kind], 8);
    for (number, type_name) in [(23, "IQ4_XS"), (34, "TQ1_0"), (39, "MXFP4"), (99, "GGUF's type 99")] {
        let mut bytes = whole.clone();
        bytes[kind] = number;
        let line = complaint(folder, &bytes);
        let said =
            line.contains("double_blocks.0.img_attn.proj.weight: expected F32") && line.ends_with(type_name);
        assert!(said, "{line}");
    }
    fs::write(folder.join("flux1-dev.safetensors"), &whole).expect("it writes");
    let both = FluxEngine::open(folder, None).err().expect("a complaint").to_string();
    assert!(both.contains("more than one transformer"), "{both}");
}
