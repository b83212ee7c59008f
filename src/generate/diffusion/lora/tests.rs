use std::collections::HashMap;
use std::path::{Path, PathBuf};

use candle_core::{DType, Device, Tensor};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::super::super::{Draft, Engine};
use super::super::flux::{self, FluxEngine};
use super::super::ops::Precision;
use super::super::stable::{StableEngine, tiny};
use super::super::trial::{disc, request};
use super::*;
use crate::progress::Silent;
use crate::raster::Plane;

/// A layer of the tiny UNet of 16 channels, and of its text encoder.
const LAYER: &str = "unet.down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q";
const TEXT: &str = "text_encoder.text_model.encoder.layers.0.mlp.fc1";

/// What a file holds of one tensor.
type Part<'a> = (String, &'a str, Vec<usize>, Vec<u8>);

fn floats(name: &str, shape: &[usize], value: f32) -> Part<'static> {
    let count = shape.iter().product::<usize>();
    // Not all alike, so that no two rows are.
    let bytes = (0..count).flat_map(|i| (value + 0.01 * (i % 7) as f32).to_le_bytes()).collect();
    (name.to_owned(), "F32", shape.to_vec(), bytes)
}

fn alpha(layer: &str, value: f32) -> Part<'static> {
    (format!("{layer}.alpha"), "F32", vec![], value.to_le_bytes().to_vec())
}

fn pair(layer: &str, down: &[usize], up: &[usize]) -> Vec<Part<'static>> {
    vec![
        floats(&format!("{layer}.lora_A.weight"), down, 0.1),
        floats(&format!("{layer}.lora_B.weight"), up, 0.2),
    ]
}

fn bytes(parts: &[Part], settings: Option<&Value>) -> Vec<u8> {
    let (mut header, mut data) = (serde_json::Map::new(), Vec::new());
    for (name, dtype, shape, bytes) in parts {
        let at = [data.len(), data.len() + bytes.len()];
        header.insert(name.clone(), json!({ "dtype": dtype, "shape": shape, "data_offsets": at }));
        data.extend(bytes);
    }
    if let Some(settings) = settings {
        header.insert("__metadata__".into(), json!({ "lora_adapter_metadata": settings.to_string() }));
    }
    let header = Value::Object(header).to_string();
    [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), &data].concat()
}

fn file(dir: &Path, parts: &[Part]) -> PathBuf {
    let path = dir.join("style.safetensors");
    std::fs::write(&path, bytes(parts, None)).expect("a new file");
    path
}

fn opened(model: &TempDir, loras: &[(&Path, f64)]) -> Result<StableEngine, ModelError> {
    let loras: Vec<Lora> =
        loras.iter().map(|(file, weight)| Lora { file: file.to_path_buf(), weight: *weight }).collect();
    let mut engine =
        StableEngine::open(model.path(), None, None).expect("a whole model").with_loras(&loras)?;
    engine.options.steps = std::num::NonZeroU32::new(2).expect("not zero");
    Ok(engine)
}

fn drawn(engine: &impl Engine) -> Draft {
    engine.generate(&disc(32, 32), &request(0.9, 1), &mut Silent).expect("it draws")
}

#[test]
fn a_lora_another_one_and_another_weight_give_other_pictures_and_other_records() {
    let (model, dir) = (tiny::folder(false), tempfile::tempdir().expect("a directory for the tests"));
    let whole = [pair(LAYER, &[2, 16], &[16, 2]), pair(TEXT, &[2, 16], &[24, 2])].concat();
    let path = file(dir.path(), &whole);
    let other = dir.path().join("other.safetensors");
    std::fs::write(&other, bytes(&whole[..2], None)).expect("a new file");
    let plain = drawn(&opened(&model, &[]).expect("nothing to add"));
    assert!(plain.record.loras.is_empty());
    let mut seen = vec![plain];
    for loras in [
        &[(path.as_path(), 3.0)][..],
        &[(path.as_path(), -3.0)],
        &[(other.as_path(), 3.0)],
        &[(path.as_path(), 3.0), (other.as_path(), 2.0)],
    ] {
        let draft = drawn(&opened(&model, loras).expect("LoRAs for it"));
        assert_eq!(draft.record.loras.len(), loras.len());
        for known in &seen {
            assert_ne!(known.raster, draft.raster, "{loras:?}");
            assert_ne!(known.record.engine.model_digest, draft.record.engine.model_digest, "{loras:?}");
        }
        seen.push(draft);
    }
    let again = drawn(&opened(&model, &[(&path, 3.0)]).expect("LoRAs for it"));
    assert_eq!((&again.raster, &again.record), (&seen[1].raster, &seen[1].record));
    // One after another is the same as both at once, but for the digest, which goes by what there was.
    let later = opened(&model, &[(&path, 3.0)]).expect("a LoRA for it");
    let later = later.with_loras(&[Lora { file: other, weight: 2.0 }]).expect("another");
    assert_eq!(drawn(&later).raster, seen[4].raster);
    assert_eq!(later.describe().model_digest, drawn(&later).record.engine.model_digest);
    assert_eq!(drawn(&later).record.loras, seen[4].record.loras);
    let [AppliedLora { name, sha256, weight }] = &again.record.loras[..] else { panic!("one") };
    assert_eq!((name.as_str(), *weight), ("style.safetensors", 3.0));
    assert_eq!(*sha256, Digest::of(std::fs::read(&path).expect("there")));
}

