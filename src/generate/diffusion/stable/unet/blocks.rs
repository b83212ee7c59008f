//! The way down to the smallest size, the middle, and the way up.

use candle_core::Tensor;

use super::super::super::ops::layers::{Conv, Groups, Linear, Vars};
use super::Shape;
use super::embedding;
use super::transformer::Transformer;

/// Two convolutions around the time, beside the picture itself (`ResnetBlock2D`).
struct Residual {
    norms: [Groups; 2],
    convs: [Conv; 2],
    time: Linear,
    shortcut: Option<Conv>,
}

impl Residual {
    fn new(shape: &Shape, inputs: usize, outputs: usize, vb: Vars) -> candle_core::Result<Residual> {
        let norm = |channels, name: &str| Groups::new(shape.groups, channels, shape.epsilon, vb.pp(name));
        let time = embedding::width(shape.levels[0].channels);
        let shortcut = match inputs == outputs {
            true => None,
            false => Some(Conv::pixel(inputs, outputs, vb.pp("conv_shortcut"))?),
        };
        Ok(Residual {
            norms: [norm(inputs, "norm1")?, norm(outputs, "norm2")?],
            convs: [
                Conv::new(inputs, outputs, vb.pp("conv1"))?,
                Conv::new(outputs, outputs, vb.pp("conv2"))?,
            ],
            time: Linear::new(time, outputs, vb.pp("time_emb_proj"))?,
            shortcut,
        })
    }

    fn forward(&self, x: &Tensor, time: &Tensor) -> candle_core::Result<Tensor> {
        let time = self.time.forward(&time.silu()?)?;
        let made = self.convs[0].with(&self.norms[0].activated(x)?, &time)?;
        let made = self.norms[1].activated(&made)?;
        match &self.shortcut {
            Some(shortcut) => self.convs[1].beside(&made, &shortcut.forward(x)?),
            None => self.convs[1].beside(&made, x),
        }
    }
}

/// A residual block, and where the level attends, its transformer.
struct Stage {
    residual: Residual,
    transformer: Option<Transformer>,
}

impl Stage {
    fn forward(&self, x: &Tensor, time: &Tensor, context: &Tensor) -> candle_core::Result<Tensor> {
        let x = self.residual.forward(x, time)?;
        match &self.transformer {
            Some(transformer) => transformer.forward(&x, context),
            None => Ok(x),
        }
    }
}

/// The stages of level `i` on one of its ways, each with the channels that come into it.
fn stages(
    shape: &Shape,
    i: usize,
    way: usize,
    inputs: impl Iterator<Item = usize>,
    vb: &Vars,
) -> candle_core::Result<Vec<Stage>> {
    let level = &shape.levels[i];
    let stage = |(j, inputs): (usize, usize)| {
        let transformer = match level.attends[way] {
            true => Some(Transformer::new(shape, level, vb.pp("attentions").pp(j))?),
            false => None,
        };
        let residual = Residual::new(shape, inputs, level.channels, vb.pp("resnets").pp(j))?;
        Ok(Stage { residual, transformer })
    };
    inputs.enumerate().map(stage).collect()
}

pub(super) struct Down {
    stages: Vec<Stage>,
    smaller: Option<Conv>,
}

impl Down {
    pub fn new(shape: &Shape, i: usize, inputs: usize, vb: Vars) -> candle_core::Result<Down> {
        let level = &shape.levels[i];
        let inputs = std::iter::once(inputs).chain(std::iter::repeat(level.channels)).take(level.residuals);
        let smaller = match i + 1 == shape.levels.len() {
            true => None,
            false => Some(Conv::halving(level.channels, vb.pp("downsamplers.0.conv"))?),
        };
        Ok(Down { stages: stages(shape, i, 0, inputs, &vb)?, smaller })
    }

    /// Leaves what every stage makes for the way up.
    pub fn forward(
        &self,
        mut x: Tensor,
        time: &Tensor,
        context: &Tensor,
        left: &mut Vec<Tensor>,
    ) -> candle_core::Result<Tensor> {
        for stage in &self.stages {
            x = stage.forward(&x, time, context)?;
            left.push(x.clone());
        }
        if let Some(smaller) = &self.smaller {
            x = smaller.forward(&x)?;
            left.push(x.clone());
        }
        Ok(x)
    }
}

pub(super) struct Mid {
    first: Residual,
    transformer: Transformer,
    last: Residual,
}

impl Mid {
    pub fn new(shape: &Shape, vb: Vars) -> candle_core::Result<Mid> {
        let Some(level) = shape.levels.last() else { candle_core::bail!("a network of no levels") };
        let residual =
            |i: usize| Residual::new(shape, level.channels, level.channels, vb.pp("resnets").pp(i));
        Ok(Mid {
            first: residual(0)?,
            transformer: Transformer::new(shape, level, vb.pp("attentions.0"))?,
            last: residual(1)?,
        })
    }

    pub fn forward(&self, x: &Tensor, time: &Tensor, context: &Tensor) -> candle_core::Result<Tensor> {
        let x = self.first.forward(x, time)?;
        self.last.forward(&self.transformer.forward(&x, context)?, time)
    }
}

pub(super) struct Up {
    stages: Vec<Stage>,
    larger: Option<Conv>,
}

impl Up {
    /// `below` are the channels that come from the level below, `beside` those that the level above left on the way
    /// down.
    pub fn new(shape: &Shape, i: usize, below: usize, beside: usize, vb: Vars) -> candle_core::Result<Up> {
        let level = &shape.levels[i];
        let inputs = (0..=level.residuals).map(|j| {
            let comes = if j == 0 { below } else { level.channels };
            // The last of what a level finds was left when the level above was made smaller.
            let found = if j == level.residuals { beside } else { level.channels };
            comes + found
        });
        let larger = match i == 0 {
            true => None,
            false => Some(Conv::new(level.channels, level.channels, vb.pp("upsamplers.0.conv"))?),
        };
        Ok(Up { stages: stages(shape, i, 1, inputs, &vb)?, larger })
    }

    /// Takes what the way down left, the last first.
    pub fn forward(
        &self,
        mut x: Tensor,
        time: &Tensor,
        context: &Tensor,
        left: &mut Vec<Tensor>,
    ) -> candle_core::Result<Tensor> {
        for stage in &self.stages {
            let Some(beside) = left.pop() else { candle_core::bail!("the way up is longer than that down") };
            x = stage.forward(&Tensor::cat(&[&x, &beside], 1)?, time, context)?;
        }
        match (&self.larger, left.last()) {
            (Some(larger), Some(next)) => {
                // An odd side was rounded up when it was halved.
                let (_, _, height, width) = next.dims4()?;
                larger.of_doubled(&x, height, width)
            }
            _ => Ok(x),
        }
    }
}
