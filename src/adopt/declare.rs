//! What is declared of a picture: what its file claims, and for the rest what whoever brings it says.

use std::collections::BTreeMap;
use std::fmt::Display;

use super::tool::{Tool, ToolError};
use crate::digest::Digest;
use crate::metadata::{Claim, Parameters};
use crate::quantity::{Seed, Strength};
use crate::release::Declared;

/// What whoever brings a picture says of it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Flags {
    pub tool: Option<Tool>,
    pub model: Option<String>,
    pub strength: Option<Strength>,
    pub image_weight: Option<f64>,
    pub seed: Option<Seed>,
    pub prompt: Option<String>,
    /// Whether that counts where the file says otherwise.
    pub over_claims: bool,
}

/// Why nothing can be declared.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Contradiction {
    #[error("--{flag} {told} contradicts what the file itself claims: {claimed} ({source_name})")]
    Claim { flag: &'static str, told: String, claimed: String, source_name: String },
    #[error("the file does not say what made it: expected --tool, such as midjourney, playground or comfyui")]
    NoTool,
    #[error("--image-weight {weight} is none that Midjourney has: expected 0 to 3")]
    Weight { weight: f64 },
    #[error(transparent)]
    Tool(#[from] ToolError),
}

/// What is declared of the file of digest `image_sha256` with these `claims`, by `by`.
///
/// # Errors
/// When flags and claims contradict each other, unless the flags are to count; and when nobody names the tool.
pub fn declare(
    claims: &[Claim],
    flags: &Flags,
    image_sha256: Digest,
    by: &str,
) -> Result<Declared, Contradiction> {
    let mut told = Told { claims, over: flags.over_claims, sources: BTreeMap::new() };
    let tool = told.tool(flags.tool.as_ref())?;
    let strength = told.choose(
        "strength",
        "strength",
        flags.strength,
        |p| p.strength,
        |a, b| (a.value() - b.value()).abs() < 0.005,
    )?;
    let image_weight = told.choose(
        "image-weight",
        "image_weight",
        flags.image_weight,
        |p| p.image_weight,
        |a, b| (a - b).abs() < 1e-6,
    )?;
    if let Some(weight) = image_weight.filter(|weight| tool.is_midjourney() && !(0.0..=3.0).contains(weight))
    {
        return Err(Contradiction::Weight { weight });
    }
    let seed = told.choose("seed", "seed", flags.seed, |p| p.seed, |a, b| a == b)?;
    let model = told.text("model", flags.model.as_ref(), |p| p.model.as_ref())?;
    let prompt = told.text("prompt", flags.prompt.as_ref(), |p| p.prompt.as_ref())?;
    Ok(Declared {
        tool: tool.name().to_owned(),
        version: told.claimed("version", |p| p.version.clone()),
        model,
        strength,
        image_weight,
        seed,
        steps: told.claimed("steps", |p| p.steps),
        guidance: told.claimed("guidance", |p| p.guidance),
        sampler: told.claimed("sampler", |p| p.sampler.clone()),
        prompt,
        job: told.claimed("job", |p| p.job.clone()),
        sources: told.sources,
        image_sha256,
        by: by.to_owned(),
    })
}

/// Claims against flags, and where what was chosen stands.
struct Told<'a> {
    claims: &'a [Claim],
    over: bool,
    sources: BTreeMap<String, String>,
}

impl Told<'_> {
    fn tool(&mut self, flag: Option<&Tool>) -> Result<Tool, Contradiction> {
        // A name that is no tool's, or an engine's of ours, says nothing that counts.
        let mut named =
            self.claims.iter().filter(|claim| claim.ai).filter_map(|claim| {
                Some((claim.tool.as_deref()?.parse::<Tool>().ok()?, claim.source.clone()))
            });
        match (flag, named.next()) {
            (None, None) => Err(Contradiction::NoTool),
            (None, Some((tool, source))) => {
                self.sources.insert("tool".into(), source);
                Ok(tool)
            }
            (Some(flag), claim) => {
                self.settle(
                    "tool",
                    "tool",
                    flag,
                    claim.as_ref().map(|(tool, source)| (tool, source)),
                    |a, b| a == b,
                )?;
                Ok(flag.clone())
            }
        }
    }

    /// The flag if there is one that no claim contradicts, else the first claim.
    fn choose<T: Copy + Display>(
        &mut self,
        name: &'static str,
        key: &str,
        flag: Option<T>,
        of: impl Fn(&Parameters) -> Option<T>,
        same: impl Fn(&T, &T) -> bool,
    ) -> Result<Option<T>, Contradiction> {
        let claim = self.first(of);
        match flag {
            None => Ok(self.take(key, claim)),
            Some(flag) => {
                let claim = claim.as_ref().map(|(value, source)| (value, source));
                self.settle(name, key, &flag, claim, same)?;
                Ok(Some(flag))
            }
        }
    }

    fn text(
        &mut self,
        name: &'static str,
        flag: Option<&String>,
        of: impl Fn(&Parameters) -> Option<&String>,
    ) -> Result<Option<String>, Contradiction> {
        let claim = self.first(|p| of(p).cloned());
        match flag {
            None => Ok(self.take(name, claim)),
            Some(flag) => {
                let claim = claim.as_ref().map(|(value, source)| (value, source));
                self.settle(name, name, flag, claim, |a, b| a.trim().eq_ignore_ascii_case(b.trim()))?;
                Ok(Some(flag.clone()))
            }
        }
    }

    /// What only files say.
    fn claimed<T>(&mut self, key: &str, of: impl Fn(&Parameters) -> Option<T>) -> Option<T> {
        let claim = self.first(of);
        self.take(key, claim)
    }

    fn first<T>(&self, of: impl Fn(&Parameters) -> Option<T>) -> Option<(T, String)> {
        let claims = self.claims.iter().filter(|claim| claim.ai);
        claims.into_iter().find_map(|claim| Some((of(&claim.parameters)?, claim.source.clone())))
    }

    fn take<T>(&mut self, key: &str, claim: Option<(T, String)>) -> Option<T> {
        let (value, source) = claim?;
        self.sources.insert(key.to_owned(), source);
        Some(value)
    }

    /// Writes down that the flag counts, and what it counts against.
    fn settle<T: Display>(
        &mut self,
        name: &'static str,
        key: &str,
        flag: &T,
        claim: Option<(&T, &String)>,
        same: impl Fn(&T, &T) -> bool,
    ) -> Result<(), Contradiction> {
        let source = match claim {
            None => "flag".to_owned(),
            Some((claimed, source)) if same(flag, claimed) => format!("flag and {source}"),
            Some((claimed, source)) if self.over => {
                format!("flag, against {} in {source}", cut(&claimed.to_string()))
            }
            Some((claimed, source)) => {
                return Err(Contradiction::Claim {
                    flag: name,
                    told: cut(&flag.to_string()),
                    claimed: cut(&claimed.to_string()),
                    source_name: source.clone(),
                });
            }
        };
        self.sources.insert(key.to_owned(), source);
        Ok(())
    }
}

