//! Checkpoints as the programs of their training name and lay them out, for tests.

use std::path::Path;

use serde_json::{Map, Value, json};

use super::super::super::flux::tiny::save;
use super::super::super::ops::Vars;
use super::Family;

/// The tensors of a file, by name and shape.
pub type Named = Vec<(String, Vec<usize>)>;

/// A checkpoint's networks.
#[derive(Clone)]
pub struct Ldm {
    pub channels: Vec<usize>,
    pub residuals: usize,
    /// Blocks of the transformers of each level, 0 for none, and of the middle's.
    pub depths: Vec<usize>,
    pub middle: usize,
    pub context: usize,
    pub linear: bool,
    /// Width of what an XL is told beside time and text.
    pub label: Option<usize>,
    pub autoencoder: [usize; 4],
    pub text: Vec<Text>,
}

/// A text encoder; open_clip's is projected.
#[derive(Clone)]
pub struct Text {
    pub start: &'static str,
    pub open: bool,
    pub vocabulary: usize,
    pub positions: usize,
    pub width: usize,
    pub inner: usize,
    pub layers: usize,
    pub projected: usize,
}

pub fn of(family: Family) -> Ldm {
    match family {
        Family::First => first(),
        Family::Second => second(),
        Family::Xl => xl(),
    }
}

pub fn first() -> Ldm {
    let text = Text { layers: 12, ..text(super::family::CLIP, false, 768) };
    Ldm {
        channels: vec![320, 640, 1280, 1280],
        residuals: 2,
        depths: vec![1, 1, 1, 0],
        middle: 1,
        context: 768,
        linear: false,
        label: None,
        autoencoder: [128, 256, 512, 512],
        text: vec![text],
    }
}

pub fn second() -> Ldm {
    let text = Text { layers: 24, ..text(super::family::OPEN_CLIP, true, 1024) };
    Ldm { context: 1024, linear: true, text: vec![text], ..first() }
}

pub fn xl() -> Ldm {
    let texts = [
        Text { layers: 12, ..text(super::family::CLIP_OF_XL, false, 768) },
        Text { layers: 32, ..text(super::family::OPEN_CLIP_OF_XL, true, 1280) },
    ];
    Ldm {
        channels: vec![320, 640, 1280],
        depths: vec![0, 2, 10],
        middle: 10,
        context: 2048,
        linear: true,
        label: Some(2816),
        text: texts.to_vec(),
        ..first()
    }
}

fn text(start: &'static str, open: bool, width: usize) -> Text {
    let (vocabulary, positions, inner) = (49408, 77, 4 * width);
    Text { start, open, vocabulary, positions, width, inner, layers: 1, projected: width }
}

/// Small enough to be drawn with. Its text encoders have heads of 64.
pub fn tiny(of: &Ldm) -> Ldm {
    let text = |text: &Text| Text {
        vocabulary: 56,
        positions: 77,
        width: 64,
        inner: 24,
        layers: 2,
        projected: 8,
        ..text.clone()
    };
    let count = of.text.len();
    Ldm {
        channels: vec![64, 128],
        residuals: 1,
        depths: vec![1, 0],
        middle: 1,
        context: 64 * count,
        label: of.label.map(|_| 6 * 4 + 8),
        autoencoder: [32, 32, 32, 64],
        text: of.text.iter().map(text).collect(),
        linear: of.linear,
    }
}

impl Ldm {
    pub fn tensors(&self) -> Named {
        let mut all = Named::new();
        self.unet(&mut all);
        self.autoencoder(&mut all);
        self.text.iter().for_each(|text| text.tensors(&mut all));
        all
    }

