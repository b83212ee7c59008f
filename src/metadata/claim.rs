//! What a file says of itself, unsigned.

use serde::{Serialize, Serializer};

use crate::quantity::{Seed, Strength};

/// One unsigned statement found in a file.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Claim {
    /// Where it stands, such as `xmp` or `png:parameters`.
    pub source: String,
    /// The program that seems to have written it.
    pub tool: Option<String>,
    /// What it says, shortened; never a prompt.
    pub statement: String,
    /// Whether it says that a generative model was at work.
    pub ai: bool,
    #[serde(flatten)]
    pub parameters: Parameters,
}

/// How a picture is said to have been made. What is not said is `None`.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Parameters {
    /// Of the tool.
    pub version: Option<String>,
    pub model: Option<String>,
    /// Shortened.
    pub prompt: Option<String>,
    #[serde(serialize_with = "digits")]
    pub seed: Option<Seed>,
    /// What it calls strength or denoise, in its own meaning.
    pub strength: Option<Strength>,
    /// Whether it was made from a picture: true, false or "unknown".
    #[serde(serialize_with = "or_unknown")]
    pub img2img: Option<bool>,
    /// How much that picture weighed beside the prompt, in the tool's own units.
    pub image_weight: Option<f64>,
    /// Name of that picture's file.
    pub source_file: Option<String>,
    pub steps: Option<u32>,
    pub guidance: Option<f64>,
    pub sampler: Option<String>,
    /// The tool's own id of the job.
    pub job: Option<String>,
}

impl Claim {
    /// One that says nothing of how.
    pub(crate) fn new(source: &str, tool: Option<String>, statement: String, ai: bool) -> Self {
        Claim { source: source.to_owned(), tool, statement, ai, parameters: Parameters::default() }
    }
}

/// 64 bits do not fit the numbers of JSON.
fn digits<S: Serializer>(seed: &Option<Seed>, serializer: S) -> Result<S::Ok, S::Error> {
    match seed {
        Some(seed) => serializer.collect_str(seed),
        None => serializer.serialize_none(),
    }
}

fn or_unknown<S: Serializer>(said: &Option<bool>, serializer: S) -> Result<S::Ok, S::Error> {
    match said {
        Some(said) => serializer.serialize_bool(*said),
        None => serializer.serialize_str("unknown"),
    }
}
