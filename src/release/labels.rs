//! What is said to people and in XMP: as the order and the policies ask for it.

use std::collections::BTreeMap;

use time::format_description::well_known::Rfc3339;

use super::order::{Desk, PromptTold};
use super::origin::Origin;
use super::states::Course;
use crate::digest::Digest;
use crate::label::{self, Badge, Labelled};
use crate::manifest::VisibleLabel;
use crate::metadata::{Aigc, Disclosure, Label, Prompt};
use crate::policy::Mark;
use crate::raster::Raster;

/// Between the parts of a caption, where it is told of.
const BETWEEN: &str = " · ";

/// What is drawn on a picture.
pub(super) struct Drawn {
    pub labelled: Labelled,
    badge: Option<Badge>,
    caption: Option<Vec<String>>,
}

/// `draft` with what has to be seen on it; `None` where nothing has to.
pub(super) fn draw(desk: &Desk<'_>, course: &Course<'_>, draft: &Raster, origin: &Origin) -> Option<Drawn> {
    let (visible, limits) = (&course.order.visible, desk.policy.limits());
    let badge = (visible.label || limits.require_label).then_some(visible.style);
    let in_part = origin.in_part();
    // A picture says what was seen.
    let strength = origin.record().map(|record| record.strength);
    let caption = (visible.caption || limits.require_caption)
        .then(|| visible.style.language.caption(in_part, &course.reference.sha256, strength));
    if badge.is_none() && caption.is_none() {
        return None;
    }
    let labelled = label::draw(draft, badge.as_ref(), caption.as_deref());
    Some(Drawn { labelled, badge, caption })
}

impl Drawn {
    /// As manifest and catalog tell of it.
    pub fn told(&self) -> VisibleLabel {
        VisibleLabel {
            text: self.badge.map(|badge| badge.text().to_owned()),
            position: self.badge.map(|badge| badge.position.name().to_owned()),
            caption: self.caption.as_ref().map(|parts| parts.join(BETWEEN)),
        }
    }
}

/// `maker` is who drew it, and which version of that.
pub(super) fn label(maker: (&str, &str), source: Option<Digest>, in_part: bool) -> Label {
    let tool = format!("vidimus {}", env!("CARGO_PKG_VERSION"));
    Label { source, in_part, ..Label::new(&tool, maker.0, maker.1) }
}

/// Of an output, with all that was asked for. What a policy requires and cannot be said is not there, and the catalog
/// refuses the release.
pub(super) fn full_label(desk: &Desk<'_>, course: &Course<'_>, origin: &Origin, asset_id: &str) -> Label {
    let limits = desk.policy.limits();
    let provider = |required: bool| desk.policy.provider().filter(|_| required).map(str::to_owned);
    let created = course.started.replace_nanosecond(0).ok().and_then(|at| at.format(&Rfc3339).ok());
    let disclosure = provider(limits.require_disclosure).zip(created).map(|(provider, created)| Disclosure {
        provider,
        created,
        id: asset_id.to_owned(),
    });
    let aigc = provider(limits.require_tc260).map(|producer| Aigc { producer, id: asset_id.to_owned() });
    let told = prompt_told(desk, course);
    let prompt = prompt(course, origin);
    let prompt_withheld = told == PromptTold::Withheld && prompt.is_some();
    let prompt = prompt.filter(|_| told == PromptTold::Disclosed);
    let source = Some(course.reference.sha256);
    Label { prompt, prompt_withheld, disclosure, aigc, ..label(origin.maker(), source, origin.in_part()) }
}

/// What the user or a policy wants to be known of the prompt.
pub(super) fn prompt_told(desk: &Desk<'_>, course: &Course<'_>) -> PromptTold {
    if desk.policy.limits().require_prompt { PromptTold::Disclosed } else { course.order.telling.prompt }
}

/// What the model was told; a prompt that the engine did not read is said to be none that counted.
fn prompt(course: &Course<'_>, origin: &Origin) -> Option<Prompt> {
    let text = match origin {
        Origin::Drawn(record) => {
            let mut text = record.prompt.clone()?;
            if let Some(negative) = &record.negative_prompt {
                text.push_str(&format!(" Negative prompt: {negative}"));
            }
            if !record.prompt_used {
                text.push_str(" (not read by the engine)");
            }
            text
        }
        Origin::Declared(declared) => format!("{} (declared, not witnessed)", declared.prompt.as_ref()?),
    };
    Some(Prompt { text, writer: course.order.telling.prompt_writer.clone() })
}

/// The marks that a policy can require, as they were read back: `label` is in the file, and `seen` is drawn on it.
pub(super) fn carried(label: &Label, seen: Option<&VisibleLabel>) -> BTreeMap<Mark, String> {
    let mut carried = BTreeMap::new();
    let mut add = |mark, value: Option<String>| {
        carried.extend(value.map(|value| (mark, value)));
    };
    // It is on record with its run; once is enough.
    add(Mark::Prompt, label.prompt.as_ref().map(|_| String::new()));
    add(Mark::Disclosure, label.disclosure.as_ref().map(|disclosure| disclosure.provider.clone()));
    add(Mark::Tc260, label.aigc.as_ref().map(|aigc| aigc.producer.clone()));
    if let Some(seen) = seen {
        let badge = seen.text.clone().zip(seen.position.clone());
        add(Mark::Label, badge.map(|(text, position)| format!("{text}, {position}")));
        add(Mark::Caption, seen.caption.clone());
    }
    carried
}
