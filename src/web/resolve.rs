//! The Soft Binding Resolution API of C2PA: other programs get back the manifests of pictures that have lost theirs.

use std::sync::Arc;

use axum::extract::{ConnectInfo, DefaultBodyLimit, Extension, Path, Query, Request, State};
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::{Value, json};

use super::gate::aside;
use super::guard::Visitor;
use super::listener::Peer;
use super::problem::Problem;
use super::site::Site;
use super::verify;
use crate::iscc::{self, ImageCode};
use crate::manifest;
use crate::raster;
use crate::verify::Verdict;
use crate::watermark::Level;

/// Results of a query that names no number.
const RESULTS: usize = 10;

pub fn routes() -> Router<Arc<Site>> {
    Router::new()
        .route("/matches/byBinding", get(by_binding).post(by_large_binding))
        .route("/matches/byContent", post(by_content).layer(DefaultBodyLimit::disable()))
        .route("/manifests/{id}", get(manifest_store))
        .route("/services/supportedAlgorithms", get(algorithms))
}

/// The names of the marks that are read here.
fn watermarks() -> [&'static str; 2] {
    [Level::Long.algorithm(), Level::Short.algorithm()]
}

async fn algorithms() -> Json<Value> {
    let watermarks: Vec<Value> = watermarks().iter().map(|alg| json!({ "alg": alg })).collect();
    Json(json!({ "watermarks": watermarks, "fingerprints": [{ "alg": iscc::ALGORITHM }] }))
}

#[derive(Deserialize)]
struct Binding {
    alg: String,
    value: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Most {
    max_results: Option<usize>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wanted {
    alg: Option<String>,
    max_results: Option<usize>,
}

/// What leads to outputs.
enum Sought {
    Mark {
        source: u64,
        nonce: u32,
    },
    Looks(ImageCode),
    /// One that is found already, and how alike it is, in percent.
    Output {
        id: String,
        score: u32,
    },
}

impl Sought {
    /// The value of our mark is its id, 12 digits of the source's digest and 5 of the nonce; that of an Image-Code is its
    /// ISCC unit.
    fn by(binding: &Binding) -> Result<Self, Problem> {
        let bad = |what: &str| Problem::BadRequest(format!("value: {what}"));
        let value = || STANDARD.decode(&binding.value).map_err(|_| bad("expected base64"));
        known(&binding.alg)?;
        if binding.alg == iscc::ALGORITHM {
            let code = ImageCode::from_unit(&value()?);
            return code
                .map(Sought::Looks)
                .ok_or_else(|| bad("expected an Image-Code of 256 bits in base64"));
        }
        let id = String::from_utf8(value()?).ok();
        let id = id.filter(|id| id.len() == 17 && id.bytes().all(|b| b.is_ascii_hexdigit()));
        let id = id.ok_or_else(|| bad("expected 17 hexadecimal digits in base64"))?;
        let digits =
            |text: &str| u64::from_str_radix(text, 16).map_err(|_| bad("expected hexadecimal digits"));
        Ok(Sought::Mark { source: digits(&id[..12])?, nonce: digits(&id[12..])? as u32 })
    }
}

fn known(alg: &str) -> Result<(), Problem> {
    let [long, short] = watermarks();
    if [long, short, iscc::ALGORITHM].contains(&alg) {
        return Ok(());
    }
    let expected = format!("alg: expected {long}, {short} or {}, found {alg:?}", iscc::ALGORITHM);
    Err(Problem::BadRequest(expected))
}

async fn by_binding(
    State(site): State<Arc<Site>>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    Extension(visitor): Extension<Visitor>,
    Query(binding): Query<Binding>,
    Query(most): Query<Most>,
) -> Result<Json<Value>, Problem> {
    site.admit(peer, visitor)?;
    let sought = Sought::by(&binding)?;
    aside(move || found(&site, sought, most.max_results)).await
}

async fn by_large_binding(
    state: State<Arc<Site>>,
    peer: ConnectInfo<Peer>,
    visitor: Extension<Visitor>,
    most: Query<Most>,
    Json(binding): Json<Binding>,
) -> Result<Json<Value>, Problem> {
    by_binding(state, peer, visitor, Query(binding), most).await
}

async fn by_content(
    State(site): State<Arc<Site>>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    Extension(visitor): Extension<Visitor>,
    Query(Wanted { alg, max_results }): Query<Wanted>,
    request: Request,
) -> Result<Json<Value>, Problem> {
    alg.as_deref().map_or(Ok(()), known)?;
    if alg.as_deref() == Some(iscc::ALGORITHM) {
        let (upload, place) = verify::receive(&site, peer, visitor, request).await?;
        let look = move || {
            let decoded = raster::decode(&upload.bytes, &site.bounds.upload)?;
            found(&site, Sought::Looks(ImageCode::of(&decoded.raster.flatten())), max_results)
        };
        return place.work(look).await;
    }
    let (_, report) = verify::answer(&site, peer, visitor, request).await?;
    let by_looks = report.catalog.matched == Some("perceptual");
    let score = report.catalog.deviation_from_record.map_or(100, |far| (100.0 * (1.0 - far)).round() as u32);
    // A mark on another picture leads to nothing of this one.
    let id = report.catalog.asset.filter(|_| report.verdict != Verdict::Contradiction);
    match id.filter(|_| alg.is_none() || !by_looks) {
        Some(id) => aside(move || found(&site, Sought::Output { id, score }, max_results)).await,
        None => Ok(matches(&[])),
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Whole {
    #[serde(default)]
    return_active_manifest: bool,
}

async fn manifest_store(
    State(site): State<Arc<Site>>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    Extension(visitor): Extension<Visitor>,
    Path(id): Path<String>,
    Query(whole): Query<Whole>,
) -> Result<Response, Problem> {
    site.admit(peer, visitor)?;
    aside(move || {
        let catalog = site.catalog()?.ok_or(Problem::NotFound)?;
        let asset = catalog.by_manifest(&id)?.ok_or(Problem::NotFound)?;
        let store = catalog.manifest_store(&asset.id)?.ok_or(Problem::NotFound)?;
        let sent = match whole.return_active_manifest {
            true => manifest::active_alone(&store)
                .ok_or_else(|| Problem::Internal("the store is damaged".to_owned()))?,
            false => store,
        };
        Ok(([(CONTENT_TYPE, "application/c2pa")], sent).into_response())
    })
    .await
}

/// The manifests of the outputs that `sought` leads to, `most` at most.
fn found(site: &Site, sought: Sought, most: Option<usize>) -> Result<Json<Value>, Problem> {
    let Some(catalog) = site.catalog()? else { return Ok(matches(&[])) };
    let most = most.unwrap_or(RESULTS);
    let (outputs, score) = match sought {
        Sought::Mark { source, nonce } => {
            let output = catalog.by_watermark(source, nonce)?;
            (output.map(|asset| asset.id).into_iter().collect(), None)
        }
        Sought::Looks(code) => (catalog.by_image_code(&code, iscc::NEAR, most)?, None),
        Sought::Output { id, score } => (vec![id], Some(score)),
    };
    let mut found = Vec::new();
    for output in outputs.iter().take(most) {
        let label = catalog.facts(output)?.and_then(|facts| facts.manifest_label);
        found.extend(label.map(|label| match score {
            Some(score) => json!({ "manifestId": label, "similarityScore": score }),
            None => json!({ "manifestId": label }),
        }));
    }
    Ok(matches(&found))
}

fn matches(found: &[Value]) -> Json<Value> {
    Json(json!({ "matches": found }))
}
