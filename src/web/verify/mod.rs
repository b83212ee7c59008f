//! Is it AI-derived? As a page, as a form without scripts, and for programs.

mod layers;
mod page;

use std::sync::Arc;

use axum::Router;
use axum::extract::{ConnectInfo, DefaultBodyLimit, Extension, Request, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};

use super::guard::Visitor;
use super::intake::{self, Upload};
use super::listener::Peer;
use super::picture;
use super::problem::Problem;
use super::site::Site;
use crate::lineage::{self, Graph};
use crate::raster;
use crate::verify::{Archive, Report, Verdict, VerifyError, verify};

pub use page::FRAGMENT;

/// Long side of the picture beside its verdict.
const SHOWN: u32 = 640;

pub fn routes() -> Router<Arc<Site>> {
    Router::new()
        .route("/verify", get(form).post(by_form))
        .route("/api/verify", post(by_program))
        // Bodies are limited where they are read, by what the server was told.
        .layer(DefaultBodyLimit::disable())
}

/// What was found out about a picture.
pub struct Answer {
    pub name: String,
    pub report: Report,
    /// The picture, drawn anew and small.
    pub shown: Vec<u8>,
    /// What it came from, for owners.
    pub lineage: Option<Graph>,
    /// What could not be asked.
    pub notes: Vec<String>,
}

async fn form(State(site): State<Arc<Site>>, Extension(visitor): Extension<Visitor>) -> Response {
    page::form(&site, visitor).into_response()
}

async fn by_form(
    State(site): State<Arc<Site>>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    Extension(visitor): Extension<Visitor>,
    headers: HeaderMap,
    request: Request,
) -> Response {
    let in_part = headers.contains_key(FRAGMENT);
    match answer(&site, peer, visitor, request).await {
        Ok(answer) => page::answer(&site, visitor, &answer, in_part).into_response(),
        Err(problem) if in_part => (problem.status(), page::problem(&problem)).into_response(),
        Err(problem) => problem.page(visitor),
    }
}

async fn by_program(
    State(site): State<Arc<Site>>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    Extension(visitor): Extension<Visitor>,
    request: Request,
) -> Result<Response, Problem> {
    let answer = answer(&site, peer, visitor, request).await?;
    Ok(axum::Json(answer.report.document(&answer.name)).into_response())
}

/// Looks into the picture of `request` when it is its turn.
pub async fn answer(
    site: &Arc<Site>,
    peer: Peer,
    visitor: Visitor,
    request: Request,
) -> Result<Answer, Problem> {
    site.admit(peer, visitor)?;
    let (upload, place) = intake::receive(request, &site.gate, site.bounds.upload.bytes).await?;
    if upload.bytes.is_empty() {
        return Err(Problem::BadRequest("there was no picture in it; choose a file".to_owned()));
    }
    let site = Arc::clone(site);
    place.work(move || look(&site, visitor, upload)).await
}

fn look(site: &Site, visitor: Visitor, upload: Upload) -> Result<Answer, Problem> {
    let archive = site.workspace().ok().map(Archive::open);
    let memory = archive.as_ref().and_then(Archive::memory);
    let anchors = archive.as_ref().map(|archive| archive.anchors.as_slice()).unwrap_or_default();
    let limits = &site.bounds.upload;
    let report = verify(&upload.bytes, memory.as_ref(), anchors, limits).map_err(|error| match error {
        VerifyError::Decode(error) => Problem::Unreadable(error.to_string()),
        VerifyError::Recall(error) => Problem::Internal(error.to_string()),
    })?;
    let decoded =
        raster::decode(&upload.bytes, limits).map_err(|error| Problem::Unreadable(error.to_string()))?;
    let shown = picture::drawn(&decoded.raster.flatten(), SHOWN)?;
    let asset = report.catalog.asset.as_ref();
    let asset = asset.filter(|_| visitor == Visitor::Owner && report.verdict != Verdict::Contradiction);
    let lineage = match (&memory, asset) {
        (Some(memory), Some(id)) => {
            let failed = |error: crate::catalog::CatalogError| Problem::Internal(error.to_string());
            match memory.catalog.by_id(id).map_err(failed)? {
                Some(asset) => {
                    Some(lineage::lineage(memory.catalog, &asset).map_err(failed)?.path_to_focus())
                }
                None => None,
            }
        }
        _ => None,
    };
    let notes = match visitor {
        Visitor::Owner => archive.map(|archive| archive.notes).unwrap_or_default(),
        Visitor::Stranger => Vec::new(),
    };
    Ok(Answer { name: upload.name.unwrap_or_else(|| "upload".to_owned()), report, shown, lineage, notes })
}
