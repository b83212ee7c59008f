//! What is asked for in the form, understood.

use crate::generate::{Canvas, Orientation, Request, prompt};
use crate::policy::{Class, Subject};
use crate::quantity::{Seed, Strength};
use crate::raster::Format;
use crate::release::Aim;
use crate::web::intake::Upload;
use crate::web::problem::Problem;

/// Variations of one job at most.
pub const MOST: u32 = 8;
/// Pixels of a variation at most.
const PIXELS: u64 = 16_000_000;

#[derive(Clone, Debug, PartialEq)]
pub struct Wish {
    pub subject: Option<String>,
    pub aim: Aim,
    pub engine: String,
    /// `None` for one that nobody chose, and then others while the policy refuses.
    pub seed: Option<Seed>,
    pub size: Option<(u32, u32)>,
    pub count: u32,
    pub policy: String,
    pub stated: Subject,
    pub purpose: Option<String>,
    pub format: Format,
}

impl Wish {
    /// # Errors
    /// With the field that is wrong, what was expected there and what was found.
    pub fn of(form: &Upload) -> Result<Self, Problem> {
        let aim = match form.field("auto") {
            Some(_) => Aim::Auto,
            None => form.field("strength").unwrap_or("0.7").parse().map_err(Problem::BadRequest)?,
        };
        let seed = form.field("seed").map(str::parse).transpose();
        let class = form.field("class").map(str::parse::<Class>).transpose();
        let class = class.map_err(|error| Problem::BadRequest(error.to_string()))?;
        let format = form.field("format").unwrap_or("png").parse::<Format>();
        let count = number(form, "count", 1, MOST)?.unwrap_or(1);
        let (width, height) = (number(form, "width", 1, 16_384)?, number(form, "height", 1, 16_384)?);
        let size = match (width, height) {
            (Some(width), Some(height)) if u64::from(width) * u64::from(height) > PIXELS => {
                return Err(Problem::BadRequest(format!(
                    "{width}×{height} pixels are over the limit of {PIXELS}"
                )));
            }
            (Some(width), Some(height)) => Some((width, height)),
            (None, None) => None,
            _ => return Err(Problem::BadRequest("the size needs width and height, or neither".to_owned())),
        };
        Ok(Wish {
            subject: form.field("subject").map(str::to_owned),
            aim,
            engine: form.field("engine").unwrap_or("patch").to_owned(),
            seed: seed
                .map_err(|error: crate::quantity::ParseSeedError| Problem::BadRequest(error.to_string()))?,
            size,
            count,
            policy: form.field("policy").unwrap_or("default").to_owned(),
            stated: Subject { classes: class.into_iter().collect(), ..Subject::default() },
            purpose: form.field("purpose").map(str::to_owned),
            format: format.map_err(|error| Problem::BadRequest(format!("{error}")))?,
        })
    }

    /// What is asked of the engine; a strength that is sought counts for nothing.
    pub fn request(&self, seed: Seed) -> Request {
        Request {
            strength: match self.aim {
                Aim::At(strength) => strength,
                Aim::Auto => Strength::ONE,
            },
            seed,
            canvas: self.size.map(|(width, height)| Canvas { width, height, stretch: false }),
            mask: None,
            orientation: Orientation::Auto,
            prompt: prompt(self.subject.as_deref(), None),
        }
    }
}

fn number(form: &Upload, name: &str, least: u32, most: u32) -> Result<Option<u32>, Problem> {
    let Some(text) = form.field(name) else { return Ok(None) };
    let value = text.parse().ok().filter(|value| (least..=most).contains(value));
    let wrong =
        || Problem::BadRequest(format!("{name}: expected a number from {least} to {most}, found {text:?}"));
    value.map(Some).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(fields: &[(&str, &str)]) -> Upload {
        let fields = fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Upload { fields, ..Upload::default() }
    }

    #[test]
    fn what_is_left_open_is_the_default() {
        let wish = Wish::of(&form(&[("seed", ""), ("subject", "  ")])).expect("sound");
        assert_eq!((wish.count, wish.seed, wish.size, wish.subject), (1, None, None, None));
        assert_eq!(wish.aim, Aim::At(Strength::new(0.7).expect("a strength")));
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (field, value, said) in [
            ("strength", "2", "not a strength"),
            ("seed", "-1", "not a seed"),
            ("count", "9", "count: expected a number from 1 to 8, found \"9\""),
            ("class", "virus", "not a class"),
            ("format", "exe", "unknown picture format"),
            ("width", "100", "the size needs width and height"),
        ] {
            let error = Wish::of(&form(&[(field, value)])).expect_err(field).to_string();
            assert!(error.contains(said), "{error}");
        }
        let large = Wish::of(&form(&[("width", "16000"), ("height", "16000")])).expect_err("too large");
        assert!(large.to_string().contains("over the limit"));
    }

    #[test]
    fn auto_outranks_the_slider() {
        assert_eq!(Wish::of(&form(&[("auto", "on"), ("strength", "0.2")])).expect("sound").aim, Aim::Auto);
    }
}
