//! Pictures for pages. What came from elsewhere is never sent as it came: it is drawn anew from its pixels.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::extract::{Path, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use super::gate::aside;
use super::problem::Problem;
use super::site::Site;
use crate::catalog::{Asset, Role};
use crate::digest::Digest;
use crate::objects::Objects;
use crate::raster::{self, Format, Limits, Raster};

/// Long sides of a picture in a grid, and of one that is looked at, in pixels.
const SMALL: u32 = 320;
pub const LARGE: u32 = 1600;
/// Bytes of small pictures that are kept.
const KEPT: usize = 32 << 20;

pub fn routes() -> Router<Arc<Site>> {
    Router::new()
        .route("/pictures/{id}/small", get(small))
        .route("/pictures/{id}/large", get(large))
        .route("/pictures/{id}/file", get(file))
}

/// Small pictures by the digest of their file, the oldest forgotten first.
#[derive(Debug, Default)]
pub struct Thumbs(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    all: HashMap<Digest, Arc<Vec<u8>>>,
    order: VecDeque<Digest>,
    bytes: usize,
}

impl Thumbs {
    fn get(&self, of: &Digest) -> Option<Arc<Vec<u8>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).all.get(of).cloned()
    }

    fn put(&self, of: Digest, bytes: Arc<Vec<u8>>) {
        let Kept { all, order, bytes: held } = &mut *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *held += bytes.len();
        order.push_back(of);
        if let Some(before) = all.insert(of, bytes) {
            *held -= before.len();
        }
        while *held > KEPT
            && let Some(oldest) = order.pop_front()
        {
            *held -= all.remove(&oldest).map_or(0, |bytes| bytes.len());
        }
    }
}

/// `picture` with a long side of at most `side` pixels, as JPEG.
pub fn drawn(picture: &Raster, side: u32) -> Result<Vec<u8>, Problem> {
    let small = picture.within(side);
    raster::encode(&small, Format::Jpeg, 88).map_err(|error| Problem::Internal(error.to_string()))
}

async fn small(State(site): State<Arc<Site>>, Path(id): Path<String>) -> Result<Response, Problem> {
    aside(move || {
        let (asset, objects) = find(&site, &id)?;
        if let Some(known) = site.thumbs.get(&asset.sha256) {
            return Ok(jpeg(known.to_vec()));
        }
        let bytes = view(&objects, &asset.sha256, SMALL)?;
        site.thumbs.put(asset.sha256, Arc::new(bytes.clone()));
        Ok(jpeg(bytes))
    })
    .await
}

async fn large(State(site): State<Arc<Site>>, Path(id): Path<String>) -> Result<Response, Problem> {
    aside(move || {
        let (asset, objects) = find(&site, &id)?;
        Ok(jpeg(view(&objects, &asset.sha256, LARGE)?))
    })
    .await
}

/// A released output as it is, to be kept: marks and all.
async fn file(State(site): State<Arc<Site>>, Path(id): Path<String>) -> Result<Response, Problem> {
    aside(move || {
        let (asset, objects) = find(&site, &id)?;
        // Outputs alone are ours, and known to be what they say they are.
        let own = |format: &Format| asset.role == Role::Output && format.mime() == asset.mime;
        let format = Format::ALL.into_iter().find(own).ok_or(Problem::NotFound)?;
        let bytes = objects.get(&asset.sha256).map_err(|error| Problem::Internal(error.to_string()))?;
        let name =
            format!("attachment; filename=\"variation-{}.{}\"", asset.sha256.short(12), format.extension());
        let headers = [(CONTENT_TYPE, format.mime().to_owned()), (CONTENT_DISPOSITION, name)];
        Ok((headers, bytes).into_response())
    })
    .await
}

/// The picture on record as `id`, and where its file is.
pub fn find(site: &Site, id: &str) -> Result<(Asset, Objects), Problem> {
    let asset = site.catalog()?.ok_or(Problem::NotFound)?.by_id(id)?;
    Ok((asset.ok_or(Problem::NotFound)?, Objects::at(site.workspace()?.objects())))
}

fn view(objects: &Objects, of: &Digest, side: u32) -> Result<Vec<u8>, Problem> {
    drawn(&stored(objects, of)?, side)
}

/// The pixels of a file in the store.
pub fn stored(objects: &Objects, of: &Digest) -> Result<Raster, Problem> {
    // Its bytes are lost, or no picture any more.
    let bytes = objects.get(of).map_err(|_| Problem::NotFound)?;
    let decoded = raster::decode(&bytes, &Limits::default()).map_err(|_| Problem::NotFound)?;
    Ok(decoded.raster.flatten())
}

/// Assets never change.
pub fn jpeg(bytes: Vec<u8>) -> Response {
    let headers = [(CONTENT_TYPE, "image/jpeg"), (CACHE_CONTROL, "private, max-age=31536000, immutable")];
    (headers, bytes).into_response()
}
