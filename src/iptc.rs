//! IPTC digital source types: the words by which manifests and XMP say how a picture came to be.

/// Made by a trained model.
pub const TRAINED: &str = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia";
/// Made by a trained model in part.
pub const COMPOSITE: &str =
    "http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia";

/// Made by a program's rules, without a model.
pub const BY_RULE: &str = "http://cv.iptc.org/newscodes/digitalsourcetype/algorithmicMedia";

const GENERATED: [&str; 3] =
    ["trainedAlgorithmicMedia", "compositeWithTrainedAlgorithmicMedia", "compositeSynthetic"];
const CAPTURE: [&str; 5] =
    ["digitalCapture", "computationalCapture", "negativeFilm", "positiveFilm", "print"];

/// What an output is: of a model, or in part.
pub fn of_output(in_part: bool) -> &'static str {
    if in_part { COMPOSITE } else { TRAINED }
}

/// Whether `uri` says that a model made the picture, or made part of it.
pub fn is_generated(uri: &str) -> bool {
    is_one_of(uri, &GENERATED)
}

/// Whether `uri` says that a model made part of the picture.
pub fn is_in_part(uri: &str) -> bool {
    is_one_of(uri, &GENERATED[1..])
}

/// Whether `uri` says that the picture was taken from life.
pub fn is_capture(uri: &str) -> bool {
    is_one_of(uri, &CAPTURE)
}

fn is_one_of(uri: &str, terms: &[&str]) -> bool {
    let term = uri.rsplit('/').next().unwrap_or_default();
    terms.iter().any(|known| term.eq_ignore_ascii_case(known))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_term_counts_under_any_prefix_and_in_any_case() {
        assert!(is_generated(TRAINED) && is_generated(COMPOSITE) && is_generated("TRAINEDALGORITHMICMEDIA"));
        assert!(is_in_part(of_output(true)) && !is_in_part(of_output(false)));
        assert!(is_capture("https://cv.iptc.org/newscodes/digitalsourcetype/digitalCapture"));
        assert!(!is_generated(BY_RULE) && !is_capture(BY_RULE));
        assert!(!is_generated("digitalCapture") && !is_capture(TRAINED) && !is_generated(""));
    }
}