    fn unet(&self, all: &mut Named) {
        let (first, time) = (self.channels[0], 4 * self.channels[0]);
        let mut at = |name: &str, parts: Named| {
            all.extend(
                parts
                    .into_iter()
                    .map(|(part, shape)| (format!("{}{name}.{part}", super::family::UNET), shape)),
            );
        };
        let residual = |inputs: usize, outputs: usize| {
            let mut parts = [
                norm("in_layers.0", inputs),
                conv("in_layers.2", inputs, outputs, 3),
                linear("emb_layers.1", time, outputs),
                norm("out_layers.0", outputs),
                conv("out_layers.3", outputs, outputs, 3),
            ]
            .concat();
            if inputs != outputs {
                parts.extend(conv("skip_connection", inputs, outputs, 1));
            }
            parts
        };
        let bare = |parts: Named| -> Named {
            parts.into_iter().map(|(name, shape)| (name.trim_start_matches('.').to_owned(), shape)).collect()
        };
        at("time_embed.0", bare(linear("", first, time)));
        at("time_embed.2", bare(linear("", time, time)));
        if let Some(label) = self.label {
            at("label_emb.0.0", bare(linear("", label, time)));
            at("label_emb.0.2", bare(linear("", time, time)));
        }
        at("input_blocks.0.0", bare(conv("", 4, first, 3)));
        let (mut now, mut left, mut n) = (first, vec![first], 0);
        for (i, channels) in self.channels.iter().copied().enumerate() {
            for _ in 0..self.residuals {
                n += 1;
                at(&format!("input_blocks.{n}.0"), residual(now, channels));
                if self.depths[i] > 0 {
                    at(&format!("input_blocks.{n}.1"), self.transformer(channels, self.depths[i]));
                }
                now = channels;
                left.push(now);
            }
            if i + 1 < self.channels.len() {
                n += 1;
                at(&format!("input_blocks.{n}.0"), conv("op", now, now, 3));
                left.push(now);
            }
        }
        at("middle_block.0", residual(now, now));
        at("middle_block.1", self.transformer(now, self.middle));
        at("middle_block.2", residual(now, now));
        let mut n = 0;
        for (i, channels) in self.channels.iter().copied().enumerate().rev() {
            for j in 0..=self.residuals {
                at(&format!("output_blocks.{n}.0"), residual(now + left.pop().unwrap_or_default(), channels));
                now = channels;
                let attends = self.depths[i] > 0;
                if attends {
                    at(&format!("output_blocks.{n}.1"), self.transformer(channels, self.depths[i]));
                }
                if i > 0 && j == self.residuals {
                    let part = 1 + usize::from(attends);
                    at(&format!("output_blocks.{n}.{part}"), conv("conv", now, now, 3));
                }
                n += 1;
            }
        }
        at("out.0", bare(norm("", first)));
        at("out.2", bare(conv("", first, 4, 3)));
    }

    fn transformer(&self, width: usize, depth: usize) -> Named {
        let projection =
            |name: &str| if self.linear { linear(name, width, width) } else { conv(name, width, width, 1) };
        let mut parts = [norm("norm", width), projection("proj_in"), projection("proj_out")].concat();
        for i in 0..depth {
            let at = |name: &str| format!("transformer_blocks.{i}.{name}");
            for (attention, seen) in [("attn1", width), ("attn2", self.context)] {
                for (name, seen) in [("to_q", width), ("to_k", seen), ("to_v", seen)] {
                    parts.push((at(&format!("{attention}.{name}.weight")), vec![width, seen]));
                }
                parts.extend(linear(&at(&format!("{attention}.to_out.0")), width, width));
            }
            parts.extend(linear(&at("ff.net.0.proj"), width, 8 * width));
            parts.extend(linear(&at("ff.net.2"), 4 * width, width));
            parts.extend(["norm1", "norm2", "norm3"].iter().flat_map(|name| norm(&at(name), width)));
        }
        parts
    }

    fn autoencoder(&self, all: &mut Named) {
        let residual = |name: String, inputs: usize, outputs: usize| {
            let at = |part: &str| format!("{name}.{part}");
            let mut parts = [
                norm(&at("norm1"), inputs),
                conv(&at("conv1"), inputs, outputs, 3),
                norm(&at("norm2"), outputs),
                conv(&at("conv2"), outputs, outputs, 3),
            ]
            .concat();
            if inputs != outputs {
                parts.extend(conv(&at("nin_shortcut"), inputs, outputs, 1));
            }
            parts
        };
        let [first, _, _, last] = self.autoencoder;
        let middle = |way: &str| {
            let at = |part: &str| format!("{way}.mid.{part}");
            let pixel = ["q", "k", "v", "proj_out"]
                .iter()
                .flat_map(|p| conv(&at(&format!("attn_1.{p}")), last, last, 1));
            let blocks = ["block_1", "block_2"].iter().flat_map(|block| residual(at(block), last, last));
            [norm(&at("attn_1.norm"), last), pixel.collect(), blocks.collect()].concat()
        };
        let mut parts = [
            conv("encoder.conv_in", 3, first, 3),
            middle("encoder"),
            norm("encoder.norm_out", last),
            conv("encoder.conv_out", last, 8, 3),
            conv("quant_conv", 8, 8, 1),
            conv("post_quant_conv", 4, 4, 1),
            conv("decoder.conv_in", 4, last, 3),
            middle("decoder"),
            norm("decoder.norm_out", first),
            conv("decoder.conv_out", first, 3, 3),
        ]
        .concat();
        let (mut now, residuals) = (first, self.residuals);
        for (i, channels) in self.autoencoder.into_iter().enumerate() {
            for j in 0..residuals {
                parts.extend(residual(format!("encoder.down.{i}.block.{j}"), now, channels));
                now = channels;
            }
            if i < 3 {
                parts.extend(conv(&format!("encoder.down.{i}.downsample.conv"), now, now, 3));
            }
        }
        for (i, channels) in self.autoencoder.into_iter().enumerate().rev() {
            for j in 0..=residuals {
                parts.extend(residual(format!("decoder.up.{i}.block.{j}"), now, channels));
                now = channels;
            }
            if i > 0 {
                parts.extend(conv(&format!("decoder.up.{i}.upsample.conv"), now, now, 3));
            }
        }
        let under =
            |(name, shape): (String, Vec<usize>)| (format!("{}{name}", super::family::AUTOENCODER), shape);
        all.extend(parts.into_iter().map(under));
    }
}

