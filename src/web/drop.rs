//! Fields that a picture can be dropped on. Without scripts they are plain ones.

use super::site::Site;
use super::text::{ENGLISH, fill};
use crate::html::{Markup, html};

/// What a browser's own chooser offers: every format that is read.
const ACCEPT: &str =
    "image/png,image/jpeg,image/webp,image/tiff,image/bmp,image/gif,.mrc,.mrcs,.map,.rec,.st";

pub struct Field<'a> {
    /// Of the field in its form, and on the page.
    pub name: &'a str,
    pub label: &'a str,
    /// Below the label; what can be read, and how much of it, where it is `None`.
    pub note: Option<&'a str>,
    pub required: bool,
    /// Class that says how high it is.
    pub height: &'a str,
    /// Whether the picture is shown in it.
    pub preview: bool,
    /// Whether the form is sent as soon as there is a picture.
    pub at_once: bool,
}

impl Field<'_> {
    pub fn show(&self, site: &Site) -> Markup {
        let most = format!("{} MB", site.bounds.upload.bytes >> 20);
        let formats = fill(ENGLISH.formats, &[("most", &most)]);
        let note = format!("{}-note", self.name);
        html! {
            div class={ "drop " (self.height) } data-drop="" data-at-once=[self.at_once.then_some("")] {
                input.file id=(self.name) name=(self.name) type="file" required[self.required] accept=(ACCEPT) aria-describedby=(note);
                label for=(self.name) {
                    span.big { (self.label) }
                    span.quiet id=(note) { (self.note.unwrap_or(&formats)) }
                    span.chosen data-chosen="" {}
                }
                @if !self.required { button.clear type="button" data-clear="" hidden { (ENGLISH.remove) } }
                @if self.preview { img.preview data-preview="" alt="" hidden; }
            }
        }
    }
}
