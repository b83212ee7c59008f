//! Architecture, read from the shapes of the tensors.

use std::path::Path;

use super::super::clip::{self, Activation, End};
use super::super::weights::Weights;
use super::super::{ModelError, autoencoder, t5};
use super::configs::Configs;
use super::schedule::Shift;
use super::transformer;

/// Width of an attention head in every CLIP text encoder that is known; no tensor shows it.
const CLIP_HEAD: usize = 64;

/// What the four networks are.
pub(super) struct Shapes {
    pub flux: transformer::Config,
    pub autoencoder: autoencoder::Config,
    pub clip: clip::Shape,
    pub t5: t5::Config,
    /// The name of T5's matrix of words.
    pub t5_words: &'static str,
    pub shift: Shift,
}

impl Shapes {
    /// Of the four networks, by their tensors; `configs` tell more, where there are some.
    pub fn read(
        flux: &Weights,
        vae: &Weights,
        clip: &Weights,
        t5: &Weights,
        configs: Option<&Configs>,
    ) -> Result<Shapes, ModelError> {
        let clip_prefix = if clip.names().any(|n| n.starts_with("text_model.")) { "text_model" } else { "" };
        let t5_words = T5_WORDS[usize::from(!t5.has(T5_WORDS[0]))];
        let mut shapes = Shapes {
            flux: flux_transformer(flux)?,
            autoencoder: autoencoder(vae)?,
            clip: clip_text(clip, clip_prefix, configs.map(|c| c.clip.num_attention_heads))?,
            t5: t5_encoder(t5, t5_words)?,
            t5_words,
            shift: Shift::NONE,
        };
        if shapes.flux.guided {
            shapes.shift = Shift::DEV;
        }
        if let Some(configs) = configs {
            shapes.obey(configs, flux)?;
        }
        let fit =
            |what, found, file: &Weights, expected| fit(what, (expected, &flux.path), (found, &file.path));
        fit("packed latent channels", 4 * shapes.autoencoder.latents, vae, shapes.flux.channels)?;
        fit("width of the pooled text", shapes.clip.width, clip, shapes.flux.pooled)?;
        fit("width of the text", shapes.t5.width, t5, shapes.flux.context)?;
        Ok(shapes)
    }

    /// Takes over from a configuration what no tensor shows, and holds the rest of it against the tensors.
    fn obey(&mut self, configs: &Configs, flux: &Weights) -> Result<(), ModelError> {
        let Configs { dir, transformer, autoencoder, t5, shift, .. } = configs;
        let file = dir.join("transformer/config.json");
        let fit = |what, said, found| fit(what, (found, &flux.path), (said, &file));
        let width = transformer.num_attention_heads.saturating_mul(transformer.attention_head_dim);
        fit("double blocks", transformer.num_layers, self.flux.double_blocks)?;
        fit("single blocks", transformer.num_single_layers, self.flux.single_blocks)?;
        fit("width of all attention heads", width, self.flux.width)?;
        fit("heads", transformer.num_attention_heads, self.flux.heads)?;
        let (says, has) = (transformer.guidance_embeds, self.flux.guided);
        fit("guidance embeddings", usize::from(says), usize::from(has))?;
        let axes = &transformer.axes_dims_rope;
        let whole = axes.iter().try_fold(0usize, |sum, axis| sum.checked_add(*axis));
        let even = axes.iter().all(|axis| axis % 2 == 0);
        match <[usize; 3]>::try_from(axes.as_slice()) {
            Ok(axes) if even && whole == Some(transformer.attention_head_dim) => self.flux.axes = axes,
            _ => {
                let expected = "axes_dims_rope of three even numbers that make up attention_head_dim";
                return Err(ModelError::Family { file, expected, found: format!("{axes:?}") });
            }
        }
        self.autoencoder.scale = autoencoder.scaling_factor;
        self.autoencoder.shift = autoencoder.shift_factor.unwrap_or(0.0);
        let (buckets, distance) = (self.t5.buckets, t5.relative_attention_max_distance);
        if buckets < 4 || distance <= buckets / 4 {
            let expected =
                "a relative_attention_max_distance over a quarter of the buckets, of four at least";
            let (file, found) =
                (dir.join("text_encoder_2/config.json"), format!("{distance} over {buckets}"));
            return Err(ModelError::Family { file, expected, found });
        }
        self.t5.epsilon = t5.layer_norm_epsilon;
        self.t5.distance = distance;
        self.shift = *shift;
        Ok(())
    }
}

