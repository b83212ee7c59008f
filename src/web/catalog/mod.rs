//! What is on record: runs in a grid, and a page for each picture and each run.

mod asset;
mod graph;
mod list;

use std::sync::Arc;

use axum::Router;
use axum::extract::{Extension, Path, Query, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use super::guard::Visitor;
use super::problem::Problem;
use super::site::Site;
use crate::catalog::{Catalog, CatalogError};

pub fn routes() -> Router<Arc<Site>> {
    Router::new()
        .route("/catalog", get(grid))
        .route("/catalog/{id}", get(picture))
        .route("/runs/{id}", get(run))
}

async fn grid(
    State(site): State<Arc<Site>>,
    Extension(visitor): Extension<Visitor>,
    Query(asked): Query<list::Asked>,
) -> Response {
    shown(visitor, open(&site).and_then(|catalog| list::page(catalog.as_ref(), visitor, &asked)))
}

async fn picture(
    State(site): State<Arc<Site>>,
    Extension(visitor): Extension<Visitor>,
    Path(id): Path<String>,
) -> Response {
    found(&site, visitor, |catalog| {
        let asset = catalog.by_id(&id).map_err(failed)?.ok_or(Problem::NotFound)?;
        asset::page(catalog, visitor, &asset)
    })
}

async fn run(
    State(site): State<Arc<Site>>,
    Extension(visitor): Extension<Visitor>,
    Path(id): Path<String>,
) -> Response {
    found(&site, visitor, |catalog| {
        let account = catalog.account(&id).map_err(failed)?.ok_or(Problem::NotFound)?;
        asset::run_page(catalog, visitor, &account)
    })
}

/// What is on record; nothing is before there is a catalog.
fn found(
    site: &Site,
    visitor: Visitor,
    page: impl FnOnce(&Catalog) -> Result<crate::html::Markup, Problem>,
) -> Response {
    let catalog = open(site).and_then(|catalog| catalog.ok_or(Problem::NotFound));
    shown(visitor, catalog.and_then(|catalog| page(&catalog)))
}

fn shown(visitor: Visitor, page: Result<crate::html::Markup, Problem>) -> Response {
    match page {
        Ok(page) => page.into_response(),
        Err(problem) => problem.page(visitor),
    }
}

/// `None` where nothing was recorded yet.
fn open(site: &Site) -> Result<Option<Catalog>, Problem> {
    let catalog = match Catalog::open_read_only(&site.workspace()?.database()) {
        Ok(catalog) => catalog,
        Err(CatalogError::Missing { .. }) => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    catalog.refuse_older().map_err(failed)?;
    Ok(Some(catalog))
}

fn failed(error: CatalogError) -> Problem {
    Problem::Internal(error.to_string())
}