impl Text {
    fn tensors(&self, all: &mut Named) {
        let Text { width, inner, .. } = *self;
        let one = |name: &str, shape: &[usize]| vec![(name.to_owned(), shape.to_vec())];
        let layer = |i: usize| match self.open {
            true => {
                let at = |name: &str| format!("transformer.resblocks.{i}.{name}");
                [
                    one(&at("attn.in_proj_weight"), &[3 * width, width]),
                    one(&at("attn.in_proj_bias"), &[3 * width]),
                    linear(&at("attn.out_proj"), width, width),
                    linear(&at("mlp.c_fc"), width, inner),
                    linear(&at("mlp.c_proj"), inner, width),
                    norm(&at("ln_1"), width),
                    norm(&at("ln_2"), width),
                ]
                .concat()
            }
            false => {
                let at = |name: &str| format!("text_model.encoder.layers.{i}.{name}");
                let square = |name: &str| linear(&at(&format!("self_attn.{name}_proj")), width, width);
                [
                    ["q", "k", "v", "out"].iter().flat_map(|name| square(name)).collect(),
                    linear(&at("mlp.fc1"), width, inner),
                    linear(&at("mlp.fc2"), inner, width),
                    norm(&at("layer_norm1"), width),
                    norm(&at("layer_norm2"), width),
                ]
                .concat()
            }
        };
        let (tokens, positions) = ([self.vocabulary, width], [self.positions, width]);
        let mut parts = match self.open {
            true => [
                one("token_embedding.weight", &tokens),
                one("positional_embedding", &positions),
                one("text_projection", &[width, self.projected]),
                one("logit_scale", &[]),
                norm("ln_final", width),
            ]
            .concat(),
            false => [
                one("text_model.embeddings.token_embedding.weight", &tokens),
                one("text_model.embeddings.position_embedding.weight", &positions),
                one("text_model.embeddings.position_ids", &[1, self.positions]),
                norm("text_model.final_layer_norm", width),
            ]
            .concat(),
        };
        parts.extend((0..self.layers).flat_map(layer));
        all.extend(parts.into_iter().map(|(name, shape)| (format!("{}{name}", self.start), shape)));
    }
}

fn linear(name: &str, inputs: usize, outputs: usize) -> Named {
    vec![(format!("{name}.weight"), vec![outputs, inputs]), (format!("{name}.bias"), vec![outputs])]
}

fn conv(name: &str, inputs: usize, outputs: usize, side: usize) -> Named {
    vec![
        (format!("{name}.weight"), vec![outputs, inputs, side, side]),
        (format!("{name}.bias"), vec![outputs]),
    ]
}

fn norm(name: &str, width: usize) -> Named {
    vec![(format!("{name}.weight"), vec![width]), (format!("{name}.bias"), vec![width])]
}

/// A file with these tensors in it, of which only the header takes room on the disk.
pub fn sparse(file: &Path, tensors: &[(String, Vec<usize>)], metadata: Value) {
    let mut header = Map::from_iter([("__metadata__".to_owned(), metadata)]);
    let mut end = 0u64;
    for (name, shape) in tensors {
        let start = end;
        end += 2 * shape.iter().map(|side| *side as u64).product::<u64>();
        header.insert(name.clone(), json!({ "dtype": "F16", "shape": shape, "data_offsets": [start, end] }));
    }
    raw(file, &Value::Object(header).to_string(), end);
}

/// A file with this header, and so many zeros behind it.
pub fn raw(file: &Path, header: &str, bytes: u64) {
    let start = (header.len() as u64).to_le_bytes();
    std::fs::write(file, [&start[..], header.as_bytes()].concat()).expect("a new file");
    let opened = std::fs::OpenOptions::new().write(true).open(file).expect("it is there");
    opened.set_len(8 + header.len() as u64 + bytes).expect("room for nothing");
}

/// A file with seeded weights in these tensors.
pub fn drawn(file: &Path, tensors: &[(String, Vec<usize>)]) {
    save(file, |vb: Vars| {
        let mut wide = tensors.iter().filter(|(_, shape)| !shape.is_empty());
        wide.try_for_each(|(name, shape)| vb.get(shape.as_slice(), name).map(drop))
    });
}
