//! What a LoRA's tensors are by their names: for which network, of which layer, and which part of a pair.

use super::super::names::replaced;

/// Which of a model's networks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Network {
    /// The UNet, or the transformer.
    Main,
    FirstText,
    SecondText,
}

/// What a tensor is to its layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    Down,
    Up,
    /// Between the two, of a convolution that was taken apart further.
    Mid,
    Alpha,
}

#[derive(Debug, PartialEq, Eq)]
pub struct Key {
    pub network: Network,
    /// As the program calls it that wrote the file.
    pub layer: String,
    pub role: Role,
}

/// Longer names than any layer has; and what is shown of them.
const LONGEST: usize = 300;
const SHOWN: usize = 120;

impl Key {
    /// # Errors
    /// With what the tensor is instead.
    pub fn parse(name: &str) -> Result<Key, String> {
        let other = OTHERS.iter().find(|(part, _)| name.contains(part)).map(|(_, kind)| *kind);
        let whole = WHOLE.iter().any(|end| name.ends_with(end)).then_some("whole differences");
        if let Some(kind) = other.or(whole) {
            return Err(format!("{kind} (tensor {})", shown(name)));
        }
        let other = || format!("tensor {}", shown(name));
        if name.len() > LONGEST || name.chars().any(char::is_control) {
            return Err(other());
        }
        let part = |(end, role): &(&str, Role)| Some((name.strip_suffix(end)?, *role));
        let of_branch = |(stem, _): &(&str, Role)| BRANCHES.iter().any(|branch| stem.ends_with(branch));
        let found = ROLES.iter().find_map(part).or_else(|| ENDS.iter().find_map(part).filter(of_branch));
        let (stem, role) = found.ok_or_else(other)?;
        let stem = stem.strip_prefix("base_model.model.").unwrap_or(stem);
        let known = NETWORKS.iter().find_map(|(start, to)| Some((stem.strip_prefix(start)?, *to)));
        // The first files of diffusers had no UNet in their names.
        let (layer, network) = known.unwrap_or((stem, Network::Main));
        let layer = replaced(layer, if network == Network::Main { &PROCESSORS } else { &TEXT_PROCESSORS });
        if layer.is_empty() {
            return Err(other());
        }
        Ok(Key { network, layer, role })
    }
}

/// A name in one line of bearable length.
pub fn shown(name: &str) -> String {
    let plain = |c: char| if c.is_control() { '\u{fffd}' } else { c };
    let mut shown: String = name.chars().take(SHOWN).map(plain).collect();
    if name.chars().nth(SHOWN).is_some() {
        shown.push('…');
    }
    shown
}

/// Ends of names, the longer first: those of PEFT, kohya, and diffusers before it had PEFT.
const ROLES: [(&str, Role); 14] = [
    (".lora_A.default.weight", Role::Down),
    (".lora_B.default.weight", Role::Up),
    (".lora_A.weight", Role::Down),
    (".lora_B.weight", Role::Up),
    (".lora_down.weight", Role::Down),
    (".lora_up.weight", Role::Up),
    (".lora_mid.weight", Role::Mid),
    (".lora_linear_layer.down.weight", Role::Down),
    (".lora_linear_layer.up.weight", Role::Up),
    (".lora.down.weight", Role::Down),
    (".lora.up.weight", Role::Up),
    ("_lora.down.weight", Role::Down),
    ("_lora.up.weight", Role::Up),
    (".alpha", Role::Alpha),
];

/// Those of XLabs' files for FLUX.1, whose double blocks have two branches; single blocks' names end as diffusers' did.
const ENDS: [(&str, Role); 2] = [(".down.weight", Role::Down), (".up.weight", Role::Up)];
const BRANCHES: [&str; 2] = ["_lora1", "_lora2"];

/// Beginnings of names.
const NETWORKS: [(&str, Network); 15] = [
    ("unet.", Network::Main),
    ("transformer.", Network::Main),
    ("diffusion_model.", Network::Main),
    ("model.diffusion_model.", Network::Main),
    ("lora_unet_", Network::Main),
    ("lora_transformer_", Network::Main),
    ("text_encoder.", Network::FirstText),
    ("lora_te_", Network::FirstText),
    ("lora_te1_", Network::FirstText),
    ("text_encoders.clip_l.transformer.", Network::FirstText),
    ("text_encoder_2.", Network::SecondText),
    ("lora_te2_", Network::SecondText),
    // kohya's number for FLUX.1's T5.
    ("lora_te3_", Network::SecondText),
    ("text_encoders.clip_g.transformer.", Network::SecondText),
    ("text_encoders.t5xxl.transformer.", Network::SecondText),
];

/// Where diffusers kept the matrices of an attention before it had PEFT; the end of each name is cut off.
const PROCESSORS: [(&str, &str); 4] = [
    (".processor.to_q", ".to_q"),
    (".processor.to_k", ".to_k"),
    (".processor.to_v", ".to_v"),
    (".processor.to_out", ".to_out.0"),
];
const TEXT_PROCESSORS: [(&str, &str); 4] = [
    (".self_attn.to_q", ".self_attn.q_proj"),
    (".self_attn.to_k", ".self_attn.k_proj"),
    (".self_attn.to_v", ".self_attn.v_proj"),
    (".self_attn.to_out", ".self_attn.out_proj"),
];

