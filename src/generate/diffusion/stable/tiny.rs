//! Stable Diffusion models of some hundred thousand random weights, for tests.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use candle_core::{Device, Tensor};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::super::autoencoder::Autoencoder;
use super::super::clip::Clip;
use super::super::flux::tiny::{LETTERS, save};
use super::checkpoint::{Family, ldm};
use super::configs::Configs;
use super::unet::Unet;

/// A whole model folder as diffusers writes it, but for the names of the autoencoder's tensors.
pub fn folder(is_xl: bool) -> TempDir {
    let dir = tempfile::tempdir().expect("a directory for the tests");
    let at = |name: &str| dir.path().join(name);
    let text = |width: usize| {
        json!({ "vocab_size": 54, "hidden_size": width, "intermediate_size": 24, "num_hidden_layers": 2,
                "num_attention_heads": 2, "max_position_embeddings": 12, "eos_token_id": 2,
                "projection_dim": 8 })
    };
    let mut unet = json!({
        "sample_size": 8, "block_out_channels": [16, 32], "layers_per_block": 1, "norm_num_groups": 8, "attention_head_dim": 2,
        "down_block_types": ["CrossAttnDownBlock2D", "DownBlock2D"],
        "up_block_types": ["UpBlock2D", "CrossAttnUpBlock2D"],
        "cross_attention_dim": if is_xl { 40 } else { 16 },
    });
    if is_xl {
        unet["addition_embed_type"] = json!("text_time");
        unet["addition_time_embed_dim"] = json!(4);
        unet["projection_class_embeddings_input_dim"] = json!(6 * 4 + 8);
    }
    let autoencoder = json!({
        "down_block_types": vec!["DownEncoderBlock2D"; 4], "up_block_types": vec!["UpDecoderBlock2D"; 4],
        "block_out_channels": [32, 32, 32, 64],
    });
    let scheduler = json!({
        "_class_name": "EulerDiscreteScheduler", "beta_start": 0.00085, "beta_end": 0.012,
        "beta_schedule": "scaled_linear", "steps_offset": 1,
    });
    let class = if is_xl { "StableDiffusionXLPipeline" } else { "StableDiffusionPipeline" };
    write(&at("model_index.json"), &json!({ "_class_name": class }));
    write(&at("scheduler/scheduler_config.json"), &scheduler);
    write(&at("unet/config.json"), &unet);
    write(&at("vae/config.json"), &autoencoder);
    let encoders = [("", 16), ("_2", 24)].into_iter().take(1 + usize::from(is_xl));
    for (end, width) in encoders.clone() {
        write(&at(&format!("text_encoder{end}/config.json")), &text(width));
        words(&at(&format!("tokenizer{end}")));
    }
    let configs = Configs::read(dir.path()).expect("sound settings");
    save(&at("unet/diffusion_pytorch_model.safetensors"), |vb| Unet::new(&configs.unet, vb).map(drop));
    save(&at("vae/diffusion_pytorch_model.safetensors"), |vb| {
        let shape = &configs.autoencoder;
        Autoencoder::new(&shape.network, shape.quant, vb).map(drop)
    });
    for ((end, _), shape) in encoders.zip(&configs.text) {
        save(&at(&format!("text_encoder{end}/model.safetensors")), |vb| Clip::new(shape, vb).map(drop));
    }
    dir
}

/// A checkpoint in one file of this name.
pub fn checkpoint(file: &Path, family: Family) {
    std::fs::create_dir_all(file.parent().expect("a folder")).expect("a new folder");
    ldm::drawn(file, &ldm::tiny(&ldm::of(family)).tensors());
}

/// The tokenizer that it needs.
pub fn tokenizer(folder: &Path) {
    spelt(folder, &["!", "!</w>"]);
}

/// A LoRA for such a model, in its folder.
pub fn lora(dir: &Path) -> PathBuf {
    let at = |name: &str| format!("unet.mid_block.attentions.0.proj_in.lora_{name}.weight");
    let matrix = |rows: usize, columns: usize| {
        let numbers = (0..rows * columns).map(|i| (i % 5) as f32 / 5.0 - 0.3).collect::<Vec<_>>();
        Tensor::from_vec(numbers, (rows, columns, 1, 1), &Device::Cpu).expect("as many")
    };
    let tensors = HashMap::from([(at("A"), matrix(2, 32)), (at("B"), matrix(32, 2))]);
    let file = dir.join("style.safetensors");
    candle_core::safetensors::save(&tensors, &file).expect("a new file");
    file
}

fn write(file: &Path, content: &Value) {
    std::fs::create_dir_all(file.parent().expect("a folder")).expect("a new folder");
    std::fs::write(file, content.to_string()).expect("a new file");
}

/// Everything is spelt letter by letter.
fn words(folder: &Path) {
    spelt(folder, &[]);
}

fn spelt(folder: &Path, before: &[&str]) {
    let letters = LETTERS.chars().flat_map(|c| [c.to_string(), format!("{c}</w>")]);
    let before = before.iter().map(|token| (*token).to_owned());
    let tokens = before.chain(letters).chain(["<|startoftext|>", "<|endoftext|>"].map(str::to_owned));
    let vocab: serde_json::Map<String, Value> = tokens.enumerate().map(|(i, t)| (t, json!(i))).collect();
    write(&folder.join("vocab.json"), &Value::Object(vocab));
    std::fs::write(folder.join("merges.txt"), "#version: 0.2\n").expect("a new file");
}