#[test]
fn a_lora_in_two_halves_is_the_whole_and_an_alpha_scales_it() {
    let (model, dir) = (tiny::folder(false), tempfile::tempdir().expect("a directory for the tests"));
    let query = |engine: &StableEngine| {
        let name = format!("{}.weight", LAYER.trim_start_matches("unet."));
        let tensor = engine.unet().tensor(&name, None, true).expect("a tensor");
        tensor.flatten_all().and_then(|t| t.to_vec1::<f32>()).expect("numbers")
    };
    let with = |parts: &[Part], weights: &[f64]| {
        let path = file(dir.path(), parts);
        let loras: Vec<(&Path, f64)> = weights.iter().map(|weight| (path.as_path(), *weight)).collect();
        query(&opened(&model, &loras).expect("LoRAs for it"))
    };
    let far = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    let parts = pair(LAYER, &[2, 16], &[16, 2]);
    let [plain, whole] = [&[][..], &[1.0]].map(|weights| with(&parts, weights));
    // By hand: the first row of up, 0.2 and 0.21, by the first column of down, 0.1 and 0.12 (its 17th number).
    assert!((whole[0] - plain[0] - (0.2 * 0.1 + 0.21 * 0.12)).abs() < 1e-6, "{} {}", whole[0], plain[0]);
    assert!(far(&with(&parts, &[0.5, 0.5]), &whole) < 1e-6);
    assert!(far(&with(&parts, &[1.5, -1.5]), &plain) < 1e-6);
    let with_alpha = [parts.clone(), vec![alpha(LAYER, 4.0)]].concat();
    assert!(far(&with(&with_alpha, &[0.5]), &whole) < 1e-6, "an alpha of 4 over a rank of 2");
    let scaled = |settings: Value| {
        let path = dir.path().join("trained.safetensors");
        std::fs::write(&path, bytes(&parts, Some(&settings))).expect("a new file");
        query(&opened(&model, &[(&path, 0.5)]).expect("a LoRA for it"))
    };
    assert!(far(&scaled(json!({ "unet.r": 2, "unet.lora_alpha": 4 })), &whole) < 1e-6);
    let special = json!({ "unet.lora_alpha": 9, "unet.alpha_pattern": { "attn1.to_q": 4, "n1.to_q": 7 } });
    assert!(far(&scaled(special), &whole) < 1e-6);
    let rooted = json!({ "unet.lora_alpha": 8f64.sqrt(), "unet.use_rslora": true });
    assert!(far(&scaled(rooted), &whole) < 1e-6);
    assert!(far(&scaled(json!({ "text_encoder.lora_alpha": 4 })), &with(&parts, &[0.5])) < 1e-6);
}

