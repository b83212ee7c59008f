//! A FLUX.1 transformer's layers as diffusers and XLabs name them, by the names of Black Forest Labs: where those have
//! one matrix, diffusers has several, and XLabs changes a part of it.

use super::super::names::numbered;
use super::layers::Part;

/// The names there of what is called `layer` here, each with its part of it.
pub fn names(layer: &str) -> Vec<(String, Part)> {
    let whole = |name: String| vec![(name, Part::Whole)];
    if let Some((i, rest)) = numbered(layer, "double_blocks.") {
        let at = |name: &str| format!("transformer_blocks.{i}.{name}");
        let thirds =
            |names: [&str; 3]| names.iter().enumerate().map(|(j, name)| (at(name), Part::Third(j))).collect();
        let mut names = match rest {
            "img_attn.qkv" => thirds(["attn.to_q", "attn.to_k", "attn.to_v"]),
            "txt_attn.qkv" => thirds(["attn.add_q_proj", "attn.add_k_proj", "attn.add_v_proj"]),
            _ => renamed(rest, &DOUBLE).map(|name| whole(at(name))).unwrap_or_default(),
        };
        let trained = renamed(rest, &DOUBLE_OF_XLABS);
        names.extend(trained.map(|name| (format!("double_blocks.{i}.processor.{name}"), Part::Whole)));
        return names;
    }
    if let Some((i, rest)) = numbered(layer, "single_blocks.") {
        let at = |name: &str| format!("single_transformer_blocks.{i}.{name}");
        let of_xlabs = |name: &str, part| (format!("single_blocks.{i}.processor.{name}"), part);
        return match rest {
            "linear1" => {
                let names = ["attn.to_q", "attn.to_k", "attn.to_v", "proj_mlp"];
                let squares = names.iter().enumerate().map(|(j, name)| (at(name), Part::Square(j)));
                squares.chain([of_xlabs("qkv", Part::Squares)]).collect()
            }
            "linear2" => vec![(at("proj_out"), Part::Whole), of_xlabs("proj", Part::Whole)],
            "modulation.lin" => whole(at("norm.linear")),
            _ => Vec::new(),
        };
    }
    if layer == "final_layer.adaLN_modulation.1" {
        return vec![("norm_out.linear".to_owned(), Part::Swapped)];
    }
    renamed(layer, &OUTSIDE).map(|name| whole(name.to_owned())).unwrap_or_default()
}

fn renamed(layer: &str, table: &[(&str, &'static str)]) -> Option<&'static str> {
    table.iter().find(|(here, _)| *here == layer).map(|(_, there)| *there)
}

const DOUBLE: [(&str, &str); 8] = [
    ("img_attn.proj", "attn.to_out.0"),
    ("txt_attn.proj", "attn.to_add_out"),
    ("img_mlp.0", "ff.net.0.proj"),
    ("img_mlp.2", "ff.net.2"),
    ("txt_mlp.0", "ff_context.net.0.proj"),
    ("txt_mlp.2", "ff_context.net.2"),
    ("img_mod.lin", "norm1.linear"),
    ("txt_mod.lin", "norm1_context.linear"),
];

/// XLabs train attention alone, in processors beside it: of the picture, and of the text.
const DOUBLE_OF_XLABS: [(&str, &str); 4] = [
    ("img_attn.qkv", "qkv_lora1"),
    ("txt_attn.qkv", "qkv_lora2"),
    ("img_attn.proj", "proj_lora1"),
    ("txt_attn.proj", "proj_lora2"),
];

const OUTSIDE: [(&str, &str); 9] = [
    ("img_in", "x_embedder"),
    ("txt_in", "context_embedder"),
    ("time_in.in_layer", "time_text_embed.timestep_embedder.linear_1"),
    ("time_in.out_layer", "time_text_embed.timestep_embedder.linear_2"),
    ("vector_in.in_layer", "time_text_embed.text_embedder.linear_1"),
    ("vector_in.out_layer", "time_text_embed.text_embedder.linear_2"),
    ("guidance_in.in_layer", "time_text_embed.guidance_embedder.linear_1"),
    ("guidance_in.out_layer", "time_text_embed.guidance_embedder.linear_2"),
    ("final_layer.linear", "proj_out"),
];

#[cfg(test)]
mod tests {
    use super::super::super::flux::tiny;
    use super::super::super::weights::Weights;
    use super::super::layers::{Layer, Layers, Naming};
    use super::*;

    /// By each program's own name, as kohya's scripts write it.
    #[test]
    fn a_layer_is_found_by_both_names() {
        let dir = tiny::folder(true);
        let weights =
            Weights::open(&[dir.path().join("flux1-dev.safetensors")]).expect("a file of the model");
        let layers = Layers::of(&weights, Naming::Flux);
        let found = |name: &str| layers.find(name).cloned();
        let is = |name: &str, tensor: &str, part| {
            let expected = Layer { tensor: format!("{tensor}.weight"), part };
            assert_eq!(found(name), Some(expected), "{name}");
        };
        for (theirs, others) in OUTSIDE {
            is(&theirs.replace('.', "_"), theirs, Part::Whole);
            is(&others.replace('.', "_"), theirs, Part::Whole);
        }
        is("final_layer_adaLN_modulation_1", "final_layer.adaLN_modulation.1", Part::Whole);
        is("norm_out_linear", "final_layer.adaLN_modulation.1", Part::Swapped);
        is("double_blocks_1_txt_attn_qkv", "double_blocks.1.txt_attn.qkv", Part::Whole);
        is("transformer_blocks_1_attn_add_v_proj", "double_blocks.1.txt_attn.qkv", Part::Third(2));
        is("transformer_blocks_0_attn_to_out_0", "double_blocks.0.img_attn.proj", Part::Whole);
        is("single_transformer_blocks_0_attn_to_k", "single_blocks.0.linear1", Part::Square(1));
        is("single_transformer_blocks_0_proj_mlp", "single_blocks.0.linear1", Part::Square(3));
        is("single_transformer_blocks_0_proj_out", "single_blocks.0.linear2", Part::Whole);
        for (theirs, others) in DOUBLE_OF_XLABS {
            is(
                &format!("double_blocks.1.processor.{others}"),
                &format!("double_blocks.1.{theirs}"),
                Part::Whole,
            );
        }
        is("single_blocks.0.processor.qkv", "single_blocks.0.linear1", Part::Squares);
        is("single_blocks.0.processor.proj", "single_blocks.0.linear2", Part::Whole);
        assert_eq!(found("double_blocks_2_img_attn_qkv"), None, "there are two");
        assert_eq!(found("double_blocks_0_img_attn_norm_query_norm"), None, "it is no matrix");
    }
}
