//! Models as their files say they are.

use std::fs;
use std::path::Path;

use tempfile::TempDir;

use super::super::super::{Gib, State};
use super::super::*;
use super::{draft, opened};

/// The one line that opening `dir` fails with.
fn complaint(dir: &Path) -> String {
    let line = FluxEngine::open(dir, None).err().expect("a complaint").to_string();
    assert!(!line.contains('\n'), "one line: {line}");
    line
}

#[test]
fn every_missing_part_is_named() {
    for (file, role) in [
        ("flux1-schnell.safetensors", "no transformer: expected flux1-*.safetensors"),
        ("ae.safetensors", "no autoencoder: expected ae.safetensors"),
        ("clip_l.safetensors", "no CLIP text encoder: expected clip_l*.safetensors"),
        ("t5xxl_fp16.safetensors", "no T5 text encoder: expected t5xxl*.safetensors"),
        ("clip/merges.txt", "no CLIP tokenizer: expected clip/tokenizer.json"),
        ("t5/tokenizer.json", "no T5 tokenizer: expected t5/tokenizer.json"),
    ] {
        let dir = tiny::folder(false);
        fs::remove_file(dir.path().join(file)).expect("a file of the model");
        assert!(complaint(dir.path()).contains(role), "{}", complaint(dir.path()));
        let missing = inventory(dir.path()).into_iter().filter(|p| matches!(p.state, State::Missing { .. }));
        assert_eq!(missing.count(), 1);
    }
}

/// As transformers does it, and as Stable Diffusion's are read.
#[test]
fn what_is_said_of_clips_tokens_is_heard() {
    let dir = tiny::folder(false);
    let plain = opened(&dir);
    let words = "virion of virion of virion of virion";
    assert!(plain.clip_words.ids(words, plain.clip_tokens).expect("a text").len() > 6);
    let settings = r#"{"model_max_length": 6, "pad_token": "a"}"#;
    fs::write(dir.path().join("clip/tokenizer_config.json"), settings).expect("a new file");
    let told = opened(&dir);
    assert_eq!(told.clip_words.ids(words, told.clip_tokens).expect("a text").len(), 6);
    assert_ne!(plain.clip_words.pad, told.clip_words.pad);
    assert_ne!(plain.digest, told.digest);
    fs::write(dir.path().join("clip/tokenizer_config.json"), "[]").expect("a file");
    assert!(complaint(dir.path()).contains("tokenizer_config.json: invalid type"));
}

#[test]
fn a_truncated_file_is_refused_at_any_length() {
    let dir = tiny::folder(false);
    let path = dir.path().join("ae.safetensors");
    let whole = fs::read(&path).expect("a file of the model");
    for length in [0, 7, 100, whole.len() / 2, whole.len() - 1] {
        fs::write(&path, &whole[..length]).expect("a shorter file");
        let line = complaint(dir.path());
        assert!(
            line.contains("ae.safetensors: truncated") && line.contains(&format!("found {length}")),
            "{line}"
        );
    }
}

