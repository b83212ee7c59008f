//! Every sentence of the pages, in one table: another language is another table.

/// What the pages say. `{name}` stands for what is filled in.
macro_rules! table {
    ($($name:ident),* $(,)?) => {
        #[derive(Clone, Copy, Debug)]
        pub struct Text {
            /// Three parts of how a picture is verified: title and sentence.
            pub promises: [(&'static str, &'static str); 3],
            $(pub $name: &'static str,)*
        }
    };
}

table! {
    language, skip, pages, make, verify, catalog, footer, could_not, back,
    sign_in, sign_in_lead, token, wrong_token,
    drop_picture, drop_reference, drop_mask, mask_note, remove, drop_similar, formats,
    verify_title, verify_lead, verify_button, looking, how,
    is_ai, is_ai_rest, is_silent, is_silent_rest, is_contradiction, is_contradiction_rest,
    low, medium, high, shown, evidence,
    manifest, watermark, claims, trusted, valid, recovered, broken, absent, found, disagrees, says_ai, not_asked,
    match_exact, match_watermark, match_looks,
    signer, organisation, signed_at, source_type, engine, strength, seed, deviation, source,
    payload, level, confidence, chance, geometry, in_place, mirrored, turned, scaled, key, own_key, not_own_key,
    asset, distance, made_from, lineage, reference, variation, recipe, recipe_measured,
    make_title, make_lead, subject, subject_example, subject_note, options, engine_blind, policy, class, class_unknown,
    format, seed_open, count, width, height, as_reference, purpose, make_button, sending,
    as_reference_end, new_end, allowed, auto, recent,
    job_title, job_failed, job_cancelled, job_cancelled_rest, on_the_way, another, waiting, running,
    released, released_chip, released_some, refused, automatic, asked_for, asked_subject,
    draft, preparing, ahead, cancel, look_again, marks, signed_by, unnamed, mark_is, size, label, prompt_unread,
    download, in_catalog, refused_title, refused_lead, quarantined, nothing_kept, in_log, other_seeds, try_auto,
    try_auto_note, compare, arrangement, by_detail, by_copies, copied_area, at_least, no_limit, held, held_nearest,
    sought, outcome, varied, varied_share, own_copy, own_copy_share,
    catalog_title, catalog_lead, nothing_yet, nothing_found, older, any, words, from, to, since, until, search,
    tile, tile_deviation, similar_title, similar_lead, search_similar, nothing_similar, same_picture, similar_deviation,
    similar_by_looks, zoom, zoom_in, zoom_out, zoom_fit, left_out, recorded, refusals, run, reference_of, measured, decision, cleared, by_policies,
    steps, prompt, started, algorithm, log, entry, at, kind, hash,
}

pub const ENGLISH: Text = Text {
    language: "en",
    skip: "Skip to content",
    pages: "Pages",
    make: "Make",
    verify: "Verify",
    catalog: "Catalog",
    footer: "vidimus makes variations of scientific images, and leaves no doubt about what they are.",
    could_not: "That could not be done",
    back: "Back to the start",

    sign_in: "Sign in",
    sign_in_lead: "This server asks for the token that it was started with.",
    token: "Token",
    wrong_token: "That is not the token. Check it and try again.",

    drop_picture: "Drop a picture here, or choose one",
    drop_reference: "Drop a reference here, or choose one",
    drop_mask: "Vary only a part: drop a mask, or choose one",
    mask_note: "A picture as large as the reference: only what is white in it is varied. What stays counts as copied.",
    remove: "Remove",
    drop_similar: "Search by looks: drop a picture, or choose one",
    formats: "PNG, JPEG, WebP, TIFF, BMP, GIF or MRC, up to {most}",

    verify_title: "Is it AI-derived?",
    verify_lead: "Drop any picture. You get a verdict, and everything that it rests on: the signed manifest, the \
                  invisible watermark, and what is on record here.",
    verify_button: "Verify",
    looking: "Looking into the pixels …",
    how: "How a picture is verified",
    promises: [
        ("Manifest", "A signed C2PA statement in the file says who made the picture, how, and from what."),
        (
            "Watermark",
            "A mark in the pixels survives screenshots, crops and turns, and says what the file no longer does.",
        ),
        ("Record", "Outputs of this workspace are known by their bytes, their mark and their looks."),
    ],

    is_ai: "This picture is AI-derived.",
    is_ai_rest: "The layers below say so, and nothing contradicts them.",
    is_silent: "No evidence that this picture is AI-derived.",
    is_silent_rest: "That does not make it authentic: marks can be removed, and most programs leave none.",
    is_contradiction: "The evidence contradicts itself.",
    is_contradiction_rest: "Something in this file was changed, copied or forged. Do not rely on it.",
    low: "Low confidence: only unsigned metadata says so",
    medium: "Medium confidence: an outsider could have made this evidence",
    high: "High confidence",
    shown: "The picture {name}",
    evidence: "Evidence, layer by layer",

    manifest: "Manifest",
    watermark: "Watermark",
    claims: "Unsigned claims",
    trusted: "trusted here",
    valid: "intact, signer unknown",
    recovered: "recovered",
    broken: "broken",
    absent: "none found",
    found: "found",
    disagrees: "disagrees",
    says_ai: "says AI",
    not_asked: "not asked",
    match_exact: "exact match",
    match_watermark: "match by watermark",
    match_looks: "match by looks",

    signer: "Signed by",
    organisation: "Organisation",
    signed_at: "Signed at",
    source_type: "Kind of source",
    engine: "Engine",
    strength: "Strength",
    seed: "Seed",
    deviation: "Deviation",
    source: "Source SHA-256",
    payload: "Payload",
    level: "Level",
    confidence: "Chance of error",
    chance: "one in 10^{power} pictures without a mark",
    geometry: "Since marked",
    in_place: "neither turned nor scaled",
    mirrored: "mirrored",
    turned: "turned by {degrees}°",
    scaled: "scaled to {scale}",
    key: "Key",
    own_key: "this workspace's own",
    not_own_key: "not this workspace's",
    asset: "On record as",
    distance: "Deviation from record",
    made_from: "Made from",
    lineage: "Lineage",
    reference: "Reference",
    variation: "Variation",
    recipe: "{engine}, strength {strength}",
    recipe_measured: "{engine}, strength {strength}, deviation {deviation}",

    make_title: "Make a variation",
    make_lead: "A new picture in the manner of your reference: far enough from it not to pass for the same data, and \
                marked so that everyone can tell.",
    subject: "Subject",
    subject_example: "adenovirus virions",
    subject_note: "Becomes “electron microscope image of …”. Recorded with every picture; read by diffusion engines only.",
    options: "Engine, policy, seed and size",
    engine_blind: "{engine} (draws from the reference alone)",
    policy: "Policy",
    class: "The reference is",
    class_unknown: "unknown: all policies apply",
    format: "Format",
    seed_open: "a new one",
    count: "Variations",
    width: "Width in pixels",
    height: "Height in pixels",
    as_reference: "as the reference",
    purpose: "Purpose",
    make_button: "Make it",
    sending: "Sending …",
    as_reference_end: "0 · the reference itself",
    new_end: "entirely new · 1",
    allowed: "Policy {policies} allows {least} to {most}, and asks for a deviation of at least {deviation}.",
    auto: "Find the lowest strength that clears the policy",
    recent: "Recent",

    job_title: "Variation",
    job_failed: "It could not be made",
    job_cancelled: "Cancelled",
    job_cancelled_rest: "What was released before stays; nothing else is left.",
    on_the_way: "What happened on the way",
    another: "Make another",
    waiting: "Waiting",
    running: "Being made",
    released: "Released",
    released_chip: "marked and recorded",
    released_some: "{released} of {all} released",
    refused: "refused",
    automatic: "found automatically",
    asked_for: "Engine {engine}, strength {strength}",
    asked_subject: ", {subject}",
    draft: "Draft",
    preparing: "Preparing the reference",
    ahead: "{ahead} before this one",
    cancel: "Cancel",
    look_again: "Look again",
    marks: "Marks",
    signed_by: "signed by {signer}, {state}",
    unnamed: "an unnamed certificate",
    mark_is: "{id}, {level} level, {psnr} dB",
    size: "Size",
    label: "Manifest label",
    prompt_unread: "This engine cannot read prompts: yours is recorded, not used.",
    download: "Download",
    in_catalog: "Open in the catalog",
    refused_title: "Refused by the policy",
    refused_lead: "The policy keeps back what could pass for the reference's own data. Nothing was marked or released.",
    quarantined: "The draft is kept in quarantine, for its owner alone.",
    nothing_kept: "No picture was kept.",
    in_log: "See it in the log",
    other_seeds: "Try other seeds",
    try_auto: "Find a strength that clears",
    try_auto_note: "Draws several drafts and takes the lowest strength with a margin.",
    compare: "Share of the reference that is shown, in percent",
    arrangement: "Arrangement",
    by_detail: "By detail",
    by_copies: "By copied parts",
    copied_area: "Copied area",
    at_least: "at least {least} required",
    no_limit: "no limit",
    held: "Held against {others} others of {known} references on record.",
    held_nearest: "Nearest: {title}, deviation {deviation}.",
    sought: "How the strength was found",
    outcome: "Outcome",
    varied: "Varied",
    varied_share: "{share} % of the picture; the rest is the reference's own",
    own_copy: "Largest piece",
    own_copy_share: "{share} % of the picture, taken by the engine from one place of the reference",

    catalog_title: "Catalog",
    catalog_lead: "Every picture that was made here, and every one that was refused.",
    nothing_yet: "Nothing yet. What you make will be here, and so will what the policy refuses.",
    nothing_found: "Nothing like that is on record.",
    older: "Older",
    any: "any",
    words: "Prompt, title, seed or id",
    from: "Strength from",
    to: "Strength to",
    since: "Since",
    until: "Until",
    search: "Search",
    tile: "{engine} · {strength}",
    tile_deviation: "deviation {deviation}",
    similar_title: "Similar pictures",
    similar_lead: "Everything on record that looks like this picture, the likest first, also mirrored, turned or inverted. \
                   The deviation is the policy's measure: below 0.50 one may be a copy of the other.",
    search_similar: "Find similar",
    nothing_similar: "Nothing on record looks like it.",
    same_picture: "may be the same picture",
    similar_deviation: "deviation {deviation} from it",
    similar_by_looks: "alike by its looks",
    zoom: "Zoom",
    zoom_in: "Larger",
    zoom_out: "Smaller",
    zoom_fit: "Show all",
    left_out: "{count} more are not drawn.",
    recorded: "Recorded",
    refusals: "Refused",
    run: "Run",
    reference_of: "Its reference",
    measured: "Measured",
    decision: "Decision",
    cleared: "cleared",
    by_policies: "by policy {policies}",
    steps: "Steps",
    prompt: "Prompt",
    started: "Started",
    algorithm: "Algorithm",
    log: "Event log",
    entry: "Entry",
    at: "At",
    kind: "Kind",
    hash: "Hash",
};

/// `text` with each `{name}` replaced by its value. Values are not looked into.
pub fn fill(text: &str, values: &[(&str, &str)]) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        out.push_str(before);
        let Some((name, after)) = after.split_once('}') else {
            rest = after;
            break;
        };
        let value = values.iter().find(|(known, _)| *known == name).map(|(_, value)| *value);
        out.push_str(value.unwrap_or(name));
        rest = after;
    }
    out.push_str(rest);
    out
}

/// A time of the catalog to the second, such as 2026-08-02 12:00:00 UTC.
pub fn moment(time: &str) -> String {
    match (time.get(..10), time.get(11..19)) {
        (Some(day), Some(clock)) if time.ends_with('Z') => format!("{day} {clock} UTC"),
        _ => time.to_owned(),
    }
}

/// `text` as the beginning of a sentence.
pub fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_filled_in_and_not_looked_into() {
        assert_eq!(fill("{a} of {b}, {a}", &[("a", "{b}"), ("b", "2")]), "{b} of 2, {b}");
        assert_eq!(fill("none", &[]), "none");
    }

    #[test]
    fn moments_are_told_to_the_second() {
        assert_eq!(moment("2026-11-27T17:18:23.185599567Z"), "2026-11-27 17:18:23 UTC");
        assert_eq!(moment("never"), "never");
    }
}
