//! What people see on a picture: the arguments of the visible label.

use clap::{ArgGroup, Args, ValueEnum};

use crate::label::{self, Badge, Language, Size, Visible};

#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wording {
    Plain,
    Generated,
    Modified,
}

#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Position {
    TopLeft,
    TopRight,
    BottomLeft,
    BottomRight,
}

#[derive(Args, Debug)]
#[command(group(ArgGroup::new("words").args(["label", "caption"]).multiple(true)))]
pub struct VisibleArgs {
    /// Draw the word AI in a badge on the picture; with =generated or =modified it says so, too
    #[arg(long, value_name = "WHAT", num_args = 0..=1, require_equals = true, default_missing_value = "plain")]
    pub label: Option<Wording>,
    /// Corner of the badge [default: top-right]
    #[arg(long, value_name = "CORNER", requires = "label")]
    pub label_position: Option<Position>,
    /// Height of the badge as a share of the short side, 0.03 to 0.25; at least 20 pixels [default: 0.065]
    #[arg(long, value_name = "SHARE", requires = "label")]
    pub label_size: Option<Size>,
    /// Language of label and caption: en, de, fr, es, it, pt, nl, pl or sv [default: en]
    #[arg(long, value_name = "CODE", requires = "words")]
    pub label_language: Option<Language>,
    /// Put a strip below the picture that says that it is generated, from what source and at what strength
    #[arg(long)]
    pub caption: bool,
}

impl VisibleArgs {
    pub fn visible(&self) -> Visible {
        let style = Badge {
            wording: match self.label {
                None | Some(Wording::Plain) => label::Wording::Plain,
                Some(Wording::Generated) => label::Wording::Generated,
                Some(Wording::Modified) => label::Wording::Modified,
            },
            language: self.label_language.unwrap_or_default(),
            position: match self.label_position {
                Some(Position::TopLeft) => label::Position::TopLeft,
                None | Some(Position::TopRight) => label::Position::TopRight,
                Some(Position::BottomLeft) => label::Position::BottomLeft,
                Some(Position::BottomRight) => label::Position::BottomRight,
            },
            size: self.label_size.unwrap_or_default(),
        };
        Visible { label: self.label.is_some(), caption: self.caption, style }
    }
}
