//! From diffusers' names of tensors to those of Black Forest Labs, which this engine's networks ask for.

use std::path::Path;

use super::super::ModelError;
use super::super::names::{blocks, replaced};
use super::super::weights::{Entry, Piece, Tensors};

/// The transformer (`FluxTransformer2DModel`): what it keeps apart as query, key and value is one matrix there.
pub(super) fn transformer(path: &Path, mut from: Tensors) -> Result<Tensors, ModelError> {
    let mut to = Tensors::new();
    for kind in ["weight", "bias"] {
        let swapped = from.remove(&format!("norm_out.linear.{kind}")).map(halves_swapped);
        to.extend(swapped.map(|entry| (format!("final_layer.adaLN_modulation.1.{kind}"), entry)));
    }
    for i in 0..blocks(&from, "transformer_blocks.") {
        let (here, there) = (format!("transformer_blocks.{i}."), format!("double_blocks.{i}."));
        let attention = |names: [&str; 3]| names.map(|name| format!("{here}attn.{name}"));
        let image = attention(["to_q", "to_k", "to_v"]);
        join(path, &mut from, &mut to, &image, &format!("{there}img_attn.qkv"))?;
        let text = attention(["add_q_proj", "add_k_proj", "add_v_proj"]);
        join(path, &mut from, &mut to, &text, &format!("{there}txt_attn.qkv"))?;
    }
    for i in 0..blocks(&from, "single_transformer_blocks.") {
        let names = ["attn.to_q", "attn.to_k", "attn.to_v", "proj_mlp"];
        let names = names.map(|name| format!("single_transformer_blocks.{i}.{name}"));
        join(path, &mut from, &mut to, &names, &format!("single_blocks.{i}.linear1"))?;
    }
    to.extend(from.into_iter().map(|(name, entry)| (replaced(&name, &TRANSFORMER), entry)));
    Ok(to)
}

/// Parts of names, the more particular first.
const TRANSFORMER: [(&str, &str); 28] = [
    ("single_transformer_blocks.", "single_blocks."),
    ("transformer_blocks.", "double_blocks."),
    (".norm1_context.linear.", ".txt_mod.lin."),
    (".norm1.linear.", ".img_mod.lin."),
    (".norm.linear.", ".modulation.lin."),
    (".attn.norm_added_q.weight", ".txt_attn.norm.query_norm.scale"),
    (".attn.norm_added_k.weight", ".txt_attn.norm.key_norm.scale"),
    (".attn.to_add_out.", ".txt_attn.proj."),
    (".attn.to_out.0.", ".img_attn.proj."),
    (".ff_context.net.0.proj.", ".txt_mlp.0."),
    (".ff_context.net.2.", ".txt_mlp.2."),
    (".ff.net.0.proj.", ".img_mlp.0."),
    (".ff.net.2.", ".img_mlp.2."),
    ("x_embedder.", "img_in."),
    ("context_embedder.", "txt_in."),
    ("time_text_embed.timestep_embedder.linear_1.", "time_in.in_layer."),
    ("time_text_embed.timestep_embedder.linear_2.", "time_in.out_layer."),
    ("time_text_embed.text_embedder.linear_1.", "vector_in.in_layer."),
    ("time_text_embed.text_embedder.linear_2.", "vector_in.out_layer."),
    ("time_text_embed.guidance_embedder.linear_1.", "guidance_in.in_layer."),
    ("time_text_embed.guidance_embedder.linear_2.", "guidance_in.out_layer."),
    // In a double block the image's norms; in a single block, where there is but one attention, its own.
    ("double_blocks.*.attn.norm_q.weight", "img_attn.norm.query_norm.scale"),
    ("double_blocks.*.attn.norm_k.weight", "img_attn.norm.key_norm.scale"),
    ("single_blocks.*.attn.norm_q.weight", "norm.query_norm.scale"),
    ("single_blocks.*.attn.norm_k.weight", "norm.key_norm.scale"),
    ("single_blocks.*.proj_out.weight", "linear2.weight"),
    ("single_blocks.*.proj_out.bias", "linear2.bias"),
    ("proj_out.", "final_layer.linear."),
];

