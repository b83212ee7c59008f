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

use super::guard::Visitor;
use super::listener::Peer;
use super::problem::Problem;
use super::site::Site;
use super::verify::answer;
use crate::catalog::{Asset, Catalog, CatalogError};
use crate::manifest;
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
    Json(json!({ "watermarks": watermarks, "fingerprints": [] }))
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

async fn by_binding(
    State(site): State<Arc<Site>>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    Extension(visitor): Extension<Visitor>,
    Query(binding): Query<Binding>,
    Query(most): Query<Most>,
) -> Result<Json<Value>, Problem> {
    site.admit(peer, visitor)?;
    bound(&site, &binding, most.max_results)
}

async fn by_large_binding(
    State(site): State<Arc<Site>>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    Extension(visitor): Extension<Visitor>,
    Query(most): Query<Most>,
    Json(binding): Json<Binding>,
) -> Result<Json<Value>, Problem> {
    site.admit(peer, visitor)?;
    bound(&site, &binding, most.max_results)
}

/// The value of our mark is its id: 12 digits of the source's digest and 5 of the nonce.
fn bound(site: &Site, binding: &Binding, most: Option<usize>) -> Result<Json<Value>, Problem> {
    let bad = |what: &str| Problem::BadRequest(format!("value: {what}"));
    if !watermarks().contains(&binding.alg.as_str()) {
        return Err(Problem::BadRequest(format!(
            "alg: expected {}, found {:?}",
            watermarks().join(" or "),
            binding.alg
        )));
    }
    let id = STANDARD.decode(&binding.value).map_err(|_| bad("expected base64"))?;
    let id =
        String::from_utf8(id).ok().filter(|id| id.len() == 17 && id.bytes().all(|b| b.is_ascii_hexdigit()));
    let id = id.ok_or_else(|| bad("expected 17 hexadecimal digits in base64"))?;
    let digits = |text: &str| u64::from_str_radix(text, 16).map_err(|_| bad("expected hexadecimal digits"));
    let (source, nonce) = (digits(&id[..12])?, digits(&id[12..])? as u32);
    let found = match catalog(site)? {
        Some(catalog) => {
            let asset = catalog.by_watermark(source, nonce).map_err(failed)?;
            labels(&catalog, asset, None)?
        }
        None => Vec::new(),
    };
    Ok(matches(found, most))
}

async fn by_content(
    State(site): State<Arc<Site>>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    Extension(visitor): Extension<Visitor>,
    Query(wanted): Query<Wanted>,
    request: Request,
) -> Result<Json<Value>, Problem> {
    if let Some(alg) = wanted.alg.as_deref().filter(|alg| !watermarks().contains(alg)) {
        return Err(Problem::BadRequest(format!(
            "alg: expected {}, found {alg:?}",
            watermarks().join(" or ")
        )));
    }
    let report = answer(&site, peer, visitor, request).await?.report;
    let by_looks = report.catalog.matched == Some("perceptual");
    // A mark on another picture leads to nothing of this one.
    let id = report.catalog.asset.filter(|_| report.verdict != Verdict::Contradiction);
    let id = id.filter(|_| wanted.alg.is_none() || !by_looks);
    let found = match (catalog(&site)?, id) {
        (Some(catalog), Some(id)) => {
            let asset = catalog.by_id(&id).map_err(failed)?;
            let score =
                report.catalog.deviation_from_record.map_or(100, |far| (100.0 * (1.0 - far)).round() as u32);
            labels(&catalog, asset, Some(score))?
        }
        _ => Vec::new(),
    };
    Ok(matches(found, wanted.max_results))
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
    let catalog = catalog(&site)?.ok_or(Problem::NotFound)?;
    let asset = catalog.by_manifest(&id).map_err(failed)?.ok_or(Problem::NotFound)?;
    let store = catalog.manifest_store(&asset.id).map_err(failed)?.ok_or(Problem::NotFound)?;
    let sent = match whole.return_active_manifest {
        true => manifest::active_alone(&store)
            .ok_or_else(|| Problem::Internal("the store is damaged".to_owned()))?,
        false => store,
    };
    Ok(([(CONTENT_TYPE, "application/c2pa")], sent).into_response())
}

/// The manifests of an output, as the interface has them.
fn labels(catalog: &Catalog, asset: Option<Asset>, score: Option<u32>) -> Result<Vec<Value>, Problem> {
    let Some(asset) = asset else { return Ok(Vec::new()) };
    let label = catalog.facts(&asset.id).map_err(failed)?.and_then(|facts| facts.manifest_label);
    let entry = |label: String| match score {
        Some(score) => json!({ "manifestId": label, "similarityScore": score }),
        None => json!({ "manifestId": label }),
    };
    Ok(label.map(entry).into_iter().collect())
}

fn matches(mut found: Vec<Value>, most: Option<usize>) -> Json<Value> {
    found.truncate(most.unwrap_or(RESULTS));
    Json(json!({ "matches": found }))
}

fn catalog(site: &Site) -> Result<Option<Catalog>, Problem> {
    let Ok(workspace) = site.workspace() else { return Ok(None) };
    match Catalog::open_read_only(&workspace.database()) {
        Ok(catalog) => Ok(Some(catalog)),
        Err(CatalogError::Missing { .. }) => Ok(None),
        Err(error) => Err(failed(error)),
    }
}

fn failed(error: CatalogError) -> Problem {
    Problem::Internal(error.to_string())
}
