//! The networks of an autoencoder, with the names of tensors that Black Forest Labs' files have.

use candle_core::Tensor;

use super::super::ops::Compute;
use super::super::ops::layers::{Conv, Groups, Vars, attention};
use super::Config;

const GROUPS: usize = 32;
const EPSILON: f64 = 1e-6;

/// Pictures to twice as many channels as latents have: mean, and the logarithm of a variance.
pub struct Encoder {
    enter: Conv,
    levels: Vec<Level>,
    middle: Middle,
    leave: Leave,
}

/// The inverse.
pub struct Decoder {
    enter: Conv,
    middle: Middle,
    /// From the smallest size on.
    levels: Vec<Level>,
    leave: Leave,
}

impl Encoder {
    pub fn new(config: &Config, vb: Vars) -> candle_core::Result<Encoder> {
        let (first, last) = ends(config)?;
        let level = |(i, channels): (usize, &usize)| {
            let inputs = config.channels[i.saturating_sub(1)];
            let vb = vb.pp("down").pp(i);
            let residuals = Residual::several(config.residuals, inputs, *channels, &vb)?;
            let smaller = i + 1 < config.channels.len();
            let sized =
                smaller.then(|| Conv::halving_after(*channels, vb.pp("downsample.conv"))).transpose()?;
            Ok(Level { residuals, sized })
        };
        Ok(Encoder {
            enter: Conv::new(3, first, vb.pp("conv_in"))?,
            levels: config.channels.iter().enumerate().map(level).collect::<candle_core::Result<_>>()?,
            middle: Middle::new(last, vb.pp("mid"))?,
            leave: Leave::new(last, 2 * config.latents, &vb)?,
        })
    }

    /// (1, 3, height, width) to (1, 2 × latents, height/8, width/8).
    pub fn forward(&self, picture: &Tensor) -> candle_core::Result<Tensor> {
        let mut x = self.enter.forward(picture)?;
        for level in &self.levels {
            x = level.through(x)?;
            if let Some(smaller) = &level.sized {
                x = smaller.forward(&x)?;
            }
        }
        self.leave.forward(&self.middle.forward(x)?)
    }
}

impl Decoder {
    pub fn new(config: &Config, vb: Vars) -> candle_core::Result<Decoder> {
        let (first, last) = ends(config)?;
        // The way up is counted from the full size, too, and begins at the smallest.
        let level = |(i, channels): (usize, &usize)| {
            let inputs = config.channels[(i + 1).min(config.channels.len() - 1)];
            let vb = vb.pp("up").pp(i);
            let residuals = Residual::several(config.residuals + 1, inputs, *channels, &vb)?;
            let sized =
                (i > 0).then(|| Conv::new(*channels, *channels, vb.pp("upsample.conv"))).transpose()?;
            Ok(Level { residuals, sized })
        };
        Ok(Decoder {
            enter: Conv::new(config.latents, last, vb.pp("conv_in"))?,
            middle: Middle::new(last, vb.pp("mid"))?,
            levels: config
                .channels
                .iter()
                .enumerate()
                .rev()
                .map(level)
                .collect::<candle_core::Result<_>>()?,
            leave: Leave::new(first, 3, &vb)?,
        })
    }

    /// (1, latents, height/8, width/8) to (1, 3, height, width).
    pub fn forward(&self, latents: &Tensor) -> candle_core::Result<Tensor> {
        let mut x = self.middle.forward(self.enter.forward(latents)?)?;
        for level in &self.levels {
            x = level.through(x)?;
            if let Some(larger) = &level.sized {
                let (_, _, height, width) = x.dims4()?;
                x = larger.of_doubled(&x, 2 * height, 2 * width)?;
            }
        }
        self.leave.forward(&x)
    }
}

/// Channels of the full size and of the smallest.
fn ends(config: &Config) -> candle_core::Result<(usize, usize)> {
    match config.channels.as_slice() {
        [first, .., last] => Ok((*first, *last)),
        _ => candle_core::bail!("an autoencoder of {} sizes", config.channels.len()),
    }
}

/// One size of picture, and what leads to the next.
struct Level {
    residuals: Vec<Residual>,
    sized: Option<Conv>,
}