/// A 3×3 kernel taken apart into three convolutions: by hand, one output of one input.
#[test]
fn a_convolution_that_was_taken_apart_twice_is_put_together() {
    const LAYER: &str = "lora_unet_down_blocks_0_resnets_0_conv1";
    let (model, dir) = (tiny::folder(false), tempfile::tempdir().expect("a directory for the tests"));
    let part = |name: &str, shape: &[usize]| floats(&format!("{LAYER}.{name}.weight"), shape, 0.3);
    let parts =
        [part("lora_down", &[2, 16, 1, 1]), part("lora_mid", &[2, 2, 3, 3]), part("lora_up", &[16, 2, 1, 1])];
    let path = file(dir.path(), &parts);
    let kernel = |loras: &[(&Path, f64)]| {
        let engine = opened(&model, loras).expect("a LoRA for it");
        let tensor =
            engine.unet().tensor("down_blocks.0.resnets.0.conv1.weight", None, true).expect("a tensor");
        tensor.flatten_all().and_then(|t| t.to_vec1::<f32>()).expect("numbers")
    };
    let [plain, changed] = [kernel(&[]), kernel(&[(&path, 1.0)])];
    let number = |i: usize| 0.3 + 0.01 * (i % 7) as f32;
    let (output, input, y, x) = (3, 5, 2, 1);
    let mut expected = 0.0;
    for p in 0..2 {
        for q in 0..2 {
            expected +=
                number(output * 2 + p) * number(((p * 2 + q) * 3 + y) * 3 + x) * number(q * 16 + input);
        }
    }
    let at = ((output * 16 + input) * 3 + y) * 3 + x;
    assert!((changed[at] - plain[at] - expected).abs() < 1e-6, "{} for {expected}", changed[at] - plain[at]);
}

