//! What cannot be done for a visitor, as a page or as JSON.

use crate::html::html;
use axum::Json;
use axum::http::StatusCode;
use axum::http::header::{self, HeaderValue};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::frame::{Frame, Here};
use super::guard::Visitor;
use crate::catalog::CatalogError;
use crate::raster::DecodeError;

/// One reason, with what to do about it.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Problem {
    #[error("this server is not called that; open it by its address, or name it with --host")]
    WrongHost,
    #[error("another site sent this; open the page here and send it again")]
    CrossSite,
    #[error("this needs the server's token; sign in, or send it as 'Authorization: Bearer …'")]
    NoToken,
    #[error("there is no such page")]
    NotFound,
    #[error("{0}")]
    BadRequest(String),
    #[error("{bytes} bytes are over the limit of {limit}; send a smaller file")]
    TooLarge { bytes: u64, limit: u64 },
    #[error("the file did not come within {seconds} seconds; send it again")]
    TooSlow { seconds: u64 },
    #[error("too many requests from your address; wait {seconds} s")]
    TooMany { seconds: u64 },
    #[error("the server is busy; try again in a minute")]
    Busy,
    #[error("{0}")]
    Unreadable(String),
    #[error("{0}")]
    Conflict(String),
    #[error("the server could not do it: {0}")]
    Internal(String),
}

impl From<CatalogError> for Problem {
    fn from(error: CatalogError) -> Self {
        Problem::Internal(error.to_string())
    }
}

impl From<DecodeError> for Problem {
    fn from(error: DecodeError) -> Self {
        Problem::Unreadable(error.to_string())
    }
}

impl Problem {
    pub fn status(&self) -> StatusCode {
        match self {
            Problem::WrongHost => StatusCode::MISDIRECTED_REQUEST,
            Problem::CrossSite => StatusCode::FORBIDDEN,
            Problem::NoToken => StatusCode::UNAUTHORIZED,
            Problem::NotFound => StatusCode::NOT_FOUND,
            Problem::BadRequest(_) => StatusCode::BAD_REQUEST,
            Problem::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Problem::TooSlow { .. } => StatusCode::REQUEST_TIMEOUT,
            Problem::TooMany { .. } => StatusCode::TOO_MANY_REQUESTS,
            Problem::Busy => StatusCode::SERVICE_UNAVAILABLE,
            Problem::Unreadable(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Problem::Conflict(_) => StatusCode::CONFLICT,
            Problem::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// For programs; the shape is that of the command line. `guard` makes a page of it for people.
    fn json(&self) -> Response {
        let body = Json(json!({ "schema": 1, "error": self.to_string() }));
        let mut response = self.finish((self.status(), body).into_response());
        response.extensions_mut().insert(self.clone());
        response
    }

    /// For whoever looks at a page of `visitor`.
    pub fn page(&self, visitor: Visitor) -> Response {
        let words = super::text::ENGLISH;
        let body = html! {
            div.notice role="alert" {
                h1 { (words.could_not) }
                p { (self.to_string()) }
                p { a href="/" { (words.back) } }
            }
        };
        let frame = Frame { title: words.could_not, here: Here::Nowhere, visitor, scripts: &[] };
        self.finish((self.status(), frame.page(body)).into_response())
    }

    fn finish(&self, mut response: Response) -> Response {
        let wait = match self {
            Problem::TooMany { seconds } => *seconds,
            Problem::Busy => 60,
            _ => return response,
        };
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(wait));
        response
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        self.json()
    }
}

/// Where no path leads.
pub async fn not_found() -> Problem {
    Problem::NotFound
}
