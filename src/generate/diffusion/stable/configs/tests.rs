use super::super::super::clip::{Activation, End};
use super::super::unet::{Added, Level};
use super::*;

/// A file of this content, and what `read` makes of it.
fn of<T>(content: Value, read: impl Fn(&Document) -> Result<T, ModelError>) -> Result<T, String> {
    let dir = tempfile::tempdir().expect("a directory for the tests");
    let file = dir.path().join("config.json");
    std::fs::write(&file, content.to_string()).expect("a new file");
    read(&Document::of(&file)).map_err(|error| error.to_string())
}

fn network(file: &Document) -> Result<super::super::unet::Shape, ModelError> {
    unet::read(file).map(|(shape, _)| shape)
}

fn level(channels: usize, heads: usize, transformer: usize, attends: bool) -> Level {
    Level { channels, residuals: 2, heads, transformer, attends: [attends; 2] }
}

#[test]
fn a_network_that_says_nothing_is_the_first_of_its_class() {
    let shape = of(json!({}), network).expect("defaults");
    let level = |channels, attends| level(channels, 8, 1, attends);
    let levels = [level(320, true), level(640, true), level(1280, true), level(1280, false)];
    assert_eq!(shape.levels, levels);
    assert_eq!((shape.context, shape.groups, shape.latents), (1280, 32, 4));
    assert!(shape.middle && shape.cosines_first && !shape.linear_projection && shape.added.is_none());
}

#[test]
fn the_side_of_the_pictures_of_the_training_is_a_number_or_two_or_not_said() {
    let side =
        |size: Value| of(json!({ "sample_size": size }), |file| unet::read(file).map(|(_, side)| side));
    for (size, expected) in [(Value::Null, None), (json!(64), Some(64)), (json!([96, 128]), Some(128))] {
        assert_eq!(side(size), Ok(expected));
    }
    for wrong in [json!(0), json!(-1), json!("64"), json!([]), json!(1u64 << 40)] {
        assert!(side(wrong).expect_err("a complaint").contains("sample_size"));
    }
}

#[test]
fn an_xl_has_heads_and_transformers_of_each_level_and_is_told_sizes() {
    let settings = json!({
        "block_out_channels": [320, 640, 1280], "attention_head_dim": [5, 10, 20],
        "transformer_layers_per_block": [1, 2, 10], "cross_attention_dim": 2048,
        "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"],
        "up_block_types": ["CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"],
        "addition_embed_type": "text_time", "addition_time_embed_dim": 256,
        "projection_class_embeddings_input_dim": 2816, "use_linear_projection": true,
        "mid_block_type": null, "class_embed_type": null, "upcast_attention": true, "_diffusers_version": "0.19.0",
    });
    let shape = of(settings, network).expect("as the hub has it");
    assert_eq!(shape.levels, [level(320, 5, 1, false), level(640, 10, 2, true), level(1280, 20, 10, true)]);
    assert_eq!(shape.added, Some(Added { numbers: 256, width: 2816 }));
    assert!(!shape.middle);
}

#[test]
fn ways_down_and_up_may_attend_at_other_levels() {
    let settings = json!({
        "block_out_channels": [32, 64], "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D"],
        "up_block_types": ["UpBlock2D", "CrossAttnUpBlock2D"],
    });
    let shape = of(settings, network).expect("a sound network");
    let attends: Vec<_> = shape.levels.iter().map(|level| level.attends).collect();
    assert_eq!(attends, [[false, true], [true, false]]);
}