#[test]
fn hostile_files_are_refused_in_one_line() {
    let (model, dir) = (tiny::folder(false), tempfile::tempdir().expect("a directory for the tests"));
    let path = dir.path().join("style.safetensors");
    let complaint = |content: Vec<u8>| {
        std::fs::write(&path, content).expect("it writes");
        let line = opened(&model, &[(&path, 1.0)]).err().expect("a complaint").to_string();
        assert!(line.contains("style.safetensors: ") && !line.contains('\n') && line.len() < 500, "{line}");
        line
    };
    let sound = || pair(LAYER, &[2, 16], &[16, 2]);
    let with = |more: Vec<Part>| bytes(&[sound(), more].concat(), None);
    let down = || floats(&format!("{LAYER}.lora_A.weight"), &[2, 16], 0.1);
    let up = || floats(&format!("{LAYER}.lora_B.weight"), &[16, 2], 0.1);
    let zeros = (format!("{LAYER}.lora_B.weight"), "F32", vec![16, 2], vec![0; 128]);
    let long = format!("unet.{}.lora_A.weight", "x".repeat(100_000));
    let cases: Vec<(Vec<u8>, &str)> = vec![
        (bytes(&pair(LAYER, &[0, 16], &[16, 0]), None), "expected a rank from 1 to 4096, found 0"),
        (bytes(&pair(LAYER, &[5000, 16], &[16, 5000]), None), "expected a rank from 1 to 4096, found 5000"),
        (bytes(&pair(LAYER, &[2, 16], &[16, 3]), None), "do not fit together: [2, 16] and [16, 3]"),
        (bytes(&pair(LAYER, &[2], &[16, 2]), None), "do not fit together: [2] and [16, 2]"),
        (bytes(&pair(LAYER, &[], &[]), None), "expected a rank from 1 to 4096, found 0"),
        (bytes(&pair(LAYER, &[2, 16], &[16, 2, 3, 3]), None), "do not fit together"),
        (bytes(&pair(LAYER, &[2, 16], &[0, 2]), None), "do not fit together"),
        (bytes(&[down()], None), "has no lora_up (or lora_B)"),
        (bytes(&[up()], None), "has no lora_down (or lora_A)"),
        (bytes(&[alpha(LAYER, 1.0)], None), "has no lora_down (or lora_A)"),
        (with(vec![alpha(LAYER, f32::NAN)]), "expected a number other than 0 as its alpha, found NaN"),
        (with(vec![alpha(LAYER, 0.0)]), "expected a number other than 0 as its alpha, found 0"),
        (bytes(&[down(), zeros], None), "found nothing but zeros, which change nothing"),
        (with(vec![alpha(LAYER, f32::INFINITY)]), "expected a number other than 0 as its alpha, found inf"),
        (with(vec![floats(&format!("{LAYER}.alpha"), &[2], 1.0)]), "found numbers of shape [2]"),
        (with(vec![(format!("{LAYER}.alpha"), "I64", vec![], vec![1; 8])]), "expected F32"),
        (
            bytes(&[down(), (format!("{LAYER}.lora_B.weight"), "I32", vec![16, 2], vec![0; 128])], None),
            "found I32",
        ),
        (with(vec![floats(&format!("{LAYER}.lora.down.weight"), &[2, 16], 0.1)]), "is in it twice"),
        (with(vec![floats(&format!("{LAYER}.dora_scale"), &[1, 16], 0.1)]), "found a DoRA"),
        (with(vec![floats("lora_unet_x.hada_w1_a", &[1, 16], 0.1)]), "found a LoHa"),
        (with(vec![floats("lora_unet_x.lokr_w1", &[1, 16], 0.1)]), "found a LoKr"),
        (with(vec![floats("lora_unet_x.oft_blocks", &[1, 16], 0.1)]), "found an OFT"),
        (with(vec![floats("conv_in.weight", &[1, 16], 0.1)]), "found tensor conv_in.weight"),
        (with(vec![floats("a\nb\u{1b}[31m.alpha", &[], 0.1)]), "found tensor a\u{fffd}b\u{fffd}[31m.alpha"),
        (with(vec![floats(&long, &[1, 16], 0.1)]), "found tensor unet.xxx"),
        (with(pair("unet.conv_up", &[2, 16], &[16, 2])), "this Stable Diffusion has no layer conv_up"),
        (with(pair("text_encoder_2.x", &[2, 16], &[16, 2])), "this Stable Diffusion has no layer x"),
        (with(pair("vae.encoder.conv_in", &[2, 16], &[16, 2])), "has no layer vae.encoder.conv_in"),
        (
            bytes(&pair(LAYER, &[2, 18], &[16, 2]), None),
            "has one of [16, 16], the LoRA is for one of [16, 18]",
        ),
        (bytes(&pair(LAYER, &[2, 16, 3, 3], &[16, 2, 1, 1]), None), "the LoRA is for one of [16, 16, 3, 3]"),
        (
            bytes(&pair("unet.conv_in", &[2, 4], &[16, 2]), None),
            "has one of [16, 4, 3, 3], the LoRA is for one of [16, 4]",
        ),
        (with(vec![("a\nb".to_owned(), "F32", vec![9], vec![0; 4])]), "tensor a\\nb"),
        (bytes(&[], None), "found no tensors"),
        (bytes(&sound(), Some(&json!({ "unet.use_dora": true }))), "found a DoRA (use_dora in its settings)"),
        (bytes(&sound(), Some(&json!({ "unet.lora_bias": true }))), "found a LoRA with biases"),
        (bytes(&sound(), Some(&json!({ "unet.lora_alpha": "four" }))), "expected a number as lora_alpha"),
        (
            bytes(&sound(), Some(&json!({ "unet.lora_alpha": 1, "unet.alpha_pattern": { ".*": 4 } }))),
            "expected names in alpha_pattern, found .*",
        ),
        (bytes(&sound(), Some(&json!([1]))), "its settings: "),
        (b"\x80\x02}q\x00(X\x01\x00\x00\x00".to_vec(), "a pickle"),
        (b"PK\x03\x04aaaaaaaa".to_vec(), "a zip archive"),
        (b"GGUF\x03\0\0\0aaaaaaaaaaaa".to_vec(), "expected safetensors"),
        (Vec::new(), "truncated"),
    ];
    for (content, said) in cases {
        let line = complaint(content);
        assert!(line.contains(said), "{line}\nfor {said}");
    }
    let whole = bytes(&sound(), None);
    for length in [3, 8, 60, whole.len() / 2, whole.len() - 1] {
        let line = complaint(whole[..length].to_vec());
        assert!(line.contains("truncated"), "{line}");
    }
    let other = |path: &Path| opened(&model, &[(path, 1.0)]).err().expect("a complaint").to_string();
    assert!(other(dir.path()).ends_with(": not a file"));
    assert!(other(&dir.path().join("nothing")).contains("No such file"));
}

#[test]
fn numbers_that_are_none_are_found_when_they_are_read() {
    let (model, dir) = (tiny::folder(false), tempfile::tempdir().expect("a directory for the tests"));
    let mut parts = pair(LAYER, &[2, 16], &[16, 2]);
    parts[1].3[4..8].copy_from_slice(&f32::NAN.to_le_bytes());
    let path = file(dir.path(), &parts);
    let engine = opened(&model, &[(&path, 1.0)]).expect("a LoRA for it");
    let refused = engine.generate(&disc(32, 32), &request(0.9, 1), &mut Silent);
    let line = refused.expect_err("a complaint").to_string();
    assert!(line.contains("to_q.lora_B.weight has numbers that are not finite"), "{line}");
}