/// Enough of a text to know it by.
fn cut(text: &str) -> String {
    const MOST: usize = 60;
    match text.char_indices().nth(MOST) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claim(parameters: Parameters) -> Claim {
        Claim {
            tool: Some("Midjourney".into()),
            parameters,
            ..Claim::new("png:Description", None, "names it".into(), true)
        }
    }

    fn told(claims: &[Claim], flags: Flags) -> Result<Declared, Contradiction> {
        declare(claims, &flags, Digest::of("image"), "Lab")
    }

    fn strength(value: f64) -> Option<Strength> {
        Strength::new(value)
    }

    #[test]
    fn what_the_file_claims_counts_and_flags_fill_the_rest() {
        let claims =
            [claim(Parameters { image_weight: Some(2.0), seed: Some(Seed(7)), ..Parameters::default() })];
        let flags = Flags { prompt: Some("virions".into()), ..Flags::default() };
        let declared = told(&claims, flags).expect("nothing contradicts");
        assert_eq!(declared.tool, "midjourney");
        assert_eq!((declared.image_weight, declared.seed), (Some(2.0), Some(Seed(7))));
        assert_eq!((declared.strength, declared.prompt.as_deref()), (None, Some("virions")));
        let source = |key: &str| declared.sources.get(key).map(String::as_str);
        assert_eq!((source("seed"), source("prompt")), (Some("png:Description"), Some("flag")));
        assert_eq!((source("strength"), declared.by.as_str()), (None, "Lab"));
    }

    #[test]
    fn a_flag_against_a_claim_is_an_error_that_names_both_unless_it_is_to_count() {
        let claims = [claim(Parameters { strength: strength(0.55), ..Parameters::default() })];
        let flags = |value, over_claims| Flags { strength: strength(value), over_claims, ..Flags::default() };
        let error = told(&claims, flags(0.3, false)).expect_err("0.55 is claimed").to_string();
        assert_eq!(error, "--strength 0.30 contradicts what the file itself claims: 0.55 (png:Description)");
        let insisted = told(&claims, flags(0.3, true)).expect("it counts");
        assert_eq!(insisted.strength, strength(0.3));
        assert_eq!(insisted.sources["strength"], "flag, against 0.55 in png:Description");
        let same = told(&claims, flags(0.552, false)).expect("near enough");
        assert_eq!(same.sources["strength"], "flag and png:Description");
    }

    #[test]
    fn another_tool_than_the_file_names_is_a_contradiction_too() {
        let claims = [claim(Parameters::default())];
        let flags = Flags { tool: Some("comfyui".parse().expect("a name")), ..Flags::default() };
        let error = told(&claims, flags).expect_err("it names Midjourney").to_string();
        assert_eq!(
            error,
            "--tool comfyui contradicts what the file itself claims: midjourney (png:Description)"
        );
        assert_eq!(told(&[], Flags::default()), Err(Contradiction::NoTool));
    }

    #[test]
    fn what_says_nothing_of_ai_says_nothing_here() {
        let claims =
            [Claim { ai: false, ..claim(Parameters { seed: Some(Seed(7)), ..Parameters::default() }) }];
        assert_eq!(told(&claims, Flags::default()), Err(Contradiction::NoTool));
    }

    #[test]
    fn midjourney_has_image_weights_up_to_3() {
        let flags = |tool: &str, weight| Flags {
            tool: Some(tool.parse().expect("a name")),
            image_weight: Some(weight),
            ..Flags::default()
        };
        assert!(told(&[], flags("midjourney", 3.0)).is_ok());
        assert_eq!(told(&[], flags("midjourney", 3.5)), Err(Contradiction::Weight { weight: 3.5 }));
        assert!(told(&[], flags("other", 3.5)).is_ok());
    }
}
