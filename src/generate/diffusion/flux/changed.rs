//! LoRAs.

use std::sync::{Arc, Mutex};

use super::super::clip::Clip;
use super::super::img2img::room;
use super::super::kept::Kept;
use super::super::lora::{self, Lora, Naming};
use super::super::ops::Place;
use super::super::{ModelError, t5};
use super::files::Files;
use super::{FluxEngine, Transformer};

impl FluxEngine {
    /// The same model with `loras` added to it: beside what stays as it is stored, and to what is widened.
    ///
    /// # Errors
    /// When a file is damaged, is no LoRA that is read here, or has a part that this model has no place for; and when
    /// there is no memory for them. Nothing of what they change has been read by then.
    pub fn with_loras(mut self, loras: &[Lora]) -> Result<FluxEngine, ModelError> {
        let added = lora::add(
            loras,
            "this FLUX.1",
            &mut [
                (&mut self.transformer, Naming::Flux),
                (&mut self.clip, Naming::Clip),
                (&mut self.t5, Naming::T5),
            ],
        )?;
        Transformer::new(&self.shapes.flux, &Place::checking(&self.transformer))?;
        self.clip.check(|vb| Clip::new(&self.shapes.clip, vb))?;
        t5::Encoder::new(&self.shapes.t5, self.shapes.t5_words, &Place::checking(&self.t5))?;
        let files = [&self.transformer, &self.autoencoder, &self.clip, &self.t5].map(Arc::clone);
        let [transformer, autoencoder, clip, t5] = files;
        let files = Files { transformer, autoencoder, clip, t5 };
        for weights in [&files.transformer, &files.clip, &files.t5] {
            weights.all_changes_asked()?;
        }
        let dir = || files.transformer.path.clone();
        let needed = files.memory_on(&self.processor, self.options.precision);
        room(needed, self.free, |needed, free| ModelError::Memory { dir: dir(), needed, free })?;
        self.digest = lora::identity(self.digest, &added);
        self.loras.extend(added);
        Ok(FluxEngine { kept: Kept::nothing(), last_text: Mutex::new(None), ..self })
    }
}
