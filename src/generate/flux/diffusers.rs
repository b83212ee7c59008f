//! From diffusers' names of tensors to those of Black Forest Labs, which candle's models ask for.

use std::path::Path;

use super::FluxError;
use super::weights::{Entry, Piece, Tensors};

/// The transformer (`FluxTransformer2DModel`): what it keeps apart as query, key and value is one matrix there.
pub(super) fn transformer(path: &Path, mut from: Tensors) -> Result<Tensors, FluxError> {
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

/// The autoencoder (`AutoencoderKL`): levels are counted the other way on the way up, and the attention's matrices
/// are convolutions of one pixel there.
pub(super) fn autoencoder(_: &Path, from: Tensors) -> Result<Tensors, FluxError> {
    let levels = blocks(&from, "decoder.up_blocks.");
    let rename = |(name, mut entry): (String, Entry)| {
        let mut name = replaced(&name, &AUTOENCODER);
        if let Some((i, rest)) = numbered(&name, "decoder.up_blocks.") {
            name = format!("decoder.up.{}.{rest}", levels.saturating_sub(i.saturating_add(1)));
        }
        if let ([rows, columns], true) = (entry.shape.as_slice(), name.contains(".mid.attn_1.")) {
            entry.shape = vec![*rows, *columns, 1, 1];
        }
        (name, entry)
    };
    Ok(from.into_iter().map(rename).collect())
}

const AUTOENCODER: [(&str, &str); 17] = [
    (".conv_norm_out.", ".norm_out."),
    ("encoder.down_blocks.", "encoder.down."),
    (".mid_block.resnets.0.", ".mid.block_1."),
    (".mid_block.resnets.1.", ".mid.block_2."),
    (".mid_block.attentions.0.group_norm.", ".mid.attn_1.norm."),
    (".mid_block.attentions.0.to_q.", ".mid.attn_1.q."),
    (".mid_block.attentions.0.to_k.", ".mid.attn_1.k."),
    (".mid_block.attentions.0.to_v.", ".mid.attn_1.v."),
    (".mid_block.attentions.0.to_out.0.", ".mid.attn_1.proj_out."),
    // As older versions wrote them.
    (".mid_block.attentions.0.query.", ".mid.attn_1.q."),
    (".mid_block.attentions.0.key.", ".mid.attn_1.k."),
    (".mid_block.attentions.0.value.", ".mid.attn_1.v."),
    (".mid_block.attentions.0.proj_attn.", ".mid.attn_1.proj_out."),
    (".conv_shortcut.", ".nin_shortcut."),
    (".downsamplers.0.conv.", ".downsample.conv."),
    (".upsamplers.0.conv.", ".upsample.conv."),
    // Those of the mid block are gone by now.
    (".resnets.", ".block."),
];

/// `name` with every part of it that the table knows replaced, one row after another. What does not begin with a dot
/// is the name's beginning; a `*` stands for a number, which stays.
fn replaced(name: &str, table: &[(&str, &str)]) -> String {
    let mut name = name.to_owned();
    for (from, to) in table {
        match from.split_once(".*.") {
            None if from.starts_with('.') => name = name.replace(from, to),
            None => {
                if let Some(rest) = name.strip_prefix(from) {
                    name = format!("{to}{rest}");
                }
            }
            Some((start, end)) => {
                if let Some((i, rest)) = numbered(&name, &format!("{start}."))
                    && rest == end
                {
                    name = format!("{start}.{i}.{to}");
                }
            }
        }
    }
    name
}

/// The number after `start`, and what follows it.
fn numbered<'a>(name: &'a str, start: &str) -> Option<(usize, &'a str)> {
    let (number, rest) = name.strip_prefix(start)?.split_once('.')?;
    Some((number.parse().ok()?, rest))
}

/// One more than the largest number after `start`, at most 1000.
fn blocks(tensors: &Tensors, start: &str) -> usize {
    let numbers = tensors.keys().filter_map(|name| numbered(name, start)).map(|(i, _)| i);
    numbers.filter(|i| *i < 1000).max().map_or(0, |i| i + 1)
}

