//! Marks beside manifest, watermark and XMP label: what a policy can require of a finished picture.

/// In the order of their keys under `[marks]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mark {
    /// Manifest and XMP state the prompt, where there was one.
    Prompt,
    /// Provider, system, time and number stand in XMP, as California wants it.
    Disclosure,
    /// China's field stands in XMP (GB 45438-2025).
    Tc260,
    /// The word "AI" is drawn on the picture.
    Label,
    /// A strip below it says what it is.
    Caption,
}

impl Mark {
    pub const ALL: [Mark; 5] = [Mark::Prompt, Mark::Disclosure, Mark::Tc260, Mark::Label, Mark::Caption];

    /// Its key in a policy, and its name in the catalog.
    pub fn name(self) -> &'static str {
        match self {
            Mark::Prompt => "prompt",
            Mark::Disclosure => "disclosure",
            Mark::Tc260 => "tc260",
            Mark::Label => "label",
            Mark::Caption => "caption",
        }
    }

    /// The rule that requires it.
    pub(super) const fn rule(self) -> &'static str {
        match self {
            Mark::Prompt => "marks.prompt",
            Mark::Disclosure => "marks.disclosure",
            Mark::Tc260 => "marks.tc260",
            Mark::Label => "marks.label",
            Mark::Caption => "marks.caption",
        }
    }
}