#[test]
fn what_no_network_reads_cannot_be_changed() {
    let (model, dir) = (tiny::folder(false), tempfile::tempdir().expect("a directory for the tests"));
    let unet = model.path().join("unet/diffusion_pytorch_model.safetensors");
    let mut tensors = candle_core::safetensors::load(&unet, &Device::Cpu).expect("a file of the model");
    let more = Tensor::zeros((4, 4), DType::F32, &Device::Cpu).expect("a tensor");
    tensors.insert("encoder_hid_proj.weight".to_owned(), more);
    candle_core::safetensors::save(&tensors, &unet).expect("it writes");
    let path = file(dir.path(), &pair("unet.encoder_hid_proj", &[2, 4], &[4, 2]));
    let line = opened(&model, &[(&path, 1.0)]).err().expect("a complaint").to_string();
    assert!(
        line.ends_with("layer encoder_hid_proj is in the model's files, but nothing is computed with it"),
        "{line}"
    );
}

/// The tiny FLUX.1 with all its matrices in `dtype`.
fn flux(dtype: DType) -> TempDir {
    let dir = flux::tiny::folder(false);
    for name in ["flux1-schnell.safetensors", "t5xxl_fp16.safetensors"] {
        let path = dir.path().join(name);
        let tensors = candle_core::safetensors::load(&path, &Device::Cpu).expect("a file of the model");
        let stored = |tensor: Tensor| {
            // The numbers of 16 bits in both, so that they draw the same.
            let rounded = tensor.to_dtype(DType::BF16).and_then(|t| t.to_dtype(dtype));
            rounded.expect("another type")
        };
        let tensors: HashMap<String, Tensor> =
            tensors.into_iter().map(|(name, tensor)| (name, stored(tensor))).collect();
        candle_core::safetensors::save(&tensors, &path).expect("it writes");
    }
    dir
}

#[test]
fn beside_what_is_stored_it_does_what_it_does_in_it() {
    let dir = tempfile::tempdir().expect("a directory for the tests");
    let parts = [
        pair("transformer.single_transformer_blocks.1.proj_mlp", &[2, 64], &[256, 2]),
        pair("transformer.transformer_blocks.0.attn.add_k_proj", &[2, 64], &[64, 2]),
        pair("transformer.norm_out.linear", &[2, 64], &[128, 2]),
        pair("text_encoder_2.encoder.block.1.layer.0.SelfAttention.q", &[2, 32], &[32, 2]),
    ]
    .concat();
    let path = file(dir.path(), &parts);
    let luma = |dtype: DType, weight: Option<f64>| {
        let model = flux(dtype);
        let loras: Vec<Lora> = weight.into_iter().map(|weight| Lora { file: path.clone(), weight }).collect();
        let engine = FluxEngine::open(model.path(), None).expect("a whole model");
        let mut engine = engine.with_loras(&loras).expect("a LoRA for it");
        engine.options.text_tokens = 12;
        engine.options.precision = Precision::F32;
        drawn(&engine).raster.luma()
    };
    let [plain, beside, within] =
        [(DType::BF16, None), (DType::BF16, Some(0.5)), (DType::F32, Some(0.5))].map(|(t, w)| luma(t, w));
    let far =
        |a: &Plane, b| a.zip(b, |a, b| (a - b).abs()).data().iter().fold(0.0f32, |most, v| most.max(*v));
    assert!(far(&plain, &beside) > 0.02, "{}", far(&plain, &beside));
    assert!(far(&beside, &within) <= 1.01 / 255.0, "{}", far(&beside, &within));
}

#[test]
fn what_is_looked_up_row_by_row_is_changed_in_32_bits_alone() {
    let dir = tempfile::tempdir().expect("a directory for the tests");
    let path = file(dir.path(), &pair("text_encoder_2.shared", &[2, 32], &[64, 2]));
    let with = |dtype| {
        let model = flux(dtype);
        FluxEngine::open(model.path(), None)
            .expect("a whole model")
            .with_loras(&[Lora { file: path.clone(), weight: 1.0 }])
    };
    assert!(with(DType::F32).is_ok());
    let line = with(DType::BF16).err().expect("a complaint").to_string();
    assert!(line.contains("style.safetensors: layer shared is looked up row by row"), "{line}");
}
