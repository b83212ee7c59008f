//! What is on record: runs in a grid, a page for each picture and each run, and what looks like a picture.

mod asset;
mod graph;
mod list;
mod similar;

use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Extension, Path, Query, Request, State};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;

use super::gate::aside;
use super::guard::Visitor;
use super::problem::Problem;
use super::site::Site;
use super::{intake, picture};
use crate::catalog::Catalog;
use crate::html::Markup;
use crate::raster;

use similar::Sought;

pub fn routes() -> Router<Arc<Site>> {
    Router::new()
        .route("/catalog", get(grid))
        // Bodies are limited where they are read.
        .route("/catalog/similar", get(to_catalog).post(like_upload).layer(DefaultBodyLimit::disable()))
        .route("/catalog/{id}", get(asset_page))
        .route("/catalog/{id}/similar", get(like_asset))
        .route("/runs/{id}", get(run))
}

async fn grid(
    State(site): State<Arc<Site>>,
    Extension(visitor): Extension<Visitor>,
    Query(asked): Query<list::Asked>,
) -> Response {
    let known = Arc::clone(&site);
    shown(site, visitor, move |catalog| list::page(&known, catalog.as_ref(), visitor, &asked)).await
}

async fn asset_page(
    State(site): State<Arc<Site>>,
    Extension(visitor): Extension<Visitor>,
    Path(id): Path<String>,
) -> Response {
    shown(site, visitor, move |catalog| {
        let catalog = catalog.ok_or(Problem::NotFound)?;
        let asset = catalog.by_id(&id)?.ok_or(Problem::NotFound)?;
        asset::page(&catalog, visitor, &asset)
    })
    .await
}

async fn run(
    State(site): State<Arc<Site>>,
    Extension(visitor): Extension<Visitor>,
    Path(id): Path<String>,
) -> Response {
    shown(site, visitor, move |catalog| {
        let catalog = catalog.ok_or(Problem::NotFound)?;
        let account = catalog.account(&id)?.ok_or(Problem::NotFound)?;
        asset::run_page(&catalog, visitor, &account)
    })
    .await
}

/// Whoever comes without a picture, by the browser's history, is where it is given.
async fn to_catalog() -> Redirect {
    Redirect::to("/catalog")
}

/// What looks like a picture that is sent; nothing is kept of it.
async fn like_upload(
    State(site): State<Arc<Site>>,
    Extension(visitor): Extension<Visitor>,
    request: Request,
) -> Response {
    let looked = async {
        let (upload, place) = intake::receive(request, &site.gate, site.bounds.upload.bytes).await?;
        let site = Arc::clone(&site);
        let look = move || {
            let raster = raster::decode(&upload.bytes, &site.bounds.upload)?.raster.flatten();
            similar::page(&site, visitor, &Sought { name: upload.title(), raster, asset: None })
        };
        place.work(look).await
    };
    page_or_problem(looked.await, visitor)
}

/// What looks like a picture on record.
async fn like_asset(
    State(site): State<Arc<Site>>,
    Extension(visitor): Extension<Visitor>,
    Path(id): Path<String>,
) -> Response {
    let looked = async {
        // It is decoded and compared like one that was sent, and waits for its turn like one.
        let place = site.gate.enter(0, intake::PATIENCE).await?;
        let site = Arc::clone(&site);
        let look = move || {
            let (asset, objects) = picture::find(&site, &id)?;
            let raster = picture::stored(&objects, &asset.sha256)?;
            let catalog = site.catalog()?.ok_or(Problem::NotFound)?;
            let name = asset::Named::of(&catalog, &asset)?.name;
            similar::page(&site, visitor, &Sought { name, raster, asset: Some(asset.id) })
        };
        place.work(look).await
    };
    page_or_problem(looked.await, visitor)
}

/// The page that `look` makes of the catalog, which is `None` where nothing was recorded yet.
async fn shown(
    site: Arc<Site>,
    visitor: Visitor,
    look: impl FnOnce(Option<Catalog>) -> Result<Markup, Problem> + Send + 'static,
) -> Response {
    let page = aside(move || {
        let catalog = site.catalog()?;
        catalog.as_ref().map_or(Ok(()), Catalog::refuse_older)?;
        look(catalog)
    });
    page_or_problem(page.await, visitor)
}

fn page_or_problem(page: Result<Markup, Problem>, visitor: Visitor) -> Response {
    match page {
        Ok(page) => page.into_response(),
        Err(problem) => problem.page(visitor),
    }
}