/// Parts of names that are those of adapters of other kinds, which are computed otherwise.
const OTHERS: [(&str, &str); 16] = [
    ("dora_scale", "a DoRA"),
    ("lora_magnitude_vector", "a DoRA"),
    (".hada_", "a LoHa"),
    (".lokr_", "a LoKr"),
    (".oft_", "an OFT"),
    (".boft_", "a BOFT"),
    (".on_input", "an IA3"),
    (".ia3_", "an IA3"),
    (".vera_lambda", "a VeRA"),
    (".lora_embedding_", "a LoRA of embeddings"),
    (".lora_A.bias", "a LoRA with biases"),
    (".lora_B.bias", "a LoRA with biases"),
    (".a1.weight", "a GLoRA"),
    (".reshape_weight", "a LoRA for a widened model"),
    ("bundle_emb.", "a LoRA with embeddings"),
    ("emb_params", "a textual inversion"),
];

/// Ends of names of what is added to a layer as a whole, not as a pair.
const WHOLE: [&str; 2] = [".diff", ".diff_b"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_every_program_are_taken_apart() {
        let parsed = |name: &str| {
            let key = Key::parse(name).expect("a name that is known");
            (key.network, key.layer, key.role)
        };
        let is = |name: &str, network, layer: &str, role| {
            assert_eq!(parsed(name), (network, layer.to_owned(), role), "{name}");
        };
        use Network::{FirstText, Main, SecondText};
        is("unet.conv_in.lora_A.weight", Main, "conv_in", Role::Down);
        is("base_model.model.unet.conv_in.lora_B.default.weight", Main, "conv_in", Role::Up);
        is(
            "base_model.model.transformer_blocks.0.attn.to_q.lora_A.weight",
            Main,
            "transformer_blocks.0.attn.to_q",
            Role::Down,
        );
        is(
            "lora_unet_mid_block_resnets_0_conv1.lora_mid.weight",
            Main,
            "mid_block_resnets_0_conv1",
            Role::Mid,
        );
        is("lora_te2_text_model_x.alpha", SecondText, "text_model_x", Role::Alpha);
        is("lora_te_text_model_x.lora_up.weight", FirstText, "text_model_x", Role::Up);
        is("unet.a.attn1.processor.to_out_lora.up.weight", Main, "a.attn1.to_out.0", Role::Up);
        is("a.attn1.processor.to_q_lora.down.weight", Main, "a.attn1.to_q", Role::Down);
        is("text_encoder.l.self_attn.to_out_lora.down.weight", FirstText, "l.self_attn.out_proj", Role::Down);
        is("text_encoder.l.mlp.fc1.lora_linear_layer.up.weight", FirstText, "l.mlp.fc1", Role::Up);
        is(
            "double_blocks.3.processor.qkv_lora2.down.weight",
            Main,
            "double_blocks.3.processor.qkv_lora2",
            Role::Down,
        );
        is(
            "diffusion_model.single_blocks.3.processor.proj_lora.up.weight",
            Main,
            "single_blocks.3.processor.proj",
            Role::Up,
        );
        is("text_encoders.t5xxl.transformer.encoder.x.lora_down.weight", SecondText, "encoder.x", Role::Down);
    }

    #[test]
    fn what_is_no_lora_is_called_by_its_name_in_one_line() {
        for (name, found) in [
            ("lora_unet_x.dora_scale", "a DoRA (tensor lora_unet_x.dora_scale)"),
            ("lora_unet_x.hada_w1_a", "a LoHa (tensor lora_unet_x.hada_w1_a)"),
            ("lora_unet_x.lokr_w1", "a LoKr (tensor lora_unet_x.lokr_w1)"),
            ("unet.x.oft_R.weight", "an OFT (tensor unet.x.oft_R.weight)"),
            ("x.lora_B.bias", "a LoRA with biases (tensor x.lora_B.bias)"),
            ("diffusion_model.img_in.diff_b", "whole differences (tensor diffusion_model.img_in.diff_b)"),
            ("model.weight", "tensor model.weight"),
            ("model.down.weight", "tensor model.down.weight"),
            (
                "double_blocks.0.processor.ip_adapter.up.weight",
                "tensor double_blocks.0.processor.ip_adapter.up.weight",
            ),
            ("a\nb.alpha", "tensor a\u{fffd}b.alpha"),
            ("unet.alpha", "tensor unet.alpha"),
        ] {
            let said = Key::parse(name);
            if name == "unet.alpha" {
                // A layer of the main network that happens to be called so.
                assert_eq!(said.map(|key| key.layer), Ok("unet".to_owned()));
            } else {
                assert_eq!(said, Err(found.to_owned()));
            }
        }
        let long = Key::parse(&"x".repeat(1 << 20)).expect_err("far too long");
        assert!(long.chars().count() < 140, "{}", long.len());
    }
}