#[test]
fn networks_that_cannot_be_built_are_refused_in_one_line() {
    for (settings, said) in [
        (json!({ "block_out_channels": [] }), "levels = 0"),
        (json!({ "block_out_channels": [0, 0, 0, 0] }), "block_out_channels = 0"),
        (json!({ "block_out_channels": [32, 64] }), "4 blocks on a way through 2 levels"),
        (json!({ "attention_head_dim": 0 }), "attention_head_dim = 0"),
        (json!({ "attention_head_dim": null }), "attention_head_dim = null"),
        (json!({ "transformer_layers_per_block": [[1, 1], 2, 3, 4] }), "a number, or one for each level"),
        (json!({ "layers_per_block": 1u64 << 60 }), "layers_per_block = 1152921504606846976"),
        (json!({ "cross_attention_dim": [1, 1, 1, 2] }), "one width of the text"),
        (json!({ "norm_eps": -1.0 }), "norm_eps = -1"),
        (json!({ "down_block_types": ["AttnDownBlock2D", "", "", ""] }), "found \"AttnDownBlock2D\""),
        (json!({ "time_cond_proj_dim": 256 }), "time_cond_proj_dim = 256"),
        (json!({ "addition_embed_type": "image" }), "addition_embed_type = image"),
        (json!({ "addition_embed_type": "text_time", "addition_time_embed_dim": 3 }), "an even number"),
        (json!({ "act_fn": "gelu" }), "act_fn = gelu"),
        (json!({ "in_channels": -4 }), "invalid value"),
    ] {
        let line = of(settings, network).expect_err("a complaint");
        assert!(line.contains(said) && !line.contains('\n'), "{line}");
    }
}

#[test]
fn a_text_encoder_has_its_class_defaults_and_an_old_one_no_end() {
    let plain = of(json!({}), |file| text::read(file, false)).expect("defaults");
    assert_eq!((plain.width, plain.layers, plain.heads, plain.positions), (512, 12, 8, 77));
    assert_eq!(
        (plain.activation, plain.end, plain.projection),
        (Activation::QuickGelu, End::Token(49407), None)
    );
    let settings = json!({ "hidden_act": "gelu", "eos_token_id": 2, "projection_dim": 1280 });
    let projected = of(settings, |file| text::read(file, true)).expect("as an XL has it");
    assert_eq!((projected.activation, projected.end), (Activation::Gelu, End::Largest));
    assert_eq!(projected.projection, Some(1280));
    for (settings, said) in [
        (json!({ "num_attention_heads": 7 }), "7 heads in a width of 512"),
        (json!({ "max_position_embeddings": 2 }), "max_position_embeddings = 2"),
        (json!({ "use_attention_mask": true }), "use_attention_mask = true"),
        (json!({ "vocab_size": 0 }), "vocab_size = 0"),
    ] {
        let line = of(settings, |file| text::read(file, false)).expect_err("a complaint");
        assert!(line.contains(said), "{line}");
    }
}

#[test]
fn an_autoencoder_of_four_levels_is_read_and_others_are_refused() {
    let four = |kind: &str| vec![kind.to_owned(); 4];
    let sound = json!({
        "down_block_types": four("DownEncoderBlock2D"), "up_block_types": four("UpDecoderBlock2D"),
        "block_out_channels": [128, 256, 512, 512], "layers_per_block": 2, "scaling_factor": 0.13025,
        "latents_mean": null, "force_upcast": true, "sample_size": 1024,
    });
    let read = of(sound.clone(), autoencoder::read).expect("as an XL has it");
    assert_eq!(read.network.channels, [128, 256, 512, 512]);
    assert_eq!((read.network.scale, read.network.latents), (0.13025, 4));
    assert!(read.quant.behind_encoder && read.quant.before_decoder);
    for (name, value, said) in [
        ("block_out_channels", json!([0, 0, 0, 0]), "four multiples"),
        ("block_out_channels", json!([128, 192, 512, 512]), "four multiples"),
        ("down_block_types", json!(["AttnDownEncoderBlock2D"]), "four blocks"),
        ("scaling_factor", json!(0), "expected a scaling_factor"),
        ("shift_factor", json!(0.1159), "shift_factor = 0.1159"),
        ("latents_std", json!([1, 1, 1, 1]), "latents_std = [1,1,1,1]"),
        ("mid_block_add_attention", json!(false), "mid_block_add_attention = false"),
        ("norm_num_groups", json!(16), "norm_num_groups = 16"),
    ] {
        let mut settings = sound.clone();
        settings[name] = value;
        let line = of(settings, autoencoder::read).err().expect("a complaint");
        assert!(line.contains(said), "{line}");
    }
}