impl Level {
    fn through(&self, x: Tensor) -> candle_core::Result<Tensor> {
        self.residuals.iter().try_fold(x, |x, residual| residual.forward(&x))
    }
}

struct Residual {
    norms: [Groups; 2],
    convs: [Conv; 2],
    shortcut: Option<Conv>,
}

impl Residual {
    fn new(inputs: usize, outputs: usize, vb: Vars) -> candle_core::Result<Residual> {
        let norm = |channels, name: &str| Groups::new(GROUPS, channels, EPSILON, vb.pp(name));
        let other = inputs != outputs;
        Ok(Residual {
            norms: [norm(inputs, "norm1")?, norm(outputs, "norm2")?],
            convs: [
                Conv::new(inputs, outputs, vb.pp("conv1"))?,
                Conv::new(outputs, outputs, vb.pp("conv2"))?,
            ],
            shortcut: other.then(|| Conv::pixel(inputs, outputs, vb.pp("nin_shortcut"))).transpose()?,
        })
    }

    fn several(count: usize, inputs: usize, outputs: usize, vb: &Vars) -> candle_core::Result<Vec<Residual>> {
        let inputs = std::iter::once(inputs).chain(std::iter::repeat(outputs)).take(count);
        inputs.enumerate().map(|(j, inputs)| Residual::new(inputs, outputs, vb.pp("block").pp(j))).collect()
    }

    fn forward(&self, x: &Tensor) -> candle_core::Result<Tensor> {
        let made = self.convs[0].forward(&self.norms[0].activated(x)?)?;
        let made = {
            // Not held any longer than it is needed: at the full size it is large.
            let before = made;
            self.norms[1].activated(&before)?
        };
        match &self.shortcut {
            Some(shortcut) => self.convs[1].beside(&made, &shortcut.forward(x)?),
            None => self.convs[1].beside(&made, x),
        }
    }
}

/// Two residual blocks about an attention of all latents to all, in one head.
struct Middle {
    residuals: [Residual; 2],
    norm: Groups,
    /// Queries, keys, values and what is made of them.
    attention: [Conv; 4],
    compute: Compute,
}

impl Middle {
    fn new(channels: usize, vb: Vars) -> candle_core::Result<Middle> {
        let attention = vb.pp("attn_1");
        let square = |name: &str| Conv::pixel(channels, channels, attention.pp(name));
        Ok(Middle {
            residuals: [
                Residual::new(channels, channels, vb.pp("block_1"))?,
                Residual::new(channels, channels, vb.pp("block_2"))?,
            ],
            norm: Groups::new(GROUPS, channels, EPSILON, attention.pp("norm"))?,
            attention: [square("q")?, square("k")?, square("v")?, square("proj_out")?],
            compute: vb.compute().clone(),
        })
    }

    fn forward(&self, x: Tensor) -> candle_core::Result<Tensor> {
        let x = self.residuals[0].forward(&x)?;
        let [queries, keys, values, out] = &self.attention;
        let normal = self.norm.forward(&x)?;
        let tokens = |conv: &Conv| conv.forward(&normal)?.flatten_from(2)?.transpose(1, 2)?.contiguous();
        let all = [&tokens(queries)?, &tokens(keys)?, &tokens(values)?];
        let seen = attention(all, 1, false, &self.compute)?;
        let seen = seen.transpose(1, 2)?.contiguous()?.reshape(x.shape())?;
        self.residuals[1].forward(&out.beside(&seen, &x)?)
    }
}

/// To the channels that leave a network.
struct Leave {
    norm: Groups,
    conv: Conv,
}

impl Leave {
    fn new(inputs: usize, outputs: usize, vb: &Vars) -> candle_core::Result<Leave> {
        Ok(Leave {
            norm: Groups::new(GROUPS, inputs, EPSILON, vb.pp("norm_out"))?,
            conv: Conv::new(inputs, outputs, vb.pp("conv_out"))?,
        })
    }

    fn forward(&self, x: &Tensor) -> candle_core::Result<Tensor> {
        self.conv.forward(&self.norm.activated(x)?)
    }
}