/// Holds a number that a file must have against the one that another has.
fn fit(
    what: &'static str,
    (expected, other): (usize, &Path),
    (found, file): (usize, &Path),
) -> Result<(), ModelError> {
    let (file, other) = (file.to_owned(), other.to_owned());
    if found == expected { Ok(()) } else { Err(ModelError::Misfit { file, what, expected, other, found }) }
}

pub(super) fn flux_transformer(w: &Weights) -> Result<transformer::Config, ModelError> {
    const EXPECTED: &str = "a FLUX.1 transformer with BFL's tensor names (img_in.weight, double_blocks.0…)";
    let (width, channels) = family(w, "img_in.weight", EXPECTED)?;
    let [head] = dims(w, "double_blocks.0.img_attn.norm.query_norm.scale")?;
    let [inner, _] = dims(w, "double_blocks.0.img_mlp.0.weight")?;
    let [_, pooled] = dims(w, "vector_in.in_layer.weight")?;
    let [_, context] = dims(w, "txt_in.weight")?;
    w.shape("single_blocks.0.linear1.weight")?;
    // The head's width is split 1 : 3.5 : 3.5 over the three axes of position, each even.
    if head == 0 || head % 32 != 0 || width == 0 || width % head != 0 {
        let found = format!("heads of width {head} in a width of {width}");
        return Err(ModelError::Family {
            file: w.path.clone(),
            expected: "heads of a multiple of 32",
            found,
        });
    }
    let first = head / 8;
    Ok(transformer::Config {
        channels,
        pooled,
        context,
        width,
        inner,
        heads: width / head,
        double_blocks: w.count("double_blocks."),
        single_blocks: w.count("single_blocks."),
        axes: [first, (head - first) / 2, (head - first) / 2],
        biased: w.has("double_blocks.0.img_attn.qkv.bias"),
        guided: w.has("guidance_in.in_layer.weight"),
    })
}

fn autoencoder(w: &Weights) -> Result<autoencoder::Config, ModelError> {
    const EXPECTED: &str = "a FLUX.1 autoencoder with BFL's tensor names (encoder.down.0.block.0…)";
    const DOWN: &str = "encoder.down.0.block.0.conv1.weight";
    if !w.has(DOWN) || w.has("quant_conv.weight") {
        let found = if w.has(DOWN) { "quant_conv.weight".to_owned() } else { first_name(w) };
        return Err(ModelError::Family { file: w.path.clone(), expected: EXPECTED, found });
    }
    let [first, colours_in, _, _] = dims(w, "encoder.conv_in.weight")?;
    let [moments, _, _, _] = dims(w, "encoder.conv_out.weight")?;
    let [colours_out, _, _, _] = dims(w, "decoder.conv_out.weight")?;
    let levels = w.count("encoder.down.");
    let colours = (colours_in, colours_out) == (3, 3);
    if first == 0 || levels != 4 || !colours {
        let found =
            format!("{levels} levels of {first} channels, {colours_in} colours in, {colours_out} out");
        let expected = "an autoencoder of 4 levels, 3 colours in and out";
        return Err(ModelError::Family { file: w.path.clone(), expected, found });
    }
    let channels = (0..levels)
        .map(|i| Ok(dims::<4>(w, &format!("encoder.down.{i}.block.0.conv1.weight"))?[0]))
        .collect::<Result<Vec<_>, ModelError>>()?;
    Ok(autoencoder::Config {
        channels,
        residuals: w.count("encoder.down.0.block."),
        latents: moments / 2,
        // The same for dev and schnell; no tensor shows them.
        scale: 0.3611,
        shift: 0.1159,
    })
}