/// Puts the weights, and the biases if there are any, of `names` below one another.
fn join(
    path: &Path,
    from: &mut Tensors,
    to: &mut Tensors,
    names: &[String],
    joined: &str,
) -> Result<(), FluxError> {
    for kind in ["weight", "bias"] {
        if kind == "bias" && !from.contains_key(&format!("{}.bias", names[0])) {
            continue;
        }
        let mut whole: Option<Entry> = None;
        for name in names {
            let name = format!("{name}.{kind}");
            let missing = || FluxError::NoTensor { file: path.to_owned(), tensor: name.clone() };
            let part = from.remove(&name).ok_or_else(missing)?;
            let Some(whole) = &mut whole else {
                whole = Some(part);
                continue;
            };
            let alike = whole.dtype == part.dtype && whole.shape.get(1..) == part.shape.get(1..);
            let ([rows, ..], [more, ..], true) = (&mut whole.shape[..], &part.shape[..], alike) else {
                return Err(FluxError::Unlike {
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
    use super::*;

    fn entry(shape: &[usize]) -> Entry {
        let end = 4 * shape.iter().product::<usize>() as u64;
        Entry { dtype: "F32".into(), shape: shape.to_vec(), pieces: vec![Piece { file: 0, start: 0, end }] }
    }

    fn names(tensors: &[&str]) -> Tensors {
        tensors.iter().map(|name| ((*name).to_owned(), entry(&[4, 6]))).collect()
    }

    #[test]
    fn a_single_block_has_one_matrix_for_all_that_it_reads_and_its_own_norms() {
        let at = |name: &str| format!("single_transformer_blocks.0.{name}.weight");
        let all =
            ["attn.to_q", "attn.to_k", "attn.to_v", "proj_mlp", "attn.norm_q", "proj_out", "norm.linear"];
        let all = all.map(at);
        let renamed = transformer(Path::new("t"), names(&all.each_ref().map(String::as_str)));
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
        let lacking = names(&[&at("to_q"), &at("to_v")]);
        let refused = transformer(Path::new("t"), lacking).err().expect("a complaint").to_string();
        assert!(refused.contains("no tensor transformer_blocks.0.attn.to_k.weight"), "{refused}");
        let mut unlike = names(&[&at("to_q"), &at("to_k"), &at("to_v")]);
        unlike.insert(at("to_k"), entry(&[4, 7]));
        let refused = transformer(Path::new("t"), unlike).err().expect("a complaint").to_string();
        assert!(refused.contains("to_k"), "{refused}");
    }

    #[test]
    fn scale_and_shift_change_places() {
        let renamed = transformer(Path::new("t"), names(&["norm_out.linear.weight", "proj_out.weight"]));
        let renamed = renamed.expect("nothing is joined");
        let pieces = &renamed["final_layer.adaLN_modulation.1.weight"].pieces;
        assert_eq!(pieces.iter().map(|p| (p.start, p.end)).collect::<Vec<_>>(), [(48, 96), (0, 48)]);
        assert!(renamed.contains_key("final_layer.linear.weight"));
    }

    #[test]
    fn the_way_up_is_counted_from_the_other_end() {
        let renamed = autoencoder(
            Path::new("t"),
            names(&[
                "decoder.up_blocks.0.resnets.2.conv_shortcut.weight",
                "decoder.up_blocks.3.upsamplers.0.conv.weight",
                "encoder.down_blocks.1.resnets.0.conv1.weight",
                "encoder.mid_block.attentions.0.to_out.0.weight",
                "decoder.conv_norm_out.weight",
            ]),
        );
        let renamed = renamed.expect("nothing is joined");
        let expected = [
            "decoder.norm_out.weight",
            "decoder.up.0.upsample.conv.weight",
            "decoder.up.3.block.2.nin_shortcut.weight",
            "encoder.down.1.block.0.conv1.weight",
            "encoder.mid.attn_1.proj_out.weight",
        ];
        assert_eq!(renamed.keys().map(String::as_str).collect::<Vec<_>>(), expected);
        assert_eq!(renamed["encoder.mid.attn_1.proj_out.weight"].shape, [4, 6, 1, 1]);
    }
}
