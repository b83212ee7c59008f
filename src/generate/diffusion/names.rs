//! From the names that one program gives tensors to those of another.

use super::ModelError;
use super::weights::{Entry, Tensors};
use std::path::Path;

/// The autoencoder (`AutoencoderKL`): levels are counted the other way on the way up, and the attention's matrices
/// are convolutions of one pixel there.
pub fn autoencoder(_: &Path, from: Tensors) -> Result<Tensors, ModelError> {
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

/// A T5 encoder as llama.cpp names it; Hugging Face's names stay.
pub fn t5(_: &Path, from: Tensors) -> Result<Tensors, ModelError> {
    Ok(from.into_iter().map(|(name, entry)| (replaced(&name, &T5), entry)).collect())
}

const T5: [(&str, &str); 13] = [
    ("token_embd.", "shared."),
    ("enc.output_norm.", "encoder.final_layer_norm."),
    ("enc.blk.", "encoder.block."),
    (".attn_norm.", ".layer.0.layer_norm."),
    (".attn_q.", ".layer.0.SelfAttention.q."),
    (".attn_k.", ".layer.0.SelfAttention.k."),
    (".attn_v.", ".layer.0.SelfAttention.v."),
    (".attn_o.", ".layer.0.SelfAttention.o."),
    (".attn_rel_b.", ".layer.0.SelfAttention.relative_attention_bias."),
    (".ffn_norm.", ".layer.1.layer_norm."),
    (".ffn_gate.", ".layer.1.DenseReluDense.wi_0."),
    (".ffn_up.", ".layer.1.DenseReluDense.wi_1."),
    (".ffn_down.", ".layer.1.DenseReluDense.wo."),
];

/// `name` with every part of it that the table knows replaced, one row after another. What does not begin with a dot
/// is the name's beginning; a `*` stands for a number, which stays.
pub fn replaced(name: &str, table: &[(&str, &str)]) -> String {
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
pub fn numbered<'a>(name: &'a str, start: &str) -> Option<(usize, &'a str)> {
    let (number, rest) = name.strip_prefix(start)?.split_once('.')?;
    Some((number.parse().ok()?, rest))
}

/// One more than the largest number after `start`, at most 1000.
pub fn blocks(tensors: &Tensors, start: &str) -> usize {
    let numbers = tensors.keys().filter_map(|name| numbered(name, start)).map(|(i, _)| i);
    numbers.filter(|i| *i < 1000).max().map_or(0, |i| i + 1)
}

/// Tensors of these names, 4×6 each.
#[cfg(test)]
pub fn named(names: &[&str]) -> Tensors {
    names.iter().map(|name| ((*name).to_owned(), Entry::of(&[4, 6]))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn llama_cpps_names_become_those_of_hugging_face_which_stay() {
        let theirs = ["shared.weight", "encoder.block.0.layer.0.SelfAttention.q.weight"];
        let renamed =
            t5(Path::new("t"), named(&["enc.blk.11.ffn_down.weight", "enc.blk.2.attn_rel_b.weight"]));
        let renamed = renamed.expect("nothing is joined");
        let expected = [
            "encoder.block.11.layer.1.DenseReluDense.wo.weight",
            "encoder.block.2.layer.0.SelfAttention.relative_attention_bias.weight",
        ];
        assert_eq!(renamed.keys().map(String::as_str).collect::<Vec<_>>(), expected);
        let stayed = t5(Path::new("t"), named(&theirs)).expect("nothing is joined");
        assert!(theirs.iter().all(|name| stayed.contains_key(*name)));
    }

    #[test]
    fn the_way_up_is_counted_from_the_other_end() {
        let renamed = autoencoder(
            Path::new("t"),
            named(&[
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
