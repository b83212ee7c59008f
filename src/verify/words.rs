//! What a mark says, and what became of its picture, in words.

use crate::manifest::{Permissions, TimeStampReading};
use crate::watermark::{Detection, Kind, Level, Said, Stage};

/// Words of a file, marked as such and cut: whoever wrote them may want to be taken for us.
pub fn quoted(text: &str) -> String {
    const MOST: usize = 120;
    let cut: String = text.chars().take(MOST).collect();
    if cut.len() < text.len() { format!("{cut:?}…") } else { format!("{cut:?}") }
}

/// Such as "AI-generated from source a99ff1a5a84a… at strength 0.70".
pub fn said(said: &Said) -> String {
    let what = match said.kind() {
        Kind::Generated => "AI-generated",
        Kind::Edited => "AI-edited",
    };
    let level = match said.level() {
        Level::Long => "",
        Level::Short => " (short level)",
    };
    let strength = match said.denoise_strength() {
        Some(strength) => format!("at strength {strength:.2}"),
        None => "elsewhere, at a strength that was not witnessed".to_owned(),
    };
    format!("{what} from source {}… {strength}{level}", said.source_prefix())
}

/// By what a picture was known, for people; an assertion may hold any word.
pub fn found_by(word: &str) -> &'static str {
    match word {
        "pixels" => "pixels",
        "watermark" => "watermark",
        "looks" => "looks",
        _ => "content",
    }
}

/// Such as "time-stamped 2026-11-27T16:00:00+00:00 by "Example TSA", trusted here".
pub fn stamped(stamp: &TimeStampReading) -> String {
    let by = stamp.authority.as_ref().map(|name| format!(" by {name:?}")).unwrap_or_default();
    match (&stamp.time, stamp.trusted) {
        (Some(time), true) => format!("time-stamped {time}{by}, trusted here"),
        (Some(time), false) => format!("time-stamped {time}{by}, whom nobody here vouches for"),
        (None, _) => {
            format!("its time stamp does not hold ({})", stamp.fault.as_deref().unwrap_or("no reason given"))
        }
    }
}

/// Such as "others may not mine it, nor train or run models on it".
pub fn permitted(said: &Permissions) -> String {
    let Some(first) = said.of_all() else {
        return "says for each use apart whether others may mine it, or train or run models on it".to_owned();
    };
    match (first.allowed.as_str(), &first.constraint_info) {
        ("allowed", _) => "others may mine it, and train and run models on it".to_owned(),
        ("notAllowed", _) => "others may not mine it, nor train or run models on it".to_owned(),
        (_, Some(terms)) => {
            format!("others may mine it, and train and run models on it, under terms: {}", quoted(terms))
        }
        (_, None) => {
            "others may mine it, and train and run models on it, under terms that are not told".to_owned()
        }
    }
}

/// What happened to the picture since it was marked, such as "turned by 7.0° clockwise, scaled to 0.75"; nothing where
/// nothing did.
pub fn geometry(detection: &Detection) -> String {
    let pose = &detection.pose;
    let mut changes = Vec::new();
    if pose.mirrored {
        changes.push("mirrored".to_owned());
    }
    if pose.rotation_degrees.abs() >= 0.05 {
        let way = if pose.rotation_degrees < 0.0 { "anticlockwise" } else { "clockwise" };
        changes.push(format!("turned by {:.1}° {way}", pose.rotation_degrees.abs()));
    }
    // Tiles grow with pictures over 1024 pixels, which the picture at hand does not tell. On the pixel grid they
    // have the size that fits the picture as it is.
    if detection.stage != Stage::Grid && !(0.995..=1.005).contains(&pose.scale) {
        changes.push(format!("scaled to {:.2} (less, if it had over 1024 pixels)", pose.scale));
    }
    changes.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::watermark::{Message, Pose};

    fn seen(pose: Pose, stage: Stage) -> String {
        geometry(&Detection {
            message: Message::Short([0; 4]),
            pose,
            stage,
            log10_false_positive: -9.0,
            pilot_score: 0.0,
            tag: None,
        })
    }

    #[test]
    fn only_what_changed_is_told() {
        let still = Pose { rotation_degrees: 0.0, mirrored: false, scale: 1.0, shift: [0.0, 0.0] };
        assert_eq!(seen(still, Stage::Grid), "");
        assert_eq!(seen(Pose { scale: 1.5, ..still }, Stage::Grid), "", "a large picture");
        let turned = Pose { rotation_degrees: -7.02, scale: 0.749, ..still };
        assert_eq!(
            seen(turned, Stage::Turned),
            "turned by 7.0° anticlockwise, scaled to 0.75 (less, if it had over 1024 pixels)"
        );
        let flipped = Pose { rotation_degrees: 180.0, mirrored: true, ..still };
        assert_eq!(seen(flipped, Stage::Grid), "mirrored, turned by 180.0° clockwise");
        assert!(seen(Pose { scale: 1.5, ..still }, Stage::Turned).starts_with("scaled to 1.50 (less"));
    }
}