fn clip_text(w: &Weights, prefix: &str, heads: Option<usize>) -> Result<clip::Shape, ModelError> {
    let at = |name: &str| if prefix.is_empty() { name.to_owned() } else { format!("{prefix}.{name}") };
    const EXPECTED: &str = "a CLIP text encoder with Hugging Face's tensor names (text_model.embeddings…)";
    let (vocabulary, width) = family(w, &at("embeddings.token_embedding.weight"), EXPECTED)?;
    let [positions, _] = dims(w, &at("embeddings.position_embedding.weight"))?;
    let [inner, _] = dims(w, &at("encoder.layers.0.mlp.fc1.weight"))?;
    let heads = heads.unwrap_or(if width % CLIP_HEAD == 0 { width / CLIP_HEAD } else { 0 });
    if heads == 0 || width % heads != 0 || positions < 2 {
        let found = format!("width {width}, {heads} heads, {positions} positions");
        return Err(ModelError::Family { file: w.path.clone(), expected: EXPECTED, found });
    }
    Ok(clip::Shape {
        vocabulary,
        positions,
        width,
        inner,
        layers: w.count(&at("encoder.layers.")),
        heads,
        activation: Activation::QuickGelu,
        epsilon: 1e-5,
        end: End::Last,
        projection: None,
    })
}

/// Under which names T5's matrix of words is stored.
pub(super) const T5_WORDS: [&str; 2] = ["shared.weight", "encoder.embed_tokens.weight"];

fn t5_encoder(w: &Weights, words: &str) -> Result<t5::Config, ModelError> {
    const EXPECTED: &str = "a gated T5 v1.1 encoder with Hugging Face's tensor names (encoder.block.0…)";
    let layer = |name: &str| format!("encoder.block.0.layer.{name}.weight");
    let (inner, width) = family(w, &layer("1.DenseReluDense.wi_0"), EXPECTED)?;
    let [vocabulary, _] = dims(w, words)?;
    let [buckets, heads] = dims(w, &layer("0.SelfAttention.relative_attention_bias"))?;
    let [all_heads, _] = dims(w, &layer("0.SelfAttention.q"))?;
    if heads == 0 || all_heads % heads != 0 {
        let found = format!("{heads} heads in a width of {all_heads}");
        return Err(ModelError::Family { file: w.path.clone(), expected: EXPECTED, found });
    }
    Ok(t5::Config {
        vocabulary,
        width,
        head: all_heads / heads,
        heads,
        inner,
        blocks: w.count("encoder.block."),
        buckets,
        distance: 128,
        epsilon: 1e-6,
    })
}

/// Rows and columns of the matrix that shows the family.
fn family(w: &Weights, name: &str, expected: &'static str) -> Result<(usize, usize), ModelError> {
    match w.shape(name) {
        Ok(&[rows, columns]) => Ok((rows, columns)),
        Ok(shape) => Err(ModelError::Family {
            file: w.path.clone(),
            expected,
            found: format!("{name} of shape {shape:?}"),
        }),
        Err(_) => Err(ModelError::Family { file: w.path.clone(), expected, found: first_name(w) }),
    }
}

fn first_name(w: &Weights) -> String {
    w.names().next().map_or_else(|| "no tensors".to_owned(), |name| format!("{name}…"))
}

fn dims<const N: usize>(w: &Weights, name: &str) -> Result<[usize; N], ModelError> {
    let shape = w.shape(name)?;
    <[usize; N]>::try_from(shape).map_err(|_| ModelError::Family {
        file: w.path.clone(),
        expected: "another number of dimensions",
        found: format!("{name} of shape {shape:?}"),
    })
}
