//! Is it AI-derived? As a page, as a form without scripts, and for programs.

mod layers;
mod page;

use std::sync::Arc;

use axum::Router;
use axum::extract::{ConnectInfo, DefaultBodyLimit, Extension, Request, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};

use super::gate::Place;
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
    match shown(&site, peer, visitor, request).await {
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
    let (name, report) = answer(&site, peer, visitor, request).await?;
    Ok(axum::Json(report.document(&name)).into_response())
}

/// The picture of `request`, if its visitor may ask for one more, and its place in the line.
pub async fn receive(
    site: &Site,
    peer: Peer,
    visitor: Visitor,
    request: Request,
) -> Result<(Upload, Place), Problem> {
    site.admit(peer, visitor)?;
    intake::receive(request, &site.gate, site.bounds.upload.bytes).await
}

/// What the picture of `request` is called, and what is found out about it when it is its turn.
pub async fn answer(
    site: &Arc<Site>,
    peer: Peer,
    visitor: Visitor,
    request: Request,
) -> Result<(String, Report), Problem> {
    let (upload, place) = receive(site, peer, visitor, request).await?;
    let site = Arc::clone(site);
    let look = move || {
        let archive = site.workspace().ok().map(Archive::open);
        let report = report(&site, &upload, archive.as_ref())?;
        Ok((upload.title(), report))
    };
    place.work(look).await
}

/// The same with what a page shows beside it.
async fn shown(site: &Arc<Site>, peer: Peer, visitor: Visitor, request: Request) -> Result<Answer, Problem> {
    let (upload, place) = receive(site, peer, visitor, request).await?;
    let site = Arc::clone(site);
    place.work(move || look(&site, visitor, upload)).await
}

fn report(site: &Site, upload: &Upload, archive: Option<&Archive>) -> Result<Report, Problem> {
    let memory = archive.and_then(Archive::memory);
    let anchors = archive.map(|archive| archive.anchors.as_slice()).unwrap_or_default();
    verify(&upload.bytes, memory.as_ref(), anchors, &site.bounds.upload).map_err(|error| match error {
        VerifyError::Decode(error) => error.into(),
        VerifyError::Recall(error) => Problem::Internal(error.to_string()),
    })
}

fn look(site: &Site, visitor: Visitor, upload: Upload) -> Result<Answer, Problem> {
    let archive = site.workspace().ok().map(Archive::open);
    let report = report(site, &upload, archive.as_ref())?;
    let decoded = raster::decode(&upload.bytes, &site.bounds.upload)?;
    let shown = picture::drawn(&decoded.raster.flatten(), SHOWN)?;
    let Some(archive) = archive.filter(|_| visitor == Visitor::Owner) else {
        return Ok(Answer { name: upload.title(), report, shown, lineage: None, notes: Vec::new() });
    };
    let known = report.catalog.asset.as_ref().filter(|_| report.verdict != Verdict::Contradiction);
    let lineage = match archive.memory().zip(known) {
        Some((memory, id)) => match memory.catalog.by_id(id)? {
            Some(asset) => Some(lineage::lineage(memory.catalog, &asset)?.path_to_focus()),
            None => None,
        },
        None => None,
    };
    Ok(Answer { name: upload.title(), report, shown, lineage, notes: archive.notes })
}
