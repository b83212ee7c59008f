//! LoRAs.

use std::sync::Mutex;

use super::super::ModelError;
use super::super::clip::Clip;
use super::super::kept::Kept;
use super::super::lora::{self, Lora, Naming};
#[cfg(test)]
use super::Weights;
use super::{StableEngine, Unet};

impl StableEngine {
    /// The same model with `loras` added to it.
    ///
    /// # Errors
    /// When a file is damaged, is no LoRA that is read here, or has a part that this model has no place for. Nothing of
    /// what they change has been read by then.
    pub fn with_loras(mut self, loras: &[Lora]) -> Result<StableEngine, ModelError> {
        let name = if self.configs.is_xl { "this Stable Diffusion XL" } else { "this Stable Diffusion" };
        let text = self.encoders.iter_mut().map(|encoder| (&mut encoder.weights, Naming::Clip));
        let mut networks: Vec<_> = std::iter::once((&mut self.unet, Naming::Unet)).chain(text).collect();
        let added = lora::add(loras, name, &mut networks)?;
        self.unet.check(|vb| Unet::new(&self.configs.unet, vb))?;
        self.unet.all_changes_asked()?;
        for encoder in &self.encoders {
            encoder.weights.check(|vb| Clip::new(&encoder.shape, vb))?;
            encoder.weights.all_changes_asked()?;
        }
        self.digest = lora::identity(self.digest, &added);
        self.loras.extend(added);
        Ok(StableEngine { kept: Kept::nothing(), last_texts: Mutex::new(None), ..self })
    }

    #[cfg(test)]
    pub fn unet(&self) -> &Weights {
        &self.unet
    }
}
