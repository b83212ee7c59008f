//! What manifest and XMP say beside what they always do: the arguments that `vary` and `adopt` share.

use clap::Args;

use crate::manifest::TrainingMining;
use crate::release::{PromptTold, Telling};

#[derive(Args, Debug)]
pub struct TellingArgs {
    /// Say in manifest and XMP, too, what the prompt was (it may be private, and is left out by default)
    #[arg(long)]
    pub disclose_prompt: bool,
    /// Say in XMP who wrote the prompt
    #[arg(long, value_name = "NAME", requires = "disclose_prompt")]
    pub prompt_writer: Option<String>,
    /// Say in manifest and XMP that there was a prompt, and that it is withheld; the catalog keeps it
    #[arg(long, conflicts_with = "disclose_prompt")]
    pub withhold_prompt: bool,
    /// Say in the manifest whether others may mine the output, and train or run models on it: allowed, not-allowed or
    /// constrained:TERMS [default: what vidimus.toml says, if anything]
    #[arg(long, value_name = "ANSWER")]
    pub training_mining: Option<TrainingMining>,
    /// Put a small picture of the reference into the manifest, for all to see
    #[arg(long)]
    pub reference_thumbnail: bool,
}

impl TellingArgs {
    pub fn telling(&self) -> Telling {
        Telling {
            prompt: match (self.disclose_prompt, self.withhold_prompt) {
                (true, _) => PromptTold::Disclosed,
                (false, true) => PromptTold::Withheld,
                (false, false) => PromptTold::LeftOut,
            },
            prompt_writer: self.prompt_writer.clone(),
            training_mining: self.training_mining.clone(),
            thumbnail: self.reference_thumbnail,
        }
    }
}