/// Puts the weights, and the biases if there are any, of `names` below one another.
fn join(
    path: &Path,
    from: &mut Tensors,
    to: &mut Tensors,
    names: &[String],
    joined: &str,
) -> Result<(), ModelError> {
    for kind in ["weight", "bias"] {
        if kind == "bias" && !from.contains_key(&format!("{}.bias", names[0])) {
            continue;
        }
        let mut whole: Option<Entry> = None;
        for name in names {
            let name = format!("{name}.{kind}");
            let missing = || ModelError::NoTensor { file: path.to_owned(), tensor: name.clone() };
            let part = from.remove(&name).ok_or_else(missing)?;
            let Some(whole) = &mut whole else {
                whole = Some(part);
                continue;
            };
            let alike = whole.dtype == part.dtype && whole.shape.get(1..) == part.shape.get(1..);
            let ([rows, ..], [more, ..], true) = (&mut whole.shape[..], &part.shape[..], alike) else {
                return Err(ModelError::Unlike {
                    file: path.to_owned(),
                    tensor: name,
                    other: names[0].clone(),
                });
            };
            *rows = rows.saturating_add(*more);
            whole.pieces.extend(part.pieces);
        }
        to.extend(whole.map(|whole| (format!("{joined}.{kind}"), whole)));
    }
    Ok(())
}

/// The same with its second half first: scale and shift stand the other way round.
fn halves_swapped(mut entry: Entry) -> Entry {
    if let [Piece { file, start, end }] = entry.pieces[..] {
        let middle = start + (end - start) / 2;
        entry.pieces = vec![Piece { file, start: middle, end }, Piece { file, start, end: middle }];
    }
    entry
}

#[cfg(test)]
mod tests {
    use super::super::super::names::named;
    use super::*;

    #[test]
    fn a_single_block_has_one_matrix_for_all_that_it_reads_and_its_own_norms() {
        let at = |name: &str| format!("single_transformer_blocks.0.{name}.weight");
        let all =
            ["attn.to_q", "attn.to_k", "attn.to_v", "proj_mlp", "attn.norm_q", "proj_out", "norm.linear"];
        let all = all.map(at);
        let renamed = transformer(Path::new("t"), named(&all.each_ref().map(String::as_str)));
        let renamed = renamed.expect("all parts are there");
        let expected = ["linear1.weight", "linear2.weight", "modulation.lin.weight", "norm.query_norm.scale"];
        let expected = expected.map(|name| format!("single_blocks.0.{name}"));
        assert_eq!(renamed.keys().cloned().collect::<Vec<_>>(), expected);
        let joined = &renamed["single_blocks.0.linear1.weight"];
        assert_eq!((joined.shape.as_slice(), joined.pieces.len()), (&[16, 6][..], 4));
    }

    #[test]
    fn what_lacks_a_part_or_has_one_of_another_width_is_refused() {
        let at = |name: &str| format!("transformer_blocks.0.attn.{name}.weight");
        let lacking = named(&[&at("to_q"), &at("to_v")]);
        let refused = transformer(Path::new("t"), lacking).err().expect("a complaint").to_string();
        assert!(refused.contains("no tensor transformer_blocks.0.attn.to_k.weight"), "{refused}");
        let mut unlike = named(&[&at("to_q"), &at("to_k"), &at("to_v")]);
        unlike.insert(at("to_k"), Entry::of(&[4, 7]));
        let refused = transformer(Path::new("t"), unlike).err().expect("a complaint").to_string();
        assert!(refused.contains("to_k"), "{refused}");
    }

    #[test]
    fn scale_and_shift_change_places() {
        let renamed = transformer(Path::new("t"), named(&["norm_out.linear.weight", "proj_out.weight"]));
        let renamed = renamed.expect("nothing is joined");
        let pieces = &renamed["final_layer.adaLN_modulation.1.weight"].pieces;
        assert_eq!(pieces.iter().map(|p| (p.start, p.end)).collect::<Vec<_>>(), [(48, 96), (0, 48)]);
        assert!(renamed.contains_key("final_layer.linear.weight"));
    }
}
