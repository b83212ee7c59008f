//! Style and scripts, compiled in.

use axum::extract::{Path, RawQuery};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};

use super::problem::Problem;
use crate::digest::Digest;

const CSS: &str = "text/css; charset=utf-8";
const JS: &str = "text/javascript; charset=utf-8";
const SVG: &str = "image/svg+xml";

/// Name, type and text.
const ALL: [(&str, &str, &str); 8] = [
    ("style.css", CSS, include_str!("assets/style.css")),
    ("drop.js", JS, include_str!("assets/drop.js")),
    ("verify.js", JS, include_str!("assets/verify.js")),
    ("make.js", JS, include_str!("assets/make.js")),
    ("job.js", JS, include_str!("assets/job.js")),
    ("graph.js", JS, include_str!("assets/graph.js")),
    ("compare.js", JS, include_str!("assets/compare.js")),
    ("icon.svg", SVG, include_str!("assets/icon.svg")),
];

/// Where `name` is served: its address changes with its text, so that browsers may keep it.
pub fn at(name: &str) -> String {
    let text = ALL.iter().find(|(known, ..)| *known == name).map_or("", |(_, _, text)| text);
    format!("/static/{name}?{}", version(text))
}

fn version(text: &str) -> String {
    Digest::of(text).short(12)
}

pub async fn serve(Path(name): Path<String>, RawQuery(asked): RawQuery) -> Response {
    let Some((_, kind, text)) = ALL.iter().find(|(known, ..)| *known == name) else {
        return Problem::NotFound.into_response();
    };
    // Scripts that ask for each other do not know versions.
    let cache = match asked {
        Some(asked) if asked == version(text) => "public, max-age=31536000, immutable",
        _ => "no-cache",
    };
    ([(CONTENT_TYPE, *kind), (CACHE_CONTROL, cache)], *text).into_response()
}