#[test]
fn a_broken_gguf_file_is_said_to_be_one_and_an_empty_tensor_is_no_damage() {
    let dir = tiny::folder(false);
    let (path, gguf) = (dir.path().join("t5xxl_fp16.safetensors"), dir.path().join("t5-q4.gguf"));
    let whole = fs::read(&path).expect("a file of the model");
    for bytes in [&b""[..], b"GG", b"something else than such a file"] {
        fs::remove_file(&path).ok();
        fs::write(&gguf, bytes).expect("a new file");
        let line = complaint(dir.path());
        assert!(line.contains("t5-q4.gguf: ") && !line.contains("safetensors"), "{line}");
    }
    fs::remove_file(&gguf).expect("it is there");
    fs::write(&path, &whole).expect("a new file");
    let length = u64::from_le_bytes(whole[..8].try_into().expect("eight bytes")) as usize;
    let header = String::from_utf8(whole[8..8 + length].to_vec()).expect("JSON");
    let header =
        header.replacen('{', r#"{"scaled_fp8":{"dtype":"F8_E4M3","shape":[0],"data_offsets":[0,0]},"#, 1);
    let start = (header.len() as u64).to_le_bytes();
    fs::write(&path, [&start[..], header.as_bytes(), &whole[8 + length..]].concat()).expect("a new file");
    opened(&dir);
}

#[test]
fn a_pickle_is_refused_by_its_name_and_by_its_bytes() {
    let dir = tiny::folder(false);
    let path = dir.path().join("ae.safetensors");
    fs::write(&path, b"PK\x03\x04 archive of a pickle").expect("a file");
    assert!(complaint(dir.path()).contains("expected safetensors, found a zip archive"));
    fs::write(&path, b"\x80\x02}q\x00(X\x05\x00").expect("a file");
    assert!(complaint(dir.path()).contains("expected safetensors, found a pickle"));
    for name in ["ae.ckpt", "ae.pt", "ae.bin"] {
        let other = dir.path().join(name);
        fs::rename(&path, &other).expect("a file");
        assert!(complaint(dir.path()).contains(&format!("{name}: expected safetensors, found a pickle")));
        fs::rename(&other, &path).expect("a file");
    }
}

#[test]
fn wrong_shapes_missing_tensors_and_other_families_are_named() {
    let dir = tiny::folder(false);
    let path = dir.path().join("flux1-schnell.safetensors");
    let change = |edit: &dyn Fn(&mut std::collections::HashMap<String, candle_core::Tensor>)| {
        let whole = tiny::folder(false);
        let from = whole.path().join("flux1-schnell.safetensors");
        let mut tensors =
            candle_core::safetensors::load(from, &candle_core::Device::Cpu).expect("a file of the model");
        edit(&mut tensors);
        candle_core::safetensors::save(&tensors, &path).expect("a file");
        complaint(dir.path())
    };
    let name = "single_blocks.1.linear2.weight";
    let line = change(&|t| drop(t.remove(name)));
    assert!(line.ends_with(&format!("flux1-schnell.safetensors: no tensor {name}")), "{line}");
    let line = change(&|t| {
        let wide = candle_core::Tensor::zeros((64, 321), candle_core::DType::F32, &candle_core::Device::Cpu);
        t.insert(name.to_owned(), wide.expect("a small tensor"));
    });
    assert!(line.ends_with("expected shape [64, 320], found [64, 321]"), "{line}");
    let line = change(&|t| {
        t.remove("img_in.weight");
    });
    assert!(
        line.contains("expected a FLUX.1 transformer") && line.contains("found double_blocks.0."),
        "{line}"
    );
    let line = change(&|t| {
        let wide = candle_core::Tensor::zeros((64, 24), candle_core::DType::F32, &candle_core::Device::Cpu);
        t.insert("img_in.weight".to_owned(), wide.expect("a small tensor"));
    });
    assert!(line.contains("packed latent channels: expected 24 as in"), "{line}");
}

#[test]
fn the_folders_of_comfyui_and_the_prefix_of_whole_checkpoints_are_understood() {
    let flat = tiny::folder(false);
    let digest = opened(&flat).digest;
    let at = |name: &str| flat.path().join(name);
    for (file, folder) in [
        ("flux1-schnell.safetensors", "unet"),
        ("ae.safetensors", "vae"),
        ("clip_l.safetensors", "clip"),
        ("t5xxl_fp16.safetensors", "text_encoders"),
    ] {
        fs::create_dir_all(at(folder)).expect("a folder");
        fs::rename(at(file), at(folder).join(file)).expect("a file of the model");
    }
    assert_eq!(opened(&flat).digest, digest, "folders do not matter to the digest");
    let path = at("unet/flux1-schnell.safetensors");
    let tensors =
        candle_core::safetensors::load(&path, &candle_core::Device::Cpu).expect("a file of the model");
    let prefixed =
        tensors.into_iter().map(|(name, t)| (format!("model.diffusion_model.{name}"), t)).collect();
    candle_core::safetensors::save(&prefixed, &path).expect("a file");
    let engine = opened(&flat);
    assert_ne!(engine.digest, digest, "bytes do");
    assert_eq!(engine.shapes.flux.double_blocks, 2);
    fs::copy(&path, at("flux1-dev.safetensors")).expect("a file");
    assert!(complaint(flat.path()).contains("more than one transformer"));
}

/// Writes what `change` makes of every tensor of these files.
fn rewritten(
    dir: &TempDir,
    change: impl Fn(candle_core::Tensor) -> candle_core::Result<candle_core::Tensor>,
) {
    for file in ["flux1-schnell.safetensors", "t5xxl_fp16.safetensors"] {
        let path = dir.path().join(file);
        let whole = candle_core::safetensors::load(&path, &candle_core::Device::Cpu).expect("a file");
        let changed =
            whole.into_iter().map(|(n, t)| (n, change(t).expect("a type that candle has"))).collect();
        candle_core::safetensors::save(&changed, &path).expect("a file");
    }
}

#[test]
fn weights_of_other_types_draw_what_their_numbers_draw_in_f32() {
    use candle_core::DType;
    for dtype in [DType::BF16, DType::F16, DType::F8E4M3, DType::F64] {
        let dir = tiny::folder(false);
        rewritten(&dir, |t| t.to_dtype(dtype));
        let drawn = draft(&opened(&dir), 0.5, 1).raster;
        rewritten(&dir, |t| t.to_dtype(DType::F32));
        assert!(drawn == draft(&opened(&dir), 0.5, 1).raster, "{dtype:?}");
    }
}

/// By hand: 8 bits more or less of a weight are as many bytes more or less of memory.
#[test]
fn a_model_needs_the_memory_of_its_files() {
    use candle_core::DType;
    let needed = |dtype: DType| {
        let dir = tiny::folder(false);
        rewritten(&dir, |t| t.to_dtype(dtype));
        match FluxEngine::open(dir.path(), Some(1)).err() {
            Some(ModelError::Memory { needed: Gib(needed), free: Gib(1), .. }) => {
                assert_eq!(memory(dir.path()).ok(), Some(needed));
                needed
            }
            other => panic!("{other:?}"),
        }
    };
    let elements: usize = {
        let dir = tiny::folder(false);
        let path = dir.path().join("flux1-schnell.safetensors");
        let whole = candle_core::safetensors::load(path, &candle_core::Device::Cpu).expect("a file");
        whole.values().filter(|t| t.rank() == 2).map(candle_core::Tensor::elem_count).sum()
    };
    let [quarter, half, whole, double] = [DType::F8E4M3, DType::BF16, DType::F32, DType::F64].map(needed);
    assert_eq!([half - quarter, whole - half], [elements as u64, 2 * elements as u64]);
    // The largest matrix of 64 bits, 448×64, while it is widened, is more than the autoencoder's largest, 64×64×3×3 of
    // 32 bits, which counts otherwise.
    assert_eq!(double - whole, 8 * 448 * 64 - 4 * 64 * 64 * 9);
    let dir = tiny::folder(false);
    assert!(FluxEngine::open(dir.path(), Some(whole)).is_ok());
}

#[test]
fn what_is_never_read_takes_no_memory() {
    let dir = tiny::folder(false);
    let needed = || memory(dir.path()).expect("sound headers");
    let before = needed();
    // Of a T5 that is larger than the rest, only what is read of it counts.
    let path = dir.path().join("t5xxl_fp16.safetensors");
    let mut tensors =
        candle_core::safetensors::load(&path, &candle_core::Device::Cpu).expect("a file of the model");
    if let Some(words) = tensors.remove("encoder.embed_tokens.weight") {
        tensors.insert("shared.weight".to_owned(), words);
    }
    let mut save = |name: &str| {
        let large =
            candle_core::Tensor::zeros((2048, 2048), candle_core::DType::BF16, &candle_core::Device::Cpu);
        tensors.insert(name.to_owned(), large.expect("a tensor"));
        candle_core::safetensors::save(&tensors, &path).expect("a file");
        needed()
    };
    assert_eq!(save("decoder.block.0.layer.0.SelfAttention.q.weight"), before);
    assert_eq!(save("encoder.embed_tokens.weight"), before, "the words are there under their other name");
    assert!(save("encoder.block.0.layer.9.weight") > before);
}
